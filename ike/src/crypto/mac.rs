//! Message authentication codes, under pseudorandom functions and integrity algorithms alike: HMAC (RFC 2104) by ring,
//! AES-CMAC (RFC 4493) by RustCrypto, and AES-XCBC-MAC (RFC 3566), which no library has.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt};
use cmac::{Cmac, KeyInit, Mac as _};
use ring::hmac;
use zeroize::Zeroizing;

use super::Secret;

/// Bytes of an AES block, and of the keys and codes of the two that are made of AES-128.
pub(super) const BLOCK: usize = 16;

/// A code, untruncated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mac {
    Hmac(&'static hmac::Algorithm),
    AesXcbc,
    AesCmac,
}

impl Mac {
    /// HMAC with SHA-1.
    pub(super) const SHA1: Self = Self::Hmac(&hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY);
    /// HMAC with SHA-256.
    pub(super) const SHA2_256: Self = Self::Hmac(&hmac::HMAC_SHA256);
    /// HMAC with SHA-384.
    pub(super) const SHA2_384: Self = Self::Hmac(&hmac::HMAC_SHA384);
    /// HMAC with SHA-512.
    pub(super) const SHA2_512: Self = Self::Hmac(&hmac::HMAC_SHA512);

    /// The code in bytes; and the key, which HMAC wants as long as its hash (RFC 4868 section 2.1.1).
    pub(super) fn length(self) -> usize {
        match self {
            Self::Hmac(hash) => hash.digest_algorithm().output_len(),
            Self::AesXcbc | Self::AesCmac => BLOCK,
        }
    }

    /// The code of the parts, concatenated. The key has [`Mac::length`] bytes, or for HMAC any number.
    pub(super) fn compute(self, key: &[u8], parts: &[&[u8]]) -> Secret {
        match self {
            Self::Hmac(hash) => {
                let mut context = hmac::Context::with_key(&hmac::Key::new(*hash, key));
                parts.iter().for_each(|part| context.update(part));
                Secret::from(context.sign().as_ref())
            }
            Self::AesCmac => {
                let mut mac = <Cmac<Aes128> as KeyInit>::new_from_slice(key)
                    .expect("the caller brings a key of length()");
                parts.iter().for_each(|part| mac.update(part));
                Secret::from(&mac.finalize().into_bytes()[..])
            }
            Self::AesXcbc => aes_xcbc(key, parts),
        }
    }
}

/// RFC 3566 section 4, up to the truncation: CBC-MAC under K1, whose last block is mixed with K2 where it is whole and
/// with K3 where it was padded.
fn aes_xcbc(key: &[u8], parts: &[&[u8]]) -> Secret {
    let subkey = |number: u8| {
        let mut block = Zeroizing::new([number; BLOCK]);
        encrypt(&aes128(key), &mut block);
        block
    };
    let cipher = aes128(&*subkey(1));
    let mut state = Zeroizing::new([0; BLOCK]);
    // How much of the current block is mixed into the state already. A whole block waits until more follows, for it may
    // be the last.
    let mut filled = 0;
    for byte in parts.iter().copied().flatten() {
        if filled == BLOCK {
            encrypt(&cipher, &mut state);
            filled = 0;
        }
        state[filled] ^= byte;
        filled += 1;
    }
    let last = if filled == BLOCK {
        subkey(2)
    } else {
        state[filled] ^= 0x80;
        subkey(3)
    };
    state
        .iter_mut()
        .zip(last.iter())
        .for_each(|(byte, mask)| *byte ^= mask);
    encrypt(&cipher, &mut state);
    Secret::from(&state[..])
}

fn aes128(key: &[u8]) -> Aes128 {
    Aes128::new_from_slice(key).expect("the caller brings a key of length()")
}

fn encrypt(cipher: &Aes128, block: &mut [u8; BLOCK]) {
    cipher.encrypt_block(Array::cast_from_core_mut(block));
}
