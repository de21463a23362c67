//! Between IKE_SA_INIT and the end of IKE_AUTH.

use super::*;

#[test]
fn nothing_but_ike_auth_is_taken_before_ike_auth() {
    for exchange in [
        CREATE,
        INFORMATIONAL,
        ExchangeType::IKE_FOLLOWUP_KE,
        ExchangeType::IKE_INTERMEDIATE,
        ExchangeType(77),
    ] {
        let (mut world, mut peer) = responder(30);
        let mut session = peer.begin(&mut world);
        for payloads in [
            vec![],
            peer.auth_payloads(&session, SPI),
            vec![delete_ike()],
        ] {
            let header = session.header(exchange, 1, false);
            let bytes = session.seal(&mut peer.random, header, &payloads);
            assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
        }
        assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
        let payloads = peer.auth_payloads(&session, SPI);
        assert!(
            peer.ask(&mut world, &mut session, AUTH, &payloads)
                .is_some()
        );
    }
}

#[test]
fn protection_before_there_are_keys_is_dropped() {
    let (mut world, mut peer) = responder(31);
    let mut chain = Vec::new();
    let first = encode_chain(&peer.init_payloads(), &mut chain);
    for fragment in [
        None,
        Some(Fragment {
            number: 1,
            total: 1,
        }),
        Some(Fragment {
            number: 1,
            total: 65535,
        }),
    ] {
        let mut bytes = begin_protected(&peer.init_header(), fragment, first, chain.len());
        bytes.extend(&chain);
        assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
    }
    let (mut world, mut peer) = initiator(32);
    let (_, header) = answer_header(&world, &peer);
    let mut bytes = begin_protected(&header, None, PayloadType::NOTIFY, 100);
    bytes.extend([7; 100]);
    assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
    attempt_survives(&mut world, &mut peer);
}

#[test]
fn fragments_that_were_not_negotiated_are_dropped_in_any_order() {
    let (mut world, mut peer) = responder(33);
    let mut session = peer.begin(&mut world);
    for (number, total) in [
        (1, 1),
        (2, 2),
        (1, 2),
        (0, 0),
        (5, 3),
        (65535, 65535),
        (1, 65535),
    ] {
        let header = session.header(AUTH, 1, false);
        let mut bytes = begin_protected(
            &header,
            Some(Fragment { number, total }),
            PayloadType::IDI,
            60,
        );
        bytes.extend([7; 60]);
        assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new());
    }
    let payloads = peer.auth_payloads(&session, SPI);
    assert!(
        peer.ask(&mut world, &mut session, AUTH, &payloads)
            .is_some()
    );
}

#[test]
fn a_broken_integrity_check_changes_nothing_and_the_right_one_still_counts() {
    let (mut world, mut peer) = responder(34);
    let mut session = peer.begin(&mut world);
    let payloads = peer.auth_payloads(&session, SPI);
    let good = session.request(&mut peer.random, AUTH, &payloads);
    for at in (16..good.len()).filter(|at| !(24..28).contains(at)) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let answers = peer.send(&mut world, &bad);
        assert!(
            answers.iter().all(|answer| session.open(answer).is_none()),
            "octet {at}"
        );
        assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
    }
    for length in 28..good.len() {
        let mut cut = good[..length].to_vec();
        let declared = u32::try_from(length).expect("short");
        cut[24..28].copy_from_slice(&declared.to_be_bytes());
        assert_eq!(peer.send(&mut world, &cut), Vec::<Vec<u8>>::new());
    }
    let said = peer
        .ask_bytes(&mut world, &session, &good)
        .expect("an answer");
    assert!(said.has(PayloadType::AUTH));
}

#[test]
fn ike_auth_without_a_payload_or_with_one_twice_makes_no_ike_sa_where_it_matters() {
    let (mut world, mut peer) = responder(35);
    let session = peer.begin(&mut world);
    let count = maimed(&peer.auth_payloads(&session, SPI)).len();
    for case in 0..count {
        let (mut world, mut peer) = responder(36);
        let mut session = peer.begin(&mut world);
        let (what, chain) = maimed(&peer.auth_payloads(&session, SPI)).swap_remove(case);
        let said = peer
            .ask(&mut world, &mut session, AUTH, &chain)
            .expect("an answer");
        let established = world.nodes[0].count("ike-sa-established");
        if what == "without IDr" {
            assert_eq!(established, 1, "whom it wants is optional");
            continue;
        }
        assert_eq!(established, 0, "{what}");
        assert!(!said.has(PayloadType::AUTH), "{what}");
        // A peer that leaves AUTH out asks for EAP, which is well-formed and not there.
        let told = match &*what {
            "without AUTH" => NotifyType::AUTHENTICATION_FAILED,
            _ => NotifyType::INVALID_SYNTAX,
        };
        assert_eq!(said.notifies(), [told], "{what}");
        forgotten(&mut world, 0);
    }
}

#[test]
fn an_unknown_critical_payload_inside_is_named_and_ends_ike_auth_but_not_an_ike_sa() {
    let (mut world, mut peer) = responder(37);
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.insert(2, unknown(200, true));
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    let critical = notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[200]);
    assert_eq!(said.payloads, std::slice::from_ref(&critical));
    forgotten(&mut world, 0);

    peer.renew();
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.insert(2, unknown(200, false));
    assert!(peer.ask(&mut world, &mut session, AUTH, &chain).is_some());
    for exchange in [INFORMATIONAL, CREATE] {
        let said = peer.ask(&mut world, &mut session, exchange, &[unknown(200, true)]);
        assert_eq!(
            said.expect("an answer").payloads,
            std::slice::from_ref(&critical)
        );
    }
    still_up(&mut world, &mut peer, &mut session);
}

#[test]
fn identities_of_any_kind_are_refused_or_escaped_and_never_believed() {
    let long = vec![b'a'; 60_000];
    let cases: Vec<(IdType, Vec<u8>)> = vec![
        (IdType::FQDN, vec![]),
        (IdType::FQDN, b"x".to_vec()),
        (IdType::FQDN, b"evil\x1b[31m.example.com".to_vec()),
        (IdType::FQDN, b"branch.example.com\0".to_vec()),
        (IdType::FQDN, b"branch.example.com\n".to_vec()),
        (IdType::FQDN, vec![0xff, 0xfe]),
        (IdType::FQDN, vec![b'a'; 255]),
        (IdType::FQDN, long.clone()),
        (IdType::KEY_ID, long),
        (IdType::KEY_ID, b"branch.example.com".to_vec()),
        (IdType::KEY_ID, b"$(reboot)".to_vec()),
        (IdType::IPV4_ADDR, vec![1, 2, 3]),
        (IdType::IPV4_ADDR, vec![1; 5]),
        (IdType::IPV6_ADDR, vec![1; 15]),
        (
            IdType::DER_ASN1_DN,
            vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        ),
        (IdType::DER_ASN1_DN, [0x30, 0x80].repeat(1000)),
        (IdType::RFC822_ADDR, b"@".to_vec()),
        (IdType::RFC822_ADDR, b"a@b@c".to_vec()),
        (IdType(0), vec![]),
        (IdType(13), vec![]),
        (IdType(255), b"branch.example.com".to_vec()),
    ];
    for (kind, data) in cases {
        for responder_side in [false, true] {
            let (mut world, mut peer) = responder(38);
            let mut session = peer.begin(&mut world);
            let id = Identification::new(kind, data.clone());
            let auth = session.auth(&peer.secret, &id.body());
            let mut chain = peer.auth_payloads(&session, SPI);
            if responder_side {
                chain[1] = Payload::IdR(id);
            } else {
                chain[0] = Payload::IdI(id);
                chain[2] = Payload::Auth(Authentication {
                    method: AuthMethod::SHARED_KEY_MIC,
                    data: auth.into(),
                });
            }
            let said = peer
                .ask(&mut world, &mut session, AUTH, &chain)
                .expect("an answer");
            assert_eq!(
                said.notifies(),
                [NotifyType::AUTHENTICATION_FAILED],
                "{kind}"
            );
            assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
            let now = world.now;
            let told = world.nodes[0].list(now);
            let text = format!(
                "{:?} {}",
                world.nodes[0].events, told.strangers[0].failure.cause
            );
            assert!(!text.contains('\x1b') && !text.contains('\0'), "{kind}");
            assert!(told.strangers[0].failure.cause.to_string().len() < 2000);
        }
    }
}

#[test]
fn auth_of_any_method_and_length_is_not_believed() {
    for method in [0, 1, 2, 3, 9, 12, 13, 14, 200, 255] {
        for length in [0, 1, 31, 32, 33, 64, 5000] {
            let (mut world, mut peer) = responder(39);
            let mut session = peer.begin(&mut world);
            let mut chain = peer.auth_payloads(&session, SPI);
            chain[2] = Payload::Auth(Authentication {
                method: AuthMethod(method),
                data: vec![0; length].into(),
            });
            // Nothing else in the message changes whether AUTH is believed.
            chain.push(Payload::VendorId(ike::wire::VendorId {
                data: b"strongSwan".to_vec().into(),
            }));
            let said = peer
                .ask(&mut world, &mut session, AUTH, &chain)
                .expect("an answer");
            assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
            assert_eq!(said.payloads.len(), 1);
            assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
        }
    }
}

#[test]
fn the_right_method_with_the_wrong_one_named_is_not_believed() {
    let (mut world, mut peer) = responder(40);
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    if let Payload::Auth(auth) = &mut chain[2] {
        auth.method = AuthMethod::NULL;
    }
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
    forgotten(&mut world, 0);
}

#[test]
fn a_peer_cannot_reflect_our_proof_back() {
    let (mut world, mut peer) = responder(41);
    let mut session = peer.begin(&mut world);
    let hq = "hq.example.com".parse().expect("an identity");
    let ours = session.node_auth(&peer.secret, &id_payload(&hq).body());
    let mut chain = peer.auth_payloads(&session, SPI);
    chain[2] = Payload::Auth(Authentication {
        method: AuthMethod::SHARED_KEY_MIC,
        data: ours.into(),
    });
    let said = peer
        .ask(&mut world, &mut session, AUTH, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
}

#[test]
fn an_auth_response_that_lacks_or_doubles_something_is_not_believed_and_the_peer_hears_so() {
    let (mut world, mut peer) = initiator(42);
    let (session, asked) = peer.accept_init(&mut world);
    let full = |peer: &ScriptedPeer, session: &Session, asked: &sim::peer::Said| {
        let mut chain = peer.proof(session);
        chain.extend(peer.child_answer(&asked.payloads, SPI, ChildExchange::IkeAuth));
        chain
    };
    let count = maimed(&full(&peer, &session, &asked)).len();
    for case in 0..count {
        let (mut world, mut peer) = initiator(43);
        let (mut session, asked) = peer.accept_init(&mut world);
        let (what, chain) = maimed(&full(&peer, &session, &asked)).swap_remove(case);
        let since = world.nodes[1].sent.len();
        peer.respond(&mut world, &mut session, &asked.header, &chain);
        let next = peer.heard(&world, since);
        let said = session.open(next.first().expect("a word")).expect("for us");
        let now = world.now;
        if matches!(&what[..], "without SA" | "without TSi" | "without TSr") {
            // The child alone is no good: the IKE SA stands, what the peer may have made is deleted.
            world.nodes[1].assert_up(now, 0);
        } else {
            assert_eq!(world.nodes[1].count("ike-sa-established"), 0, "{what}");
            assert!(said.has(PayloadType::DELETE), "{what}: {said:?}");
            assert_eq!(world.nodes[1].kernel.sas.len(), 0);
        }
    }
}

#[test]
fn an_impostor_is_told_that_it_is_not_believed() {
    for impostor in 0..3 {
        let (mut world, mut peer) = initiator(44);
        match impostor {
            0 => peer.secret = b"not the secret".to_vec(),
            1 => peer.id = "evil.example.com".parse().expect("an identity"),
            _ => peer.id = "keyid:hq.example.com".parse().expect("an identity"),
        }
        let since = world.nodes[1].sent.len();
        let mut session = peer.accept(&mut world, SPI);
        let sent = peer.heard(&world, since);
        let said = session.open(sent.last().expect("a word")).expect("for us");
        assert_eq!(said.header.exchange, INFORMATIONAL);
        assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
        assert!(said.has(PayloadType::DELETE));
        assert_eq!(world.nodes[1].count("ike-sa-established"), 0);
        assert_eq!(world.nodes[1].kernel.sas.len(), 0);
        peer.respond(&mut world, &mut session, &said.header, &[]);
        world.nodes[1].failure(if impostor == 0 {
            "wrong-secret"
        } else {
            "wrong-identity"
        });
    }
}
