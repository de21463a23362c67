//! The tables of algorithms: one table per transform type, one row per algorithm.
//!
//! A row holds the words operators write, IANA's number, and every length; proposals, key derivation and the kernel read
//! them here. Below the tables stand the words we know and do not offer, so that an error can say which of "refused",
//! "not built yet" and "unknown" it is.

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
        keywords: &["x25519", "curve25519"],
        id: KeyExchangeMethod::CURVE25519,
        public_length: 32,
    },
    KeyExchangeRow {
        keywords: &["ecp256"],
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

/// A word we know and do not offer.
#[derive(Debug, PartialEq, Eq)]
pub struct UnavailableRow {
    /// What operators write; the first is the canonical word.
    pub keywords: &'static [&'static str],
    /// The transform type.
    pub transform: TransformType,
    /// IANA's number within the type.
    pub number: u16,
    /// The Key Length attribute in bits.
    pub key_bits: Option<u16>,
    /// Why it is not offered.
    pub reason: Unavailable,
}

/// Why a known algorithm is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// For good: what is wrong with it.
    Refused(&'static str),
    /// Sound, or tolerable where named, but not there yet.
    NotBuiltYet,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::NotBuiltYet => f.write_str("not built yet"),
        }
    }
}

const SMALL_BLOCKS: Unavailable =
    Unavailable::Refused("its 64-bit blocks repeat after a few gigabytes");
const WEAK_GROUP: Unavailable = Unavailable::Refused("the group is too small");
const DUBIOUS_GROUP: Unavailable =
    Unavailable::Refused("the origin of its parameters is unknown (RFC 8247)");
const MD5: Unavailable = Unavailable::Refused("MD5 is broken");
const LATER: Unavailable = Unavailable::NotBuiltYet;

/// The words of every type that we know and do not offer.
#[rustfmt::skip] // a table
pub static UNAVAILABLE: &[UnavailableRow] = &[
    encryption(&["des"], Encryption::DES, None, Unavailable::Refused("DES has keys of 56 bits")),
    encryption(&["3des"], Encryption::TRIPLE_DES, None, SMALL_BLOCKS),
    encryption(&["blowfish"], Encryption(7), None, SMALL_BLOCKS),
    encryption(&["cast128"], Encryption(6), None, SMALL_BLOCKS),
    encryption(&["null"], Encryption::NULL, None, Unavailable::Refused("it encrypts nothing")),
    encryption(&["aes192", "aes192cbc"], Encryption::AES_CBC, Some(192), LATER),
    encryption(&["aes128ctr"], Encryption::AES_CTR, Some(128), LATER),
    encryption(&["aes192ctr"], Encryption::AES_CTR, Some(192), LATER),
    encryption(&["aes256ctr"], Encryption::AES_CTR, Some(256), LATER),
    encryption(&["aes128gcm8", "aes128gcm64"], Encryption::AES_GCM_8, Some(128), LATER),
    encryption(&["aes192gcm8", "aes192gcm64"], Encryption::AES_GCM_8, Some(192), LATER),
    encryption(&["aes256gcm8", "aes256gcm64"], Encryption::AES_GCM_8, Some(256), LATER),
    encryption(&["aes128gcm12", "aes128gcm96"], Encryption::AES_GCM_12, Some(128), LATER),
    encryption(&["aes192gcm12", "aes192gcm96"], Encryption::AES_GCM_12, Some(192), LATER),
    encryption(&["aes256gcm12", "aes256gcm96"], Encryption::AES_GCM_12, Some(256), LATER),
    encryption(&["aes192gcm16", "aes192gcm128", "aes192gcm"], Encryption::AES_GCM_16, Some(192), LATER),
    encryption(&["aes128ccm8", "aes128ccm64"], Encryption::AES_CCM_8, Some(128), LATER),
    encryption(&["aes192ccm8", "aes192ccm64"], Encryption::AES_CCM_8, Some(192), LATER),
    encryption(&["aes256ccm8", "aes256ccm64"], Encryption::AES_CCM_8, Some(256), LATER),
    encryption(&["aes128ccm12", "aes128ccm96"], Encryption::AES_CCM_12, Some(128), LATER),
    encryption(&["aes192ccm12", "aes192ccm96"], Encryption::AES_CCM_12, Some(192), LATER),
    encryption(&["aes256ccm12", "aes256ccm96"], Encryption::AES_CCM_12, Some(256), LATER),
    encryption(&["aes128ccm16", "aes128ccm128"], Encryption::AES_CCM_16, Some(128), LATER),
    encryption(&["aes192ccm16", "aes192ccm128"], Encryption::AES_CCM_16, Some(192), LATER),
    encryption(&["aes256ccm16", "aes256ccm128"], Encryption::AES_CCM_16, Some(256), LATER),
    encryption(&["aes128gmac"], Encryption::NULL_AUTH_AES_GMAC, Some(128), LATER),
    encryption(&["aes192gmac"], Encryption::NULL_AUTH_AES_GMAC, Some(192), LATER),
    encryption(&["aes256gmac"], Encryption::NULL_AUTH_AES_GMAC, Some(256), LATER),
    encryption(&["camellia128"], Encryption::CAMELLIA_CBC, Some(128), LATER),
    encryption(&["camellia192"], Encryption::CAMELLIA_CBC, Some(192), LATER),
    encryption(&["camellia256"], Encryption::CAMELLIA_CBC, Some(256), LATER),
    encryption(&["chacha20poly1305"], Encryption::CHACHA20_POLY1305, None, LATER),
    integrity(&["md5"], Integrity::HMAC_MD5_96, MD5),
    integrity(&["sha1", "sha"], Integrity::HMAC_SHA1_96, LATER),
    integrity(&["aesxcbc"], Integrity::AES_XCBC_96, LATER),
    integrity(&["aescmac"], Integrity::AES_CMAC_96, LATER),
    prf(&["prfmd5"], Prf::HMAC_MD5, MD5),
    prf(&["prfsha1"], Prf::HMAC_SHA1, LATER),
    prf(&["prfaesxcbc"], Prf::AES128_XCBC, LATER),
    prf(&["prfaescmac"], Prf::AES128_CMAC, LATER),
    group(&["modp768"], KeyExchangeMethod::MODP_768, WEAK_GROUP),
    group(&["modp1024"], KeyExchangeMethod::MODP_1024, LATER),
    group(&["modp1536"], KeyExchangeMethod::MODP_1536, LATER),
    group(&["modp2048"], KeyExchangeMethod::MODP_2048, LATER),
    group(&["modp3072"], KeyExchangeMethod::MODP_3072, LATER),
    group(&["modp4096"], KeyExchangeMethod::MODP_4096, LATER),
    group(&["modp6144"], KeyExchangeMethod::MODP_6144, LATER),
    group(&["modp8192"], KeyExchangeMethod::MODP_8192, LATER),
    group(&["modp1024s160"], KeyExchangeMethod::MODP_1024_160, DUBIOUS_GROUP),
    group(&["modp2048s224"], KeyExchangeMethod::MODP_2048_224, DUBIOUS_GROUP),
    group(&["modp2048s256"], KeyExchangeMethod::MODP_2048_256, DUBIOUS_GROUP),
    group(&["ecp192"], KeyExchangeMethod::ECP_192, WEAK_GROUP),
    group(&["ecp224"], KeyExchangeMethod::ECP_224, WEAK_GROUP),
    group(&["ecp384"], KeyExchangeMethod::ECP_384, LATER),
    group(&["ecp521"], KeyExchangeMethod::ECP_521, LATER),
    group(&["ecp224bp"], KeyExchangeMethod::BRAINPOOL_224, WEAK_GROUP),
    group(&["ecp256bp"], KeyExchangeMethod::BRAINPOOL_256, LATER),
    group(&["ecp384bp"], KeyExchangeMethod::BRAINPOOL_384, LATER),
    group(&["ecp512bp"], KeyExchangeMethod::BRAINPOOL_512, LATER),
    group(&["x448", "curve448"], KeyExchangeMethod::CURVE448, LATER),
    group(&["mlkem512"], KeyExchangeMethod::ML_KEM_512, LATER),
    group(&["mlkem768"], KeyExchangeMethod::ML_KEM_768, LATER),
    group(&["mlkem1024"], KeyExchangeMethod::ML_KEM_1024, LATER),
];

const fn encryption(
    keywords: &'static [&'static str],
    id: Encryption,
    key_bits: Option<u16>,
    reason: Unavailable,
) -> UnavailableRow {
    UnavailableRow {
        keywords,
        transform: TransformType::ENCR,
        number: id.0,
        key_bits,
        reason,
    }
}

const fn integrity(
    keywords: &'static [&'static str],
    id: Integrity,
    reason: Unavailable,
) -> UnavailableRow {
    let (transform, number) = (TransformType::INTEG, id.0);
    UnavailableRow {
        keywords,
        transform,
        number,
        key_bits: None,
        reason,
    }
}

const fn prf(keywords: &'static [&'static str], id: Prf, reason: Unavailable) -> UnavailableRow {
    let (transform, number) = (TransformType::PRF, id.0);
    UnavailableRow {
        keywords,
        transform,
        number,
        key_bits: None,
        reason,
    }
}

const fn group(
    keywords: &'static [&'static str],
    id: KeyExchangeMethod,
    reason: Unavailable,
) -> UnavailableRow {
    let (transform, number) = (TransformType::KE, id.0);
    UnavailableRow {
        keywords,
        transform,
        number,
        key_bits: None,
        reason,
    }
}

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

    /// The words of the row; the first is the canonical one.
    #[must_use]
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Encryption(row) => row.keywords,
            Self::Integrity(row) => row.keywords,
            Self::Prf(row) => row.keywords,
            Self::KeyExchange(row) => row.keywords,
            Self::SequenceNumbers(row) => row.keywords,
            Self::Unavailable(row) => row.keywords,
        }
    }

    /// The transform type, number and Key Length attribute that the word stands for on the wire.
    #[must_use]
    pub const fn transform(self) -> (TransformType, u16, Option<u16>) {
        match self {
            Self::Encryption(row) => (TransformType::ENCR, row.id.0, row.key_bits),
            Self::Integrity(row) => (TransformType::INTEG, row.id.0, None),
            Self::Prf(row) => (TransformType::PRF, row.id.0, None),
            Self::KeyExchange(row) => (TransformType::KE, row.id.0, None),
            Self::SequenceNumbers(row) => (TransformType::ESN, row.id.0, None),
            Self::Unavailable(row) => (row.transform, row.number, row.key_bits),
        }
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
        if let Some(row) =
            Keyword::all().find(|row| row.transform() == (transform, number, key_bits))
        {
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
