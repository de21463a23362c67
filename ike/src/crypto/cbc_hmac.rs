//! AES-CBC (RFC 3602) with a truncated HMAC-SHA-2 (RFC 4868), encrypted first and authenticated after (RFC 7296 section
//! 3.14). AES-CBC by RustCrypto, HMAC by ring.

use std::sync::LazyLock;

use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, typenum::U16};
use ring::hmac;

use super::aead::check_key_length;
use super::prf::hmac_tag;
use super::{CryptoError, ProtectionAlgorithm, ProtectionKey, Secret, constant_time_eq};
use crate::wire::numbers::{Encryption, Integrity};

static CIPHERS: [CbcCipher; 2] = [
    CbcCipher {
        id: Encryption::AES_CBC,
        key_bits: Some(128),
        key_length: 16,
        encrypt: encrypt_blocks::<aes::Aes128>,
        decrypt: decrypt_blocks::<aes::Aes128>,
    },
    CbcCipher {
        id: Encryption::AES_CBC,
        key_bits: Some(256),
        key_length: 32,
        encrypt: encrypt_blocks::<aes::Aes256>,
        decrypt: decrypt_blocks::<aes::Aes256>,
    },
];

static MACS: [Mac; 3] = [
    Mac {
        id: Integrity::HMAC_SHA2_256_128,
        hash: &hmac::HMAC_SHA256,
        icv_length: 16,
    },
    Mac {
        id: Integrity::HMAC_SHA2_384_192,
        hash: &hmac::HMAC_SHA384,
        icv_length: 24,
    },
    Mac {
        id: Integrity::HMAC_SHA2_512_256,
        hash: &hmac::HMAC_SHA512,
        icv_length: 32,
    },
];

/// Every cipher with every integrity algorithm.
pub(super) static CBC_HMACS: LazyLock<Vec<CbcHmac>> = LazyLock::new(|| {
    CIPHERS
        .iter()
        .flat_map(|cipher| MACS.iter().map(move |mac| CbcHmac { cipher, mac }))
        .collect()
});

const BLOCK_LENGTH: usize = 16;

#[derive(Debug)]
struct CbcCipher {
    id: Encryption,
    key_bits: Option<u16>,
    key_length: usize,
    encrypt: fn(key: &[u8], iv: &[u8], text: &mut [u8]),
    decrypt: fn(key: &[u8], iv: &[u8], text: &mut [u8]),
}

#[derive(Debug)]
struct Mac {
    id: Integrity,
    hash: &'static hmac::Algorithm,
    icv_length: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CbcHmac {
    cipher: &'static CbcCipher,
    mac: &'static Mac,
}

impl CbcHmac {
    pub(super) fn is(
        &self,
        encryption: Encryption,
        key_bits: Option<u16>,
        integrity: Integrity,
    ) -> bool {
        (self.cipher.id, self.cipher.key_bits, self.mac.id) == (encryption, key_bits, integrity)
    }
}

impl ProtectionAlgorithm for CbcHmac {
    fn iv_length(&self) -> usize {
        BLOCK_LENGTH
    }

    fn icv_length(&self) -> usize {
        self.mac.icv_length
    }

    fn block_length(&self) -> usize {
        BLOCK_LENGTH
    }

    fn encryption_key_length(&self) -> usize {
        self.cipher.key_length
    }

    /// RFC 4868 section 2.1.1: the key is as long as the hash.
    fn integrity_key_length(&self) -> usize {
        self.mac.hash.digest_algorithm().output_len()
    }

    fn iv_is_counter(&self) -> bool {
        false
    }

    fn key(
        &self,
        encryption: &[u8],
        integrity: &[u8],
    ) -> Result<Box<dyn ProtectionKey>, CryptoError> {
        check_key_length(self.encryption_key_length(), encryption)?;
        check_key_length(self.integrity_key_length(), integrity)?;
        Ok(Box::new(CbcHmacKey {
            suite: *self,
            encryption: Secret::from(encryption),
            integrity: Secret::from(integrity),
        }))
    }
}

/// Raw keys, expanded for each message, so that what stays in memory is small and wiped.
struct CbcHmacKey {
    suite: CbcHmac,
    encryption: Secret,
    integrity: Secret,
}

impl CbcHmacKey {
    fn icv(&self, associated: &[u8], iv: &[u8], text: &[u8]) -> hmac::Tag {
        hmac_tag(
            *self.suite.mac.hash,
            self.integrity.as_bytes(),
            &[associated, iv, text],
        )
    }
}

impl ProtectionKey for CbcHmacKey {
    fn seal(&self, iv: &[u8], associated: &[u8], text: &mut [u8], icv_out: &mut [u8]) {
        (self.suite.cipher.encrypt)(self.encryption.as_bytes(), iv, text);
        let icv = self.icv(associated, iv, text);
        icv_out.copy_from_slice(&icv.as_ref()[..self.suite.mac.icv_length]);
    }

    fn open(
        &self,
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        icv: &[u8],
    ) -> Result<(), CryptoError> {
        let icv_length = self.suite.mac.icv_length;
        if iv.len() != BLOCK_LENGTH
            || !text.len().is_multiple_of(BLOCK_LENGTH)
            || icv.len() != icv_length
        {
            return Err(CryptoError::BodyLength(iv.len() + text.len() + icv.len()));
        }
        let expected = self.icv(associated, iv, text);
        if !constant_time_eq(&expected.as_ref()[..icv_length], icv) {
            return Err(CryptoError::Integrity);
        }
        (self.suite.cipher.decrypt)(self.encryption.as_bytes(), iv, text);
        Ok(())
    }
}

/// CBC encryption of whole blocks in place.
fn encrypt_blocks<C>(key: &[u8], iv: &[u8], text: &mut [u8])
where
    cbc::Encryptor<C>: KeyIvInit + BlockModeEncrypt<BlockSize = U16>,
    C: aes::cipher::BlockCipherEncrypt,
{
    cbc::Encryptor::<C>::new_from_slices(key, iv)
        .expect("the lengths were checked when the key was made and the IV drawn")
        .encrypt_blocks(whole_blocks(text));
}

/// CBC decryption of whole blocks in place.
fn decrypt_blocks<C>(key: &[u8], iv: &[u8], text: &mut [u8])
where
    cbc::Decryptor<C>: KeyIvInit + BlockModeDecrypt<BlockSize = U16>,
    C: aes::cipher::BlockCipherDecrypt,
{
    cbc::Decryptor::<C>::new_from_slices(key, iv)
        .expect("the lengths were checked when the key was made and in open")
        .decrypt_blocks(whole_blocks(text));
}

fn whole_blocks(text: &mut [u8]) -> &mut [Array<u8, U16>] {
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    assert!(rest.is_empty(), "the text is a multiple of block_length()");
    blocks
}
