//! What RFC 7296 asks of both roles, each test named by the line of the project's checklist. What the wire format and the
//! cryptography answer for is tested in `ike/tests`.

mod children_and_errors;
mod exchanges;
mod negotiation;
mod rekeying;

use std::collections::BTreeSet;
use std::time::Duration;

use ike::config::proposal::ChildExchange;
use ike::config::{Configuration, Limits};
use ike::engine::io::{Command, Direction, PolicyAction};
use ike::wire::numbers::{
    AuthMethod, ExchangeType, KeyExchangeMethod, NotifyType, PayloadType, TransformType,
};
use ike::wire::payload::UnknownPayload;
use ike::wire::{Authentication, Header, Identification, Message, Notify, Payload, Transform};
use sim::network::Quality;
use sim::peer::{Chain, Said, delete_esp, delete_ike, id_payload, notifies, notify, plain, sa_of};
use sim::setup::{End, name, tunnel, two_gateways};
use sim::{Fate, ScriptedPeer, Session, World};

const AUTH: ExchangeType = ExchangeType::IKE_AUTH;
const CREATE: ExchangeType = ExchangeType::CREATE_CHILD_SA;
const INFORMATIONAL: ExchangeType = ExchangeType::INFORMATIONAL;
const SPI: u32 = 0xabc0_0001;
const NOTHING: Vec<Vec<u8>> = Vec::new();

fn responder(seed: u64) -> (World, ScriptedPeer) {
    let mut world = two_gateways(seed, Quality::default());
    world.configure(0, End::hq().configuration());
    let peer = ScriptedPeer::branch(&world, seed);
    (world, peer)
}

fn initiator(seed: u64) -> (World, ScriptedPeer) {
    initiator_with(seed, &End::branch())
}

fn initiator_with(seed: u64, branch: &End) -> (World, ScriptedPeer) {
    let mut world = two_gateways(seed, Quality::default());
    let peer = ScriptedPeer::hq(&world, seed);
    world.meddler = Some(Box::new(|_, _| Fate::Drop));
    world.configure(1, branch.configuration());
    (world, peer)
}

fn two_children() -> (End, End) {
    let (mut hq, mut branch) = (End::hq(), End::branch());
    hq.children.push(("voice", "10.1.0.0/16", "10.9.0.0/16"));
    branch
        .children
        .push(("voice", "10.9.0.0/16", "10.1.0.0/16"));
    (hq, branch)
}

fn headers(world: &World, node: usize) -> Vec<Header> {
    let sent = world.nodes[node].sent.iter();
    sent.map(|transmit| Header::parse(&transmit.bytes).expect("a header"))
        .collect()
}

/// The node's last words, opened.
fn last(world: &World, peer: &ScriptedPeer, session: &Session) -> Said {
    let bytes = peer.heard(world, 0).pop().expect("a word");
    session.open(&bytes).expect("for us")
}

fn up(world: &mut World, node: usize, children: usize) {
    let now = world.now;
    world.nodes[node].assert_up(now, children);
}

fn down(child: Option<&str>) -> Command {
    Command::Down {
        connection: name("tunnel"),
        child: child.map(name),
    }
}
