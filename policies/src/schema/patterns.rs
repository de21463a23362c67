//! Regular expressions of the schema, in the common part of ECMA-262's and Rust's: each takes at least what the reader takes.

use ike::config::selector::protocol_names;
use ike::crypto::algorithms::Keyword;

use crate::words::Protocol;

/// Numbers with their units, a space between at most. The reader asks for the same.
pub(super) const DURATION: &str = "^[0-9]+[hms]( ?[0-9]+[hms])*$";

/// As [`ike::config::Name::new`] takes it.
pub(super) const NAME: &str = r"^[\p{Alphabetic}\p{N}._@:-]{1,64}$";

/// Words for several proposals, and what they are.
pub(super) const SETS: [(&str, &str); 3] = [
    (
        "default",
        "Today's best: AES-GCM first, AES-CBC with HMAC-SHA-2 as the second proposal.",
    ),
    (
        "cnsa1",
        "The Commercial National Security Algorithm Suite 1.0 (RFC 9206).",
    ),
    ("compatible", "What old peers still need, and nothing weak."),
];

const IPV4: &str = r"[0-9]{1,3}(\.[0-9]{1,3}){3}";
const IPV6: &str = r"[0-9A-Fa-f]*:[0-9A-Fa-f:]*(:[0-9]{1,3}(\.[0-9]{1,3}){3})?";

/// An IP address, or `any`.
pub(super) fn address() -> String {
    format!("^({IPV4}|{IPV6}|%?any)$")
}

/// An IP address, the name of a host, or `any`.
pub(super) fn address_or_host() -> String {
    let label = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
    format!("^({IPV4}|{IPV6}|%?any|{label}(\\.{label})*\\.?)$")
}

fn addresses() -> String {
    let address = format!("({IPV4}|{IPV6})");
    format!(r"{address}\s*(/\s*[0-9]+|-\s*{address})?")
}

/// A protocol with ports, as in brackets.
fn upper() -> String {
    let names: Vec<String> = protocol_names().map(in_any_case).collect();
    let names = names.join("|");
    format!(r"\s*({names}|[0-9]{{1,3}})\s*(/\s*([0-9:]+\s*(-\s*[0-9:]+)?|opaque))?\s*")
}

/// A traffic selector.
pub(super) fn selector() -> String {
    format!(r"^\s*{}\s*(\[{}\]\s*)?$", addresses(), upper())
}

/// A traffic selector of transport mode, where the address may be left out.
pub(super) fn own_selector() -> String {
    let (addresses, upper) = (addresses(), upper());
    format!(r"^({upper}|\[{upper}\]|\s*{addresses}\s*(\[{upper}\]\s*)?)$")
}

/// A proposal, or a word for several, in upper or lower case.
pub(super) fn proposal(protocol: Protocol) -> String {
    let words = Keyword::all().filter(|keyword| is_for(*keyword, protocol));
    let words: Vec<String> = words
        .flat_map(|keyword| keyword.words())
        .map(|word| in_any_case(word))
        .collect();
    let sets = SETS.map(|(word, _)| in_any_case(word)).join("|");
    let word = words.join("|");
    format!("^({sets}|({word})(-({word}))*)$")
}

/// Whether a word has a use in a proposal for this protocol.
pub(super) const fn is_for(keyword: Keyword, protocol: Protocol) -> bool {
    match (keyword, protocol) {
        (Keyword::Encryption(row), Protocol::Ike) => row.ike,
        (Keyword::Encryption(row), Protocol::Esp) => row.esp,
        (Keyword::Integrity(_) | Keyword::KeyExchange(_), _)
        | (Keyword::Prf(_), Protocol::Ike)
        | (Keyword::SequenceNumbers(_), Protocol::Esp) => true,
        _ => false,
    }
}

fn in_any_case(word: &str) -> String {
    let letter = |c: char| match c {
        'a'..='z' => format!("[{}{c}]", c.to_ascii_uppercase()),
        c => c.to_string(),
    };
    word.chars().map(letter).collect()
}
