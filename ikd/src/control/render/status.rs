//! `Status`.

use std::collections::BTreeMap;
use std::time::Duration;

use ikapi::State;
use ike::config::KernelMode;

use super::list::connection_state;
use super::{seconds, texts};
use crate::control::View;
use crate::expiry::{self, Due, Kind};

/// The answer to `Status`. `statistics`: the kernel's error counters.
pub(in crate::control) fn status(view: &View, statistics: BTreeMap<String, u64>) -> ikapi::Status {
    let facts = &view.facts;
    let mode = facts.configuration.kernel;
    ikapi::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: facts.started,
        now: view.now,
        uptime_seconds: view.boot.saturating_sub(facts.started_boot).as_secs(),
        configuration: ikapi::Configuration {
            paths: facts
                .paths
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
            loaded_at: facts.loaded_at,
            connections: facts.configuration.connections.len() as u64,
            last_reload_error: facts.reload_failure.clone(),
        },
        kernel: ikapi::Kernel {
            mode: match mode {
                KernelMode::Xfrm => ikapi::KernelMode::Xfrm,
                KernelMode::None => ikapi::KernelMode::None,
            },
            capabilities: facts.capabilities.to_vec(),
            missing: facts.missing.to_vec(),
        },
        keylog: facts.keylog.as_ref().map(|path| path.display().to_string()),
        counts: counts(view),
        xfrm_statistics: statistics,
        expiring: expiry::due(&facts.configuration, Duration::from_secs(view.now))
            .into_iter()
            .map(expiring)
            .collect(),
    }
}

fn expiring(
    Due {
        subject,
        connections,
        ..
    }: Due,
) -> ikapi::Expiring {
    ikapi::Expiring {
        kind: match subject.kind {
            Kind::Own => ikapi::ExpiringKind::Own,
            Kind::Intermediate => ikapi::ExpiringKind::Intermediate,
            Kind::Authority => ikapi::ExpiringKind::Authority,
            Kind::RevocationList => ikapi::ExpiringKind::RevocationList,
        },
        name: subject.name,
        serial: subject.serial,
        not_after: seconds(subject.until),
        connections: texts(&connections),
    }
}

fn counts(view: &View) -> ikapi::Counts {
    let connections = &view.snapshot.connections;
    let ike_sas = connections
        .iter()
        .flat_map(|connection| &connection.ike_sas);
    ikapi::Counts {
        connections: connections.len() as u64,
        up: connections
            .iter()
            .filter(|connection| connection_state(connection) == State::Up)
            .count() as u64,
        ike_sas: ike_sas.clone().count() as u64,
        half_open: view.snapshot.half_open as u64,
        child_sas: ike_sas.map(|ike_sa| ike_sa.children.len() as u64).sum(),
    }
}
