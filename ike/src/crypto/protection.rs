//! The body of Encrypted (SK) and Encrypted Fragment (SKF) payloads: IV, ciphertext with padding, ICV (RFC 7296 section
//! 3.14, RFC 5282, RFC 7383 section 2.5).
//!
//! ```text
//!   | IKE header | payloads in clear | SK or SKF header | IV | payloads | padding | pad length | ICV |
//!   '------------- associated: prefix -----------------'      '------- encrypted -----------'
//! ```
//!
//! [`SealingKey`] owns the rule that no key ever encrypts two plaintexts under one IV: an AEAD's IV is a counter that
//! ends rather than wraps, CBC's is fresh random bytes.

use super::{CryptoError, ProtectionAlgorithm, ProtectionKey, Random};

/// The lengths of a [`ProtectionAlgorithm`], in bytes.
#[derive(Clone, Copy, Debug)]
struct Shape {
    iv: usize,
    icv: usize,
    block: usize,
}

impl Shape {
    fn of(algorithm: &dyn ProtectionAlgorithm) -> Self {
        Self {
            iv: algorithm.iv_length(),
            icv: algorithm.icv_length(),
            block: algorithm.block_length(),
        }
    }

    /// Plaintext, the least padding, and the pad length.
    fn text_length(self, plaintext_length: usize) -> usize {
        (plaintext_length + 1).next_multiple_of(self.block)
    }

    fn body_length(self, plaintext_length: usize) -> usize {
        self.iv + self.text_length(plaintext_length) + self.icv
    }
}

/// The length in bytes of the protected body (IV to ICV) for a payload chain of `plaintext_length` bytes, so that the
/// headers before it can be written with their final lengths.
#[must_use]
pub fn protected_body_length(
    algorithm: &dyn ProtectionAlgorithm,
    plaintext_length: usize,
) -> usize {
    Shape::of(algorithm).body_length(plaintext_length)
}

/// The longest payload chain in bytes whose protected body fits in `body_length` bytes; `None` where not even an empty
/// one does. For cutting a message into fragments.
#[must_use]
pub fn plaintext_capacity(
    algorithm: &dyn ProtectionAlgorithm,
    body_length: usize,
) -> Option<usize> {
    let shape = Shape::of(algorithm);
    let text = body_length.checked_sub(shape.iv + shape.icv)?;
    (text / shape.block * shape.block).checked_sub(1)
}

/// The key that protects what we send, with its IVs.
pub struct SealingKey {
    key: Box<dyn ProtectionKey>,
    shape: Shape,
    iv: IvSource,
}

enum IvSource {
    /// The next IV; `None` when the last one was used.
    Counter(Option<u64>),
    Random,
}

impl SealingKey {
    /// A key whose counter, where the algorithm has one, starts at `first_counter`: 0 for a new key; for a key that was
    /// in use before, a value behind every IV it may have used.
    ///
    /// # Errors
    /// [`CryptoError::KeyLength`].
    pub fn new(
        algorithm: &dyn ProtectionAlgorithm,
        encryption: &[u8],
        integrity: &[u8],
        first_counter: u64,
    ) -> Result<Self, CryptoError> {
        let iv = if algorithm.iv_is_counter() {
            IvSource::Counter(Some(first_counter))
        } else {
            IvSource::Random
        };
        Ok(Self {
            key: algorithm.key(encryption, integrity)?,
            shape: Shape::of(algorithm),
            iv,
        })
    }

    /// As [`protected_body_length`].
    #[must_use]
    pub fn protected_body_length(&self, plaintext_length: usize) -> usize {
        self.shape.body_length(plaintext_length)
    }

    /// The counter of the next message; `None` where IVs are random or the counter has ended.
    #[must_use]
    pub fn next_counter(&self) -> Option<u64> {
        match self.iv {
            IvSource::Counter(next) => next,
            IvSource::Random => None,
        }
    }

    /// Appends the protected body of `plaintext`, a payload chain that may be empty, to `prefix`: everything from the IKE
    /// header to the generic header of the SK payload (or the fragment numbers of SKF), with lengths that count the body.
    ///
    /// # Errors
    /// [`CryptoError::IvExhausted`] after 2^64 messages.
    pub fn seal_message(
        &mut self,
        random: &mut dyn Random,
        prefix: Vec<u8>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let Shape {
            iv: iv_length,
            icv: icv_length,
            ..
        } = self.shape;
        let text_length = self.shape.text_length(plaintext.len());
        let mut message = prefix;
        let iv_start = message.len();
        let text_start = iv_start + iv_length;
        message.reserve_exact(self.shape.body_length(plaintext.len()));
        message.resize(text_start, 0);
        self.next_iv(random, &mut message[iv_start..])?;
        message.extend_from_slice(plaintext);
        message.resize(text_start + text_length + icv_length, 0);
        let pad_length = text_length - plaintext.len() - 1;
        message[text_start + text_length - 1] = pad_length
            .try_into()
            .expect("padding is shorter than a block");

        let (associated, body) = message.split_at_mut(iv_start);
        let (iv, rest) = body.split_at_mut(iv_length);
        let (text, icv) = rest.split_at_mut(text_length);
        self.key.seal(iv, associated, text, icv);
        Ok(message)
    }

    fn next_iv(&mut self, random: &mut dyn Random, iv: &mut [u8]) -> Result<(), CryptoError> {
        match &mut self.iv {
            IvSource::Counter(next) => {
                let counter = next.ok_or(CryptoError::IvExhausted)?;
                *next = counter.checked_add(1);
                if cfg!(ikd_fault = "iv-again") && counter % 3 == 2 {
                    *next = Some(counter);
                }
                iv.copy_from_slice(&counter.to_be_bytes());
            }
            IvSource::Random => random.fill(iv),
        }
        Ok(())
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealingKey")
            .field("next_counter", &self.next_counter())
            .finish_non_exhaustive()
    }
}

/// The key that opens what the peer sends.
pub struct OpeningKey {
    key: Box<dyn ProtectionKey>,
    shape: Shape,
}

impl OpeningKey {
    /// The peer's direction.
    ///
    /// # Errors
    /// [`CryptoError::KeyLength`].
    pub fn new(
        algorithm: &dyn ProtectionAlgorithm,
        encryption: &[u8],
        integrity: &[u8],
    ) -> Result<Self, CryptoError> {
        Ok(Self {
            key: algorithm.key(encryption, integrity)?,
            shape: Shape::of(algorithm),
        })
    }

    /// Checks and decrypts `body` (IV to ICV), whose message began with `associated`, and returns the payload chain
    /// without its padding. Any legal padding is accepted.
    ///
    /// # Errors
    /// [`CryptoError::BodyLength`] and [`CryptoError::Integrity`] say that a stranger may have sent this;
    /// [`CryptoError::Padding`] that the peer itself did.
    pub fn open_message(&self, associated: &[u8], body: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let Shape {
            iv: iv_length,
            icv: icv_length,
            block,
        } = self.shape;
        let text_length = body.len().saturating_sub(iv_length + icv_length);
        if text_length == 0 || !text_length.is_multiple_of(block) {
            return Err(CryptoError::BodyLength(body.len()));
        }
        let (iv, rest) = body.split_at(iv_length);
        let (text, icv) = rest.split_at(text_length);
        let mut text = text.to_vec();
        self.key.open(iv, associated, &mut text, icv)?;

        let pad_length = text.pop().expect("text_length is not 0");
        let available = text.len();
        let plaintext_length =
            available
                .checked_sub(pad_length.into())
                .ok_or(CryptoError::Padding {
                    pad_length,
                    available,
                })?;
        text.truncate(plaintext_length);
        Ok(text)
    }
}

impl std::fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpeningKey").finish_non_exhaustive()
    }
}
