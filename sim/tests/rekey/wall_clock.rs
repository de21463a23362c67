//! The kernel's lifetimes go by the wall clock: somebody sets it, and the tunnel goes on.

use std::time::Duration;

use ike::engine::io::Reply;
use sim::network::Quality;
use sim::node::Jump;
use sim::setup::End;

use super::{busy, busy_with, rekey, rekeying, same_pair, settled};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn set_back_new_sas_take_over_all_the_same() {
    for by in [0, 1] {
        let mut world = busy(810, Quality::default());
        for node in [0, 1] {
            world.jump(node, Jump::Back(HOUR));
        }
        let reply = world.command_and_wait(by, rekey());
        assert!(matches!(reply, Reply::Done), "{reply:?}");
        settled(&mut world, "set back");
        for node in &world.nodes {
            assert_eq!(node.count("clock-set"), 1, "{}", node.name);
        }
    }
}

#[test]
fn set_forward_within_its_lifetime_a_child_is_replaced_in_time() {
    // Eight hours of life, replaced after seven: two hours forward after six leave none.
    let configurations = [
        rekeying(&End::hq(), 7 * HOUR),
        End::branch().configuration(),
    ];
    let mut world = busy_with(811, Quality::default(), configurations);
    world.traffic.every = Duration::from_secs(1);
    world.run(5 * HOUR);
    for node in [0, 1] {
        world.jump(node, Jump::Forward(2 * HOUR));
    }
    world.run(2 * HOUR);
    settled(&mut world, "set forward");
    assert_eq!(world.nodes[0].count("child-rekeyed"), 1);
}

#[test]
fn set_forward_beyond_its_lifetime_a_child_goes_on() {
    // The kernel looks at its lifetime when that would have ended, and not before.
    for both in [false, true] {
        let mut world = busy(812, Quality::default());
        world.run(Duration::from_secs(5));
        world.jump(1, Jump::Forward(24 * HOUR));
        if both {
            world.jump(0, Jump::Forward(24 * HOUR));
        }
        world.run(Duration::from_secs(60));
        settled(&mut world, "set forward");
        assert_eq!(world.traffic.lost, Vec::<String>::new());
        for node in &world.nodes {
            assert_eq!(node.count("child-down"), 0, "{:#?}", node.events);
        }
    }
}

#[test]
fn set_forward_beyond_its_lifetime_a_new_child_is_negotiated_anew_at_once() {
    for both in [false, true] {
        let mut world = busy(812, Quality::default());
        let reply = world.command_and_wait(1, rekey());
        assert!(matches!(reply, Reply::Done), "{reply:?}");
        world.jump(1, Jump::Forward(24 * HOUR));
        if both {
            world.jump(0, Jump::Forward(24 * HOUR));
        }
        let gone = |world: &sim::World| world.nodes[1].count("child-down") == 1;
        let looked = world.run_until(Duration::from_secs(1), gone);
        assert!(looked, "{:#?}", world.nodes[1].events);
        let up = |node: &sim::Node| node.count("child-up") == 2;
        let (before, back) = (
            world.now,
            world.run_until(HOUR, |world| world.nodes.iter().all(up)),
        );
        assert!(back, "{:#?}", world.nodes[1].events);
        let took = world.now - before;
        assert!(took < Duration::from_millis(500), "{took:?}");
        world.run(Duration::from_secs(10));
        world.traffic.lost.clear();
        world.run(Duration::from_secs(20));
        assert_eq!(world.traffic.lost, Vec::<String>::new());
        same_pair(&mut world, "anew");
        let node = &world.nodes[1];
        assert_eq!(node.count("ike-sa-closed"), 0, "{:#?}", node.events);
    }
}
