//! Lifetimes of SAs: in seconds of the wall clock, in packets and in bytes; and what is told when one is reached.

use std::time::Duration;

use ike::config::Volume;
use ike::engine::io::{Direction, SaInstall};

use crate::node::Jump;

use super::setting::{
    IN_1, OUT_1, OUT_2, REQID, USUAL, adds, asks, comes_by, coming, deletes, hears_nothing,
    inbound, index, outbound, policy, policy_for, protect, protect_in, scenario, seconds, sends,
    sets,
};
use super::{Heard, Received, Scenario, Sent, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = hard();
    all.extend(soft());
    all.extend(clock());
    all
}

const DAY: Duration = seconds(86_400);

const fn packets(count: u64) -> Volume {
    Volume {
        bytes: None,
        packets: Some(count),
    }
}

const fn bytes(count: u64) -> Volume {
    Volume {
        bytes: Some(count),
        packets: None,
    }
}

fn protects() -> Step {
    sets(policy(0, USUAL, protect(REQID)))
}

fn lets_in() -> Step {
    sets(policy_for(
        0,
        Direction::In,
        coming(),
        USUAL,
        protect_in(Direction::In, REQID),
    ))
}

fn brief(sa: SaInstall) -> SaInstall {
    SaInstall {
        hard_lifetime: seconds(2),
        ..sa
    }
}

fn hard() -> Vec<Scenario> {
    vec![
        scenario(
            "an_outbound_sa_goes_after_its_lifetime",
            vec![
                adds(brief(outbound(OUT_1))),
                protects(),
                sends(Sent::By(OUT_1)),
                hears_nothing(),
                Step::Passes(seconds(3)),
                Step::Hears(vec![Heard::Hard(OUT_1)]),
                Step::Holds(vec![], vec![index(0, Direction::Out)]),
                sends(Sent::NoSa),
                Step::Hears(vec![asks(REQID)]),
            ],
        ),
        scenario("an_inbound_sa_goes_after_its_lifetime", {
            let sa = brief(inbound(IN_1));
            vec![
                adds(sa.clone()),
                lets_in(),
                comes_by(&sa, Received::Accepted),
                Step::Passes(seconds(3)),
                Step::Hears(vec![Heard::Hard(IN_1)]),
                comes_by(&sa, Received::NoSa),
            ]
        }),
        scenario(
            "after_the_newer_sa_has_gone_the_older_carries_again",
            vec![
                adds(outbound(OUT_1)),
                adds(brief(outbound(OUT_2))),
                protects(),
                sends(Sent::By(OUT_2)),
                Step::Passes(seconds(3)),
                Step::Hears(vec![Heard::Hard(OUT_2)]),
                sends(Sent::By(OUT_1)),
            ],
        ),
        scenario(
            "an_outbound_sa_carries_as_many_packets_as_it_may",
            used_up(SaInstall {
                hard_volume: packets(2),
                ..outbound(OUT_1)
            }),
        ),
        scenario(
            "an_outbound_sa_carries_as_many_bytes_as_it_may_and_the_rest_of_a_packet",
            used_up(SaInstall {
                hard_volume: bytes(1500),
                ..outbound(OUT_1)
            }),
        ),
        scenario(
            "after_an_sa_is_used_up_the_older_carries_again",
            vec![
                adds(outbound(OUT_2)),
                adds(SaInstall {
                    hard_volume: packets(1),
                    ..outbound(OUT_1)
                }),
                protects(),
                sends(Sent::By(OUT_1)),
                sends(Sent::UsedUp),
                Step::Hears(vec![Heard::Hard(OUT_1)]),
                sends(Sent::By(OUT_2)),
            ],
        ),
        scenario("an_inbound_sa_carries_as_many_packets_as_it_may", {
            let sa = SaInstall {
                hard_volume: packets(2),
                ..inbound(IN_1)
            };
            vec![
                adds(sa.clone()),
                lets_in(),
                comes_by(&sa, Received::Accepted),
                comes_by(&sa, Received::Accepted),
                hears_nothing(),
                comes_by(&sa, Received::UsedUp),
                Step::Hears(vec![Heard::Hard(IN_1)]),
                comes_by(&sa, Received::NoSa),
            ]
        }),
    ]
}

/// After two packets this SA has carried all that it may; the next one finds that out, and is lost.
fn used_up(sa: SaInstall) -> Vec<Step> {
    vec![
        adds(sa),
        protects(),
        sends(Sent::By(OUT_1)),
        sends(Sent::By(OUT_1)),
        hears_nothing(),
        Step::Holds(vec![(OUT_1, 2)], vec![index(0, Direction::Out)]),
        sends(Sent::UsedUp),
        Step::Hears(vec![Heard::Hard(OUT_1)]),
        sends(Sent::NoSa),
        Step::Hears(vec![asks(REQID)]),
    ]
}

fn soft() -> Vec<Scenario> {
    let soft = |volume| SaInstall {
        soft_volume: volume,
        ..outbound(OUT_1)
    };
    let tells_once = |sa| {
        vec![
            adds(sa),
            protects(),
            sends(Sent::By(OUT_1)),
            sends(Sent::By(OUT_1)),
            hears_nothing(),
            sends(Sent::By(OUT_1)),
            Step::Hears(vec![Heard::Soft(OUT_1)]),
            sends(Sent::By(OUT_1)),
            hears_nothing(),
        ]
    };
    vec![
        scenario(
            "the_packet_after_the_last_of_a_soft_lifetime_tells_and_goes",
            tells_once(soft(packets(2))),
        ),
        scenario(
            "the_packet_after_the_last_bytes_of_a_soft_lifetime_tells_and_goes",
            tells_once(soft(bytes(1500))),
        ),
        scenario(
            "an_sa_that_is_about_to_end_gives_way_to_an_older_one",
            vec![
                adds(outbound(OUT_2)),
                Step::Passes(seconds(1)),
                adds(soft(packets(1))),
                protects(),
                sends(Sent::By(OUT_1)),
                sends(Sent::By(OUT_1)),
                Step::Hears(vec![Heard::Soft(OUT_1)]),
                sends(Sent::By(OUT_2)),
            ],
        ),
        scenario("the_first_packet_on_an_inbound_sa_is_told_once", {
            let sa = SaInstall {
                tell_first_packet: true,
                ..inbound(IN_1)
            };
            vec![
                adds(sa.clone()),
                lets_in(),
                comes_by(&sa, Received::Accepted),
                Step::Hears(vec![Heard::Soft(IN_1)]),
                comes_by(&sa, Received::Accepted),
                hears_nothing(),
                comes_by(&sa, Received::Accepted),
                hears_nothing(),
            ]
        }),
    ]
}

fn clock() -> Vec<Scenario> {
    vec![
        scenario(
            "a_clock_that_is_set_forward_ends_an_sa_that_is_new",
            vec![
                adds(outbound(OUT_1)),
                protects(),
                Step::ClockIsSet(Jump::Forward(DAY)),
                sends(Sent::By(OUT_1)),
                Step::Passes(seconds(2)),
                Step::Hears(vec![Heard::Hard(OUT_1)]),
                sends(Sent::NoSa),
                Step::Hears(vec![asks(REQID)]),
            ],
        ),
        scenario(
            "a_clock_that_is_set_forward_ends_no_other_sa_before_its_time",
            vec![
                adds(SaInstall {
                    hard_lifetime: seconds(4),
                    ..outbound(OUT_1)
                }),
                protects(),
                Step::Passes(seconds(2)),
                Step::ClockIsSet(Jump::Forward(DAY)),
                Step::Passes(seconds(1)),
                sends(Sent::By(OUT_1)),
                hears_nothing(),
                Step::Passes(seconds(2)),
                Step::Hears(vec![Heard::Hard(OUT_1)]),
            ],
        ),
        scenario(
            "a_clock_that_is_set_back_lets_an_sa_live_on",
            vec![
                adds(brief(outbound(OUT_1))),
                protects(),
                Step::ClockIsSet(Jump::Back(DAY)),
                Step::Passes(seconds(3)),
                hears_nothing(),
                sends(Sent::By(OUT_1)),
            ],
        ),
        scenario(
            "a_clock_that_is_set_back_makes_the_older_sa_the_newest",
            vec![
                adds(outbound(OUT_1)),
                protects(),
                Step::ClockIsSet(Jump::Back(seconds(3600))),
                adds(outbound(OUT_2)),
                sends(Sent::By(OUT_1)),
                deletes(OUT_1),
                sends(Sent::By(OUT_2)),
            ],
        ),
    ]
}
