//! What stands in for the Child SAs that are not there, and the packets that ask for one (`keep: on-demand`).
//!
//! ```text
//!   trap in the kernel --packet--> ACQUIRE --> wanted --> negotiated, its packet first in TSi and TSr --> up
//!        ^                                        |                                                        |
//!        |                                        +--> failed: the pause grows, a later packet asks again  |
//!        +------------------------------------------------------- idle, deleted, expired <-----------------+
//! ```
//!
//! A trap is the child's outbound policy with a template that no SA fits: its reqid is its own, and never that of a line,
//! so that a packet outside of what a peer left of our selectors asks again instead of going out by the wrong SA. In and
//! forward policies block meanwhile.
//!
//! The kernel tells one packet of a trap and then none until an SA answers it, or its placeholder (the larval SA) has
//! expired: that alone bounds what traffic can make us do. Here one packet is remembered per child, the last. It is given
//! up when the attempt fails, for packets that still matter ask again; the pauses between attempts are those of any child.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::selector::{SelectorRefusal, Side};
use crate::config::{Child, Connection, Keep, Name, WithoutSa};

use super::Engine;
use super::connections::Entry;
use super::event::{Event, Unprotected};
use super::failure::{Cause, Failure, Step};
use super::io::{Acquire, KernelStep, Packet, PolicyAction};

/// How long a packet waits while IKE SAs are lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// The traps that are set, and the packets that wait at them.
#[derive(Debug, Default)]
pub(super) struct Traps {
    /// Whose trap a reqid is: of a connection's child.
    children: BTreeMap<u32, (Name, Name)>,
    waiting: BTreeMap<(Name, Name), Waiting>,
}

/// A packet that waits for a Child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// What the outbound SA is to name.
    pub(super) sequence: NonZeroU32,
    /// `None` where the kernel did not tell.
    pub(super) packet: Option<Packet>,
    /// When it was told of last.
    since: Duration,
}

impl Traps {
    /// Whether a packet waits for a child.
    pub(super) fn wants(&self, connection: &Name, child: &Name) -> bool {
        self.waiting(connection, child).is_some()
    }

    /// What waits for a child.
    pub(super) fn waiting(&self, connection: &Name, child: &Name) -> Option<Waiting> {
        self.waiting
            .get(&(connection.clone(), child.clone()))
            .copied()
    }

    /// The packet that waits for a child, where one does and the kernel tells.
    pub(super) fn packet(&self, connection: &Name, child: &Name) -> Option<Packet> {
        self.waiting(connection, child)?.packet
    }

    /// Whether a packet waits for any child.
    pub(super) fn wants_any(&self, connection: &Connection) -> bool {
        let mut children = connection.children.iter();
        children.any(|child| self.wants(&connection.name, &child.name))
    }

    /// Nothing waits for any child any more.
    pub(super) fn forget_all(&mut self, connection: &Connection) {
        for child in &connection.children {
            self.forget(&connection.name, &child.name);
        }
    }

    /// An IKE SA is lost, and with it what was under way: a packet that has waited for so long is forgotten, for a peer that
    /// takes IKE SAs and ends them is not to be asked for ever.
    pub(super) fn forget_old(&mut self, connection: &Connection, now: Duration) {
        for child in &connection.children {
            let waiting = self.waiting(&connection.name, &child.name);
            if waiting.is_some_and(|waiting| waiting.since + PATIENCE <= now) {
                self.forget(&connection.name, &child.name);
            }
        }
    }

    /// Nothing waits for a child any more.
    pub(super) fn forget(&mut self, connection: &Name, child: &Name) {
        self.waiting.remove(&(connection.clone(), child.clone()));
    }

    /// A trap is set.
    pub(super) fn set(&mut self, reqid: u32, connection: &Name, child: &Name) {
        self.children
            .insert(reqid, (connection.clone(), child.clone()));
    }

    /// A trap is gone, and what waited at it with it.
    pub(super) fn unset(&mut self, reqid: u32) {
        if let Some((connection, child)) = self.children.remove(&reqid) {
            self.forget(&connection, &child);
        }
    }
}

impl Engine {
    /// A packet has met a trap: the child that it needs is wanted from now on, until it is there or has failed.
    pub(super) fn acquired(&mut self, acquire: &Acquire) {
        let Acquire {
            reqid,
            sequence,
            packet,
        } = *acquire;
        let Some((connection, child)) = self.shared.traps.children.get(&reqid).cloned() else {
            return;
        };
        let Some(entry) = self.connections.entries.get(&connection) else {
            return;
        };
        let held = (self.shared.held_down).contains(&(connection.clone(), child.clone()));
        if self.shutting_down || held || entry.held_down {
            return;
        }
        // A reqid may have been another trap's in a process before: what met that one is not for this child.
        if packet.is_some_and(|packet| !may_carry(&entry.connection, &child, packet)) {
            return;
        }
        let waiting = Waiting {
            sequence,
            packet,
            since: self.shared.now.boot,
        };
        let place = (connection.clone(), child.clone());
        let known = self.shared.traps.waiting.insert(place, waiting);
        let found = entry.connection.child(&child);
        // It came to be while the kernel was telling.
        if found.is_none_or(|found| self.is_served(entry, found)) {
            return self.shared.traps.forget(&connection, &child);
        }
        // After lost events the kernel is asked what waits, and tells what it has told before.
        if known.is_none_or(|known| known.packet != packet) {
            self.shared.event(Event::Acquire {
                connection: connection.clone(),
                child,
                packet,
            });
        }
        self.reconcile(&connection);
    }

    /// Whether the packet that waits for a child can go, now or when the kernel has what was negotiated.
    pub(super) fn is_served(&self, entry: &Entry, child: &Child) -> bool {
        let packet = self
            .shared
            .traps
            .packet(&entry.connection.name, &child.name);
        self.established(entry)
            .any(|established| established.has(child, packet))
    }

    /// Whether the peer made a child narrower than the packet that waits for it: that may try again, but not at once.
    pub(super) fn is_in_vain(&self, name: &Name, child: &Name) -> Option<Failure> {
        let entry = self.connections.entries.get(name)?;
        let packet = self.shared.traps.packet(name, child)?;
        // Served, or about to be by another that is on its way.
        if self.child_exists(entry, entry.connection.child(child)?) {
            return None;
        }
        let children = self.established(entry).flat_map(|state| &state.children);
        let newest = children.filter(|sa| sa.child.name == *child).last()?;
        let (side, offered, ours) = match packet.local.is_subset_of_any(&newest.local) {
            true => (Side::Remote, newest.remote.clone(), packet.remote),
            false => (Side::Local, newest.local.clone(), packet.local),
        };
        let refusal = SelectorRefusal {
            side,
            offered,
            ours: vec![ours],
        };
        let cause = Cause::NoSelectors(Box::new(refusal));
        Some(Failure::new(Step::CreateChildSa, cause))
    }

    /// What happens to the traffic of a child while it has no SA, as things are; `held`: whether the whole connection was
    /// taken down.
    pub(super) fn without_sa(
        &self,
        connection: &Connection,
        child: &Child,
        held: bool,
    ) -> Unprotected {
        let place = (connection.name.clone(), child.name.clone());
        let held = held || self.shared.held_down.contains(&place);
        let callable = connection.remote.address.is_some();
        match (child.keep, child.without_sa) {
            (Keep::OnDemand, _) if callable && !held => Unprotected::Asks,
            (Keep::Up | Keep::Passive, WithoutSa::Pass) => Unprotected::Passes,
            _ => Unprotected::Dropped,
        }
    }

    /// An operator has taken children down, or up again, or there are other promises about them: what stands in for their
    /// SAs follows, by one update in each place.
    pub(super) fn change_traps(&mut self, name: &Name, steps: &mut Vec<KernelStep>) {
        let Some(entry) = self.connections.entries.get(name) else {
            return;
        };
        let (connection, held) = (entry.connection.clone(), entry.held_down);
        for child in &connection.children {
            let traffic = self.without_sa(&connection, child, held);
            let entry = self.connections.entries.get_mut(name);
            let Some(mut state) = entry.and_then(|entry| entry.children.remove(&child.name)) else {
                continue;
            };
            if state.traffic != traffic {
                self.stand_in(&connection, child, &mut state, traffic, steps);
                self.shared.event(Event::WithoutSa {
                    connection: name.clone(),
                    child: child.name.clone(),
                    traffic,
                });
            }
            if let Some(entry) = self.connections.entries.get_mut(name) {
                entry.children.insert(child.name.clone(), state);
            }
        }
    }

    /// The reqid of a child's trap, where it is to have one: the one that it has, or a new one.
    pub(super) fn trap(
        &mut self,
        connection: &Connection,
        child: &Child,
        traffic: Unprotected,
        before: Option<u32>,
    ) -> Option<u32> {
        if traffic != Unprotected::Asks {
            before.inspect(|before| self.shared.traps.unset(*before));
            return None;
        }
        let reqid = before.unwrap_or_else(|| self.shared.fresh_reqid());
        self.shared.traps.set(reqid, &connection.name, &child.name);
        Some(reqid)
    }
}

/// Whether a packet is one that a child may protect, as far as that can be said.
fn may_carry(connection: &Connection, child: &Name, packet: Packet) -> bool {
    let (local, remote) = (connection.local.address, connection.remote.address);
    let child = connection.child(child);
    let ends = child.and_then(|child| child.protected_from_the_start(local, remote).ok()?);
    ends.is_none_or(|ends| {
        packet.local.is_subset_of_any(&ends.local) && packet.remote.is_subset_of_any(&ends.remote)
    })
}

/// The policies that stand in for the SAs of a child, inbound and outbound.
pub(super) fn stand_in(
    connection: &Connection,
    child: &Child,
    traffic: Unprotected,
    trap: Option<u32>,
) -> (PolicyAction, PolicyAction) {
    match (traffic, connection.remote.address, trap) {
        (Unprotected::Asks, Some(destination), Some(reqid)) => {
            let any: IpAddr = match destination {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let trap = PolicyAction::Trap {
                mode: child.mode,
                source: connection.local.address.unwrap_or(any),
                destination,
                reqid,
            };
            (PolicyAction::Block, trap)
        }
        (Unprotected::Passes, ..) => (PolicyAction::Pass, PolicyAction::Pass),
        _ => (PolicyAction::Block, PolicyAction::Block),
    }
}
