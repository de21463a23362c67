//! Timers cost nothing per idle IKE SA and second: an engine is called for the exchanges that are due, and for nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ike::config::{Child, Configuration, Connection, Keep, KernelMode, Limits, Liveness};
use sim::network::Quality;
use sim::provider::transparent;
use sim::setup::{BRANCH, End, HQ, SECRET, name};
use sim::{Node, World};

/// So many connections between two gateways, told apart by identities, each with liveness and rekeying.
fn many(end: &End, count: usize, kernel: KernelMode) -> Configuration {
    let usual = end.connection();
    let connections = (0..count).map(|number| {
        let (high, low) = (number / 60, number % 60 * 4);
        let remote = format!("10.{}.{}.{low}/30", 100 + high / 200, high % 200);
        let hub = "172.16.0.0/16".to_owned();
        let is_hq = end.local == HQ;
        let (local, remote) = if is_hq { (hub, remote) } else { (remote, hub) };
        let child = &usual.children[0];
        let child = Child {
            name: child.name.clone(),
            local: vec![local.parse().expect("a selector")],
            remote: vec![remote.parse().expect("a selector")],
            proposals: child.proposals.clone(),
            rekey_after: Some(Duration::from_secs(7 * 3600)),
            keep: if is_hq { Keep::Passive } else { Keep::Up },
            ..**child
        };
        let identity = if is_hq {
            "hq.example.com"
        } else {
            "branch.example.com"
        };
        let peer = if is_hq {
            "branch.example.com"
        } else {
            "hq.example.com"
        };
        let mut connection = Connection {
            name: name(&format!("n{number}")),
            children: vec![Arc::new(child)],
            liveness: Liveness {
                interval: Duration::from_secs(900),
                ..Liveness::default()
            },
            rekey_after: Some(Duration::from_secs(4 * 3600)),
            ..end.connection()
        };
        connection.local.id = format!("n{number}.{identity}")
            .parse()
            .expect("an identity");
        connection.remote.id = Some(format!("n{number}.{peer}").parse().expect("a pattern"));
        Arc::new(connection)
    });
    Configuration {
        connections: connections.collect(),
        kernel,
        limits: Limits {
            cookie_threshold: 2 * count,
            half_open: 2 * count,
            half_open_per_address: 2 * count,
            ..Limits::default()
        },
        ..Configuration::default()
    }
}

/// How often both engines were called in an idle hour, and how many datagrams they sent in it.
fn idle_hour(count: usize, kernel: KernelMode) -> (u64, usize) {
    let nodes = [("hq", HQ, 1), ("branch", BRANCH, 2)].map(|(text, address, seed)| {
        let mut node = Node::with_provider(text, address.into(), seed, transparent());
        let secrets = (0..count).map(|number| (name(&format!("n{number}")), SECRET.to_vec()));
        node.secrets = secrets.collect::<BTreeMap<_, _>>();
        node
    });
    let mut world = World::new(900, Quality::default(), nodes.into());
    world.configure(0, many(&End::hq(), count, kernel));
    world.configure(1, many(&End::branch(), count, kernel));
    let established = |world: &World| {
        let engine = world.nodes[1].engine();
        engine.standing().up == count
    };
    let mut waited = 0;
    while !established(&world) {
        world.run(Duration::from_secs(1));
        waited += 1;
        assert!(waited < 120, "{:?}", world.nodes[1].engine().standing());
    }
    world.run(Duration::from_secs(10));
    let count_all = |world: &World| {
        let calls: u64 = world.nodes.iter().map(|node| node.calls).sum();
        let sent: usize = world.nodes.iter().map(|node| node.sent.len()).sum();
        (calls, sent)
    };
    for node in &mut world.nodes {
        node.events.clear();
    }
    let before = count_all(&world);
    world.run(Duration::from_secs(3600));
    let after = count_all(&world);
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn ten_thousand_idle_ike_sas_make_only_the_steps_of_their_exchanges() {
    let count = 10_000;
    let (calls, sent) = idle_hour(count, KernelMode::None);
    // Four signs of life an hour, of both ends where they meet, a request and a response each; each datagram is one call at
    // its receiver, and each request is due by one call at its sender.
    assert!(
        (2 * 3 * count..=2 * 8 * count).contains(&sent),
        "{sent} datagrams"
    );
    let most = u64::try_from(sent + sent / 2 + sent / 50).expect("few");
    assert!(calls <= most, "{calls} calls for {sent} datagrams");
}

#[test]
fn child_sas_cost_no_call_of_their_own() {
    let (calls, sent) = idle_hour(60, KernelMode::Xfrm);
    assert!(sent <= 2 * 8 * 60, "{sent} datagrams");
    assert!(
        calls <= u64::try_from(sent + sent / 2 + 60).expect("few"),
        "{calls} for {sent}"
    );
}
