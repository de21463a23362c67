//! Signatures by long-term keys: RSA, ECDSA and EdDSA (RFC 7427, RFC 8420).

use std::fmt;

use crate::wire::numbers::HashAlgorithm;

/// SHA-256 of a SubjectPublicKeyInfo: the name of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What kind of key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA, with the length of its modulus.
    Rsa {
        /// In bits.
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

/// How a signature is computed and encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(HashAlgorithm),
    /// RSASSA-PSS with MGF1 on the same hash.
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

/// A public key that verifies signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    spki: Vec<u8>,
}

impl PublicKey {
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
}
