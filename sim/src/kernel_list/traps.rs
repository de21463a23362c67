//! Traps: what a packet without an SA asks for, how often, and what ends that.

use std::net::{IpAddr, Ipv4Addr};

use ike::config::Mode;
use ike::engine::io::{Direction, PolicyAction, SaInstall, SaReference, SelectorPair};

use super::setting::{
    ELSEWHERE, FAR, FAR_2, FAR_3, FAR_V6, HERE, IN_1, NEAR, NEAR_2, NEAR_V6, OUT_1, OUT_2, REQID,
    REQID_2, REQID_3, THERE, USUAL, add, adds, asks, comes_by, comes_in_clear, coming, deletes,
    hears_nothing, inbound, index, network, outbound, policy, policy_for, protect, protect_in,
    removes, scenario, sends, sets, to, trap,
};
use super::{DATA, Heard, Parcel, Received, Scenario, Sent, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = questions();
    all.extend(answers());
    all
}

/// The trap is set, a packet meets it and asks.
fn asked() -> Vec<Step> {
    vec![
        sets(policy(0, USUAL, trap(REQID_2))),
        sends(Sent::NoSa),
        Step::Hears(vec![asks(REQID_2)]),
    ]
}

/// The trap is asked whether the first packet's larval SA is still there: who asks anew finds none.
fn asks_anew() -> Vec<Step> {
    vec![
        sets(policy(0, USUAL, trap(REQID_2))),
        sends(Sent::NoSa),
        Step::Hears(vec![asks(REQID_2)]),
    ]
}

fn does_not_ask() -> Vec<Step> {
    vec![
        sets(policy(0, USUAL, trap(REQID_2))),
        sends(Sent::NoSa),
        hears_nothing(),
    ]
}

/// The SA that answers stands, and the trap has given way to it.
fn protected() -> Vec<Step> {
    vec![
        sets(policy(0, USUAL, protect(REQID))),
        sends(Sent::By(OUT_1)),
    ]
}

fn questions() -> Vec<Scenario> {
    let another = Heard::Acquire {
        reqid: REQID_3,
        source: NEAR,
        destination: FAR_2,
    };
    let to_far_2 = SelectorPair {
        source: network(NEAR, 32),
        destination: network(FAR_2, 32),
    };
    vec![
        scenario("a_trap_asks_once", {
            let mut steps = asked();
            steps.extend([
                sends(Sent::NoSa),
                Step::Sends(to(FAR_3), Sent::NoSa),
                hears_nothing(),
                Step::Holds(vec![], vec![index(0, Direction::Out)]),
            ]);
            steps
        }),
        scenario("after_a_larval_life_the_next_packet_asks_again", {
            let mut steps = asked();
            steps.extend([
                Step::LarvalLifeEnds,
                hears_nothing(),
                sends(Sent::NoSa),
                Step::Hears(vec![asks(REQID_2)]),
            ]);
            steps
        }),
        scenario("two_traps_ask_for_themselves", {
            let mut steps = asked();
            steps.extend([
                sets(policy_for(
                    1,
                    Direction::Out,
                    to_far_2,
                    USUAL,
                    trap(REQID_3),
                )),
                Step::Sends(to(FAR_2), Sent::NoSa),
                Step::Hears(vec![another]),
            ]);
            steps
        }),
        scenario("a_trap_that_is_gone_asks_nothing", {
            let mut steps = asked();
            steps.extend([removes(0), sends(Sent::Clear), hears_nothing()]);
            steps
        }),
        scenario("what_is_forwarded_to_a_trap_asks_too", {
            let parcel = Parcel {
                source: NEAR_2,
                ..to(FAR)
            };
            let asks = Heard::Acquire {
                reqid: REQID_2,
                source: NEAR_2,
                destination: FAR,
            };
            vec![
                sets(policy(0, USUAL, trap(REQID_2))),
                Step::Sends(parcel, Sent::NoSa),
                Step::Sends(parcel, Sent::NoSa),
                Step::Hears(vec![asks]),
                Step::Answers(Box::new(outbound(OUT_1))),
                sets(policy(0, USUAL, protect(REQID))),
                Step::Sends(parcel, Sent::By(OUT_1)),
            ]
        }),
        scenario("a_trap_for_packets_of_the_other_family_asks_too", {
            let selector = SelectorPair {
                source: network(NEAR_V6, 128),
                destination: network(FAR_V6, 128),
            };
            let parcel = Parcel {
                source: NEAR_V6,
                destination: FAR_V6,
                carries: DATA,
            };
            let asks = Heard::Acquire {
                reqid: REQID_2,
                source: NEAR_V6,
                destination: FAR_V6,
            };
            let sets = |action| sets(policy_for(0, Direction::Out, selector, USUAL, action));
            vec![
                sets(trap(REQID_2)),
                Step::Sends(parcel, Sent::NoSa),
                Step::Hears(vec![asks]),
                Step::Answers(Box::new(outbound(OUT_1))),
                sets(protect(REQID)),
                Step::Sends(parcel, Sent::By(OUT_1)),
                sets(trap(REQID_2)),
                Step::Sends(parcel, Sent::NoSa),
                Step::Hears(vec![asks]),
            ]
        }),
        scenario("in_transport_mode_a_trap_asks_too", {
            let selector = SelectorPair {
                source: network(HERE, 32),
                destination: network(THERE, 32),
            };
            let parcel = Parcel {
                source: HERE,
                destination: THERE,
                carries: DATA,
            };
            let asks = Heard::Acquire {
                reqid: REQID_2,
                source: HERE,
                destination: THERE,
            };
            let action = PolicyAction::Trap {
                mode: Mode::Transport,
                source: HERE,
                destination: THERE,
                reqid: REQID_2,
            };
            vec![
                sets(policy_for(0, Direction::Out, selector, USUAL, action)),
                Step::Sends(parcel, Sent::NoSa),
                Step::Sends(parcel, Sent::NoSa),
                Step::Hears(vec![asks]),
                adds(SaInstall {
                    mode: Mode::Transport,
                    reqid: REQID_2,
                    ..outbound(OUT_1)
                }),
                Step::Sends(parcel, Sent::By(OUT_1)),
                deletes(OUT_1),
                Step::Sends(parcel, Sent::NoSa),
                Step::Hears(vec![asks]),
            ]
        }),
        scenario("a_trap_whose_source_is_the_routes_asks_too", {
            let action = PolicyAction::Trap {
                mode: Mode::Tunnel,
                source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                destination: THERE,
                reqid: REQID_2,
            };
            vec![
                sets(policy(0, USUAL, action)),
                sends(Sent::NoSa),
                sends(Sent::NoSa),
                Step::Hears(vec![asks(REQID_2)]),
                adds(SaInstall {
                    reqid: REQID_2,
                    ..outbound(OUT_1)
                }),
                sends(Sent::By(OUT_1)),
                deletes(OUT_1),
                sends(Sent::NoSa),
                Step::Hears(vec![asks(REQID_2)]),
            ]
        }),
        scenario(
            "a_policy_that_protects_asks_too_where_its_sa_is_not_there",
            vec![
                sets(policy(0, USUAL, protect(REQID))),
                sends(Sent::NoSa),
                sends(Sent::NoSa),
                Step::Hears(vec![asks(REQID)]),
                adds(outbound(OUT_1)),
                sends(Sent::By(OUT_1)),
                deletes(OUT_1),
                sends(Sent::NoSa),
                Step::Hears(vec![asks(REQID)]),
            ],
        ),
        scenario(
            "a_trap_lets_nothing_in",
            vec![
                sets(policy(0, USUAL, trap(REQID_2))),
                sets(policy_for(
                    0,
                    Direction::In,
                    coming(),
                    USUAL,
                    PolicyAction::Block,
                )),
                comes_in_clear(Received::Blocked),
                adds(inbound(IN_1)),
                comes_by(&inbound(IN_1), Received::Blocked),
                sets(policy_for(
                    0,
                    Direction::In,
                    coming(),
                    USUAL,
                    protect_in(Direction::In, REQID_2),
                )),
                comes_in_clear(Received::WrongSa),
                comes_by(&inbound(IN_1), Received::WrongSa),
            ],
        ),
    ]
}

fn answers() -> Vec<Scenario> {
    let after = |adds: Step, then: Vec<Step>| {
        let mut steps = asked();
        steps.push(adds);
        steps.extend(then);
        steps
    };
    let and = |one: Vec<Step>, two: Vec<Step>| one.into_iter().chain(two).collect::<Vec<_>>();
    let answers = |sa| Step::Answers(Box::new(sa));
    let of_the_trap = |sa| SaInstall {
        reqid: REQID_2,
        ..sa
    };
    vec![
        scenario(
            "an_sa_that_names_the_acquire_ends_its_larval_life",
            after(answers(outbound(OUT_1)), and(protected(), asks_anew())),
        ),
        scenario(
            "an_sa_that_names_nothing_leaves_the_larval_one",
            after(adds(outbound(OUT_1)), and(protected(), does_not_ask())),
        ),
        scenario(
            "an_sa_with_the_traps_own_reqid_ends_its_larval_life",
            after(
                adds(of_the_trap(outbound(OUT_1))),
                vec![
                    sends(Sent::By(OUT_1)),
                    deletes(OUT_1),
                    sends(Sent::NoSa),
                    Step::Hears(vec![asks(REQID_2)]),
                ],
            ),
        ),
        scenario(
            "an_sa_with_the_traps_own_reqid_to_another_peer_leaves_the_larval_one",
            after(
                adds(of_the_trap(outbound(SaReference {
                    destination: ELSEWHERE,
                    ..OUT_1
                }))),
                does_not_ask(),
            ),
        ),
        scenario(
            "an_sa_to_another_peer_leaves_the_larval_one_though_it_names_the_acquire",
            after(
                answers(outbound(SaReference {
                    destination: ELSEWHERE,
                    ..OUT_1
                })),
                does_not_ask(),
            ),
        ),
        scenario(
            "an_inbound_sa_leaves_the_larval_one",
            after(adds(of_the_trap(inbound(IN_1))), does_not_ask()),
        ),
        scenario(
            "an_sa_that_is_refused_leaves_the_larval_one",
            vec![
                adds(outbound(OUT_1)),
                sets(policy(0, USUAL, trap(REQID_2))),
                sends(Sent::NoSa),
                Step::Hears(vec![asks(REQID_2)]),
                Step::IsRefused(add(outbound(OUT_1)), "XFRM_MSG_NEWSA", "EEXIST"),
                sends(Sent::NoSa),
                hears_nothing(),
                answers(outbound(OUT_2)),
                sends(Sent::NoSa),
                Step::Hears(vec![asks(REQID_2)]),
            ],
        ),
        scenario(
            "packets_that_come_in_end_no_larval_life",
            and(
                vec![
                    adds(SaInstall {
                        source: THERE,
                        ..inbound(IN_1)
                    }),
                    sets(policy_for(
                        0,
                        Direction::In,
                        coming(),
                        USUAL,
                        protect_in(Direction::In, REQID),
                    )),
                ],
                and(
                    asked(),
                    and(
                        vec![
                            comes_by(&inbound(IN_1), Received::Accepted),
                            Step::ComesIn(
                                Parcel {
                                    source: FAR,
                                    destination: HERE,
                                    carries: DATA,
                                },
                                None,
                                Received::Accepted,
                            ),
                        ],
                        does_not_ask(),
                    ),
                ),
            ),
        ),
    ]
}
