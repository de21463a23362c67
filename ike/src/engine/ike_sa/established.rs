//! An established IKE SA: what we want of the peer, one exchange after the other, and INFORMATIONAL in both directions
//! (RFC 7296 sections 1.4 and 2.4).
//!
//! ```text
//!   tasks --pump--> exchange (one at a time: the window is one) --response--> done, next task
//!   silence --> an empty INFORMATIONAL ([`super::liveness`])
//! ```
//!
//! How its children end: [`super::end_child`]; how they are replaced: [`super::rekey_child`].

mod record;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::proof::{OwnEvidence, PeerAuthenticated};
use crate::config::proposal::IkeSuite;
use crate::config::{Child, Connection, Name};
use crate::crypto::Secret;
use crate::engine::channel::Channel;
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{Packet, Path};
use crate::engine::shared::{Notice, Shared};
use crate::engine::window::jittered;
use crate::wire::Delete;
use crate::wire::IkeSpi;
use crate::wire::numbers::{ExchangeType, NotifyType, ProtocolId};
use crate::wire::payload::Payload;

use super::child::{Negotiated, Proposed};
use super::child_sa::{ChildSa, ChildState, Line, Then};
use super::close::Tell;
use super::create_child::Answering;
use super::liveness::Heard;
use super::rekey_child::Undecided;
use super::rekey_ike::RekeyIke;
use super::rekeying::{Rekeying, shortened};
use super::{IkeSa, Keyed, Opened, State};

pub(super) use record::EstablishedFields;
/// How soon after the clock was set what is overdue is replaced: not all in one moment.
const SPREAD: Duration = Duration::from_secs(1);

/// What only an IKE SA with a proven peer has.
#[derive(Debug)]
pub(in crate::engine) struct Established {
    pub(in crate::engine) connection: Arc<Connection>,
    pub(in crate::engine) peer: PeerAuthenticated,
    pub(in crate::engine) own: OwnEvidence,
    pub(in crate::engine) suite: IkeSuite,
    pub(in crate::engine) children: Vec<ChildSa>,
    pub(in crate::engine) since: Duration,
    /// Since when both ends have proved who they are: heirs have it from the one before them.
    pub(in crate::engine) authenticated: Duration,
    pub(super) sk_d: Secret,
    pub(super) channel: Channel,
    tasks: VecDeque<Task>,
    pub(super) exchange: Option<Exchange>,
    /// The peer's request for a child that the kernel is busy with.
    pub(super) answering: Option<(u64, Answering, Vec<Payload<'static>>)>,
    /// An answer to our rekeying that waits for that.
    pub(super) undecided: Option<Box<Undecided>>,
    /// When and how it is replaced.
    pub(super) rekeying: Rekeying,
    /// When both ends are to prove again who they are, under a fresh IKE SA. An heir has that of the one before it.
    pub(super) reauthentication: Rekeying,
    /// The heir that the peer has asked for while we ask for one, too.
    pub(super) heir: Option<IkeSpi>,
    /// Whether the peer has an heir of it that we have no keys for: it only waits to be replaced as a whole.
    pub(in crate::engine) heir_is_lost: bool,
    /// Whether it counts: an heir does not, before it has inherited.
    pub(in crate::engine) announced: bool,
    /// Whether all it has is about to be an heir's, also what is still to be done.
    pub(super) bequeathed: bool,
    /// An heir that never will: the peer is to delete it until then.
    pub(super) redundant_until: Option<Duration>,
    /// Since when the kernel is being asked what Child SAs have carried.
    pub(super) looking_since: Option<Duration>,
    /// What is known of the peer's traffic.
    pub(super) heard: Heard,
    /// The Child SA that is rekeyed to see whether it can be, by its number.
    pub(super) verified: Option<u64>,
    /// What the peer has deleted, by its SPIs, that the answer to our request may be about to name.
    pub(super) deleted_early: Vec<u32>,
}

/// Something that takes an exchange of ours.
#[derive(Debug)]
pub(in crate::engine) enum Task {
    /// Make a child.
    CreateChild(Arc<Child>),
    /// Replace a Child SA, by its number, if it is still in use.
    RekeyChild(u64),
    /// Replace the IKE SA.
    RekeyIke,
    /// Tell the peer that a Child SA is gone.
    DeleteChild(Gone),
    /// Ask for a sign of life.
    Liveness,
}

/// The SPIs of a Child SA that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Gone {
    /// Ours.
    pub(super) inbound: u32,
    /// The peer's, where it is known.
    pub(super) outbound: Option<u32>,
}

/// The exchange that waits for its response.
#[derive(Debug)]
pub(super) enum Exchange {
    CreateChild(Box<Proposed>),
    RekeyIke(Box<RekeyIke>),
    DeleteChild(Gone),
    Liveness,
}

impl Established {
    /// The proof comes first: without it there is no such value.
    pub(super) fn new(
        connection: Arc<Connection>,
        (peer, own): (PeerAuthenticated, OwnEvidence),
        keyed: Keyed,
        now: Duration,
    ) -> Self {
        let Keyed {
            suite,
            sk_d,
            channel,
            ..
        } = keyed;
        Self {
            announced: true,
            ..Self::unannounced(connection, (peer, own), suite, (sk_d, channel), now)
        }
    }

    /// What replaces it: the same two ends, new keys, and nothing yet to look after.
    pub(super) fn heir_with(
        &self,
        shared: &mut Shared,
        suite: IkeSuite,
        sk_d: Secret,
        channel: Channel,
    ) -> Self {
        let ends = (self.peer.clone(), self.own.clone());
        let (connection, now) = (self.connection.clone(), shared.now.boot);
        let mut heir = Self::unannounced(connection, ends, suite, (sk_d, channel), now);
        heir.plan_rekeying(shared);
        heir
    }

    fn unannounced(
        connection: Arc<Connection>,
        (peer, own): (PeerAuthenticated, OwnEvidence),
        suite: IkeSuite,
        (sk_d, channel): (Secret, Channel),
        since: Duration,
    ) -> Self {
        Self {
            connection,
            peer,
            own,
            suite,
            children: Vec::new(),
            since,
            authenticated: since,
            sk_d,
            channel,
            tasks: VecDeque::new(),
            exchange: None,
            answering: None,
            undecided: None,
            rekeying: Rekeying::default(),
            reauthentication: Rekeying::default(),
            heir: None,
            heir_is_lost: false,
            announced: false,
            bequeathed: false,
            redundant_until: None,
            looking_since: None,
            heard: Heard::default(),
            verified: None,
            deleted_early: Vec::new(),
        }
    }

    /// From now on it is time to be replaced after as long as the policy says.
    pub(super) fn plan_rekeying(&mut self, shared: &mut Shared) {
        let after = self.connection.rekey_after;
        self.rekeying = Rekeying::due(after.map(|after| shortened(after, shared)));
    }

    /// From now on it is time to authenticate again after as long as the policy says.
    pub(super) fn plan_reauthentication(&mut self, shared: &mut Shared) {
        let after = self.connection.reauth_after;
        self.reauthentication = Rekeying::due(after.map(|after| shortened(after, shared)));
    }

    /// Takes what the one before it has.
    pub(super) fn take_over(&mut self, before: &mut Self) {
        self.announced = true;
        self.authenticated = before.authenticated;
        self.redundant_until = None;
        self.connection = before.connection.clone();
        self.children = std::mem::take(&mut before.children);
        self.reauthentication = std::mem::take(&mut before.reauthentication);
        let tasks = std::mem::take(&mut before.tasks);
        let go_on = |task: &Task| {
            !matches!(task, Task::RekeyIke | Task::Liveness) && !cfg!(ikd_fault = "heir-forgets")
        };
        self.tasks.extend(tasks.into_iter().filter(go_on));
    }

    /// Whether it is one that its connection has, and not an heir that may become one.
    pub(in crate::engine) const fn counts(&self) -> bool {
        self.announced
    }

    /// Takes a child in. Most IKE SAs have one: the list has room for as many as there are.
    pub(super) fn add(&mut self, child: ChildSa) {
        self.children.reserve_exact(1);
        self.children.push(child);
    }

    /// Whether a child of this name is there, or will be, and where a packet waits for it, can carry that.
    pub(in crate::engine) fn has(&self, child: &Child, packet: Option<Packet>) -> bool {
        let has = |sa: &ChildSa| sa.child.name == child.name && sa.stands();
        let carries = |sa: &ChildSa| packet.is_none_or(|packet| sa.carries(packet));
        self.children.iter().any(|sa| has(sa) && carries(sa))
    }

    /// Whether a child of this name is asked for, or about to be, or on its way into the kernel.
    pub(in crate::engine) fn makes(&self, child: &Child) -> bool {
        let asked = matches!(&self.exchange, Some(Exchange::CreateChild(proposed)) if proposed.child.name == child.name);
        let queued =
            |task: &Task| matches!(task, Task::CreateChild(queued) if queued.name == child.name);
        let installing = |sa: &ChildSa| {
            sa.child.name == child.name && matches!(sa.state, ChildState::Installing(Then::First))
        };
        asked || self.tasks.iter().any(queued) || self.children.iter().any(installing)
    }

    /// How many Child SAs are there, or asked for, or about to be, that a connection counts on.
    fn counts_on(&self) -> usize {
        let asked = matches!(&self.exchange, Some(Exchange::CreateChild(_)));
        let queued = |task: &&Task| matches!(task, Task::CreateChild(_));
        let there = self.children.iter().filter(|child| child.stands()).count();
        usize::from(asked) + self.tasks.iter().filter(queued).count() + there
    }

    /// Whether our request for a child of this name is out, which is not to replace another.
    pub(super) fn asks_for(&self, child: &Child) -> bool {
        matches!(&self.exchange, Some(Exchange::CreateChild(proposed))
            if proposed.child.name == child.name && proposed.replaces.is_none())
    }

    /// The line of a Child SA that the peer has made while it was making the same for us. Of the two, the one stays that was
    /// asked for by who began the IKE SA; `initiator`: whether that was us.
    pub(super) fn made_by_peer(&self, new: &Negotiated, initiator: bool) -> Option<Line> {
        let same = |sa: &&ChildSa| {
            sa.child.name == new.child.name
                && (&sa.local, &sa.remote) == (&new.local, &new.remote)
                && sa.stands()
        };
        let found = self.children.iter().filter(|_| !initiator).find(same);
        found.map(|sa| sa.line)
    }

    /// Whether a Child SA is to be rekeyed when the window is free.
    pub(super) fn has_queued_rekeying_of(&self, number: u64) -> bool {
        let is = |task: &Task| matches!(task, Task::RekeyChild(queued) if *queued == number);
        self.tasks.iter().any(is)
    }

    /// The wall clock was set forward, and the kernel's lifetimes go by it: what is to be replaced in time is so much
    /// sooner.
    pub(in crate::engine) fn bring_forward(&mut self, by: Duration, shared: &mut Shared) {
        for child in &mut self.children {
            let no_sooner = shared.now.boot + jittered(SPREAD, &mut *shared.random);
            child.rekeying.bring_forward(by, no_sooner);
        }
    }

    /// How often authenticating again has failed.
    pub(in crate::engine) const fn reauthentication_failures(&self) -> u32 {
        self.reauthentication.failures()
    }

    /// Whether nothing of ours is under way.
    pub(in crate::engine) fn exchanges_nothing(&self) -> bool {
        self.exchange.is_none() && self.tasks.is_empty()
    }

    /// Whether a Delete of ours names the Child SA that the peer knows by this SPI.
    pub(super) fn is_deleting(&self, outbound: u32) -> bool {
        let names = |gone: &Gone| gone.outbound == Some(outbound);
        let out = matches!(&self.exchange, Some(Exchange::DeleteChild(gone)) if names(gone));
        let queued = |task: &Task| matches!(task, Task::DeleteChild(gone) if names(gone));
        out || self.tasks.iter().any(queued)
    }

    /// The child that is asked for is no longer wanted: what the peer makes of it will be deleted.
    pub(super) fn renounce(&mut self, child: &Name) {
        if let Some(Exchange::CreateChild(proposed)) = &mut self.exchange
            && proposed.child.name == *child
        {
            proposed.wanted = false;
        }
    }
}

impl IkeSa {
    /// Whether fewer children than when this was asked last are there, or on their way: whatever the reason, some may have to
    /// be asked for anew.
    pub(in crate::engine) fn has_lost_children(&mut self) -> bool {
        let counted_on = self.established().map_or(0, Established::counts_on);
        counted_on < std::mem::replace(&mut self.counted_on, counted_on)
    }

    /// Queues a task and begins it if nothing else is under way.
    pub(in crate::engine) fn begin(&mut self, shared: &mut Shared, task: Task) {
        if let State::Established(established) = &mut self.state {
            established.tasks.push_back(task);
            self.pump(shared);
        }
    }

    /// Begins the next task, if the window is free.
    pub(in crate::engine) fn pump(&mut self, shared: &mut Shared) {
        while self.window.outstanding().is_none() {
            // The last message ID is for the goodbye.
            let last = shared.limits.requests_per_ike_sa.saturating_sub(1);
            let wanted = self
                .established()
                .is_some_and(|state| !state.tasks.is_empty());
            if wanted && self.window.next_outgoing().is_none_or(|id| id >= last) {
                let failure = Failure::new(Step::Informational, Cause::Exhausted);
                return self.close(shared, failure, Tell::Delete);
            }
            let State::Established(established) = &mut self.state else {
                return;
            };
            if established.bequeathed {
                return;
            }
            let Some(task) = established.tasks.pop_front() else {
                return;
            };
            match task {
                Task::CreateChild(child) => {
                    // The peer may have made it while the task waited.
                    let connection = &established.connection.name;
                    let packet = shared.traps.packet(connection, &child.name);
                    if !established.has(&child, packet) {
                        self.request_child(shared, child);
                    }
                }
                Task::RekeyIke => self.request_ike_rekeying(shared),
                Task::RekeyChild(number) => self.request_rekeying(shared, number),
                Task::DeleteChild(gone) => {
                    established.exchange = Some(Exchange::DeleteChild(gone));
                    let delete = Delete {
                        protocol: ProtocolId::ESP,
                        spis: vec![gone.inbound],
                    };
                    self.send_request(
                        shared,
                        ExchangeType::INFORMATIONAL,
                        &[Payload::Delete(delete)],
                    );
                }
                Task::Liveness => {
                    established.exchange = Some(Exchange::Liveness);
                    self.send_request(shared, ExchangeType::INFORMATIONAL, &[]);
                }
            }
        }
    }

    /// Goes on after a restart: with what could not be decided before, and with what is still to be done.
    pub(in crate::engine) fn go_on(&mut self, shared: &mut Shared) {
        self.decide_at_last(shared);
        self.pump(shared);
    }

    /// Has the IKE SA rekeyed well before its message IDs run out, in either direction: they do not come round again (RFC 7296
    /// section 2.2).
    pub(super) fn watch_message_ids(&mut self, shared: &Shared) {
        let half = shared.limits.requests_per_ike_sa / 2;
        let used = self
            .window
            .expected_incoming()
            .max(self.window.next_outgoing().unwrap_or(u32::MAX));
        let State::Established(established) = &mut self.state else {
            return;
        };
        let queued = |task: &Task| matches!(task, Task::RekeyIke);
        let rekeying = &mut established.rekeying;
        if used < half
            || rekeying.has_failed()
            || established.heir.is_some()
            || established.redundant_until.is_some()
            || matches!(established.exchange, Some(Exchange::RekeyIke(_)))
            || established.tasks.iter().any(queued)
        {
            return;
        }
        let soon = shared.now.boot + SPREAD;
        rekeying.at = Some(rekeying.at.map_or(soon, |at| at.min(soon)));
    }

    /// The response to the exchange that is under way.
    pub(super) fn established_response(&mut self, shared: &mut Shared, opened: Opened<'_>) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        // That a response to INFORMATIONAL came is what counts, unless it says that the peer holds the IKE SA for gone.
        let fatal = opened
            .contents
            .error()
            .filter(|_| opened.header.exchange == ExchangeType::INFORMATIONAL)
            .filter(|notify| {
                matches!(
                    *notify,
                    NotifyType::INVALID_SYNTAX | NotifyType::AUTHENTICATION_FAILED
                )
            });
        if let Some(notify) = fatal {
            let failure = Failure::new(Step::Informational, Cause::Refused { notify });
            return self.close(shared, failure, Tell::Nothing);
        }
        match established.exchange.take() {
            Some(Exchange::CreateChild(proposed)) => {
                self.create_child_response(shared, *proposed, &opened);
            }
            Some(Exchange::RekeyIke(rekey)) => {
                self.ike_rekeying_response(shared, *rekey, &opened);
            }
            Some(Exchange::DeleteChild(gone)) => self.delete_answered(shared, gone),
            Some(Exchange::Liveness) | None => {}
        }
        if let State::Established(established) = &mut self.state
            && established.exchange.is_none()
        {
            established.deleted_early = Vec::new();
        }
        self.pump(shared);
    }

    /// The peer's INFORMATIONAL: Delete, signs of life, notifies. Always answered (RFC 7296 section 1.4).
    pub(super) fn informational_request(&mut self, shared: &mut Shared, opened: Opened<'_>) {
        let exchange = ExchangeType::INFORMATIONAL;
        let Opened { path, contents, .. } = opened;
        let deletes_all = contents
            .deletes
            .iter()
            .any(|delete| delete.protocol == ProtocolId::IKE);
        let has_nothing_yet = !deletes_all && self.is_meant_to_inherit(shared);
        // A peer that does not accept our proof says so here, and holds the IKE SA for gone (section 2.21.2).
        let refused = contents
            .error()
            .filter(|notify| *notify == crate::wire::numbers::NotifyType::AUTHENTICATION_FAILED);
        if deletes_all || refused.is_some() {
            self.send_response(shared, path, exchange, &[]);
            // The peer's heir is the one that stays.
            if deletes_all && let Some(heir) = self.established().and_then(|state| state.heir) {
                return self.bequeath(shared, heir, false);
            }
            let cause = refused.map_or(Cause::DeletedByPeer, |notify| Cause::Refused { notify });
            return self.close(
                shared,
                Failure::new(Step::Informational, cause),
                Tell::Nothing,
            );
        }
        let asked = contents
            .deletes
            .iter()
            .filter(|delete| delete.protocol == ProtocolId::ESP);
        let spis = asked
            .flat_map(|delete| delete.spis.iter().copied())
            .collect();
        if has_nothing_yet {
            let heir = self.own_spi();
            return shared.notice(Notice::Deletes { heir, path, spis });
        }
        self.children_deleted_by_peer(shared, path, spis);
    }

    /// Deletes the Child SAs that the peer receives on by these SPIs, and answers.
    pub(in crate::engine) fn children_deleted_by_peer(
        &mut self,
        shared: &mut Shared,
        path: Path,
        spis: Vec<u32>,
    ) {
        let mut gone = Vec::new();
        for spi in spis {
            gone.extend(self.deleted_by_peer(shared, spi));
        }
        let answer = Payload::Delete(Delete {
            protocol: ProtocolId::ESP,
            spis: gone.clone(),
        });
        let payloads = if gone.is_empty() {
            Vec::new()
        } else {
            vec![answer]
        };
        self.send_response(shared, path, ExchangeType::INFORMATIONAL, &payloads);
    }

    /// From now on the connection is this one, which differs from the old one in its children only. An IKE SA that is
    /// still on its way keeps the old one, and is begun again.
    pub(in crate::engine) fn adopt(&mut self, connection: &Arc<Connection>) {
        if let State::Established(established) = &mut self.state {
            established.connection = connection.clone();
            self.connection = Some(connection.clone());
        }
    }

    /// Authenticating again came to nothing: when it is tried again by itself, if the policy says so, or the IKE SA has no
    /// heir.
    pub(in crate::engine) fn try_reauthentication_again(
        &mut self,
        shared: &mut Shared,
        cause: &Cause,
    ) -> Option<Duration> {
        let State::Established(established) = &mut self.state else {
            return None;
        };
        let retry_in = established.reauthentication.failed(shared, cause);
        if established.connection.reauth_after.is_none() && !established.heir_is_lost {
            established.reauthentication.at = None;
        }
        retry_in.filter(|_| established.reauthentication.at.is_some())
    }

    /// Forgets children that are asked for and not begun yet.
    pub(in crate::engine) fn withdraw(&mut self, which: impl Fn(&Child) -> bool) {
        if let State::Established(established) = &mut self.state {
            established
                .tasks
                .retain(|task| !matches!(task, Task::CreateChild(child) if which(child)));
        }
    }
}
