//! Lines of a policy file with everything masked that could be a secret.
//!
//! What may be shown is listed, not what may not: the spans that the reader has recognised as keys of the language, names
//! and values that are never secret, and the marks between them. All else (values of unknown keys, comments, whatever
//! stands in a file that is not YAML) becomes `***`, whose length says nothing.

use std::ops::Range;

use crate::report::Snippet;
use crate::words;

/// Longest piece of a line that is shown, in bytes before and after the place.
const AROUND: usize = 96;
const MASK: &str = "***";

/// The line with `at` marked in it. `visible` holds sorted spans of the text, or is `None` where the text could not be
/// read as YAML: then only the language's own words are shown.
pub(crate) fn snippet(
    text: &str,
    line: Range<usize>,
    at: Range<usize>,
    visible: Option<&[Range<usize>]>,
) -> Snippet {
    let line = cut(text, line, &at);
    let mut shown = Shown {
        at: at.start..at.end.max(at.start + 1),
        text: String::new(),
        start: None,
        end: 0,
    };
    let spans = visible.unwrap_or_default();
    let first = spans.partition_point(|span| span.end <= line.start);
    let mut next = line.start;
    for span in spans[first..]
        .iter()
        .take_while(|span| span.start < line.end)
    {
        let span = span.start.max(next)..span.end.min(line.end);
        if span.start >= span.end {
            continue;
        }
        shown.gap(text, next..span.start, visible.is_none());
        shown.piece(span.clone(), &text[span.clone()]);
        next = span.end;
    }
    shown.gap(text, next..line.end, visible.is_none());
    shown.finish()
}

/// The part of a line that can come to be shown: lines of megabytes exist, and problems by the hundred.
fn cut(text: &str, line: Range<usize>, at: &Range<usize>) -> Range<usize> {
    let boundary = |mut offset: usize| {
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = at.start.saturating_sub(8 * AROUND).max(line.start);
    let end = at.start.saturating_add(8 * AROUND).min(line.end);
    boundary(start.min(end))..boundary(end)
}

struct Shown {
    /// What is to be marked, in bytes of the file.
    at: Range<usize>,
    text: String,
    /// The same, in bytes of the masked text.
    start: Option<usize>,
    end: usize,
}

impl Shown {
    /// Text that nobody has vouched for: white space and single marks stay, words only where they are the language's own.
    fn gap(&mut self, text: &str, gap: Range<usize>, words_too: bool) {
        let mut next = gap.start;
        while next < gap.end {
            let rest = &text[next..gap.end];
            let token = token(rest);
            if is_harmless(token, words_too) {
                self.piece(next..next + token.len(), token);
                next += token.len();
            } else {
                // Several masked words become one, so that not even their number is told.
                let mut length = token.len();
                loop {
                    let blank = token_of(&rest[length..], true);
                    let word = token_of(&rest[length + blank.len()..], false);
                    if word.is_empty() || is_harmless(word, words_too) {
                        break;
                    }
                    length += blank.len() + word.len();
                }
                self.piece(next..next + length, MASK);
                next += length;
            }
        }
    }

    /// Appends what stands for the bytes `from` of the file.
    fn piece(&mut self, from: Range<usize>, shown: &str) {
        let whole = shown.len() == from.len();
        let before = self.text.len();
        // One byte for one byte, where the piece is shown as it is; else the piece is marked as a whole.
        let place = |offset: usize| {
            if whole {
                before + offset - from.start
            } else {
                before
            }
        };
        if self.start.is_none() && self.at.start < from.end {
            self.start = Some(place(self.at.start.max(from.start)));
        }
        self.text.push_str(shown);
        if from.start < self.at.end {
            self.end = if whole {
                place(self.at.end.min(from.end))
            } else {
                self.text.len()
            };
        }
    }

    fn finish(self) -> Snippet {
        let boundary = |text: &str, mut at: usize| {
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = boundary(
            &self.text,
            self.start
                .unwrap_or(self.text.len())
                .min(self.text.len().saturating_sub(1)),
        );
        let end = self.end.clamp(start, self.text.len());
        let from = boundary(&self.text, start.saturating_sub(AROUND));
        let to = boundary(
            &self.text,
            end.min(start + AROUND)
                .saturating_add(AROUND)
                .min(self.text.len()),
        );
        // One character for one character, so that the drawing lines up: what could steer a terminal becomes a full stop.
        let mut text = String::new();
        let mut at = 0..0;
        let mut marked = false;
        for (offset, c) in self.text[from..to].char_indices() {
            let offset = offset + from;
            if !marked && offset >= start {
                (at.start, marked) = (text.len(), true);
            }
            let harmless =
                c == ' ' || c.escape_debug().len() == 1 || matches!(c, '"' | '\'' | '\\');
            text.push(if harmless {
                c
            } else if c.is_whitespace() {
                ' '
            } else {
                '.'
            });
            if offset < end || offset == start {
                at.end = text.len();
            }
        }
        Snippet { text, at }
    }
}

/// The white space or the word that the text starts with.
fn token(text: &str) -> &str {
    token_of(text, text.starts_with(char::is_whitespace))
}

/// The white space, or the word, that the text starts with; empty where it starts with the other.
fn token_of(text: &str, blank: bool) -> &str {
    &text[..text
        .find(|c: char| c.is_whitespace() != blank)
        .unwrap_or(text.len())]
}

fn is_harmless(token: &str, words_too: bool) -> bool {
    let bare = || token.trim_matches(|c| "{}[],:\"'".contains(c));
    token.starts_with(char::is_whitespace)
        || token.len() <= 3 && token.chars().all(|c| "{}[]:,-\"'".contains(c))
        || words_too && words::is_word(bare())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str, at: &str, visible: Option<&[&str]>) -> (String, String) {
        let span = |part: &str| {
            text.find(part)
                .map(|at| at..at + part.len())
                .expect("part of the text")
        };
        let visible = visible.map(|parts| parts.iter().map(|part| span(part)).collect::<Vec<_>>());
        let snippet = snippet(text, 0..text.len(), span(at), visible.as_deref());
        let marked = snippet.text[snippet.at.clone()].to_owned();
        (snippet.text, marked)
    }

    #[test]
    fn only_what_was_vouched_for_is_shown() {
        let text = "  auth: { psk: \"swordfish is secret\", file: x }  # was hunter2";
        let shown = "  auth: { psk: *** file: *** }  ***";
        assert_eq!(
            masked(text, "file", Some(&["auth", "psk", "file"])),
            (shown.to_owned(), "file".to_owned())
        );
    }

    #[test]
    fn of_what_is_no_yaml_only_the_words_of_the_language_are_shown() {
        let text = "\tauth: { psk: {x}swordfish }";
        assert_eq!(
            masked(text, "psk", None),
            (" auth: { psk: *** }".to_owned(), "psk:".replace(':', ""))
        );
        assert_eq!(masked(text, "swordfish", None).1, "***");
    }

    #[test]
    fn long_lines_are_cut_around_the_place_and_control_characters_replaced() {
        let text = format!("{}\u{1b}[2Jköy{}", "ä".repeat(5000), "b".repeat(5000));
        let snippet = snippet(
            &text,
            0..text.len(),
            10_004..10_006,
            Some(std::slice::from_ref(&(0..text.len()))),
        );
        assert!(snippet.text.len() < 400 && !snippet.text.chars().any(char::is_control));
        assert!(!snippet.text[snippet.at].is_empty());
    }
}
