//! Public keys: from SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7, RFC 3279, RFC 5480, RFC 8410) to verification.

use der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use der::{Decode, Sequence};
use pkcs8::spki::SubjectPublicKeyInfoRef;
use ring::signature as ring_signature;
use ring::signature::{UnparsedPublicKey, VerificationAlgorithm};

use crate::wire::numbers::HashAlgorithm as Hash;

use super::{Fingerprint, KeyError, KeyKind, SignatureError, SignatureScheme, ecdsa};

pub(super) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(super) const RSASSA_PSS: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
pub(super) const EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The least and the most bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// A public key that verifies signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    spki: Vec<u8>,
    /// How many bytes at the end of `spki` are the subjectPublicKey: an RSAPublicKey, a point, or an Ed25519 key.
    key_length: usize,
}

impl PublicKey {
    /// Reads the DER of a SubjectPublicKeyInfo, and nothing after it. What comes out can verify: RSA with 2048 to 8192
    /// bits and a public exponent of 3 to 2^33 - 1, points on P-256, P-384 or P-521, Ed25519.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(malformed("public key"))?;
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or_else(|| KeyError::Malformed {
                what: "public key",
                reason: "its bits are not whole octets".into(),
            })?;
        let (oid, parameters) = (info.algorithm.oid, info.algorithm.parameters);
        let kind = match oid {
            RSA_ENCRYPTION => {
                if !parameters.is_some_and(|any| any.is_null()) {
                    return Err(parameters_error("must be NULL (RFC 3279)"));
                }
                rsa_kind(key)?
            }
            EC_PUBLIC_KEY => {
                let kind = curve(parameters)?;
                check_point(kind, key)?;
                kind
            }
            ED25519 => {
                if parameters.is_some() {
                    return Err(parameters_error("must be absent (RFC 8410)"));
                }
                if key.len() != 32 {
                    return Err(KeyError::Malformed {
                        what: "Ed25519 public key",
                        reason: format!("it has {} bytes instead of 32", key.len()),
                    });
                }
                if is_of_small_order(key) {
                    return Err(KeyError::SmallOrder);
                }
                KeyKind::Ed25519
            }
            other => return Err(unsupported(other)),
        };
        Ok(Self {
            kind,
            key_length: key.len(),
            spki: der.to_vec(),
        })
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The DER of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(
            ring::digest::digest(&ring::digest::SHA256, &self.spki)
                .as_ref()
                .try_into()
                .expect("SHA-256 has 32 bytes"),
        )
    }

    /// Whether `signature` is this key's on `message` under `scheme`.
    ///
    /// RSA compares with the one right encoding of the hash, so that nothing can hide in a DigestInfo; a signature must
    /// have the length of the modulus and be below it. ECDSA signatures are strict DER, or r | s of exact length.
    ///
    /// # Errors
    /// [`SignatureError::Wrong`]; [`SignatureError::Scheme`] or [`SignatureError::SaltLength`] where the key cannot do
    /// that at all.
    pub fn verify(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.kind.check(scheme)?;
        let key = &self.spki[self.spki.len() - self.key_length..];
        let right = match ring_algorithm(self.kind, scheme) {
            Some(algorithm) => UnparsedPublicKey::new(algorithm, key)
                .verify(message, signature)
                .is_ok(),
            None => {
                let digest = ecdsa::digest(scheme.hash(), message);
                let raw = matches!(scheme, SignatureScheme::EcdsaRaw(_));
                ecdsa::verify(self.kind, key, digest.as_ref(), signature, raw)
            }
        };
        right.then_some(()).ok_or_else(|| SignatureError::Wrong {
            scheme,
            key: self.fingerprint(),
        })
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({}, {})", self.kind, self.fingerprint())
    }
}

/// What ring verifies.
fn ring_algorithm(
    kind: KeyKind,
    scheme: SignatureScheme,
) -> Option<&'static dyn VerificationAlgorithm> {
    use SignatureScheme::{Ecdsa, EcdsaRaw, Ed25519, RsaPkcs1, RsaPss};
    use ring_signature as ring;
    Some(match (kind, scheme) {
        (_, RsaPkcs1(Hash::SHA1)) => &ring::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (_, RsaPkcs1(Hash::SHA2_256)) => &ring::RSA_PKCS1_2048_8192_SHA256,
        (_, RsaPkcs1(Hash::SHA2_384)) => &ring::RSA_PKCS1_2048_8192_SHA384,
        (_, RsaPkcs1(Hash::SHA2_512)) => &ring::RSA_PKCS1_2048_8192_SHA512,
        (_, RsaPss { hash, .. }) => match hash {
            Hash::SHA2_256 => &ring::RSA_PSS_2048_8192_SHA256,
            Hash::SHA2_384 => &ring::RSA_PSS_2048_8192_SHA384,
            Hash::SHA2_512 => &ring::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        },
        (KeyKind::EcdsaP256, Ecdsa(Hash::SHA2_256)) => &ring::ECDSA_P256_SHA256_ASN1,
        (KeyKind::EcdsaP256, Ecdsa(Hash::SHA2_384)) => &ring::ECDSA_P256_SHA384_ASN1,
        (KeyKind::EcdsaP256, EcdsaRaw(Hash::SHA2_256)) => &ring::ECDSA_P256_SHA256_FIXED,
        (KeyKind::EcdsaP384, Ecdsa(Hash::SHA2_256)) => &ring::ECDSA_P384_SHA256_ASN1,
        (KeyKind::EcdsaP384, Ecdsa(Hash::SHA2_384)) => &ring::ECDSA_P384_SHA384_ASN1,
        (KeyKind::EcdsaP384, EcdsaRaw(Hash::SHA2_384)) => &ring::ECDSA_P384_SHA384_FIXED,
        (_, Ed25519) => &ring::ED25519,
        _ => return None,
    })
}

/// Whether an Ed25519 key is one of the eight points whose order divides 8: their y, whose canonical encodings and those
/// beyond the prime (2^255 - 19) are few. The highest bit is the sign of x.
fn is_of_small_order(key: &[u8]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let [low, middle @ .., high] = key else {
        return false;
    };
    match (low, high & 0x7f) {
        // y is 0 or 1.
        (0 | 1, 0) => middle.iter().all(|byte| *byte == 0),
        // y is -1, or 0 or 1 with the prime added.
        (0xec..=0xee, 0x7f) => middle.iter().all(|byte| *byte == 0xff),
        (_, high) => ORDER_8
            .iter()
            .any(|point| point[..31] == key[..31] && point[31] == high),
    }
}

/// RSAPublicKey, RFC 8017 appendix A.1.1.
#[derive(Sequence)]
pub(super) struct RsaPublicKey<'a> {
    pub(super) modulus: UintRef<'a>,
    pub(super) exponent: UintRef<'a>,
}

/// Checks an RSAPublicKey.
fn rsa_kind(key: &[u8]) -> Result<KeyKind, KeyError> {
    let RsaPublicKey { modulus, exponent } =
        RsaPublicKey::from_der(key).map_err(malformed("RSA public key"))?;
    let (modulus, exponent) = (modulus.as_bytes(), exponent.as_bytes());
    let bits = match modulus {
        [] | [0] => return Err(KeyError::Modulus("zero")),
        [.., last] if last % 2 == 0 => return Err(KeyError::Modulus("even")),
        [first, ..] => u32::try_from(modulus.len()).map_or(u32::MAX, |bytes| {
            bytes.saturating_mul(8) - first.leading_zeros()
        }),
    };
    let value = exponent.iter().try_fold(0u64, |value, &byte| {
        (value >> 56 == 0).then(|| value << 8 | u64::from(byte))
    });
    if !value.is_some_and(|value| value % 2 == 1 && (3..1 << 33).contains(&value)) {
        return Err(KeyError::Exponent);
    }
    if bits < *RSA_BITS.start() {
        return Err(KeyError::RsaTooShort { bits });
    }
    if bits > *RSA_BITS.end() {
        let most = *RSA_BITS.end();
        return Err(KeyError::RsaTooLong { bits, most });
    }
    Ok(KeyKind::Rsa { bits })
}

/// The curve that the parameters of id-ecPublicKey name (RFC 5480 section 2.1.1.1).
pub(super) fn curve(parameters: Option<AnyRef<'_>>) -> Result<KeyKind, KeyError> {
    let Some(Ok(oid)) = parameters.map(|any| any.decode_as::<ObjectIdentifier>()) else {
        return Err(KeyError::UnnamedCurve);
    };
    match oid {
        ecdsa::P256 => Ok(KeyKind::EcdsaP256),
        ecdsa::P384 => Ok(KeyKind::EcdsaP384),
        ecdsa::P521 => Ok(KeyKind::EcdsaP521),
        other => Err(KeyError::Curve(ecdsa::curve_name(other))),
    }
}

/// Checks that a point is uncompressed, and on its curve.
fn check_point(kind: KeyKind, point: &[u8]) -> Result<(), KeyError> {
    if let Some(2 | 3 | 6 | 7) = point.first() {
        return Err(KeyError::PointForm);
    }
    let on_curve = ecdsa::is_on_curve(kind, point);
    on_curve.then_some(()).ok_or(KeyError::Point)
}

/// The error for an algorithm that we have not.
pub(super) fn unsupported(oid: ObjectIdentifier) -> KeyError {
    if oid == RSASSA_PSS {
        return KeyError::BoundToPss;
    }
    KeyError::Algorithm(match oid.to_string().as_str() {
        "1.2.840.10040.4.1" => "DSA".into(),
        "1.3.101.110" => "X25519".into(),
        "1.3.101.111" => "X448".into(),
        "1.3.101.113" => "Ed448".into(),
        other => format!("{other} (object identifier)"),
    })
}

/// Names the structure that a decoder could not read.
pub(super) fn malformed(what: &'static str) -> impl Fn(der::Error) -> KeyError {
    move |error| KeyError::Malformed {
        what,
        reason: error.to_string(),
    }
}

fn parameters_error(rule: &str) -> KeyError {
    KeyError::Malformed {
        what: "public key",
        reason: format!("the parameters of its algorithm {rule}"),
    }
}
