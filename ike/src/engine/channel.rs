//! The protected channel of an IKE SA: payloads in, datagram out, and back (RFC 7296 section 3.14).

use crate::crypto::protection::{OpeningKey, SealingKey};
use crate::crypto::schedule::IkeKeys;
use crate::crypto::{CryptoError, ProtectionAlgorithm, Random};
use crate::wire::numbers::PayloadType;
use crate::wire::payload::{Payload, encode_chain};
use crate::wire::{Header, Protected, begin_protected};

/// The keys of both directions.
#[derive(Debug)]
pub(super) struct Channel {
    sealing: SealingKey,
    opening: OpeningKey,
}

impl Channel {
    /// From the keys of the IKE SA, as its initiator or its responder.
    pub(super) fn new(
        algorithm: &dyn ProtectionAlgorithm,
        keys: &IkeKeys,
        initiator: bool,
    ) -> Result<Self, CryptoError> {
        let ours_then_theirs = if initiator {
            [(&keys.sk_ei, &keys.sk_ai), (&keys.sk_er, &keys.sk_ar)]
        } else {
            [(&keys.sk_er, &keys.sk_ar), (&keys.sk_ei, &keys.sk_ai)]
        };
        let [(own_e, own_a), (peer_e, peer_a)] = ours_then_theirs;
        Ok(Self {
            sealing: SealingKey::new(algorithm, own_e.as_bytes(), own_a.as_bytes(), 0)?,
            opening: OpeningKey::new(algorithm, peer_e.as_bytes(), peer_a.as_bytes())?,
        })
    }

    /// Encodes and protects one message.
    pub(super) fn seal(
        &mut self,
        random: &mut dyn Random,
        header: &Header,
        payloads: &[Payload<'_>],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut chain = Vec::with_capacity(512);
        let first = encode_chain(payloads, &mut chain);
        let prefix = begin_protected(
            header,
            None,
            first,
            self.sealing.protected_body_length(chain.len()),
        );
        self.sealing.seal_message(random, prefix, &chain)
    }

    /// Checks and decrypts; what comes back is a payload chain beginning with the type that comes with it.
    pub(super) fn open(
        &self,
        protected: &Protected<'_>,
    ) -> Result<(PayloadType, Vec<u8>), CryptoError> {
        let chain = self
            .opening
            .open_message(protected.associated, protected.body)?;
        Ok((protected.first_inner, chain))
    }
}
