//! New certificates and keys by a new configuration: what stands stays, what is under way keeps its own, what comes later
//! gets the new ones.

use super::*;

#[test]
fn new_credentials_leave_an_established_tunnel_alone() {
    let authority = Authority::new("Root");
    let mut world = meet(70, hq(&authority), branch(&authority));
    both_up(&mut world);
    let other = Authority::new("Other");
    world.configure(0, hq(&other));
    world.configure(1, branch(&other));
    world.run(Duration::from_secs(60));
    both_up(&mut world);
    for node in &world.nodes {
        assert_eq!(node.count("ike-sa-closed"), 0);
    }
}

#[test]
fn an_authentication_under_way_keeps_its_credentials_and_the_next_one_has_the_new() {
    let (old, new) = (Authority::new("Root"), Authority::new("Other"));
    let mut world = strangers(71);
    world.configure(0, hq(&old));
    world.nodes[0].hold_answers = true;
    world.configure(1, branch(&old));
    world.run(SECOND);
    assert!(matches!(world.nodes[0].questions[0].1, Question::Sign(_)));
    world.configure(0, hq(&new));
    world.release(0);
    world.run(SECOND);
    both_up(&mut world);
    // The branch comes again, by what the headquarters no longer believes.
    let connection = name("tunnel");
    let (down, up) = (
        Command::Down {
            connection: connection.clone(),
            child: None,
        },
        Command::Up {
            connection,
            child: None,
        },
    );
    world.command_and_wait(1, down);
    world.command(1, up);
    world.run(SECOND);
    fails(&world, 0, "certificate-untrusted");
    world.configure(1, branch(&new));
    world.run(Duration::from_secs(90));
    let now = world.now;
    for node in &mut world.nodes {
        node.assert_up(now, 1);
    }
}

#[test]
fn an_authority_that_is_no_longer_believed_is_forgotten_with_the_chains_below_it() {
    let (old, new) = (Authority::new("Root"), Authority::new("Other"));
    let mut world = meet(72, hq(&old), branch(&old));
    both_up(&mut world);
    world.configure(0, hq(&new));
    let mut peer = sim::ScriptedPeer::branch(&world, 72);
    let certificate = old.issue(BRANCH_KEY, &Wanted::of(BRANCH));
    peer.sign_with(BRANCH_KEY.private(), &[certificate.der()]);
    let mut session = peer.begin(&mut world);
    let payloads = peer.proof(&session);
    let said = peer.ask(&mut world, &mut session, ExchangeType::IKE_AUTH, &payloads);
    let told = said.expect("an answer").notifies();
    assert_eq!(told, [NotifyType::AUTHENTICATION_FAILED]);
    world.nodes[0].failure("certificate-untrusted");
}

#[test]
fn another_way_to_authenticate_is_another_connection_and_begins_anew() {
    let authority = Authority::new("Root");
    let mut world = meet(73, hq(&authority), branch(&authority));
    both_up(&mut world);
    world.configure(0, End::hq().configuration());
    world.configure(1, End::branch().configuration());
    world.run(Duration::from_secs(60));
    let now = world.now;
    for node in &mut world.nodes {
        node.assert_up(now, 1);
        assert_eq!(node.count("ike-sa-closed"), 1);
        let list = node.list(now);
        let evidence = list.connections[0].ike_sas[0].evidence.clone();
        assert_eq!(evidence, Some(Evidence::PreSharedKey));
    }
}

#[test]
fn a_signature_that_is_long_in_coming_is_waited_for_and_then_given_up() {
    let authority = Authority::new("Root");
    for node in [0, 1] {
        // It comes after a while, with the peer asking again and again.
        let mut world = strangers(74);
        world.nodes[node].hold_answers = true;
        world.configure(0, hq(&authority));
        world.configure(1, branch(&authority));
        world.run(Duration::from_secs(12));
        assert_eq!(world.nodes[node].count("ike-sa-established"), 0);
        world.release(node);
        world.run(SECOND);
        both_up(&mut world);
        ends_clean(&mut world);

        // It never comes; what comes after the end finds nobody.
        let mut world = strangers(75);
        world.nodes[node].hold_answers = true;
        world.configure(0, hq(&authority));
        world.configure(1, branch(&authority));
        world.run(Duration::from_secs(35));
        fails(&world, node, "no-answer");
        let down = Command::Down {
            connection: name("tunnel"),
            child: None,
        };
        for at in 0..2 {
            world.command(at, down.clone());
        }
        world.run(Duration::from_secs(100));
        world.release(node);
        world.run(Duration::from_secs(100));
        let now = world.now;
        for node in &mut world.nodes {
            assert_eq!(node.count("ike-sa-established"), 0);
            node.assert_clean(now, 3);
        }
    }
}

#[test]
fn a_delete_while_our_signature_is_awaited_changes_nothing() {
    let authority = Authority::new("Root");
    let mut world = strangers(76);
    world.configure(0, hq(&authority));
    world.nodes[0].hold_answers = true;
    let mut peer = sim::ScriptedPeer::branch(&world, 76);
    let certificate = authority.issue(BRANCH_KEY, &Wanted::of(BRANCH));
    peer.sign_with(BRANCH_KEY.private(), &[certificate.der()]);
    let mut session = peer.begin(&mut world);
    let payloads = peer.auth_payloads(&session, 0x1234_5678);
    let asked = peer.ask(&mut world, &mut session, ExchangeType::IKE_AUTH, &payloads);
    assert!(asked.is_none());
    let delete = [sim::peer::delete_ike()];
    let asked = peer.ask(
        &mut world,
        &mut session,
        ExchangeType::INFORMATIONAL,
        &delete,
    );
    assert!(asked.is_none(), "not before IKE_AUTH is answered");
    world.release(0);
    assert_eq!(world.nodes[0].count("ike-sa-established"), 1);
    // The Delete comes again, in its turn.
    session.next_request = 2;
    let said = peer.ask(
        &mut world,
        &mut session,
        ExchangeType::INFORMATIONAL,
        &delete,
    );
    assert!(said.is_some());
    assert_eq!(world.nodes[0].count("ike-sa-closed"), 1);
    world.run(Duration::from_secs(100));
    let now = world.now;
    world.nodes[0].assert_clean(now, 3);
}
