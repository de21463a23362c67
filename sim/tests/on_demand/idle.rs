//! Child SAs that carry nothing are closed, and those that carry something are not.

use ike::engine::io::Question;

use super::*;

const IDLE: Duration = Duration::from_secs(600);

fn idle_world(seed: u64) -> World {
    let mut world = two_gateways(seed, Quality::default());
    world.configure(0, End::hq().configuration());
    world.configure(1, promising(&End::branch(), Keep::OnDemand, Some(IDLE)));
    world.traffic.flows = vec![flow(1)];
    world.run(SECOND);
    same_pair(&mut world);
    world
}

#[test]
fn an_idle_child_goes_back_to_its_trap_and_comes_again() {
    let mut world = idle_world(40);
    world.traffic.flows.clear();
    for round in 1..4 {
        let quiet_since = world.now;
        let closed = |world: &World| world.nodes[1].count("child-down") == round;
        assert!(world.run_until(2 * IDLE, closed));
        let after = world.now.saturating_sub(quiet_since);
        assert!(
            after >= IDLE - SECOND && after <= IDLE * 5 / 4 + SECOND,
            "{after:?}"
        );
        world.nodes[1].failure("idle");
        assert!(is_trapped(&world, 1));
        world.run(SECOND);
        world.assert_up(0);
        world.traffic.flows = vec![flow(1)];
        world.run(SECOND);
        world.traffic.flows.clear();
        same_pair(&mut world);
    }
    assert_eq!(world.nodes[1].count("acquire"), 4);
    assert_eq!(world.nodes[1].count("ike-sa-established"), 1);
    all_is_well(&world);
}

#[test]
fn traffic_in_either_direction_keeps_it() {
    for from in 0..2 {
        let mut world = idle_world(41);
        world.traffic.flows = vec![flow(from)];
        world.traffic.every = IDLE / 3;
        world.run(10 * IDLE);
        assert_eq!(world.nodes[1].count("child-down"), 0, "from {from}");
        all_is_well(&world);
    }
}

#[test]
fn the_kernel_is_asked_four_times_in_that_time_and_at_no_other() {
    let mut world = idle_world(42);
    world.traffic.every = MINUTE;
    world.nodes[1].hold_answers = true;
    world.run(IDLE / 4 + SECOND);
    // About both SAs: whether the peer is there is asked of the inbound one.
    let asked = |world: &World| {
        let questions = world.nodes[1].questions.iter();
        let looks =
            questions.filter(|(_, it)| matches!(it, Question::SaUse(sas) if sas.len() == 2));
        looks.count()
    };
    assert_eq!(asked(&world), 1);
    // One that does not answer is asked again after a while, and a late answer does no harm.
    world.run(Duration::from_secs(35));
    assert_eq!(asked(&world), 2);
    world.release(1);
    assert_eq!(world.nodes[1].count("child-down"), 0);
    world.traffic.flows.clear();
    world.run(SECOND);
    let before = world.steps;
    world.run(IDLE / 8);
    // Both ask for a sign of life twice or thrice: a timer, a request, an answer.
    assert!(world.steps - before <= 2 * 3 * 3 + 1);
}

#[test]
fn a_rekeying_is_no_traffic() {
    let mut world = idle_world(43);
    world.traffic.flows.clear();
    world.run(IDLE / 2);
    let rekey = lan(|connection, child| Command::Rekey { connection, child });
    assert!(matches!(world.command_and_wait(1, rekey), Reply::Done));
    world.run(IDLE * 3 / 4 + MINUTE);
    assert_eq!(world.nodes[1].count("child-down"), 1);
    world.nodes[1].failure("idle");
}

#[test]
fn a_passive_child_that_is_idle_is_closed_and_waits_for_the_peer() {
    let mut world = two_gateways(44, Quality::default());
    world.configure(0, promising(&End::hq(), Keep::Passive, Some(IDLE)));
    world.configure(1, promising(&End::branch(), Keep::OnDemand, None));
    world.command(1, up());
    world.run(2 * IDLE);
    world.assert_up(0);
    assert_eq!(verdict(&world.nodes[0], 0), Some(PolicyAction::Block));
    assert!(is_trapped(&world, 1), "deleted by the peer, it waits again");
    let failures = &world.nodes[1].list(world.now).connections[0].child_failures;
    assert!(failures.is_empty(), "{failures:?}");
    world.traffic.flows = vec![flow(1)];
    world.run(2 * SECOND);
    same_pair(&mut world);
    all_is_well(&world);
}
