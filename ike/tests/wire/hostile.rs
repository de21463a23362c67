//! Input that has broken other IKE daemons. Each test names the fault it is made from.

use crate::{ANDROID, datagram, fault, fix_length, hex, parse_one, vector};
use ike::wire::numbers::{NotifyType, PayloadType};
use ike::wire::{Header, Message, Notify, Payload, TrafficSelector, WireError, parse_chain};

#[test]
fn cve_2015_3991_payload_types_of_ikev1_are_unknown() {
    for kind in 1..=32 {
        let mut octets = vector(ANDROID, "ike_sa_init_request");
        // Before the first payload stands one of IKEv1's, of the shape of IKEv1's SA payload.
        octets.splice(28..28, [octets[16], 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1]);
        octets[16] = kind;
        fix_length(&mut octets);
        let message = Message::parse(&octets).unwrap();
        assert_eq!(message.payloads.len(), 7);
        assert_eq!(message.payloads[0].payload_type(), PayloadType(kind));
        octets[29] = 0x80;
        assert_eq!(
            Message::parse(&octets),
            Err(WireError::UnsupportedCritical(kind))
        );
    }
}

#[test]
fn cve_2013_6467_chains_that_end_early_are_refused() {
    let good = vector(ANDROID, "ike_sa_init_request");
    // Cut at each payload's border: the payload before still announces another.
    let mut border = 28;
    while border < good.len() {
        let mut cut = good[..border].to_vec();
        fix_length(&mut cut);
        let error = Message::parse(&cut).unwrap_err();
        assert_eq!(
            (error.code(), error.notify()),
            ("truncated", Some(NotifyType::INVALID_SYNTAX))
        );
        border += usize::from(u16::from_be_bytes([good[border + 2], good[border + 3]]));
    }
    // Without any payload the message is well-formed; that it lacks SA, KE and nonce is for the engine to see.
    let mut empty = good[..28].to_vec();
    empty[16] = 0;
    fix_length(&mut empty);
    assert_eq!(Message::parse(&empty).unwrap().payloads, []);
}

#[test]
fn cve_2023_23009_traffic_selectors_whose_counts_and_lengths_lie() {
    let v4 = "07000010 0000ffff 0a000000 0a0000ff";
    let v6 = "08000028 0000ffff 20010db8000000000000000000000000 20010db80000000000000000000000ff";
    let inverted_v6 =
        "08000028 0000ffff 20010db80000000000000000000000ff 20010db8000000000000000000000000";
    for (body, code) in [
        (String::new(), "truncated"),
        ("010000".into(), "truncated"),
        ("00000000".into(), "selector-count"),
        (format!("00000000 {v4}"), "selector-count"),
        (format!("02000000 {v4}"), "selector-count"),
        (format!("ff000000 {v4}"), "selector-count"),
        (format!("01000000 {v4} {v4}"), "selector-count"),
        ("01000000".into(), "selector-count"),
        (
            "01000000 07000000 0000ffff 0a000000 0a0000ff".into(),
            "substructure-length",
        ),
        (
            "01000000 07000008 0000ffff 0a000000 0a0000ff".into(),
            "substructure-length",
        ),
        (
            "01000000 0700ffff 0000ffff 0a000000 0a0000ff".into(),
            "substructure-length",
        ),
        (
            "01000000 07000010 0000ffff 0a000000 0a0000".into(),
            "truncated",
        ),
        // IPv4's length on IPv6's type, and the other way round.
        (
            "01000000 08000010 0000ffff 0a000000 0a0000ff".into(),
            "substructure-length",
        ),
        (
            "01000000 07000028 0000ffff 0a000000 0a0000ff".into(),
            "substructure-length",
        ),
        // Ranges that end before they start.
        (
            "01000000 07000010 0000ffff 0a0000ff 0a000000".into(),
            "inverted-range",
        ),
        (format!("02000000 {v4} {inverted_v6}"), "inverted-range"),
        (
            "01000000 07060010 00510050 0a000000 0a0000ff".into(),
            "inverted-range",
        ),
        (
            "01000000 07060010 ffff0001 0a000000 0a0000ff".into(),
            "inverted-range",
        ),
        // Unknown type: shorter than its header, longer than the payload.
        ("01000000 f0000003".into(), "substructure-length"),
        ("01000000 f0000005".into(), "substructure-length"),
        ("01000000 f000ffff 00".into(), "substructure-length"),
    ] {
        assert_eq!(fault(PayloadType::TSI, &body), code, "{body}");
        assert_eq!(fault(PayloadType::TSR, &body), code, "{body}");
    }
    let good = hex(&format!("03000000 {v4} f0000006 abcd {v6}"));
    let Ok(Payload::TsI(ts)) = parse_one(PayloadType::TSI, &good) else {
        panic!()
    };
    assert!(matches!(
        &ts.selectors[..],
        [
            TrafficSelector::Ip { .. },
            TrafficSelector::Unknown { .. },
            TrafficSelector::Ip { .. }
        ]
    ));
}

#[test]
fn cve_2023_38710_rekey_notifies_with_strange_protocols_and_spi_sizes_stay_data() {
    for protocol in [0, 1, 4, 255] {
        for size in [0, 1, 3, 5, 8, 255] {
            let body = [
                &[protocol, size, 0x40, 0x09][..],
                &vec![0xaa; usize::from(size)],
            ]
            .concat();
            let Ok(Payload::Notify(notify)) = parse_one(PayloadType::NOTIFY, &body) else {
                panic!()
            };
            assert_eq!(
                (notify.protocol.0, notify.spi.len()),
                (protocol, usize::from(size))
            );
            assert_eq!(notify.spi.as_u32(), None);
            assert!(notify.data.is_empty());
        }
    }
}

#[test]
fn vpp_58e3a98_notifies_whose_spi_reaches_beyond_their_end() {
    for body in [
        "",
        "00",
        "0000",
        "000040",
        "00014004",
        "03044009 010203",
        "03ff4009 01020304",
    ] {
        assert_eq!(fault(PayloadType::NOTIFY, body), "truncated", "{body}");
    }
}

#[test]
fn vpp_58e3a98_nat_detection_data_of_any_length_any_number_of_times() {
    for length in [0, 19, 20, 21, 65_527] {
        let body = [&hex("00004004")[..], &vec![0xaa; length]].concat();
        let Ok(Payload::Notify(notify)) = parse_one(PayloadType::NOTIFY, &body) else {
            panic!()
        };
        assert_eq!(notify.data.len(), length);
    }
    let twice = hex("29000008 00004004 29000008 00004004 00000008 00004005");
    assert_eq!(parse_chain(PayloadType::NOTIFY, &twice).unwrap().len(), 3);
}

#[test]
fn vpp_7c8644c_header_length_other_than_the_datagram_is_dropped_in_silence() {
    let good = vector(ANDROID, "ike_sa_init_request");
    for length in [
        0,
        1,
        27,
        28,
        good.len() - 1,
        good.len() + 1,
        0xdead,
        0xffff_ffff,
    ] {
        let mut octets = good.clone();
        let declared = u32::try_from(length).unwrap();
        octets[24..28].copy_from_slice(&declared.to_be_bytes());
        let error = Message::parse(&octets).unwrap_err();
        assert_eq!(
            error,
            WireError::HeaderLength {
                declared,
                found: good.len()
            }
        );
        assert_eq!(error.notify(), None);
    }
    for length in 0..28 {
        let error = Message::parse(&good[..length]).unwrap_err();
        assert_eq!(
            (&error, error.notify()),
            (&WireError::ShortHeader { found: length }, None)
        );
    }
}

#[test]
fn cve_2009_0790_ikev1_dead_peer_detection_notify() {
    let octets = hex("0102030405060708 0000000000000000 10 0b 00 00 00000000 0000001c");
    assert_eq!(
        Message::parse(&octets),
        Err(WireError::MajorVersion {
            major: 0,
            minor: 11
        })
    );
}

#[test]
fn payload_lengths_below_four_or_beyond_the_end_stop_the_parser() {
    for kind in [
        PayloadType::SA,
        PayloadType::NOTIFY,
        PayloadType::SK,
        PayloadType::SKF,
        PayloadType(200),
    ] {
        for length in [0, 1, 2, 3, 9, 255] {
            let error =
                Message::parse(&datagram(kind, &[kind.0, 0, 0, length, 1, 2, 3, 4])).unwrap_err();
            let expected = WireError::PayloadLength {
                payload: kind,
                offset: 28,
                found: length.into(),
                available: 8,
            };
            assert_eq!(error, expected);
            assert_eq!(error.notify(), Some(NotifyType::INVALID_SYNTAX));
        }
    }
    for length in 1..4 {
        assert_eq!(
            Message::parse(&datagram(PayloadType::SA, &[0; 4][..length]))
                .unwrap_err()
                .code(),
            "truncated"
        );
    }
}

#[test]
fn octets_behind_the_last_payload_are_refused() {
    let error = Message::parse(&datagram(PayloadType::NONE, &[0])).unwrap_err();
    assert_eq!(
        error,
        WireError::TrailingOctets {
            payload: PayloadType::NONE,
            offset: 28,
            extra: 1
        }
    );
    let error = parse_chain(PayloadType::VENDOR_ID, &hex("00000005aa 00000005bb")).unwrap_err();
    assert_eq!(
        error,
        WireError::TrailingOctets {
            payload: PayloadType::NONE,
            offset: 5,
            extra: 5
        }
    );
}

#[test]
fn cve_2026_12413_a_thousand_empty_unknown_payloads() {
    let mut chain: Vec<u8> = [200, 0, 0, 4].repeat(1000);
    let last = chain.len() - 4;
    chain[last] = 0;
    assert_eq!(parse_chain(PayloadType(200), &chain).unwrap().len(), 1000);
    let octets = datagram(PayloadType(200), &chain);
    let message = Message::parse(&octets).unwrap();
    assert_eq!(message.payloads.len(), 1000);
    assert_eq!(message.encode(), octets);

    chain[last] = PayloadType::SKF.0;
    chain.extend_from_slice(&hex("00000009 00010001 ee"));
    let octets = datagram(PayloadType(200), &chain);
    let message = Message::parse(&octets).unwrap();
    assert_eq!(
        (message.payloads.len(), message.protected.is_some()),
        (1000, true)
    );
    assert_eq!(message.encode(), octets);
}

#[test]
fn openiked_2695060_identities_of_any_length_and_content_print_as_ascii() {
    for octet in [0, b'a', 0x1b, b'%', 0xff] {
        for length in [0, 1, 255, 65_000] {
            let body = [&[2, 0, 0, 0][..], &vec![octet; length]].concat();
            let Ok(payload) = parse_one(PayloadType::IDI, &body) else {
                panic!()
            };
            let printed = format!("{payload:?} {payload:#?}");
            assert!(printed.len() < 500, "{printed}");
            assert!(
                printed
                    .bytes()
                    .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)),
                "{printed}"
            );
        }
    }
}

#[test]
fn cve_2025_62291_eap_messages_whose_length_lies() {
    for present in 0..=64u8 {
        for declared in 0..=80u8 {
            let mut body = vec![1; usize::from(present)];
            if let Some(length) = body.get_mut(2..4) {
                length.copy_from_slice(&[0, declared]);
            }
            let outcome = parse_one(PayloadType::EAP, &body);
            assert_eq!(
                outcome.is_ok(),
                present >= 4 && declared == present,
                "{present} {declared}"
            );
        }
    }
}

#[test]
fn every_kind_of_payload_cut_short_at_each_octet() {
    for (kind, body) in [
        (
            PayloadType::SA,
            "00000020 01030402 01020304 0300000c 01000014 800e0100 00000008 05000000",
        ),
        (PayloadType::KE, "00130000 01"),
        (PayloadType::IDI, "02000000 61"),
        (PayloadType::CERT, "04 30"),
        (PayloadType::CERTREQ, "04"),
        (PayloadType::AUTH, "02000000 01"),
        (PayloadType::NOTIFY, "03044009 01020304"),
        (PayloadType::DELETE, "03040001 01020304"),
        (
            PayloadType::TSI,
            "01000000 07000010 0000ffff 0a000000 0a0000ff",
        ),
        (PayloadType::CP, "01000000 0001 0004 0a000001"),
        (PayloadType::EAP, "01010005 01"),
    ] {
        let body = hex(body);
        assert!(parse_one(kind, &body).is_ok(), "{kind}");
        for length in 0..body.len() {
            match parse_one(kind, &body[..length]) {
                // What remains may be a smaller payload of its own, never one that was read beyond its end.
                Ok(payload) => assert!(
                    matches!(
                        payload.payload_type(),
                        PayloadType::KE
                            | PayloadType::IDI
                            | PayloadType::CERT
                            | PayloadType::AUTH
                            | PayloadType::CP
                    ),
                    "{kind} {length}"
                ),
                Err(error) => assert_eq!(
                    error.notify(),
                    Some(NotifyType::INVALID_SYNTAX),
                    "{kind} {length}"
                ),
            }
        }
    }
}

#[test]
fn announced_counts_reserve_no_memory_that_the_octets_cannot_fill() {
    // 8000 proposals that each announce 255 transforms and bring none: refused at the first.
    let body: Vec<u8> = hex("02000008 010100ff").repeat(8000);
    assert_eq!(
        parse_one(PayloadType::SA, &body).unwrap_err().code(),
        "transform-count"
    );
}

#[test]
fn an_answer_that_reuses_a_stranger_s_header_takes_no_memory_by_its_length_field() {
    let mut octets = datagram(PayloadType::NONE, &[]);
    octets[17] = 0x30;
    octets[24..28].copy_from_slice(&[0xff; 4]);
    let header = Header {
        major: 2,
        ..Header::parse(&octets).unwrap()
    };
    let notify = Payload::Notify(Notify::new(NotifyType::INVALID_MAJOR_VERSION, b""));
    let answer = Message {
        header,
        payloads: vec![notify],
        protected: None,
    };
    let encoded = answer.encode();
    assert!(encoded.capacity() < 200);
    assert_eq!(Message::parse(&encoded).unwrap().payloads, answer.payloads);
}

#[test]
fn errors_say_where_what_and_what_would_be_right() {
    let error = parse_one(PayloadType::DELETE, &hex("01080001 0102030405060708")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "D payload, octet 5: spi-size is 8, allowed is 0"
    );
    let error = parse_one(PayloadType::NONCE, &[0; 15]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "NONCE payload, octet 4: nonce-length is 15, allowed is 16 to 256"
    );
    let error = parse_chain(PayloadType::NOTIFY, &hex("00000003")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "N payload at octet 0: length is 3, allowed is 4 to 4"
    );
    let error = parse_chain(PayloadType::VENDOR_ID, &hex("00000005aa 00")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "behind the last payload, octet 5: 1 octets too many"
    );
}
