//! Opens SK and SKF payloads under any suite of the table (RFC 7296 section 3.14, RFC 5282).
//!
//! AEADs are opened by `ike`, as ikd does. A cipher with an integrity code is opened here, for two reasons: what somebody
//! captured may be under ciphers that ikd refuses (3DES, DES, MD5, none), and where the code does not match, what came out
//! may still say what went wrong. That must never be possible in a daemon.

use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit, StreamCipher, block_padding::NoPadding};
use ctr::Ctr32BE;
use des::{Des, TdesEde3};
use hmac::{Hmac, KeyInit, Mac as _};
use ike::crypto::algorithms::EncryptionRow;
use ike::crypto::protection::OpeningKey;
use ike::crypto::{CryptoError, Secret, constant_time_eq, standard};
use ike::wire::numbers::{Encryption, Integrity, Prf};
use md5::Md5;

/// The algorithms of an IKE SA.
#[derive(Debug)]
pub(super) struct Suite {
    pub(super) cipher: Cipher,
    pub(super) code: Code,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Cipher {
    /// What `ike` has.
    Row(&'static EncryptionRow),
    TripleDes,
    Des,
    Null,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Code {
    None,
    /// So many bytes that are passed over.
    Unchecked {
        icv_length: usize,
    },
    Checked {
        mac: Mac,
        icv_length: usize,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Mac {
    /// A pseudorandom function by the same code, with a key of its preferred length.
    Prf(Prf),
    Md5,
}

/// SK_e and SK_a of one direction.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) encryption: Secret,
    pub(super) integrity: Secret,
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::decode) enum Opened {
    /// The payload chain, under a right integrity check value.
    Checked(Vec<u8>),
    /// The payload chain, perhaps nonsense.
    Unchecked(Vec<u8>, Unchecked),
    /// Nothing, and why.
    Failed(String),
}

/// Why nobody vouches for a decrypted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Unchecked {
    /// The table names no integrity algorithm that could be checked.
    NotAsked,
    /// The integrity check value is not that of the message.
    Mismatch,
}

impl Cipher {
    /// SK_e with its salt, in bytes.
    pub(super) fn key_length(self) -> usize {
        match self {
            Self::Row(row) => row.key_material_length(),
            Self::TripleDes => 24,
            Self::Des => 8,
            Self::Null => 0,
        }
    }

    fn iv_length(self) -> usize {
        match self {
            Self::Row(row) => row.iv_length,
            Self::TripleDes | Self::Des => 8,
            Self::Null => 0,
        }
    }

    fn block_length(self) -> usize {
        match self {
            Self::Row(row) => row.block_length,
            Self::TripleDes | Self::Des => 8,
            Self::Null => 1,
        }
    }

    /// The row of a cipher that authenticates by itself.
    fn aead(self) -> Option<&'static EncryptionRow> {
        match self {
            Self::Row(row) if row.is_aead() => Some(row),
            _ => None,
        }
    }

    /// Decrypts `text` in place. Key, IV and whole blocks have been looked after; `None` where they have not.
    fn decrypt(self, key: &[u8], iv: &[u8], text: &mut [u8]) -> Option<()> {
        match self {
            Self::Null => Some(()),
            Self::Des => cbc::<Decryptor<Des>>(key, iv, text),
            Self::TripleDes => cbc::<Decryptor<TdesEde3>>(key, iv, text),
            Self::Row(row) => match (row.id, row.key_length) {
                (Encryption::AES_CBC, 16) => cbc::<Decryptor<Aes128>>(key, iv, text),
                (Encryption::AES_CBC, 24) => cbc::<Decryptor<Aes192>>(key, iv, text),
                (Encryption::AES_CBC, 32) => cbc::<Decryptor<Aes256>>(key, iv, text),
                (Encryption::AES_CTR, 16) => counter::<Ctr32BE<Aes128>>(16, key, iv, text),
                (Encryption::AES_CTR, 24) => counter::<Ctr32BE<Aes192>>(24, key, iv, text),
                (Encryption::AES_CTR, 32) => counter::<Ctr32BE<Aes256>>(32, key, iv, text),
                _ => None,
            },
        }
    }
}

impl Code {
    pub(super) fn icv_length(self) -> usize {
        match self {
            Self::None => 0,
            Self::Unchecked { icv_length } | Self::Checked { icv_length, .. } => icv_length,
        }
    }
}

impl Mac {
    fn key_length(self) -> usize {
        match self {
            Self::Prf(prf) => standard().prf(prf).map_or(0, |prf| prf.key_length()),
            Self::Md5 => 16,
        }
    }

    /// The code before its truncation.
    fn compute(self, key: &Secret, parts: &[&[u8]]) -> Secret {
        match self {
            Self::Prf(prf) => standard()
                .prf(prf)
                .expect("ike has every function named here")
                .compute(key.as_bytes(), parts),
            Self::Md5 => {
                let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(key.as_bytes())
                    .expect("HMAC takes keys of any length");
                parts.iter().for_each(|part| mac.update(part));
                Secret::from(&mac.finalize().into_bytes()[..])
            }
        }
    }
}

impl Suite {
    /// Whether the two go together.
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.cipher.aead(), self.code) {
            (Some(_), Code::Checked { .. }) => Err(
                "the cipher checks integrity itself: the integrity algorithm must be NONE"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// The lengths of SK_e and, where it is used, SK_a in bytes.
    pub(super) fn key_lengths(&self) -> (Option<usize>, Option<usize>) {
        let integrity = match self.code {
            Code::Checked { mac, .. } => Some(mac.key_length()),
            Code::None | Code::Unchecked { .. } => None,
        };
        (Some(self.cipher.key_length()), integrity)
    }

    /// Opens a body (IV, ciphertext, integrity check value) whose message began with `associated`.
    pub(super) fn open(&self, key: &Direction, associated: &[u8], body: &[u8]) -> Opened {
        match self.cipher.aead() {
            Some(row) => open_aead(row, key, associated, body),
            None => self.open_with_code(key, associated, body),
        }
    }

    fn open_with_code(&self, key: &Direction, associated: &[u8], body: &[u8]) -> Opened {
        let Self { cipher, code } = *self;
        let icv_length = code.icv_length();
        let text_length = body.len().checked_sub(cipher.iv_length() + icv_length);
        let Some(text_length) =
            text_length.filter(|text| *text > 0 && text.is_multiple_of(cipher.block_length()))
        else {
            return Opened::Failed(format!(
                "{} bytes are not an IV of {}, whole blocks of {} and an integrity check value of {icv_length}: the table names another algorithm, or the message is cut off",
                body.len(),
                cipher.iv_length(),
                cipher.block_length(),
            ));
        };
        let (iv, rest) = body.split_at(cipher.iv_length());
        let (text, icv) = rest.split_at(text_length);
        let unchecked = match code {
            Code::None | Code::Unchecked { .. } => Some(Unchecked::NotAsked),
            Code::Checked { mac, .. } => {
                let expected = mac.compute(&key.integrity, &[associated, iv, text]);
                let right = constant_time_eq(&expected.as_bytes()[..icv_length], icv);
                (!right).then_some(Unchecked::Mismatch)
            }
        };
        let mut text = text.to_vec();
        if cipher
            .decrypt(key.encryption.as_bytes(), iv, &mut text)
            .is_none()
        {
            return Opened::Failed("the key does not fit the algorithm".to_owned());
        }
        let pad_length = usize::from(text.pop().unwrap_or_default());
        let Some(length) = text.len().checked_sub(pad_length) else {
            return Opened::Failed(match unchecked {
                Some(Unchecked::Mismatch) => MISMATCH.to_owned(),
                Some(Unchecked::NotAsked) => "what comes out is nonsense: the keys are those of another IKE SA, or the message was altered".to_owned(),
                None => format!("the pad length {pad_length} exceeds the {} bytes before it, under a right integrity check value: the sender is at fault", text.len()),
            });
        };
        text.truncate(length);
        match unchecked {
            None => Opened::Checked(text),
            Some(why) => Opened::Unchecked(text, why),
        }
    }
}

/// What a wrong integrity check value means.
const MISMATCH: &str = "the integrity check value does not match: the keys are those of another IKE SA, or the message was altered";

fn open_aead(row: &EncryptionRow, key: &Direction, associated: &[u8], body: &[u8]) -> Opened {
    let opened = standard()
        .protection(row.id, row.key_bits, Integrity::NONE)
        .ok_or(CryptoError::BodyLength(body.len()))
        .and_then(|algorithm| OpeningKey::new(algorithm, key.encryption.as_bytes(), &[]))
        .and_then(|key| key.open_message(associated, body));
    match opened {
        Ok(text) => Opened::Checked(text),
        Err(CryptoError::Integrity) => Opened::Failed(MISMATCH.to_owned()),
        Err(error) => Opened::Failed(error.to_string()),
    }
}

fn cbc<C: KeyIvInit + BlockModeDecrypt>(key: &[u8], iv: &[u8], text: &mut [u8]) -> Option<()> {
    let cipher = C::new_from_slices(key, iv).ok()?;
    cipher.decrypt_padded::<NoPadding>(text).ok().map(|_| ())
}

/// Key and nonce, and a count of blocks from 1 on (RFC 3686 section 4).
fn counter<C: KeyIvInit + StreamCipher>(
    key_length: usize,
    key: &[u8],
    iv: &[u8],
    text: &mut [u8],
) -> Option<()> {
    let (key, nonce) = key.split_at_checked(key_length)?;
    let block = [nonce, iv, &1u32.to_be_bytes()].concat();
    C::new_from_slices(key, &block)
        .ok()?
        .try_apply_keystream(text)
        .ok()
}
