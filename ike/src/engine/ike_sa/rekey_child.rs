//! Rekeying of Child SAs, in both roles, and both at once (RFC 7296 sections 1.3.3, 2.8 and 2.25).
//!
//! ```text
//!   we rekey X:       REKEY_SA(X), offer -->           the peer rekeys X:        --> REKEY_SA(X), offer
//!                     <-- the new one                    new inbound SA in the kernel
//!     new SAs in the kernel: the new one is in use       the new one, standing by -->
//!     X sends no more, Delete(X) -->                     X sends on ...
//!     X lingers                                          ... until --> Delete(X), or a packet by the new one
//! ```
//!
//! Both at once: each answers the other, so that there are two new ones. The one that was made with the lowest of the four
//! nonces is deleted by who made it; who made the other deletes X.
//!
//! What comes when X is no longer to be rekeyed: TEMPORARY_FAILURE while it is about to go, or may be about to
//! come, CHILD_SA_NOT_FOUND when it is gone. What comes as an answer: TEMPORARY_FAILURE puts it off, with growing pauses and for some minutes at most;
//! CHILD_SA_NOT_FOUND means a fresh one; NO_ADDITIONAL_SAS a fresh IKE SA, in which that one has its place; whatever else fails is tried again, for X goes on until its hard lifetime.

mod record;

use std::time::Duration;

use crate::config::Name;
use crate::engine::event::Event;
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{CommandId, Reply};
use crate::engine::shared::{Notice, Shared};
use crate::wire::Notify;
use crate::wire::numbers::{NotifyType, ProtocolId};
use crate::wire::payload::Payload;

use super::child::{Negotiated, Proposed};
use super::child_sa::{ChildSa, ChildState, Line, Then};
use super::close::Tell;
use super::end_child::LINGER_TIME;
use super::established::{Established, Exchange, Gone, Task};
use super::rekeying::{DELETE_DUE, answer_all};
use super::{IkeSa, State};

pub(super) use record::{ReplacesFields, UndecidedFields};

/// What a child that we ask for is to replace.
#[derive(Debug)]
pub(super) struct Replaces {
    /// By its number.
    pub(super) number: u64,
    line: Line,
    /// Ours: the peer knows it by this one.
    spi: u32,
    collision: Option<Collision>,
}

/// The peer's rekeying of the same Child SA.
#[derive(Debug)]
struct Collision {
    /// What it made, by its number.
    number: u64,
    /// The lower of the two nonces it was made with.
    lowest: Vec<u8>,
}

/// An answer to our rekeying that cannot be taken before the kernel has answered about the peer's.
#[derive(Debug)]
pub(super) struct Undecided {
    replaces: Replaces,
    negotiated: Negotiated,
    lowest: Vec<u8>,
}

impl Undecided {
    /// Whether it is about this child.
    pub(super) fn is_for(&self, child: &Name) -> bool {
        self.negotiated.child.name == *child
    }

    /// What the peer is told when it is not wanted.
    pub(super) const fn gone(&self) -> Gone {
        self.negotiated.gone()
    }
}

impl Replaces {
    pub(super) fn new(old: &ChildSa) -> Self {
        Self {
            number: old.number,
            line: old.line,
            spi: old.inbound.spi,
            collision: None,
        }
    }

    /// Whether the peer has rekeyed the same meanwhile.
    pub(super) const fn collides(&self) -> bool {
        self.collision.is_some()
    }

    /// REKEY_SA.
    pub(super) fn notify(&self) -> Payload<'static> {
        let notify = Notify::new(NotifyType::REKEY_SA, Vec::new());
        Payload::Notify(notify.about(ProtocolId::ESP, self.spi))
    }
}

impl Established {
    pub(super) fn numbered(&mut self, number: u64) -> Option<&mut ChildSa> {
        let mut children = self.children.iter_mut();
        children.find(|child| child.number == number)
    }

    /// Whether something is about to take the place of a Child SA.
    pub(super) fn has_successor(&self, of: &ChildSa) -> bool {
        self.children.iter().any(|other| {
            other.line == of.line
                && other.number != of.number
                && matches!(other.state, ChildState::Standby | ChildState::Installing(_))
        })
    }

    /// Whether it is being rekeyed by us, or will be as soon as the window is free.
    pub(super) fn is_to_be_rekeyed(&self, number: u64) -> bool {
        self.is_being_rekeyed(number) || self.has_queued_rekeying_of(number)
    }

    /// Whether our request to rekey it is out, or answered and not installed yet.
    pub(super) fn is_being_rekeyed(&self, number: u64) -> bool {
        let asked = matches!(&self.exchange, Some(Exchange::CreateChild(proposed))
            if proposed.replaces.as_ref().is_some_and(|replaces| replaces.number == number));
        let answered = |undecided: &Undecided| undecided.replaces.number == number;
        let installing = |child: &ChildSa| matches!(child.state, ChildState::Installing(Then::TakesOver(of)) if of == number);
        asked
            || self.undecided.as_deref().is_some_and(answered)
            || self.children.iter().any(installing)
    }

    /// The one with this number is in use: those before it in its line are not any more.
    fn make_way(&mut self, number: u64, now: Duration) {
        let line = self.numbered(number).map(|new| new.line);
        for child in &mut self.children {
            if child.number == number || Some(child.line) != line {
                continue;
            }
            match child.state {
                ChildState::InUse(_) => child.state = ChildState::Replaced(now + DELETE_DUE),
                // The peer has deleted it already, or was told when the kernel did.
                ChildState::Orphaned => child.state = ChildState::Lingering(now + LINGER_TIME),
                _ => {}
            }
        }
    }
}

impl IkeSa {
    /// Asks the peer for a new one in place of this one, if it is still the one in use.
    pub(super) fn request_rekeying(&mut self, shared: &mut Shared, number: u64) {
        let path = self.path;
        let State::Established(established) = &mut self.state else {
            return;
        };
        let later = shared.now.boot + DELETE_DUE;
        let Some(at) = established.place_of(number) else {
            return;
        };
        let old = &established.children[at];
        if !matches!(old.state, ChildState::InUse(_)) {
            return;
        }
        // What is to take its place, or was and is about to go. If it is still the one in use later, it is tried again.
        if established.has_successor(old) {
            established.children[at].rekeying.at.get_or_insert(later);
            return;
        }
        match Proposed::successor(shared, path, old) {
            Ok(proposed) => self.send_proposed(shared, proposed),
            Err(cause) => {
                let failure = Failure::new(Step::CreateChildSa, cause);
                self.rekeying_failed(shared, number, failure);
            }
        }
    }

    /// Which Child SA the peer means to rekey, or what it is told.
    pub(super) fn to_be_replaced(&self, notify: &Notify<'_>) -> Result<u64, NotifyType> {
        let established = self.established().ok_or(NotifyType::TEMPORARY_FAILURE)?;
        let spi = notify
            .spi
            .as_u32()
            .filter(|_| notify.protocol == ProtocolId::ESP);
        let spi = spi.ok_or(NotifyType::CHILD_SA_NOT_FOUND)?;
        if established.is_deleting(spi) {
            return Err(NotifyType::TEMPORARY_FAILURE);
        }
        let named = |child: &&ChildSa| child.outbound.spi == spi;
        let child = established.children.iter().find(named);
        // The answer to our request may be about to name it. One that replaces another is not in use at the peer before we
        // know of it.
        let unknown = match &established.exchange {
            Some(Exchange::CreateChild(new)) if new.replaces.is_none() => {
                NotifyType::TEMPORARY_FAILURE
            }
            _ => NotifyType::CHILD_SA_NOT_FOUND,
        };
        let child = child.ok_or(unknown)?;
        match child.state {
            ChildState::InUse(_) if !established.has_successor(child) => Ok(child.number),
            ChildState::Lingering(_) | ChildState::Orphaned => Err(NotifyType::CHILD_SA_NOT_FOUND),
            _ => Err(NotifyType::TEMPORARY_FAILURE),
        }
    }

    /// We have answered the peer's rekeying of a Child SA with this new one. If we rekey the same, that is a collision.
    pub(super) fn note_collision(&mut self, replaced: u64, new: u64, nonces: (&[u8], &[u8])) {
        if let State::Established(established) = &mut self.state
            && let Some(Exchange::CreateChild(proposed)) = &mut established.exchange
            && let Some(replaces) = &mut proposed.replaces
            && replaces.number == replaced
        {
            replaces.collision = Some(Collision {
                number: new,
                lowest: nonces.0.min(nonces.1).to_vec(),
            });
        }
    }

    /// The peer has made what we asked for.
    pub(super) fn rekeyed(
        &mut self,
        shared: &mut Shared,
        replaces: Replaces,
        negotiated: Negotiated,
        lowest: &[u8],
    ) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let busy = |collision: &Collision| matches!(&established.answering, Some((number, ..)) if *number == collision.number);
        if replaces.collision.as_ref().is_some_and(busy) {
            let lowest = lowest.to_vec();
            established.undecided = Some(Box::new(Undecided {
                replaces,
                negotiated,
                lowest,
            }));
            return;
        }
        self.decide(shared, replaces, negotiated, lowest);
    }

    /// The kernel has answered: what could not be decided before now can.
    pub(super) fn decide_at_last(&mut self, shared: &mut Shared) {
        if let State::Established(established) = &mut self.state
            && established.answering.is_none()
            && let Some(undecided) = established.undecided.take()
        {
            let Undecided {
                replaces,
                negotiated,
                lowest,
            } = *undecided;
            self.decide(shared, replaces, negotiated, &lowest);
        }
    }

    fn decide(
        &mut self,
        shared: &mut Shared,
        replaces: Replaces,
        negotiated: Negotiated,
        lowest: &[u8],
    ) {
        let (own, path) = (self.own_spi(), self.path);
        let State::Established(established) = &mut self.state else {
            return;
        };
        let line = replaces.line;
        let holds = |child: &&ChildSa| child.line == line && child.holds_the_line();
        let holder = established.children.iter().find(holds);
        let has_moved_on = holder.is_some_and(|holder| holder.number != replaces.number);
        let loses = match replaces.collision {
            None => false,
            Some(Collision {
                number,
                lowest: theirs,
            }) => match established.numbered(number) {
                Some(_) if *lowest < *theirs => true,
                Some(rival) => {
                    rival.yield_to_ours(shared.now.boot + DELETE_DUE);
                    false
                }
                // What the kernel refused, or the peer has deleted since, is no rival; what was replaced since has won.
                None => has_moved_on,
            },
        };
        if loses {
            // The peer's is to take its place. Where it does not, for a peer that was killed meanwhile may hold its own for
            // the loser, too, we try again.
            if let Some(old) = established.numbered(replaces.number) {
                old.rekeying.at = Some(shared.now.boot + DELETE_DUE);
            }
            let then = Then::IsDeleted;
            let new = ChildSa::install_successor(shared, own, path, negotiated, line, then);
            return established.add(new);
        }
        let holder = established.children.iter().find(holds);
        let Some(holder) = holder else {
            return self.begin(shared, Task::DeleteChild(negotiated.gone()));
        };
        let same = (&holder.local, &holder.remote) == (&negotiated.local, &negotiated.remote);
        if same {
            let then = Then::TakesOver(replaces.number);
            let new = ChildSa::install_successor(shared, own, path, negotiated, line, then);
            return established.add(new);
        }
        // The peer has become narrower: what is left is a line of its own.
        let then = Then::Supersedes(replaces.number);
        let whose = (
            own,
            &established.connection.name,
            established.peer.identity(),
        );
        match ChildSa::install(shared, whose, path, negotiated, then) {
            Ok(new) => established.add(new),
            Err(cause) => {
                let failure = Failure::new(Step::Kernel, cause);
                self.rekeying_failed(shared, replaces.number, failure);
            }
        }
    }

    /// A new one that we made is in the kernel: it sends from now on, and the old one is deleted.
    pub(super) fn takes_over(&mut self, shared: &mut Shared, number: u64, replaced: u64) {
        self.hand_over(shared, number, true);
        let State::Established(established) = &mut self.state else {
            return;
        };
        let line = established.numbered(number).map(|new| new.line);
        let mut task = None;
        if let Some(old) = established.numbered(replaced)
            && Some(old.line) == line
            && matches!(old.state, ChildState::InUse(_))
        {
            old.state = ChildState::Deleting;
            task = Some(Task::DeleteChild(old.gone()));
        }
        established.make_way(number, shared.now.boot);
        if let Some(task) = task.filter(|_| !cfg!(ikd_fault = "no-delete")) {
            self.begin(shared, task);
        }
    }

    /// A narrower one that we made is in use: the old one ends.
    pub(super) fn superseded(&mut self, shared: &mut Shared, old: u64) {
        let failure = Failure::new(Step::CreateChildSa, Cause::Replaced);
        self.ended_by_kernel(shared, old, failure);
    }

    /// The peer has shown that it receives by what it made.
    pub(super) fn activate(&mut self, shared: &mut Shared, number: u64) {
        self.hand_over(shared, number, false);
        let State::Established(established) = &mut self.state else {
            return;
        };
        established.make_way(number, shared.now.boot);
    }

    /// The kernel sends by the new one: those before it send no more.
    pub(super) fn activated(&mut self, shared: &mut Shared, number: u64) {
        let own = self.own_spi();
        let State::Established(established) = &mut self.state else {
            return;
        };
        let Some(line) = established.numbered(number).map(|new| {
            new.is_activating = false;
            new.line
        }) else {
            return;
        };
        let before = |child: &&mut ChildSa| child.line == line && !child.stands();
        for child in established.children.iter_mut().filter(before) {
            if !cfg!(ikd_fault = "old-outbound-stays") {
                child.stop_sending(shared);
            }
        }
        if established
            .numbered(number)
            .is_some_and(ChildSa::has_followed)
        {
            shared.notice(Notice::TakenOver {
                sa: own,
                child: number,
            });
        }
    }

    /// Traffic goes out by this one from now on; the one before it leaves it the policies of the line.
    fn hand_over(&mut self, shared: &mut Shared, number: u64, by_us: bool) {
        let own = self.own_spi();
        let State::Established(established) = &mut self.state else {
            return;
        };
        let children = &mut established.children;
        let Some(at) = children.iter().position(|child| child.number == number) else {
            return;
        };
        if children[at].follows() {
            return children[at].follow(shared, own);
        }
        let mut new = children.remove(at);
        let holds = |child: &&mut ChildSa| child.line == new.line && child.holds_the_line();
        let Some(before) = children.iter_mut().find(holds) else {
            // Nothing is left of what it was to replace. The peer may send by it until it knows.
            let gone = new.gone();
            new.stop_sending(shared);
            new.state = ChildState::Deleting;
            children.insert(at, new);
            return self.begin(shared, Task::DeleteChild(gone));
        };
        shared.event(Event::ChildRekeyed {
            connection: established.connection.name.clone(),
            child: new.child.name.clone(),
            old_spi_in: before.inbound.spi,
            spi_in: new.inbound.spi,
            spi_out: new.outbound.spi,
            suite: new.suite.to_string(),
            by_us,
        });
        shared.notice(Notice::ChildUp {
            connection: established.connection.name.clone(),
            child: new.child.name.clone(),
        });
        new.take_over(shared, own, before);
        let waiters = std::mem::take(&mut before.rekeying.waiters);
        children.insert(at, new);
        answer_all(shared, waiters, || Reply::Done);
    }

    /// Our rekeying came to nothing.
    pub(super) fn rekeying_failed(&mut self, shared: &mut Shared, number: u64, failure: Failure) {
        let own = self.own_spi();
        let State::Established(established) = &mut self.state else {
            return;
        };
        let connection = established.connection.name.clone();
        let Some(at) = established.place_of(number) else {
            return;
        };
        let old = &established.children[at];
        // The peer has rekeyed it meanwhile: that is the one that counts.
        if established.has_successor(old) || !old.holds_the_line() {
            return;
        }
        let refused = match failure.cause {
            Cause::Refused { notify } => Some(notify),
            _ => None,
        };
        if matches!(old.state, ChildState::Orphaned)
            || refused == Some(NotifyType::CHILD_SA_NOT_FOUND)
                && !cfg!(ikd_fault = "not-found-ignored")
        {
            let mut old = established.children.remove(at);
            self.child_down(shared, &mut old, failure);
            return self.begin(shared, Task::CreateChild(old.child));
        }
        // A peer that makes no Child SAs but in IKE_AUTH: there is a fresh one under a fresh IKE SA.
        if refused == Some(NotifyType::NO_ADDITIONAL_SAS) {
            shared.notice(Notice::Reauthenticate { sa: own });
        }
        let put_off = refused == Some(NotifyType::TEMPORARY_FAILURE);
        let failure = match established.verified {
            Some(verified) if verified == number && !put_off => {
                established.verified = None;
                cannot_be(&established.children[at], failure)
            }
            _ => failure,
        };
        let old = &mut established.children[at];
        let retry_in = old.rekeying.failed(shared, &failure.cause);
        let waiters = old.rekeying.disappointed(retry_in);
        shared.event(Event::RekeyFailed {
            connection,
            child: Some(old.child.name.clone()),
            failure: failure.clone(),
            retry_in,
        });
        answer_all(shared, waiters, || Reply::Failed(Box::new(failure.clone())));
        if retry_in.is_none() {
            self.close(shared, failure, Tell::Delete);
        }
    }

    /// An operator wants a child rekeyed.
    pub(in crate::engine) fn rekey_for(
        &mut self,
        shared: &mut Shared,
        number: u64,
        command: CommandId,
    ) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let Some(child) = established.numbered(number) else {
            return;
        };
        child.rekeying.waiters.push(command);
        child.rekeying.at = None;
        if !established.is_to_be_rekeyed(number) {
            self.begin(shared, Task::RekeyChild(number));
        }
    }
}

/// What was to show whether a Child SA can be rekeyed has shown that it cannot.
fn cannot_be(child: &ChildSa, failure: Failure) -> Failure {
    let offered = child.child.proposals.iter();
    let cause = Cause::CannotRekey {
        offered: offered.map(ToString::to_string).collect(),
        taken: child.suite.to_string(),
        cause: Box::new(failure.cause),
    };
    Failure::new(failure.step, cause)
}
