//! Several IKE SAs with one peer, by the identity that it has proved: the newer one replaces the older one, or not.

use std::time::Duration;

use ike::config::Unique;
use ike::engine::io::Command;
use sim::setup::{End, name};
use sim::{Node, World};

use super::{up, with};

/// How many IKE SAs a node lists.
fn ike_sas(node: &mut Node, now: Duration) -> usize {
    node.list(now).connections[0].ike_sas.len()
}

/// The branch makes the IKE SA anew, and its goodbye for the old one is lost with everything else of that one.
fn made_anew(seed: u64, unique: Unique) -> World {
    let hq = with(&End::hq(), |connection| connection.unique = unique);
    let mut world = up(seed, [hq, End::branch().configuration()]);
    let now = world.now;
    let old = world.nodes[1].list(now).connections[0].ike_sas[0].spis;
    world.meddler = Some(Box::new(move |_, transmit| {
        if transmit.bytes.get(..8) == Some(&old.initiator.0) {
            sim::Fate::Drop
        } else {
            sim::Fate::Deliver
        }
    }));
    world.command(
        1,
        Command::Reauthenticate {
            connection: name("tunnel"),
        },
    );
    world
}

#[test]
fn the_newer_one_replaces_the_older_one_after_two_minutes_at_the_latest() {
    let mut world = made_anew(930, Unique::Replace);
    world.run(Duration::from_secs(40));
    let now = world.now;
    assert_eq!(ike_sas(&mut world.nodes[0], now), 2);
    world.run(Duration::from_secs(90));
    let now = world.now;
    assert_eq!(ike_sas(&mut world.nodes[0], now), 1);
    assert_eq!(
        world.nodes[0].count("child-down"),
        0,
        "{:#?}",
        world.nodes[0].events
    );
}

#[test]
fn where_the_older_one_is_kept_the_newer_one_ends() {
    let mut world = made_anew(931, Unique::Keep);
    world.run(Duration::from_secs(20));
    let now = world.now;
    assert_eq!(ike_sas(&mut world.nodes[0], now), 1);
    world.nodes[0].failure("already-connected");
    let list = world.nodes[0].list(now);
    assert!(list.connections[0].ike_sas[0].age > Duration::from_secs(15));
}

#[test]
fn where_nobody_minds_both_stay() {
    let mut world = made_anew(932, Unique::No);
    world.run(Duration::from_secs(75));
    let now = world.now;
    assert_eq!(ike_sas(&mut world.nodes[0], now), 2);
}

#[test]
fn a_peer_that_says_it_has_no_other_is_believed_even_where_the_older_one_is_kept() {
    let hq = with(&End::hq(), |connection| connection.unique = Unique::Keep);
    let mut world = up(933, [hq, End::branch().configuration()]);
    // The branch is started again, and knows nothing.
    let mut restarted = Node::new("branch", world.nodes[1].address, 77);
    restarted.secrets = world.nodes[1].secrets.clone();
    world.nodes[1] = restarted;
    world.configure(1, End::branch().configuration());
    world.run(Duration::from_secs(10));
    world.assert_up(1);
}
