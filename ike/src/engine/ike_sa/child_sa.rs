//! Child SAs (phase 2) in the kernel: the steps that bring one there, and those that take it away.
//!
//! Order O1: what comes in is accepted before anything goes out (inbound SA, in and forward policies, outbound SA, out
//! policies), all of it or nothing. Order O5: before SAs go, what blocks their traffic is back in place.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config::proposal::EspSuite;
use crate::config::selector::Selector;
use crate::config::{Child, Mode};
use crate::crypto::Secret;
use crate::crypto::schedule::ChildKeys;
use crate::engine::failure::Cause;
use crate::engine::io::{
    KernelAction, KernelStep, OnFailure, Path, PolicyAction, SaInstall, SaReference,
};
use crate::engine::policy_table::{self, Owner, Slots};
use crate::engine::shared::{KernelOwner, Shared};
use crate::wire::SecurityAssociation;
use crate::wire::numbers::NotifyType;
use crate::wire::payload::Payload;
use crate::wire::{IkeSpi, Notify};

use super::child::Negotiated;
use super::initiator::ts_payload;

/// A Child SA that is in the kernel, or on its way there.
#[derive(Debug)]
pub(in crate::engine) struct ChildSa {
    pub(in crate::engine) number: u64,
    pub(in crate::engine) child: Arc<Child>,
    pub(in crate::engine) suite: EspSuite,
    pub(in crate::engine) reqid: u32,
    pub(in crate::engine) inbound: SaReference,
    pub(in crate::engine) outbound: SaReference,
    pub(in crate::engine) local: Vec<Selector>,
    pub(in crate::engine) remote: Vec<Selector>,
    pub(in crate::engine) state: ChildState,
    slots: Slots,
}

/// Where a Child SA stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum ChildState {
    /// The kernel has been asked.
    Installing,
    /// Since this time of the boot clock.
    Installed(Duration),
}

impl ChildSa {
    /// Asks the kernel to install what was negotiated, in order O1.
    pub(super) fn install(
        shared: &mut Shared,
        sa: IkeSpi,
        path: Path,
        negotiated: Negotiated,
    ) -> Result<Self, Cause> {
        let Negotiated {
            child,
            suite,
            spi_in,
            spi_out,
            mut local,
            mut remote,
            priority,
            keys,
            initiator,
        } = negotiated;
        local.shrink_to_fit();
        remote.shrink_to_fit();
        let slots = policy_table::slots(&local, &remote, child.mode)?;
        let (here, there) = (path.local.ip(), path.remote.ip());
        let (number, reqid) = (shared.number(), shared.fresh_reqid());
        let ChildKeys {
            initiator_encryption,
            initiator_integrity,
            responder_encryption,
            responder_integrity,
        } = keys;
        let (out_keys, in_keys) = if initiator {
            (
                (initiator_encryption, initiator_integrity),
                (responder_encryption, responder_integrity),
            )
        } else {
            (
                (responder_encryption, responder_integrity),
                (initiator_encryption, initiator_integrity),
            )
        };
        let this = Self {
            number,
            suite,
            reqid,
            inbound: SaReference {
                spi: spi_in,
                destination: here,
            },
            outbound: SaReference {
                spi: spi_out,
                destination: there,
            },
            local,
            remote,
            state: ChildState::Installing,
            slots,
            child,
        };
        let mut steps = vec![this.add_sa(true, here, there, in_keys)];
        let owner = Owner::ChildSa(number);
        let mode = this.child.mode;
        let coming = PolicyAction::Protect {
            mode,
            source: there,
            destination: here,
            reqid,
        };
        let going = PolicyAction::Protect {
            mode,
            source: here,
            destination: there,
            reqid,
        };
        for &slot in &this.slots.inbound {
            steps.extend(shared.policies.set(slot, &owner, priority, coming));
        }
        steps.push(this.add_sa(false, here, there, out_keys));
        for &slot in &this.slots.outbound {
            steps.extend(shared.policies.set(slot, &owner, priority, going));
        }
        shared.esp.insert((spi_in, here), sa);
        shared.esp.insert((spi_out, there), sa);
        shared.apply(
            KernelOwner::Install { sa, child: number },
            steps,
            OnFailure::Undo,
        );
        Ok(this)
    }

    fn add_sa(
        &self,
        inbound: bool,
        here: IpAddr,
        there: IpAddr,
        (encryption_key, integrity_key): (Secret, Secret),
    ) -> KernelStep {
        let (reference, source) = if inbound {
            (self.inbound, there)
        } else {
            (self.outbound, here)
        };
        let install = SaInstall {
            mode: self.child.mode,
            inbound,
            spi: reference.spi,
            source,
            destination: reference.destination,
            suite: self.suite,
            encryption_key,
            integrity_key,
            reqid: self.reqid,
            replay_window: self.child.replay_window,
            hard_lifetime: self.child.hard_lifetime,
        };
        KernelStep {
            action: KernelAction::AddSa(Box::new(install)),
            undo: Some(KernelAction::DeleteSa(reference)),
        }
    }

    /// Takes it out of the kernel, in order O5: what blocks its traffic first, then the outbound SA, then the inbound one.
    pub(super) fn remove(&self, shared: &mut Shared) {
        let mut steps = shared.unset_all(&self.slots, &Owner::ChildSa(self.number));
        for reference in [self.outbound, self.inbound] {
            shared.forget_esp(reference);
            steps.push(KernelStep {
                action: KernelAction::DeleteSa(reference),
                undo: None,
            });
        }
        shared.apply(KernelOwner::Removal, steps, OnFailure::Continue);
    }

    /// The kernel has undone the installation: the table follows, and says again what should stand in those places, in
    /// case they changed hands meanwhile.
    pub(super) fn forget(&self, shared: &mut Shared) {
        let owner = Owner::ChildSa(self.number);
        let mut steps = Vec::new();
        for slot in self.slots.all() {
            shared.policies.unset(slot, &owner);
            if let Some(policy) = shared.policies.installed(slot) {
                steps.push(KernelStep {
                    action: KernelAction::SetPolicy(Box::new(policy)),
                    undo: None,
                });
            }
        }
        for reference in [self.outbound, self.inbound] {
            shared.forget_esp(reference);
        }
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
