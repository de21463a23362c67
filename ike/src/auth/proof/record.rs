//! Proof that was given, in a record of our own: who reads it back has been through the check of the record's store.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::identity::Identity;
use crate::config::{Connection, LocalAuthentication, RemoteAuthentication};
use crate::crypto::signature::{Fingerprint, SignatureScheme};
use crate::pki::Certificate;
use crate::wire::numbers::{HashAlgorithm, IdType};

use super::{CertificateEvidence, Evidence, OwnEvidence, PeerAuthenticated};

/// What is written of a [`PeerAuthenticated`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PeerFields {
    identity: IdentityFields,
    evidence: EvidenceFields,
}

/// An identity: its type on the wire, and its octets.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct IdentityFields(u8, Vec<u8>);

#[derive(Clone, Debug, Serialize, Deserialize)]
enum EvidenceFields {
    PreSharedKey,
    Certificate {
        subject: IdentityFields,
        issuer: IdentityFields,
        serial: String,
        valid_until: Option<Duration>,
        scheme: SchemeFields,
    },
    RawKey {
        key: [u8; 32],
        scheme: SchemeFields,
    },
}

/// What is written of an [`OwnEvidence`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum OwnEvidenceFields {
    PreSharedKey,
    Certificate {
        certificate: Vec<u8>,
        valid_until: Duration,
        scheme: SchemeFields,
    },
    RawKey {
        key: [u8; 32],
        scheme: SchemeFields,
    },
}

/// What is written of a [`SignatureScheme`]: hashes by their numbers in RFC 7427.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum SchemeFields {
    RsaPkcs1(u16),
    RsaPss(u16, usize),
    Ecdsa(u16),
    EcdsaRaw(u16),
    Ed25519,
}

impl From<SignatureScheme> for SchemeFields {
    fn from(scheme: SignatureScheme) -> Self {
        match scheme {
            SignatureScheme::RsaPkcs1(hash) => Self::RsaPkcs1(hash.0),
            SignatureScheme::RsaPss { hash, salt_length } => Self::RsaPss(hash.0, salt_length),
            SignatureScheme::Ecdsa(hash) => Self::Ecdsa(hash.0),
            SignatureScheme::EcdsaRaw(hash) => Self::EcdsaRaw(hash.0),
            SignatureScheme::Ed25519 => Self::Ed25519,
        }
    }
}

impl From<SchemeFields> for SignatureScheme {
    fn from(fields: SchemeFields) -> Self {
        match fields {
            SchemeFields::RsaPkcs1(hash) => Self::RsaPkcs1(HashAlgorithm(hash)),
            SchemeFields::RsaPss(hash, salt_length) => {
                let hash = HashAlgorithm(hash);
                Self::RsaPss { hash, salt_length }
            }
            SchemeFields::Ecdsa(hash) => Self::Ecdsa(HashAlgorithm(hash)),
            SchemeFields::EcdsaRaw(hash) => Self::EcdsaRaw(HashAlgorithm(hash)),
            SchemeFields::Ed25519 => Self::Ed25519,
        }
    }
}

impl From<&Identity> for IdentityFields {
    fn from(identity: &Identity) -> Self {
        Self(identity.id_type().0, identity.to_octets())
    }
}

impl IdentityFields {
    fn read(&self) -> Option<Identity> {
        Identity::from_wire(IdType(self.0), &self.1).ok()
    }
}

impl From<&PeerAuthenticated> for PeerFields {
    fn from(peer: &PeerAuthenticated) -> Self {
        let PeerAuthenticated { identity, evidence } = peer;
        Self {
            identity: identity.into(),
            evidence: match evidence {
                Evidence::PreSharedKey => EvidenceFields::PreSharedKey,
                Evidence::Certificate(certificate) => {
                    let CertificateEvidence {
                        subject,
                        issuer,
                        serial,
                        valid_until,
                        scheme,
                    } = &**certificate;
                    EvidenceFields::Certificate {
                        subject: subject.into(),
                        issuer: issuer.into(),
                        serial: serial.clone(),
                        valid_until: *valid_until,
                        scheme: (*scheme).into(),
                    }
                }
                Evidence::RawKey { key, scheme } => EvidenceFields::RawKey {
                    key: key.0,
                    scheme: (*scheme).into(),
                },
            },
        }
    }
}

impl PeerFields {
    /// Whether a peer that proved this, and in this way, is the one that a connection expects.
    pub(crate) fn fits(&self, connection: &Connection) -> bool {
        let kind = match connection.authentication.remote {
            RemoteAuthentication::PreSharedKey => {
                matches!(self.evidence, EvidenceFields::PreSharedKey)
            }
            RemoteAuthentication::Signature(_) => {
                !matches!(self.evidence, EvidenceFields::PreSharedKey)
            }
        };
        let expected = connection.remote.id.as_ref();
        let known = self.identity.read();
        let is_expected = known
            .is_some_and(|identity| expected.is_none_or(|expected| expected.matches(&identity)));
        kind && is_expected
    }
}

impl PeerAuthenticated {
    /// What was proven, by a record of our own.
    pub(crate) fn recorded(fields: &PeerFields) -> Option<Self> {
        Some(Self {
            identity: fields.identity.read()?,
            evidence: match &fields.evidence {
                EvidenceFields::PreSharedKey => Evidence::PreSharedKey,
                EvidenceFields::Certificate {
                    subject,
                    issuer,
                    serial,
                    valid_until,
                    scheme,
                } => Evidence::Certificate(Box::new(CertificateEvidence {
                    subject: subject.read()?,
                    issuer: issuer.read()?,
                    serial: serial.clone(),
                    valid_until: *valid_until,
                    scheme: (*scheme).into(),
                })),
                EvidenceFields::RawKey { key, scheme } => Evidence::RawKey {
                    key: Fingerprint(*key),
                    scheme: (*scheme).into(),
                },
            },
        })
    }
}

impl From<&OwnEvidence> for OwnEvidenceFields {
    fn from(own: &OwnEvidence) -> Self {
        match own {
            OwnEvidence::PreSharedKey => Self::PreSharedKey,
            OwnEvidence::Certificate {
                certificate,
                valid_until,
                scheme,
            } => Self::Certificate {
                certificate: certificate.der().to_vec(),
                valid_until: *valid_until,
                scheme: (*scheme).into(),
            },
            OwnEvidence::RawKey { key, scheme } => Self::RawKey {
                key: key.0,
                scheme: (*scheme).into(),
            },
        }
    }
}

impl OwnEvidence {
    /// How we proved who we are, by a record of our own.
    pub(crate) fn recorded(fields: &OwnEvidenceFields) -> Option<Self> {
        Some(match fields {
            OwnEvidenceFields::PreSharedKey => Self::PreSharedKey,
            OwnEvidenceFields::Certificate {
                certificate,
                valid_until,
                scheme,
            } => Self::Certificate {
                certificate: Arc::new(Certificate::parse(certificate).ok()?),
                valid_until: *valid_until,
                scheme: (*scheme).into(),
            },
            OwnEvidenceFields::RawKey { key, scheme } => Self::RawKey {
                key: Fingerprint(*key),
                scheme: (*scheme).into(),
            },
        })
    }
}

impl OwnEvidenceFields {
    /// Whether a connection still has us prove who we are in this way.
    pub(crate) const fn fits(&self, connection: &Connection) -> bool {
        match connection.authentication.local {
            LocalAuthentication::PreSharedKey => matches!(self, Self::PreSharedKey),
            LocalAuthentication::Signature => !matches!(self, Self::PreSharedKey),
        }
    }
}
