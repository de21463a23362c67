//! When an SA is replaced, and when that is tried again: the same for IKE SAs and Child SAs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::failure::Cause;
use crate::engine::io::{CommandId, Output, Reply};
use crate::engine::shared::Shared;
use crate::engine::window::jittered;
use crate::wire::numbers::NotifyType;

/// The pause after the first failure; doubles with each.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// The longest pause.
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// The longest pause where the peer only puts us off: it has other things under way, and the next attempt may meet others.
const LONGEST_PUT_OFF: Duration = Duration::from_secs(20);
/// How long the peer may put us off before the IKE SA counts as broken (RFC 7296 section 2.25).
const PUT_OFF_TIME: Duration = Duration::from_secs(300);
/// How long the peer may take to delete what it has replaced.
pub(in crate::engine) const DELETE_DUE: Duration = Duration::from_secs(60);

/// When we replace an SA, and how that went so far.
#[derive(Debug, Default)]
pub(super) struct Rekeying {
    /// When we begin, where nothing is under way.
    pub(super) at: Option<Duration>,
    /// Attempts that failed.
    failures: u32,
    /// Since when the peer has put us off with TEMPORARY_FAILURE.
    put_off_since: Option<Duration>,
    /// Who asked for it and waits.
    pub(super) waiters: Vec<CommandId>,
}

/// What is written of a [`Rekeying`]. Who waits for it waits for a process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RekeyingFields(Option<Duration>, u32, Option<Duration>);

impl Rekeying {
    pub(super) const fn fields(&self) -> RekeyingFields {
        let Self {
            at,
            failures,
            put_off_since,
            waiters: _,
        } = self;
        RekeyingFields(*at, *failures, *put_off_since)
    }

    pub(super) const fn restored(fields: RekeyingFields) -> Self {
        let RekeyingFields(at, failures, put_off_since) = fields;
        Self {
            at,
            failures,
            put_off_since,
            waiters: Vec::new(),
        }
    }

    /// To begin at this time.
    pub(super) fn due(at: Option<Duration>) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }

    /// Whether it came to nothing, so that the next attempt waits for its time.
    pub(super) const fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// How often.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Begins sooner, where nothing is under way.
    pub(super) fn bring_forward(&mut self, by: Duration, no_sooner: Duration) {
        if let Some(at) = &mut self.at {
            *at = at.saturating_sub(by).max(no_sooner).min(*at);
        }
    }

    /// Who is told that it came to nothing: nobody while the peer only puts us off.
    pub(super) fn disappointed(&mut self, retry_in: Option<Duration>) -> Vec<CommandId> {
        if self.put_off_since.is_some() && retry_in.is_some() {
            return Vec::new();
        }
        std::mem::take(&mut self.waiters)
    }

    /// It came to nothing, for this reason: the next attempt comes after this pause. `None`: the peer has put us off for
    /// too long.
    pub(super) fn failed(&mut self, shared: &mut Shared, cause: &Cause) -> Option<Duration> {
        let now = shared.now.boot;
        let notify = NotifyType::TEMPORARY_FAILURE;
        let mut longest = LONGEST_RETRY;
        if *cause == (Cause::Refused { notify }) {
            longest = LONGEST_PUT_OFF;
            let since = *self.put_off_since.get_or_insert(now);
            if now.saturating_sub(since) >= PUT_OFF_TIME {
                return None;
            }
        } else {
            self.put_off_since = None;
        }
        let pause = FIRST_RETRY * 2u32.saturating_pow(self.failures.min(8));
        let pause = jittered(pause.min(longest), &mut *shared.random);
        self.failures += 1;
        self.at = Some(now + pause);
        Some(pause)
    }
}

/// This long from now, less up to a tenth of it.
pub(super) fn shortened(duration: Duration, shared: &mut Shared) -> Duration {
    let part = f64::from(u16::from_be_bytes(shared.random_bytes())) / f64::from(u16::MAX);
    shared.now.boot + duration.mul_f64(1.0 - 0.1 * part)
}

/// Answers everybody who waits.
pub(super) fn answer_all(shared: &mut Shared, waiters: Vec<CommandId>, reply: impl Fn() -> Reply) {
    for command in waiters {
        shared.outputs.push_back(Output::Reply(command, reply()));
    }
}
