//! Lines as text and as JSON.
//!
//! ```text
//! 2026-11-23T18:59:02.123Z WARN  branch: no IKE SA with 198.51.100.7:500: IKE_SA_INIT: no answer ... (no-response)
//!     facts, a line each
//!     help: what to change
//! ```

use std::fmt::{self, Write};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Format;
use crate::events::Record;

/// Writes lines in a format.
pub(super) struct Lines {
    pub(super) format: Format,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let time = jiff::Timestamp::now();
        let level = *event.metadata().level();
        match self.format {
            // The journal has a layer of its own.
            Format::Text | Format::Journal => {
                writer.write_str(&text(&format!("{time:.3}"), level, &fields))
            }
            Format::Json => {
                let line = json(&format!("{time:.6}"), level, fields).to_string();
                writeln!(writer, "{}", escaped(&line))
            }
        }
    }
}

/// The fields of an event, in the order in which they were written.
#[derive(Default)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// The fields that [`Record::write`] would write.
    pub(super) fn of(record: &Record) -> Self {
        Self(record.fields())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(field, _)| *field == name)
            .and_then(|(_, value)| value.as_str())
    }

    fn message(&self) -> &str {
        self.get("message").unwrap_or_default()
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0
            .push((field.name(), Value::from(format!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), Value::from(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), Value::from(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.name(), Value::from(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.name(), Value::from(value)));
    }
}

/// Fields that the text shows elsewhere, or not at all, because the message says them.
const NOT_BEHIND: [&str; 14] = [
    "message",
    "event",
    "connection",
    "child",
    "peer",
    "local",
    "peer_id",
    "proof",
    "code",
    "step",
    "blame",
    "detail",
    "suggestion",
    "retry_in_seconds",
];

fn text(time: &str, level: tracing::Level, fields: &Fields) -> String {
    format!("{time} {level:<5} {}", body(fields))
}

/// The text without time and level; ends with a line break.
pub(super) fn body(fields: &Fields) -> String {
    let mut line = String::new();
    match (fields.get("connection"), fields.get("child")) {
        (Some(connection), Some(child)) => {
            line.push_str(&format!("{}/{}: ", printable(connection), printable(child)))
        }
        (Some(connection), None) => line.push_str(&format!("{}: ", printable(connection))),
        _ => {}
    }
    line.push_str(&printable(fields.message()));
    if let Some(code) = fields.get("code") {
        line.push_str(&format!(" ({})", printable(code)));
    }
    for (name, value) in fields
        .0
        .iter()
        .filter(|(name, _)| !NOT_BEHIND.contains(name))
    {
        let value = value.as_str().map_or_else(|| value.to_string(), printable);
        line.push_str(&format!(" {name}={value}"));
    }
    line.push('\n');
    for detail in fields.get("detail").into_iter().flat_map(str::lines) {
        line.push_str(&format!("    {}\n", printable(detail)));
    }
    if let Some(suggestion) = fields.get("suggestion") {
        line.push_str(&format!("    help: {}\n", printable(suggestion)));
    }
    line
}

fn json(time: &str, level: tracing::Level, fields: Fields) -> Value {
    let mut object = Map::new();
    object.insert("time".into(), time.into());
    object.insert("level".into(), level.as_str().to_ascii_lowercase().into());
    object.insert("event".into(), fields.get("event").unwrap_or("log").into());
    let message = fields.message().to_owned();
    for (name, value) in fields.0 {
        match (name, value) {
            ("event" | "message", _) => {}
            ("detail", Value::String(lines)) => {
                object.insert(name.into(), lines.lines().map(Value::from).collect());
            }
            (name, value) => {
                object.insert(name.into(), value);
            }
        }
    }
    object.insert("message".into(), message.into());
    Value::Object(object)
}

/// Whether a terminal could act upon the character, or show it where it does not stand: controls, line and paragraph
/// separators, and Unicode's invisible format characters (joiners, tags, changes of direction).
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON that means the same, with everything escaped that is hostile: such a character can only stand in a string.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hostile(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// The text with everything escaped that could move a cursor, start a line or turn the writing around.
pub(crate) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hostile(character) {
            let _ = write!(clean, "{}", character.escape_unicode());
        } else {
            clean.push(character);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_a_hostile_name_is_plain_and_means_the_same() {
        let value = serde_json::json!({ "peer_id": "CN=a\u{9b}2J\u{202e}\u{e0001}\u{7f}\n\"é" });
        let line = escaped(&value.to_string());
        assert_eq!(
            line,
            "{\"peer_id\":\"CN=a\\u009b2J\\u202e\\udb40\\udc01\\u007f\\n\\\"é\"}"
        );
        assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON"), value);
    }

    fn fields(pairs: &[(&'static str, &str)]) -> Fields {
        Fields(
            pairs
                .iter()
                .map(|(name, value)| (*name, Value::from(*value)))
                .collect(),
        )
    }

    #[test]
    fn text_tells_who_what_why_and_what_to_do() {
        let fields = fields(&[
            ("event", "connection-failed"),
            ("connection", "branch"),
            ("peer", "198.51.100.7:500"),
            ("code", "no-response"),
            ("suite", "aes128gcm16"),
            ("detail", "one\ntwo"),
            ("suggestion", "check the firewall"),
            ("message", "no IKE SA"),
        ]);
        assert_eq!(
            text("T", tracing::Level::WARN, &fields),
            "T WARN  branch: no IKE SA (no-response) suite=aes128gcm16\n    one\n    two\n    help: check the firewall\n"
        );
    }

    #[test]
    fn json_has_stable_keys_and_details_as_a_list() {
        let fields = fields(&[
            ("event", "child-failed"),
            ("connection", "branch"),
            ("child", "lan"),
            ("code", "no-common-selectors"),
            ("detail", "one\ntwo"),
            ("message", "refused"),
        ]);
        assert_eq!(
            json("T", tracing::Level::INFO, fields),
            serde_json::json!({
                "time": "T", "level": "info", "event": "child-failed", "connection": "branch", "child": "lan",
                "code": "no-common-selectors", "detail": ["one", "two"], "message": "refused",
            })
        );
    }

    #[test]
    fn what_a_peer_sends_cannot_move_the_cursor_or_forge_a_line() {
        let fields = fields(&[
            ("message", "a\nb\u{1b}[2Jc\u{202e}d"),
            ("connection", "x\ry"),
        ]);
        assert_eq!(
            text("T", tracing::Level::INFO, &fields),
            "T INFO  x\\u{d}y: a\\u{a}b\\u{1b}[2Jc\\u{202e}d\n"
        );
        let line = json("T", tracing::Level::INFO, fields).to_string();
        assert!(!line.contains('\n') && !line.contains('\u{1b}'));
    }
}
