//! What children have carried: the kernel counts for each SA, and forgets an SA with its count.

use std::collections::{BTreeMap, HashMap, HashSet};

use ike::config::Name;
use ike::engine::io::SaReference;
use ike::engine::snapshot::Snapshot;

use crate::kernel::Traffic;

/// What was carried, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BothWays {
    /// To us.
    pub(super) inbound: Traffic,
    /// From us.
    pub(super) outbound: Traffic,
}

/// Sums by child, which only grow while the child is in the configuration.
#[derive(Debug, Default)]
pub(super) struct Carried {
    sums: BTreeMap<(Name, Name), BothWays>,
    /// Each SA's count at the last look.
    seen: HashMap<SaReference, Traffic>,
}

impl Carried {
    /// Adds what SAs have carried since the last look, and forgets SAs and children that are gone.
    pub(super) fn look(&mut self, snapshot: &Snapshot, traffic: &HashMap<SaReference, Traffic>) {
        let mut children = HashSet::new();
        let mut seen = HashMap::new();
        for connection in &snapshot.connections {
            let name = &connection.connection.name;
            for child in &connection.connection.children {
                children.insert((name.clone(), child.name.clone()));
                let sum = (name.clone(), child.name.clone());
                self.sums.entry(sum).or_default();
            }
            for child in connection.ike_sas.iter().flat_map(|sa| &sa.children) {
                let sum = self.sums.get_mut(&(name.clone(), child.name.clone()));
                // A child that a new configuration lacks is on its way out.
                let Some(BothWays { inbound, outbound }) = sum else {
                    continue;
                };
                for (sa, sum) in [(child.inbound, inbound), (child.outbound, outbound)] {
                    // The kernel may not tell for once: what was seen stays seen.
                    let before = self.seen.get(&sa).copied();
                    let Some(now) = traffic.get(&sa).copied().or(before) else {
                        continue;
                    };
                    add(sum, now, before.unwrap_or_default());
                    seen.insert(sa, now);
                }
            }
        }
        self.seen = seen;
        self.sums.retain(|child, _| children.contains(child));
    }

    /// What each child has carried.
    pub(super) fn sums(&self) -> impl Iterator<Item = (&Name, &Name, BothWays)> {
        self.sums
            .iter()
            .map(|((connection, child), sum)| (connection, child, *sum))
    }
}

fn add(sum: &mut Traffic, now: Traffic, before: Traffic) {
    // An SPI may come again: then its SA counts from 0.
    let before = if now.bytes < before.bytes || now.packets < before.packets {
        Traffic::default()
    } else {
        before
    };
    sum.bytes += now.bytes - before.bytes;
    sum.packets += now.packets - before.packets;
}
