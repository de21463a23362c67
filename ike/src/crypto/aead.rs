//! AEAD ciphers for IKE messages (RFC 5282), by ring.

use ring::aead;

use super::{CryptoError, ProtectionAlgorithm, ProtectionKey, Secret};
use crate::wire::numbers::Encryption;

/// The AEADs of [`super::standard`].
pub(super) static AEADS: [Aead; 2] = [
    Aead {
        id: Encryption::AES_GCM_16,
        key_bits: Some(128),
        cipher: &aead::AES_128_GCM,
    },
    Aead {
        id: Encryption::AES_GCM_16,
        key_bits: Some(256),
        cipher: &aead::AES_256_GCM,
    },
];

/// The end of SK_e*, which starts every nonce (RFC 5282 section 4, RFC 4106 section 4).
const SALT_LENGTH: usize = 4;
const IV_LENGTH: usize = 8;

#[derive(Debug)]
pub(super) struct Aead {
    pub(super) id: Encryption,
    pub(super) key_bits: Option<u16>,
    cipher: &'static aead::Algorithm,
}

impl ProtectionAlgorithm for Aead {
    fn iv_length(&self) -> usize {
        IV_LENGTH
    }

    fn icv_length(&self) -> usize {
        self.cipher.tag_len()
    }

    fn block_length(&self) -> usize {
        1
    }

    fn encryption_key_length(&self) -> usize {
        self.cipher.key_len() + SALT_LENGTH
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
            cipher: self.cipher,
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
    cipher: &'static aead::Algorithm,
    key_and_salt: Secret,
}

impl AeadKey {
    fn expand(&self) -> (aead::LessSafeKey, &[u8]) {
        let (key, salt) = self.key_and_salt.as_bytes().split_at(self.cipher.key_len());
        let key = aead::UnboundKey::new(self.cipher, key)
            .expect("the length was checked when the key was made");
        (aead::LessSafeKey::new(key), salt)
    }
}

/// salt | IV. None where the IV has a wrong length.
fn nonce(salt: &[u8], iv: &[u8]) -> Option<aead::Nonce> {
    aead::Nonce::try_assume_unique_for_key(&[salt, iv].concat()).ok()
}

impl ProtectionKey for AeadKey {
    fn seal(&self, iv: &[u8], associated: &[u8], text: &mut [u8], icv_out: &mut [u8]) {
        let (key, salt) = self.expand();
        let nonce = nonce(salt, iv).expect("the caller gives an IV of iv_length()");
        let tag = key
            .seal_in_place_separate_tag(nonce, aead::Aad::from(associated), text)
            .expect("an IKE message is shorter than GCM's limit of 64 GiB");
        icv_out.copy_from_slice(tag.as_ref());
    }

    fn open(
        &self,
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        icv: &[u8],
    ) -> Result<(), CryptoError> {
        let (key, salt) = self.expand();
        let length = iv.len() + text.len() + icv.len();
        let nonce = nonce(salt, iv).ok_or(CryptoError::BodyLength(length))?;
        let tag = aead::Tag::try_from(icv).map_err(|_| CryptoError::BodyLength(length))?;
        key.open_in_place_separate_tag(nonce, aead::Aad::from(associated), tag, text, 0..)
            .map_err(|_| CryptoError::Integrity)?;
        Ok(())
    }
}
