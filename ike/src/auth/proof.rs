//! Proof that the peer is who it says it is: a value that nothing but a successful verification makes.
//!
//! ```text
//!   claim (ID, AUTH) --Claim::question--> PskQuestion --owner of the key--> PskAnswer --Claim::conclude--> PeerAuthenticated
//! ```
//!
//! An established IKE SA cannot be built without a [`PeerAuthenticated`], so that a forgotten check does not compile.

use crate::config::Name;
use crate::config::identity::Identity;
use crate::wire::numbers::Prf;

use super::ask::{PskAnswer, PskQuestion, PskVerification};

/// The peer has proved to be this identity. Only [`Claim::conclude`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAuthenticated {
    identity: Identity,
}

impl PeerAuthenticated {
    /// Who the peer is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// What a peer claims to be, while the proof is being looked at.
#[derive(Debug)]
pub struct Claim {
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

impl Claim {
    /// The question that decides the claim: verify what the peer sent, and (as responder) sign our own octets.
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

    /// Takes the answer to the question: the proof, and our AUTH data where we asked for it (else empty).
    ///
    /// # Errors
    /// See [`Disproof`].
    pub fn conclude(self, answer: PskAnswer) -> Result<(PeerAuthenticated, Vec<u8>), Disproof> {
        match answer {
            PskAnswer::Done { auth: None } if self.signs => Err(Disproof::NoSignature),
            PskAnswer::Done { auth } => Ok((
                PeerAuthenticated {
                    identity: self.identity,
                },
                auth.unwrap_or_default(),
            )),
            PskAnswer::Mismatch => Err(Disproof::Mismatch),
            PskAnswer::NoSecret => Err(Disproof::NoSecret),
        }
    }
}
