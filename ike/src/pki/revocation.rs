use std::sync::Arc;
use std::time::Duration;

use super::{CertificateFailure, TrustStore, TrustedPeer};
use crate::auth::ask::FetchQuestion;
use crate::config::SignatureDemand;

/// What was fetched, and what could not be. Bounded; one for an engine.
#[derive(Debug, Default)]
pub struct RevocationCache {}

impl RevocationCache {
    /// Remembers the answer to a question: what it holds until its nextUpdate, why there is none for a short time.
    pub fn insert(
        &mut self,
        question: &FetchQuestion,
        answer: Result<Vec<u8>, String>,
        now: Duration,
    ) {
        todo!()
    }
}

/// A peer whose chain is trusted and which, by the policy, is not revoked. Only [`TrustedPeer::check_revocation`] makes it.
#[derive(Debug)]
pub struct NotRevoked {
    peer: TrustedPeer,
}

impl NotRevoked {
    /// Who it is.
    pub fn peer(&self) -> &TrustedPeer {
        &self.peer
    }
}

/// What is known about revocation.
#[derive(Debug)]
pub enum RevocationOutcome {
    /// Go on.
    Clear(NotRevoked),
    /// A certificate of the path is revoked.
    Revoked(CertificateFailure),
    /// Fetch these (all at once), insert the answers into the cache, and check again. Each question comes once for a peer.
    Needs {
        /// To be checked again.
        peer: Box<TrustedPeer>,
        /// Never empty, at most 16.
        questions: Vec<FetchQuestion>,
    },
    /// [`crate::config::Revocation::Strict`], and it cannot be learned.
    Unknown(CertificateFailure),
}

impl TrustedPeer {
    /// Looks at every certificate of the path below the anchor. CRLs and OCSP replies that came in band were kept by
    /// [`TrustStore::verify`].
    pub fn check_revocation(
        self,
        demand: &SignatureDemand,
        trust: &TrustStore,
        fetched: &RevocationCache,
        now: Duration,
    ) -> RevocationOutcome {
        todo!()
    }
}
