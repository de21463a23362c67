//! From which level on the log is written: in general, and for single connections and peers. Kept until the daemon ends.

use std::fmt;

use super::subject::Subject;
use super::{Event, Level};
use crate::log;

/// Rules that may be set at a time: each is looked at for each event.
const RULES: usize = 32;

/// The levels in force.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    /// As the daemon was started.
    started: log::Level,
    general: log::Level,
    rules: Vec<(Subject, log::Level)>,
}

/// There are as many rules as there may be.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Levels {
    /// Without any rule.
    pub(super) const fn new(started: log::Level) -> Self {
        Self {
            started,
            general: started,
            rules: Vec::new(),
        }
    }

    /// Whether the log takes an event, by the most verbose of the rules that concern it; `None` where none does.
    pub(super) fn by_rule(&mut self, event: &Event, level: Level) -> Option<bool> {
        let concerning = self
            .rules
            .iter_mut()
            .filter_map(|(subject, rule)| subject.concerns(event).then_some(*rule));
        concerning.max().map(|rule| rule.takes(level))
    }

    /// Whether the log takes an event that no rule concerns.
    pub(super) const fn in_general(&self, level: Level) -> bool {
        self.general.takes(level)
    }

    /// Sets the level of a subject, or in general; `None`: its rule goes, or in general: as the daemon was started.
    /// Returns the general level.
    pub(super) fn set(
        &mut self,
        subject: Option<Subject>,
        level: Option<log::Level>,
    ) -> Result<log::Level, TooMany> {
        let Some(subject) = subject else {
            self.general = level.unwrap_or(self.started);
            return Ok(self.general);
        };
        let at = self.rules.iter().position(|(one, _)| one.is_same(&subject));
        match (at, level) {
            (Some(at), Some(level)) => self.rules[at] = (subject, level),
            (Some(at), None) => drop(self.rules.remove(at)),
            (None, Some(_)) if self.rules.len() >= RULES => return Err(TooMany),
            (None, Some(level)) => self.rules.push((subject, level)),
            (None, None) => {}
        }
        Ok(self.general)
    }

    /// For the control socket.
    pub(super) fn told(&self) -> ikapi::LogLevels {
        let rule = |(subject, level): &(Subject, log::Level)| {
            let (connection, peer) = match subject {
                Subject::Connection { name, .. } => (Some(name.to_string()), None),
                Subject::Peer(address) => (None, Some(address.to_string())),
            };
            ikapi::LogRule {
                connection,
                peer,
                level: word(*level),
            }
        };
        ikapi::LogLevels {
            level: word(self.general),
            rules: self.rules.iter().map(rule).collect(),
        }
    }
}

const fn word(level: log::Level) -> ikapi::LogLevel {
    match level {
        log::Level::Error => ikapi::LogLevel::Error,
        log::Level::Warn => ikapi::LogLevel::Warn,
        log::Level::Info => ikapi::LogLevel::Info,
        log::Level::Debug => ikapi::LogLevel::Debug,
        log::Level::Trace => ikapi::LogLevel::Trace,
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the log has {RULES} rules already: take one away with `ikctl log default`"
        )
    }
}

/// `info; branch: debug, 192.0.2.7: error`
pub(super) fn text(levels: &ikapi::LogLevels) -> String {
    let mut text = levels.level.to_string();
    for (number, rule) in levels.rules.iter().enumerate() {
        let subject = rule.connection.as_ref().or(rule.peer.as_ref());
        let subject = subject.map_or("", String::as_str);
        text += if number == 0 { "; " } else { ", " };
        text += &format!("{subject}: {}", rule.level);
    }
    text
}
