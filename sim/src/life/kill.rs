//! Processes that are killed, and others that go on with their records (`ike::engine::records`).
//!
//! ```text
//!   Persist --at once--> stored
//!   Persist --slowly---> unstored --> stored, Persisted --> what depended on it
//!
//!   killed before any act: what was to be done is not, a kernel request breaks off after some steps, and of the batches that
//!                          are not stored some are, each as a whole: one that is torn counts as none
//! ```
//!
//! A kill costs no packet and ends nothing: what the kernel has goes on, and so does the next process. But where a child was
//! being made twice, because both ends had asked for it, that shows by what is said of it, and a process that was killed over
//! it has not said it. And where the peer was told that we send no more by an SA, and the kernel was not yet, packets that
//! the kernel sends by it are lost until the next process is there.

use ike::engine::event::Event;
use ike::engine::io::{Output, Record, RecordId};

use super::gateway::Doom;
use super::ledger::Said;
use super::scenario::Records;
use super::{Happening, Life};

impl Life<'_> {
    /// The process will be killed after some more acts.
    pub(super) fn doom(&mut self, gateway: usize, doom: Doom) {
        let of = &mut self.gateways[gateway];
        if of.engine.is_some() && of.records != Records::Off {
            of.doom = Some(doom);
        }
    }

    /// Records come out.
    pub(super) fn records(&mut self, gateway: usize, id: RecordId, batch: Vec<Record>) {
        let of = &mut self.gateways[gateway];
        let process = of.process;
        let wait = match of.records {
            Records::AtOnce => {
                of.store(batch);
                of.unstored.push_back((id, Vec::new()));
                std::time::Duration::ZERO
            }
            Records::Slowly | Records::Off => {
                of.unstored.push_back((id, batch));
                of.a_while()
            }
        };
        // Those that wait are stored together.
        let at = of.stored_until.max(self.now + wait);
        of.stored_until = at;
        self.at(at, Happening::Stored(gateway, process));
    }

    /// The process is killed, with all that it has not done yet.
    pub(super) fn is_killed(&mut self, gateway: usize, undone: Vec<Output>) {
        let Some(doom) = self.gateways[gateway].doom else {
            return;
        };
        self.note(gateway, || "killed".to_owned());
        // What it would have said of what is stored is lost. What is not stored has not happened.
        let stored = !undone
            .iter()
            .any(|output| matches!(output, Output::Persist(..)));
        let asks = |output: &Output| matches!(output, Output::Kernel(..));
        let asked = undone.iter().any(asks);
        for output in undone {
            if let Output::Event(event) = output
                && stored
            {
                self.unheard(gateway, &event);
            }
        }
        let of = &mut self.gateways[gateway];
        of.is_cut_off = asked || !of.requests.is_empty();
        let batches = doom.done.min(of.unstored.len());
        for (_, batch) in of.unstored.drain(..batches).collect::<Vec<_>>() {
            of.store(batch);
        }
        if let Some((_, request)) = of.requests.pop_front() {
            of.kernel.see(of.clocks(self.now));
            of.kernel.apply_some(request, doom.done);
            of.note_inbound();
        }
        of.reconfigures |= of.flowing_after.is_some() || of.leaves;
        of.kill(self.now);
        of.killed = Some(self.now);
        self.at(self.now + doom.pause, Happening::GoOn(gateway));
        self.send_packets(gateway);
    }

    /// An event that nobody heard, because the process was killed before it had said it.
    fn unheard(&mut self, gateway: usize, event: &Event) {
        if let Said::Down(key) = self.ledger.event(self.scenario, gateway, event) {
            self.ledger.disarm(|other| *other == key);
        }
    }

    /// A process begins that has the records of the one before.
    pub(super) fn go_on(&mut self, gateway: usize) {
        if self.gateways[gateway].engine.is_some() {
            return;
        }
        self.note(gateway, || "goes on".to_owned());
        self.judge_goes_on(gateway);
        let configuration = self.configuration(gateway);
        self.gateways[gateway].go_on(self.now, configuration);
        self.ledger.restores(gateway);
        self.take_outputs(gateway);
        if let Some(engine) = &self.gateways[gateway].engine {
            let listed = engine.snapshot();
            (self.ledger).found(self.scenario, gateway, &listed);
        }
        if self.gateways[gateway].reconfigures {
            self.flows_when_done(gateway);
        }
    }
}
