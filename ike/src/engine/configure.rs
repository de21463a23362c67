//! A new configuration: what changed is replaced, what stayed is left alone, and at no moment is traffic in clear that both
//! the old and the new one protect or drop.
//!
//! Order: the new block, pass and drop policies stand first, then the IKE SAs of what is gone say goodbye (their Child SAs
//! give their places back to what blocks them), and last the policies that nobody wants any more are deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::{Child, Configuration, Connection, Name, Shunt, ShuntAction};

use super::Engine;
use super::connections::{ChildEntry, Entry};
use super::event::Event;
use super::failure::{Cause, Failure, Step};
use super::io::{KernelStep, OnFailure, PolicyAction};
use super::policy_table::{self, Kind, Owner, SlotKey, Slots};
use super::shared::KernelOwner;

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
        } = configuration;
        self.shared.limits = limits;
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
        let mut steps = Vec::new();
        self.connections.order.clear();
        self.connections.by_remote.clear();
        for connection in &connections {
            let name = connection.name.clone();
            let entry = match old.remove(&name) {
                Some(entry) if unchanged.contains(&name) => entry,
                replaced => {
                    if let Some(entry) = replaced {
                        old.insert(name.clone(), entry);
                    }
                    self.new_entry(connection, &mut steps)
                }
            };
            self.connections.order.push(name.clone());
            self.connections
                .by_remote
                .entry(connection.remote.address)
                .or_default()
                .push(name.clone());
            self.connections.entries.insert(name, entry);
        }
        steps.extend(self.replace_shunts(shunts));
        self.shared
            .apply(KernelOwner::Configuration, steps, OnFailure::Continue);

        self.shared
            .held_down
            .retain(|(connection, _)| !old.contains_key(connection));
        let removed = old.len();
        for (name, entry) in old {
            self.dismiss(&name, entry);
        }
        let after = self.places();
        before.retain(|place| !after.contains(place));
        let steps = before
            .iter()
            .filter_map(|(owner, slot)| self.shared.policies.unset(*slot, owner))
            .collect();
        self.shared
            .apply(KernelOwner::Removal, steps, OnFailure::Continue);

        let added = connections.len() - unchanged.len();
        self.shared.event(Event::Configured {
            added,
            removed,
            unchanged: unchanged.len(),
        });
        for name in self.connections.order.clone() {
            self.reconcile(&name);
        }
    }

    /// A connection that is new or changed, and what blocks the traffic of its children from now on.
    fn new_entry(&mut self, connection: &Arc<Connection>, steps: &mut Vec<KernelStep>) -> Entry {
        let mut entry = Entry::new(connection.clone());
        for child in &connection.children {
            let slots = self.block(&connection.name, child, steps);
            entry.children.insert(
                child.name.clone(),
                Box::new(ChildEntry {
                    slots,
                    ..ChildEntry::default()
                }),
            );
        }
        entry
    }

    fn block(&mut self, connection: &Name, child: &Child, steps: &mut Vec<KernelStep>) -> Slots {
        let owner = Owner::Child(connection.clone(), child.name.clone());
        let priority =
            policy_table::priority(child.priority, &child.local, &child.remote, Kind::Block);
        let slots = policy_table::slots(&child.local, &child.remote);
        self.occupy(slots, &owner, priority, PolicyAction::Block, steps)
    }

    fn occupy(
        &mut self,
        slots: Result<Slots, Cause>,
        owner: &Owner,
        priority: u32,
        action: PolicyAction,
        steps: &mut Vec<KernelStep>,
    ) -> Slots {
        let slots = slots.unwrap_or_else(|cause| {
            self.shared.event(Event::PolicyFailed {
                failure: Failure::new(Step::Start, cause),
            });
            Slots::default()
        });
        steps.extend(
            slots
                .all()
                .filter_map(|slot| self.shared.policies.set(slot, owner, priority, action)),
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
                let slots = policy_table::slots(&shunt.local, &shunt.remote);
                let slots = self.occupy(slots, &owner, priority, action, &mut steps);
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
        children.chain(shunts).collect()
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
        for own in entry.sas {
            self.with_sa(own, |sa, shared| sa.close_for(shared, Cause::TakenDown));
        }
    }
}
