//! A new configuration: what changed is replaced, what stayed is left alone, and at no moment is traffic in clear that both
//! the old and the new one protect or drop.
//!
//! Order: the new block, pass and drop policies stand first, then the IKE SAs of what is gone say goodbye (their Child SAs
//! give their places back to what blocks them), and last the policies that nobody wants any more are deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::auth::certificates;
use crate::config::selector::Selector;
use crate::config::{
    Child, Configuration, Connection, Mode, Name, Protected, PublicCredentials,
    RemoteAuthentication, Shunt, ShuntAction,
};
use crate::pki::PathCache;
use crate::wire::IkeSpi;

use super::Engine;
use super::candidates::Directory;
use super::connections::{ChildEntry, Entry};
use super::event::{Event, Unprotected};
use super::failure::{Cause, Failure, Step};
use super::io::{KernelStep, OnFailure, PolicyAction};
use super::policy_table::{self, Kind, Owner, SlotKey, Slots};
use super::shared::KernelOwner;
use super::traps;

/// The pass and drop policies in force, with their places.
pub(super) type Shunts = Vec<(Arc<Shunt>, Slots)>;

/// A policy of the configuration: whose, and where.
type Place = (Owner, SlotKey);

impl Engine {
    pub(super) fn configure(&mut self, configuration: Configuration) {
        if self.shutting_down {
            return;
        }
        let Configuration {
            connections,
            shunts,
            limits,
            kernel,
            credentials,
        } = configuration;
        self.shared.limits = limits;
        self.replace_credentials(&connections, credentials);
        self.shared.kernel_mode = kernel;
        let mut before = self.places();
        let unchanged: BTreeSet<Name> = connections
            .iter()
            .filter(|new| {
                self.connections
                    .entries
                    .get(&new.name)
                    .is_some_and(|old| old.connection == **new)
            })
            .map(|connection| connection.name.clone())
            .collect();
        let mut old = std::mem::take(&mut self.connections.entries);
        let (mut steps, mut changed, mut dropped) = (Vec::new(), 0, Vec::new());
        // Those that may have other promises about children that stay.
        let mut promised = Vec::new();
        if concerns_ipv6(&connections, &shunts) {
            self.occupy(
                Ok(policy_table::neighbour_discovery()),
                &Owner::NeighbourDiscovery,
                policy_table::NEIGHBOUR_DISCOVERY,
                (PolicyAction::Pass, PolicyAction::Pass),
                &mut steps,
            );
        }
        self.connections.order.clear();
        for connection in &connections {
            let name = connection.name.clone();
            let entry = match old.remove(&name) {
                Some(entry) if unchanged.contains(&name) => entry,
                Some(entry) if entry.connection.differs_in_children_only(connection) => {
                    changed += 1;
                    promised.push(name.clone());
                    self.change_children(entry, connection, &mut steps, &mut dropped)
                }
                replaced => {
                    if let Some(entry) = replaced {
                        old.insert(name.clone(), entry);
                    }
                    self.new_entry(connection, &mut steps)
                }
            };
            self.connections.order.push(name.clone());
            self.connections.entries.insert(name, entry);
        }
        self.connections.directory = Directory::new(connections.iter().map(|connection| {
            let entry = self.connections.entries.get(&connection.name);
            (
                connection.clone(),
                entry.is_some_and(|entry| entry.held_down),
            )
        }));
        steps.extend(self.replace_shunts(shunts));
        for name in &promised {
            self.change_traps(name, &mut steps);
        }
        self.shared
            .apply(KernelOwner::Configuration, steps, OnFailure::Continue);

        self.shared
            .held_down
            .retain(|(connection, _)| !old.contains_key(connection));
        let removed = old.len();
        for (name, entry) in old {
            self.dismiss(&name, entry);
        }
        for (own, child) in dropped {
            self.with_sa(own, |sa, shared| {
                sa.withdraw(|queued| queued.name == child);
                sa.delete_child(shared, &child, &Cause::TakenDown);
            });
        }
        let after = self.places();
        before.retain(|place| !after.contains(place));
        let steps = before
            .iter()
            .filter_map(|(owner, slot)| self.shared.policies.unset(*slot, owner))
            .collect();
        self.shared
            .apply(KernelOwner::Removal, steps, OnFailure::Continue);

        self.shared.event(Event::Configured {
            added: connections.len() - unchanged.len() - changed,
            removed,
            changed,
            unchanged: unchanged.len(),
        });
        for name in self.connections.order.clone() {
            self.reconcile(&name);
        }
    }

    /// Certificates and keys for the authentications that begin from now on; what stands, or is under way, keeps its own.
    /// What was fetched stays, for it is judged anew each time.
    fn replace_credentials(
        &mut self,
        connections: &[Arc<Connection>],
        credentials: BTreeMap<Name, Arc<PublicCredentials>>,
    ) {
        let of_peers_that_sign = connections.iter().filter_map(|connection| {
            let RemoteAuthentication::Signature(demand) = connection.authentication.remote else {
                return None;
            };
            let trust = &credentials.get(&connection.name)?.trust;
            Some((trust, demand.revocation))
        });
        self.shared.certificate_requests = certificates::requests(of_peers_that_sign);
        self.shared.credentials = credentials;
        self.shared.paths = PathCache::default();
    }

    /// A connection that is new or changed, and what blocks the traffic of its children from now on.
    fn new_entry(&mut self, connection: &Arc<Connection>, steps: &mut Vec<KernelStep>) -> Entry {
        let mut entry = Entry::new(connection.clone());
        for child in &connection.children {
            let state = self.new_child(connection, child, false, steps);
            entry.children.insert(child.name.clone(), state);
        }
        entry
    }

    /// A child that is new or changed, and what stands in for its SAs from now on.
    fn new_child(
        &mut self,
        connection: &Connection,
        child: &Child,
        held: bool,
        steps: &mut Vec<KernelStep>,
    ) -> Box<ChildEntry> {
        let mut state = Box::<ChildEntry>::default();
        let traffic = self.without_sa(connection, child, held);
        self.stand_in(connection, child, &mut state, traffic, steps);
        state
    }

    /// A connection that differs in its children only: its IKE SAs stay, and so do the children that stay as they were.
    /// What is to go is added to `dropped`, to be taken down when the new policies stand.
    fn change_children(
        &mut self,
        mut entry: Entry,
        connection: &Arc<Connection>,
        steps: &mut Vec<KernelStep>,
        dropped: &mut Vec<(IkeSpi, Name)>,
    ) -> Entry {
        let old = std::mem::replace(&mut entry.connection, connection.clone());
        let serves = |old: &Child| {
            let new = connection.child(&old.name);
            new.is_some_and(|new| new.differs_in_promises_only(old))
        };
        let (stays, goes): (Vec<_>, Vec<_>) =
            (old.children.iter()).partition(|child| serves(child));
        for child in goes {
            let state = entry.children.remove(&child.name);
            if let Some(trap) = state.and_then(|state| state.trap) {
                self.shared.traps.unset(trap);
            }
            let named = (connection.name.clone(), child.name.clone());
            self.shared.held_down.remove(&named);
            dropped.extend(entry.sas.iter().map(|own| (*own, child.name.clone())));
        }
        for child in &connection.children {
            if !stays.iter().any(|stays| stays.name == child.name) {
                let state = self.new_child(connection, child, entry.held_down, steps);
                entry.children.insert(child.name.clone(), state);
            }
        }
        for own in entry.sas.clone() {
            self.with_sa(own, |sa, _| sa.adopt(connection));
        }
        let known: BTreeSet<Name> = entry.children.keys().cloned().collect();
        let unknown = |children: &BTreeSet<Name>| !children.is_subset(&known);
        for command in entry.take_waiters(unknown) {
            let failure = Failure::new(Step::Start, Cause::TakenDown);
            self.reply(command, super::Reply::Failed(Box::new(failure)));
        }
        entry
    }

    /// Puts in force what happens to the traffic of a child while there is no SA, where it is known before anybody speaks
    /// what that is.
    pub(super) fn stand_in(
        &mut self,
        connection: &Connection,
        child: &Child,
        state: &mut ChildEntry,
        traffic: Unprotected,
        steps: &mut Vec<KernelStep>,
    ) {
        state.trap = self.trap(connection, child, traffic, state.trap);
        state.traffic = traffic;
        let actions = traps::stand_in(connection, child, traffic, state.trap);
        let owner = Owner::Child(connection.name.clone(), child.name.clone());
        let ends = (connection.local.address, connection.remote.address);
        let (priority, slots) = match child.protected_from_the_start(ends.0, ends.1) {
            Ok(None) => return,
            Ok(Some(Protected { local, remote })) => (
                policy_table::priority(child.priority, &local, &remote, Kind::Block),
                policy_table::slots(&local, &remote, child.mode),
            ),
            Err(outside) => (0, Err(Cause::NotAnEnd(Box::new(outside)))),
        };
        state.slots = self.occupy(slots, &owner, priority, actions, steps);
    }

    fn occupy(
        &mut self,
        slots: Result<Slots, Cause>,
        owner: &Owner,
        priority: u32,
        (inbound, outbound): (PolicyAction, PolicyAction),
        steps: &mut Vec<KernelStep>,
    ) -> Slots {
        let slots = slots.unwrap_or_else(|cause| {
            self.shared.event(Event::PolicyFailed {
                failure: Failure::new(Step::Start, cause),
            });
            Slots::default()
        });
        let places = (slots.inbound.iter().map(|slot| (*slot, inbound)))
            .chain(slots.outbound.iter().map(|slot| (*slot, outbound)));
        steps.extend(
            places.filter_map(|(slot, action)| {
                self.shared.policies.set(slot, owner, priority, action)
            }),
        );
        slots
    }

    /// Puts the pass and drop policies in force. Those that are gone leave with the places nobody wants.
    fn replace_shunts(&mut self, shunts: Vec<Arc<Shunt>>) -> Vec<KernelStep> {
        let mut steps = Vec::new();
        let placed = shunts
            .into_iter()
            .map(|shunt| {
                let owner = Owner::Shunt(shunt.name.clone());
                let priority = policy_table::priority(
                    shunt.priority,
                    &shunt.local,
                    &shunt.remote,
                    Kind::Shunt,
                );
                let action = match shunt.action {
                    ShuntAction::Pass => PolicyAction::Pass,
                    ShuntAction::Drop => PolicyAction::Block,
                };
                let slots = policy_table::slots(&shunt.local, &shunt.remote, Mode::Tunnel);
                let slots = self.occupy(slots, &owner, priority, (action, action), &mut steps);
                (shunt, slots)
            })
            .collect();
        self.shunts = placed;
        steps
    }

    /// Every policy that the configuration in force calls for.
    fn places(&self) -> BTreeSet<Place> {
        let children = self
            .connections
            .entries
            .iter()
            .flat_map(|(connection, entry)| {
                entry.children.iter().flat_map(move |(child, state)| {
                    let owner = Owner::Child(connection.clone(), child.clone());
                    state.slots.all().map(move |slot| (owner.clone(), slot))
                })
            });
        let shunts = self.shunts.iter().flat_map(|(shunt, slots)| {
            let owner = Owner::Shunt(shunt.name.clone());
            slots.all().map(move |slot| (owner.clone(), slot))
        });
        let connections = self.connections.entries.values();
        let connections: Vec<_> = connections.map(|entry| entry.connection.clone()).collect();
        let all_shunts: Vec<_> = self.shunts.iter().map(|(shunt, _)| shunt.clone()).collect();
        let discovery = concerns_ipv6(&connections, &all_shunts)
            .then(policy_table::neighbour_discovery)
            .unwrap_or_default();
        let discovery = discovery
            .all()
            .map(|slot| (Owner::NeighbourDiscovery, slot));
        children.chain(shunts).chain(discovery).collect()
    }

    /// Says goodbye for a connection that is no longer in the configuration, or not as it was.
    fn dismiss(&mut self, name: &Name, mut entry: Entry) {
        self.timers.change(
            super::timers::Timer::Connection(name.clone()),
            entry.timer.take(),
            None,
        );
        for command in entry.take_waiters(|_| true) {
            let failure = Failure::new(Step::Start, Cause::TakenDown);
            self.reply(command, super::Reply::Failed(Box::new(failure)));
        }
        for child in entry.children.values() {
            if let Some(trap) = child.trap {
                self.shared.traps.unset(trap);
            }
        }
        for own in entry.sas {
            self.with_sa(own, |sa, shared| sa.close_for(shared, Cause::TakenDown));
        }
    }
}

/// Whether any policy may be about IPv6: that of a transport child may where an address of its ends is not known.
fn concerns_ipv6(connections: &[Arc<Connection>], shunts: &[Arc<Shunt>]) -> bool {
    let is_ipv6 = |selectors: &[Selector]| selectors.iter().any(|one| !one.addresses.is_ipv4());
    let child_is = |connection: &Connection, child: &Child| {
        let address = connection.local.address.or(connection.remote.address);
        let dynamic = child.local.is_empty() && child.remote.is_empty();
        is_ipv6(&child.local)
            || is_ipv6(&child.remote)
            || (dynamic && address.is_none_or(|address| address.is_ipv6()))
    };
    let mut children = connections.iter().flat_map(|connection| {
        connection
            .children
            .iter()
            .map(move |child| (connection, child))
    });
    children.any(|(connection, child)| child_is(connection, child))
        || shunts
            .iter()
            .any(|shunt| is_ipv6(&shunt.local) || is_ipv6(&shunt.remote))
}
