//! What should be true, and what is done about it: which connections and children are wanted, which stand, when the next
//! attempt comes, and who waits for the outcome.
//!
//! ```text
//!   configuration, `up`, `down` --> wanted --reconcile--> start an IKE SA, ask for a child
//!                                                             |
//!   next attempt <-- growing pause <-- failed  <-- notices <--+--> established, child up --> whoever waits is told
//! ```
//!
//! `keep: up` never gives up: the pause grows to a minute and stays there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Child, Connection, Keep, KernelMode, Name};
use crate::wire::IkeSpi;

use super::Engine;
use super::candidates::Directory;
use super::event::{Event, Unprotected};
use super::failure::{Cause, Failure, Step};
use super::ike_sa::{self, Established, Intent, Task};
use super::io::{CommandId, Reply};
use super::policy_table::Slots;
use super::replacement::Replacements;
use super::shared::{Notice, Shared};
use super::window::jittered;

/// The pause after the first failure; doubles with each.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// How long we leave it to the peer that began an IKE SA to ask for its children.
pub(super) const FIRST_MOVE: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// All connections of the configuration.
#[derive(Debug, Default)]
pub(super) struct Connections {
    pub(super) entries: BTreeMap<Name, Entry>,
    /// By whom they are for.
    pub(super) directory: Directory,
    /// In the order of the configuration.
    pub(super) order: Vec<Name>,
    /// Something happened to them: what should be done about it will be seen when all has been said.
    pub(super) unsettled: BTreeSet<Name>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) connection: Arc<Connection>,
    /// Its IKE SAs that are established or on their way, by our SPI, oldest first.
    pub(super) sas: Vec<IkeSpi>,
    pub(super) held_down: bool,
    /// What somebody said about the attempt that is under way; forgotten when it ends, whichever way.
    pub(super) hinted: Option<(Duration, Failure)>,
    pub(super) last_failure: Option<(Duration, Failure)>,
    pub(super) retry: Retry,
    /// Boxed, for a node of the map has room for eleven and most connections have one.
    pub(super) children: BTreeMap<Name, Box<ChildEntry>>,
    pub(super) timer: Option<Duration>,
    /// Who began an IKE SA asks for its children first; if both did, each child would be made twice.
    yields_until: Option<Duration>,
    pub(super) waiters: Vec<Waiter>,
    /// IKE SAs in the place of others.
    pub(super) replacements: Replacements,
    /// When the peer was last heard while we waited for the next attempt.
    pub(super) heard: Option<Duration>,
}

/// One child of a connection.
#[derive(Debug, Default)]
pub(super) struct ChildEntry {
    pub(super) last_failure: Option<(Duration, Failure)>,
    pub(super) retry: Retry,
    /// The places of the policies that stand in for its SAs.
    pub(super) slots: Slots,
    /// What those do.
    pub(super) traffic: Unprotected,
    /// The reqid of its trap, where that is what stands there.
    pub(super) trap: Option<u32>,
}

/// When the next attempt is due.
#[derive(Debug, Default)]
pub(super) struct Retry {
    pub(super) failures: u32,
    pub(super) at: Option<Duration>,
}

impl Retry {
    /// Another failure: the pause grows.
    fn failed(&mut self, now: Duration, random: &mut dyn crate::crypto::Random) -> Duration {
        let doubled = FIRST_RETRY * 2u32.saturating_pow(self.failures.min(16));
        let pause = jittered(doubled.min(LONGEST_RETRY), random);
        self.failures += 1;
        self.at = Some(now + pause);
        pause
    }

    pub(super) fn due(&self, now: Duration) -> bool {
        self.at.is_none_or(|at| at <= now)
    }

    /// The peer is there: the next attempt comes by then. If it fails, the pauses go on growing.
    pub(super) fn no_later_than(&mut self, at: Duration) {
        self.at = self.at.map(|due| due.min(at));
    }

    /// How many attempts have failed in a row.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// When, if it is not due yet.
    pub(super) fn pending(&self, now: Duration) -> Option<Duration> {
        self.at.filter(|at| *at > now)
    }
}

/// Somebody asked for `up` and waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) command: CommandId,
    /// The children that are not up yet.
    pub(super) children: BTreeSet<Name>,
}

impl Entry {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            sas: Vec::new(),
            held_down: false,
            hinted: None,
            last_failure: None,
            retry: Retry::default(),
            children: BTreeMap::new(),
            timer: None,
            yields_until: None,
            waiters: Vec::new(),
            replacements: Replacements::default(),
            heard: None,
        }
    }

    /// The children that should be there by our doing.
    fn wanted(&self, shared: &Shared) -> Vec<Arc<Child>> {
        let initiates = self.connection.initiates();
        let connection = &self.connection.name;
        self.connection
            .children
            .iter()
            .filter(|child| {
                let place = (connection.clone(), child.name.clone());
                let kept = match child.keep {
                    Keep::Up => initiates,
                    Keep::OnDemand => shared.traps.wants(connection, &child.name),
                    Keep::Passive => false,
                };
                kept && !shared.held_down.contains(&place)
                    || self
                        .waiters
                        .iter()
                        .any(|waiter| waiter.children.contains(&child.name))
            })
            .cloned()
            .collect()
    }

    /// When the next attempt comes, of an IKE SA or a child, if one is to come.
    pub(super) fn next_attempt(&self, now: Duration) -> Option<Duration> {
        let children = self.children.values();
        children
            .filter_map(|child| child.retry.pending(now))
            .chain(self.retry.pending(now))
            .min()
    }

    pub(super) fn take_waiters(
        &mut self,
        which: impl Fn(&BTreeSet<Name>) -> bool,
    ) -> Vec<CommandId> {
        let (taken, left) = std::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|waiter| which(&waiter.children));
        self.waiters = left;
        taken
            .into_iter()
            .map(|waiter: Waiter| waiter.command)
            .collect()
    }
}

impl Engine {
    /// Does what is due for a connection so that it becomes what it should be.
    pub(super) fn reconcile(&mut self, name: &Name) {
        if self.shutting_down || self.restoring {
            return;
        }
        self.settle_replacements(name);
        let now = self.shared.now.boot;
        let Some(entry) = self.connections.entries.get(name) else {
            return;
        };
        let no_kernel = self.shared.kernel_mode == KernelMode::None;
        let children = if no_kernel {
            Vec::new()
        } else {
            entry.wanted(&self.shared)
        };
        let wanted = entry.connection.initiates()
            || !entry.waiters.is_empty()
            || self.shared.traps.wants_any(&entry.connection);
        if !wanted || entry.held_down {
            return self.schedule(name);
        }
        let (established, connecting) = self.ike_sas_of(entry);
        if let Some(own) = established {
            let yields = entry.yields_until.is_some_and(|until| now < until)
                && self.ike_sas.get(&own).is_some_and(|sa| !sa.initiator);
            if yields && entry.waiters.is_empty() {
                return self.schedule(name);
            }
            let missing: Vec<_> = children
                .into_iter()
                .filter(|child| !self.child_exists(entry, child))
                .filter(|child| {
                    entry
                        .children
                        .get(&child.name)
                        .is_none_or(|state| state.retry.due(now))
                })
                .collect();
            for child in missing {
                self.with_sa(own, |sa, shared| sa.begin(shared, Task::CreateChild(child)));
            }
        } else if !connecting && entry.retry.due(now) {
            let childless = no_kernel || entry.connection.children.is_empty();
            if let Some(child) = children.first() {
                let (connection, child) = (entry.connection.clone(), child.clone());
                self.initiate(connection, Some(child));
            } else if childless {
                let connection = entry.connection.clone();
                self.initiate(connection, None);
            }
        }
        self.schedule(name);
    }

    fn initiate(&mut self, connection: Arc<Connection>, child: Option<Arc<Child>>) {
        let name = connection.name.clone();
        let own = self.fresh_ike_spi();
        // True as far as we know: another IKE SA with this peer would be one of this connection.
        let entry = self.connections.entries.get(&name);
        let initial_contact = entry.is_some_and(|entry| entry.sas.is_empty());
        let turn = entry.map_or(0, |entry| entry.retry.failures());
        match ike_sa::start(
            &mut self.shared,
            own,
            Intent {
                connection,
                child,
                initial_contact,
                peer: None,
                turn,
                hurries: false,
            },
        ) {
            Ok(sa) => {
                if let Some(entry) = self.connections.entries.get_mut(&name) {
                    entry.sas.push(own);
                }
                self.put_back(sa);
            }
            Err(cause) => self.attempt_failed(&name, None, Failure::new(Step::Start, cause)),
        }
    }

    /// The newest established IKE SA of a connection, and whether one is on its way.
    pub(super) fn ike_sas_of(&self, entry: &Entry) -> (Option<IkeSpi>, bool) {
        let state = |own: &&IkeSpi| self.ike_sas.get(*own).is_some_and(|sa| sa.is_established());
        let established = entry.sas.iter().rev().find(state).copied();
        let connecting = entry
            .sas
            .iter()
            .any(|own| self.ike_sas.get(own).is_some_and(|sa| sa.is_connecting()));
        (established, connecting)
    }

    pub(super) fn established<'a>(
        &'a self,
        entry: &'a Entry,
    ) -> impl Iterator<Item = &'a Established> {
        let sas = entry.sas.iter();
        sas.filter_map(|own| self.ike_sas.get(own)?.established())
    }

    pub(super) fn child_exists(&self, entry: &Entry, child: &Child) -> bool {
        let packet = self
            .shared
            .traps
            .packet(&entry.connection.name, &child.name);
        self.established(entry)
            .any(|established| established.has(child, packet) || established.makes(child))
    }

    /// Whether a child is installed in the kernel.
    pub(super) fn child_is_up(&self, entry: &Entry, child: &Name) -> bool {
        self.established(entry)
            .flat_map(|established| &established.children)
            .any(|sa| sa.child.name == *child && matches!(sa.state, ike_sa::ChildState::InUse(_)))
    }

    /// Takes what the IKE SAs have to say, until nothing is left to be said.
    pub(super) fn take_notices(&mut self) {
        loop {
            for heir in std::mem::take(&mut self.shared.born) {
                self.put_back(heir);
            }
            let Some(notice) = self.shared.notices.pop_front() else {
                // What is missing can be seen once everything has been said: a child may have failed after its IKE SA
                // was established, or have ended with it.
                match self.connections.unsettled.pop_first() {
                    Some(name) => self.reconcile(&name),
                    None => return,
                }
                continue;
            };
            match notice {
                Notice::Established {
                    connection,
                    sa,
                    initial_contact,
                } => {
                    self.connection_established(&connection, sa, initial_contact);
                    self.connections.unsettled.insert(connection);
                }
                Notice::Closed {
                    connection,
                    sa,
                    established,
                    initiator,
                    path,
                    failure,
                } => {
                    let ended = (sa, path, initiator);
                    self.connection_closed(&connection, ended, established, failure);
                }
                Notice::Inherits { old, heir, by_us } => self.inherit(old, heir, by_us),
                Notice::Deletes { heir, path, spis } => self.with_sa(heir, |sa, shared| {
                    sa.children_deleted_by_peer(shared, path, spis);
                }),
                Notice::Redundant { heir, until } => self.redundant(heir, until),
                Notice::Reauthenticate { sa } | Notice::HeirLost { old: sa } => {
                    self.begin_reauthentication(sa);
                }
                Notice::TakenOver { sa, child } => self.taken_over(sa, child),
                Notice::Left {
                    connection,
                    child,
                    failure,
                } => self.left(connection, child, failure),
                Notice::LetGo { sas } => self.let_go(&sas),
                Notice::ChildUp { connection, child } => self.child_is_now_up(&connection, &child),
                Notice::ChildFailed {
                    connection,
                    child,
                    failure,
                } => self.child_failed(&connection, child, failure),
                Notice::ChildDown {
                    connection,
                    child,
                    failure,
                } => {
                    self.child_is_down(&connection, &child, failure);
                    self.connections.unsettled.insert(connection);
                }
                Notice::Stranger { path, failure } => self.remember(path, failure),
                Notice::Hinted {
                    connection,
                    failure,
                } => {
                    if let Some(entry) = self.connections.entries.get_mut(&connection) {
                        entry.hinted = Some((self.shared.now.wall, failure));
                    }
                }
            }
        }
    }

    /// An IKE SA was replaced: its heir takes its place, and what it has.
    fn inherit(&mut self, old: IkeSpi, heir: IkeSpi, by_us: bool) {
        // Once: the peer may have shown before which heir it means.
        let state = |own: &IkeSpi| self.ike_sas.get(own).and_then(|sa| sa.established());
        let both = state(&heir).is_some_and(|heir| !heir.announced) && state(&old).is_some();
        if !both {
            // An heir that is gone takes with it what there was to inherit: the peer had nothing else.
            return self.with_sa(old, |sa, shared| {
                if sa.is_established() {
                    let failure = Failure::new(Step::CreateChildSa, Cause::NoAnswer);
                    sa.close(shared, failure, ike_sa::Tell::Delete);
                }
            });
        }
        let (Some(mut before), Some(mut after)) =
            (self.ike_sas.remove(&old), self.ike_sas.remove(&heir))
        else {
            return;
        };
        after.inherit(&mut self.shared, &mut before, by_us);
        before.retire(&mut self.shared, by_us);
        let name = after.connection_name();
        let entry = name.and_then(|name| self.connections.entries.get_mut(&name));
        if let Some(entry) = entry {
            entry.replacements.inherit(old, heir);
            if let Some(place) = entry.sas.iter_mut().find(|own| **own == old) {
                *place = heir;
            }
        }
        after.pump(&mut self.shared);
        // However fast a peer rekeys, one old IKE SA waits for its goodbye.
        if let Some(oldest) = before.predecessor.take() {
            self.with_sa(oldest, |sa, _| sa.forget());
        }
        self.put_back(before);
        self.put_back(after);
    }

    /// An heir that has lost against another.
    fn redundant(&mut self, heir: IkeSpi, until: Option<Duration>) {
        self.with_sa(heir, |sa, shared| sa.is_redundant(shared, until));
    }

    fn connection_established(&mut self, name: &Name, own: IkeSpi, initial_contact: bool) {
        let now = self.shared.now.boot;
        let Some(sa) = self.ike_sas.get(&own) else {
            return;
        };
        // The configuration may have changed, and an operator may have taken it down, while the peer was half-way in.
        let in_force =
            self.connections.entries.get_mut(name).filter(|entry| {
                !entry.held_down && Some(&entry.connection) == sa.connection.as_ref()
            });
        let Some(entry) = in_force else {
            return self.with_sa(own, |sa, shared| sa.close_for(shared, Cause::TakenDown));
        };
        if !entry.sas.contains(&own) {
            entry.sas.push(own);
        }
        entry.retry = Retry::default();
        entry.hinted = None;
        if !sa.initiator {
            entry.yields_until = Some(now + jittered(FIRST_MOVE, &mut *self.shared.random));
        }
        self.settle_duplicates(name, own, initial_contact);
        self.give_up_attempts(name, own);
        let no_kernel = self.shared.kernel_mode == KernelMode::None;
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return;
        };
        for command in entry.take_waiters(|children| children.is_empty() || no_kernel) {
            self.reply(command, Reply::Done);
        }
    }

    fn connection_closed(
        &mut self,
        name: &Name,
        (own, path, initiator): (IkeSpi, super::io::Path, bool),
        established: bool,
        failure: Failure,
    ) {
        let wall = self.shared.now.wall;
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return;
        };
        entry.sas.retain(|other| *other != own);
        if initiator {
            entry.hinted = None;
        }
        if self.replacement_failed(name, own, &failure) {
            return;
        }
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return;
        };
        let by_us = matches!(
            failure.cause,
            Cause::TakenDown | Cause::Replaced | Cause::AlreadyConnected
        );
        let others = entry.sas.iter().filter_map(|other| self.ike_sas.get(other));
        if by_us || is_no_loss(&failure, others) {
            self.connections.unsettled.insert(name.clone());
            return;
        }
        if established || initiator {
            return self.attempt_failed_or_lost(name, Some(path), failure, established);
        }
        // A peer that came to us and was turned away: our own attempts have nothing to do with it.
        entry.last_failure = Some((wall, failure));
    }

    fn attempt_failed(&mut self, name: &Name, path: Option<super::io::Path>, failure: Failure) {
        self.attempt_failed_or_lost(name, path, failure, false);
    }

    fn attempt_failed_or_lost(
        &mut self,
        name: &Name,
        path: Option<super::io::Path>,
        failure: Failure,
        lost: bool,
    ) {
        let now = self.shared.now;
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return;
        };
        entry.last_failure = Some((now.wall, failure.clone()));
        let pause = entry.retry.failed(now.boot, &mut *self.shared.random);
        let waiters = entry.take_waiters(|_| true);
        // A later packet may ask again; one that was lost with its IKE SA is still waiting.
        if lost {
            self.shared.traps.forget_old(&entry.connection, now.boot);
        } else {
            self.shared.traps.forget_all(&entry.connection);
        }
        let again = !entry.held_down && !entry.wanted(&self.shared).is_empty();
        let retry_in = again.then_some(pause);
        if !lost {
            let connection = name.clone();
            self.shared.event(Event::ConnectionFailed {
                connection,
                path,
                failure: failure.clone(),
                retry_in,
            });
        }
        for command in waiters {
            self.reply(command, Reply::Failed(Box::new(failure.clone())));
        }
        self.connections.unsettled.insert(name.clone());
    }

    pub(super) fn child_is_now_up(&mut self, name: &Name, child: &Name) {
        if let Some(failure) = self.is_in_vain(name, child) {
            return self.child_failed(name, Some(child.clone()), failure);
        }
        let Some(entry) = self.connections.entries.get(name) else {
            return;
        };
        if (entry.connection.child(child)).is_none_or(|child| self.is_served(entry, child)) {
            self.shared.traps.forget(name, child);
        }
        let now = self.shared.now.boot;
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return;
        };
        if let Some(state) = entry.children.get_mut(child) {
            state.retry = Retry::default();
        }
        for waiter in &mut entry.waiters {
            waiter.children.remove(child);
        }
        // A peer that is at it goes on.
        let yields_until = entry.yields_until.filter(|until| now < *until);
        entry.yields_until = yields_until.map(|until| until.max(now + FIRST_MOVE));
        for command in entry.take_waiters(BTreeSet::is_empty) {
            self.reply(command, Reply::Done);
        }
        self.connections.unsettled.insert(name.clone());
    }

    fn child_is_down(&mut self, name: &Name, child: &Name, failure: Failure) {
        let now = self.shared.now;
        let Some(entry) = self.connections.entries.get(name) else {
            return;
        };
        // A peer that makes the new one before it deletes the old one has broken nothing.
        let goes_on =
            matches!(failure.cause, Cause::DeletedByPeer) && self.child_is_up(entry, child);
        let by_us = matches!(
            failure.cause,
            Cause::TakenDown | Cause::Replaced | Cause::Idle { .. }
        );
        if goes_on || by_us {
            return;
        }
        // One that comes when it is needed may be deleted when it is not: that is no failure, but it pauses.
        let on_demand = |child: &Arc<Child>| child.keep == Keep::OnDemand;
        let usual = matches!(failure.cause, Cause::DeletedByPeer)
            && entry.connection.child(child).is_some_and(on_demand);
        let entry = self.connections.entries.get_mut(name);
        if let Some(state) = entry.and_then(|entry| entry.children.get_mut(child)) {
            // A lifetime that has ended is no reason to wait: the peer is there.
            if failure.cause == Cause::Expired {
                state.retry = Retry::default();
            } else {
                state.retry.failed(now.boot, &mut *self.shared.random);
            }
            if !usual {
                state.last_failure = Some((now.wall, failure));
            }
        }
    }

    fn child_failed(&mut self, name: &Name, child: Option<Name>, failure: Failure) {
        let now = self.shared.now;
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return;
        };
        let mut retry_in = None;
        if let Some(child) = &child {
            self.shared.traps.forget(name, child);
        }
        let wanted = entry.wanted(&self.shared);
        if let Some(child) = &child {
            let is_wanted = wanted.iter().any(|wanted| wanted.name == *child);
            let state = entry.children.entry(child.clone()).or_default();
            state.last_failure = Some((now.wall, failure.clone()));
            let pause = state.retry.failed(now.boot, &mut *self.shared.random);
            retry_in = is_wanted.then_some(pause);
        } else {
            entry.last_failure = Some((now.wall, failure.clone()));
        }
        let waiters = entry
            .take_waiters(|children| child.as_ref().is_some_and(|child| children.contains(child)));
        let connection = name.clone();
        self.shared.event(Event::ChildFailed {
            connection,
            child,
            failure: failure.clone(),
            retry_in,
        });
        for command in waiters {
            self.reply(command, Reply::Failed(Box::new(failure.clone())));
        }
        self.connections.unsettled.insert(name.clone());
    }

    /// Puts the connection's next attempt on the list of timers.
    fn schedule(&mut self, name: &Name) {
        let now = self.shared.now.boot;
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return;
        };
        self.journal.touch_connection(name);
        let yields_until = entry.yields_until.filter(|until| now < *until);
        let next = entry
            .next_attempt(now)
            .into_iter()
            .chain(yields_until)
            .chain(entry.replacements.deadline(self.shared.now.boot))
            .min();
        let old = std::mem::replace(&mut entry.timer, next);
        self.timers
            .change(super::timers::Timer::Connection(name.clone()), old, next);
    }
}

/// Whether the peer deleted one IKE SA of several, as after both began at once, or when it has made a new one.
fn is_no_loss<'a>(
    failure: &Failure,
    mut others: impl Iterator<Item = &'a Box<ike_sa::IkeSa>>,
) -> bool {
    matches!(failure.cause, Cause::DeletedByPeer) && others.any(|other| other.is_established())
}
