//! Algorithms behind small traits, the key schedule, and secrets that wipe themselves.
//!
//! ```text
//!   algorithms   the tables: every word, number and length, one row per algorithm
//!   prf, key_exchange, aead, encrypt_then_mac   what standard() offers for the rows, by ring, dalek and RustCrypto
//!   schedule     SKEYSEED, SK_*, KEYMAT                       RFC 7296 sections 2.13, 2.14, 2.17, 2.18
//!   protection   the body of SK and SKF payloads: IV, padding, ICV     RFC 7296 section 3.14, RFC 5282
//! ```
//!
//! To add an algorithm: one row in [`algorithms`], and one row in the table of the module that implements its kind. A
//! test checks that the two agree. The engine knows only the traits, so that the simulator can bring a provider that is
//! deterministic to the byte.

mod aead;
pub mod algorithms;
mod encrypt_then_mac;
mod key_exchange;
mod mac;
mod prf;
pub mod protection;
pub mod schedule;
mod secret;
pub mod signature;
mod standard;

pub use secret::{Secret, constant_time_eq};
pub use standard::{SystemRandom, standard};

use crate::wire::numbers::{Encryption, Integrity, KeyExchangeMethod, Prf};

/// The engine's source of randomness, handed in so that a seed can reproduce a run.
pub trait Random: Send {
    /// Fills all of `bytes` with random bytes fit for keys, nonces, SPIs and IVs.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// A set of algorithms. `None` means: not built into this provider.
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// The pseudorandom function `id`.
    fn prf(&self, id: Prf) -> Option<&dyn PrfAlgorithm>;

    /// The key exchange method (Diffie-Hellman group) `method`.
    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<&dyn KeyExchangeAlgorithm>;

    /// The protection of IKE messages by an AEAD (`integrity` is `NONE`) or by a cipher with an integrity algorithm.
    fn protection(
        &self,
        encryption: Encryption,
        key_bits: Option<u16>,
        integrity: Integrity,
    ) -> Option<&dyn ProtectionAlgorithm>;
}

/// A pseudorandom function, RFC 7296 section 2.13.
pub trait PrfAlgorithm: Send + Sync + std::fmt::Debug {
    /// Its number.
    fn id(&self) -> Prf;

    /// The length of its output in bytes.
    fn output_length(&self) -> usize;

    /// The preferred length of its key in bytes: the length of SK_d, SK_pi and SK_pr.
    fn key_length(&self) -> usize;

    /// How many bytes of each nonce, from its beginning, are the key of the first SKEYSEED; `None`: all of them (section
    /// 2.14, which treats the two AES functions specially).
    fn skeyseed_nonce_length(&self) -> Option<usize> {
        None
    }

    /// `prf(key, parts[0] | parts[1] | ...)`. Any length of key.
    fn compute(&self, key: &[u8], parts: &[&[u8]]) -> Secret;
}

/// A key exchange method, RFC 7296 sections 2.12 and 3.4.
pub trait KeyExchangeAlgorithm: Send + Sync + std::fmt::Debug {
    /// Its number.
    fn method(&self) -> KeyExchangeMethod;

    /// The length in bytes of the Key Exchange Data, ours and the peer's.
    fn public_length(&self) -> usize;

    /// Makes a fresh key pair.
    ///
    /// # Errors
    /// [`CryptoError::Randomness`] where the backend draws its own randomness and has none.
    fn generate(&self, random: &mut dyn Random) -> Result<Box<dyn EphemeralKey>, CryptoError>;
}

/// A private key that can agree exactly once.
pub trait EphemeralKey: Send {
    /// The Key Exchange Data to send.
    fn public_value(&self) -> &[u8];

    /// The shared secret `g^ir` with the peer's Key Exchange Data, with the checks of RFC 6989 and RFC 8031.
    ///
    /// # Errors
    /// [`CryptoError::PublicValueLength`], or [`CryptoError::PublicValue`] where the value is not on the curve or yields
    /// a secret that everybody knows.
    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError>;
}

/// How IKE messages are protected under a suite; lengths in bytes.
pub trait ProtectionAlgorithm: Send + Sync + std::fmt::Debug {
    /// The length of the initialization vector on the wire.
    fn iv_length(&self) -> usize;

    /// The length of the integrity check value, or the AEAD's tag.
    fn icv_length(&self) -> usize;

    /// Plaintext, padding and pad length together are a multiple of this; 1 for an AEAD.
    fn block_length(&self) -> usize;

    /// The length of SK_ei and SK_er: the cipher's key, followed by an AEAD's salt.
    fn encryption_key_length(&self) -> usize;

    /// The length of SK_ai and SK_ar; 0 for an AEAD.
    fn integrity_key_length(&self) -> usize;

    /// Whether the IV must never repeat under a key (a counter), rather than be unpredictable (random).
    fn iv_is_counter(&self) -> bool;

    /// Makes the key for one direction.
    ///
    /// # Errors
    /// [`CryptoError::KeyLength`].
    fn key(
        &self,
        encryption: &[u8],
        integrity: &[u8],
    ) -> Result<Box<dyn ProtectionKey>, CryptoError>;
}

/// A key that protects or opens the messages of one direction. The discipline of its IVs is [`protection`]'s.
pub trait ProtectionKey: Send + Sync {
    /// Encrypts `text` in place and writes the ICV.
    ///
    /// `iv`, `icv_out` and, as to its multiple, `text` have the lengths of the [`ProtectionAlgorithm`]; anything else is
    /// a bug of the caller and panics.
    fn seal(&self, iv: &[u8], associated: &[u8], text: &mut [u8], icv_out: &mut [u8]);

    /// Checks the ICV over `associated | iv | text` in constant time, and only then decrypts `text` in place.
    ///
    /// # Errors
    /// [`CryptoError::Integrity`] for a wrong ICV, [`CryptoError::BodyLength`] for impossible lengths. `text` is then
    /// worthless.
    fn open(
        &self,
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        icv: &[u8],
    ) -> Result<(), CryptoError>;
}

/// What can go wrong with keys and ciphers. Carries no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The peer's Key Exchange Data has the wrong length for the group.
    #[error("the key exchange data for {method} has {actual} bytes instead of {expected}")]
    PublicValueLength {
        /// The group.
        method: KeyExchangeMethod,
        /// The bytes the group wants.
        expected: usize,
        /// The bytes received.
        actual: usize,
    },
    /// The peer's Key Exchange Data is not a valid public value (RFC 6989), or the shared secret would be zero (RFC 8031).
    #[error("the key exchange data for {0} is not a valid public value")]
    PublicValue(KeyExchangeMethod),
    /// A key has the wrong length for its algorithm.
    #[error("the key has {actual} bytes instead of {expected}")]
    KeyLength {
        /// The bytes the algorithm wants.
        expected: usize,
        /// The bytes given.
        actual: usize,
    },
    /// The ICV is not that of the message: wrong key, or somebody changed it.
    #[error("the integrity check failed: the keys differ, or the message was altered")]
    Integrity,
    /// The protected body is too short, or not a multiple of the block length.
    #[error("the protected body of {0} bytes is too short or not whole blocks")]
    BodyLength(usize),
    /// The pad length reaches beyond the plaintext, under a valid ICV.
    #[error("the pad length {pad_length} exceeds the {available} bytes before it")]
    Padding {
        /// The pad length received.
        pad_length: u8,
        /// The bytes before the pad length field.
        available: usize,
    },
    /// All 2^64 IVs of the key are used up.
    #[error("every IV of this key is used up")]
    IvExhausted,
    /// prf+ cannot make more than 255 blocks.
    #[error("prf+ was asked for {0} bytes, more than 255 blocks")]
    KeyMaterialTooLong(usize),
    /// The backend has no randomness.
    #[error("the system has no randomness")]
    Randomness,
}
