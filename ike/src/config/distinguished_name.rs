//! X.501 Names (RFC 5280 section 4.1.2.4): from `C=DE, O=Example, CN=hq` to DER, and back.
//!
//! The order of a text is the order of the DER, first the country, as certificates are shown by most tools. Reading is
//! bounded by the caller ([`super::identity::MAX_IDENTITY`]) and goes no deeper than a Name does, so nothing recurses.

mod pattern;

pub use pattern::NamePattern;

use std::fmt;

use super::identity::{from_hexadecimal, write_printable};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const T61_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1a;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// What operators call the attributes, and their object identifiers in DER. The first name of several is printed.
const ATTRIBUTES: &[(&str, &[u8])] = &[
    ("C", &[0x55, 4, 6]),
    ("ST", &[0x55, 4, 8]),
    ("S", &[0x55, 4, 8]),
    ("L", &[0x55, 4, 7]),
    ("O", &[0x55, 4, 10]),
    ("OU", &[0x55, 4, 11]),
    ("CN", &[0x55, 4, 3]),
    ("SN", &[0x55, 4, 4]),
    ("GN", &[0x55, 4, 42]),
    ("T", &[0x55, 4, 12]),
    ("serialNumber", &[0x55, 4, 5]),
    ("street", &[0x55, 4, 9]),
    ("postalCode", &[0x55, 4, 17]),
    ("E", &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1]),
    (
        "emailAddress",
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1],
    ),
    (
        "DC",
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
    ),
    (
        "UID",
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1],
    ),
];

/// Why something is not a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not the DER of a Name.
    #[error("the bytes are not the DER of a Name")]
    Der,
    /// An attribute without `=`.
    #[error("each part has the form TYPE=value")]
    Form,
    /// An attribute type that is neither known nor an object identifier.
    #[error(
        "unknown attribute type; known are C, ST, L, O, OU, CN, SN, GN, T, serialNumber, street, postalCode, E, DC, UID, or an object identifier such as 2.5.4.3"
    )]
    Attribute,
    /// An empty value, or one with a control character or a broken escape.
    #[error("an attribute's value is empty, holds a control character or a broken escape")]
    Value,
    /// A pattern in which a star is only a piece of a value.
    #[error("a star stands for a whole value")]
    Star,
}

/// A Name, read from DER.
#[derive(Debug)]
pub(super) struct Name<'a>(Vec<Vec<Attribute<'a>>>);

#[derive(Debug)]
struct Attribute<'a> {
    /// The object identifier's DER contents.
    kind: &'a [u8],
    /// The value's tag.
    tag: u8,
    value: &'a [u8],
}

/// Reads the DER of a Name.
pub(super) fn parse(der: &[u8]) -> Result<Name<'_>, NameError> {
    let (mut sequence, rest) = element(der, SEQUENCE)?;
    if !rest.is_empty() {
        return Err(NameError::Der);
    }
    let mut name = Vec::new();
    while !sequence.is_empty() {
        let (mut set, rest) = element(sequence, SET)?;
        sequence = rest;
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let (attribute, rest) = element(set, SEQUENCE)?;
            set = rest;
            let (kind, value) = element(attribute, OBJECT_IDENTIFIER)?;
            let (tag, value, rest) = any_element(value)?;
            if kind.is_empty()
                || kind.last().is_some_and(|byte| byte & 0x80 != 0)
                || !rest.is_empty()
            {
                return Err(NameError::Der);
            }
            attributes.push(Attribute { kind, tag, value });
        }
        if attributes.is_empty() {
            return Err(NameError::Der);
        }
        name.push(attributes);
    }
    Ok(Name(name))
}

/// Whether both are the same Name by RFC 5280 section 7.1: in text, case and the amount of white space do not count.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    let (Ok(Name(a)), Ok(Name(b))) = (parse(a), parse(b)) else {
        return false;
    };
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| {
            // The DER of a SET is sorted, but not every tool sorts; sets here have one to three members.
            a.len() == b.len()
                && a.iter().all(|a| b.iter().any(|b| a.same(b)))
                && b.iter().all(|b| a.iter().any(|a| a.same(b)))
        })
}

/// One entry for each set of attributes, equal where [`same`] would find the sets equal: to compare one name with many,
/// and to see whether one begins with another (RFC 5280 section 4.2.1.10).
pub(crate) fn canonical(der: &[u8]) -> Result<Vec<Vec<u8>>, NameError> {
    let attribute = |attribute: &Attribute<'_>| {
        let mut canonical = Vec::new();
        append(&mut canonical, OBJECT_IDENTIFIER, attribute.kind);
        match attribute.text() {
            Some(text) => {
                let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
                append(&mut canonical, UTF8_STRING, words.join(" ").as_bytes());
            }
            None => append(&mut canonical, attribute.tag, attribute.value),
        }
        canonical
    };
    let set = |set: &Vec<Attribute<'_>>| {
        let mut attributes: Vec<_> = set.iter().map(attribute).collect();
        attributes.sort();
        attributes.dedup();
        attributes.concat()
    };
    Ok(parse(der)?.0.iter().map(set).collect())
}

/// The values of emailAddress attributes, which old certificates have instead of an rfc822Name.
pub(crate) fn email_addresses(der: &[u8]) -> Vec<String> {
    let Ok(Name(sets)) = parse(der) else {
        return Vec::new();
    };
    let kind = ATTRIBUTES
        .iter()
        .find_map(|(name, kind)| (*name == "E").then_some(*kind));
    sets.iter()
        .flatten()
        .filter(|attribute| Some(attribute.kind) == kind)
        .filter_map(Attribute::text)
        .collect()
}

/// Writes `C=DE, CN=hq` as DER.
pub(super) fn encode(text: &str) -> Result<Vec<u8>, NameError> {
    let mut name = Vec::new();
    for part in split(text, ',') {
        let mut set = Vec::new();
        for attribute in split(part, '+') {
            set.push(encode_attribute(attribute)?);
        }
        set.sort();
        append(&mut name, SET, &set.concat());
    }
    let mut der = Vec::new();
    append(&mut der, SEQUENCE, &name);
    Ok(der)
}

impl Attribute<'_> {
    fn text(&self) -> Option<String> {
        match self.tag {
            UTF8_STRING | PRINTABLE_STRING | IA5_STRING | NUMERIC_STRING | VISIBLE_STRING => {
                std::str::from_utf8(self.value).ok().map(str::to_owned)
            }
            // T.61 has long been used for Latin 1.
            T61_STRING => Some(self.value.iter().map(|&byte| char::from(byte)).collect()),
            BMP_STRING if self.value.len().is_multiple_of(2) => {
                let units = self
                    .value
                    .chunks_exact(2)
                    .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                char::decode_utf16(units).collect::<Result<_, _>>().ok()
            }
            UNIVERSAL_STRING if self.value.len().is_multiple_of(4) => {
                let (characters, _) = self.value.as_chunks::<4>();
                let character = |bytes: &[u8; 4]| char::from_u32(u32::from_be_bytes(*bytes));
                characters.iter().map(character).collect()
            }
            _ => None,
        }
    }

    fn same(&self, other: &Self) -> bool {
        let normalised = |text: String| {
            text.split_whitespace()
                .map(str::to_lowercase)
                .collect::<Vec<_>>()
        };
        self.kind == other.kind
            && match (self.text(), other.text()) {
                (Some(a), Some(b)) => normalised(a) == normalised(b),
                _ => self.tag == other.tag && self.value == other.value,
            }
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("dn:");
        }
        write_sets(f, &self.0, |f, attribute| {
            write_kind(f, attribute.kind)?;
            f.write_str("=")?;
            write_text(f, attribute)
        })
    }
}

/// The sets of a name, as they are written one behind the other: `C=DE, O=Example, CN=a + CN=b`.
fn write_sets<T>(
    f: &mut fmt::Formatter<'_>,
    sets: &[Vec<T>],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, set) in sets.iter().enumerate() {
        for (j, attribute) in set.iter().enumerate() {
            f.write_str(match (i, j) {
                (0, 0) => "",
                (_, 0) => ", ",
                _ => " + ",
            })?;
            write(f, attribute)?;
        }
    }
    Ok(())
}

/// The type of an attribute, as operators call it where they do.
fn write_kind(f: &mut fmt::Formatter<'_>, kind: &[u8]) -> fmt::Result {
    match ATTRIBUTES.iter().find(|(_, known)| *known == kind) {
        Some((name, _)) => f.write_str(name),
        None => write_object_identifier(f, kind),
    }
}

/// The value of an attribute, in hexadecimal where it is no text.
fn write_text(f: &mut fmt::Formatter<'_>, attribute: &Attribute<'_>) -> fmt::Result {
    if let Some(text) = attribute.text() {
        return write_value(f, &text);
    }
    write!(f, "#{:02x}", attribute.tag)?;
    attribute
        .value
        .iter()
        .try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn write_value(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ',' | '+' | '\\' | '=' | '"' | '*') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    write_printable(f, &escaped)
}

fn write_object_identifier(f: &mut fmt::Formatter<'_>, der: &[u8]) -> fmt::Result {
    let mut arc = 0_u64;
    let mut first = true;
    for byte in der {
        // An arc beyond 64 bits is only ever a stranger's joke; its upper bits are lost.
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if first {
                let root = (arc / 40).min(2);
                write!(f, "{root}.{}", arc - root * 40)?;
            } else {
                write!(f, ".{arc}")?;
            }
            first = false;
            arc = 0;
        }
    }
    Ok(())
}

fn encode_attribute(text: &str) -> Result<Vec<u8>, NameError> {
    let (kind, value) = text.split_once('=').ok_or(NameError::Form)?;
    let kind = kind_from_text(kind.trim()).ok_or(NameError::Attribute)?;
    let value = unescape(value.trim())?;
    if value.trim().is_empty() || value.chars().any(char::is_control) {
        return Err(NameError::Value);
    }
    let ia5 = ATTRIBUTES
        .iter()
        .any(|(name, der)| matches!(*name, "E" | "DC") && **der == *kind);
    let printable = |b: u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b);
    let tag = if ia5 && value.is_ascii() {
        IA5_STRING
    } else if value.bytes().all(printable) {
        PRINTABLE_STRING
    } else {
        UTF8_STRING
    };
    let mut contents = Vec::new();
    append(&mut contents, OBJECT_IDENTIFIER, &kind);
    append(&mut contents, tag, value.as_bytes());
    let mut attribute = Vec::new();
    append(&mut attribute, SEQUENCE, &contents);
    Ok(attribute)
}

/// The object identifier of an attribute's type, by the name that operators have for it or by its numbers.
fn kind_from_text(text: &str) -> Option<Vec<u8>> {
    let known = ATTRIBUTES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    known
        .map(|(_, der)| der.to_vec())
        .or_else(|| encode_object_identifier(text))
}

fn encode_object_identifier(text: &str) -> Option<Vec<u8>> {
    let arcs = text
        .split('.')
        .map(|arc| arc.parse::<u32>().ok())
        .collect::<Option<Vec<_>>>()?;
    let [first @ 0..=2, second @ 0..=999, rest @ ..] = arcs.as_slice() else {
        return None;
    };
    if *first < 2 && *second >= 40 || rest.is_empty() {
        return None;
    }
    let mut der = Vec::new();
    for arc in std::iter::once(first * 40 + second).chain(rest.iter().copied()) {
        let groups = (32 - arc.leading_zeros()).div_ceil(7).max(1);
        for group in (0..groups).rev() {
            let bits = u8::try_from(arc >> (7 * group) & 0x7f).expect("seven bits fit a byte");
            der.push(if group > 0 { bits | 0x80 } else { bits });
        }
    }
    Some(der)
}

/// Splits at `separator` where no backslash stands before it.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        if c == separator && !escaped {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

/// Takes backslashes away: `\,` is a comma, `\c3\a4` are two bytes of UTF-8 (RFC 4514 section 2.4).
fn unescape(text: &str) -> Result<String, NameError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let hexadecimal = after.get(..2).and_then(from_hexadecimal);
        let next = after.chars().next().ok_or(NameError::Value)?;
        match hexadecimal {
            Some(byte) => {
                bytes.extend(byte);
                rest = &after[2..];
            }
            None => {
                bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &after[next.len_utf8()..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| NameError::Value)
}

fn append(out: &mut Vec<u8>, tag: u8, contents: &[u8]) {
    out.push(tag);
    let length = contents.len();
    let octets = length.to_be_bytes();
    let used = octets
        .iter()
        .position(|&byte| byte != 0)
        .unwrap_or(octets.len() - 1);
    if length >= 0x80 {
        out.push(
            0x80 | u8::try_from(octets.len() - used).expect("a length has at most eight octets"),
        );
    }
    out.extend_from_slice(&octets[used..]);
    out.extend_from_slice(contents);
}

fn element(data: &[u8], expected: u8) -> Result<(&[u8], &[u8]), NameError> {
    match any_element(data)? {
        (tag, contents, rest) if tag == expected => Ok((contents, rest)),
        _ => Err(NameError::Der),
    }
}

/// One DER element: its tag, its contents and what follows it.
fn any_element(data: &[u8]) -> Result<(u8, &[u8], &[u8]), NameError> {
    let (&tag, data) = data.split_first().ok_or(NameError::Der)?;
    let (&first, data) = data.split_first().ok_or(NameError::Der)?;
    let (length, data) = match first {
        0..=0x7f => (usize::from(first), data),
        // Two octets of length are more than a Name within our bound needs; DER wants the shortest form.
        0x81 => match data.split_first() {
            Some((&length @ 0x80..=0xff, data)) => (usize::from(length), data),
            _ => return Err(NameError::Der),
        },
        0x82 => match data.split_first_chunk::<2>() {
            Some((&[high @ 1..=0xff, low], data)) => {
                (usize::from(u16::from_be_bytes([high, low])), data)
            }
            _ => return Err(NameError::Der),
        },
        _ => return Err(NameError::Der),
    };
    let (contents, rest) = data.split_at_checked(length).ok_or(NameError::Der)?;
    Ok((tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_der_with_printable_strings_where_they_fit() {
        let der = encode("C=DE, O=Bücher, CN=hq").unwrap();
        assert_eq!(
            der,
            [
                &[
                    0x30, 0x2c, 0x31, 0x0b, 0x30, 0x09, 6, 3, 0x55, 4, 6, 0x13, 2
                ][..],
                b"DE",
                &[0x31, 0x10, 0x30, 0x0e, 6, 3, 0x55, 4, 10, 0x0c, 7],
                "Bücher".as_bytes(),
                &[0x31, 0x0b, 0x30, 0x09, 6, 3, 0x55, 4, 3, 0x13, 2],
                b"hq",
            ]
            .concat()
        );
        assert_eq!(parse(&der).unwrap().to_string(), "C=DE, O=Bücher, CN=hq");
    }

    #[test]
    fn escapes_several_values_and_object_identifiers_survive_a_round_trip() {
        for text in [
            "O=Example\\, Inc., CN=a\\+b",
            "C=DE, OU=x + CN=hq",
            "2.5.4.100=x, CN=y",
            "DC=example, E=a@b",
            "1.2.840.113549.1.9.99=z",
        ] {
            assert_eq!(parse(&encode(text).unwrap()).unwrap().to_string(), text);
        }
        assert_eq!(encode("CN=\\c3\\a4"), encode("CN=ä"));
        assert!(same(
            &encode("CN=a b").unwrap(),
            &encode("CN=A  B").unwrap()
        ));
    }

    #[test]
    fn texts_that_are_no_names_say_why() {
        assert_eq!(encode("CN"), Err(NameError::Form));
        assert_eq!(encode("CM=x"), Err(NameError::Attribute));
        assert_eq!(encode("CN="), Err(NameError::Value));
        assert_eq!(encode("CN=a\\"), Err(NameError::Value));
        assert_eq!(encode("CN=a\u{1b}"), Err(NameError::Value));
    }

    #[test]
    fn every_cut_and_every_changed_byte_of_a_name_is_read_without_panic() {
        let der = encode("C=DE, O=Example, CN=hq + OU=x").unwrap();
        for length in 0..der.len() {
            assert_eq!(parse(&der[..length]).err(), Some(NameError::Der));
        }
        for at in 0..der.len() {
            for byte in 0..=255 {
                let mut changed = der.clone();
                changed[at] = byte;
                if let Ok(name) = parse(&changed) {
                    assert!(!name.to_string().chars().any(char::is_control));
                }
                let _ = same(&changed, &der);
            }
        }
    }
}
