//! The keys of an IKE SA in its record, and what makes sure that no successor uses an IV again.

use serde::{Deserialize, Serialize};

use crate::crypto::protection::{OpeningKey, SealingKey};
use crate::crypto::{Provider, Random};
use crate::engine::records::Hidden;
use crate::wire::numbers::{Encryption, Integrity};

use super::{Channel, IV_BLOCK, Kept};

/// What is written of a [`Channel`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct ChannelFields {
    encryption: u16,
    key_bits: Option<u16>,
    integrity: u16,
    own: (Hidden, Hidden),
    peer: (Hidden, Hidden),
    reserved: u64,
}

impl Channel {
    /// Its fields, where it was made to be recorded.
    pub(in crate::engine) fn fields(&self) -> Option<ChannelFields> {
        let kept = self.kept.as_deref()?;
        let Kept {
            encryption,
            key_bits,
            integrity,
            own,
            peer,
            reserved,
        } = kept;
        let hidden = |(encryption, integrity): &(_, _)| {
            let copy = |secret: &crate::crypto::Secret| Hidden(secret.clone());
            (copy(encryption), copy(integrity))
        };
        Some(ChannelFields {
            encryption: encryption.0,
            key_bits: *key_bits,
            integrity: integrity.0,
            own: hidden(own),
            peer: hidden(peer),
            reserved: *reserved,
        })
    }

    /// The successor of what was recorded. Its IVs begin behind those set aside, and further on by chance: where an older
    /// record than the last is read, or two successors read the same, they still do not meet.
    pub(in crate::engine) fn restored(
        provider: &dyn Provider,
        random: &mut dyn Random,
        fields: ChannelFields,
    ) -> Option<Self> {
        let ChannelFields {
            encryption,
            key_bits,
            integrity,
            own,
            peer,
            reserved,
        } = fields;
        let (encryption, integrity) = (Encryption(encryption), Integrity(integrity));
        let algorithm = provider.protection(encryption, key_bits, integrity)?;
        let mut jump = [0; 8];
        random.fill(&mut jump[2..]);
        let reserved = if cfg!(ikd_fault = "block-not-reserved") {
            jump = [0; 8];
            reserved.saturating_sub(IV_BLOCK)
        } else {
            reserved
        };
        let first = reserved.checked_add(u64::from_be_bytes(jump))?;
        let (own, peer) = ((own.0.0, own.1.0), (peer.0.0, peer.1.0));
        let (own_e, own_a) = (own.0.as_bytes(), own.1.as_bytes());
        let (peer_e, peer_a) = (peer.0.as_bytes(), peer.1.as_bytes());
        Some(Self {
            sealing: SealingKey::new(algorithm, own_e, own_a, first).ok()?,
            opening: OpeningKey::new(algorithm, peer_e, peer_a).ok()?,
            kept: Some(Box::new(Kept {
                encryption,
                key_bits,
                integrity,
                own,
                peer,
                reserved: first.saturating_add(IV_BLOCK),
            })),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::proposal::IkeSuite;
    use crate::crypto::schedule::IkeKeys;
    use crate::crypto::standard;
    use crate::wire::numbers::{Encryption, ExchangeType, KeyExchangeMethod, PayloadType, Prf};
    use crate::wire::{Flags, Header, IkeSpi};

    /// Counts, so that no two draws are the same.
    struct Counting(u8);

    impl Random for Counting {
        fn fill(&mut self, bytes: &mut [u8]) {
            self.0 += 1;
            bytes.fill(self.0);
        }
    }

    const SUITE: IkeSuite = IkeSuite {
        encryption: Encryption::AES_GCM_16,
        key_bits: Some(256),
        integrity: Integrity::NONE,
        prf: Prf::HMAC_SHA2_256,
        key_exchange: KeyExchangeMethod::CURVE25519,
    };

    fn channel() -> Channel {
        let provider = standard();
        let protection = provider
            .protection(SUITE.encryption, SUITE.key_bits, SUITE.integrity)
            .expect("it is built");
        let prf = provider.prf(SUITE.prf).expect("it is built");
        let skeyseed = crate::crypto::Secret::from(vec![7; 32]);
        let (ni, nr) = ([1; 32], [2; 32]);
        let spis = ([3; 8], [4; 8]);
        let keys = IkeKeys::derive(prf, protection, &skeyseed, &ni, &nr, &spis.0, &spis.1);
        Channel::new(protection, &keys.expect("keys"), true, Some(&SUITE)).expect("a channel")
    }

    /// The IV of the next message.
    fn iv(channel: &mut Channel) -> u64 {
        let header = Header {
            initiator_spi: IkeSpi([3; 8]),
            responder_spi: IkeSpi([4; 8]),
            next_payload: PayloadType::NONE,
            major: 2,
            minor: 0,
            exchange: ExchangeType::INFORMATIONAL,
            flags: Flags {
                initiator: true,
                version: false,
                response: false,
                reserved: 0,
            },
            message_id: 0,
            length: 0,
        };
        let sealed = channel
            .seal(&mut Counting(0), &header, &[])
            .expect("sealed");
        let iv = sealed[32..].first_chunk().expect("an IV");
        u64::from_be_bytes(*iv)
    }

    #[test]
    fn a_successor_uses_no_iv_that_was_or_may_have_been_used_after_the_record() {
        let mut first = channel();
        for _ in 0..3000 {
            iv(&mut first);
        }
        let fields = first.fields().expect("it was made to be recorded");
        let last: Vec<_> = (0..IV_BLOCK - 1000).map(|_| iv(&mut first)).collect();
        let mut random = Counting(0);
        let mut second = Channel::restored(standard(), &mut random, fields).expect("restored");
        let next = iv(&mut second);
        assert!(last.iter().all(|used| *used < next), "{next}");
    }

    #[test]
    fn two_successors_of_one_record_do_not_meet() {
        let first = channel();
        let mut random = Counting(0);
        let mut ivs = Vec::new();
        for _ in 0..2 {
            let fields = first.fields().expect("it was made to be recorded");
            let mut next = Channel::restored(standard(), &mut random, fields).expect("restored");
            ivs.extend((0..5000).map(|_| iv(&mut next)));
        }
        let all = ivs.len();
        ivs.sort_unstable();
        ivs.dedup();
        assert_eq!(ivs.len(), all);
    }
}
