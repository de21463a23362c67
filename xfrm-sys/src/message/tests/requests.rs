use std::net::IpAddr;
use std::num::NonZeroU32;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    ParseableParametrized,
};
use netlink_packet_xfrm::{XfrmAttrs, XfrmMessage, constants as raw};

use super::samples::KEY;
use crate::constants::XFRMA_SA_DIR;
use crate::message::{Attributes, Message, messages, parse_policy, parse_sa};
use crate::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn keyed<A: Algorithm>(algorithm: A, length: usize) -> Keyed<A> {
    Keyed::new(algorithm, KeyMaterial::new(vec![KEY; length])).expect("it fits")
}

fn gcm() -> SaCrypto {
    SaCrypto::Aead(keyed(AeadAlgorithm::AesGcm12, 36))
}

fn spec() -> SaSpec {
    SaSpec {
        spi: 0xc0ff_ee01,
        source: ip("192.0.2.1"),
        destination: ip("198.51.100.7"),
        mode: Mode::Tunnel,
        direction: SaDirection::In,
        crypto: gcm(),
        reqid: 7,
        esn: false,
        replay_window: 32,
        selector: None,
        lifetimes: Lifetimes::default(),
        encapsulation: None,
        if_id: None,
        mark: None,
        flags: SaFlags::default(),
        sequence: None,
    }
}

fn policy() -> PolicySpec {
    let inner = Selector::new((ip("10.1.0.0"), 16), (ip("10.2.0.0"), 16));
    PolicySpec {
        selector: inner,
        direction: Direction::Forward,
        number: 3,
        priority: 99,
        action: Action::Allow,
        templates: vec![
            Template {
                source: ip("2001:db8::1"),
                destination: ip("2001:db8::7"),
                protocol: Protocol::Esp,
                mode: Mode::Tunnel,
                reqid: 7,
                spi: NonZeroU32::new(0xc0ff_ee01),
                optional: true,
            };
            6
        ],
        if_id: NonZeroU32::new(77),
        mark: Some(Mark {
            value: 5,
            mask: 0xff,
        }),
        flags: PolicyFlags {
            local_ok: true,
            icmp: true,
        },
    }
}

/// Type, flags and payload, after checking length and sequence number.
fn sent(mut message: Message) -> (u16, u16, Vec<u8>) {
    let bytes = message.numbered(0x0102_0304).to_vec();
    let read: Vec<_> = messages(&bytes).collect::<Result<_, _>>().expect("whole");
    assert_eq!((read.len(), read[0].sequence), (1, 0x0102_0304));
    assert_eq!(read[0].payload.len() + 16, bytes.len());
    (read[0].kind, read[0].flags, read[0].payload.to_vec())
}

fn sa(spec: &SaSpec, sa_direction: bool) -> Vec<u8> {
    sent(Message::new_sa(spec, sa_direction).expect("consistent")).2
}

/// The value of the attribute behind the fixed part of an SA.
fn attribute(payload: &[u8], wanted: u16) -> Option<Vec<u8>> {
    Attributes(&payload[224..])
        .map(|attribute| attribute.expect("whole"))
        .find(|attribute| attribute.0 == wanted)
        .map(|attribute| attribute.1.to_vec())
}

#[test]
fn an_aead_key_is_sent_with_a_padded_name_and_lengths_in_bits() {
    let value = attribute(&sa(&spec(), false), raw::XFRMA_ALG_AEAD).expect("there");
    let mut expected = b"rfc4106(gcm(aes))".to_vec();
    expected.resize(64, 0);
    expected.extend(288_u32.to_ne_bytes());
    expected.extend(96_u32.to_ne_bytes());
    expected.extend([KEY; 36]);
    assert_eq!(value, expected);
}

#[test]
fn integrity_is_always_sent_with_its_truncation() {
    let integrity = || keyed(IntegrityAlgorithm::HmacSha256_128, 32);
    let esp = SaCrypto::Separate {
        encryption: keyed(EncryptionAlgorithm::AesCbc, 16),
        integrity: integrity(),
    };
    for crypto in [esp, SaCrypto::Authentication(integrity())] {
        let protocol = crypto.protocol();
        let payload = sa(&SaSpec { crypto, ..spec() }, false);
        let value = attribute(&payload, raw::XFRMA_ALG_AUTH_TRUNC).expect("there");
        assert_eq!(
            value[64..72],
            [256_u32.to_ne_bytes(), 128_u32.to_ne_bytes()].concat()
        );
        assert_eq!(value[72..], [KEY; 32]);
        assert_eq!(attribute(&payload, raw::XFRMA_ALG_AUTH), None);
        let cipher = attribute(&payload, raw::XFRMA_ALG_CRYPT);
        assert_eq!(
            cipher.map(|value| value.len()),
            (protocol == Protocol::Esp).then_some(64 + 4 + 16)
        );
        assert_eq!(parse_sa(&payload).expect("whole").id.protocol, protocol);
    }
}

#[test]
fn what_is_asked_for_is_what_is_read_back() {
    let full = SaSpec {
        source: ip("2001:db8::1"),
        destination: ip("2001:db8::7"),
        mode: Mode::Transport,
        direction: SaDirection::Out,
        esn: true,
        selector: Some(policy().selector.reversed()),
        lifetimes: Lifetimes {
            soft: Limits {
                seconds: Some(1),
                seconds_in_use: Some(2),
                bytes: Some(3),
                packets: Some(4),
            },
            hard: Limits {
                seconds: Some(5),
                seconds_in_use: Some(6),
                bytes: Some(7),
                packets: Some(8),
            },
        },
        encapsulation: Some(UdpEncapsulation {
            source_port: 4500,
            destination_port: 1024,
        }),
        if_id: NonZeroU32::new(77),
        mark: Some(Mark {
            value: 5,
            mask: 0xff,
        }),
        flags: SaFlags {
            no_ecn: true,
            no_dscp_copy: true,
            no_path_mtu_discovery: true,
            align4: true,
            ..SaFlags::default()
        },
        sequence: NonZeroU32::new(12),
        ..spec()
    };
    let state = parse_sa(&sa(&full, true)).expect("whole");
    assert_eq!(
        (state.id, state.source, state.mode),
        (full.id(), full.source, full.mode)
    );
    assert_eq!(
        (state.direction, state.esn, state.reqid, state.sequence),
        (Some(SaDirection::Out), true, 7, 12)
    );
    assert_eq!(
        (state.selector, state.lifetimes),
        (full.selector, full.lifetimes)
    );
    assert_eq!(
        (state.encapsulation, state.if_id, state.flags),
        (full.encapsulation, full.if_id, full.flags)
    );
}

#[test]
fn the_replay_window_goes_where_the_kernel_wants_it() {
    let window = |direction, esn, replay_window, told| {
        let payload = sa(
            &SaSpec {
                direction,
                esn,
                replay_window,
                ..spec()
            },
            told,
        );
        let in_structure = payload[214 + 1];
        let in_attribute = attribute(&payload, raw::XFRMA_REPLAY_ESN_VAL).map(|value| {
            let words = u32::from_ne_bytes(value[..4].try_into().expect("four bytes"));
            assert_eq!(value.len(), 24 + words as usize * 4);
            u32::from_ne_bytes(value[20..24].try_into().expect("four bytes"))
        });
        assert_eq!(attribute(&payload, XFRMA_SA_DIR).is_some(), told);
        (in_structure, in_attribute)
    };
    use SaDirection::{In, Out};
    for told in [false, true] {
        assert_eq!(window(In, false, 0, told), (0, None));
        assert_eq!(window(In, false, 32, told), (32, None));
        assert_eq!(window(In, false, 33, told), (0, Some(33)));
        assert_eq!(window(In, true, 32, told), (0, Some(32)));
        assert_eq!(window(In, true, 0, told), (0, Some(1)));
        assert_eq!(window(In, false, 4096, told), (0, Some(4096)));
        assert_eq!(window(Out, false, 128, told), (0, None));
    }
    assert_eq!(
        window(Out, true, 128, false),
        (0, Some(1)),
        "ESN wants a window where the direction is not told"
    );
    assert_eq!(
        window(Out, true, 128, true),
        (0, Some(0)),
        "and none where it is"
    );
}

#[test]
fn flags_of_the_other_direction_are_not_sent() {
    let all = SaFlags {
        decapsulate_dscp: true,
        no_dscp_copy: true,
        no_path_mtu_discovery: true,
        icmp: true,
        ..SaFlags::default()
    };
    let read = |direction| {
        parse_sa(&sa(
            &SaSpec {
                direction,
                flags: all,
                ..spec()
            },
            true,
        ))
        .expect("whole")
        .flags
    };
    let (inbound, outbound) = (read(SaDirection::In), read(SaDirection::Out));
    assert!(
        inbound.decapsulate_dscp
            && inbound.icmp
            && !inbound.no_dscp_copy
            && !inbound.no_path_mtu_discovery
    );
    assert!(
        !outbound.decapsulate_dscp
            && !outbound.icmp
            && outbound.no_dscp_copy
            && outbound.no_path_mtu_discovery
    );
}

#[test]
fn tunnels_without_selector_take_both_families_and_nothing_else_does_unasked() {
    let any = |spec: SaSpec| {
        parse_sa(&sa(&spec, false))
            .expect("whole")
            .flags
            .any_inner_family
    };
    assert!(any(spec()));
    assert!(!any(SaSpec {
        selector: Some(Selector::any_ipv4()),
        ..spec()
    }));
    assert!(!any(SaSpec {
        mode: Mode::Transport,
        ..spec()
    }));
}

/// The limits of an SA as the other crate reads what we send.
fn limits_sent(lifetimes: Lifetimes) -> netlink_packet_xfrm::LifetimeConfig {
    let spec = SaSpec {
        lifetimes,
        ..spec()
    };
    let XfrmMessage::AddSa(message) =
        XfrmMessage::parse_with_param(&sa(&spec, false), raw::XFRM_MSG_NEWSA)
            .expect("as that crate reads it")
    else {
        panic!("NEWSA")
    };
    message.user_sa_info.lifetime_cfg
}

#[test]
fn no_limit_is_sent_as_infinity() {
    for lifetimes in [
        Lifetimes::default(),
        Lifetimes {
            soft: Limits {
                bytes: Some(0),
                ..Limits::default()
            },
            hard: Limits {
                bytes: Some(0),
                packets: Some(0),
                ..Limits::default()
            },
        },
    ] {
        assert_eq!(limits_sent(lifetimes), Default::default());
    }
}

#[test]
fn a_soft_limit_of_no_packets_is_sent_as_it_is() {
    let lifetimes = Lifetimes {
        soft: Limits {
            packets: Some(0),
            ..Limits::default()
        },
        ..Lifetimes::default()
    };
    assert_eq!(limits_sent(lifetimes).soft_packet_limit, 0);
}

#[test]
fn a_contradiction_is_not_sent() {
    let contradictions = [
        SaSpec {
            destination: ip("2001:db8::7"),
            ..spec()
        },
        SaSpec { spi: 255, ..spec() },
        SaSpec {
            replay_window: 4097,
            ..spec()
        },
        SaSpec {
            selector: Some(Selector::new((ip("10.0.0.0"), 33), (ip("10.0.0.0"), 8))),
            ..spec()
        },
        SaSpec {
            crypto: SaCrypto::Authentication(keyed(IntegrityAlgorithm::HmacSha1_96, 20)),
            encapsulation: Some(UdpEncapsulation {
                source_port: 4500,
                destination_port: 4500,
            }),
            ..spec()
        },
    ];
    for spec in contradictions {
        let refused = Message::new_sa(&spec, false)
            .map(drop)
            .expect_err("contradicts itself");
        assert_eq!(refused.code(), "invalid");
    }
    let mut templates = policy().templates;
    templates.push(templates[0]);
    let mixed = vec![Template {
        source: ip("192.0.2.1"),
        ..templates[0]
    }];
    for spec in [
        PolicySpec {
            templates,
            ..policy()
        },
        PolicySpec {
            templates: mixed,
            ..policy()
        },
        PolicySpec {
            number: PolicyIndex::NUMBER_MAX + 1,
            ..policy()
        },
    ] {
        assert!(Message::new_policy(&spec).is_err());
    }
}

#[test]
fn a_policy_is_sent_as_it_is_read_back() {
    let spec = policy();
    let (kind, flags, payload) = sent(Message::new_policy(&spec).expect("consistent"));
    assert_eq!(
        (kind, flags),
        (
            raw::XFRM_MSG_NEWPOLICY,
            NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
        )
    );
    let state = parse_policy(&payload).expect("whole");
    assert_eq!(
        (state.selector, state.direction, state.index),
        (
            Some(spec.selector),
            Some(spec.direction),
            spec.index().expect("numbered")
        )
    );
    assert_eq!(
        (state.priority, state.action, &state.templates),
        (99, Action::Allow, &spec.templates)
    );
    assert_eq!(
        (state.if_id, state.mark, state.flags),
        (spec.if_id, spec.mark, spec.flags)
    );
    let XfrmMessage::AddPolicy(message) =
        XfrmMessage::parse_with_param(&payload, kind).expect("as that crate reads it")
    else {
        panic!("NEWPOLICY")
    };
    assert_eq!(message.user_policy_info.index, 3 << 3 | 2);
    assert!(matches!(&message.nlas[0], XfrmAttrs::Template(templates) if templates.len() == 6));
    let (kind, flags, updated) = sent(Message::update_policy(&spec).expect("consistent"));
    assert_eq!(
        (kind, flags),
        (
            raw::XFRM_MSG_UPDPOLICY,
            NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE
        )
    );
    assert_eq!(updated, payload);
    let block = PolicySpec {
        action: Action::Block,
        templates: Vec::new(),
        number: 0,
        ..spec
    };
    let state =
        parse_policy(&sent(Message::new_policy(&block).expect("consistent")).2).expect("whole");
    assert_eq!(
        (state.action, state.templates.len(), state.index.get()),
        (Action::Block, 0, 0)
    );
}

#[test]
fn a_policy_is_named_by_index_or_selector() {
    let spec = policy();
    let index = spec.index().expect("numbered");
    let (kind, flags, payload) = sent(Message::policy_by_index(true, index, spec.if_id, spec.mark));
    assert_eq!(
        (kind, flags),
        (raw::XFRM_MSG_DELPOLICY, NLM_F_REQUEST | NLM_F_ACK)
    );
    let XfrmMessage::DeletePolicy(message) =
        XfrmMessage::parse_with_param(&payload, kind).expect("read")
    else {
        panic!("DELPOLICY")
    };
    assert_eq!(
        (
            message.user_policy_id.index,
            message.user_policy_id.direction
        ),
        (index.get(), 2)
    );
    assert_eq!(message.nlas.len(), 2);
    let by_selector = Message::policy_by_selector(false, &spec.selector, Direction::In, None, None);
    let (kind, _, payload) = sent(by_selector.expect("consistent"));
    let XfrmMessage::GetPolicy(message) =
        XfrmMessage::parse_with_param(&payload, kind).expect("read")
    else {
        panic!("GETPOLICY")
    };
    assert_eq!(
        (
            message.user_policy_id.index,
            message.user_policy_id.selector.prefixlen_s
        ),
        (0, 16)
    );
}

#[test]
fn an_sa_is_named_by_spi_destination_protocol_and_mark() {
    let id = SaId {
        mark: Some(Mark {
            value: 5,
            mask: 0xff,
        }),
        ..spec().id()
    };
    let (kind, flags, payload) = sent(Message::delete_sa(&id));
    assert_eq!(
        (kind, flags),
        (raw::XFRM_MSG_DELSA, NLM_F_REQUEST | NLM_F_ACK)
    );
    let mut expected = vec![198, 51, 100, 7];
    expected.resize(16, 0);
    expected.extend([0xc0, 0xff, 0xee, 0x01]);
    expected.extend(2_u16.to_ne_bytes());
    expected.extend([50, 0]);
    expected.extend([12, 0, 21, 0, 5, 0, 0, 0, 0xff, 0, 0, 0]);
    assert_eq!(payload, expected);
    assert_eq!(sent(Message::get_sa(&id)).2, expected);
    let (kind, flags, payload) = sent(Message::list_sas());
    assert_eq!(
        (kind, flags, payload.len()),
        (raw::XFRM_MSG_GETSA, NLM_F_REQUEST | NLM_F_DUMP, 0)
    );
}

#[test]
fn a_reservation_names_its_range() {
    let request = SpiRequest {
        source: ip("198.51.100.7"),
        destination: ip("192.0.2.1"),
        protocol: Protocol::Esp,
        mode: Mode::Tunnel,
        reqid: 7,
        spis: 0xc000_0000..=0xcfff_ffff,
        if_id: NonZeroU32::new(77),
        mark: None,
    };
    let (kind, _, payload) = sent(Message::allocate_spi(&request, true).expect("consistent"));
    let XfrmMessage::AllocSpi(message) =
        XfrmMessage::parse_with_param(&payload, kind).expect("read")
    else {
        panic!("ALLOCSPI")
    };
    assert_eq!(
        (message.spi_info.min, message.spi_info.max),
        (0xc000_0000, 0xcfff_ffff)
    );
    assert_eq!(
        (message.spi_info.info.id.proto, message.spi_info.info.reqid),
        (50, 7)
    );
    assert_eq!(message.nlas.len(), 2);
    #[allow(clippy::reversed_empty_ranges)]
    let empty = SpiRequest {
        spis: 9999..=300,
        ..request
    };
    assert!(Message::allocate_spi(&empty, true).is_err());
}

#[test]
fn questions_for_counts_carry_their_flags_word() {
    for (message, kind) in [
        (Message::sad_info(), raw::XFRM_MSG_GETSADINFO),
        (Message::spd_info(), raw::XFRM_MSG_GETSPDINFO),
    ] {
        assert_eq!(
            sent(message),
            (kind, NLM_F_REQUEST | NLM_F_ACK, vec![0xff; 4])
        );
    }
}

#[test]
fn keys_are_shown_nowhere() {
    let separate = SaCrypto::Separate {
        encryption: keyed(EncryptionAlgorithm::AesCbc, 32),
        integrity: keyed(IntegrityAlgorithm::HmacSha512_256, 64),
    };
    let spec = SaSpec {
        crypto: separate,
        ..spec()
    };
    let wrong =
        Keyed::new(AeadAlgorithm::AesGcm16, KeyMaterial::new(vec![KEY; 7])).expect_err("too short");
    let shown = format!(
        "{spec:?} {spec:#?} {wrong} {wrong:?} {:?}",
        KeyMaterial::new(vec![KEY; 9])
    );
    assert!(shown.contains("KeyMaterial(64 bytes)"), "{shown}");
    for trace in ["167", "a7", "A7"] {
        assert!(!shown.contains(trace), "{shown}");
    }
}

#[test]
fn a_message_that_outgrows_its_buffer_is_whole() {
    let huge = SaSpec {
        replay_window: 4096,
        esn: true,
        ..spec()
    };
    let payload = sa(&huge, true);
    assert_eq!(parse_sa(&payload).expect("whole").replay_window, 4096);
    let value = attribute(&payload, raw::XFRMA_ALG_AEAD).expect("behind the bitmap");
    assert_eq!(value[72..], [KEY; 36]);
}

#[test]
fn a_key_fits_its_algorithm_or_is_refused() {
    fn check<A: Algorithm>() {
        for &algorithm in A::ALL {
            assert!(algorithm.kernel_name().len() < 64);
            for length in 0..100 {
                let keyed = Keyed::new(algorithm, KeyMaterial::new(vec![0; length]));
                assert_eq!(keyed.is_ok(), algorithm.key_lengths().contains(&length));
            }
        }
    }
    check::<AeadAlgorithm>();
    check::<EncryptionAlgorithm>();
    check::<IntegrityAlgorithm>();
}
