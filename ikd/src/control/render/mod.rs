//! The engine's terms in those of the control protocol.
//!
//! What peers sent stands in it as they sent it: whoever shows it to a person escapes it.

mod find;
mod list;
mod status;

use std::time::Duration;

use ike::config::Mode;
use ike::engine::failure::Failure;

pub(super) use find::{addresses_of, last_failure, missing_word, not_found, peer_of, state_of};
pub(super) use list::list;
pub(crate) use list::{child_state, connection_state};
pub(super) use status::status;

/// Why something did not work.
pub(crate) fn failure(failure: &Failure, at: u64, peer: Option<String>) -> ikapi::Failure {
    ikapi::Failure {
        code: failure.cause.code().name().to_owned(),
        step: failure.step.name().to_owned(),
        summary: failure.to_string(),
        detail: failure.details(),
        suggestion: failure.suggestion(),
        peer,
        at,
    }
}

fn mode(mode: Mode) -> ikapi::Mode {
    match mode {
        Mode::Tunnel => ikapi::Mode::Tunnel,
        Mode::Transport => ikapi::Mode::Transport,
    }
}

/// Seconds since 1970.
fn seconds(since_epoch: Duration) -> u64 {
    since_epoch.as_secs()
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}
