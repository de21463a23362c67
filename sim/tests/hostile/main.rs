//! Peers and strangers that mean harm: nothing they send costs more than one small answer before they have proved who they
//! are, kills an attempt or an IKE SA that is not theirs, or leaves anything behind.

mod afterwards;
mod authentication;
mod floods;
mod replays;
mod to_the_initiator;
mod to_the_responder;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::config::proposal::ChildExchange;
use ike::config::{Configuration, Limits};
use ike::engine::io::{Path, Transmit};
use ike::wire::numbers::{
    AuthMethod, ExchangeType, IdType, KeyExchangeMethod, NotifyType, PayloadType, ProtocolId,
    TransformType, TsType,
};
use ike::wire::payload::UnknownPayload;
use ike::wire::{
    Authentication, Flags, Fragment, Header, Identification, IkeSpi, KeyExchange, Message, Nonce,
    Notify, Payload, PortRange, SpiBytes, TrafficSelector, TrafficSelectors, Transform,
    begin_protected, encode_chain,
};
use sim::network::Quality;
use sim::peer::{Chain, delete_esp, delete_ike, id_payload, notifies, notify, plain, sa_of};
use sim::setup::{End, name, tunnel, two_gateways};
use sim::{Fate, ScriptedPeer, Session, World};

const AUTH: ExchangeType = ExchangeType::IKE_AUTH;
const CREATE: ExchangeType = ExchangeType::CREATE_CHILD_SA;
const INFORMATIONAL: ExchangeType = ExchangeType::INFORMATIONAL;
const SPI: u32 = 0xabc0_0001;
/// Longer than every half-open IKE SA and everything that is kept for a refused peer.
const LONG: Duration = Duration::from_secs(100);

/// The headquarters, which waits, and a scripted branch.
fn responder(seed: u64) -> (World, ScriptedPeer) {
    let mut world = two_gateways(seed, Quality::default());
    world.configure(0, End::hq().configuration());
    let peer = ScriptedPeer::branch(&world, seed);
    (world, peer)
}

/// The branch, which begins, and a scripted headquarters. The branch's IKE_SA_INIT is out.
fn initiator(seed: u64) -> (World, ScriptedPeer) {
    let mut world = two_gateways(seed, Quality::default());
    let peer = ScriptedPeer::hq(&world, seed);
    // What the scripted peer says goes in directly; the real headquarters is not configured and must not answer.
    world.meddler = Some(Box::new(|_, _| Fate::Drop));
    world.configure(1, End::branch().configuration());
    (world, peer)
}

/// Nothing is left at the headquarters but its block policies, once everything has timed out.
fn forgotten(world: &mut World, node: usize) {
    world.run(LONG);
    let now = world.now;
    world.nodes[node].assert_clean(now, 3);
    assert_eq!(world.nodes[node].engine().ike_sa_count(), 0);
}

fn still_up(world: &mut World, peer: &mut ScriptedPeer, session: &mut Session) {
    let now = world.now;
    world.nodes[peer.node].assert_up(now, 1);
    assert!(peer.ask(world, session, INFORMATIONAL, &[]).is_some());
}

/// A chain with each payload left out, then with each doubled.
fn maimed(chain: &Chain) -> Vec<(String, Chain)> {
    let mut all = Vec::new();
    for at in 0..chain.len() {
        let kind = chain[at].payload_type();
        let mut without = chain.clone();
        without.remove(at);
        all.push((format!("without {kind}"), without));
        let mut doubled = chain.clone();
        doubled.insert(at, chain[at].clone());
        all.push((format!("{kind} twice"), doubled));
    }
    all
}

fn unknown(kind: u8, critical: bool) -> Payload<'static> {
    Payload::Unknown(UnknownPayload {
        payload_type: PayloadType(kind),
        critical,
        body: vec![0; 5].into(),
    })
}

fn ke(method: KeyExchangeMethod, data: Vec<u8>) -> Payload<'static> {
    Payload::Ke(KeyExchange {
        method,
        data: data.into(),
    })
}

fn put_ke(chain: &mut Chain, payload: Payload<'static>) {
    for place in chain.iter_mut() {
        if place.payload_type() == PayloadType::KE {
            *place = payload.clone();
        }
    }
}

/// One unprotected answer at most, not larger than the request (but for a few octets); its notifies.
fn told(answers: &[Vec<u8>], request: &[u8]) -> Vec<NotifyType> {
    assert!(answers.len() <= 1, "{} answers", answers.len());
    answers.first().map_or_else(Vec::new, |answer| {
        assert!(answer.len() <= request.len() + 40);
        notifies(&Message::parse(answer).expect("our own message").payloads)
    })
}

/// The request that the branch has out, its header turned round.
fn answer_header(world: &World, peer: &ScriptedPeer) -> (Vec<u8>, Header) {
    let request = peer.heard(world, 0).pop().expect("a request");
    let header = Header::parse(&request).expect("a header");
    let header = Header {
        flags: Flags {
            response: true,
            ..Flags::default()
        },
        ..header
    };
    (request, header)
}

/// The attempt stands: the right answer still makes a tunnel.
fn attempt_survives(world: &mut World, peer: &mut ScriptedPeer) {
    peer.accept(world, SPI);
    let now = world.now;
    world.nodes[1].assert_up(now, 1);
}
