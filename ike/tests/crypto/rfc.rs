//! The examples that RFCs print.

use ike::crypto::protection::{OpeningKey, SealingKey};
use ike::crypto::{CryptoError, EphemeralKey, PrfAlgorithm, standard};
use ike::wire::Message;
use ike::wire::numbers::{Encryption, Integrity, KeyExchangeMethod, Prf};
use p256::SecretKey;
use serde_json::Value;

use crate::support::{Fixed, field, hex, json, suite};

fn labelled(list: &Value, label: &str) -> Vec<u8> {
    let entry = list
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry[0] == label);
    hex(entry.unwrap_or_else(|| panic!("no {label}"))[1]
        .as_str()
        .unwrap())
}

#[test]
fn rfc7634_message_seals_to_the_printed_bytes_and_opens() {
    let file = json("rfc7634.json");
    let key = labelled(&file["esp"], "KEYMAT:");
    let message = labelled(&file["ike"], "The IKE Message:");
    let associated = labelled(&file["ike"], "AAD:");
    let notify = labelled(&file["ike"], "The Notify Payload:");

    let chacha = suite(Encryption::CHACHA20_POLY1305, None, Integrity::NONE);
    // The RFC's IV is the counter 1011121314151617.
    let mut sealing = SealingKey::new(chacha, &key, &[], 0x1011_1213_1415_1617).unwrap();
    let sealed = sealing
        .seal_message(&mut Fixed(vec![]), associated, &notify)
        .unwrap();
    assert_eq!(sealed, message);
    assert_eq!(sealing.next_counter(), Some(0x1011_1213_1415_1618));

    let protected = Message::parse(&message).unwrap().protected.expect("SK");
    let opening = OpeningKey::new(chacha, &key, &[]).unwrap();
    assert_eq!(
        opening
            .open_message(protected.associated, protected.body)
            .unwrap(),
        notify
    );
    println!("RFC 7634: the IKEv2 message of appendix B, sealed and opened");
}

/// An x | y public value with the point format byte that SEC1 wants.
fn sec1(public: &[u8]) -> p256::PublicKey {
    p256::PublicKey::from_sec1_bytes(&[&[4], public].concat()).unwrap()
}

fn ecp256() -> Box<dyn EphemeralKey> {
    let method = standard().key_exchange(KeyExchangeMethod::ECP_256).unwrap();
    method.generate(&mut Fixed(vec![])).unwrap()
}

#[test]
fn rfc5903_ecp256_speaks_the_wire_format_of_the_example() {
    let file = json("rfc5903.json");
    let group = &file["groups"]["256-Bit Random ECP Group"];
    let method = standard().key_exchange(KeyExchangeMethod::ECP_256).unwrap();
    for (private, x, y, payload, peer) in [
        ("i", "gix", "giy", "KEi_payload", "grx"),
        ("r", "grx", "gry", "KEr_payload", "gix"),
    ] {
        let private = SecretKey::from_slice(&field(group, private)).unwrap();
        let public = [field(group, x), field(group, y)].concat();
        assert_eq!(private.public_key().to_sec1_bytes()[1..], public);
        // KE payload: generic header (4), group and reserved (4), data.
        assert_eq!(field(group, payload)[8..], public);
        assert_eq!(public.len(), method.public_length());
        let peer_y = if peer == "grx" { "gry" } else { "giy" };
        let peer = sec1(&[field(group, peer), field(group, peer_y)].concat());
        let shared = p256::ecdh::diffie_hellman(private.to_nonzero_scalar(), peer.as_affine());
        assert_eq!(shared.raw_secret_bytes()[..], field(group, "girx"));

        // ring imports no private key: ours agrees with the example's keys as their peer.
        let ours = ecp256();
        let our_public = sec1(ours.public_value());
        let shared =
            p256::ecdh::diffie_hellman(private.to_nonzero_scalar(), our_public.as_affine());
        assert_eq!(
            ours.agree(&public).unwrap().as_bytes(),
            &shared.raw_secret_bytes()[..]
        );
    }
    println!("RFC 5903: both sides of section 8.1");
}

#[test]
fn ecp256_refuses_points_off_the_curve_and_wrong_lengths() {
    let public = ecp256().public_value().to_vec();
    let method = KeyExchangeMethod::ECP_256;
    let length = |actual| CryptoError::PublicValueLength {
        method,
        expected: 64,
        actual,
    };
    let agree = |peer: &[u8]| ecp256().agree(peer).unwrap_err();
    assert_eq!(agree(&public[..63]), length(63));
    assert_eq!(agree(&[&[4], &public[..]].concat()), length(65));
    assert_eq!(agree(&[]), length(0));
    assert_eq!(agree(&[0; 64]), CryptoError::PublicValue(method));
    assert_eq!(agree(&[0xff; 64]), CryptoError::PublicValue(method));
    let mut off_curve = public;
    off_curve[63] ^= 1;
    assert_eq!(agree(&off_curve), CryptoError::PublicValue(method));
}

#[test]
fn rfc8031_curve25519_agrees_as_in_appendix_a() {
    let file = json("rfc8031.json");
    let method = standard()
        .key_exchange(KeyExchangeMethod::CURVE25519)
        .unwrap();
    for (random, ours, theirs) in [
        ("random_i", "pub_i", "pub_r"),
        ("random_r", "pub_r", "pub_i"),
    ] {
        let key = method.generate(&mut Fixed(field(&file, random))).unwrap();
        assert_eq!(key.public_value(), field(&file, ours));
        assert_eq!(
            key.agree(&field(&file, theirs)).unwrap().as_bytes(),
            field(&file, "shared")
        );
    }
    let key = method.generate(&mut Fixed(vec![7; 32])).unwrap();
    let expected = CryptoError::PublicValueLength {
        method: method.method(),
        expected: 32,
        actual: 31,
    };
    assert_eq!(key.agree(&[9; 31]).unwrap_err(), expected);
    println!("RFC 8031: both sides of appendix A");
}

#[test]
fn aes_cbc_encrypts_and_decrypts_as_rfc3602_and_sp800_38a_print() {
    let file = json("aes-cbc.json");
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let (key, iv) = (field(case, "key"), field(case, "iv"));
        let bits = u16::try_from(key.len() * 8).unwrap();
        let key = suite(Encryption::AES_CBC, bits, Integrity::HMAC_SHA2_256_128)
            .key(&key, &[0; 32])
            .unwrap();
        let (mut text, mut icv) = (field(case, "plain"), [0; 16]);
        key.seal(&iv, b"", &mut text, &mut icv);
        assert_eq!(text, field(case, "cipher"), "{}", case["name"]);
        key.open(&iv, b"", &mut text, &icv).unwrap();
        assert_eq!(text, field(case, "plain"), "{}", case["name"]);
    }
    println!("AES-CBC: {} cases", cases.len());
}

#[test]
fn rfc4868_prf_1_gives_the_printed_output_also_in_parts() {
    // RFC 4868 section 2.7.1, test case PRF-1.
    let cases = [
        (
            Prf::HMAC_SHA2_256,
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            Prf::HMAC_SHA2_384,
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            Prf::HMAC_SHA2_512,
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        ),
    ];
    for (id, expected) in cases {
        let prf: &dyn PrfAlgorithm = standard().prf(id).unwrap();
        assert_eq!(
            prf.compute(&[0x0b; 20], &[b"Hi ", b"There"]).as_bytes(),
            hex(expected)
        );
    }
}
