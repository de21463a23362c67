//! Cryptography that hides nothing and refuses nobody, so that a fuzzer gets behind the ciphers: plaintext as it is, no
//! integrity check, a key exchange of a few additions. Deterministic to the byte. The pseudorandom functions are the true
//! ones.

use std::sync::LazyLock;

use ike::crypto::algorithms::KEY_EXCHANGE;
use ike::crypto::{
    CryptoError, EphemeralKey, KeyExchangeAlgorithm, PrfAlgorithm, ProtectionAlgorithm,
    ProtectionKey, Provider, Random, Secret, standard,
};
use ike::wire::numbers::{Encryption, Integrity, KeyExchangeMethod, Prf};

/// The provider.
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
