//! The keys of IKE SAs come out where they are asked for by name, and nowhere else.

use std::net::IpAddr;
use std::time::Duration;

use ike::crypto::protection::OpeningKey;
use ike::crypto::standard;
use ike::engine::io::ExportedKeys;
use ike::wire::{Message, Payload, parse_chain};
use sim::network::Quality;
use sim::setup::{BRANCH, End, HQ, SECRET, name, two_gateways};
use sim::{Node, World};

/// Both gateways with the tunnel up over this suite; the headquarters hands keys out.
fn world(ike: &'static str) -> World {
    let mut hq = Node::exporting_keys("hq", IpAddr::from(HQ), 1);
    let mut branch = Node::new("branch", IpAddr::from(BRANCH), 2);
    for node in [&mut hq, &mut branch] {
        node.secrets.insert(name("tunnel"), SECRET.to_vec());
    }
    let mut world = World::new(3, Quality::default(), vec![hq, branch]);
    let with = |end: End| {
        End {
            ike: Some(ike),
            ..end
        }
        .configuration()
    };
    world.configure(0, with(End::hq()));
    world.configure(1, with(End::branch()));
    let up = world.run_until(Duration::from_secs(60), |world| {
        world.nodes.iter().all(|node| node.count("child-up") == 1)
    });
    assert!(up, "{ike}: the tunnel did not come up");
    world
}

/// The payloads of a protected message, opened with nothing but what was handed out.
fn opened(bytes: &[u8], keys: &ExportedKeys, from_initiator: bool) -> String {
    let suite = keys.suite;
    let algorithm = standard()
        .protection(suite.encryption, suite.key_bits, suite.integrity)
        .expect("a suite that was agreed");
    let (e, a) = if from_initiator {
        (&keys.sk_ei, &keys.sk_ai)
    } else {
        (&keys.sk_er, &keys.sk_ar)
    };
    let key =
        OpeningKey::new(algorithm, e.as_bytes(), a.as_bytes()).expect("keys of the right length");
    let message = Message::parse(bytes).expect("a message");
    let protected = message.protected.expect("SK");
    let chain = key
        .open_message(protected.associated, protected.body)
        .expect("opens");
    let payloads = parse_chain(protected.first_inner, &chain).expect("a chain");
    assert!(payloads.iter().any(|one| matches!(one, Payload::Auth(_))));
    format!("{payloads:?}")
}

#[test]
fn the_keys_open_every_protected_message_of_the_ike_sa() {
    for ike in [
        "aes256gcm16-prfsha384-x25519",
        "aes128-sha256-prfsha256-x25519",
        "aes192ctr-sha512-prfsha512-x25519",
        "aes256ccm12-prfsha256-x25519",
        "chacha20poly1305-prfsha256-x25519",
        "aes256-aesxcbc-prfsha256-x25519",
    ] {
        let world = world(ike);
        let [hq, branch] = &world.nodes[..] else {
            panic!("two nodes")
        };
        let [keys] = &hq.exported[..] else {
            panic!("{ike}: {} IKE SAs", hq.exported.len())
        };
        assert!(branch.exported.is_empty(), "nobody asked the branch");
        // The branch begins.
        opened(&branch.sent[1].bytes, keys, true);
        opened(&hq.sent[1].bytes, keys, false);
        assert!(!format!("{keys:?}").contains('['), "{keys:?}");
    }
}

#[test]
fn keys_come_out_before_authentication_has_failed() {
    let mut hq = Node::exporting_keys("hq", IpAddr::from(HQ), 1);
    hq.secrets
        .insert(name("tunnel"), b"another secret than the peer's".to_vec());
    let mut branch = Node::exporting_keys("branch", IpAddr::from(BRANCH), 2);
    branch.secrets.insert(name("tunnel"), SECRET.to_vec());
    let mut world = World::new(3, Quality::default(), vec![hq, branch]);
    world.configure(0, End::hq().configuration());
    world.configure(1, End::branch().configuration());
    let failed = world.run_until(Duration::from_secs(60), |world| {
        world.nodes[1].count("connection-failed") > 0
    });
    assert!(failed);
    let [hq, branch] = &world.nodes[..] else {
        panic!("two nodes")
    };
    let (ours, theirs) = (&hq.exported[0], &branch.exported[0]);
    assert_eq!(ours.spis, theirs.spis);
    assert_eq!((&ours.sk_ei, &ours.sk_er), (&theirs.sk_ei, &theirs.sk_er));
}

#[test]
fn an_engine_that_was_not_asked_hands_out_no_key() {
    let mut world = two_gateways(1, Quality::default());
    world.configure(0, End::hq().configuration());
    world.configure(1, End::branch().configuration());
    world.run_until(Duration::from_secs(60), |world| {
        world.nodes.iter().all(|node| node.count("child-up") == 1)
    });
    assert!(world.nodes.iter().all(|node| node.exported.is_empty()));
}
