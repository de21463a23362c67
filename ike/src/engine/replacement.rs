//! One IKE SA in the place of another: the new one stands, with its children in use, before the old one ends.
//!
//! ```text
//!   due, or asked for --> begin: a fresh IKE SA, with the first child --> established: the other children, one by one
//!                            |                                               | all are in use
//!                            v failed: told, tried again                     v
//!                         the old one goes on                             the old one: Delete
//! ```
//!
//! This is how both ends authenticate again (RFC 7296 section 2.8.3): rekeying does not. It also mends a connection whose
//! IKE SA cannot go on. INITIAL_CONTACT is not claimed, for there is another IKE SA.
//!
//! The peer may do the same to us: then it deletes the old one, and if it has not after a minute, we do; after two, where
//! nothing has come by some of the new one's children, for the peer may not have the answer that makes them. Where both began
//! at once, there are two new ones, and that with the lower initiator SPI ends: who began the other one knows first that it
//! does its work at both ends, and deletes the loser; if it has not after half a minute, who began the loser does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Name;
use crate::wire::IkeSpi;

use super::Engine;
use super::event::Event;
use super::failure::{Cause, Failure, Step};
use super::ike_sa::{ChildSa, ChildState, IkeSa, Intent, Task};
use super::io::{CommandId, Reply, SaReference};

/// How long a peer that has made a new IKE SA may keep the old one.
const OLD_ONE_ENDS: Duration = Duration::from_secs(60);
/// How long who began the winner of two may keep the loser.
const LOSER_ENDS: Duration = Duration::from_secs(30);

/// How much longer, where the new one is still to get some of its children: the peer may be asking for them.
const LACKING_ENDS: Duration = Duration::from_secs(60);

/// What is being replaced in one connection.
#[derive(Debug, Default)]
pub(super) struct Replacements {
    under_way: Vec<Replacement>,
    /// Who asked for it and waits.
    waiters: Vec<CommandId>,
}

/// One IKE SA that ends when another does its work.
#[derive(Clone, Copy, Debug)]
struct Replacement {
    old: IkeSpi,
    new: IkeSpi,
    /// Whether we began the new one, and so know when it does its work at both ends.
    by_us: bool,
    /// When the old one ends, if nothing is lacking; in any case, [`LACKING_ENDS`] later.
    until: Option<Duration>,
}

/// What is written of [`Replacements`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReplacementsFields(Vec<ReplacementFields>);

/// What is written of a [`Replacement`]: the old and the new one, whether we began it, and until when.
#[derive(Debug, Serialize, Deserialize)]
struct ReplacementFields([u8; 8], [u8; 8], bool, Option<Duration>);

impl ReplacementsFields {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Replacements {
    pub(super) fn fields(&self) -> ReplacementsFields {
        let of = |one: &Replacement| {
            let Replacement {
                old,
                new,
                by_us,
                until,
            } = *one;
            ReplacementFields(old.0, new.0, by_us, until)
        };
        ReplacementsFields(self.under_way.iter().map(of).collect())
    }

    pub(super) fn restored(fields: ReplacementsFields) -> Self {
        let of = |ReplacementFields(old, new, by_us, until)| Replacement {
            old: IkeSpi(old),
            new: IkeSpi(new),
            by_us,
            until,
        };
        Self {
            under_way: fields.0.into_iter().map(of).collect(),
            waiters: Vec::new(),
        }
    }

    /// An heir has taken the place of one of them.
    pub(super) fn inherit(&mut self, before: IkeSpi, heir: IkeSpi) {
        for one in &mut self.under_way {
            for own in [&mut one.old, &mut one.new] {
                if *own == before {
                    *own = heir;
                }
            }
        }
    }

    /// When the next old one ends, or ends in any case.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        let ends = self.under_way.iter().filter_map(|one| one.until);
        let next = ends.map(|until| match until > now {
            true => until,
            false => until + LACKING_ENDS,
        });
        next.min()
    }

    /// What was to do the work of others is replaced itself: that is for the one after it.
    fn hand_on(&mut self, to: Replacement) {
        for one in &mut self.under_way {
            if one.new == to.old {
                (one.new, one.by_us) = (to.new, to.by_us);
            }
        }
    }

    fn replaces(&self, old: IkeSpi) -> bool {
        self.under_way.iter().any(|one| one.old == old)
    }

    /// Whether we began this one in the place of another.
    pub(super) fn is_for(&self, new: IkeSpi) -> bool {
        let mut under_way = self.under_way.iter();
        under_way.any(|one| one.new == new && one.by_us)
    }

    /// The peer has made a new one: it is to delete the old one.
    pub(super) fn by_the_peer(&mut self, old: IkeSpi, new: IkeSpi, now: Duration) {
        if !self.replaces(old) {
            self.under_way.push(Replacement {
                old,
                new,
                by_us: false,
                until: Some(now + OLD_ONE_ENDS),
            });
        }
    }

    /// Of two that were begun at once one is to end.
    pub(super) fn lost(&mut self, loser: IkeSpi, winner: IkeSpi, by_us: bool, now: Duration) {
        self.under_way.retain(|one| one.old != loser);
        // What the loser was to replace is for the winner now.
        for one in &mut self.under_way {
            if one.new == loser {
                (one.new, one.by_us) = (winner, by_us);
                one.until.get_or_insert(now + OLD_ONE_ENDS);
            }
        }
        self.under_way.push(Replacement {
            old: loser,
            new: winner,
            by_us,
            until: Some(now + LOSER_ENDS),
        });
    }
}

impl Engine {
    /// Makes the connection of an IKE SA anew, authentication and all, before the old one ends. Nothing happens where that
    /// is under way already, or the IKE SA is no longer the one that counts.
    pub(super) fn begin_reauthentication(&mut self, own: IkeSpi) {
        let Some((name, old)) = self
            .ike_sas
            .get(&own)
            .and_then(|sa| Some((sa.connection_name()?, sa)))
        else {
            return;
        };
        let Some(entry) = self.connections.entries.get(&name) else {
            return;
        };
        let Some(established) = old.established().filter(|_| !self.shutting_down) else {
            return;
        };
        let newer = |other: &IkeSa| {
            let same_place = other.path.remote.ip() == old.path.remote.ip();
            (other.is_connecting() && same_place)
                || other.established().is_some_and(|other| {
                    other.authenticated > established.authenticated
                        && other.peer.identity() == established.peer.identity()
                })
        };
        let others = entry.sas.iter().filter_map(|other| self.ike_sas.get(other));
        let mut others = others.filter(|other| other.own_spi() != own);
        let under_way = entry.replacements.replaces(own) || others.any(|other| newer(other));
        if under_way || entry.held_down {
            return;
        }
        let connection = entry.connection.clone();
        let in_use = |child: &&ChildSa| matches!(child.state, ChildState::InUse(_));
        let first = established.children.iter().find(in_use);
        let first = first.map(|child| child.child.name.clone());
        let mut children = connection.children.iter();
        let child = match first {
            Some(first) => children.find(|child| child.name == first),
            None => children.next(),
        };
        let intent = Intent {
            child: child.cloned(),
            connection: connection.clone(),
            initial_contact: false,
            peer: Some(old.path.remote.ip()),
            turn: established.reauthentication_failures(),
            hurries: established.heir_is_lost,
        };
        let new = self.fresh_ike_spi();
        match super::ike_sa::start(&mut self.shared, new, intent) {
            Ok(sa) => {
                self.journal.touch_connection(&name);
                if let Some(entry) = self.connections.entries.get_mut(&name) {
                    entry.sas.push(new);
                    entry.replacements.under_way.push(Replacement {
                        old: own,
                        new,
                        by_us: true,
                        until: None,
                    });
                }
                self.put_back(sa);
            }
            Err(cause) => {
                self.reauthentication_failed(&name, own, Failure::new(Step::Start, cause));
            }
        }
    }

    /// An operator wants both ends to authenticate again.
    pub(super) fn command_reauthenticate(&mut self, command: CommandId, name: Name) {
        let Some(entry) = self.connections.entries.get_mut(&name) else {
            return self.reply(command, Reply::NotFound { name });
        };
        entry.replacements.waiters.push(command);
        let Some(entry) = self.connections.entries.get(&name) else {
            return;
        };
        if let Some(own) = self.ike_sas_of(entry).0 {
            self.begin_reauthentication(own);
        }
        self.connections.unsettled.insert(name);
    }

    /// Ends what has been replaced, and asks for what the new one still lacks. The latest first: what ends may be what was to do
    /// the work of another.
    pub(super) fn settle_replacements(&mut self, name: &Name) {
        let now = self.shared.now.boot;
        let Some(entry) = self.connections.entries.get(name) else {
            return;
        };
        for one in entry.replacements.under_way.clone().into_iter().rev() {
            let established = |own| self.ike_sas.get(&own).and_then(|sa| sa.established());
            let (Some(old), Some(new)) = (established(one.old), established(one.new)) else {
                let is_there = |own| {
                    let sa = self.ike_sas.get(&own);
                    sa.is_some_and(|sa| sa.is_established() || sa.is_connecting())
                };
                let ends = [one.old, one.new].map(is_there);
                let was_under_way = ends != [true; 2] && self.forget_replacement(name, one);
                if was_under_way && ends[0] {
                    self.with_sa(one.old, super::ike_sa::IkeSa::stays);
                }
                continue;
            };
            let is_in_use = |child: &Name| {
                let mut children = new.children.iter();
                children.any(|other| other.child.name == *child && other.is_used())
            };
            let stands = old.children.iter().filter(|child| child.stands());
            let lacking: Vec<Name> = stands
                .map(|child| child.child.name.clone())
                .filter(|child| !is_in_use(child))
                .collect();
            let after = |more| one.until.is_some_and(|until| until + more <= now);
            let over = after(Duration::ZERO) && lacking.is_empty() || after(LACKING_ENDS);
            // One that is being rekeyed has an heir at the peer.
            let is_free = new.exchanges_nothing() && !old.is_rekeying();
            if over || (lacking.is_empty() && one.by_us && is_free) {
                self.with_sa(one.old, |sa, shared| sa.close_for(shared, Cause::Replaced));
                self.forget_replacement(name, one);
            } else if one.by_us {
                self.ask_for_lacking(name, one.new, &lacking);
            }
        }
        self.answer_reauthenticated(name);
    }

    fn ask_for_lacking(&mut self, name: &Name, new: IkeSpi, lacking: &[Name]) {
        let now = self.shared.now.boot;
        let Some(entry) = self.connections.entries.get(name) else {
            return;
        };
        let due = |child: &Name| {
            let state = entry.children.get(child);
            state.is_none_or(|state| state.retry.due(now))
        };
        let children = entry.connection.children.iter();
        let wanted: Vec<_> = children
            .filter(|child| lacking.contains(&child.name) && due(&child.name))
            .cloned()
            .collect();
        for child in wanted {
            self.with_sa(new, |sa, shared| {
                let established = sa.established();
                if established.is_some_and(|state| !state.has(&child, None) && !state.makes(&child))
                {
                    sa.begin(shared, Task::CreateChild(child));
                }
            });
        }
    }

    /// After a restart: what was to replace another and had not come as far as to be recorded is begun again.
    pub(super) fn begin_replacements_again(&mut self, name: &Name) {
        let Some(entry) = self.connections.entries.get(name) else {
            return;
        };
        let lost = |one: &&Replacement| one.by_us && !self.ike_sas.contains_key(&one.new);
        let under_way = entry.replacements.under_way.iter();
        let lost: Vec<_> = under_way.filter(lost).copied().collect();
        for one in lost {
            self.forget_replacement(name, one);
            self.begin_reauthentication(one.old);
        }
    }

    /// Whether it was still under way as it is said to be.
    fn forget_replacement(&mut self, name: &Name, one: Replacement) -> bool {
        let new = self.ike_sas.get(&one.new);
        let stands = new.is_some_and(|sa| sa.is_established());
        if let Some(entry) = self.connections.entries.get_mut(name) {
            if stands {
                entry.replacements.hand_on(one);
            }
            let same = |other: &Replacement| (other.old, other.new) == (one.old, one.new);
            let under_way = &mut entry.replacements.under_way;
            let before = under_way.len();
            under_way.retain(|other| !same(other));
            return under_way.len() < before;
        }
        false
    }

    /// Tells those who wait, once nothing is being replaced any more.
    fn answer_reauthenticated(&mut self, name: &Name) {
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return;
        };
        if !entry.replacements.under_way.iter().any(|one| one.by_us)
            && !entry.replacements.waiters.is_empty()
        {
            let waiters = std::mem::take(&mut entry.replacements.waiters);
            let stands = entry.sas.iter().any(|own| {
                let sa = self.ike_sas.get(own);
                sa.is_some_and(|sa| sa.is_established())
            });
            for command in waiters {
                let failure = || Box::new(Failure::new(Step::Start, Cause::NotUp));
                let reply = if stands {
                    Reply::Done
                } else {
                    Reply::Failed(failure())
                };
                self.reply(command, reply);
            }
        }
    }

    /// A new IKE SA that was to replace another one came to nothing: whether it was one.
    pub(super) fn replacement_failed(
        &mut self,
        name: &Name,
        own: IkeSpi,
        failure: &Failure,
    ) -> bool {
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return false;
        };
        let is_new = |one: &Replacement| one.new == own && one.by_us;
        let under_way = &mut entry.replacements.under_way;
        let Some(at) = under_way.iter().position(is_new) else {
            return false;
        };
        let old = under_way.remove(at).old;
        let stands = |own: &IkeSpi| {
            let sa = self.ike_sas.get(own);
            sa.is_some_and(|sa| sa.is_established())
        };
        if !stands(&old) || matches!(failure.cause, Cause::Replaced | Cause::TakenDown) {
            return false;
        }
        self.reauthentication_failed(name, old, failure.clone());
        true
    }

    /// The old one goes on, and it is tried again.
    fn reauthentication_failed(&mut self, name: &Name, old: IkeSpi, failure: Failure) {
        let mut retry_in = None;
        self.with_sa(old, |sa, shared| {
            retry_in = sa.try_reauthentication_again(shared, &failure.cause);
        });
        let wall = self.shared.now.wall;
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return;
        };
        entry.last_failure = Some((wall, failure.clone()));
        let waiters = std::mem::take(&mut entry.replacements.waiters);
        self.shared.event(Event::RekeyFailed {
            connection: name.clone(),
            child: None,
            failure: failure.clone(),
            retry_in,
        });
        for command in waiters {
            self.reply(command, Reply::Failed(Box::new(failure.clone())));
        }
        self.connections.unsettled.insert(name.clone());
    }

    /// Traffic goes out by a Child SA that has followed that of another IKE SA.
    pub(super) fn taken_over(&mut self, own: IkeSpi, number: u64) {
        let Some(sa) = self.ike_sas.get(&own) else {
            return;
        };
        let Some((established, child)) = sa.established().and_then(|established| {
            let mut children = established.children.iter();
            Some((established, children.find(|child| child.number == number)?))
        }) else {
            return;
        };
        let reqid = child.line.reqid;
        // The loser of two makes room for nobody.
        if sa.is_to_be_deleted() {
            let (connection, child) = (
                established.connection.name.clone(),
                child.child.name.clone(),
            );
            return self.child_is_now_up(&connection, &child);
        }
        let mut old_spi = child.instead_of;
        let connection = established.connection.name.clone();
        let (name, by_us) = (child.child.name.clone(), sa.initiator);
        let (spi_in, spi_out) = (child.inbound.spi, child.outbound.spi);
        let suite = child.suite.to_string();
        let (local, remote) = (child.local.clone(), child.remote.clone());
        let others: Vec<_> = self.shared.ike_sas_with(reqid).collect();
        for other in others.into_iter().filter(|other| *other != own) {
            self.with_sa(other, |sa, shared| {
                old_spi = sa.is_followed(shared, reqid).or(old_spi);
            });
        }
        let event = match old_spi {
            Some(old_spi_in) => Event::ChildRekeyed {
                connection: connection.clone(),
                child: name.clone(),
                old_spi_in,
                spi_in,
                spi_out,
                suite,
                by_us,
            },
            None => Event::ChildUp {
                connection: connection.clone(),
                child: name.clone(),
                spi_in,
                spi_out,
                suite,
                local,
                remote,
            },
        };
        self.shared.event(event);
        self.with_sa(own, |sa, _| sa.has_told_of_the_one_before(number));
        self.child_is_now_up(&connection, &name);
    }

    /// A Child SA ends whose place that of another IKE SA can take, if that is still there.
    pub(super) fn left(&mut self, connection: Name, mut child: Box<ChildSa>, failure: Failure) {
        let candidates: Vec<_> = self.shared.ike_sas_with(child.line.reqid).collect();
        let place = (child.inbound.spi, child.inbound.destination);
        let before = self.shared.esp.get(&place).copied();
        let lives = |own: &IkeSpi| {
            let sa = self.ike_sas.get(own).filter(|_| Some(*own) != before);
            sa.is_some_and(|sa| sa.is_established() && !sa.is_to_be_deleted())
        };
        match candidates.into_iter().find(lives) {
            Some(own) => self.with_sa(own, |sa, shared| sa.take_in(shared, *child, failure)),
            None => child.ends(&mut self.shared, connection, failure),
        }
    }

    /// The peer sends no more by Child SAs that came from an IKE SA that ended: what is under way is received, and no longer.
    pub(super) fn let_go(&mut self, sas: &[SaReference]) {
        for sa in sas {
            let place = (sa.spi, sa.destination);
            if let Some(own) = self.shared.esp.get(&place).copied() {
                self.with_sa(own, |ike_sa, shared| ike_sa.lingers_briefly(shared, *sa));
            }
        }
    }
}
