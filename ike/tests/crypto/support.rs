//! Reading vectors, randomness that repeats itself, and algorithms that only old vectors need.

use std::io::Read;
use std::path::Path;

use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use ike::crypto::{
    CryptoError, PrfAlgorithm, ProtectionAlgorithm, ProtectionKey, Random, Secret, constant_time_eq,
};
use ike::wire::numbers::Prf;
use serde_json::Value;

/// Hexadecimal to bytes.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    let digits = text
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    digits
        .map(|pair| u8::from_str_radix(pair, 16).expect(text))
        .collect()
}

/// The bytes of a field of hexadecimal digits.
pub(crate) fn field(value: &Value, name: &str) -> Vec<u8> {
    hex(value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no field {name}")))
}

/// A vector file, uncompressed if its name ends in `.gz`.
pub(crate) fn vectors(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    if name.ends_with(".gz") {
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    text
}

/// A vector file in JSON.
pub(crate) fn json(name: &str) -> Value {
    serde_json::from_str(&vectors(name)).unwrap()
}

/// The Apache-2.0 chain and messages of the Android IPsec tests.
pub(crate) fn android() -> Value {
    json("android-ike.json")
}

/// Gives the same bytes again and again.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) Vec<u8>);

impl Random for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0[..bytes.len()]);
    }
}

/// A PRF that does not ship: HMAC with SHA-1 or SHA-224.
#[derive(Debug)]
pub(crate) enum OldPrf {
    Sha1,
    Sha224,
}

impl PrfAlgorithm for OldPrf {
    fn id(&self) -> Prf {
        match self {
            Self::Sha1 => Prf::HMAC_SHA1,
            Self::Sha224 => Prf(u16::MAX),
        }
    }

    fn output_length(&self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
        }
    }

    fn key_length(&self) -> usize {
        self.output_length()
    }

    fn compute(&self, key: &[u8], parts: &[&[u8]]) -> Secret {
        match self {
            Self::Sha1 => mac::<Hmac<sha1::Sha1>>(key, parts),
            Self::Sha224 => mac::<Hmac<sha2::Sha224>>(key, parts),
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Secret {
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    Secret::from(&mac.finalize().into_bytes()[..])
}

/// AES-CBC 128 with HMAC-SHA1-96, which do not ship.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aes128CbcSha1;

impl ProtectionAlgorithm for Aes128CbcSha1 {
    fn iv_length(&self) -> usize {
        16
    }
    fn icv_length(&self) -> usize {
        12
    }
    fn block_length(&self) -> usize {
        16
    }
    fn encryption_key_length(&self) -> usize {
        16
    }
    fn integrity_key_length(&self) -> usize {
        20
    }
    fn iv_is_counter(&self) -> bool {
        false
    }
    fn key(
        &self,
        encryption: &[u8],
        integrity: &[u8],
    ) -> Result<Box<dyn ProtectionKey>, CryptoError> {
        Ok(Box::new(Aes128CbcSha1Key {
            encryption: encryption.to_vec(),
            integrity: integrity.to_vec(),
        }))
    }
}

struct Aes128CbcSha1Key {
    encryption: Vec<u8>,
    integrity: Vec<u8>,
}

impl Aes128CbcSha1Key {
    fn icv(&self, iv: &[u8], associated: &[u8], text: &[u8]) -> Secret {
        OldPrf::Sha1.compute(&self.integrity, &[associated, iv, text])
    }
}

impl ProtectionKey for Aes128CbcSha1Key {
    fn seal(&self, iv: &[u8], associated: &[u8], text: &mut [u8], icv_out: &mut [u8]) {
        cbc::Encryptor::<aes::Aes128>::new_from_slices(&self.encryption, iv)
            .unwrap()
            .encrypt_blocks(Array::slice_as_chunks_mut(text).0);
        icv_out.copy_from_slice(&self.icv(iv, associated, text).as_bytes()[..12]);
    }

    fn open(
        &self,
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        icv: &[u8],
    ) -> Result<(), CryptoError> {
        if !constant_time_eq(&self.icv(iv, associated, text).as_bytes()[..12], icv) {
            return Err(CryptoError::Integrity);
        }
        cbc::Decryptor::<aes::Aes128>::new_from_slices(&self.encryption, iv)
            .unwrap()
            .decrypt_blocks(Array::slice_as_chunks_mut(text).0);
        Ok(())
    }
}

/// ChaCha20-Poly1305 for IKE (RFC 7634), which does not ship yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChaCha20Poly1305;

impl ProtectionAlgorithm for ChaCha20Poly1305 {
    fn iv_length(&self) -> usize {
        8
    }
    fn icv_length(&self) -> usize {
        16
    }
    fn block_length(&self) -> usize {
        1
    }
    fn encryption_key_length(&self) -> usize {
        36
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
        _integrity: &[u8],
    ) -> Result<Box<dyn ProtectionKey>, CryptoError> {
        use ring::aead;
        let (key, salt) = encryption.split_at(32);
        let key = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, key).unwrap();
        Ok(Box::new(ChaChaKey {
            key: aead::LessSafeKey::new(key),
            salt: salt.to_vec(),
        }))
    }
}

struct ChaChaKey {
    key: ring::aead::LessSafeKey,
    salt: Vec<u8>,
}

impl ChaChaKey {
    fn nonce(&self, iv: &[u8]) -> ring::aead::Nonce {
        ring::aead::Nonce::try_assume_unique_for_key(&[&self.salt, iv].concat()).unwrap()
    }
}

impl ProtectionKey for ChaChaKey {
    fn seal(&self, iv: &[u8], associated: &[u8], text: &mut [u8], icv_out: &mut [u8]) {
        let associated = ring::aead::Aad::from(associated);
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(iv), associated, text)
            .unwrap();
        icv_out.copy_from_slice(tag.as_ref());
    }

    fn open(
        &self,
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        icv: &[u8],
    ) -> Result<(), CryptoError> {
        let associated = ring::aead::Aad::from(associated);
        let tag = ring::aead::Tag::try_from(icv).unwrap();
        self.key
            .open_in_place_separate_tag(self.nonce(iv), associated, tag, text, 0..)
            .map(|_| ())
            .map_err(|_| CryptoError::Integrity)
    }
}
