//! AEAD ciphers for IKE messages: AES-GCM and AES-CCM (RFC 5282), ChaCha20-Poly1305 (RFC 7634). By ring what it has, the
//! rest by RustCrypto.

use std::sync::LazyLock;

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::array::typenum::{U8, U11, U12, U16};
use aes_gcm::aead::{AeadInOut, KeyInit, Nonce, Tag};
use ccm::Ccm;
use ring::aead;

use super::{CryptoError, ProtectionAlgorithm, ProtectionKey, Secret};
use crate::wire::numbers::Encryption;

#[rustfmt::skip] // a table
static CIPHERS: [Cipher; 19] = [
    ring(Encryption::AES_GCM_16, Some(128), 16, &aead::AES_128_GCM),
    ring(Encryption::AES_GCM_16, Some(256), 32, &aead::AES_256_GCM),
    ring(Encryption::CHACHA20_POLY1305, None, 32, &aead::CHACHA20_POLY1305),
    gcm::<AesGcm<Aes192, U12, U16>>(Encryption::AES_GCM_16, 192, 16),
    gcm::<AesGcm<Aes128, U12, U12>>(Encryption::AES_GCM_12, 128, 12),
    gcm::<AesGcm<Aes192, U12, U12>>(Encryption::AES_GCM_12, 192, 12),
    gcm::<AesGcm<Aes256, U12, U12>>(Encryption::AES_GCM_12, 256, 12),
    gcm::<AesGcm<Aes128, U12, U8>>(Encryption::AES_GCM_8, 128, 8),
    gcm::<AesGcm<Aes192, U12, U8>>(Encryption::AES_GCM_8, 192, 8),
    gcm::<AesGcm<Aes256, U12, U8>>(Encryption::AES_GCM_8, 256, 8),
    ccm::<Ccm<Aes128, U16, U11>>(Encryption::AES_CCM_16, 128, 16),
    ccm::<Ccm<Aes192, U16, U11>>(Encryption::AES_CCM_16, 192, 16),
    ccm::<Ccm<Aes256, U16, U11>>(Encryption::AES_CCM_16, 256, 16),
    ccm::<Ccm<Aes128, U12, U11>>(Encryption::AES_CCM_12, 128, 12),
    ccm::<Ccm<Aes192, U12, U11>>(Encryption::AES_CCM_12, 192, 12),
    ccm::<Ccm<Aes256, U12, U11>>(Encryption::AES_CCM_12, 256, 12),
    ccm::<Ccm<Aes128, U8, U11>>(Encryption::AES_CCM_8, 128, 8),
    ccm::<Ccm<Aes192, U8, U11>>(Encryption::AES_CCM_8, 192, 8),
    ccm::<Ccm<Aes256, U8, U11>>(Encryption::AES_CCM_8, 256, 8),
];

/// The AEADs of [`super::standard`].
pub(super) static AEADS: LazyLock<Vec<Aead>> = LazyLock::new(|| CIPHERS.iter().map(Aead).collect());

const IV_LENGTH: usize = 8;

#[derive(Debug)]
struct Cipher {
    id: Encryption,
    key_bits: Option<u16>,
    key_length: usize,
    /// The end of SK_e*, which starts every nonce (RFC 5282 section 4).
    salt_length: usize,
    icv_length: usize,
    backend: Backend,
}

#[derive(Clone, Copy, Debug)]
enum Backend {
    Ring(&'static aead::Algorithm),
    RustCrypto { seal: Seal, open: Open },
}

/// Key, nonce, associated data, text to encrypt in place, and where the ICV goes.
type Seal = fn(&[u8], &[u8], &[u8], &mut [u8], &mut [u8]);
/// Key, nonce, associated data, text to decrypt in place, and the ICV, of right lengths; whether it was the right one.
type Open = fn(&[u8], &[u8], &[u8], &mut [u8], &[u8]) -> bool;

const fn ring(
    id: Encryption,
    key_bits: Option<u16>,
    key_length: usize,
    algorithm: &'static aead::Algorithm,
) -> Cipher {
    Cipher {
        id,
        key_bits,
        key_length,
        salt_length: 4,
        icv_length: 16,
        backend: Backend::Ring(algorithm),
    }
}

const fn gcm<C: AeadInOut + KeyInit>(id: Encryption, key_bits: u16, icv_length: usize) -> Cipher {
    Cipher {
        id,
        key_bits: Some(key_bits),
        key_length: key_bits as usize / 8,
        salt_length: 4,
        icv_length,
        backend: Backend::RustCrypto {
            seal: seal::<C>,
            open: open::<C>,
        },
    }
}

/// As GCM, with a shorter salt (RFC 4309 section 7.1).
const fn ccm<C: AeadInOut + KeyInit>(id: Encryption, key_bits: u16, icv_length: usize) -> Cipher {
    Cipher {
        salt_length: 3,
        ..gcm::<C>(id, key_bits, icv_length)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Aead(&'static Cipher);

impl Aead {
    pub(super) fn is(&self, encryption: Encryption, key_bits: Option<u16>) -> bool {
        (self.0.id, self.0.key_bits) == (encryption, key_bits)
    }
}

impl ProtectionAlgorithm for Aead {
    fn iv_length(&self) -> usize {
        IV_LENGTH
    }

    fn icv_length(&self) -> usize {
        self.0.icv_length
    }

    fn block_length(&self) -> usize {
        1
    }

    fn encryption_key_length(&self) -> usize {
        self.0.key_length + self.0.salt_length
    }

    fn integrity_key_length(&self) -> usize {
        0
    }

    fn iv_is_counter(&self) -> bool {
        true
    }

    fn key(
        &self,
        encryption: &[u8],
        integrity: &[u8],
    ) -> Result<Box<dyn ProtectionKey>, CryptoError> {
        check_key_length(self.encryption_key_length(), encryption)?;
        check_key_length(self.integrity_key_length(), integrity)?;
        Ok(Box::new(AeadKey {
            cipher: self.0,
            key_and_salt: Secret::from(encryption),
        }))
    }
}

/// Refuses a key whose length is not the algorithm's.
pub(super) fn check_key_length(expected: usize, key: &[u8]) -> Result<(), CryptoError> {
    if key.len() == expected {
        Ok(())
    } else {
        Err(CryptoError::KeyLength {
            expected,
            actual: key.len(),
        })
    }
}

/// The raw key, expanded anew for each message: ring's expanded keys are not wiped on drop and take half a KiB, and
/// an idle SA should hold neither. The expansion costs less than the encryption of one message.
struct AeadKey {
    cipher: &'static Cipher,
    key_and_salt: Secret,
}

impl AeadKey {
    /// The cipher's key, and the nonce: salt | IV.
    fn key_and_nonce(&self, iv: &[u8]) -> (&[u8], Vec<u8>) {
        let (key, salt) = self
            .key_and_salt
            .as_bytes()
            .split_at(self.cipher.key_length);
        (key, [salt, iv].concat())
    }
}

impl ProtectionKey for AeadKey {
    fn seal(&self, iv: &[u8], associated: &[u8], text: &mut [u8], icv_out: &mut [u8]) {
        let (key, nonce) = self.key_and_nonce(iv);
        match self.cipher.backend {
            Backend::Ring(algorithm) => {
                let nonce = aead::Nonce::try_assume_unique_for_key(&nonce)
                    .expect("the caller gives an IV of iv_length()");
                let tag = ring_key(algorithm, key)
                    .seal_in_place_separate_tag(nonce, aead::Aad::from(associated), text)
                    .expect(SHORT);
                icv_out.copy_from_slice(tag.as_ref());
            }
            Backend::RustCrypto { seal, .. } => seal(key, &nonce, associated, text, icv_out),
        }
    }

    fn open(
        &self,
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        icv: &[u8],
    ) -> Result<(), CryptoError> {
        if iv.len() != IV_LENGTH || icv.len() != self.cipher.icv_length {
            return Err(CryptoError::BodyLength(iv.len() + text.len() + icv.len()));
        }
        let (key, nonce) = self.key_and_nonce(iv);
        let right = match self.cipher.backend {
            Backend::Ring(algorithm) => {
                let nonce = aead::Nonce::try_assume_unique_for_key(&nonce).expect(CHECKED);
                let tag = aead::Tag::try_from(icv).expect(CHECKED);
                ring_key(algorithm, key)
                    .open_in_place_separate_tag(nonce, aead::Aad::from(associated), tag, text, 0..)
                    .is_ok()
            }
            Backend::RustCrypto { open, .. } => open(key, &nonce, associated, text, icv),
        };
        right.then_some(()).ok_or(CryptoError::Integrity)
    }
}

/// An IKE message is shorter than any limit of the ciphers.
const SHORT: &str = "an IKE message has less than 4 GiB";
const CHECKED: &str = "the length was checked when the key was made, or in open";

fn ring_key(algorithm: &'static aead::Algorithm, key: &[u8]) -> aead::LessSafeKey {
    aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).expect(CHECKED))
}

fn seal<C: AeadInOut + KeyInit>(
    key: &[u8],
    nonce: &[u8],
    associated: &[u8],
    text: &mut [u8],
    icv_out: &mut [u8],
) {
    let tag = C::new_from_slice(key)
        .expect(CHECKED)
        .encrypt_inout_detached(nonce_of::<C>(nonce), associated, text.into())
        .expect(SHORT);
    icv_out.copy_from_slice(&tag);
}

fn open<C: AeadInOut + KeyInit>(
    key: &[u8],
    nonce: &[u8],
    associated: &[u8],
    text: &mut [u8],
    icv: &[u8],
) -> bool {
    let tag: &Tag<C> = icv.try_into().expect(CHECKED);
    C::new_from_slice(key)
        .expect(CHECKED)
        .decrypt_inout_detached(nonce_of::<C>(nonce), associated, text.into(), tag)
        .is_ok()
}

fn nonce_of<C: AeadInOut>(nonce: &[u8]) -> &Nonce<C> {
    nonce.try_into().expect(CHECKED)
}
