//! What is encoded parses to the same, and what parses encodes to the same.

use crate::{ANDROID, OPENIKED, fix_length, vector};
use ike::wire::numbers::{
    AttributeType, AuthMethod, CertEncoding, ConfigAttributeType, ConfigType, ExchangeType, IdType,
    KeyExchangeMethod, NotifyType, PayloadType, ProtocolId, TransformType, TsType,
};
use ike::wire::{
    Attribute, AttributeValue, Authentication, Cert, CertReq, Configuration,
    ConfigurationAttribute, Delete, Eap, Flags, Fragment, Header, Identification, IkeSpi,
    KeyExchange, Message, Nonce, Notify, Payload, PortRange, Proposal, SecurityAssociation,
    SpiBytes, TrafficSelector, TrafficSelectors, Transform, UnknownPayload, VendorId,
    begin_protected, encode_chain, parse_chain,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

type Octets = Cow<'static, [u8]>;

fn octets(most: usize) -> impl Strategy<Value = Octets> {
    vec(any::<u8>(), 0..=most).prop_map(Cow::Owned)
}

fn spi() -> impl Strategy<Value = SpiBytes> {
    prop_oneof![
        Just(SpiBytes::EMPTY),
        any::<u32>().prop_map(SpiBytes::from),
        any::<[u8; 8]>().prop_map(|octets| SpiBytes::from(IkeSpi(octets))),
        vec(any::<u8>(), 0..=255).prop_map(|octets| SpiBytes::try_from(&octets[..]).unwrap()),
    ]
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let value = prop_oneof![
        any::<u16>().prop_map(AttributeValue::Short),
        vec(any::<u8>(), 0..20).prop_map(|octets| AttributeValue::Long(octets.into())),
    ];
    (prop_oneof![Just(14), 0u16..0x8000], value).prop_map(|(kind, value)| Attribute {
        kind: AttributeType(kind),
        value,
    })
}

fn transform() -> impl Strategy<Value = Transform> {
    (any::<u8>(), any::<u16>(), vec(attribute(), 0..3)).prop_map(|(kind, id, attributes)| {
        Transform {
            kind: TransformType(kind),
            id,
            attributes: attributes.into_iter().collect(),
        }
    })
}

fn proposal() -> impl Strategy<Value = Proposal> {
    (any::<u8>(), any::<u8>(), spi(), vec(transform(), 0..6)).prop_map(
        |(number, protocol, spi, transforms)| Proposal {
            number,
            protocol: ProtocolId(protocol),
            spi,
            transforms,
        },
    )
}

fn ports() -> impl Strategy<Value = PortRange> {
    prop_oneof![
        Just(PortRange::ANY),
        Just(PortRange::OPAQUE),
        any::<(u16, u16)>().prop_map(|(a, b)| PortRange {
            start: a.min(b),
            end: a.max(b)
        }),
    ]
}

fn selector() -> impl Strategy<Value = TrafficSelector> {
    prop_oneof![
        (any::<u8>(), ports(), any::<(u32, u32)>()).prop_map(|(protocol, ports, (a, b))| {
            TrafficSelector::Ip {
                protocol,
                ports,
                start: Ipv4Addr::from(a.min(b)).into(),
                end: Ipv4Addr::from(a.max(b)).into(),
            }
        }),
        (any::<u8>(), ports(), any::<(u128, u128)>()).prop_map(|(protocol, ports, (a, b))| {
            TrafficSelector::Ip {
                protocol,
                ports,
                start: Ipv6Addr::from(a.min(b)).into(),
                end: Ipv6Addr::from(a.max(b)).into(),
            }
        }),
        (9u8.., any::<u8>(), vec(any::<u8>(), 0..40)).prop_map(|(ts_type, protocol, body)| {
            TrafficSelector::Unknown {
                ts_type: TsType(ts_type),
                protocol,
                body: body.into(),
            }
        }),
    ]
}

fn selectors() -> impl Strategy<Value = TrafficSelectors> {
    vec(selector(), 1..6).prop_map(|selectors| TrafficSelectors { selectors })
}

fn identification() -> impl Strategy<Value = Identification<'static>> {
    (any::<u8>(), any::<[u8; 3]>(), octets(60)).prop_map(|(id_type, reserved, data)| {
        Identification {
            id_type: IdType(id_type),
            reserved,
            data,
        }
    })
}

fn eap() -> impl Strategy<Value = Eap<'static>> {
    (any::<[u8; 2]>(), vec(any::<u8>(), 0..60)).prop_map(|(start, data)| {
        let length = u16::try_from(4 + data.len()).unwrap().to_be_bytes();
        Eap {
            message: [&start[..], &length, &data].concat().into(),
        }
    })
}

fn unknown() -> impl Strategy<Value = UnknownPayload<'static>> {
    let types = prop_oneof![1u8..=32, Just(49), Just(54), 55u8..];
    (types, octets(30)).prop_map(|(payload_type, body)| UnknownPayload {
        payload_type: PayloadType(payload_type),
        critical: false,
        body,
    })
}

fn payload() -> impl Strategy<Value = Payload<'static>> {
    let configuration = vec((0u16..0x8000, octets(20)), 0..5).prop_map(|attributes| {
        attributes
            .into_iter()
            .map(|(kind, value)| ConfigurationAttribute {
                kind: ConfigAttributeType(kind),
                value,
            })
            .collect()
    });
    prop_oneof![
        vec(proposal(), 1..4).prop_map(|proposals| Payload::Sa(SecurityAssociation { proposals })),
        (any::<u16>(), octets(300)).prop_map(|(method, data)| Payload::Ke(KeyExchange {
            method: KeyExchangeMethod(method),
            data
        })),
        identification().prop_map(Payload::IdI),
        identification().prop_map(Payload::IdR),
        (any::<u8>(), octets(300)).prop_map(|(encoding, data)| Payload::Cert(Cert {
            encoding: CertEncoding(encoding),
            data
        })),
        (any::<u8>(), octets(60)).prop_map(|(encoding, data)| Payload::CertReq(CertReq {
            encoding: CertEncoding(encoding),
            data
        })),
        (any::<u8>(), octets(300)).prop_map(|(method, data)| Payload::Auth(Authentication {
            method: AuthMethod(method),
            data
        })),
        vec(any::<u8>(), 16..=256).prop_map(|data| Payload::Nonce(Nonce { data: data.into() })),
        (any::<u8>(), spi(), any::<u16>(), octets(60)).prop_map(|(protocol, spi, kind, data)| {
            Payload::Notify(Notify {
                protocol: ProtocolId(protocol),
                spi,
                kind: NotifyType(kind),
                data,
            })
        }),
        Just(Payload::Delete(Delete::ike())),
        (2u8..=3, vec(any::<u32>(), 0..9)).prop_map(|(protocol, spis)| Payload::Delete(Delete {
            protocol: ProtocolId(protocol),
            spis
        })),
        octets(60).prop_map(|data| Payload::VendorId(VendorId { data })),
        selectors().prop_map(Payload::TsI),
        selectors().prop_map(Payload::TsR),
        (any::<u8>(), configuration).prop_map(|(kind, attributes)| Payload::Cp(Configuration {
            kind: ConfigType(kind),
            attributes
        })),
        eap().prop_map(Payload::Eap),
        unknown().prop_map(Payload::Unknown),
    ]
}

fn header() -> impl Strategy<Value = Header> {
    (
        any::<([u8; 8], [u8; 8], u8, u8, u32)>(),
        any::<(bool, bool, bool)>(),
    )
        .prop_map(
            |(
                (initiator, responder, minor, exchange, message_id),
                (from_initiator, version, response),
            )| Header {
                initiator_spi: IkeSpi(initiator),
                responder_spi: IkeSpi(responder),
                next_payload: PayloadType::NONE,
                major: 2,
                minor: minor & 0x0f,
                exchange: ExchangeType(exchange),
                flags: Flags {
                    initiator: from_initiator,
                    version,
                    response,
                    reserved: 0,
                },
                message_id,
                length: 0,
            },
        )
}

proptest! {
    #[test]
    fn headers(header in header()) {
        let mut out = Vec::new();
        header.write(&mut out);
        prop_assert_eq!(out.len(), Header::LENGTH);
        prop_assert_eq!(Header::parse(&out), Ok(header));
    }

    #[test]
    fn chains(payloads in vec(payload(), 0..8)) {
        let mut out = Vec::new();
        let first = encode_chain(&payloads, &mut out);
        let parsed = parse_chain(first, &out).unwrap();
        prop_assert_eq!(&parsed, &payloads);
        let printed = format!("{:?}", parsed);
        prop_assert!(printed.is_ascii());
        let owned: Vec<_> = parsed.into_iter().map(Payload::into_owned).collect();
        prop_assert_eq!(owned, payloads);
    }

    #[test]
    fn messages_in_clear(header in header(), payloads in vec(payload(), 0..8)) {
        let encoded = Message { header, payloads: payloads.clone(), protected: None }.encode();
        let parsed = Message::parse(&encoded).unwrap();
        prop_assert_eq!(parsed.header.length as usize, encoded.len());
        prop_assert_eq!(&parsed.payloads, &payloads);
        prop_assert_eq!(parsed.encode(), encoded);
    }

    #[test]
    fn protected_messages(
        header in header(),
        number in proptest::option::of(1u16..=300),
        inner in vec(payload(), 1..4),
        before in vec(unknown(), 0..3),
    ) {
        let fragment = number.map(|number| Fragment { number, total: 300 });
        let mut body = Vec::new();
        let first = encode_chain(&inner, &mut body);
        let mut built = begin_protected(&header, fragment, first, body.len());
        let associated = built.clone();
        let capacity = built.capacity();
        built.extend_from_slice(&body);
        prop_assert_eq!(built.capacity(), capacity, "the room for the body was reserved");

        let mut parsed = Message::parse(&built).unwrap();
        prop_assert_eq!(parsed.encode(), &built[..]);
        let protected = parsed.protected.clone().unwrap();
        prop_assert_eq!(protected.associated, &associated[..]);
        prop_assert_eq!(protected.fragment, fragment);
        if number.is_none_or(|number| number == 1) {
            prop_assert_eq!(parse_chain(protected.first_inner, protected.body), Ok(inner));
        } else {
            prop_assert_eq!(protected.first_inner, PayloadType::NONE);
        }

        // Payloads in clear may stand before the encrypted one.
        parsed.payloads = before.into_iter().map(Payload::Unknown).collect();
        let encoded = parsed.encode();
        let again = Message::parse(&encoded).unwrap();
        prop_assert_eq!(&again.payloads, &parsed.payloads);
        prop_assert_eq!(again.protected.as_ref().unwrap().body, &body[..]);
        prop_assert_eq!(again.encode(), encoded);
    }

    #[test]
    fn any_octets_as_a_chain(first in any::<u8>(), octets in vec(any::<u8>(), 0..200)) {
        let _ = parse_chain(PayloadType(first), &octets);
    }

    #[test]
    fn any_octets_as_a_body(first in 33u8..=48, octets in vec(any::<u8>(), 0..100)) {
        let (kind, octets) = crate::chain(PayloadType(first), &octets);
        if let Ok(payloads) = parse_chain(kind, &octets) {
            let mut encoded = Vec::new();
            let first = encode_chain(&payloads, &mut encoded);
            prop_assert_eq!(parse_chain(first, &encoded), Ok(payloads));
        }
    }
}

/// Encoding is a fixed point: it drops what is ignored on receipt, and nothing else.
fn encodes_stably(octets: &[u8]) {
    let Ok(message) = Message::parse(octets) else {
        return;
    };
    let encoded = message.encode();
    let again = Message::parse(&encoded).expect("what we encode, we accept");
    assert_eq!(again.payloads, message.payloads);
    assert_eq!(
        again.protected.as_ref().map(|p| p.body),
        message.protected.as_ref().map(|p| p.body)
    );
    assert_eq!(again.encode(), encoded);
}

fn good_messages() -> Vec<Vec<u8>> {
    vec![
        vector(ANDROID, "ike_sa_init_request"),
        vector(ANDROID, "ike_sa_init_response"),
        vector(ANDROID, "ike_auth_request"),
        vector(ANDROID, "aes256_gcm16_skf_fragment_2_2"),
        vector(OPENIKED, "valid_packet"),
        crate::datagram(
            PayloadType::IDI,
            &vector(ANDROID, "ike_auth_request_plaintext"),
        ),
    ]
}

#[test]
fn every_prefix_of_a_good_message_is_refused() {
    for message in good_messages() {
        for length in 0..message.len() {
            let mut prefix = message[..length].to_vec();
            assert!(Message::parse(&prefix).is_err());
            if length >= Header::LENGTH {
                fix_length(&mut prefix);
                // An encrypted payload may not be shorter than its length says; its content is not our concern.
                assert!(
                    Message::parse(&prefix).is_err(),
                    "{length} of {}",
                    message.len()
                );
            }
        }
    }
}

#[test]
fn every_change_of_one_octet_of_a_good_message_is_survived() {
    for mut message in good_messages() {
        for at in 0..message.len() {
            let good = message[at];
            for value in 0..=255 {
                message[at] = value;
                encodes_stably(&message);
            }
            message[at] = good;
        }
    }
}

#[test]
fn every_cut_out_of_a_good_message_is_survived() {
    for message in good_messages() {
        for start in Header::LENGTH..message.len() {
            for length in [1, 2, 3, 4, 8, 12] {
                let mut cut = message.clone();
                cut.drain(start..(start + length).min(message.len()));
                fix_length(&mut cut);
                encodes_stably(&cut);
            }
        }
    }
}
