//! The whole chain of a PSK session: shared secret, SKEYSEED, SK_*, AUTH, IKE_AUTH message, KEYMAT.

use ike::auth::{psk, signed_octets};
use ike::crypto::protection::{OpeningKey, SealingKey};
use ike::crypto::schedule::{ChildKeyLengths, IkeKeys, child_keymat, skeyseed_initial};
use ike::crypto::{CryptoError, PrfAlgorithm, ProtectionAlgorithm, Secret, standard};
use ike::wire::numbers::{Encryption, Integrity, Prf};
use ike::wire::{Message, Payload, parse_chain};
use serde_json::Value;

use crate::support::{Fixed, android, field, suite};

fn session() -> Value {
    android()["session_psk_aes128cbc_sha1_modp1024"].clone()
}

fn prf() -> &'static dyn PrfAlgorithm {
    standard().prf(Prf::HMAC_SHA1).unwrap()
}

fn cipher() -> &'static dyn ProtectionAlgorithm {
    suite(Encryption::AES_CBC, 128, Integrity::HMAC_SHA1_96)
}

fn keys(session: &Value) -> IkeKeys {
    let (ni, nr) = (field(session, "ni"), field(session, "nr"));
    let shared = Secret::from(field(session, "dh_shared"));
    let skeyseed = skeyseed_initial(prf(), &ni, &nr, &shared);
    assert_eq!(skeyseed.as_bytes(), field(session, "skeyseed"));
    let (spi_i, spi_r) = (field(session, "spi_i"), field(session, "spi_r"));
    IkeKeys::derive(prf(), cipher(), &skeyseed, &ni, &nr, &spi_i, &spi_r).unwrap()
}

#[test]
fn every_key_of_the_android_session_follows_from_its_shared_secret() {
    let session = session();
    let keys = keys(&session);
    let ike = [
        ("sk_d", &keys.sk_d),
        ("sk_ai", &keys.sk_ai),
        ("sk_ar", &keys.sk_ar),
        ("sk_ei", &keys.sk_ei),
        ("sk_er", &keys.sk_er),
        ("sk_pi", &keys.sk_pi),
        ("sk_pr", &keys.sk_pr),
    ];
    let lengths = ChildKeyLengths {
        encryption: 16,
        integrity: 20,
    };
    let (ni, nr) = (field(&session, "ni"), field(&session, "nr"));
    let child = child_keymat(prf(), &keys.sk_d, None, &ni, &nr, lengths).unwrap();
    let child = [
        ("child_encr_i", &child.initiator_encryption),
        ("child_integ_i", &child.initiator_integrity),
        ("child_encr_r", &child.responder_encryption),
        ("child_integ_r", &child.responder_integrity),
    ];
    for (name, key) in ike.iter().chain(&child) {
        assert_eq!(key.as_bytes(), field(&session, name), "{name}");
    }
    println!(
        "android-ike: SKEYSEED, {} IKE keys and {} Child SA keys",
        ike.len(),
        child.len()
    );
}

#[test]
fn psk_auth_is_the_one_android_sent_and_verifies() {
    let session = session();
    let keys = keys(&session);
    let prf = prf();
    let octets = signed_octets(
        &field(&session, "ike_sa_init_request"),
        &field(&session, "nr"),
        prf,
        keys.sk_pi.as_bytes(),
        &field(&session, "idi_body"),
    );
    let (key, mut auth) = (field(&session, "psk"), field(&session, "auth_psk_i"));
    assert_eq!(psk::psk_auth(prf, &key, &[&octets]).as_bytes(), auth);
    assert!(psk::verify(prf, &key, &[&octets], &auth));
    assert!(!psk::verify(prf, b"another key", &[&octets], &auth));
    assert!(!psk::verify(prf, &key, &[&octets], &auth[..19]));
    auth[0] ^= 1;
    assert!(!psk::verify(prf, &key, &[&octets], &auth));
}

#[test]
fn the_ike_auth_request_opens_and_seals_to_the_same_bytes() {
    let session = session();
    let keys = keys(&session);
    let raw = field(&session, "ike_auth_request");
    let message = Message::parse(&raw).unwrap();
    let protected = message.protected.expect("SK");
    let opening = OpeningKey::new(cipher(), keys.sk_ei.as_bytes(), keys.sk_ai.as_bytes()).unwrap();
    let plaintext = opening
        .open_message(protected.associated, protected.body)
        .unwrap();
    assert_eq!(plaintext, field(&session, "ike_auth_request_plaintext"));

    let payloads = parse_chain(protected.first_inner, &plaintext).unwrap();
    let auth = payloads.iter().find_map(|payload| match payload {
        Payload::Auth(auth) => Some(auth.data.to_vec()),
        _ => None,
    });
    assert_eq!(auth.expect("AUTH"), field(&session, "auth_psk_i"));

    let mut sealing =
        SealingKey::new(cipher(), keys.sk_ei.as_bytes(), keys.sk_ai.as_bytes(), 0).unwrap();
    let mut random = Fixed(protected.body[..16].to_vec());
    let sealed = sealing
        .seal_message(&mut random, protected.associated.to_vec(), &plaintext)
        .unwrap();
    let again = Message::parse(&sealed).unwrap().protected.expect("SK");
    assert_eq!(
        opening.open_message(again.associated, again.body).unwrap(),
        plaintext
    );
    assert_eq!(sealed, raw);
}

#[test]
fn aes_gcm_messages_of_android_open_and_a_changed_bit_anywhere_does_not() {
    let (mut opened, mut skipped) = (0, 0);
    for case in android()["messages"].as_array().unwrap() {
        if case["encr"] != "aes-gcm_16" {
            skipped += 1;
            continue;
        }
        let gcm = suite(Encryption::AES_GCM_16, 256, Integrity::NONE);
        let opening = OpeningKey::new(gcm, &field(case, "sk_e"), &[]).unwrap();
        let raw = field(case, "raw");
        let protected = Message::parse(&raw).unwrap().protected.expect("SK or SKF");
        assert_eq!(protected.fragment.is_some(), case.get("frag").is_some());
        let plaintext = opening
            .open_message(protected.associated, protected.body)
            .unwrap();
        assert_eq!(plaintext, field(case, "plaintext"), "{}", case["name"]);
        let start = protected.associated.len();
        for bit in 0..raw.len() * 8 {
            let mut changed = raw.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let result = opening.open_message(&changed[..start], &changed[start..]);
            assert_eq!(result, Err(CryptoError::Integrity), "bit {bit}");
        }
        opened += 1;
    }
    println!(
        "android-ike messages: {opened} AES-GCM opened, {skipped} of 3DES skipped (refused by policy)"
    );
    assert_eq!(opened, 2);
}
