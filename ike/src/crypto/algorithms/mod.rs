//! The tables of algorithms: one table per transform type, one row per algorithm.
//!
//! A row holds the words operators write, IANA's number, and every length; proposals, key derivation and the kernel read
//! them here. Beside the tables stand the words that we know and do not offer ([`UNAVAILABLE`]), so that an error can say
//! which of "refused", "not built yet" and "unknown" it is.

mod unavailable;

pub use unavailable::{UNAVAILABLE, Unavailable, UnavailableRow};

use std::fmt;

use crate::wire::numbers::{
    Encryption, Integrity, KeyExchangeMethod, Prf, SequenceNumbers, TransformType,
};

/// An encryption algorithm at one key length.
#[derive(Debug, PartialEq, Eq)]
pub struct EncryptionRow {
    /// What operators write; the first is the canonical word.
    pub keywords: &'static [&'static str],
    /// IANA's number.
    pub id: Encryption,
    /// The Key Length attribute in bits; `None` where the algorithm has a fixed length and takes no attribute.
    pub key_bits: Option<u16>,
    /// The cipher's key in bytes, without the salt.
    pub key_length: usize,
    /// The salt that follows the key in the key material, in bytes; 0 where there is none.
    pub salt_length: usize,
    /// The IV on the wire, in bytes.
    pub iv_length: usize,
    /// What ESP pads to, in bytes; 1 where the cipher wants no padding of its own.
    pub block_length: usize,
    /// The AEAD's tag in bytes; `None` for a cipher that needs an integrity algorithm beside it.
    pub icv_length: Option<usize>,
    /// Whether IKE messages may use it.
    pub ike: bool,
    /// Whether ESP may use it.
    pub esp: bool,
}

impl EncryptionRow {
    /// Whether it authenticates by itself (a combined-mode cipher, RFC 7296 section 3.3.3).
    #[must_use]
    pub const fn is_aead(&self) -> bool {
        self.icv_length.is_some()
    }

    /// The key material it takes, key and salt, in bytes.
    #[must_use]
    pub const fn key_material_length(&self) -> usize {
        self.key_length + self.salt_length
    }
}

/// Transform type 1.
pub static ENCRYPTION: &[EncryptionRow] = &[
    aes_gcm(
        &["aes256gcm16", "aes256gcm128", "aes256gcm"],
        Encryption::AES_GCM_16,
        256,
        16,
    ),
    aes_gcm(
        &["aes128gcm16", "aes128gcm128", "aes128gcm"],
        Encryption::AES_GCM_16,
        128,
        16,
    ),
    aes_cbc(&["aes256", "aes256cbc"], 256),
    aes_cbc(&["aes128", "aes128cbc", "aes"], 128),
];

const fn aes_gcm(
    keywords: &'static [&'static str],
    id: Encryption,
    key_bits: u16,
    icv_length: usize,
) -> EncryptionRow {
    EncryptionRow {
        keywords,
        id,
        key_bits: Some(key_bits),
        key_length: key_bits as usize / 8,
        salt_length: 4,
        iv_length: 8,
        block_length: 1,
        icv_length: Some(icv_length),
        ike: true,
        esp: true,
    }
}

const fn aes_cbc(keywords: &'static [&'static str], key_bits: u16) -> EncryptionRow {
    EncryptionRow {
        keywords,
        id: Encryption::AES_CBC,
        key_bits: Some(key_bits),
        key_length: key_bits as usize / 8,
        salt_length: 0,
        iv_length: 16,
        block_length: 16,
        icv_length: None,
        ike: true,
        esp: true,
    }
}

/// An integrity algorithm.
#[derive(Debug, PartialEq, Eq)]
pub struct IntegrityRow {
    /// What operators write; the first is the canonical word.
    pub keywords: &'static [&'static str],
    /// IANA's number.
    pub id: Integrity,
    /// The key in bytes.
    pub key_length: usize,
    /// The truncated ICV in bytes.
    pub icv_length: usize,
    /// The PRF on the same hash, which a proposal without a PRF word gets.
    pub prf: Prf,
    /// Whether IKE messages may use it.
    pub ike: bool,
    /// Whether ESP may use it.
    pub esp: bool,
}

/// Transform type 3.
pub static INTEGRITY: &[IntegrityRow] = &[
    hmac(
        &["sha256", "sha2_256"],
        Integrity::HMAC_SHA2_256_128,
        32,
        16,
        Prf::HMAC_SHA2_256,
    ),
    hmac(
        &["sha384", "sha2_384"],
        Integrity::HMAC_SHA2_384_192,
        48,
        24,
        Prf::HMAC_SHA2_384,
    ),
    hmac(
        &["sha512", "sha2_512"],
        Integrity::HMAC_SHA2_512_256,
        64,
        32,
        Prf::HMAC_SHA2_512,
    ),
];

const fn hmac(
    keywords: &'static [&'static str],
    id: Integrity,
    key_length: usize,
    icv_length: usize,
    prf: Prf,
) -> IntegrityRow {
    IntegrityRow {
        keywords,
        id,
        key_length,
        icv_length,
        prf,
        ike: true,
        esp: true,
    }
}

/// A pseudorandom function.
#[derive(Debug, PartialEq, Eq)]
pub struct PrfRow {
    /// What operators write; the first is the canonical word.
    pub keywords: &'static [&'static str],
    /// IANA's number.
    pub id: Prf,
    /// Its output and preferred key in bytes.
    pub length: usize,
}

/// Transform type 2.
pub static PRF: &[PrfRow] = &[
    PrfRow {
        keywords: &["prfsha256"],
        id: Prf::HMAC_SHA2_256,
        length: 32,
    },
    PrfRow {
        keywords: &["prfsha384"],
        id: Prf::HMAC_SHA2_384,
        length: 48,
    },
    PrfRow {
        keywords: &["prfsha512"],
        id: Prf::HMAC_SHA2_512,
        length: 64,
    },
];

/// A key exchange method.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyExchangeRow {
    /// What operators write; the first is the canonical word.
    pub keywords: &'static [&'static str],
    /// IANA's number.
    pub id: KeyExchangeMethod,
    /// The Key Exchange Data in bytes.
    pub public_length: usize,
}

/// Transform type 4.
pub static KEY_EXCHANGE: &[KeyExchangeRow] = &[
    KeyExchangeRow {
        keywords: &["x25519", "curve25519", "dh31"],
        id: KeyExchangeMethod::CURVE25519,
        public_length: 32,
    },
    KeyExchangeRow {
        keywords: &["ecp256", "dh19"],
        id: KeyExchangeMethod::ECP_256,
        public_length: 64,
    },
];

/// A kind of sequence numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct SequenceNumbersRow {
    /// What operators write; the first is the canonical word.
    pub keywords: &'static [&'static str],
    /// IANA's number.
    pub id: SequenceNumbers,
}

/// Transform type 5.
pub static SEQUENCE_NUMBERS: &[SequenceNumbersRow] = &[
    SequenceNumbersRow {
        keywords: &["esn"],
        id: SequenceNumbers::EXTENDED_64,
    },
    SequenceNumbersRow {
        keywords: &["noesn"],
        id: SequenceNumbers::SEQUENTIAL_32,
    },
];

/// What every row of an offered algorithm has.
pub trait Row: fmt::Debug + PartialEq + 'static {
    /// What operators write; the first is the canonical word.
    fn keywords(&self) -> &'static [&'static str];

    /// What it is on the wire.
    fn transform(&self) -> TransformName;

    /// The canonical word.
    fn keyword(&self) -> &'static str {
        self.keywords()[0]
    }
}

/// Implements [`Row`] by transform type and, for encryption, key bits.
macro_rules! row {
    ($row:ident, $transform:ident, |$self:ident| $key_bits:expr) => {
        impl Row for $row {
            fn keywords(&self) -> &'static [&'static str] {
                self.keywords
            }

            fn transform(&$self) -> TransformName {
                let (transform, number) = (TransformType::$transform, $self.id.0);
                TransformName { transform, number, key_bits: $key_bits }
            }
        }
    };
}

row!(EncryptionRow, ENCR, |self| self.key_bits);
row!(IntegrityRow, INTEG, |self| None);
row!(PrfRow, PRF, |self| None);
row!(KeyExchangeRow, KE, |self| None);
row!(SequenceNumbersRow, ESN, |self| None);

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
    #[must_use]
    fn row(self) -> (&'static [&'static str], TransformName) {
        match self {
            Self::Encryption(row) => (row.keywords(), row.transform()),
            Self::Integrity(row) => (row.keywords(), row.transform()),
            Self::Prf(row) => (row.keywords(), row.transform()),
            Self::KeyExchange(row) => (row.keywords(), row.transform()),
            Self::SequenceNumbers(row) => (row.keywords(), row.transform()),
            Self::Unavailable(row) => (row.keywords(), row.transform()),
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
                assert_eq!(protection.iv_is_counter(), row.is_aead());
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
        assert_eq!(reason("modp2048"), "not built yet");
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
