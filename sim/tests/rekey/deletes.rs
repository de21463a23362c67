//! Deletes that meet something else, and rekeyings that meet a Delete: the rows of the table that a peer in our hand can bring
//! about one message at a time.

use std::time::Duration;

use ike::engine::io::Command;
use ike::wire::numbers::{ExchangeType, NotifyType, TransformType};
use ike::wire::{Payload, Transform};
use sim::peer::{delete_esp, delete_ike, notify, sa_of};
use sim::setup::name;

use super::answers::{
    CREATE, INFORMATIONAL, SPI, answer, asked, deleted, inbound, outbound, rekeying, with_peer,
};
use super::{rekey, rekey_ike};

/// What RFC 9370 follows CREATE_CHILD_SA with.
const FOLLOWUP_KE: ExchangeType = ExchangeType(44);

fn down(child: Option<&str>) -> Command {
    Command::Down {
        connection: name("tunnel"),
        child: child.map(name),
    }
}

#[test]
fn c7_a_delete_closes_both_directions() {
    let (mut world, mut peer, mut session, old) = with_peer(400);
    let delete = [delete_esp(&[SPI])];
    let said = peer
        .ask(&mut world, &mut session, INFORMATIONAL, &delete)
        .expect("an answer");
    assert_eq!(deleted(&said), [old]);
    assert_eq!(outbound(&world), []);
    world.run(Duration::from_secs(6));
    assert_eq!(inbound(&world), []);
    assert_eq!(world.nodes[0].count("child-down"), 1);
}

#[test]
fn c9_one_that_is_deleted_while_we_rekey_it_is_gone_whatever_is_answered_then() {
    for refusal in [
        NotifyType::TEMPORARY_FAILURE,
        NotifyType::CHILD_SA_NOT_FOUND,
    ] {
        let (mut world, mut peer, mut session, old) = with_peer(401);
        world.command(0, rekey());
        let (header, _) = asked(&world, &peer, &session);
        let delete = [delete_esp(&[SPI])];
        let told = peer
            .ask(&mut world, &mut session, INFORMATIONAL, &delete)
            .expect("an answer");
        assert_eq!(deleted(&told), [old], "{refusal:?}");
        peer.respond(&mut world, &mut session, &header, &[notify(refusal, &[])]);
        assert_eq!(world.nodes[0].count("child-down"), 1, "{refusal:?}");

        // What is asked for now is no rekeying of what is gone.
        let (header, wanted) = asked(&world, &peer, &session);
        assert_eq!(header.exchange, CREATE);
        assert_eq!(wanted.notifies(), [], "{refusal:?}");
        let chain = answer(&mut peer, &wanted, SPI + 1);
        peer.respond(&mut world, &mut session, &header, &chain);
        world.run(Duration::from_secs(6));
        assert_eq!(outbound(&world), [SPI + 1]);
        assert_eq!(inbound(&world).len(), 1);
        world.nodes[0].assert_up(world.now, 1);
    }
}

#[test]
fn c11_a_delete_of_what_is_not_there_is_answered_with_nothing() {
    let (mut world, mut peer, mut session, old) = with_peer(402);
    let delete = [delete_esp(&[0x1234_5678, old])];
    let said = peer
        .ask(&mut world, &mut session, INFORMATIONAL, &delete)
        .expect("an answer");
    assert_eq!(said.payloads, []);
    world.nodes[0].assert_up(world.now, 1);
}

#[test]
fn c15_c22_nothing_new_is_begun_under_an_ike_sa_that_is_being_deleted() {
    let (mut world, mut peer, mut session, _) = with_peer(403);
    world.command(0, down(None));
    let (header, said) = asked(&world, &peer, &session);
    assert!(matches!(&said.payloads[..], [Payload::Delete(_)]));
    assert!(peer.rekey_ike(&mut world, &mut session).is_none(), "C15");
    for chain in [
        peer.create_child(SPI + 1),
        rekeying(&mut peer, SPI, SPI + 2),
    ] {
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert_eq!(said.notifies(), [NotifyType::TEMPORARY_FAILURE], "C22");
    }
    peer.respond(&mut world, &mut session, &header, &[]);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    assert!(world.nodes[0].kernel.sas.is_empty());
}

#[test]
fn c17_a_delete_while_we_rekey_the_ike_sa_ends_it_and_our_asking() {
    let (mut world, mut peer, mut session, _) = with_peer(404);
    world.command(0, rekey_ike());
    let said = peer
        .ask(&mut world, &mut session, INFORMATIONAL, &[delete_ike()])
        .expect("an answer");
    assert_eq!(said.payloads, []);
    let sent = peer.heard(&world, 0).len();
    world.run(Duration::from_secs(60));
    assert_eq!(peer.heard(&world, 0).len(), sent, "it is not asked again");
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    assert_eq!(world.nodes[0].count("child-down"), 1);
}

#[test]
fn c18_both_delete_the_ike_sa_at_once_and_it_goes_once() {
    let (mut world, mut peer, mut session, _) = with_peer(405);
    world.command(0, down(None));
    let said = peer
        .ask(&mut world, &mut session, INFORMATIONAL, &[delete_ike()])
        .expect("an answer");
    assert_eq!(said.payloads, []);
    let sent = peer.heard(&world, 0).len();
    world.run(Duration::from_secs(60));
    assert_eq!(peer.heard(&world, 0).len(), sent, "our own is forgotten");
    let node = &world.nodes[0];
    assert_eq!(node.engine().ike_sa_count(), 0);
    assert_eq!(node.count("ike-sa-closed"), 1);
    assert_eq!(node.count("child-down"), 1);
}

#[test]
fn c20_nothing_new_is_begun_while_the_ike_sa_is_rekeyed() {
    let (mut world, mut peer, mut session, _) = with_peer(406);
    world.command(0, rekey_ike());
    for chain in [
        peer.create_child(SPI + 1),
        rekeying(&mut peer, SPI, SPI + 2),
    ] {
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert_eq!(said.notifies(), [NotifyType::TEMPORARY_FAILURE]);
    }
    world.nodes[0].assert_up(world.now, 1);
}

#[test]
fn c19_the_ike_sa_is_not_rekeyed_while_we_replace_or_delete_a_child() {
    for command in [rekey(), down(Some("lan"))] {
        let (mut world, mut peer, mut session, _) = with_peer(407);
        world.command(0, command);
        assert!(peer.rekey_ike(&mut world, &mut session).is_none());
        assert_eq!(world.nodes[0].engine().ike_sa_count(), 1);
    }
}

#[test]
fn c21_a_child_is_deleted_while_the_ike_sa_is_rekeyed() {
    let (mut world, mut peer, mut session, old) = with_peer(408);
    world.command(0, rekey_ike());
    let (header, wanted) = asked(&world, &peer, &session);
    let delete = [delete_esp(&[SPI])];
    let said = peer
        .ask(&mut world, &mut session, INFORMATIONAL, &delete)
        .expect("an answer");
    assert_eq!(deleted(&said), [old]);
    // The heir gets what is left: nothing.
    let (chain, mut heir, _) = peer.answer_ike_rekeying(&session, &wanted, &[7; 32]);
    peer.respond(&mut world, &mut session, &header, &chain);
    let (header, _) = asked(&world, &peer, &session);
    peer.respond(&mut world, &mut session, &header, &[]);
    world.run(Duration::from_secs(6));
    assert!(world.nodes[0].kernel.sas.is_empty());
    assert_eq!(world.nodes[0].count("child-down"), 1);
    let told = peer.ask(&mut world, &mut heir, INFORMATIONAL, &[]);
    assert!(told.is_some(), "the heir lives");
}

#[test]
fn c23_a_delete_of_the_ike_sa_while_we_delete_a_child_takes_everything_once() {
    let (mut world, mut peer, mut session, _) = with_peer(409);
    world.command(0, down(Some("lan")));
    let said = peer
        .ask(&mut world, &mut session, INFORMATIONAL, &[delete_ike()])
        .expect("an answer");
    assert_eq!(said.payloads, []);
    world.run(Duration::from_secs(60));
    let node = &world.nodes[0];
    assert_eq!(node.engine().ike_sa_count(), 0);
    assert!(node.kernel.sas.is_empty());
    assert_eq!(node.count("child-down"), 1);
    assert_eq!(node.count("ike-sa-closed"), 1);
}

#[test]
fn c25_a_peer_that_has_more_key_exchanges_gets_what_both_have() {
    // Beside its plain proposal it has one with a further key exchange (transform type 6), which we do not speak yet.
    let (mut world, mut peer, mut session, _) = with_peer(410);
    world.command(0, rekey());
    let mut chain = rekeying(&mut peer, SPI, SPI + 1);
    let sa = sa_of(&mut chain);
    let mut more = sa.proposals[0].clone();
    more.transforms
        .push(Transform::new(TransformType(6), 36, None));
    sa.proposals.insert(0, more);
    for (number, proposal) in (1..).zip(&mut sa.proposals) {
        proposal.number = number;
    }
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), []);
    let chosen = said.payloads.iter().find_map(|payload| match payload {
        Payload::Sa(sa) => Some(sa.proposals[0].number),
        _ => None,
    });
    assert_eq!(chosen, Some(2), "the plain one");

    // And what would follow such a key exchange belongs to nothing.
    let before = (inbound(&world), outbound(&world));
    let said = peer.ask(&mut world, &mut session, FOLLOWUP_KE, &[]);
    assert!(said.is_none(), "{said:?}");
    assert_eq!((inbound(&world), outbound(&world)), before);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 1);
}

#[test]
fn c30_a_delete_of_the_old_one_that_is_never_answered_ends_the_ike_sa_once() {
    let (mut world, mut peer, mut session, old) = with_peer(411);
    world.command(0, rekey());
    let (header, wanted) = asked(&world, &peer, &session);
    let chain = answer(&mut peer, &wanted, SPI + 1);
    peer.respond(&mut world, &mut session, &header, &chain);
    let (_, said) = asked(&world, &peer, &session);
    assert_eq!(deleted(&said), [old]);
    let sent = peer.heard(&world, 0).len();
    world.run(Duration::from_secs(600));
    assert!(peer.heard(&world, 0).len() > sent + 3, "it is repeated");
    let node = &world.nodes[0];
    assert_eq!(node.count("ike-sa-closed"), 1);
    assert_eq!(node.count("child-rekeyed"), 1);
    assert_eq!(
        node.count("child-down"),
        1,
        "the new one; the old one was replaced"
    );
    assert!(node.kernel.sas.is_empty());
}
