//! Child SAs of two IKE SAs with one peer: the new one's take the place of the old one's, and no packet is lost.
//!
//! ```text
//!   the old IKE SA      InUse ----------------------> Replaced --the IKE SA ends--+
//!                                                        ^                        v
//!   the new IKE SA      we asked:   Installing --> InUse-+                    Lingering, there
//!                       we answer:  Installing --> Standby --> InUse
//!                                     a packet by it, or the end of the old one
//! ```
//!
//! Both have the reqid of the old one ([`crate::engine::lines`]), so that the policies stand as they are. When the old IKE
//! SA ends, its Child SAs go to the new one, which receives by them what is still under way (order O4).

use crate::engine::event::Event;
use crate::engine::failure::{Cause, Failure};
use crate::engine::io::{Reply, SaReference};
use crate::engine::shared::{Notice, Shared};

use super::child_sa::{ChildSa, ChildState, Then};
use super::end_child::LINGER_TIME;
use super::rekeying::{DELETE_DUE, answer_all};
use super::{IkeSa, State};

impl IkeSa {
    /// Whether it will not stay: another one with the same peer does.
    pub(in crate::engine) fn is_to_be_deleted(&self) -> bool {
        let until = self.established().map(|state| state.redundant_until);
        until.is_none_or(|until| until.is_some())
    }

    /// The one that was to stay in its place is gone: this one stays, and traffic goes out by what stands by.
    pub(in crate::engine) fn stays(&mut self, shared: &mut Shared) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        if !established.announced || established.redundant_until.take().is_none() {
            return;
        }
        let waits =
            |child: &&ChildSa| matches!(child.state, ChildState::Standby) && child.follows();
        let waiting: Vec<_> = (established.children.iter().filter(waits))
            .map(|child| child.number)
            .collect();
        for number in waiting {
            self.activate(shared, number);
        }
    }

    /// Leaves a Child SA to another IKE SA that has the same child; it comes back where there is none.
    pub(super) fn leave(
        &self,
        shared: &mut Shared,
        child: ChildSa,
        failure: &Failure,
    ) -> Option<ChildSa> {
        match self.connection_name() {
            Some(connection) if shared.is_shared(child.line.reqid, self.own_spi()) => {
                shared.notice(Notice::Left {
                    connection,
                    child: Box::new(child),
                    failure: failure.clone(),
                });
                None
            }
            _ => Some(child),
        }
    }

    /// Takes in a Child SA that ends, from another IKE SA: what of the same child stands here takes its place.
    pub(in crate::engine) fn take_in(
        &mut self,
        shared: &mut Shared,
        mut left: ChildSa,
        failure: Failure,
    ) {
        let own = self.own_spi();
        // The peer sends by it until it has our Delete, or ends it by itself.
        let until = match (left.state, &failure.cause) {
            (ChildState::Lingering(until), _) => until,
            (_, Cause::DeletedByPeer) => shared.now.boot + LINGER_TIME,
            _ => shared.now.boot + DELETE_DUE + LINGER_TIME,
        };
        let State::Established(established) = &mut self.state else {
            return left.remove(shared);
        };
        // What was to replace one that the one that ends has followed finds nothing to replace.
        let held: Vec<_> = (established.children.iter())
            .filter(|child| child.follows() || child.holds_the_line())
            .map(|child| child.line)
            .collect();
        let mut children = established.children.iter_mut();
        let stands = |child: &&mut ChildSa| {
            child.line.reqid == left.line.reqid && child.stands() && held.contains(&child.line)
        };
        let Some(successor) = children.find(stands) else {
            return self.child_down(shared, &mut left, failure);
        };
        let number = successor.number;
        // What traffic went by last: this one, or one whose place it was to take.
        let in_use = left.is_known().then_some(left.inbound.spi);
        let before = left.instead_of.take().or(in_use);
        let was_in_use = before.is_some();
        let waits = matches!(successor.state, ChildState::Standby) && was_in_use;
        if was_in_use && successor.state == ChildState::Installing(Then::StandsBy) {
            successor.state = ChildState::Installing(Then::Succeeds);
        }
        let waiters = std::mem::take(&mut left.rekeying.waiters);
        answer_all(shared, waiters, || Reply::Done);
        let has_followed = successor.is_used() && !successor.follows();
        if let Some(spi_in) = before
            && has_followed
        {
            // It has been said of that one that it is up, not in whose place.
            shared.event(Event::ChildDown {
                connection: established.connection.name.clone(),
                child: left.child.name.clone(),
                spi_in,
                reason: failure,
            });
        } else if was_in_use {
            successor.instead_of = before;
        }
        left.comes_to(shared, own, successor.line, until);
        if has_followed {
            left.stop_sending(shared);
        }
        established.add(left);
        if waits {
            self.activate(shared, number);
        }
    }

    /// The peer sends no more by this one, which came from another IKE SA.
    pub(in crate::engine) fn lingers_briefly(&mut self, shared: &Shared, inbound: SaReference) {
        let soon = shared.now.boot + LINGER_TIME;
        let State::Established(established) = &mut self.state else {
            return;
        };
        let mut children = established.children.iter_mut();
        if let Some(child) = children.find(|child| child.inbound == inbound)
            && let ChildState::Lingering(until) = &mut child.state
        {
            *until = soon.min(*until);
        }
    }

    /// It has been said which Child SA of another IKE SA this one has followed.
    pub(in crate::engine) fn has_told_of_the_one_before(&mut self, number: u64) {
        if let State::Established(established) = &mut self.state {
            let mut children = established.children.iter_mut();
            if let Some(child) = children.find(|child| child.number == number) {
                child.instead_of = None;
            }
        }
    }

    /// Traffic goes out by another IKE SA's Child SA of this reqid: ours stop. The SPI of the one that was told to be in use.
    pub(in crate::engine) fn is_followed(
        &mut self,
        shared: &mut Shared,
        reqid: u32,
    ) -> Option<u32> {
        let until = shared.now.boot + DELETE_DUE;
        let State::Established(established) = &mut self.state else {
            return None;
        };
        let mut was_in_use = None;
        let mut waiters = Vec::new();
        let of_line = |child: &&mut ChildSa| child.line.reqid == reqid;
        for child in established.children.iter_mut().filter(of_line) {
            if child.holds_the_line() {
                // One that was itself to follow another has not been told of.
                let told = child.is_known().then_some(child.inbound.spi);
                was_in_use = child.instead_of.take().or(told).or(was_in_use);
                waiters.append(&mut child.rekeying.waiters);
                // Of one that waited for its successor, both ends know that it is gone.
                let is_gone = matches!(child.state, ChildState::Orphaned);
                child.is_followed(shared, until);
                if is_gone {
                    child.state = ChildState::Lingering(shared.now.boot);
                }
            }
        }
        answer_all(shared, waiters, || Reply::Done);
        was_in_use
    }
}
