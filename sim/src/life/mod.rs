//! Whole lives of SAs, drawn from a seed: what happens to gateways in months, in minutes of a virtual clock.
//!
//! ```text
//!   seed --draw--> Scenario --Life--> Outcome: nothing, or which invariant was broken, when and how
//!                     ^                  |
//!                     '----- shrink -----'  the fewest entries that still break it, and its sequence diagram
//! ```
//!
//! A life has three parts: what was drawn; quiet, on a network that loses nothing, until both ends of every connection
//! agree; and proof, in which everything is rekeyed once more and nothing may be lost. Then everybody says goodbye.
//!
//! What must hold, whatever happens:
//!
//! | word | what is broken |
//! |---|---|
//! | `clear` | a packet that a child protects left in clear |
//! | `loss` | a packet was lost though both ends had their child, and nothing had happened that may cost one |
//! | `down` | a child or an IKE SA ended though nothing had happened that may end one |
//! | `key` | a packet arrived under another key than it was sent with |
//! | `key-twice` | a key of ESP was installed twice, so that its counters begin again |
//! | `iv` | a key of IKE sealed two messages under one IV |
//! | `order` | the kernel was asked for things in an order that our promises rule out |
//! | `event` | an event told what was told before, or what cannot be |
//! | `command` | a command was answered twice, or never, or with what is not so |
//! | `late` | what was due did not happen |
//! | `haste` | something happened too early or too often |
//! | `blame` | a failure accuses a peer that keeps the rules, or configurations that fit |
//! | `agreement` | in quiet, the two ends did not come to hold the same SAs, one pair for each child, or held more |
//! | `rest` | after everything was said and done, something was left |
//! | `spin` | a timer was due again and again at one time |
//! | `panic` | an assertion failed |
//!
//! What may cost a packet or a child, and excuses nothing else: an operator's `down`, a changed configuration, a process
//! that was killed and begins anew, a kernel that refuses or drops something, and a network that is so bad that a peer
//! counts as gone, or an attempt ends that the peer has taken for an IKE SA. A gentle life has none of them.

mod draw;
mod gateway;
mod happen;
mod judge;
mod kernel_work;
mod kill;
mod ledger;
mod meeting;
mod owner;
mod packets;
mod pause;
mod quiet;
mod scenario;
mod shape;
mod shrink;
mod trace;
mod weather;
mod wider;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ike::engine::event::Event;
use ike::engine::io::{
    Input, KernelEvent, KernelFailure, KernelId, Output, Path, Question, QuestionId, Transmit,
};

use crate::coverage::Coverage;
use crate::provider;

pub use meeting::{Expects, Finds, Meeting, Proof};
pub use owner::Trouble;
pub use scenario::{Entry, Kind, Link, Records, Scenario, Spec, What};
pub use shape::Shape;
pub use shrink::shrink;
pub use weather::Weather;

use gateway::Gateway;
use judge::Judge;
use ledger::{ChildKey, Ledger, Said};
use packets::Packet;
use trace::Trace;

/// Not at zero: a clock that has run before shows what depends on where it stands.
const BEGINNING: Duration = Duration::from_secs(1000);
/// A child that both ends asked for at once shows as two after this long.
const SHOWS: Duration = Duration::from_secs(4);
/// How often a packet of each flow is sent where nothing happens, and the kernels look at lifetimes.
const EVERY: Duration = Duration::from_secs(5);

/// What is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, by its word in the table above.
    pub invariant: &'static str,
    /// When, since the beginning.
    pub at: Duration,
    /// What was seen.
    pub text: String,
}

/// What became of a life.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it broke.
    pub violation: Option<Violation>,
    /// How long it was, by the virtual clock.
    pub time: Duration,
    /// Datagrams that arrived.
    pub datagrams: u64,
    /// Packets that arrived through a tunnel.
    pub packets: u64,
    /// SAs that were replaced.
    pub rekeyings: u64,
    /// What its datagrams met.
    pub coverage: Coverage,
    /// The sequence diagram, where one was asked for.
    pub diagram: String,
}

/// Lives a life.
#[must_use]
pub fn live(scenario: &Scenario, with_diagram: bool) -> Outcome {
    provider::forget();
    let mut life = Life::new(scenario, with_diagram);
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| life.live()));
    if let Err(panic) = lived {
        let text = (panic.downcast_ref::<String>().cloned())
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        life.breaks("panic", text.unwrap_or_default());
    }
    Outcome {
        time: life.now - BEGINNING,
        datagrams: life.datagrams,
        packets: life.arrived,
        rekeyings: life.rekeyings,
        coverage: std::mem::take(&mut life.coverage),
        diagram: life.trace.take().map(Trace::diagram).unwrap_or_default(),
        violation: life.broken,
    }
}

/// Something that is due.
enum Happening {
    /// A gateway's process begins, for the first time or anew.
    Start(usize),
    /// A process has said goodbye, or has tried for long enough.
    Left(usize, u64, Duration),
    /// One begins that goes on where one was killed.
    GoOn(usize),
    Entry(usize),
    Datagram(usize, Path, Vec<u8>),
    Packet(usize, Packet),
    /// The kernel takes up the next request.
    Apply(usize, u64),
    Done(usize, u64, KernelId, Result<(), KernelFailure>),
    Answer(usize, u64, QuestionId, Box<Question>),
    /// The oldest batch of records is stored.
    Stored(usize, u64),
    Says(usize, u64, KernelEvent),
    /// The daemon compares its table with the kernel.
    Compare(usize, u64),
    Traffic,
}

/// A life while it is lived.
struct Life<'a> {
    scenario: &'a Scenario,
    now: Duration,
    gateways: Vec<Gateway>,
    weather: Weather,
    /// Until when nothing passes between the ends of each link.
    cut_until: Vec<Duration>,
    agenda: BTreeMap<(Duration, u64), Happening>,
    planned: u64,
    ledger: Ledger,
    judge: Judge,
    /// Whether nothing may go down: a gentle life, or the proof at the end of another.
    gentle: bool,
    /// Whether goodbyes are said, and everything goes down.
    ending: bool,
    /// Until when nothing is to be sent by a child, and since when something is again.
    silent_until: BTreeMap<ChildKey, Duration>,
    /// Which ends of which links were taken down by an operator.
    taken_down: BTreeSet<(usize, usize)>,
    /// Digests of the keys of outbound SAs.
    outbound_keys: BTreeSet<u64>,
    /// Packets lost of children that may have been made twice, which shows a little later: when that must have shown.
    suspects: Vec<(Duration, ChildKey, String)>,
    packets: u64,
    arrived: u64,
    datagrams: u64,
    rekeyings: u64,
    coverage: Coverage,
    trace: Option<Trace>,
    broken: Option<Violation>,
}

impl<'a> Life<'a> {
    fn new(scenario: &'a Scenario, with_diagram: bool) -> Self {
        let gateway = |number| Gateway::new(number, scenario);
        Self {
            scenario,
            now: BEGINNING,
            gateways: (0..scenario.gateways).map(gateway).collect(),
            weather: scenario.weather,
            cut_until: vec![Duration::ZERO; scenario.links.len()],
            agenda: BTreeMap::new(),
            planned: 0,
            ledger: Ledger::default(),
            judge: Judge::new(scenario),
            gentle: scenario.kind == Kind::Gentle,
            ending: false,
            silent_until: BTreeMap::new(),
            taken_down: BTreeSet::new(),
            outbound_keys: BTreeSet::new(),
            suspects: Vec::new(),
            packets: 0,
            arrived: 0,
            datagrams: 0,
            rekeyings: 0,
            coverage: Coverage::default(),
            trace: with_diagram.then(|| Trace::new(scenario.gateways)),
            broken: None,
        }
    }

    fn live(&mut self) {
        for (gateway, at) in self.scenario.starts.iter().enumerate() {
            self.at(BEGINNING + *at, Happening::Start(gateway));
        }
        for (number, entry) in self.scenario.entries.iter().enumerate() {
            self.at(BEGINNING + entry.at, Happening::Entry(number));
        }
        self.at(BEGINNING, Happening::Traffic);
        self.run_until(BEGINNING + self.scenario.ends, |_| false);
        self.be_quiet();
    }

    /// Seconds since the beginning.
    fn since(&self, at: Duration) -> f64 {
        at.saturating_sub(BEGINNING).as_secs_f64()
    }

    fn breaks(&mut self, invariant: &'static str, text: String) {
        if self.broken.is_none() {
            self.note(0, || format!("*** {invariant}: {text}"));
            self.broken = Some(Violation {
                invariant,
                at: self.now - BEGINNING,
                text,
            });
        }
    }

    /// A packet was lost. That excuses nothing but a child that is being made twice.
    fn loses(&mut self, key: ChildKey, text: String) {
        if self.suspects.is_empty() {
            self.note(0, || format!("*** a packet is lost: {text}"));
        }
        self.suspects.push((self.now + SHOWS, key, text));
    }

    /// Those whose time has come.
    fn judge(&mut self) {
        let (now, twice) = (self.now, std::mem::take(&mut self.ledger.twice));
        self.suspects.retain(|(_, key, _)| !twice.contains(key));
        if let Some((_, _, text)) = self.suspects.iter().find(|(due, ..)| *due <= now) {
            let text = text.clone();
            self.breaks("loss", text);
        }
    }

    /// A line of the diagram, in a gateway's column.
    fn note(&mut self, gateway: usize, text: impl FnOnce() -> String) {
        let at = self.since(self.now);
        if let Some(trace) = &mut self.trace {
            trace.line(at, gateway, &text());
        }
    }

    fn at(&mut self, at: Duration, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), happening);
    }

    /// Goes on until something is so or broken, or it is this late; whether it is so.
    fn run_until(&mut self, end: Duration, mut so: impl FnMut(&mut Self) -> bool) -> bool {
        let mut steps_at = (self.now, 0);
        loop {
            if self.broken.is_some() {
                return false;
            }
            if so(self) {
                return true;
            }
            let planned = self.agenda.keys().next().map(|(at, _)| *at);
            let deadlines = self.gateways.iter().filter_map(|gateway| gateway.deadline);
            let next = deadlines.chain(planned).min().filter(|next| *next <= end);
            let Some(next) = next else {
                self.now = end;
                return so(self);
            };
            self.now = self.now.max(next);
            steps_at = if steps_at.0 == self.now {
                (self.now, steps_at.1 + 1)
            } else {
                (self.now, 0)
            };
            if steps_at.1 > 20_000 {
                self.breaks("spin", "something is due again and again".to_owned());
                return false;
            }
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        if !self.suspects.is_empty() {
            self.judge();
        }
        if self.agenda.keys().next().is_some_and(|(at, _)| *at <= now)
            && let Some((_, happening)) = self.agenda.pop_first()
        {
            return self.happens(happening);
        }
        let due = |gateway: &Gateway| gateway.deadline.is_some_and(|deadline| deadline <= now);
        if let Some(gateway) = self.gateways.iter().position(due) {
            self.handle(gateway, Input::Tick);
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Start(gateway) => self.start(gateway),
            Happening::GoOn(gateway) => self.go_on(gateway),
            Happening::Left(gateway, process, pause) if self.runs(gateway, process) => {
                self.has_left(gateway, pause);
            }
            Happening::Entry(number) => self.entry(number),
            Happening::Datagram(gateway, path, bytes) => {
                self.datagrams += 1;
                if self.trace.is_some() {
                    let text = trace::arrival(path, &bytes);
                    self.note(gateway, || text);
                }
                let bytes = &*bytes;
                if let Some(from) = scenario::gateway_at(path.remote.ip()) {
                    self.judge_heard(gateway, from, bytes);
                }
                self.handle(gateway, Input::Datagram { path, bytes });
            }
            Happening::Packet(gateway, packet) => self.packet(gateway, packet),
            Happening::Apply(gateway, process) if self.runs(gateway, process) => {
                self.apply(gateway);
            }
            Happening::Done(gateway, process, id, result) if self.runs(gateway, process) => {
                if let Err(failure) = &result {
                    let text = format!("kernel: {} {}", failure.operation, failure.errno);
                    self.note(gateway, || text);
                }
                self.handle(gateway, Input::KernelDone(id, result));
            }
            Happening::Answer(gateway, process, id, question) if self.runs(gateway, process) => {
                let answer = self.answer(gateway, *question);
                self.handle(gateway, Input::Answer(id, answer));
            }
            Happening::Stored(gateway, process) if self.runs(gateway, process) => {
                let of = &mut self.gateways[gateway];
                if let Some((id, batch)) = of.unstored.pop_front() {
                    of.store(batch);
                    let all = of.unstored.is_empty();
                    self.handle(gateway, Input::Persisted(id));
                    if all && self.gateways[gateway].reconfigures {
                        self.flows_when_done(gateway);
                    }
                }
            }
            Happening::Says(gateway, process, event) if self.runs(gateway, process) => {
                self.note(gateway, || format!("kernel: {event:?}"));
                self.judge_kernel_event(gateway, &event);
                self.handle(gateway, Input::KernelEvent(event));
            }
            Happening::Compare(gateway, process) if self.runs(gateway, process) => {
                self.compare(gateway);
            }
            Happening::Traffic => self.traffic(),
            // It was for a process that is gone.
            _ => {}
        }
    }

    fn runs(&self, gateway: usize, process: u64) -> bool {
        let of = &self.gateways[gateway];
        of.process == process && of.engine.is_some()
    }

    /// Gives an engine an input and does what it wants.
    fn handle(&mut self, gateway: usize, input: Input<'_>) {
        let clocks = self.gateways[gateway].clocks(self.now);
        let Some(engine) = &mut self.gateways[gateway].engine else {
            return;
        };
        engine.handle(clocks, input);
        self.coverage.add(engine.take_encounters());
        self.take_outputs(gateway);
    }

    /// Does what an engine wants, unless its process is killed.
    fn take_outputs(&mut self, gateway: usize) {
        let Some(engine) = &mut self.gateways[gateway].engine else {
            return;
        };
        let outputs: Vec<_> = std::iter::from_fn(|| engine.poll()).collect();
        let mut outputs = outputs.into_iter();
        while let Some(output) = outputs.next() {
            if self.gateways[gateway].is_killed() {
                self.is_killed(gateway, std::iter::once(output).chain(outputs).collect());
                break;
            }
            self.output(gateway, output);
        }
        self.has_spoken(gateway);
        if let Some((key, iv)) = provider::sealed_twice() {
            self.breaks("iv", format!("key {key:016x} sealed twice under IV {iv:x}"));
        }
    }

    fn output(&mut self, gateway: usize, output: Output) {
        match output {
            Output::Transmit(transmit) => self.transmit(gateway, transmit),
            Output::Kernel(id, request) => self.request(gateway, id, request),
            Output::Ask(id, question) => {
                let at = self.answered_at(gateway, &question);
                let process = self.gateways[gateway].process;
                let happening = Happening::Answer(gateway, process, id, Box::new(question));
                self.at(at, happening);
            }
            Output::Deadline(deadline) => self.gateways[gateway].deadline = deadline,
            Output::Event(event) => self.event(gateway, &event),
            Output::Reply(id, reply) => self.reply(gateway, id, reply),
            Output::Persist(id, batch) => self.records(gateway, id, batch),
            Output::Keys(_) => {}
        }
    }

    fn transmit(&mut self, gateway: usize, transmit: Transmit) {
        let Transmit { path, bytes } = transmit;
        self.judge_sent(gateway, &bytes);
        let number = self.gateways[gateway].sent;
        self.gateways[gateway].sent += 1;
        let arrivals = self.weather.copies(self.scenario.seed, gateway, number);
        let far = scenario::gateway_at(path.remote.ip());
        let link = self.scenario.links.iter().position(|link| {
            far.is_some_and(|far| link.ends.contains(&gateway) && link.ends.contains(&far))
        });
        let cut = link.is_some_and(|link| self.cut_until[link] > self.now);
        if self.trace.is_some() {
            let text = trace::departure(path, &bytes, if cut { 0 } else { arrivals.len() });
            self.note(gateway, || text);
        }
        let (Some(far), false) = (far, cut) else {
            return;
        };
        let back = Path {
            local: path.remote,
            remote: path.local,
        };
        for way in arrivals {
            let happening = Happening::Datagram(far, back, bytes.clone());
            self.at(self.now + way, happening);
        }
    }

    /// From now on a child of this gateway may go down, and its packets be lost.
    fn may_cost(&mut self, gateway: usize) {
        let links = &self.scenario.links;
        let concerns = |(link, _): &(usize, usize)| links[*link].ends.contains(&gateway);
        self.ledger.disarm(concerns);
    }

    fn event(&mut self, gateway: usize, event: &Event) {
        if self.trace.is_some()
            && let Some(text) = trace::event(event)
        {
            self.note(gateway, || text);
        }
        if matches!(
            event,
            Event::ChildRekeyed { .. } | Event::IkeSaRekeyed { .. }
        ) {
            self.rekeyings += 1;
        }
        match self.ledger.event(self.scenario, gateway, event) {
            Said::Nothing => {}
            Said::Wrong(text) => {
                let text = format!("{}: {text}", self.gateways[gateway].name);
                self.breaks("event", text);
            }
            Said::Down(key) => {
                let counts = self.ledger.armed.contains_key(&key);
                if counts && self.gentle && !self.ending {
                    let text = format!("{}: {event:?}", self.gateways[gateway].name);
                    self.breaks("down", text);
                }
                self.ledger.disarm(|other| *other == key);
            }
            said @ (Said::Closed | Said::Failed(_)) => {
                let all = self.ledger.armed.len() == self.children();
                // An attempt in whose middle the peer was killed comes to nothing: it is not in the records before it has.
                let is_killed = matches!(said, Said::Failed(_)) && self.scenario.kills();
                if all && self.gentle && !self.ending && !is_killed {
                    let text = format!("{}: {event:?}", self.gateways[gateway].name);
                    self.breaks("down", text);
                }
                if let Said::Failed(link) = said {
                    self.ledger.disarm(|(of, _)| Some(*of) == link);
                }
            }
        }
        self.judge_event(gateway, event);
    }
}
