//! Key exchange methods: Curve25519 (RFC 8031) by x25519-dalek, the ECP groups (RFC 5903) by ring and RustCrypto, the
//! MODP groups (RFC 3526) by crypto-bigint.
//!
//! Every public value is checked as RFC 6989 wants it before anything is computed with it, and no private key is used
//! twice.

mod curve25519;
mod ecp;
mod ecp521;
mod modp;
mod primes;

use ring::agreement;

use self::curve25519::Curve25519;
use self::ecp::EcpGroup;
use self::ecp521::Ecp521;
use self::modp::ModpGroup;
use super::{CryptoError, KeyExchangeAlgorithm};
use crate::wire::numbers::KeyExchangeMethod;

/// The key exchange methods of [`super::standard`].
#[rustfmt::skip] // a table
pub(super) static METHODS: [&dyn KeyExchangeAlgorithm; 11] = [
    &Curve25519,
    &EcpGroup::new(KeyExchangeMethod::ECP_256, &agreement::ECDH_P256, 256),
    &EcpGroup::new(KeyExchangeMethod::ECP_384, &agreement::ECDH_P384, 384),
    &Ecp521,
    &&MODP_1024, &&MODP_1536, &&MODP_2048, &&MODP_3072, &&MODP_4096, &&MODP_6144, &&MODP_8192,
];

// The private exponents have twice the bits of the group's strength or more, by the higher of the two estimates of RFC
// 3526 section 8.
static MODP_1024: ModpGroup = ModpGroup::new(KeyExchangeMethod::MODP_1024, primes::MODP_1024, 256);
static MODP_1536: ModpGroup = ModpGroup::new(KeyExchangeMethod::MODP_1536, primes::MODP_1536, 256);
static MODP_2048: ModpGroup = ModpGroup::new(KeyExchangeMethod::MODP_2048, primes::MODP_2048, 320);
static MODP_3072: ModpGroup = ModpGroup::new(KeyExchangeMethod::MODP_3072, primes::MODP_3072, 448);
static MODP_4096: ModpGroup = ModpGroup::new(KeyExchangeMethod::MODP_4096, primes::MODP_4096, 512);
static MODP_6144: ModpGroup = ModpGroup::new(KeyExchangeMethod::MODP_6144, primes::MODP_6144, 576);
static MODP_8192: ModpGroup = ModpGroup::new(KeyExchangeMethod::MODP_8192, primes::MODP_8192, 640);

/// Refuses a public value whose length is not the method's.
fn check_length(
    method: KeyExchangeMethod,
    expected: usize,
    peer: &[u8],
) -> Result<(), CryptoError> {
    if peer.len() == expected {
        Ok(())
    } else {
        Err(CryptoError::PublicValueLength {
            method,
            expected,
            actual: peer.len(),
        })
    }
}
