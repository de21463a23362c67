//! The words of algorithms that we know and do not offer, each with the reason. A row moves to one of the other tables
//! when its algorithm is built.

use std::fmt;

use super::TransformName;
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

impl UnavailableRow {
    /// What it is on the wire.
    #[must_use]
    pub const fn transform(&self) -> TransformName {
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

const fn refused(why: &'static str) -> Unavailable {
    Unavailable::Refused(why)
}

const SMALL_BLOCKS: Unavailable = refused("its 64-bit blocks repeat after a few gigabytes");
const WEAK_GROUP: Unavailable = refused("the group is too small");
const DUBIOUS_GROUP: Unavailable = refused("the origin of its parameters is unknown (RFC 8247)");
const MD5: Unavailable = refused("MD5 is broken");
const LATER: Unavailable = Unavailable::NotBuiltYet;

const ENCR: TransformType = TransformType::ENCR;
const INTEG: TransformType = TransformType::INTEG;
const KE: TransformType = TransformType::KE;

/// The words of every type that we know and do not offer.
#[rustfmt::skip] // a table
pub static UNAVAILABLE: &[UnavailableRow] = &[
    row(&["des"], ENCR, Encryption::DES.0, None, refused("DES has keys of 56 bits")),
    row(&["3des"], ENCR, Encryption::TRIPLE_DES.0, None, SMALL_BLOCKS),
    row(&["blowfish"], ENCR, 7, None, SMALL_BLOCKS),
    row(&["cast128"], ENCR, 6, None, SMALL_BLOCKS),
    row(&["camellia128"], ENCR, Encryption::CAMELLIA_CBC.0, Some(128), LATER),
    row(&["camellia192"], ENCR, Encryption::CAMELLIA_CBC.0, Some(192), LATER),
    row(&["camellia256"], ENCR, Encryption::CAMELLIA_CBC.0, Some(256), LATER),
    row(&["md5"], INTEG, Integrity::HMAC_MD5_96.0, None, MD5),
    row(&["prfmd5"], TransformType::PRF, Prf::HMAC_MD5.0, None, MD5),
    row(&["modp768", "dh1"], KE, KeyExchangeMethod::MODP_768.0, None, WEAK_GROUP),
    row(&["modp1024s160", "dh22"], KE, KeyExchangeMethod::MODP_1024_160.0, None, DUBIOUS_GROUP),
    row(&["modp2048s224", "dh23"], KE, KeyExchangeMethod::MODP_2048_224.0, None, DUBIOUS_GROUP),
    row(&["modp2048s256", "dh24"], KE, KeyExchangeMethod::MODP_2048_256.0, None, DUBIOUS_GROUP),
    row(&["ecp192", "dh25"], KE, KeyExchangeMethod::ECP_192.0, None, WEAK_GROUP),
    row(&["ecp224", "dh26"], KE, KeyExchangeMethod::ECP_224.0, None, WEAK_GROUP),
    row(&["ecp224bp", "dh27"], KE, KeyExchangeMethod::BRAINPOOL_224.0, None, WEAK_GROUP),
    row(&["ecp256bp", "dh28"], KE, KeyExchangeMethod::BRAINPOOL_256.0, None, LATER),
    row(&["ecp384bp", "dh29"], KE, KeyExchangeMethod::BRAINPOOL_384.0, None, LATER),
    row(&["ecp512bp", "dh30"], KE, KeyExchangeMethod::BRAINPOOL_512.0, None, LATER),
    row(&["x448", "curve448", "dh32"], KE, KeyExchangeMethod::CURVE448.0, None, LATER),
    row(&["mlkem512"], KE, KeyExchangeMethod::ML_KEM_512.0, None, LATER),
    row(&["mlkem768"], KE, KeyExchangeMethod::ML_KEM_768.0, None, LATER),
    row(&["mlkem1024"], KE, KeyExchangeMethod::ML_KEM_1024.0, None, LATER),
];

const fn row(
    keywords: &'static [&'static str],
    transform: TransformType,
    number: u16,
    key_bits: Option<u16>,
    reason: Unavailable,
) -> UnavailableRow {
    UnavailableRow {
        keywords,
        transform,
        number,
        key_bits,
        reason,
    }
}
