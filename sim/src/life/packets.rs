//! Packets that go through the tunnels all the time: some on every step of a kernel, for it is then that one may be lost.

use std::collections::BTreeSet;
use std::time::Duration;

use ike::config::Mode;
use ike::engine::io::{Direction, KernelEvent, SaReference};

use crate::kernel::{Admission, FakeKernel, Received, Sent};
use crate::provider::digest;

use super::scenario::{Scenario, child_name, network};
use super::shape::Kind;
use super::{Happening, Life, SHOWS};

/// Until when a new process has deleted what is nobody's.
const SOON: Duration = Duration::from_secs(5);

/// A packet under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) flow: Flow,
    sent: Duration,
    sa: SaReference,
    /// A digest of the key that it is protected with.
    key: u64,
}

/// From one end of a child to the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) link: usize,
    pub(super) end: usize,
    pub(super) child: usize,
    pub(super) kind: Kind,
}

/// What became of a packet of this flow in its own kernel.
pub(super) type Attempt = (Flow, Sent, u64);

/// Has a kernel send a packet of each of its flows.
pub(super) fn attempt(kernel: &mut FakeKernel, now: Duration, flows: &[Flow]) -> Vec<Attempt> {
    let mut attempts = Vec::with_capacity(flows.len());
    for flow in flows {
        let Kind {
            source,
            destination,
            carries,
        } = flow.kind;
        let sent = kernel.send_of(now, source, destination, carries);
        if let Sent::NoSa { told } | Sent::Trapped { told } = sent {
            told.into_iter()
                .for_each(|acquire| kernel.tell(KernelEvent::Acquire(acquire)));
        }
        let key = match sent {
            Sent::Protected(sa) => kernel
                .sas
                .get(&(sa.spi, sa.destination))
                .map_or(0, |sa| digest(&[sa.encryption_key.as_bytes()])),
            _ => 0,
        };
        attempts.push((*flow, sent, key));
    }
    attempts
}

/// The flows that leave a gateway: of the children whose policies are in the kernel.
pub(super) fn flows(scenario: &Scenario, gateway: usize, flowing: &[BTreeSet<usize>]) -> Vec<Flow> {
    let mut flows = Vec::new();
    for (link, of) in scenario.links.iter().enumerate() {
        let Some(end) = of.ends.iter().position(|one| *one == gateway) else {
            continue;
        };
        let far = of.ends[1 - end];
        for &child in &flowing[link] {
            let shape = of.shape(child);
            let kinds = shape.packets([gateway, far], end, network(link, child));
            flows.extend(kinds.into_iter().map(|kind| Flow {
                link,
                end,
                child,
                kind,
            }));
        }
    }
    flows
}

impl Life<'_> {
    /// What leaves a gateway, but for the children that have nothing to send.
    pub(super) fn flows(&self, gateway: usize) -> Vec<Flow> {
        let mut flows = flows(self.scenario, gateway, &self.gateways[gateway].flowing);
        flows.retain(|flow| !self.is_silent((flow.link, flow.child)));
        flows
    }

    /// Packets of every flow, as if they happened to be sent just now.
    pub(super) fn send_packets(&mut self, gateway: usize) {
        let flows = self.flows(gateway);
        let attempts = attempt(&mut self.gateways[gateway].kernel, self.now, &flows);
        self.sent_packets(gateway, attempts);
    }

    /// Puts on their way what a kernel has sent, and judges what it has not.
    pub(super) fn sent_packets(&mut self, gateway: usize, attempts: Vec<Attempt>) {
        for (flow, sent, key) in attempts {
            let Flow {
                link, end, child, ..
            } = flow;
            let name = || {
                let connection = self.scenario.connection(link);
                let at = self.gateways[gateway].name;
                format!("{at}: a packet of {connection}/{}", child_name(child))
            };
            match sent {
                // As it is to, until there is an SA.
                Sent::Clear if self.may_pass(link, end, child) => {}
                Sent::Clear => {
                    let text = format!("{} left in clear", name());
                    return self.breaks("clear", text);
                }
                Sent::Blocked | Sent::NoSa { .. } | Sent::UsedUp | Sent::Trapped { .. } => {
                    if self.ledger.armed.contains_key(&(link, child)) {
                        let text = format!("{} was dropped: {sent:?}", name());
                        self.loses((link, child), text);
                    }
                }
                Sent::Protected(sa) => {
                    self.packets += 1;
                    if self.cut_until[link] > self.now {
                        continue;
                    }
                    let way = self.weather.packet(self.scenario.seed, self.packets);
                    let far = self.scenario.links[link].ends[1 - end];
                    let packet = Packet {
                        flow,
                        sent: self.now,
                        sa,
                        key,
                    };
                    self.at(self.now + way, Happening::Packet(far, packet));
                }
            }
        }
    }

    /// A packet arrives.
    pub(super) fn packet(&mut self, gateway: usize, packet: Packet) {
        let Packet {
            flow:
                Flow {
                    link,
                    end,
                    child,
                    kind,
                },
            sent,
            sa,
            key,
        } = packet;
        let armed = self.ledger.armed.get(&(link, child));
        let counts = armed.is_some_and(|since| *since <= sent);
        let ends = self.scenario.links[link].ends;
        // Who was killed before it had answered answers anew when it is asked again: other keys, for the SPI of who asks. What
        // its kernel had before goes soon after it has begun.
        let sender = &self.gateways[ends[end]];
        let is_killed = sent < sender.began + SOON;
        let went_on = sender.engine.is_some() && !is_killed;
        let receiver_had = self.gateways[gateway].had.contains(&sa.spi);
        let is_cut_off = sender.is_cut_off && !went_on && receiver_had;
        let is_made_twice =
            (sender.killed).is_some_and(|at| at < sent + SHOWS && !went_on) && !receiver_had;
        let is_deaf = sent < sender.hears_again + SOON && self.scenario.changes_ike_sas();
        let is_dropped = self.gateways[gateway].dropped.contains(&sa.spi);
        let direction = match self.scenario.links[link].shape(child).mode() {
            Mode::Tunnel => Direction::Forward,
            Mode::Transport => Direction::In,
        };
        let kernel = &mut self.gateways[gateway].kernel;
        let held = kernel.sas.get(&(sa.spi, sa.destination));
        let held = held.map(|held| digest(&[held.encryption_key.as_bytes()]));
        let Kind {
            source,
            destination,
            carries,
        } = kind;
        let admitted = kernel.admits_of(direction, Some(sa), source, destination, carries);
        let wrong = match (kernel.receive(sa), held, admitted) {
            (Received::NoSa | Received::UsedUp, ..) | (_, None, _) => {
                Some("which has no such SA".to_owned())
            }
            (_, Some(other), _) if other != key && !is_killed => {
                let text = format!("a packet by {:08x} arrives under another key", sa.spi);
                return self.breaks("key", text);
            }
            (_, Some(other), _) if other != key => Some("where it has another key".to_owned()),
            (Received::Accepted, _, Admission::Comes) => {
                self.arrived += 1;
                None
            }
            (_, _, admitted) => Some(format!("whose policy does not take it: {admitted:?}")),
        };
        self.listen(gateway);
        if let Some(wrong) =
            wrong.filter(|_| counts && !is_made_twice && !is_cut_off && !is_deaf && !is_dropped)
        {
            let connection = self.scenario.connection(link);
            let text = format!(
                "a packet of {connection}/{} by {:08x}, sent at {:.3} s, is lost at {}, {wrong}",
                child_name(child),
                sa.spi,
                self.since(sent),
                self.gateways[gateway].name
            );
            self.loses((link, child), text);
        }
    }
}
