//! Keys: every suite opens what was sealed under it, and what cannot be opened says why.

use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use ike::crypto::standard;
use ike::wire::IkeSpi;
use ike::wire::numbers::{Encryption, ExchangeType, Integrity, PayloadType};
use serde_json::json;

use crate::support::*;

/// SPIs of the `index`th IKE SA.
fn spis(index: usize) -> (IkeSpi, IkeSpi) {
    let index = u64::try_from(index + 1).unwrap();
    (
        IkeSpi(index.to_be_bytes()),
        IkeSpi((index << 32).to_be_bytes()),
    )
}

#[test]
fn every_suite_of_ike_is_opened_by_the_names_of_wireshark_and_iana() {
    let aeads = [
        (
            Encryption::AES_GCM_8,
            "AES-GCM-{} with 8 octet ICV [RFC5282]",
        ),
        (
            Encryption::AES_GCM_12,
            "AES-GCM-{} with 12 octet ICV [RFC5282]",
        ),
        (
            Encryption::AES_GCM_16,
            "AES-GCM-{} with 16 octet ICV [RFC5282]",
        ),
        (
            Encryption::AES_CCM_8,
            "AES-CCM-{} with 8 octet ICV [RFC5282]",
        ),
        (
            Encryption::AES_CCM_12,
            "AES-CCM-{} with 12 octet ICV [RFC5282]",
        ),
        (
            Encryption::AES_CCM_16,
            "AES-CCM-{} with 16 octet ICV [RFC5282]",
        ),
    ];
    let ciphers = [
        (Encryption::AES_CBC, "AES-CBC-{} [RFC3602]"),
        (Encryption::AES_CTR, "AES-CTR-{} [RFC5930]"),
    ];
    let codes = [
        (Integrity::HMAC_SHA1_96, "HMAC_SHA1_96 [RFC2404]"),
        (Integrity::HMAC_SHA2_256_128, "HMAC_SHA2_256_128 [RFC4868]"),
        (Integrity::HMAC_SHA2_384_192, "HMAC_SHA2_384_192 [RFC4868]"),
        (Integrity::HMAC_SHA2_512_256, "HMAC_SHA2_512_256 [RFC4868]"),
        (Integrity::AES_XCBC_96, "AUTH_AES_XCBC_96"),
        (Integrity::AES_CMAC_96, "AUTH_AES_CMAC_96"),
    ];
    let mut suites = vec![(
        Encryption::CHACHA20_POLY1305,
        None,
        "ENCR_CHACHA20_POLY1305".to_owned(),
        Integrity::NONE,
        "NONE [RFC4306]",
    )];
    for bits in [128u16, 192, 256] {
        let named = |name: &str| name.replace("{}", &bits.to_string());
        for (id, name) in aeads {
            suites.push((
                id,
                Some(bits),
                named(name),
                Integrity::NONE,
                "NONE [RFC4306]",
            ));
            // IANA's name does not say how long the key is.
            suites.push((
                id,
                Some(bits),
                format!("ENCR_{}", id.name().unwrap()),
                Integrity::NONE,
                "",
            ));
        }
        for (id, name) in ciphers {
            for (integrity, integrity_name) in codes {
                suites.push((id, Some(bits), named(name), integrity, integrity_name));
            }
        }
    }
    let (mut packets, mut keys_table) = (Vec::new(), String::new());
    for (index, (id, bits, name, integrity, integrity_name)) in suites.iter().enumerate() {
        let algorithm = standard().protection(*id, *bits, *integrity).unwrap();
        let mut header = header(ExchangeType::INFORMATIONAL, 1, true, false);
        (header.initiator_spi, header.responder_spi) = spis(index);
        packets.push(request(&sealed(
            algorithm,
            &header,
            None,
            PayloadType::NOTIFY,
            &notify(16384),
        )));
        keys_table += &table(spis(index), &keys(algorithm), name, integrity_name);
    }
    let lines = lines(&pcap(RAW, &packets), Some(&keys_table));
    for (line, suite) in lines.iter().zip(&suites) {
        let protection = &line["protection"];
        assert_eq!(
            (&protection["state"], &protection["integrity"]),
            (&json!("decrypted"), &json!("right")),
            "{suite:?}"
        );
        assert_eq!(
            protection["fields"][0]["value"], "INITIAL_CONTACT",
            "{suite:?}"
        );
    }
    println!("{} suites opened", suites.len());
    assert_eq!(end(&lines)["decrypted"], 73);
}

/// HMAC-MD5 over the message.
fn md5(parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <Hmac<md5::Md5> as KeyInit>::new_from_slice(&[9; 16]).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn ciphers_that_ikd_refuses_are_opened_too() {
    let chain = notify(16384);
    let mut text = [&chain[..], &[0; 8]].concat();
    *text.last_mut().unwrap() = 7;
    let des = |text: &[u8]| {
        let mut text = text.to_vec();
        let length = text.len();
        let cipher = cbc::Encryptor::<des::Des>::new_from_slices(&[7; 8], &[5; 8]).unwrap();
        cipher
            .encrypt_padded::<NoPadding>(&mut text, length)
            .unwrap();
        [&[5; 8][..], &text].concat()
    };
    let cases: [(Vec<u8>, usize, &str, usize, &str); 4] = [
        (des(&text), 8, "ENCR_DES", 12, "HMAC_MD5_96 [RFC2403]"),
        (
            text.clone(),
            0,
            "NULL [RFC2410]",
            16,
            "HMAC_MD5_128 [RFC4595]",
        ),
        (
            text.clone(),
            0,
            "NULL [RFC2410]",
            20,
            "ANY 160-bits of Authentication [No Checking]",
        ),
        (des(&text), 8, "DES", 0, "NONE [RFC4306]"),
    ];
    let (mut packets, mut keys_table) = (Vec::new(), String::new());
    for (index, (body, key, name, icv, integrity)) in cases.iter().enumerate() {
        let mut header = header(ExchangeType::INFORMATIONAL, 1, true, false);
        (header.initiator_spi, header.responder_spi) = spis(index);
        let mut message =
            ike::wire::begin_protected(&header, None, PayloadType::NOTIFY, body.len() + icv);
        message.extend(body);
        let mut code = md5(&[&message]);
        code.resize(*icv, 0xee);
        message.extend(code);
        packets.push(request(&message));
        let code_key = if integrity.contains("MD5") {
            vec![9; 16]
        } else {
            Vec::new()
        };
        keys_table += &table(spis(index), &(vec![7; *key], code_key), name, integrity);
    }
    let lines = lines(&pcap(RAW, &packets), Some(&keys_table));
    for (line, integrity) in lines
        .iter()
        .zip(["right", "right", "unchecked", "unchecked"])
    {
        assert_eq!(line["protection"]["integrity"], integrity, "{line}");
        assert_eq!(line["protection"]["fields"][0]["value"], "INITIAL_CONTACT");
    }
}

#[test]
fn the_messages_of_android_open_also_those_under_3des() {
    let names = [
        ("3des", "3DES [RFC2451]", "HMAC_SHA1_96 [RFC2404]"),
        (
            "aes-gcm_16",
            "AES-GCM-256 with 16 octet ICV [RFC5282]",
            "NONE [RFC4306]",
        ),
    ];
    for message in android()["messages"].as_array().unwrap() {
        let raw = octets(message, "raw");
        let (_, encryption, integrity) = names
            .iter()
            .find(|(name, ..)| message["encr"] == *name)
            .unwrap();
        let spis = (
            IkeSpi(raw[..8].try_into().unwrap()),
            IkeSpi(raw[8..16].try_into().unwrap()),
        );
        let keys = (octets(message, "sk_e"), octets(message, "sk_a"));
        let lines = lines(
            &pcap(RAW, &[request(&raw)]),
            Some(&table(spis, &keys, encryption, integrity)),
        );
        let protection = &lines[0]["protection"];
        assert_eq!(
            (&protection["state"], &protection["integrity"]),
            (&json!("decrypted"), &json!("right"))
        );
        match message.get("frag") {
            None => assert!(protection["fields"][0]["name"].is_string(), "{protection}"),
            Some(place) => {
                assert_eq!(
                    json!([protection["fragment"], protection["fragments"]]),
                    *place
                );
                assert_eq!(
                    protection["fragment_length"],
                    octets(message, "plaintext").len()
                );
            }
        }
    }
}

#[test]
fn what_does_not_open_says_why() {
    let (messages, line) = session();
    let capture = pcap(RAW, &[request(&messages[1])]);
    let fields: Vec<_> = line.trim().split(',').collect();
    let with = |index: usize, value: &str| {
        let mut fields = fields.clone();
        fields[index] = value;
        decode(&capture, Some(&fields.join(",")), &[])
    };
    let wrong = "00112233445566778899aabbccddeeff";
    let told = |ended: Ended| {
        assert_eq!(ended.code, 0, "{ended:?}");
        let text: Vec<_> = ended.stdout.split_whitespace().collect();
        text.join(" ")
    };
    let text = told(with(2, wrong));
    let expected = "decrypted, its integrity is right; that it is broken is the sender's fault, or SK_ei or SK_er is wrong";
    assert!(text.contains(expected), "{text}");
    let text = told(with(5, &format!("{wrong}00112233")));
    assert!(text.contains("! decrypted, although the integrity check value does not match: SK_ai or SK_ar is wrong"), "{text}");
    assert!(text.contains("(TSr): 0.0.0.0/0"), "{text}");
    let text = told(with(7, "\"ANY 96-bits of Authentication [No Checking]\""));
    assert!(
        text.contains("decrypted; its integrity was not checked"),
        "{text}"
    );
    let text = told(with(0, "0000000000000001"));
    assert!(text.contains("there is no key for these SPIs"), "{text}");
    assert!(
        text.contains(
            "No key for SPIs 5f54bf6d8b48e6e1 and 909232b3d1edcb5c: 1 message stayed encrypted"
        ),
        "{text}"
    );
    let gcm = format!(
        "{},{},{},{},\"AES-GCM-128 with 16 octet ICV\",,,\"NONE\"",
        fields[0],
        fields[1],
        "00".repeat(20),
        "00".repeat(20)
    );
    let text = told(decode(&capture, Some(&gcm), &[]));
    assert!(text.contains("! not decrypted: the integrity check value does not match: the keys are those of another IKE SA"), "{text}");
}

#[test]
fn lines_of_the_table_that_cannot_be_used_are_told_and_the_others_used() {
    let (messages, line) = session();
    let capture = pcap(RAW, &[request(&messages[1])]);
    let ended = decode(
        &capture,
        Some(&format!("nonsense\n\n{line}")),
        &["--summary"],
    );
    assert_eq!(ended.code, 7);
    assert_eq!(
        ended.stderr,
        "ikctl: DIR/keys, line 1: it has 1 fields instead of 8: SPIi,SPIr,SK_ei,SK_er,encryption,SK_ai,SK_ar,integrity; the line is not used\n"
    );
    assert!(ended.stdout.contains("SK{IDi, IDr"), "{}", ended.stdout);
}
