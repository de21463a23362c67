//! Pseudorandom functions: HMAC with SHA-2 (RFC 4868), by ring.

use ring::hmac;

use super::{PrfAlgorithm, Secret};
use crate::wire::numbers::Prf;

/// The pseudorandom functions of [`super::standard`].
pub(super) static PRFS: [HmacPrf; 3] = [
    HmacPrf {
        id: Prf::HMAC_SHA2_256,
        hash: &hmac::HMAC_SHA256,
    },
    HmacPrf {
        id: Prf::HMAC_SHA2_384,
        hash: &hmac::HMAC_SHA384,
    },
    HmacPrf {
        id: Prf::HMAC_SHA2_512,
        hash: &hmac::HMAC_SHA512,
    },
];

#[derive(Debug)]
pub(super) struct HmacPrf {
    id: Prf,
    hash: &'static hmac::Algorithm,
}

impl PrfAlgorithm for HmacPrf {
    fn id(&self) -> Prf {
        self.id
    }

    fn output_length(&self) -> usize {
        self.hash.digest_algorithm().output_len()
    }

    /// For HMAC the preferred key is as long as the output.
    fn key_length(&self) -> usize {
        self.output_length()
    }

    fn compute(&self, key: &[u8], parts: &[&[u8]]) -> Secret {
        let tag = hmac_tag(*self.hash, key, parts);
        Secret::from(tag.as_ref())
    }
}

/// HMAC over several parts, untruncated.
pub(super) fn hmac_tag(hash: hmac::Algorithm, key: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hash, key));
    for part in parts {
        context.update(part);
    }
    context.sign()
}
