//! A cipher with a truncated integrity code, encrypted first and authenticated after (RFC 7296 section 3.14): AES-CBC (RFC
//! 3602) and AES-CTR (RFC 5930) by RustCrypto, beside HMAC, AES-XCBC-96 (RFC 3566) or AES-CMAC-96 (RFC 4494).

use std::sync::LazyLock;

use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, typenum::U16};
use aes::{Aes128, Aes192, Aes256};
use ctr::cipher::StreamCipher;

use super::aead::check_key_length;
use super::mac::{BLOCK, Mac};
use super::{CryptoError, ProtectionAlgorithm, ProtectionKey, Secret, constant_time_eq};
use crate::wire::numbers::{Encryption, Integrity};

static CIPHERS: [Cipher; 6] = [
    cbc(128, encrypt_cbc::<Aes128>, decrypt_cbc::<Aes128>),
    cbc(192, encrypt_cbc::<Aes192>, decrypt_cbc::<Aes192>),
    cbc(256, encrypt_cbc::<Aes256>, decrypt_cbc::<Aes256>),
    ctr(128, apply_ctr::<ctr::Ctr32BE<Aes128>>),
    ctr(192, apply_ctr::<ctr::Ctr32BE<Aes192>>),
    ctr(256, apply_ctr::<ctr::Ctr32BE<Aes256>>),
];

#[rustfmt::skip] // a table
static CODES: [Code; 6] = [
    Code { id: Integrity::HMAC_SHA2_256_128, mac: Mac::SHA2_256, icv_length: 16 },
    Code { id: Integrity::HMAC_SHA2_384_192, mac: Mac::SHA2_384, icv_length: 24 },
    Code { id: Integrity::HMAC_SHA2_512_256, mac: Mac::SHA2_512, icv_length: 32 },
    Code { id: Integrity::HMAC_SHA1_96, mac: Mac::SHA1, icv_length: 12 },
    Code { id: Integrity::AES_XCBC_96, mac: Mac::AesXcbc, icv_length: 12 },
    Code { id: Integrity::AES_CMAC_96, mac: Mac::AesCmac, icv_length: 12 },
];

/// Every cipher with every integrity algorithm.
pub(super) static SUITES: LazyLock<Vec<EncryptThenMac>> = LazyLock::new(|| {
    CIPHERS
        .iter()
        .flat_map(|cipher| {
            CODES
                .iter()
                .map(move |code| EncryptThenMac { cipher, code })
        })
        .collect()
});

#[derive(Debug)]
struct Cipher {
    id: Encryption,
    key_bits: u16,
    /// The nonce that follows the key in the key material (RFC 3686 section 5.1).
    nonce_length: usize,
    iv_length: usize,
    block_length: usize,
    encrypt: Apply,
    decrypt: Apply,
}

/// Key and nonce, IV, and the text to change in place: of right lengths.
type Apply = fn(&[u8], &[u8], &mut [u8]);

const fn cbc(key_bits: u16, encrypt: Apply, decrypt: Apply) -> Cipher {
    Cipher {
        id: Encryption::AES_CBC,
        key_bits,
        nonce_length: 0,
        iv_length: BLOCK,
        block_length: BLOCK,
        encrypt,
        decrypt,
    }
}

const fn ctr(key_bits: u16, apply: Apply) -> Cipher {
    Cipher {
        id: Encryption::AES_CTR,
        key_bits,
        nonce_length: CTR_NONCE_LENGTH,
        iv_length: 8,
        block_length: 1,
        encrypt: apply,
        decrypt: apply,
    }
}

const CTR_NONCE_LENGTH: usize = 4;

#[derive(Debug)]
struct Code {
    id: Integrity,
    mac: Mac,
    icv_length: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct EncryptThenMac {
    cipher: &'static Cipher,
    code: &'static Code,
}

impl EncryptThenMac {
    pub(super) fn is(
        &self,
        encryption: Encryption,
        key_bits: Option<u16>,
        integrity: Integrity,
    ) -> bool {
        (self.cipher.id, Some(self.cipher.key_bits), self.code.id)
            == (encryption, key_bits, integrity)
    }
}

impl ProtectionAlgorithm for EncryptThenMac {
    fn iv_length(&self) -> usize {
        self.cipher.iv_length
    }

    fn icv_length(&self) -> usize {
        self.code.icv_length
    }

    fn block_length(&self) -> usize {
        self.cipher.block_length
    }

    fn encryption_key_length(&self) -> usize {
        usize::from(self.cipher.key_bits / 8) + self.cipher.nonce_length
    }

    fn integrity_key_length(&self) -> usize {
        self.code.mac.length()
    }

    /// CTR's must not repeat, CBC's not be foreseen.
    fn iv_is_counter(&self) -> bool {
        self.cipher.nonce_length > 0
    }

    fn key(
        &self,
        encryption: &[u8],
        integrity: &[u8],
    ) -> Result<Box<dyn ProtectionKey>, CryptoError> {
        check_key_length(self.encryption_key_length(), encryption)?;
        check_key_length(self.integrity_key_length(), integrity)?;
        Ok(Box::new(EncryptThenMacKey {
            suite: *self,
            encryption: Secret::from(encryption),
            integrity: Secret::from(integrity),
        }))
    }
}

/// Raw keys, expanded for each message, so that what stays in memory is small and wiped.
struct EncryptThenMacKey {
    suite: EncryptThenMac,
    encryption: Secret,
    integrity: Secret,
}

impl EncryptThenMacKey {
    /// The code before its truncation.
    fn code(&self, associated: &[u8], iv: &[u8], text: &[u8]) -> Secret {
        let mac = self.suite.code.mac;
        mac.compute(self.integrity.as_bytes(), &[associated, iv, text])
    }
}

impl ProtectionKey for EncryptThenMacKey {
    fn seal(&self, iv: &[u8], associated: &[u8], text: &mut [u8], icv_out: &mut [u8]) {
        (self.suite.cipher.encrypt)(self.encryption.as_bytes(), iv, text);
        let code = self.code(associated, iv, text);
        icv_out.copy_from_slice(&code.as_bytes()[..self.suite.code.icv_length]);
    }

    fn open(
        &self,
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        icv: &[u8],
    ) -> Result<(), CryptoError> {
        let EncryptThenMac { cipher, code } = self.suite;
        if iv.len() != cipher.iv_length
            || !text.len().is_multiple_of(cipher.block_length)
            || icv.len() != code.icv_length
        {
            return Err(CryptoError::BodyLength(iv.len() + text.len() + icv.len()));
        }
        let expected = self.code(associated, iv, text);
        if !constant_time_eq(&expected.as_bytes()[..code.icv_length], icv) {
            return Err(CryptoError::Integrity);
        }
        (cipher.decrypt)(self.encryption.as_bytes(), iv, text);
        Ok(())
    }
}

const CHECKED: &str = "key and IV have the algorithm's lengths";

fn encrypt_cbc<C>(key: &[u8], iv: &[u8], text: &mut [u8])
where
    cbc::Encryptor<C>: KeyIvInit + BlockModeEncrypt<BlockSize = U16>,
    C: aes::cipher::BlockCipherEncrypt,
{
    cbc::Encryptor::<C>::new_from_slices(key, iv)
        .expect(CHECKED)
        .encrypt_blocks(whole_blocks(text));
}

fn decrypt_cbc<C>(key: &[u8], iv: &[u8], text: &mut [u8])
where
    cbc::Decryptor<C>: KeyIvInit + BlockModeDecrypt<BlockSize = U16>,
    C: aes::cipher::BlockCipherDecrypt,
{
    cbc::Decryptor::<C>::new_from_slices(key, iv)
        .expect(CHECKED)
        .decrypt_blocks(whole_blocks(text));
}

fn whole_blocks(text: &mut [u8]) -> &mut [Array<u8, U16>] {
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    assert!(rest.is_empty(), "the text is a multiple of block_length()");
    blocks
}

/// Encryption and decryption alike: nonce | IV | a count of blocks from 1 on (RFC 3686 section 4).
fn apply_ctr<C: KeyIvInit + StreamCipher>(key: &[u8], iv: &[u8], text: &mut [u8]) {
    let (key, nonce) = key.split_at(key.len() - CTR_NONCE_LENGTH);
    let counter_block = [nonce, iv, &1u32.to_be_bytes()].concat();
    C::new_from_slices(key, &counter_block)
        .expect(CHECKED)
        .apply_keystream(text);
}
