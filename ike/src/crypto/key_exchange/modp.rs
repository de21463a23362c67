//! The MODP groups: numbers modulo a safe prime, with the generator 2 (RFC 7296 appendix B, RFC 3526). In constant time by
//! crypto-bigint.

use std::sync::OnceLock;

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd, Resize};
use zeroize::Zeroizing;

use super::check_length;
use crate::crypto::{CryptoError, EphemeralKey, KeyExchangeAlgorithm, Random, Secret};
use crate::wire::numbers::KeyExchangeMethod;

#[derive(Debug)]
pub(super) struct ModpGroup {
    method: KeyExchangeMethod,
    /// In hexadecimal, without leading zeros.
    prime: &'static str,
    /// Bits of a private exponent.
    exponent_bits: usize,
    /// What multiplication modulo the prime wants computed beforehand.
    params: OnceLock<BoxedMontyParams>,
}

impl ModpGroup {
    /// A group by its method, its prime, and the bits of private exponents, a multiple of 64.
    pub(super) const fn new(
        method: KeyExchangeMethod,
        prime: &'static str,
        exponent_bits: usize,
    ) -> Self {
        Self {
            method,
            prime,
            exponent_bits,
            params: OnceLock::new(),
        }
    }

    fn bits(&self) -> u32 {
        u32::try_from(self.prime.len() * 4).expect("a prime of thousands of bits")
    }

    fn params(&self) -> &BoxedMontyParams {
        self.params.get_or_init(|| {
            let prime = BoxedUint::from_be_hex(self.prime, self.bits())
                .into_option()
                .and_then(|prime| Odd::new(prime).into_option());
            BoxedMontyParams::new(prime.expect("a test reads every prime, and they are odd"))
        })
    }

    /// `base ^ exponent` modulo the prime, with leading zeros. Takes a time that the lengths alone decide.
    fn power(&self, base: BoxedUint, exponent: &BoxedUint) -> Secret {
        let base = BoxedMontyForm::new(base, self.params());
        let power = Zeroizing::new(Zeroizing::new(base.pow(exponent)).retrieve());
        Secret::from(power.to_be_bytes().into_vec())
    }
}

impl KeyExchangeAlgorithm for &'static ModpGroup {
    fn method(&self) -> KeyExchangeMethod {
        self.method
    }

    fn public_length(&self) -> usize {
        self.prime.len() / 2
    }

    fn generate(&self, random: &mut dyn Random) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        let mut exponent = Secret::zeroed(self.exponent_bits / 8);
        random.fill(exponent.as_mut_bytes());
        let bits = u32::try_from(self.exponent_bits).expect("hundreds of bits");
        let exponent = BoxedUint::from_be_slice(exponent.as_bytes(), bits).expect("it has them");
        let two = BoxedUint::from(2u8).resize(self.bits());
        Ok(Box::new(ModpKey {
            group: self,
            public: self.power(two, &exponent).as_bytes().to_vec(),
            exponent: Zeroizing::new(exponent),
        }))
    }
}

struct ModpKey {
    group: &'static ModpGroup,
    exponent: Zeroizing<BoxedUint>,
    public: Vec<u8>,
}

impl EphemeralKey for ModpKey {
    fn public_value(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let method = self.group.method;
        check_length(method, self.public.len(), peer)?;
        let peer = BoxedUint::from_be_slice(peer, self.group.bits())
            .map_err(|_| CryptoError::PublicValue(method))?;
        // 1 < peer < p - 1, RFC 6989 section 2.1: the three left out make the secret 0, 1 or p - 1 whatever we do.
        let one = BoxedUint::one_with_precision(self.group.bits());
        let last = self.group.params().modulus().as_ref().wrapping_sub(&one);
        if peer <= one || peer >= last {
            return Err(CryptoError::PublicValue(method));
        }
        Ok(self.group.power(peer, &self.exponent))
    }
}
