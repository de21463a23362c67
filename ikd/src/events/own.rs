//! What the daemon's own events tell.

use std::path::PathBuf;

use nix::errno::Errno;

use super::{Event, Keys, Record, Stopping, engine, interval_seconds};
use crate::kernel::Removed;
use crate::sockets::Counters;

impl Event {
    /// What it tells.
    pub(crate) fn record(&self) -> Record {
        let record = match self {
            Self::Engine(event) => engine::record(event),
            Self::Credential(due, now) => due.record(*now),
            Self::ConfigurationProblem(problem) => Record {
                code: Some(problem.code.name()),
                ..line(problem.to_string())
            },
            Self::Keylog(Keys::Written(file)) => Record {
                suggestion: Some(
                    "start ikd without --keylog, and remove the file, when you have seen enough"
                        .to_owned(),
                ),
                ..line(format!(
                    "keys are written to {}: whoever has it and a capture can read all IKE messages of this ikd",
                    file.display()
                ))
            },
            Self::Keylog(Keys::Ended(reason)) => line(format!(
                "{reason}; no more are written until ikd is started again"
            )),
            Self::StartFailed {
                message,
                suggestion,
            } => Record {
                suggestion: suggestion.clone(),
                ..line(message.clone())
            },
            Self::Preflight {
                code,
                message,
                suggestion,
                ..
            } => Record {
                code: Some(*code),
                suggestion: suggestion.clone(),
                ..line(message.clone())
            },
            Self::ReloadFailed {
                code,
                summary,
                detail,
                suggestion,
            } => Record {
                code: Some(*code),
                detail: detail.clone(),
                suggestion: Some((*suggestion).to_owned()),
                ..line(summary.clone())
            },
            Self::Repeated {
                kind,
                count,
                dropped,
                ..
            } => {
                let what = if *dropped {
                    "datagrams dropped"
                } else {
                    "events of this kind"
                };
                let seconds = interval_seconds();
                Record {
                    code: Some(*kind),
                    count: Some(*count),
                    ..line(format!("{count} {what} in the last {seconds} s: {kind}"))
                }
            }
            Self::SendFailed { path, error } => {
                let missing = matches!(error, Errno::EINVAL | Errno::EADDRNOTAVAIL);
                Record {
                    local: Some(path.local.to_string()),
                    suggestion: missing.then(|| {
                        format!(
                            "if no interface has {0} (`ip addr show to {0}`), give it to one, or correct `local:` of the connection",
                            path.local.ip()
                        )
                    }),
                    ..line(format!(
                        "a datagram to {} could not be sent from {}: {}",
                        path.remote,
                        path.local,
                        error.desc()
                    ))
                }
            }
            Self::Udp(counters) => udp(counters),
            Self::MetricsServed(address) => line(format!(
                "metrics are served at http://{address}/metrics, to this machine alone"
            )),
            Self::Started {
                connections,
                shunts,
                control,
            } => line(format!(
                "ikd {} (process {}), connections: {connections}, pass and drop policies: {shunts}, controlled at {}",
                env!("CARGO_PKG_VERSION"),
                std::process::id(),
                control.display()
            )),
            Self::Holes(names) => {
                let names: Vec<_> = names.iter().map(ToString::to_string).collect();
                line(format!(
                    "beside policies for everything, this passes: {}; neighbour discovery of IPv6 does not yet",
                    names.join(", ")
                ))
            }
            Self::FilesChanged(files) => line(format!(
                "files have changed, and are in force as they are now: {}",
                paths(files)
            )),
            Self::NotHardened(error) => line(format!("core dumps cannot be switched off: {error}")),
            Self::NoJournal(error) => line(format!(
                "the journal cannot be reached, the log goes to standard error: {error}"
            )),
            Self::Operator {
                user,
                process,
                what,
                ..
            } => line(format!("user {user} (process {process}) asked to {what}")),
            Self::LogLevels(levels) => line(format!("the log is written from here on: {levels}")),
            Self::NoIpv6(error) => line(format!("no IKE over IPv6 on this machine: {error}")),
            Self::Ready => line("the configuration's policies are in force"),
            Self::KernelSwept(Removed { sas, policies }) => line(format!(
                "removed what an earlier ikd had left in the kernel: {sas} SAs, {policies} policies"
            )),
            Self::KernelRepaired {
                missing_sas,
                policies,
                removed,
            } => line(format!(
                "events of the kernel were lost; compared with it: {missing_sas} SAs were missing, {policies} policies \
                 installed again, {} SAs and {} policies removed that nobody uses",
                removed.sas, removed.policies
            )),
            Self::KernelTrouble(message) => line(message.clone()),
            Self::Stopping(stopping) => line(stopping_text(stopping)),
            Self::Failed(error) => line(format!("the daemon cannot go on: {error}")),
        };
        Record {
            event: self.kind().name,
            connection: self.connection().map(ToString::to_string),
            peer: self.peer().map(|peer| peer.to_string()),
            ..record
        }
    }
}

fn line(message: impl Into<String>) -> Record {
    Record {
        message: message.into(),
        ..Record::default()
    }
}

fn udp(counters: &Counters) -> Record {
    let Counters {
        not_ike,
        would_block,
        send_failed,
    } = *counters;
    let counted = [
        (not_ike, "received on port 4500 that were not IKE"),
        (would_block, "not sent, for the buffer was full"),
        (send_failed, "not sent for another reason"),
    ];
    let told: Vec<_> = counted
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    Record {
        count: Some(not_ike + would_block + send_failed),
        ..line(format!("UDP datagrams: {}", told.join(", ")))
    }
}

fn stopping_text(stopping: &Stopping) -> String {
    match stopping {
        Stopping::Asked(who) => format!("told to end by {who}: saying goodbye to the peers"),
        Stopping::AtOnce(who) => format!("told to end again, by {who}: ending at once"),
        Stopping::PeersLeft(time) => {
            format!(
                "not every peer was said goodbye to within {} s",
                time.as_secs()
            )
        }
        Stopping::Cleaned(Removed { sas, policies }) => {
            format!("{sas} SAs and {policies} policies removed from the kernel")
        }
        Stopping::KernelSilent => {
            "the kernel did not answer: what is left there ends with its lifetime, policies stay"
                .to_owned()
        }
    }
}

/// Files, one after the other.
pub(crate) fn paths(files: &[PathBuf]) -> String {
    let names: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    names.join(", ")
}
