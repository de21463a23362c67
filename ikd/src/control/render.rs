//! The engine's terms in those of the control protocol.

use std::collections::{BTreeMap, HashMap};

use ikapi::{Error, State};
use ike::config::{Child, Keep, KernelMode, Name, Shunt, ShuntAction};
use ike::engine::failure::Failure;
use ike::engine::io::SaReference;
use ike::engine::snapshot::{ChildSnapshot, ConnectionSnapshot, ConnectionState, IkeSaSnapshot};

use super::view::View;
use crate::kernel::Traffic;
use crate::log::events::spi;

/// What SAs have carried.
type TrafficBySa = HashMap<SaReference, Traffic>;

/// Why something did not work.
pub(crate) fn failure(failure: &Failure, at: u64, peer: Option<String>) -> ikapi::Failure {
    ikapi::Failure {
        code: failure.cause.code().to_owned(),
        step: failure.step.name().to_owned(),
        summary: failure.to_string(),
        detail: failure.details(),
        suggestion: failure.suggestion(),
        peer,
        at,
    }
}

/// The answer to `Status`. `statistics`: the kernel's error counters.
pub(super) fn status(view: &View, statistics: BTreeMap<String, u64>) -> ikapi::Status {
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
        counts: counts(view),
        xfrm_statistics: statistics,
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

/// The answer to `List`.
pub(super) fn list(
    view: &View,
    traffic: &TrafficBySa,
    request: &ikapi::ListRequest,
) -> Result<ikapi::List, Error> {
    let all = &view.snapshot.connections;
    let wanted = |connection: &&ConnectionSnapshot| {
        let named = request
            .connection
            .as_deref()
            .is_none_or(|name| connection.connection.name.as_str() == name);
        named
            && (!request.failed
                || connection.last_failure.is_some()
                || !connection.child_failures.is_empty())
    };
    if let Some(name) = &request.connection
        && !all
            .iter()
            .any(|connection| connection.connection.name.as_str() == name)
    {
        return Err(missing(
            "connection",
            name,
            all.iter().map(|connection| &connection.connection.name),
        ));
    }
    let everything = request.connection.is_none();
    let shunts = view
        .facts
        .configuration
        .shunts
        .iter()
        .filter(|_| everything && !request.failed);
    Ok(ikapi::List {
        now: view.now,
        connections: all
            .iter()
            .filter(wanted)
            .map(|one| connection(one, view, traffic))
            .collect(),
        policies: shunts.map(|shunt| policy(shunt)).collect(),
        unknown_peers: view
            .snapshot
            .strangers
            .iter()
            .filter(|_| everything)
            .map(|stranger| {
                let address = stranger.remote.to_string();
                let failure = failure(
                    &stranger.failure,
                    stranger.at.as_secs(),
                    Some(address.clone()),
                );
                ikapi::UnknownPeer { address, failure }
            })
            .collect(),
    })
}

fn policy(shunt: &Shunt) -> ikapi::Policy {
    ikapi::Policy {
        name: shunt.name.to_string(),
        action: match shunt.action {
            ShuntAction::Pass => ikapi::Action::Pass,
            ShuntAction::Drop => ikapi::Action::Drop,
        },
        local: texts(&shunt.local),
        remote: texts(&shunt.remote),
    }
}

fn connection(
    snapshot: &ConnectionSnapshot,
    view: &View,
    traffic: &TrafficBySa,
) -> ikapi::Connection {
    let configured = &snapshot.connection;
    let remote_address = configured.remote.address.map(|address| address.to_string());
    let failed = |(at, why): &(std::time::Duration, Failure)| {
        failure(why, at.as_secs(), remote_address.clone())
    };
    ikapi::Connection {
        name: configured.name.to_string(),
        state: connection_state(snapshot),
        local: ikapi::End {
            address: configured.local.address.map(|address| address.to_string()),
            id: Some(configured.local.id.to_string()),
        },
        remote: ikapi::End {
            address: remote_address.clone(),
            id: configured.remote.id.as_ref().map(ToString::to_string),
        },
        children: configured
            .children
            .iter()
            .map(|one| child(one, snapshot))
            .collect(),
        ike_sas: snapshot
            .ike_sas
            .iter()
            .map(|one| ike_sa(one, view, traffic))
            .collect(),
        last_failure: snapshot.last_failure.as_ref().map(failed),
        retry_in_seconds: snapshot.retry_in.map(|time| time.as_secs()),
    }
}

fn child(configured: &Child, snapshot: &ConnectionSnapshot) -> ikapi::Child {
    let last = snapshot
        .child_failures
        .iter()
        .rfind(|(name, ..)| *name == configured.name);
    ikapi::Child {
        name: configured.name.to_string(),
        keep: match configured.keep {
            Keep::Up => ikapi::Keep::Up,
            Keep::Passive => ikapi::Keep::Passive,
        },
        state: child_state(configured, snapshot),
        local: texts(&configured.local),
        remote: texts(&configured.remote),
        last_failure: last.map(|(_, at, why)| failure(why, at.as_secs(), None)),
    }
}

fn ike_sa(snapshot: &IkeSaSnapshot, view: &View, traffic: &TrafficBySa) -> ikapi::IkeSa {
    let proven = snapshot.remote_id.is_some();
    let age = snapshot.age.as_secs();
    ikapi::IkeSa {
        id: snapshot.unique,
        state: match snapshot.state {
            "connecting" => ikapi::IkeSaState::Connecting,
            "established" => ikapi::IkeSaState::Established,
            "closing" => ikapi::IkeSaState::Closing,
            _ => ikapi::IkeSaState::Unknown,
        },
        role: if snapshot.initiator {
            ikapi::Role::Initiator
        } else {
            ikapi::Role::Responder
        },
        initiator_spi: snapshot.spis.initiator.to_string(),
        responder_spi: snapshot.spis.responder.to_string(),
        local: snapshot.path.local.to_string(),
        remote: snapshot.path.remote.to_string(),
        local_id: snapshot
            .local_id
            .as_ref()
            .filter(|_| proven)
            .map(ToString::to_string),
        remote_id: snapshot.remote_id.as_ref().map(ToString::to_string),
        suite: snapshot.suite.clone(),
        established: (snapshot.state == "established").then(|| view.now.saturating_sub(age)),
        age_seconds: age,
        last_heard_seconds: Some(snapshot.last_heard.as_secs()),
        child_sas: snapshot
            .children
            .iter()
            .map(|one| child_sa(one, traffic))
            .collect(),
    }
}

fn child_sa(snapshot: &ChildSnapshot, traffic: &TrafficBySa) -> ikapi::ChildSa {
    let carried = |sa: &SaReference| traffic.get(sa).copied().unwrap_or_default();
    let (inbound, outbound) = (carried(&snapshot.inbound), carried(&snapshot.outbound));
    ikapi::ChildSa {
        name: snapshot.name.to_string(),
        spi_in: spi(snapshot.inbound.spi),
        spi_out: spi(snapshot.outbound.spi),
        reqid: snapshot.reqid,
        mode: ikapi::Mode::Tunnel,
        suite: snapshot.suite.clone(),
        esn: snapshot.esn,
        local_ts: texts(&snapshot.local),
        remote_ts: texts(&snapshot.remote),
        bytes_in: inbound.bytes,
        bytes_out: outbound.bytes,
        packets_in: inbound.packets,
        packets_out: outbound.packets,
        age_seconds: snapshot.age.map_or(0, |age| age.as_secs()),
        hard_lifetime_seconds: snapshot.hard_lifetime.as_secs(),
        replay_window: snapshot.replay_window,
    }
}

/// How a connection fares: up only where every child that should be up is.
fn connection_state(snapshot: &ConnectionSnapshot) -> State {
    let state = match snapshot.state {
        ConnectionState::Up => State::Up,
        ConnectionState::Connecting => State::Connecting,
        ConnectionState::Waiting => State::Waiting,
        ConnectionState::Passive => State::Passive,
        ConnectionState::Down => State::Down,
    };
    let lacking = |child: &Child| {
        child.keep == Keep::Up
            && !is_installed(child, snapshot)
            && !snapshot.held_down.contains(&child.name)
    };
    if state == State::Up
        && snapshot
            .connection
            .children
            .iter()
            .any(|child| lacking(child))
    {
        return State::Waiting;
    }
    state
}

fn child_state(child: &Child, snapshot: &ConnectionSnapshot) -> State {
    match snapshot.state {
        _ if is_installed(child, snapshot) => State::Up,
        ConnectionState::Down => State::Down,
        _ if snapshot.held_down.contains(&child.name) => State::Down,
        ConnectionState::Connecting => State::Connecting,
        _ if child.keep == Keep::Passive => State::Passive,
        _ => State::Waiting,
    }
}

fn is_installed(child: &Child, snapshot: &ConnectionSnapshot) -> bool {
    let mut child_sas = snapshot.ike_sas.iter().flat_map(|ike_sa| &ike_sa.children);
    child_sas.any(|child_sa| child_sa.name == child.name && child_sa.age.is_some())
}

fn find<'a>(view: &'a View, name: &Name) -> Option<&'a ConnectionSnapshot> {
    view.snapshot
        .connections
        .iter()
        .find(|connection| connection.connection.name == *name)
}

/// How a connection, or one child of it, fares.
pub(super) fn state_of(view: &View, connection: &Name, child: Option<&Name>) -> State {
    let Some(snapshot) = find(view, connection) else {
        return State::Unknown;
    };
    match child {
        None => connection_state(snapshot),
        Some(name) => {
            let configured = snapshot
                .connection
                .children
                .iter()
                .find(|child| child.name == *name);
            configured.map_or(State::Unknown, |child| child_state(child, snapshot))
        }
    }
}

/// The newest failure of a connection, or of one child of it.
pub(super) fn last_failure(
    view: &View,
    connection: &Name,
    child: Option<&Name>,
) -> Option<ikapi::Failure> {
    let snapshot = find(view, connection)?;
    let of_children = snapshot
        .child_failures
        .iter()
        .filter(|(name, ..)| child.is_none_or(|child| child == name))
        .map(|(_, at, why)| (at, why));
    let of_connection = snapshot.last_failure.iter().map(|(at, why)| (at, why));
    let (at, why) = of_children
        .chain(of_connection)
        .max_by_key(|(at, _)| **at)?;
    Some(failure(why, at.as_secs(), peer_of(view, connection)))
}

/// The configured address of a connection's peer.
pub(super) fn peer_of(view: &View, connection: &Name) -> Option<String> {
    let address = find(view, connection)?.connection.remote.address?;
    Some(address.to_string())
}

/// The error for names that the engine does not know: the connection, or else its child.
pub(super) fn not_found(view: &View, connection: &Name, child: Option<&Name>) -> Error {
    match (find(view, connection), child) {
        (Some(snapshot), Some(child)) => missing(
            "child",
            child.as_str(),
            snapshot.connection.children.iter().map(|child| &child.name),
        ),
        _ => {
            let names = view
                .snapshot
                .connections
                .iter()
                .map(|one| &one.connection.name);
            missing("connection", connection.as_str(), names)
        }
    }
}

fn missing<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a Name>) -> Error {
    Error::NotFound {
        what: what.to_owned(),
        name: name.to_owned(),
        nearest: nearest(name, known),
    }
}

/// The known name with the fewest differences, if they are few.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a Name>) -> Option<String> {
    let most = name.chars().count().div_ceil(3);
    let close = known
        .map(|known| (distance(name, known.as_str()), known))
        .filter(|(distance, _)| *distance <= most);
    close
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known.to_string())
}

/// Characters to insert, remove or replace (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<_> = right.chars().collect();
    let mut row: Vec<_> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_finds_its_nearest() {
        let known: Vec<_> = ["branch", "hub", "lab-7"]
            .iter()
            .filter_map(|name| Name::new(name))
            .collect();
        assert_eq!(nearest("brnch", known.iter()).as_deref(), Some("branch"));
        assert_eq!(nearest("hib", known.iter()).as_deref(), Some("hub"));
        assert_eq!(nearest("office", known.iter()), None);
    }

    #[test]
    fn distance_counts_single_changes() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
