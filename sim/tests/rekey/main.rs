//! Rekeying of Child SAs, by either side and by both at once, with traffic in both directions all the time: no packet is
//! lost, and in the end both sides hold the same pair of SAs. The rows C1 to C30 are those of the module's table.

mod answers;
mod collisions;
mod ike_sa;
mod reauthentication;
mod volume;
mod wall_clock;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::config::{Child, Configuration, Connection};
use ike::engine::io::{Command, Reply};
use sim::network::{Fate, Quality};
use sim::setup::{End, name, two_gateways};
use sim::traffic::Flow;
use sim::{Node, World};

/// The two gateways with the tunnel up, and a packet each way every five milliseconds.
fn busy(seed: u64, quality: Quality) -> World {
    busy_with(
        seed,
        quality,
        [End::hq(), End::branch()].map(|end| end.configuration()),
    )
}

fn busy_with(seed: u64, quality: Quality, configurations: [Configuration; 2]) -> World {
    let mut world = two_gateways(seed, quality);
    for (node, configuration) in configurations.into_iter().enumerate() {
        world.configure(node, configuration);
    }
    let up = |world: &World| world.nodes.iter().all(|node| node.count("child-up") == 1);
    assert!(world.run_until(Duration::from_secs(60), up), "no tunnel");
    // What goes out first must not arrive before the other side is ready.
    world.run(Duration::from_secs(1));
    let host = |text: &str| -> IpAddr { text.parse().expect("an address") };
    let (alice, bob) = (host("10.1.0.1"), host("10.2.0.1"));
    world.traffic.flows = vec![
        Flow {
            node: 0,
            source: alice,
            destination: bob,
        },
        Flow {
            node: 1,
            source: bob,
            destination: alice,
        },
    ];
    world
}

/// An end whose child is replaced after this long.
fn rekeying(end: &End, after: Duration) -> Configuration {
    with_children(end, |child| child.rekey_after = Some(after))
}

/// An end whose children are changed.
fn with_children(end: &End, change: impl Fn(&mut Child)) -> Configuration {
    let connection = end.connection();
    let children = connection.children.iter().map(|child| {
        let mut child = Child {
            name: child.name.clone(),
            local: child.local.clone(),
            remote: child.remote.clone(),
            proposals: child.proposals.clone(),
            ..**child
        };
        change(&mut child);
        Arc::new(child)
    });
    let children = children.collect();
    Configuration {
        connections: vec![Arc::new(Connection {
            children,
            ..connection
        })],
        ..Configuration::default()
    }
}

fn rekey() -> Command {
    Command::Rekey {
        connection: name("tunnel"),
        child: Some(name("lan")),
    }
}

fn rekey_ike() -> Command {
    Command::Rekey {
        connection: name("tunnel"),
        child: None,
    }
}

/// Both sides are given the same command at the same moment, with these datagrams lost, counted from then on.
fn both(seed: u64, quality: Quality, lost: BTreeSet<u64>, command: fn() -> Command) -> World {
    let mut world = busy(seed, quality);
    let mut first = None;
    world.meddler = Some(Box::new(move |number, _| {
        let from = *first.get_or_insert(number);
        if lost.contains(&(number - from)) {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    }));
    world.command(0, command());
    world.command(1, command());
    settled(&mut world, &format!("seed {seed}"));
    world
}

/// Nothing was lost, nobody noticed, and both sides have the same pair.
fn settled(world: &mut World, what: &str) {
    world.run(Duration::from_secs(120));
    assert_eq!(world.traffic.lost, Vec::<String>::new(), "{what}");
    assert!(world.traffic.arrived > 1000, "{what}: no traffic");
    same_pair(world, what);
    for node in &world.nodes {
        assert_eq!(node.count("child-up"), 1, "{what}: {}", node.name);
        assert_eq!(node.count("child-down"), 0, "{what}: {}", node.name);
        assert_eq!(node.count("rekey-failed"), 0, "{what}: {:#?}", node.events);
    }
}

fn same_pair(world: &mut World, what: &str) {
    world.assert_up(1);
    let spis = |node: &Node| -> Vec<u32> { node.kernel.sas.keys().map(|(spi, _)| *spi).collect() };
    assert_eq!(spis(&world.nodes[0]), spis(&world.nodes[1]), "{what}");
}

#[test]
fn c1_either_side_rekeys_and_no_packet_is_lost() {
    let uneven = Quality {
        jitter: Duration::from_millis(30),
        ..Quality::default()
    };
    for (by, quality) in [(0, uneven), (1, uneven), (1, Quality::default())] {
        let mut world = busy(70, quality);
        let before: Vec<_> = world.nodes[0].kernel.sas.keys().copied().collect();
        let reply = world.command_and_wait(by, rekey());
        assert!(matches!(reply, Reply::Done), "{reply:?}");
        settled(&mut world, "rekeyed");
        for node in &world.nodes {
            assert_eq!(node.count("child-rekeyed"), 1, "{}", node.name);
        }
        let after: Vec<_> = world.nodes[0].kernel.sas.keys().copied().collect();
        assert!(before.iter().all(|key| !after.contains(key)));
    }
}

#[test]
fn the_responder_goes_on_sending_by_the_old_one_until_the_peer_has_shown_that_it_receives() {
    let mut world = busy(71, Quality::default());
    let old: Vec<_> = world.nodes[0].kernel.sas.keys().copied().collect();
    world.command(1, rekey());
    world.run_until(Duration::from_secs(1), |world| {
        world.nodes[0].kernel.sas.len() == 3
    });
    let hq = &world.nodes[0];
    assert_eq!(
        hq.kernel.sas.len(),
        3,
        "the new inbound one beside the old pair"
    );
    assert!(old.iter().all(|key| hq.kernel.sas.contains_key(key)));
    assert_eq!(hq.count("child-rekeyed"), 0);
    settled(&mut world, "rekeyed");
}

#[test]
fn a_child_is_replaced_again_and_again_in_time() {
    let after = Duration::from_secs(3600);
    let configurations = [rekeying(&End::hq(), after), rekeying(&End::branch(), after)];
    let mut world = busy_with(72, Quality::default(), configurations);
    world.traffic.every = Duration::from_secs(1);
    world.run(10 * after);
    settled(&mut world, "ten hours");
    let rekeyed = world.nodes[0].count("child-rekeyed");
    assert!((10..=12).contains(&rekeyed), "{rekeyed} times in ten hours");
    assert_eq!(world.nodes[1].count("child-rekeyed"), rekeyed);
}

#[test]
fn on_bad_networks_rekeying_goes_on_and_the_ends_agree() {
    let quality = Quality {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(80),
        lost: 150,
        doubled: 100,
    };
    for seed in 0..15 {
        let mut world = busy(7200 + seed, quality);
        for round in 0..4 {
            world.command((round + seed as usize) % 2, rekey());
            if round % 2 == 0 {
                world.command((round + 1 + seed as usize) % 2, rekey());
            }
            world.run(Duration::from_secs(45));
        }
        settled(&mut world, &format!("seed {seed}"));
    }
}

#[test]
fn c24_each_side_has_its_own_group_for_forward_secrecy() {
    for (by, seed) in [(0, 73), (1, 74)] {
        let (mut hq, mut branch) = (End::hq(), End::branch());
        hq.esp = Some("aes256gcm16-x25519-ecp256");
        branch.esp = Some("aes256gcm16-ecp256");
        let configurations = [hq.configuration(), branch.configuration()];
        let mut world = busy_with(seed, Quality::default(), configurations);
        for _ in 0..2 {
            world.command(by, rekey());
            world.run(Duration::from_secs(20));
        }
        world.command(0, rekey());
        world.command(1, rekey());
        settled(&mut world, "forward secrecy");
        assert!(world.nodes[0].count("child-rekeyed") >= 3);
    }
}
