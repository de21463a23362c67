//! Policies: which of several decides about a packet, and what comes of it where one is replaced or goes.

use std::net::Ipv6Addr;

use ike::config::selector::KernelSelector;
use ike::engine::io::{Direction, KernelAction, PolicyAction, PolicyInstall, SelectorPair};

use super::setting::{
    FAR, FAR_2, FAR_V6, NEAR, NEAR_V6, NEIGHBOUR, NEIGHBOUR_SOLICITATION, OUT_1, REQID, USUAL,
    adds, asks, comes_in_clear, coming, far, going, index, near, network, outbound, policy,
    policy_for, protect, protect_in, removes, scenario, sends, sets, to,
};
use super::{DATA, Parcel, Received, Scenario, Sent, Step, all_or_nothing};

const OUT: Direction = Direction::Out;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = decisions();
    all.extend(replacements());
    all.extend(selectors());
    all.push(scenario(
        "what_comes_in_clear_is_let_in_as_the_policy_says",
        vec![
            comes_in_clear(Received::Accepted),
            sets(inbound(PolicyAction::Block)),
            comes_in_clear(Received::Blocked),
            sets(inbound(PolicyAction::Pass)),
            comes_in_clear(Received::Accepted),
            sets(inbound(protect_in(Direction::In, REQID))),
            comes_in_clear(Received::WrongSa),
        ],
    ));
    all
}

fn inbound(action: PolicyAction) -> PolicyInstall {
    policy_for(0, Direction::In, coming(), USUAL, action)
}

/// A policy for what goes to this host alone.
fn to_host(n: u32, priority: u32, action: PolicyAction) -> PolicyInstall {
    let selector = SelectorPair {
        source: near(),
        destination: network(FAR, 32),
    };
    policy_for(n, OUT, selector, priority, action)
}

fn decisions() -> Vec<Scenario> {
    vec![
        scenario(
            "without_a_policy_packets_go_in_clear",
            vec![
                sends(Sent::Clear),
                sets(policy(0, USUAL, PolicyAction::Block)),
                sends(Sent::Blocked),
                Step::Sends(to(FAR_2), Sent::Clear),
            ],
        ),
        scenario(
            "the_lowest_priority_number_is_looked_at_first",
            vec![
                adds(outbound(OUT_1)),
                sets(policy(0, 30, PolicyAction::Block)),
                sends(Sent::Blocked),
                sets(to_host(1, 20, protect(REQID))),
                sends(Sent::By(OUT_1)),
                sets(policy_for(
                    2,
                    OUT,
                    SelectorPair {
                        source: network(NEAR, 32),
                        destination: far(),
                    },
                    10,
                    PolicyAction::Pass,
                )),
                sends(Sent::Clear),
                removes(2),
                sends(Sent::By(OUT_1)),
                removes(1),
                sends(Sent::Blocked),
            ],
        ),
        scenario(
            "a_narrower_selector_does_not_win_by_being_narrow",
            vec![
                sets(policy_for(
                    0,
                    OUT,
                    SelectorPair {
                        source: network(NEAR, 32),
                        destination: network(FAR, 32),
                    },
                    30,
                    PolicyAction::Pass,
                )),
                sends(Sent::Clear),
                sets(policy(1, 20, PolicyAction::Block)),
                sends(Sent::Blocked),
            ],
        ),
        scenario(
            "of_two_policies_of_the_same_priority_the_older_decides",
            vec![
                sets(to_host(0, USUAL, PolicyAction::Block)),
                sets(policy(1, USUAL, PolicyAction::Pass)),
                sends(Sent::Blocked),
                removes(0),
                sends(Sent::Clear),
                sets(to_host(0, USUAL, PolicyAction::Block)),
                sends(Sent::Clear),
            ],
        ),
    ]
}

fn replacements() -> Vec<Scenario> {
    let host_to_host = |n, action| {
        let selector = SelectorPair {
            source: network(NEAR, 32),
            destination: network(FAR, 32),
        };
        policy_for(n, OUT, selector, USUAL, action)
    };
    vec![
        scenario(
            "what_replaces_a_policy_keeps_its_place_among_equals",
            vec![
                sets(to_host(0, USUAL, PolicyAction::Block)),
                sets(policy(1, USUAL, PolicyAction::Pass)),
                sends(Sent::Blocked),
                sets(to_host(0, USUAL, PolicyAction::Block)),
                sends(Sent::Blocked),
            ],
        ),
        scenario(
            "of_equals_the_older_decides_if_it_is_for_two_hosts",
            vec![
                sets(host_to_host(0, PolicyAction::Block)),
                sets(policy(1, USUAL, PolicyAction::Pass)),
                sends(Sent::Blocked),
            ],
        ),
        scenario(
            "of_equals_the_older_decides_though_the_other_is_for_two_hosts",
            vec![
                sets(policy(1, USUAL, PolicyAction::Pass)),
                sets(host_to_host(0, PolicyAction::Block)),
                sends(Sent::Clear),
            ],
        ),
        scenario(
            "an_equal_selector_is_replaced",
            vec![
                sets(policy(0, 10, PolicyAction::Pass)),
                sends(Sent::Clear),
                sets(policy(0, 30, PolicyAction::Block)),
                sends(Sent::Blocked),
                sets(policy(0, 10, protect(REQID))),
                sends(Sent::NoSa),
                Step::Hears(vec![asks(REQID)]),
                Step::Holds(vec![], vec![index(0, OUT)]),
                removes(0),
                sends(Sent::Clear),
            ],
        ),
        scenario(
            "what_replaces_a_policy_keeps_its_index",
            vec![
                sets(policy(0, 10, PolicyAction::Pass)),
                sets(policy(1, 10, PolicyAction::Block)),
                Step::Holds(vec![], vec![index(0, OUT)]),
                sends(Sent::Blocked),
                removes(1),
                Step::Holds(vec![], vec![]),
                sends(Sent::Clear),
            ],
        ),
        scenario(
            "an_index_names_what_has_replaced_its_policy",
            vec![
                sets(policy(0, 10, PolicyAction::Pass)),
                sets(policy(1, 10, PolicyAction::Block)),
                removes(0),
                Step::Holds(vec![], vec![]),
                sends(Sent::Clear),
                removes(1),
            ],
        ),
        scenario(
            "the_same_selector_in_another_direction_is_another_policy",
            vec![
                sets(policy(0, USUAL, PolicyAction::Block)),
                sets(policy_for(
                    0,
                    Direction::In,
                    going(),
                    USUAL,
                    PolicyAction::Pass,
                )),
                sends(Sent::Blocked),
                Step::Holds(vec![], vec![index(0, OUT), index(0, Direction::In)]),
            ],
        ),
        scenario(
            "deleting_a_policy_that_is_not_there_is_no_failure",
            vec![
                removes(0),
                sets(policy(0, USUAL, PolicyAction::Block)),
                removes(0),
                removes(0),
                sends(Sent::Clear),
            ],
        ),
        scenario(
            "the_policy_over_a_block_goes_and_nothing_leaves_in_clear",
            vec![
                sets(policy(0, 20, PolicyAction::Block)),
                adds(outbound(OUT_1)),
                sets(to_host(1, 10, protect(REQID))),
                sends(Sent::By(OUT_1)),
                Step::Does(all_or_nothing(vec![
                    KernelAction::DeletePolicy {
                        index: index(1, OUT),
                        direction: OUT,
                    },
                    KernelAction::DeleteSa(OUT_1),
                ])),
                sends(Sent::Blocked),
            ],
        ),
    ]
}

fn selectors() -> Vec<Scenario> {
    let udp = |end: KernelSelector, port| KernelSelector {
        protocol: DATA.0,
        port,
        port_mask: if port > 0 { u16::MAX } else { 0 },
        ..end
    };
    let any_v6 = network(Ipv6Addr::UNSPECIFIED.into(), 0);
    let v6 = |n, end: KernelSelector, other: KernelSelector, priority, action| {
        let selector = SelectorPair {
            source: end,
            destination: other,
        };
        policy_for(n, OUT, selector, priority, action)
    };
    let solicit = |sent| {
        Step::Sends(
            Parcel {
                source: NEAR_V6,
                destination: NEIGHBOUR,
                carries: NEIGHBOUR_SOLICITATION,
            },
            sent,
        )
    };
    let icmp_type = |kind| KernelSelector {
        protocol: NEIGHBOUR_SOLICITATION.0,
        port: kind,
        port_mask: u16::MAX,
        ..any_v6
    };
    vec![
        scenario("a_policy_for_a_port_leaves_other_ports", {
            let selector = SelectorPair {
                source: udp(near(), 0),
                destination: udp(far(), DATA.2),
            };
            let port = |port| Parcel {
                carries: (DATA.0, DATA.1, port),
                ..to(FAR)
            };
            vec![
                sets(policy_for(0, OUT, selector, USUAL, PolicyAction::Block)),
                Step::Sends(port(DATA.2), Sent::Blocked),
                Step::Sends(port(DATA.2 + 1), Sent::Clear),
            ]
        }),
        scenario("what_comes_in_to_a_port_is_that_ports_policys", {
            let selector = SelectorPair {
                source: udp(far(), DATA.1),
                destination: udp(near(), DATA.2),
            };
            let other = SelectorPair {
                source: udp(far(), DATA.1),
                destination: udp(near(), DATA.2 + 1),
            };
            let sets_in =
                |n, selector, action| sets(policy_for(n, Direction::In, selector, USUAL, action));
            vec![
                sets_in(0, other, PolicyAction::Block),
                comes_in_clear(Received::Accepted),
                sets_in(1, selector, PolicyAction::Block),
                comes_in_clear(Received::Blocked),
            ]
        }),
        scenario(
            "neighbour_discovery_needs_its_hole",
            vec![
                solicit(Sent::Clear),
                sets(v6(0, any_v6, any_v6, 30, PolicyAction::Block)),
                solicit(Sent::Blocked),
                sets(v6(
                    1,
                    icmp_type(NEIGHBOUR_SOLICITATION.1),
                    KernelSelector {
                        protocol: NEIGHBOUR_SOLICITATION.0,
                        ..any_v6
                    },
                    10,
                    PolicyAction::Pass,
                )),
                solicit(Sent::Clear),
                Step::Sends(
                    Parcel {
                        source: NEAR_V6,
                        destination: FAR_V6,
                        carries: DATA,
                    },
                    Sent::Blocked,
                ),
            ],
        ),
        scenario(
            "a_selector_of_two_families_is_refused",
            vec![Step::IsRefused(
                all_or_nothing(vec![KernelAction::SetPolicy(Box::new(policy_for(
                    0,
                    OUT,
                    SelectorPair {
                        source: near(),
                        destination: network(FAR_V6, 128),
                    },
                    USUAL,
                    PolicyAction::Block,
                )))]),
                "XFRM",
                "invalid",
            )],
        ),
    ]
}
