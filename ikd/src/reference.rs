//! What the reference in the documentation is made from: the same tables that the daemon uses.

use ike::engine::event::Level;

use crate::events::kind::KINDS;
pub use crate::metrics::{Kind as MetricKind, Label as MetricLabel, Metric};

/// A kind of event, as the log, `ikctl monitor` and the journal name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The stable name, such as `child-up`.
    pub name: &'static str,
    /// The levels it may have, as the log writes them: `debug`, `info`, `warn`, `error`.
    pub levels: Vec<&'static str>,
    /// What it tells, a sentence.
    pub about: &'static str,
}

/// All kinds of events, in the order of a daemon's life.
pub fn events() -> impl Iterator<Item = Event> {
    KINDS.iter().map(|kind| Event {
        name: kind.name,
        levels: kind.levels.iter().map(|level| level_word(*level)).collect(),
        about: kind.about,
    })
}

/// All metrics, in the order in which they are told.
#[must_use]
pub fn metrics() -> &'static [&'static Metric] {
    crate::metrics::ALL
}

/// As the log writes it.
pub(crate) const fn level_word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warn",
        Level::Error => "error",
    }
}
