//! The log: one line per event on standard error, as text for people or as JSON for machines.
//!
//! Everything goes through `tracing` with the fields of [`crate::events::Record`], so that their names are stable: `time`, `level`,
//! `event`, `connection`, `child`, `peer`, `local`, `code`, `message` and so on. What a stranger can choose (identities,
//! names in errors) has its control characters escaped, and what a stranger can provoke is limited by [`crate::events`]. No type
//! that holds a key can be printed, so none can get here.

mod format;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// From which level on lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// What needs a person.
    Error,
    /// What does not work.
    Warn,
    /// The ordinary course of things.
    #[default]
    Info,
    /// Retransmissions, dropped datagrams.
    Debug,
    /// Everything, libraries included.
    Trace,
}

impl Level {
    const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// Starts the log. What libraries say is of interest from warnings on.
pub(crate) fn start(format: Format, level: Level) {
    let libraries = if level == Level::Trace {
        LevelFilter::TRACE
    } else {
        LevelFilter::WARN.min(level.filter())
    };
    let targets = Targets::new()
        .with_default(libraries)
        .with_target("ikd", level.filter());
    let lines = tracing_subscriber::fmt::layer()
        .event_format(format::Lines { format })
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .init();
}
