use std::sync::Arc;
use std::time::Duration;

use super::{Certificate, CertificateFailure, PathCache, RevocationList};
use crate::config::SignatureDemand;
use crate::config::identity::Identity;
use crate::crypto::signature::PublicKey;

/// Whom we believe. The default: nobody.
#[derive(Debug, Default)]
pub struct TrustStore {}

impl TrustStore {
    /// `anchors`: authorities; `intermediates`: helpers for paths, not trusted by themselves; `lists`: CRLs from files;
    /// `keys`: raw public keys, and keys of pinned end-entity certificates, believed as they are.
    pub fn new(
        anchors: Vec<Arc<Certificate>>,
        intermediates: Vec<Arc<Certificate>>,
        lists: Vec<Arc<RevocationList>>,
        keys: Vec<PublicKey>,
    ) -> Self {
        todo!()
    }
    /// The Certification Authority field of a CERTREQ of encoding 4: the anchors' key hashes. Bounded; empty without anchors.
    pub fn certificate_request(&self) -> Vec<u8> {
        todo!()
    }
    /// Whether a CERTREQ of encoding 15 is due (RFC 7670).
    pub fn wants_raw_keys(&self) -> bool {
        todo!()
    }
    /// Anchors and intermediates, for warnings about expiry.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        [].iter()
    }
    /// CRLs from files, for warnings.
    pub fn lists(&self) -> &[Arc<RevocationList>] {
        todo!()
    }
    /// Judges what the peer presented, down to the anchor; whether the claimed identity is one that the connection allows
    /// is the caller's business. `now`: since the Unix epoch.
    pub fn verify(
        &self,
        presented: &Presented<'_>,
        claimed: &Identity,
        demand: &SignatureDemand,
        now: Duration,
        cache: &mut PathCache,
    ) -> Result<TrustedPeer, CertificateFailure> {
        todo!()
    }
}

/// What a peer's CERT payloads hold, in their order.
#[derive(Debug, Default)]
pub struct Presented<'a> {
    /// Encoding 4; the first is the end entity's.
    pub certificates: Vec<&'a [u8]>,
    /// Encoding 15: a SubjectPublicKeyInfo (RFC 7670).
    pub raw_key: Option<&'a [u8]>,
    /// Encoding 7: CRLs.
    pub lists: Vec<&'a [u8]>,
    /// Encoding 14: OCSP responses (RFC 4806).
    pub ocsp: Vec<&'a [u8]>,
}

/// A peer whose key a configured anchor (or the configuration itself) vouches for. Only [`TrustStore::verify`] makes one.
#[derive(Debug)]
pub struct TrustedPeer {
    key: PublicKey,
    path: Vec<Arc<Certificate>>,
}

impl TrustedPeer {
    /// What its signature is verified with.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }
    /// From the end entity to the anchor. Empty for a key that the configuration vouches for.
    pub fn path(&self) -> &[Arc<Certificate>] {
        &self.path
    }
    /// When the first certificate of the path expires, since the Unix epoch; `None` without a path.
    pub fn valid_until(&self) -> Option<Duration> {
        todo!()
    }
}
