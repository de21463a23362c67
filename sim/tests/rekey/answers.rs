//! What a peer that is not ours is told, and what is made of its answers: the rows of RFC 7296 section 2.25.

use std::time::Duration;

use ike::engine::io::{Command, Input, KernelEvent, SaReference};
use ike::wire::numbers::{ExchangeType, NotifyType, PayloadType, ProtocolId};
use ike::wire::{Header, Notify, Payload};
use sim::kernel::Sent;
use sim::network::Quality;
use sim::peer::{Chain, Said, delete_esp, notify};
use sim::setup::{BRANCH, End, HQ, name, two_gateways};
use sim::{ScriptedPeer, Session, World};

use super::rekey;

pub(super) const CREATE: ExchangeType = ExchangeType::CREATE_CHILD_SA;
pub(super) const INFORMATIONAL: ExchangeType = ExchangeType::INFORMATIONAL;
pub(super) const SPI: u32 = 0xabc0_0001;

/// A headquarters with a tunnel, and the branch in our hand; the SPI of the headquarters.
pub(super) fn with_peer(seed: u64) -> (World, ScriptedPeer, Session, u32) {
    let mut world = two_gateways(seed, Quality::default());
    world.configure(0, End::hq().configuration());
    let mut peer = ScriptedPeer::branch(&world, seed);
    let (session, said) = peer.establish(&mut world, SPI);
    let spi = said.esp_spi().expect("an SPI");
    (world, peer, session, spi)
}

/// A request for `new` in place of `old`, both of the peer.
pub(super) fn rekeying(peer: &mut ScriptedPeer, old: u32, new: u32) -> Chain {
    let mut chain = peer.create_child(new);
    let notify = Notify::new(NotifyType::REKEY_SA, vec![]).about(ProtocolId::ESP, old);
    chain.insert(0, Payload::Notify(notify));
    chain
}

/// What the node asks now, opened; its header.
pub(super) fn asked(world: &World, peer: &ScriptedPeer, session: &Session) -> (Header, Said) {
    let bytes = peer.heard(world, 0).pop().expect("a word");
    let header = Header::parse(&bytes).expect("a header");
    (header, session.open(&bytes).expect("for us"))
}

/// The node begins to rekey, and is answered with the child under this SPI.
pub(super) fn answer(peer: &mut ScriptedPeer, said: &Said, spi: u32) -> Chain {
    let mut chain = peer.child_answer(
        &said.payloads,
        spi,
        ike::config::proposal::ChildExchange::CreateChildSa,
    );
    let nonce = peer.create_child(spi).into_iter();
    chain.extend(nonce.filter(|payload| payload.payload_type() == PayloadType::NONCE));
    chain
}

pub(super) fn inbound(world: &World) -> Vec<u32> {
    let sas = world.nodes[0].kernel.sas.values();
    sas.filter(|sa| sa.inbound).map(|sa| sa.spi).collect()
}

pub(super) fn outbound(world: &World) -> Vec<u32> {
    let sas = world.nodes[0].kernel.sas.values();
    sas.filter(|sa| !sa.inbound).map(|sa| sa.spi).collect()
}

pub(super) fn deleted(said: &Said) -> Vec<u32> {
    let spis = said.payloads.iter().filter_map(|payload| match payload {
        Payload::Delete(delete) => Some(delete.spis.clone()),
        _ => None,
    });
    spis.flatten().collect()
}

#[test]
fn c4_one_that_is_not_there_is_not_found_and_named() {
    let (mut world, mut peer, mut session, _) = with_peer(90);
    let chain = rekeying(&mut peer, 0x1234_5678, SPI + 1);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    let [Payload::Notify(notify)] = &said.payloads[..] else {
        panic!("{said:?}")
    };
    assert_eq!(notify.kind, NotifyType::CHILD_SA_NOT_FOUND);
    assert_eq!(
        (notify.protocol, notify.spi.as_u32()),
        (ProtocolId::ESP, Some(0x1234_5678))
    );
}

#[test]
fn a_rekeying_by_the_peer_goes_its_way_step_by_step() {
    let (mut world, mut peer, mut session, old) = with_peer(91);
    let chain = rekeying(&mut peer, SPI, SPI + 1);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    let new = said.esp_spi().expect("an SPI");
    assert_eq!(
        (inbound(&world), outbound(&world)),
        (sorted([old, new]), vec![SPI])
    );

    // Not a second time, neither the old nor the new one.
    for again in [SPI, SPI + 1] {
        let chain = rekeying(&mut peer, again, SPI + 2);
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert_eq!(said.notifies(), [NotifyType::TEMPORARY_FAILURE]);
    }

    let said = peer
        .ask(
            &mut world,
            &mut session,
            INFORMATIONAL,
            &[delete_esp(&[SPI])],
        )
        .expect("an answer");
    assert_eq!(deleted(&said), [old]);
    assert_eq!(
        (inbound(&world), outbound(&world)),
        (sorted([old, new]), vec![SPI + 1])
    );

    // C6: very late.
    let chain = rekeying(&mut peer, SPI, SPI + 2);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::CHILD_SA_NOT_FOUND]);
    world.run(Duration::from_secs(6));
    assert_eq!(
        (inbound(&world), outbound(&world)),
        (vec![new], vec![SPI + 1])
    );
    world.nodes[0].assert_up(world.now, 1);
    assert_eq!(world.nodes[0].count("child-rekeyed"), 1);
    assert_eq!(world.nodes[0].count("child-down"), 0);
}

pub(super) fn sorted<const N: usize>(mut spis: [u32; N]) -> Vec<u32> {
    spis.sort_unstable();
    spis.to_vec()
}

#[test]
fn the_first_packet_by_the_new_one_shows_that_the_peer_receives_on_it() {
    let (mut world, mut peer, mut session, _) = with_peer(92);
    let chain = rekeying(&mut peer, SPI, SPI + 1);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    let sa = SaReference {
        spi: said.esp_spi().expect("an SPI"),
        destination: HQ.into(),
    };
    world.input(
        0,
        Input::KernelEvent(KernelEvent::Expire { sa, hard: false }),
    );
    assert_eq!(outbound(&world), [SPI + 1]);
    assert_eq!(world.nodes[0].count("child-rekeyed"), 1);

    // The peer forgets to delete the old one: after a while we do. Until then it says that it is there.
    for _ in 0..3 {
        world.run(Duration::from_secs(19));
        peer.ask(&mut world, &mut session, INFORMATIONAL, &[])
            .expect("an answer");
    }
    world.run(Duration::from_secs(4));
    let (header, said) = asked(&world, &peer, &session);
    assert_eq!(header.exchange, INFORMATIONAL);
    assert_eq!(deleted(&said).len(), 1);
    peer.respond(&mut world, &mut session, &header, &[delete_esp(&[SPI])]);
    world.run(Duration::from_secs(6));
    assert_eq!(world.nodes[0].kernel.sas.len(), 2);
}

#[test]
fn c29_the_old_one_expires_while_its_delete_is_waited_for() {
    let (mut world, mut peer, mut session, old) = with_peer(93);
    let chain = rekeying(&mut peer, SPI, SPI + 1);
    peer.ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    let destination = HQ.into();
    let event = |spi, hard| {
        let sa = SaReference { spi, destination };
        Input::KernelEvent(KernelEvent::Expire { sa, hard })
    };
    world.input(0, event(old, false));
    assert_eq!(outbound(&world), [SPI], "a soft expiry changes nothing");
    world.input(0, event(old, true));
    assert_eq!(outbound(&world), [SPI + 1]);
    let (_, said) = asked(&world, &peer, &session);
    assert_eq!(deleted(&said), [old]);
    assert_eq!(world.nodes[0].count("child-down"), 0);
}

#[test]
fn c3_one_that_is_being_deleted_is_not_rekeyed() {
    let (mut world, mut peer, mut session, _) = with_peer(94);
    world.command(
        0,
        Command::Down {
            connection: name("tunnel"),
            child: Some(name("lan")),
        },
    );
    let chain = rekeying(&mut peer, SPI, SPI + 1);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    assert_eq!(said.notifies(), [NotifyType::TEMPORARY_FAILURE]);
}

#[test]
fn c8_both_delete_the_old_one_at_once() {
    let (mut world, mut peer, mut session, old) = with_peer(95);
    world.command(0, rekey());
    let (header, said) = asked(&world, &peer, &session);
    let chain = answer(&mut peer, &said, SPI + 1);
    peer.respond(&mut world, &mut session, &header, &chain);
    let (header, said) = asked(&world, &peer, &session);
    assert_eq!(
        (header.exchange, deleted(&said)),
        (INFORMATIONAL, vec![old])
    );
    let said = peer
        .ask(
            &mut world,
            &mut session,
            INFORMATIONAL,
            &[delete_esp(&[SPI])],
        )
        .expect("an answer");
    assert_eq!(said.payloads, []);
    peer.respond(&mut world, &mut session, &header, &[]);
    world.run(Duration::from_secs(6));
    assert_eq!(
        (world.nodes[0].kernel.sas.len(), outbound(&world)),
        (2, vec![SPI + 1])
    );
}

#[test]
fn c10_a_new_one_that_is_deleted_before_we_know_of_it_is_not_used() {
    let (mut world, mut peer, mut session, old) = with_peer(96);
    world.command(0, rekey());
    let (header, said) = asked(&world, &peer, &session);
    let chain = answer(&mut peer, &said, SPI + 1);
    let delete = [delete_esp(&[SPI + 1])];
    let told = peer
        .ask(&mut world, &mut session, INFORMATIONAL, &delete)
        .expect("an answer");
    assert_eq!(told.payloads, []);
    peer.respond(&mut world, &mut session, &header, &chain);
    assert_eq!((inbound(&world), outbound(&world)), (vec![old], vec![SPI]));
    assert_eq!(world.nodes[0].count("rekey-failed"), 1);
    assert_eq!(world.nodes[0].count("child-down"), 0);
}

#[test]
fn c12_a_peer_that_deletes_the_old_one_itself_and_too_early_tears_nothing_down() {
    let (mut world, mut peer, mut session, old) = with_peer(97);
    world.command(0, rekey());
    let (header, said) = asked(&world, &peer, &session);
    let chain = answer(&mut peer, &said, SPI + 1);
    let delete = [delete_esp(&[SPI])];
    let told = peer
        .ask(&mut world, &mut session, INFORMATIONAL, &delete)
        .expect("an answer");
    assert_eq!(deleted(&told), [old]);
    let now = world.now;
    let sent = world.nodes[0]
        .kernel
        .send(now, [10, 1, 0, 1].into(), [10, 2, 0, 1].into());
    assert!(matches!(sent, Sent::Protected(_)), "{sent:?}");
    peer.respond(&mut world, &mut session, &header, &chain);
    assert_eq!(outbound(&world), [SPI + 1]);
    world.run(Duration::from_secs(6));
    world.nodes[0].assert_up(world.now, 1);
    assert_eq!(world.nodes[0].count("child-rekeyed"), 1);
    assert_eq!(world.nodes[0].count("child-down"), 0);
}

#[test]
fn c26_a_peer_that_puts_us_off_is_asked_again_later_and_given_up_after_some_minutes() {
    let (mut world, mut peer, mut session, _) = with_peer(98);
    world.command(0, rekey());
    let began = world.now;
    let mut pauses = Vec::new();
    let mut last = world.now;
    let mut seen = 0;
    while world.now - began < Duration::from_secs(1800) {
        let heard = peer.heard(&world, 0);
        let new = heard.len() > seen;
        seen = heard.len();
        if new && let Some(said) = heard.last().and_then(|bytes| session.open(bytes)) {
            let header = Header::parse(heard.last().expect("a word")).expect("a header");
            if header.exchange == CREATE {
                pauses.push((world.now - last).as_secs());
                last = world.now;
                let no = [notify(NotifyType::TEMPORARY_FAILURE, &[])];
                peer.respond(&mut world, &mut session, &header, &no);
                continue;
            }
            if !said.payloads.is_empty() {
                break;
            }
            peer.respond(&mut world, &mut session, &header, &[]);
        }
        world.run(Duration::from_millis(500));
    }
    assert_eq!(pauses.first(), Some(&0));
    assert!(
        pauses.len() > 3 && pauses[1..].iter().all(|pause| *pause >= 8),
        "{pauses:?}"
    );
    assert!(
        (world.now - began).as_secs() < 900,
        "the IKE SA is given up"
    );
    assert_eq!(world.nodes[0].count("ike-sa-closed"), 1);
}

#[test]
fn c27_where_the_peer_does_not_know_it_any_more_a_fresh_one_is_made() {
    let (mut world, mut peer, mut session, _) = with_peer(99);
    world.command(0, rekey());
    let (header, _) = asked(&world, &peer, &session);
    let mut gone = Notify::new(NotifyType::CHILD_SA_NOT_FOUND, vec![]);
    gone = gone.about(ProtocolId::ESP, SPI);
    peer.respond(&mut world, &mut session, &header, &[Payload::Notify(gone)]);
    let (header, said) = asked(&world, &peer, &session);
    assert_eq!(header.exchange, CREATE);
    assert_eq!(said.notifies(), [], "not a rekeying");
    let chain = answer(&mut peer, &said, SPI + 1);
    peer.respond(&mut world, &mut session, &header, &chain);
    world.nodes[0].assert_up(world.now, 1);
    assert_eq!(outbound(&world), [SPI + 1]);
}

#[test]
fn a_peer_that_has_become_narrower_gets_what_is_left() {
    let (mut world, mut peer, mut session, _) = with_peer(100);
    peer.local = vec!["10.2.3.0/24".parse().expect("a selector")];
    let chain = rekeying(&mut peer, SPI, SPI + 1);
    peer.ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    peer.ask(
        &mut world,
        &mut session,
        INFORMATIONAL,
        &[delete_esp(&[SPI])],
    );
    let send = |world: &mut World, to: [u8; 4]| {
        let now = world.now;
        world.nodes[0]
            .kernel
            .send(now, [10, 1, 0, 1].into(), to.into())
    };
    let sa = SaReference {
        spi: SPI + 1,
        destination: BRANCH.into(),
    };
    assert_eq!(send(&mut world, [10, 2, 3, 1]), Sent::Protected(sa));
    assert_eq!(send(&mut world, [10, 2, 4, 1]), Sent::Blocked);
    world.nodes[0].assert_up(world.now, 1);
}

#[test]
fn a_peer_that_rekeys_without_end_costs_a_limited_number_of_sas() {
    let (mut world, mut peer, mut session, _) = with_peer(101);
    for number in 0..300 {
        let chain = rekeying(&mut peer, SPI + number, SPI + number + 1);
        let said = peer
            .ask(&mut world, &mut session, CREATE, &chain)
            .expect("an answer");
        assert!(said.esp_spi().is_some());
        peer.ask(
            &mut world,
            &mut session,
            INFORMATIONAL,
            &[delete_esp(&[SPI + number])],
        );
        assert!(world.nodes[0].kernel.sas.len() <= 20);
    }
    world.run(Duration::from_secs(6));
    world.nodes[0].assert_up(world.now, 1);
}

#[test]
fn a_peer_that_rekeys_the_ike_sa_without_end_costs_a_limited_number_of_them() {
    let (mut world, mut peer, mut session, _) = with_peer(102);
    for _ in 0..200 {
        session = peer.rekey_ike(&mut world, &mut session).expect("an heir");
        assert!(world.nodes[0].engine().ike_sa_count() <= 3);
    }
    world.nodes[0].assert_up(world.now, 1);
    let said = peer.ask(&mut world, &mut session, INFORMATIONAL, &[]);
    assert!(said.is_some(), "the last one lives");
}
