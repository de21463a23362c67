//! Changing what is promised: by `up` and `down`, and by another configuration.

use super::*;

fn told(node: &Node) -> Vec<Unprotected> {
    let traffic = |event: &Event| match event {
        Event::WithoutSa { traffic, .. } => Some(*traffic),
        _ => None,
    };
    node.events.iter().filter_map(traffic).collect()
}

#[test]
fn a_child_that_is_taken_down_asks_for_nothing_until_it_is_up_again() {
    let mut world = gateways(60, [Keep::Passive, Keep::OnDemand]);
    assert!(matches!(world.command_and_wait(1, down()), Reply::Done));
    assert_eq!(verdict(&world.nodes[1], 1), Some(PolicyAction::Block));
    world.traffic.flows = vec![flow(1)];
    world.run(MINUTE);
    world.traffic.flows.clear();
    world.traffic.lost.clear();
    assert_eq!(world.nodes[1].count("acquire"), 0);
    // Up: at once, without a packet; and the trap stands behind it.
    assert!(matches!(world.command_and_wait(1, up()), Reply::Done));
    same_pair(&mut world);
    world.command(0, down());
    world.run(SECOND);
    assert!(is_trapped(&world, 1));
    assert_eq!(
        told(&world.nodes[1]),
        [Unprotected::Dropped, Unprotected::Asks]
    );
    all_is_well(&world);
}

#[test]
fn taken_down_while_a_packet_waits_it_does_not_come_up() {
    for pause in [1, 12, 25, 45, 80] {
        let mut world = gateways(61, [Keep::Passive, Keep::OnDemand]);
        world.traffic.flows = vec![flow(1)];
        world.run(Duration::from_millis(pause));
        world.traffic.flows.clear();
        assert_eq!(world.nodes[1].count("acquire"), 1);
        assert!(matches!(world.command_and_wait(1, down()), Reply::Done));
        world.run(2 * MINUTE);
        assert_eq!(world.nodes[1].kernel.sas.len(), 0, "after {pause} ms");
        assert_eq!(world.nodes[0].kernel.sas.len(), 0, "after {pause} ms");
        assert_eq!(verdict(&world.nodes[1], 1), Some(PolicyAction::Block));
        all_is_well(&world);
    }
}

#[test]
fn with_the_whole_connection_down_no_trap_is_left() {
    let mut world = gateways(62, [Keep::Passive, Keep::OnDemand]);
    let whole = |down: bool| {
        let (connection, child) = (name("tunnel"), None);
        match down {
            true => Command::Down { connection, child },
            false => Command::Up { connection, child },
        }
    };
    world.traffic.flows = vec![flow(1)];
    world.run(SECOND);
    world.traffic.flows.clear();
    world.command_and_wait(1, whole(true));
    assert_eq!(verdict(&world.nodes[1], 1), Some(PolicyAction::Block));
    let now = world.now;
    world.nodes[1].assert_clean(now, 3);
    assert!(matches!(
        world.command_and_wait(1, whole(false)),
        Reply::Done
    ));
    same_pair(&mut world);
    all_is_well(&world);
}

#[test]
fn other_promises_leave_a_child_sa_that_stands_alone() {
    let mut world = gateways(63, [Keep::Passive, Keep::Up]);
    world.run(SECOND);
    same_pair(&mut world);
    for keep in [Keep::OnDemand, Keep::Passive, Keep::OnDemand, Keep::Up] {
        world.configure(1, promising(&End::branch(), keep, None));
        world.run(SECOND);
        same_pair(&mut world);
        assert_eq!(world.nodes[1].count("child-down"), 0, "{keep:?}");
        assert_eq!(world.nodes[1].count("child-up"), 1, "{keep:?}");
    }
    all_is_well(&world);
}

#[test]
fn a_child_without_sa_follows_its_new_promise_at_once() {
    let mut world = gateways(64, [Keep::Passive, Keep::Passive]);
    assert_eq!(verdict(&world.nodes[1], 1), Some(PolicyAction::Block));
    world.configure(1, promising(&End::branch(), Keep::OnDemand, None));
    assert!(is_trapped(&world, 1));
    world.configure(1, promising(&End::branch(), Keep::Passive, None));
    assert_eq!(verdict(&world.nodes[1], 1), Some(PolicyAction::Block));
    assert_eq!(world.nodes[1].sent.len(), 0);
    world.configure(1, promising(&End::branch(), Keep::Up, None));
    world.run(SECOND);
    same_pair(&mut world);
    all_is_well(&world);
}

#[test]
fn a_trap_that_is_no_longer_configured_is_gone() {
    let mut world = gateways(65, [Keep::Passive, Keep::OnDemand]);
    world.traffic.flows = vec![flow(1)];
    world.run(Duration::from_millis(15));
    world.traffic.flows.clear();
    let waiting = world.nodes[1].kernel.waiting(world.now);
    world.configure(1, Configuration::default());
    for acquire in waiting {
        world.input(1, Input::KernelEvent(KernelEvent::Acquire(acquire)));
    }
    world.run(2 * MINUTE);
    let now = world.now;
    world.nodes[1].assert_clean(now, 0);
    assert_eq!(verdict(&world.nodes[1], 1), None);
}

#[test]
fn traffic_goes_in_clear_without_an_sa_only_where_the_policy_says_so() {
    let passing = |end: &End, keep| {
        changed(end, |child| Child {
            without_sa: WithoutSa::Pass,
            keep,
            ..copy(child)
        })
    };
    let mut world = two_gateways(66, Quality::default());
    world.configure(0, passing(&End::hq(), Keep::Passive));
    assert_eq!(verdict(&world.nodes[0], 0), Some(PolicyAction::Pass));
    world.configure(1, passing(&End::branch(), Keep::Up));
    world.run(SECOND);
    same_pair(&mut world);
    assert!(child_is_up(&world, 0) && child_is_up(&world, 1));
    world.command_and_wait(1, down());
    world.run(SECOND);
    assert_eq!(verdict(&world.nodes[1], 1), Some(PolicyAction::Pass));
    all_is_well(&world);
}
