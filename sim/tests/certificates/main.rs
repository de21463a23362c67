//! Authentication by signature, in both roles and in every mixture with a shared secret.

mod failures;
mod hostile;
mod kinds;
mod method_1;
mod ocsp;
mod reload;
mod revocation;
mod selection;

use std::sync::Arc;
use std::time::Duration;

use ike::auth::proof::Evidence;
use ike::config::{
    Authentication, Configuration, LocalAuthentication, OwnCredential, PublicCredentials,
    RemoteAuthentication, Revocation, SignatureDemand, Strength,
};
use ike::engine::event::Event;
use ike::engine::failure::{Cause, Step};
use ike::engine::io::{Answer, Command, Input, Question};
use ike::pki::TrustStore;
use ike::wire::numbers::{AuthMethod, CertEncoding, ExchangeType, NotifyType, PayloadType};
use sim::World;
use sim::certificates::{Authority, TestKey, Wanted, believed, own};
use sim::network::Quality;
use sim::setup::{DEMAND, End, SIGNED, name, two_gateways};

const HQ: &str = "hq.example.com";
const BRANCH: &str = "branch.example.com";
/// The keys of the two gateways where it does not matter which.
const HQ_KEY: TestKey = TestKey::Ed25519("hq");
const BRANCH_KEY: TestKey = TestKey::Ed25519("branch");
const SECOND: Duration = Duration::from_secs(1);

/// We sign, and the peer holds the secret.
const WE_SIGN: Authentication = Authentication {
    local: LocalAuthentication::Signature,
    remote: RemoteAuthentication::PreSharedKey,
};
/// The peer signs, and we hold the secret.
const PEER_SIGNS: Authentication = Authentication {
    local: LocalAuthentication::PreSharedKey,
    remote: RemoteAuthentication::Signature(DEMAND),
};

/// Both sides sign, and so much is asked of the peer's signature.
fn demanding(demand: SignatureDemand) -> Authentication {
    Authentication {
        local: LocalAuthentication::Signature,
        remote: RemoteAuthentication::Signature(demand),
    }
}

/// With revocation checked in this way.
fn revocation(revocation: Revocation) -> Authentication {
    demanding(SignatureDemand {
        revocation,
        ..DEMAND
    })
}

/// The headquarters' configuration with certificates of this authority.
fn hq(authority: &Authority) -> Configuration {
    End::hq().with(SIGNED, authority.credentials(HQ_KEY, HQ))
}

/// The branch's.
fn branch(authority: &Authority) -> Configuration {
    End::branch().with(SIGNED, authority.credentials(BRANCH_KEY, BRANCH))
}

/// Two gateways that hold all the keys, configured and left alone for a moment.
fn meet(seed: u64, hq: Configuration, branch: Configuration) -> World {
    let mut world = strangers(seed);
    world.configure(0, hq);
    world.configure(1, branch);
    world.run(SECOND);
    world
}

/// Two gateways that hold all the keys, not configured yet.
fn strangers(seed: u64) -> World {
    let mut world = two_gateways(seed, Quality::default());
    let keys = [
        HQ_KEY,
        BRANCH_KEY,
        TestKey::Rsa2048,
        TestKey::Rsa3072,
        TestKey::P256,
        TestKey::P384,
        TestKey::P521,
    ];
    for node in &mut world.nodes {
        for key in keys {
            let key = key.private();
            node.keys.insert(key.public_key().fingerprint(), key);
        }
    }
    world
}

/// The tunnel is up at both ends, by an attempt that went right the first time.
fn both_up(world: &mut World) {
    let now = world.now;
    for node in &mut world.nodes {
        node.assert_up(now, 1);
        assert_eq!(node.count("ike-sa-established"), 1, "{:#?}", node.events);
    }
}

/// How a node believes its peer.
fn evidence(world: &World, node: usize) -> Evidence {
    let told = world.nodes[node]
        .events
        .iter()
        .find_map(|event| match event {
            Event::IkeSaEstablished { evidence, .. } => Some(evidence.clone()),
            _ => None,
        });
    told.expect("an IKE SA")
}

/// The failure of this code at this node, in IKE_AUTH; its cause.
fn fails<'w>(world: &'w World, node: usize, code: &str) -> &'w Cause {
    let failure = world.nodes[node].failure(code);
    assert_eq!(failure.step, Step::IkeAuth, "{failure}");
    assert!(!failure.to_string().is_empty());
    &failure.cause
}

/// The responder refuses for this reason; the initiator hears that authentication failed, and nothing else.
fn responder_refuses(world: &World, code: &str) {
    fails(world, 0, code);
    assert_eq!(
        *fails(world, 1, "refused-by-peer"),
        Cause::Refused {
            notify: NotifyType::AUTHENTICATION_FAILED
        }
    );
    for node in &world.nodes {
        assert_eq!(node.count("ike-sa-established"), 0, "{:#?}", node.events);
    }
}

/// The initiator refuses for this reason and says so; the responder, which believed it, ends the IKE SA.
fn initiator_refuses(world: &World, code: &str) {
    fails(world, 1, code);
    let told = &world.nodes[0].failure("refused-by-peer").cause;
    let notify = NotifyType::AUTHENTICATION_FAILED;
    assert_eq!(*told, Cause::Refused { notify });
    assert_eq!(world.nodes[1].count("ike-sa-established"), 0);
}

/// Nothing is left of an attempt at either end but what blocks.
fn ends_clean(world: &mut World) {
    let connection = name("tunnel");
    for node in 0..2 {
        let down = Command::Down {
            connection: connection.clone(),
            child: None,
        };
        world.command_and_wait(node, down);
    }
    world.run(Duration::from_secs(200));
    let now = world.now;
    for node in &mut world.nodes {
        node.assert_clean(now, 3);
        assert!(node.fetches.is_empty());
    }
}
