//! How Child SAs end: by the peer's Delete, by ours, by the kernel (RFC 7296 section 1.4.1).
//!
//! A Child SA that is replaced ends silently: what stands for its child goes on. What is said of the end of a child is said
//! of the one in use.
//!
//! ```text
//!   the peer's Delete:  in use, a successor stands by --> that one sends, this one lingers
//!                       in use, we are rekeying it    --> Orphaned: its policies wait for what becomes of that
//!                       in use                        --> down
//!                       replaced                      --> lingers
//!                       our own Delete is out         --> an empty answer; it lingers when ours is answered
//!                       unknown                       --> an empty answer; remembered while a request of ours is out,
//!                                                         for the response may be about to name it
//! ```

use std::time::Duration;

use crate::config::Name;
use crate::engine::event::Event;
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{Reply, SaReference};
use crate::engine::shared::{Notice, Shared};

use super::child_sa::{ChildSa, ChildState, Then};
use super::established::{Established, Exchange, Gone, Task};
use super::rekeying::answer_all;
use super::{IkeSa, State};

/// How long packets may be under way (order O4).
pub(super) const LINGER_TIME: Duration = Duration::from_secs(5);
/// Those of one IKE SA that may linger at once: beyond them, the oldest goes.
const MAX_LINGERING: usize = 16;
/// SPIs of the peer that are remembered as deleted too early.
const MAX_DELETED_EARLY: usize = 16;

impl Established {
    /// Child SAs that stand for a child: those that are about to go do not count.
    pub(in crate::engine) fn standing(&self) -> usize {
        self.children
            .iter()
            .filter(|child| child.is_current())
            .count()
    }

    /// Where the Child SA with this number is among the children.
    pub(super) fn place_of(&self, number: u64) -> Option<usize> {
        let mut children = self.children.iter();
        children.position(|child| child.number == number)
    }

    /// What stands by to take over in the line of this one, by its number.
    fn standby_of(&self, child: &ChildSa) -> Option<u64> {
        let stands_by = |other: &&ChildSa| {
            other.line == child.line && matches!(other.state, ChildState::Standby)
        };
        let standby = self.children.iter().find(stands_by);
        standby.map(|standby| standby.number)
    }

    /// When one of the children wants something done.
    pub(super) fn children_deadline(&self) -> Option<Duration> {
        let of = |child: &ChildSa| match child.state {
            ChildState::InUse(_) => child.rekeying.at,
            ChildState::Replaced(until) | ChildState::Lingering(until) => Some(until),
            _ => None,
        };
        self.children.iter().filter_map(of).min()
    }
}

impl ChildSa {
    /// Leaves the kernel and, if it stood for its child, says so.
    pub(in crate::engine) fn ends(
        &mut self,
        shared: &mut Shared,
        connection: Name,
        reason: Failure,
    ) {
        self.remove(shared);
        let waiters = std::mem::take(&mut self.rekeying.waiters);
        answer_all(shared, waiters, || Reply::Failed(Box::new(reason.clone())));
        let in_use = self.is_known().then_some(self.inbound.spi);
        if let Some(spi_in) = self.instead_of.take().or(in_use) {
            self.tell_end(shared, connection, spi_in, reason);
        } else if self.is_current() {
            shared.notice(Notice::ChildDown {
                connection,
                child: self.child.name.clone(),
                failure: reason,
            });
        }
    }

    /// Says that its child is down: what was in use was this one, or one whose place it was to take.
    fn tell_end(&self, shared: &mut Shared, connection: Name, spi_in: u32, reason: Failure) {
        let child = self.child.name.clone();
        shared.event(Event::ChildDown {
            connection: connection.clone(),
            child: child.clone(),
            spi_in,
            reason: reason.clone(),
        });
        shared.notice(Notice::ChildDown {
            connection,
            child,
            failure: reason,
        });
    }
}

impl IkeSa {
    /// What is due for the children now.
    pub(super) fn children_tick(&mut self, shared: &mut Shared) {
        let now = shared.now.boot;
        let State::Established(established) = &mut self.state else {
            return;
        };
        let mut tasks = Vec::new();
        for child in &mut established.children {
            match child.state {
                ChildState::InUse(_) => {
                    let due = child.rekeying.at.take_if(|at| *at <= now);
                    tasks.extend(due.map(|_| Task::RekeyChild(child.number)));
                }
                // The peer should have deleted it.
                ChildState::Replaced(until) if until <= now => {
                    child.state = ChildState::Deleting;
                    tasks.push(Task::DeleteChild(child.gone()));
                }
                _ => {}
            }
        }
        let over = |child: &mut ChildSa| matches!(child.state, ChildState::Lingering(until) if until <= now);
        for mut child in established.children.extract_if(.., over) {
            child.remove(shared);
        }
        for task in tasks {
            self.begin(shared, task);
        }
    }

    /// The peer says that a Child SA is gone: the one that it receives on by this SPI. The SPI to answer, if it is one.
    pub(super) fn deleted_by_peer(&mut self, shared: &mut Shared, spi: u32) -> Option<u32> {
        let State::Established(established) = &mut self.state else {
            return None;
        };
        let named = |child: &ChildSa| child.outbound.spi == spi;
        let Some(at) = established.children.iter().position(named) else {
            if matches!(established.exchange, Some(Exchange::CreateChild(_)))
                && established.deleted_early.len() < MAX_DELETED_EARLY
            {
                established.deleted_early.push(spi);
            }
            return None;
        };
        let (number, inbound) = {
            let child = &established.children[at];
            (child.number, child.inbound.spi)
        };
        match established.children[at].state {
            ChildState::InUse(_) => self.in_use_deleted_by_peer(shared, number),
            ChildState::Replaced(_) => self.linger(shared, number),
            ChildState::Standby if established.children[at].instead_of.is_none() => {
                self.linger(shared, number);
            }
            ChildState::Installing(_) | ChildState::Standby => {
                let mut child = established.children.remove(at);
                let reason = Failure::new(Step::Informational, Cause::DeletedByPeer);
                self.child_down(shared, &mut child, reason.clone());
                if let ChildState::Installing(Then::TakesOver(old)) = child.state {
                    self.rekeying_failed(shared, old, reason);
                }
            }
            ChildState::Deleting | ChildState::Orphaned | ChildState::Lingering(_) => return None,
        }
        Some(inbound)
    }

    fn in_use_deleted_by_peer(&mut self, shared: &mut Shared, number: u64) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let Some(at) = established.place_of(number) else {
            return;
        };
        if let Some(successor) = established.standby_of(&established.children[at]) {
            self.activate(shared, successor);
            return self.linger(shared, number);
        }
        if established.is_being_rekeyed(number) {
            established.children[at].state = ChildState::Orphaned;
            return;
        }
        let child = established.children.remove(at);
        let reason = Failure::new(Step::Informational, Cause::DeletedByPeer);
        if let Some(mut child) = self.leave(shared, child, &reason) {
            self.child_down(shared, &mut child, reason);
        }
    }

    /// Both sides have let go of it: it sends no more, and receives what is still under way.
    fn linger(&mut self, shared: &mut Shared, number: u64) {
        let mut until = shared.now.boot + LINGER_TIME;
        if cfg!(ikd_fault = "no-lingering") {
            until = shared.now.boot;
        }
        let State::Established(established) = &mut self.state else {
            return;
        };
        let children = &mut established.children;
        let Some(at) = children.iter().position(|child| child.number == number) else {
            return;
        };
        let line = children[at].line;
        let needed = children
            .iter()
            .any(|other| other.line == line && other.is_activating);
        if !needed {
            children[at].stop_sending(shared);
        }
        children[at].state = ChildState::Lingering(until);
        let lingers = |child: &ChildSa| matches!(child.state, ChildState::Lingering(_));
        if children.iter().filter(|child| lingers(child)).count() > MAX_LINGERING
            && let Some(oldest) = children.iter().position(lingers)
        {
            children.remove(oldest).remove(shared);
        }
    }

    /// The peer has answered our Delete.
    pub(super) fn delete_answered(&mut self, shared: &mut Shared, gone: Gone) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let named = |child: &&ChildSa| {
            child.inbound.spi == gone.inbound && matches!(child.state, ChildState::Deleting)
        };
        if let Some(number) = established
            .children
            .iter()
            .find(named)
            .map(|child| child.number)
        {
            self.linger(shared, number);
        }
    }

    /// Takes a Child SA out of the kernel and, if it stood for its child, says so.
    pub(super) fn child_down(&self, shared: &mut Shared, child: &mut ChildSa, reason: Failure) {
        match self.connection_name() {
            Some(connection) => child.ends(shared, connection, reason),
            None => child.remove(shared),
        }
    }

    /// One that the kernel has not taken was to take the place of one that came from another IKE SA: that has ended.
    pub(super) fn tell_not_followed(&self, shared: &mut Shared, child: &ChildSa, reason: &Failure) {
        if let (Some(connection), Some(spi_in)) = (self.connection_name(), child.instead_of) {
            child.tell_end(shared, connection, spi_in, reason.clone());
        }
    }

    /// Takes a child down from our side: out of the kernel at once, then the peer is told.
    pub(in crate::engine) fn delete_child(
        &mut self,
        shared: &mut Shared,
        name: &Name,
        cause: &Cause,
    ) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        established.renounce(name);
        let undecided = established
            .undecided
            .take_if(|undecided| undecided.is_for(name));
        let ends = |child: &mut ChildSa| {
            let over = matches!(child.state, ChildState::Deleting | ChildState::Lingering(_));
            child.child.name == *name && !over
        };
        let ended: Vec<_> = established.children.extract_if(.., ends).collect();
        for child in ended {
            let failure = Failure::new(Step::Informational, cause.clone());
            self.child_ended(shared, child, failure);
        }
        if let Some(undecided) = undecided {
            self.begin(shared, Task::DeleteChild(undecided.gone()));
        }
    }

    /// One that we have no use for any more.
    pub(super) fn ended_by_us(&mut self, shared: &mut Shared, number: u64, failure: Failure) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        if established.is_being_rekeyed(number) {
            return;
        }
        if let Some(at) = established.place_of(number) {
            let child = established.children.remove(at);
            self.child_ended(shared, child, failure);
        }
    }

    /// A Child SA is at its end from our side: the peer is told that it is gone, or, if it waits for it, that it will not
    /// be.
    fn child_ended(&mut self, shared: &mut Shared, child: ChildSa, failure: Failure) {
        let gone = child.gone();
        let mut child = match self.leave(shared, child, &failure) {
            None => return self.begin(shared, Task::DeleteChild(gone)),
            Some(child) => child,
        };
        self.child_down(shared, &mut child, failure.clone());
        if matches!(child.state, ChildState::Orphaned) {
            return;
        }
        let waits = self.established().is_some_and(
            |established| matches!(&established.answering, Some((number, ..)) if *number == child.number),
        );
        if waits && self.abandon_answer(shared, &failure.cause) {
            return;
        }
        self.begin(shared, Task::DeleteChild(child.gone()));
    }

    /// The kernel has dropped one of our SAs, or could not take one: the whole Child SA goes.
    pub(in crate::engine) fn expired(&mut self, shared: &mut Shared, sa: SaReference) {
        let failure = Failure::new(Step::Kernel, Cause::Expired);
        if let Some(number) = self.child_with(sa) {
            self.ended_by_kernel(shared, number, failure);
        }
    }

    pub(super) fn ended_by_kernel(&mut self, shared: &mut Shared, number: u64, failure: Failure) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let Some(at) = established.place_of(number) else {
            return;
        };
        let successor = established.standby_of(&established.children[at]);
        let in_use = matches!(established.children[at].state, ChildState::InUse(_));
        if matches!(established.children[at].state, ChildState::Orphaned) {
            return established.children[at].stop(shared);
        }
        if in_use && let Some(successor) = successor {
            self.activate(shared, successor);
        } else if in_use && established.is_being_rekeyed(number) {
            let child = &mut established.children[at];
            child.stop(shared);
            child.state = ChildState::Orphaned;
            let gone = child.gone();
            return self.begin(shared, Task::DeleteChild(gone));
        }
        let State::Established(established) = &mut self.state else {
            return;
        };
        let Some(at) = established.place_of(number) else {
            return;
        };
        let mut child = established.children.remove(at);
        match child.state {
            ChildState::Deleting | ChildState::Lingering(_) => {
                child.remove(shared);
            }
            _ => self.child_ended(shared, child, failure),
        }
    }

    /// The kernel says that an SA has reached a soft limit: the first packet by one that stands by, or enough of one in use.
    pub(in crate::engine) fn soft_expired(&mut self, shared: &mut Shared, sa: SaReference) {
        let Some(number) = self.child_with(sa) else {
            return;
        };
        let Some(child) = self.established().and_then(|established| {
            established
                .children
                .iter()
                .find(|child| child.number == number)
        }) else {
            return;
        };
        match child.state {
            ChildState::Standby if child.inbound == sa && !self.is_to_be_deleted() => {
                self.activate(shared, number);
            }
            ChildState::InUse(_) if child.counts(sa) => self.has_carried_enough(shared, number),
            _ => {}
        }
    }

    /// It is time to replace a Child SA, unless that is under way, or has failed and will be tried again.
    fn has_carried_enough(&mut self, shared: &mut Shared, number: u64) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let under_way = established.is_to_be_rekeyed(number);
        let Some(at) = established.place_of(number).filter(|_| !under_way) else {
            return;
        };
        let rekeying = &mut established.children[at].rekeying;
        if !rekeying.has_failed() {
            rekeying.at = None;
            self.begin(shared, Task::RekeyChild(number));
        }
    }

    fn child_with(&self, sa: SaReference) -> Option<u64> {
        let mut children = self.established()?.children.iter();
        let child = children.find(|child| child.inbound == sa || child.outbound == sa);
        child.map(|child| child.number)
    }
}
