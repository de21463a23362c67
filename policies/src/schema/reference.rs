//! The reference of the language, in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use ike::config::selector::narrow::MAX_SELECTORS;
use ike::crypto::algorithms::{Keyword, TransformName};
use ike::wire::numbers::TransformType;

use super::patterns::{self, is_for};
use super::{Default, FILE, Key, Kind, Mapping, Need, Protocol, Word};
use crate::language::shortest;
use crate::words::{MAX_FILES, MAX_PROPOSALS};

/// Every key of the language: what may stand there, what holds without it, what it means, and an example; then the words of
/// proposals. The headings are of the second and third level, so that a page can begin with its own.
#[must_use]
pub fn reference_markdown() -> String {
    let places = places();
    let mut page = String::new();
    for mapping in Mapping::all() {
        self::mapping(&mut page, mapping, &places[mapping.name]);
    }
    algorithms(&mut page);
    page
}

/// The paths at which each mapping stands, by its name.
fn places() -> BTreeMap<&'static str, Vec<String>> {
    fn visit(
        mapping: &'static Mapping,
        path: &str,
        places: &mut BTreeMap<&'static str, Vec<String>>,
    ) {
        places
            .entry(mapping.name)
            .or_default()
            .push(path.to_owned());
        for key in mapping.keys {
            for kind in key.kind.alternatives() {
                let path = join(path, key.name);
                match kind {
                    Kind::Mapping(inner) => visit(inner, &path, places),
                    Kind::Named(inner) => visit(inner, &format!("{path}.NAME"), places),
                    _ => {}
                }
            }
        }
    }
    let mut places = BTreeMap::new();
    visit(&FILE, "", &mut places);
    places
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn heading(mapping: &Mapping, places: &[String]) -> String {
    if places[0].is_empty() {
        return "The file".to_owned();
    }
    // What is the same at several places is called by what it is.
    match places {
        [one] => one.clone(),
        _ => mapping.what.to_owned(),
    }
}

fn mapping(page: &mut String, mapping: &Mapping, places: &[String]) {
    let code = |text: &String| format!("`{text}`");
    let _ = writeln!(
        page,
        "## {}\n\n{}\n",
        heading(mapping, places),
        mapping.about
    );
    if places.len() > 1 {
        let places: Vec<String> = places.iter().map(code).collect();
        let _ = writeln!(page, "It stands at {}.\n", places.join(", "));
    }
    if !mapping.ways.is_empty() {
        page.push_str("One of these:\n\n");
        for way in mapping.ways {
            let list = |keys: &[&str]| {
                let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
                keys.join(", ")
            };
            let _ = write!(page, "- {}: {}", way.what, list(way.needs));
            if !way.may.is_empty() {
                let _ = write!(page, "; perhaps {}", list(way.may));
            }
            page.push('\n');
        }
        page.push('\n');
    }
    for key in mapping.keys {
        self::key(page, key, mapping, &places[0]);
    }
}

fn key(page: &mut String, key: &Key, mapping: &Mapping, place: &str) {
    let kinds: Vec<String> = key.kind.alternatives().iter().map(said).collect();
    let need = match (key.need, key.default) {
        (Need::Required, _) => "Required.".to_owned(),
        (Need::InTunnelMode, Default::Said(said)) => format!("Required, but {said}."),
        (_, Default::Value(value)) => format!("Default: `{value}`."),
        (_, Default::Said(said)) => format!("Without it: {said}."),
        (_, Default::None) if mapping.ways.is_empty() => "May be left out.".to_owned(),
        (_, Default::None) => "See above for what it goes with.".to_owned(),
    };
    let _ = writeln!(page, "### `{}`\n", join(place, key.name));
    let _ = writeln!(page, "{}\n", key.description);
    let _ = writeln!(page, "Value: {}. {need}\n", kinds.join(", or "));
    if let Kind::Word(words) = key.kind {
        for Word(word, meaning) in words {
            let _ = writeln!(page, "- `{word}`: {meaning}");
        }
        page.push('\n');
    }
    let _ = writeln!(page, "```yaml\n{}: {}\n```\n", key.name, key.example);
}

/// What may stand there, as a phrase in Markdown.
fn said(kind: &Kind) -> String {
    match kind {
        Kind::Version => "the number 1".to_owned(),
        Kind::Number { least, most } => format!("a number from {least} to {most}"),
        Kind::Duration { least, most, never } => format!(
            "a duration from {} to {} in `h`, `m` and `s`, such as `1h 30m`{}",
            shortest(*least),
            shortest(*most),
            if *never { ", or `never`" } else { "" }
        ),
        Kind::Word(words) => {
            let words: Vec<String> = words
                .iter()
                .map(|Word(word, _)| format!("`{word}`"))
                .collect();
            words.join(" or ")
        }
        Kind::Address { named: false } => "an IP address, or `any`".to_owned(),
        Kind::Address { named: true } => "an IP address, the name of a host, or `any`".to_owned(),
        Kind::Identity { pattern: false } => "an identity".to_owned(),
        Kind::Identity { pattern: true } => "an identity, a pattern, or `any`".to_owned(),
        Kind::Selectors => format!("a traffic selector, or a list of at most {MAX_SELECTORS}"),
        Kind::Proposals(_) => format!("a proposal, or a list of at most {MAX_PROPOSALS}"),
        Kind::File => "the path of a file".to_owned(),
        Kind::Files => format!("the path of a file, or a list of at most {MAX_FILES}"),
        Kind::Secret => "a text in quotes".to_owned(),
        Kind::Mapping(mapping) => linked(mapping, "a mapping"),
        Kind::Named(mapping) => linked(mapping, "names, each with a mapping"),
        Kind::Either(kinds) => kinds.iter().map(said).collect::<Vec<_>>().join(", or "),
    }
}

fn linked(mapping: &Mapping, what: &str) -> String {
    let heading = heading(mapping, &places()[mapping.name]);
    let keys: Vec<String> = mapping
        .names()
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    format!("[{what}](#{}) with {}", anchor(&heading), keys.join(", "))
}

/// The anchor that mdBook gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

fn algorithms(page: &mut String) {
    page.push_str("## Words of proposals\n\nFor whole proposals, alone or in a list:\n\n");
    for (word, what) in patterns::SETS {
        let _ = writeln!(page, "- `{word}`: {what}");
    }
    page.push_str(
        "\nOr words for algorithms, joined by `-`, in upper or lower case. Several of one kind are alternatives, the best first. \
         An algorithm with a remark works only because it is named.\n\n\
         | word | also written | kind | for | remark |\n|---|---|---|---|---|\n",
    );
    for keyword in Keyword::all().filter(|one| !matches!(one, Keyword::Unavailable(_))) {
        let TransformName { transform, .. } = keyword.transform();
        let kind = match transform {
            TransformType::ENCR => "encryption",
            TransformType::PRF => "PRF",
            TransformType::INTEG => "integrity",
            TransformType::KE => "key exchange",
            _ => "sequence numbers",
        };
        let uses = match [Protocol::Ike, Protocol::Esp].map(|one| is_for(keyword, one)) {
            [true, true] => "IKE, ESP",
            [true, false] => "IKE",
            _ => "ESP",
        };
        let [word, others @ ..] = keyword.words() else {
            continue;
        };
        let others: Vec<String> = others.iter().map(|one| format!("`{one}`")).collect();
        let others = others.join(", ");
        let remark = keyword.weakness().unwrap_or_default();
        let _ = writeln!(page, "| `{word}` | {others} | {kind} | {uses} | {remark} |");
    }
    page.push_str("\nKnown, and not there:\n\n| word | why |\n|---|---|\n");
    for keyword in Keyword::all() {
        if let Keyword::Unavailable(row) = keyword {
            let words: Vec<String> = row.keywords.iter().map(|one| format!("`{one}`")).collect();
            let _ = writeln!(page, "| {} | {} |", words.join(", "), row.reason);
        }
    }
}
