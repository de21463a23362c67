//! What was agreed: exactly one algorithm of each type.

use std::fmt;

use super::write_joined;
use crate::crypto::algorithms::{
    EncryptionRow, IntegrityRow, TransformName, find_encryption, find_integrity,
};
use crate::crypto::schedule::ChildKeyLengths;
use crate::wire::numbers::{
    Encryption, Integrity, KeyExchangeMethod, Prf, SequenceNumbers, TransformType,
};

/// The algorithms of an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IkeSuite {
    /// The cipher.
    pub encryption: Encryption,
    /// Its Key Length attribute in bits.
    pub key_bits: Option<u16>,
    /// The integrity algorithm; `NONE` with an AEAD.
    pub integrity: Integrity,
    /// The pseudorandom function.
    pub prf: Prf,
    /// The key exchange method; never `NONE`.
    pub key_exchange: KeyExchangeMethod,
}

/// The algorithms of a pair of ESP SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EspSuite {
    /// The cipher.
    pub encryption: Encryption,
    /// Its Key Length attribute in bits.
    pub key_bits: Option<u16>,
    /// The integrity algorithm; `NONE` with an AEAD.
    pub integrity: Integrity,
    /// The method of the Child SA's own key exchange, where it has one.
    pub key_exchange: Option<KeyExchangeMethod>,
    /// Whether sequence numbers have 64 bits.
    pub esn: bool,
}

impl EspSuite {
    /// How much of KEYMAT each direction takes.
    ///
    /// # Panics
    /// For a suite that no choice made: with algorithms that are not in our tables.
    #[must_use]
    pub fn child_key_lengths(&self) -> ChildKeyLengths {
        let encryption = find_encryption(self.encryption, self.key_bits)
            .expect("chosen from the table")
            .key_material_length();
        let integrity = match self.integrity {
            Integrity::NONE => 0,
            id => {
                find_integrity(id)
                    .expect("chosen from the table")
                    .key_length
            }
        };
        ChildKeyLengths {
            encryption,
            integrity,
        }
    }
}

impl fmt::Display for IkeSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cipher = cipher_names(self.encryption, self.key_bits, self.integrity);
        let rest = [
            Some(name(TransformType::PRF, self.prf.0)),
            Some(name(TransformType::KE, self.key_exchange.0)),
        ];
        write_joined(f, cipher.into_iter().chain(rest).flatten())
    }
}

impl fmt::Display for EspSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cipher = cipher_names(self.encryption, self.key_bits, self.integrity);
        let esn = if self.esn {
            SequenceNumbers::EXTENDED_64
        } else {
            SequenceNumbers::SEQUENTIAL_32
        };
        let rest = [
            self.key_exchange
                .map(|method| name(TransformType::KE, method.0)),
            Some(name(TransformType::ESN, esn.0)),
        ];
        write_joined(f, cipher.into_iter().chain(rest).flatten())
    }
}

fn cipher_names(
    encryption: Encryption,
    key_bits: Option<u16>,
    integrity: Integrity,
) -> [Option<TransformName>; 2] {
    let encryption = TransformName {
        key_bits,
        ..name(TransformType::ENCR, encryption.0)
    };
    let integrity = (integrity != Integrity::NONE).then(|| name(TransformType::INTEG, integrity.0));
    [Some(encryption), integrity]
}

const fn name(transform: TransformType, number: u16) -> TransformName {
    TransformName {
        transform,
        number,
        key_bits: None,
    }
}

/// Whether `integrity` is right beside the cipher: `NONE` for an AEAD, else one of `allowed`.
pub(super) fn integrity_fits(
    encryption: &EncryptionRow,
    allowed: &[&'static IntegrityRow],
    integrity: Integrity,
) -> bool {
    if encryption.is_aead() {
        integrity == Integrity::NONE
    } else {
        allowed.iter().any(|row| row.id == integrity)
    }
}
