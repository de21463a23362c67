//! The ECP groups that ring has: 256 and 384 bits (RFC 5903).

use ring::{agreement, rand};

use super::check_length;
use crate::crypto::{CryptoError, EphemeralKey, KeyExchangeAlgorithm, Random, Secret};
use crate::wire::numbers::KeyExchangeMethod;

/// A curve over a prime field. On the wire x | y, each of the field's length, without the point format byte that ring
/// and SEC1 put in front; the shared secret is x alone (RFC 5903 section 7).
#[derive(Debug)]
pub(super) struct EcpGroup {
    method: KeyExchangeMethod,
    curve: &'static agreement::Algorithm,
    public_length: usize,
}

impl EcpGroup {
    /// A group by its method, ring's curve, and the bits of the field.
    pub(super) const fn new(
        method: KeyExchangeMethod,
        curve: &'static agreement::Algorithm,
        bits: usize,
    ) -> Self {
        Self {
            method,
            curve,
            public_length: 2 * bits / 8,
        }
    }
}

/// What SEC1 puts before x | y, and the wire does not.
pub(super) const SEC1_UNCOMPRESSED: u8 = 4;

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
        check_length(self.method, self.public_value().len(), peer)?;
        let point = [&[SEC1_UNCOMPRESSED], peer].concat();
        let point = agreement::UnparsedPublicKey::new(self.private.algorithm(), point);
        // ring checks that the coordinates are in range and the point on the curve, RFC 6989 section 2.3.
        agreement::agree_ephemeral(self.private, &point, |x| Secret::from(x))
            .map_err(|_| CryptoError::PublicValue(self.method))
    }
}
