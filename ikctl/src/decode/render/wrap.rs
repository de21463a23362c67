//! Lines that fit the terminal.

use std::io::{self, Write};

use super::Look;
use crate::text::{clean, paint};

/// What colours mean, as everywhere in ikctl.
pub(super) const PLAIN: &str = "";
pub(super) const BOLD: &str = "1";
pub(super) const DIM: &str = "2";
pub(super) const RED: &str = "31";
pub(super) const GREEN: &str = "32";
pub(super) const YELLOW: &str = "33";

/// The fewest columns that text is pressed into.
const NARROWEST: usize = 20;

/// Writes a text, cleaned, as one line or, where it is too long, several; the further ones are indented by `hang` more.
pub(super) fn line(
    to: &mut impl Write,
    look: Look,
    indent: usize,
    hang: usize,
    sgr: &str,
    text: &str,
) -> io::Result<()> {
    let text = clean(text);
    let room = |margin: usize| look.width.saturating_sub(margin).max(NARROWEST);
    let mut margin = indent;
    for line in broken(&text, room(indent), room(indent + hang)) {
        let line = paint(line, sgr, look.colour && !sgr.is_empty());
        writeln!(to, "{:margin$}{line}", "")?;
        margin = indent + hang;
    }
    Ok(())
}

/// Breaks a text into lines of `first`, then `rest` columns: at spaces, and within a word only where it fits no line.
fn broken(text: &str, first: usize, rest: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut left = text.trim_end();
    let mut room = first;
    while let Some((end, next)) = left.char_indices().nth(room) {
        let space = left[..end].rfind(' ').map(|at| at + 1);
        let cut = match space.filter(|at| !left[..*at].trim().is_empty()) {
            _ if next == ' ' => end,
            Some(at) => {
                let word = left[at..].split(' ').next().unwrap_or_default();
                // A word that is broken anyway begins where it stands.
                if word.chars().count() <= rest {
                    at
                } else {
                    end
                }
            }
            None => end,
        };
        lines.push(left[..cut].trim_end());
        left = left[cut..].trim_start();
        room = rest;
    }
    lines.push(left);
    lines
}

#[cfg(test)]
mod tests {
    use super::broken;

    #[test]
    fn lines_break_between_words_and_long_words_within() {
        assert_eq!(
            broken("one two three four five six", 20, 20),
            ["one two three four", "five six"]
        );
        assert_eq!(broken("", 20, 20), [""]);
        let hex = "ab".repeat(25);
        assert_eq!(broken(&hex, 30, 20), [&hex[..30], &hex[..20]]);
        assert_eq!(
            broken(&format!("data {hex}"), 30, 20),
            [&format!("data {}", &hex[..25]), &hex[25..45], &hex[45..]]
        );
        assert_eq!(
            broken("é é é é é é é é é é é é", 20, 20),
            ["é é é é é é é é é é", "é é"]
        );
    }
}
