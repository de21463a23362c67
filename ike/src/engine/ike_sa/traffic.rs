//! What Child SAs carry, as the kernel counts it, and the end of those that carry nothing (the policy's `idle`).
//!
//! ```text
//!   a look is due --> one question for all that are due --> counts as before, for long enough --> closed
//!        ^                                              \-> counts have grown, or not yet --+
//!        +---------------- a quarter of `idle` later <--------------------------------------+
//! ```
//!
//! The kernel is asked at a look and at no other time, so that an SA costs nothing between two. What matters is that the
//! counts have grown, not by how much nor what a clock says: the wall clock may be set. A Child SA is closed between once and
//! one and a quarter times `idle` after its last packet. One that replaces another goes on with its silence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Keep;
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{Question, SaReference, SaUse};
use crate::engine::shared::Shared;

use super::child_sa::{ChildSa, ChildState};
use super::established::Established;
use super::{ANSWER_TIME, IkeSa, State};

/// Looks in the time after which an idle Child SA is closed.
const LOOKS: u32 = 4;

/// What is known of the traffic of a Child SA. Times are of the boot clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Traffic {
    /// Packets, in and out, when it was looked last.
    packets: u64,
    /// When it was looked last.
    looked: Duration,
    /// No packet has come or gone since.
    quiet_since: Duration,
}

impl Traffic {
    /// None yet.
    pub(super) const fn none(now: Duration) -> Self {
        Self {
            packets: 0,
            looked: now,
            quiet_since: now,
        }
    }

    /// Of a successor, which has carried nothing itself.
    pub(super) const fn inherited(self) -> Self {
        Self { packets: 0, ..self }
    }

    fn told(&mut self, now: Duration, packets: u64) {
        if packets != self.packets {
            self.packets = packets;
            self.quiet_since = now;
        }
    }
}

impl ChildSa {
    /// After how long it is closed.
    fn idle_limit(&self) -> Option<Duration> {
        let closes = self.child.keep != Keep::Up && matches!(self.state, ChildState::InUse(_));
        self.child.idle.filter(|_| closes)
    }

    /// When it is to be looked what it has carried.
    fn look_at(&self) -> Option<Duration> {
        Some(self.traffic.looked + self.idle_limit()? / LOOKS)
    }
}

impl Established {
    /// When it is to be looked next; while the kernel is being asked, not before that has taken too long.
    pub(super) fn look_deadline(&self) -> Option<Duration> {
        let next = self.children.iter().filter_map(ChildSa::look_at).min()?;
        let patience = self.looking_since.map(|since| since + ANSWER_TIME);
        Some(patience.map_or(next, |until| until.max(next)))
    }
}

impl IkeSa {
    /// Asks the kernel what those have carried that are to be looked at.
    pub(super) fn look_at_traffic(&mut self, shared: &mut Shared) {
        let (own, now) = (self.own_spi(), shared.now.boot);
        let State::Established(established) = &mut self.state else {
            return;
        };
        if established.look_deadline().is_none_or(|at| now < at) {
            return;
        }
        let due = |child: &&ChildSa| child.look_at().is_some_and(|at| at <= now);
        let due = established.children.iter().filter(due);
        let sas: Vec<SaReference> = due
            .flat_map(|child| [child.inbound, child.outbound])
            .collect();
        established.looking_since = Some(now);
        shared.ask(own, Question::SaUse(sas));
    }

    /// The kernel has told. Of what it does not tell nothing is known: that goes on.
    pub(super) fn traffic_told(&mut self, shared: &mut Shared, uses: &[SaUse]) {
        let now = shared.now.boot;
        let State::Established(established) = &mut self.state else {
            return;
        };
        established.looking_since = None;
        let packets = |sa: SaReference| {
            let found = uses.iter().find(|found| found.sa == sa);
            found.map(|found| found.packets)
        };
        let mut idle = Vec::new();
        for child in &mut established.children {
            let (inbound, outbound) = (packets(child.inbound), packets(child.outbound));
            // A look that was due while another one was under way comes with the next.
            if child.look_at().is_none_or(|at| now < at) {
                continue;
            }
            child.traffic.looked = now;
            if let (Some(inbound), Some(outbound)) = (inbound, outbound) {
                child.traffic.told(now, inbound + outbound);
                let quiet = now.saturating_sub(child.traffic.quiet_since);
                let limit = child.idle_limit().filter(|limit| *limit <= quiet);
                idle.extend(limit.map(|after| (child.number, after)));
            }
        }
        for (number, after) in idle {
            let failure = Failure::new(Step::Informational, Cause::Idle { after });
            self.ended_by_us(shared, number, failure);
        }
    }
}
