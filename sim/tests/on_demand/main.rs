//! `keep: on-demand`: a packet meets a trap and brings the tunnel up; idle, the tunnel goes and the trap is back. Whatever
//! happens, nothing leaves in clear.

mod failures;
mod idle;
mod packets;
mod promises;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::config::{Child, Configuration, Connection, Keep, WithoutSa};
use ike::engine::event::{Event, Unprotected};
use ike::engine::io::{Command, Direction, Input, KernelEvent, PolicyAction, Reply};
use sim::network::{Fate, Quality};
use sim::setup::{End, name, two_gateways};
use sim::traffic::Flow;
use sim::{Node, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// An end with other promises about its child.
fn promising(end: &End, keep: Keep, idle: Option<Duration>) -> Configuration {
    changed(end, |child| Child {
        keep,
        idle,
        ..copy(child)
    })
}

fn changed(end: &End, change: impl Fn(&Child) -> Child) -> Configuration {
    let connection = end.connection();
    let children = connection.children.iter();
    let children = children.map(|child| Arc::new(change(child))).collect();
    Configuration {
        connections: vec![Arc::new(Connection {
            children,
            ..connection
        })],
        ..Configuration::default()
    }
}

fn copy(child: &Child) -> Child {
    Child {
        name: child.name.clone(),
        local: child.local.clone(),
        remote: child.remote.clone(),
        proposals: child.proposals.clone(),
        ..*child
    }
}

/// Headquarters and the branch, each with this promise, and a minute to do nothing in.
fn gateways(seed: u64, [hq, branch]: [Keep; 2]) -> World {
    let mut world = two_gateways(seed, Quality::default());
    world.configure(0, promising(&End::hq(), hq, None));
    world.configure(1, promising(&End::branch(), branch, None));
    world
}

/// Packets from a host behind this node to one behind the other, all the time.
fn flow(node: usize) -> Flow {
    let hosts: [IpAddr; 2] = [[10, 1, 0, 1].into(), [10, 2, 0, 1].into()];
    Flow {
        node,
        source: hosts[node],
        destination: hosts[1 - node],
    }
}

/// What happens to packets of [`flow`].
fn verdict(node: &Node, at: usize) -> Option<PolicyAction> {
    let Flow {
        source,
        destination,
        ..
    } = flow(at);
    node.kernel.verdict(Direction::Out, source, destination)
}

fn is_trapped(world: &World, node: usize) -> bool {
    matches!(
        verdict(&world.nodes[node], node),
        Some(PolicyAction::Trap { .. })
    )
}

fn child_is_up(world: &World, node: usize) -> bool {
    matches!(
        verdict(&world.nodes[node], node),
        Some(PolicyAction::Protect { .. })
    )
}

fn lan(make: impl Fn(ike::config::Name, Option<ike::config::Name>) -> Command) -> Command {
    make(name("tunnel"), Some(name("lan")))
}

fn down() -> Command {
    lan(|connection, child| Command::Down { connection, child })
}

fn up() -> Command {
    lan(|connection, child| Command::Up { connection, child })
}

/// Nothing went in clear, nothing was lost but what met a trap, and no kernel was asked for what cannot be.
fn all_is_well(world: &World) {
    assert_eq!(world.traffic.lost, Vec::<String>::new());
    for node in &world.nodes {
        assert_eq!(node.kernel.broken, Vec::<String>::new(), "{}", node.name);
    }
}

/// Both sides hold the same pair of SAs under one IKE SA.
fn same_pair(world: &mut World) {
    world.assert_up(1);
    let keys = |node: &Node| node.kernel.sas.keys().copied().collect::<Vec<_>>();
    assert_eq!(keys(&world.nodes[0]), keys(&world.nodes[1]));
}
