//! IKE_SA_INIT, to the responder.

use super::*;

#[test]
fn an_init_request_without_a_payload_or_with_one_twice_leaves_nothing() {
    let (mut world, mut peer) = responder(1);
    let good = peer.init_payloads();
    for (what, chain) in maimed(&good) {
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        let expected = vec![NotifyType::INVALID_SYNTAX];
        assert_eq!(told(&answers, &request), expected, "{what}");
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0, "{what}");
    }
    let request = peer.init_request();
    for length in 28..request.len() {
        let mut cut = request[..length].to_vec();
        let declared = u32::try_from(length).expect("short");
        cut[24..28].copy_from_slice(&declared.to_be_bytes());
        told(&peer.send(&mut world, &cut), &cut);
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0, "{length}");
        world.run(Duration::from_millis(50));
    }
    peer.establish(&mut world, SPI);
}

#[test]
fn header_lengths_that_lie_get_no_answer() {
    let (mut world, mut peer) = responder(2);
    let request = peer.init_request();
    let right = u32::try_from(request.len()).expect("short");
    for length in [0, 1, 27, 28, right - 1, right + 1, 0xdead, u32::MAX] {
        let mut lying = request.clone();
        lying[24..28].copy_from_slice(&length.to_be_bytes());
        assert_eq!(peer.send(&mut world, &lying), Vec::<Vec<u8>>::new());
    }
    for length in 0..28 {
        assert_eq!(
            peer.send(&mut world, &request[..length]),
            Vec::<Vec<u8>>::new()
        );
    }
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
}

#[test]
fn every_payload_type_is_known_skipped_or_refused_when_critical() {
    for kind in (1..=32).chain(49..=255).filter(|kind| *kind != 53) {
        let (mut world, mut peer) = responder(3);
        let mut chain = peer.init_payloads();
        chain.insert(0, unknown(kind, true));
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        let message = Message::parse(&answers[0]).expect("an answer");
        let expected = notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[kind]);
        assert_eq!(message.payloads, [expected]);
        let mut chain = peer.init_payloads();
        chain.insert(0, unknown(kind, false));
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        let message = Message::parse(&answers[0]).expect("an answer");
        assert_eq!(message.payloads[0].payload_type(), PayloadType::SA);
    }
}

#[test]
fn a_thousand_unknown_payloads_are_skipped_or_dropped() {
    let (mut world, mut peer) = responder(4);
    let mut chain = peer.init_payloads();
    chain.extend((0..1000).map(|_| unknown(77, false)));
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    assert!(answers.len() <= 1);
    let (mut world, mut peer) = responder(4);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let many: Chain = (0..1000).map(|_| unknown(77, false)).collect();
    assert!(
        peer.ask(&mut world, &mut session, INFORMATIONAL, &many)
            .is_some()
    );
    still_up(&mut world, &mut peer, &mut session);
}

#[test]
fn key_exchange_values_that_are_none_are_refused_without_a_trace() {
    let x25519 = KeyExchangeMethod::CURVE25519;
    let p256 = KeyExchangeMethod::ECP_256;
    let cases: [(&str, KeyExchangeMethod, Vec<u8>); 11] = [
        ("x25519", x25519, vec![0; 32]),
        ("x25519", x25519, {
            let mut one = vec![0; 32];
            one[0] = 1;
            one
        }),
        ("x25519", x25519, vec![]),
        ("x25519", x25519, vec![9; 31]),
        ("x25519", x25519, vec![9; 33]),
        ("x25519", x25519, vec![9; 7000]),
        ("ecp256", p256, vec![0; 64]),
        ("ecp256", p256, vec![7; 64]),
        ("ecp256", p256, vec![0xff; 64]),
        ("ecp256", p256, vec![4; 65]),
        ("ecp256", p256, vec![]),
    ];
    for (word, method, data) in cases {
        let (mut world, mut peer) = responder(5);
        peer.ike = vec![
            format!("aes256gcm16-prfsha256-{word}")
                .parse()
                .expect("good"),
        ];
        let mut chain = peer.init_payloads();
        put_ke(&mut chain, ke(method, data.clone()));
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        let expected = vec![NotifyType::INVALID_SYNTAX];
        assert_eq!(told(&answers, &request), expected, "{word} {data:?}");
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    }
}

#[test]
fn groups_that_nobody_has_build_nothing() {
    for group in [0, 1, 2, 22, 1025, 65535] {
        let (mut world, mut peer) = responder(6);
        let mut chain = peer.init_payloads();
        // Offered beside what we have: we ask for ours. Offered alone: nothing fits.
        put_ke(&mut chain, ke(KeyExchangeMethod(group), vec![7; 32]));
        let request = peer.init_with(chain.clone());
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::INVALID_KE_PAYLOAD]);
        for transform in &mut sa_of(&mut chain).proposals[0].transforms {
            if transform.kind == TransformType::KE {
                *transform = Transform::new(TransformType::KE, group, None);
            }
        }
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::NO_PROPOSAL_CHOSEN]);
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    }
}

#[test]
fn proposals_without_a_mandatory_transform_are_not_chosen() {
    for missing in [TransformType::ENCR, TransformType::PRF, TransformType::KE] {
        let (mut world, mut peer) = responder(7);
        let mut chain = peer.init_payloads();
        sa_of(&mut chain).proposals[0]
            .transforms
            .retain(|transform| transform.kind != missing);
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::NO_PROPOSAL_CHOSEN]);
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    }
}

#[test]
fn gmac_and_null_are_never_chosen() {
    for (kind, id) in [
        (TransformType::ENCR, 11),
        (TransformType::ENCR, 21),
        (TransformType::INTEG, 9),
        (TransformType::INTEG, 11),
    ] {
        let (mut world, mut peer) = responder(8);
        let mut chain = peer.init_payloads();
        let transforms = &mut sa_of(&mut chain).proposals[0].transforms;
        transforms.retain(|transform| transform.kind != kind);
        for bits in [None, Some(0), Some(128), Some(256)] {
            transforms.push(Transform::new(kind, id, bits));
        }
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        assert_eq!(told(&answers, &request), [NotifyType::NO_PROPOSAL_CHOSEN]);
        // The same for ESP.
        peer.renew();
        let mut session = peer.begin(&mut world);
        let mut chain = peer.auth_payloads(&session, SPI);
        let transforms = &mut sa_of(&mut chain).proposals[0].transforms;
        transforms.retain(|transform| transform.kind != kind);
        if kind == TransformType::INTEG {
            transforms[0] = Transform::new(TransformType::ENCR, 12, Some(256));
        }
        transforms.push(Transform::new(kind, id, Some(128)));
        let said = peer
            .ask(&mut world, &mut session, AUTH, &chain)
            .expect("an answer");
        assert_eq!(said.notifies(), [NotifyType::NO_PROPOSAL_CHOSEN]);
        let now = world.now;
        world.nodes[0].assert_up(now, 0);
    }
}

#[test]
fn cookies_and_notifies_of_any_length_do_no_harm() {
    for length in [0, 1, 19, 21, 64, 65, 255, 6000] {
        for kind in [
            NotifyType::COOKIE,
            NotifyType::NAT_DETECTION_SOURCE_IP,
            NotifyType::NAT_DETECTION_DESTINATION_IP,
            NotifyType(40999),
            NotifyType(8999),
        ] {
            let (mut world, mut peer) = responder(9);
            let mut chain = peer.init_payloads();
            for _ in 0..2 {
                chain.insert(0, notify(kind, &vec![7; length]));
            }
            let request = peer.init_with(chain);
            let answers = peer.send(&mut world, &request);
            assert!(answers.len() <= 1, "{kind} {length}");
        }
    }
}

#[test]
fn an_spi_size_behind_the_end_of_a_notify_is_invalid_syntax() {
    let (mut world, mut peer) = responder(10);
    let mut chain = peer.init_payloads();
    chain.push(notify(NotifyType(40999), &[]));
    let mut request = peer.init_with(chain);
    let at = request.len() - 3;
    request[at] = 200;
    let answers = peer.send(&mut world, &request);
    assert_eq!(told(&answers, &request), [NotifyType::INVALID_SYNTAX]);
}

#[test]
fn other_versions_are_dropped_and_later_ones_hear_which_we_speak_rarely() {
    let (mut world, mut peer) = responder(11);
    let mut request = peer.init_request();
    for version in [0x00, 0x10, 0x11] {
        request[17] = version;
        assert_eq!(peer.send(&mut world, &request), Vec::<Vec<u8>>::new());
    }
    request[17] = 0x30;
    let answers = peer.send(&mut world, &request);
    assert_eq!(
        told(&answers, &request),
        [NotifyType::INVALID_MAJOR_VERSION]
    );
    assert_eq!(answers[0][17], 0x20);
    let many: usize = (0..10_000)
        .map(|_| peer.send(&mut world, &request).len())
        .sum();
    assert!(many <= 50, "{many} answers");
    // And no answer to an answer.
    request[19] |= 0x20;
    world.run(LONG);
    assert_eq!(peer.send(&mut world, &request), Vec::<Vec<u8>>::new());
    request[17] = 0x2f;
    request[19] = 0x08;
    assert_eq!(
        peer.send(&mut world, &request).len(),
        1,
        "a later minor version"
    );
}

#[test]
fn an_ikev1_packet_of_a_dead_peer_detection_does_nothing() {
    let (mut world, mut peer) = responder(12);
    let mut packet = vec![7; 16];
    packet.extend([16, 0x0b, 16, 0]);
    packet.extend([0; 4]);
    packet.extend(28u32.to_be_bytes());
    assert_eq!(peer.send(&mut world, &packet), Vec::<Vec<u8>>::new());
    peer.establish(&mut world, SPI);
}

#[test]
fn requests_for_unknown_spis_hear_so_rarely_and_nothing_else_does() {
    let (mut world, mut peer) = responder(13);
    let mut session = peer.begin(&mut world);
    session.spis.responder = IkeSpi([9; 8]);
    let header = session.header(INFORMATIONAL, 5, false);
    let request = session.seal(&mut peer.random, header, &[]);
    let answers = peer.send(&mut world, &request);
    assert_eq!(told(&answers, &request), [NotifyType::INVALID_IKE_SPI]);
    let answer = Header::parse(&answers[0]).expect("a header");
    let spis = (answer.initiator_spi, answer.responder_spi);
    assert_eq!(spis, (session.spis.initiator, session.spis.responder));
    assert_eq!((answer.message_id, answer.flags.response), (5, true));
    let many: usize = (0..10_000)
        .map(|_| peer.send(&mut world, &request).len())
        .sum();
    assert!(many <= 50, "{many} answers");
    world.run(LONG);
    let response = session.header(INFORMATIONAL, 5, true);
    let response = session.seal(&mut peer.random, response, &[]);
    assert_eq!(peer.send(&mut world, &response), Vec::<Vec<u8>>::new());
    let bare = plain(
        session.header(INFORMATIONAL, 0, false),
        vec![notify(NotifyType::INVALID_SPI, &[1, 2, 3, 4])],
    );
    assert_eq!(peer.send(&mut world, &bare), Vec::<Vec<u8>>::new());
}

#[test]
fn without_a_connection_a_request_costs_one_small_answer() {
    let (mut world, mut peer) = responder(14);
    world.configure(0, Configuration::default());
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    assert_eq!(told(&answers, &request), [NotifyType::NO_PROPOSAL_CHOSEN]);
    let many: usize = (0..100_000)
        .map(|_| peer.send(&mut world, &request).len())
        .sum();
    assert!(many <= 50);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    let now = world.now;
    assert_eq!(world.nodes[0].list(now).strangers.len(), 1);
}
