//! The tables of algorithms: one table per transform type, one row per algorithm.
//!
//! A row holds the words operators write, IANA's number, and every length; proposals, key derivation and the kernel read
//! them here. A row with a weakness works for who names it, and is nobody's default. Beside the tables stand the words that we know and do not offer ([`UNAVAILABLE`]), so that an error can say
//! which of "refused", "not built yet" and "unknown" it is.

mod tables;
mod unavailable;

pub use tables::{
    ENCRYPTION, EncryptionRow, INTEGRITY, IntegrityRow, KEY_EXCHANGE, KeyExchangeRow, PRF, PrfRow,
    SEQUENCE_NUMBERS, SequenceNumbersRow,
};
pub use unavailable::{UNAVAILABLE, Unavailable, UnavailableRow};

use std::fmt;

use crate::wire::numbers::{
    Encryption, Integrity, KeyExchangeMethod, Prf, SequenceNumbers, TransformType,
};

/// What every row of an offered algorithm has.
pub trait Row: fmt::Debug + PartialEq + 'static {
    /// What operators write; the first is the canonical word.
    fn keywords(&self) -> &'static [&'static str];

    /// What it is on the wire.
    fn transform(&self) -> TransformName;

    /// What is wrong with it, where it works only for who names it.
    fn weakness(&self) -> Option<&'static str>;

    /// The canonical word.
    fn keyword(&self) -> &'static str {
        self.keywords()[0]
    }
}

/// Implements [`Row`] by transform type, key bits and weakness.
macro_rules! row {
    ($row:ident, $transform:ident, |$self:ident| $key_bits:expr, $weakness:expr) => {
        impl Row for $row {
            fn keywords(&self) -> &'static [&'static str] {
                self.keywords
            }

            fn transform(&$self) -> TransformName {
                let (transform, number) = (TransformType::$transform, $self.id.0);
                TransformName { transform, number, key_bits: $key_bits }
            }

            fn weakness(&$self) -> Option<&'static str> {
                $weakness
            }
        }
    };
}

row!(EncryptionRow, ENCR, |self| self.key_bits, self.weakness);
row!(IntegrityRow, INTEG, |self| None, self.weakness);
row!(PrfRow, PRF, |self| None, self.weakness);
row!(KeyExchangeRow, KE, |self| None, self.weakness);
row!(SequenceNumbersRow, ESN, |self| None, None);

/// Words, transform and weakness.
type RowParts = (&'static [&'static str], TransformName, Option<&'static str>);

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    /// Transform type 1.
    Encryption(&'static EncryptionRow),
    /// Transform type 3.
    Integrity(&'static IntegrityRow),
    /// Transform type 2.
    Prf(&'static PrfRow),
    /// Transform type 4.
    KeyExchange(&'static KeyExchangeRow),
    /// Transform type 5.
    SequenceNumbers(&'static SequenceNumbersRow),
    /// Known, and not offered.
    Unavailable(&'static UnavailableRow),
}

impl Keyword {
    /// Finds a word in any of the tables, in upper or lower case.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        Self::all().find(|keyword| {
            keyword
                .words()
                .iter()
                .any(|known| known.eq_ignore_ascii_case(word))
        })
    }

    /// Every row of every table.
    pub fn all() -> impl Iterator<Item = Self> {
        ENCRYPTION
            .iter()
            .map(Self::Encryption)
            .chain(INTEGRITY.iter().map(Self::Integrity))
            .chain(PRF.iter().map(Self::Prf))
            .chain(KEY_EXCHANGE.iter().map(Self::KeyExchange))
            .chain(SEQUENCE_NUMBERS.iter().map(Self::SequenceNumbers))
            .chain(UNAVAILABLE.iter().map(Self::Unavailable))
    }

    /// The row without its type.
    fn row(self) -> RowParts {
        fn parts(row: &impl Row) -> RowParts {
            (row.keywords(), row.transform(), row.weakness())
        }
        match self {
            Self::Encryption(row) => parts(row),
            Self::Integrity(row) => parts(row),
            Self::Prf(row) => parts(row),
            Self::KeyExchange(row) => parts(row),
            Self::SequenceNumbers(row) => parts(row),
            Self::Unavailable(row) => (row.keywords, row.transform(), None),
        }
    }

    /// The words of the row; the first is the canonical one.
    #[must_use]
    pub fn words(self) -> &'static [&'static str] {
        self.row().0
    }

    /// What the word stands for on the wire.
    #[must_use]
    pub fn transform(self) -> TransformName {
        self.row().1
    }

    /// What is wrong with an algorithm that works only for who names it.
    #[must_use]
    pub fn weakness(self) -> Option<&'static str> {
        self.row().2
    }

    /// Whether it is there and sound: fit to be suggested.
    #[must_use]
    pub fn is_sound(self) -> bool {
        !matches!(self, Self::Unavailable(_)) && self.weakness().is_none()
    }
}

/// The row of an encryption algorithm we offer.
#[must_use]
pub fn find_encryption(id: Encryption, key_bits: Option<u16>) -> Option<&'static EncryptionRow> {
    ENCRYPTION
        .iter()
        .find(|row| (row.id, row.key_bits) == (id, key_bits))
}

/// The row of an integrity algorithm we offer.
#[must_use]
pub fn find_integrity(id: Integrity) -> Option<&'static IntegrityRow> {
    INTEGRITY.iter().find(|row| row.id == id)
}

/// The row of a PRF we offer.
#[must_use]
pub fn find_prf(id: Prf) -> Option<&'static PrfRow> {
    PRF.iter().find(|row| row.id == id)
}

/// The row of a key exchange method we offer.
#[must_use]
pub fn find_key_exchange(id: KeyExchangeMethod) -> Option<&'static KeyExchangeRow> {
    KEY_EXCHANGE.iter().find(|row| row.id == id)
}

/// A transform in operators' words: the canonical keyword where the tables have one, else IANA's name, else the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransformName {
    /// The transform type.
    pub transform: TransformType,
    /// IANA's number within the type.
    pub number: u16,
    /// The Key Length attribute in bits.
    pub key_bits: Option<u16>,
}

impl TransformName {
    /// The row that has this number, offered or not.
    #[must_use]
    pub fn keyword(self) -> Option<Keyword> {
        Keyword::all().find(|keyword| keyword.transform() == self)
    }
}

impl fmt::Display for TransformName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            transform,
            number,
            key_bits,
        } = *self;
        if (transform, number) == (TransformType::KE, KeyExchangeMethod::NONE.0)
            || (transform, number) == (TransformType::INTEG, Integrity::NONE.0)
        {
            return f.write_str("none");
        }
        if let Some(row) = self.keyword() {
            return f.write_str(row.words()[0]);
        }
        match transform {
            TransformType::ENCR => Encryption(number).fmt(f),
            TransformType::PRF => Prf(number).fmt(f),
            TransformType::INTEG => Integrity(number).fmt(f),
            TransformType::KE => KeyExchangeMethod(number).fmt(f),
            TransformType::ESN => SequenceNumbers(number).fmt(f),
            _ => write!(f, "{transform}({number})"),
        }?;
        key_bits.map_or(Ok(()), |bits| write!(f, "/{bits}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::crypto::standard;

    #[test]
    fn no_word_and_no_transform_stands_twice_in_the_tables() {
        let mut words = HashSet::new();
        let mut transforms = HashSet::new();
        for row in Keyword::all() {
            assert!(
                transforms.insert(row.transform()),
                "{:?} twice",
                row.words()
            );
            for word in row.words() {
                assert!(words.insert(*word), "{word} twice");
                assert_eq!(Keyword::find(&word.to_uppercase()), Some(row));
            }
        }
    }

    #[test]
    fn the_standard_provider_has_every_row_with_the_same_lengths() {
        for row in PRF {
            let prf = standard().prf(row.id).expect("built");
            assert_eq!(
                (prf.id(), prf.output_length(), prf.key_length()),
                (row.id, row.length, row.length)
            );
        }
        for row in KEY_EXCHANGE {
            let method = standard().key_exchange(row.id).expect("built");
            assert_eq!(
                (method.method(), method.public_length()),
                (row.id, row.public_length)
            );
        }
        for row in ENCRYPTION.iter().filter(|row| row.ike) {
            let integrities: Vec<(Integrity, usize, usize)> = match row.icv_length {
                Some(icv) => vec![(Integrity::NONE, 0, icv)],
                None => INTEGRITY
                    .iter()
                    .map(|row| (row.id, row.key_length, row.icv_length))
                    .collect(),
            };
            for (integrity, key_length, icv_length) in integrities {
                let protection = standard()
                    .protection(row.id, row.key_bits, integrity)
                    .expect("built");
                assert_eq!(
                    protection.encryption_key_length(),
                    row.key_material_length()
                );
                assert_eq!(protection.integrity_key_length(), key_length);
                assert_eq!(protection.icv_length(), icv_length);
                assert_eq!(protection.iv_length(), row.iv_length);
                assert_eq!(protection.block_length(), row.block_length);
                assert_eq!(protection.iv_is_counter(), row.has_counter());
            }
        }
    }

    #[test]
    fn what_is_unavailable_says_why() {
        let reason = |word| match Keyword::find(word) {
            Some(Keyword::Unavailable(row)) => row.reason.to_string(),
            other => panic!("{word}: {other:?}"),
        };
        assert_eq!(reason("md5"), "refused: MD5 is broken");
        assert_eq!(reason("x448"), "not built yet");
        assert_eq!(reason("modp768"), "refused: the group is too small");
    }

    #[test]
    fn a_transform_is_named_by_keyword_then_registry_then_number() {
        let name = |transform, number, key_bits| {
            TransformName {
                transform,
                number,
                key_bits,
            }
            .to_string()
        };
        assert_eq!(name(TransformType::ENCR, 20, Some(256)), "aes256gcm16");
        assert_eq!(name(TransformType::ENCR, 12, None), "AES_CBC");
        assert_eq!(
            name(TransformType::ENCR, 1024, Some(64)),
            "Encryption(1024)/64"
        );
        assert_eq!(name(TransformType::KE, 0, None), "none");
        assert_eq!(name(TransformType::ADDKE1, 36, None), "ADDKE1(36)");
    }
}
