//! Cryptography that hides nothing and refuses nobody, so that a fuzzer gets behind the ciphers: plaintext as it is, no
//! integrity check, a key exchange of a few additions. Deterministic to the byte. The pseudorandom functions are the true
//! ones.
//!
//! [`recording`] is the same with eyes: it checks that a message is opened with the key that it was sealed with, and keeps
//! what every key has sealed under every IV.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use ike::crypto::algorithms::KEY_EXCHANGE;
use ike::crypto::{
    CryptoError, EphemeralKey, KeyExchangeAlgorithm, PrfAlgorithm, ProtectionAlgorithm,
    ProtectionKey, Provider, Random, Secret, standard,
};
use ike::wire::numbers::{Encryption, Integrity, KeyExchangeMethod, Prf};

/// The provider that hides nothing and refuses nobody.
#[must_use]
pub fn transparent() -> &'static dyn Provider {
    &Transparent
}

/// Bytes of a key and of an IV.
const LENGTH: usize = 8;

#[derive(Debug)]
struct Transparent;

impl Provider for Transparent {
    fn prf(&self, id: Prf) -> Option<&dyn PrfAlgorithm> {
        standard().prf(id)
    }

    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<&dyn KeyExchangeAlgorithm> {
        static SUMS: LazyLock<Vec<Sum>> =
            LazyLock::new(|| KEY_EXCHANGE.iter().map(|row| Sum(row.id)).collect());
        let sum = SUMS.iter().find(|sum| sum.0 == method)?;
        Some(sum)
    }

    fn protection(
        &self,
        _encryption: Encryption,
        _key_bits: Option<u16>,
        _integrity: Integrity,
    ) -> Option<&dyn ProtectionAlgorithm> {
        Some(&Plain)
    }
}

/// The provider that hides nothing and remembers everything, on this thread: what was sealed since [`forget`].
#[must_use]
pub fn recording() -> &'static dyn Provider {
    &Recording
}

/// Bytes of the IV, the key and the check value of what [`recording`] seals: where the plaintext is.
pub const RECORDED_LENGTH: usize = LENGTH;

#[derive(Default)]
struct Record {
    /// By key and IV, a digest of the plaintext.
    sealed: HashMap<(u64, u64), u64>,
    twice: Option<(u64, u64)>,
}

thread_local! {
    static RECORD: RefCell<Record> = RefCell::default();
}

/// Forgets what was sealed on this thread.
pub fn forget() {
    RECORD.with_borrow_mut(|record| {
        record.sealed.clear();
        record.twice = None;
    });
}

/// A key and an IV that have sealed two different plaintexts on this thread, if there are.
#[must_use]
pub fn sealed_twice() -> Option<(u64, u64)> {
    RECORD.with_borrow(|record| record.twice)
}

/// A digest of some bytes, the same in every run (FNV-1a).
#[must_use]
pub fn digest(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[derive(Debug)]
struct Recording;

impl Provider for Recording {
    fn prf(&self, id: Prf) -> Option<&dyn PrfAlgorithm> {
        standard().prf(id)
    }

    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<&dyn KeyExchangeAlgorithm> {
        Transparent.key_exchange(method)
    }

    fn protection(
        &self,
        _encryption: Encryption,
        _key_bits: Option<u16>,
        _integrity: Integrity,
    ) -> Option<&dyn ProtectionAlgorithm> {
        Some(&Recorded)
    }
}

#[derive(Debug)]
struct Recorded;

struct RecordedKey(u64);

impl ProtectionAlgorithm for Recorded {
    fn iv_length(&self) -> usize {
        LENGTH
    }

    fn icv_length(&self) -> usize {
        LENGTH
    }

    fn block_length(&self) -> usize {
        1
    }

    fn encryption_key_length(&self) -> usize {
        LENGTH
    }

    fn integrity_key_length(&self) -> usize {
        0
    }

    fn iv_is_counter(&self) -> bool {
        true
    }

    fn key(&self, encryption: &[u8], _: &[u8]) -> Result<Box<dyn ProtectionKey>, CryptoError> {
        Ok(Box::new(RecordedKey(digest(&[encryption]))))
    }
}

impl ProtectionKey for RecordedKey {
    fn seal(&self, iv: &[u8], associated: &[u8], text: &mut [u8], icv_out: &mut [u8]) {
        let (place, sealed) = ((self.0, digest(&[iv])), digest(&[associated, text]));
        RECORD.with_borrow_mut(|record| {
            if *record.sealed.entry(place).or_insert(sealed) != sealed {
                record.twice.get_or_insert(place);
            }
        });
        icv_out.copy_from_slice(&self.check(iv, associated, text));
    }

    fn open(
        &self,
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        icv: &[u8],
    ) -> Result<(), CryptoError> {
        if *icv == self.check(iv, associated, text) {
            Ok(())
        } else {
            Err(CryptoError::Integrity)
        }
    }
}

impl RecordedKey {
    fn check(&self, iv: &[u8], associated: &[u8], text: &[u8]) -> [u8; LENGTH] {
        digest(&[&self.0.to_be_bytes(), iv, associated, text]).to_be_bytes()
    }
}

#[derive(Debug)]
struct Sum(KeyExchangeMethod);

struct SumKey(KeyExchangeMethod, [u8; LENGTH]);

impl KeyExchangeAlgorithm for Sum {
    fn method(&self) -> KeyExchangeMethod {
        self.0
    }

    fn public_length(&self) -> usize {
        LENGTH
    }

    fn generate(&self, random: &mut dyn Random) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        let mut key = [0; LENGTH];
        random.fill(&mut key);
        Ok(Box::new(SumKey(self.0, key)))
    }
}

impl EphemeralKey for SumKey {
    fn public_value(&self) -> &[u8] {
        &self.1
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let peer: [u8; LENGTH] = peer
            .try_into()
            .map_err(|_| CryptoError::PublicValueLength {
                method: self.0,
                expected: LENGTH,
                actual: peer.len(),
            })?;
        if peer == [0; LENGTH] {
            return Err(CryptoError::PublicValue(self.0));
        }
        let sum = u64::from_be_bytes(self.1).wrapping_add(u64::from_be_bytes(peer));
        Ok(Secret::from(sum.to_be_bytes().to_vec()))
    }
}

#[derive(Debug)]
struct Plain;

impl ProtectionAlgorithm for Plain {
    fn iv_length(&self) -> usize {
        LENGTH
    }

    fn icv_length(&self) -> usize {
        0
    }

    fn block_length(&self) -> usize {
        1
    }

    fn encryption_key_length(&self) -> usize {
        LENGTH
    }

    fn integrity_key_length(&self) -> usize {
        0
    }

    fn iv_is_counter(&self) -> bool {
        true
    }

    fn key(
        &self,
        _encryption: &[u8],
        _integrity: &[u8],
    ) -> Result<Box<dyn ProtectionKey>, CryptoError> {
        Ok(Box::new(Self))
    }
}

impl ProtectionKey for Plain {
    fn seal(&self, _iv: &[u8], _associated: &[u8], _text: &mut [u8], _icv_out: &mut [u8]) {}

    fn open(
        &self,
        _iv: &[u8],
        _associated: &[u8],
        _text: &mut [u8],
        _icv: &[u8],
    ) -> Result<(), CryptoError> {
        Ok(())
    }
}
