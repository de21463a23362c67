//! The packet that asks, and what it brings about.

use ike::config::proposal::ChildExchange;
use ike::config::selector::Selector;
use ike::wire::Payload;
use sim::peer::{Said, ScriptedPeer, Session, selectors};

use super::*;

const SPI: u32 = 0xabc0_0001;

#[test]
fn the_first_packet_brings_the_tunnel_up_and_nothing_before_it_does() {
    let mut world = gateways(1, [Keep::Passive, Keep::OnDemand]);
    world.run(MINUTE);
    assert!(world.nodes.iter().all(|node| node.sent.is_empty()));
    assert!(is_trapped(&world, 1));
    let inbound = |node: &Node| {
        let Flow {
            source,
            destination,
            ..
        } = flow(0);
        let verdict = |direction| node.kernel.verdict(direction, source, destination);
        [Direction::In, Direction::Forward].map(verdict)
    };
    let blocked = [Some(PolicyAction::Block); 2];
    assert_eq!(inbound(&world.nodes[1]), blocked, "nothing comes in clear");

    world.traffic.flows = vec![flow(1)];
    world.run(SECOND);
    same_pair(&mut world);
    assert_eq!(world.nodes[1].count("acquire"), 1);
    assert_eq!(world.nodes[0].sent.len() + world.nodes[1].sent.len(), 4);
    assert!(world.traffic.trapped > 0, "the first asked");
    assert!(world.traffic.arrived > 0, "and others went");
    assert_eq!(world.nodes[1].kernel.waiting(world.now), []);
    all_is_well(&world);
}

#[test]
fn a_packet_asks_for_the_child_alone_where_the_ike_sa_stands() {
    let mut world = two_gateways(2, Quality::default());
    let (mut hq, mut branch) = (End::hq(), End::branch());
    hq.children.push(("voice", "10.1.9.0/24", "10.9.0.0/16"));
    branch
        .children
        .push(("voice", "10.9.0.0/16", "10.1.9.0/24"));
    world.configure(0, hq.configuration());
    let voice_waits = |child: &Child| Child {
        keep: match child.name.as_str() {
            "voice" => Keep::OnDemand,
            _ => Keep::Up,
        },
        ..copy(child)
    };
    world.configure(1, changed(&branch, voice_waits));
    world.run(MINUTE);
    world.assert_up(1);
    world.traffic.flows = vec![Flow {
        node: 1,
        source: [10, 9, 0, 1].into(),
        destination: [10, 1, 9, 1].into(),
    }];
    world.run(SECOND);
    world.assert_up(2);
    assert_eq!(world.nodes[1].count("initiating"), 1);
    all_is_well(&world);
}

#[test]
fn in_transport_mode_the_packets_of_the_ends_themselves_ask() {
    let between_hosts = |end: &End, keep| {
        changed(end, |child| Child {
            mode: ike::config::Mode::Transport,
            local: Vec::new(),
            remote: Vec::new(),
            keep,
            ..copy(child)
        })
    };
    let mut world = two_gateways(10, Quality::default());
    world.configure(0, between_hosts(&End::hq(), Keep::OnDemand));
    world.configure(1, between_hosts(&End::branch(), Keep::OnDemand));
    let [hq, branch] = [0, 1].map(|node: usize| world.nodes[node].address);
    let flow = |node, source, destination| Flow {
        node,
        source,
        destination,
    };
    world.traffic.flows = vec![flow(1, branch, hq)];
    world.run(SECOND);
    same_pair(&mut world);
    world.traffic.flows.push(flow(0, hq, branch));
    world.run(SECOND);
    assert_eq!(world.nodes[0].count("acquire"), 0);
    assert_eq!(world.nodes[1].count("acquire"), 1);
    all_is_well(&world);
}

#[test]
fn what_is_asked_again_is_not_done_again() {
    let mut world = gateways(3, [Keep::Passive, Keep::OnDemand]);
    world.traffic.flows = vec![flow(1)];
    let asked = |world: &World| !world.nodes[1].kernel.waiting(world.now).is_empty();
    assert!(world.run_until(SECOND, asked));
    let waiting = world.nodes[1].kernel.waiting(world.now);
    // As after lost events: while it is being negotiated, and when it is done.
    for pause in [0, 5, 15, 5000] {
        world.run(Duration::from_millis(pause));
        for acquire in &waiting {
            world.input(1, Input::KernelEvent(KernelEvent::Acquire(*acquire)));
        }
    }
    world.run(MINUTE);
    same_pair(&mut world);
    assert_eq!(world.nodes[1].count("acquire"), 1);
    assert_eq!(world.nodes[1].count("child-up"), 1);
    assert_eq!(world.nodes[1].count("initiating"), 1);
    all_is_well(&world);
}

#[test]
fn an_acquire_that_was_lost_is_found_again() {
    let mut world = gateways(4, [Keep::Passive, Keep::OnDemand]);
    let Flow {
        source,
        destination,
        ..
    } = flow(1);
    // The kernel tells, and nobody hears.
    let now = world.now;
    world.nodes[1].kernel.send(now, source, destination);
    world.run(SECOND);
    assert!(world.nodes[1].sent.is_empty());
    for acquire in world.nodes[1].kernel.waiting(world.now) {
        world.input(1, Input::KernelEvent(KernelEvent::Acquire(acquire)));
    }
    world.run(SECOND);
    same_pair(&mut world);
}

#[test]
fn both_sides_at_once_end_with_one_ike_sa_and_one_pair() {
    for seed in 0..30 {
        let quality = Quality {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(40),
            ..Quality::default()
        };
        let mut world = two_gateways(500 + seed, quality);
        world.configure(0, promising(&End::hq(), Keep::OnDemand, None));
        world.configure(1, promising(&End::branch(), Keep::OnDemand, None));
        world.traffic.flows = vec![flow(0), flow(1)];
        world.run(MINUTE);
        same_pair(&mut world);
        let clear = |lost: &String| lost.contains("Clear") || lost.contains("Blocked");
        assert!(!world.traffic.lost.iter().any(clear), "seed {seed}");
        let arrived = world.traffic.arrived;
        world.traffic.lost.clear();
        world.run(SECOND);
        assert!(world.traffic.arrived > arrived + 300, "seed {seed}");
        all_is_well(&world);
    }
}

#[test]
fn both_sides_at_once_under_one_ike_sa_end_with_one_pair() {
    for seed in 0..30 {
        let quality = Quality {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(if seed < 10 { 0 } else { 40 }),
            lost: if seed < 20 { 0 } else { 200 },
            ..Quality::default()
        };
        let mut world = two_gateways(600 + seed, quality);
        let idle = Some(MINUTE);
        world.configure(0, promising(&End::hq(), Keep::OnDemand, idle));
        world.configure(1, promising(&End::branch(), Keep::OnDemand, idle));
        world.command(1, up());
        world.run(5 * MINUTE);
        world.assert_up(0);
        world.traffic.flows = vec![flow(0), flow(1)];
        world.run(MINUTE);
        same_pair(&mut world);
        assert_eq!(world.nodes[0].count("ike-sa-established"), 1);
        let clear = |lost: &String| lost.contains("Clear") || lost.contains("Blocked");
        assert!(!world.traffic.lost.iter().any(clear), "seed {seed}");
    }
}

fn waits_for_the_peer(seed: u64) -> (World, ScriptedPeer) {
    let branch = promising(&End::branch(), Keep::OnDemand, None);
    waits_with(seed, branch)
}

fn waits_with(seed: u64, branch: Configuration) -> (World, ScriptedPeer) {
    let mut world = two_gateways(seed, Quality::default());
    let peer = ScriptedPeer::hq(&world, seed);
    world.meddler = Some(Box::new(|_, _| Fate::Drop));
    world.configure(1, branch);
    world.traffic.flows = vec![flow(1)];
    world.run(Duration::from_millis(100));
    world.traffic.flows.clear();
    (world, peer)
}

fn asked_for(said: &Said) -> [Vec<Selector>; 2] {
    let mut both = [Vec::new(), Vec::new()];
    for payload in &said.payloads {
        let (side, ts) = match payload {
            Payload::TsI(ts) => (0, ts),
            Payload::TsR(ts) => (1, ts),
            _ => continue,
        };
        both[side] = ts
            .selectors
            .iter()
            .filter_map(Selector::from_wire)
            .collect();
    }
    both
}

#[test]
fn the_packet_comes_first_in_the_selectors_and_is_not_left_beside_what_holds_it() {
    let (mut world, mut peer) = waits_for_the_peer(7);
    let (mut session, asked) = peer.accept_init(&mut world);
    let parse = |texts: [&str; 2]| texts.map(|text| text.parse().expect("a selector"));
    let [tsi, tsr] = asked_for(&asked);
    assert_eq!(tsi, parse(["10.2.0.1", "10.2.0.0/16"]));
    assert_eq!(tsr, parse(["10.1.0.1", "10.1.0.0/16"]));
    let mut chain = peer.proof(&session);
    chain.extend(peer.child_answer(&asked.payloads, SPI, ChildExchange::IkeAuth));
    peer.respond(&mut world, &mut session, &asked.header, &chain);
    let node = &mut world.nodes[1];
    assert_eq!(node.kernel.protecting(), 3, "one policy in each direction");
    node.assert_up(world.now, 1);
}

fn takes_the_packet_alone(world: &mut World, peer: &mut ScriptedPeer) -> Session {
    let (mut session, asked) = peer.accept_init(world);
    let [tsi, tsr] = asked_for(&asked);
    let mut chain = peer.proof(&session);
    let mut child = peer.child_answer(&asked.payloads, SPI, ChildExchange::IkeAuth);
    child[1] = Payload::TsI(selectors(&tsi[..1]));
    child[2] = Payload::TsR(selectors(&tsr[..1]));
    chain.append(&mut child);
    peer.respond(world, &mut session, &asked.header, &chain);
    assert!(child_is_up(world, 1));
    session
}

#[test]
fn a_peer_that_takes_one_packet_at_a_time_is_not_asked_beyond_the_limit() {
    let mut branch = promising(&End::branch(), Keep::OnDemand, None);
    branch.limits.children_per_ike_sa = 1;
    let (mut world, mut peer) = waits_with(11, branch);
    takes_the_packet_alone(&mut world, &mut peer);
    let sent = world.nodes[1].sent.len();
    world.traffic.flows = vec![Flow {
        source: [10, 2, 0, 77].into(),
        ..flow(1)
    }];
    world.run(Duration::from_millis(100));
    let node = &world.nodes[1];
    assert_eq!((node.count("acquire"), node.sent.len()), (2, sent));
    node.failure("limit");
    all_is_well(&world);
}

#[test]
fn a_peer_that_takes_the_packet_alone_leaves_the_trap_for_others() {
    let (mut world, mut peer) = waits_for_the_peer(8);
    let session = takes_the_packet_alone(&mut world, &mut peer);
    // Another host's packet asks again, under the same IKE SA, and not by the SA of the first.
    world.traffic.flows = vec![Flow {
        source: [10, 2, 0, 77].into(),
        ..flow(1)
    }];
    world.run(Duration::from_millis(100));
    world.traffic.flows.clear();
    let node = &world.nodes[1];
    assert_eq!(node.count("acquire"), 2);
    let request = peer.heard(&world, 0).pop().expect("a request");
    let asked = session.open(&request).expect("CREATE_CHILD_SA");
    let host: Selector = "10.2.0.77".parse().expect("a selector");
    assert_eq!(asked_for(&asked)[0].first(), Some(&host));
    all_is_well(&world);
}

#[test]
fn a_peer_that_leaves_the_packet_out_is_not_asked_without_end() {
    let (mut world, mut peer) = waits_for_the_peer(9);
    let (mut session, asked) = peer.accept_init(&mut world);
    let other: Selector = "10.1.200.0/24".parse().expect("a selector");
    let mut chain = peer.proof(&session);
    let mut child = peer.child_answer(&asked.payloads, SPI, ChildExchange::IkeAuth);
    child[2] = Payload::TsR(selectors(&[other]));
    chain.append(&mut child);
    let sent = world.nodes[1].sent.len();
    peer.respond(&mut world, &mut session, &asked.header, &chain);
    let node = &world.nodes[1];
    assert_eq!(node.sent.len(), sent, "it is left at that");
    node.failure("no-common-selectors");
    assert!(is_trapped(&world, 1));
    assert_eq!(node.kernel.broken, Vec::<String>::new());
}
