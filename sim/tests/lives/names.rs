//! A peer that is given by its name: resolved at every attempt, so that a name that moves is followed.

use std::net::IpAddr;
use std::time::Duration;

use ike::config::HostName;
use ike::engine::event::Event;
use sim::network::Quality;
use sim::setup::{BRANCH, End, HQ, two_gateways};
use sim::{Node, World};

use super::{is_up, with};

const MOVED: [u8; 4] = [192, 0, 2, 99];

fn named(world: &mut World) {
    let branch = with(&End::branch(), |connection| {
        connection.remote.address = None;
        connection.remote.host = HostName::new("hq.example.com");
    });
    world.configure(1, branch);
}

fn know(node: &mut Node, addresses: &[[u8; 4]]) {
    let addresses = addresses.iter().copied().map(IpAddr::from).collect();
    node.names.insert("hq.example.com".to_owned(), addresses);
}

#[test]
fn a_name_is_resolved_at_every_attempt_and_followed() {
    let mut world = two_gateways(910, Quality::default());
    named(&mut world);
    world.run(Duration::from_secs(20));
    world.nodes[1].failure("name-not-resolved");
    assert!(world.nodes[1].sent.is_empty());
    // It is known now, by an address where nobody is.
    know(&mut world.nodes[1], &[MOVED]);
    world.run(Duration::from_secs(120));
    world.nodes[1].failure("no-response");
    // It moves to where somebody is.
    know(&mut world.nodes[1], &[HQ]);
    world.configure(0, End::hq().configuration());
    world.run(Duration::from_secs(150));
    let now = world.now;
    assert!(
        is_up(&mut world.nodes[1], now),
        "{:#?}",
        world.nodes[1].events
    );
}

#[test]
fn of_several_addresses_each_has_its_turn() {
    let mut world = two_gateways(911, Quality::default());
    know(&mut world.nodes[1], &[MOVED, HQ]);
    world.configure(0, End::hq().configuration());
    named(&mut world);
    world.run(Duration::from_secs(75));
    let now = world.now;
    assert!(
        is_up(&mut world.nodes[1], now),
        "{:#?}",
        world.nodes[1].events
    );
    let peers = world.nodes[1]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Initiating { path, .. } => Some(path.remote.ip()),
            _ => None,
        });
    assert_eq!(
        peers.collect::<Vec<_>>(),
        [IpAddr::from(MOVED), IpAddr::from(HQ)]
    );
}

#[test]
fn a_peer_that_is_heard_again_ends_the_waiting() {
    let mut world = two_gateways(912, Quality::default());
    world.configure(1, End::branch().configuration());
    // Long enough for the longest pause.
    world.run(Duration::from_secs(1200));
    let waits = |world: &mut World| {
        let now = world.now;
        world.nodes[1].list(now).connections[0].retry_in
    };
    while waits(&mut world).is_none_or(|left| left < Duration::from_secs(30)) {
        world.run(Duration::from_secs(1));
        assert!(world.now < Duration::from_secs(4000), "never waits");
    }
    world.configure(0, End::hq().configuration());
    // A request of an IKE SA that is long gone: whoever sends it is there.
    let mut bytes = vec![7; 28];
    bytes[16..20].copy_from_slice(&[46, 0x20, 37, 0x08]);
    bytes[20..28].copy_from_slice(&[0, 0, 0, 3, 0, 0, 0, 28]);
    let path = ike::engine::io::Path {
        local: (BRANCH, 500).into(),
        remote: (HQ, 500).into(),
    };
    world.input(
        1,
        ike::engine::io::Input::Datagram {
            path,
            bytes: &bytes,
        },
    );
    world.run(Duration::from_secs(1));
    let now = world.now;
    assert!(
        is_up(&mut world.nodes[1], now),
        "{:#?}",
        world.nodes[1].events
    );
}
