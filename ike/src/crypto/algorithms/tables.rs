//! One table per transform type, one row per algorithm, the best first where it matters.

use crate::wire::numbers::{Encryption, Integrity, KeyExchangeMethod, Prf, SequenceNumbers};

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
    /// The salt (or nonce) that follows the key in the key material, in bytes; 0 where there is none.
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
    /// What is wrong with it, where it works only for who names it.
    pub weakness: Option<&'static str>,
}

impl EncryptionRow {
    /// Whether it authenticates by itself (a combined-mode cipher, RFC 7296 section 3.3.3).
    #[must_use]
    pub const fn is_aead(&self) -> bool {
        self.icv_length.is_some()
    }

    /// Whether its IV counts, rather than being drawn: all that have a salt, and only they.
    #[must_use]
    pub const fn has_counter(&self) -> bool {
        self.salt_length > 0
    }

    /// The key material it takes, key and salt, in bytes.
    #[must_use]
    pub const fn key_material_length(&self) -> usize {
        self.key_length + self.salt_length
    }
}

const READABLE: Option<&str> = Some("it encrypts nothing: whoever sees the traffic reads it");

/// Transform type 1.
#[rustfmt::skip] // a table
pub static ENCRYPTION: &[EncryptionRow] = &[
    gcm(&["aes256gcm16", "aes256gcm128", "aes256gcm"], Encryption::AES_GCM_16, 256, 16),
    gcm(&["aes192gcm16", "aes192gcm128", "aes192gcm"], Encryption::AES_GCM_16, 192, 16),
    gcm(&["aes128gcm16", "aes128gcm128", "aes128gcm"], Encryption::AES_GCM_16, 128, 16),
    CHACHA20_POLY1305,
    gcm(&["aes256gcm12", "aes256gcm96"], Encryption::AES_GCM_12, 256, 12),
    gcm(&["aes192gcm12", "aes192gcm96"], Encryption::AES_GCM_12, 192, 12),
    gcm(&["aes128gcm12", "aes128gcm96"], Encryption::AES_GCM_12, 128, 12),
    gcm(&["aes256gcm8", "aes256gcm64"], Encryption::AES_GCM_8, 256, 8),
    gcm(&["aes192gcm8", "aes192gcm64"], Encryption::AES_GCM_8, 192, 8),
    gcm(&["aes128gcm8", "aes128gcm64"], Encryption::AES_GCM_8, 128, 8),
    ccm(&["aes256ccm16", "aes256ccm128", "aes256ccm"], Encryption::AES_CCM_16, 256, 16),
    ccm(&["aes192ccm16", "aes192ccm128", "aes192ccm"], Encryption::AES_CCM_16, 192, 16),
    ccm(&["aes128ccm16", "aes128ccm128", "aes128ccm"], Encryption::AES_CCM_16, 128, 16),
    ccm(&["aes256ccm12", "aes256ccm96"], Encryption::AES_CCM_12, 256, 12),
    ccm(&["aes192ccm12", "aes192ccm96"], Encryption::AES_CCM_12, 192, 12),
    ccm(&["aes128ccm12", "aes128ccm96"], Encryption::AES_CCM_12, 128, 12),
    ccm(&["aes256ccm8", "aes256ccm64"], Encryption::AES_CCM_8, 256, 8),
    ccm(&["aes192ccm8", "aes192ccm64"], Encryption::AES_CCM_8, 192, 8),
    ccm(&["aes128ccm8", "aes128ccm64"], Encryption::AES_CCM_8, 128, 8),
    cbc(&["aes256", "aes256cbc"], 256),
    cbc(&["aes192", "aes192cbc"], 192),
    cbc(&["aes128", "aes128cbc", "aes"], 128),
    ctr(&["aes256ctr"], 256),
    ctr(&["aes192ctr"], 192),
    ctr(&["aes128ctr"], 128),
    gmac(&["aes256gmac"], 256),
    gmac(&["aes192gmac"], 192),
    gmac(&["aes128gmac"], 128),
    NULL,
];

/// AES in a mode, by its word, number and key bits; the rest as in RFC 4106 for GCM.
const fn gcm(
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
        weakness: None,
    }
}

/// RFC 4309: a salt of 3 bytes.
const fn ccm(
    keywords: &'static [&'static str],
    id: Encryption,
    key_bits: u16,
    icv_length: usize,
) -> EncryptionRow {
    EncryptionRow {
        salt_length: 3,
        ..gcm(keywords, id, key_bits, icv_length)
    }
}

/// RFC 3602.
const fn cbc(keywords: &'static [&'static str], key_bits: u16) -> EncryptionRow {
    EncryptionRow {
        salt_length: 0,
        iv_length: 16,
        block_length: 16,
        icv_length: None,
        ..gcm(keywords, Encryption::AES_CBC, key_bits, 0)
    }
}

/// RFC 3686, RFC 5930.
const fn ctr(keywords: &'static [&'static str], key_bits: u16) -> EncryptionRow {
    EncryptionRow {
        icv_length: None,
        ..gcm(keywords, Encryption::AES_CTR, key_bits, 0)
    }
}

/// RFC 4543: ESP that authenticates only.
const fn gmac(keywords: &'static [&'static str], key_bits: u16) -> EncryptionRow {
    EncryptionRow {
        ike: false,
        weakness: READABLE,
        ..gcm(keywords, Encryption::NULL_AUTH_AES_GMAC, key_bits, 16)
    }
}

/// RFC 7634: one length of key, and no attribute for it.
const CHACHA20_POLY1305: EncryptionRow = EncryptionRow {
    key_bits: None,
    ..gcm(
        &["chacha20poly1305"],
        Encryption::CHACHA20_POLY1305,
        256,
        16,
    )
};

/// RFC 2410.
const NULL: EncryptionRow = EncryptionRow {
    keywords: &["null"],
    id: Encryption::NULL,
    key_bits: None,
    key_length: 0,
    salt_length: 0,
    iv_length: 0,
    block_length: 1,
    icv_length: None,
    ike: false,
    esp: true,
    weakness: READABLE,
};

/// An integrity algorithm, for IKE and ESP alike.
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
    /// The PRF on the same hash or cipher, which a proposal without a PRF word gets.
    pub prf: Prf,
    /// What is wrong with it, where it works only for who names it.
    pub weakness: Option<&'static str>,
}

const SHA1: Option<&str> =
    Some("SHA-1 is broken as a hash; HMAC with it still stands, without a margin");

/// Transform type 3.
#[rustfmt::skip] // a table
pub static INTEGRITY: &[IntegrityRow] = &[
    integrity(&["sha256", "sha2_256"], Integrity::HMAC_SHA2_256_128, 32, 16, Prf::HMAC_SHA2_256),
    integrity(&["sha384", "sha2_384"], Integrity::HMAC_SHA2_384_192, 48, 24, Prf::HMAC_SHA2_384),
    integrity(&["sha512", "sha2_512"], Integrity::HMAC_SHA2_512_256, 64, 32, Prf::HMAC_SHA2_512),
    integrity(&["aescmac"], Integrity::AES_CMAC_96, 16, 12, Prf::AES128_CMAC),
    integrity(&["aesxcbc"], Integrity::AES_XCBC_96, 16, 12, Prf::AES128_XCBC),
    IntegrityRow { weakness: SHA1, ..integrity(&["sha1", "sha"], Integrity::HMAC_SHA1_96, 20, 12, Prf::HMAC_SHA1) },
];

const fn integrity(
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
        weakness: None,
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
    /// What is wrong with it, where it works only for who names it.
    pub weakness: Option<&'static str>,
}

/// Transform type 2.
#[rustfmt::skip] // a table
pub static PRF: &[PrfRow] = &[
    PrfRow { keywords: &["prfsha256"], id: Prf::HMAC_SHA2_256, length: 32, weakness: None },
    PrfRow { keywords: &["prfsha384"], id: Prf::HMAC_SHA2_384, length: 48, weakness: None },
    PrfRow { keywords: &["prfsha512"], id: Prf::HMAC_SHA2_512, length: 64, weakness: None },
    PrfRow { keywords: &["prfaescmac"], id: Prf::AES128_CMAC, length: 16, weakness: None },
    PrfRow { keywords: &["prfaesxcbc"], id: Prf::AES128_XCBC, length: 16, weakness: None },
    PrfRow { keywords: &["prfsha1"], id: Prf::HMAC_SHA1, length: 20, weakness: SHA1 },
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
    /// What is wrong with it, where it works only for who names it.
    pub weakness: Option<&'static str>,
}

const SMALL_GROUP: Option<&str> =
    Some("discrete logarithms in so small a group are within reach of the well-funded");

/// Transform type 4.
#[rustfmt::skip] // a table
pub static KEY_EXCHANGE: &[KeyExchangeRow] = &[
    group(&["x25519", "curve25519", "dh31"], KeyExchangeMethod::CURVE25519, 32),
    group(&["ecp256", "dh19"], KeyExchangeMethod::ECP_256, 64),
    group(&["ecp384", "dh20"], KeyExchangeMethod::ECP_384, 96),
    group(&["ecp521", "dh21"], KeyExchangeMethod::ECP_521, 132),
    group(&["modp2048", "dh14"], KeyExchangeMethod::MODP_2048, 256),
    group(&["modp3072", "dh15"], KeyExchangeMethod::MODP_3072, 384),
    group(&["modp4096", "dh16"], KeyExchangeMethod::MODP_4096, 512),
    group(&["modp6144", "dh17"], KeyExchangeMethod::MODP_6144, 768),
    group(&["modp8192", "dh18"], KeyExchangeMethod::MODP_8192, 1024),
    KeyExchangeRow { weakness: SMALL_GROUP, ..group(&["modp1536", "dh5"], KeyExchangeMethod::MODP_1536, 192) },
    KeyExchangeRow { weakness: SMALL_GROUP, ..group(&["modp1024", "dh2"], KeyExchangeMethod::MODP_1024, 128) },
];

const fn group(
    keywords: &'static [&'static str],
    id: KeyExchangeMethod,
    public_length: usize,
) -> KeyExchangeRow {
    KeyExchangeRow {
        keywords,
        id,
        public_length,
        weakness: None,
    }
}

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
