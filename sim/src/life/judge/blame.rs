//! Who is blamed when something fails: all peers of a life keep the rules, and unless a reload has made them differ, their
//! configurations fit.

use ike::engine::event::{DropReason, Event};
use ike::engine::failure::{Blame, Cause, Failure};
use ike::wire::numbers::NotifyType;

use super::Wrong;
use super::clocks::At;
use crate::life::scenario::{Entry, What};

/// Judges an event.
pub(super) fn event(at: At<'_>, event: &Event) -> Wrong {
    let (connection, failure) = match event {
        Event::ConnectionFailed {
            connection,
            failure,
            ..
        }
        | Event::ChildFailed {
            connection,
            failure,
            ..
        }
        | Event::RekeyFailed {
            connection,
            failure,
            ..
        } => (Some(connection), failure),
        Event::PeerRefused {
            connection,
            failure,
            ..
        } => (connection.as_ref(), failure),
        Event::ChildDown {
            connection, reason, ..
        }
        | Event::IkeSaClosed {
            connection, reason, ..
        } => (Some(connection), reason),
        Event::Dropped { reason, .. } => {
            let unfair = !is_usual(*reason);
            return unfair.then(|| ("blame", format!("a datagram is dropped: {}", reason.name())));
        }
        _ => return None,
    };
    let link = connection.and_then(|connection| at.link(connection));
    let reloads = link.is_some_and(|link| at.scenario.links[link].versions.len() > 1);
    let is_owner = |entry: &Entry| matches!(entry.what, What::Owner { .. });
    let twins = at.scenario.links.iter().any(|link| link.meeting.is_twin);
    // Where one of two connections is held down, the other one is not for this peer.
    let failed = NotifyType::AUTHENTICATION_FAILED;
    let is_told = failure.cause == (Cause::Refused { notify: failed });
    if twins && (is_told || matches!(failure.cause, Cause::UnknownIdentity { .. })) {
        return None;
    }
    // An owner of secrets that has none, or others, is an end that is configured otherwise.
    let differs = reloads || at.scenario.entries.iter().any(is_owner);
    let unfair = is_unfair(failure, differs);
    unfair.then(|| ("blame", format!("{}: {failure:?}", event.name())))
}

/// Whether it says that a peer has broken a rule, or that configurations do not fit.
fn is_unfair(failure: &Failure, differs: bool) -> bool {
    match (failure.cause.blame(), &failure.cause) {
        (Blame::Peer, _) => true,
        // What is busy, held down, or gone when it is asked for.
        (_, Cause::Refused { notify }) => {
            let usual = [
                NotifyType::TEMPORARY_FAILURE,
                NotifyType::CHILD_SA_NOT_FOUND,
            ];
            !usual.contains(notify) && !differs
        }
        // What the policy asks for: one IKE SA with each peer, and a list that says who is revoked.
        (_, Cause::NoAnswer | Cause::AlreadyConnected | Cause::Certificate(_)) => false,
        (Blame::Configuration, _) => !differs,
        _ => false,
    }
}

/// Whether a datagram that comes late, or twice, is dropped for this.
const fn is_usual(reason: DropReason) -> bool {
    matches!(
        reason,
        DropReason::MessageId
            | DropReason::Unsolicited
            | DropReason::UnknownSpi
            | DropReason::Unexpected
            | DropReason::InProgress
    )
}
