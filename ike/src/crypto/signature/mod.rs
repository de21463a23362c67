//! Signatures by long-term keys: RSA, ECDSA and EdDSA (RFC 7427, RFC 8420).
//!
//! ```text
//!   certificate --SubjectPublicKeyInfo--> PublicKey  --verify(scheme, message, signature)--> right or wrong
//!   key file    --PEM or DER-----------> PrivateKey --sign(scheme, message)--------------> signature
//! ```
//!
//! A key is checked once, when its bytes become a [`PublicKey`] or a [`PrivateKey`]; [`KeyKind::schemes`] says what it can
//! do. How a scheme is named in an AUTH payload is [`crate::auth::signature`]'s business.
//!
//! ring does the work where it can: all of RSA and Ed25519, and P-256 and P-384 with their own hashes. The RustCrypto
//! curves do the rest: P-521, and other hashes on the two smaller ones.

mod certificates;
mod container;
mod ecdsa;
mod error;
mod private;
mod public;

use std::fmt;

pub use certificates::certificate_algorithms;
pub use error::{KeyError, SignatureError};
pub use private::PrivateKey;
pub use public::PublicKey;

use crate::wire::numbers::HashAlgorithm;

/// SHA-256 of a SubjectPublicKeyInfo: the name of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What kind of key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA, with the length of its modulus.
    Rsa {
        /// In bits, 2048 to 8192.
        bits: u32,
    },
    /// ECDSA on NIST P-256.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// ECDSA on NIST P-521.
    EcdsaP521,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// All that a key of this kind can verify, best first: the hash of the key's own strength (NIST SP 800-57 part 1 table
    /// 2), then the stronger, then the weaker; PSS before PKCS#1 v1.5 (RFC 8247 section 3.2). It signs with the same, but
    /// for SHA-1.
    #[must_use]
    pub const fn schemes(self) -> &'static [SignatureScheme] {
        use HashAlgorithm as Hash;
        const FROM_256: [Hash; 3] = [Hash::SHA2_256, Hash::SHA2_384, Hash::SHA2_512];
        const FROM_384: [Hash; 3] = [Hash::SHA2_384, Hash::SHA2_512, Hash::SHA2_256];
        const FROM_512: [Hash; 3] = [Hash::SHA2_512, Hash::SHA2_384, Hash::SHA2_256];
        match self {
            Self::Rsa { bits: ..=3072 } => const { &rsa_schemes(FROM_256) },
            Self::Rsa { bits: ..=7680 } => const { &rsa_schemes(FROM_384) },
            Self::Rsa { .. } => const { &rsa_schemes(FROM_512) },
            Self::EcdsaP256 => const { &ecdsa_schemes(FROM_256) },
            Self::EcdsaP384 => const { &ecdsa_schemes(FROM_384) },
            Self::EcdsaP521 => const { &ecdsa_schemes(FROM_512) },
            Self::Ed25519 => &[SignatureScheme::Ed25519],
        }
    }

    /// Whether `scheme` is among [`KeyKind::schemes`]; else the reason.
    ///
    /// # Errors
    /// [`SignatureError::SaltLength`] or [`SignatureError::Scheme`].
    pub fn check(self, scheme: SignatureScheme) -> Result<(), SignatureError> {
        if self.schemes().contains(&scheme) {
            return Ok(());
        }
        Err(match scheme {
            SignatureScheme::RsaPss { hash, salt_length }
                if self.schemes().contains(&SignatureScheme::rsa_pss(hash)) =>
            {
                SignatureError::SaltLength {
                    expected: hash_length(hash),
                    actual: salt_length,
                }
            }
            _ => SignatureError::Scheme { kind: self, scheme },
        })
    }
}

const fn rsa_schemes(hashes: [HashAlgorithm; 3]) -> [SignatureScheme; 7] {
    let [first, second, third] = hashes;
    [
        SignatureScheme::rsa_pss(first),
        SignatureScheme::rsa_pss(second),
        SignatureScheme::rsa_pss(third),
        SignatureScheme::RsaPkcs1(first),
        SignatureScheme::RsaPkcs1(second),
        SignatureScheme::RsaPkcs1(third),
        SignatureScheme::RsaPkcs1(HashAlgorithm::SHA1),
    ]
}

/// Each curve has raw signatures with the hash of its own strength only (RFC 4754 section 3).
const fn ecdsa_schemes(hashes: [HashAlgorithm; 3]) -> [SignatureScheme; 4] {
    let [first, second, third] = hashes;
    [
        SignatureScheme::Ecdsa(first),
        SignatureScheme::Ecdsa(second),
        SignatureScheme::Ecdsa(third),
        SignatureScheme::EcdsaRaw(first),
    ]
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA with {bits} bits"),
            Self::EcdsaP256 => f.write_str("ECDSA on P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA on P-384"),
            Self::EcdsaP521 => f.write_str("ECDSA on P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// How a signature is computed and encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(HashAlgorithm),
    /// RSASSA-PSS with MGF1 on the same hash. Keys take only a salt as long as the hash, which is what every known IKE
    /// implementation sends and what RFC 4055 section 3.1 recommends.
    RsaPss {
        /// The hash.
        hash: HashAlgorithm,
        /// In bytes.
        salt_length: usize,
    },
    /// ECDSA, the signature as a DER ECDSA-Sig-Value (RFC 7427).
    Ecdsa(HashAlgorithm),
    /// ECDSA, the signature as r | s, each of the length of the group's order (RFC 4754).
    EcdsaRaw(HashAlgorithm),
    /// Ed25519, which hashes by itself.
    Ed25519,
}

impl SignatureScheme {
    /// RSASSA-PSS with a salt as long as the hash.
    #[must_use]
    pub const fn rsa_pss(hash: HashAlgorithm) -> Self {
        Self::RsaPss {
            hash,
            salt_length: hash_length(hash),
        }
    }

    /// The hash; `IDENTITY` for Ed25519 (RFC 8420).
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        match self {
            Self::RsaPkcs1(hash)
            | Self::RsaPss { hash, .. }
            | Self::Ecdsa(hash)
            | Self::EcdsaRaw(hash) => hash,
            Self::Ed25519 => HashAlgorithm::IDENTITY,
        }
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaPkcs1(hash) => write!(f, "RSA PKCS#1 v1.5 with {hash}"),
            Self::RsaPss { hash, .. } => write!(f, "RSA PSS with {hash}"),
            Self::Ecdsa(hash) => write!(f, "ECDSA with {hash}"),
            Self::EcdsaRaw(hash) => write!(f, "ECDSA (r | s) with {hash}"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// The length of a SHA-2 hash in bytes, 0 for any other.
pub(crate) const fn hash_length(hash: HashAlgorithm) -> usize {
    match hash {
        HashAlgorithm::SHA2_256 => 32,
        HashAlgorithm::SHA2_384 => 48,
        HashAlgorithm::SHA2_512 => 64,
        _ => 0,
    }
}
