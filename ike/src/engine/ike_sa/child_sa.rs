//! Child SAs (phase 2) in the kernel: the steps that bring one there, and those that take it away.
//!
//! ```text
//!   ours, or the first:  Installing --> InUse -------------------------------------+
//!   the peer rekeyed:    Installing --> Standby --the peer receives on it--> InUse |
//!                                                                                  | a successor is in use
//!        Lingering <-- Deleting <---- Replaced <-----------------------------------+
//!
//!   Orphaned   deleted too early, while it is being rekeyed: what is left of it waits for the successor
//! ```
//!
//! Order O1: what comes in is accepted before anything goes out (inbound SA, in and forward policies, outbound SA, out
//! policies), all of it or nothing. Order O2: who answered a rekeying goes on sending by the old SA until the peer has
//! shown that it receives on the new one. Order O4: an old inbound SA stays some seconds for packets that are under way.
//! Order O5: before SAs go, what blocks their traffic is back in place.
//!
//! Those that replaced one another are a *line*: they share the reqid and the policies, which stand with the one in use, so
//! that a rekeying touches no policy. The kernel sends by the newest outbound SA of a reqid.

mod asked;
mod record;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config::identity::Identity;
use crate::config::proposal::EspSuite;
use crate::config::selector::Selector;
use crate::config::{Child, Mode, Name, Volume};
use crate::crypto::schedule::ChildKeys;
use crate::engine::failure::Cause;
use crate::engine::io::{
    KernelAction, KernelStep, OnFailure, Packet, Path, PolicyAction, SaInstall, SaReference,
};
use crate::engine::lines::Whose;
use crate::engine::policy_table::{self, Owner, SlotKey, Slots};
use crate::engine::shared::{KernelOwner, Shared};
use crate::wire::SecurityAssociation;
use crate::wire::numbers::NotifyType;
use crate::wire::payload::Payload;
use crate::wire::{IkeSpi, Notify};

use super::child::Negotiated;
use super::established::Gone;
use super::initiator::ts_payload;
use super::rekeying::{Rekeying, shortened};
use super::traffic::Traffic;
use super::volume::Volumes;

use asked::Asked;

pub(super) use record::{ChildSaFields, LineFields};

/// A Child SA that is in the kernel, or on its way there or from there.
#[derive(Debug)]
pub(in crate::engine) struct ChildSa {
    pub(in crate::engine) number: u64,
    pub(in crate::engine) line: Line,
    pub(in crate::engine) child: Arc<Child>,
    pub(in crate::engine) suite: EspSuite,
    pub(in crate::engine) inbound: SaReference,
    pub(in crate::engine) outbound: SaReference,
    pub(in crate::engine) local: Vec<Selector>,
    pub(in crate::engine) remote: Vec<Selector>,
    pub(in crate::engine) state: ChildState,
    pub(super) rekeying: Rekeying,
    pub(super) traffic: Traffic,
    way_out: WayOut,
    /// Whether the kernel has been asked for an outbound SA that was kept back, and has not answered: until then its
    /// predecessor's stays.
    pub(super) is_activating: bool,
    /// Whether the kernel tells of the first packet by the inbound SA, and so tells nothing else of it.
    tells_first_packet: bool,
    /// Whether the kernel has been asked for the inbound SA, and not to delete it.
    receives: bool,
    /// What the kernel has been asked for and not answered yet; only where a successor may have to ask again.
    asked: Option<Box<Asked>>,
    /// The places of the line's policies, with the one that is in use.
    slots: Slots,
    /// Whether it is to take the place of one of another IKE SA, whose reqid it has.
    follows: bool,
    /// Which one that is, by the SPI of packets that come in, where its IKE SA has ended and nothing has been said of it yet.
    pub(in crate::engine) instead_of: Option<u32>,
}

/// What those have in common that replaced one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Line {
    /// The number of the first of them.
    pub(super) first: u64,
    /// Joins them to their policies.
    pub(in crate::engine) reqid: u32,
}

/// Where a Child SA stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum ChildState {
    /// The kernel has been asked.
    Installing(Then),
    /// Traffic goes out by it, since this time of the boot clock.
    InUse(Duration),
    /// It receives; its predecessor sends until the peer has shown that it receives on it too.
    Standby,
    /// A successor is in use. Who began that deletes it; if the peer has not done so by this time, we do.
    Replaced(Duration),
    /// Our Delete is out, or waits for the window.
    Deleting,
    /// The peer, or the kernel, has deleted it while our request to rekey it was out: it waits, with its policies, for the
    /// successor.
    Orphaned,
    /// Gone for both sides; what is still under way is received until this time.
    Lingering(Duration),
}

impl ChildState {
    /// Whether the policies of a line are with a Child SA that stands so.
    const fn holds_the_line(self) -> bool {
        matches!(self, Self::InUse(_) | Self::Orphaned)
    }
}

/// What becomes of a Child SA when the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Then {
    /// It is the first of its line.
    First,
    /// We rekeyed the one with this number: it takes over at once.
    TakesOver(u64),
    /// The same, but the peer agreed to less than before: it begins a line of its own.
    Supersedes(u64),
    /// The peer rekeyed, or makes the child anew under another IKE SA.
    StandsBy,
    /// It takes over from one of another IKE SA, unless that one is to stay.
    Succeeds,
    /// Both rekeyed, and the peer's is kept: it receives until the peer knows.
    IsDeleted,
}

/// What puts a line's policies in force.
struct PolicySteps {
    inbound: Vec<KernelStep>,
    outbound: Vec<KernelStep>,
}

/// The outbound SA.
#[derive(Debug)]
enum WayOut {
    /// Kept back, order O2.
    KeptBack(Box<SaInstall>),
    Installed,
    Gone,
}

impl ChildSa {
    /// Asks the kernel to install what was negotiated, in order O1: the first of a line. Where another IKE SA with this peer
    /// has the same child, it takes that one's place: at once where we asked for it, and otherwise when the peer has shown
    /// that it receives (order O2).
    pub(super) fn install(
        shared: &mut Shared,
        (sa, connection, peer): (IkeSpi, &Name, &Identity),
        path: Path,
        negotiated: Negotiated,
        then: Then,
    ) -> Result<Self, Cause> {
        let mode = negotiated.child.mode;
        let slots = policy_table::slots(&negotiated.local, &negotiated.remote, mode)?;
        let (number, priority) = (shared.number(), negotiated.priority);
        let whose = Whose {
            connection: connection.clone(),
            child: negotiated.child.name.clone(),
            peer: peer.clone(),
        };
        let followed = match then {
            Then::First => shared.shared_reqid(sa, &whose, &slots, protects(path, mode, 0)),
            _ => None,
        };
        // Whether this IKE SA stays is known when all has been said of it: until then nothing goes out.
        let then = match followed {
            Some(_) if negotiated.initiator => Then::Succeeds,
            Some(_) => Then::StandsBy,
            None => then,
        };
        let reqid = followed.unwrap_or_else(|| shared.fresh_reqid());
        let line = Line {
            first: number,
            reqid,
        };
        let volumes = Volumes::new(shared, &negotiated.child, negotiated.suite);
        let named = (number, line);
        let now = shared.now.boot;
        let (mut this, inbound, outbound) = Self::new(named, path, negotiated, then, volumes, now);
        let places = slots.all().count();
        shared.lines.begin(reqid, whose, places, this.inbound);
        this.slots = slots;
        this.follows = followed.is_some();
        let mut policies = this.claim_policies(shared, path, priority);
        let mut steps = vec![this.add(shared, inbound)];
        steps.append(&mut policies.inbound);
        if followed.is_some() {
            this.way_out = WayOut::KeptBack(Box::new(outbound));
        } else {
            this.way_out = WayOut::Installed;
            steps.push(this.add(shared, outbound));
        }
        steps.append(&mut policies.outbound);
        this.ask_kernel(shared, sa, steps);
        this.rekeying.at = this.time_to_rekey(shared);
        Ok(this)
    }

    /// Asks the kernel to install one that replaces another of the line: both SAs where it takes over, the inbound one
    /// otherwise.
    pub(super) fn install_successor(
        shared: &mut Shared,
        sa: IkeSpi,
        path: Path,
        negotiated: Negotiated,
        line: Line,
        then: Then,
    ) -> Self {
        let volumes = Volumes::new(shared, &negotiated.child, negotiated.suite);
        let named = (shared.number(), line);
        let now = shared.now.boot;
        let (mut this, inbound, outbound) = Self::new(named, path, negotiated, then, volumes, now);
        shared.lines.go_on(line.reqid, this.inbound);
        let mut steps = vec![this.add(shared, inbound)];
        match then {
            Then::First | Then::TakesOver(_) | Then::Supersedes(_) => {
                steps.push(this.add(shared, outbound));
                this.way_out = WayOut::Installed;
                if cfg!(ikd_fault = "outbound-first") {
                    steps.reverse();
                }
            }
            Then::StandsBy | Then::Succeeds => {
                this.way_out = WayOut::KeptBack(Box::new(outbound));
            }
            Then::IsDeleted => {}
        }
        this.ask_kernel(shared, sa, steps);
        this.rekeying.at = this.time_to_rekey(shared);
        this
    }

    /// With nothing in the kernel yet, and what is to be put there.
    fn new(
        (number, line): (u64, Line),
        path: Path,
        negotiated: Negotiated,
        then: Then,
        volumes: Volumes,
        now: Duration,
    ) -> (Self, SaInstall, SaInstall) {
        let Negotiated {
            child,
            suite,
            spi_in,
            spi_out,
            mut local,
            mut remote,
            priority: _,
            keys,
            initiator,
            answers,
        } = negotiated;
        local.shrink_to_fit();
        remote.shrink_to_fit();
        let (here, there) = (path.local.ip(), path.remote.ip());
        let ChildKeys {
            initiator_encryption,
            initiator_integrity,
            responder_encryption,
            responder_integrity,
        } = keys;
        let of_initiator = (initiator_encryption, initiator_integrity);
        let of_responder = (responder_encryption, responder_integrity);
        let (out_keys, in_keys) = if initiator {
            (of_initiator, of_responder)
        } else {
            (of_responder, of_initiator)
        };
        let reference = |spi, destination| SaReference { spi, destination };
        let (inbound, outbound) = (reference(spi_in, here), reference(spi_out, there));
        let install = |inbound: bool, sa: SaReference, source: IpAddr, keys| {
            let (encryption_key, integrity_key) = keys;
            // The first packet that comes in shows that the peer sends by it, and so receives on it.
            let tell_first_packet = inbound && then == Then::StandsBy;
            SaInstall {
                mode: child.mode,
                inbound,
                spi: sa.spi,
                source,
                destination: sa.destination,
                suite,
                encryption_key,
                integrity_key,
                reqid: line.reqid,
                replay_window: child.replay_window,
                hard_lifetime: child.hard_lifetime,
                hard_volume: volumes.hard,
                // What the kernel tells of the first packet it does not tell again: the outbound SA has to do.
                soft_volume: if tell_first_packet {
                    Volume::default()
                } else {
                    volumes.soft
                },
                tell_first_packet,
                answers: answers.filter(|_| !inbound),
            }
        };
        let installs = (
            install(true, inbound, there, in_keys),
            install(false, outbound, here, out_keys),
        );
        let this = Self {
            number,
            line,
            suite,
            inbound,
            outbound,
            local,
            remote,
            state: ChildState::Installing(then),
            rekeying: Rekeying::default(),
            traffic: Traffic::none(now),
            way_out: WayOut::Gone,
            is_activating: false,
            tells_first_packet: then == Then::StandsBy,
            receives: true,
            asked: None,
            slots: Slots::default(),
            follows: false,
            instead_of: None,
            child,
        };
        (this, installs.0, installs.1)
    }

    /// Puts the policies of its line in the table, in its places; the steps for the kernel, by direction.
    fn claim_policies(&self, shared: &mut Shared, path: Path, priority: u32) -> PolicySteps {
        let owner = self.owner();
        let (coming, going) = protects(path, self.child.mode, self.line.reqid);
        let mut claim = |slots: &[SlotKey], action| -> Vec<KernelStep> {
            let table = &mut shared.policies;
            let set = |slot: &SlotKey| table.set(*slot, &owner, priority, action);
            slots.iter().filter_map(set).collect()
        };
        PolicySteps {
            inbound: claim(&self.slots.inbound, coming),
            outbound: claim(&self.slots.outbound, going),
        }
    }

    /// Asks for an SA, which is kept in mind until the kernel has answered.
    fn add(&mut self, shared: &Shared, install: SaInstall) -> KernelStep {
        if shared.is_recorded() {
            let asked = self.asked.get_or_insert_with(|| Asked::new(shared.now));
            asked.installs.push(install.clone());
        }
        add(install)
    }

    /// The kernel has answered.
    pub(super) fn kernel_has_answered(&mut self) {
        self.asked = None;
    }

    fn ask_kernel(&self, shared: &mut Shared, sa: IkeSpi, steps: Vec<KernelStep>) {
        for reference in [self.inbound, self.outbound] {
            shared
                .esp
                .insert((reference.spi, reference.destination), sa);
        }
        let child = self.number;
        shared.apply(KernelOwner::Install { sa, child }, steps, OnFailure::Undo);
    }

    /// When we would replace it: by the policy, less up to a tenth, so that neither the two ends nor a hundred children
    /// that came up together do so at once.
    fn time_to_rekey(&self, shared: &mut Shared) -> Option<Duration> {
        Some(shortened(self.child.rekey_after?, shared))
    }

    /// Whether it stands for its child: in use, or the first on its way to be.
    pub(in crate::engine) const fn is_current(&self) -> bool {
        matches!(
            self.state,
            ChildState::InUse(_) | ChildState::Installing(Then::First | Then::Supersedes(_))
        )
    }

    /// Whether traffic goes out by it.
    pub(in crate::engine) const fn is_used(&self) -> bool {
        matches!(self.state, ChildState::InUse(_)) && !self.is_activating
    }

    /// Whether its child is there by it, or will be.
    pub(in crate::engine) const fn stands(&self) -> bool {
        !matches!(
            self.state,
            ChildState::Replaced(_)
                | ChildState::Deleting
                | ChildState::Lingering(_)
                | ChildState::Installing(Then::IsDeleted)
        )
    }

    /// Whether a packet that goes out may go by it.
    pub(in crate::engine) fn carries(&self, packet: Packet) -> bool {
        packet.local.is_subset_of_any(&self.local) && packet.remote.is_subset_of_any(&self.remote)
    }

    /// Whether the policies of its line are with it, to be taken over by a successor.
    pub(super) const fn holds_the_line(&self) -> bool {
        self.state.holds_the_line()
    }

    /// Whether it has been said that its child is there by it.
    pub(super) const fn is_known(&self) -> bool {
        self.holds_the_line() && !self.follows
    }

    /// What the peer is told when it is deleted.
    pub(super) const fn gone(&self) -> Gone {
        Gone {
            inbound: self.inbound.spi,
            outbound: Some(self.outbound.spi),
        }
    }

    /// The peer's rekeying lost against ours: nothing will be sent by it, and the peer deletes it.
    pub(super) fn yield_to_ours(&mut self, until: Duration) {
        if let ChildState::Standby = self.state {
            self.way_out = WayOut::Gone;
            self.state = ChildState::Replaced(until);
        }
    }

    /// Whether a soft limit of this SA says that it has carried enough: the first packet that comes in does not.
    pub(super) fn counts(&self, sa: SaReference) -> bool {
        sa == self.outbound || !self.tells_first_packet
    }

    /// Whether it waits to take the place of one of another IKE SA, or does so now.
    pub(super) const fn follows(&self) -> bool {
        self.follows
    }

    /// It has taken the place of one of another IKE SA, if it was to.
    pub(super) const fn has_followed(&mut self) -> bool {
        std::mem::replace(&mut self.follows, false)
    }

    /// Lets traffic go out by it, beside the one of another IKE SA that it follows, which stops when the kernel has this one.
    pub(super) fn follow(&mut self, shared: &mut Shared, sa: IkeSpi) {
        if let WayOut::KeptBack(install) = std::mem::replace(&mut self.way_out, WayOut::Installed) {
            self.is_activating = true;
            let steps = vec![self.add(shared, *install)];
            self.ask_kernel(shared, sa, steps);
        }
        self.state = ChildState::InUse(shared.now.boot);
    }

    /// One of another IKE SA has taken its place: it sends no more, and leaves it the policies.
    pub(super) fn is_followed(&mut self, shared: &mut Shared, until: Duration) {
        self.stop_sending(shared);
        self.leave_policies(shared);
        self.follows = false;
        self.state = ChildState::Replaced(until);
    }

    /// Comes to another IKE SA, whose Child SA of this line goes on: what is still under way is received until this time.
    /// Who goes on takes its outbound SA out of the kernel when it has its own there.
    pub(super) fn comes_to(
        &mut self,
        shared: &mut Shared,
        sa: IkeSpi,
        line: Line,
        until: Duration,
    ) {
        self.leave_policies(shared);
        self.line = line;
        self.follows = false;
        self.state = ChildState::Lingering(until);
        for reference in [self.inbound, self.outbound] {
            let place = (reference.spi, reference.destination);
            if let Some(owner) = shared.esp.get_mut(&place) {
                *owner = sa;
            }
        }
        // What the kernel is still to answer is for whoever has it now.
        for owner in shared.kernel.values_mut() {
            if let KernelOwner::Install { sa: own, child } = owner
                && *child == self.number
            {
                *own = sa;
            }
        }
    }

    fn leave_policies(&mut self, shared: &mut Shared) {
        let owner = self.owner();
        let steps = shared.unset_all(&std::mem::take(&mut self.slots), &owner);
        shared.apply(KernelOwner::Removal, steps, OnFailure::Continue);
    }

    const fn owner(&self) -> Owner {
        Owner::ChildSa(self.line.first)
    }

    /// Lets traffic go out by it, in place of its predecessor, and takes that one's policies over.
    pub(super) fn take_over(&mut self, shared: &mut Shared, sa: IkeSpi, from: &mut Self) {
        if let WayOut::KeptBack(install) = std::mem::replace(&mut self.way_out, WayOut::Installed) {
            self.is_activating = true;
            let steps = vec![self.add(shared, *install)];
            self.ask_kernel(shared, sa, steps);
        } else if !cfg!(ikd_fault = "old-outbound-stays") {
            from.stop_sending(shared);
        }
        self.slots = std::mem::take(&mut from.slots);
        self.traffic = from.traffic.inherited();
        self.state = ChildState::InUse(shared.now.boot);
    }

    /// Takes the outbound SA out of the kernel: nothing more goes out by it.
    pub(super) fn stop_sending(&mut self, shared: &mut Shared) {
        let was = std::mem::replace(&mut self.way_out, WayOut::Gone);
        if let Some(asked) = &mut self.asked {
            asked.installs.retain(|install| install.inbound);
        }
        shared.forget_esp(self.outbound);
        if matches!(was, WayOut::Installed) {
            let retire = KernelStep {
                action: KernelAction::RetireSa(self.outbound),
                undo: None,
            };
            shared.apply(KernelOwner::Removal, vec![retire], OnFailure::Continue);
        }
    }

    /// Takes both SAs out of the kernel, and leaves the policies: what they protect waits for a successor.
    pub(super) fn stop(&mut self, shared: &mut Shared) {
        self.stop_sending(shared);
        if std::mem::take(&mut self.receives) {
            shared.forget_esp(self.inbound);
            shared.apply(
                KernelOwner::Removal,
                vec![delete(self.inbound)],
                OnFailure::Continue,
            );
        }
    }

    /// Takes it out of the kernel, in order O5: what blocks its traffic first, then the outbound SA, then the inbound one.
    pub(super) fn remove(&mut self, shared: &mut Shared) {
        let owner = self.owner();
        let mut steps = shared.unset_all(&std::mem::take(&mut self.slots), &owner);
        let way_out = std::mem::replace(&mut self.way_out, WayOut::Gone);
        let sends = matches!(way_out, WayOut::Installed).then_some(self.outbound);
        let receives = std::mem::take(&mut self.receives).then_some(self.inbound);
        for reference in [self.outbound, self.inbound] {
            shared.forget_esp(reference);
        }
        steps.extend(sends.into_iter().chain(receives).map(delete));
        shared.lines.leave(self.line.reqid, self.inbound);
        shared.apply(KernelOwner::Removal, steps, OnFailure::Continue);
    }

    /// The kernel has undone the installation: the table follows, and says again what should stand in those places, in
    /// case they changed hands meanwhile.
    pub(super) fn forget(&mut self, shared: &mut Shared) {
        let owner = self.owner();
        let mut steps = Vec::new();
        for slot in std::mem::take(&mut self.slots).all() {
            shared.policies.unset(slot, &owner);
            if let Some(policy) = shared.policies.installed(slot) {
                steps.push(KernelStep {
                    action: KernelAction::SetPolicy(Box::new(policy)),
                    undo: None,
                });
            }
        }
        let found = self.asked.take().map(|asked| asked.found);
        steps.extend(found.into_iter().flatten().map(delete));
        for reference in [self.outbound, self.inbound] {
            shared.forget_esp(reference);
        }
        (self.way_out, self.receives) = (WayOut::Gone, false);
        shared.lines.leave(self.line.reqid, self.inbound);
        shared.apply(KernelOwner::Removal, steps, OnFailure::Continue);
    }

    /// What the responder says of it: USE_TRANSPORT_MODE where that is the mode, SA, `between` (nonce and key exchange),
    /// TSi and TSr.
    pub(super) fn response_payloads(
        &self,
        answer: SecurityAssociation,
        between: impl IntoIterator<Item = Payload<'static>>,
    ) -> Vec<Payload<'static>> {
        let mut payloads = mode_payload(self.child.mode);
        payloads.push(Payload::Sa(answer));
        payloads.extend(between);
        payloads.push(Payload::TsI(ts_payload(&self.remote)));
        payloads.push(Payload::TsR(ts_payload(&self.local)));
        payloads
    }
}

/// What the policies of a line say: of what comes in, and of what goes out.
fn protects(path: Path, mode: Mode, reqid: u32) -> (PolicyAction, PolicyAction) {
    let (here, there) = (path.local.ip(), path.remote.ip());
    let protect = |source, destination| PolicyAction::Protect {
        mode,
        source,
        destination,
        reqid,
    };
    (protect(there, here), protect(here, there))
}

fn add(install: SaInstall) -> KernelStep {
    let reference = install.reference();
    KernelStep {
        action: KernelAction::AddSa(Box::new(install)),
        undo: Some(KernelAction::DeleteSa(reference)),
    }
}

fn delete(reference: SaReference) -> KernelStep {
    KernelStep {
        action: KernelAction::DeleteSa(reference),
        undo: None,
    }
}

/// What a message says of the mode: tunnel mode is what is not said (RFC 7296 section 1.3.1).
pub(super) fn mode_payload(mode: Mode) -> Vec<Payload<'static>> {
    match mode {
        Mode::Tunnel => Vec::new(),
        Mode::Transport => vec![Payload::Notify(Notify::new(
            NotifyType::USE_TRANSPORT_MODE,
            Vec::new(),
        ))],
    }
}
