//! IPv4 and IPv6, outside and inside, in each mixture.

use super::*;

const INSIDE_V4: (&str, &str) = ("10.1.0.0/16", "10.2.0.0/16");
const INSIDE_V6: (&str, &str) = ("2001:db8:1::/48", "2001:db8:2::/48");
/// Hosts within.
const HOSTS_V4: (&str, &str) = ("10.1.0.5", "10.2.0.9");
const HOSTS_V6: (&str, &str) = ("2001:db8:1::5", "2001:db8:2::9");

const DISCOVERY: [u16; 5] = [133, 134, 135, 136, 137];

fn lan(inside: &[(&str, &str)]) -> Child {
    let (local, remote): (Vec<_>, Vec<_>) = inside.iter().copied().unzip();
    child("lan", Mode::Tunnel, &local, &remote)
}

fn is_protected(world: &World, (at_hq, at_branch): (&str, &str)) -> bool {
    [(0, at_hq, at_branch), (1, at_branch, at_hq)]
        .iter()
        .all(|(node, from, to)| {
            matches!(
                verdict(world, *node, from, to),
                Some(PolicyAction::Protect { .. })
            )
        })
}

#[test]
fn each_family_goes_through_each() {
    for outside in [(HQ, BRANCH), (HQ_V6, BRANCH_V6)] {
        for (inside, hosts, policies) in [(INSIDE_V4, HOSTS_V4, 3), (INSIDE_V6, HOSTS_V6, 9)] {
            let mut world = agree(1, outside, vec![lan(&[inside])]);
            is_up(&mut world, 1);
            assert!(is_protected(&world, hosts), "{inside:?} in {outside:?}");
            assert_eq!(world.nodes[0].kernel.policies.len(), policies);
            ends_clean(world);
        }
    }
}

#[test]
fn one_child_carries_both_families() {
    for outside in [(HQ, BRANCH), (HQ_V6, BRANCH_V6)] {
        let mut world = agree(2, outside, vec![lan(&[INSIDE_V4, INSIDE_V6])]);
        is_up(&mut world, 1);
        assert!(is_protected(&world, HOSTS_V4) && is_protected(&world, HOSTS_V6));
        let mixed = verdict(&world, 0, HOSTS_V4.0, HOSTS_V6.1);
        assert_eq!(mixed, None, "no packet is of two families");
        ends_clean(world);
    }
}

#[test]
fn what_only_one_side_has_of_both_families_is_left_out() {
    let at_hq = lan(&[INSIDE_V4, INSIDE_V6]);
    for (at_branch, with, without) in [
        (lan(&[INSIDE_V4]), HOSTS_V4, HOSTS_V6),
        (lan(&[INSIDE_V6]), HOSTS_V6, HOSTS_V4),
    ] {
        let mut world = meet(
            3,
            (HQ, BRANCH),
            (
                vec![lan(&[INSIDE_V4, INSIDE_V6])],
                vec![mirrored(&at_branch)],
            ),
        );
        is_up(&mut world, 1);
        assert!(is_protected(&world, with));
        assert_eq!(
            verdict(&world, 0, without.0, without.1),
            Some(PolicyAction::Block)
        );
        ends_clean(world);
    }
    let (mut world, mut peer) = answering(4, vec![at_hq]);
    let (_, said) = ask(&mut world, &mut peer, |chain| {
        with_selectors(chain, &[INSIDE_V6.1], &[INSIDE_V4.0, INSIDE_V6.0]);
    });
    assert_eq!(
        said_selectors(&said),
        [vec![INSIDE_V6.1.to_owned()], vec![INSIDE_V6.0.to_owned()]]
    );
}

#[test]
fn selectors_of_two_families_that_no_packet_has_make_no_child() {
    let (mut world, mut peer) = answering(5, vec![lan(&[INSIDE_V4, INSIDE_V6])]);
    let (_, said) = ask(&mut world, &mut peer, |chain| {
        with_selectors(chain, &[INSIDE_V6.1], &[INSIDE_V4.0]);
    });
    assert_eq!(said.notifies(), [NotifyType::TS_UNACCEPTABLE]);
    world.nodes[0].failure("no-common-selectors");
    assert!(world.nodes[0].kernel.sas.is_empty());

    let (mut world, mut peer) = beginning(6, &[lan(&[INSIDE_V4, INSIDE_V6])]);
    let said = grant(&mut world, &mut peer, |_, chain| {
        with_selectors(chain, &[INSIDE_V6.1], &[INSIDE_V4.0]);
    });
    world.nodes[1].failure("selectors-not-proposed");
    assert_eq!(deleted(&said).len(), 1);
    assert!(world.nodes[1].kernel.sas.is_empty());
}

#[test]
fn neighbour_discovery_passes_whatever_protects_or_drops_ipv6() {
    let everything = child("all", Mode::Tunnel, &["::/0"], &["::/0"]);
    let hosts = child("hosts", Mode::Transport, &[], &[]);
    for child in [everything, hosts] {
        let mut world = gateways(7, HQ_V6, BRANCH_V6);
        let passes = |world: &World, node: usize, kind: u16| {
            let kernel = &world.nodes[node].kernel;
            let (own, peer) = (ip(HQ_V6), ip(BRANCH_V6));
            let packet = (58, kind, 0);
            [(Direction::Out, own, peer), (Direction::In, peer, own)]
                .map(|(direction, from, to)| kernel.verdict_of(direction, from, to, packet))
                == [Some(PolicyAction::Pass); 2]
        };
        world.configure(
            0,
            only(connection(&End::hq(), HQ_V6, BRANCH_V6, vec![child])),
        );
        assert!(DISCOVERY.iter().all(|kind| passes(&world, 0, *kind)));
        assert!(
            ![128, 129, 132, 138]
                .iter()
                .any(|kind| passes(&world, 0, *kind))
        );
        assert_eq!(
            verdict(&world, 0, HQ_V6, BRANCH_V6),
            Some(PolicyAction::Block)
        );
        // Nothing of IPv6 any more: the hole goes as well, after what it was for.
        let ipv4 = only(connection(&End::hq(), HQ, BRANCH, vec![lan(&[INSIDE_V4])]));
        world.configure(0, ipv4);
        assert_eq!(world.nodes[0].kernel.policies.len(), 3);
        assert_eq!(world.nodes[0].kernel.broken, Vec::<String>::new());
    }
}

#[test]
fn a_replay_window_of_none_means_short_sequence_numbers() {
    let without = |esp: &str| {
        let mut lan = lan(&[INSIDE_V4]);
        lan.replay_window = 0;
        lan.proposals = vec![esp.parse().expect("a proposal")];
        lan
    };
    for (at_hq, at_branch) in [
        (without("aes256gcm16"), lan(&[INSIDE_V4])),
        (lan(&[INSIDE_V4]), without("aes256gcm16")),
    ] {
        let mut world = meet(8, (HQ, BRANCH), (vec![at_hq], vec![mirrored(&at_branch)]));
        is_up(&mut world, 1);
        let sas = &world.nodes[0].kernel.sas;
        assert!(sas.values().all(|sa| !sa.suite.esn));
        ends_clean(world);
    }
    let impossible = vec![mirrored(&without("aes256gcm16-esn"))];
    let world = meet(9, (HQ, BRANCH), (vec![lan(&[INSIDE_V4])], impossible));
    let told = world.nodes[1].failure("esn-without-window");
    assert!(told.suggestion().is_some());
}
