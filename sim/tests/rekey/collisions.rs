//! Both sides at once, with answers that come late or not at all at first.

use std::collections::BTreeSet;
use std::time::Duration;

use ike::engine::event::Event;
use sim::network::{Fate, Quality};

use super::{busy, rekey, same_pair, settled};

/// Both sides rekey the child at the same moment, with these datagrams lost. Whether the headquarters' new one won.
fn both(seed: u64, quality: Quality, lost: BTreeSet<u64>) -> bool {
    let world = super::both(seed, quality, lost, rekey);
    for node in &world.nodes {
        assert!(node.count("child-rekeyed") >= 1, "{}: {seed}", node.name);
    }
    let by_us = |event: &Event| matches!(event, Event::ChildRekeyed { by_us: true, .. });
    world.nodes[0].events.iter().any(by_us)
}

#[test]
fn c2_of_two_that_begin_at_once_the_one_with_the_lowest_nonce_loses() {
    let outcomes: BTreeSet<bool> = (0..40)
        .map(|seed| both(seed, Quality::default(), BTreeSet::new()))
        .collect();
    assert_eq!(outcomes.len(), 2, "either side wins");
}

#[test]
fn whatever_is_lost_of_a_collision_the_ends_agree() {
    for seed in 0..3 {
        for first in 0..8 {
            for second in first..8 {
                both(seed, Quality::default(), [first, second].into());
            }
        }
    }
}

#[test]
fn whatever_overtakes_what_the_ends_agree() {
    let quality = Quality {
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(200),
        ..Quality::default()
    };
    for seed in 0..30 {
        both(seed, quality, BTreeSet::new());
    }
}

#[test]
fn c5_c6_a_request_that_comes_late_harms_nothing() {
    // The branch's request is lost and comes again after about a second, while the headquarters rekeys at one moment after
    // the other: before that, in the middle of it, and when it has just been done.
    for later in 0..30 {
        let mut world = busy(80 + later, Quality::default());
        let mut seen = 0;
        world.meddler = Some(Box::new(move |_, _| {
            seen += 1;
            if seen == 1 { Fate::Drop } else { Fate::Deliver }
        }));
        world.command(1, rekey());
        world.run(Duration::from_millis(880 + later * 10));
        world.command(0, rekey());
        settled(&mut world, &format!("{later}"));
    }
}

#[test]
fn a_kernel_that_takes_its_time_changes_nothing_of_who_wins() {
    for seed in 0..20 {
        let mut world = busy(200 + seed, Quality::default());
        world.nodes[0].hold_kernel = true;
        world.command(0, rekey());
        world.command(1, rekey());
        world.run(Duration::from_millis(100 + seed * 100));
        world.release(0);
        settled(&mut world, &format!("seed {seed}"));
    }
}

#[test]
fn what_the_kernel_refuses_is_not_rekeyed_and_goes_on() {
    for node in [0, 1] {
        for step in 0..6 {
            let mut world = busy(230, Quality::default());
            let next = world.nodes[node].kernel.steps;
            world.nodes[node].kernel.refuse_step = Some(next + step);
            world.command(0, rekey());
            world.run(Duration::from_secs(60));
            let what = format!("step {step} of node {node}");
            let clear = world.traffic.lost.iter().any(|lost| lost.contains("Clear"));
            assert!(!clear, "{what}");
            // Who answered has let go of the old one when the kernel refuses to send by the new one: that is a loss, and
            // the child is made anew.
            if (node, step) != (1, 1) {
                assert_eq!(world.traffic.lost, Vec::<String>::new(), "{what}");
            }
            // An SA that the kernel does not delete stays there until its lifetime ends.
            if world.nodes[node].count("policy-failed") == 0 {
                same_pair(&mut world, &what);
            }
        }
    }
}
