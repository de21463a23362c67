//! Lines of Wireshark's table `ikev2_decryption_table`:
//!
//! ```text
//!   SPIi,SPIr,SK_ei,SK_er,"cipher",SK_ai,SK_ar,"integrity"
//! ```
//!
//! SPIs and keys in hexadecimal digits, the salt (or nonce) of a cipher behind its key. The algorithms have Wireshark's
//! names; those that its table lacks have IANA's, which `ikctl decode` knows.

use ike::config::proposal::IkeSuite;
use ike::crypto::Secret;
use ike::engine::io::ExportedKeys;
use ike::wire::numbers::{Encryption, Integrity};

/// A line with its end. It wipes itself, as the keys in it do.
pub(super) fn line(keys: &ExportedKeys) -> Secret {
    let ExportedKeys {
        spis,
        suite,
        sk_ai,
        sk_ar,
        sk_ei,
        sk_er,
    } = keys;
    let (cipher, integrity) = (cipher(suite), integrity(suite.integrity));
    let parts: [&[u8]; 6] = [
        &spis.initiator.0,
        &spis.responder.0,
        sk_ei.as_bytes(),
        sk_er.as_bytes(),
        sk_ai.as_bytes(),
        sk_ar.as_bytes(),
    ];
    let digits: usize = parts.iter().map(|part| 2 * part.len()).sum();
    // With seven commas, four quotes and the end: it never moves, and leaves no copy of a key behind.
    let mut text = Vec::with_capacity(digits + cipher.len() + integrity.len() + 12);
    for (place, part) in parts.iter().enumerate() {
        if place == 4 {
            quote(&mut text, &cipher);
            text.push(b',');
        }
        hex(&mut text, part);
        text.push(b',');
    }
    quote(&mut text, &integrity);
    text.push(b'\n');
    Secret::from(text)
}

fn hex(text: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|half| DIGITS[usize::from(half)]));
    }
}

fn quote(text: &mut Vec<u8>, name: &str) {
    text.push(b'"');
    text.extend(name.as_bytes());
    text.push(b'"');
}

fn cipher(suite: &IkeSuite) -> String {
    let aead = |mode, octets| (mode, format!(" with {octets} octet ICV [RFC5282]"));
    let (mode, rest) = match suite.encryption {
        Encryption::AES_CBC => ("CBC", " [RFC3602]".to_owned()),
        Encryption::AES_CTR => ("CTR", " [RFC5930]".to_owned()),
        Encryption::AES_GCM_8 => aead("GCM", 8),
        Encryption::AES_GCM_12 => aead("GCM", 12),
        Encryption::AES_GCM_16 => aead("GCM", 16),
        Encryption::AES_CCM_8 => aead("CCM", 8),
        Encryption::AES_CCM_12 => aead("CCM", 12),
        Encryption::AES_CCM_16 => aead("CCM", 16),
        other => return format!("ENCR_{other}"),
    };
    format!("AES-{mode}-{}{rest}", suite.key_bits.unwrap_or_default())
}

fn integrity(integrity: Integrity) -> String {
    match integrity {
        Integrity::NONE => "NONE [RFC4306]".to_owned(),
        Integrity::HMAC_SHA1_96 => "HMAC_SHA1_96 [RFC2404]".to_owned(),
        Integrity::HMAC_SHA2_256_128 => "HMAC_SHA2_256_128 [RFC4868]".to_owned(),
        Integrity::HMAC_SHA2_384_192 => "HMAC_SHA2_384_192 [RFC4868]".to_owned(),
        Integrity::HMAC_SHA2_512_256 => "HMAC_SHA2_512_256 [RFC4868]".to_owned(),
        other => format!("AUTH_{other}"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ike::crypto::algorithms::{ENCRYPTION, EncryptionRow, INTEGRITY};
    use ike::engine::event::IkeSpis;
    use ike::wire::IkeSpi;
    use ike::wire::numbers::{KeyExchangeMethod, Prf};
    use serde_json::Value;

    use super::*;

    /// The session of `ike/tests/vectors/android-ike.json` (its README says where that is from).
    fn session() -> Value {
        let text = include_str!("../../../ike/tests/vectors/android-ike.json");
        let all: Value = serde_json::from_str(text).expect("JSON");
        all["session_psk_aes128cbc_sha1_modp1024"].clone()
    }

    fn field(session: &Value, name: &str) -> Vec<u8> {
        let text = session[name].as_str().expect("a field");
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
        (0..text.len()).step_by(2).map(byte).collect()
    }

    /// The keys of that session.
    pub(in crate::keylog) fn android() -> ExportedKeys {
        let session = session();
        let spi = |name| IkeSpi(field(&session, name).try_into().expect("8 octets"));
        let key = |name| Secret::from(field(&session, name));
        ExportedKeys {
            spis: IkeSpis {
                initiator: spi("spi_i"),
                responder: spi("spi_r"),
            },
            suite: suite(Encryption::AES_CBC, Some(128), Integrity::HMAC_SHA1_96),
            sk_ai: key("sk_ai"),
            sk_ar: key("sk_ar"),
            sk_ei: key("sk_ei"),
            sk_er: key("sk_er"),
        }
    }

    fn suite(encryption: Encryption, key_bits: Option<u16>, integrity: Integrity) -> IkeSuite {
        IkeSuite {
            encryption,
            key_bits,
            integrity,
            prf: Prf::HMAC_SHA1,
            key_exchange: KeyExchangeMethod(2),
        }
    }

    #[test]
    fn the_line_of_a_known_session() {
        let line = line(&android());
        let text = std::str::from_utf8(line.as_bytes()).expect("ASCII");
        assert_eq!(
            text,
            "5f54bf6d8b48e6e1,909232b3d1edcb5c,5cbfd33f75796c0188c4a3a546aec4a1,c33b35fcf29514cd9d8b4a695e1a816e,\
             \"AES-CBC-128 [RFC3602]\",554fbf5a05b7f511e05a30ce23d874db9ef55e51,36d83420788337ca32ecaa46892c48808dcd58b1,\
             \"HMAC_SHA1_96 [RFC2404]\"\n"
        );
    }

    #[test]
    fn an_aead_has_its_salt_behind_the_key_and_no_integrity() {
        let keys = ExportedKeys {
            suite: suite(Encryption::AES_GCM_16, Some(256), Integrity::NONE),
            sk_ai: Secret::default(),
            sk_ar: Secret::default(),
            sk_ei: Secret::from(vec![0xab; 36]),
            sk_er: Secret::from(vec![0xcd; 36]),
            ..android()
        };
        let line = line(&keys);
        let text = std::str::from_utf8(line.as_bytes()).expect("ASCII");
        let (e, r) = ("ab".repeat(36), "cd".repeat(36));
        assert_eq!(
            text,
            format!(
                "5f54bf6d8b48e6e1,909232b3d1edcb5c,{e},{r},\"AES-GCM-256 with 16 octet ICV [RFC5282]\",,,\"NONE [RFC4306]\"\n"
            )
        );
    }

    #[test]
    fn every_algorithm_has_a_name_of_its_own() {
        let for_ike = |row: &&EncryptionRow| {
            !matches!(row.id, Encryption::NULL | Encryption::NULL_AUTH_AES_GMAC)
        };
        let ciphers: std::collections::BTreeSet<_> = ENCRYPTION
            .iter()
            .filter(for_ike)
            .map(|row| cipher(&suite(row.id, row.key_bits, Integrity::NONE)))
            .collect();
        assert_eq!(
            ciphers.len(),
            ENCRYPTION.iter().filter(for_ike).count(),
            "{ciphers:?}"
        );
        assert!(ciphers.contains("ENCR_CHACHA20_POLY1305"), "{ciphers:?}");
        assert!(ciphers.contains("AES-CCM-192 with 12 octet ICV [RFC5282]"));
        let macs: std::collections::BTreeSet<_> =
            INTEGRITY.iter().map(|row| integrity(row.id)).collect();
        assert_eq!(macs.len(), INTEGRITY.len(), "{macs:?}");
        assert!(
            macs.contains("AUTH_AES_XCBC_96") && macs.contains("AUTH_AES_CMAC_96"),
            "{macs:?}"
        );
        assert!(!macs.iter().chain(&ciphers).any(|name| name.contains('"')));
    }

    #[test]
    fn nothing_of_a_key_can_be_printed() {
        let keys = android();
        let told = format!("{keys:?} {:?}", line(&keys));
        assert!(told.contains("Secret(16 bytes)"), "{told}");
        for name in ["sk_ai", "sk_ar", "sk_ei", "sk_er"] {
            let key = session()[name].as_str().expect("a field").to_owned();
            assert!(!told.contains(&key[..8]), "{name}");
        }
    }
}
