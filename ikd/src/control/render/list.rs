//! `List`: connections, their IKE SAs and Child SAs, and what went wrong.

use std::collections::HashMap;
use std::sync::Arc;

use ikapi::{Error, ProofMethod, State};
use ike::auth::proof::{Evidence, OwnEvidence};
use ike::config::{Child, Keep, PublicCredentials, Shunt, ShuntAction};
use ike::engine::failure::{Failure, StrangerFailure};
use ike::engine::io::SaReference;
use ike::engine::snapshot::{ChildSnapshot, ConnectionSnapshot, ConnectionState, IkeSaSnapshot};
use ike::pki::Certificate;

use super::find::missing;
use super::{failure, mode, seconds, texts};
use crate::control::View;
use crate::events::spi;
use crate::kernel::Traffic;

/// What SAs have carried.
type TrafficBySa = HashMap<SaReference, Traffic>;

/// How long it is told that a stranger was refused, in seconds.
const STRANGERS_KEPT: u64 = 24 * 3600;

/// The answer to `List`.
pub(in crate::control) fn list(
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
            .filter(|stranger| everything && !is_stale(stranger, view.now))
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

/// Whether nobody is served by knowing of it.
fn is_stale(stranger: &StrangerFailure, now: u64) -> bool {
    now.saturating_sub(seconds(stranger.at)) > STRANGERS_KEPT
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
    let credentials = view.facts.configuration.credentials.get(&configured.name);
    let credentials = credentials.map(Arc::as_ref);
    let remote_address = configured.remote.address.map(|address| address.to_string());
    let host = configured.remote.host.as_ref().map(ToString::to_string);
    let remote_address = remote_address.or(host);
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
        certificate: credentials.and_then(own_certificate).map(certificate),
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
            Keep::OnDemand => ikapi::Keep::OnDemand,
        },
        state: child_state(configured, snapshot),
        mode: mode(configured.mode),
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
        local_auth: snapshot.own_evidence.as_ref().map(own_proof),
        remote_auth: snapshot.evidence.as_ref().map(proof),
        local_id: snapshot
            .local_id
            .as_ref()
            .filter(|_| proven)
            .map(ToString::to_string),
        remote_id: snapshot.remote_id.as_ref().map(ToString::to_string),
        suite: snapshot.suite.clone(),
        established: (snapshot.state == "established").then(|| view.now.saturating_sub(age)),
        age_seconds: age,
        last_heard_seconds: snapshot.last_heard.map(|ago| ago.as_secs()),
        child_sas: snapshot
            .children
            .iter()
            .map(|one| child_sa(one, traffic))
            .collect(),
    }
}

fn own_certificate(credentials: &PublicCredentials) -> Option<&Certificate> {
    credentials.own.as_ref()?.chain.first().map(Arc::as_ref)
}

fn certificate(certificate: &Certificate) -> ikapi::Certificate {
    ikapi::Certificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: certificate.serial(),
        not_before: seconds(certificate.not_before()),
        not_after: seconds(certificate.not_after()),
    }
}

fn own_proof(evidence: &OwnEvidence) -> ikapi::Proof {
    match evidence {
        OwnEvidence::PreSharedKey => ikapi::Proof {
            method: ProofMethod::Psk,
            ..ikapi::Proof::default()
        },
        OwnEvidence::RawKey { key, scheme } => ikapi::Proof {
            method: ProofMethod::RawKey,
            signature: Some(scheme.to_string()),
            key: Some(key.to_string()),
            ..ikapi::Proof::default()
        },
        OwnEvidence::Certificate {
            certificate,
            valid_until,
            scheme,
        } => ikapi::Proof {
            method: ProofMethod::Certificate,
            signature: Some(scheme.to_string()),
            subject: Some(certificate.subject().to_string()),
            issuer: Some(certificate.issuer().to_string()),
            serial: Some(certificate.serial()),
            not_after: Some(seconds(*valid_until)),
            ..ikapi::Proof::default()
        },
    }
}

fn proof(evidence: &Evidence) -> ikapi::Proof {
    let proof = ikapi::Proof {
        signature: evidence.scheme().map(|scheme| scheme.to_string()),
        not_after: evidence.valid_until().map(seconds),
        ..ikapi::Proof::default()
    };
    match evidence {
        Evidence::PreSharedKey => ikapi::Proof {
            method: ProofMethod::Psk,
            ..proof
        },
        Evidence::RawKey { key, .. } => ikapi::Proof {
            method: ProofMethod::RawKey,
            key: Some(key.to_string()),
            ..proof
        },
        Evidence::Certificate(certificate) => ikapi::Proof {
            method: ProofMethod::Certificate,
            subject: Some(certificate.subject.to_string()),
            issuer: Some(certificate.issuer.to_string()),
            serial: Some(certificate.serial.clone()),
            ..proof
        },
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
        mode: mode(snapshot.mode),
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
pub(crate) fn connection_state(snapshot: &ConnectionSnapshot) -> State {
    let state = match snapshot.state {
        ConnectionState::Up => State::Up,
        ConnectionState::Connecting => State::Connecting,
        ConnectionState::Waiting => State::Waiting,
        ConnectionState::OnDemand => State::OnDemand,
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

pub(crate) fn child_state(child: &Child, snapshot: &ConnectionSnapshot) -> State {
    match snapshot.state {
        _ if is_installed(child, snapshot) => State::Up,
        ConnectionState::Down => State::Down,
        _ if snapshot.held_down.contains(&child.name) => State::Down,
        ConnectionState::Connecting => State::Connecting,
        _ => match child.keep {
            Keep::Up => State::Waiting,
            Keep::OnDemand => State::OnDemand,
            Keep::Passive => State::Passive,
        },
    }
}

fn is_installed(child: &Child, snapshot: &ConnectionSnapshot) -> bool {
    let mut child_sas = snapshot.ike_sas.iter().flat_map(|ike_sa| &ike_sa.children);
    child_sas.any(|child_sa| child_sa.name == child.name && child_sa.age.is_some())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use ike::engine::failure::{Cause, Step};

    use super::*;

    #[test]
    fn a_stranger_is_told_for_a_day() {
        let address: IpAddr = "198.51.100.7".parse().expect("valid");
        let cause = Cause::NoConnection {
            local: address,
            remote: address,
        };
        let stranger = StrangerFailure {
            remote: (address, 500).into(),
            at: Duration::from_secs(1000),
            failure: Failure::new(Step::IkeSaInit, cause),
        };
        assert!(!is_stale(&stranger, 1000 + STRANGERS_KEPT));
        assert!(is_stale(&stranger, 1001 + STRANGERS_KEPT));
        assert!(!is_stale(&stranger, 0), "the wall clock went back");
    }

    #[test]
    fn each_kind_of_evidence_has_its_words() {
        let told = proof(&Evidence::PreSharedKey);
        assert_eq!(told.method, ProofMethod::Psk);
        assert_eq!((told.key, told.subject, told.signature), (None, None, None));
        let evidence = Evidence::RawKey {
            key: ike::crypto::signature::Fingerprint([0xab; 32]),
            scheme: ike::crypto::signature::SignatureScheme::Ed25519,
        };
        let told = proof(&evidence);
        assert_eq!(told.method, ProofMethod::RawKey);
        assert_eq!(told.key, Some("ab".repeat(32)));
        assert!(told.signature.is_some());
    }
}
