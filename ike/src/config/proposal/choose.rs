//! Proposals on the wire: what we send, what we choose, and whether the peer's choice is one of ours (RFC 7296 sections
//! 2.7, 3.3 and 3.3.6).

use super::refusal::{Mismatch, OfferRefusal, ProposalRefusal, Subject, compare};
use super::suite::{EspSuite, IkeSuite};
use super::{EspProposal, IkeProposal};
use crate::crypto::algorithms::{ENCRYPTION, EncryptionRow, IntegrityRow, Row, TransformName};
use crate::wire::numbers::{
    Integrity, KeyExchangeMethod, Prf, ProtocolId, SequenceNumbers, TransformType,
};
use crate::wire::{Proposal, SecurityAssociation, SpiBytes, Transform};

/// A proposal of the peer and the suite chosen from it, or the peer's choice from ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<S> {
    /// The number of the proposal.
    pub number: u8,
    /// The SPI that the peer gave with it: empty for a first IKE SA, 8 octets for its successors, 4 for ESP.
    pub peer_spi: SpiBytes,
    /// The algorithms.
    pub suite: S,
    protocol: ProtocolId,
    /// As offered, one of each type.
    transforms: Vec<Transform>,
}

/// A choice for an IKE SA.
pub type ChosenIke = Chosen<IkeSuite>;
/// A choice for a pair of ESP SAs.
pub type ChosenEsp = Chosen<EspSuite>;

impl<S> Chosen<S> {
    /// The SA payload that tells the peer what we chose, with our SPI.
    #[must_use]
    pub fn answer(&self, our_spi: SpiBytes) -> SecurityAssociation {
        let Self {
            number,
            protocol,
            ref transforms,
            ..
        } = *self;
        let transforms = transforms.clone();
        SecurityAssociation {
            proposals: vec![Proposal {
                number,
                protocol,
                spi: our_spi,
                transforms,
            }],
        }
    }
}

/// Which exchange a Child SA is negotiated in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildExchange {
    /// IKE_AUTH: never a key exchange of the Child SA's own (RFC 7296 section 1.2).
    IkeAuth,
    /// CREATE_CHILD_SA: with one where the proposal has key exchange methods.
    CreateChildSa,
}

/// The SA payload that offers `ours`: numbered from 1, an AEAD never in one proposal with other ciphers. `spi` is empty for
/// a first IKE SA. Proposals beyond the 255 that numbers allow are left out.
#[must_use]
pub fn ike_to_wire<'a>(
    ours: impl IntoIterator<Item = &'a IkeProposal>,
    spi: SpiBytes,
) -> SecurityAssociation {
    to_wire(&IkeIn::all(ours), &spi)
}

/// The SA payload that offers `ours` for a Child SA; as [`ike_to_wire`].
#[must_use]
pub fn esp_to_wire<'a>(
    ours: impl IntoIterator<Item = &'a EspProposal>,
    spi: SpiBytes,
    exchange: ChildExchange,
) -> SecurityAssociation {
    to_wire(&EspIn::all(ours, exchange), &spi)
}

/// Chooses the best suite by our preference from what the peer offers.
///
/// # Errors
/// What they offer and what we allow, where nothing fits.
pub fn choose_ike<'a>(
    ours: impl IntoIterator<Item = &'a IkeProposal>,
    offered: &SecurityAssociation,
) -> Result<ChosenIke, ProposalRefusal> {
    choose(&IkeIn::all(ours), offered)
}

/// Chooses the best suite by our preference from what the peer offers for a Child SA.
///
/// # Errors
/// What they offer and what we allow, where nothing fits.
pub fn choose_esp<'a>(
    ours: impl IntoIterator<Item = &'a EspProposal>,
    offered: &SecurityAssociation,
    exchange: ChildExchange,
) -> Result<ChosenEsp, ProposalRefusal> {
    choose(&EspIn::all(ours, exchange), offered)
}

/// Checks that the peer accepted one of the proposals that [`ike_to_wire`] made of `ours`, with one transform of each
/// type.
///
/// # Errors
/// What they accepted and what we offered, where it is none of ours.
pub fn verify_accepted_ike<'a>(
    ours: impl IntoIterator<Item = &'a IkeProposal>,
    accepted: &SecurityAssociation,
) -> Result<ChosenIke, ProposalRefusal> {
    verify(&IkeIn::all(ours), accepted)
}

/// Checks that the peer accepted one of the proposals that [`esp_to_wire`] made of `ours`, with one transform of each
/// type.
///
/// # Errors
/// What they accepted and what we offered, where it is none of ours.
pub fn verify_accepted_esp<'a>(
    ours: impl IntoIterator<Item = &'a EspProposal>,
    accepted: &SecurityAssociation,
    exchange: ChildExchange,
) -> Result<ChosenEsp, ProposalRefusal> {
    verify(&EspIn::all(ours, exchange), accepted)
}

/// What IKE and ESP proposals have in common here.
pub(super) trait Ours: Copy {
    /// What is chosen.
    type Suite;

    /// The protocol of the proposal.
    const PROTOCOL: ProtocolId;

    /// The same with its AEADs alone, or with its other ciphers alone: half of what the wire wants apart.
    fn only(self, aead: bool) -> Self;

    /// The ciphers.
    fn encryption(&self) -> impl Iterator<Item = &'static EncryptionRow>;

    /// The integrity algorithms for those that are no AEAD.
    fn integrity(&self) -> &[&'static IntegrityRow];

    /// The two other types, and what we allow of each.
    fn others(&self) -> [(TransformType, Vec<Transform>); 2];

    /// Whether an SPI of this form may stand in a proposal.
    fn spi_is_valid(spi: &SpiBytes) -> bool;

    /// The suite of a cipher, an integrity algorithm and the numbers of the other types.
    fn suite(encryption: &EncryptionRow, integrity: Integrity, others: [u16; 2]) -> Self::Suite;

    /// The types that mean something for the protocol.
    fn knows(kind: TransformType) -> bool;

    /// Whether the exchange has no place for a key exchange, whatever is allowed.
    fn forbids_key_exchange(&self) -> bool {
        false
    }
}

/// An IKE proposal, or one half of it.
#[derive(Clone, Copy, Debug)]
struct IkeIn<'a> {
    ours: &'a IkeProposal,
    aead: Option<bool>,
}

impl<'a> IkeIn<'a> {
    fn all(ours: impl IntoIterator<Item = &'a IkeProposal>) -> Vec<Self> {
        ours.into_iter()
            .map(|ours| Self { ours, aead: None })
            .collect()
    }
}

impl Ours for IkeIn<'_> {
    type Suite = IkeSuite;
    const PROTOCOL: ProtocolId = ProtocolId::IKE;

    fn only(self, aead: bool) -> Self {
        Self {
            aead: Some(aead),
            ..self
        }
    }

    fn encryption(&self) -> impl Iterator<Item = &'static EncryptionRow> {
        half(&self.ours.encryption, self.aead)
    }

    fn integrity(&self) -> &[&'static IntegrityRow] {
        &self.ours.integrity
    }

    fn others(&self) -> [(TransformType, Vec<Transform>); 2] {
        [
            (TransformType::PRF, transforms(&self.ours.prf)),
            (TransformType::KE, transforms(&self.ours.key_exchange)),
        ]
    }

    fn spi_is_valid(spi: &SpiBytes) -> bool {
        spi.is_empty() || spi.as_ike_spi().is_some_and(|spi| !spi.is_zero())
    }

    fn suite(
        encryption: &EncryptionRow,
        integrity: Integrity,
        [prf, method]: [u16; 2],
    ) -> IkeSuite {
        IkeSuite {
            encryption: encryption.id,
            key_bits: encryption.key_bits,
            integrity,
            prf: Prf(prf),
            key_exchange: KeyExchangeMethod(method),
        }
    }

    fn knows(kind: TransformType) -> bool {
        matches!(
            kind,
            TransformType::ENCR | TransformType::INTEG | TransformType::PRF | TransformType::KE
        )
    }
}

/// An ESP proposal, or one half of it, in the exchange that decides about its key exchange.
#[derive(Clone, Copy, Debug)]
struct EspIn<'a> {
    ours: &'a EspProposal,
    exchange: ChildExchange,
    aead: Option<bool>,
}

impl<'a> EspIn<'a> {
    fn all(ours: impl IntoIterator<Item = &'a EspProposal>, exchange: ChildExchange) -> Vec<Self> {
        ours.into_iter()
            .map(|ours| Self {
                ours,
                exchange,
                aead: None,
            })
            .collect()
    }
}

impl Ours for EspIn<'_> {
    type Suite = EspSuite;
    const PROTOCOL: ProtocolId = ProtocolId::ESP;

    fn only(self, aead: bool) -> Self {
        Self {
            aead: Some(aead),
            ..self
        }
    }

    fn encryption(&self) -> impl Iterator<Item = &'static EncryptionRow> {
        half(&self.ours.encryption, self.aead)
    }

    fn integrity(&self) -> &[&'static IntegrityRow] {
        &self.ours.integrity
    }

    fn others(&self) -> [(TransformType, Vec<Transform>); 2] {
        let mut key_exchange = transforms(&self.ours.key_exchange);
        if key_exchange.is_empty() || self.forbids_key_exchange() {
            key_exchange = vec![Transform::new(
                TransformType::KE,
                KeyExchangeMethod::NONE.0,
                None,
            )];
        }
        [
            (TransformType::KE, key_exchange),
            (TransformType::ESN, transforms(&self.ours.sequence_numbers)),
        ]
    }

    fn spi_is_valid(spi: &SpiBytes) -> bool {
        spi.as_u32().is_some_and(|spi| spi != 0)
    }

    fn suite(
        encryption: &EncryptionRow,
        integrity: Integrity,
        [method, esn]: [u16; 2],
    ) -> EspSuite {
        let method = KeyExchangeMethod(method);
        EspSuite {
            encryption: encryption.id,
            key_bits: encryption.key_bits,
            integrity,
            key_exchange: (method != KeyExchangeMethod::NONE).then_some(method),
            esn: esn == SequenceNumbers::EXTENDED_64.0,
        }
    }

    fn knows(kind: TransformType) -> bool {
        matches!(
            kind,
            TransformType::ENCR | TransformType::INTEG | TransformType::KE | TransformType::ESN
        )
    }

    fn forbids_key_exchange(&self) -> bool {
        self.exchange == ChildExchange::IkeAuth
    }
}

fn transforms<R: Row>(rows: &[&'static R]) -> Vec<Transform> {
    rows.iter().map(|row| row.transform().into()).collect()
}

/// Whether the absence of the type says the same as this transform: `NONE` of the optional types, section 3.3.3.
pub(super) fn is_none(transform: &Transform) -> bool {
    transform.id == 0 && matches!(transform.kind, TransformType::INTEG | TransformType::KE)
}

/// All rows, or those that are (or are not) AEADs.
fn half(
    rows: &[&'static EncryptionRow],
    aead: Option<bool>,
) -> impl Iterator<Item = &'static EncryptionRow> {
    rows.iter()
        .copied()
        .filter(move |row| aead.is_none_or(|aead| row.is_aead() == aead))
}

/// Our proposals with their numbers on the wire, each split into its AEADs and its other ciphers; the kind that the
/// operator named first goes first.
fn numbered<P: Ours>(ours: &[P]) -> impl Iterator<Item = (u8, P)> {
    let halves = ours.iter().flat_map(|ours| {
        let first = ours.encryption().next().is_some_and(EncryptionRow::is_aead);
        [ours.only(first), ours.only(!first)]
    });
    (1..=u8::MAX).zip(halves.filter(|ours| ours.encryption().next().is_some()))
}

fn to_wire<P: Ours>(ours: &[P], spi: &SpiBytes) -> SecurityAssociation {
    let proposals = numbered(ours).map(|(number, ours)| {
        let mut transforms: Vec<Transform> = ours
            .encryption()
            .map(|row| row.transform().into())
            .collect();
        if ours.encryption().any(|row| !row.is_aead()) {
            transforms.extend(self::transforms(ours.integrity()));
        }
        let others = ours.others().into_iter().flat_map(|(_, allowed)| allowed);
        transforms.extend(others.filter(|transform| !is_none(transform)));
        Proposal {
            number,
            protocol: P::PROTOCOL,
            spi: spi.clone(),
            transforms,
        }
    });
    SecurityAssociation {
        proposals: proposals.collect(),
    }
}

fn choose<P: Ours>(
    ours: &[P],
    offered: &SecurityAssociation,
) -> Result<Chosen<P::Suite>, ProposalRefusal> {
    for ours in ours {
        for encryption in ours.encryption() {
            let wanted = Wanted::of(*ours, encryption);
            if let Some(chosen) = offered
                .proposals
                .iter()
                .find_map(|offer| wanted.suit(offer))
            {
                return Ok(chosen);
            }
        }
    }
    Err(ProposalRefusal::new(
        Subject::Offer,
        P::PROTOCOL,
        offered,
        |offer| compare(ours, offer),
    ))
}

fn verify<P: Ours>(
    ours: &[P],
    accepted: &SecurityAssociation,
) -> Result<Chosen<P::Suite>, ProposalRefusal> {
    let refuse = |mismatch| {
        let number = accepted.proposals.first().map_or(0, |choice| choice.number);
        let offers = vec![OfferRefusal {
            number,
            mismatches: vec![mismatch],
        }];
        ProposalRefusal {
            subject: Subject::Choice,
            protocol: P::PROTOCOL,
            offers,
            omitted: 0,
        }
    };
    let [choice] = &accepted.proposals[..] else {
        return Err(refuse(Mismatch::SeveralProposals(accepted.proposals.len())));
    };
    let repeated = choice
        .transforms
        .iter()
        .enumerate()
        .find(|(index, transform)| {
            choice.transforms[..*index]
                .iter()
                .any(|other| other.kind == transform.kind)
        });
    if let Some((_, transform)) = repeated {
        return Err(refuse(Mismatch::SeveralTransforms(transform.kind)));
    }
    let Some((_, ours)) = numbered(ours).find(|(number, _)| *number == choice.number) else {
        return Err(refuse(Mismatch::UnknownNumber(choice.number)));
    };
    ours.encryption()
        .find_map(|row| Wanted::of(ours, row).suit(choice))
        .ok_or_else(|| {
            ProposalRefusal::new(Subject::Choice, P::PROTOCOL, accepted, |choice| {
                compare(&[ours], choice)
            })
        })
}

/// What we want of a proposal with one of our ciphers.
struct Wanted<P> {
    encryption: &'static EncryptionRow,
    cipher: Transform,
    integrity: Vec<Transform>,
    others: [(TransformType, Vec<Transform>); 2],
    protocol: std::marker::PhantomData<P>,
}

impl<P: Ours> Wanted<P> {
    fn of(ours: P, encryption: &'static EncryptionRow) -> Self {
        Self {
            encryption,
            cipher: encryption.transform().into(),
            integrity: allowed_integrity(encryption, ours.integrity()),
            others: ours.others(),
            protocol: std::marker::PhantomData,
        }
    }

    /// What we choose of the offer, if it has all that we want and nothing that we do not understand.
    fn suit(&self, offer: &Proposal) -> Option<Chosen<P::Suite>> {
        if broken::<P>(offer).is_some() {
            return None;
        }
        let [(kind, allowed), (last_kind, last_allowed)] = &self.others;
        let picked = [
            pick(
                offer,
                TransformType::ENCR,
                std::slice::from_ref(&self.cipher),
            )?,
            pick_integrity(offer, self.encryption, &self.integrity)?,
            pick(offer, *kind, allowed)?,
            pick(offer, *last_kind, last_allowed)?,
        ];
        let [_, integrity, other, last] =
            picked.map(|transform| transform.map_or(0, |transform| transform.id));
        Some(Chosen {
            number: offer.number,
            peer_spi: offer.spi.clone(),
            suite: P::suite(self.encryption, Integrity(integrity), [other, last]),
            protocol: P::PROTOCOL,
            transforms: picked.into_iter().flatten().cloned().collect(),
        })
    }
}

/// Why a proposal is out of the question whatever it offers, section 3.3.6.
pub(super) fn broken<P: Ours>(offer: &Proposal) -> Option<Mismatch> {
    if offer.protocol != P::PROTOCOL {
        return Some(Mismatch::Protocol(offer.protocol));
    }
    if !P::spi_is_valid(&offer.spi) {
        return Some(Mismatch::Spi(offer.spi.clone()));
    }
    let unknown = offer
        .transforms
        .iter()
        .find(|transform| !P::knows(transform.kind))?;
    Some(Mismatch::UnknownType(unknown.kind))
}

/// What may stand for integrity beside a cipher of ours: nothing but `NONE` beside an AEAD (RFC 5282 section 8).
pub(super) fn allowed_integrity(
    encryption: &EncryptionRow,
    ours: &[&'static IntegrityRow],
) -> Vec<Transform> {
    if encryption.is_aead() {
        vec![Transform::new(
            TransformType::INTEG,
            Integrity::NONE.0,
            None,
        )]
    } else {
        transforms(ours)
    }
}

/// As [`pick`], for integrity beside a cipher of ours. Where a proposal has other ciphers beside its AEADs, its integrity
/// algorithms are for those, and an AEAD is chosen without one (RFC 5282 section 8; RFC 7296 section 3.3 wants two
/// proposals, and not every peer makes two).
pub(super) fn pick_integrity<'a>(
    offer: &'a Proposal,
    encryption: &EncryptionRow,
    allowed: &[Transform],
) -> Option<Option<&'a Transform>> {
    let is_other = |transform: &Transform| {
        let mut others = ENCRYPTION.iter().filter(|row| !row.is_aead());
        transform.kind == TransformType::ENCR && others.any(|row| row.id.0 == transform.id)
    };
    pick(offer, TransformType::INTEG, allowed).or_else(|| {
        let others = encryption.is_aead() && offer.transforms.iter().any(is_other);
        others.then_some(None)
    })
}

/// The first of `allowed` that is offered, attributes and all; or `Some(None)` where the type is absent and may be.
pub(super) fn pick<'a>(
    offer: &'a Proposal,
    kind: TransformType,
    allowed: &[Transform],
) -> Option<Option<&'a Transform>> {
    let found = |wanted: &Transform| {
        offer
            .transforms
            .iter()
            .find(|transform| *transform == wanted)
    };
    if let Some(transform) = allowed.iter().find_map(found) {
        return Some(Some(transform));
    }
    let absent = offer
        .transforms
        .iter()
        .all(|transform| transform.kind != kind);
    (absent && allowed.iter().any(is_none)).then_some(None)
}

impl From<TransformName> for Transform {
    fn from(name: TransformName) -> Self {
        Self::new(name.transform, name.number, name.key_bits)
    }
}

impl From<&Transform> for TransformName {
    /// Attributes other than a key length are left out.
    fn from(transform: &Transform) -> Self {
        Self {
            transform: transform.kind,
            number: transform.id,
            key_bits: transform.key_length(),
        }
    }
}

#[cfg(test)]
mod tests;
