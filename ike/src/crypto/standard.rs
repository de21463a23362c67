//! The provider that ships: ring, x25519-dalek and RustCrypto.

use ring::rand::SecureRandom;

use super::aead::AEADS;
use super::encrypt_then_mac::SUITES;
use super::key_exchange::METHODS;
use super::prf::PRFS;
use super::{KeyExchangeAlgorithm, PrfAlgorithm, ProtectionAlgorithm, Provider, Random};
use crate::wire::numbers::{Encryption, Integrity, KeyExchangeMethod, Prf};

/// The standard provider.
#[must_use]
pub fn standard() -> &'static dyn Provider {
    &Standard
}

#[derive(Debug)]
struct Standard;

impl Provider for Standard {
    fn prf(&self, id: Prf) -> Option<&dyn PrfAlgorithm> {
        PRFS.iter().find(|prf| prf.id() == id).map(|prf| prf as _)
    }

    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<&dyn KeyExchangeAlgorithm> {
        METHODS
            .iter()
            .find(|algorithm| algorithm.method() == method)
            .copied()
    }

    fn protection(
        &self,
        encryption: Encryption,
        key_bits: Option<u16>,
        integrity: Integrity,
    ) -> Option<&dyn ProtectionAlgorithm> {
        if integrity == Integrity::NONE {
            AEADS
                .iter()
                .find(|aead| aead.is(encryption, key_bits))
                .map(|aead| aead as _)
        } else {
            SUITES
                .iter()
                .find(|suite| suite.is(encryption, key_bits, integrity))
                .map(|suite| suite as _)
        }
    }
}

/// The operating system's randomness, by ring.
#[derive(Clone, Debug)]
pub struct SystemRandom(ring::rand::SystemRandom);

impl SystemRandom {
    /// A handle to it; costs nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for SystemRandom {
    /// # Panics
    /// Where getrandom(2) fails, which on Linux it does not: without randomness no key is safe, and going on would be
    /// worse than stopping.
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("getrandom(2) works");
    }
}
