//! Both ends authenticate again: a fresh IKE SA with fresh Child SAs takes the place of the old one, under traffic, and no
//! packet is lost.

use std::sync::Arc;
use std::time::Duration;

use ike::config::{Configuration, Connection};
use ike::engine::event::Event;
use ike::engine::io::{Command, Reply};
use sim::World;
use sim::network::Quality;
use sim::setup::{End, name};

use super::{busy, busy_with, rekey, rekey_ike, same_pair};

const UNEVEN: Quality = Quality {
    delay: Duration::from_millis(5),
    jitter: Duration::from_millis(200),
    lost: 0,
    doubled: 0,
};

fn reauthenticate() -> Command {
    Command::Reauthenticate {
        connection: name("tunnel"),
    }
}

fn reauthenticating(end: &End, after: Duration) -> Configuration {
    Configuration {
        connections: vec![Arc::new(Connection {
            reauth_after: Some(after),
            ..end.connection()
        })],
        ..Configuration::default()
    }
}

/// Both sides have one IKE SA, the same.
fn one_ike_sa(world: &mut World, what: &str) {
    let now = world.now;
    let spis = [0, 1].map(|node| {
        let list = world.nodes[node].list(now);
        let count = world.nodes[node].engine().ike_sa_count();
        assert_eq!(
            count, 1,
            "{what}: node {node}: {:#?}",
            world.nodes[node].events
        );
        list.connections[0].ike_sas[0].spis
    });
    assert_eq!(spis[0], spis[1], "{what}");
}

/// Nothing was lost, nothing in clear, and both sides have one IKE SA with the same pairs.
fn settled(world: &mut World, children: usize, what: &str) {
    world.run(Duration::from_secs(120));
    assert_eq!(
        world.traffic.lost,
        Vec::<String>::new(),
        "{what}: {:#?}\n{:#?}",
        world.nodes[0].events,
        world.nodes[1].events
    );
    assert!(world.traffic.arrived > 1000, "{what}: no traffic");
    one_ike_sa(world, what);
    if children == 1 {
        same_pair(world, what);
    } else {
        world.assert_up(children);
    }
    for node in &world.nodes {
        assert_eq!(node.count("child-down"), 0, "{what}: {:#?}", node.events);
        assert_eq!(node.count("rekey-failed"), 0, "{what}: {:#?}", node.events);
    }
}

#[test]
fn either_side_authenticates_again_and_no_packet_is_lost() {
    for (by, quality) in [(0, UNEVEN), (1, UNEVEN), (1, Quality::default())] {
        for seed in 0..2 {
            let what = format!("by {by}, seed {seed}");
            let mut world = busy(7700 + seed, quality);
            let before: Vec<_> = world.nodes[0].kernel.sas.keys().copied().collect();
            let reply = world.command_and_wait(by, reauthenticate());
            assert!(matches!(reply, Reply::Done), "{reply:?}");
            settled(&mut world, 1, &what);
            for node in &world.nodes {
                assert_eq!(node.count("ike-sa-established"), 2, "{}", node.name);
                assert_eq!(node.count("ike-sa-closed"), 1, "{}", node.name);
                assert_eq!(node.count("child-rekeyed"), 1, "{what}: {:#?}", node.events);
                assert_eq!(node.count("child-up"), 1, "{what}: {:#?}", node.events);
            }
            let after: Vec<_> = world.nodes[0].kernel.sas.keys().copied().collect();
            assert!(before.iter().all(|key| !after.contains(key)), "{what}");
            // What came of it can be used like the first.
            for command in [rekey(), rekey_ike(), reauthenticate()] {
                let reply = world.command_and_wait(1 - by, command);
                assert!(matches!(reply, Reply::Done), "{what}: {reply:?}");
                world.run(Duration::from_secs(10));
            }
            settled(&mut world, 1, &what);
        }
    }
}

#[test]
fn all_children_are_in_use_before_the_old_one_ends() {
    let ends = [End::hq(), End::branch()].map(|mut end| {
        let more = end.children.clone();
        let (_, local, remote) = more[0];
        end.children = vec![("lan", local, remote)];
        for (child, hq, branch) in [
            ("voice", "10.11.0.0/16", "10.12.0.0/16"),
            ("video", "10.21.0.0/16", "10.22.0.0/16"),
        ] {
            let is_hq = end.local_id.starts_with("hq");
            end.children.push(if is_hq {
                (child, hq, branch)
            } else {
                (child, branch, hq)
            });
        }
        end.configuration()
    });
    for by in [0, 1] {
        let mut world = super::two_gateways(7710, UNEVEN);
        for (node, configuration) in ends.clone().into_iter().enumerate() {
            world.configure(node, configuration);
        }
        assert!(world.run_until(Duration::from_secs(60), |world| {
            world.nodes.iter().all(|node| node.count("child-up") == 3)
        }));
        world.run(Duration::from_secs(1));
        let pairs = [
            ("10.1.0.1", "10.2.0.1"),
            ("10.11.0.1", "10.12.0.1"),
            ("10.21.0.1", "10.22.0.1"),
        ];
        for (hq, branch) in pairs {
            let (hq, branch) = (
                hq.parse().expect("an address"),
                branch.parse().expect("an address"),
            );
            for (node, source, destination) in [(0, hq, branch), (1, branch, hq)] {
                world.traffic.flows.push(sim::traffic::Flow {
                    node,
                    source,
                    destination,
                });
            }
        }
        let reply = world.command_and_wait(by, reauthenticate());
        assert!(matches!(reply, Reply::Done), "{reply:?}");
        settled(&mut world, 3, &format!("by {by}"));
        let of = |event: &Event| matches!(event, Event::ChildRekeyed { .. });
        let end = |event: &Event| matches!(event, Event::IkeSaClosed { .. });
        let events = &world.nodes[by].events;
        let last = events.iter().rposition(of).expect("rekeyed");
        let closed = events.iter().position(end).expect("closed");
        assert!(last < closed, "{events:#?}");
        assert_eq!(world.nodes[by].count("child-rekeyed"), 3);
    }
}

#[test]
fn both_at_once_end_with_one_ike_sa_and_lose_nothing() {
    for seed in 0..12 {
        let quality = if seed % 2 == 0 {
            Quality::default()
        } else {
            UNEVEN
        };
        let mut world = busy(7720 + seed, quality);
        world.command(0, reauthenticate());
        world.run(Duration::from_millis(seed % 3 * 4));
        world.command(1, reauthenticate());
        settled(&mut world, 1, &format!("seed {seed}"));
        for node in &world.nodes {
            assert!(
                node.count("child-rekeyed") >= 1,
                "seed {seed}: {:#?}",
                node.events
            );
            assert!(
                node.replies
                    .values()
                    .all(|reply| matches!(reply, Reply::Done)),
                "seed {seed}: {:?}",
                node.replies
            );
        }
    }
}

#[test]
fn it_comes_again_and_again_in_time_beside_rekeying() {
    let after = Duration::from_secs(3600);
    let configurations = [End::hq(), End::branch()].map(|end| {
        let mut configuration = super::rekeying(&end, Duration::from_secs(2000));
        let connection = Arc::get_mut(&mut configuration.connections[0]).expect("not shared");
        connection.reauth_after = Some(after);
        connection.rekey_after = Some(Duration::from_secs(1500));
        configuration
    });
    let mut world = busy_with(7730, UNEVEN, configurations);
    world.traffic.every = Duration::from_secs(1);
    world.run(10 * after);
    settled(&mut world, 1, "ten hours");
    let made = world.nodes[0].count("ike-sa-established");
    assert!((10..=13).contains(&made), "{made} in ten hours");
}

#[test]
fn what_fails_leaves_the_old_one_as_it_is_and_is_tried_again() {
    let configurations = [
        End::hq().configuration(),
        reauthenticating(&End::branch(), Duration::from_secs(600)),
    ];
    let mut world = busy_with(7740, Quality::default(), configurations);
    world.traffic.every = Duration::from_secs(1);
    // The headquarters has another secret now.
    world.nodes[0]
        .secrets
        .insert(name("tunnel"), b"another secret of enough bytes".to_vec());
    world.run(Duration::from_secs(900));
    assert_eq!(world.traffic.lost, Vec::<String>::new());
    let branch = &world.nodes[1];
    assert!(branch.count("rekey-failed") >= 2, "{:#?}", branch.events);
    assert_eq!(branch.count("ike-sa-closed"), 0, "{:#?}", branch.events);
    assert_eq!(branch.count("connection-failed"), 0, "{:#?}", branch.events);
    let reply = world.command_and_wait(1, reauthenticate());
    assert!(matches!(reply, Reply::Failed(_)), "{reply:?}");
    world.nodes[0]
        .secrets
        .insert(name("tunnel"), sim::setup::SECRET.to_vec());
    world.run(Duration::from_secs(600));
    assert_eq!(world.traffic.lost, Vec::<String>::new());
    one_ike_sa(&mut world, "mended");
    assert!(world.nodes[1].count("ike-sa-established") >= 2);
}

#[test]
fn on_bad_networks_it_ends_with_one_and_the_ends_agree() {
    let quality = Quality {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(80),
        lost: 150,
        doubled: 100,
    };
    for seed in 0..8 {
        let mut world = busy(7750 + seed, quality);
        for round in 0..3 {
            world.command((round + seed as usize) % 2, reauthenticate());
            if (round as u64 + seed).is_multiple_of(3) {
                world.command((round + 1 + seed as usize) % 2, reauthenticate());
            }
            world.run(Duration::from_secs(90));
        }
        settled(&mut world, 1, &format!("seed {seed}"));
    }
}
