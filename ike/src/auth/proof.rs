//! Proof that the peer is who it says it is: a value that nothing but a successful verification makes.
//!
//! ```text
//!   by secret:     ID, AUTH --SecretClaim::question--> PskQuestion --owner of the secret--> PskAnswer --conclude--+
//!                                                                                                                 |
//!                                                                                                PeerAuthenticated
//!                                                                                                                 |
//!   by signature:  ID, AUTH, CERT --Signed::verify--> Signed --check_revocation--> (what to fetch, and again) ----+
//!                  method, path, names, strength, signature    not revoked, as far as the policy wants it known
//! ```
//!
//! An established IKE SA cannot be built without a [`PeerAuthenticated`], and one that comes of a signature cannot be built
//! without the signature ([`Signed`]) and without [`NotRevoked`], so that a forgotten check does not compile.

mod record;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::identity::Identity;
use crate::config::{Name, OwnCredential, SignatureDemand};
use crate::crypto::signature::{Fingerprint, KeyKind, SignatureScheme};
use crate::pki::{
    Certificate, CertificateFailure, NotRevoked, PathCache, Presented, RevocationCache,
    RevocationOutcome, TrustStore, TrustedPeer,
};
use crate::wire::numbers::{AuthMethod, Prf};

use super::ask::{FetchQuestion, PskAnswer, PskQuestion, PskVerification};
use super::signature::{self, NotAllowed, UnreadableSignature};

pub(crate) use record::{OwnEvidenceFields, PeerFields};

/// The peer has proved to be this identity. Only [`SecretClaim::conclude`] and [`Signed::check_revocation`] make one, and
/// who reads a record of one that they made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAuthenticated {
    identity: Identity,
    evidence: Evidence,
}

impl PeerAuthenticated {
    /// Who the peer is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How it proved so.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

/// How a peer proved who it is, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It holds the connection's pre-shared key.
    PreSharedKey,
    /// It signed with the key of a certificate that an authority of ours vouches for.
    Certificate(Box<CertificateEvidence>),
    /// It signed with a key that the configuration names.
    RawKey {
        /// Which key.
        key: Fingerprint,
        /// How it signed.
        scheme: SignatureScheme,
    },
}

/// What is kept of the certificate that a peer was authenticated by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateEvidence {
    /// Whose certificate.
    pub subject: Identity,
    /// Who made it.
    pub issuer: Identity,
    /// Its serial number, in lower-case hexadecimal.
    pub serial: String,
    /// When the first certificate of the path expires, since the Unix epoch.
    pub valid_until: Option<Duration>,
    /// How the peer signed.
    pub scheme: SignatureScheme,
}

impl Evidence {
    /// The stable name: `psk`, `certificate`, `raw-key`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PreSharedKey => "psk",
            Self::Certificate(_) => "certificate",
            Self::RawKey { .. } => "raw-key",
        }
    }

    /// How the peer signed, where it did.
    #[must_use]
    pub const fn scheme(&self) -> Option<SignatureScheme> {
        match self {
            Self::PreSharedKey => None,
            Self::Certificate(certificate) => Some(certificate.scheme),
            Self::RawKey { scheme, .. } => Some(*scheme),
        }
    }

    /// When the certificate, or one above it, expires, since the Unix epoch.
    #[must_use]
    pub const fn valid_until(&self) -> Option<Duration> {
        match self {
            Self::Certificate(certificate) => certificate.valid_until,
            _ => None,
        }
    }

    fn of(peer: &TrustedPeer, scheme: SignatureScheme) -> Self {
        match peer.path().first() {
            Some(certificate) => Self::Certificate(Box::new(CertificateEvidence {
                subject: certificate.subject().clone(),
                issuer: certificate.issuer().clone(),
                serial: certificate.serial(),
                valid_until: peer.valid_until(),
                scheme,
            })),
            None => Self::RawKey {
                key: peer.public_key().fingerprint(),
                scheme,
            },
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PreSharedKey => f.write_str("pre-shared key"),
            Self::Certificate(certificate) => write!(
                f,
                "certificate of {}, issued by {}, {}",
                certificate.subject, certificate.issuer, certificate.scheme
            ),
            Self::RawKey { key, scheme } => write!(f, "public key {key}, {scheme}"),
        }
    }
}

/// How we proved who we are, for people to read: what the peer was shown, whatever the configuration says by now.
#[derive(Clone, Debug)]
pub enum OwnEvidence {
    /// By the connection's pre-shared key.
    PreSharedKey,
    /// By the key of a certificate.
    Certificate {
        /// Which one.
        certificate: Arc<Certificate>,
        /// When it, or one of those shown with it, expires, since the Unix epoch.
        valid_until: Duration,
        /// How we signed.
        scheme: SignatureScheme,
    },
    /// By a key that the peer's configuration names.
    RawKey {
        /// Which key.
        key: Fingerprint,
        /// How we signed.
        scheme: SignatureScheme,
    },
}

impl OwnEvidence {
    pub(crate) fn of(own: &OwnCredential, scheme: SignatureScheme) -> Self {
        match &own.chain[..] {
            [certificate, above @ ..] => Self::Certificate {
                certificate: certificate.clone(),
                valid_until: above
                    .iter()
                    .map(|one| one.not_after())
                    .fold(certificate.not_after(), Duration::min),
                scheme,
            },
            [] => Self::RawKey {
                key: own.key.fingerprint(),
                scheme,
            },
        }
    }
}

/// What a peer claims to be, while the owner of the secret looks at the proof.
#[derive(Debug)]
pub struct SecretClaim {
    identity: Identity,
    signs: bool,
}

/// Why a claim did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disproof {
    /// AUTH is wrong.
    Mismatch,
    /// We have no key to verify it with.
    NoSecret,
    /// The owner of the key left out the signature that was asked for.
    NoSignature,
}

impl SecretClaim {
    /// The question that decides the claim: verify what the peer sent, and (as a responder that proves itself by the same
    /// secret) sign our own octets.
    #[must_use]
    pub fn question(
        connection: Name,
        prf: Prf,
        local_id: Identity,
        claimed: Identity,
        verify: PskVerification,
        sign: Option<Vec<u8>>,
    ) -> (PskQuestion, Self) {
        let claim = Self {
            identity: claimed.clone(),
            signs: sign.is_some(),
        };
        let question = PskQuestion {
            connection,
            local_id,
            remote_id: Some(claimed),
            prf,
            verify: Some(verify),
            sign,
        };
        (question, claim)
    }

    /// Who the peer says it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Takes the answer to the question: the proof, and our AUTH data where we asked for it.
    ///
    /// # Errors
    /// See [`Disproof`].
    pub fn conclude(
        self,
        answer: PskAnswer,
    ) -> Result<(PeerAuthenticated, Option<Vec<u8>>), Disproof> {
        match answer {
            PskAnswer::Done { auth: None } if self.signs => Err(Disproof::NoSignature),
            PskAnswer::Done { auth } => Ok((
                PeerAuthenticated {
                    identity: self.identity,
                    evidence: Evidence::PreSharedKey,
                },
                auth.filter(|_| self.signs),
            )),
            PskAnswer::Mismatch => Err(Disproof::Mismatch),
            PskAnswer::NoSecret => Err(Disproof::NoSecret),
        }
    }
}

/// What a peer brings that proves itself by signature.
#[derive(Debug)]
pub struct SignatureClaim<'a> {
    /// Who it says it is: an identity that the connection allows.
    pub identity: &'a Identity,
    /// What its CERT payloads hold.
    pub presented: &'a Presented<'a>,
    /// The method of its AUTH payload.
    pub method: AuthMethod,
    /// The Authentication Data of it.
    pub data: &'a [u8],
    /// What that covers, as [`super::signed_octets`] makes it.
    pub octets: &'a [u8],
}

/// Why a signature did not prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureDisproof {
    /// A signature of a kind that the policy does not take, or under a key that is too weak.
    NotAllowed(NotAllowed),
    /// Nobody whom we trust vouches for the key, or for this identity with it.
    Untrusted(Box<CertificateFailure>),
    /// The Authentication Data holds no signature that the key could have made.
    Unreadable(UnreadableSignature),
    /// The signature is wrong: not by this key, or not over this.
    Wrong {
        /// The kind of the key that vouches for the peer.
        key: KeyKind,
        /// How the peer says it signed.
        scheme: SignatureScheme,
    },
}

/// A peer whose key is vouched for and whose signature is right; whether its certificates were revoked is open.
#[derive(Debug)]
pub struct Signed {
    identity: Identity,
    scheme: SignatureScheme,
    peer: TrustedPeer,
}

/// What is known about revocation of a [`Signed`] peer's certificates.
#[derive(Debug)]
pub enum Revocability {
    /// The last check is done.
    Proven(PeerAuthenticated),
    /// These are to be fetched first, then it is to be checked again.
    Needs(Signed, Vec<FetchQuestion>),
    /// Revoked, or not known to be good where that is demanded.
    Refused(Box<CertificateFailure>),
}

impl Signed {
    /// Checks everything that needs nobody else, what is cheap first: the method, the path to an authority of ours and the
    /// names, the strength of key and hash, the signature. `now` is since the Unix epoch.
    ///
    /// # Errors
    /// See [`SignatureDisproof`].
    pub fn verify(
        claim: &SignatureClaim<'_>,
        trust: &TrustStore,
        demand: &SignatureDemand,
        now: Duration,
        paths: &mut PathCache,
    ) -> Result<Self, SignatureDisproof> {
        if claim.method == AuthMethod::RSA_SIGNATURE && !demand.rsa_sha1 {
            return Err(SignatureDisproof::NotAllowed(NotAllowed::Sha1));
        }
        let peer = trust
            .verify(claim.presented, claim.identity, demand, now, paths)
            .map_err(|failure| SignatureDisproof::Untrusted(Box::new(failure)))?;
        let key = peer.public_key();
        let (scheme, signature) = signature::decode(claim.method, claim.data, key)
            .map_err(SignatureDisproof::Unreadable)?;
        signature::allowed(scheme, key.kind(), demand).map_err(SignatureDisproof::NotAllowed)?;
        key.verify(scheme, claim.octets, signature)
            .map_err(|_| SignatureDisproof::Wrong {
                key: key.kind(),
                scheme,
            })?;
        Ok(Self {
            identity: claim.identity.clone(),
            scheme,
            peer,
        })
    }

    /// Looks at what is known about revocation, in files and in what was fetched. `now` is since the Unix epoch.
    #[must_use]
    pub fn check_revocation(
        self,
        demand: &SignatureDemand,
        trust: &TrustStore,
        fetched: &RevocationCache,
        now: Duration,
    ) -> Revocability {
        let Self {
            identity,
            scheme,
            peer,
        } = self;
        match peer.check_revocation(demand, trust, fetched, now) {
            RevocationOutcome::Clear(proof) => {
                Revocability::Proven(PeerAuthenticated::by_signature(identity, scheme, &proof))
            }
            RevocationOutcome::Needs { peer, questions } => Revocability::Needs(
                Self {
                    identity,
                    scheme,
                    peer: *peer,
                },
                questions,
            ),
            RevocationOutcome::Revoked(failure) | RevocationOutcome::Unknown(failure) => {
                Revocability::Refused(Box::new(failure))
            }
        }
    }
}

impl PeerAuthenticated {
    fn by_signature(identity: Identity, scheme: SignatureScheme, proof: &NotRevoked) -> Self {
        Self {
            identity,
            evidence: Evidence::of(proof.peer(), scheme),
        }
    }
}
