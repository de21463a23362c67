//! The algorithms of ESP and AH under the names that the kernel gives them (`net/xfrm/xfrm_algo.c`), with key lengths.
//!
//! A key that does not fit its algorithm cannot be put into a [`Keyed`]; so an SA with such a key cannot be asked for.

use std::fmt;

use crate::{KeyMaterial, Protocol};

/// One kind of algorithm: what the kernel calls it and which keys it takes.
pub trait Algorithm: Copy + Eq + fmt::Debug + 'static {
    /// All of them, for tables and probes.
    const ALL: &'static [Self];

    /// The kernel's name, below 64 bytes.
    fn kernel_name(self) -> &'static str;

    /// Allowed lengths of the key in bytes, salt included.
    fn key_lengths(self) -> &'static [usize];
}

/// Encryption and integrity in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AeadAlgorithm {
    /// AES-GCM with a 16 byte ICV (RFC 4106). Key 16, 24 or 32 bytes and 4 bytes of salt.
    AesGcm16,
    /// AES-GCM with a 12 byte ICV (RFC 4106).
    AesGcm12,
    /// AES-GCM with an 8 byte ICV (RFC 4106).
    AesGcm8,
    /// ChaCha20-Poly1305 (RFC 7634). Key 32 bytes and 4 bytes of salt.
    ChaCha20Poly1305,
    /// AES-CCM with a 16 byte ICV (RFC 4309). Key 16, 24 or 32 bytes and 3 bytes of salt.
    AesCcm16,
    /// AES-CCM with a 12 byte ICV (RFC 4309).
    AesCcm12,
    /// AES-CCM with an 8 byte ICV (RFC 4309).
    AesCcm8,
    /// AES-GMAC (RFC 4543): integrity without encryption. Key 16, 24 or 32 bytes and 4 bytes of salt.
    AesGmac,
}

impl AeadAlgorithm {
    /// Length of the integrity check value in bits.
    pub fn icv_bits(self) -> u32 {
        match self {
            Self::AesGcm16 | Self::ChaCha20Poly1305 | Self::AesCcm16 | Self::AesGmac => 128,
            Self::AesGcm12 | Self::AesCcm12 => 96,
            Self::AesGcm8 | Self::AesCcm8 => 64,
        }
    }
}

impl Algorithm for AeadAlgorithm {
    const ALL: &'static [Self] = &[
        Self::AesGcm16,
        Self::AesGcm12,
        Self::AesGcm8,
        Self::ChaCha20Poly1305,
        Self::AesCcm16,
        Self::AesCcm12,
        Self::AesCcm8,
        Self::AesGmac,
    ];

    fn kernel_name(self) -> &'static str {
        match self {
            Self::AesGcm16 | Self::AesGcm12 | Self::AesGcm8 => "rfc4106(gcm(aes))",
            Self::ChaCha20Poly1305 => "rfc7539esp(chacha20,poly1305)",
            Self::AesCcm16 | Self::AesCcm12 | Self::AesCcm8 => "rfc4309(ccm(aes))",
            Self::AesGmac => "rfc4543(gcm(aes))",
        }
    }

    fn key_lengths(self) -> &'static [usize] {
        match self {
            Self::AesGcm16 | Self::AesGcm12 | Self::AesGcm8 | Self::AesGmac => &[20, 28, 36],
            Self::ChaCha20Poly1305 => &[36],
            Self::AesCcm16 | Self::AesCcm12 | Self::AesCcm8 => &[19, 27, 35],
        }
    }
}

/// Encryption that needs an integrity algorithm beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EncryptionAlgorithm {
    /// AES-CBC (RFC 3602). Key 16, 24 or 32 bytes.
    AesCbc,
    /// AES-CTR (RFC 3686). Key 16, 24 or 32 bytes and 4 bytes of nonce.
    AesCtr,
    /// No encryption (RFC 2410): ESP for its integrity alone. No key.
    Null,
}

impl Algorithm for EncryptionAlgorithm {
    const ALL: &'static [Self] = &[Self::AesCbc, Self::AesCtr, Self::Null];

    fn kernel_name(self) -> &'static str {
        match self {
            Self::AesCbc => "cbc(aes)",
            Self::AesCtr => "rfc3686(ctr(aes))",
            Self::Null => "ecb(cipher_null)",
        }
    }

    fn key_lengths(self) -> &'static [usize] {
        match self {
            Self::AesCbc => &[16, 24, 32],
            Self::AesCtr => &[20, 28, 36],
            Self::Null => &[0],
        }
    }
}

/// Integrity, for ESP beside an [`EncryptionAlgorithm`] and for AH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IntegrityAlgorithm {
    /// HMAC-SHA2-256-128 (RFC 4868). Key 32 bytes.
    HmacSha256_128,
    /// HMAC-SHA2-384-192 (RFC 4868). Key 48 bytes.
    HmacSha384_192,
    /// HMAC-SHA2-512-256 (RFC 4868). Key 64 bytes.
    HmacSha512_256,
    /// HMAC-SHA1-96 (RFC 2404). Key 20 bytes.
    HmacSha1_96,
    /// AES-XCBC-MAC-96 (RFC 3566). Key 16 bytes.
    AesXcbc96,
    /// AES-CMAC-96 (RFC 4494). Key 16 bytes.
    AesCmac96,
}

impl IntegrityAlgorithm {
    /// Bits of the integrity check value on the wire. Always told to the kernel, whose own choice for `hmac(sha256)` is an
    /// old draft's 96.
    pub fn icv_bits(self) -> u32 {
        match self {
            Self::HmacSha256_128 => 128,
            Self::HmacSha384_192 => 192,
            Self::HmacSha512_256 => 256,
            Self::HmacSha1_96 | Self::AesXcbc96 | Self::AesCmac96 => 96,
        }
    }
}

impl Algorithm for IntegrityAlgorithm {
    const ALL: &'static [Self] = &[
        Self::HmacSha256_128,
        Self::HmacSha384_192,
        Self::HmacSha512_256,
        Self::HmacSha1_96,
        Self::AesXcbc96,
        Self::AesCmac96,
    ];

    fn kernel_name(self) -> &'static str {
        match self {
            Self::HmacSha256_128 => "hmac(sha256)",
            Self::HmacSha384_192 => "hmac(sha384)",
            Self::HmacSha512_256 => "hmac(sha512)",
            Self::HmacSha1_96 => "hmac(sha1)",
            Self::AesXcbc96 => "xcbc(aes)",
            Self::AesCmac96 => "cmac(aes)",
        }
    }

    fn key_lengths(self) -> &'static [usize] {
        match self {
            Self::HmacSha256_128 => &[32],
            Self::HmacSha384_192 => &[48],
            Self::HmacSha512_256 => &[64],
            Self::HmacSha1_96 => &[20],
            Self::AesXcbc96 | Self::AesCmac96 => &[16],
        }
    }
}

/// An algorithm with a key that fits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed<A> {
    algorithm: A,
    key: KeyMaterial,
}

impl<A: Algorithm> Keyed<A> {
    /// Joins the two.
    ///
    /// # Errors
    /// The algorithm takes no key of this length.
    pub fn new(algorithm: A, key: KeyMaterial) -> Result<Self, KeyLengthError> {
        if algorithm.key_lengths().contains(&key.len()) {
            Ok(Self { algorithm, key })
        } else {
            Err(KeyLengthError {
                algorithm: algorithm.kernel_name(),
                allowed: algorithm.key_lengths(),
                got: key.len(),
            })
        }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> A {
        self.algorithm
    }

    /// The key.
    pub fn key(&self) -> &KeyMaterial {
        &self.key
    }
}

/// A key of a length that its algorithm does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{algorithm} takes a key of {allowed:?} bytes, salt included, not of {got}")]
pub struct KeyLengthError {
    /// The kernel's name of the algorithm.
    pub algorithm: &'static str,
    /// The lengths it takes, in bytes.
    pub allowed: &'static [usize],
    /// The length it got, in bytes.
    pub got: usize,
}

/// What an SA encrypts and authenticates with. AH has no encryption, ESP always integrity: nothing else can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaCrypto {
    /// ESP with a combined algorithm.
    Aead(Keyed<AeadAlgorithm>),
    /// ESP with two algorithms.
    Separate {
        /// What hides.
        encryption: Keyed<EncryptionAlgorithm>,
        /// What proves.
        integrity: Keyed<IntegrityAlgorithm>,
    },
    /// AH.
    Authentication(Keyed<IntegrityAlgorithm>),
}

impl SaCrypto {
    /// ESP or AH, which follows from the algorithms.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Aead(_) | Self::Separate { .. } => Protocol::Esp,
            Self::Authentication(_) => Protocol::Ah,
        }
    }
}
