//! Rekeying of Child SAs, by either side and by both at once, with traffic in both directions all the time: no packet is
//! lost, and in the end both sides hold the same pair of SAs.
//!
//! What a request finds that meets something else, and what is to happen (RFC 7296 sections 2.8.1, 2.8.2 and 2.25; X is a Child
//! SA). Tests are named by the rows they try; the invariants of SAs after each step are in [`nonces`] and [`answers`].
//!
//! | row | request | meets | is answered, and then | in |
//! |---|---|---|---|---|
//! | C1 | rekey X | nothing | with a new one | here |
//! | C2 | rekey X | X being rekeyed | likewise; the lowest of four nonces loses | `collisions`, `nonces` |
//! | C3 | rekey X | X being deleted | TEMPORARY_FAILURE | `answers` |
//! | C4 | rekey X | no X | CHILD_SA_NOT_FOUND with its SPI | `answers` |
//! | C5 | rekey X | X replaced, its Delete not answered | TEMPORARY_FAILURE | `collisions` |
//! | C6 | rekey X | X replaced and deleted | CHILD_SA_NOT_FOUND | `collisions` |
//! | C7 | delete X | nothing | with our SPI; both directions close | `deletes` |
//! | C8 | delete X | X being deleted | with nothing | `answers` |
//! | C9 | delete X | X being rekeyed | as if nothing were; what we asked for is no rekeying any more | `deletes` |
//! | C10 | delete the new one | an answer that we do not have yet | with nothing; it is not used when the answer comes | `answers` |
//! | C11 | delete X | no X | with nothing | `deletes` |
//! | C12 | delete X by a responder | X being rekeyed, no collision | as C7, and the new one stays | `answers` |
//! | C13 | rekey IKE | nothing | with an heir, which has the children | `ike_sa` |
//! | C14 | rekey IKE | IKE being rekeyed | likewise; the lowest of four nonces loses | `ike_sa`, `nonces` |
//! | C15 | rekey IKE | IKE being deleted | TEMPORARY_FAILURE | `deletes` |
//! | C16 | rekey IKE | IKE replaced, its Delete not answered | TEMPORARY_FAILURE | `ike_sa` |
//! | C17 | delete IKE | IKE being rekeyed | with nothing; our request is forgotten | `deletes`, `ike_sa` |
//! | C18 | delete IKE | IKE being deleted | with nothing; it goes once | `deletes` |
//! | C19 | rekey IKE | a child being made, replaced or deleted | TEMPORARY_FAILURE | `deletes`, `ike_sa` |
//! | C20 | make or rekey X | IKE being rekeyed | TEMPORARY_FAILURE | `deletes`, `ike_sa` |
//! | C21 | delete X | IKE being rekeyed | as C7 | `deletes` |
//! | C22 | make or rekey X | IKE being deleted | TEMPORARY_FAILURE | `deletes` |
//! | C23 | delete IKE | a child being deleted | with nothing; everything goes, the child once | `deletes` |
//! | C24 | INVALID_KE_PAYLOAD to both | both | both ask again, and the last nonces decide | here |
//! | C25 | with further key exchanges (RFC 9370) | any | with the proposal without; IKE_FOLLOWUP_KE is dropped | `deletes` |
//! | C26 | TEMPORARY_FAILURE as an answer | | asked again after growing pauses, and given up after minutes | `answers` |
//! | C27 | CHILD_SA_NOT_FOUND as an answer | | a fresh one is made | `answers` |
//! | C28 | the winner's heir is never deleted by the peer | | we delete it after a while | `ike_sa` |
//! | C29 | X expires | its Delete is waited for | softly: nothing; for good: it is finished | `answers` |
//! | C30 | the Delete of X is never answered | | the IKE SA ends, and the child once | `deletes` |

mod answers;
mod collisions;
mod deletes;
mod ike_sa;
mod nonces;
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

#[test]
fn rfc7296_071_every_row_of_the_table_has_a_test_named_after_it() {
    let sources = [
        include_str!("main.rs"),
        include_str!("answers.rs"),
        include_str!("collisions.rs"),
        include_str!("deletes.rs"),
        include_str!("ike_sa.rs"),
        include_str!("nonces.rs"),
    ];
    let names = || {
        let lines = sources.iter().flat_map(|source| source.lines());
        lines.filter_map(|line| line.strip_prefix("fn "))
    };
    for row in 1..=30 {
        let row = format!("c{row}");
        let named = names().any(|name| name.split('_').any(|word| word == row));
        assert!(named, "no test is named after {row}");
        let told = format!("//! | {} |", row.to_uppercase());
        assert!(sources[0].contains(&told), "the table lacks {row}");
    }
}
