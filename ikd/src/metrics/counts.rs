//! What is counted as it happens. On the engine's thread: each takes as long as a look into a small map.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ike::engine::event::{DropReason, Event as EngineEvent};
use ike::engine::io::KernelFailure;

use super::table::{self, Metric};
use super::traffic::Carried;
use crate::events::Event;
use crate::events::kind::KINDS;
use crate::sockets::Counters;

/// Values of labels, in the order of the metric's labels.
pub(super) type Values = Vec<Cow<'static, str>>;

/// Counters by name, so that the map has an order.
pub(super) type Counts = BTreeMap<(&'static str, Values), u64>;

/// All counters of the daemon, and what its Child SAs have carried so far.
#[derive(Debug)]
pub(crate) struct Metrics {
    counts: Mutex<Counts>,
    pub(super) carried: Mutex<Carried>,
}

impl Default for Metrics {
    /// What is of interest from the first time on begins at 0, so that a rate sees that first time.
    fn default() -> Self {
        let metrics = Self {
            counts: Mutex::default(),
            carried: Mutex::default(),
        };
        for role in ["initiator", "responder"] {
            metrics.add(&table::HANDSHAKES, [role, "established"], 0);
        }
        for result in ["taken", "refused"] {
            metrics.add(&table::CONFIGURATIONS, [result], 0);
        }
        for reason in DropReason::ALL {
            metrics.add(&table::DROPPED, [reason.name()], 0);
        }
        for kind in KINDS {
            metrics.add(&table::EVENTS, [kind.name], 0);
        }
        metrics.udp(&Counters::default());
        metrics
    }
}

impl Metrics {
    /// Counts an event.
    pub(crate) fn observe(&self, event: &Event) {
        self.add(&table::EVENTS, [event.kind().name], 1);
        match event {
            Event::Engine(event) => self.engine(event),
            Event::ReloadFailed { .. } => self.add(&table::CONFIGURATIONS, ["refused"], 1),
            Event::Udp(counters) => self.udp(counters),
            _ => {}
        }
    }

    fn engine(&self, event: &EngineEvent) {
        match event {
            EngineEvent::IkeSaEstablished { initiator, .. } => {
                let role = if *initiator { "initiator" } else { "responder" };
                self.add(&table::HANDSHAKES, [role, "established"], 1);
            }
            EngineEvent::ConnectionFailed { failure, .. } => {
                let code = failure.cause.code().name();
                self.add(&table::HANDSHAKES, ["initiator", code], 1);
            }
            EngineEvent::PeerRefused { failure, .. } => {
                let code = failure.cause.code().name();
                self.add(&table::HANDSHAKES, ["responder", code], 1);
            }
            EngineEvent::IkeSaClosed { reason, .. } => {
                self.add(&table::CLOSED, [reason.cause.code().name()], 1);
            }
            EngineEvent::ChildFailed { failure, .. } => {
                self.add(&table::CHILD_FAILURES, [failure.cause.code().name()], 1);
            }
            EngineEvent::RekeyFailed { failure, .. } => {
                self.add(&table::REKEY_FAILURES, [failure.cause.code().name()], 1);
            }
            EngineEvent::Retransmitting { exchange, .. } => {
                let exchange = exchange.name().unwrap_or("unknown");
                self.add(&table::RETRANSMISSIONS, [exchange], 1);
            }
            EngineEvent::Configured { .. } => self.add(&table::CONFIGURATIONS, ["taken"], 1),
            EngineEvent::Dropped { reason, .. } => self.add(&table::DROPPED, [reason.name()], 1),
            EngineEvent::Initiating { .. }
            | EngineEvent::ChildUp { .. }
            | EngineEvent::ChildRekeyed { .. }
            | EngineEvent::IkeSaRekeyed { .. }
            | EngineEvent::ChildDown { .. }
            | EngineEvent::Acquire { .. }
            | EngineEvent::WithoutSa { .. }
            | EngineEvent::Hint { .. }
            | EngineEvent::CookieMode { .. }
            | EngineEvent::ClockSet { .. }
            | EngineEvent::Restored { .. }
            | EngineEvent::PolicyFailed { .. } => {}
        }
    }

    /// Counts a refusal of the kernel.
    pub(crate) fn kernel_refused(&self, failure: &KernelFailure) {
        let values = [
            Cow::Borrowed(failure.operation),
            Cow::Owned(failure.errno.clone()),
        ];
        self.add(&table::KERNEL_ERRORS, values, 1);
    }

    /// Counts what the sockets have counted.
    fn udp(&self, counters: &Counters) {
        let Counters {
            not_ike,
            would_block,
            send_failed,
        } = *counters;
        for (problem, count) in [
            ("not-ike", not_ike),
            ("buffer-full", would_block),
            ("send-failed", send_failed),
        ] {
            self.add(&table::UDP_PROBLEMS, [problem], count);
        }
    }

    /// All counters, now.
    pub(super) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn add<const N: usize>(
        &self,
        metric: &Metric,
        values: [impl Into<Cow<'static, str>>; N],
        count: u64,
    ) {
        debug_assert_eq!(metric.labels.len(), N, "{}", metric.name);
        let values = values.map(Into::into).to_vec();
        *self.lock().entry((metric.name, values)).or_default() += count;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
