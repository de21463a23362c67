//! YAML to a tree in which every node knows its place. The only module that knows the YAML library.
//!
//! Scalars stay text: what a value means is said by the key it stands under, so `psk: 0123` and `psk: "0123"` are the
//! same, and nothing is lost by a guess. Duplicate keys are kept for the walk to complain about all of them.

use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{DuplicateKeyPolicy, Error, Location, Spanned};
use zeroize::Zeroizing;

use crate::report::{Code, Severity};
use crate::source::Source;
use crate::walk::Draft;

/// Nodes that one file may have.
const MAX_NODES: usize = 20_000;
/// Depth that one file may have.
const MAX_DEPTH: usize = 32;

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// The bytes of the text that the value takes; of a collection, the first of them.
    pub(crate) span: Range<usize>,
}

/// What YAML can say.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Scalar(Zeroizing<String>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The byte of the file at which the scalar's text starts, where the file holds it as it is.
    pub(crate) fn text_start(&self, source: &Source) -> Option<usize> {
        let Value::Scalar(text) = &self.value else {
            return None;
        };
        source
            .text
            .get(self.span.clone())?
            .find(text.as_str())
            .map(|at| self.span.start + at)
    }
}

/// Reads a file's text.
pub(crate) fn parse(file: usize, source: &Source) -> Result<Node, Draft> {
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: MAX_NODES,
            max_depth: MAX_DEPTH,
            max_events: 3 * MAX_NODES,
            max_aliases: 1000,
            max_anchors: 1000,
            max_recorded_anchor_events: MAX_NODES,
            max_merge_keys: 1000,
            flow_nesting_limit: MAX_DEPTH,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
    };
    match serde_yaml::from_str_with_options::<Spanned<Raw>>(&source.text, options) {
        Ok(root) => Ok(node(root, source)),
        Err(error) => Err(draft(file, source, &error)),
    }
}

fn draft(file: usize, source: &Source, error: &Error) -> Draft {
    let at = error
        .location()
        .map_or(0..0, |location| range(&location, source));
    let (code, message) = match error.without_snippet() {
        // The parser's own messages name marks of YAML, never content.
        Error::Message { msg, .. } | Error::ExternalMessage { msg, .. } => {
            (Code::YamlSyntax, format!("not YAML: {msg}"))
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            Code::YamlLimit,
            format!(
                "more than a policy file may hold ({MAX_NODES} nodes, {MAX_DEPTH} levels, 1000 aliases)"
            ),
        ),
        Error::MultipleDocuments { .. } => (
            Code::YamlSyntax,
            "more than one YAML document: a policy file holds one".to_owned(),
        ),
        Error::UnknownAnchor { .. } => (
            Code::YamlSyntax,
            "an alias (*name) of an anchor that is not defined before".to_owned(),
        ),
        Error::UnsupportedTag { .. } | Error::TaggedEnumMismatch { .. } => (
            Code::YamlSyntax,
            "tags (!name) have no meaning here".to_owned(),
        ),
        _ => (
            Code::YamlSyntax,
            "not YAML that a policy can be written in".to_owned(),
        ),
    };
    Draft::at(code, Severity::Error, file, at, String::new(), message)
}

fn node(raw: Spanned<Raw>, source: &Source) -> Node {
    let span = range(&raw.referenced, source);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Text(text) => Value::Scalar(text),
        // A number or a boolean as it was written.
        Raw::Plain => {
            let text = source
                .text
                .get(range(&raw.defined, source))
                .unwrap_or_default();
            Value::Scalar(Zeroizing::new(text.trim().to_owned()))
        }
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(item, source)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| (node(key, source), node(value, source)))
                .collect(),
        ),
    };
    Node { value, span }
}

/// The bytes of a place.
fn range(location: &Location, source: &Source) -> Range<usize> {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let span = location.span();
    let (start, end) = match (span.byte_offset(), span.byte_len()) {
        (Some(start), Some(length)) => (number(start), number(start.saturating_add(length))),
        _ => {
            let start = source.offset(number(location.line()), number(location.column()));
            (start, start + 1)
        }
    };
    let boundary = |mut at: usize| {
        while !source.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = boundary(start.min(source.text.len()));
    start..boundary(end.clamp(start, source.text.len()))
}

/// What the YAML library hands over, before numbers become text again.
enum Raw {
    Null,
    Plain,
    Text(Zeroizing<String>),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(Zeroizing::new(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
