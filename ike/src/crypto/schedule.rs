//! The key schedule: from the shared secret to every key of an IKE SA and its Child SAs (RFC 7296 sections 2.13, 2.14,
//! 2.17 and 2.18).
//!
//! ```text
//!   g^ir, Ni, Nr --prf--> SKEYSEED --prf+--> SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr
//!                                             |
//!                    [g^ir new], Ni, Nr --prf+--> KEYMAT of a Child SA
//!                                             |
//!                     g^ir new, Ni, Nr --prf--> SKEYSEED of the IKE SA that replaces this one
//! ```
//!
//! All on slices of any length: which lengths of nonces are legal is decided where messages are read.

use super::{CryptoError, PrfAlgorithm, ProtectionAlgorithm, Secret};

/// `prf+ (key, seed)` of section 2.13, as many bytes as `out` holds. The parts of `seed` are concatenated.
///
/// # Errors
/// [`CryptoError::KeyMaterialTooLong`] beyond 255 blocks of the PRF, where its one-byte counter would wrap.
pub fn prf_plus(
    prf: &dyn PrfAlgorithm,
    key: &[u8],
    seed: &[&[u8]],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    let block_length = prf.output_length();
    if out.len() > 255 * block_length {
        return Err(CryptoError::KeyMaterialTooLong(out.len()));
    }
    let mut previous = Secret::default();
    for (counter, block) in (1..=u8::MAX).zip(out.chunks_mut(block_length)) {
        let counter = [counter];
        let mut parts = Vec::with_capacity(seed.len() + 2);
        parts.push(previous.as_bytes());
        parts.extend_from_slice(seed);
        parts.push(&counter);
        let next = prf.compute(key, &parts);
        block.copy_from_slice(&next.as_bytes()[..block.len()]);
        previous = next;
    }
    Ok(())
}

/// SKEYSEED of a first IKE SA: `prf(Ni | Nr, g^ir)`, section 2.14; of the beginnings of Ni and Nr for the PRFs that
/// [`PrfAlgorithm::skeyseed_nonce_length`] says.
#[must_use]
pub fn skeyseed_initial(prf: &dyn PrfAlgorithm, ni: &[u8], nr: &[u8], shared: &Secret) -> Secret {
    let [ni, nr] = [ni, nr].map(|nonce| match prf.skeyseed_nonce_length() {
        Some(length) => nonce.get(..length).unwrap_or(nonce),
        None => nonce,
    });
    prf.compute(&[ni, nr].concat(), &[shared.as_bytes()])
}

/// SKEYSEED of an IKE SA that replaces another: `prf(SK_d (old), g^ir (new) | Ni | Nr)` with the old SA's PRF, section
/// 2.18. The new SA's keys are then derived with the new SA's PRF.
#[must_use]
pub fn skeyseed_rekey(
    prf_old: &dyn PrfAlgorithm,
    sk_d_old: &Secret,
    shared: &Secret,
    ni: &[u8],
    nr: &[u8],
) -> Secret {
    prf_old.compute(sk_d_old.as_bytes(), &[shared.as_bytes(), ni, nr])
}

/// The keys of an IKE SA, section 2.14. `i` and `r`: sent by the original initiator, by the original responder.
#[derive(Clone, Debug)]
pub struct IkeKeys {
    /// Derives the keys of Child SAs and of a successor.
    pub sk_d: Secret,
    /// Integrity of the initiator's messages; empty for an AEAD.
    pub sk_ai: Secret,
    /// Integrity of the responder's messages; empty for an AEAD.
    pub sk_ar: Secret,
    /// Encryption of the initiator's messages, with an AEAD's salt behind it.
    pub sk_ei: Secret,
    /// Encryption of the responder's messages, with an AEAD's salt behind it.
    pub sk_er: Secret,
    /// Binds the initiator's identity in AUTH.
    pub sk_pi: Secret,
    /// Binds the responder's identity in AUTH.
    pub sk_pr: Secret,
}

impl IkeKeys {
    /// `prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr)`, cut in the order of section 2.14.
    ///
    /// # Errors
    /// [`CryptoError::KeyMaterialTooLong`], which no suite of the tables comes near.
    pub fn derive(
        prf: &dyn PrfAlgorithm,
        protection: &dyn ProtectionAlgorithm,
        skeyseed: &Secret,
        ni: &[u8],
        nr: &[u8],
        spi_i: &[u8],
        spi_r: &[u8],
    ) -> Result<Self, CryptoError> {
        let key = prf.key_length();
        let integrity = protection.integrity_key_length();
        let encryption = protection.encryption_key_length();
        let lengths = [key, integrity, integrity, encryption, encryption, key, key];
        let [sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr] =
            expand(prf, skeyseed, &[ni, nr, spi_i, spi_r], lengths)?;
        Ok(Self {
            sk_d,
            sk_ai,
            sk_ar,
            sk_ei,
            sk_er,
            sk_pi,
            sk_pr,
        })
    }
}

/// How much key material each direction of a Child SA takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildKeyLengths {
    /// The cipher's key, with the salt where the cipher has one.
    pub encryption: usize,
    /// The integrity key; 0 for an AEAD.
    pub integrity: usize,
}

/// The keys of a pair of Child SAs. "Initiator" is whoever began the exchange that made the Child SA; its keys protect
/// what it sends.
#[derive(Clone, Debug)]
pub struct ChildKeys {
    /// Encryption from the exchange's initiator to its responder, with an AEAD's salt behind it.
    pub initiator_encryption: Secret,
    /// Integrity from initiator to responder; empty for an AEAD.
    pub initiator_integrity: Secret,
    /// Encryption from responder to initiator, with an AEAD's salt behind it.
    pub responder_encryption: Secret,
    /// Integrity from responder to initiator; empty for an AEAD.
    pub responder_integrity: Secret,
}

/// KEYMAT = `prf+ (SK_d, [g^ir (new) |] Ni | Nr)`, section 2.17: all of the initiator's direction first, and in each
/// direction encryption before integrity. `shared` is there where the exchange had a key exchange of its own.
///
/// # Errors
/// [`CryptoError::KeyMaterialTooLong`], which no suite of the tables comes near.
pub fn child_keymat(
    prf: &dyn PrfAlgorithm,
    sk_d: &Secret,
    shared: Option<&Secret>,
    ni: &[u8],
    nr: &[u8],
    lengths: ChildKeyLengths,
) -> Result<ChildKeys, CryptoError> {
    let shared = shared.map_or(&[][..], Secret::as_bytes);
    let ChildKeyLengths {
        encryption,
        integrity,
    } = lengths;
    let [
        initiator_encryption,
        initiator_integrity,
        responder_encryption,
        responder_integrity,
    ] = expand(
        prf,
        sk_d,
        &[shared, ni, nr],
        [encryption, integrity, encryption, integrity],
    )?;
    Ok(ChildKeys {
        initiator_encryption,
        initiator_integrity,
        responder_encryption,
        responder_integrity,
    })
}

/// prf+, cut into secrets of the given lengths.
fn expand<const N: usize>(
    prf: &dyn PrfAlgorithm,
    key: &Secret,
    seed: &[&[u8]],
    lengths: [usize; N],
) -> Result<[Secret; N], CryptoError> {
    let mut material = Secret::zeroed(lengths.iter().sum());
    prf_plus(prf, key.as_bytes(), seed, material.as_mut_bytes())?;
    let mut rest = material.as_bytes();
    Ok(lengths.map(|length| {
        let (part, tail) = rest.split_at(length);
        rest = tail;
        Secret::from(part)
    }))
}
