//! When connections are tried again that could not be made: when it was said, neither earlier nor later, and with pauses that
//! grow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ike::engine::event::{Event, IkeSpis};

use super::Wrong;
use super::clocks::At;

/// The longest pause, with what chance adds to it.
const LONGEST: Duration = Duration::from_millis(66_010);
/// Pauses double from a second to a minute.
const DOUBLED: u32 = 6;
/// An attempt that is due begins at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// One connection's.
#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    /// How many have come to nothing since the last that did not.
    failures: u32,
    /// When the next one comes.
    next: Option<Duration>,
    /// Whether something has happened that may bring it forward.
    may_be_sooner: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Attempts {
    /// By gateway and link.
    attempts: BTreeMap<(usize, usize), Attempt>,
    /// IKE SAs that stand, by gateway and link: while there is one, none is tried for.
    standing: BTreeSet<(usize, usize, IkeSpis)>,
}

impl Attempts {
    /// Takes note of an event, and judges it.
    pub(super) fn event(&mut self, at: At<'_>, event: &Event) -> Wrong {
        match event {
            Event::Initiating { connection, .. } => {
                let attempt = self
                    .attempts
                    .entry((at.gateway, at.link(connection)?))
                    .or_default();
                let next = attempt.next.take()?;
                let hasty = at.now + Duration::from_millis(1) < next && !attempt.may_be_sooner;
                (hasty && !at.delayed).then(|| {
                    let text = format!("{connection} is tried before its pause is over");
                    ("haste", text)
                })
            }
            Event::ConnectionFailed {
                connection,
                retry_in,
                ..
            } => {
                let attempt = self
                    .attempts
                    .entry((at.gateway, at.link(connection)?))
                    .or_default();
                let doubled = Duration::from_secs(1) * (1 << attempt.failures.min(DOUBLED));
                let least = doubled.min(Duration::from_secs(60)).mul_f64(0.899);
                attempt.failures += 1;
                let link = at.link(connection)?;
                let mut standing = self.standing.iter();
                let stands = standing.any(|(gateway, of, _)| (*gateway, *of) == (at.gateway, link));
                attempt.next = retry_in.filter(|_| !stands).map(|pause| at.now + pause);
                attempt.may_be_sooner = false;
                let pause = (*retry_in)?;
                (pause < least || pause > LONGEST).then(|| {
                    let text = format!(
                        "{connection} has failed {} times and is tried again in {pause:?}",
                        attempt.failures
                    );
                    ("haste", text)
                })
            }
            Event::IkeSaEstablished {
                connection, spis, ..
            } => {
                let link = at.link(connection)?;
                self.attempts.remove(&(at.gateway, link));
                self.standing.insert((at.gateway, link, *spis));
                None
            }
            Event::IkeSaRekeyed {
                connection,
                old_spis,
                spis,
                ..
            } => {
                let link = at.link(connection)?;
                self.standing.remove(&(at.gateway, link, *old_spis));
                self.standing.insert((at.gateway, link, *spis));
                None
            }
            Event::IkeSaClosed {
                connection, spis, ..
            } => {
                let link = at.link(connection)?;
                self.standing.remove(&(at.gateway, link, *spis));
                None
            }
            _ => None,
        }
    }

    /// Something comes from the peer: it is there, and is tried sooner.
    pub(super) fn heard(&mut self, gateway: usize, link: usize) {
        if let Some(attempt) = self.attempts.get_mut(&(gateway, link)) {
            attempt.may_be_sooner = true;
        }
    }

    /// An operator has said something, or the configuration is another: all begins anew.
    pub(super) fn begins_anew(&mut self, gateway: usize, link: usize) {
        self.attempts.remove(&(gateway, link));
    }

    pub(super) fn forget(&mut self, gateway: usize) {
        self.attempts.retain(|(at, _), _| *at != gateway);
        self.standing.retain(|(at, ..)| *at != gateway);
    }

    /// An attempt that should have begun.
    pub(super) fn late(&self, now: Duration, calm: &[Duration]) -> Wrong {
        let is_late = |((_, link), attempt): &(&(usize, usize), &Attempt)| {
            let due = attempt.next.map(|next| next.max(calm[*link]) + AT_ONCE);
            due.is_some_and(|due| due < now)
        };
        let ((_, link), _) = self.attempts.iter().find(is_late)?;
        Some(("late", format!("link {link} is not tried again")))
    }
}
