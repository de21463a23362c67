//! Children, selectors, authentication, errors: lines 64 to 108.

use super::*;

#[test]
fn rfc7296_064_children_that_look_equal_are_not_deleted() {
    let (mut world, mut peer) = responder(64);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let chain = peer.create_child(SPI + 1);
    peer.ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    up(&mut world, 0, 2);
    // The newer is used; when it goes, the older is.
    peer.ask(
        &mut world,
        &mut session,
        INFORMATIONAL,
        &[delete_esp(&[SPI + 1])],
    )
    .expect("an answer");
    up(&mut world, 0, 1);
    assert_eq!(world.nodes[0].kernel.protecting(), 3);
}

#[test]
fn rfc7296_065_a_responder_can_receive_before_it_answers() {
    let (mut world, mut peer) = responder(65);
    world.nodes[0].hold_kernel = true;
    let mut session = peer.begin(&mut world);
    let chain = peer.auth_payloads(&session, SPI);
    let request = session.request(&mut peer.random, AUTH, &chain);
    assert_eq!(peer.send(&mut world, &request), NOTHING);
    assert_eq!(peer.send(&mut world, &request), NOTHING, "asked again, too");
    world.release(0);
    let said = last(&world, &peer, &session);
    assert!(said.has(PayloadType::SA));
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_066_both_of_two_equal_children_are_accepted_from() {
    let (mut world, mut peer) = responder(66);
    let (mut session, first) = peer.establish(&mut world, SPI);
    let chain = peer.create_child(SPI + 1);
    let second = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    for said in [first, second] {
        let spi = said.esp_spi().expect("an SPI");
        let inbound = (spi, world.nodes[0].address);
        assert!(world.nodes[0].kernel.sas[&inbound].inbound);
    }
}

#[test]
fn rfc7296_074_and_075_the_responder_narrows_and_the_initiator_checks() {
    let (mut world, mut peer) = responder(74);
    peer.local = vec!["0.0.0.0/0".parse().expect("a selector")];
    peer.remote = vec!["0.0.0.0/0".parse().expect("a selector")];
    let (_, said) = peer.establish(&mut world, SPI);
    let ts: Vec<_> = said
        .payloads
        .iter()
        .filter_map(|payload| match payload {
            Payload::TsI(ts) | Payload::TsR(ts) => Some(format!("{:?}", ts.selectors)),
            _ => None,
        })
        .collect();
    assert!(ts[0].contains("10.2.0.0-10.2.255.255") && ts[1].contains("10.1.0.0-10.1.255.255"));
    let kernel = &world.nodes[0].kernel;
    let verdict = kernel.verdict(Direction::Out, [10, 1, 0, 1].into(), [10, 9, 0, 1].into());
    assert!(!matches!(verdict, Some(PolicyAction::Protect { .. })));

    let (mut world, mut peer) = initiator(75);
    let (mut session, asked) = peer.accept_init(&mut world);
    let mut chain = peer.proof(&session);
    let mut child = peer.child_answer(&asked.payloads, SPI, ChildExchange::IkeAuth);
    child[2] = Payload::TsR(sim::peer::selectors(&["0.0.0.0/0"
        .parse()
        .expect("a selector")]));
    chain.append(&mut child);
    peer.respond(&mut world, &mut session, &asked.header, &chain);
    world.nodes[1].failure("selectors-not-proposed");
    up(&mut world, 1, 0);
}

#[test]
fn rfc7296_094_the_method_must_be_the_one_that_was_agreed_on() {
    let (mut world, mut peer) = initiator(94);
    let (mut session, asked) = peer.accept_init(&mut world);
    let mut chain = peer.proof(&session);
    if let Some(Payload::Auth(auth)) = chain.last_mut() {
        auth.method = AuthMethod::RSA_SIGNATURE;
    }
    peer.respond(&mut world, &mut session, &asked.header, &chain);
    world.nodes[1].failure("auth-method");
    let said = last(&world, &peer, &session);
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
}

#[test]
fn rfc7296_096_an_ike_sa_without_a_child_needs_the_responders_word() {
    let mut branch = End::branch();
    branch.children.clear();
    for supported in [true, false] {
        let (mut world, mut peer) = initiator_with(96, &branch);
        let up = Command::Up {
            connection: name("tunnel"),
            child: None,
        };
        world.command(1, up);
        let request = peer.heard(&world, 0).pop().expect("a request");
        let session = peer.answer_init_with(&request, |mut chain| {
            if !supported {
                chain.pop();
            }
            chain
        });
        let answers = peer.send(&mut world, &session.init_response);
        assert_eq!(answers.len(), usize::from(supported));
        if !supported {
            world.nodes[1].failure("childless-unsupported");
        }
    }
    // And we give it.
    let (mut world, mut peer) = responder(96);
    let mut session = peer.begin(&mut world);
    let message = Message::parse(&session.init_response).expect("a message");
    assert!(notifies(&message.payloads).contains(&NotifyType::CHILDLESS_IKEV2_SUPPORTED));
    let proof = peer.proof(&session);
    peer.ask(&mut world, &mut session, AUTH, &proof)
        .expect("an answer");
    up(&mut world, 0, 0);
}

#[test]
fn rfc7296_097_errors_of_ike_sa_init_keep_no_state() {
    let (mut world, mut peer) = responder(97);
    peer.ike = vec![
        "aes128-sha512-prfsha512-ecp256"
            .parse()
            .expect("a proposal"),
    ];
    let mut hq = End::hq();
    hq.ike = Some("aes256gcm16-prfsha384-x25519");
    world.configure(0, hq.configuration());
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(
        notifies(&message.payloads),
        [NotifyType::NO_PROPOSAL_CHOSEN]
    );
    assert!(message.header.responder_spi.is_zero());
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
}

#[test]
fn rfc7296_098_a_peer_that_fails_to_authenticate_learns_no_more_than_that() {
    for case in 0..4 {
        let (mut world, mut peer) = responder(98);
        match case {
            0 => peer.secret = b"another".to_vec(),
            1 => peer.id = "nobody.example.com".parse().expect("an identity"),
            2 => peer.peer_id = Some("nobody.example.com".parse().expect("an identity")),
            _ => world.nodes[0].secrets.clear(),
        }
        let mut session = peer.begin(&mut world);
        let chain = peer.auth_payloads(&session, SPI);
        let said = peer
            .ask(&mut world, &mut session, AUTH, &chain)
            .expect("an answer");
        let refused = notify(NotifyType::AUTHENTICATION_FAILED, &[]);
        assert_eq!(said.payloads, [refused], "case {case}");
    }
}

#[test]
fn rfc7296_099_errors_about_a_child_in_a_good_response_keep_the_ike_sa() {
    for kind in [
        NotifyType::NO_PROPOSAL_CHOSEN,
        NotifyType::TS_UNACCEPTABLE,
        NotifyType::SINGLE_PAIR_REQUIRED,
        NotifyType::INTERNAL_ADDRESS_FAILURE,
        NotifyType::FAILED_CP_REQUIRED,
        NotifyType::TEMPORARY_FAILURE,
        NotifyType::NO_ADDITIONAL_SAS,
        NotifyType(9000),
    ] {
        let (mut world, mut peer) = initiator(99);
        let (mut session, asked) = peer.accept_init(&mut world);
        let mut chain = peer.proof(&session);
        chain.push(notify(kind, &[]));
        peer.respond(&mut world, &mut session, &asked.header, &chain);
        up(&mut world, 1, 0);
        assert_eq!(world.nodes[1].count("child-failed"), 1);
    }
}

#[test]
fn rfc7296_100_an_initiator_that_does_not_believe_the_responder_says_so() {
    let (mut world, mut peer) = initiator(100);
    peer.secret = b"another".to_vec();
    let session = peer.accept(&mut world, SPI);
    let said = last(&world, &peer, &session);
    assert_eq!(
        (said.header.exchange, said.header.message_id),
        (INFORMATIONAL, 2)
    );
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
    // And a responder that hears it holds the IKE SA for gone.
    let (mut world, mut peer) = responder(100);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let refused = notify(NotifyType::AUTHENTICATION_FAILED, &[]);
    peer.ask(&mut world, &mut session, INFORMATIONAL, &[refused])
        .expect("an answer");
    let now = world.now;
    world.nodes[0].assert_clean(now, 3);
}

#[test]
fn rfc7296_101_invalid_syntax_ends_the_ike_sa_on_both_sides_and_responses_are_not_complained_about()
{
    let (mut world, mut peer) = responder(101);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let mut chain = peer.create_child(SPI + 1);
    chain.remove(1);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::INVALID_SYNTAX]);
    let sent = world.nodes[0].sent.len();
    let now = world.now;
    world.nodes[0].assert_clean(now, 3);
    world.run(Duration::from_secs(20));
    assert_eq!(world.nodes[0].sent.len(), sent, "no Delete: both know");

    let (_, branch) = two_children();
    let (mut world, mut peer) = initiator_with(101, &branch);
    let mut session = peer.accept(&mut world, SPI);
    let asked = last(&world, &peer, &session);
    assert_eq!(asked.header.exchange, CREATE);
    let sent = world.nodes[1].sent.len();
    let refused = notify(NotifyType::INVALID_SYNTAX, &[]);
    peer.respond(&mut world, &mut session, &asked.header, &[refused]);
    assert_eq!(world.nodes[1].kernel.sas.len(), 0);
    assert_eq!(world.nodes[1].sent.len(), sent);
}

#[test]
fn rfc7296_103_a_broken_integrity_check_is_dropped_counted_and_no_sign_of_life() {
    let (mut world, mut peer) = responder(103);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let mut broken = session.request(&mut peer.random, INFORMATIONAL, &[delete_ike()]);
    let end = broken.len() - 1;
    broken[end] ^= 1;
    world.run(Duration::from_secs(20));
    assert_eq!(peer.send(&mut world, &broken), NOTHING);
    assert_eq!(world.nodes[0].count("dropped"), 1);
    world.run(Duration::from_secs(11));
    assert!(
        !last(&world, &peer, &session).header.flags.response,
        "it asks for life"
    );
    up(&mut world, 0, 1);
}

#[test]
fn rfc7296_104_only_what_is_inside_counts() {
    let (mut world, mut peer) = responder(104);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let good = session.request(&mut peer.random, INFORMATIONAL, &[]);
    // A Delete in clear before the protected payload.
    let mut chain = Vec::new();
    ike::wire::encode_chain(&[delete_ike()], &mut chain);
    chain[0] = PayloadType::SK.0;
    let mut mixed = good.clone();
    mixed[16] = PayloadType::DELETE.0;
    mixed.splice(28..28, chain);
    let length = u32::try_from(mixed.len()).expect("short");
    mixed[24..28].copy_from_slice(&length.to_be_bytes());
    assert_eq!(peer.send(&mut world, &mixed), NOTHING);
    up(&mut world, 0, 1);
    assert!(peer.ask_bytes(&mut world, &session, &good).is_some());
}

#[test]
fn rfc7296_107_a_delete_of_the_ike_sa_names_no_spi_and_takes_all_children() {
    let (hq, _) = two_children();
    let (mut world, mut peer) = responder(107);
    world.configure(0, hq.configuration());
    let (mut session, _) = peer.establish(&mut world, SPI);
    peer.local = vec!["10.9.0.0/16".parse().expect("a selector")];
    let chain = peer.create_child(SPI + 1);
    peer.ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    up(&mut world, 0, 2);
    peer.ask(&mut world, &mut session, INFORMATIONAL, &[delete_ike()])
        .expect("an answer");
    let now = world.now;
    world.nodes[0].assert_clean(now, 6);
    // A Delete that lies about its size is malformed.
    let (mut world, mut peer) = responder(107);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let lying = Payload::Unknown(UnknownPayload {
        payload_type: PayloadType::DELETE,
        critical: false,
        body: vec![1, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0].into(),
    });
    let said = peer
        .ask(&mut world, &mut session, INFORMATIONAL, &[lying])
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::INVALID_SYNTAX]);
}

#[test]
fn rfc7296_108_our_notifies_about_no_sa_name_none() {
    let (mut world, peer) = responder(108);
    let request = peer.init_with(vec![]);
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(
        message.payloads,
        [Payload::Notify(Notify::new(
            NotifyType::INVALID_SYNTAX,
            vec![]
        ))]
    );
}
