//! What lives are judged by besides their packets: whether what is due happens (`late`), whether it happens too early or too
//! often (`haste`), whether answers to operators are true (`command`), and whether who keeps the rules is blamed (`blame`).
//!
//! ```text
//!   events, datagrams, commands and their answers --> each judge's own account --> what is wrong, if anything is
//!   the clock, every few seconds ----------------------------^
//! ```
//!
//! A judge knows what a user knows: the configuration, what was told, what went over the wire and what the kernel holds. It
//! takes no part in the life, and draws nothing.
//!
//! What is due is late only where nothing stood in its way: each link of a life is calm since something happened to it last
//! (a bad network, a cut, a killed process, a refusing kernel, an operator), and so much later, and a time that goes by how
//! slow the network and the kernels are, what is due must have happened.

mod answers;
mod attempts;
mod blame;
mod clocks;
mod leftovers;
mod wire;

use std::time::Duration;

use ike::engine::event::Event;
use ike::engine::failure::Cause;
use ike::engine::io::{KernelAction, KernelEvent, KernelRequest, SaReference};

use super::Life;
use super::scenario::{Records, Scenario, What};

pub(super) use answers::Answers;

/// How long something may take on a network and kernels that need no time at all: a few exchanges that wait for each other,
/// and a pause or two in which the peer is busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a peer that has lost an IKE SA goes unnoticed: the longest interval of liveness, and as long as it is asked.
const UNNOTICED: Duration = Duration::from_secs(95);
/// So many ways through the network, and waits for a kernel, may be one after the other.
const WAYS: u32 = 40;

/// All judges.
pub(super) struct Judge {
    /// Since when each link is calm.
    calm: Vec<Duration>,
    clocks: clocks::Clocks,
    attempts: attempts::Attempts,
    wire: wire::Wire,
    leftovers: leftovers::Leftovers,
    pub(super) answers: Answers,
}

/// What is wrong: the invariant and what was seen.
pub(super) type Wrong = Option<(&'static str, String)>;

impl Judge {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut clocks = clocks::Clocks::default();
        clocks.kills = scenario.kills();
        Self {
            calm: vec![Duration::ZERO; scenario.links.len()],
            clocks,
            attempts: attempts::Attempts::default(),
            wire: wire::Wire::default(),
            leftovers: leftovers::Leftovers::default(),
            answers: Answers::default(),
        }
    }
}

impl Life<'_> {
    /// Breaks what a judge has found to be broken.
    pub(super) fn sentence(&mut self, wrong: Wrong) {
        if let Some((invariant, text)) = wrong {
            self.breaks(invariant, text);
        }
    }

    /// Something happens to some links: what is due there has more time.
    pub(super) fn is_disturbed(&mut self, what: &What) {
        let links = &self.scenario.links;
        let concerns = |link: usize| match what {
            What::Rekey { .. } | What::SoftExpire { .. } => false,
            What::Weather(_) => true,
            What::Down { link: at, .. }
            | What::Up { link: at, .. }
            | What::Reload { link: at, .. }
            | What::HardExpire { link: at, .. }
            | What::Silence { link: at, .. }
            | What::Cut { link: at, .. } => *at == link,
            What::Restart { gateway, .. }
            | What::Kill { gateway, .. }
            | What::Leave { gateway, .. }
            | What::Owner { gateway, .. }
            | What::Slow { gateway, .. }
            | What::Refuse { gateway, .. }
            | What::Deaf { gateway, .. }
            | What::Clock { gateway, .. } => links[link].ends.contains(gateway),
        };
        for link in 0..links.len() {
            if concerns(link) {
                let calm = &mut self.judge.calm[link];
                let lost = matches!(
                    what,
                    What::Restart { .. } | What::Kill { .. } | What::Leave { .. }
                );
                let until = self.now + if lost { UNNOTICED } else { Duration::ZERO };
                *calm = until.max(*calm);
            }
        }
        if let What::Clock { gateway, .. } = what {
            self.judge.clocks.is_set(self.now, *gateway);
        }
    }

    /// What hinders a link goes on doing so.
    fn goes_on_being_disturbed(&mut self) {
        let bad = self.weather.lost > 0 || self.weather.late > 0;
        for (link, of) in self.scenario.links.iter().enumerate() {
            let hindered = |gateway: &usize| {
                let of = &self.gateways[*gateway];
                of.engine.is_none() || of.refuse.is_some() || of.deaf_until.is_some()
            };
            if bad || self.cut_until[link] > self.now || of.ends.iter().any(hindered) {
                let calm = &mut self.judge.calm[link];
                let missing = of
                    .ends
                    .iter()
                    .any(|end| self.gateways[*end].engine.is_none());
                let until = self.now + if missing { UNNOTICED } else { Duration::ZERO };
                *calm = until.max(*calm);
            }
        }
    }

    /// How long what is due may take where a link is calm.
    pub(super) fn patience(&self) -> Duration {
        let slowest = self.gateways.iter().map(|of| of.slowness).max();
        let one = self.weather.delay + self.weather.jitter + slowest.unwrap_or_default();
        PATIENCE + one * WAYS
    }

    /// Looks whether what is due has happened.
    pub(super) fn judge_time(&mut self) {
        self.goes_on_being_disturbed();
        if self.ending || self.broken.is_some() {
            return;
        }
        let (now, patience) = (self.now, self.patience());
        let judge = &mut self.judge;
        let wrong = (judge.clocks.late(now, &judge.calm, patience))
            .or_else(|| judge.attempts.late(now, &judge.calm))
            .or_else(|| judge.answers.late(now, &judge.calm, patience));
        self.sentence(wrong);
        self.judge_leftovers(patience);
    }

    /// Judges an event that the ledger has taken note of.
    pub(super) fn judge_event(&mut self, gateway: usize, event: &Event) {
        let of = clocks::At {
            scenario: self.scenario,
            now: self.now,
            gateway,
            // What was decided may have waited for records to be stored.
            delayed: self.scenario.records == Records::Slowly,
        };
        let judge = &mut self.judge;
        // The other end may not know, and asks for a while.
        if let Event::IkeSaClosed {
            connection, reason, ..
        } = event
            && !matches!(reason.cause, Cause::Replaced | Cause::DeletedByPeer)
            && let Some(link) = of.link(connection)
        {
            judge.calm[link] = judge.calm[link].max(self.now + UNNOTICED);
        }
        let wrong = (judge.clocks.event(of, event))
            .or_else(|| judge.attempts.event(of, event))
            .or_else(|| judge.answers.event(of, event))
            .or_else(|| blame::event(of, event));
        let name = self.gateways[gateway].name;
        self.sentence(wrong.map(|(invariant, text)| (invariant, format!("{name}: {text}"))));
    }

    /// A process begins from nothing: nothing is expected of it.
    pub(super) fn judge_begins(&mut self, gateway: usize) {
        self.judge.clocks.forget(gateway);
        self.judge.attempts.forget(gateway);
        self.judge.wire.forget(gateway);
        self.judge.answers.forget(gateway);
    }

    /// A process goes on with records: what was due still is, but when exactly that would have been is not known.
    pub(super) fn judge_goes_on(&mut self, gateway: usize) {
        self.judge.clocks.goes_on(gateway);
        self.judge.attempts.forget(gateway);
        self.judge.wire.forget(gateway);
        self.judge.answers.goes_on(gateway);
    }

    /// A gateway asks its kernel for something.
    pub(super) fn judge_request(&mut self, gateway: usize, request: &KernelRequest) {
        for step in &request.steps {
            if let KernelAction::AddSa(sa) = &step.action
                && sa.inbound
            {
                self.judge.clocks.kernel_asked(gateway, sa.spi, self.now);
            }
        }
    }

    /// A kernel says something, and its gateway hears it.
    pub(super) fn judge_kernel_event(&mut self, gateway: usize, event: &KernelEvent) {
        // The first packet on an inbound SA is told in the same words.
        let kernel = &self.gateways[gateway].kernel;
        let told = |sa: &SaReference| {
            let sa = kernel.sas.get(&(sa.spi, sa.destination));
            sa.is_some_and(|sa| sa.tell_first_packet)
        };
        if let KernelEvent::Expire { sa, hard: false } = event
            && !told(sa)
            && let Some(inbound) = self.ledger.with_spi(gateway, sa.spi)
        {
            self.judge.clocks.is_used_up(self.now, gateway, inbound);
        }
    }

    /// A datagram leaves a gateway.
    pub(super) fn judge_sent(&mut self, gateway: usize, bytes: &[u8]) {
        let exactly =
            self.scenario.records != Records::Slowly && self.gateways[gateway].process == 0;
        let wrong = self.judge.wire.sent(self.now, gateway, bytes, exactly);
        let name = self.gateways[gateway].name;
        self.sentence(wrong.map(|(invariant, text)| (invariant, format!("{name}: {text}"))));
    }

    /// A datagram comes to a gateway from another one.
    pub(super) fn judge_heard(&mut self, gateway: usize, from: usize, bytes: &[u8]) {
        self.judge.wire.heard(gateway, bytes);
        let ends = [gateway, from];
        let links = self.scenario.links.iter();
        for (link, _) in links
            .enumerate()
            .filter(|(_, of)| of.ends == ends || of.ends == [from, gateway])
        {
            self.judge.attempts.heard(gateway, link);
        }
    }
}
