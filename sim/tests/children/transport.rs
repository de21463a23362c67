//! Transport mode: USE_TRANSPORT_MODE, RFC 7296 section 1.3.1, in both roles.

use super::*;

fn transport() -> Child {
    child("hosts", Mode::Transport, &[], &[])
}

fn tunnel() -> Child {
    child("lan", Mode::Tunnel, &["10.1.0.0/16"], &["10.2.0.0/16"])
}

fn asks_for_transport(chain: &mut Chain) {
    chain.insert(0, notify(NotifyType::USE_TRANSPORT_MODE, &[]));
}

#[test]
fn rfc7296_007_two_hosts_protect_what_they_say_to_each_other_and_forward_nothing() {
    for ends in [(HQ, BRANCH), (HQ_V6, BRANCH_V6)] {
        let mut world = gateways(1, ends.0, ends.1);
        let children = vec![transport()];
        world.configure(0, only(connection(&End::hq(), ends.0, ends.1, children)));
        assert_eq!(
            verdict(&world, 0, ends.0, ends.1),
            Some(PolicyAction::Block),
            "before there is an SA"
        );
        let children = vec![mirrored(&transport())];
        world.configure(
            1,
            only(connection(&End::branch(), ends.1, ends.0, children)),
        );
        world.run(Duration::from_secs(5));
        is_up(&mut world, 1);
        let hole = if ends.0 == HQ { 0 } else { 6 };
        for (at, (from, to)) in [(0, ends), (1, (ends.1, ends.0))] {
            let kernel = &world.nodes[at].kernel;
            assert!(kernel.sas.values().all(|sa| sa.mode == Mode::Transport));
            assert!(matches!(
                verdict(&world, at, from, to),
                Some(PolicyAction::Protect {
                    mode: Mode::Transport,
                    ..
                })
            ));
            assert_eq!(
                kernel.policies.len(),
                2 + hole,
                "in and out, nothing forwarded"
            );
        }
        ends_clean(world);
    }
}

#[test]
fn protocols_and_ports_narrow_what_two_hosts_protect() {
    let l2tp = child("l2tp", Mode::Transport, &["0.0.0.0/0[udp/1701]"], &[]);
    let mut world = agree(2, (HQ, BRANCH), vec![l2tp]);
    is_up(&mut world, 1);
    let kernel = &world.nodes[0].kernel;
    let sent = |port| kernel.verdict_of(Direction::Out, ip(HQ), ip(BRANCH), (17, port, 4000));
    assert!(matches!(sent(1701), Some(PolicyAction::Protect { .. })));
    assert_eq!(sent(1702), None);
    ends_clean(world);
}

#[test]
fn a_second_child_may_be_in_the_other_mode() {
    let mut world = agree(3, (HQ, BRANCH), vec![tunnel(), transport()]);
    is_up(&mut world, 2);
    assert!(matches!(
        verdict(&world, 1, "10.2.0.1", "10.1.0.1"),
        Some(PolicyAction::Protect {
            mode: Mode::Tunnel,
            ..
        })
    ));
    assert!(matches!(
        verdict(&world, 1, BRANCH, HQ),
        Some(PolicyAction::Protect {
            mode: Mode::Transport,
            ..
        })
    ));
    ends_clean(world);
}

#[test]
fn an_end_without_a_configured_address_is_the_address_it_speaks_from() {
    let mut world = gateways(4, HQ, BRANCH);
    let mut anybody = connection(&End::hq(), HQ, BRANCH, vec![transport()]);
    anybody.remote.address = None;
    anybody.local.address = None;
    // Ports of an address that is not known are not those of all addresses.
    let https = child(
        "https",
        Mode::Transport,
        &[],
        &["0.0.0.0/0[tcp/443]", "::/0[tcp/443]"],
    );
    anybody.children.push(Arc::new(https));
    world.configure(0, only(anybody));
    let policies = world.nodes[0].kernel.policies.len();
    assert_eq!(
        policies, 6,
        "neighbour discovery, and nothing else is known yet"
    );
    let mut branch = connection(&End::branch(), BRANCH, HQ, vec![mirrored(&transport())]);
    branch.local.address = None;
    world.configure(1, only(branch));
    world.run(Duration::from_secs(5));
    is_up(&mut world, 1);
    assert!(matches!(
        verdict(&world, 0, HQ, BRANCH),
        Some(PolicyAction::Protect { .. })
    ));
    ends_clean(world);
}

#[test]
fn a_selector_that_is_not_of_the_end_is_refused_by_both_roles() {
    let wrong = child("hosts", Mode::Transport, &["10.1.0.0/16"], &[]);
    // At the responder.
    let world = meet(5, (HQ, BRANCH), (vec![wrong], vec![mirrored(&transport())]));
    let told = world.nodes[0].failure("not-an-end");
    assert!(told.to_string().contains("10.1.0.0/16"), "{told}");
    assert!(
        told.suggestion()
            .is_some_and(|text| text.contains("`local`"))
    );
    world.nodes[1].failure("refused-by-peer");
    assert!(world.nodes.iter().all(|node| node.kernel.sas.is_empty()));
    // At the initiator.
    let wrong = child("hosts", Mode::Transport, &[], &["10.1.0.0/16"]);
    let world = meet(6, (HQ, BRANCH), (vec![transport()], vec![mirrored(&wrong)]));
    world.nodes[1].failure("not-an-end");
    assert!(world.nodes.iter().all(|node| node.kernel.sas.is_empty()));
}

#[test]
fn rfc7296_007_a_responder_in_tunnel_mode_declines_transport_mode_and_the_initiator_deletes_the_child()
 {
    let hosts = [&[HQ][..], &[BRANCH][..]];
    let at_hq = child("hosts", Mode::Tunnel, hosts[0], hosts[1]);
    let mut world = meet(7, (HQ, BRANCH), (vec![at_hq], vec![mirrored(&transport())]));
    let told = world.nodes[1].failure("transport-declined");
    assert!(told.suggestion().is_some());
    world.nodes[0].failure("deleted-by-peer");
    let now = world.now;
    for node in &mut world.nodes {
        node.assert_up(now, 0);
        assert_eq!(node.kernel.protecting(), 0);
        assert_eq!(node.kernel.broken, Vec::<String>::new());
    }
    ends_clean(world);
}

#[test]
fn a_responder_in_transport_mode_refuses_a_tunnel_in_both_exchanges() {
    let hosts = [&[HQ][..], &[BRANCH][..]];
    let at_branch = child("hosts", Mode::Tunnel, hosts[0], hosts[1]);
    // In IKE_AUTH.
    let world = meet(
        8,
        (HQ, BRANCH),
        (vec![transport()], vec![mirrored(&at_branch)]),
    );
    assert!(
        world.nodes[0]
            .failure("tunnel-refused")
            .suggestion()
            .is_some()
    );
    world.nodes[1].failure("refused-by-peer");
    assert!(world.nodes.iter().all(|node| node.kernel.sas.is_empty()));
    // In CREATE_CHILD_SA.
    let at_hq = vec![tunnel(), transport()];
    let at_branch = vec![mirrored(&tunnel()), mirrored(&at_branch)];
    let mut world = meet(9, (HQ, BRANCH), (at_hq, at_branch));
    world.nodes[0].failure("tunnel-refused");
    is_up(&mut world, 1);
    ends_clean(world);
}

#[test]
fn a_peer_that_asks_for_transport_mode_between_networks_gets_the_tunnel_that_is_configured() {
    let (mut world, mut peer) = answering(10, vec![tunnel()]);
    let (_, said) = ask(&mut world, &mut peer, asks_for_transport);
    assert_eq!(said.notifies(), []);
    assert_eq!(
        said_selectors(&said),
        [
            vec!["10.2.0.0/16".to_owned()],
            vec!["10.1.0.0/16".to_owned()]
        ]
    );
    let kernel = &world.nodes[0].kernel;
    assert!(kernel.sas.values().all(|sa| sa.mode == Mode::Tunnel));
    assert_eq!((kernel.protecting(), &kernel.broken), (3, &Vec::new()));
}

#[test]
fn networks_are_narrowed_to_the_two_hosts_or_refused() {
    let (mut world, mut peer) = answering(11, vec![transport()]);
    let (_, said) = ask(&mut world, &mut peer, |chain| {
        asks_for_transport(chain);
        with_selectors(chain, &["0.0.0.0/0", "::/0"], &["192.0.0.0/8"]);
    });
    assert_eq!(said.notifies(), [NotifyType::USE_TRANSPORT_MODE]);
    assert_eq!(
        said_selectors(&said),
        [vec![BRANCH.to_owned()], vec![HQ.to_owned()]]
    );
    assert_eq!(world.nodes[0].kernel.broken, Vec::<String>::new());

    for (tsi, tsr) in [
        ("10.2.0.0/16", HQ),
        (BRANCH, "10.1.0.0/16"),
        ("::/0", "::/0"),
    ] {
        let (mut world, mut peer) = answering(12, vec![transport()]);
        let (_, said) = ask(&mut world, &mut peer, |chain| {
            asks_for_transport(chain);
            with_selectors(chain, &[tsi], &[tsr]);
        });
        assert_eq!(said.notifies(), [NotifyType::TS_UNACCEPTABLE]);
        let told = world.nodes[0].failure("no-common-selectors");
        assert!(told.details().join(" ").contains("allowed"), "{told}");
        assert!(world.nodes[0].kernel.sas.is_empty());
    }
}

#[test]
fn a_mode_that_was_not_asked_for_is_deleted() {
    for (child, code) in [
        (transport(), "transport-declined"),
        (tunnel(), "transport-not-asked"),
    ] {
        let (mut world, mut peer) = beginning(13, &[child]);
        let said = grant(&mut world, &mut peer, |asked, chain| {
            let asks = asked.notifies().contains(&NotifyType::USE_TRANSPORT_MODE);
            if !asks {
                asks_for_transport(chain);
            }
        });
        let node = &world.nodes[1];
        node.failure(code);
        assert_eq!(deleted(&said).len(), 1, "the responder is told: {said:?}");
        assert!(node.kernel.sas.is_empty() && node.kernel.protecting() == 0);
    }
}

#[test]
fn whichever_step_the_kernel_refuses_nothing_of_it_is_left() {
    for node in 0..2 {
        for step in 0..4 {
            let mut world = gateways(14, HQ_V6, BRANCH_V6);
            let hq = connection(&End::hq(), HQ_V6, BRANCH_V6, vec![transport()]);
            world.configure(0, only(hq));
            let branch = mirrored(&transport());
            world.configure(
                1,
                only(connection(&End::branch(), BRANCH_V6, HQ_V6, vec![branch])),
            );
            let kernel = &mut world.nodes[node].kernel;
            kernel.refuse_step = Some(kernel.steps + step);
            world.run(Duration::from_millis(500));
            world.nodes[node].failure("kernel-refused");
            for end in &world.nodes {
                assert!(end.kernel.sas.is_empty(), "step {step} at node {node}");
                assert_eq!(end.kernel.protecting(), 0);
            }
            world.run(Duration::from_secs(10));
            is_up(&mut world, 1);
            ends_clean(world);
        }
    }
}
