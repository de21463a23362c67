//! What the daemon tells: one enum, from which the log, the monitors of the control socket and the metrics are made.
//!
//! ```text
//!   engine -----.                                  .--> log: the levels that are set, strangers in bounded number
//!   shell ------+--> Event --> Events::tell -------+--> monitors: a bounded queue each
//!   start ------'      '-- kind, level, record     '--> metrics
//! ```
//!
//! [`kind`] has the names, [`engine`] and [`own`] say what an event tells, as a [`Record`].

mod engine;
pub(crate) mod kind;
mod levels;
mod limit;
mod monitors;
mod own;
mod record;
mod subject;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ike::config::Name;
use ike::engine::event::{DropReason, Event as EngineEvent, Level};
use ike::engine::io::Path;
use nix::errno::Errno;

pub(crate) use engine::spi;
use levels::Levels;
pub(crate) use levels::TooMany;
use limit::{INTERVAL, Limit};
use monitors::Monitors;
pub(crate) use monitors::{Watch, Wish};
pub(crate) use own::paths;
pub(crate) use record::{Record, some};
pub(crate) use subject::Subject;

use crate::kernel::Removed;
use crate::log::{self, Log};
use crate::metrics::Metrics;
use crate::sockets::Counters;
use crate::{clock, expiry};

/// Something worth knowing happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// In the engine: negotiations, SAs, strangers.
    Engine(Box<EngineEvent>),
    /// Core dumps could not be switched off.
    NotHardened(Errno),
    /// Keys of IKE SAs are written down.
    Keylog(Keys),
    /// The journal was asked for and is not there.
    NoJournal(std::io::Error),
    /// Something is wrong, or doubtful, in a policy file.
    ConfigurationProblem(policies::Problem),
    /// The daemon could not start.
    StartFailed {
        /// Why.
        message: String,
        /// What to do.
        suggestion: Option<String>,
    },
    /// This machine has no IPv6.
    NoIpv6(std::io::Error),
    /// Something on this machine will keep traffic from passing.
    Preflight {
        /// How bad it is.
        level: Level,
        /// A stable word for it.
        code: &'static str,
        /// What it is.
        message: String,
        /// What to do.
        suggestion: Option<String>,
    },
    /// Metrics are served at this address.
    MetricsServed(SocketAddr),
    /// Sockets and owners are there.
    Started {
        /// Connections configured.
        connections: usize,
        /// Pass and drop policies configured.
        shunts: usize,
        /// The control socket.
        control: PathBuf,
    },
    /// What passes beside policies for everything, by name.
    Holes(Vec<Name>),
    /// The configuration's policies are in force.
    Ready,
    /// The configuration, or changed files, were not taken.
    ReloadFailed {
        /// A stable word for why.
        code: &'static str,
        /// What was not taken.
        summary: String,
        /// The facts, a line each; empty where each has been told by itself.
        detail: Vec<String>,
        /// What to do.
        suggestion: &'static str,
    },
    /// Files that policies name have changed and are in force.
    FilesChanged(Vec<PathBuf>),
    /// A certificate or CRL ends soon or has ended; the time is now, since the Unix epoch.
    Credential(expiry::Due, Duration),
    /// So often came what is told in bounded number.
    Repeated {
        /// What, by the name of the event or the reason.
        kind: &'static str,
        /// Of which connection.
        connection: Option<Name>,
        /// How often in the last interval.
        count: u64,
        /// Whether it is a reason for datagrams to be dropped.
        dropped: bool,
        /// Whether some of it was not told.
        many: bool,
    },
    /// A datagram could not be sent, for another reason than a full buffer.
    SendFailed {
        /// From where to where.
        path: Path,
        /// The system's reason.
        error: Errno,
    },
    /// Datagrams that went wrong since the last time.
    Udp(Counters),
    /// What an earlier ikd had left in the kernel is gone.
    KernelSwept(Removed),
    /// The kernel's events were lost; what differed is put right.
    KernelRepaired {
        /// SAs that had vanished.
        missing_sas: usize,
        /// Policies installed again.
        policies: usize,
        /// What was ours and used by nobody.
        removed: Removed,
    },
    /// Something did not work in the kernel that no Child SA waited for.
    KernelTrouble(String),
    /// Somebody used the control socket to change something.
    Operator {
        /// The number of the user.
        user: u32,
        /// The number of the process; 0 where it is not known.
        process: i32,
        /// What was asked for, as the end of a sentence.
        what: String,
        /// Of which connection.
        connection: Option<Name>,
    },
    /// The levels of the log have changed, and are these, in words.
    LogLevels(String),
    /// The daemon ends.
    Stopping(Stopping),
    /// The daemon cannot go on.
    Failed(std::io::Error),
}

/// What becomes of keys that are to be written down.
#[derive(Debug)]
pub(crate) enum Keys {
    /// They go to this file.
    Written(PathBuf),
    /// No more of them do, for this reason.
    Ended(String),
}

/// How far the end is.
#[derive(Debug)]
pub(crate) enum Stopping {
    /// Told to, by whom.
    Asked(String),
    /// Told to again, by whom: it ends at once.
    AtOnce(String),
    /// Not every peer was said goodbye to within the time.
    PeersLeft(Duration),
    /// So much was still in the kernel and is removed.
    Cleaned(Removed),
    /// The kernel did not answer.
    KernelSilent,
}

impl From<&preflight::Warning> for Event {
    fn from(warning: &preflight::Warning) -> Self {
        Self::Preflight {
            level: match warning.level {
                preflight::Level::Note => Level::Info,
                preflight::Level::Warning => Level::Warning,
            },
            code: warning.code.name(),
            message: warning.message.clone(),
            suggestion: Some(warning.suggestion.clone()),
        }
    }
}

impl Event {
    /// The connection that it is about, where it is about one.
    pub(crate) fn connection(&self) -> Option<&Name> {
        match self {
            Self::Engine(event) => engine::connection(event),
            Self::Credential(due, _) => match &due.connections[..] {
                [only] => Some(only),
                _ => None,
            },
            Self::Repeated { connection, .. } | Self::Operator { connection, .. } => {
                connection.as_ref()
            }
            _ => None,
        }
    }

    /// The address and port of the other side, where there is one.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Engine(event) => match &**event {
                EngineEvent::Dropped { remote, .. } => Some(*remote),
                event => engine::path(event).map(|path| path.remote),
            },
            Self::SendFailed { path, .. } => Some(path.remote),
            _ => None,
        }
    }
}

/// Lines of one kind that strangers may cause in an interval.
const STRANGER_LINES: u64 = 10;
/// The same of a connection or peer that has a rule of its own: somebody looks for something.
const RULED_LINES: u64 = 200;

/// Tells events to everybody who listens.
#[derive(Debug, Default)]
pub(crate) struct Events {
    metrics: Arc<Metrics>,
    log: Log,
    levels: Levels,
    monitors: Monitors,
    limit: Limit,
    /// Of those that a rule concerns, so that a flood from elsewhere does not silence them.
    ruled: Limit,
}

impl Events {
    /// What was counted.
    pub(crate) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// For a log that is started.
    pub(crate) fn new(log: Log, level: log::Level) -> Self {
        Self {
            log,
            levels: Levels::new(level),
            ..Self::default()
        }
    }

    /// Tells an event. The log does not get it where its level is not asked for, or there were too many of its kind.
    pub(crate) fn tell(&mut self, event: &Event) {
        self.metrics.observe(event);
        let level = event.level();
        let limited = limited(event);
        let in_general = limited
            .is_none_or(|(kind, connection)| self.limit.allows(kind, connection, STRANGER_LINES));
        let logged = match self.levels.by_rule(event, level) {
            None => in_general && self.levels.in_general(level),
            Some(false) => false,
            Some(true) => limited
                .is_none_or(|(kind, connection)| self.ruled.allows(kind, connection, RULED_LINES)),
        };
        if logged {
            self.log.write(&event.record(), level);
        }
        self.monitors.give(event, level, || {
            let now = clock::now().wall.as_micros();
            event
                .record()
                .to_monitored(u64::try_from(now).unwrap_or(u64::MAX), level)
        });
    }

    /// Somebody wants to hear what is told from now on.
    pub(crate) fn watch(&mut self, wish: Wish) -> Watch {
        self.monitors.add(wish)
    }

    /// The daemon ends: those who listen get what is under way, and hear that it was the last.
    pub(crate) fn end(&mut self) {
        self.monitors = Monitors::default();
    }

    /// The levels of the log.
    pub(crate) fn log_levels(&self) -> ikapi::LogLevels {
        self.levels.told()
    }

    /// Sets a level of the log; `None` for the level: back to what it would be otherwise.
    pub(crate) fn set_log_level(
        &mut self,
        subject: Option<Subject>,
        level: Option<log::Level>,
    ) -> Result<ikapi::LogLevels, TooMany> {
        let general = self.levels.set(subject, level)?;
        self.log.set(general);
        let levels = self.levels.told();
        self.tell(&Event::LogLevels(levels::text(&levels)));
        Ok(levels)
    }

    /// Tells what was only counted, once per interval. To be called now and then with the boot clock.
    pub(crate) fn turn(&mut self, boot: Duration) {
        let general = self.limit.turn(boot).map(|one| (one, STRANGER_LINES));
        let ruled = self.ruled.turn(boot).map(|one| (one, RULED_LINES));
        for ((kind, connection, count), most) in general.chain(ruled) {
            let dropped = DropReason::ALL.iter().any(|reason| reason.name() == kind);
            let many = count > most;
            if many || dropped && most == STRANGER_LINES {
                self.tell(&Event::Repeated {
                    kind,
                    connection,
                    count,
                    dropped,
                    many,
                });
            }
        }
    }

    /// Tells what the policy language found.
    pub(crate) fn problems(&mut self, report: &policies::Report) {
        for problem in &report.problems {
            self.tell(&Event::ConfigurationProblem(problem.clone()));
        }
    }
}

/// As what an event counts that strangers can cause.
fn limited(event: &Event) -> Option<(&'static str, Option<&Name>)> {
    let name = event.kind().name;
    match event {
        Event::SendFailed { .. } => Some((name, None)),
        Event::Engine(event) => match &**event {
            EngineEvent::Dropped { reason, .. } => Some((reason.name(), None)),
            EngineEvent::PeerRefused { .. } | EngineEvent::CookieMode { .. } => Some((name, None)),
            EngineEvent::Hint { connection, .. }
            | EngineEvent::ConnectionFailed { connection, .. } => Some((name, Some(connection))),
            _ => None,
        },
        _ => None,
    }
}

/// How long what is told in bounded number is counted together.
const fn interval_seconds() -> u64 {
    INTERVAL.as_secs()
}
