//! Curve25519 (RFC 8031) by x25519-dalek.

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::check_length;
use crate::crypto::{CryptoError, EphemeralKey, KeyExchangeAlgorithm, Random, Secret};
use crate::wire::numbers::KeyExchangeMethod;

const LENGTH: usize = 32;

#[derive(Debug)]
pub(super) struct Curve25519;

impl KeyExchangeAlgorithm for Curve25519 {
    fn method(&self) -> KeyExchangeMethod {
        KeyExchangeMethod::CURVE25519
    }

    fn public_length(&self) -> usize {
        LENGTH
    }

    fn generate(&self, random: &mut dyn Random) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        random.fill(&mut *bytes);
        let private = StaticSecret::from(*bytes);
        let public = PublicKey::from(&private);
        Ok(Box::new(Curve25519Key { private, public }))
    }
}

struct Curve25519Key {
    private: StaticSecret,
    public: PublicKey,
}

impl EphemeralKey for Curve25519Key {
    fn public_value(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let method = KeyExchangeMethod::CURVE25519;
        check_length(method, LENGTH, peer)?;
        let peer: [u8; LENGTH] = peer.try_into().expect("the length is checked");
        let shared = self.private.diffie_hellman(&PublicKey::from(peer));
        // A point of small order makes the secret zero for everybody, RFC 8031 section 3.2.
        if !shared.was_contributory() {
            return Err(CryptoError::PublicValue(method));
        }
        Ok(Secret::from(&shared.as_bytes()[..]))
    }
}
