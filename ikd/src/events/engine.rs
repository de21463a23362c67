//! What the engine's events tell.

use std::fmt::Display;

use ike::config::Name;
use ike::engine::event::{Event, IkeSpis, Unprotected};
use ike::engine::io::{Packet, Path};

use super::Record;

/// What an event tells; its name, connection and peer are added by the caller.
pub(super) fn record(event: &Event) -> Record {
    Record {
        child: child(event).map(ToString::to_string),
        local: path(event).map(|path| path.local.to_string()),
        ..describe(event)
    }
}

/// The connection, where it is known.
pub(super) const fn connection(event: &Event) -> Option<&Name> {
    match event {
        Event::Initiating { connection, .. }
        | Event::IkeSaEstablished { connection, .. }
        | Event::IkeSaClosed { connection, .. }
        | Event::ConnectionFailed { connection, .. }
        | Event::Hint { connection, .. }
        | Event::ChildUp { connection, .. }
        | Event::ChildRekeyed { connection, .. }
        | Event::IkeSaRekeyed { connection, .. }
        | Event::RekeyFailed { connection, .. }
        | Event::ChildDown { connection, .. }
        | Event::Acquire { connection, .. }
        | Event::WithoutSa { connection, .. }
        | Event::ChildFailed { connection, .. } => Some(connection),
        Event::Retransmitting { connection, .. } | Event::PeerRefused { connection, .. } => {
            connection.as_ref()
        }
        Event::Dropped { .. }
        | Event::CookieMode { .. }
        | Event::ClockSet { .. }
        | Event::Configured { .. }
        | Event::Restored { .. }
        | Event::PolicyFailed { .. } => None,
    }
}

const fn child(event: &Event) -> Option<&Name> {
    match event {
        Event::ChildUp { child, .. }
        | Event::ChildRekeyed { child, .. }
        | Event::Acquire { child, .. }
        | Event::WithoutSa { child, .. }
        | Event::ChildDown { child, .. } => Some(child),
        Event::ChildFailed { child, .. } | Event::RekeyFailed { child, .. } => child.as_ref(),
        _ => None,
    }
}

/// Between which addresses, where that is known.
pub(super) const fn path(event: &Event) -> Option<&Path> {
    match event {
        Event::Initiating { path, .. }
        | Event::IkeSaEstablished { path, .. }
        | Event::IkeSaRekeyed { path, .. }
        | Event::PeerRefused { path, .. }
        | Event::Hint { path, .. }
        | Event::Retransmitting { path, .. } => Some(path),
        Event::ConnectionFailed { path, .. } => path.as_ref(),
        _ => None,
    }
}

fn describe(event: &Event) -> Record {
    let line = |message: String| Record {
        message,
        ..Record::default()
    };
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
        Event::ChildRekeyed {
            old_spi_in,
            spi_in,
            spi_out,
            suite,
            by_us,
            ..
        } => {
            let who = if *by_us { "we asked" } else { "the peer asked" };
            let text = format!("Child SA rekeyed: {} is replaced ({who})", spi(*old_spi_in));
            Record {
                suite: Some(suite.clone()),
                spi_in: Some(spi(*spi_in)),
                spi_out: Some(spi(*spi_out)),
                ..line(text)
            }
        }
        Event::IkeSaRekeyed {
            old_spis,
            spis,
            suite,
            by_us,
            ..
        } => {
            let who = if *by_us { "we asked" } else { "the peer asked" };
            let text = format!(
                "IKE SA rekeyed: {} is replaced ({who})",
                spis_text(old_spis)
            );
            Record {
                suite: Some(suite.clone()),
                ike_spis: Some(spis_text(spis)),
                ..line(text)
            }
        }
        Event::ClockSet { forward, by } => {
            let way = if *forward { "forward" } else { "back" };
            line(format!("the wall clock was set {way} by {}s", by.as_secs()))
        }
        Event::RekeyFailed {
            child,
            failure,
            retry_in,
            ..
        } => {
            let what = if child.is_some() {
                "Child SA"
            } else {
                "IKE SA"
            };
            line(format!(
                "the {what} was not rekeyed, the old one goes on: {failure}"
            ))
            .with_failure(failure)
            .with_retry(*retry_in)
        }
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
        Event::Acquire { packet, .. } => line(match packet {
            Some(Packet { local, remote }) => {
                format!("a packet from {local} to {remote} needs a Child SA")
            }
            None => "a packet needs a Child SA".to_owned(),
        }),
        Event::WithoutSa { traffic, .. } => line(
            match traffic {
                Unprotected::Dropped => "without a Child SA its traffic is dropped from now on",
                Unprotected::Asks => "the next packet that needs it brings the Child SA up",
                Unprotected::Passes => "without a Child SA its traffic goes in clear from now on",
            }
            .to_owned(),
        ),
        Event::Restored {
            ike_sas,
            children,
            refused,
        } => line(format!(
            "going on where the daemon before ended, with {ike_sas} IKE SAs and {children} Child SAs in use; records that \
             could not be read: {refused}"
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
    use std::time::Duration;

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
        let record = crate::events::Event::Engine(Box::new(Event::ConnectionFailed {
            connection: branch(),
            path: Some(path),
            failure: Failure::new(Step::IkeSaInit, cause),
            retry_in: Some(Duration::from_secs(10)),
        }))
        .record();
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
}
