//! Pseudorandom functions: HMAC (RFC 2104, RFC 4868), AES-XCBC (RFC 4434) and AES-CMAC (RFC 4615).

use super::mac::{BLOCK, Mac};
use super::{PrfAlgorithm, Secret};
use crate::wire::numbers::Prf;

/// The pseudorandom functions of [`super::standard`].
pub(super) static PRFS: [MacPrf; 6] = [
    row(Prf::HMAC_SHA2_256, Mac::SHA2_256),
    row(Prf::HMAC_SHA2_384, Mac::SHA2_384),
    row(Prf::HMAC_SHA2_512, Mac::SHA2_512),
    row(Prf::HMAC_SHA1, Mac::SHA1),
    row(Prf::AES128_XCBC, Mac::AesXcbc),
    row(Prf::AES128_CMAC, Mac::AesCmac),
];

const fn row(id: Prf, mac: Mac) -> MacPrf {
    MacPrf { id, mac }
}

/// A code used as a pseudorandom function.
#[derive(Debug)]
pub(super) struct MacPrf {
    id: Prf,
    mac: Mac,
}

impl PrfAlgorithm for MacPrf {
    fn id(&self) -> Prf {
        self.id
    }

    fn output_length(&self) -> usize {
        self.mac.length()
    }

    /// The output's length for all of them: RFC 7296 section 2.13 for HMAC, RFC 4434 and RFC 4615 for AES.
    fn key_length(&self) -> usize {
        self.mac.length()
    }

    /// RFC 7296 section 2.14 names the two.
    fn skeyseed_nonce_length(&self) -> Option<usize> {
        match self.mac {
            Mac::Hmac(_) => None,
            Mac::AesXcbc | Mac::AesCmac => Some(BLOCK / 2),
        }
    }

    fn compute(&self, key: &[u8], parts: &[&[u8]]) -> Secret {
        match self.mac {
            Mac::Hmac(_) => self.mac.compute(key, parts),
            Mac::AesXcbc | Mac::AesCmac if key.len() == BLOCK => self.mac.compute(key, parts),
            // RFC 4434 section 2: a short key is padded with zeros.
            Mac::AesXcbc if key.len() < BLOCK => {
                let mut padded = Secret::zeroed(BLOCK);
                padded.as_mut_bytes()[..key.len()].copy_from_slice(key);
                self.mac.compute(padded.as_bytes(), parts)
            }
            // RFC 4434 section 2 for a long key, RFC 4615 section 3 for any other length: its code under a key of zeros.
            Mac::AesXcbc | Mac::AesCmac => {
                let short = self.mac.compute(&[0; BLOCK], &[key]);
                self.mac.compute(short.as_bytes(), parts)
            }
        }
    }
}
