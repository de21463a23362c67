//! The names of algorithms in the table: Wireshark's, IANA's, and what operators write in policies.

use ike::crypto::algorithms::{ENCRYPTION, EncryptionRow};
use ike::wire::numbers::{Encryption, Integrity, Prf};

use super::cipher::{Cipher, Code, Mac};

/// The encryption algorithm of this name. Names of IANA's do not tell the length of the key: then the key of `key_length`
/// bytes does.
pub(super) fn encryption(name: &str, key_length: usize) -> Result<Cipher, String> {
    let word = normalised(name, "ENCR_");
    match word.as_str() {
        "3DES" | "3DES_CBC" => return Ok(Cipher::TripleDes),
        "DES" | "DES_CBC" => return Ok(Cipher::Des),
        "NULL" => return Ok(Cipher::Null),
        _ => {}
    }
    let rows = ENCRYPTION.iter().filter(|row| row.ike);
    let named: Vec<_> = rows
        .filter(|row| {
            let iana = row.id.name().unwrap_or_default();
            word == wireshark(row)
                || word == iana
                || row
                    .key_bits
                    .is_some_and(|bits| word == format!("{iana}_{bits}"))
                || row
                    .keywords
                    .iter()
                    .any(|keyword| keyword.to_uppercase() == word)
        })
        .collect();
    // By a name without a length there are several.
    let fitting = named
        .iter()
        .find(|row| row.key_material_length() == key_length);
    match fitting.or_else(|| named.first()) {
        Some(row) => Ok(Cipher::Row(row)),
        None => Err(unknown(
            "encryption",
            name,
            &word,
            Encryption::KNOWN.iter().filter_map(|id| id.name()),
        )),
    }
}

/// `AES_GCM_256_WITH_16_OCTET_ICV`, `AES_CBC_256`
fn wireshark(row: &EncryptionRow) -> String {
    let mode = match row.id {
        Encryption::AES_GCM_8 | Encryption::AES_GCM_12 | Encryption::AES_GCM_16 => "AES_GCM",
        Encryption::AES_CCM_8 | Encryption::AES_CCM_12 | Encryption::AES_CCM_16 => "AES_CCM",
        id => id.name().unwrap_or_default(),
    };
    match (row.key_bits, row.icv_length) {
        (Some(bits), Some(icv)) => format!("{mode}_{bits}_WITH_{icv}_OCTET_ICV"),
        (Some(bits), None) => format!("{mode}_{bits}"),
        (None, _) => mode.to_owned(),
    }
}

/// The integrity algorithm of this name.
pub(super) fn integrity(name: &str) -> Result<Code, String> {
    let word = normalised(name, "AUTH_");
    let code = |mac, icv_length| Ok(Code::Checked { mac, icv_length });
    match word.as_str() {
        "NONE" | "" => Ok(Code::None),
        "HMAC_MD5_96" => code(Mac::Md5, 12),
        "HMAC_MD5_128" => code(Mac::Md5, 16),
        "HMAC_SHA1_96" | "SHA1" => code(Mac::Prf(Prf::HMAC_SHA1), 12),
        "HMAC_SHA1_160" => code(Mac::Prf(Prf::HMAC_SHA1), 20),
        "HMAC_SHA2_256_96" => code(Mac::Prf(Prf::HMAC_SHA2_256), 12),
        "HMAC_SHA2_256_128" | "SHA256" => code(Mac::Prf(Prf::HMAC_SHA2_256), 16),
        "HMAC_SHA2_384_192" | "SHA384" => code(Mac::Prf(Prf::HMAC_SHA2_384), 24),
        "HMAC_SHA2_512_256" | "SHA512" => code(Mac::Prf(Prf::HMAC_SHA2_512), 32),
        "AES_XCBC_96" | "AESXCBC" => code(Mac::Prf(Prf::AES128_XCBC), 12),
        "AES_CMAC_96" | "AESCMAC" => code(Mac::Prf(Prf::AES128_CMAC), 12),
        _ => match any(&word) {
            Some(icv_length) => Ok(Code::Unchecked { icv_length }),
            None => Err(unknown(
                "integrity",
                name,
                &word,
                Integrity::KNOWN.iter().filter_map(|id| id.name()),
            )),
        },
    }
}

/// `ANY_96_BITS_OF_AUTHENTICATION`, in bytes.
fn any(word: &str) -> Option<usize> {
    let bits = word
        .strip_prefix("ANY_")?
        .strip_suffix("_BITS_OF_AUTHENTICATION")?;
    bits.parse()
        .ok()
        .filter(|bits: &usize| *bits <= 512 && bits.is_multiple_of(8))
        .map(|bits| bits / 8)
}

/// In capitals, with underlines, without the reference in brackets and IANA's prefix.
fn normalised(name: &str, prefix: &str) -> String {
    let name = name.split('[').next().unwrap_or_default().trim();
    let word = name.to_uppercase().replace(['-', ' '], "_");
    word.strip_prefix(prefix).map(str::to_owned).unwrap_or(word)
}

fn unknown(
    kind: &str,
    name: &str,
    word: &str,
    mut known: impl Iterator<Item = &'static str>,
) -> String {
    if word.is_empty() {
        format!("the name of the {kind} algorithm is missing")
    } else if known.any(|name| name == word) {
        format!("the {kind} algorithm {word} is known, but not decrypted here")
    } else if word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        format!("a key stands where the name of the {kind} algorithm should")
    } else {
        let name: String = name.chars().take(60).collect();
        format!("the {kind} algorithm {name} is not known")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_wiresharks_table_is_known() {
        let aead = ["AES-GCM", "AES-CCM"].into_iter().flat_map(|mode| {
            [(128, 16), (192, 24), (256, 32)]
                .into_iter()
                .flat_map(move |(bits, length)| {
                    [8, 12, 16].into_iter().map(move |icv| {
                        let salt = if mode == "AES-GCM" { 4 } else { 3 };
                        (
                            format!("{mode}-{bits} with {icv} octet ICV [RFC5282]"),
                            length + salt,
                        )
                    })
                })
        });
        let plain = [
            ("3DES [RFC2451]", 24),
            ("AES-CBC-128 [RFC3602]", 16),
            ("AES-CBC-192 [RFC3602]", 24),
            ("AES-CBC-256 [RFC3602]", 32),
            ("NULL [RFC2410]", 0),
            ("AES-CTR-128 [RFC5930]", 20),
            ("AES-CTR-192 [RFC5930]", 28),
            ("AES-CTR-256 [RFC5930]", 36),
            ("ENCR_CHACHA20_POLY1305", 36),
            ("ENCR_DES", 8),
        ];
        for (name, length) in aead.chain(plain.map(|(name, length)| (name.to_owned(), length))) {
            // Whatever the key: these names say how long it is.
            let cipher = encryption(&name, 1).unwrap();
            assert_eq!(cipher.key_length(), length, "{name}");
        }
        assert_eq!(encryption("ENCR_AES_GCM_16", 28).unwrap().key_length(), 28);
        let integrities = [
            ("HMAC_MD5_96 [RFC2403]", 12),
            ("HMAC_SHA1_96 [RFC2404]", 12),
            ("HMAC_MD5_128 [RFC4595]", 16),
            ("HMAC_SHA1_160 [RFC4595]", 20),
            ("HMAC_SHA2_256_96 [draft-ietf-ipsec-ciph-sha-256-00]", 12),
            ("HMAC_SHA2_256_128 [RFC4868]", 16),
            ("HMAC_SHA2_384_192 [RFC4868]", 24),
            ("HMAC_SHA2_512_256 [RFC4868]", 32),
            ("AES_CMAC_96 [RFC4494]", 12),
            ("AUTH_AES_XCBC_96", 12),
            ("NONE [RFC4306]", 0),
            ("ANY 64-bits of Authentication [No Checking]", 8),
            ("ANY 96-bits of Authentication [No Checking]", 12),
            ("ANY 128-bits of Authentication [No Checking]", 16),
            ("ANY 160-bits of Authentication [No Checking]", 20),
            ("ANY 192-bits of Authentication [No Checking]", 24),
            ("ANY 256-bits of Authentication [No Checking]", 32),
        ];
        for (name, length) in integrities {
            assert_eq!(integrity(name).unwrap().icv_length(), length, "{name}");
        }
    }
}
