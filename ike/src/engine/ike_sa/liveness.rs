//! Whether the peer is there (RFC 7296 section 2.4): asked only where nothing was heard of it, neither IKE nor traffic.
//!
//! ```text
//!   nothing by IKE for the interval --> what have our inbound SAs received since?
//!        something, so it is there <---------'   '---> nothing: an empty INFORMATIONAL
//!                                                         no answer to it: the peer is gone
//! ```
//!
//! The kernel is asked once in an interval at most, so that a busy tunnel costs as little as an idle one.

use std::time::Duration;

use crate::config::KernelMode;
use crate::engine::io::{Question, SaUse};
use crate::engine::shared::Shared;

use super::child_sa::ChildState;
use super::established::{Established, Task};
use super::{IkeSa, State};

/// How long the kernel may take to say what SAs have carried.
const KERNEL_TIME: Duration = Duration::from_secs(5);

/// What is known of the peer's traffic.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Packets of our inbound SAs, by their SPIs, when the kernel was last asked.
    seen: Vec<(u32, u64)>,
    /// When the kernel was asked, where it has not answered.
    asked: Option<Duration>,
}

impl Heard {
    /// Takes in what the kernel says; whether something came since it was last asked.
    fn has_grown(&mut self, uses: &[SaUse]) -> bool {
        let before = |spi: u32| {
            let seen = self.seen.iter().find(|(seen, _)| *seen == spi);
            seen.map_or(0, |(_, packets)| *packets)
        };
        let grown = uses.iter().any(|now| now.packets > before(now.sa.spi));
        self.seen = uses.iter().map(|now| (now.sa.spi, now.packets)).collect();
        grown
    }
}

impl Established {
    /// When the peer is to be asked whether it is there, or the kernel what came from it.
    pub(super) fn liveness_deadline(&self, last_heard: Duration) -> Option<Duration> {
        let interval = self.connection.liveness.interval;
        let due = (!interval.is_zero()).then(|| last_heard + interval)?;
        Some(self.heard.asked.map_or(due, |asked| asked + KERNEL_TIME))
    }
}

impl IkeSa {
    /// Finds out whether the peer is there, if nothing was heard for long enough and nothing is being asked.
    pub(super) fn ask_for_life(&mut self, shared: &mut Shared) {
        let heard = self.last_heard.unwrap_or(self.since);
        let now = shared.now.boot;
        let free = self.window.outstanding().is_none();
        let State::Established(established) = &mut self.state else {
            return;
        };
        let due = established.liveness_deadline(heard);
        if due.is_none_or(|due| now < due) || !free {
            return;
        }
        let in_use = established.children.iter().filter(|child| {
            matches!(
                child.state,
                ChildState::InUse(_) | ChildState::Standby | ChildState::Replaced(_)
            )
        });
        let sas: Vec<_> = in_use.map(|child| child.inbound).collect();
        let is_asked = established.heard.asked.take().is_some();
        if sas.is_empty() || is_asked || shared.kernel_mode == KernelMode::None {
            return self.begin(shared, Task::Liveness);
        }
        established.heard.asked = Some(now);
        self.ask(shared, Question::SaUse(sas));
    }

    /// The kernel says what our inbound SAs have carried.
    pub(super) fn packets_told(&mut self, shared: &mut Shared, uses: &[SaUse]) {
        let now = shared.now.boot;
        let free = self.window.outstanding().is_none();
        let State::Established(established) = &mut self.state else {
            return;
        };
        if established.heard.asked.take().is_none() {
            return;
        }
        if established.heard.has_grown(uses) {
            self.last_heard = Some(now);
        } else if free {
            self.begin(shared, Task::Liveness);
        }
    }
}
