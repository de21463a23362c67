//! The signatures that certificates, CRLs and OCSP replies may bear (RFC 5280, RFC 4055, RFC 5758, RFC 8410).

use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use webpki::ring as webpki_ring;

use crate::wire::numbers::HashAlgorithm as Hash;

use super::{KeyKind, ecdsa};

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
    &RustCrypto::ecdsa(P256, Hash::SHA2_512, alg_id::ECDSA_SHA512),
    &RustCrypto::ecdsa(P384, Hash::SHA2_512, alg_id::ECDSA_SHA512),
    &RustCrypto::ecdsa(P521, Hash::SHA2_512, alg_id::ECDSA_SHA512),
    &RustCrypto::ecdsa(P521, Hash::SHA2_384, alg_id::ECDSA_SHA384),
    &RustCrypto::ecdsa(P521, Hash::SHA2_256, alg_id::ECDSA_SHA256),
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

/// The pairs of curve and hash that ring has not.
#[derive(Debug)]
struct RustCrypto {
    kind: KeyKind,
    hash: Hash,
    public_key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
}

const P256: (KeyKind, AlgorithmIdentifier) = (KeyKind::EcdsaP256, alg_id::ECDSA_P256);
const P384: (KeyKind, AlgorithmIdentifier) = (KeyKind::EcdsaP384, alg_id::ECDSA_P384);
const P521: (KeyKind, AlgorithmIdentifier) = (KeyKind::EcdsaP521, alg_id::ECDSA_P521);

impl RustCrypto {
    const fn ecdsa(
        (kind, public_key): (KeyKind, AlgorithmIdentifier),
        hash: Hash,
        signature: AlgorithmIdentifier,
    ) -> Self {
        Self {
            kind,
            hash,
            public_key,
            signature,
        }
    }
}

impl SignatureVerificationAlgorithm for RustCrypto {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let digest = ecdsa::digest(self.hash, message);
        let right = ecdsa::is_on_curve(self.kind, public_key)
            && ecdsa::verify(self.kind, public_key, digest.as_ref(), signature, false);
        right.then_some(()).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.public_key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}
