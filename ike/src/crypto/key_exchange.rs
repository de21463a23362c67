//! Key exchange methods: Curve25519 (RFC 8031) by x25519-dalek, ECP groups (RFC 5903) by ring.

use ring::{agreement, rand};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{CryptoError, EphemeralKey, KeyExchangeAlgorithm, Random, Secret};
use crate::wire::numbers::KeyExchangeMethod;

/// The key exchange methods of [`super::standard`].
pub(super) static METHODS: [&dyn KeyExchangeAlgorithm; 2] = [
    &X25519,
    &EcpGroup {
        method: KeyExchangeMethod::ECP_256,
        curve: &agreement::ECDH_P256,
        public_length: 64,
    },
];

const X25519_LENGTH: usize = 32;

#[derive(Debug)]
struct X25519;

impl KeyExchangeAlgorithm for X25519 {
    fn method(&self) -> KeyExchangeMethod {
        KeyExchangeMethod::CURVE25519
    }

    fn public_length(&self) -> usize {
        X25519_LENGTH
    }

    fn generate(&self, random: &mut dyn Random) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        let mut bytes = Zeroizing::new([0; X25519_LENGTH]);
        random.fill(&mut *bytes);
        let private = StaticSecret::from(*bytes);
        let public = PublicKey::from(&private);
        Ok(Box::new(X25519Key { private, public }))
    }
}

struct X25519Key {
    private: StaticSecret,
    public: PublicKey,
}

impl EphemeralKey for X25519Key {
    fn public_value(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let method = KeyExchangeMethod::CURVE25519;
        let peer: [u8; X25519_LENGTH] =
            peer.try_into()
                .map_err(|_| CryptoError::PublicValueLength {
                    method,
                    expected: X25519_LENGTH,
                    actual: peer.len(),
                })?;
        let shared = self.private.diffie_hellman(&PublicKey::from(peer));
        // A point of small order makes the secret zero for everybody, RFC 8031 section 3.2.
        if !shared.was_contributory() {
            return Err(CryptoError::PublicValue(method));
        }
        Ok(Secret::from(&shared.as_bytes()[..]))
    }
}

/// A curve over a prime field. On the wire x | y, each of the field's length, without the point format byte that ring
/// and SEC1 put in front; the shared secret is x alone (RFC 5903 section 7).
#[derive(Debug)]
struct EcpGroup {
    method: KeyExchangeMethod,
    curve: &'static agreement::Algorithm,
    public_length: usize,
}

const SEC1_UNCOMPRESSED: u8 = 4;

impl KeyExchangeAlgorithm for EcpGroup {
    fn method(&self) -> KeyExchangeMethod {
        self.method
    }

    fn public_length(&self) -> usize {
        self.public_length
    }

    /// ring takes no foreign randomness: the key comes from the operating system, not from `random`.
    fn generate(&self, _random: &mut dyn Random) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        let private =
            agreement::EphemeralPrivateKey::generate(self.curve, &rand::SystemRandom::new())
                .map_err(|_| CryptoError::Randomness)?;
        let public = private
            .compute_public_key()
            .map_err(|_| CryptoError::Randomness)?;
        Ok(Box::new(EcpKey {
            method: self.method,
            private,
            public,
        }))
    }
}

struct EcpKey {
    method: KeyExchangeMethod,
    private: agreement::EphemeralPrivateKey,
    public: agreement::PublicKey,
}

impl EphemeralKey for EcpKey {
    fn public_value(&self) -> &[u8] {
        &self.public.as_ref()[1..]
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let expected = self.public_value().len();
        if peer.len() != expected {
            return Err(CryptoError::PublicValueLength {
                method: self.method,
                expected,
                actual: peer.len(),
            });
        }
        let point = [&[SEC1_UNCOMPRESSED], peer].concat();
        let point = agreement::UnparsedPublicKey::new(self.private.algorithm(), point);
        // ring checks that the coordinates are in range and the point on the curve, RFC 6989 section 2.3.
        agreement::agree_ephemeral(self.private, &point, |x| Secret::from(x))
            .map_err(|_| CryptoError::PublicValue(self.method))
    }
}
