//! The engine: every IKE SA and Child SA of one daemon thread, as one value without input or output.
//!
//! ```text
//!   engine.handle(now, input);
//!   while let Some(output) = engine.poll() { carry it out }
//! ```
//!
//! After every [`Engine::handle`], [`Engine::poll`] is drained until it returns `None`. The same inputs with the same
//! random source and provider give the same outputs, byte for byte. No input makes it panic; what a stranger can make it
//! keep is bounded by [`crate::config::Limits`].
//!
//! Where to look:
//!
//! ```text
//!   io, event, failure, snapshot   the border: what goes in and out, what happens, why something fails
//!   strangers, cookie, half_open   datagrams that belong to nobody yet
//!   ike_sa/                        one IKE SA: a state per step, both roles, its Child SAs
//!   connections, configure         what should be true, and the next attempt
//!   duplicates                     several IKE SAs with one peer
//!   replacement, lines             one IKE SA in the place of another: the new one stands before the old one ends
//!   commands                       what an operator asks for
//!   policy_table                   which kernel policy stands for which selectors
//!   traps                          what stands in for Child SAs that are not there, and packets that ask for one
//!   heard                          a peer that is there again
//!   wall_clock                     what follows when it is set
//!   situation                      what a datagram meets, for simulators that want to know where they have been
//!   records                        what outlives the process, and how a new engine goes on from there
//!   fetches                        CRLs and OCSP replies on their way
//!   window, channel, contents      message IDs and retransmission, protection, payloads by kind
//! ```

mod candidates;
mod channel;
mod commands;
mod configure;
mod connections;
mod contents;
mod cookie;
mod duplicates;
pub mod event;
pub mod failure;
mod fetches;
mod half_open;
mod heard;
mod ike_sa;
pub mod io;
mod lines;
mod list;
mod policy_table;
mod records;
mod replacement;
mod shared;
pub mod situation;
pub mod snapshot;
mod strangers;
mod timers;
mod traps;
mod wall_clock;
mod window;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::crypto::{Provider, Random};
use crate::wire::IkeSpi;

pub use policy_table::{INDEX_RANGE, MAX_POLICIES};
pub use records::Persistence;
pub use shared::{REQID_RANGE, SPI_RANGE};

use connections::Connections;
use cookie::CookieJar;
use event::Event;
use failure::{Cause, Failure, Step, StrangerFailure};
use half_open::HalfOpenCount;
use ike_sa::IkeSa;
use io::{
    Answer, CommandId, Input, KernelEvent, KernelFailure, KernelId, Now, Output, QuestionId, Reply,
};
use records::Journal;
use shared::{KernelOwner, Shared};
use situation::Encounter;
use strangers::Ration;
use timers::{Timer, Timers};

/// How long goodbyes may take.
const SHUTDOWN_TIME: Duration = Duration::from_secs(3);

/// Outputs that there is always room for: what one input calls for, except for a configuration of many connections.
const OUTPUTS_KEPT: usize = 64;

/// What an engine is made of.
#[derive(Debug)]
pub struct Options {
    /// The engine's number among those of the process: the first byte of its IKE SPIs.
    pub number: u8,
    /// The algorithms.
    pub provider: &'static dyn Provider,
    /// The source of all randomness.
    pub random: RandomSource,
    /// Whether the keys of every IKE SA come out ([`io::Output::Keys`]), so that a capture can be read.
    pub export_keys: bool,
    /// Whether what is established comes out as records, so that another engine can go on ([`Engine::restore`]).
    pub persistence: Persistence,
}

/// A boxed source of randomness that prints nothing.
pub struct RandomSource(pub Box<dyn Random>);

impl std::fmt::Debug for RandomSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RandomSource")
    }
}

/// The engine.
pub struct Engine {
    shared: Shared,
    /// By our SPI.
    ike_sas: BTreeMap<IkeSpi, Box<IkeSa>>,
    /// IKE SAs that a peer began, by its SPI and the address it began from: where IKE_SA_INIT comes again.
    first_contacts: BTreeMap<(IkeSpi, SocketAddr), IkeSpi>,
    half_open: HalfOpenCount,
    cookies: CookieJar,
    cookie_mode: bool,
    ration: Ration,
    strangers: VecDeque<StrangerFailure>,
    connections: Connections,
    shunts: configure::Shunts,
    timers: Timers,
    wall_clock: wall_clock::WallClock,
    told_deadline: Option<Duration>,
    /// Commands that are answered when these kernel requests are done.
    clean_waiters: Vec<(CommandId, BTreeSet<KernelId>)>,
    shutting_down: bool,
    shutdown: Option<Shutdown>,
    journal: Journal,
    /// While what a predecessor left is being read: nothing is begun.
    restoring: bool,
}

/// How much an engine keeps of what comes and goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// IKE SAs of any state.
    pub ike_sas: usize,
    /// Those that count as half-open.
    pub half_open: usize,
    /// IKE SAs that a peer began, where its first message is still recognised.
    pub first_contacts: usize,
    /// Questions that wait for an answer.
    pub questions: usize,
    /// Kernel requests that are not answered yet.
    pub kernel_requests: usize,
    /// SPIs of ESP SAs, both directions counted.
    pub esp_sas: usize,
    /// Commands that wait for `up`, or for the kernel to be clean.
    pub waiting_commands: usize,
}

#[derive(Debug)]
struct Shutdown {
    command: CommandId,
    /// When the last goodbyes are cut short; `None` once the kernel is being cleaned.
    until: Option<Duration>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("ike_sas", &self.ike_sas.len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine that knows no connection yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            shared: Shared::new(
                options.number,
                options.provider,
                options.random.0,
                options.export_keys,
                options.persistence != Persistence::Off,
            ),
            ike_sas: BTreeMap::new(),
            first_contacts: BTreeMap::new(),
            half_open: HalfOpenCount::default(),
            cookies: CookieJar::default(),
            cookie_mode: false,
            ration: Ration::default(),
            strangers: VecDeque::new(),
            connections: Connections::default(),
            shunts: configure::Shunts::default(),
            timers: Timers::default(),
            wall_clock: wall_clock::WallClock::default(),
            told_deadline: None,
            clean_waiters: Vec::new(),
            shutting_down: false,
            shutdown: None,
            journal: Journal::new(options.persistence),
            restoring: false,
        }
    }

    /// Takes one input. Outputs are then to be drained by [`Self::poll`].
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        debug_assert!(
            self.shared.outputs.is_empty(),
            "poll until there is nothing left, then handle"
        );
        self.shared.now = now;
        self.look_at_the_clocks();
        match input {
            Input::Datagram { path, bytes } => self.datagram(path, bytes),
            Input::Command(id, command) => self.command(id, command),
            Input::KernelDone(id, result) => self.kernel_done(id, result),
            Input::KernelEvent(event) => self.kernel_event(&event),
            Input::Answer(id, Answer::Fetched(result)) => self.fetched(id, result),
            Input::Answer(id, answer) => {
                if let Some(own) = self.shared.questions.remove(&id) {
                    self.with_sa(own, |sa, shared| sa.answer(shared, id, answer));
                }
            }
            Input::Persisted(id) => self.persisted(id),
            Input::Configured(configuration) => self.configure(*configuration),
            Input::Tick => self.tick(),
        }
        self.settle();
    }

    /// Draws the conclusions of what was handled: last of all, when to be called again, and first of all, what has to be
    /// stored.
    fn settle(&mut self) {
        self.take_notices();
        self.go_on_with_shutdown();
        self.persist();
        let next = self.timers.next();
        if next != self.told_deadline {
            self.told_deadline = next;
            self.shared.outputs.push_back(Output::Deadline(next));
        }
    }

    /// The next thing to be done outside, in order.
    pub fn poll(&mut self) -> Option<Output> {
        let next = self.shared.outputs.pop_front();
        if next.is_none() {
            self.shared.outputs.shrink_to(OUTPUTS_KEPT);
        }
        next
    }

    /// IKE SAs of any state: for tests and benchmarks.
    #[must_use]
    pub fn ike_sa_count(&self) -> usize {
        self.ike_sas.len()
    }

    /// What it keeps at this moment, in numbers: for tests, which know what it should be.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let entries = self.connections.entries.values();
        Kept {
            ike_sas: self.ike_sas.len(),
            half_open: self.half_open.count(),
            first_contacts: self.first_contacts.len(),
            questions: self.shared.questions.len(),
            kernel_requests: self.shared.kernel.len(),
            esp_sas: self.shared.esp.len(),
            waiting_commands: self.clean_waiters.len()
                + entries.map(|entry| entry.waiters.len()).sum::<usize>(),
        }
    }

    /// From now on, takes down what datagrams meet: for simulators.
    pub fn watch(&mut self) {
        self.shared.witness.get_or_insert_default();
    }

    /// What datagrams have met since this was asked last, where that is taken down.
    pub fn take_encounters(&mut self) -> Vec<Encounter> {
        let witness = self.shared.witness.as_mut();
        witness.map(|witness| witness.take()).unwrap_or_default()
    }

    fn tick(&mut self) {
        let now = self.shared.now.boot;
        // As many as are due now: one that makes itself due again waits for the next tick.
        for _ in 0..self.timers.count_due(now) {
            let Some(timer) = self.timers.take_due(now) else {
                break;
            };
            match timer {
                Timer::IkeSa(own) => {
                    if let Some(sa) = self.ike_sas.get_mut(&own) {
                        sa.timer = None;
                    }
                    self.with_sa(own, |sa, shared| sa.tick(shared));
                }
                Timer::Connection(name) => {
                    if let Some(entry) = self.connections.entries.get_mut(&name) {
                        entry.timer = None;
                    }
                    self.reconcile(&name);
                }
                Timer::Shutdown => {}
            }
            self.take_notices();
        }
    }

    /// Something was fetched, or could not be: that is remembered, also where nobody waits for it any more.
    fn fetched(&mut self, id: QuestionId, result: Result<Vec<u8>, String>) {
        let Some((question, waiters)) = self.shared.fetches.end(id) else {
            return;
        };
        let now = self.shared.now.wall;
        self.shared.revocation.insert(&question, result, now);
        for own in waiters {
            self.with_sa(own, |sa, shared| sa.fetched(shared, &question));
        }
    }

    /// Lends an IKE SA out together with what all of them share, and puts it back.
    fn with_sa(&mut self, own: IkeSpi, work: impl FnOnce(&mut IkeSa, &mut Shared)) {
        if let Some(mut sa) = self.ike_sas.remove(&own) {
            work(&mut sa, &mut self.shared);
            self.put_back(sa);
        }
    }

    /// Puts an IKE SA (back) in its place, with its timer and its share of the half-open count, or lets it go.
    fn put_back(&mut self, mut sa: Box<IkeSa>) {
        let own = sa.own_spi();
        if !sa.is_half_open_responder()
            && let Some(address) = sa.counted.take()
        {
            self.half_open.remove(address);
            self.tell_cookie_mode();
        }
        let gone = matches!(sa.state, ike_sa::State::Gone);
        let deadline = if gone {
            None
        } else {
            sa.deadline(&self.shared)
        };
        let old = std::mem::replace(&mut sa.timer, deadline);
        self.journal.touch_ike_sa(own);
        self.timers.change(Timer::IkeSa(own), old, deadline);
        if gone {
            if let Some(question) = sa.question {
                self.shared.questions.remove(&question);
            }
            if let Some(remote) = sa.first_contact {
                self.first_contacts.remove(&(sa.spis.initiator, remote));
            }
        } else {
            if sa.has_lost_children() {
                self.connections.unsettled.extend(sa.connection_name());
            }
            self.ike_sas.insert(own, sa);
        }
    }

    /// An SPI that no IKE SA of ours has; its first byte is the engine's number.
    fn fresh_ike_spi(&mut self) -> IkeSpi {
        loop {
            let spi = self.shared.fresh_ike_spi();
            if !spi.is_zero() && !self.ike_sas.contains_key(&spi) {
                return spi;
            }
        }
    }

    fn kernel_done(&mut self, id: KernelId, result: Result<(), KernelFailure>) {
        match self.shared.kernel.remove(&id) {
            Some(KernelOwner::Install { sa, child }) => {
                self.with_sa(sa, |sa, shared| sa.kernel_done(shared, child, result));
            }
            Some(KernelOwner::Configuration | KernelOwner::Removal) => {
                if let Err(failure) = result {
                    let failure = Failure::new(Step::Kernel, Cause::Kernel(failure));
                    self.shared.event(Event::PolicyFailed { failure });
                }
            }
            Some(KernelOwner::Shutdown) | None => {}
        }
        let clean = |(_, waiting): &mut (CommandId, BTreeSet<KernelId>)| {
            waiting.remove(&id);
            waiting.is_empty()
        };
        let done: Vec<_> = self
            .clean_waiters
            .extract_if(.., clean)
            .map(|(command, _)| command)
            .collect();
        for command in done {
            self.reply(command, Reply::Done);
        }
    }

    fn kernel_event(&mut self, event: &KernelEvent) {
        let (sa, soft) = match *event {
            KernelEvent::Expire { sa, hard } => (sa, !hard),
            KernelEvent::Missing { sa } => (sa, false),
            KernelEvent::Acquire(ref acquire) => return self.acquired(acquire),
        };
        if let Some(own) = self.shared.esp.get(&(sa.spi, sa.destination)).copied() {
            self.with_sa(own, |ike_sa, shared| match soft {
                true => ike_sa.soft_expired(shared, sa),
                false => ike_sa.expired(shared, sa),
            });
        }
    }

    /// Answers a command once everything that is now on its way out of the kernel is out.
    fn reply_when_clean(&mut self, command: CommandId) {
        let waiting: BTreeSet<_> = self
            .shared
            .kernel
            .iter()
            .filter(|(_, owner)| matches!(owner, KernelOwner::Removal | KernelOwner::Shutdown))
            .map(|(id, _)| *id)
            .collect();
        if waiting.is_empty() {
            self.reply(command, Reply::Done);
        } else {
            self.clean_waiters.push((command, waiting));
        }
    }

    fn begin_shutdown(&mut self, command: CommandId) {
        if self.shutting_down {
            return self.reply(command, Reply::Done);
        }
        self.shutting_down = true;
        self.disappoint_all();
        let until = self.shared.now.boot + SHUTDOWN_TIME;
        self.shutdown = Some(Shutdown {
            command,
            until: Some(until),
        });
        self.timers.change(Timer::Shutdown, None, Some(until));
        for own in self.ike_sas.keys().copied().collect::<Vec<_>>() {
            self.with_sa(own, |sa, shared| sa.close_for(shared, Cause::TakenDown));
        }
    }

    /// When the last goodbye is answered, or has taken too long, the kernel is cleaned and the command answered.
    fn go_on_with_shutdown(&mut self) {
        let now = self.shared.now.boot;
        let Some(shutdown) = &mut self.shutdown else {
            return;
        };
        let Some(until) = shutdown.until else { return };
        let goodbyes = self
            .ike_sas
            .values()
            .any(|sa| matches!(sa.state, ike_sa::State::Closing(_)));
        if goodbyes && now < until {
            return;
        }
        shutdown.until = None;
        let command = shutdown.command;
        self.timers.change(Timer::Shutdown, Some(until), None);
        let steps = self.shared.policies.clear();
        self.shared
            .apply(KernelOwner::Shutdown, steps, io::OnFailure::Continue);
        self.reply_when_clean(command);
    }
}
