//! Revocation: what files say, what is fetched, and what happens while it is, late, or never.

use super::*;

const URL: &str = "http://crl.example.com/root.crl";

/// Both ends check revocation so; their certificates say where the list is.
fn meeting(seed: u64, authority: &Authority, authentication: Authentication) -> World {
    let mut world = strangers(seed);
    world.configure(
        0,
        End::hq().with(authentication, listed(authority, HQ_KEY, HQ)),
    );
    let at_branch = listed(authority, BRANCH_KEY, BRANCH);
    world.configure(1, End::branch().with(authentication, at_branch));
    world
}

fn listed(authority: &Authority, key: TestKey, name: &str) -> PublicCredentials {
    let wanted = Wanted {
        crl: Some(URL.to_owned()),
        serial: if name == HQ { 1 } else { 2 },
        ..Wanted::of(name)
    };
    authority.credentials_for(key, &wanted)
}

/// The list that revokes these is on the web, for both ends.
fn publish(world: &mut World, list: &[u8]) {
    for node in &mut world.nodes {
        node.web.insert(URL.to_owned(), list.to_vec());
    }
}

#[test]
fn a_certificate_that_a_list_in_a_file_revokes_is_refused() {
    let authority = Authority::new("Root");
    for (serials, refused) in [(&[7_u64][..], true), (&[8][..], false)] {
        let at_hq = PublicCredentials {
            own: authority.credentials(HQ_KEY, HQ).own,
            trust: authority.trusted_but_for(serials),
        };
        let strict = revocation(Revocation::Strict);
        let mut world = meet(40, End::hq().with(strict, at_hq), branch(&authority));
        if refused {
            responder_refuses(&world, "certificate-revoked");
        } else {
            both_up(&mut world);
        }
        assert!(world.nodes[0].fetched.is_empty(), "files were enough");
    }
}

#[test]
fn a_list_is_fetched_by_each_side_and_good_certificates_pass() {
    let authority = Authority::new("Root");
    for policy in [Revocation::IfAvailable, Revocation::Strict] {
        let mut world = meeting(41, &authority, revocation(policy));
        publish(&mut world, &authority.revokes(&[99]));
        world.run(SECOND);
        both_up(&mut world);
        for node in &world.nodes {
            assert_eq!(node.fetched.len(), 1);
            assert_eq!(node.fetched[0].url, URL);
        }
        ends_clean(&mut world);
    }
}

#[test]
fn a_certificate_that_the_fetched_list_revokes_is_refused_in_both_roles() {
    let authority = Authority::new("Root");
    for policy in [Revocation::IfAvailable, Revocation::Strict] {
        for serial in [1, 2] {
            let mut world = meeting(42, &authority, revocation(policy));
            publish(&mut world, &authority.revokes(&[serial]));
            world.run(SECOND);
            if serial == 2 {
                responder_refuses(&world, "certificate-revoked");
            } else {
                initiator_refuses(&world, "certificate-revoked");
            }
        }
    }
}

#[test]
fn where_nothing_answers_only_the_strict_refuse() {
    let authority = Authority::new("Root");
    let mut world = meeting(43, &authority, revocation(Revocation::IfAvailable));
    world.run(SECOND);
    both_up(&mut world);
    assert_eq!(world.nodes[0].fetched.len(), 1);

    let mut world = meeting(44, &authority, revocation(Revocation::Strict));
    world.run(SECOND);
    responder_refuses(&world, "revocation-unknown");
    let failure = world.nodes[0].failure("revocation-unknown");
    let told = format!("{failure} {}", failure.details().join(" "));
    assert!(told.contains("crl.example.com"), "{told}");

    let mut world = meeting(45, &authority, revocation(Revocation::Off));
    world.run(SECOND);
    both_up(&mut world);
    assert!(world.nodes.iter().all(|node| node.fetched.is_empty()));
}

#[test]
fn what_is_fetched_and_is_no_list_or_another_authoritys_or_too_large_says_nothing() {
    let authority = Authority::new("Root");
    let bodies = [
        b"<html>log in to the hotel's network</html>".to_vec(),
        Vec::new(),
        Authority::new("Other").revokes(&[1, 2]),
        Authority::with_key("Root", TestKey::P256).revokes(&[1, 2]),
        vec![0x30; 9 << 20],
    ];
    for body in bodies {
        let mut world = meeting(46, &authority, revocation(Revocation::IfAvailable));
        publish(&mut world, &body);
        world.run(SECOND);
        both_up(&mut world);
        let mut world = meeting(47, &authority, revocation(Revocation::Strict));
        publish(&mut world, &body);
        world.run(SECOND);
        responder_refuses(&world, "revocation-unknown");
    }
}

#[test]
fn nothing_is_fetched_for_a_peer_that_has_not_proved_everything_else() {
    let (root, other) = (Authority::new("Root"), Authority::new("Other"));
    let strict = revocation(Revocation::Strict);
    // Not by an authority of ours.
    let mut world = strangers(48);
    world.configure(0, End::hq().with(strict, listed(&root, HQ_KEY, HQ)));
    world.configure(
        1,
        End::branch().with(strict, listed(&other, BRANCH_KEY, BRANCH)),
    );
    world.run(SECOND);
    responder_refuses(&world, "certificate-untrusted");
    assert!(world.nodes[0].fetched.is_empty());
    // With the right certificate, and not with its key.
    let mut world = strangers(49);
    world.configure(0, End::hq().with(strict, listed(&root, HQ_KEY, HQ)));
    let mut credentials = listed(&root, BRANCH_KEY, BRANCH);
    if let Some(own) = &mut credentials.own {
        own.key = TestKey::Ed25519("hq").private().public_key().clone();
    }
    world.configure(1, End::branch().with(strict, credentials));
    world.run(SECOND);
    responder_refuses(&world, "wrong-signature");
    assert!(world.nodes[0].fetched.is_empty());
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for_as_long_as_a_half_open_ike_sa_may_stand() {
    let authority = Authority::new("Root");
    for (policy, up) in [(Revocation::IfAvailable, true), (Revocation::Strict, false)] {
        for node in [0, 1] {
            let mut world = meeting(50, &authority, revocation(policy));
            publish(&mut world, &authority.revokes(&[]));
            world.nodes[node].hold_fetches = true;
            world.run(Duration::from_secs(8));
            assert_eq!(world.nodes[node].count("ike-sa-established"), 0, "it waits");
            assert_eq!(world.nodes[node].fetched.len(), 1, "asked once");
            world.run(Duration::from_secs(4));
            if up {
                assert_eq!(world.nodes[node].count("ike-sa-established"), 1);
                both_up(&mut world);
            } else {
                fails(&world, node, "revocation-unknown");
            }
            // What comes late is good for the next time.
            world.release(node);
            world.run(Duration::from_secs(90));
            let now = world.now;
            for node in &mut world.nodes {
                node.assert_up(now, 1);
            }
            ends_clean(&mut world);
        }
    }
}

#[test]
fn a_request_that_comes_again_while_a_list_is_fetched_is_in_progress() {
    let authority = Authority::new("Root");
    let mut world = meeting(51, &authority, revocation(Revocation::Strict));
    publish(&mut world, &authority.revokes(&[]));
    world.nodes[0].hold_fetches = true;
    world.run(Duration::from_secs(4));
    assert!(world.nodes[1].count("retransmitting") > 0);
    let dropped = world.nodes[0].events.iter().any(
        |event| matches!(event, Event::Dropped { reason, .. } if reason.name() == "in-progress"),
    );
    assert!(dropped);
    assert_eq!(world.nodes[0].fetched.len(), 1);
    world.release(0);
    world.run(SECOND);
    both_up(&mut world);
}

#[test]
fn one_list_is_fetched_once_for_all_who_wait_for_it() {
    let authority = Authority::new("Root");
    let strict = revocation(Revocation::Strict);
    let mut world = strangers(52);
    let mut at_hq = End::hq();
    at_hq.children.clear();
    let mut configuration = at_hq.with(strict, listed(&authority, HQ_KEY, HQ));
    let mut connection = at_hq.connection();
    connection.authentication = strict;
    connection.remote.id = Some("*.example.com".parse().expect("a pattern"));
    configuration.connections = vec![Arc::new(connection)];
    world.configure(0, configuration);
    world.nodes[0].hold_fetches = true;
    publish(&mut world, &authority.revokes(&[]));
    let mut peers = Vec::new();
    for number in 0..5_u64 {
        let id = format!("branch-{number}.example.com");
        let mut peer = sim::ScriptedPeer::branch(&world, 100 + number);
        peer.id = id.parse().expect("an identity");
        let wanted = Wanted {
            crl: Some(URL.to_owned()),
            serial: 10 + number,
            ..Wanted::of(&id)
        };
        let certificate = authority.issue(BRANCH_KEY, &wanted);
        peer.sign_with(BRANCH_KEY.private(), &[certificate.der()]);
        peer.path
            .local
            .set_port(5000 + u16::try_from(number).expect("small"));
        let mut session = peer.begin(&mut world);
        let payloads = peer.proof(&session);
        let answer = peer.ask(&mut world, &mut session, ExchangeType::IKE_AUTH, &payloads);
        assert!(answer.is_none(), "it waits");
        peers.push((peer, session));
    }
    assert_eq!(world.nodes[0].fetched.len(), 1);
    world.release(0);
    assert_eq!(world.nodes[0].count("ike-sa-established"), 5);
    assert_eq!(world.nodes[0].fetched.len(), 1);
}

#[test]
fn a_peer_that_is_gone_while_a_list_is_fetched_leaves_nothing() {
    let authority = Authority::new("Root");
    let mut world = meeting(53, &authority, revocation(Revocation::Strict));
    world.nodes[0].hold_fetches = true;
    world.run(SECOND);
    let down = Command::Down {
        connection: name("tunnel"),
        child: None,
    };
    for node in [0, 1] {
        world.command(node, down.clone());
    }
    world.run(Duration::from_secs(100));
    world.release(0);
    world.run(Duration::from_secs(100));
    let now = world.now;
    for node in &mut world.nodes {
        node.assert_clean(now, 3);
    }
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
}
