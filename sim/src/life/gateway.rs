//! One gateway of a life: an engine, its kernel, and a daemon around them that takes its time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use ike::config::Configuration;
use ike::crypto::Secret;
use ike::engine::io::{
    CommandId, Direction, KernelId, KernelRequest, Now, Record, RecordId, RecordKey, Remains,
    SaReference, SelectorPair,
};
use ike::engine::{Engine, Options, Persistence, RandomSource};

use crate::node::WALL;
use crate::{FakeKernel, SeededRandom, provider};

use super::owner::Outage;
use super::scenario::{NAMES, Records, Scenario, address};

/// One gateway.
pub(super) struct Gateway {
    pub(super) number: usize,
    pub(super) name: &'static str,
    pub(super) address: IpAddr,
    /// `None` between a kill and what follows it.
    pub(super) engine: Option<Engine>,
    pub(super) kernel: FakeKernel,
    /// How many processes there were before: what was meant for one of those is lost.
    pub(super) process: u64,
    /// When its process began.
    pub(super) began: Duration,
    /// When one was killed that others go on from.
    pub(super) killed: Option<Duration>,
    /// When what its kernel says was no longer lost, if it ever was.
    pub(super) hears_again: Duration,
    /// The SPIs of SAs that its kernel has dropped by itself.
    pub(super) dropped: BTreeSet<u32>,
    /// Whether a process was killed that had told the peer what its kernel had not done yet.
    pub(super) is_cut_off: bool,
    /// The SPIs of all inbound SAs that its kernel has ever had.
    pub(super) had: BTreeSet<u32>,
    pub(super) deadline: Option<Duration>,
    /// Kernel requests that wait, in order.
    pub(super) requests: VecDeque<(KernelId, KernelRequest)>,
    /// Until when the kernel is busy with the last of them.
    pub(super) busy_until: Duration,
    /// When the last of those that it has carried out is answered.
    pub(super) done_until: Duration,
    /// SAs that the daemon has had added, and not deleted.
    pub(super) table: Vec<SaReference>,
    /// Whether the next installation is refused, and at which step.
    pub(super) refuse: Option<u64>,
    /// Until when the kernel's events are lost; then the daemon compares.
    pub(super) deaf_until: Option<Duration>,
    /// What its wall clock was set by, in seconds.
    pub(super) clock: i64,
    /// How long its kernel and the owner of its secrets may take.
    pub(super) slowness: Duration,
    /// Commands without an answer yet, in words.
    pub(super) asked: BTreeMap<CommandId, String>,
    pub(super) last_command: u64,
    /// Which children each link has here.
    pub(super) versions: Vec<usize>,
    /// By link, the children whose policies are in the kernel.
    pub(super) flowing: Vec<BTreeSet<usize>>,
    /// After how many requests those of a new configuration are.
    pub(super) flowing_after: Option<usize>,
    /// Policies of a process before, which the next configuration takes over or not.
    pub(super) stale: Vec<(SelectorPair, Direction)>,
    /// What outlives its process.
    pub(super) records: Records,
    pub(super) store: BTreeMap<RecordKey, Secret>,
    /// Batches that are not stored yet, in order.
    pub(super) unstored: VecDeque<(RecordId, Vec<Record>)>,
    /// When the last of them is.
    pub(super) stored_until: Duration,
    /// Whether there is a new configuration whose policies the kernel has not been asked for yet.
    pub(super) reconfigures: bool,
    /// What is wrong with the owner of its secrets.
    pub(super) outage: Option<Outage>,
    /// Whether its process is saying goodbye.
    pub(super) leaves: bool,
    /// The end of its process, if it is near.
    pub(super) doom: Option<Doom>,
    /// Datagrams sent.
    pub(super) sent: u64,
    pub(super) random: SeededRandom,
    seed: u64,
}

/// How a process will be killed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doom {
    /// After so many acts.
    pub(super) after: u64,
    /// With so many steps done of what its kernel and its store are doing.
    pub(super) done: usize,
    /// How long nothing runs.
    pub(super) pause: Duration,
}

impl Gateway {
    pub(super) fn new(number: usize, scenario: &Scenario) -> Self {
        let links = scenario.links.len();
        let slowness = scenario.slowness;
        let seed = scenario
            .seed
            .wrapping_mul(8)
            .wrapping_add(u64::try_from(number).unwrap_or(0));
        Self {
            number,
            name: NAMES[number],
            address: address(number),
            engine: None,
            kernel: FakeKernel::default(),
            process: 0,
            began: Duration::ZERO,
            killed: None,
            hears_again: Duration::ZERO,
            dropped: BTreeSet::new(),
            is_cut_off: false,
            had: BTreeSet::new(),
            deadline: None,
            requests: VecDeque::new(),
            busy_until: Duration::ZERO,
            done_until: Duration::ZERO,
            table: Vec::new(),
            refuse: None,
            deaf_until: None,
            clock: 0,
            slowness,
            asked: BTreeMap::new(),
            last_command: 0,
            versions: vec![0; links],
            flowing: vec![BTreeSet::new(); links],
            flowing_after: None,
            stale: Vec::new(),
            records: scenario.records,
            store: BTreeMap::new(),
            unstored: VecDeque::new(),
            stored_until: Duration::ZERO,
            reconfigures: false,
            outage: None,
            leaves: false,
            doom: None,
            sent: 0,
            random: SeededRandom::new(seed ^ 0x0005_0fed),
            seed,
        }
    }

    fn options(&self) -> Options {
        let seed = self.seed.wrapping_add(self.process << 32);
        Options {
            number: 1,
            provider: provider::recording(),
            random: RandomSource(Box::new(SeededRandom::new(seed))),
            export_keys: false,
            persistence: match self.records {
                Records::Off => Persistence::Off,
                Records::AtOnce => Persistence::Immediate,
                Records::Slowly => Persistence::Confirmed,
            },
        }
    }

    /// A process begins that knows nothing.
    pub(super) fn begin(&mut self, now: Duration) {
        self.began = now;
        self.store.clear();
        let mut engine = Engine::new(self.options());
        engine.watch();
        self.engine = Some(engine);
    }

    /// A process begins that goes on where one was killed.
    pub(super) fn go_on(&mut self, now: Duration, configuration: Configuration) {
        self.began = now;
        // It compares by itself.
        self.stale.clear();
        let clocks = self.clocks(now);
        self.kernel.see(clocks);
        let remains = Remains {
            configuration,
            records: self.store.clone().into_iter().collect(),
            kernel: self.kernel.contents(),
        };
        let found = self.kernel.sas.keys();
        let reference = |(spi, destination): &(u32, IpAddr)| SaReference {
            spi: *spi,
            destination: *destination,
        };
        self.table = found.map(reference).collect();
        let mut engine = Engine::restore(self.options(), clocks, remains);
        engine.watch();
        self.engine = Some(engine);
    }

    /// Stores a batch: all of it, or nothing.
    pub(super) fn store(&mut self, batch: Vec<Record>) {
        for record in batch {
            match record.body {
                Some(body) => self.store.insert(record.key, body),
                None => self.store.remove(&record.key),
            };
        }
    }

    /// Whether its process is killed before its next act.
    pub(super) fn is_killed(&mut self) -> bool {
        let Some(doom) = &mut self.doom else {
            return false;
        };
        let killed = doom.after == 0;
        doom.after = doom.after.saturating_sub(1);
        killed
    }

    /// Takes note of what its kernel has.
    pub(super) fn note_inbound(&mut self) {
        let inbound = self.kernel.sas.iter().filter(|(_, sa)| sa.inbound);
        self.had.extend(inbound.map(|((spi, _), _)| *spi));
    }

    /// The process ends without a word.
    pub(super) fn kill(&mut self, now: Duration) {
        self.engine = None;
        self.leaves = false;
        self.process += 1;
        self.deadline = None;
        self.requests.clear();
        self.busy_until = now;
        self.done_until = now;
        self.table.clear();
        self.flowing_after = None;
        self.deaf_until = None;
        self.asked.clear();
        self.unstored.clear();
        self.stored_until = now;
        self.doom = None;
    }

    pub(super) fn clocks(&self, boot: Duration) -> Now {
        let set = Duration::from_secs(self.clock.unsigned_abs());
        let wall = if self.clock < 0 {
            WALL + boot - set
        } else {
            WALL + boot + set
        };
        Now { boot, wall }
    }

    /// How long something takes this time.
    pub(super) fn a_while(&mut self) -> Duration {
        super::weather::below(&mut self.random, self.slowness)
    }
}
