//! The words of algorithms that we know and do not offer, each with the reason. A row moves to its table in
//! [`super`] when its algorithm is built.

use std::fmt;

use super::{Row, TransformName};
use crate::wire::numbers::{Encryption, Integrity, KeyExchangeMethod, Prf, TransformType};

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

impl Row for UnavailableRow {
    fn keywords(&self) -> &'static [&'static str] {
        self.keywords
    }

    fn transform(&self) -> TransformName {
        TransformName {
            transform: self.transform,
            number: self.number,
            key_bits: self.key_bits,
        }
    }
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
