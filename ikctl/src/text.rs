//! Text for people: nothing that a terminal would act upon, and numbers as people say them.

use std::fmt::Write;

use serde_json::Value;

/// How wide prose is set, in columns, on terminals of any width.
pub(crate) const WIDTH: usize = 80;

/// Whether a terminal could act upon the character, or show it where it does not stand: controls, line and paragraph
/// separators, and Unicode's invisible format characters (joiners, tags, changes of direction).
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, with what is hostile as `\u{1b}`.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hostile(c) {
            let _ = write!(cleaned, "{}", c.escape_unicode());
        } else {
            cleaned.push(c);
        }
    }
    cleaned
}

/// As [`clean`], for a text of ours that has several lines.
pub(crate) fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// As [`clean`], for every string in there.
pub(crate) fn clean_value(value: &mut Value) {
    match value {
        Value::String(text) => *text = clean(text),
        Value::Array(list) => list.iter_mut().for_each(clean_value),
        Value::Object(map) => {
            let all = std::mem::take(map);
            map.extend(all.into_iter().map(|(name, mut value)| {
                clean_value(&mut value);
                (clean(&name), value)
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Lines of ours, with colours in them, broken at spaces to so many columns; what goes on below is indented by `hang`.
pub(crate) fn fold(lines: &str, width: usize, hang: usize) -> String {
    let mut folded = String::with_capacity(lines.len());
    let (mut column, mut in_colour) = (0, false);
    // Where the row could end: at which byte there is a space, and how many columns end with it.
    let mut space = None;
    for c in lines.chars() {
        if c == '\n' {
            (column, space) = (0, None);
        } else if in_colour || c == '\u{1b}' {
            in_colour = c != 'm';
        } else {
            column += 1;
            if c == ' ' && column > hang {
                space = Some((folded.len(), column));
            }
        }
        folded.push(c);
        if column > width
            && c != ' '
            && let Some((at, before)) = space.take()
        {
            folded.replace_range(at..=at, &format!("\n{:hang$}", ""));
            column = column - before + hang;
        }
    }
    folded
}

/// The two greatest units of a number of seconds: `2h 13m`.
pub(crate) fn duration(seconds: u64) -> String {
    let units = [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];
    let Some(first) = units.iter().position(|(size, _)| seconds >= *size) else {
        return "0s".to_owned();
    };
    let (size, unit) = units[first];
    let whole = format!("{}{unit}", seconds / size);
    match units.get(first + 1) {
        Some((next, unit)) if seconds % size / next > 0 => {
            format!("{whole} {}{unit}", seconds % size / next)
        }
        _ => whole,
    }
}

/// `expires in 89d`, `expired 2h ago`
pub(crate) fn expires(at: u64, now: u64) -> String {
    match at.checked_sub(now) {
        Some(left) if left > 0 => format!("expires in {}", duration(left)),
        _ => format!("expired {} ago", duration(now - at)),
    }
}

/// `1.4 MiB`
pub(crate) fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    // The unit in which it is below 1024, also after rounding.
    let mut size = count as f64;
    let mut unit = 0;
    while size >= if unit == 0 { 1024.0 } else { 1023.95 } && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{size:.1} {}", units[unit])
    }
}

/// `1,234,567`
pub(crate) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 packet`, `2 packets`
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!(
        "{} {what}{}",
        number(count),
        if count == 1 { "" } else { "s" }
    )
}

/// Lines, the prose among them broken at [`WIDTH`].
#[derive(Default)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// A line that is never broken.
    pub(crate) fn line(&mut self, indent: usize, line: &str) {
        let _ = writeln!(self.text, "{:indent$}{line}", "");
    }

    pub(crate) fn blank(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A paragraph: broken between words, its further lines indented by `hang` more. Spaces within a line stay.
    pub(crate) fn prose(&mut self, indent: usize, hang: usize, paragraph: &str) {
        let mut line = String::new();
        let mut room = WIDTH.saturating_sub(indent);
        let mut margin = indent;
        for word in paragraph.split_inclusive(' ') {
            let length = |text: &str| text.chars().count();
            if !line.is_empty() && length(&line) + length(word.trim_end()) > room {
                self.line(margin, line.trim_end());
                line.clear();
                margin = indent + hang;
                room = WIDTH.saturating_sub(margin);
            }
            line.push_str(word);
        }
        self.line(margin, line.trim_end());
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// Text in a colour, where there is to be any.
pub(crate) fn paint(text: &str, sgr: &str, colour: bool) -> String {
    if colour {
        format!("\x1b[{sgr}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let told = [0, 1, 59, 60, 61, 3600, 3661, 7980, 86_400, 90_000, 864_000].map(duration);
        assert_eq!(
            told,
            [
                "0s", "1s", "59s", "1m", "1m 1s", "1h", "1h 1m", "2h 13m", "1d", "1d 1h", "10d"
            ]
        );
    }

    #[test]
    fn an_end_is_before_or_behind_us() {
        assert_eq!(expires(90_061, 60), "expires in 1d 1h");
        assert_eq!(expires(60, 60), "expired 0s ago");
        assert_eq!(expires(0, 7200), "expired 2h ago");
    }

    #[test]
    fn sizes_are_binary_and_short() {
        let told = [0, 1023, 1024, 1_468_006, 1_048_575, 1 << 40, u64::MAX].map(bytes);
        assert_eq!(
            told,
            [
                "0 B", "1023 B", "1.0 KiB", "1.4 MiB", "1.0 MiB", "1.0 TiB", "16.0 EiB"
            ]
        );
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            (counted(1, "packet"), counted(0, "packet")),
            ("1 packet".into(), "0 packets".into())
        );
    }

    #[test]
    fn lines_are_folded_at_spaces_and_colours_take_no_room() {
        let red = paint("three four", "31", true);
        assert_eq!(
            fold(&format!("one two {red} five\nsix seven eight\n"), 9, 2),
            "one two\n  \u{1b}[31mthree\n  four\u{1b}[0m\n  five\nsix seven\n  eight\n"
        );
        // A word that fits no row stays whole, and so does what fits.
        assert_eq!(fold("    endlessness\n", 9, 4), "    endlessness\n");
        assert_eq!(fold("one two 3\n", 9, 4), "one two 3\n");
    }

    #[test]
    fn nothing_hostile_is_left_in_a_reply() {
        let mut value = serde_json::json!({ "a\u{7}": ["x\u{1b}]0;title\u{7}\n", { "b": "\u{202e}evil" }], "n": 1 });
        clean_value(&mut value);
        let expected = serde_json::json!({
            "a\\u{7}": ["x\\u{1b}]0;title\\u{7}\\u{a}", { "b": "\\u{202e}evil" }],
            "n": 1,
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn prose_is_broken_between_words_and_never_within() {
        let mut page = Page::default();
        page.prose(4, 2, &"word ".repeat(20));
        page.prose(4, 2, &"x".repeat(100));
        let text = page.finish();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], format!("    {}", "word ".repeat(15).trim_end()));
        assert_eq!(lines[1], format!("      {}", "word ".repeat(5).trim_end()));
        assert_eq!(lines[2].trim(), "x".repeat(100));
        assert_eq!(lines.len(), 3);
    }
}
