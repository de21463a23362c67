//! Authentication by a pre-shared key, RFC 7296 section 2.15.

use crate::crypto::{PrfAlgorithm, Secret, constant_time_eq};

/// Ties the key to this use of it.
const KEY_PAD: &[u8] = b"Key Pad for IKEv2";

/// The AUTH data: `prf(prf(PSK, "Key Pad for IKEv2"), octets)`. The parts of `octets` are concatenated; they are what
/// [`super::signed_octets`] makes.
#[must_use]
pub fn psk_auth(prf: &dyn PrfAlgorithm, psk: &[u8], octets: &[&[u8]]) -> Secret {
    prf.compute(prf.compute(psk, &[KEY_PAD]).as_bytes(), octets)
}

/// Whether the received AUTH data is the one the peer must have sent, in constant time.
#[must_use]
pub fn verify(prf: &dyn PrfAlgorithm, psk: &[u8], octets: &[&[u8]], received: &[u8]) -> bool {
    constant_time_eq(psk_auth(prf, psk, octets).as_bytes(), received)
}
