//! Child SAs (phase 2): what is proposed and what is accepted (RFC 7296 sections 1.3.1, 2.9 and 2.17).
//!
//! ```text
//!   ours:    Proposed --request--> Accepted --checked--> Negotiated --kernel--> Installing -> Installed
//!   theirs:  Offered --choose--> Negotiated --kernel--> Installing -> Installed, then our response
//! ```
//!
//! A rekeying is the same with REKEY_SA before it; what is asked for is what stands (section 2.8): [`super::rekey_child`].
//!
//! The mode is what our child says. A peer that asks for transport mode where it says tunnel gets tunnel mode, as the RFC
//! has it; one that wants tunnel mode where it says transport gets nothing. From the kernel on: [`super::child_sa`].

mod record;

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::config::proposal::{
    ChildExchange, EspProposal, EspSuite, choose_esp, esp_to_wire, verify_accepted_esp,
};
use crate::config::selector::{Selector, SelectorRefusal, Side, narrow, retain_pairs};
use crate::config::{Child, Connection, KernelMode, Mode, Protected};
use crate::crypto::schedule::{ChildKeys, child_keymat};
use crate::crypto::{EphemeralKey, Secret};
use crate::engine::contents::{Contents, required};
use crate::engine::failure::Cause;
use crate::engine::io::{Packet, Path};
use crate::engine::policy_table::{self, Kind};
use crate::engine::shared::Shared;
use crate::wire::numbers::{KeyExchangeMethod, NotifyType};
use crate::wire::payload::Payload;
use crate::wire::{KeyExchange, Nonce, SecurityAssociation, SpiBytes, TrafficSelectors};

use super::Established;
use super::child_sa::{ChildSa, mode_payload};
use super::established::Gone;
use super::initiator::{generate, ts_payload};
use super::rekey_child::Replaces;

pub(super) use record::{NegotiatedFields, ProposedFields};

/// SPIs below are reserved (RFC 4303 section 2.1).
const FIRST_SPI: u32 = 256;

/// A child that we ask for.
pub(in crate::engine) struct Proposed {
    pub(super) child: Arc<Child>,
    local: Vec<Selector>,
    remote: Vec<Selector>,
    spi_in: u32,
    pub(super) nonce: Vec<u8>,
    pub(super) key: Option<Box<dyn EphemeralKey>>,
    pub(super) method: Option<KeyExchangeMethod>,
    pub(super) tried: Vec<KeyExchangeMethod>,
    /// What it is to replace, in a rekeying.
    pub(super) replaces: Option<Replaces>,
    /// Whether it has not been taken down since.
    pub(super) wanted: bool,
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
    /// CREATE_CHILD_SA; for a packet that waits for it, or for all of them alike.
    pub(super) fn new(
        shared: &mut Shared,
        path: Path,
        child: Arc<Child>,
        nonce: Option<Vec<u8>>,
        packet: Option<Packet>,
    ) -> Result<Self, Cause> {
        let mut ends = protected(&child, path)?;
        if let Some(packet) = packet {
            ends.local = with_first(packet.local, ends.local);
            ends.remote = with_first(packet.remote, ends.remote);
        }
        let in_auth = nonce.is_none();
        let method = first_method(&child).filter(|_| !in_auth);
        Self::with(shared, path, child, nonce, ends, method)
    }

    /// One that is to replace another: with the same selectors, and the same key exchange where it had one.
    pub(super) fn successor(shared: &mut Shared, path: Path, old: &ChildSa) -> Result<Self, Cause> {
        let child = old.child.clone();
        let ends = Protected {
            local: old.local.clone(),
            remote: old.remote.clone(),
        };
        let method = old.suite.key_exchange.or_else(|| first_method(&child));
        let nonce = shared.nonce();
        let mut this = Self::with(shared, path, child, Some(nonce), ends, method)?;
        this.replaces = Some(Replaces::new(old));
        Ok(this)
    }

    fn with(
        shared: &mut Shared,
        path: Path,
        child: Arc<Child>,
        nonce: Option<Vec<u8>>,
        Protected { local, remote }: Protected,
        method: Option<KeyExchangeMethod>,
    ) -> Result<Self, Cause> {
        let in_auth = nonce.is_none();
        usable_proposals(&child)?;
        let key = method.map(|method| generate(shared, method)).transpose()?;
        let spi_in = shared.fresh_esp_spi(path.local.ip());
        let tried = method.into_iter().collect();
        Ok(Self {
            child,
            local,
            remote,
            spi_in,
            nonce: nonce.unwrap_or_default(),
            key,
            method,
            tried,
            replaces: None,
            wanted: true,
            in_auth,
        })
    }

    /// REKEY_SA in a rekeying, USE_TRANSPORT_MODE where that is the mode, SA, the nonce and the key exchange where they are
    /// the child's own, TSi and TSr.
    pub(super) fn payloads(&self) -> Vec<Payload<'static>> {
        let proposals = usable_proposals(&self.child).expect("looked at when it was made");
        let offer = esp_to_wire(&*proposals, self.spi_in.into(), exchange(self.in_auth));
        let rekeys = self.replaces.as_ref().map(Replaces::notify);
        let mut payloads: Vec<_> = rekeys.into_iter().collect();
        payloads.extend(mode_payload(self.child.mode));
        payloads.push(Payload::Sa(offer));
        if !self.in_auth {
            payloads.push(Payload::Nonce(Nonce {
                data: self.nonce.clone().into(),
            }));
        }
        if let (Some(key), Some(method)) = (&self.key, self.method) {
            payloads.push(Payload::Ke(KeyExchange {
                method,
                data: key.public_value().to_vec().into(),
            }));
        }
        payloads.push(Payload::TsI(ts_payload(&self.local)));
        payloads.push(Payload::TsR(ts_payload(&self.remote)));
        payloads
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
    mode: Mode,
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
            mode: mode_of(contents),
        })
    }

    pub(super) const fn has_nonce(&self) -> bool {
        self.nonce.is_some()
    }

    /// The lower of the two nonces that it is made with (RFC 7296 section 2.8.1).
    pub(super) fn lowest_nonce(&self, (ni, nr): (&[u8], &[u8])) -> Vec<u8> {
        if cfg!(ikd_fault = "one-nonce") {
            return ni.to_vec();
        }
        ni.min(self.nonce.as_deref().unwrap_or(nr)).to_vec()
    }
}

/// A child that the peer asks for.
#[derive(Debug)]
pub(in crate::engine) struct Offered {
    sa: SecurityAssociation,
    tsi: TrafficSelectors,
    tsr: TrafficSelectors,
    ke: Option<(KeyExchangeMethod, Vec<u8>)>,
    mode: Mode,
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
            mode: mode_of(contents),
            in_auth,
        })
    }
}

/// Which mode a message asks for, or grants.
fn mode_of(contents: &Contents<'_>) -> Mode {
    if contents.has(NotifyType::USE_TRANSPORT_MODE) {
        Mode::Transport
    } else {
        Mode::Tunnel
    }
}

/// Everything about a child that both sides agreed on.
#[derive(Debug)]
pub(super) struct Negotiated {
    pub(super) child: Arc<Child>,
    pub(super) suite: EspSuite,
    pub(super) spi_in: u32,
    pub(super) spi_out: u32,
    pub(super) local: Vec<Selector>,
    pub(super) remote: Vec<Selector>,
    /// Of its policies, in the kernel's numbers.
    pub(super) priority: u32,
    pub(super) keys: ChildKeys,
    pub(super) initiator: bool,
    /// The ACQUIRE of the packet that waits for it.
    pub(super) answers: Option<NonZeroU32>,
}

impl Negotiated {
    /// What the peer is told when it is not wanted after all.
    pub(super) const fn gone(&self) -> Gone {
        Gone {
            inbound: self.spi_in,
            outbound: Some(self.spi_out),
        }
    }
}

/// Why a child that the peer asked for cannot be made.
pub(super) enum ChildRefusal {
    /// Another key exchange method is to be used.
    OtherMethod(KeyExchangeMethod),
    /// Nothing fits; the child that came nearest.
    Failed(Option<Arc<Child>>, Cause),
}

/// The key exchange that we would rather have, where the child has one of its own.
fn first_method(child: &Child) -> Option<KeyExchangeMethod> {
    let mut methods = child
        .proposals
        .iter()
        .flat_map(EspProposal::key_exchange_methods);
    methods.next()
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
    match (child.mode, accepted.mode) {
        (Mode::Transport, Mode::Tunnel) => return Err(Cause::TransportDeclined),
        (Mode::Tunnel, Mode::Transport) => return Err(Cause::TransportNotAsked),
        _ => {}
    }
    let proposals = usable_proposals(&child)?;
    let chosen = verify_accepted_esp(&*proposals, &accepted.sa, exchange(proposed.in_auth))
        .map_err(|refusal| Cause::AcceptedNotOffered(Box::new(refusal)))?;
    let local = returned(&accepted.tsi, &proposed.local, Side::Local)?;
    let remote = returned(&accepted.tsr, &proposed.remote, Side::Remote)?;
    let (local, remote) = match retain_pairs(local, remote.clone()) {
        (local, _) if local.is_empty() => {
            return Err(Cause::SelectorsNotProposed(Box::new(SelectorRefusal {
                side: Side::Remote,
                offered: remote,
                ours: proposed.remote.clone(),
            })));
        }
        pairs => pairs,
    };
    let priority = priority(&child, &proposed.local, &proposed.remote);
    let answers = answers(shared, &established.connection, &child);
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
        priority,
        initiator: true,
        answers,
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
            // The packet that we put in front may come back beside what holds it.
            Ok(narrow(&theirs, &theirs))
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

/// Chooses the configured child that fits what the peer asks for, and what of it. In a rekeying it is the child of what is
/// to be replaced.
pub(super) fn choose(
    shared: &mut Shared,
    established: &Established,
    path: Path,
    offered: &Offered,
    replaced: Option<&ChildSa>,
    (ni, nr): (&[u8], &[u8]),
) -> Result<Choice, ChildRefusal> {
    let failed = |child: &Arc<Child>, cause| ChildRefusal::Failed(Some(child.clone()), cause);
    let connection = &established.connection;
    if shared.kernel_mode == KernelMode::None {
        return Err(ChildRefusal::Failed(None, Cause::KernelModeNone));
    }
    let limit = shared.limits.children_per_ike_sa;
    if replaced.is_none() && established.standing() >= limit {
        return Err(ChildRefusal::Failed(
            None,
            Cause::Limit {
                limit: "children_per_ike_sa",
                value: limit,
            },
        ));
    }
    let fitting = match replaced {
        Some(old) => fitting_successor(old, offered).map(|fitting| vec![fitting]),
        None => fitting_children(connection, path, offered),
    };
    let fitting = fitting.map_err(|cause| {
        let child = replaced.map(|old| old.child.clone());
        ChildRefusal::Failed(child, cause)
    })?;
    let mut refusal = None;
    for Fitting {
        child,
        local,
        remote,
        priority,
    } in fitting
    {
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
        if (child.mode, offered.mode) == (Mode::Transport, Mode::Tunnel) {
            refusal.get_or_insert_with(|| failed(&child, Cause::TunnelRefused));
            continue;
        }
        let chosen = usable_proposals(&child).and_then(|proposals| {
            choose_esp(&*proposals, &offered.sa, exchange(offered.in_auth))
                .map_err(|error| Cause::NoProposal(Box::new(error)))
        });
        let chosen = match chosen {
            Ok(chosen) => chosen,
            Err(cause) => {
                refusal.get_or_insert_with(|| failed(&child, cause));
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
        let answers = answers(shared, connection, &child);
        let negotiated = Negotiated {
            child,
            suite: chosen.suite,
            spi_in,
            spi_out,
            local,
            remote,
            priority,
            keys,
            initiator: false,
            answers,
        };
        return Ok((negotiated, answer, public));
    }
    Err(refusal.unwrap_or(ChildRefusal::Failed(
        None,
        Cause::MissingPayload { payload: "TSi" },
    )))
}

/// A child whose selectors overlap with the peer's, and what both have.
struct Fitting {
    child: Arc<Child>,
    local: Vec<Selector>,
    remote: Vec<Selector>,
    priority: u32,
}

/// What the two sides' selectors have in common in a rekeying.
fn fitting_successor(old: &ChildSa, offered: &Offered) -> Result<Fitting, Cause> {
    // As responder TSi is the peer's side.
    let (theirs, ours) = (known(&offered.tsi), known(&offered.tsr));
    let (local, remote) = retain_pairs(narrow(&old.local, &ours), narrow(&old.remote, &theirs));
    if local.is_empty() {
        let local_fits = !narrow(&old.local, &ours).is_empty();
        let (side, offered, ours) = if local_fits {
            (Side::Remote, theirs, old.remote.clone())
        } else {
            (Side::Local, ours, old.local.clone())
        };
        return Err(Cause::NoSelectors(Box::new(SelectorRefusal {
            side,
            offered,
            ours,
        })));
    }
    Ok(Fitting {
        child: old.child.clone(),
        priority: priority(&old.child, &old.local, &old.remote),
        local,
        remote,
    })
}

/// The selectors of a payload that are of a kind that we know.
fn known(payload: &TrafficSelectors) -> Vec<Selector> {
    let selectors = payload.selectors.iter();
    selectors.filter_map(Selector::from_wire).collect()
}

/// The children whose selectors overlap with the peer's: those in the mode that it asks for first, then those that lose
/// nothing of what is asked for, then those of which all is asked for: a wider one that holds another is not that other.
fn fitting_children(
    connection: &Connection,
    path: Path,
    offered: &Offered,
) -> Result<Vec<Fitting>, Cause> {
    // As responder TSi is the peer's side.
    let (theirs, ours) = (known(&offered.tsi), known(&offered.tsr));
    // The packet that asked for the SA may stand beside what holds it.
    let (all_theirs, all_ours) = (narrow(&theirs, &theirs), narrow(&ours, &ours));
    let (mut fitting, mut allowed, mut outside) = (Vec::new(), Vec::new(), None);
    for child in &connection.children {
        let ends = match protected(child, path) {
            Ok(ends) => ends,
            Err(cause) => {
                outside.get_or_insert(cause);
                continue;
            }
        };
        let (local, remote) =
            retain_pairs(narrow(&ends.local, &ours), narrow(&ends.remote, &theirs));
        if !local.is_empty() {
            let lost = usize::from(local != all_ours) + usize::from(remote != all_theirs);
            let whole = |selectors: &[Selector], of: &[Selector]| {
                of.iter().all(|own| own.is_subset_of_any(selectors))
            };
            let left = usize::from(!whole(&local, &ends.local))
                + usize::from(!whole(&remote, &ends.remote));
            let place = (child.mode != offered.mode, lost, left);
            let priority = priority(child, &ends.local, &ends.remote);
            let child = child.clone();
            let found = Fitting {
                child,
                local,
                remote,
                priority,
            };
            fitting.push((place, found));
        }
        allowed.push(ends);
    }
    fitting.sort_by_key(|(place, _)| *place);
    if fitting.is_empty() {
        if let (Some(cause), true) = (outside, allowed.is_empty()) {
            return Err(cause);
        }
        let local_fits = allowed
            .iter()
            .any(|ends| !narrow(&ends.local, &ours).is_empty());
        let (side, offered, ours): (_, _, Vec<_>) = if local_fits {
            let ends = allowed.into_iter().flat_map(|ends| ends.remote);
            (Side::Remote, theirs, ends.collect())
        } else {
            let ends = allowed.into_iter().flat_map(|ends| ends.local);
            (Side::Local, ours, ends.collect())
        };
        return Err(Cause::NoSelectors(Box::new(SelectorRefusal {
            side,
            offered,
            ours,
        })));
    }
    Ok(fitting.into_iter().map(|(_, fitting)| fitting).collect())
}

/// What a child protects between the addresses of the IKE SA: ours, then the peer's.
pub(super) fn protected(child: &Child, path: Path) -> Result<Protected, Cause> {
    child
        .protected(path.local.ip(), path.remote.ip())
        .map_err(|outside| Cause::NotAnEnd(Box::new(outside)))
}

/// The place of a child's Child SAs among all policies.
pub(super) fn priority(child: &Child, local: &[Selector], remote: &[Selector]) -> u32 {
    policy_table::priority(child.priority, local, remote, Kind::Protect)
}

/// A child's proposals. Without a replay window there are no extended sequence numbers (RFC 4303 section 2.2.1): the high
/// half of the number is guessed from the window.
fn usable_proposals(child: &Child) -> Result<Cow<'_, [EspProposal]>, Cause> {
    if child.replay_window > 0 {
        return Ok(Cow::Borrowed(&child.proposals));
    }
    let proposals = child.proposals.iter();
    let short: Vec<_> = proposals
        .filter_map(EspProposal::without_extended_sequence_numbers)
        .collect();
    if short.is_empty() {
        return Err(Cause::EsnWithoutWindow);
    }
    Ok(Cow::Owned(short))
}

/// The ACQUIRE that the child's outbound SA answers, whoever began: where a packet waits, the kernel is to know that it can
/// go.
fn answers(shared: &Shared, connection: &Connection, child: &Child) -> Option<NonZeroU32> {
    let waiting = shared.traps.waiting(&connection.name, &child.name)?;
    Some(waiting.sequence)
}

/// What is proposed where a packet waits: the packet first, so that a peer that takes less than all knows what matters
/// (RFC 7296 section 2.9).
fn with_first(packet: Selector, mut selectors: Vec<Selector>) -> Vec<Selector> {
    if packet.is_subset_of_any(&selectors) && selectors.first() != Some(&packet) {
        selectors.insert(0, packet);
    }
    selectors
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

/// What a peer that asked for a child is told.
pub(super) fn told(cause: &Cause) -> NotifyType {
    match cause.notify() {
        _ if matches!(
            cause,
            Cause::TakenDown
                | Cause::Replaced
                | Cause::AlreadyConnected
                | Cause::Expired
                | Cause::NoResponse { .. }
                | Cause::DeletedByPeer
                | Cause::Idle { .. }
        ) =>
        {
            NotifyType::TEMPORARY_FAILURE
        }
        // Inside an authenticated exchange nothing about a child is an authentication failure.
        NotifyType::AUTHENTICATION_FAILED => NotifyType::NO_PROPOSAL_CHOSEN,
        notify => notify,
    }
}
