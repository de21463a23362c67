//! The engine's events as lines of the log.

use std::fmt::Display;
use std::time::Duration;

use ike::engine::event::{DropReason, Event, IkeSpis, Level};
use ike::engine::io::Path;
use nix::errno::Errno;

use super::limit::{INTERVAL, Limit};
use super::record::Record;

/// Lines of one kind that strangers may cause in an interval.
const STRANGER_LINES: u64 = 10;

/// Writes events, those that strangers cause in bounded number.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    limit: Limit,
}

impl EventLog {
    /// Writes an event, unless there were too many of its kind.
    pub(crate) fn write(&mut self, event: &Event) {
        let kind = match event {
            Event::Dropped { reason, .. } => Some((reason.name(), None)),
            Event::PeerRefused { .. } | Event::CookieMode { .. } => Some((event.name(), None)),
            Event::Hint { connection, .. } | Event::ConnectionFailed { connection, .. } => {
                Some((event.name(), Some(connection)))
            }
            _ => None,
        };
        let allowed = kind
            .is_none_or(|(kind, connection)| self.limit.allows(kind, connection, STRANGER_LINES));
        if allowed {
            record(event).write(event.level());
        }
    }

    /// A datagram could not be sent, for another reason than a full buffer.
    pub(crate) fn send_failed(&mut self, path: &Path, error: Errno) {
        if self.limit.allows("send-failed", None, STRANGER_LINES) {
            let message = format!(
                "a datagram to {} could not be sent from {}: {}",
                path.remote,
                path.local,
                error.desc()
            );
            let (peer, local) = (Some(path.remote.to_string()), Some(path.local.to_string()));
            let missing = matches!(error, Errno::EINVAL | Errno::EADDRNOTAVAIL);
            let suggestion = missing.then(|| {
                format!(
                    "if no interface has {0} (`ip addr show to {0}`), give it to one, or correct `local:` of the connection",
                    path.local.ip()
                )
            });
            Record {
                peer,
                local,
                suggestion,
                ..Record::new("send-failed", message)
            }
            .write(Level::Warning);
        }
    }

    /// Tells what was only counted, once per interval. To be called now and then with the boot clock.
    pub(crate) fn turn(&mut self, boot: Duration) {
        for (kind, connection, count) in self.limit.turn(boot) {
            let dropped = DROP_REASONS.iter().any(|reason| reason.name() == kind);
            let many = count > STRANGER_LINES;
            if !dropped && !many {
                continue;
            }
            let what = if dropped {
                "datagrams dropped"
            } else {
                "events of this kind"
            };
            let seconds = INTERVAL.as_secs();
            let message = format!("{count} {what} in the last {seconds} s: {kind}");
            let record = Record {
                code: Some(kind),
                connection: connection.map(|name| name.to_string()),
                count: Some(count),
                ..Record::new("repeated", message)
            };
            record.write(if many { Level::Warning } else { Level::Debug });
        }
    }
}

const DROP_REASONS: [DropReason; 11] = [
    DropReason::Malformed,
    DropReason::UnknownSpi,
    DropReason::BadIntegrity,
    DropReason::MessageId,
    DropReason::Unexpected,
    DropReason::BadFlags,
    DropReason::WrongAddress,
    DropReason::HalfOpenLimit,
    DropReason::InProgress,
    DropReason::NotNegotiated,
    DropReason::Unsolicited,
];

/// The line for an event.
pub(crate) fn record(event: &Event) -> Record {
    let record = describe(event);
    let (connection, child) = names(event);
    let path = path(event);
    Record {
        connection,
        child,
        peer: path.map(|path| path.remote.to_string()).or(record.peer),
        local: path.map(|path| path.local.to_string()),
        ..record
    }
}

fn names(event: &Event) -> (Option<String>, Option<String>) {
    let text = |name: &ike::config::Name| Some(name.to_string());
    match event {
        Event::Initiating { connection, .. }
        | Event::IkeSaEstablished { connection, .. }
        | Event::IkeSaClosed { connection, .. }
        | Event::ConnectionFailed { connection, .. }
        | Event::Hint { connection, .. } => (text(connection), None),
        Event::ChildUp {
            connection, child, ..
        }
        | Event::ChildDown {
            connection, child, ..
        } => (text(connection), text(child)),
        Event::ChildFailed {
            connection, child, ..
        } => (text(connection), child.as_ref().and_then(text)),
        Event::Retransmitting { connection, .. } | Event::PeerRefused { connection, .. } => {
            (connection.as_ref().and_then(text), None)
        }
        Event::Dropped { .. }
        | Event::CookieMode { .. }
        | Event::Configured { .. }
        | Event::PolicyFailed { .. } => (None, None),
    }
}

fn path(event: &Event) -> Option<&Path> {
    match event {
        Event::Initiating { path, .. }
        | Event::IkeSaEstablished { path, .. }
        | Event::PeerRefused { path, .. }
        | Event::Hint { path, .. }
        | Event::Retransmitting { path, .. } => Some(path),
        Event::ConnectionFailed { path, .. } => path.as_ref(),
        _ => None,
    }
}

fn describe(event: &Event) -> Record {
    let line = |message: String| Record::new(event.name(), message);
    match event {
        Event::Initiating { path, .. } => line(format!(
            "negotiating with {} from {}",
            path.remote, path.local
        )),
        Event::IkeSaEstablished {
            spis,
            path,
            peer,
            suite,
            initiator,
            evidence,
            ..
        } => Record {
            peer_id: Some(peer.to_string()),
            proof: Some(evidence.name()),
            suite: Some(suite.clone()),
            ike_spis: Some(spis_text(spis)),
            ..line(format!(
                "IKE SA established with {peer} at {} ({}), proven by {evidence}",
                path.remote,
                role(*initiator)
            ))
        },
        Event::IkeSaClosed { spis, reason, .. } => {
            let record = line(format!("IKE SA closed: {reason}"));
            Record {
                ike_spis: Some(spis_text(spis)),
                ..record.with_failure(reason)
            }
        }
        Event::ChildUp {
            spi_in,
            spi_out,
            suite,
            local,
            remote,
            ..
        } => Record {
            suite: Some(suite.clone()),
            spi_in: Some(spi(*spi_in)),
            spi_out: Some(spi(*spi_out)),
            ..line(format!("Child SA up: {} == {}", list(local), list(remote)))
        },
        Event::ChildDown { spi_in, reason, .. } => {
            let record = line(format!("Child SA down: {reason}")).with_failure(reason);
            Record {
                spi_in: Some(spi(*spi_in)),
                ..record
            }
        }
        Event::ConnectionFailed {
            path,
            failure,
            retry_in,
            ..
        } => {
            let with = path
                .as_ref()
                .map_or_else(String::new, |path| format!(" with {}", path.remote));
            line(format!("no IKE SA{with}: {failure}"))
                .with_failure(failure)
                .with_retry(*retry_in)
        }
        Event::ChildFailed {
            failure, retry_in, ..
        } => line(format!("no Child SA: {failure}"))
            .with_failure(failure)
            .with_retry(*retry_in),
        Event::PeerRefused {
            path,
            failure,
            told,
            ..
        } => line(format!(
            "refused {}: {failure}; it was told {told}",
            path.remote
        ))
        .with_failure(failure),
        Event::Hint { path, notify, .. } => line(format!(
            "{} answered {notify}, without proof of being the peer; going on",
            path.remote
        )),
        Event::Retransmitting {
            path,
            exchange,
            sent,
            ..
        } => Record {
            count: Some(u64::from(*sent)),
            ..line(format!("no answer from {} to {exchange} yet", path.remote))
        },
        Event::Dropped { remote, reason } => Record {
            peer: Some(remote.to_string()),
            code: Some(reason.name()),
            ..line(format!("datagram from {remote} dropped"))
        },
        Event::CookieMode { on, half_open } => {
            let message = if *on {
                "strangers must prove their address first"
            } else {
                "cookies are no longer asked for"
            };
            Record {
                count: Some(*half_open as u64),
                ..line(format!("{half_open} half-open IKE SAs: {message}"))
            }
        }
        Event::Configured {
            added,
            removed,
            changed,
            unchanged,
        } => line(format!(
            "configuration in force, connections: {added} added, {removed} removed, {changed} changed in their children, \
             {unchanged} unchanged"
        )),
        Event::PolicyFailed { failure } => {
            line(format!("a policy is not in force: {failure}")).with_failure(failure)
        }
    }
}

fn role(initiator: bool) -> &'static str {
    if initiator {
        "we began"
    } else {
        "the peer began"
    }
}

/// An SPI of ESP as `ip xfrm state` and captures show it, without `0x`.
pub(crate) fn spi(spi: u32) -> String {
    format!("{spi:08x}")
}

fn spis_text(spis: &IkeSpis) -> String {
    format!("{} {}", spis.initiator, spis.responder)
}

fn list(selectors: &[impl Display]) -> String {
    selectors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use ike::config::Name;
    use ike::engine::failure::{Cause, Failure, Step};

    use super::*;

    fn branch() -> Name {
        Name::new("branch").expect("a name")
    }

    #[test]
    fn a_failed_connection_tells_peer_code_and_the_next_attempt() {
        let path = Path {
            local: "192.0.2.1:500".parse().expect("valid"),
            remote: "198.51.100.7:500".parse().expect("valid"),
        };
        let cause = Cause::NoResponse {
            sent: 5,
            after: Duration::from_secs(31),
            hint: None,
        };
        let record = record(&Event::ConnectionFailed {
            connection: branch(),
            path: Some(path),
            failure: Failure::new(Step::IkeSaInit, cause),
            retry_in: Some(Duration::from_secs(10)),
        });
        assert_eq!(record.event, "connection-failed");
        assert_eq!(record.connection.as_deref(), Some("branch"));
        assert_eq!(record.peer.as_deref(), Some("198.51.100.7:500"));
        assert_eq!(
            (record.code, record.step, record.blame),
            (Some("no-response"), Some("IKE_SA_INIT"), Some("network"))
        );
        assert_eq!(record.retry_in_seconds, Some(10));
        assert_eq!(
            record.message,
            "no IKE SA with 198.51.100.7:500: IKE_SA_INIT: no answer to 5 messages over 31 s; next attempt in 10 s"
        );
        assert!(
            record
                .suggestion
                .expect("something to do")
                .contains("UDP ports 500 and 4500")
        );
    }

    #[test]
    fn every_reason_to_drop_is_counted_under_its_name() {
        let names: std::collections::BTreeSet<_> =
            DROP_REASONS.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), DROP_REASONS.len());
    }
}
