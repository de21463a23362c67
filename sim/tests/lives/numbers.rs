//! Message IDs are used once: well before they run out the IKE SA is rekeyed, and at the end it is closed and made anew.

use std::time::Duration;

use ike::config::{Configuration, Limits, Liveness};
use sim::setup::End;

use super::{is_up, up, with};

/// An end that asks for a sign of life every ten seconds.
fn talkative(end: &End, requests: u32) -> Configuration {
    let limits = Limits {
        requests_per_ike_sa: requests,
        ..Limits::default()
    };
    let configuration = with(end, |connection| {
        connection.liveness = Liveness {
            interval: Duration::from_secs(10),
            ..Liveness::default()
        };
    });
    Configuration {
        limits,
        ..configuration
    }
}

#[test]
fn an_ike_sa_is_rekeyed_when_half_of_its_message_ids_are_used() {
    for (hq, branch) in [(40, u32::MAX), (u32::MAX, 40), (40, 40)] {
        let ends = [talkative(&End::hq(), hq), talkative(&End::branch(), branch)];
        let mut world = up(920, ends);
        world.run(Duration::from_secs(3600));
        for at in [0, 1] {
            let now = world.now;
            assert!(is_up(&mut world.nodes[at], now));
            let node = &world.nodes[at];
            assert!(node.count("ike-sa-rekeyed") >= 5, "{:#?}", node.events);
            assert_eq!(node.count("ike-sa-closed"), 0, "{:#?}", node.events);
            assert_eq!(node.count("child-down"), 0);
        }
    }
}

#[test]
fn one_that_has_none_left_is_closed_with_a_goodbye_and_made_anew() {
    // IKE_SA_INIT, IKE_AUTH, and one for the goodbye.
    let ends = [End::hq().configuration(), talkative(&End::branch(), 3)];
    let mut world = up(921, ends);
    world.run(Duration::from_secs(45));
    world.nodes[1].failure("exhausted");
    world.nodes[0].failure("deleted-by-peer");
    assert!(world.nodes[1].count("ike-sa-established") >= 3);
    // It may ask as often as it likes again.
    world.configure(1, talkative(&End::branch(), u32::MAX));
    world.run(Duration::from_secs(20));
    let now = world.now;
    assert!(
        is_up(&mut world.nodes[1], now),
        "{:#?}",
        world.nodes[1].events
    );
}
