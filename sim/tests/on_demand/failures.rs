//! What becomes of a packet's wish where it cannot be fulfilled: no storm, no traffic in clear, and another try later.

use super::*;

/// A minute is 30 s twice: the kernel asks no more often than its placeholder lives.
fn acquires_within(minutes: u64) -> std::ops::RangeInclusive<usize> {
    let most = usize::try_from(2 * minutes + 1).expect("few");
    1..=most
}

#[test]
fn a_peer_that_refuses_is_asked_now_and_then_while_packets_come() {
    let mut world = two_gateways(20, Quality::default());
    let mut hq = End::hq();
    hq.children = vec![("lan", "10.77.0.0/16", "10.2.0.0/16")];
    world.configure(0, hq.configuration());
    world.configure(1, promising(&End::branch(), Keep::OnDemand, None));
    world.traffic.flows = vec![flow(1)];
    world.run(10 * MINUTE);
    let branch = &world.nodes[1];
    let refused = branch.count("child-failed");
    assert!(acquires_within(10).contains(&refused), "{refused}");
    let told = branch.count("acquire");
    assert!(told == refused || told == refused + 1, "the last may wait");
    assert_eq!(branch.count("initiating"), 1, "the IKE SA stands");
    branch.failure("refused-by-peer");
    assert!(is_trapped(&world, 1));

    // The other side is put right: the next packet that asks gets through.
    world.configure(0, End::hq().configuration());
    world.run(2 * MINUTE);
    same_pair(&mut world);
    all_is_well(&world);
}

#[test]
fn a_silent_peer_is_asked_once_for_however_many_packets() {
    let mut world = two_gateways(21, Quality::default());
    world.configure(0, End::hq().configuration());
    world.configure(1, promising(&End::branch(), Keep::OnDemand, None));
    world.meddler = Some(Box::new(|_, _| Fate::Drop));
    world.traffic.flows = vec![flow(1)];
    world.run(Duration::from_secs(55));
    let branch = &world.nodes[1];
    assert_eq!(branch.count("initiating"), 1);
    assert_eq!(branch.count("acquire"), 1, "the second was no news");
    world.run(10 * MINUTE);
    let attempts = world.nodes[1].count("initiating");
    assert!((2..=12).contains(&attempts), "{attempts}");
    world.nodes[1].failure("no-response");
    assert!(world.nodes[1].engine().ike_sa_count() <= 1);

    world.traffic.flows.clear();
    world.run(2 * MINUTE);
    let attempts = world.nodes[1].count("initiating");
    world.run(10 * MINUTE);
    assert_eq!(world.nodes[1].count("initiating"), attempts, "nobody asks");

    world.meddler = None;
    world.traffic.flows = vec![flow(1)];
    world.run(2 * MINUTE);
    same_pair(&mut world);
    all_is_well(&world);
}

#[test]
fn a_kernel_that_refuses_the_sa_leaves_the_trap_and_is_asked_again() {
    for node in 0..2 {
        for step in 0..5 {
            let mut world = gateways(22, [Keep::Passive, Keep::OnDemand]);
            let kernel = &mut world.nodes[node].kernel;
            kernel.refuse_step = Some(kernel.steps + step);
            world.traffic.flows = vec![flow(1)];
            world.run(Duration::from_millis(500));
            world.nodes[node].failure("kernel-refused");
            assert!(is_trapped(&world, 1), "node {node}, step {step}");
            world.run(2 * MINUTE);
            same_pair(&mut world);
            all_is_well(&world);
        }
    }
}

#[test]
fn a_peer_that_has_vanished_is_looked_for_again_when_a_packet_comes() {
    let mut world = gateways(23, [Keep::Passive, Keep::OnDemand]);
    world.traffic.flows = vec![flow(1)];
    world.run(SECOND);
    world.traffic.flows.clear();
    world.meddler = Some(Box::new(|_, _| Fate::Drop));
    world.run(5 * MINUTE);
    assert!(is_trapped(&world, 1));
    assert_eq!(world.nodes[1].count("initiating"), 1, "nobody needs it");
    world.meddler = None;
    world.traffic.flows = vec![flow(1)];
    world.run(2 * MINUTE);
    same_pair(&mut world);
    all_is_well(&world);
}

#[test]
fn a_packet_that_waits_is_not_forgotten_with_the_ike_sa_that_is_lost() {
    let mut world = two_gateways(24, Quality::default());
    let idle = Some(MINUTE);
    world.configure(0, End::hq().configuration());
    world.configure(1, promising(&End::branch(), Keep::OnDemand, idle));
    world.command(1, up());
    world.run(3 * MINUTE);
    world.assert_up(0);
    // Headquarters has restarted: it answers nothing under the old IKE SA.
    let hq = world.nodes[0].address;
    let seed = 240;
    let mut fresh = Node::new("hq", hq, seed);
    fresh.secrets = world.nodes[0].secrets.clone();
    world.nodes[0] = fresh;
    world.configure(0, End::hq().configuration());
    world.traffic.flows = vec![flow(1)];
    world.run(SECOND);
    world.traffic.flows.clear();
    world.run(2 * MINUTE);
    assert_eq!(world.nodes[1].count("initiating"), 2);
    all_is_well(&world);
}
