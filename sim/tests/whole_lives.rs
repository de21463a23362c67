//! Some whole lives: those that have broken something once. `cargo lab sim` lives them by the thousand.

use sim::life::{Scenario, live};

/// Lives that broke something before there was more to draw.
fn plain_ones_hold(seeds: &[u64]) {
    for seed in seeds {
        let violation = live(&Scenario::draw_plain(*seed), false).violation;
        assert_eq!(violation, None, "seed {seed}");
    }
}

/// Lives that broke something before some had other promises, selectors and ways to meet.
fn hold(seeds: &[u64]) {
    for seed in seeds {
        let violation = live(&Scenario::draw_narrow(*seed), false).violation;
        assert_eq!(violation, None, "seed {seed}");
    }
}

/// Lives as they are drawn now.
fn all_hold(seeds: &[u64]) {
    for seed in seeds {
        let violation = live(&Scenario::draw(*seed), false).violation;
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
    plain_ones_hold(&[0]);
}

#[test]
fn a_child_that_both_ends_ask_for_at_once_is_there_once_in_the_end() {
    plain_ones_hold(&[14, 15, 45, 70]);
}

#[test]
fn the_heir_that_the_peer_uses_is_the_heir_though_the_answer_to_our_request_is_lost() {
    plain_ones_hold(&[18, 175]);
}

#[test]
fn a_child_that_the_answer_on_its_way_may_name_is_not_said_to_be_unknown() {
    plain_ones_hold(&[793]);
}

#[test]
fn an_heir_that_is_gone_is_not_waited_for() {
    plain_ones_hold(&[944, 2209, 2392]);
}

#[test]
fn an_ike_sa_whose_rekeying_is_put_off_for_minutes_is_tried_often_enough() {
    plain_ones_hold(&[194]);
}

#[test]
fn the_end_of_a_child_whose_successor_under_another_ike_sa_is_not_to_be_had_is_told() {
    plain_ones_hold(&[6, 28]);
}

#[test]
fn what_is_said_to_be_followed_under_another_ike_sa_is_what_was_in_use() {
    plain_ones_hold(&[73, 141]);
}

#[test]
fn a_child_whose_definition_changed_while_it_was_being_rekeyed_comes_back() {
    plain_ones_hold(&[3389]);
}

#[test]
fn a_child_comes_back_that_was_lost_while_a_request_for_it_was_out() {
    plain_ones_hold(&[5287, 10064]);
}

#[test]
fn one_that_was_deleted_while_it_was_being_rekeyed_is_told_of_once() {
    plain_ones_hold(&[1246, 14120]);
}

#[test]
fn one_that_has_not_taken_the_place_of_another_is_not_said_to_be_down() {
    plain_ones_hold(&[1692]);
}

#[test]
fn a_delete_that_is_the_peers_first_word_to_its_heir_is_for_what_that_inherits() {
    plain_ones_hold(&[5707, 5921]);
}

#[test]
fn of_two_ike_sas_begun_at_once_one_stays_though_it_was_rekeyed_meanwhile() {
    plain_ones_hold(&[23389]);
}

#[test]
fn who_waits_for_a_child_is_answered_when_the_peers_successor_is_in_its_place() {
    plain_ones_hold(&[32726, 35649, 53851]);
}

#[test]
fn an_answer_that_comes_after_the_peers_rekeying_was_rekeyed_again_has_lost() {
    plain_ones_hold(&[38859]);
}

#[test]
fn a_child_that_both_ask_for_while_it_stands_under_another_ike_sa_is_there_once() {
    plain_ones_hold(&[46191]);
}

#[test]
fn what_comes_too_late_to_replace_anything_receives_until_the_peer_knows() {
    hold(&[20, 305]);
}

#[test]
fn a_kill_costs_nothing() {
    hold(&[56, 68, 72, 201, 230, 270, 391]);
}

#[test]
fn a_child_that_lies_within_a_wider_one_is_that_child_at_both_ends() {
    all_hold(&[197, 568, 577, 694, 879, 977]);
}

#[test]
fn who_was_taken_down_and_only_waits_is_let_in_again_after_up() {
    all_hold(&[25]);
}

#[test]
fn an_sa_that_may_have_ended_while_nobody_was_there_is_not_asked_for_again() {
    hold(&[37484, 67825]);
}

#[test]
fn a_child_that_the_peer_deletes_goes_on_by_the_one_of_another_ike_sa() {
    hold(&[3138, 6218]);
}

#[test]
fn an_ike_sa_whose_heirs_keys_are_lost_is_made_anew_before_the_peer_ends_it() {
    hold(&[5624, 6264]);
}

#[test]
fn an_ike_sa_that_was_rekeyed_is_not_one_that_was_begun_just_now() {
    hold(&[17549]);
}

#[test]
fn an_old_ike_sas_children_receive_until_the_peer_has_the_delete() {
    hold(&[11063, 17968]);
}

#[test]
fn the_loser_of_two_waits_for_the_children_that_the_winner_lacks() {
    hold(&[25769]);
}

#[test]
fn a_child_that_waits_for_its_successor_is_told_of_when_another_ike_sa_has_it() {
    hold(&[4896]);
}

#[test]
fn a_child_that_went_through_several_ike_sas_is_told_of_once() {
    hold(&[16007, 25344, 54054]);
}

#[test]
fn an_ike_sa_that_was_replaced_twice_over_ends() {
    hold(&[47856]);
}

#[test]
fn who_has_asked_for_an_heir_hears_of_it_before_the_ike_sa_ends() {
    hold(&[61049, 58036]);
}

#[test]
fn a_policy_is_deleted_by_the_index_under_which_its_process_has_set_it() {
    hold(&[29154, 16973]);
}

#[test]
fn what_the_kernel_has_of_a_child_that_it_cannot_take_wholly_goes_after_a_restart() {
    hold(&[107856]);
}

#[test]
fn the_one_of_two_ike_sas_that_was_to_go_stays_where_the_other_is_gone() {
    hold(&[79278]);
}

#[test]
fn an_sa_that_was_taken_out_is_not_asked_for_again_after_a_restart() {
    hold(&[144345]);
}

#[test]
fn what_follows_one_that_has_not_been_told_of_is_told_to_follow_what_was() {
    hold(&[165038, 167518]);
}

#[test]
fn a_packet_at_a_trap_of_a_process_before_is_not_taken_for_another_childs() {
    all_hold(&[12789]);
}

#[test]
fn neighbour_discovery_has_its_hole_first_after_a_restart() {
    all_hold(&[24760]);
}

#[test]
fn a_child_whose_successor_came_to_nothing_is_rekeyed_all_the_same() {
    all_hold(&[1882]);
}
