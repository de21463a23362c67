//! What a Child SA may be: its mode, its address families, keys of its own; and a hub with many who ask for one.

mod families;
mod hub;
mod secrecy;
mod transport;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::config::{Child, Configuration, Connection, Keep, Mode, WithoutSa};
use ike::engine::io::{Command, Direction, PolicyAction, Reply};
use ike::wire::numbers::{ExchangeType, NotifyType, PayloadType};
use ike::wire::{Payload, TrafficSelectors};
use sim::network::Quality;
use sim::peer::{Chain, Said, ScriptedPeer, Session, notify, selectors};
use sim::setup::{End, SECRET, name};
use sim::{Node, World};

const CREATE: ExchangeType = ExchangeType::CREATE_CHILD_SA;
const AUTH: ExchangeType = ExchangeType::IKE_AUTH;
/// The scripted peer's SPI.
const SPI: u32 = 0xabc0_0001;

const HQ: &str = "192.0.2.1";
const BRANCH: &str = "198.51.100.7";
const HQ_V6: &str = "2001:db8:100::1";
const BRANCH_V6: &str = "2001:db8:200::7";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A child as headquarters sees it.
fn child(child: &str, mode: Mode, local: &[&str], remote: &[&str]) -> Child {
    let selectors = |texts: &[&str]| {
        let texts = texts.iter();
        texts
            .map(|text| text.parse().expect("a selector"))
            .collect()
    };
    let usual = End::hq().connection();
    let usual = &usual.children[0];
    Child {
        name: name(child),
        local: selectors(local),
        remote: selectors(remote),
        mode,
        proposals: usual.proposals.clone(),
        keep: Keep::Passive,
        replay_window: usual.replay_window,
        hard_lifetime: usual.hard_lifetime,
        rekey_after: usual.rekey_after,
        rekey_volume: usual.rekey_volume,
        hard_volume: usual.hard_volume,
        priority: None,
        idle: None,
        without_sa: WithoutSa::Drop,
    }
}

/// The same child at the other end, which begins.
fn mirrored(child: &Child) -> Child {
    Child {
        name: child.name.clone(),
        local: child.remote.clone(),
        remote: child.local.clone(),
        proposals: child.proposals.clone(),
        keep: Keep::Up,
        ..*child
    }
}

fn connection(end: &End, local: &str, remote: &str, children: Vec<Child>) -> Connection {
    let mut connection = end.connection();
    connection.local.address = Some(ip(local));
    connection.remote.address = Some(ip(remote));
    connection.children = children.into_iter().map(Arc::new).collect();
    connection
}

fn only(connection: Connection) -> Configuration {
    Configuration {
        connections: vec![Arc::new(connection)],
        ..Configuration::default()
    }
}

/// Headquarters and the branch at these addresses, not configured yet.
fn gateways(seed: u64, hq: &str, branch: &str) -> World {
    let mut nodes = vec![
        Node::new("hq", ip(hq), 2 * seed),
        Node::new("branch", ip(branch), 2 * seed + 1),
    ];
    for node in &mut nodes {
        node.secrets.insert(name("tunnel"), SECRET.to_vec());
    }
    World::new(seed, Quality::default(), nodes)
}

/// Both ends with these children, as each sees them, after ten seconds.
fn meet(
    seed: u64,
    (hq, branch): (&str, &str),
    (at_hq, at_branch): (Vec<Child>, Vec<Child>),
) -> World {
    let mut world = gateways(seed, hq, branch);
    world.configure(0, only(connection(&End::hq(), hq, branch, at_hq)));
    world.configure(1, only(connection(&End::branch(), branch, hq, at_branch)));
    world.run(Duration::from_secs(10));
    world
}

/// Both ends with the same children.
fn agree(seed: u64, ends: (&str, &str), children: Vec<Child>) -> World {
    let mirror = children.iter().map(mirrored).collect();
    meet(seed, ends, (children, mirror))
}

/// So many Child SAs stand at both ends, with the same keys.
fn is_up(world: &mut World, children: usize) {
    let now = world.now;
    for node in &mut world.nodes {
        node.assert_up(now, children);
    }
    let [hq, branch] = &world.nodes[..] else {
        panic!("two nodes")
    };
    for (key, sa) in &hq.kernel.sas {
        let twin = &branch.kernel.sas[key];
        assert_eq!((sa.suite, sa.mode), (twin.suite, twin.mode));
        assert_eq!(sa.encryption_key, twin.encryption_key);
        assert_eq!(sa.integrity_key, twin.integrity_key);
    }
}

/// Taken down and shut down, both ends leave nothing in their kernels.
fn ends_clean(mut world: World) {
    let down = Command::Down {
        connection: name("tunnel"),
        child: None,
    };
    assert!(matches!(world.command_and_wait(1, down), Reply::Done));
    world.run(Duration::from_secs(1));
    for at in 0..2 {
        assert_eq!(world.nodes[at].kernel.sas.len(), 0);
        assert_eq!(world.nodes[at].kernel.protecting(), 0);
        assert!(matches!(
            world.command_and_wait(at, Command::Shutdown),
            Reply::Done
        ));
        let now = world.now;
        world.nodes[at].assert_clean(now, 0);
    }
}

fn verdict(world: &World, node: usize, from: &str, to: &str) -> Option<PolicyAction> {
    let kernel = &world.nodes[node].kernel;
    kernel.verdict(Direction::Out, ip(from), ip(to))
}

/// Headquarters with these children, and a scripted peer in the place of the branch.
fn answering(seed: u64, children: Vec<Child>) -> (World, ScriptedPeer) {
    let mut world = gateways(seed, HQ, BRANCH);
    world.configure(0, only(connection(&End::hq(), HQ, BRANCH, children)));
    let peer = ScriptedPeer::branch(&world, seed);
    (world, peer)
}

/// The branch with these children, as headquarters sees them, which has begun; and a scripted peer in the place of
/// headquarters.
fn beginning(seed: u64, children: &[Child]) -> (World, ScriptedPeer) {
    let mut world = gateways(seed, HQ, BRANCH);
    let children = children.iter().map(mirrored).collect();
    world.configure(1, only(connection(&End::branch(), BRANCH, HQ, children)));
    let peer = ScriptedPeer::hq(&world, seed);
    (world, peer)
}

/// Asks for the first child with what `change` makes of the right IKE_AUTH request.
fn ask(
    world: &mut World,
    peer: &mut ScriptedPeer,
    change: impl FnOnce(&mut Chain),
) -> (Session, Said) {
    let mut session = peer.begin(world);
    let mut chain = peer.auth_payloads(&session, SPI);
    change(&mut chain);
    let said = peer
        .ask(world, &mut session, AUTH, &chain)
        .expect("an answer");
    (session, said)
}

/// Takes the node's IKE_AUTH and answers with what `change` makes of the right response; what the node says then.
fn grant(
    world: &mut World,
    peer: &mut ScriptedPeer,
    change: impl FnOnce(&Said, &mut Chain),
) -> Vec<Said> {
    let (mut session, asked) = peer.accept_init(world);
    let mut chain = peer.proof(&session);
    let exchange = ike::config::proposal::ChildExchange::IkeAuth;
    chain.extend(peer.child_answer(&asked.payloads, SPI, exchange));
    change(&asked, &mut chain);
    let answers = peer.respond(world, &mut session, &asked.header, &chain);
    answers
        .iter()
        .map(|bytes| session.open(bytes).expect("protected"))
        .collect()
}

/// Replaces TSi and TSr.
fn with_selectors(chain: &mut Chain, tsi: &[&str], tsr: &[&str]) {
    let parse = |texts: &[&str]| -> TrafficSelectors {
        let texts = texts.iter();
        let parsed: Vec<_> = texts
            .map(|text| text.parse().expect("a selector"))
            .collect();
        selectors(&parsed)
    };
    for payload in chain {
        match payload {
            Payload::TsI(ts) => *ts = parse(tsi),
            Payload::TsR(ts) => *ts = parse(tsr),
            _ => {}
        }
    }
}

/// TSi and TSr, in words.
fn said_selectors(said: &Said) -> [Vec<String>; 2] {
    let mut found = [Vec::new(), Vec::new()];
    for payload in &said.payloads {
        let (at, ts) = match payload {
            Payload::TsI(ts) => (0, ts),
            Payload::TsR(ts) => (1, ts),
            _ => continue,
        };
        let words = ts.selectors.iter().map(|selector| {
            ike::config::selector::Selector::from_wire(selector)
                .expect("a selector")
                .to_string()
        });
        found[at] = words.collect();
    }
    found
}

/// The ESP SPIs that a Delete among these names.
fn deleted(said: &[Said]) -> Vec<u32> {
    let payloads = said.iter().flat_map(|said| &said.payloads);
    payloads
        .flat_map(|payload| match payload {
            Payload::Delete(delete) => delete.spis.clone(),
            _ => Vec::new(),
        })
        .collect()
}
