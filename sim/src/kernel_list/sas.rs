//! SAs: which may be added, which of several carries a packet, and what comes in by one.

use ike::config::Mode;
use ike::engine::io::{
    Direction, KernelAction, KernelRequest, KernelStep, OnFailure, PolicyAction, SaInstall,
    SaReference, SelectorPair,
};

use super::setting::{
    ELSEWHERE, FAR, FAR_V6, HERE, HERE_2, IN_1, NEAR, NEAR_2, NEAR_V6, NEIGHBOUR_SOLICITATION,
    OUT_1, OUT_2, REQID, REQID_2, THERE, USUAL, add, adds, asks, comes_by, coming, deletes, from,
    hears_nothing, inbound, index, network, outbound, policy, policy_for, protect, protect_in,
    scenario, seconds, sends, sets,
};
use super::{DATA, NEIGHBOUR, Parcel, Received, Scenario, Sent, Step, all_or_nothing, request};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = additions();
    all.extend(choices());
    all.extend(arrivals());
    all.extend(requests());
    all
}

fn additions() -> Vec<Scenario> {
    vec![
        scenario(
            "a_second_sa_with_the_same_spi_and_destination_is_refused",
            vec![
                adds(outbound(OUT_1)),
                Step::IsRefused(add(outbound(OUT_1)), "XFRM_MSG_NEWSA", "EEXIST"),
                Step::IsRefused(
                    add(SaInstall {
                        reqid: REQID_2,
                        source: NEAR,
                        mode: Mode::Transport,
                        ..outbound(OUT_1)
                    }),
                    "XFRM_MSG_NEWSA",
                    "EEXIST",
                ),
                Step::Holds(vec![(OUT_1, 0)], vec![]),
            ],
        ),
        scenario("the_same_spi_to_another_destination_is_another_sa", {
            let other = SaReference {
                destination: ELSEWHERE,
                ..OUT_1
            };
            vec![
                adds(outbound(OUT_1)),
                adds(outbound(other)),
                Step::Holds(vec![(OUT_1, 0), (other, 0)], vec![]),
            ]
        }),
        scenario(
            "an_sa_whose_ends_are_of_two_families_is_refused",
            vec![Step::IsRefused(
                add(SaInstall {
                    source: NEAR_V6,
                    ..outbound(OUT_1)
                }),
                "XFRM",
                "invalid",
            )],
        ),
        scenario(
            "deleting_an_sa_that_is_not_there_is_no_failure",
            vec![
                deletes(OUT_1),
                adds(outbound(OUT_1)),
                deletes(OUT_1),
                deletes(OUT_1),
                Step::Does(request(
                    vec![KernelAction::DeleteSa(OUT_1), KernelAction::RetireSa(OUT_1)],
                    OnFailure::Continue,
                )),
                Step::Holds(vec![], vec![]),
            ],
        ),
        scenario(
            "what_sas_have_carried_is_told_of_those_that_are_there",
            vec![
                adds(outbound(OUT_1)),
                sets(policy(0, USUAL, protect(REQID))),
                sends(Sent::By(OUT_1)),
                sends(Sent::By(OUT_1)),
                Step::Tells(vec![OUT_2, OUT_1], vec![(OUT_1, 2)]),
                Step::Holds(vec![(OUT_1, 2)], vec![index(0, Direction::Out)]),
            ],
        ),
    ]
}

/// The policy of the tunnel, and which SA its packets go by.
fn choices() -> Vec<Scenario> {
    let first = || {
        vec![
            adds(outbound(OUT_1)),
            sets(policy(0, USUAL, protect(REQID))),
        ]
    };
    let then = |steps: Vec<Step>| first().into_iter().chain(steps).collect::<Vec<_>>();
    let only = |sa| {
        vec![
            adds(sa),
            sets(policy(0, USUAL, protect(REQID))),
            sends(Sent::NoSa),
            Step::Hears(vec![asks(REQID)]),
        ]
    };
    vec![
        scenario(
            "of_two_outbound_sas_the_newer_carries",
            then(vec![
                sends(Sent::By(OUT_1)),
                Step::Passes(seconds(1)),
                adds(outbound(OUT_2)),
                sends(Sent::By(OUT_2)),
                sends(Sent::By(OUT_2)),
            ]),
        ),
        scenario("of_two_of_the_same_second_the_later_carries", {
            let mut steps = vec![Step::ASecondBegins];
            steps.extend(then(vec![
                adds(outbound(OUT_2)),
                sends(Sent::By(OUT_2)),
                deletes(OUT_2),
                sends(Sent::By(OUT_1)),
            ]));
            steps
        }),
        scenario(
            "a_retired_sa_goes_by_itself_and_the_other_carries_on",
            then(vec![
                adds(outbound(OUT_2)),
                Step::Does(all_or_nothing(vec![KernelAction::RetireSa(OUT_1)])),
                sends(Sent::By(OUT_2)),
                Step::Passes(seconds(1)),
                Step::Holds(vec![(OUT_2, 1)], vec![index(0, Direction::Out)]),
                sends(Sent::By(OUT_2)),
            ]),
        ),
        scenario(
            "an_sa_of_another_reqid_does_not_carry",
            only(SaInstall {
                reqid: REQID_2,
                ..outbound(OUT_1)
            }),
        ),
        scenario(
            "an_sa_of_another_mode_does_not_carry",
            only(SaInstall {
                mode: Mode::Transport,
                ..outbound(OUT_1)
            }),
        ),
        scenario(
            "an_sa_to_another_peer_does_not_carry",
            only(outbound(SaReference {
                destination: ELSEWHERE,
                ..OUT_1
            })),
        ),
        scenario(
            "an_sa_from_another_address_does_not_carry",
            // Not any address: among SAs of the same hash the kernel compares no sources (xfrm_state_find looks for those
            // with a wildcard source).
            only(SaInstall {
                source: HERE_2,
                ..outbound(OUT_1)
            }),
        ),
        scenario(
            "a_tunnel_carries_packets_of_the_other_family",
            vec![
                adds(outbound(OUT_1)),
                sets(policy_for(
                    0,
                    Direction::Out,
                    SelectorPair {
                        source: network(NEAR_V6, 128),
                        destination: network(FAR_V6, 128),
                    },
                    USUAL,
                    protect(REQID),
                )),
                Step::Sends(
                    Parcel {
                        source: NEAR_V6,
                        destination: FAR_V6,
                        carries: DATA,
                    },
                    Sent::By(OUT_1),
                ),
                // Nothing of it is neighbour discovery's.
                Step::Sends(
                    Parcel {
                        source: NEAR_V6,
                        destination: NEIGHBOUR,
                        carries: NEIGHBOUR_SOLICITATION,
                    },
                    Sent::Clear,
                ),
            ],
        ),
        scenario("in_transport_mode_the_ends_speak_for_themselves", {
            let transport = |install| SaInstall {
                mode: Mode::Transport,
                ..install
            };
            let ends = |source, destination| SelectorPair {
                source: network(source, 32),
                destination: network(destination, 32),
            };
            let protects = |direction, source, destination| {
                let action = PolicyAction::Protect {
                    mode: Mode::Transport,
                    source,
                    destination,
                    reqid: REQID,
                };
                policy_for(0, direction, ends(source, destination), USUAL, action)
            };
            let parcel = |source, destination| Parcel {
                source,
                destination,
                carries: DATA,
            };
            let comes_in = transport(inbound(IN_1));
            let by = Some(Box::new(comes_in.clone()));
            vec![
                adds(comes_in),
                sets(protects(Direction::In, THERE, HERE)),
                adds(transport(outbound(OUT_1))),
                sets(protects(Direction::Out, HERE, THERE)),
                Step::Sends(parcel(HERE, THERE), Sent::By(OUT_1)),
                Step::ComesIn(parcel(THERE, HERE), by, Received::Accepted),
                Step::ComesIn(parcel(THERE, HERE), None, Received::WrongSa),
                Step::Sends(parcel(NEAR, FAR), Sent::Clear),
            ]
        }),
    ]
}

/// What comes in by SAs.
fn arrivals() -> Vec<Scenario> {
    let protects =
        |direction, reqid| policy_for(0, direction, coming(), USUAL, protect_in(direction, reqid));
    let does = |direction, action| policy_for(0, direction, coming(), USUAL, action);
    let sa = || inbound(IN_1);
    vec![
        scenario(
            "a_packet_for_an_sa_that_is_not_there_is_dropped",
            vec![
                sets(protects(Direction::In, REQID)),
                comes_by(&sa(), Received::NoSa),
                adds(sa()),
                comes_by(&sa(), Received::Accepted),
                deletes(IN_1),
                comes_by(&sa(), Received::NoSa),
            ],
        ),
        scenario(
            "what_came_by_a_tunnel_needs_a_policy_that_says_so",
            vec![
                adds(sa()),
                comes_by(&sa(), Received::NoPolicy),
                sets(does(Direction::In, PolicyAction::Pass)),
                comes_by(&sa(), Received::WrongSa),
                sets(does(Direction::In, PolicyAction::Block)),
                comes_by(&sa(), Received::Blocked),
                sets(protects(Direction::In, REQID_2)),
                comes_by(&sa(), Received::WrongSa),
                sets(protects(Direction::In, REQID)),
                comes_by(&sa(), Received::Accepted),
                // All of them were received, whatever became of what was in them.
                Step::Tells(vec![IN_1], vec![(IN_1, 5)]),
            ],
        ),
        scenario("what_is_to_be_forwarded_needs_a_forward_policy", {
            let parcel = Parcel {
                destination: NEAR_2,
                ..from(FAR)
            };
            let comes = |received| Step::ComesIn(parcel, Some(Box::new(sa())), received);
            vec![
                adds(sa()),
                sets(protects(Direction::In, REQID)),
                comes(Received::NoPolicy),
                sets(protects(Direction::Forward, REQID)),
                comes(Received::Accepted),
            ]
        }),
        scenario("old_and_new_inbound_sas_both_receive", {
            let new = inbound(SaReference {
                spi: IN_1.spi + 1,
                destination: HERE,
            });
            vec![
                sets(protects(Direction::In, REQID)),
                adds(sa()),
                adds(new.clone()),
                comes_by(&new, Received::Accepted),
                comes_by(&sa(), Received::Accepted),
            ]
        }),
    ]
}

/// What a failing step does to the others.
fn requests() -> Vec<Scenario> {
    let step = |action, undo| KernelStep { action, undo };
    let steps = || {
        vec![
            step(
                KernelAction::SetPolicy(Box::new(policy(0, USUAL, PolicyAction::Block))),
                Some(KernelAction::DeletePolicy {
                    index: index(0, Direction::Out),
                    direction: Direction::Out,
                }),
            ),
            step(KernelAction::AddSa(Box::new(outbound(OUT_1))), None),
            step(
                KernelAction::AddSa(Box::new(outbound(OUT_2))),
                Some(KernelAction::DeleteSa(OUT_2)),
            ),
        ]
    };
    let requests = |on_failure| KernelRequest {
        steps: steps(),
        on_failure,
    };
    vec![
        scenario(
            "a_refused_step_takes_back_those_before_it",
            vec![
                adds(outbound(OUT_1)),
                Step::IsRefused(requests(OnFailure::Undo), "XFRM_MSG_NEWSA", "EEXIST"),
                Step::Holds(vec![(OUT_1, 0)], vec![]),
                sends(Sent::Clear),
            ],
        ),
        scenario(
            "what_is_to_go_on_goes_on_and_tells_the_first_refusal",
            vec![
                adds(outbound(OUT_1)),
                Step::IsRefused(requests(OnFailure::Continue), "XFRM_MSG_NEWSA", "EEXIST"),
                Step::Holds(vec![(OUT_1, 0), (OUT_2, 0)], vec![index(0, Direction::Out)]),
                sends(Sent::Blocked),
                hears_nothing(),
            ],
        ),
    ]
}
