use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE};
use netlink_packet_xfrm::constants as raw;

use super::samples::{self, KEY, datagram, refusal};
use crate::ack::verdict;
use crate::message::{
    Received, messages, parse_event, parse_policy, parse_sa, parse_sad_info, parse_spd_info,
    read_datagram,
};
use crate::{
    Action, Direction, Event, InstalledAlgorithm, Mark, Mode, Protocol, ReplayState, SaDirection,
    SadInfo, SpdInfo, UdpEncapsulation,
};

fn sample(kind: u16) -> Vec<u8> {
    samples::all()
        .into_iter()
        .find(|sample| sample.0 == kind)
        .expect("a sample of each")
        .1
}

fn event(kind: u16) -> Event {
    parse_event(kind, &sample(kind))
        .expect("whole")
        .expect("an event")
}

#[test]
fn an_sa_is_read_with_all_that_the_kernel_tells_but_its_key() {
    let sa = parse_sa(&sample(raw::XFRM_MSG_NEWSA)).expect("whole");
    assert_eq!(
        (sa.id.spi, sa.id.protocol, sa.mode),
        (0xc0ff_ee01, Protocol::Esp, Mode::Tunnel)
    );
    assert_eq!(
        (sa.source.to_string(), sa.id.destination.to_string()),
        ("192.0.2.1".into(), "198.51.100.7".into())
    );
    assert_eq!(
        (sa.reqid, sa.sequence, sa.esn, sa.replay_window),
        (7, 8, true, 128)
    );
    assert_eq!(
        (sa.direction, sa.id.mark),
        (
            Some(SaDirection::Out),
            Some(Mark {
                value: 5,
                mask: 0xff
            })
        )
    );
    assert_eq!(sa.if_id.map(u32::from), Some(77));
    assert_eq!(
        sa.encapsulation,
        Some(UdpEncapsulation {
            source_port: 4500,
            destination_port: 40000
        })
    );
    assert_eq!(
        (sa.counters.bytes, sa.counters.packets, sa.last_used),
        (1000, 10, Some(1_700_000_009))
    );
    assert_eq!(
        (
            sa.errors.replay_window,
            sa.errors.replay,
            sa.errors.integrity
        ),
        (1, 2, 3)
    );
    assert_eq!(
        sa.replay,
        Some(ReplayState {
            sent: (1 << 32) + 5,
            received: (2 << 32) + 6
        })
    );
    assert_eq!(
        (
            sa.lifetimes.hard.seconds,
            sa.lifetimes.soft.packets,
            sa.lifetimes.soft.bytes
        ),
        (Some(3600), Some(1), None)
    );
    assert!(sa.flags.any_inner_family && sa.flags.no_dscp_copy && !sa.flags.icmp);
    assert_eq!(
        sa.selector.expect("one").to_string(),
        "10.1.0.0/16 -> 10.2.0.0/24:53 protocol 17"
    );
    let gcm = InstalledAlgorithm {
        name: "rfc4106(gcm(aes))".into(),
        key_bits: 160,
        icv_bits: Some(128),
    };
    assert_eq!(sa.algorithms, [gcm]);
}

#[test]
fn an_integrity_algorithm_that_the_kernel_names_twice_is_read_once() {
    let (_, payload) = &samples::all()[1];
    let sa = parse_sa(payload).expect("whole");
    assert_eq!(sa.algorithms.len(), 2);
    assert_eq!(sa.algorithms[0].icv_bits, Some(128));
    assert_eq!(
        (sa.algorithms[1].name.as_str(), sa.algorithms[1].key_bits),
        ("cbc(aes)", 128)
    );
    assert_eq!((sa.selector, sa.direction), (None, Some(SaDirection::In)));
    assert_eq!(
        sa.replay,
        Some(ReplayState {
            sent: 9,
            received: 10
        })
    );
}

#[test]
fn a_policy_is_read_with_its_templates() {
    let policy = parse_policy(&sample(raw::XFRM_MSG_NEWPOLICY)).expect("whole");
    assert_eq!(
        (policy.direction, policy.action, policy.priority),
        (Some(Direction::Out), Action::Allow, 99)
    );
    assert_eq!((policy.index.number(), policy.templates.len()), (5, 2));
    assert!(!policy.templates[0].optional && policy.templates[1].optional);
    assert_eq!(
        (policy.templates[0].reqid, policy.templates[0].mode),
        (7, Mode::Tunnel)
    );
    assert_eq!(
        (policy.if_id.map(u32::from), policy.mark),
        (
            Some(77),
            Some(Mark {
                value: 5,
                mask: 0xff
            })
        )
    );
}

#[test]
fn an_expire_keeps_what_trails_it() {
    let Event::Expire { sa, hard } = event(raw::XFRM_MSG_EXPIRE) else {
        panic!("an EXPIRE")
    };
    assert!(hard);
    assert_eq!(
        (sa.id.mark, sa.direction),
        (
            Some(Mark {
                value: 5,
                mask: 0xff
            }),
            Some(SaDirection::In)
        )
    );
}

#[test]
fn events_are_read() {
    let Event::Acquire(acquire) = event(raw::XFRM_MSG_ACQUIRE) else {
        panic!("an ACQUIRE")
    };
    assert_eq!(
        (acquire.sequence, acquire.protocol, acquire.cpu),
        (12, Protocol::Esp, Some(3))
    );
    assert_eq!(acquire.destination.to_string(), "198.51.100.7");
    assert_eq!(acquire.template(), acquire.policy.templates.first());
    let Event::PolicyExpire { policy, hard: true } = event(raw::XFRM_MSG_POLEXPIRE) else {
        panic!("a POLEXPIRE")
    };
    assert_eq!(policy.templates.len(), 2);
    let Event::Mapping(mapping) = event(raw::XFRM_MSG_MAPPING) else {
        panic!("a MAPPING")
    };
    assert_eq!(
        (mapping.old.1, mapping.new.0.to_string(), mapping.new.1),
        (4500, "203.0.113.9".into(), 1024)
    );
    let Event::Migrate(migrate) = event(raw::XFRM_MSG_MIGRATE) else {
        panic!("a MIGRATE")
    };
    assert_eq!(migrate.migrations.len(), 2);
    assert_eq!(migrate.migrations[1].new.1.to_string(), "2001:db8::7");
    assert_eq!(parse_event(raw::XFRM_MSG_NEWAE, &[]), Ok(None));
}

#[test]
fn counts_are_read() {
    let info = parse_sad_info(&sample(raw::XFRM_MSG_NEWSADINFO)).expect("whole");
    assert_eq!(
        info,
        SadInfo {
            count: 4,
            buckets: 8,
            buckets_max: 1024
        }
    );
    let info = parse_spd_info(&sample(raw::XFRM_MSG_NEWSPDINFO)).expect("whole");
    let expected = SpdInfo {
        inbound: 2,
        outbound: 3,
        forward: 4,
        socket_inbound: 5,
        socket_outbound: 6,
    };
    assert_eq!(info, expected);
}

#[test]
fn a_refusal_is_read_with_the_kernels_words_whether_or_not_it_echoes() {
    for (capped, flag) in [(true, NLM_F_CAPPED), (false, 0)] {
        let (kind, payload) = refusal(capped);
        let message = Received {
            kind,
            flags: flag | NLM_F_ACK_TLVS,
            sequence: 1,
            payload: &payload,
        };
        let error = verdict("NEWSA", &message)
            .expect("whole")
            .expect_err("a refusal");
        assert_eq!((error.errno, error.name().as_str()), (38, "ENOSYS"));
        assert_eq!(
            error.words.as_deref(),
            Some("Requested AEAD algorithm not found")
        );
        assert_eq!(error.offset, Some(244));
        assert_eq!(
            error.to_string(),
            "NEWSA: the kernel says ENOSYS: Requested AEAD algorithm not found"
        );
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_yes_is_a_yes_with_and_without_content() {
    let yes = |kind, payload| {
        verdict(
            "GETSA",
            &Received {
                kind,
                flags: 0,
                sequence: 1,
                payload,
            },
        )
    };
    assert_eq!(yes(2, &[0; 20]), Ok(Ok(())));
    assert_eq!(yes(NLMSG_DONE, &[0; 4]), Ok(Ok(())));
    assert_eq!(yes(NLMSG_DONE, &[]), Ok(Ok(())));
    assert!(yes(2, &[]).is_err());
}

#[test]
fn control_characters_of_the_kernels_words_do_not_reach_a_terminal() {
    let mut payload = (-1_i32).to_ne_bytes().to_vec();
    payload.resize(20, 0);
    payload.extend([12, 0, 1, 0]);
    payload.extend(b"a\x1b[2J\nb\0");
    let message = Received {
        kind: 2,
        flags: NLM_F_ACK_TLVS | NLM_F_CAPPED,
        sequence: 1,
        payload: &payload,
    };
    let error = verdict("DELSA", &message)
        .expect("whole")
        .expect_err("a refusal");
    assert_eq!(error.words.as_deref(), Some("a[2Jb"));
}

#[test]
fn several_messages_of_one_datagram_are_read_and_a_cut_one_is_told() {
    let mut bytes = datagram(7, 0, b"odd");
    bytes.push(0);
    bytes.extend(datagram(8, 0, b"even"));
    let kinds: Vec<_> = messages(&bytes)
        .map(|message| message.expect("whole").kind)
        .collect();
    assert_eq!(kinds, [7, 8]);
    let cut = &bytes[..bytes.len() - 1];
    let read: Vec<_> = messages(cut).collect();
    assert!(read.len() == 2 && read[1].is_err());
    assert_eq!(
        messages(&[0; 64]).count(),
        1,
        "a length of 0 ends the datagram"
    );
}

/// Every message that the kernel sends, as a datagram.
fn datagrams() -> Vec<Vec<u8>> {
    let refusals = [
        (refusal(true), NLM_F_CAPPED | NLM_F_ACK_TLVS),
        (refusal(false), NLM_F_ACK_TLVS),
    ];
    let refusals = refusals
        .iter()
        .map(|((kind, payload), flags)| datagram(*kind, *flags, payload));
    let done = datagram(NLMSG_DONE, NLM_F_ACK_TLVS, &[0; 4]);
    let others = samples::all()
        .into_iter()
        .map(|(kind, payload)| datagram(kind, 0, &payload));
    others.chain(refusals).chain([done]).collect()
}

#[test]
fn a_message_cut_at_any_byte_is_an_error_or_a_shorter_message_and_no_panic() {
    for whole in datagrams() {
        let (header, payload) = whole.split_at(16);
        for length in 0..whole.len() {
            read_datagram(&whole[..length]);
        }
        for length in 0..payload.len() {
            let mut cut = header.to_vec();
            cut[..4].copy_from_slice(&(length as u32 + 16).to_ne_bytes());
            cut.extend(&payload[..length]);
            assert_eq!(read_datagram(&cut).len(), 1);
        }
    }
}

#[test]
fn a_message_with_any_byte_changed_is_an_error_or_another_message_and_no_panic() {
    for whole in datagrams() {
        for place in 0..whole.len() {
            for value in [
                0,
                1,
                3,
                4,
                5,
                0x7f,
                0x80,
                0xfe,
                0xff,
                !whole[place],
                whole[place] ^ 1,
            ] {
                let mut bent = whole.clone();
                bent[place] = value;
                read_datagram(&bent);
            }
        }
    }
}

#[test]
fn no_key_byte_of_a_message_is_shown() {
    for whole in datagrams() {
        let shown = read_datagram(&whole).concat();
        assert!(
            !shown.contains(&KEY.to_string()) && !shown.contains("a7a7"),
            "{shown}"
        );
    }
}
