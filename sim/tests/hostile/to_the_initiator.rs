//! IKE_SA_INIT, to the initiator: whatever comes unprotected may come from anybody.

use super::*;

#[test]
fn forged_errors_do_not_end_an_attempt() {
    let (mut world, mut peer) = initiator(20);
    let (_, header) = answer_header(&world, &peer);
    for kind in (0..=50)
        .map(NotifyType)
        .chain([NotifyType(8000), NotifyType(16383)])
    {
        for data in [&[][..], &[0, 19], &[7; 100]] {
            if kind == NotifyType::INVALID_KE_PAYLOAD && data == [0, 19] {
                continue;
            }
            let forged = plain(header, vec![notify(kind, data)]);
            assert_eq!(
                peer.send(&mut world, &forged),
                Vec::<Vec<u8>>::new(),
                "{kind}"
            );
        }
    }
    world.run(Duration::from_secs(40));
    attempt_survives(&mut world, &mut peer);
}

#[test]
fn a_forged_wish_for_another_group_does_not_make_the_true_answer_useless() {
    let (mut world, mut peer) = initiator(21);
    let (request, header) = answer_header(&world, &peer);
    let session = peer.answer_init(&request);
    let forged = plain(
        header,
        vec![notify(NotifyType::INVALID_KE_PAYLOAD, &[0, 19])],
    );
    assert_eq!(peer.send(&mut world, &forged).len(), 1, "it tries");
    for group in [19u16, 31, 0, 1, 2, 14, 65535] {
        let data = group.to_be_bytes();
        let forged = plain(header, vec![notify(NotifyType::INVALID_KE_PAYLOAD, &data)]);
        assert_eq!(peer.send(&mut world, &forged), Vec::<Vec<u8>>::new());
    }
    let answers = peer.send(&mut world, &session.init_response);
    let asked = session.open(&answers[0]).expect("IKE_AUTH");
    let id = "branch.example.com".parse().expect("an identity");
    let expected = session.node_auth(&peer.secret, &id_payload(&id).body());
    let auth = asked.payloads.iter().find_map(|payload| match payload {
        Payload::Auth(auth) => Some(auth.data.to_vec()),
        _ => None,
    });
    assert_eq!(auth, Some(expected), "of the request that was answered");
}

#[test]
fn endless_cookies_are_sent_back_a_few_times_only() {
    let (mut world, mut peer) = initiator(22);
    let (_, header) = answer_header(&world, &peer);
    let mut sent = 0;
    for number in 0..1000u32 {
        let cookie = notify(NotifyType::COOKIE, &number.to_be_bytes());
        sent += peer.send(&mut world, &plain(header, vec![cookie])).len();
    }
    assert_eq!(sent, 5);
    for length in [0, 65, 255] {
        let cookie = notify(NotifyType::COOKIE, &vec![7; length]);
        let answers = peer.send(&mut world, &plain(header, vec![cookie]));
        assert_eq!(answers, Vec::<Vec<u8>>::new());
    }
    attempt_survives(&mut world, &mut peer);
}

#[test]
fn broken_init_responses_are_waited_out() {
    let (mut world, mut peer) = initiator(23);
    let (request, header) = answer_header(&world, &peer);
    let mut good = Vec::new();
    peer.answer_init_with(&request, |chain| {
        good.clone_from(&chain);
        chain
    });
    let header = Header {
        responder_spi: IkeSpi([5; 8]),
        ..header
    };
    let mut broken: Vec<Vec<u8>> = maimed(&good[..3].to_vec())
        .into_iter()
        .map(|(_, chain)| plain(header, chain))
        .collect();
    let mut no_spi = header;
    no_spi.responder_spi = IkeSpi::ZERO;
    broken.push(plain(no_spi, good.clone()));
    for data in [vec![], vec![9; 31], vec![9; 33], vec![9; 60_000]] {
        let mut chain = good.clone();
        put_ke(&mut chain, ke(KeyExchangeMethod::CURVE25519, data));
        broken.push(plain(header, chain));
    }
    let mut other_group = good.clone();
    put_ke(
        &mut other_group,
        ke(KeyExchangeMethod::ECP_256, vec![9; 64]),
    );
    broken.push(plain(header, other_group));
    let mut all_offered = good.clone();
    if let Payload::Sa(offer) = &Message::parse(&request).expect("a message").payloads[0] {
        *sa_of(&mut all_offered) = offer.clone();
    }
    broken.push(plain(header, all_offered));
    let mut not_offered = good.clone();
    sa_of(&mut not_offered).proposals[0].transforms[0] =
        Transform::new(TransformType::ENCR, 3, None);
    broken.push(plain(header, not_offered));
    let mut critical = good.clone();
    critical.push(unknown(200, true));
    broken.push(plain(header, critical));
    for length in 28..broken[0].len() {
        broken.push(broken[0][..length].to_vec());
    }
    for bytes in broken {
        assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
    }
    world.run(Duration::from_secs(20));
    attempt_survives(&mut world, &mut peer);
}

#[test]
fn init_responses_from_elsewhere_or_with_the_wrong_flags_are_nobodys() {
    let (mut world, mut peer) = initiator(24);
    let (request, _) = answer_header(&world, &peer);
    let session = peer.answer_init(&request);
    let good = session.init_response.clone();
    for flags in [0x00, 0x08, 0x28] {
        let mut wrong = good.clone();
        wrong[19] = flags;
        let answers = peer.send(&mut world, &wrong);
        assert!(
            answers.iter().all(|answer| session.open(answer).is_none()),
            "{flags:#x}"
        );
    }
    for (at, value) in [(23, 1), (18, 35), (0, 0xff)] {
        let mut wrong = good.clone();
        wrong[at] = value;
        assert_eq!(peer.send(&mut world, &wrong), Vec::<Vec<u8>>::new());
    }
    let home = peer.path.local;
    peer.path.local = "203.0.113.5:500".parse().expect("an address");
    assert_eq!(peer.send(&mut world, &good), Vec::<Vec<u8>>::new());
    peer.path.local = home;
    let answers = peer.send(&mut world, &good);
    assert!(session.open(&answers[0]).is_some());
}
