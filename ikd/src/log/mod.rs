//! The log: one line per event on standard error, as text for people or as JSON for machines; or entries of the journal
//! with fields.
//!
//! Everything goes through `tracing` with the fields of [`crate::events::Record`], so that their names are stable: `time`,
//! `level`, `event`, `connection`, `child`, `peer`, `local`, `code`, `message` and so on. What a stranger can choose
//! (identities, names in errors) has its control characters escaped, and what a stranger can provoke is limited by
//! [`crate::events`], which also knows the levels. No type that holds a key can be printed, so none can get here.

mod format;
mod journal;

use std::io;

use clap::ValueEnum;
use ike::engine::event;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::events::Record;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
    /// Entries of systemd's journal, with fields such as IKD_EVENT and IKD_CONNECTION.
    Journal,
}

impl Format {
    /// The journal's where standard error is the journal, text elsewhere.
    pub(crate) fn by_itself() -> Self {
        if journal::is_standard_error() {
            Self::Journal
        } else {
            Self::Text
        }
    }
}

/// From which level on lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
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
    /// Whether an event of that level is written.
    pub(crate) const fn takes(self, level: event::Level) -> bool {
        let least = match level {
            event::Level::Error => Self::Error,
            event::Level::Warning => Self::Warn,
            event::Level::Info => Self::Info,
            event::Level::Debug => Self::Debug,
        };
        self as u8 >= least as u8
    }

    /// What libraries say is of interest from warnings on.
    fn targets(self) -> Targets {
        let libraries = match self {
            Self::Error => LevelFilter::ERROR,
            Self::Trace => LevelFilter::TRACE,
            Self::Warn | Self::Info | Self::Debug => LevelFilter::WARN,
        };
        // Our own are chosen by connection and peer before they get there.
        Targets::new()
            .with_default(libraries)
            .with_target("ikd", LevelFilter::TRACE)
    }
}

/// The log as it was started; the default writes to nobody.
#[derive(Debug, Default)]
pub(crate) struct Log {
    format: Format,
    targets: Option<reload::Handle<Targets, Registry>>,
}

impl Log {
    /// Starts the log. An error: there is no journal, and text is written instead.
    pub(crate) fn start(format: Format, level: Level) -> (Self, Option<io::Error>) {
        let (format, lines, error) = match format {
            Format::Journal => match journal::layer() {
                Ok(layer) => (format, layer.boxed(), None),
                Err(error) => (Format::Text, standard_error(Format::Text), Some(error)),
            },
            format => (format, standard_error(format), None),
        };
        let (targets, handle) = reload::Layer::new(level.targets());
        tracing_subscriber::registry()
            .with(targets)
            .with(lines)
            .init();
        let log = Self {
            format,
            targets: Some(handle),
        };
        (log, error)
    }

    /// Writes what an event tells.
    pub(crate) fn write(&self, record: &Record, level: event::Level) {
        match self.format {
            Format::Journal => journal::entry(record).write(level),
            Format::Text | Format::Json => record.write(level),
        }
    }

    /// From which level on libraries are heard.
    pub(crate) fn set(&self, level: Level) {
        if let Some(targets) = &self.targets {
            // Fails only where the subscriber is gone, which ends with the process.
            let _ = targets.reload(level.targets());
        }
    }
}

type Filtered = tracing_subscriber::layer::Layered<reload::Layer<Targets, Registry>, Registry>;

fn standard_error(format: Format) -> Box<dyn Layer<Filtered> + Send + Sync> {
    tracing_subscriber::fmt::layer()
        .event_format(format::Lines { format })
        .with_writer(io::stderr)
        .boxed()
}
