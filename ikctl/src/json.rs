//! Replies for scripts, which may also land on a terminal.

use std::fmt::Write;

use serde_json::Value;

use crate::text;

/// JSON with two spaces of indentation, and with every character escaped that a terminal would act upon: the same JSON.
pub(crate) fn pretty(value: &Value) -> String {
    escaped(&format!("{value:#}\n"))
}

/// As [`pretty`], on one line.
pub(crate) fn line(value: &Value) -> String {
    escaped(&format!("{value}\n"))
}

fn escaped(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for c in plain.chars() {
        // serde_json has escaped what JSON demands: all below the space. Such a character can only stand in a string.
        if c != '\n' && text::is_hostile(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_upon_is_escaped_and_means_the_same() {
        let value =
            serde_json::json!({ "id": "a\u{1b}[31m\u{9b}2J\u{202e}\u{e0001}\u{7f}\n\"é漢" });
        let text = pretty(&value);
        assert_eq!(
            text,
            "{\n  \"id\": \"a\\u001b[31m\\u009b2J\\u202e\\udb40\\udc01\\u007f\\n\\\"é漢\"\n}\n"
        );
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
