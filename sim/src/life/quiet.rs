//! The end of a life: quiet, proof, goodbye, and what must hold after each.

use std::time::Duration;

use ike::engine::Kept;
use ike::engine::io::{Command, PolicyAction};

use crate::provider::digest;

use super::scenario::child_name;
use super::{Life, Weather};

/// In this time the two ends come to agree: the longest pauses (a rekeying that is put off) and a silent peer included.
const TO_AGREE: Duration = Duration::from_secs(3600);
/// The longest that something of before may take to make itself felt.
const SETTLING: Duration = Duration::from_secs(160);
/// Policies of the hole for neighbour discovery: three kinds of message, in and out.
const HOLE: usize = 6;
/// How slow kernels are in quiet.
const FAST: Duration = Duration::from_millis(2);

impl Life<'_> {
    pub(super) fn be_quiet(&mut self) {
        self.note(0, || "--- quiet".to_owned());
        self.weather = Weather::FINE;
        self.cut_until.fill(Duration::ZERO);
        for gateway in &mut self.gateways {
            gateway.slowness = FAST;
            gateway.refuse = None;
            gateway.doom = None;
            gateway.outage = None;
        }
        let end = self.now + TO_AGREE;
        self.silent_until.clear();
        let alive =
            |life: &mut Self| (life.gateways.iter()).all(|of| of.engine.is_some() && !of.leaves);
        self.run_until(end, alive);
        for link in 0..self.scenario.links.len() {
            let ends = self.scenario.links[link].ends;
            let [first, second] = ends.map(|gateway| self.gateways[gateway].versions[link]);
            if first != second {
                self.reload(link, 1, first);
            }
        }
        for (link, end) in std::mem::take(&mut self.taken_down) {
            let connection = self.scenario.connection(link);
            let up = Command::Up {
                connection,
                child: None,
            };
            self.command(self.scenario.links[link].ends[end], up);
        }
        // What was asked before may be given up, and what is late arrives.
        self.run_until(self.now + SETTLING, |_| false);
        self.agree();
        self.prove();
        self.say_goodbye();
    }

    /// Waits until the two ends of all connections agree.
    fn agree(&mut self) {
        let agreed = self.run_until(self.now + TO_AGREE, |life| life.disagreement().is_none());
        if !agreed && let Some(disagreement) = self.disagreement() {
            self.breaks("agreement", disagreement);
        }
    }

    /// What keeps the two ends from holding the same: one pair of SAs for each child, and nothing else.
    fn disagreement(&self) -> Option<String> {
        for (link, of) in self.scenario.links.iter().enumerate() {
            let flowing = &self.gateways[of.ends[0]].flowing[link];
            for child in flowing {
                if !self.ledger.agrees(of.ends, (link, *child)) {
                    let [a, b] = of.ends.map(|end| self.ledger.current(end, (link, *child)));
                    let connection = self.scenario.connection(link);
                    let child = child_name(*child);
                    return Some(format!("{connection}/{child} is {a:08x?} and {b:08x?}"));
                }
            }
        }
        (0..self.gateways.len()).find_map(|gateway| self.surplus(gateway))
    }

    /// Child SAs that a gateway should have.
    fn due_at(&self, gateway: usize) -> usize {
        self.gateways[gateway]
            .flowing
            .iter()
            .zip(&self.scenario.links)
            .filter(|(_, link)| link.ends.contains(&gateway))
            .map(|(flowing, _)| flowing.len())
            .sum()
    }

    /// Policies that the children of a gateway have, and those for neighbour discovery that IPv6 needs besides.
    fn policies_due_at(&self, gateway: usize) -> (usize, usize) {
        let links = self.scenario.links.iter();
        let own = links.zip(&self.gateways[gateway].flowing);
        let own = own.filter(|(link, _)| link.ends.contains(&gateway));
        let shapes: Vec<_> = own
            .flat_map(|(link, flowing)| flowing.iter().map(|child| link.shape(*child)))
            .collect();
        let ipv6 = shapes.iter().any(|shape| shape.concerns_ipv6());
        let policies = shapes.iter().map(|shape| shape.policies()).sum();
        (policies, if ipv6 { HOLE } else { 0 })
    }

    /// All children of all connections.
    pub(super) fn children(&self) -> usize {
        (0..self.gateways.len())
            .map(|gateway| self.due_at(gateway))
            .sum::<usize>()
            / 2
    }

    /// What a gateway has that it should not have, or has not that it should.
    fn surplus(&self, gateway: usize) -> Option<String> {
        let of = &self.gateways[gateway];
        let (due, links) = (self.due_at(gateway), self.links_of(gateway));
        let kept = of.engine.as_ref().map(ike::engine::Engine::kept)?;
        let told = (self.ledger.all(gateway), self.ledger.ike_sas(gateway));
        if told != (due, links) {
            return Some(format!(
                "{} told of {} Child SAs and {} IKE SAs, of {due} and {links}",
                of.name, told.0, told.1
            ));
        }
        let wanted = Kept {
            ike_sas: links,
            first_contacts: kept.first_contacts.min(links),
            esp_sas: 2 * due,
            ..Kept::default()
        };
        if kept != wanted {
            return Some(format!("{} keeps {kept:?}, not {wanted:?}", of.name));
        }
        let protecting = of.kernel.protecting();
        let held = (
            of.kernel.sas.len(),
            of.kernel.policies.len(),
            protecting,
            of.table.len(),
        );
        let (policies, hole) = self.policies_due_at(gateway);
        if held != (2 * due, policies + hole, policies, 2 * due) {
            return Some(format!(
                "{}'s kernel has {} SAs and {} policies, of which {protecting} protect, and its daemon knows {} SAs, for {due} children",
                of.name, held.0, held.1, held.3
            ));
        }
        for sa in of.kernel.sas.values() {
            let far = if sa.inbound {
                sa.source
            } else {
                sa.destination
            };
            let far = self.gateways.iter().find(|other| other.address == far)?;
            let theirs = far.kernel.sas.get(&(sa.spi, sa.destination));
            let key = digest(&[sa.encryption_key.as_bytes()]);
            let same = theirs.is_some_and(|theirs| {
                theirs.inbound != sa.inbound && digest(&[theirs.encryption_key.as_bytes()]) == key
            });
            if !same {
                return Some(format!(
                    "{} has an SA {:08x} that {} has not",
                    of.name, sa.spi, far.name
                ));
            }
            let wanted = of.kernel.policies.values().any(
                |policy| matches!(policy.action, PolicyAction::Protect { reqid, .. } if reqid == sa.reqid),
            );
            if !wanted {
                return Some(format!(
                    "{} has an SA {:08x} without a policy",
                    of.name, sa.spi
                ));
            }
        }
        None
    }

    /// Everything is rekeyed once more, at one end or at both, and nothing may be lost.
    fn prove(&mut self) {
        if self.broken.is_some() {
            return;
        }
        self.note(0, || "--- proof".to_owned());
        self.gentle = true;
        self.arm();
        let both = self.scenario.seed % 2;
        for round in 0..3 {
            for link in 0..self.scenario.links.len() {
                let ends = self.scenario.links[link].ends;
                let connection = self.scenario.connection(link);
                let numbers = self.gateways[ends[0]].flowing[link].clone();
                let children = numbers.into_iter().map(|number| Some(child_name(number)));
                let which: Vec<_> = match round {
                    1 => vec![None],
                    _ => children.collect(),
                };
                for child in which {
                    let rekey = Command::Rekey {
                        connection: connection.clone(),
                        child,
                    };
                    self.command(ends[0], rekey.clone());
                    if (round + both).is_multiple_of(2) {
                        self.command(ends[1], rekey);
                    }
                }
            }
            self.run_until(self.now + Duration::from_secs(3), |_| false);
        }
        // As long as what is left may stay: what the peer is to delete, and does not.
        self.run_until(self.now + Duration::from_secs(90), |_| false);
        self.agree();
        let unanswered = self.gateways.iter().find_map(|gateway| {
            let (_, asked) = gateway.asked.first_key_value()?;
            Some(format!("{}: {asked} was never answered", gateway.name))
        });
        if let Some(unanswered) = unanswered {
            self.breaks("command", unanswered);
        }
    }

    /// Everybody says goodbye; nothing is left.
    fn say_goodbye(&mut self) {
        if self.broken.is_some() {
            return;
        }
        self.note(0, || "--- goodbye".to_owned());
        self.ending = true;
        self.ledger.disarm(|_| true);
        for gateway in 0..self.gateways.len() {
            self.gateways[gateway]
                .flowing
                .iter_mut()
                .for_each(|flowing| flowing.clear());
            self.command(gateway, Command::Shutdown);
            let pause = Duration::from_millis(self.scenario.seed % 3 * 40);
            self.run_until(self.now + pause, |_| false);
        }
        self.goodbyes_are_said();
        // Half-open IKE SAs and last answers stay for half a minute.
        self.run_until(self.now + Duration::from_secs(45), |_| false);
        for gateway in &self.gateways {
            let kept = gateway.engine.as_ref().map(ike::engine::Engine::kept);
            let kernel = (gateway.kernel.sas.len(), gateway.kernel.policies.len());
            let left =
                (!gateway.asked.is_empty()).then(|| "a command without an answer".to_owned());
            let left =
                left.or_else(|| (kernel != (0, 0)).then(|| format!("{kernel:?} in the kernel")));
            let left = left.or_else(|| {
                kept.filter(|kept| *kept != Kept::default())
                    .map(|kept| format!("{kept:?}"))
            });
            if let Some(left) = left {
                let text = format!("{}: {left}", gateway.name);
                return self.breaks("rest", text);
            }
        }
    }
}
