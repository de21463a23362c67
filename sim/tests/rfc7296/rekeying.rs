//! Rekeying, and what belongs to it: lines 6, 9, 10, 57 to 72 and 95. What crosses what is in `sim/tests/rekey`.

use ike::engine::event::Event;
use ike::wire::numbers::ProtocolId;

use super::*;

fn rekey(child: Option<&str>) -> Command {
    Command::Rekey {
        connection: name("tunnel"),
        child: child.map(name),
    }
}

/// A headquarters with a tunnel, and the branch in our hand; the SPI of the headquarters.
fn with_peer(seed: u64) -> (World, ScriptedPeer, Session, u32) {
    let (mut world, mut peer) = responder(seed);
    let (session, said) = peer.establish(&mut world, SPI);
    let spi = said.esp_spi().expect("an SPI");
    (world, peer, session, spi)
}

fn groups(payloads: &[Payload<'_>]) -> (Vec<u16>, Option<KeyExchangeMethod>) {
    let (mut offered, mut sent) = (Vec::new(), None);
    for payload in payloads {
        match payload {
            Payload::Sa(sa) => {
                let transforms = sa.proposals.iter().flat_map(|one| &one.transforms);
                offered.extend(
                    transforms
                        .filter(|one| one.kind == TransformType::KE)
                        .map(|one| one.id),
                );
            }
            Payload::Ke(ke) => sent = Some(ke.method),
            _ => {}
        }
    }
    (offered, sent)
}

#[test]
fn rfc7296_006_the_group_of_a_key_exchange_is_one_that_is_offered() {
    // In IKE_SA_INIT, whatever comes first; and of a child with forward secrecy.
    let mut branch = End::branch();
    branch.ike = Some("aes256gcm16-prfsha256-ecp256-x25519");
    let (world, peer) = initiator_with(6, &branch);
    let first = peer.heard(&world, 0).remove(0);
    let message = Message::parse(&first).expect("a message");
    let (offered, sent) = groups(&message.payloads);
    assert!(offered.contains(&sent.expect("KE").0), "{offered:?}");

    let mut hq = End::hq();
    hq.esp = Some("aes256gcm16-ecp256-x25519");
    let mut world = two_gateways(6, Quality::default());
    world.configure(0, hq.configuration());
    let mut peer = ScriptedPeer::branch(&world, 6);
    let (session, _) = peer.establish(&mut world, SPI);
    world.command(0, rekey(Some("lan")));
    let said = last(&world, &peer, &session);
    let (offered, sent) = groups(&said.payloads);
    assert!(offered.contains(&sent.expect("KE").0), "{offered:?}");
}

#[test]
fn rfc7296_009_an_ike_sa_is_rekeyed_with_a_key_exchange_and_meanwhile_nothing_new_is_begun() {
    let (mut world, peer, session, _) = with_peer(9);
    world.command(0, rekey(None));
    let said = last(&world, &peer, &session);
    assert!(said.has(PayloadType::KE));
    let sent = peer.heard(&world, 0).len();
    world.command(0, rekey(Some("lan")));
    assert_eq!(peer.heard(&world, 0).len(), sent, "it waits its turn");
}

#[test]
fn rfc7296_010_a_rekeying_names_the_spi_that_the_sender_receives_on() {
    let (mut world, mut peer, mut session, ours) = with_peer(10);
    world.command(0, rekey(Some("lan")));
    let said = last(&world, &peer, &session);
    let named = said.payloads.iter().find_map(|payload| match payload {
        Payload::Notify(notify) if notify.kind == NotifyType::REKEY_SA => {
            Some((notify.protocol, notify.spi.as_u32()))
        }
        _ => None,
    });
    assert_eq!(named, Some((ProtocolId::ESP, Some(ours))));
    // The peer names its own as well, not ours.
    let mut chain = peer.create_child(SPI + 1);
    let wrong = Notify::new(NotifyType::REKEY_SA, vec![]).about(ProtocolId::ESP, ours);
    chain.insert(0, Payload::Notify(wrong));
    let said = peer.ask(&mut world, &mut session, CREATE, &chain);
    let told = said.expect("an answer").notifies();
    assert_eq!(told, [NotifyType::CHILD_SA_NOT_FOUND]);
}

#[test]
fn rfc7296_057_with_an_sa_its_keys_are_gone() {
    let (mut world, mut peer, mut session, _) = with_peer(57);
    let header = session.header(INFORMATIONAL, session.next_request + 1, false);
    let next = session.seal(&mut peer.random, header, &[]);
    peer.ask(&mut world, &mut session, INFORMATIONAL, &[delete_ike()])
        .expect("an answer");
    world.run(Duration::from_secs(120));
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    assert!(world.nodes[0].kernel.sas.is_empty());
    // What those keys would have opened belongs to nobody now.
    assert!(peer.ask_bytes(&mut world, &session, &next).is_none());
}

#[test]
fn rfc7296_061_an_heir_has_keys_of_its_own_a_key_exchange_and_new_spis() {
    let (mut world, mut peer, mut session, _) = with_peer(61);
    // The peer derives the heir's keys from the old SK_d, the new secret and the new nonces.
    let mut heir = peer.rekey_ike(&mut world, &mut session).expect("an heir");
    assert_ne!(heir.spis, session.spis);
    let said = peer.ask(&mut world, &mut heir, INFORMATIONAL, &[]);
    assert_eq!(said.expect("under the new keys").header.message_id, 0);

    // Without a key exchange there is none; and the request names SPIs of eight octets.
    let (mut world, peer, session, _) = with_peer(61);
    world.command(0, rekey(None));
    let mut said = last(&world, &peer, &session);
    let offer = sa_of(&mut said.payloads);
    let whole = |proposal: &ike::wire::Proposal| {
        let groups = proposal.transforms.iter();
        let mut groups = groups.filter(|one| one.kind == TransformType::KE);
        proposal.spi.as_ike_spi().is_some() && groups.all(|one| one.id != 0)
    };
    assert!(offer.proposals.iter().all(whole), "{offer:?}");
}

#[test]
fn rfc7296_062_what_has_expired_is_not_used() {
    let (mut world, mut peer, mut session, spi) = with_peer(62);
    let sa = ike::engine::io::SaReference {
        spi,
        destination: peer.path.remote.ip(),
    };
    let expired = ike::engine::io::KernelEvent::Expire { sa, hard: true };
    world.input(0, ike::engine::io::Input::KernelEvent(expired));
    assert_eq!(world.nodes[0].count("child-down"), 1);
    // The peer is told, and the other half goes with it.
    let said = last(&world, &peer, &session);
    assert!(
        matches!(&said.payloads[..], [Payload::Delete(delete)] if delete.spis == [spi]),
        "{said:?}"
    );
    peer.respond(
        &mut world,
        &mut session,
        &said.header,
        &[delete_esp(&[SPI])],
    );
    world.run(Duration::from_secs(6));
    let sas = world.nodes[0].kernel.sas.values();
    assert!(sas.filter(|sa| !sa.inbound).all(|sa| sa.spi != SPI));
}

#[test]
fn rfc7296_063_the_delete_of_the_old_ike_sa_is_the_last_request_under_it() {
    let mut world = tunnel(63);
    let old = headers(&world, 1)[0].initiator_spi;
    for node in [0, 1] {
        world.command_and_wait(node, rekey(None));
        world.command_and_wait(1 - node, rekey(Some("lan")));
        world.run(Duration::from_secs(10));
    }
    world.run(Duration::from_secs(300));
    for node in [0, 1] {
        let sent = headers(&world, node);
        let under = sent
            .iter()
            .filter(|one| one.initiator_spi == old && !one.flags.response);
        let exchanges: Vec<_> = under.map(|one| one.exchange).collect();
        if node == 0 {
            // It began the rekeying, and says goodbye.
            assert_eq!(exchanges[exchanges.len() - 2..], [CREATE, INFORMATIONAL]);
        } else {
            assert!(exchanges.iter().all(|one| *one != INFORMATIONAL));
        }
    }
}

#[test]
fn rfc7296_067_the_winner_has_all_children_and_who_is_unaware_is_put_off() {
    let (mut hq, branch) = two_children();
    hq.ike = branch.ike;
    let mut world = two_gateways(67, Quality::default());
    world.configure(0, hq.configuration());
    world.configure(1, branch.configuration());
    world.run(Duration::from_secs(5));
    world.assert_up(2);
    world.command(0, rekey(None));
    world.command(1, rekey(None));
    world.run(Duration::from_secs(120));
    world.assert_up(2);
    for node in &world.nodes {
        assert_eq!(node.count("ike-sa-rekeyed"), 1, "{}", node.name);
        assert_eq!(node.count("child-down"), 0, "{}", node.name);
    }

    // Replaced by us, and the Delete is out: the peer does not know yet.
    let (mut world, mut peer, mut session, _) = with_peer(67);
    world.command(0, rekey(None));
    let asked = last(&world, &peer, &session);
    let (chain, _, _) = peer.answer_ike_rekeying(&session, &asked, &[9; 32]);
    peer.respond(&mut world, &mut session, &asked.header, &chain);
    let request = peer.create_child(SPI + 1);
    let said = peer.ask(&mut world, &mut session, CREATE, &request);
    assert_eq!(
        said.expect("an answer").notifies(),
        [NotifyType::TEMPORARY_FAILURE]
    );
}

#[test]
fn rfc7296_068_a_rekeying_asks_for_no_less_than_is_in_use() {
    let (mut world, peer, session, _) = with_peer(68);
    world.command(0, rekey(Some("lan")));
    let said = last(&world, &peer, &session);
    let mut selectors = said.payloads.iter().filter_map(|payload| match payload {
        Payload::TsI(ts) | Payload::TsR(ts) => Some(ts.clone()),
        _ => None,
    });
    let ours = sim::peer::selectors(&peer.remote);
    let theirs = sim::peer::selectors(&peer.local);
    assert_eq!(selectors.next(), Some(ours));
    assert_eq!(selectors.next(), Some(theirs));
}

#[test]
fn rfc7296_069_and_070_a_peer_that_puts_us_off_is_waited_for_and_one_that_lost_a_child_gets_a_new_one()
 {
    let (mut world, mut peer, mut session, _) = with_peer(69);
    world.command(0, rekey(Some("lan")));
    let asked = last(&world, &peer, &session);
    let later = [notify(NotifyType::TEMPORARY_FAILURE, &[])];
    peer.respond(&mut world, &mut session, &asked.header, &later);
    let sent = peer.heard(&world, 0).len();
    world.run(Duration::from_secs(5));
    assert_eq!(peer.heard(&world, 0).len(), sent, "not at once");
    world.run(Duration::from_secs(15));
    let asked = last(&world, &peer, &session);
    assert_eq!(asked.notifies(), [NotifyType::REKEY_SA], "but later");

    let gone = Notify::new(NotifyType::CHILD_SA_NOT_FOUND, vec![]).about(ProtocolId::ESP, SPI);
    let gone = [Payload::Notify(gone)];
    peer.respond(&mut world, &mut session, &asked.header, &gone);
    let asked = last(&world, &peer, &session);
    assert_eq!(asked.header.exchange, CREATE);
    assert_eq!(asked.notifies(), [], "a new one");
    assert_eq!(world.nodes[0].count("child-down"), 1);
}

#[test]
fn rfc7296_072_where_a_peer_takes_no_more_sas_the_old_one_goes_and_a_new_one_is_made() {
    // The branch is to be up, its peer makes SAs in IKE_AUTH only.
    for what in [None, Some("lan")] {
        let (mut world, mut peer) = initiator(72);
        let mut session = peer.accept(&mut world, SPI);
        up(&mut world, 1, 1);
        world.command(1, rekey(what));
        let asked = last(&world, &peer, &session);
        let no = [notify(NotifyType::NO_ADDITIONAL_SAS, &[])];
        peer.respond(&mut world, &mut session, &asked.header, &no);
        // A new IKE SA, with a child in it, and only then does the old one go.
        assert_eq!(world.nodes[1].count("child-down"), 0, "{what:?}");
        peer.renew();
        peer.accept(&mut world, SPI + 1);
        let heard = peer.heard(&world, 0);
        let mut said = heard.iter().filter_map(|bytes| session.open(bytes));
        let said = said.next_back();
        let said = said.expect("the old one's last word");
        assert!(
            matches!(&said.payloads[..], [Payload::Delete(delete)] if delete.spis.is_empty()),
            "{what:?}: {said:?}"
        );
        peer.respond(&mut world, &mut session, &said.header, &[]);
        world.run(Duration::from_secs(10));
        up(&mut world, 1, 1);
        let failed = |event: &&Event| matches!(event, Event::RekeyFailed { .. });
        assert_eq!(world.nodes[1].events.iter().filter(failed).count(), 1);
    }
}

#[test]
fn rfc7296_095_what_was_not_negotiated_is_not_done() {
    // We never say that we do more than one authentication, EAP alone or a post-quantum secret.
    let mine = [16404, 16417, 16435, 16436].map(NotifyType);
    let (world, peer) = initiator(95);
    let first = peer.heard(&world, 0).remove(0);
    let message = Message::parse(&first).expect("a message");
    assert!(
        notifies(&message.payloads)
            .iter()
            .all(|one| !mine.contains(one))
    );
    // Who says so gets no more for it; and who leaves AUTH out, for EAP, does not get in.
    let (mut world, mut peer) = responder(95);
    let mut session = peer.begin(&mut world);
    let mut chain = peer.auth_payloads(&session, SPI);
    chain.retain(|payload| payload.payload_type() != PayloadType::AUTH);
    chain.extend(mine.map(|kind| notify(kind, &[])));
    let said = peer.ask(&mut world, &mut session, AUTH, &chain);
    let told = said.expect("an answer");
    assert!(!told.has(PayloadType::AUTH) && !told.has(PayloadType::EAP));
    world.run(Duration::from_secs(60));
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
}
