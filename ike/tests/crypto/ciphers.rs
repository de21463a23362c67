//! Ciphers against values printed in RFCs or made with another implementation.

use ike::crypto::protection::{OpeningKey, SealingKey};
use ike::wire::numbers::{Encryption, Integrity};

use crate::support::{Fixed, field, json, suite};

/// The bits of a cipher's key before its salt.
fn key_bits(key_and_salt: &[u8], salt_length: usize) -> u16 {
    u16::try_from((key_and_salt.len() - salt_length) * 8).unwrap()
}

#[test]
fn aes_ccm_and_gcm_with_every_tag_seal_as_openssl_does() {
    let file = json("aes-ccm-gcm.json");
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let (id, salt_length) = match case["cipher"].as_str().unwrap() {
            "ccm8" => (Encryption::AES_CCM_8, 3),
            "ccm12" => (Encryption::AES_CCM_12, 3),
            "ccm16" => (Encryption::AES_CCM_16, 3),
            "gcm8" => (Encryption::AES_GCM_8, 4),
            "gcm12" => (Encryption::AES_GCM_12, 4),
            "gcm16" => (Encryption::AES_GCM_16, 4),
            other => panic!("{other}"),
        };
        let key = field(case, "key");
        let suite = suite(id, key_bits(&key, salt_length), Integrity::NONE);
        let (iv, aad, expected) = (field(case, "iv"), field(case, "aad"), field(case, "icv"));
        let key = suite.key(&key, &[]).unwrap();
        let mut text = field(case, "plain");
        let mut icv = vec![0; suite.icv_length()];
        key.seal(&iv, &aad, &mut text, &mut icv);
        assert_eq!(
            (&text, &icv),
            (&field(case, "cipher_text"), &expected),
            "{case}"
        );
        key.open(&iv, &aad, &mut text, &icv).unwrap();
        assert_eq!(text, field(case, "plain"), "{case}");
        for length in 0..icv.len() {
            assert!(
                key.open(&iv, &aad, &mut text.clone(), &icv[..length])
                    .is_err()
            );
        }
    }
    println!("AES-CCM and AES-GCM: {} cases", cases.len());
}

#[test]
fn aes_ctr_encrypts_as_rfc3686_prints() {
    let file = json("aes-ctr.json");
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let (key, iv) = (field(case, "key"), field(case, "iv"));
        let suite = suite(
            Encryption::AES_CTR,
            key_bits(&key, 4),
            Integrity::HMAC_SHA2_256_128,
        );
        let key = suite.key(&key, &[0; 32]).unwrap();
        let (mut text, mut icv) = (field(case, "plain"), [0; 16]);
        key.seal(&iv, b"", &mut text, &mut icv);
        assert_eq!(text, field(case, "cipher"), "{}", case["name"]);
        key.open(&iv, b"", &mut text, &icv).unwrap();
        assert_eq!(text, field(case, "plain"), "{}", case["name"]);
    }
    println!("AES-CTR: {} cases", cases.len());
}

/// RFC 5930 section 2: an IV of 8 octets, a block counter that begins with 1, and no padding.
#[test]
fn an_ike_message_under_aes_ctr_has_the_form_of_rfc5930() {
    let ctr = suite(Encryption::AES_CTR, 128, Integrity::AES_XCBC_96);
    let (encryption, integrity) = ([7; 20], [9; 16]);
    let mut sealing = SealingKey::new(ctr, &encryption, &integrity, 5).unwrap();
    let sealed = sealing
        .seal_message(&mut Fixed(vec![]), b"header".to_vec(), b"payloads")
        .unwrap();
    assert_eq!(sealed.len(), 6 + 8 + 8 + 1 + 12);
    assert_eq!(sealed[6..14], 5u64.to_be_bytes());
    // The key stream of one block, by CBC: what XORs the first block is E(nonce | IV | 1).
    let cbc = suite(Encryption::AES_CBC, 128, Integrity::HMAC_SHA2_256_128);
    let mut stream = [&[7; 4][..], &5u64.to_be_bytes(), &[0, 0, 0, 1]].concat();
    let cbc = cbc.key(&[7; 16], &[0; 32]).unwrap();
    cbc.seal(&[0; 16], b"", &mut stream, &mut [0; 16]);
    let text = b"payloads\0"
        .iter()
        .zip(&stream)
        .map(|(byte, key)| byte ^ key);
    assert_eq!(sealed[14..23], text.collect::<Vec<u8>>());
    let opening = OpeningKey::new(ctr, &encryption, &integrity).unwrap();
    assert_eq!(
        opening.open_message(b"header", &sealed[6..]).unwrap(),
        b"payloads"
    );
}
