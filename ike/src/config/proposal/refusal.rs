//! Why no proposal fits, as data: what they offer, what we allow, and which type did not fit.

use std::fmt;

use super::choose::{Ours, allowed_integrity, broken, is_none, pick, pick_integrity};
use super::parse::type_name;
use crate::crypto::algorithms::{EncryptionRow, Keyword, Row, TransformName};
use crate::wire::numbers::{ProtocolId, TransformType};
use crate::wire::{Proposal, SecurityAssociation, SpiBytes, Transform};

/// A stranger may offer thousands; so many are compared, and fewer kept.
const COMPARED: usize = 64;
const KEPT: usize = 4;
const NAMES_KEPT: usize = 16;

/// No common proposal.
///
/// `Display` gives one line for each type that did not fit, the nearest proposal first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalRefusal {
    /// Whether the peer offered or chose.
    pub subject: Subject,
    /// For an IKE SA, or for ESP.
    pub protocol: ProtocolId,
    /// The peer's proposals, the nearest first; at most four.
    pub offers: Vec<OfferRefusal>,
    /// How many more the peer sent.
    pub omitted: usize,
}

/// What the peer's SA payload was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A request: what they would accept.
    Offer,
    /// A response: what they say they chose of ours.
    Choice,
}

/// Why one proposal of the peer does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferRefusal {
    /// Its number.
    pub number: u8,
    /// What did not fit, compared with the nearest proposal of ours. Never empty.
    pub mismatches: Vec<Mismatch>,
}

/// What did not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Nothing they offer of a type is what we allow.
    Transform {
        /// The type.
        kind: TransformType,
        /// What they offer, in their order; at most sixteen.
        offered: Vec<TransformName>,
        /// What we allow, best first.
        allowed: Vec<TransformName>,
    },
    /// A key exchange of the Child SA's own in IKE_AUTH, where there can be none (RFC 7296 section 1.2).
    KeyExchangeInIkeAuth,
    /// A proposal for another protocol.
    Protocol(ProtocolId),
    /// An SPI that cannot be one.
    Spi(SpiBytes),
    /// A transform type that we do not know or that has no place there.
    UnknownType(TransformType),
    /// The response has not exactly one proposal.
    SeveralProposals(usize),
    /// The response has several transforms of one type.
    SeveralTransforms(TransformType),
    /// The response chooses a proposal that we did not send.
    UnknownNumber(u8),
}

impl ProposalRefusal {
    pub(super) fn new(
        subject: Subject,
        protocol: ProtocolId,
        theirs: &SecurityAssociation,
        compare: impl Fn(&Proposal) -> Comparison,
    ) -> Self {
        let mut compared: Vec<(usize, OfferRefusal)> = theirs
            .proposals
            .iter()
            .take(COMPARED)
            .map(|offer| {
                let Comparison {
                    distance,
                    mismatches,
                } = compare(offer);
                (
                    distance,
                    OfferRefusal {
                        number: offer.number,
                        mismatches,
                    },
                )
            })
            .collect();
        compared.sort_by_key(|(distance, _)| *distance);
        compared.truncate(KEPT);
        Self {
            subject,
            protocol,
            omitted: theirs.proposals.len() - compared.len(),
            offers: compared.into_iter().map(|(_, offer)| offer).collect(),
        }
    }

    /// One line on what to change, by the peer's nearest proposal.
    #[must_use]
    pub fn suggestion(&self) -> Option<String> {
        let nearest = self.offers.first()?;
        if self.subject == Subject::Choice {
            return Some(
                "the peer must choose one of what it is offered: look for its known faults"
                    .to_owned(),
            );
        }
        let mut here = Some(Vec::new());
        let mut there = Vec::new();
        for mismatch in &nearest.mismatches {
            match mismatch {
                Mismatch::Transform {
                    kind,
                    offered,
                    allowed,
                } => {
                    let none = allowed.iter().all(|name| is_none(&Transform::from(*name)));
                    // Integrity beside an AEAD is the peer's mistake: nothing that we allow can mend it.
                    let mendable = !none || *kind != TransformType::INTEG;
                    let buildable = offered.iter().find(|name| mendable && is_offered(**name));
                    here = here.zip(buildable).map(|(mut words, name)| {
                        words.push(format!("`{name}`"));
                        words
                    });
                    there.extend(allowed.first().map(|name| {
                        if none {
                            format!("no {}", type_name(*kind))
                        } else {
                            format!("`{name}`")
                        }
                    }));
                }
                Mismatch::KeyExchangeInIkeAuth => {
                    return Some(
                        "have the peer leave out the key exchange of its first child".to_owned(),
                    );
                }
                _ => return Some("have the peer send another proposal".to_owned()),
            }
        }
        let key = if self.protocol == ProtocolId::IKE {
            "ike:"
        } else {
            "esp:"
        };
        let there = format!("have the peer offer {}", there.join(" and "));
        Some(match here {
            Some(words) => format!("add {} to `{key}` here, or {there}", words.join(" and ")),
            None => there,
        })
    }
}

/// Whether our tables have it, and it is sound: so that an operator could and should allow it.
fn is_offered(name: TransformName) -> bool {
    name.keyword().is_some_and(Keyword::is_sound)
}

impl fmt::Display for ProposalRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = self.offers.len() + self.omitted > 1;
        let mut separator = "";
        for offer in &self.offers {
            for mismatch in &offer.mismatches {
                f.write_str(separator)?;
                separator = "\n";
                if several {
                    write!(f, "proposal {}, ", offer.number)?;
                }
                mismatch.write(f, self.subject)?;
            }
        }
        match self.omitted {
            0 if self.offers.is_empty() => f.write_str("they sent no proposal"),
            0 => Ok(()),
            omitted => write!(f, "{separator}and {omitted} more proposals"),
        }
    }
}

impl Mismatch {
    fn write(&self, f: &mut fmt::Formatter<'_>, subject: Subject) -> fmt::Result {
        let (they, we) = match subject {
            Subject::Offer => ("they offer", "we allow"),
            Subject::Choice => ("they chose", "we offered"),
        };
        match self {
            Self::Transform {
                kind,
                offered,
                allowed,
            } => {
                write!(
                    f,
                    "{}: {they} {}; {we} {}",
                    type_name(*kind),
                    List(offered),
                    List(allowed)
                )
            }
            Self::KeyExchangeInIkeAuth => {
                write!(
                    f,
                    "key exchange: {they} one in IKE_AUTH, where a child can have none of its own"
                )
            }
            Self::Protocol(protocol) => write!(f, "protocol: {they} {protocol}"),
            Self::Spi(spi) => write!(
                f,
                "SPI: {they} one of {} bytes that is not valid",
                spi.len()
            ),
            Self::UnknownType(kind) => {
                write!(f, "transform type: {they} {kind}, which has no place here")
            }
            Self::SeveralProposals(count) => write!(f, "proposals: {they} {count} instead of one"),
            Self::SeveralTransforms(kind) => {
                write!(f, "{}: {they} more than one", type_name(*kind))
            }
            Self::UnknownNumber(number) => {
                write!(f, "proposal: {they} number {number}, which was not sent")
            }
        }
    }
}

/// Names separated by commas.
struct List<'a>(&'a [TransformName]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// How far a proposal of theirs is from ours.
pub(super) struct Comparison {
    distance: usize,
    mismatches: Vec<Mismatch>,
}

impl Comparison {
    /// A proposal that is out of the question.
    pub(super) fn of(mismatch: Mismatch) -> Self {
        Self {
            distance: usize::MAX,
            mismatches: vec![mismatch],
        }
    }
}

/// Compares an offer that does not fit with each of our proposals, and keeps the nearest.
pub(super) fn compare<P: Ours>(ours: &[P], offer: &Proposal) -> Comparison {
    if let Some(mismatch) = broken::<P>(offer) {
        return Comparison::of(mismatch);
    }
    let nearest = ours
        .iter()
        .map(|ours| compare_one(*ours, offer))
        .min_by_key(|comparison| comparison.distance);
    let Some(mut nearest) = nearest else {
        return Comparison {
            distance: 0,
            mismatches: vec![no_cipher(ours, offer)],
        };
    };
    // Where no cipher fits the nearest, it fits none or is of no use in another: tell all that would do.
    if let Some(Mismatch::Transform {
        kind: TransformType::ENCR,
        ..
    }) = nearest.mismatches.first()
    {
        nearest.mismatches[0] = no_cipher(ours, offer);
    }
    nearest
}

fn compare_one<P: Ours>(ours: P, offer: &Proposal) -> Comparison {
    let mut mismatches = Vec::new();
    let fits = |row: &EncryptionRow| {
        let cipher = Transform::from(row.transform());
        pick(offer, TransformType::ENCR, &[cipher]).is_some()
    };
    let ciphers: Vec<_> = ours.encryption().filter(|row| fits(row)).collect();
    let integrity: Vec<_> = ciphers
        .iter()
        .map(|row| allowed_integrity(row, ours.integrity()))
        .collect();
    if ciphers.is_empty() {
        mismatches.push(no_cipher(&[ours], offer));
    } else if ciphers
        .iter()
        .zip(&integrity)
        .all(|(row, allowed)| pick_integrity(offer, row, allowed).is_none())
    {
        mismatches.push(mismatch(offer, TransformType::INTEG, &integrity[0]));
    }
    for (kind, allowed) in ours.others() {
        if pick(offer, kind, &allowed).is_none() {
            let forbidden = kind == TransformType::KE && ours.forbids_key_exchange();
            mismatches.push(if forbidden {
                Mismatch::KeyExchangeInIkeAuth
            } else {
                mismatch(offer, kind, &allowed)
            });
        }
    }
    // The cipher weighs most: an offer that shares it is nearer than one that shares the rest.
    let distance = mismatches.len() + 2 * usize::from(ciphers.is_empty());
    Comparison {
        distance,
        mismatches,
    }
}

fn no_cipher<P: Ours>(ours: &[P], offer: &Proposal) -> Mismatch {
    let mut allowed: Vec<Transform> = Vec::new();
    for row in ours.iter().flat_map(Ours::encryption) {
        let cipher = Transform::from(row.transform());
        if !allowed.contains(&cipher) {
            allowed.push(cipher);
        }
    }
    mismatch(offer, TransformType::ENCR, &allowed)
}

fn mismatch(offer: &Proposal, kind: TransformType, allowed: &[Transform]) -> Mismatch {
    let offered = offer
        .transforms
        .iter()
        .filter(|transform| transform.kind == kind);
    Mismatch::Transform {
        kind,
        offered: offered.take(NAMES_KEPT).map(TransformName::from).collect(),
        allowed: allowed.iter().map(TransformName::from).collect(),
    }
}
