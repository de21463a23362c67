//! Some whole lives: those that have broken something once. `cargo lab sim` lives them by the thousand.

use sim::life::{Scenario, live};

fn holds(seeds: &[u64]) {
    for seed in seeds {
        let outcome = live(&Scenario::draw(*seed), false);
        let violation = outcome.violation;
        assert_eq!(
            violation, None,
            "seed {seed}: cargo lab sim --seed {seed} --trace"
        );
    }
}

#[test]
fn the_same_seed_is_the_same_life() {
    let scenario = Scenario::draw(1);
    let (first, second) = (live(&scenario, true), live(&scenario, true));
    assert!(!first.diagram.is_empty());
    assert_eq!(first.diagram, second.diagram);
}

#[test]
fn what_is_still_to_be_done_goes_to_the_heir_and_not_to_the_old_ike_sa() {
    holds(&[0]);
}

#[test]
fn a_child_that_both_ends_ask_for_at_once_is_there_once_in_the_end() {
    holds(&[14, 15, 45, 70]);
}

#[test]
fn the_heir_that_the_peer_uses_is_the_heir_though_the_answer_to_our_request_is_lost() {
    holds(&[18, 175]);
}

#[test]
fn a_child_that_the_answer_on_its_way_may_name_is_not_said_to_be_unknown() {
    holds(&[793]);
}

#[test]
fn an_heir_that_is_gone_is_not_waited_for() {
    holds(&[944, 2209, 2392]);
}

#[test]
fn an_ike_sa_whose_rekeying_is_put_off_for_minutes_is_tried_often_enough() {
    holds(&[194]);
}

#[test]
fn the_end_of_a_child_whose_successor_under_another_ike_sa_is_not_to_be_had_is_told() {
    holds(&[6, 28]);
}

#[test]
fn what_is_said_to_be_followed_under_another_ike_sa_is_what_was_in_use() {
    holds(&[73, 141]);
}
