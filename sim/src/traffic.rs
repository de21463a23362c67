//! Packets that go through the tunnels all the time, and what became of them.
//!
//! They take as long as the network's datagrams do, overtake each other as those do, and are never lost on the way: one
//! that does not arrive met a node that had no SA for it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ike::engine::io::{KernelEvent, SaReference};

use crate::SeededRandom;
use crate::kernel::{Received, Sent};
use crate::network::Quality;
use crate::node::Node;

/// From one host to another, all the time.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// The node that sends.
    pub node: usize,
    /// Behind that node.
    pub source: IpAddr,
    /// Behind the other.
    pub destination: IpAddr,
}

/// All packets.
#[derive(Debug)]
pub struct Traffic {
    /// Who sends; nobody unless a test says so.
    pub flows: Vec<Flow>,
    /// The pause between two packets of a flow.
    pub every: Duration,
    /// How many arrived.
    pub arrived: u64,
    /// How many met a trap.
    pub trapped: u64,
    /// What became of those that did neither, in words.
    pub lost: Vec<String>,
    next: Duration,
    under_way: BTreeMap<(Duration, u64), SaReference>,
    sent: u64,
    random: SeededRandom,
}

impl Traffic {
    /// None yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            flows: Vec::new(),
            every: Duration::from_millis(5),
            arrived: 0,
            trapped: 0,
            lost: Vec::new(),
            next: Duration::ZERO,
            under_way: BTreeMap::new(),
            sent: 0,
            random: SeededRandom::new(seed ^ 0x007a_ff1c),
        }
    }

    /// When something is to be sent, or arrives.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let send = (!self.flows.is_empty()).then_some(self.next);
        let arrives = self.under_way.keys().next().map(|(at, _)| *at);
        send.into_iter().chain(arrives).min()
    }

    /// Sends and receives what is due.
    pub fn step(&mut self, now: Duration, quality: Quality, nodes: &mut [Node]) {
        while let Some(entry) = self
            .under_way
            .first_entry()
            .filter(|entry| entry.key().0 <= now)
        {
            let sa = entry.remove();
            let mut receivers = nodes.iter_mut();
            let Some(node) = receivers.find(|node| node.address == sa.destination) else {
                continue;
            };
            match node.kernel.receive(sa) {
                Received::NoSa | Received::UsedUp => {
                    let name = node.name;
                    self.lost
                        .push(format!("{now:?}: {name} has no SA {:08x}", sa.spi));
                }
                Received::Accepted => self.arrived += 1,
            }
        }
        if self.flows.is_empty() || now < self.next {
            return;
        }
        self.next = now + self.every;
        for flow in &self.flows {
            let node = &mut nodes[flow.node];
            match node.kernel.send(now, flow.source, flow.destination) {
                Sent::Trapped { told: acquire } => {
                    self.trapped += 1;
                    if let Some(acquire) = acquire {
                        node.kernel.tell(KernelEvent::Acquire(acquire));
                    }
                }
                Sent::Protected(sa) => {
                    let jitter = u64::try_from(quality.jitter.as_nanos()).unwrap_or(u64::MAX);
                    let late = Duration::from_nanos(self.random.below(jitter.max(1)));
                    self.sent += 1;
                    let arrives = now + quality.delay + late;
                    self.under_way.insert((arrives, self.sent), sa);
                }
                other => {
                    if let Sent::NoSa {
                        told: Some(acquire),
                    } = other
                    {
                        node.kernel.tell(KernelEvent::Acquire(acquire));
                    }
                    self.lost.push(format!("{now:?}: {}: {other:?}", node.name));
                }
            }
        }
    }
}
