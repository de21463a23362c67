//! The questions that keep long-term keys and the network out of the engine (RFC 7296 section 2.15).
//!
//! The engine knows the octets to be covered, the owner of the secrets knows the key. As responder one question holds
//! both directions; as initiator ours is signed first, and the peer's is verified when its IKE_AUTH response is there.

use crate::config::Name;
use crate::config::identity::Identity;
use crate::crypto::Provider;
use crate::crypto::signature::{Fingerprint, SignatureScheme};
use crate::wire::numbers::Prf;

use super::psk;

/// Use a connection's pre-shared key.
#[derive(Debug)]
pub struct PskQuestion {
    /// Whose key.
    pub connection: Name,
    /// Who we say we are.
    pub local_id: Identity,
    /// Who the peer says it is, where that is known yet.
    pub remote_id: Option<Identity>,
    /// The function that the IKE SA negotiated.
    pub prf: Prf,
    /// Verify what the peer sent; comes before signing.
    pub verify: Option<PskVerification>,
    /// Sign these octets, if the verification (where there is one) succeeds.
    pub sign: Option<Vec<u8>>,
}

/// What the peer's AUTH covers, and the AUTH it sent.
#[derive(Debug)]
pub struct PskVerification {
    /// As [`super::signed_octets`] makes them.
    pub octets: Vec<u8>,
    /// The Authentication Data received.
    pub received: Vec<u8>,
}

/// What came of it.
#[derive(Debug)]
pub enum PskAnswer {
    /// What was to be verified is right; here is the AUTH data to send, if octets to sign were given.
    Done {
        /// Authentication Data.
        auth: Option<Vec<u8>>,
    },
    /// The peer's AUTH is wrong.
    Mismatch,
    /// There is no key for this connection.
    NoSecret,
}

/// Answers a question with the key, as its owner does it.
#[must_use]
pub fn answer_psk(
    question: &PskQuestion,
    secret: Option<&[u8]>,
    provider: &dyn Provider,
) -> PskAnswer {
    let (Some(secret), Some(prf)) = (secret, provider.prf(question.prf)) else {
        return PskAnswer::NoSecret;
    };
    if let Some(verification) = &question.verify
        && !psk::verify(prf, secret, &[&verification.octets], &verification.received)
    {
        return PskAnswer::Mismatch;
    }
    let auth = question
        .sign
        .as_ref()
        .map(|octets| psk::psk_auth(prf, secret, &[octets]).as_bytes().to_vec());
    PskAnswer::Done { auth }
}

/// Sign with a long-term private key.
#[derive(Debug)]
pub struct SignQuestion {
    /// For which connection.
    pub connection: Name,
    /// With which key: [`crate::crypto::signature::PublicKey::fingerprint`] of its public half.
    pub key: Fingerprint,
    /// How.
    pub scheme: SignatureScheme,
    /// What: as [`super::signed_octets`] makes it.
    pub octets: Vec<u8>,
}

/// What came of it.
#[derive(Debug)]
pub enum SignAnswer {
    /// The signature, in the encoding of the scheme.
    Signed(Vec<u8>),
    /// There is no such key (any more).
    NoKey,
    /// The key refused, in words for a person.
    Failed(String),
}

/// Fetch a CRL or an OCSP reply over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchQuestion {
    /// An `http://` URL, from a certificate of a chain that is already trusted, or from the configuration.
    pub url: String,
    /// What to POST (an OCSP request, `application/ocsp-request`); `None`: GET.
    pub body: Option<Vec<u8>>,
    /// The most bytes that are taken.
    pub limit: usize,
}
