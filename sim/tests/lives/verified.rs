//! What would fail when the first Child SA is due for replacement is found at once, where the policy asks for it.

use std::time::Duration;

use ike::config::Configuration;
use ike::engine::event::Event;
use sim::setup::End;

use super::{is_up, up, with};

fn verifying(mut end: End, esp: &'static str) -> Configuration {
    end.esp = Some(esp);
    with(&end, |connection| connection.verify_rekey = true)
}

fn accepting(esp: &'static str) -> Configuration {
    let mut end = End::hq();
    end.esp = Some(esp);
    end.configuration()
}

#[test]
fn where_both_sides_agree_it_is_replaced_once() {
    for esp in ["aes256gcm16-x25519", "aes256gcm16"] {
        let ends = [accepting(esp), verifying(End::branch(), esp)];
        let mut world = up(940, ends);
        world.run(Duration::from_secs(30));
        for at in [0, 1] {
            let now = world.now;
            assert!(is_up(&mut world.nodes[at], now));
            assert_eq!(world.nodes[at].count("child-rekeyed"), 1);
            assert_eq!(world.nodes[at].count("rekey-failed"), 0);
        }
    }
}

#[test]
fn where_they_do_not_it_is_said_at_once_with_what_both_want() {
    // In IKE_AUTH nobody sees it: the key exchange is for the next one.
    let ends = [
        accepting("aes256gcm16-ecp384"),
        verifying(End::branch(), "aes256gcm16-x25519"),
    ];
    let mut world = up(941, ends);
    world.run(Duration::from_secs(1));
    let told = world.nodes[1].events.iter().find_map(|event| match event {
        Event::RekeyFailed {
            failure,
            child: Some(_),
            ..
        } => Some(failure),
        _ => None,
    });
    let told = told.expect("told at once");
    assert_eq!(told.cause.code().name(), "cannot-rekey");
    let text = told.to_string();
    assert!(
        text.contains("x25519") && text.contains("NO_PROPOSAL_CHOSEN"),
        "{text}"
    );
    let now = world.now;
    assert!(is_up(&mut world.nodes[1], now), "what is there goes on");
}
