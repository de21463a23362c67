//! The requirements of RFC 7296 and RFC 7383 that concern octets, numbered as in the project's list of requirements.

use crate::{chain, datagram, fault, header, hex, parse_one};
use ike::wire::numbers::{
    AttributeType, ConfigAttributeType, Encryption, ExchangeType, IdType, NotifyType, PayloadType,
    ProtocolId, TransformType, TsType,
};
use ike::wire::{
    Attribute, AttributeValue, Delete, Flags, Fragment, Header, Identification, IkeSpi, Message,
    Notify, Payload, PortRange, Proposal, SecurityAssociation, SpiBytes, TrafficSelector,
    Transform, WireError, begin_protected, encode_chain, parse_chain,
};

#[test]
fn rfc7296_032_other_major_versions_are_refused_but_their_header_can_be_read() {
    for (octet, major, minor) in [(0x00, 0, 0), (0x10, 1, 0), (0x30, 3, 0), (0xff, 15, 15)] {
        let mut octets = datagram(PayloadType::NONE, &[]);
        octets[17] = octet;
        let error = Message::parse(&octets).unwrap_err();
        assert_eq!(error, WireError::MajorVersion { major, minor });
        assert_eq!(error.notify(), Some(NotifyType::INVALID_MAJOR_VERSION));
        assert_eq!(
            Header::parse(&octets).unwrap().initiator_spi,
            IkeSpi([1; 8])
        );
    }
}

#[test]
fn rfc7296_033_the_minor_version_is_ignored() {
    let mut octets = datagram(PayloadType::NONE, &[]);
    octets[17] = 0x2f;
    assert_eq!(Message::parse(&octets).unwrap().header.minor, 15);
}

#[test]
fn rfc7296_034_reserved_fields_are_ignored_and_sent_as_zero() {
    // Reserved octets of generic headers, KE, AUTH, CP, TS, proposals and transforms, all set, and what they become.
    for (kind, dirty, clean) in [
        (PayloadType::KE, "0013ffff 01", "00130000 01"),
        (PayloadType::AUTH, "02ffffff 01", "02000000 01"),
        (PayloadType::CP, "01ffffff 8001 0000", "01000000 0001 0000"),
        (
            PayloadType::TSI,
            "01ffffff 07000010 0000ffff 0a000000 0a0000ff",
            "01000000 07000010 0000ffff 0a000000 0a0000ff",
        ),
        (
            PayloadType::SA,
            "00ff0014 01010001 00ff000c 01ff000c 800e0080",
            "00000014 01010001 0000000c 0100000c 800e0080",
        ),
    ] {
        let (kind, mut octets) = chain(kind, &hex(dirty));
        octets[1] = 0x7f;
        let payloads = parse_chain(kind, &octets).unwrap();
        let mut encoded = Vec::new();
        encode_chain(&payloads, &mut encoded);
        assert_eq!(encoded, chain(kind, &hex(clean)).1, "{kind}");
    }
}

#[test]
fn rfc7296_034_reserved_octets_of_an_identity_stay_because_auth_covers_them() {
    let body = hex("02 abcdef 61");
    let Ok(Payload::IdI(id)) = parse_one(PayloadType::IDI, &body) else {
        panic!()
    };
    assert_eq!(id.body(), body);
    assert_eq!(
        Identification::new(IdType::FQDN, b"a").body(),
        hex("02 000000 61")
    );
}

#[test]
fn rfc7296_035_unknown_payloads_are_skipped_unless_critical() {
    let known = [
        33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 53,
    ];
    for kind in (1..=255).filter(|kind| !known.contains(kind)) {
        let octets = hex("00 00 0006 abcd");
        let payloads = parse_chain(PayloadType(kind), &octets).unwrap();
        assert!(
            matches!(&payloads[..], [Payload::Unknown(unknown)] if unknown.payload_type.0 == kind),
            "{kind}"
        );
        let critical = hex("00 80 0006 abcd");
        let error = parse_chain(PayloadType(kind), &critical).unwrap_err();
        assert_eq!(error, WireError::UnsupportedCritical(kind));
        assert_eq!(
            error.notify(),
            Some(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD)
        );
        assert_eq!(
            Message::parse(&datagram(PayloadType(kind), &critical)).unwrap_err(),
            error
        );
    }
}

#[test]
fn rfc7296_035_the_critical_bit_of_a_known_payload_is_ignored_and_not_sent() {
    let octets = hex("00 80 0008 00004000");
    let payloads = parse_chain(PayloadType::NOTIFY, &octets).unwrap();
    let mut encoded = Vec::new();
    encode_chain(&payloads, &mut encoded);
    assert_eq!(encoded, hex("00 00 0008 00004000"));
}

#[test]
fn rfc7296_036_payloads_come_in_any_order() {
    let vendor = "000005aa";
    let notify = "000008 00004000";
    let forwards = hex(&format!("29{vendor} 00{notify}"));
    let backwards = hex(&format!("2b{notify} 00{vendor}"));
    let mut forwards = parse_chain(PayloadType::VENDOR_ID, &forwards).unwrap();
    forwards.reverse();
    assert_eq!(
        forwards,
        parse_chain(PayloadType::NOTIFY, &backwards).unwrap()
    );
}

#[test]
fn rfc7296_037_unknown_notifies_are_kept() {
    for kind in [0, 2, 8191, 8192, 16383, 40959, 65535] {
        let body = [&[0, 0][..], &u16::to_be_bytes(kind), &[1, 2, 3]].concat();
        let Ok(Payload::Notify(notify)) = parse_one(PayloadType::NOTIFY, &body) else {
            panic!()
        };
        assert_eq!(
            (notify.kind, &*notify.data),
            (NotifyType(kind), &[1, 2, 3][..])
        );
    }
}

#[test]
fn rfc7296_038_flags() {
    for (octet, flags) in [
        (
            0x08,
            Flags {
                initiator: true,
                ..Flags::default()
            },
        ),
        (
            0x20,
            Flags {
                response: true,
                ..Flags::default()
            },
        ),
        (
            0x10,
            Flags {
                version: true,
                ..Flags::default()
            },
        ),
        (
            0xc7,
            Flags {
                reserved: 0xc7,
                ..Flags::default()
            },
        ),
    ] {
        let mut octets = datagram(PayloadType::NONE, &[]);
        octets[19] = octet;
        let header = Header::parse(&octets).unwrap();
        assert_eq!(header.flags, flags);
        let mut out = Vec::new();
        header.write(&mut out);
        assert_eq!(out[19], octet & 0x38, "reserved flags are sent as zero");
    }
}

#[test]
fn rfc7296_047_lengths_and_last_substructure_bits_are_written() {
    let proposal = |number| Proposal {
        number,
        protocol: ProtocolId::ESP,
        spi: SpiBytes::from(0x0102_0304),
        transforms: vec![
            Transform::new(TransformType::ENCR, Encryption::AES_CBC.0, Some(256)),
            Transform::new(TransformType::ESN, 0, None),
        ],
    };
    let sa = Payload::Sa(SecurityAssociation {
        proposals: vec![proposal(1), proposal(2)],
    });
    let mut out = Vec::new();
    assert_eq!(encode_chain(&[sa], &mut out), PayloadType::SA);
    let transforms = "0300000c 0100000c 800e0100  00000008 05000000";
    assert_eq!(
        out,
        hex(&format!(
            "00000044 02000020 01030402 01020304 {transforms} 00000020 02030402 01020304 {transforms}"
        ))
    );
}

#[test]
fn rfc7296_047_wrong_lengths_and_last_substructure_bits_are_refused() {
    for (body, code) in [
        ("", "truncated"),
        ("00000008 010100", "substructure-length"),
        // Proposal: more announced, none follows; last, but another follows; an IKEv1-like marker.
        ("02000008 01010000", "last-substructure"),
        ("00000008 01010000 00000008 02010000", "last-substructure"),
        ("03000008 01010000", "last-substructure"),
        // Proposal length below its header, beyond the payload, short of its transforms.
        ("00000003 01010000", "substructure-length"),
        ("00000007 01010000", "last-substructure"),
        ("00000009 01010000", "substructure-length"),
        ("0000ffff 01010000", "substructure-length"),
        // SPI beyond the proposal.
        ("00000008 0101ff00", "truncated"),
        ("0000000c 01010500 01020304", "truncated"),
        // Transform count too low, too high; none, though one is there.
        ("00000010 01010002 00000008 01000014", "transform-count"),
        ("00000010 01010000 00000008 01000014", "transform-count"),
        (
            "00000018 01010001 03000008 01000014 00000008 02000005",
            "transform-count",
        ),
        // Transform: marker, lengths.
        ("00000010 01010001 03000008 01000014", "last-substructure"),
        ("00000010 01010001 02000008 01000014", "last-substructure"),
        ("00000010 01010001 00000003 01000014", "substructure-length"),
        ("00000010 01010001 00000007 01000014", "last-substructure"),
        ("00000010 01010001 00000009 01000014", "substructure-length"),
        // Attribute: half a header, a value beyond the transform.
        ("00000012 01010001 0000000a 01000014 800e", "truncated"),
        ("00000014 01010001 0000000c 01000014 00100001", "truncated"),
        ("00000014 01010001 0000000c 01000014 0010ffff", "truncated"),
    ] {
        assert_eq!(fault(PayloadType::SA, body), code, "{body}");
    }
}

#[test]
fn rfc7296_049_attributes_come_back_unmodified() {
    let body = hex("00000021 01030001 00000019 0100000c 800e0100 00110005 0102030405 800e0080");
    let Ok(payload) = parse_one(PayloadType::SA, &body) else {
        panic!()
    };
    let Payload::Sa(sa) = &payload else { panic!() };
    let transform = &sa.proposals[0].transforms[0];
    assert_eq!(transform.key_length(), Some(256));
    assert!(!transform.is_understood());
    assert_eq!(transform.attributes.len(), 3);
    let mut out = Vec::new();
    encode_chain(&[payload], &mut out);
    assert_eq!(out[4..], body);
}

#[test]
fn rfc7296_050_unknown_transforms_and_attributes_are_seen_as_such() {
    let key_length = Attribute {
        kind: AttributeType::KEY_LENGTH,
        value: AttributeValue::Short(128),
    };
    let unknown = Attribute {
        kind: AttributeType(17),
        value: AttributeValue::Short(128),
    };
    let long = Attribute {
        kind: AttributeType::KEY_LENGTH,
        value: AttributeValue::Long(Box::new([0, 128])),
    };
    for (attributes, understood) in [
        (vec![], true),
        (vec![key_length.clone()], true),
        (vec![unknown.clone()], false),
        (vec![long], false),
        (vec![key_length.clone(), key_length.clone()], false),
        (vec![key_length, unknown], false),
    ] {
        let transform = Transform {
            kind: TransformType(200),
            id: 9,
            attributes: attributes.into_iter().collect(),
        };
        assert_eq!(transform.is_understood(), understood, "{transform:?}");
    }
}

#[test]
fn rfc7296_056_nonces_have_16_to_256_octets() {
    for length in [0, 1, 15, 257, 1000, 65_531] {
        let error = parse_one(PayloadType::NONCE, &vec![7; length]);
        // In clear such a long payload fits no datagram either.
        assert_eq!(error.unwrap_err().code(), "nonce-length");
    }
    for length in [16, 17, 255, 256] {
        assert!(parse_one(PayloadType::NONCE, &vec![7; length]).is_ok());
    }
}

#[test]
fn rfc7296_076_ports_are_in_host_order_and_opaque_is_kept() {
    let body = hex(
        "03000000 0706 0010 0016 1f90 0a000000 0a0000ff  0700 0010 ffff 0000 0a000000 0a000000 \
         0801 0028 0800 08ff 20010db8000000000000000000000000 20010db80000000000000000000000ff",
    );
    let Ok(Payload::TsR(ts)) = parse_one(PayloadType::TSR, &body) else {
        panic!()
    };
    let ports: Vec<_> = ts
        .selectors
        .iter()
        .map(|selector| match selector {
            TrafficSelector::Ip {
                protocol, ports, ..
            } => (*protocol, *ports),
            TrafficSelector::Unknown { .. } => panic!(),
        })
        .collect();
    assert_eq!(
        ports,
        [
            (
                6,
                PortRange {
                    start: 22,
                    end: 8080
                }
            ),
            (0, PortRange::OPAQUE),
            (
                1,
                PortRange {
                    start: 0x0800,
                    end: 0x08ff
                }
            )
        ]
    );
    assert_eq!(ts.selectors[2].ts_type(), TsType::IPV6_ADDR_RANGE);
}

#[test]
fn rfc7296_088_configuration_attributes_of_any_type_and_length_are_kept() {
    let body = hex("01000000 0001 0000 0005 0004 00000e10 4242 0003 616263");
    let Ok(Payload::Cp(cp)) = parse_one(PayloadType::CP, &body) else {
        panic!()
    };
    let kinds: Vec<_> = cp
        .attributes
        .iter()
        .map(|attribute| (attribute.kind.0, attribute.value.len()))
        .collect();
    assert_eq!(
        kinds,
        [
            (ConfigAttributeType::INTERNAL_IP4_ADDRESS.0, 0),
            (5, 4),
            (0x4242, 3)
        ]
    );
    for body in [
        "",
        "010000",
        "01000000 0001",
        "01000000 0001 0001",
        "01000000 0001 ffff 00",
    ] {
        assert_eq!(fault(PayloadType::CP, body), "truncated", "{body}");
    }
}

#[test]
fn rfc7296_104_the_encrypted_payload_is_last_and_not_nested() {
    for kind in [PayloadType::SK, PayloadType::SKF] {
        // Octets behind it, which its length does not cover.
        let mut octets = datagram(kind, &hex("2b000009 0001000100 00000005aa"));
        let error = Message::parse(&octets).unwrap_err();
        assert_eq!(
            (error.code(), error.notify()),
            ("trailing-octets", Some(NotifyType::INVALID_SYNTAX))
        );
        octets.truncate(28 + 9);
        crate::fix_length(&mut octets);
        let message = Message::parse(&octets).unwrap();
        assert_eq!(
            message.protected.unwrap().first_inner,
            PayloadType::VENDOR_ID
        );
        // Within another.
        let inner = hex("00000008 00010001");
        let error = parse_chain(kind, &inner).unwrap_err();
        assert_eq!(
            error,
            WireError::NestedProtection {
                payload: kind,
                offset: 0
            }
        );
    }
}

#[test]
fn rfc7296_107_delete() {
    for (body, code) in [
        ("01080001 0102030405060708", "spi-size"),
        ("01040001 01020304", "spi-size"),
        ("01000001", "spi-count"),
        ("01000000 00", "trailing-octets"),
        ("03000000", "spi-size"),
        ("03080001 0102030405060708", "spi-size"),
        ("03040002 01020304", "spi-count"),
        ("03040001 01020304 05060708", "spi-count"),
        ("03040001 01020304 05", "trailing-octets"),
        ("0304ffff 01020304", "spi-count"),
        ("00000000", "protocol"),
        ("04040001 01020304", "protocol"),
        ("0300", "truncated"),
    ] {
        assert_eq!(fault(PayloadType::DELETE, body), code, "{body}");
    }
    assert_eq!(
        parse_one(PayloadType::DELETE, &hex("01000000")),
        Ok(Payload::Delete(Delete::ike()))
    );
    assert_eq!(
        parse_one(PayloadType::DELETE, &hex("02040002 01020304 fffefdfc")),
        Ok(Payload::Delete(Delete {
            protocol: ProtocolId::AH,
            spis: vec![0x0102_0304, 0xfffe_fdfc]
        }))
    );
}

#[test]
fn rfc7296_108_a_notify_names_no_protocol_and_no_spi_unless_told_to() {
    let plain = Notify::new(NotifyType::COOKIE, b"abc");
    let rekey = Notify::new(NotifyType::REKEY_SA, b"").about(ProtocolId::ESP, 0x0102_0304);
    let mut out = Vec::new();
    encode_chain(&[Payload::Notify(plain), Payload::Notify(rekey)], &mut out);
    assert_eq!(
        out,
        hex("2900000b 00004006 616263 0000000c 03044009 01020304")
    );
}

#[test]
fn rfc7296_109_vendor_ids_of_any_content() {
    for length in [0, 1, 16, 300] {
        assert!(parse_one(PayloadType::VENDOR_ID, &vec![0xff; length]).is_ok());
    }
}

#[test]
fn rfc7296_110_only_the_first_fragment_names_the_inner_payload() {
    for (number, named) in [
        (1, PayloadType::IDI),
        (2, PayloadType::NONE),
        (3, PayloadType::NONE),
    ] {
        let fragment = Fragment { number, total: 3 };
        let mut octets = begin_protected(
            &header(ExchangeType::IKE_AUTH),
            Some(fragment),
            PayloadType::IDI,
            10,
        );
        octets.resize(octets.len() + 10, 0xee);
        let message = Message::parse(&octets).unwrap();
        let protected = message.protected.unwrap();
        assert_eq!(
            (protected.fragment, protected.first_inner),
            (Some(fragment), named)
        );
        assert_eq!(protected.body, [0xee; 10]);
    }
}

#[test]
fn rfc7296_111_impossible_fragment_numbers_are_dropped_in_silence() {
    for (number, total) in [(0, 0), (0, 1), (0, 65535), (2, 1), (65535, 65534), (1, 0)] {
        let [n1, n2] = u16::to_be_bytes(number);
        let [t1, t2] = u16::to_be_bytes(total);
        let error = Message::parse(&datagram(
            PayloadType::SKF,
            &[35, 0, 0, 9, n1, n2, t1, t2, 0xee],
        ))
        .unwrap_err();
        assert_eq!(error, WireError::FragmentNumber { number, total });
        assert_eq!(error.notify(), None);
    }
    for length in 0..4 {
        let octets = datagram(
            PayloadType::SKF,
            &[
                &[35, 0, 0, 4 + length][..],
                &[1, 0, 1][..usize::from(length)],
            ]
            .concat(),
        );
        assert_eq!(Message::parse(&octets).unwrap_err().code(), "truncated");
    }
}
