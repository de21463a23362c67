//! Rekeying of the IKE SA: its children go on under the new one as if nothing had happened.

use std::collections::BTreeSet;
use std::time::Duration;

use ike::engine::io::Reply;
use sim::World;
use sim::network::Quality;

use super::{busy, rekey, rekey_ike, settled};

const UNEVEN: Quality = Quality {
    delay: Duration::from_millis(5),
    jitter: Duration::from_millis(200),
    lost: 0,
    doubled: 0,
};

/// Both sides have one IKE SA, the same, and it is not the first.
fn same_ike_sa(world: &mut World, what: &str) {
    let now = world.now;
    let spis = [0, 1].map(|node| {
        let list = world.nodes[node].list(now);
        assert_eq!(
            world.nodes[node].engine().ike_sa_count(),
            1,
            "{what}: node {node}"
        );
        list.connections[0].ike_sas[0].spis
    });
    assert_eq!(spis[0], spis[1], "{what}");
    for node in &world.nodes {
        assert_eq!(node.count("ike-sa-established"), 1, "{what}: {}", node.name);
        assert_eq!(node.count("ike-sa-closed"), 0, "{what}: {}", node.name);
    }
}

#[test]
fn c13_either_side_rekeys_it_and_the_children_stay() {
    for (by, quality) in [(0, UNEVEN), (1, UNEVEN), (1, Quality::default())] {
        let mut world = busy(110, quality);
        let before: Vec<_> = world.nodes[0].kernel.sas.keys().copied().collect();
        let steps = world.nodes[0].kernel.steps;
        let reply = world.command_and_wait(by, rekey_ike());
        assert!(matches!(reply, Reply::Done), "{reply:?}");
        settled(&mut world, "rekeyed");
        same_ike_sa(&mut world, "rekeyed");
        for node in &world.nodes {
            assert_eq!(node.count("ike-sa-rekeyed"), 1, "{}", node.name);
        }
        let after: Vec<_> = world.nodes[0].kernel.sas.keys().copied().collect();
        assert_eq!((before, steps), (after, world.nodes[0].kernel.steps), "O6");
        // What was handed on can be used.
        let reply = world.command_and_wait(by, rekey());
        assert!(matches!(reply, Reply::Done), "{reply:?}");
        world.run(Duration::from_secs(10));
        let reply = world.command_and_wait(1 - by, rekey_ike());
        assert!(matches!(reply, Reply::Done), "{reply:?}");
        settled(&mut world, "rekeyed again");
        same_ike_sa(&mut world, "rekeyed again");
    }
}

/// Both sides rekey the IKE SA at the same moment, with these datagrams lost. Whether the headquarters' heir won.
fn both(seed: u64, quality: Quality, lost: BTreeSet<u64>) -> bool {
    let mut world = super::both(seed, quality, lost, rekey_ike);
    let what = format!("seed {seed}");
    same_ike_sa(&mut world, &what);
    for node in &world.nodes {
        assert!(node.count("ike-sa-rekeyed") >= 1, "{what}: {}", node.name);
    }
    let now = world.now;
    world.nodes[0].list(now).connections[0].ike_sas[0].initiator
}

#[test]
fn c14_of_two_that_begin_at_once_the_one_with_the_lowest_nonce_loses() {
    let outcomes: BTreeSet<bool> = (0..40)
        .map(|seed| both(seed, Quality::default(), BTreeSet::new()))
        .collect();
    assert_eq!(outcomes.len(), 2, "either side wins");
}

#[test]
fn c16_c17_c28_whatever_is_lost_of_a_collision_one_is_left() {
    for seed in 0..3 {
        for first in 0..8 {
            for second in first..8 {
                both(seed, Quality::default(), [first, second].into());
            }
        }
    }
}

#[test]
fn whatever_overtakes_what_one_is_left() {
    for seed in 0..30 {
        both(seed, UNEVEN, BTreeSet::new());
    }
}

#[test]
fn c19_c20_an_ike_sa_and_a_child_at_once_are_both_rekeyed_in_the_end() {
    for seed in 0..20 {
        let mut world = busy(120 + seed, UNEVEN);
        world.command(0, rekey_ike());
        world.command(1, rekey());
        world.run(Duration::from_secs(60));
        settled_but_put_off(&mut world, &format!("seed {seed}"));
    }
}

/// As [`settled`], where the one or the other may have been put off.
fn settled_but_put_off(world: &mut World, what: &str) {
    world.run(Duration::from_secs(120));
    assert_eq!(world.traffic.lost, Vec::<String>::new(), "{what}");
    super::same_pair(world, what);
    same_ike_sa(world, what);
    for node in &world.nodes {
        assert_eq!(node.count("child-down"), 0, "{what}");
        assert_eq!(node.count("child-rekeyed"), 1, "{what}: {:#?}", node.events);
        assert_eq!(
            node.count("ike-sa-rekeyed"),
            1,
            "{what}: {:#?}",
            node.events
        );
    }
}
