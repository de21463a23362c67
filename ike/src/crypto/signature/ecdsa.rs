//! ECDSA where ring has none: P-521, and hashes that ring does not pair with P-256 and P-384.

use der::asn1::ObjectIdentifier;
use ring::digest::{Digest, SHA256, SHA384, SHA512};

use crate::wire::numbers::HashAlgorithm;

use super::KeyKind;

pub(super) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(super) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(super) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// The SHA-2 hash of a message; any other number means SHA2-512, and never comes here.
pub(super) fn digest(hash: HashAlgorithm, message: &[u8]) -> Digest {
    let algorithm = match hash {
        HashAlgorithm::SHA2_256 => &SHA256,
        HashAlgorithm::SHA2_384 => &SHA384,
        _ => &SHA512,
    };
    ring::digest::digest(algorithm, message)
}

/// The name of a curve that we have not, as OpenSSL spells it where operators meet it.
pub(super) fn curve_name(oid: ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.3.132.0.10" => "secp256k1".into(),
        "1.3.132.0.33" => "P-224".into(),
        "1.2.840.10045.3.1.1" => "P-192".into(),
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1".into(),
        "1.3.36.3.3.2.8.1.1.11" => "brainpoolP384r1".into(),
        "1.3.36.3.3.2.8.1.1.13" => "brainpoolP512r1".into(),
        other => other.into(),
    }
}

/// Whether `point` is `04 | x | y` and lies on the curve of `kind`.
pub(super) fn is_on_curve(kind: KeyKind, point: &[u8]) -> bool {
    match kind {
        KeyKind::EcdsaP256 => p256::is_on_curve(point),
        KeyKind::EcdsaP384 => p384::is_on_curve(point),
        KeyKind::EcdsaP521 => p521::is_on_curve(point),
        KeyKind::Rsa { .. } | KeyKind::Ed25519 => false,
    }
}

/// Whether a signature, raw r | s or DER, is right for the hash of a message under the key `point`.
pub(super) fn verify(
    kind: KeyKind,
    point: &[u8],
    digest: &[u8],
    signature: &[u8],
    raw: bool,
) -> bool {
    match kind {
        KeyKind::EcdsaP256 => p256::verify(point, digest, signature, raw),
        KeyKind::EcdsaP384 => p384::verify(point, digest, signature, raw),
        KeyKind::EcdsaP521 => p521::verify(point, digest, signature, raw),
        KeyKind::Rsa { .. } | KeyKind::Ed25519 => false,
    }
}

macro_rules! curve {
    ($(#[$doc:meta])* $curve:ident) => {
        $(#[$doc])*
        pub(super) mod $curve {
            use $curve::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
            use $curve::ecdsa::{DerSignature, Signature, VerifyingKey};

            pub(in super::super) use $curve::ecdsa::SigningKey;

            pub(super) fn is_on_curve(point: &[u8]) -> bool {
                point.first() == Some(&4) && VerifyingKey::from_sec1_bytes(point).is_ok()
            }

            pub(super) fn verify(
                point: &[u8],
                digest: &[u8],
                signature: &[u8],
                raw: bool,
            ) -> bool {
                let signature = if raw {
                    Signature::from_slice(signature)
                } else {
                    DerSignature::from_bytes(signature).and_then(Signature::try_from)
                };
                let (Ok(key), Ok(signature)) = (VerifyingKey::from_sec1_bytes(point), signature)
                else {
                    return false;
                };
                key.verify_prehash(digest, &signature).is_ok()
            }

            /// The private key and its uncompressed point, if the scalar is in range.
            pub(in super::super) fn private_key(scalar: &[u8]) -> Option<(SigningKey, Vec<u8>)> {
                let key = SigningKey::from_slice(scalar).ok()?;
                let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                Some((key, point))
            }

            /// Raw r | s; the secret number comes from key and hash (RFC 6979).
            pub(in super::super) fn sign(key: &SigningKey, digest: &[u8]) -> Option<Vec<u8>> {
                let signature: Signature = key.sign_prehash(digest).ok()?;
                Some(signature.to_vec())
            }

            /// ECDSA-Sig-Value in DER, from raw r | s.
            pub(in super::super) fn to_der(raw: &[u8]) -> Option<Vec<u8>> {
                Some(Signature::from_slice(raw).ok()?.to_der().as_bytes().to_vec())
            }
        }
    };
}

curve! {
    /// NIST P-256.
    p256
}
curve! {
    /// NIST P-384.
    p384
}
curve! {
    /// NIST P-521.
    p521
}
