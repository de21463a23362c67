//! Daemons that are killed and started anew: at every output, at every step of a kernel request, at every answer. What was
//! up stays up, no packet is lost while nothing else is wrong, and in the end both sides hold the same.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::config::{Child, Configuration, Connection};
use ike::engine::Persistence;
use ike::engine::io::Command;
use sim::network::Quality;
use sim::setup::{End, name, two_gateways};
use sim::traffic::Flow;
use sim::{Node, World};

/// What happens while a node may be killed.
type Script = fn(&mut World);

/// The two gateways with the tunnel up, and a packet each way every five milliseconds.
fn busy(seed: u64, ends: [End; 2], persistence: Persistence) -> World {
    let mut world = two_gateways(seed, Quality::default());
    for (node, end) in ends.into_iter().enumerate() {
        world.nodes[node].set_persistence(persistence);
        // So that its first engine is of that kind, too.
        world.nodes[node].kill();
        world.restart(node);
        world.configure(node, end.configuration());
    }
    let up = |world: &World| world.nodes.iter().all(|node| node.count("child-up") == 1);
    assert!(world.run_until(Duration::from_secs(60), up), "no tunnel");
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

fn plain() -> [End; 2] {
    [End::hq(), End::branch()]
}

fn with_forward_secrecy() -> [End; 2] {
    plain().map(|end| End {
        esp: Some("aes256gcm16-x25519"),
        ..end
    })
}

fn rekey(child: bool) -> Command {
    Command::Rekey {
        connection: name("tunnel"),
        child: child.then(|| name("lan")),
    }
}

/// Runs until nothing is dead, and everything has come to rest.
fn settle(world: &mut World, pause: Duration) {
    // What matters has happened.
    world.traffic.every = Duration::from_millis(100);
    for _ in 0..1000 {
        let dead = |world: &World| world.nodes.iter().any(|node| !node.alive);
        if !world.run_until(Duration::from_secs(150), dead) {
            return;
        }
        world.run(pause);
        for node in 0..world.nodes.len() {
            if !world.nodes[node].alive {
                world.restart(node);
            }
        }
    }
    panic!("it is killed again and again");
}

/// Both sides have the same pair of SAs under the same IKE SA, and nothing was lost, in clear, or said twice.
fn same(world: &mut World, what: &str) {
    assert_eq!(world.traffic.lost, Vec::<String>::new(), "{what}");
    assert!(world.traffic.arrived > 500, "{what}: no traffic");
    for node in &world.nodes {
        assert_eq!(node.kernel.broken, Vec::<String>::new(), "{what}");
        // Whoever is killed before it has said that one was followed by another says that the other is up, and then perhaps
        // that the one is down.
        let followed = node.count("ike-sa-established") - 1;
        let (up, down) = (node.count("child-up"), node.count("child-down"));
        assert!(
            (1..=1 + followed).contains(&up) && down < up,
            "{what}: {}: {:#?}",
            node.name,
            node.events
        );
    }
    let spis = |node: &Node| -> Vec<u32> { node.kernel.sas.keys().map(|(spi, _)| *spi).collect() };
    assert_eq!(spis(&world.nodes[0]), spis(&world.nodes[1]), "{what}");
    world.assert_up(1);
}

/// The script, once for every act of a node, which is then killed.
fn killed_everywhere(seed: u64, ends: [End; 2], persistence: Persistence, script: Script) {
    for node in [0, 1] {
        let mut world = busy(seed, ends.clone(), persistence);
        let before = world.nodes[node].acts;
        script(&mut world);
        let acts = before..world.nodes[node].acts;
        settle(&mut world, Duration::ZERO);
        same(&mut world, "nobody is killed");
        assert!(acts.end > acts.start + 3, "the script does nothing");
        for (at, pause) in acts.flat_map(|at| [(at, 0), (at, 3)]) {
            let mut world = busy(seed, ends.clone(), persistence);
            world.nodes[node].killed_after = Some(at);
            script(&mut world);
            let what = format!(
                "node {node} killed after {} acts, for {pause} s",
                at - before
            );
            assert!(!world.nodes[node].alive, "{what}: it lives");
            settle(&mut world, Duration::from_secs(pause));
            same(&mut world, &what);
        }
    }
}

/// Goes on for two seconds, or until somebody is dead.
fn a_moment(world: &mut World) {
    let dead = |world: &World| world.nodes.iter().any(|node| !node.alive);
    world.run_until(Duration::from_secs(2), dead);
}

#[test]
fn a_daemon_that_is_killed_while_nothing_happens_goes_on() {
    for persistence in [Persistence::Immediate, Persistence::Confirmed] {
        let mut world = busy(300, plain(), persistence);
        for node in [0, 1, 0] {
            world.nodes[node].kill();
            world.run(Duration::from_secs(20));
            world.restart(node);
            world.run(Duration::from_secs(100));
        }
        settle(&mut world, Duration::ZERO);
        same(&mut world, "killed while idle");
        assert_eq!(world.nodes[0].count("ike-sa-established"), 1);
        assert_eq!(world.nodes[0].count("restored"), 3);
    }
}

#[test]
fn whoever_is_killed_in_the_rekeying_of_a_child_the_tunnel_goes_on() {
    for by in [0, 1] {
        let script: Script = match by {
            0 => |world| {
                world.command(0, rekey(true));
                a_moment(world);
            },
            _ => |world| {
                world.command(1, rekey(true));
                a_moment(world);
            },
        };
        killed_everywhere(310 + by, plain(), Persistence::Immediate, script);
        killed_everywhere(320 + by, plain(), Persistence::Confirmed, script);
        killed_everywhere(
            330 + by,
            with_forward_secrecy(),
            Persistence::Immediate,
            script,
        );
    }
}

#[test]
fn whoever_is_killed_while_both_rekey_a_child_the_tunnel_goes_on() {
    let script: Script = |world| {
        world.command(0, rekey(true));
        world.command(1, rekey(true));
        a_moment(world);
    };
    for seed in 0..3 {
        killed_everywhere(340 + seed, plain(), Persistence::Immediate, script);
        killed_everywhere(
            350 + seed,
            with_forward_secrecy(),
            Persistence::Immediate,
            script,
        );
    }
}

#[test]
fn whoever_is_killed_in_the_rekeying_of_the_ike_sa_the_tunnel_goes_on() {
    for by in [0, 1] {
        let script: Script = match by {
            0 => |world| {
                world.command(0, rekey(false));
                a_moment(world);
            },
            _ => |world| {
                world.command(1, rekey(false));
                a_moment(world);
            },
        };
        killed_everywhere(360 + by, plain(), Persistence::Immediate, script);
    }
}

#[test]
fn whoever_is_killed_while_both_rekey_the_ike_sa_the_tunnel_goes_on() {
    let script: Script = |world| {
        world.command(0, rekey(false));
        world.command(1, rekey(false));
        a_moment(world);
    };
    for seed in 0..2 {
        killed_everywhere(370 + seed, plain(), Persistence::Immediate, script);
    }
}

#[test]
fn whoever_is_killed_while_both_ends_prove_again_who_they_are_the_tunnel_goes_on() {
    let script: Script = |world| {
        let connection = name("tunnel");
        world.command(1, Command::Reauthenticate { connection });
        a_moment(world);
    };
    killed_everywhere(375, plain(), Persistence::Immediate, script);
}

#[test]
fn what_an_operator_took_down_stays_down() {
    let mut world = busy(380, plain(), Persistence::Immediate);
    world.traffic.flows.clear();
    world.command_and_wait(
        1,
        Command::Down {
            connection: name("tunnel"),
            child: None,
        },
    );
    world.nodes[1].kill();
    world.restart(1);
    world.run(Duration::from_secs(300));
    assert_eq!(world.nodes[1].count("initiating"), 1, "only the first time");
    for node in &mut world.nodes {
        node.assert_clean(world.now, 3);
    }
}

#[test]
fn what_no_longer_fits_the_configuration_says_goodbye() {
    let mut world = busy(390, plain(), Persistence::Immediate);
    world.traffic.flows.clear();
    world.nodes[1].kill();
    let mut other = End::branch();
    other.remote_id = "somebody.example.com";
    let end = other.connection();
    let end = Connection {
        children: end
            .children
            .iter()
            .map(|child| {
                Arc::new(Child {
                    name: child.name.clone(),
                    local: child.local.clone(),
                    remote: child.remote.clone(),
                    proposals: child.proposals.clone(),
                    keep: ike::config::Keep::Passive,
                    ..**child
                })
            })
            .collect(),
        ..end
    };
    world.nodes[1].configuration = Configuration {
        connections: vec![Arc::new(end)],
        ..Configuration::default()
    };
    world.restart(1);
    world.run(Duration::from_secs(60));
    for node in &mut world.nodes {
        node.assert_clean(world.now, 3);
    }
    assert!(world.nodes[0].failure_codes().contains(&"deleted-by-peer"));
}

#[test]
fn a_record_that_cannot_be_read_costs_its_sas_and_nothing_else() {
    let mut world = busy(400, plain(), Persistence::Immediate);
    world.traffic.flows.clear();
    world.nodes[1].kill();
    for body in world.nodes[1].store.values_mut() {
        let cut = body.len() / 2;
        *body = ike::crypto::Secret::from(&body.as_bytes()[..cut]);
    }
    world.restart(1);
    world.run(Duration::from_secs(60));
    for node in &mut world.nodes {
        assert_eq!(node.kernel.broken, Vec::<String>::new());
    }
    world.assert_up(1);
    assert_eq!(
        world.nodes[1].store.len(),
        1,
        "what could not be read is gone"
    );
}

/// What a kernel lost meanwhile is negotiated anew, and what somebody left there under our numbers is taken away.
#[test]
fn a_kernel_that_has_changed_meanwhile_is_put_right() {
    let mut world = busy(410, plain(), Persistence::Immediate);
    world.traffic.flows.clear();
    world.nodes[1].kill();
    let kernel = &mut world.nodes[1].kernel;
    kernel.sas.pop_first();
    let lost = kernel.policies.pop_first();
    assert!(lost.is_some());
    world.restart(1);
    // It says that an SA is missing where a policy wants one, which is so.
    world.nodes[1].kernel.broken.clear();
    world.run(Duration::from_secs(60));
    world.assert_up(1);
    let policies = |node: &Node| node.kernel.policies.len();
    assert_eq!(policies(&world.nodes[0]), policies(&world.nodes[1]));
}
