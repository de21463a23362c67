//! A kernel that refuses, or takes its time.

use super::*;

#[test]
fn whichever_step_the_kernel_refuses_the_peer_is_told_and_the_tunnel_comes_back() {
    for node in 0..2 {
        for step in 0..5 {
            let mut world = meet(13, End::hq().configuration(), End::branch().configuration());
            let kernel = &mut world.nodes[node].kernel;
            kernel.refuse_step = Some(kernel.steps + step);
            world.run(Duration::from_millis(500));
            world.nodes[node].failure("kernel-refused");
            let now = world.now;
            for end in &mut world.nodes {
                end.assert_up(now, 0);
                assert_eq!((end.kernel.policies.len(), end.kernel.protecting()), (3, 0));
            }
            if node == 0 {
                let notify = NotifyType::TEMPORARY_FAILURE;
                let refused = &world.nodes[1].failure("refused-by-peer").cause;
                assert_eq!(*refused, Cause::Refused { notify });
            } else {
                world.nodes[0].failure("deleted-by-peer");
            }
            world.run(Duration::from_secs(10));
            world.assert_up(1);
            ends_clean(world);
        }
    }
}

#[test]
fn a_block_policy_that_the_kernel_refuses_is_reported_and_stops_nothing_else() {
    for step in 0..3 {
        let mut world = two_gateways(14, Quality::default());
        world.nodes[1].kernel.refuse_step = Some(step);
        world.configure(0, End::hq().configuration());
        world.configure(1, End::branch().configuration());
        world.run(Duration::from_secs(5));
        assert_eq!(world.nodes[1].count("policy-failed"), 1);
        world.assert_up(1);
    }
}

#[test]
fn a_kernel_that_takes_its_time_delays_the_answer_and_nothing_is_done_twice() {
    for node in 0..2 {
        let mut world = kernel_holds(15, node);
        // The peer retransmits meanwhile.
        world.run(Duration::from_secs(8));
        assert_eq!(world.nodes[node].kernel_requests.len(), 1);
        world.release(node);
        world.run(Duration::from_secs(1));
        world.assert_up(1);
        ends_clean(world);
    }
}

#[test]
fn taken_down_while_the_kernel_is_busy_both_sides_end_clean() {
    for node in 0..2 {
        for downed in 0..2 {
            let mut world = kernel_holds(16, node);
            let id = world.command(downed, down());
            world.run(Duration::from_secs(3));
            world.release(node);
            world.run(Duration::from_secs(30));
            assert!(matches!(world.nodes[downed].replies[&id], Reply::Done));
            if downed == 1 {
                let now = world.now;
                world
                    .nodes
                    .iter_mut()
                    .for_each(|node| node.assert_clean(now, 3));
            }
            ends_clean(world);
        }
    }
}

#[test]
fn a_child_taken_down_while_the_kernel_is_busy_is_not_promised_to_the_peer() {
    for node in 0..2 {
        let mut world = kernel_holds(17, node);
        let child = Some(name("lan"));
        let connection = name("tunnel");
        let id = world.command(node, Command::Down { connection, child });
        world.run(Duration::from_secs(1));
        world.release(node);
        world.run(Duration::from_millis(300));
        assert!(matches!(world.nodes[node].replies[&id], Reply::Done));
        world.assert_up(0);
    }
}

#[test]
fn the_peers_delete_while_the_kernel_is_busy_leaves_nothing() {
    // The responder has installed and answered; the initiator's kernel is slow, and the responder is taken down.
    let mut world = kernel_holds(18, 1);
    world.command(0, down());
    world.run(Duration::from_millis(200));
    world.release(1);
    world.run(Duration::from_millis(200));
    let now = world.now;
    world
        .nodes
        .iter_mut()
        .for_each(|node| node.assert_clean(now, 3));
}

#[test]
fn shutdown_while_the_kernel_is_busy_leaves_an_empty_kernel() {
    for node in 0..2 {
        let mut world = kernel_holds(19, node);
        let id = world.command(node, Command::Shutdown);
        world.run(Duration::from_secs(1));
        world.release(node);
        world.run(Duration::from_secs(10));
        assert!(matches!(world.nodes[node].replies[&id], Reply::Done));
        let now = world.now;
        world.nodes[node].assert_clean(now, 0);
        assert_eq!(world.nodes[1 - node].kernel.sas.len(), 0);
    }
}

#[test]
fn a_kernel_that_refuses_late_after_the_child_was_given_up_changes_nothing() {
    for node in 0..2 {
        let mut world = kernel_holds(20, node);
        let kernel = &mut world.nodes[node].kernel;
        kernel.refuse_step = Some(kernel.steps + 3);
        world.command(node, down());
        world.run(Duration::from_secs(3));
        world.release(node);
        world.run(Duration::from_secs(30));
        let now = world.now;
        world.nodes[node].assert_clean(now, 3);
    }
}
