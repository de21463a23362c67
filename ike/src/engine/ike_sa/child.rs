//! Child SAs (phase 2): what is proposed, what is accepted, and the steps that bring it into the kernel (RFC 7296 sections
//! 1.3.1, 2.9 and 2.17).
//!
//! ```text
//!   ours:    Proposed --request--> Accepted --checked--> Negotiated --kernel--> Installing -> Installed
//!   theirs:  Offered --choose--> Negotiated --kernel--> Installing -> Installed, then our response
//! ```
//!
//! Order O1: what comes in is accepted before anything goes out (inbound SA, in and forward policies, outbound SA, out
//! policies), all of it or nothing. Order O5: before SAs go, what blocks their traffic is back in place.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config::proposal::{
    ChildExchange, EspProposal, EspSuite, choose_esp, esp_to_wire, verify_accepted_esp,
};
use crate::config::selector::{Selector, SelectorRefusal, Side, narrow};
use crate::config::{Child, Connection, KernelMode};
use crate::crypto::schedule::{ChildKeys, child_keymat};
use crate::crypto::{EphemeralKey, Secret};
use crate::engine::contents::{Contents, required};
use crate::engine::failure::Cause;
use crate::engine::io::{
    KernelAction, KernelStep, OnFailure, Path, PolicyAction, SaInstall, SaReference,
};
use crate::engine::policy_table::{self, Kind, Owner, Slots};
use crate::engine::shared::{KernelOwner, Shared};
use crate::wire::numbers::{KeyExchangeMethod, NotifyType};
use crate::wire::payload::Payload;
use crate::wire::{SecurityAssociation, SpiBytes, TrafficSelectors};

use super::Established;
use super::initiator::{generate, ts_payload};

/// SPIs below are reserved (RFC 4303 section 2.1).
const FIRST_SPI: u32 = 256;

/// A child that we ask for.
pub(in crate::engine) struct Proposed {
    pub(super) child: Arc<Child>,
    spi_in: u32,
    pub(super) nonce: Vec<u8>,
    pub(super) key: Option<Box<dyn EphemeralKey>>,
    pub(super) method: Option<KeyExchangeMethod>,
    pub(super) tried: Vec<KeyExchangeMethod>,
    in_auth: bool,
}

impl std::fmt::Debug for Proposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proposed")
            .field("child", &self.child.name)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Proposed {
    /// For IKE_AUTH, where nonces and the key exchange are those of IKE_SA_INIT, or with a nonce of its own for
    /// CREATE_CHILD_SA.
    pub(super) fn new(
        shared: &mut Shared,
        path: Path,
        child: Arc<Child>,
        nonce: Option<Vec<u8>>,
    ) -> Result<Self, Cause> {
        let in_auth = nonce.is_none();
        let method = child
            .proposals
            .iter()
            .flat_map(EspProposal::key_exchange_methods)
            .next()
            .filter(|_| !in_auth);
        let key = method.map(|method| generate(shared, method)).transpose()?;
        let spi_in = shared.fresh_esp_spi(path.local.ip());
        let tried = method.into_iter().collect();
        Ok(Self {
            child,
            spi_in,
            nonce: nonce.unwrap_or_default(),
            key,
            method,
            tried,
            in_auth,
        })
    }

    /// SA, TSi and TSr.
    pub(super) fn payloads(&self) -> (Payload<'static>, TrafficSelectors, TrafficSelectors) {
        let offer = esp_to_wire(
            &self.child.proposals,
            self.spi_in.into(),
            exchange(self.in_auth),
        );
        (
            Payload::Sa(offer),
            ts_payload(&self.child.local),
            ts_payload(&self.child.remote),
        )
    }

    /// The SPI that we offer to receive on.
    pub(super) const fn spi(&self) -> u32 {
        self.spi_in
    }

    /// Whether the method is one that we offer.
    pub(super) fn offers(&self, method: KeyExchangeMethod) -> bool {
        self.child
            .proposals
            .iter()
            .flat_map(EspProposal::key_exchange_methods)
            .any(|ours| ours == method)
    }
}

/// What the peer made of a child that we asked for, as it says.
#[derive(Debug)]
pub(in crate::engine) struct Accepted {
    sa: SecurityAssociation,
    tsi: TrafficSelectors,
    tsr: TrafficSelectors,
    nonce: Option<Vec<u8>>,
    ke: Option<(KeyExchangeMethod, Vec<u8>)>,
}

impl Accepted {
    pub(super) fn from_response(contents: &Contents<'_>) -> Result<Self, Cause> {
        if contents.sa.is_none()
            && let Some(notify) = contents.error()
        {
            return Err(Cause::Refused { notify });
        }
        Ok(Self {
            sa: required(contents.sa.clone(), "SA")?,
            tsi: required(contents.tsi.clone(), "TSi")?,
            tsr: required(contents.tsr.clone(), "TSr")?,
            nonce: contents.nonce.as_ref().map(|nonce| nonce.data.to_vec()),
            ke: contents.ke.as_ref().map(|ke| (ke.method, ke.data.to_vec())),
        })
    }
}

impl Accepted {
    pub(super) const fn has_nonce(&self) -> bool {
        self.nonce.is_some()
    }
}

/// A child that the peer asks for.
#[derive(Debug)]
pub(in crate::engine) struct Offered {
    sa: SecurityAssociation,
    tsi: TrafficSelectors,
    tsr: TrafficSelectors,
    ke: Option<(KeyExchangeMethod, Vec<u8>)>,
    in_auth: bool,
}

impl Offered {
    /// `None`: the peer wants an IKE SA without a child (RFC 6023).
    pub(super) fn from_auth_request(contents: &Contents<'_>) -> Option<Result<Self, Cause>> {
        let asked = contents.sa.is_some() || contents.tsi.is_some() || contents.tsr.is_some();
        asked.then(|| Self::from_request(contents, true))
    }

    pub(super) fn from_request(contents: &Contents<'_>, in_auth: bool) -> Result<Self, Cause> {
        Ok(Self {
            sa: required(contents.sa.clone(), "SA")?,
            tsi: required(contents.tsi.clone(), "TSi")?,
            tsr: required(contents.tsr.clone(), "TSr")?,
            ke: contents.ke.as_ref().map(|ke| (ke.method, ke.data.to_vec())),
            in_auth,
        })
    }
}

/// Everything about a child that both sides agreed on.
#[derive(Debug)]
pub(super) struct Negotiated {
    child: Arc<Child>,
    suite: EspSuite,
    spi_in: u32,
    spi_out: u32,
    local: Vec<Selector>,
    remote: Vec<Selector>,
    keys: ChildKeys,
    initiator: bool,
}

impl Negotiated {
    pub(super) fn child_config(&self) -> Arc<Child> {
        self.child.clone()
    }
}

/// Why a child that the peer asked for cannot be made.
pub(super) enum ChildRefusal {
    /// Another key exchange method is to be used.
    OtherMethod(KeyExchangeMethod),
    /// Nothing fits; the child that came nearest.
    Failed(Option<Arc<Child>>, Cause),
}

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

/// Checks what the peer accepted against what we proposed, and derives the keys.
pub(super) fn accept(
    shared: &Shared,
    established: &Established,
    proposed: &mut Proposed,
    accepted: &Accepted,
    remote_address: IpAddr,
    (ni, nr): (&[u8], &[u8]),
) -> Result<Negotiated, Cause> {
    let child = proposed.child.clone();
    let chosen = verify_accepted_esp(&child.proposals, &accepted.sa, exchange(proposed.in_auth))
        .map_err(|refusal| Cause::AcceptedNotOffered(Box::new(refusal)))?;
    let local = returned(&accepted.tsi, &child.local, Side::Local)?;
    let remote = returned(&accepted.tsr, &child.remote, Side::Remote)?;
    let secret = match (chosen.suite.key_exchange, proposed.key.take(), &accepted.ke) {
        (None, _, _) => None,
        (Some(method), Some(key), Some((theirs, data)))
            if *theirs == method && proposed.method == Some(method) =>
        {
            Some(key.agree(data).map_err(Cause::KeyExchange)?)
        }
        (Some(_), _, _) => return Err(Cause::MissingPayload { payload: "KE" }),
    };
    let nr = accepted.nonce.as_deref().unwrap_or(nr);
    Ok(Negotiated {
        keys: keys(shared, established, chosen.suite, secret.as_ref(), (ni, nr))?,
        suite: chosen.suite,
        spi_in: proposed.spi_in,
        spi_out: usable_spi(shared, &chosen.peer_spi, remote_address)?,
        child,
        local,
        remote,
        initiator: true,
    })
}

/// What the responder returned for one side: all of it must be within what we proposed (RFC 7296 section 2.9).
fn returned(
    payload: &TrafficSelectors,
    ours: &[Selector],
    side: Side,
) -> Result<Vec<Selector>, Cause> {
    let theirs: Option<Vec<Selector>> = payload.selectors.iter().map(Selector::from_wire).collect();
    match theirs {
        Some(theirs)
            if !theirs.is_empty()
                && theirs
                    .iter()
                    .all(|selector| selector.is_subset_of_any(ours)) =>
        {
            Ok(theirs)
        }
        other => Err(Cause::SelectorsNotProposed(Box::new(SelectorRefusal {
            side,
            offered: other.unwrap_or_default(),
            ours: ours.to_vec(),
        }))),
    }
}

/// What was negotiated, the SA payload that says so, and our key exchange data.
type Choice = (
    Negotiated,
    SecurityAssociation,
    Option<(KeyExchangeMethod, Vec<u8>)>,
);

/// Chooses the configured child that fits what the peer asks for, and what of it.
pub(super) fn choose(
    shared: &mut Shared,
    established: &Established,
    path: Path,
    offered: &Offered,
    (ni, nr): (&[u8], &[u8]),
) -> Result<Choice, ChildRefusal> {
    let failed = |child: &Arc<Child>, cause| ChildRefusal::Failed(Some(child.clone()), cause);
    let connection = &established.connection;
    if shared.kernel_mode == KernelMode::None {
        return Err(ChildRefusal::Failed(None, Cause::KernelModeNone));
    }
    let limit = shared.limits.children_per_ike_sa;
    if established.children.len() >= limit {
        return Err(ChildRefusal::Failed(
            None,
            Cause::Limit {
                limit: "children_per_ike_sa",
                value: limit,
            },
        ));
    }
    let fitting =
        fitting_children(connection, offered).map_err(|cause| ChildRefusal::Failed(None, cause))?;
    let mut refusal = None;
    for (child, local_ts, remote_ts) in fitting {
        let named = (connection.name.clone(), child.name.clone());
        if shared.held_down.contains(&named) {
            refusal.get_or_insert_with(|| {
                let (connection, held) = named;
                let child_name = Some(held);
                failed(
                    &child,
                    Cause::HeldDown {
                        connection,
                        child: child_name,
                    },
                )
            });
            continue;
        }
        let chosen = match choose_esp(&child.proposals, &offered.sa, exchange(offered.in_auth)) {
            Ok(chosen) => chosen,
            Err(error) => {
                refusal.get_or_insert_with(|| failed(&child, Cause::NoProposal(Box::new(error))));
                continue;
            }
        };
        let (secret, public) = match (chosen.suite.key_exchange, &offered.ke) {
            (None, _) => (None, None),
            (Some(method), Some((theirs, data))) if *theirs == method => {
                let key = generate(shared, method).map_err(|cause| failed(&child, cause))?;
                let public = key.public_value().to_vec();
                let secret = key
                    .agree(data)
                    .map_err(|error| failed(&child, Cause::KeyExchange(error)))?;
                (Some(secret), Some((method, public)))
            }
            (Some(method), _) => return Err(ChildRefusal::OtherMethod(method)),
        };
        let spi_out = usable_spi(shared, &chosen.peer_spi, path.remote.ip())
            .map_err(|cause| failed(&child, cause))?;
        let keys = keys(shared, established, chosen.suite, secret.as_ref(), (ni, nr))
            .map_err(|cause| failed(&child, cause))?;
        let spi_in = shared.fresh_esp_spi(path.local.ip());
        let answer = chosen.answer(spi_in.into());
        let negotiated = Negotiated {
            child,
            suite: chosen.suite,
            spi_in,
            spi_out,
            local: local_ts,
            remote: remote_ts,
            keys,
            initiator: false,
        };
        return Ok((negotiated, answer, public));
    }
    Err(refusal.unwrap_or(ChildRefusal::Failed(
        None,
        Cause::MissingPayload { payload: "TSi" },
    )))
}

type Fitting = (Arc<Child>, Vec<Selector>, Vec<Selector>);

/// The children whose selectors overlap with the peer's, those that lose nothing first.
fn fitting_children(connection: &Connection, offered: &Offered) -> Result<Vec<Fitting>, Cause> {
    let known = |payload: &TrafficSelectors| -> Vec<Selector> {
        payload
            .selectors
            .iter()
            .filter_map(Selector::from_wire)
            .collect()
    };
    // As responder TSi is the peer's side.
    let (theirs, ours) = (known(&offered.tsi), known(&offered.tsr));
    let mut fitting: Vec<(usize, Fitting)> = connection
        .children
        .iter()
        .filter_map(|child| {
            let (local, remote) = (narrow(&child.local, &ours), narrow(&child.remote, &theirs));
            let lost = usize::from(local != ours) + usize::from(remote != theirs);
            (!local.is_empty() && !remote.is_empty())
                .then(|| (lost, (child.clone(), local, remote)))
        })
        .collect();
    fitting.sort_by_key(|(lost, _)| *lost);
    if fitting.is_empty() {
        let local_fits = connection
            .children
            .iter()
            .any(|child| !narrow(&child.local, &ours).is_empty());
        let (side, offered) = if local_fits {
            (Side::Remote, theirs)
        } else {
            (Side::Local, ours)
        };
        let ours = connection.children.iter().flat_map(|child| match side {
            Side::Local => &child.local,
            Side::Remote => &child.remote,
        });
        let ours = ours.copied().collect();
        return Err(Cause::NoSelectors(Box::new(SelectorRefusal {
            side,
            offered,
            ours,
        })));
    }
    Ok(fitting.into_iter().map(|(_, fitting)| fitting).collect())
}

/// Where the nonces and the key exchange come from.
const fn exchange(in_auth: bool) -> ChildExchange {
    if in_auth {
        ChildExchange::IkeAuth
    } else {
        ChildExchange::CreateChildSa
    }
}

/// The peer's SPI, which no other Child SA with its address may have: the kernel could not tell them apart.
fn usable_spi(shared: &Shared, spi: &SpiBytes, remote: IpAddr) -> Result<u32, Cause> {
    let spi = spi
        .as_u32()
        .filter(|spi| *spi >= FIRST_SPI)
        .ok_or(Cause::MissingPayload { payload: "SPI" })?;
    if shared.esp.contains_key(&(spi, remote)) {
        return Err(Cause::SpiInUse { spi });
    }
    Ok(spi)
}

fn keys(
    shared: &Shared,
    established: &Established,
    suite: EspSuite,
    secret: Option<&Secret>,
    (ni, nr): (&[u8], &[u8]),
) -> Result<ChildKeys, Cause> {
    let prf = shared
        .provider
        .prf(established.suite.prf)
        .expect("the IKE SA's keys were derived with it");
    child_keymat(
        prf,
        &established.sk_d,
        secret,
        ni,
        nr,
        suite.child_key_lengths(),
    )
    .map_err(Cause::KeyExchange)
}

impl ChildSa {
    /// Asks the kernel to install what was negotiated, in order O1.
    pub(super) fn install(
        shared: &mut Shared,
        sa: crate::wire::IkeSpi,
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
            keys,
            initiator,
        } = negotiated;
        local.shrink_to_fit();
        remote.shrink_to_fit();
        let slots = policy_table::slots(&local, &remote)?;
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
        let priority = policy_table::priority(
            this.child.priority,
            &this.child.local,
            &this.child.remote,
            Kind::Protect,
        );
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

    /// SA, then TSi and TSr as the responder returns them.
    pub(super) fn response_payloads(
        &self,
        answer: SecurityAssociation,
    ) -> (Payload<'static>, [Payload<'static>; 2]) {
        (
            Payload::Sa(answer),
            [
                Payload::TsI(ts_payload(&self.remote)),
                Payload::TsR(ts_payload(&self.local)),
            ],
        )
    }
}

/// What a peer that asked for a child is told.
pub(super) fn told(cause: &Cause) -> NotifyType {
    match cause.notify() {
        _ if matches!(cause, Cause::TakenDown | Cause::Replaced | Cause::Expired) => {
            NotifyType::TEMPORARY_FAILURE
        }
        // Inside an authenticated exchange nothing about a child is an authentication failure.
        NotifyType::AUTHENTICATION_FAILED => NotifyType::NO_PROPOSAL_CHOSEN,
        notify => notify,
    }
}
