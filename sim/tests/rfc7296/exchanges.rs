//! Exchanges, retransmission, window: lines 1 to 31.

use super::*;

#[test]
fn rfc7296_001_the_exchanges_come_in_order() {
    let mut world = two_gateways(1, Quality::default());
    let (hq, branch) = two_children();
    world.configure(0, hq.configuration());
    world.configure(1, branch.configuration());
    world.run(Duration::from_secs(2));
    let exchanges: Vec<_> = headers(&world, 1)
        .iter()
        .map(|sent| sent.exchange)
        .collect();
    assert_eq!(exchanges, [ExchangeType::IKE_SA_INIT, AUTH, CREATE]);
}

#[test]
fn rfc7296_002_the_identity_must_belong_to_the_key() {
    // The right key under another name, and another's name under the right key.
    let (mut world, mut peer) = responder(2);
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    let other = "hq.example.com".parse().expect("an identity");
    chain[0] = Payload::IdI(id_payload(&other));
    let said = peer.ask(&mut world, &mut session, AUTH, &chain);
    let refused = [NotifyType::AUTHENTICATION_FAILED];
    assert_eq!(said.expect("an answer").notifies(), refused);
    peer.renew();
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    let id = Identification::new(ike::wire::numbers::IdType::KEY_ID, b"another".to_vec());
    let auth = session.auth(&peer.secret, &id.body());
    chain[2] = Payload::Auth(Authentication {
        method: AuthMethod::SHARED_KEY_MIC,
        data: auth.into(),
    });
    let said = peer.ask(&mut world, &mut session, AUTH, &chain);
    assert_eq!(said.expect("an answer").notifies(), refused);
}

#[test]
fn rfc7296_004_another_group_is_tried_with_the_same_proposals() {
    let mut branch = End::branch();
    branch.ike = Some("aes256gcm16-prfsha256-ecp256-x25519");
    let (mut world, peer) = initiator_with(4, &branch);
    let first = peer.heard(&world, 0).remove(0);
    let header = Header::parse(&first).expect("a header");
    let mut answer = header;
    answer.flags.initiator = false;
    answer.flags.response = true;
    let wish = notify(NotifyType::INVALID_KE_PAYLOAD, &31u16.to_be_bytes());
    let second = peer.send(&mut world, &plain(answer, vec![wish])).remove(0);
    let (first, second) = (
        Message::parse(&first).expect("a message"),
        Message::parse(&second).expect("a message"),
    );
    assert_eq!(first.payloads[0], second.payloads[0], "SA");
    assert_eq!(first.payloads[2], second.payloads[2], "Nonce");
    assert_eq!(first.header.initiator_spi, second.header.initiator_spi);
}

#[test]
fn rfc7296_005_a_child_without_a_group_offers_none_rather_than_the_group_none() {
    let (mut world, mut peer) = initiator(5);
    let (_, asked) = peer.accept_init(&mut world);
    let offer = sa_of(&mut asked.payloads.clone()).clone();
    let groups = |transform: &&Transform| transform.kind == TransformType::KE;
    let transforms = offer
        .proposals
        .iter()
        .flat_map(|proposal| &proposal.transforms);
    assert_eq!(transforms.filter(groups).count(), 0);
}

#[test]
fn rfc7296_007_transport_mode_is_not_taken_and_the_child_is_a_tunnel() {
    let (mut world, mut peer) = responder(7);
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.push(notify(NotifyType(16391), &[]));
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), []);
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_008_a_child_that_fails_does_not_end_the_ike_sa() {
    let (mut world, mut peer) = responder(8);
    let mut session = peer.begin(&mut world);
    peer.esp = vec!["aes128-sha512".parse().expect("a proposal")];
    peer.local = vec!["172.16.0.0/12".parse().expect("a selector")];
    let chain = peer.auth_payloads(&session, SPI);
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    assert!(said.has(PayloadType::AUTH));
    assert_eq!(said.notifies(), [NotifyType::TS_UNACCEPTABLE]);
    up(&mut world, 0, 0);
}

#[test]
fn rfc7296_011_informational_before_authentication_or_unprotected_does_nothing() {
    let (mut world, mut peer) = responder(11);
    let mut session = peer.begin(&mut world);
    let early = session.header(INFORMATIONAL, 1, false);
    let early = session.seal(&mut peer.random, early, &[delete_ike()]);
    assert_eq!(peer.send(&mut world, &early), NOTHING);
    let chain = peer.auth_payloads(&session, SPI);
    peer.ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    let bare = plain(session.header(INFORMATIONAL, 2, false), vec![delete_ike()]);
    assert_eq!(peer.send(&mut world, &bare), NOTHING);
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_012_children_are_deleted_under_their_own_ike_sa_only() {
    // Two IKE SAs with one peer, not an initial contact: the second may not delete the first one's child.
    let (mut world, mut peer) = responder(12);
    peer.establish(&mut world, SPI);
    peer.renew();
    let (mut second, _) = peer.establish(&mut world, SPI + 1);
    let said = peer.ask(
        &mut world,
        &mut second,
        INFORMATIONAL,
        &[delete_esp(&[SPI])],
    );
    assert_eq!(said.expect("an answer").payloads, []);
    // Both of the first, and of the second what receives: it stands by until the peer sends by it.
    let kernel = &world.nodes[0].kernel;
    assert_eq!(kernel.sas.len(), 3);
    assert!(kernel.sas.keys().any(|(spi, _)| *spi == SPI));
}

#[test]
fn rfc7296_013_every_informational_request_gets_a_response() {
    let (mut world, mut peer) = responder(13);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let contents: [Chain; 5] = [
        vec![],
        vec![notify(NotifyType(40000), b"news")],
        vec![notify(NotifyType(8192), b"bad news")],
        vec![delete_esp(&[7])],
        vec![Payload::Nonce(ike::wire::Nonce {
            data: vec![1; 16].into(),
        })],
    ];
    for payloads in contents {
        let said = peer.ask(&mut world, &mut session, INFORMATIONAL, &payloads);
        assert_eq!(said.expect("an answer").payloads, []);
    }
    up(&mut world, 0, 1);
    let said = peer.ask(&mut world, &mut session, INFORMATIONAL, &[delete_ike()]);
    assert_eq!(said.expect("an answer").payloads, []);
}

#[test]
fn rfc7296_014_a_delete_closes_both_halves_and_each_side_names_its_own() {
    let (mut world, mut peer) = responder(14);
    let (mut session, said) = peer.establish(&mut world, SPI);
    let theirs = said.esp_spi().expect("an SPI");
    let said = peer.ask(
        &mut world,
        &mut session,
        INFORMATIONAL,
        &[delete_esp(&[SPI])],
    );
    assert_eq!(said.expect("an answer").payloads, [delete_esp(&[theirs])]);
    up(&mut world, 0, 0);
    assert_eq!(world.nodes[0].kernel.protecting(), 0);
}

#[test]
fn rfc7296_015_crossed_deletes_name_nothing_in_their_responses() {
    let (mut world, mut peer) = responder(15);
    let (mut session, said) = peer.establish(&mut world, SPI);
    let theirs = said.esp_spi().expect("an SPI");
    world.command(0, down(Some("lan")));
    let asked = last(&world, &peer, &session);
    assert_eq!(asked.payloads, [delete_esp(&[theirs])]);
    // Ours crosses it.
    let said = peer.ask(
        &mut world,
        &mut session,
        INFORMATIONAL,
        &[delete_esp(&[SPI])],
    );
    assert_eq!(said.expect("an answer").payloads, []);
    peer.respond(&mut world, &mut session, &asked.header, &[]);
    up(&mut world, 0, 0);
    // Both ends of a tunnel at once.
    let mut world = tunnel(15);
    let ids = [world.command(0, down(None)), world.command(1, down(None))];
    world.run(Duration::from_secs(60));
    for (node, id) in ids.iter().enumerate() {
        assert!(world.nodes[node].replies.contains_key(id));
        let now = world.now;
        world.nodes[node].assert_clean(now, 3);
        assert_eq!(world.nodes[node].engine().ike_sa_count(), 0);
    }
}

#[test]
fn rfc7296_016_an_spi_that_the_peer_may_still_use_is_not_given_again() {
    let (mut world, mut peer) = responder(16);
    let (mut session, said) = peer.establish(&mut world, SPI);
    let mut seen = BTreeSet::from([said.esp_spi().expect("an SPI")]);
    for number in 1..40 {
        let chain = peer.create_child(SPI + number);
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert!(seen.insert(said.esp_spi().expect("an SPI")));
    }
}

#[test]
fn rfc7296_017_and_102_unprotected_notifies_about_spis_get_no_answer_and_change_nothing() {
    let (mut world, mut peer) = responder(17);
    let (session, _) = peer.establish(&mut world, SPI);
    for kind in [NotifyType::INVALID_SPI, NotifyType::INVALID_IKE_SPI] {
        for response in [false, true] {
            let mut header = session.header(INFORMATIONAL, 0, response);
            for known in [true, false] {
                if !known {
                    header.responder_spi = ike::wire::IkeSpi([9; 8]);
                }
                let bytes = plain(header, vec![notify(kind, &[0, 0, 0, 9])]);
                assert_eq!(peer.send(&mut world, &bytes), NOTHING);
            }
        }
    }
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_018_messages_of_3000_octets_are_taken() {
    let (mut world, mut peer) = responder(18);
    let mut chain = peer.init_payloads();
    chain.push(notify(NotifyType(40000), &[7; 2800]));
    let request = peer.init_with(chain);
    assert!(request.len() > 2900);
    let answers = peer.send(&mut world, &request);
    let mut session = peer.keys(request, answers[0].clone()).expect("an IKE SA");
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.push(notify(NotifyType(40000), &[7; 2800]));
    let said = peer.ask(&mut world, &mut session, AUTH, &chain);
    assert!(said.expect("an answer").has(PayloadType::AUTH));
}

#[test]
fn rfc7296_020_to_022_requests_are_repeated_to_the_bit_and_answers_only_when_asked_again() {
    let mut world = two_gateways(20, Quality::default());
    world.configure(0, End::hq().configuration());
    world.meddler = Some(Box::new(|_, transmit| {
        let header = Header::parse(&transmit.bytes).expect("a header");
        if header.flags.response && header.exchange == AUTH {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    }));
    world.configure(1, End::branch().configuration());
    world.run(Duration::from_secs(30));
    let of = |node: usize| -> Vec<&Vec<u8>> {
        let sent = world.nodes[node].sent.iter();
        sent.map(|transmit| &transmit.bytes)
            .filter(|bytes| Header::parse(bytes).expect("a header").exchange == AUTH)
            .collect()
    };
    let (requests, answers) = (of(1), of(0));
    assert!(requests.len() >= 4);
    assert_eq!(requests.len(), answers.len(), "one for each");
    assert!(requests.iter().all(|request| *request == requests[0]));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    // Forgotten: no answer is made anew.
    let (mut world, mut peer) = responder(22);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let first = session.request(&mut peer.random, INFORMATIONAL, &[]);
    assert_eq!(peer.send(&mut world, &first).len(), 1);
    peer.ask(&mut world, &mut session, INFORMATIONAL, &[])
        .expect("an answer");
    assert_eq!(peer.send(&mut world, &first), NOTHING);
}

#[test]
fn rfc7296_023_message_ids_begin_at_zero_in_each_direction_and_count() {
    let (mut world, mut peer) = responder(23);
    let (mut session, _) = peer.establish(&mut world, SPI);
    for expected in 0..5 {
        world.run(Duration::from_secs(31));
        let asked = last(&world, &peer, &session);
        assert_eq!(
            (asked.header.message_id, asked.header.flags.response),
            (expected, false)
        );
        peer.respond(&mut world, &mut session, &asked.header, &[]);
    }
    assert_eq!(session.next_request, 2);
    assert!(
        peer.ask(&mut world, &mut session, INFORMATIONAL, &[])
            .is_some()
    );
}

#[test]
fn rfc7296_024_the_window_is_one_until_agreed_otherwise() {
    let mut world = tunnel(24);
    world.meddler = Some(Box::new(|_, _| Fate::Drop));
    world.run(Duration::from_secs(35));
    let outstanding: BTreeSet<_> = headers(&world, 1)
        .iter()
        .filter(|sent| sent.exchange == INFORMATIONAL)
        .map(|sent| sent.message_id)
        .collect();
    world.command(1, down(Some("lan")));
    world.run(Duration::from_secs(10));
    let after: BTreeSet<_> = headers(&world, 1)
        .iter()
        .filter(|sent| sent.exchange == INFORMATIONAL)
        .map(|sent| sent.message_id)
        .collect();
    assert_eq!((outstanding.len(), &after), (1, &outstanding));
}

#[test]
fn rfc7296_025_requests_are_answered_while_ours_is_out() {
    let (mut world, mut peer) = responder(25);
    let (mut session, _) = peer.establish(&mut world, SPI);
    world.run(Duration::from_secs(31));
    let asked = last(&world, &peer, &session);
    assert!(!asked.header.flags.response);
    let chain = peer.create_child(SPI + 1);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert!(said.has(PayloadType::SA));
    up(&mut world, 0, 2);
}

#[test]
fn rfc7296_026_what_is_outside_of_the_window_is_dropped() {
    let (mut world, mut peer) = responder(26);
    let (mut session, _) = peer.establish(&mut world, SPI);
    for ahead in [1, 2, 100] {
        let header = session.header(INFORMATIONAL, session.next_request + ahead, false);
        let bytes = session.seal(&mut peer.random, header, &[delete_ike()]);
        assert_eq!(peer.send(&mut world, &bytes), NOTHING);
    }
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_027_a_peer_is_not_held_for_failed_by_what_is_unprotected() {
    let mut world = tunnel(27);
    let peer = ScriptedPeer::branch(&world, 27);
    let header = headers(&world, 1)[1];
    for kind in (1..50).map(NotifyType) {
        for response in [false, true] {
            let mut header = header;
            header.flags.response = response;
            header.message_id = 2;
            header.exchange = INFORMATIONAL;
            peer.send(
                &mut world,
                &plain(header, vec![notify(kind, &[]), delete_ike()]),
            );
        }
    }
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_028_initial_contact_ends_what_stood_before_and_only_in_the_first_ike_auth() {
    let (mut world, mut peer) = responder(28);
    let (mut first, _) = peer.establish(&mut world, SPI);
    let contact = || notify(NotifyType::INITIAL_CONTACT, &[]);
    peer.ask(&mut world, &mut first, INFORMATIONAL, &[contact()])
        .expect("an answer");
    up(&mut world, 0, 1);
    world.run(Duration::from_secs(1));
    peer.renew();
    let mut second = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&second, SPI + 1);
    chain.insert(1, contact());
    peer.ask(&mut world, &mut second, AUTH, &chain)
        .expect("an answer");
    // What may still be under way for the old one is received for some seconds.
    world.run(Duration::from_secs(6));
    up(&mut world, 0, 1);
    assert!(
        world.nodes[0]
            .kernel
            .sas
            .keys()
            .any(|(spi, _)| *spi == SPI + 1)
    );
    // We say it when we know of no other.
    let (mut world, mut peer) = initiator(28);
    let (_, asked) = peer.accept_init(&mut world);
    assert_eq!(asked.notifies(), [NotifyType::INITIAL_CONTACT]);
}

#[test]
fn rfc7296_029_the_pauses_between_retransmissions_grow() {
    let (mut world, _) = initiator(29);
    let mut times = vec![world.now];
    world.run_until(Duration::from_secs(50), |world| {
        if world.nodes[1].sent.len() > times.len() {
            times.push(world.now);
        }
        false
    });
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.len() >= 4);
    assert!(
        pauses
            .windows(2)
            .take(3)
            .all(|pair| pair[1] > pair[0].mul_f64(1.5)),
        "{pauses:?}"
    );
}

#[test]
fn rfc7296_030_any_fresh_protected_message_is_a_sign_of_life() {
    let (mut world, mut peer) = responder(30);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let sent = world.nodes[0].sent.len();
    let old = session.request(&mut peer.random, INFORMATIONAL, &[]);
    peer.send(&mut world, &old);
    for round in 1..10 {
        world.run(Duration::from_secs(20));
        peer.ask(&mut world, &mut session, INFORMATIONAL, &[])
            .expect("an answer");
        assert_eq!(world.nodes[0].sent.len(), sent + 1 + round, "answers alone");
    }
    // An old one again and a broken one are none.
    let asked_before = headers(&world, 0)
        .iter()
        .filter(|sent| !sent.flags.response)
        .count();
    for _ in 0..4 {
        world.run(Duration::from_secs(8));
        peer.send(&mut world, &old);
        let mut broken = session.request(&mut peer.random, INFORMATIONAL, &[]);
        session.next_request -= 1;
        broken[40] ^= 1;
        peer.send(&mut world, &broken);
    }
    let asked = headers(&world, 0)
        .iter()
        .filter(|sent| !sent.flags.response)
        .count();
    assert!(asked > asked_before);
}

#[test]
fn rfc7296_031_what_is_closed_is_deleted_at_the_peer() {
    let (mut world, mut peer) = responder(31);
    let (mut session, said) = peer.establish(&mut world, SPI);
    let theirs = said.esp_spi().expect("an SPI");
    world.command(0, down(Some("lan")));
    let asked = last(&world, &peer, &session);
    assert_eq!(asked.payloads, [delete_esp(&[theirs])]);
    peer.respond(
        &mut world,
        &mut session,
        &asked.header,
        &[delete_esp(&[SPI])],
    );
    world.command(0, down(None));
    let asked = last(&world, &peer, &session);
    assert_eq!(asked.payloads, [delete_ike()]);
    peer.respond(&mut world, &mut session, &asked.header, &[]);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
}
