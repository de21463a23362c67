//! One gateway: its engine, its kernel, the owner of its secrets, and what it said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use ike::auth::ask::{FetchQuestion, SignAnswer, answer_psk};
use ike::config::{Configuration, Name};
use ike::crypto::signature::{Fingerprint, PrivateKey};
use ike::crypto::{Provider, Secret, standard};
use ike::engine::event::Event;
use ike::engine::failure::Failure;
use ike::engine::io::{
    Answer, Command, CommandId, ExportedKeys, Input, KernelEvent, KernelId, KernelRequest, Now,
    Output, Path, Question, QuestionId, RecordId, RecordKey, Remains, Reply, Transmit,
};
use ike::engine::snapshot::Snapshot;
use ike::engine::{Engine, Options, Persistence, RandomSource};

use crate::coverage::Contribution;
use crate::{FakeKernel, SeededRandom};

/// The wall clock at the beginning of the world.
pub const WALL: Duration = Duration::from_secs(1_790_000_000);

/// Which way a wall clock is set, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// It was slow.
    Forward(Duration),
    /// It was fast.
    Back(Duration),
}

/// One gateway.
#[derive(Debug)]
pub struct Node {
    /// What it is called in messages.
    pub name: &'static str,
    /// Its address.
    pub address: IpAddr,
    /// Its kernel.
    pub kernel: FakeKernel,
    /// Pre-shared keys by connection.
    pub secrets: BTreeMap<Name, Vec<u8>>,
    /// Private keys by the fingerprint of their public half.
    pub keys: BTreeMap<Fingerprint, PrivateKey>,
    /// What its resolver knows.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// How often its engine was called.
    pub calls: u64,
    /// What it finds on the web, by URL. What is not here does not answer.
    pub web: BTreeMap<String, Vec<u8>>,
    /// What it was asked to fetch, in order.
    pub fetched: Vec<FetchQuestion>,
    /// What it said, in order.
    pub events: Vec<Event>,
    /// The keys of IKE SAs that it handed out, in order.
    pub exported: Vec<ExportedKeys>,
    /// Answers to commands.
    pub replies: BTreeMap<CommandId, Reply>,
    /// Every datagram it sent.
    pub sent: Vec<Transmit>,
    /// While true, questions are kept instead of answered.
    pub hold_answers: bool,
    /// While true, what is to be fetched does not come.
    pub hold_fetches: bool,
    /// While true, kernel requests are kept instead of carried out.
    pub hold_kernel: bool,
    /// Questions that wait.
    pub questions: VecDeque<(QuestionId, Question)>,
    /// What is to be fetched and has not come yet.
    pub fetches: VecDeque<(QuestionId, FetchQuestion)>,
    /// Kernel requests that wait.
    pub kernel_requests: VecDeque<(KernelId, KernelRequest)>,
    /// Its records, as they survive it.
    pub store: BTreeMap<RecordKey, Secret>,
    /// What it was configured with last.
    pub configuration: Configuration,
    /// It is killed before its next act, when it has done this many: outputs, steps of the kernel, and answers of either.
    pub killed_after: Option<u64>,
    /// What it has done so far.
    pub acts: u64,
    /// Whether there is a process.
    pub alive: bool,
    make: Make,
    engine: Engine,
    deadline: Option<Duration>,
    /// What its wall clock said when the world's began.
    wall: Duration,
    persisted: VecDeque<RecordId>,
    commands: u64,
    answered: BTreeSet<CommandId>,
    /// What its datagrams met.
    met: Contribution,
}

/// What each of its engines is made of.
#[derive(Debug)]
struct Make {
    seed: u64,
    provider: &'static dyn Provider,
    export_keys: bool,
    persistence: Persistence,
    /// Engines made so far.
    engines: u64,
}

impl Make {
    fn options(&mut self) -> Options {
        let seed = self.seed ^ (self.engines << 32);
        self.engines += 1;
        Options {
            number: 1,
            provider: self.provider,
            random: RandomSource(Box::new(SeededRandom::new(seed))),
            export_keys: self.export_keys,
            persistence: self.persistence,
        }
    }
}

impl Node {
    /// A gateway that knows nothing yet, with the cryptography that ships.
    #[must_use]
    pub fn new(name: &'static str, address: IpAddr, seed: u64) -> Self {
        Self::with_provider(name, address, seed, standard())
    }

    /// A gateway that knows nothing yet, with other cryptography.
    #[must_use]
    pub fn with_provider(
        name: &'static str,
        address: IpAddr,
        seed: u64,
        provider: &'static dyn Provider,
    ) -> Self {
        Self::with(name, address, seed, provider, false)
    }

    /// A gateway that knows nothing yet and hands out the keys of its IKE SAs.
    #[must_use]
    pub fn exporting_keys(name: &'static str, address: IpAddr, seed: u64) -> Self {
        Self::with(name, address, seed, standard(), true)
    }

    fn with(
        name: &'static str,
        address: IpAddr,
        seed: u64,
        provider: &'static dyn Provider,
        export_keys: bool,
    ) -> Self {
        let mut make = Make {
            seed,
            provider,
            export_keys,
            persistence: Persistence::Immediate,
            engines: 0,
        };
        let mut engine = Engine::new(make.options());
        let met = Contribution::default();
        met.watch(&mut engine);
        Self {
            name,
            address,
            kernel: FakeKernel::default(),
            secrets: BTreeMap::new(),
            keys: BTreeMap::new(),
            names: BTreeMap::new(),
            calls: 0,
            web: BTreeMap::new(),
            fetched: Vec::new(),
            events: Vec::new(),
            exported: Vec::new(),
            replies: BTreeMap::new(),
            sent: Vec::new(),
            hold_answers: false,
            hold_fetches: false,
            hold_kernel: false,
            questions: VecDeque::new(),
            fetches: VecDeque::new(),
            kernel_requests: VecDeque::new(),
            store: BTreeMap::new(),
            configuration: Configuration::default(),
            killed_after: None,
            acts: 0,
            alive: true,
            make,
            engine,
            deadline: None,
            wall: WALL,
            persisted: VecDeque::new(),
            commands: 0,
            answered: BTreeSet::new(),
            met,
        }
    }

    /// The engine itself, to look at.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// When the engine wants to be called.
    #[must_use]
    pub const fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// What its wall clock says.
    #[must_use]
    pub fn wall(&self, now: Duration) -> Duration {
        self.wall + now
    }

    /// Sets its wall clock forward, or back. Nobody is told: whoever goes by it sees it when he looks.
    pub const fn jump(&mut self, jump: Jump) {
        self.wall = match jump {
            Jump::Forward(by) => self.wall.saturating_add(by),
            Jump::Back(by) => self.wall.saturating_sub(by),
        };
    }

    /// When its kernel looks at the lifetime of an SA.
    #[must_use]
    pub fn next_look(&self) -> Option<Duration> {
        self.kernel.next_look()
    }

    /// What its kernel has to say.
    pub fn hear(&mut self, now: Duration) -> Vec<KernelEvent> {
        self.kernel.hear(Now {
            boot: now,
            wall: self.wall(now),
        })
    }

    /// Gives the engine an input, carries out what it wants, and returns what it sends.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) -> Vec<Transmit> {
        let mut transmits = Vec::new();
        if !self.alive {
            return transmits;
        }
        let clocks = Now {
            boot: now,
            wall: self.wall(now),
        };
        self.kernel.see(clocks);
        self.calls += 1;
        self.engine.handle(clocks, input);
        self.go_on(clocks, &mut transmits);
        self.sent.extend(transmits.iter().cloned());
        transmits
    }

    /// Carries out what the engine wants, until there is nothing left to do at this time.
    fn go_on(&mut self, clocks: Now, transmits: &mut Vec<Transmit>) {
        self.drain(transmits);
        while self.alive {
            let question = (!self.hold_answers)
                .then(|| self.questions.pop_front())
                .flatten();
            let fetch = (!self.hold_fetches)
                .then(|| self.fetches.pop_front())
                .flatten();
            let input = if let Some((id, question)) = question {
                Input::Answer(id, self.answer(question))
            } else if let Some((id, question)) = fetch {
                Input::Answer(id, self.fetch(&question))
            } else if self.hold_kernel {
                break;
            } else if let Some((id, request)) = self.kernel_requests.pop_front() {
                match self.steps_left(request.steps.len()) {
                    Some(steps) => {
                        self.kernel.apply_some(request, steps);
                        return self.die();
                    }
                    None => Input::KernelDone(id, self.kernel.apply(request)),
                }
            } else if let Some(id) = self.persisted.pop_front() {
                Input::Persisted(id)
            } else {
                break;
            };
            if self.is_killed() {
                return self.die();
            }
            self.engine.handle(clocks, input);
            self.drain(transmits);
        }
    }

    /// Whether this is the end; if not, something was done.
    fn is_killed(&mut self) -> bool {
        let killed = self.killed_after == Some(self.acts);
        self.acts += 1;
        killed
    }

    /// How many of these steps it lives to take; `None`: all of them.
    fn steps_left(&mut self, steps: usize) -> Option<usize> {
        (0..steps).find(|_| self.is_killed())
    }

    /// The process is gone, with all that it had not done yet.
    fn die(&mut self) {
        self.alive = false;
        self.killed_after = None;
        self.deadline = None;
        self.questions.clear();
        self.fetches.clear();
        self.kernel_requests.clear();
        self.persisted.clear();
    }

    /// Kills the process between two inputs.
    pub fn kill(&mut self) {
        self.die();
    }

    /// Starts it anew, with its records and what it finds in its kernel.
    pub fn restart(&mut self, now: Duration) -> Vec<Transmit> {
        let clocks = Now {
            boot: now,
            wall: self.wall(now),
        };
        self.kernel.see(clocks);
        let remains = Remains {
            configuration: self.configuration.clone(),
            records: self.store.clone().into_iter().collect(),
            kernel: self.kernel.contents(),
        };
        self.alive = true;
        self.engine = Engine::restore(self.make.options(), clocks, remains);
        self.met.watch(&mut self.engine);
        let mut transmits = Vec::new();
        self.go_on(clocks, &mut transmits);
        self.sent.extend(transmits.iter().cloned());
        transmits
    }

    /// From the next start on, whether what depends on a record waits until it is stored.
    pub const fn set_persistence(&mut self, persistence: Persistence) {
        self.make.persistence = persistence;
    }

    fn drain(&mut self, transmits: &mut Vec<Transmit>) {
        self.met.add(self.engine.take_encounters());
        while let Some(output) = self.engine.poll() {
            if self.is_killed() {
                return self.die();
            }
            match output {
                Output::Transmit(transmit) => transmits.push(transmit),
                Output::Kernel(id, request) => self.kernel_requests.push_back((id, request)),
                Output::Ask(id, Question::Fetch(question)) => {
                    self.fetched.push((*question).clone());
                    self.fetches.push_back((id, *question));
                }
                Output::Ask(id, question) => self.questions.push_back((id, question)),
                Output::Persist(id, batch) => {
                    for record in batch {
                        match record.body {
                            Some(body) => self.store.insert(record.key, body),
                            None => self.store.remove(&record.key),
                        };
                    }
                    self.persisted.push_back(id);
                }
                Output::Keys(keys) => self.exported.push(*keys),
                Output::Deadline(deadline) => self.deadline = deadline,
                Output::Event(event) => self.events.push(*event),
                Output::Reply(id, reply) => {
                    assert!(
                        self.answered.insert(id),
                        "{}: {id:?} was answered twice",
                        self.name
                    );
                    self.replies.insert(id, reply);
                }
            }
        }
    }

    fn answer(&self, question: Question) -> Answer {
        match question {
            Question::Psk(question) => {
                let secret = self.secrets.get(&question.connection).map(Vec::as_slice);
                Answer::Psk(answer_psk(&question, secret, standard()))
            }
            Question::Sign(question) => Answer::Signed(match self.keys.get(&question.key) {
                None => SignAnswer::NoKey,
                Some(key) => match key.sign(question.scheme, &question.octets) {
                    Ok(signature) => SignAnswer::Signed(signature),
                    Err(error) => SignAnswer::Failed(error.to_string()),
                },
            }),
            Question::Fetch(question) => self.fetch(&question),
            Question::Resolve { name } => Answer::Resolved(
                (self.names.get(name.as_str()).cloned())
                    .ok_or_else(|| "Name or service not known".to_owned()),
            ),
            Question::LocalAddress { .. } => Answer::LocalAddress(Ok(self.address)),
            Question::SaUse(sas) => Answer::SaUse(self.kernel.uses(&sas)),
        }
    }

    fn fetch(&self, question: &FetchQuestion) -> Answer {
        let found = self.web.get(&question.url).cloned();
        let found = found.ok_or_else(|| format!("{} does not answer", question.url));
        Answer::Fetched(found.and_then(|body| {
            let small = body.len() <= question.limit;
            let words = || format!("{} has more than {} bytes", question.url, question.limit);
            small.then_some(body).ok_or_else(words)
        }))
    }

    /// A new configuration.
    pub fn configure(&mut self, now: Duration, configuration: Configuration) -> Vec<Transmit> {
        self.configuration = configuration.clone();
        self.handle(now, Input::Configured(Box::new(configuration)))
    }

    /// A datagram arrives.
    pub fn datagram(&mut self, now: Duration, path: Path, bytes: &[u8]) -> Vec<Transmit> {
        self.handle(now, Input::Datagram { path, bytes })
    }

    /// A command; its reply will be under this number in [`Self::replies`].
    pub fn command(&mut self, now: Duration, command: Command) -> (CommandId, Vec<Transmit>) {
        self.commands += 1;
        let id = CommandId(self.commands);
        let transmits = self.handle(now, Input::Command(id, command));
        (id, transmits)
    }

    /// Everything the engine knows.
    ///
    /// # Panics
    /// Where the engine does not answer, which would be a bug.
    pub fn list(&mut self, now: Duration) -> Snapshot {
        let (id, _) = self.command(now, Command::List);
        match self.replies.remove(&id) {
            Some(Reply::Snapshot(snapshot)) => *snapshot,
            other => panic!("{}: `list` was answered {other:?}", self.name),
        }
    }

    /// The codes of all failures it told, in order.
    #[must_use]
    pub fn failure_codes(&self) -> Vec<&'static str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::ConnectionFailed { failure, .. }
                | Event::ChildFailed { failure, .. }
                | Event::PeerRefused { failure, .. }
                | Event::PolicyFailed { failure } => Some(failure.cause.code().name()),
                Event::IkeSaClosed { reason, .. } | Event::ChildDown { reason, .. } => {
                    Some(reason.cause.code().name())
                }
                _ => None,
            })
            .collect()
    }

    /// Checks that nothing is left but the configured block, pass and drop policies, so many of them.
    ///
    /// # Panics
    /// If something is.
    pub fn assert_clean(&mut self, now: Duration, policies: usize) {
        let name = self.name;
        assert_eq!(
            self.kernel.sas.len(),
            0,
            "{name}: SAs are left: {:#?}",
            self.events
        );
        assert_eq!(
            self.kernel.protecting(),
            0,
            "{name}: policies of SAs are left"
        );
        assert_eq!(self.kernel.policies.len(), policies, "{name}: policies");
        assert_eq!(self.kernel.broken, Vec::<String>::new(), "{name}");
        assert_eq!(self.list(now).half_open, 0, "{name}: half-open");
        assert!(
            self.questions.is_empty() && self.kernel_requests.is_empty(),
            "{name}: waits"
        );
    }

    /// Checks that there are so many Child SAs, in the engine as in the kernel, under one IKE SA.
    ///
    /// # Panics
    /// If it is not so.
    pub fn assert_up(&mut self, now: Duration, children: usize) {
        let name = self.name;
        let snapshot = self.list(now);
        let sas = || {
            snapshot
                .connections
                .iter()
                .flat_map(|connection| &connection.ike_sas)
        };
        let counted = (sas().count(), sas().map(|sa| sa.children.len()).sum());
        assert_eq!(
            counted,
            (1, children),
            "{name}: IKE SAs and Child SAs: {:#?}",
            self.events
        );
        assert_eq!(
            self.kernel.sas.len(),
            2 * children,
            "{name}: {:#?}",
            self.events
        );
        assert_eq!(self.kernel.broken, Vec::<String>::new(), "{name}");
        assert_eq!(snapshot.half_open, 0, "{name}: half-open");
    }

    /// The last failure it told, whose code is this one.
    ///
    /// # Panics
    /// If there is none.
    pub fn failure(&self, code: &str) -> &Failure {
        let told = self.events.iter().rev().find_map(|event| match event {
            Event::ConnectionFailed { failure, .. }
            | Event::ChildFailed { failure, .. }
            | Event::PeerRefused { failure, .. }
            | Event::PolicyFailed { failure }
            | Event::IkeSaClosed {
                reason: failure, ..
            }
            | Event::ChildDown {
                reason: failure, ..
            } if failure.cause.code().name() == code => Some(failure),
            _ => None,
        });
        told.unwrap_or_else(|| panic!("{}: no {code} in {:#?}", self.name, self.events))
    }

    /// Lets the kernel and the owner of the secrets do what was held back.
    pub fn release(&mut self, now: Duration) -> Vec<Transmit> {
        self.hold_answers = false;
        self.hold_fetches = false;
        self.hold_kernel = false;
        self.handle(now, Input::Tick)
    }

    /// How often an event of this name happened.
    #[must_use]
    pub fn count(&self, event: &str) -> usize {
        self.events
            .iter()
            .filter(|other| other.name() == event)
            .count()
    }
}
