//! A peer is asked for a sign of life only where nothing was heard of it: its traffic is one.

use std::time::Duration;

use ike::config::Liveness;
use sim::setup::End;
use sim::traffic::Flow;

use super::{up, with};

fn flow(node: usize, source: &str, destination: &str) -> Flow {
    let address = |text: &str| text.parse().expect("an address");
    Flow {
        node,
        source: address(source),
        destination: address(destination),
    }
}

#[test]
fn nobody_is_asked_while_traffic_comes_in_and_everybody_when_it_ends() {
    let ends = [End::hq(), End::branch()].map(|end| {
        with(&end, |connection| {
            connection.liveness = Liveness {
                interval: Duration::from_secs(10),
                ..Liveness::default()
            };
        })
    });
    let mut world = up(950, ends);
    world.run(Duration::from_secs(1));
    world.traffic.flows = vec![
        flow(0, "10.1.0.1", "10.2.0.1"),
        flow(1, "10.2.0.1", "10.1.0.1"),
    ];
    world.traffic.every = Duration::from_millis(200);
    let sent = |world: &sim::World| {
        world
            .nodes
            .iter()
            .map(|node| node.sent.len())
            .sum::<usize>()
    };
    let before = sent(&world);
    world.run(Duration::from_secs(300));
    assert_eq!(sent(&world), before, "a busy tunnel is quiet");
    // One way is no sign of life for who sends.
    world.traffic.flows.pop();
    world.run(Duration::from_secs(60));
    assert!(sent(&world) > before + 6, "the headquarters hears nothing");
    world.traffic.flows.clear();
    let before = sent(&world);
    world.run(Duration::from_secs(60));
    assert!(sent(&world) > before + 6);
}
