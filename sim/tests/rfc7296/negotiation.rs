//! Version, cookies, proposals, keys: lines 32 to 60.

use super::*;

#[test]
fn rfc7296_032_to_034_version_and_reserved_bits() {
    let (mut world, mut peer) = responder(32);
    let mut request = peer.init_request();
    request[17] = 0x31;
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(
        notifies(&message.payloads),
        [NotifyType::INVALID_MAJOR_VERSION]
    );
    // A later minor version, V and X flags, and reserved octets of the ID, which AUTH covers as they came.
    let mut request = peer.init_request();
    request[17] = 0x2e;
    request[19] |= 0x10 | 0xc7;
    let answers = peer.send(&mut world, &request);
    assert_eq!(answers[0][17..20], [0x20, 34, 0x20]);
    let mut session = peer.keys(request, answers[0].clone()).expect("an IKE SA");
    let mut id = id_payload(&peer.id);
    id.reserved = [1, 2, 3];
    let auth = session.auth(&peer.secret, &id.body());
    let mut chain = peer.auth_payloads(&session, SPI);
    chain[0] = Payload::IdI(id);
    chain[2] = Payload::Auth(Authentication {
        method: AuthMethod::SHARED_KEY_MIC,
        data: auth.into(),
    });
    let said = peer.ask(&mut world, &mut session, AUTH, &chain);
    assert!(said.expect("an answer").has(PayloadType::AUTH));
}

#[test]
fn rfc7296_035_to_037_unknown_payloads_and_notifies_and_any_order() {
    let (mut world, mut peer) = responder(35);
    let unknown = |critical| {
        Payload::Unknown(UnknownPayload {
            payload_type: PayloadType(111),
            critical,
            body: vec![1, 2].into(),
        })
    };
    let mut chain = peer.init_payloads();
    chain.reverse();
    chain.insert(1, unknown(false));
    chain.push(notify(NotifyType(9000), b"error"));
    chain.push(notify(NotifyType(50000), b"status"));
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    let mut session = peer.keys(request, answers[0].clone()).expect("an IKE SA");
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.reverse();
    chain.push(notify(NotifyType(9000), b"error"));
    chain.push(notify(NotifyType(50000), b"status"));
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    assert!(said.has(PayloadType::AUTH) && said.has(PayloadType::SA));
    let said = peer.ask(&mut world, &mut session, INFORMATIONAL, &[unknown(true)]);
    let critical = notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[111]);
    assert_eq!(said.expect("an answer").payloads, [critical]);
    up(&mut world, 0, 1);
    // An unknown error in a response is a failure.
    let (mut world, mut peer) = initiator(37);
    let (mut session, asked) = peer.accept_init(&mut world);
    let error = notify(NotifyType(9000), b"error");
    peer.respond(&mut world, &mut session, &asked.header, &[error]);
    world.nodes[1].failure("refused-by-peer");
}

#[test]
fn rfc7296_038_and_039_flags_and_spis_of_what_we_send() {
    let (hq, branch) = two_children();
    let mut world = two_gateways(38, Quality::default());
    world.configure(0, hq.configuration());
    world.configure(1, branch.configuration());
    world.run(Duration::from_secs(200));
    for (node, initiator) in [(0, false), (1, true)] {
        for sent in headers(&world, node) {
            assert_eq!(sent.flags.initiator, initiator);
            assert_eq!((sent.flags.version, sent.flags.reserved), (false, 0));
            assert!(!sent.initiator_spi.is_zero());
            let first = sent.exchange == ExchangeType::IKE_SA_INIT && !sent.flags.response;
            assert_eq!(sent.responder_spi.is_zero(), first);
        }
    }
}

#[test]
fn rfc7296_040_spis_are_never_the_same_and_do_not_follow_one_another() {
    let (mut world, mut peer) = responder(40);
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        peer.renew();
        let session = peer.begin(&mut world);
        assert!(seen.insert(session.spis.responder));
        world.run(Duration::from_secs(5));
    }
    let numbers: Vec<_> = seen.iter().map(|spi| u64::from_be_bytes(spi.0)).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] - pair[0] > 1 << 20));
}

#[test]
fn rfc7296_041_to_044_cookies() {
    let (mut world, mut peer) = responder(41);
    let limits = Limits {
        cookie_threshold: 0,
        ..Limits::default()
    };
    let mut hq = End::hq();
    hq.ike = Some("aes256gcm16-prfsha256-x25519");
    world.configure(
        0,
        Configuration {
            limits,
            ..hq.configuration()
        },
    );
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert!(message.header.responder_spi.is_zero());
    let [Payload::Notify(cookie)] = &message.payloads[..] else {
        panic!("a cookie alone")
    };
    assert!((1..=64).contains(&cookie.data.len()));
    // A peer that does not send it again after INVALID_KE_PAYLOAD is asked again.
    let mut chain = peer.init_payloads();
    chain.insert(0, notify(NotifyType::COOKIE, &cookie.data));
    for payload in &mut chain {
        if let Payload::Ke(ke) = payload {
            ke.method = KeyExchangeMethod::ECP_256;
        }
    }
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(
        notifies(&message.payloads),
        [NotifyType::INVALID_KE_PAYLOAD]
    );
    assert!(message.header.responder_spi.is_zero());
    let request = peer.init_request();
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(notifies(&message.payloads), [NotifyType::COOKIE]);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
}

#[test]
fn rfc7296_046_to_050_one_proposal_with_one_transform_of_each_type_comes_back() {
    let (mut world, mut peer) = responder(46);
    peer.ike = vec![
        "aes128-sha256-prfsha256-x25519"
            .parse()
            .expect("a proposal"),
        "aes128gcm16-aes256gcm16-prfsha512-prfsha384-x25519-ecp256"
            .parse()
            .expect("a proposal"),
    ];
    let mut chain = peer.init_payloads();
    let proposals = &mut sa_of(&mut chain).proposals;
    // What nobody knows makes its transform, or its proposal, unusable and no more.
    proposals[1]
        .transforms
        .push(Transform::new(TransformType::ENCR, 999, Some(256)));
    proposals[0]
        .transforms
        .push(Transform::new(TransformType(200), 1, None));
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    let mut payloads: Chain = message
        .payloads
        .into_iter()
        .map(Payload::into_owned)
        .collect();
    let [chosen] = &sa_of(&mut payloads).proposals[..] else {
        panic!("one proposal")
    };
    assert_eq!(chosen.number, 2);
    let kinds: Vec<_> = chosen.transforms.iter().map(|one| one.kind).collect();
    let unique: BTreeSet<_> = kinds.iter().copied().collect();
    assert_eq!((kinds.len(), unique.len()), (3, 3), "{kinds:?}");
    assert!(
        chosen
            .transforms
            .iter()
            .any(|one| one.key_length() == Some(256))
    );
}

#[test]
fn rfc7296_051_what_was_not_offered_is_not_accepted() {
    let (mut world, mut peer) = initiator(51);
    let (mut session, asked) = peer.accept_init(&mut world);
    let mut chain = peer.proof(&session);
    let mut child = peer.child_answer(&asked.payloads, SPI, ChildExchange::IkeAuth);
    sa_of(&mut child).proposals[0].transforms[0] =
        Transform::new(TransformType::ENCR, 12, Some(192));
    chain.extend(child);
    peer.respond(&mut world, &mut session, &asked.header, &chain);
    world.nodes[1].failure("accepted-not-offered");
    let said = last(&world, &peer, &session);
    assert!(
        said.has(PayloadType::DELETE),
        "what the peer made of it is deleted"
    );
    up(&mut world, 1, 0);
}

#[test]
fn rfc7296_052_a_key_exchange_beside_the_choice_of_none_is_ignored() {
    let (mut world, mut peer) = responder(52);
    let (mut session, _) = peer.establish(&mut world, SPI);
    let mut chain = peer.create_child(SPI + 1);
    chain.push(Payload::Ke(ike::wire::KeyExchange {
        method: KeyExchangeMethod::CURVE25519,
        data: vec![0; 32].into(),
    }));
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert!(said.has(PayloadType::SA) && !said.has(PayloadType::KE));
}

#[test]
fn rfc7296_053_ike_is_never_without_encryption_or_integrity() {
    for (kind, id) in [(TransformType::ENCR, 11), (TransformType::INTEG, 0)] {
        let (mut world, mut peer) = responder(53);
        peer.ike = vec!["aes128-sha256-x25519".parse().expect("a proposal")];
        let mut chain = peer.init_payloads();
        for transform in &mut sa_of(&mut chain).proposals[0].transforms {
            if transform.kind == kind {
                *transform = Transform::new(kind, id, None);
            }
        }
        let request = peer.init_with(chain);
        let answers = peer.send(&mut world, &request);
        let message = Message::parse(&answers[0]).expect("a message");
        assert_eq!(
            notifies(&message.payloads),
            [NotifyType::NO_PROPOSAL_CHOSEN]
        );
    }
}

#[test]
fn rfc7296_055_a_secret_that_is_zero_for_everybody_is_refused() {
    let (mut world, mut peer) = responder(55);
    let mut chain = peer.init_payloads();
    for payload in &mut chain {
        if let Payload::Ke(ke) = payload {
            ke.data = vec![0; 32].into();
        }
    }
    let request = peer.init_with(chain);
    let answers = peer.send(&mut world, &request);
    let message = Message::parse(&answers[0]).expect("a message");
    assert_eq!(notifies(&message.payloads), [NotifyType::INVALID_SYNTAX]);
}

#[test]
fn rfc7296_056_nonces_are_long_enough_and_never_used_again() {
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let (world, peer) = initiator(seed);
        let request = peer.heard(&world, 0).remove(0);
        for payload in Message::parse(&request).expect("a message").payloads {
            if let Payload::Nonce(nonce) = payload {
                assert!((32..=256).contains(&nonce.data.len()));
                assert!(seen.insert(nonce.data.to_vec()));
            }
        }
    }
    assert_eq!(seen.len(), 20);
}

#[test]
fn rfc7296_059_a_secret_of_64_ascii_octets_and_one_of_any_octets() {
    for secret in [vec![b'x'; 64], (0..=255).collect::<Vec<u8>>(), vec![0; 20]] {
        let (mut world, mut peer) = responder(59);
        world.nodes[0]
            .secrets
            .insert(name("tunnel"), secret.clone());
        peer.secret = secret;
        peer.establish(&mut world, SPI);
        up(&mut world, 0, 1);
    }
}

#[test]
fn rfc7296_060_keys_of_both_directions_agree() {
    for esp in [
        "aes256gcm16",
        "aes128-sha256",
        "aes256-sha512",
        "aes256gcm16-x25519",
    ] {
        let (mut hq, mut branch) = two_children();
        (hq.esp, branch.esp) = (Some(esp), Some(esp));
        let mut world = two_gateways(60, Quality::default());
        world.configure(0, hq.configuration());
        world.configure(1, branch.configuration());
        world.run(Duration::from_secs(2));
        up(&mut world, 0, 2);
        let mut keys = BTreeSet::new();
        for (key, ours) in &world.nodes[0].kernel.sas {
            let theirs = &world.nodes[1].kernel.sas[key];
            assert_eq!(ours.encryption_key, theirs.encryption_key);
            assert_eq!(ours.integrity_key, theirs.integrity_key);
            assert!(
                keys.insert(ours.encryption_key.as_bytes().to_vec()),
                "each its own"
            );
        }
    }
}
