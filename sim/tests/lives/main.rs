//! The whole life of connections: two IKE SAs with one peer, names instead of addresses, the way back after whatever
//! happened, numbers that run out, and what an idle IKE SA costs.

mod idle;
mod names;
mod numbers;
mod silence;
mod unique;
mod verified;

use std::sync::Arc;
use std::time::Duration;

use ike::config::{Configuration, Connection};
use sim::network::Quality;
use sim::setup::{End, two_gateways};
use sim::{Node, World};

/// An end whose connection is changed.
fn with(end: &End, change: impl FnOnce(&mut Connection)) -> Configuration {
    let mut connection = end.connection();
    change(&mut connection);
    Configuration {
        connections: vec![Arc::new(connection)],
        ..Configuration::default()
    }
}

/// Whether the node has one IKE SA, with one Child SA.
fn is_up(node: &mut Node, now: Duration) -> bool {
    let list = node.list(now);
    let sas = &list.connections[0].ike_sas;
    sas.len() == 1 && sas[0].children.len() == 1
}

/// The two gateways with these configurations, the tunnel up.
fn up(seed: u64, configurations: [Configuration; 2]) -> World {
    let mut world = two_gateways(seed, Quality::default());
    for (node, configuration) in configurations.into_iter().enumerate() {
        world.configure(node, configuration);
    }
    let up = |world: &World| world.nodes.iter().all(|node| node.count("child-up") >= 1);
    assert!(world.run_until(Duration::from_secs(60), up), "no tunnel");
    world
}
