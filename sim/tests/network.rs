//! The same tunnel over networks that lose, double and reorder, and over every way IKE_SA_INIT can take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ike::config::{Configuration, Limits};
use ike::engine::io::{Command, Path, Reply};
use ike::wire::numbers::{ExchangeType, KeyExchangeMethod, NotifyType, PayloadType};
use ike::wire::{Header, Message, Payload};
use sim::network::Quality;
use sim::peer::notifies;
use sim::setup::{End, name, tunnel, two_gateways};
use sim::{ScriptedPeer, World};

const BAD: Quality = Quality {
    delay: Duration::from_millis(20),
    jitter: Duration::from_millis(400),
    lost: 300,
    doubled: 300,
};

/// What a datagram is about: SPI of the initiator, message ID, response or not.
fn key(bytes: &[u8]) -> (u64, u32, bool, bool) {
    let header = Header::parse(bytes).expect("a header");
    (
        u64::from_be_bytes(header.initiator_spi.0),
        header.message_id,
        header.flags.response,
        header.flags.initiator,
    )
}

/// Retransmissions are the same to the bit, and so are answers to them: nothing protected is ever made twice.
fn nothing_is_made_twice(world: &World) {
    for node in &world.nodes {
        let mut seen: BTreeMap<_, &[u8]> = BTreeMap::new();
        for transmit in &node.sent {
            let header = Header::parse(&transmit.bytes).expect("a header");
            if header.next_payload != PayloadType::SK {
                continue;
            }
            let first = seen.entry(key(&transmit.bytes)).or_insert(&transmit.bytes);
            assert_eq!(*first, &transmit.bytes[..], "{}: {header:?}", node.name);
        }
    }
}

#[test]
fn the_tunnel_comes_up_over_a_bad_network_with_one_of_everything() {
    for seed in 0..150 {
        let mut world = two_gateways(seed, BAD);
        let (mut hq, mut branch) = (End::hq(), End::branch());
        hq.children.push(("voice", "10.1.0.0/16", "10.9.0.0/16"));
        branch
            .children
            .push(("voice", "10.9.0.0/16", "10.1.0.0/16"));
        world.configure(0, hq.configuration());
        world.configure(1, branch.configuration());
        world.run(Duration::from_secs(400));
        world.network.quality = Quality::default();
        world.run(Duration::from_secs(200));
        world.assert_up(2);
        nothing_is_made_twice(&world);
        for node in &world.nodes {
            // Each child that came up again was down before.
            assert_eq!(node.count("child-up"), node.count("child-down") + 2);
        }
    }
}

#[test]
fn a_tunnel_goes_down_over_a_bad_network_and_nothing_is_left() {
    for seed in 200..260 {
        let mut world = tunnel(seed);
        world.network.quality = BAD;
        let node = usize::from(seed % 2 == 0);
        assert!(matches!(
            world.command_and_wait(node, Command::Shutdown),
            Reply::Done
        ));
        world.run(Duration::from_secs(2));
        let now = world.now;
        world.nodes[node].assert_clean(now, 0);
        world.run(Duration::from_secs(200));
        let now = world.now;
        world.nodes[1 - node].assert_clean(now, 3);
        nothing_is_made_twice(&world);
    }
}

#[test]
fn commands_over_a_bad_network_are_answered_and_both_kernels_agree() {
    for seed in 300..340 {
        let mut world = two_gateways(seed, BAD);
        world.configure(0, End::hq().configuration());
        world.configure(1, End::branch().configuration());
        for round in 0..6 {
            world.run(Duration::from_millis(seed * 7 % 5000));
            let connection = name("tunnel");
            let child = (round % 2 == 0).then(|| name("lan"));
            let command = if round < 3 {
                Command::Down { connection, child }
            } else {
                Command::Up { connection, child }
            };
            world.command_and_wait(1, command);
        }
        world.network.quality = Quality::default();
        world.run(Duration::from_secs(300));
        world.assert_up(1);
        nothing_is_made_twice(&world);
    }
}

#[test]
fn every_datagram_doubled_has_no_second_effect() {
    let mut world = two_gateways(1, Quality::default());
    world.network.quality.doubled = 1000;
    world.configure(0, End::hq().configuration());
    world.configure(1, End::branch().configuration());
    world.run(Duration::from_secs(120));
    world.assert_up(1);
    for node in &world.nodes {
        let counts = (node.count("ike-sa-established"), node.count("child-up"));
        assert_eq!(counts, (1, 1));
        assert_eq!(node.kernel.steps, 3 + 5);
    }
    nothing_is_made_twice(&world);
}

#[test]
fn an_exact_duplicate_is_answered_from_memory_wherever_it_comes_from() {
    let mut world = tunnel(2);
    let request = world.nodes[1].sent[1].bytes.clone();
    let answer = world.nodes[0].sent[1].bytes.clone();
    let path = Path {
        local: "192.0.2.1:500".parse().expect("an address"),
        remote: "203.0.113.9:4500".parse().expect("an address"),
    };
    for _ in 0..3 {
        let (now, steps) = (world.now, world.nodes[0].kernel.steps);
        let sent = world.nodes[0].datagram(now, path, &request);
        assert_eq!(sent.len(), 1);
        assert_eq!((&sent[0].bytes, sent[0].path), (&answer, path));
        assert_eq!(world.nodes[0].kernel.steps, steps);
    }
}

#[test]
fn an_old_message_id_with_other_content_is_dropped() {
    let mut world = two_gateways(3, Quality::default());
    world.configure(0, End::hq().configuration());
    let mut peer = ScriptedPeer::branch(&world, 3);
    let (mut session, _) = peer.establish(&mut world, 0xabc0_0001);
    let exchange = ExchangeType::INFORMATIONAL;
    let alive = peer.ask(&mut world, &mut session, exchange, &[]);
    assert!(alive.is_some());
    for id in [0, 1, 2, 4, 5, 77, u32::MAX - 1, u32::MAX] {
        let header = session.header(exchange, id, false);
        let payloads = [sim::peer::delete_ike()];
        let bytes = session.seal(&mut peer.random, header, &payloads);
        assert_eq!(peer.send(&mut world, &bytes), Vec::<Vec<u8>>::new(), "{id}");
    }
    let now = world.now;
    world.nodes[0].assert_up(now, 1);
    assert!(peer.ask(&mut world, &mut session, exchange, &[]).is_some());
}

#[test]
fn children_with_a_key_exchange_of_their_own_come_up() {
    let mut world = two_gateways(4, BAD);
    let (mut hq, mut branch) = (End::hq(), End::branch());
    for (end, other) in [(&mut hq, false), (&mut branch, true)] {
        end.esp = Some("aes256gcm16-x25519");
        let (a, b) = ("10.1.0.0/16", "10.9.0.0/16");
        let (a, b) = if other { (b, a) } else { (a, b) };
        end.children.push(("voice", a, b));
    }
    world.configure(0, hq.configuration());
    world.configure(1, branch.configuration());
    world.run(Duration::from_secs(600));
    world.network.quality = Quality::default();
    world.run(Duration::from_secs(100));
    world.assert_up(2);
    let suites: Vec<_> = world.nodes[0]
        .kernel
        .sas
        .values()
        .map(|sa| sa.suite.key_exchange)
        .collect();
    let pfs = Some(KeyExchangeMethod::CURVE25519);
    assert_eq!(suites.iter().filter(|suite| **suite == pfs).count(), 2);
    for (key, sa) in &world.nodes[0].kernel.sas {
        assert_eq!(
            sa.encryption_key,
            world.nodes[1].kernel.sas[key].encryption_key
        );
    }
}

#[test]
fn another_group_for_a_child_is_asked_for_once_and_taken() {
    let mut world = two_gateways(5, Quality::default());
    let (mut hq, mut branch) = (End::hq(), End::branch());
    hq.esp = Some("aes256gcm16-x25519");
    branch.esp = Some("aes256gcm16-ecp256-x25519");
    hq.children.push(("voice", "10.1.0.0/16", "10.9.0.0/16"));
    branch
        .children
        .push(("voice", "10.9.0.0/16", "10.1.0.0/16"));
    world.configure(0, hq.configuration());
    world.configure(1, branch.configuration());
    world.run(Duration::from_secs(2));
    world.assert_up(2);
    // IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA twice.
    assert_eq!(
        (world.nodes[0].sent.len(), world.nodes[1].sent.len()),
        (4, 4)
    );
}

fn with_limits(end: &End, limits: Limits) -> Configuration {
    Configuration {
        limits,
        ..end.configuration()
    }
}

fn cookies_always() -> Limits {
    Limits {
        cookie_threshold: 0,
        ..Limits::default()
    }
}

/// What the branch sent, as IKE_SA_INIT requests.
fn init_requests(world: &World) -> Vec<Message<'_>> {
    world.nodes[1]
        .sent
        .iter()
        .map(|transmit| Message::parse(&transmit.bytes).expect("a message"))
        .filter(|message| message.header.exchange == ExchangeType::IKE_SA_INIT)
        .collect()
}

fn method(message: &Message<'_>) -> KeyExchangeMethod {
    let ke = message.payloads.iter().find_map(|payload| match payload {
        Payload::Ke(ke) => Some(ke.method),
        _ => None,
    });
    ke.expect("KE")
}

#[test]
fn another_group_for_the_ike_sa_is_asked_for_once_and_taken() {
    let mut world = two_gateways(6, Quality::default());
    let (mut hq, mut branch) = (End::hq(), End::branch());
    hq.ike = Some("aes256gcm16-prfsha256-x25519");
    branch.ike = Some("aes256gcm16-prfsha256-ecp256-x25519");
    world.configure(0, hq.configuration());
    world.configure(1, branch.configuration());
    world.run(Duration::from_secs(1));
    world.assert_up(1);
    let requests = init_requests(&world);
    let methods: Vec<_> = requests.iter().map(method).collect();
    assert_eq!(
        methods,
        [KeyExchangeMethod::ECP_256, KeyExchangeMethod::CURVE25519]
    );
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 1);
}

#[test]
fn a_cookie_costs_one_round_and_changes_nothing_else() {
    let mut world = two_gateways(7, Quality::default());
    world.configure(0, with_limits(&End::hq(), cookies_always()));
    world.configure(1, End::branch().configuration());
    world.run(Duration::from_secs(1));
    world.assert_up(1);
    let requests = init_requests(&world);
    let [first, second] = &requests[..] else {
        panic!("{} requests", requests.len())
    };
    assert_eq!(notifies(&second.payloads), [NotifyType::COOKIE]);
    assert_eq!(&second.payloads[1..], &first.payloads[..]);
    assert_eq!(second.header.initiator_spi, first.header.initiator_spi);
}

#[test]
fn a_cookie_and_another_group_cost_two_rounds() {
    for seed in 0..20 {
        let mut world = two_gateways(seed, Quality::default());
        let (mut hq, mut branch) = (End::hq(), End::branch());
        hq.ike = Some("aes256gcm16-prfsha256-x25519");
        branch.ike = Some("aes256gcm16-prfsha256-ecp256-x25519");
        world.configure(0, with_limits(&hq, cookies_always()));
        world.configure(1, branch.configuration());
        world.run(Duration::from_secs(1));
        world.assert_up(1);
        let requests = init_requests(&world);
        assert_eq!(requests.len(), 3);
        assert_eq!(notifies(&requests[2].payloads), [NotifyType::COOKIE]);
        assert_eq!(method(&requests[2]), KeyExchangeMethod::CURVE25519);
    }
}

#[test]
fn cookies_and_groups_work_over_a_bad_network() {
    for seed in 0..40 {
        let mut world = two_gateways(seed, BAD);
        let (mut hq, mut branch) = (End::hq(), End::branch());
        hq.ike = Some("aes256gcm16-prfsha256-x25519");
        branch.ike = Some("aes256gcm16-prfsha256-ecp256-x25519");
        world.configure(0, with_limits(&hq, cookies_always()));
        world.configure(1, branch.configuration());
        world.run(Duration::from_secs(600));
        world.network.quality = Quality::default();
        world.run(Duration::from_secs(200));
        world.assert_up(1);
    }
}

#[test]
fn a_connection_to_anybody_serves_peers_at_any_address_and_port() {
    let mut world = two_gateways(8, Quality::default());
    let mut anybody = End::hq().connection();
    anybody.remote.address = None;
    world.configure(
        0,
        Configuration {
            connections: vec![Arc::new(anybody)],
            ..Configuration::default()
        },
    );
    let mut peer = ScriptedPeer::branch(&world, 8);
    peer.path.local = "203.0.113.77:61234".parse().expect("an address");
    peer.establish(&mut world, 0xabc0_0002);
    let now = world.now;
    world.nodes[0].assert_up(now, 1);
    let outbound = (0xabc0_0002, "203.0.113.77".parse().expect("an address"));
    assert!(world.nodes[0].kernel.sas.contains_key(&outbound));
}
