//! Whom we believe, and what becomes of what a peer presents.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ring::digest::{Context, SHA256};

use super::certificate::{Certificate, CertificateError};
use super::crl::RevocationList;
use super::failure::{CertificateFailure, CertificateName};
use super::ocsp::Reply;
use super::path;
use super::path_cache::PathCache;
use crate::auth::ask::FetchQuestion;
use crate::config::identity::Identity;
use crate::config::{Purposes, SignatureDemand, Strength};
use crate::crypto::signature::PublicKey;

/// Most certificates that a peer may present.
pub const MAX_PRESENTED: usize = 100;

/// Most bytes of certificates, and most of everything else, that a peer may present.
const MAX_PRESENTED_BYTES: usize = 256 * 1024;

/// Most CRLs, and most OCSP replies, in band that are looked at.
const MAX_EVIDENCE: usize = 16;

/// Most authorities that a CERTREQ names: it has to fit a datagram.
const MAX_REQUESTED: usize = 64;

/// Whom we believe. The default: nobody.
#[derive(Debug, Default)]
pub struct TrustStore {
    anchors: Vec<Arc<Certificate>>,
    intermediates: Vec<Arc<Certificate>>,
    lists: Vec<Arc<RevocationList>>,
    keys: Vec<PublicKey>,
    /// SHA-256 over anchors and intermediates: the same store, the same paths.
    generation: [u8; 32],
}

/// What a peer's CERT payloads hold, in their order.
#[derive(Debug, Default)]
pub struct Presented<'a> {
    /// Encoding 4; the first is the peer's own (RFC 7296 section 3.6).
    pub certificates: Vec<&'a [u8]>,
    /// Encoding 15: a SubjectPublicKeyInfo (RFC 7670). Looked at where there is no certificate.
    pub raw_key: Option<&'a [u8]>,
    /// Encoding 7: CRLs. Those beyond 16 are not looked at.
    pub lists: Vec<&'a [u8]>,
    /// Encoding 14: OCSP responses (RFC 4806). Those beyond 16 are not looked at.
    pub ocsp: Vec<&'a [u8]>,
}

/// A peer for whose key a configured authority, or the configuration itself, vouches. Only [`TrustStore::verify`] makes one.
#[derive(Debug)]
pub struct TrustedPeer {
    key: PublicKey,
    path: Vec<Arc<Certificate>>,
    pub(super) evidence: Evidence,
    /// What was asked already: each question comes once.
    pub(super) asked: BTreeSet<FetchQuestion>,
}

/// What came in band about revocation. Not verified yet.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) lists: Vec<RevocationList>,
    pub(super) replies: Vec<Reply>,
}

impl TrustStore {
    /// `anchors`: authorities, or certificates trusted as they are; `intermediates`: helpers for paths, not trusted by
    /// themselves; `lists`: CRLs from files; `keys`: raw public keys, and keys of pinned end-entity certificates. Who signs
    /// with one of `keys` is believed whatever its certificate says.
    #[must_use]
    pub fn new(
        anchors: Vec<Arc<Certificate>>,
        intermediates: Vec<Arc<Certificate>>,
        lists: Vec<Arc<RevocationList>>,
        keys: Vec<PublicKey>,
    ) -> Self {
        let mut hash = Context::new(&SHA256);
        for certificates in [&anchors, &intermediates] {
            update(&mut hash, &certificates.len().to_be_bytes());
            for certificate in certificates {
                update(&mut hash, certificate.der());
            }
        }
        Self {
            anchors,
            intermediates,
            lists,
            keys,
            generation: finish(hash),
        }
    }

    /// The Certification Authority field of a CERTREQ of encoding 4: SHA-1 hashes of the anchors' keys, 20 bytes each, at
    /// most 64. Empty without anchors.
    #[must_use]
    pub fn certificate_request(&self) -> Vec<u8> {
        self.anchors
            .iter()
            .take(MAX_REQUESTED)
            .flat_map(|anchor| anchor.key_hash())
            .collect()
    }

    /// Whether raw public keys are believed, so that a CERTREQ of encoding 15 is due (RFC 7670).
    #[must_use]
    pub const fn wants_raw_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Anchors and intermediates, for warnings about expiry.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.anchors.iter().chain(&self.intermediates)
    }

    /// CRLs from files.
    #[must_use]
    pub fn lists(&self) -> &[Arc<RevocationList>] {
        &self.lists
    }

    pub(super) fn anchors(&self) -> &[Arc<Certificate>] {
        &self.anchors
    }

    pub(super) fn intermediates(&self) -> &[Arc<Certificate>] {
        &self.intermediates
    }

    /// Judges what the peer presented, up to an anchor. Whether the connection allows the claimed identity, and whether the
    /// peer has the private key, is for the caller to see. `now`: since the Unix epoch.
    ///
    /// # Errors
    /// See [`CertificateFailure`].
    pub fn verify(
        &self,
        presented: &Presented<'_>,
        claimed: &Identity,
        demand: &SignatureDemand,
        now: Duration,
        cache: &mut PathCache,
    ) -> Result<TrustedPeer, CertificateFailure> {
        let Some((own, others)) = presented.certificates.split_first() else {
            return self.verify_raw_key(presented.raw_key, demand.strength);
        };
        let bytes = presented.certificates.iter().map(|der| der.len()).sum();
        if presented.certificates.len() > MAX_PRESENTED || bytes > MAX_PRESENTED_BYTES {
            return Err(CertificateFailure::TooMany {
                certificates: presented.certificates.len(),
                bytes,
            });
        }
        let own = Arc::new(Certificate::parse(own).map_err(CertificateFailure::Malformed)?);
        if self.keys.contains(own.public_key()) {
            return pinned(own.public_key().clone(), demand.strength);
        }
        if !own.vouches_for(claimed) {
            return Err(wrong_name(&own, others, claimed));
        }
        let key = self.cache_key(presented, demand);
        let path = match cache.get(&key, now) {
            Some(path) => path,
            None => {
                let path = self.find_path(&own, others, demand, now)?;
                cache.insert(key, path.clone());
                path
            }
        };
        Ok(TrustedPeer {
            key: own.public_key().clone(),
            path,
            evidence: Evidence::read(presented),
            asked: BTreeSet::new(),
        })
    }

    /// RFC 7670; a peer that sends nothing at all is taken for the one whose key is configured.
    fn verify_raw_key(
        &self,
        raw: Option<&[u8]>,
        strength: Strength,
    ) -> Result<TrustedPeer, CertificateFailure> {
        let key = match (raw, self.keys.as_slice()) {
            (Some(raw), known) => {
                let key = PublicKey::from_spki(raw).map_err(CertificateFailure::MalformedKey)?;
                if !known.contains(&key) {
                    return Err(CertificateFailure::UnknownKey(key.fingerprint()));
                }
                key
            }
            (None, [only]) => only.clone(),
            (None, _) => return Err(CertificateFailure::Missing),
        };
        pinned(key, strength)
    }

    fn find_path(
        &self,
        own: &Arc<Certificate>,
        others: &[&[u8]],
        demand: &SignatureDemand,
        now: Duration,
    ) -> Result<Vec<Arc<Certificate>>, CertificateFailure> {
        let (mut usable, mut unusable) = (Vec::new(), Vec::new());
        for der in others {
            match Certificate::parse(der) {
                Ok(certificate) => usable.push(Arc::new(certificate)),
                Err(error) if unusable.len() < 4 => unusable.push(match &error {
                    CertificateError::Key { subject, error } => format!("{subject}: {error}"),
                    error => error.to_string(),
                }),
                Err(_) => {}
            }
        }
        path::find(own, &usable, self, demand, now).map_err(|failure| match failure {
            CertificateFailure::Untrusted {
                certificate,
                issuer,
                fault,
                trusted,
                ..
            } => CertificateFailure::Untrusted {
                certificate,
                issuer,
                fault,
                trusted,
                unusable,
            },
            other => other,
        })
    }

    fn cache_key(&self, presented: &Presented<'_>, demand: &SignatureDemand) -> [u8; 32] {
        let mut hash = Context::new(&SHA256);
        update(&mut hash, &self.generation);
        let asked = [
            demand.strength == Strength::Cnsa1,
            demand.purposes == Purposes::Any,
        ];
        update(&mut hash, &asked.map(u8::from));
        for der in &presented.certificates {
            update(&mut hash, der);
        }
        finish(hash)
    }
}

impl TrustedPeer {
    /// What its signature is verified with.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// From the end entity to the anchor. Empty for a key that the configuration vouches for.
    #[must_use]
    pub fn path(&self) -> &[Arc<Certificate>] {
        &self.path
    }

    /// When the first certificate of the path expires, since the Unix epoch; `None` without a path.
    #[must_use]
    pub fn valid_until(&self) -> Option<Duration> {
        self.path
            .iter()
            .map(|certificate| certificate.not_after())
            .min()
    }
}

impl Evidence {
    /// What cannot be read is not there.
    fn read(presented: &Presented<'_>) -> Self {
        let mut bytes = 0;
        let mut fits = |der: &&&[u8]| {
            bytes += der.len();
            bytes <= MAX_PRESENTED_BYTES
        };
        let lists: Vec<_> = presented
            .lists
            .iter()
            .take(MAX_EVIDENCE)
            .take_while(&mut fits)
            .collect();
        let replies: Vec<_> = presented
            .ocsp
            .iter()
            .take(MAX_EVIDENCE)
            .take_while(&mut fits)
            .collect();
        Self {
            lists: lists
                .iter()
                .filter_map(|der| RevocationList::parse(der).ok())
                .collect(),
            replies: replies
                .iter()
                .filter_map(|der| Reply::parse(der).ok())
                .collect(),
        }
    }
}

/// A peer whose key the configuration vouches for.
fn pinned(key: PublicKey, strength: Strength) -> Result<TrustedPeer, CertificateFailure> {
    super::signature::check_key(key.kind(), strength)
        .map_err(|what| CertificateFailure::WeakKey { what })?;
    Ok(TrustedPeer {
        key,
        path: Vec::new(),
        evidence: Evidence::default(),
        asked: BTreeSet::new(),
    })
}

fn wrong_name(own: &Certificate, others: &[&[u8]], claimed: &Identity) -> CertificateFailure {
    let subject = (!own.subject.is_empty()).then_some(own.subject());
    let elsewhere = others
        .iter()
        .filter_map(|der| Certificate::parse(der).ok())
        .find(|other| other.vouches_for(claimed));
    CertificateFailure::Name {
        claimed: claimed.clone(),
        certificate: CertificateName::of(own),
        names: own.names().iter().chain(subject).take(8).cloned().collect(),
        elsewhere: elsewhere.as_ref().map(CertificateName::of),
    }
}

/// Hashes a value with its length, so that two do not run into each other.
fn update(hash: &mut Context, value: &[u8]) {
    hash.update(&value.len().to_be_bytes());
    hash.update(value);
}

fn finish(hash: Context) -> [u8; 32] {
    hash.finish()
        .as_ref()
        .try_into()
        .expect("SHA-256 has 32 bytes")
}
