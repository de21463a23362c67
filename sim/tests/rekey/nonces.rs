//! Both at once, with the lowest of the four nonces in each place, and which SAs there are after each step: the peer is in our
//! hand and chooses its two nonces below or above whatever the node draws.

use std::collections::BTreeSet;
use std::time::Duration;

use ike::wire::numbers::ExchangeType;
use ike::wire::{Nonce, Payload};
use sim::peer::{Chain, Said, delete_esp, delete_ike};

use super::answers::{
    CREATE, INFORMATIONAL, SPI, answer, asked, deleted, inbound, outbound, rekeying, sorted,
    with_peer,
};
use super::{rekey, rekey_ike};

/// The nonces of the peer's request and of its answer.
const PEERS: [([u8; 32], [u8; 32]); 3] = [
    ([0; 32], [0xff; 32]),
    ([0xff; 32], [0; 32]),
    // The lowest is one of the node's: in its request or in its answer, as it draws them.
    ([0xff; 32], [0xff; 32]),
];

/// Whose nonce was the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lowest {
    NodesRequest,
    NodesAnswer,
    PeersRequest,
    PeersAnswer,
}

impl Lowest {
    /// Of the node's rekeying and of the peer's, each with the nonces of request and answer.
    fn of(node: (&[u8], &[u8]), peer: (&[u8], &[u8])) -> Self {
        let all = [
            (node.0, Self::NodesRequest),
            (peer.1, Self::NodesAnswer),
            (peer.0, Self::PeersRequest),
            (node.1, Self::PeersAnswer),
        ];
        all.into_iter().min().expect("four").1
    }

    /// Whether what the node asked for loses.
    fn node_loses(self) -> bool {
        matches!(self, Self::NodesRequest | Self::PeersAnswer)
    }
}

fn nonce_of(said: &Said) -> Vec<u8> {
    let mut nonces = said.payloads.iter().filter_map(|payload| match payload {
        Payload::Nonce(nonce) => Some(nonce.data.to_vec()),
        _ => None,
    });
    nonces.next_back().expect("a nonce")
}

fn put_nonce(chain: &mut Chain, data: &[u8]) {
    for payload in chain {
        if let Payload::Nonce(nonce) = payload {
            *nonce = Nonce {
                data: data.to_vec().into(),
            };
        }
    }
}

/// A collision about the child with these nonces of the peer, step by step: whose was the lowest.
fn child(seed: u64, (request, answered): ([u8; 32], [u8; 32])) -> Lowest {
    let (mut world, mut peer, mut session, old) = with_peer(seed);
    world.command(0, rekey());
    let (header, wanted) = asked(&world, &peer, &session);
    let ours = wanted.esp_spi().expect("an SPI");
    assert_eq!((inbound(&world), outbound(&world)), (vec![old], vec![SPI]));

    // The peer's request: the new inbound SA, and nothing sends by what it is the half of.
    let mut chain = rekeying(&mut peer, SPI, SPI + 1);
    put_nonce(&mut chain, &request);
    let said = peer
        .ask(&mut world, &mut session, CREATE, &chain)
        .expect("an answer");
    let theirs = said.esp_spi().expect("an SPI");
    assert_eq!(
        (inbound(&world), outbound(&world)),
        (sorted([old, theirs]), vec![SPI])
    );

    // The peer's answer decides.
    let mut chain = answer(&mut peer, &wanted, SPI + 2);
    put_nonce(&mut chain, &answered);
    peer.respond(&mut world, &mut session, &header, &chain);
    let lowest = Lowest::of(
        (&nonce_of(&wanted), &answered),
        (&request, &nonce_of(&said)),
    );
    let (header, said) = asked(&world, &peer, &session);
    assert_eq!(header.exchange, INFORMATIONAL);
    let everything = sorted([old, theirs, ours]);
    if lowest.node_loses() {
        // Its own is never sent by.
        assert_eq!(deleted(&said), [ours], "{lowest:?}");
        assert_eq!(
            (inbound(&world), outbound(&world)),
            (everything, vec![SPI]),
            "{lowest:?}"
        );
        peer.respond(&mut world, &mut session, &header, &[delete_esp(&[SPI + 2])]);
        assert_eq!(outbound(&world), [SPI]);
        let delete = [delete_esp(&[SPI])];
        let said = peer
            .ask(&mut world, &mut session, INFORMATIONAL, &delete)
            .expect("an answer");
        assert_eq!(deleted(&said), [old]);
        assert_eq!(outbound(&world), [SPI + 1]);
    } else {
        assert_eq!(deleted(&said), [old], "{lowest:?}");
        assert_eq!(
            (inbound(&world), outbound(&world)),
            (everything, vec![SPI + 2]),
            "{lowest:?}"
        );
        peer.respond(&mut world, &mut session, &header, &[delete_esp(&[SPI])]);
        let delete = [delete_esp(&[SPI + 1])];
        let said = peer
            .ask(&mut world, &mut session, INFORMATIONAL, &delete)
            .expect("an answer");
        assert_eq!(deleted(&said), [theirs]);
        assert_eq!(outbound(&world), [SPI + 2]);
    }

    // What was sent by the old ones still arrives for a while.
    assert!(inbound(&world).contains(&old), "{lowest:?}");
    world.run(Duration::from_secs(6));
    let left = if lowest.node_loses() { theirs } else { ours };
    assert_eq!(inbound(&world), [left], "{lowest:?}");
    let node = &world.nodes[0];
    assert_eq!(node.count("child-rekeyed"), 1, "{lowest:?}");
    assert_eq!(node.count("rekey-failed"), 0, "{lowest:?}");
    assert_eq!((node.count("child-up"), node.count("child-down")), (1, 0));
    world.nodes[0].assert_up(world.now, 1);
    lowest
}

#[test]
fn c2_the_lowest_nonce_loses_wherever_it_is_and_the_sas_are_right_after_each_step() {
    let mut seen = BTreeSet::new();
    for nonces in PEERS {
        seen.extend((0..8).map(|seed| child(300 + seed, nonces)));
    }
    assert_eq!(seen.len(), 4, "every place was tried: {seen:?}");
}

/// A collision about the IKE SA likewise.
fn ike_sa(seed: u64, (request, answered): ([u8; 32], [u8; 32])) -> Lowest {
    let (mut world, mut peer, mut old, _) = with_peer(seed);
    let kernel: Vec<_> = world.nodes[0].kernel.sas.keys().copied().collect();
    let steps = world.nodes[0].kernel.steps;
    world.command(0, rekey_ike());
    let (header, wanted) = asked(&world, &peer, &old);
    let (mut theirs, nr) = peer
        .rekey_ike_by(&mut world, &mut old, &request)
        .expect("an heir");
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 2);
    let (chain, mut ours, ni) = peer.answer_ike_rekeying(&old, &wanted, &answered);
    peer.respond(&mut world, &mut old, &header, &chain);
    let lowest = Lowest::of((&ni, &answered), (&request, &nr));

    // Who loses deletes what it made; who wins deletes the old one.
    let (dying, survivor) = if lowest.node_loses() {
        (&mut ours, &mut theirs)
    } else {
        (&mut old, &mut ours)
    };
    let last = peer.heard(&world, 0).pop().expect("a word");
    let said = dying.open(&last).expect("under the one that goes");
    assert!(
        matches!(&said.payloads[..], [Payload::Delete(delete)] if delete.spis.is_empty()),
        "{lowest:?}: {said:?}"
    );
    peer.respond(&mut world, dying, &said.header, &[]);
    let told = peer.ask(&mut world, survivor, INFORMATIONAL, &[]);
    assert!(told.is_some(), "{lowest:?}");
    let other = if lowest.node_loses() {
        &mut old
    } else {
        &mut theirs
    };
    let told = peer.ask(&mut world, other, INFORMATIONAL, &[delete_ike()]);
    assert_eq!(told.expect("an answer").payloads, [], "{lowest:?}");
    // What was deleted is remembered for half a minute, for its last answer may be lost.
    world.run(Duration::from_secs(31));
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 1, "{lowest:?}");

    // The children are with the one that is left, and the kernel heard nothing of it.
    let after: Vec<_> = world.nodes[0].kernel.sas.keys().copied().collect();
    assert_eq!((kernel, steps), (after, world.nodes[0].kernel.steps), "O6");
    let survivor = if lowest.node_loses() {
        &mut theirs
    } else {
        &mut ours
    };
    let chain = rekeying(&mut peer, SPI, SPI + 1);
    let said = peer.ask(&mut world, survivor, ExchangeType::CREATE_CHILD_SA, &chain);
    assert!(said.expect("an answer").esp_spi().is_some(), "{lowest:?}");
    let node = &world.nodes[0];
    assert_eq!(node.count("ike-sa-rekeyed"), 1, "{lowest:?}");
    assert_eq!(node.count("ike-sa-closed"), 0, "{lowest:?}");
    assert_eq!(node.count("child-down"), 0, "{lowest:?}");
    lowest
}

#[test]
fn c14_the_lowest_nonce_loses_wherever_it_is_and_the_winner_has_the_children() {
    let mut seen = BTreeSet::new();
    for nonces in PEERS {
        seen.extend((0..8).map(|seed| ike_sa(320 + seed, nonces)));
    }
    assert_eq!(seen.len(), 4, "every place was tried: {seen:?}");
}
