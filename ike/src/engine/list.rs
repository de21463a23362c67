//! The engine at one moment, for whoever asks.

use crate::config::Name;

use super::Engine;
use super::connections::Entry;
use super::ike_sa::{ChildSa, ChildState, IkeSa};
use super::snapshot::{
    ChildSnapshot, ConnectionSnapshot, ConnectionState, IkeSaSnapshot, Snapshot, Standing,
};

impl Engine {
    /// Everything, at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let entries = self
            .connections
            .order
            .iter()
            .filter_map(|name| self.connections.entries.get(name));
        Snapshot {
            connections: entries
                .map(|entry| self.connection_snapshot(entry))
                .collect(),
            half_open: self.half_open.count(),
            strangers: self.strangers.iter().cloned().collect(),
        }
    }

    /// How much of what is configured stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let mut standing = Standing::default();
        for entry in self.connections.entries.values() {
            let established = || {
                let sas = entry.sas.iter().filter_map(|own| self.ike_sas.get(own));
                sas.filter_map(|sa| sa.established())
            };
            standing.connections += 1;
            standing.up += usize::from(established().next().is_some());
            standing.children += established()
                .flat_map(|established| &established.children)
                .filter(|child| matches!(child.state, ChildState::InUse(_)))
                .count();
        }
        standing
    }

    fn connection_snapshot(&self, entry: &Entry) -> ConnectionSnapshot {
        let now = self.shared.now.boot;
        let sas = || entry.sas.iter().filter_map(|own| self.ike_sas.get(own));
        let state = if sas().any(|sa| sa.is_established()) {
            ConnectionState::Up
        } else if sas().any(|sa| sa.is_connecting()) {
            ConnectionState::Connecting
        } else if entry.held_down {
            ConnectionState::Down
        } else if entry.connection.initiates() {
            ConnectionState::Waiting
        } else if entry.children.values().any(|it| it.trap.is_some()) {
            ConnectionState::OnDemand
        } else {
            ConnectionState::Passive
        };
        let name = &entry.connection.name;
        let of_this = |(connection, _): &&(Name, Name)| connection == name;
        let held_down = (self.shared.held_down.iter().filter(of_this))
            .map(|(_, child)| child.clone())
            .collect();
        let child_failures = entry
            .children
            .iter()
            .filter_map(|(name, child)| {
                child
                    .last_failure
                    .as_ref()
                    .map(|(at, failure)| (name.clone(), *at, failure.clone()))
            })
            .collect();
        let by_itself = match state {
            ConnectionState::Waiting | ConnectionState::Up => true,
            ConnectionState::OnDemand => self.shared.traps.wants_any(&entry.connection),
            _ => false,
        };
        let retry_in = entry
            .next_attempt(now)
            .filter(|_| by_itself)
            .map(|at| at.saturating_sub(now));
        ConnectionSnapshot {
            connection: entry.connection.clone(),
            state,
            ike_sas: sas().map(|sa| self.ike_sa_snapshot(sa)).collect(),
            last_failure: entry.hinted.clone().or_else(|| entry.last_failure.clone()),
            child_failures,
            held_down,
            retry_in,
        }
    }

    fn ike_sa_snapshot(&self, sa: &IkeSa) -> IkeSaSnapshot {
        let now = self.shared.now.boot;
        let established = sa.established();
        IkeSaSnapshot {
            unique: sa.unique,
            spis: sa.spis,
            state: if established.is_some() {
                "established"
            } else {
                "connecting"
            },
            initiator: sa.initiator,
            path: sa.path,
            local_id: sa
                .connection
                .as_ref()
                .map(|connection| connection.local.id.clone()),
            remote_id: established.map(|established| established.peer.identity().clone()),
            own_evidence: established.map(|established| established.own.clone()),
            evidence: established.map(|established| established.peer.evidence().clone()),
            suite: established
                .map(|established| established.suite.to_string())
                .unwrap_or_default(),
            age: now.saturating_sub(established.map_or(sa.since, |established| established.since)),
            last_heard: sa.last_heard.map(|heard| now.saturating_sub(heard)),
            children: established
                .map(|established| {
                    established
                        .children
                        .iter()
                        .filter(|child| child.is_current())
                        .map(|child| self.child_snapshot(child))
                        .collect()
                })
                .unwrap_or_default(),
        }
    }

    fn child_snapshot(&self, sa: &ChildSa) -> ChildSnapshot {
        let age = match sa.state {
            ChildState::InUse(since) => Some(self.shared.now.boot.saturating_sub(since)),
            _ => None,
        };
        ChildSnapshot {
            name: sa.child.name.clone(),
            mode: sa.child.mode,
            inbound: sa.inbound,
            outbound: sa.outbound,
            reqid: sa.line.reqid,
            suite: sa.suite.to_string(),
            esn: sa.suite.esn,
            local: sa.local.clone(),
            remote: sa.remote.clone(),
            age,
            hard_lifetime: sa.child.hard_lifetime,
            replay_window: sa.child.replay_window,
        }
    }
}
