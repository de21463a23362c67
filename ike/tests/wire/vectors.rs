//! Messages of other implementations: parsed to what they say, and encoded to the same octets.

use crate::{ANDROID, OPENIKED, datagram, vector};
use ike::wire::numbers::{
    AuthMethod, Encryption, ExchangeType, IdType, Integrity, KeyExchangeMethod, NotifyType,
    PayloadType, Prf, ProtocolId, TransformType,
};
use ike::wire::{
    Fragment, Message, Payload, PortRange, TrafficSelector, Transform, begin_protected,
    encode_chain, parse_chain,
};

fn kinds(payloads: &[Payload<'_>]) -> Vec<PayloadType> {
    payloads.iter().map(Payload::payload_type).collect()
}

#[test]
fn android_ike_sa_init_request() {
    let octets = vector(ANDROID, "ike_sa_init_request");
    let message = Message::parse(&octets).unwrap();
    assert_eq!(message.header.initiator_spi.to_string(), "5f54bf6d8b48e6e1");
    assert!(message.header.responder_spi.is_zero());
    assert_eq!(message.header.exchange, ExchangeType::IKE_SA_INIT);
    assert!(message.header.flags.initiator && !message.header.flags.response);
    assert_eq!(message.header.message_id, 0);
    assert_eq!(
        kinds(&message.payloads),
        [
            PayloadType::SA,
            PayloadType::KE,
            PayloadType::NONCE,
            PayloadType::NOTIFY,
            PayloadType::NOTIFY,
            PayloadType::VENDOR_ID
        ]
    );
    let Payload::Sa(sa) = &message.payloads[0] else {
        panic!()
    };
    assert_eq!(sa.proposals.len(), 1);
    assert_eq!(
        (sa.proposals[0].number, sa.proposals[0].protocol),
        (1, ProtocolId::IKE)
    );
    assert!(sa.proposals[0].spi.is_empty());
    assert_eq!(
        sa.proposals[0].transforms,
        [
            Transform::new(TransformType::ENCR, Encryption::AES_CBC.0, Some(128)),
            Transform::new(TransformType::INTEG, Integrity::HMAC_SHA1_96.0, None),
            Transform::new(TransformType::KE, KeyExchangeMethod::MODP_1024.0, None),
            Transform::new(TransformType::PRF, Prf::HMAC_SHA1.0, None),
        ]
    );
    let Payload::Ke(ke) = &message.payloads[1] else {
        panic!()
    };
    assert_eq!(
        (ke.method, ke.data.len()),
        (KeyExchangeMethod::MODP_1024, 128)
    );
    let Payload::Nonce(nonce) = &message.payloads[2] else {
        panic!()
    };
    assert_eq!(nonce.data.len(), 32);
    let Payload::Notify(notify) = &message.payloads[3] else {
        panic!()
    };
    assert_eq!(
        (notify.kind, notify.data.len()),
        (NotifyType::NAT_DETECTION_SOURCE_IP, 20)
    );
    assert_eq!(message.encode(), octets);
}

#[test]
fn android_ike_sa_init_response() {
    let octets = vector(ANDROID, "ike_sa_init_response");
    let message = Message::parse(&octets).unwrap();
    assert!(message.header.flags.response && !message.header.flags.initiator);
    assert!(message.protected.is_none());
    assert_eq!(message.encode(), octets);
}

#[test]
fn android_encrypted_messages_end_in_sk_and_encode_to_themselves() {
    for name in [
        "ike_auth_request",
        "empty_informational_response_candidate",
        "3des_sha1_sk_message_eap_mschapv2_challenge",
        "aes256_gcm16_sk_message",
    ] {
        let octets = vector(ANDROID, name);
        let message = Message::parse(&octets).unwrap();
        let protected = message.protected.as_ref().expect("SK");
        assert_eq!(protected.fragment, None, "{name}");
        assert_eq!(protected.associated, &octets[..32], "{name}");
        assert_eq!(protected.body, &octets[32..], "{name}");
        assert_eq!(message.encode(), octets, "{name}");
        let mut built = begin_protected(
            &message.header,
            None,
            protected.first_inner,
            protected.body.len(),
        );
        assert_eq!(built, protected.associated, "{name}");
        built.extend_from_slice(protected.body);
        assert_eq!(built, octets, "{name}");
    }
}

#[test]
fn android_fragments_end_in_skf_and_encode_to_themselves() {
    for (name, fragment) in [
        (
            "3des_sha1_skf_fragment_5_5",
            Fragment {
                number: 5,
                total: 5,
            },
        ),
        (
            "aes256_gcm16_skf_fragment_2_2",
            Fragment {
                number: 2,
                total: 2,
            },
        ),
    ] {
        let octets = vector(ANDROID, name);
        let message = Message::parse(&octets).unwrap();
        let protected = message.protected.as_ref().expect("SKF");
        assert_eq!(protected.fragment, Some(fragment));
        assert_eq!(protected.associated, &octets[..36]);
        assert_eq!(message.encode(), octets);
        let mut built = begin_protected(
            &message.header,
            Some(fragment),
            PayloadType::IDI,
            protected.body.len(),
        );
        assert_eq!(
            built, protected.associated,
            "only the first fragment names the inner payload"
        );
        built.extend_from_slice(protected.body);
        assert_eq!(built, octets);
    }
}

#[test]
fn android_ike_auth_request_decrypted() {
    let octets = vector(ANDROID, "ike_auth_request");
    let first = Message::parse(&octets)
        .unwrap()
        .protected
        .expect("SK")
        .first_inner;
    let plaintext = vector(ANDROID, "ike_auth_request_plaintext");
    let payloads = parse_chain(first, &plaintext).unwrap();
    assert_eq!(first, PayloadType::IDI);
    let [
        Payload::IdI(idi),
        Payload::IdR(idr),
        Payload::Auth(auth),
        Payload::Sa(sa),
        Payload::TsI(tsi),
        ..,
    ] = &payloads[..]
    else {
        panic!("{payloads:?}")
    };
    assert_eq!(idi.id_type, IdType::IPV4_ADDR);
    assert_eq!(idi.body(), [1, 0, 0, 0, 10, 80, 80, 13]);
    assert_eq!(*idr.data, [10, 80, 80, 80]);
    assert_eq!(
        (auth.method, auth.data.len()),
        (AuthMethod::SHARED_KEY_MIC, 20)
    );
    assert_eq!(
        (
            sa.proposals[0].protocol,
            sa.proposals[0].spi.as_u32().is_some()
        ),
        (ProtocolId::ESP, true)
    );
    assert!(matches!(
        tsi.selectors[..],
        [
            TrafficSelector::Ip {
                protocol: 0,
                ports: PortRange::ANY,
                ..
            },
            ..
        ]
    ));
    let mut encoded = Vec::new();
    assert_eq!(encode_chain(&payloads, &mut encoded), PayloadType::IDI);
    assert_eq!(encoded, plaintext);
}

#[test]
fn android_decrypted_eap_and_nonce_and_authentication() {
    let octets = vector(
        ANDROID,
        "3des_sha1_sk_message_eap_mschapv2_challenge_plaintext",
    );
    let payloads = parse_chain(PayloadType::EAP, &octets).unwrap();
    let Payload::Eap(eap) = &payloads[0] else {
        panic!()
    };
    assert_eq!((eap.message[0], eap.message.len()), (1, 36));

    let octets = vector(ANDROID, "auth_digital_signature_body");
    let Ok(Payload::Auth(auth)) = crate::parse_one(PayloadType::AUTH, &octets) else {
        panic!()
    };
    assert_eq!(
        (auth.method, auth.data[0]),
        (AuthMethod::DIGITAL_SIGNATURE, 15)
    );
}

/// Seeds that hold one or more payloads of RFC 7296, each of which names the next rightly.
#[test]
fn openiked_seeds_parse_and_encode_to_themselves() {
    for (name, first, count) in [
        ("sa_pld", PayloadType::SA, 1),
        ("saxform_pld", PayloadType::SA, 1),
        ("ke_pld", PayloadType::KE, 1),
        ("nonce_pld", PayloadType::NONCE, 1),
        ("id_pld", PayloadType::IDI, 1),
        ("certreq_pld", PayloadType::CERTREQ, 1),
        ("auth_pld", PayloadType::AUTH, 1),
        ("vendor_pld", PayloadType::VENDOR_ID, 1),
        ("ts_pld", PayloadType::TSI, 1),
        ("cp_pld", PayloadType::CP, 5),
    ] {
        let octets = vector(OPENIKED, name);
        let payloads =
            parse_chain(first, &octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(payloads.len(), count, "{name}");
        let mut encoded = Vec::new();
        assert_eq!(encode_chain(&payloads, &mut encoded), first, "{name}");
        assert_eq!(encoded, octets, "{name}");
    }
}

#[test]
fn openiked_encrypted_seeds() {
    for (name, first, fragment) in [
        ("sk_pld", PayloadType::SK, None),
        (
            "skf_1of1_pld",
            PayloadType::SKF,
            Some(Fragment {
                number: 1,
                total: 1,
            }),
        ),
    ] {
        let octets = datagram(first, &vector(OPENIKED, name));
        let message = Message::parse(&octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        let protected = message.protected.as_ref().expect(name);
        assert_eq!(
            (protected.fragment, protected.first_inner),
            (fragment, PayloadType::SA),
            "{name}"
        );
        assert_eq!(message.encode(), octets, "{name}");
    }
}

/// Seeds that RFC 7296 forbids, and why.
#[test]
fn openiked_seeds_that_are_refused() {
    for (name, first, code) in [
        // The first of several says that it is the last.
        ("notify_pld", PayloadType::NOTIFY, "trailing-octets"),
        ("cert_pld", PayloadType::CERT, "trailing-octets"),
        // A Delete of the IKE SA with an SPI.
        ("delete_pld", PayloadType::DELETE, "spi-size"),
        // EAP's length must be the payload's (section 3.16), the second is 5 where 8 octets are.
        ("eap_pld", PayloadType::EAP, "eap-length"),
    ] {
        let octets = vector(OPENIKED, name);
        assert_eq!(
            parse_chain(first, &octets).expect_err(name).code(),
            code,
            "{name}"
        );
    }
}

#[test]
fn openiked_valid_packet() {
    let octets = vector(OPENIKED, "valid_packet");
    let message = Message::parse(&octets).unwrap();
    assert_eq!(message.header.exchange, ExchangeType::IKE_SA_INIT);
    assert_eq!(message.payloads[0].payload_type(), PayloadType::SA);
    assert_eq!(message.encode(), octets);
}
