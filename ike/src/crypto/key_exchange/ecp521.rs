//! The 521-bit ECP group (RFC 5903), by RustCrypto.

use p521::elliptic_curve::sec1::ToSec1Point;
use p521::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use super::check_length;
use super::ecp::SEC1_UNCOMPRESSED;
use crate::crypto::{CryptoError, EphemeralKey, KeyExchangeAlgorithm, Random, Secret};
use crate::wire::numbers::KeyExchangeMethod;

/// Bytes of a coordinate and of a private key.
const FIELD_LENGTH: usize = 66;

#[derive(Debug)]
pub(super) struct Ecp521;

impl KeyExchangeAlgorithm for Ecp521 {
    fn method(&self) -> KeyExchangeMethod {
        KeyExchangeMethod::ECP_521
    }

    fn public_length(&self) -> usize {
        2 * FIELD_LENGTH
    }

    /// A number of 521 bits is a private key unless it is 0 or reaches the group's order, which ends in chance below
    /// 2^-200: a second one like that means that there is no randomness.
    fn generate(&self, random: &mut dyn Random) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        let mut bytes = Zeroizing::new([0; FIELD_LENGTH]);
        for _ in 0..2 {
            random.fill(&mut *bytes);
            bytes[0] &= 1;
            if let Ok(private) = SecretKey::from_slice(&*bytes) {
                let point = private.public_key().to_sec1_point(false);
                return Ok(Box::new(Ecp521Key {
                    private,
                    public: point.as_bytes()[1..].to_vec(),
                }));
            }
        }
        Err(CryptoError::Randomness)
    }
}

/// Wiped on drop by `SecretKey`.
struct Ecp521Key {
    private: SecretKey,
    /// x | y.
    public: Vec<u8>,
}

impl EphemeralKey for Ecp521Key {
    fn public_value(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let method = KeyExchangeMethod::ECP_521;
        check_length(method, 2 * FIELD_LENGTH, peer)?;
        // Refuses coordinates out of range and points off the curve, RFC 6989 section 2.3.
        let peer = PublicKey::from_sec1_bytes(&[&[SEC1_UNCOMPRESSED], peer].concat())
            .map_err(|_| CryptoError::PublicValue(method))?;
        let shared = p521::ecdh::diffie_hellman(self.private.to_nonzero_scalar(), peer.as_affine());
        Ok(Secret::from(&shared.raw_secret_bytes()[..]))
    }
}
