//! The protected channel of an IKE SA: payloads in, datagram out, and back (RFC 7296 section 3.14).

mod record;

use crate::config::proposal::IkeSuite;
use crate::crypto::protection::{OpeningKey, SealingKey};
use crate::crypto::schedule::IkeKeys;
use crate::crypto::{CryptoError, ProtectionAlgorithm, Random, Secret};
use crate::wire::numbers::{Encryption, Integrity, PayloadType};
use crate::wire::payload::{Payload, encode_chain};
use crate::wire::{Header, Protected, begin_protected};

pub(super) use record::ChannelFields;

/// IVs that are set aside at a time: a successor begins behind all that may have been used.
const IV_BLOCK: u64 = 1024;

/// The keys of both directions.
#[derive(Debug)]
pub(super) struct Channel {
    sealing: SealingKey,
    opening: OpeningKey,
    /// What a successor needs; only where there may be one.
    kept: Option<Box<Kept>>,
}

/// The keys as they were derived.
#[derive(Debug)]
struct Kept {
    encryption: Encryption,
    key_bits: Option<u16>,
    integrity: Integrity,
    /// Of what we send: encryption and integrity.
    own: (Secret, Secret),
    /// Of what the peer sends.
    peer: (Secret, Secret),
    /// No IV from here on has been used.
    reserved: u64,
}

impl Channel {
    /// From the keys of the IKE SA, as its initiator or its responder. Where `kept` names its algorithms, it can be
    /// recorded.
    pub(super) fn new(
        algorithm: &dyn ProtectionAlgorithm,
        keys: &IkeKeys,
        initiator: bool,
        kept: Option<&IkeSuite>,
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
            kept: kept.map(|suite| {
                Box::new(Kept {
                    encryption: suite.encryption,
                    key_bits: suite.key_bits,
                    integrity: suite.integrity,
                    own: (own_e.clone(), own_a.clone()),
                    peer: (peer_e.clone(), peer_a.clone()),
                    reserved: IV_BLOCK,
                })
            }),
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
        self.set_aside();
        self.sealing.seal_message(random, prefix, &chain)
    }

    /// Sees to it that the next IV is within what is set aside. The record that says so goes out before the message does.
    fn set_aside(&mut self) {
        if let (Some(kept), Some(next)) = (&mut self.kept, self.sealing.next_counter())
            && next >= kept.reserved
        {
            kept.reserved = next.saturating_add(IV_BLOCK);
        }
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
