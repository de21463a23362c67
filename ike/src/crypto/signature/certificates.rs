//! The signatures that certificates, CRLs and OCSP replies may bear (RFC 5280, RFC 4055, RFC 5758, RFC 8410).

use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use webpki::ring as webpki_ring;

use crate::wire::numbers::HashAlgorithm;

use super::ecdsa::{self, p521};

/// What may stand under a certificate, for the path check: RSA from 2048 bits as PKCS#1 v1.5 or PSS, ECDSA on P-256,
/// P-384 and P-521, all with SHA-2; Ed25519. No SHA-1.
#[must_use]
pub fn certificate_algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    ALGORITHMS
}

static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki_ring::ECDSA_P256_SHA256,
    webpki_ring::ECDSA_P256_SHA384,
    webpki_ring::ECDSA_P384_SHA256,
    webpki_ring::ECDSA_P384_SHA384,
    &P521 {
        hash: HashAlgorithm::SHA2_512,
        id: alg_id::ECDSA_SHA512,
    },
    &P521 {
        hash: HashAlgorithm::SHA2_384,
        id: alg_id::ECDSA_SHA384,
    },
    &P521 {
        hash: HashAlgorithm::SHA2_256,
        id: alg_id::ECDSA_SHA256,
    },
    webpki_ring::ED25519,
    webpki_ring::RSA_PKCS1_2048_8192_SHA256,
    webpki_ring::RSA_PKCS1_2048_8192_SHA384,
    webpki_ring::RSA_PKCS1_2048_8192_SHA512,
    webpki_ring::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    webpki_ring::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
    webpki_ring::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    webpki_ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    webpki_ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    webpki_ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// ECDSA on P-521, which ring has not.
#[derive(Debug)]
struct P521 {
    hash: HashAlgorithm,
    id: AlgorithmIdentifier,
}

impl SignatureVerificationAlgorithm for P521 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let digest = ecdsa::digest(self.hash, message);
        let right = p521::is_on_curve(public_key)
            && p521::verify(public_key, digest.as_ref(), signature, false);
        right.then_some(()).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.id
    }
}
