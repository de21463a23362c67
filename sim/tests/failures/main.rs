//! What goes wrong between two gateways: each side says why in its own words, nothing is left half-done, and what is to be
//! up goes on being tried.

mod kernel;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ike::config::{Configuration, Connection, Keep, KernelMode};
use ike::engine::event::Event;
use ike::engine::failure::Cause;
use ike::engine::io::{
    Answer, Command, Direction, Input, KernelEvent, PolicyAction, Question, Reply, SaReference,
};
use ike::wire::Header;
use ike::wire::numbers::{ExchangeType, NotifyType};
use sim::network::Quality;
use sim::setup::{End, name, tunnel, two_gateways};
use sim::{Fate, World};

const HOUR: Duration = Duration::from_secs(3600);
/// More than any give-up time and every pause.
const LONG: Duration = Duration::from_secs(200);

fn changed(end: &End, change: impl FnOnce(&mut Connection)) -> Configuration {
    let mut connection = end.connection();
    change(&mut connection);
    Configuration {
        connections: vec![Arc::new(connection)],
        ..Configuration::default()
    }
}

fn meet(seed: u64, hq: Configuration, branch: Configuration) -> World {
    let mut world = two_gateways(seed, Quality::default());
    world.configure(0, hq);
    world.configure(1, branch);
    world
}

/// An hour later nothing spins; taken down, nothing is left.
fn ends_clean(mut world: World) {
    let steps = world.steps;
    world.run(HOUR);
    assert!(
        world.steps - steps < 3000,
        "{} steps in an hour",
        world.steps - steps
    );
    for at in 0..2 {
        let down = Command::Down {
            connection: name("tunnel"),
            child: None,
        };
        assert!(matches!(world.command_and_wait(at, down), Reply::Done));
    }
    world.run(LONG);
    let now = world.now;
    for node in &mut world.nodes {
        let policies = node.list(now).connections[0].connection.children.len() * 3;
        node.assert_clean(now, policies);
    }
}

fn drop_exchange(which: ExchangeType, response: bool) -> sim::world::Meddler {
    Box::new(move |_, transmit| {
        let header = Header::parse(&transmit.bytes).expect("a header");
        if header.exchange == which && header.flags.response == response {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    })
}

fn down() -> Command {
    Command::Down {
        connection: name("tunnel"),
        child: None,
    }
}

fn up() -> Command {
    Command::Up {
        connection: name("tunnel"),
        child: None,
    }
}

/// The pauses that it announced before its next attempts.
fn pauses(world: &World, node: usize) -> Vec<Duration> {
    let events = world.nodes[node].events.iter();
    events
        .filter_map(|event| match event {
            Event::ConnectionFailed { retry_in, .. } | Event::ChildFailed { retry_in, .. } => {
                *retry_in
            }
            _ => None,
        })
        .collect()
}

fn grow_to_a_minute(pauses: &[Duration]) {
    assert!(pauses.len() > 7, "{pauses:?}");
    assert!(pauses[0] < Duration::from_millis(1200), "{pauses:?}");
    assert!(
        pauses.iter().all(|pause| *pause <= Duration::from_secs(66)),
        "{pauses:?}"
    );
    assert!(pauses[pauses.len() - 1] >= Duration::from_secs(54));
}

#[test]
fn another_secret_is_named_by_the_responder_and_refused_to_the_initiator() {
    let mut world = meet(1, End::hq().configuration(), End::branch().configuration());
    world.nodes[1]
        .secrets
        .insert(name("tunnel"), b"another secret altogether".to_vec());
    world.run(Duration::from_secs(1));
    let cause = &world.nodes[0].failure("wrong-secret").cause;
    let branch = "branch.example.com".parse().expect("an identity");
    assert_eq!(*cause, Cause::WrongSecret { peer: branch });
    let failure = world.nodes[1].failure("refused-by-peer");
    let notify = NotifyType::AUTHENTICATION_FAILED;
    assert_eq!(failure.cause, Cause::Refused { notify });
    assert!(
        failure
            .suggestion()
            .is_some_and(|text| text.contains("psk"))
    );
    ends_clean(world);
}

#[test]
fn a_responder_with_another_secret_is_not_believed_and_hears_so() {
    // Only its answer is wrong: it accepts what it gets, and proves itself with another secret.
    let mut world = meet(2, End::hq().configuration(), End::branch().configuration());
    world.nodes[0].hold_answers = true;
    let asked = world.run_until(LONG, |world| !world.nodes[0].questions.is_empty());
    assert!(asked);
    let (id, question) = world.nodes[0].questions.pop_front().expect("a question");
    assert!(matches!(question, Question::Psk(_)));
    world.nodes[0].hold_answers = false;
    let auth = Some(vec![7; 32]);
    let answer = Answer::Psk(ike::auth::ask::PskAnswer::Done { auth });
    world.input(0, Input::Answer(id, answer));
    world.run(Duration::from_millis(200));
    world.nodes[1].failure("wrong-secret");
    let told = world.nodes[0].failure("refused-by-peer");
    let notify = NotifyType::AUTHENTICATION_FAILED;
    assert_eq!(told.cause, Cause::Refused { notify });
    let now = world.now;
    world.nodes[0].assert_clean(now, 3);
    world.run(Duration::from_secs(5));
    let now = world.now;
    world.nodes[0].assert_up(now, 1);
    ends_clean(world);
}

#[test]
fn an_identity_that_nobody_expects_is_named_with_what_is_expected() {
    let mut branch = End::branch();
    branch.local_id = "stranger.example.com";
    let mut world = meet(3, End::hq().configuration(), branch.configuration());
    world.run(Duration::from_secs(1));
    let failure = world.nodes[0].failure("unknown-identity");
    let said = format!("{failure:?} {:?}", failure.details());
    assert!(said.contains("stranger.example.com") && said.contains("branch.example.com"));
    world.nodes[1].failure("refused-by-peer");
    ends_clean(world);
}

#[test]
fn an_identity_that_the_responder_does_not_have_is_not_answered_by_another() {
    let mut branch = End::branch();
    branch.remote_id = "other.example.com";
    let mut world = meet(4, End::hq().configuration(), branch.configuration());
    world.run(Duration::from_secs(1));
    world.nodes[0].failure("unknown-identity");
    world.nodes[1].failure("refused-by-peer");
    ends_clean(world);
}

#[test]
fn proposals_without_a_common_one_are_refused_with_both_sides_in_words() {
    let (mut hq, mut branch) = (End::hq(), End::branch());
    hq.ike = Some("aes256gcm16-prfsha384-x25519");
    branch.ike = Some("aes128-sha256-ecp256");
    let mut world = meet(5, hq.configuration(), branch.configuration());
    world.run(LONG);
    let failure = world.nodes[0].failure("no-common-proposal");
    assert!(!failure.details().is_empty());
    assert!(failure.suggestion().is_some());
    // What comes unprotected is a hint: the initiator goes on asking until it gives up.
    let attempts = world.nodes[1].count("initiating");
    assert_eq!(
        world.nodes[1].count("hint"),
        attempts,
        "one for each attempt"
    );
    let failure = &world.nodes[1].failure("no-response").cause;
    assert!(
        matches!(failure, Cause::NoResponse { hint: Some(NotifyType::NO_PROPOSAL_CHOSEN), sent, .. } if *sent > 3),
        "{failure:?}"
    );
    ends_clean(world);
}

#[test]
fn a_child_without_a_common_proposal_leaves_the_ike_sa_and_is_tried_with_growing_pauses() {
    let (mut hq, mut branch) = (End::hq(), End::branch());
    hq.esp = Some("aes256gcm16");
    branch.esp = Some("aes128gcm16");
    let mut world = meet(6, hq.configuration(), branch.configuration());
    world.run(Duration::from_secs(900));
    let now = world.now;
    for node in &mut world.nodes {
        node.assert_up(now, 0);
        assert_eq!(node.count("ike-sa-established"), 1);
    }
    world.nodes[0].failure("no-common-proposal");
    let notify = NotifyType::NO_PROPOSAL_CHOSEN;
    let refused = &world.nodes[1].failure("refused-by-peer").cause;
    assert_eq!(*refused, Cause::Refused { notify });
    grow_to_a_minute(&pauses(&world, 1));
    // What is mended comes up by itself.
    hq.esp = Some("aes128gcm16");
    world.configure(0, hq.configuration());
    world.run(LONG);
    world.assert_up(1);
    ends_clean(world);
}

#[test]
fn selectors_that_do_not_overlap_leave_the_ike_sa() {
    let mut branch = End::branch();
    branch.children = vec![("lan", "10.99.0.0/16", "10.1.0.0/16")];
    let mut world = meet(7, End::hq().configuration(), branch.configuration());
    world.run(Duration::from_secs(10));
    world.assert_up(0);
    let failure = world.nodes[0].failure("no-common-selectors");
    assert!(failure.details().join(" ").contains("10.99.0.0"));
    let refused = &world.nodes[1].failure("refused-by-peer").cause;
    let notify = NotifyType::TS_UNACCEPTABLE;
    assert_eq!(*refused, Cause::Refused { notify });
    ends_clean(world);
}

#[test]
fn narrowed_selectors_are_protected_and_the_rest_stays_blocked() {
    let mut hq = End::hq();
    hq.children = vec![("lan", "10.1.4.0/24", "10.2.0.0/16")];
    let mut world = meet(8, hq.configuration(), End::branch().configuration());
    world.run(Duration::from_secs(5));
    world.assert_up(1);
    let branch = &world.nodes[1].kernel;
    let verdict = |to: [u8; 4]| branch.verdict(Direction::Out, [10, 2, 0, 9].into(), to.into());
    assert!(matches!(
        verdict([10, 1, 4, 5]),
        Some(PolicyAction::Protect { .. })
    ));
    assert_eq!(verdict([10, 1, 5, 5]), Some(PolicyAction::Block));
    assert_eq!((branch.policies.len(), branch.protecting()), (6, 3));
    ends_clean(world);
}

#[test]
fn a_gateway_without_a_connection_for_the_address_keeps_nothing_but_the_reason() {
    let mut world = meet(9, Configuration::default(), End::branch().configuration());
    world.run(LONG);
    let now = world.now;
    world.nodes[0].assert_clean(now, 0);
    assert_eq!(world.nodes[0].engine().ike_sa_count(), 0);
    world.nodes[0].failure("no-connection");
    let strangers = world.nodes[0].list(now).strangers;
    assert_eq!(strangers.len(), 1, "the last refusal of each address");
    world.configure(0, End::hq().configuration());
    world.run(LONG);
    ends_clean(world);
}

#[test]
fn no_secret_on_either_side_is_said_by_who_lacks_it() {
    for (node, other) in [(0, "refused-by-peer"), (1, "no-secret")] {
        let mut world = two_gateways(10, Quality::default());
        world.nodes[node].secrets.clear();
        world.configure(0, End::hq().configuration());
        world.configure(1, End::branch().configuration());
        world.run(Duration::from_secs(1));
        world.nodes[node].failure("no-secret");
        world.nodes[1].failure(other);
        world.nodes[node]
            .secrets
            .insert(name("tunnel"), sim::setup::SECRET.to_vec());
        world.run(Duration::from_secs(40));
        world.assert_up(1);
        ends_clean(world);
    }
}

#[test]
fn silence_at_any_stage_is_given_up_and_tried_again_for_ever() {
    for (exchange, response) in [
        (ExchangeType::IKE_SA_INIT, false),
        (ExchangeType::IKE_SA_INIT, true),
        (ExchangeType::IKE_AUTH, false),
        (ExchangeType::IKE_AUTH, true),
    ] {
        let mut world = two_gateways(11, Quality::default());
        world.meddler = Some(drop_exchange(exchange, response));
        world.configure(0, End::hq().configuration());
        world.configure(1, End::branch().configuration());
        let id = world.command(1, up());
        world.run(HOUR);
        assert!(matches!(world.nodes[1].replies[&id], Reply::Failed(_)));
        world.nodes[1].failure("no-response");
        grow_to_a_minute(&pauses(&world, 1));
        let steps = world.steps;
        world.run(HOUR);
        assert!(world.steps - steps < 3000, "{exchange} {response}");
        world.meddler = None;
        world.run(LONG);
        world.assert_up(1);
        ends_clean(world);
    }
}

#[test]
fn a_peer_was_heard_once_it_sent_something_authentic_and_not_before() {
    let heard = |world: &mut World| {
        let now = world.now;
        let snapshot = world.nodes[1].list(now);
        let sas = snapshot.connections.iter().flat_map(|one| &one.ike_sas);
        sas.map(|sa| sa.last_heard).collect::<Vec<_>>()
    };
    let mut world = two_gateways(13, Quality::default());
    // An answer to IKE_SA_INIT is nobody's in particular.
    world.meddler = Some(drop_exchange(ExchangeType::IKE_AUTH, true));
    world.configure(0, End::hq().configuration());
    world.configure(1, End::branch().configuration());
    world.run(Duration::from_secs(2));
    assert_eq!(heard(&mut world), [None]);
    world.meddler = None;
    world.run(LONG);
    assert!(matches!(heard(&mut world)[..], [Some(_)]));
}

#[test]
fn a_peer_that_falls_silent_is_noticed_and_both_sides_end_alone() {
    let mut world = tunnel(12);
    world.meddler = Some(Box::new(|_, _| Fate::Drop));
    world.run(LONG);
    let now = world.now;
    world.nodes[0].assert_clean(now, 3);
    assert_eq!(world.nodes[1].kernel.sas.len(), 0);
    for node in &world.nodes {
        node.failure("no-response");
        assert!(node.count("retransmitting") > 3);
    }
    world.run(HOUR);
    world.meddler = None;
    world.run(LONG);
    world.assert_up(1);
    ends_clean(world);
}

#[test]
fn answers_that_never_come_end_the_attempt_and_late_ones_change_nothing() {
    for node in 0..2 {
        let mut world = two_gateways(21, Quality::default());
        world.nodes[node].hold_answers = true;
        world.configure(0, End::hq().configuration());
        world.configure(1, End::branch().configuration());
        world.run(HOUR);
        let now = world.now;
        assert!(world.nodes[0].list(now).half_open <= 1);
        assert!(world.nodes[node].questions.len() > 10);
        assert!(world.nodes[node].count("child-up") == 0);
        assert!(
            world.nodes[0].engine().ike_sa_count() < 4,
            "states that wait for nothing"
        );
        world.release(node);
        world.run(LONG);
        world.assert_up(1);
        ends_clean(world);
    }
}

#[test]
fn a_verdict_on_the_responder_that_never_comes_does_not_leave_it_believing() {
    let mut world = two_gateways(22, Quality::default());
    world.configure(0, End::hq().configuration());
    world.configure(1, End::branch().configuration());
    world.run_until(LONG, |world| world.nodes[0].count("child-up") == 1);
    world.nodes[1].hold_answers = true;
    world.run(Duration::from_millis(31_000));
    assert_eq!(world.nodes[0].kernel.sas.len(), 0);
    world.nodes[0].failure("refused-by-peer");
    world.nodes[1].failure("no-answer");
}

#[test]
fn ike_sas_without_children_stand_where_both_sides_do_them() {
    let (mut hq, mut branch) = (End::hq(), End::branch());
    hq.children.clear();
    branch.children.clear();
    let mut world = meet(23, hq.configuration(), branch.configuration());
    assert!(matches!(world.command_and_wait(1, up()), Reply::Done));
    world.assert_up(0);
    assert_eq!(world.nodes[1].sent.len(), 2);
    ends_clean(world);
}

#[test]
fn without_a_kernel_there_are_ike_sas_only() {
    let none = |end: &End| Configuration {
        kernel: KernelMode::None,
        ..end.configuration()
    };
    let mut world = meet(24, none(&End::hq()), none(&End::branch()));
    world.run(Duration::from_secs(5));
    world.assert_up(0);
    assert!(matches!(world.command_and_wait(1, up()), Reply::Done));
    // A peer that has a kernel asks for a child, is told that there is none, and keeps the IKE SA.
    let mut world = meet(25, none(&End::hq()), End::branch().configuration());
    world.run(Duration::from_secs(5));
    world.nodes[0].failure("kernel-none");
    world.assert_up(0);
    assert_eq!(world.nodes[0].kernel.steps, 0);
}

#[test]
fn every_command_is_answered_once_whatever_else_happens() {
    // (The node panics at a second reply.)
    for at in 0..40 {
        let mut world = two_gateways(26, Quality::default());
        world.configure(0, End::hq().configuration());
        world.configure(1, End::branch().configuration());
        world.run(Duration::from_millis(at * 2));
        let ids: BTreeMap<_, _> = [
            (1, up()),
            (1, down()),
            (0, down()),
            (1, up()),
            (
                1,
                Command::Up {
                    connection: name("tunnel"),
                    child: Some(name("lan")),
                },
            ),
            (
                1,
                Command::Down {
                    connection: name("tunnel"),
                    child: Some(name("lan")),
                },
            ),
            (0, Command::Shutdown),
            (1, down()),
            (0, Command::Shutdown),
            (1, Command::Shutdown),
        ]
        .into_iter()
        .map(|(node, command)| ((node, world.command(node, command)), ()))
        .collect();
        world.run(LONG);
        for (node, id) in ids.keys() {
            assert!(
                world.nodes[*node].replies.contains_key(id),
                "at {at} ms, {node}: {id:?}"
            );
        }
        let now = world.now;
        world
            .nodes
            .iter_mut()
            .for_each(|node| node.assert_clean(now, 0));
    }
}

#[test]
fn who_waits_for_up_hears_of_a_shutdown() {
    for kernel_first in [true, false] {
        let mut world = two_gateways(34, Quality::default());
        world.configure(1, End::branch().configuration());
        let waiting = world.command(1, up());
        world.run(Duration::from_secs(1));
        world.nodes[1].hold_kernel = kernel_first;
        let shutdown = world.command(1, Command::Shutdown);
        let late = world.command(1, up());
        world.release(1);
        world.run(Duration::from_secs(10));
        for id in [waiting, late] {
            assert!(matches!(world.nodes[1].replies[&id], Reply::Failed(_)));
        }
        assert!(matches!(world.nodes[1].replies[&shutdown], Reply::Done));
    }
}

#[test]
fn a_connection_that_changes_while_a_peer_is_half_way_in_is_not_served_by_the_old_one() {
    for configuration in [Configuration::default(), {
        let mut hq = End::hq();
        hq.children = vec![("other", "10.7.0.0/16", "10.8.0.0/16")];
        hq.configuration()
    }] {
        let mut world = two_gateways(27, Quality::default());
        world.nodes[0].hold_answers = true;
        world.configure(0, End::hq().configuration());
        world.configure(1, End::branch().configuration());
        assert!(world.run_until(LONG, |world| !world.nodes[0].questions.is_empty()));
        world.configure(0, configuration);
        world.release(0);
        world.run(Duration::from_millis(500));
        assert_eq!(world.nodes[0].kernel.sas.len(), 0);
        assert_eq!(world.nodes[0].kernel.protecting(), 0);
        let now = world.now;
        let listed: usize = world.nodes[0]
            .list(now)
            .connections
            .iter()
            .map(|connection| connection.ike_sas.len())
            .sum();
        world.run(Duration::from_secs(60));
        assert!(world.nodes[0].engine().ike_sa_count() <= listed + 1);
    }
}

#[test]
fn what_is_down_stays_down_when_the_peer_asks_until_it_is_wanted_again() {
    let mut world = tunnel(28);
    assert!(matches!(world.command_and_wait(0, down()), Reply::Done));
    world.run(LONG);
    let now = world.now;
    world.nodes[0].assert_clean(now, 3);
    assert!(matches!(world.command_and_wait(0, up()), Reply::Done));
    world.run(LONG);
    world.assert_up(1);
}

#[test]
fn a_child_that_is_down_stays_down_when_the_peer_asks() {
    let mut world = tunnel(29);
    let command = |up: bool| {
        let (connection, child) = (name("tunnel"), Some(name("lan")));
        if up {
            Command::Up { connection, child }
        } else {
            Command::Down { connection, child }
        }
    };
    assert!(matches!(
        world.command_and_wait(0, command(false)),
        Reply::Done
    ));
    world.run(LONG);
    world.assert_up(0);
    assert!(matches!(
        world.command_and_wait(0, command(true)),
        Reply::Done
    ));
    world.assert_up(1);
}

#[test]
fn a_child_that_is_down_is_wanted_again_when_the_configuration_changes_it() {
    let mut world = tunnel(35);
    let (connection, child) = (name("tunnel"), Some(name("lan")));
    world.command_and_wait(0, Command::Down { connection, child });
    let mut hq = End::hq();
    hq.children = vec![("lan", "10.1.0.0/16", "10.0.0.0/8")];
    world.configure(0, hq.configuration());
    world.run(LONG);
    world.assert_up(1);
}

#[test]
fn a_peer_that_went_away_during_a_question_of_ours_is_not_asked_by_the_dead() {
    // The branch asks for life and gets no answer; then the headquarters' Delete arrives.
    let mut world = tunnel(30);
    world.meddler = Some(drop_exchange(ExchangeType::INFORMATIONAL, true));
    let asked = world.run_until(LONG, |world| world.nodes[1].count("retransmitting") == 4);
    assert!(asked);
    world.nodes[0].hold_answers = true;
    world.command(0, down());
    world.run_until(LONG, |world| world.nodes[1].count("ike-sa-closed") == 1);
    let sent = world.nodes[1].sent.len();
    world.run(LONG);
    let after: Vec<_> = world.nodes[1].sent[sent..]
        .iter()
        .filter_map(|transmit| Header::parse(&transmit.bytes).ok())
        .filter(|header| header.exchange == ExchangeType::INFORMATIONAL && !header.flags.response)
        .collect();
    assert_eq!(after, []);
}

#[test]
fn a_kernel_that_loses_an_sa_of_a_child_that_is_being_installed_does_no_harm() {
    let mut world = kernel_holds(31, 1);
    let (spi, destination) = *world.nodes[0].kernel.sas.keys().next().expect("an SA");
    let sa = SaReference { spi, destination };
    world.input(1, Input::KernelEvent(KernelEvent::Missing { sa }));
    world.run(Duration::from_secs(1));
    world.release(1);
    world.run(Duration::from_secs(10));
    world.assert_up(1);
    ends_clean(world);
}

#[test]
fn a_liveness_interval_of_zero_asks_never() {
    let never = |end: &End| {
        changed(end, |connection| {
            connection.liveness.interval = Duration::ZERO
        })
    };
    let mut world = meet(32, never(&End::hq()), never(&End::branch()));
    world.run(HOUR);
    assert_eq!(world.nodes[0].sent.len() + world.nodes[1].sent.len(), 4);
}

#[test]
fn a_give_up_time_of_zero_does_not_spin() {
    let hasty = |end: &End| {
        changed(end, |connection| {
            connection.liveness.give_up = Duration::ZERO
        })
    };
    let mut world = meet(33, hasty(&End::hq()), hasty(&End::branch()));
    world.run(HOUR);
    assert!(world.steps < 3000, "{} steps", world.steps);
}

#[test]
fn both_sides_with_several_children_end_with_one_of_each() {
    for seed in 40..80 {
        let quality = Quality {
            jitter: Duration::from_millis(30),
            ..Quality::default()
        };
        let mut world = two_gateways(seed, quality);
        let (mut hq, mut branch) = (End::hq(), End::branch());
        hq.keep = Keep::Up;
        hq.children.push(("voice", "10.1.0.0/16", "10.9.0.0/16"));
        branch
            .children
            .push(("voice", "10.9.0.0/16", "10.1.0.0/16"));
        world.configure(0, hq.configuration());
        world.configure(1, branch.configuration());
        world.run(LONG);
        world.assert_up(2);
    }
}

/// Runs until the node's kernel has a Child SA to install and is kept from it.
fn kernel_holds(seed: u64, node: usize) -> World {
    let mut world = two_gateways(seed, Quality::default());
    world.configure(0, End::hq().configuration());
    world.configure(1, End::branch().configuration());
    world.nodes[node].hold_kernel = true;
    let held = world.run_until(LONG, |world| !world.nodes[node].kernel_requests.is_empty());
    assert!(held);
    world
}

#[test]
fn a_hint_is_listed_while_the_attempt_goes_on_and_forgotten_when_it_succeeds() {
    let mut world = two_gateways(90, Quality::default());
    world.configure(1, End::branch().configuration());
    world.run(Duration::from_millis(500));
    let now = world.now;
    let listed = world.nodes[1].list(now).connections[0].last_failure.clone();
    let hint = Some(NotifyType::NO_PROPOSAL_CHOSEN);
    let (_, failure) = listed.expect("headquarters knows nobody, and said so");
    assert!(matches!(failure.cause, Cause::NoResponse { hint: said, .. } if said == hint));
    world.configure(0, End::hq().configuration());
    world.run(Duration::from_secs(20));
    let now = world.now;
    world.nodes[1].assert_up(now, 1);
    assert!(
        world.nodes[1].list(now).connections[0]
            .last_failure
            .is_none()
    );
}
