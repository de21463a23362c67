//! Walking the tree of a file by the words of the language, collecting every problem on the way.
//!
//! Each reading function takes a node and gives the value, or `None` after it has told what is wrong: a mistake in one
//! value never hides the next. What was read and is no secret is marked as visible (see [`crate::mask`]).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::files::Files;
use crate::mask;
use crate::report::{Code, Problem, Report, Severity, printable};
use crate::source::Source;
use crate::words::{self, Kind, Mapping};
use crate::yaml::{Node, Value};

/// Problems that are told at most; a file of nothing else should not fill a disk.
const MAX_PROBLEMS: usize = 500;

/// A place in one of the files, by which checks over the whole can point.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) span: Range<usize>,
    pub(crate) path: String,
}

/// A problem before its file is known to have been read to the end, so that its line can be masked.
#[derive(Debug)]
pub(crate) struct Draft {
    code: Code,
    severity: Severity,
    /// The place, or the path of a file that could not be read.
    place: Result<Place, PathBuf>,
    message: String,
    suggestion: Option<String>,
}

impl Draft {
    pub(crate) fn of_file(code: Code, severity: Severity, file: &Path, message: String) -> Self {
        Self {
            code,
            severity,
            place: Err(file.to_owned()),
            message,
            suggestion: None,
        }
    }

    pub(crate) fn at(
        code: Code,
        severity: Severity,
        file: usize,
        span: Range<usize>,
        path: String,
        message: String,
    ) -> Self {
        Self {
            code,
            severity,
            place: Ok(Place { file, span, path }),
            message,
            suggestion: None,
        }
    }

    pub(crate) fn of(code: Code, severity: Severity, place: &Place, message: String) -> Self {
        Self {
            code,
            severity,
            place: Ok(place.clone()),
            message,
            suggestion: None,
        }
    }

    #[must_use]
    pub(crate) fn suggest(self, suggestion: impl Into<String>) -> Self {
        Self {
            suggestion: Some(suggestion.into()),
            ..self
        }
    }
}

/// What may be shown of each file: spans, or `None` where the file is no YAML.
pub(crate) type Visible = Vec<Option<Vec<Range<usize>>>>;

/// Turns drafts into a report, in the order of the files and lines.
pub(crate) fn report(sources: &[Source], mut visible: Visible, mut drafts: Vec<Draft>) -> Report {
    visible
        .iter_mut()
        .flatten()
        .for_each(|spans| spans.sort_by_key(|span| (span.start, span.end)));
    drafts.sort_by_key(|draft| {
        draft
            .place
            .as_ref()
            .map_or((0, 0), |place| (place.file + 1, place.span.start))
    });
    let more = drafts.len().saturating_sub(MAX_PROBLEMS);
    if more > 0 {
        // Errors are told first where not everything can be.
        drafts.sort_by_key(|draft| std::cmp::Reverse(draft.severity));
        drafts.truncate(MAX_PROBLEMS);
    }
    let mut problems: Vec<_> = drafts
        .into_iter()
        .map(|draft| finish(sources, &visible, draft))
        .collect();
    if let Some(file) = problems
        .first()
        .map(|problem| problem.file.clone())
        .filter(|_| more > 0)
    {
        let severity = problems
            .first()
            .map_or(Severity::Error, |problem| problem.severity);
        let message = format!("and {more} more problems");
        let draft = Draft {
            code: Code::More,
            severity,
            place: Err(file),
            message,
            suggestion: None,
        };
        problems.push(finish(sources, &visible, draft));
    }
    Report { problems }
}

fn finish(sources: &[Source], visible: &Visible, draft: Draft) -> Problem {
    let Draft {
        code,
        severity,
        place,
        message,
        suggestion,
    } = draft;
    match place {
        Err(file) => Problem {
            code,
            severity,
            file,
            line: 0,
            column: 0,
            path: String::new(),
            message,
            suggestion,
            snippet: None,
        },
        Ok(Place { file, span, path }) => {
            let source = &sources[file];
            let (line, column) = source.position(span.start);
            let snippet = mask::snippet(
                &source.text,
                source.line_around(span.start),
                span,
                visible[file].as_deref(),
            );
            let snippet = Some(snippet).filter(|snippet| !snippet.at.is_empty());
            Problem {
                code,
                severity,
                file: source.path.clone(),
                line,
                column,
                path,
                message,
                suggestion,
                snippet,
            }
        }
    }
}

/// Why a text is not the value it should be.
pub(crate) struct Bad {
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
    /// The bytes of the text that are wrong, where it is not the whole.
    pub(crate) at: Option<Range<usize>>,
}

impl Bad {
    pub(crate) fn new(message: impl std::fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            suggestion: None,
            at: None,
        }
    }

    pub(crate) fn suggest(self, suggestion: impl Into<String>) -> Self {
        Self {
            suggestion: Some(suggestion.into()),
            ..self
        }
    }
}

/// A mapping whose keys were compared with those of the language.
pub(crate) struct Fields<'n> {
    mapping: &'static Mapping,
    values: BTreeMap<&'static str, &'n Node>,
    /// Keys that were probably meant by unknown ones: they are not said to be missing as well.
    meant: Vec<&'static str>,
    /// Where the mapping is said to be when a key is missing.
    pub(crate) place: Place,
}

impl<'n> Fields<'n> {
    /// What stands under a key. Whoever asks knows the key.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        #[cfg(test)]
        words::asked(self.mapping, key);
        self.has(key)
    }

    fn has(&self, key: &str) -> Option<&'n Node> {
        self.values.get(key).copied()
    }

    /// What the language says may stand under a key.
    pub(crate) fn kind(&self, key: &str) -> Kind {
        let key = self.mapping.key(key);
        key.expect("the reader asks for keys of the table").kind
    }

    /// The keys that are there, in the order of the table.
    pub(crate) fn present(&self) -> impl Iterator<Item = &'static str> {
        let names = self.mapping.keys.iter().map(|key| key.name);
        names.filter(|name| self.has(name).is_some())
    }

    /// Whether one of the keys is there under another spelling, of which it has been told.
    pub(crate) fn is_misspelt(&self) -> bool {
        !self.meant.is_empty()
    }

    pub(crate) fn path(&self, key: &str) -> String {
        join(&self.place.path, key)
    }
}

pub(crate) fn join(path: &str, key: &str) -> String {
    let key = printable(key);
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// The walk through one file.
pub(crate) struct Walk<'a> {
    pub(crate) file: usize,
    pub(crate) source: &'a Source,
    pub(crate) drafts: &'a mut Vec<Draft>,
    pub(crate) visible: Vec<Range<usize>>,
    /// The files that policies name.
    pub(crate) files: &'a mut Files,
}

impl Walk<'_> {
    pub(crate) fn place(&self, node: &Node, path: &str) -> Place {
        Place {
            file: self.file,
            span: node.span.clone(),
            path: path.to_owned(),
        }
    }

    pub(crate) fn tell(
        &mut self,
        code: Code,
        severity: Severity,
        node: &Node,
        path: &str,
        bad: Bad,
    ) {
        let mut span = node.span.clone();
        if let (Some(at), Some(start)) = (bad.at, node.text_start(self.source)) {
            span = start + at.start..(start + at.end).min(span.end.max(start + at.end));
        }
        let draft = Draft::at(
            code,
            severity,
            self.file,
            span,
            path.to_owned(),
            bad.message,
        );
        self.drafts.push(Draft {
            suggestion: bad.suggestion,
            ..draft
        });
    }

    fn wrong_kind(&mut self, node: &Node, path: &str, expected: &str) {
        let found = match &node.value {
            Value::Null => "nothing",
            Value::Scalar(_) if !self.is_one_line(node) => "a text of several lines",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        };
        self.tell(
            Code::WrongKind,
            Severity::Error,
            node,
            path,
            Bad::new(format!("expected {expected}, found {found}")),
        );
    }

    /// The entries of a mapping, each key once. A key that is there twice is told of, and shown where it may be.
    pub(crate) fn entries<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        expected: &str,
        may_show: impl Fn(&str) -> bool,
    ) -> Vec<(&'n Node, &'n str, &'n Node)> {
        let Value::Map(entries) = &node.value else {
            self.wrong_kind(node, path, expected);
            return Vec::new();
        };
        let mut named: Vec<(&Node, &str, &Node)> = Vec::new();
        let mut seen = BTreeMap::new();
        for (key, value) in entries {
            let Value::Scalar(name) = &key.value else {
                self.wrong_kind(key, path, "a name as the key");
                continue;
            };
            if let Some(first) = seen.insert(name.as_str(), key.span.start) {
                if may_show(name) {
                    self.name(key, name);
                }
                self.duplicate(key, path, first);
                continue;
            }
            named.push((key, name.as_str(), value));
        }
        named
    }

    fn duplicate(&mut self, key: &Node, path: &str, first: usize) {
        let (line, _) = self.source.position(first);
        let bad = Bad::new(format!("this key is already there on line {line}"))
            .suggest("keep one of the two");
        self.tell(Code::DuplicateKey, Severity::Error, key, path, bad);
    }

    /// The values of a mapping by the keys of the language; of other keys it is told what they may have been meant to be.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        key: Option<&Node>,
        path: &str,
        keys: &'static Mapping,
    ) -> Option<Fields<'n>> {
        let expected = format!("{} as a mapping with {}", keys.what, list(&keys.names()));
        if !matches!(node.value, Value::Map(_)) {
            self.wrong_kind(node, path, &expected);
            return None;
        }
        let (mut values, mut meant) = (BTreeMap::new(), Vec::new());
        for (key, name, value) in self.entries(node, path, &expected, |name| {
            !keys.private || keys.key(name).is_some()
        }) {
            match keys.key(name) {
                Some(known) => {
                    self.visible.push(key.span.clone());
                    values.insert(known.name, value);
                }
                None => meant.extend(self.unknown_key(key, name, path, keys)),
            }
        }
        Some(Fields {
            mapping: keys,
            values,
            meant,
            place: self.place(key.unwrap_or(node), path),
        })
    }

    /// Tells of an unknown key, and gives the known one that was probably meant.
    fn unknown_key(
        &mut self,
        key: &Node,
        name: &str,
        path: &str,
        keys: &'static Mapping,
    ) -> Option<&'static str> {
        let of = |table: &[(&'static str, &'static str)]| {
            table
                .iter()
                .find(|(word, _)| *word == name)
                .map(|(_, advice)| *advice)
        };
        if let Some(advice) = of(keys.not_yet) {
            self.visible.push(key.span.clone());
            let bad = Bad::new(format!("`{name}` is not there yet")).suggest(advice);
            self.tell(Code::NotYet, Severity::Error, key, &join(path, name), bad);
            return None;
        }
        let near = words::nearest(name, keys.names());
        let meant = of(keys.elsewhere).or(near);
        // A key that resembles nothing may be a secret that lost its place.
        let shown = if keys.private && meant.is_none() {
            "?"
        } else {
            self.name(key, name)
        };
        let bad = match shown {
            "?" => Bad::new(format!("unknown key in {}", keys.what)),
            name => Bad::new(format!("unknown key `{name}` in {}", keys.what)),
        };
        let bad = match meant {
            Some(meant) => bad.suggest(format!("did you mean {meant}?")),
            None => bad.suggest(format!("known here: {}", list(&keys.names()))),
        };
        self.tell(Code::UnknownKey, Severity::Error, key, path, bad);
        near
    }

    /// The value of a key that has to be there.
    pub(crate) fn required<'n>(
        &mut self,
        fields: &Fields<'n>,
        key: &str,
        example: &str,
    ) -> Option<&'n Node> {
        let found = fields.get(key);
        if found.is_none() && !fields.meant.contains(&key) {
            let message = format!("`{key}` is missing");
            let draft = Draft::of(Code::MissingKey, Severity::Error, &fields.place, message);
            self.drafts.push(draft.suggest(format!("add {example}")));
        }
        found
    }

    /// Marks a name as visible, and says how it stands in a path. What could be no name may be a piece of the file that
    /// a forgotten quotation mark has swallowed, secrets included: it is not shown.
    pub(crate) fn name<'n>(&mut self, key: &Node, name: &'n str) -> &'n str {
        let like_a_name = |c: char| c.is_alphanumeric() || " ._-@:/".contains(c);
        if self.is_one_line(key) && name.chars().count() <= 64 && name.chars().all(like_a_name) {
            self.visible.push(key.span.clone());
            name
        } else {
            "?"
        }
    }

    fn is_one_line(&self, node: &Node) -> bool {
        self.source
            .text
            .get(node.span.clone())
            .is_some_and(|text| !text.contains('\n'))
    }

    /// A single value that is no secret. All of them stand on one line; what does not may have swallowed one.
    pub(crate) fn scalar<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        expected: &str,
    ) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(text) if !text.contains('\n') && self.is_one_line(node) => {
                self.visible.push(node.span.clone());
                Some(text.as_str())
            }
            _ => {
                self.wrong_kind(node, path, expected);
                None
            }
        }
    }

    /// A single value that is no secret, read by `parse`.
    pub(crate) fn parsed<T>(
        &mut self,
        node: &Node,
        path: &str,
        code: Code,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, Bad>,
    ) -> Option<T> {
        let text = self.scalar(node, path, expected)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(bad) => {
                let message = format!("`{}`: {}", printable(text), bad.message);
                self.tell(code, Severity::Error, node, path, Bad { message, ..bad });
                None
            }
        }
    }

    /// One value or a list of them, at least one and at most `most`. `None` where one of them is wrong.
    pub(crate) fn one_or_more<T>(
        &mut self,
        node: &Node,
        path: &str,
        (expected, most): (&str, usize),
        mut read: impl FnMut(&mut Self, &Node, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::List(items) = &node.value else {
            return read(self, node, path).map(|one| vec![one]);
        };
        if items.is_empty() {
            self.tell(
                Code::MissingKey,
                Severity::Error,
                node,
                path,
                Bad::new(format!("an empty list: expected {expected}")),
            );
            return None;
        }
        if items.len() > most {
            let bad = Bad::new(format!(
                "{} values, more than the {most} that are possible",
                items.len()
            ));
            self.tell(Code::TooMany, Severity::Error, node, path, bad);
            return None;
        }
        let values: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(i, item)| read(self, item, &format!("{path}[{i}]")))
            .collect();
        values.into_iter().collect()
    }
}

/// Words with commas and an `and`.
pub(crate) fn list(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
