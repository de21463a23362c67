//! From peers that have proved who they are.

use super::*;

#[test]
fn create_child_sa_without_a_payload_or_with_one_twice_ends_the_ike_sa_with_invalid_syntax() {
    let (mut world, mut peer) = responder(50);
    let (_, _) = peer.establish(&mut world, SPI);
    let count = maimed(&peer.create_child(SPI + 1)).len();
    for case in 0..count {
        let (mut world, mut peer) = responder(51);
        let (mut session, _) = peer.establish(&mut world, SPI);
        let (what, chain) = maimed(&peer.create_child(SPI + 1)).swap_remove(case);
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert_eq!(said.notifies(), [NotifyType::INVALID_SYNTAX], "{what}");
        forgotten(&mut world, 0);
    }
}

#[test]
fn a_delete_or_rekey_of_sas_that_are_not_the_peers_touches_nothing() {
    let mut world = two_gateways(52, Quality::default());
    let mut other = End::hq().connection();
    other.name = name("other");
    other.remote.id = Some("other.example.com".parse().expect("an identity"));
    other.children = vec![Arc::new(ike::config::Child {
        name: name("else"),
        local: vec!["10.1.0.0/16".parse().expect("a selector")],
        remote: vec!["10.77.0.0/16".parse().expect("a selector")],
        ..clone_child(&End::hq().connection().children[0])
    })];
    world.nodes[0]
        .secrets
        .insert(name("other"), b"its own secret".to_vec());
    world.configure(
        0,
        Configuration {
            connections: vec![Arc::new(End::hq().connection()), Arc::new(other)],
            ..Configuration::default()
        },
    );
    let mut victim = ScriptedPeer::branch(&world, 1);
    let (mut victims, said) = victim.establish(&mut world, SPI);
    let hq_spi = said.esp_spi().expect("an SPI");
    let mut peer = ScriptedPeer::branch(&world, 2);
    peer.id = "other.example.com".parse().expect("an identity");
    peer.secret = b"its own secret".to_vec();
    peer.local = vec!["10.77.0.0/16".parse().expect("a selector")];
    let (mut session, _) = peer.establish(&mut world, SPI + 1);
    let sas = world.nodes[0].kernel.sas.len();
    assert_eq!(sas, 4);
    for payload in [
        delete_esp(&[SPI, hq_spi, 0, 1, u32::MAX]),
        delete_esp(&[SPI; 1000]),
        Payload::Delete(ike::wire::Delete {
            protocol: ProtocolId::AH,
            spis: vec![SPI, SPI + 1],
        }),
    ] {
        let said = peer
            .ask(&mut world, &mut session, INFORMATIONAL, &[payload])
            .expect("an answer");
        assert_eq!(said.payloads, []);
        assert_eq!(world.nodes[0].kernel.sas.len(), sas);
    }
    for (protocol, spi) in [
        (ProtocolId::ESP, SpiBytes::from(SPI)),
        (ProtocolId::ESP, SpiBytes::from(hq_spi)),
        (ProtocolId(0), SpiBytes::EMPTY),
        (ProtocolId(1), SpiBytes::from(victims.spis.initiator)),
        (ProtocolId(4), SpiBytes::from(SPI)),
        (ProtocolId(255), SpiBytes::from(7)),
    ] {
        let mut chain = peer.create_child(SPI + 2);
        chain.insert(
            0,
            Payload::Notify(Notify::new(NotifyType::REKEY_SA, vec![]).about(protocol, spi)),
        );
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert_eq!(said.notifies().len(), 1, "refused");
        assert_eq!(world.nodes[0].kernel.sas.len(), sas);
    }
    assert!(
        victim
            .ask(&mut world, &mut victims, INFORMATIONAL, &[])
            .is_some()
    );
    assert!(
        peer.ask(&mut world, &mut session, INFORMATIONAL, &[])
            .is_some()
    );

    // The other's SPI for a child of its own: refused before it could harm the other's.
    let chain = peer.create_child(SPI);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::TEMPORARY_FAILURE]);
    assert_eq!(world.nodes[0].kernel.sas.len(), sas);
    let destination = victim.path.local.ip();
    let sa = ike::engine::io::SaReference {
        spi: SPI,
        destination,
    };
    let expired = ike::engine::io::KernelEvent::Expire { sa, hard: true };
    world.input(0, ike::engine::io::Input::KernelEvent(expired));
    assert_eq!(
        world.nodes[0].count("child-down"),
        1,
        "the victim's SA is still known"
    );
}

fn clone_child(child: &ike::config::Child) -> ike::config::Child {
    ike::config::Child {
        mode: child.mode,
        name: child.name.clone(),
        local: child.local.clone(),
        remote: child.remote.clone(),
        proposals: child.proposals.clone(),
        keep: child.keep,
        replay_window: child.replay_window,
        hard_lifetime: child.hard_lifetime,
        rekey_after: child.rekey_after,
        rekey_volume: child.rekey_volume,
        hard_volume: child.hard_volume,
        priority: child.priority,
        idle: child.idle,
        without_sa: child.without_sa,
    }
}

fn ip(start: [u8; 4], end: [u8; 4]) -> TrafficSelector {
    TrafficSelector::Ip {
        protocol: 0,
        ports: PortRange::ANY,
        start: start.into(),
        end: end.into(),
    }
}

#[test]
fn selectors_of_any_kind_are_refused_or_narrowed_in_bounded_time() {
    let odd: Vec<_> = (0..255u8)
        .map(|at| ip([10, 2, at, 1], [10, 2, at, 254]))
        .collect();
    let odd_there: Vec<_> = (0..255u8)
        .map(|at| ip([10, 1, at, 1], [10, 1, at, 254]))
        .collect();
    let unknown = TrafficSelector::Unknown {
        ts_type: TsType(200),
        protocol: 0,
        body: vec![0; 60_000].into(),
    };
    let v6 = TrafficSelector::Ip {
        protocol: 0,
        ports: PortRange::ANY,
        start: "::".parse().expect("an address"),
        end: "ffff::".parse().expect("an address"),
    };
    let everything = ip([0; 4], [255; 4]);
    let cases: [(Vec<TrafficSelector>, Vec<TrafficSelector>, usize); 6] = [
        (odd, odd_there, 1),
        (vec![unknown.clone()], vec![everything.clone()], 1),
        (vec![v6.clone()], vec![everything.clone()], 1),
        (vec![v6.clone()], vec![v6], 1),
        (
            vec![everything.clone(); 255],
            vec![everything.clone(); 255],
            2,
        ),
        (vec![unknown, everything.clone()], vec![everything], 2),
    ];
    for (at, (tsi, tsr, children)) in cases.into_iter().enumerate() {
        let (mut world, mut peer) = responder(53);
        let (mut session, _) = peer.establish(&mut world, SPI);
        let mut chain = peer.create_child(SPI + 1);
        chain[2] = Payload::TsI(TrafficSelectors { selectors: tsi });
        chain[3] = Payload::TsR(TrafficSelectors { selectors: tsr });
        let began = std::time::Instant::now();
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert!(began.elapsed() < Duration::from_secs(20), "case {at}");
        if children == 1 {
            assert_eq!(said.notifies(), [NotifyType::TS_UNACCEPTABLE], "case {at}");
        }
        let now = world.now;
        world.nodes[0].assert_up(now, children);
    }
}

#[test]
fn selector_lengths_and_counts_that_lie_end_the_ike_sa_with_invalid_syntax() {
    let selector = |length: u16| {
        let mut body = vec![1, 0, 0, 0, 7, 0];
        body.extend(length.to_be_bytes());
        body.extend([0, 0, 255, 255, 10, 2, 0, 0, 10, 2, 255, 255]);
        body
    };
    let mut bodies = vec![vec![], vec![0; 3], vec![0; 4]];
    bodies.extend([0, 8, 15, 17, 65535].map(selector));
    for count in [0, 2, 255] {
        let mut body = selector(16);
        body[0] = count;
        bodies.push(body);
    }
    let mut inverted = selector(16);
    inverted[12..16].copy_from_slice(&[10, 3, 0, 0]);
    bodies.push(inverted);
    for body in bodies {
        let (mut world, mut peer) = responder(54);
        let (mut session, _) = peer.establish(&mut world, SPI);
        let mut chain = peer.create_child(SPI + 1);
        chain[2] = Payload::Unknown(UnknownPayload {
            payload_type: PayloadType::TSI,
            critical: false,
            body: body.clone().into(),
        });
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert_eq!(said.notifies(), [NotifyType::INVALID_SYNTAX], "{body:?}");
        forgotten(&mut world, 0);
    }
}

#[test]
fn any_octets_inside_are_answered_with_invalid_syntax_and_leave_nothing() {
    for first in 0..=255u8 {
        let (mut world, mut peer) = responder(55);
        let (mut session, _) = peer.establish(&mut world, SPI);
        let header = session.header(INFORMATIONAL, session.next_request, false);
        let bytes = session.seal_chain(
            &mut peer.random,
            &header,
            PayloadType(first),
            &[0, 0, 0, 3, 9],
        );
        let said = peer
            .ask_bytes(&mut world, &session, &bytes)
            .expect("an answer");
        assert!(said.notifies().len() <= 1, "{first}");
        let now = world.now;
        assert!(world.nodes[0].list(now).connections[0].ike_sas.len() <= 1);
    }
}

#[test]
fn a_peer_that_wants_children_without_end_gets_a_limited_number() {
    let (mut world, mut peer) = responder(56);
    let limits = Limits {
        children_per_ike_sa: 10,
        ..Limits::default()
    };
    world.configure(
        0,
        Configuration {
            limits,
            ..End::hq().configuration()
        },
    );
    let (mut session, _) = peer.establish(&mut world, SPI);
    for number in 1..100 {
        let chain = peer.create_child(SPI + number);
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        if number >= 10 {
            assert_eq!(said.notifies(), [NotifyType::NO_ADDITIONAL_SAS]);
        }
    }
    let now = world.now;
    world.nodes[0].assert_up(now, 10);
    let spis: Vec<u32> = (0..100).map(|number| SPI + number).collect();
    let said = peer
        .ask(
            &mut world,
            &mut session,
            INFORMATIONAL,
            &[delete_esp(&spis)],
        )
        .expect("an answer");
    assert!(matches!(&said.payloads[..], [Payload::Delete(delete)] if delete.spis.len() == 10));
    let now = world.now;
    world.nodes[0].assert_up(now, 0);
    assert_eq!(world.nodes[0].kernel.protecting(), 0);
}

#[test]
fn responses_that_nobody_asked_for_change_nothing() {
    let (mut world, mut peer) = responder(57);
    let (mut session, _) = peer.establish(&mut world, SPI);
    for exchange in [ExchangeType::IKE_SA_INIT, AUTH, CREATE, INFORMATIONAL] {
        for id in [0, 1, 2, u32::MAX] {
            let header = session.header(exchange, id, true);
            let bytes = session.seal(&mut peer.random, header, &[delete_ike()]);
            assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
        }
    }
    still_up(&mut world, &mut peer, &mut session);
}

#[test]
fn a_response_to_another_exchange_than_the_one_that_is_out_changes_nothing() {
    let (mut world, mut peer) = initiator(58);
    let mut session = peer.accept(&mut world, SPI);
    world.run(Duration::from_secs(31));
    let asked = session
        .open(&peer.heard(&world, 0).pop().expect("a question"))
        .expect("for us");
    assert_eq!(
        (asked.header.exchange, asked.header.message_id),
        (INFORMATIONAL, 2)
    );
    for (exchange, id) in [
        (CREATE, 2),
        (INFORMATIONAL, 1),
        (INFORMATIONAL, 3),
        (AUTH, 2),
    ] {
        let header = session.header(exchange, id, true);
        let bytes = session.seal(&mut peer.random, header, &[]);
        peer.send(&mut world, &bytes);
    }
    world.run(Duration::from_secs(5));
    assert!(world.nodes[1].count("retransmitting") > 0, "it still waits");
    peer.respond(&mut world, &mut session, &asked.header, &[]);
    let now = world.now;
    world.nodes[1].assert_up(now, 1);
}

#[test]
fn the_initiator_flag_must_be_the_peers() {
    let (mut world, mut peer) = responder(59);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let mut header = session.header(INFORMATIONAL, session.next_request, false);
    header.flags.initiator = false;
    let bytes = session.seal(&mut peer.random, header, &[delete_ike()]);
    assert!(peer.ask_bytes(&mut world, &session, &bytes).is_none());
    still_up(&mut world, &mut peer, &mut session);
}
