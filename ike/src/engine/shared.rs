//! What all IKE SAs of an engine share: time, randomness, algorithms, numbers, the policy table, and the way out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::ask::FetchQuestion;
use crate::config::proposal::IkeSuite;
use crate::config::{KernelMode, Limits, Name, PublicCredentials};
use crate::crypto::schedule::IkeKeys;
use crate::crypto::{Provider, Random};
use crate::pki::{PathCache, RevocationCache};
use crate::wire::IkeSpi;
use crate::wire::payload::Payload;

use super::event::{DropReason, Event, IkeSpis};
use super::failure::Failure;
use super::fetches::Fetches;
use super::ike_sa::{ChildSa, IkeSa};
use super::io::{
    ExportedKeys, KernelId, KernelRequest, KernelStep, Now, OnFailure, Output, Path, Question,
    QuestionId, SaReference, Transmit,
};
use super::lines::Lines;
use super::policy_table::{Owner, PolicyTable, Slots};
use super::situation::{Message, Witness};
use super::traps::Traps;

/// SPIs of our Child SAs: a range of our own tells them from another daemon's.
pub const SPI_RANGE: std::ops::RangeInclusive<u32> = 0xd000_0000..=0xdfff_ffff;
/// Reqids of our Child SAs.
pub const REQID_RANGE: std::ops::RangeInclusive<u32> = 0x0100_0000..=0x01ff_ffff;

/// What an IKE SA tells the keeper of the connections.
#[derive(Debug)]
pub(super) enum Notice {
    /// The peer is who it should be.
    Established {
        connection: Name,
        sa: IkeSpi,
        initial_contact: bool,
    },
    /// An IKE SA is gone, or was never made.
    Closed {
        connection: Name,
        sa: IkeSpi,
        established: bool,
        initiator: bool,
        path: Path,
        failure: Failure,
    },
    /// An heir stands, and is to have what the old one has.
    Inherits {
        old: IkeSpi,
        heir: IkeSpi,
        by_us: bool,
    },
    /// The peer's first word to its heir was to delete Child SAs, which that has only now.
    Deletes {
        heir: IkeSpi,
        path: Path,
        spis: Vec<u32>,
    },
    /// An heir will inherit nothing: the peer deletes it, or if it has not by then, we do; `None`: at once.
    Redundant {
        heir: IkeSpi,
        until: Option<Duration>,
    },
    /// It is time that both ends prove again who they are.
    Reauthenticate { sa: IkeSpi },
    /// Traffic goes out by this Child SA now, and not by that of another IKE SA.
    TakenOver { sa: IkeSpi, child: u64 },
    /// A Child SA ends whose reqid another IKE SA has, too.
    Left {
        connection: Name,
        child: Box<ChildSa>,
        failure: Failure,
    },
    /// The peer sends no more by these, which are what is left of an IKE SA that ended: by their inbound SAs.
    LetGo { sas: Vec<SaReference> },
    /// The peer holds an heir that we have no keys for.
    HeirLost { old: IkeSpi },
    /// A Child SA is installed.
    ChildUp { connection: Name, child: Name },
    /// A Child SA could not be made.
    ChildFailed {
        connection: Name,
        child: Option<Name>,
        failure: Failure,
    },
    /// A Child SA is gone.
    ChildDown {
        connection: Name,
        child: Name,
        failure: Failure,
    },
    /// A peer without a connection was turned away.
    Stranger { path: Path, failure: Failure },
    /// An attempt goes on, but somebody said why it will come to nothing.
    Hinted { connection: Name, failure: Failure },
}

/// Whose kernel request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KernelOwner {
    /// A Child SA is being installed.
    Install { sa: IkeSpi, child: u64 },
    /// Policies of the configuration.
    Configuration,
    /// Something is being taken away; nobody waits.
    Removal,
    /// The last clean-up.
    Shutdown,
}

/// What all IKE SAs share.
pub(super) struct Shared {
    /// The engine's, among those of the process.
    number: u8,
    pub(super) now: Now,
    pub(super) provider: &'static dyn Provider,
    pub(super) random: Box<dyn Random>,
    exports_keys: bool,
    /// Whether a successor is to go on where this engine ends.
    is_recorded: bool,
    pub(super) outputs: VecDeque<Output>,
    pub(super) notices: VecDeque<Notice>,
    /// IKE SAs that came of others, to be put in their place.
    pub(super) born: VecDeque<Box<IkeSa>>,
    pub(super) policies: PolicyTable,
    pub(super) lines: Lines,
    pub(super) limits: Limits,
    pub(super) kernel_mode: KernelMode,
    /// Certificates and public keys as last read, by connection.
    pub(super) credentials: BTreeMap<Name, Arc<PublicCredentials>>,
    /// What a peer is asked to show whose connection is not known yet.
    pub(super) certificate_requests: Vec<Payload<'static>>,
    /// Chains that were verified with the credentials in force.
    pub(super) paths: PathCache,
    /// What is known about revocation.
    pub(super) revocation: RevocationCache,
    pub(super) fetches: Fetches,
    /// Children that an operator took down, by connection.
    pub(super) held_down: BTreeSet<(Name, Name)>,
    pub(super) traps: Traps,
    /// Which IKE SA waits for which answer.
    pub(super) questions: BTreeMap<QuestionId, IkeSpi>,
    pub(super) kernel: BTreeMap<KernelId, KernelOwner>,
    /// Both SAs of each Child SA, and the IKE SA they belong to.
    pub(super) esp: BTreeMap<(u32, IpAddr), IkeSpi>,
    /// Where somebody wants to know what datagrams meet.
    pub(super) witness: Option<Box<Witness>>,
    last_number: u64,
    last_reqid: u32,
}

impl Shared {
    pub(super) fn new(
        number: u8,
        provider: &'static dyn Provider,
        random: Box<dyn Random>,
        exports_keys: bool,
        is_recorded: bool,
    ) -> Self {
        Self {
            number,
            exports_keys,
            is_recorded,
            now: Now {
                boot: std::time::Duration::ZERO,
                wall: std::time::Duration::ZERO,
            },
            provider,
            random,
            outputs: VecDeque::new(),
            notices: VecDeque::new(),
            born: VecDeque::new(),
            policies: PolicyTable::default(),
            lines: Lines::default(),
            limits: Limits::default(),
            kernel_mode: KernelMode::default(),
            credentials: BTreeMap::new(),
            certificate_requests: Vec::new(),
            paths: PathCache::default(),
            revocation: RevocationCache::default(),
            fetches: Fetches::default(),
            held_down: BTreeSet::new(),
            traps: Traps::default(),
            questions: BTreeMap::new(),
            kernel: BTreeMap::new(),
            esp: BTreeMap::new(),
            witness: None,
            last_number: 0,
            last_reqid: *REQID_RANGE.start(),
        }
    }

    /// A number that nothing else in this engine has.
    pub(super) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Whether what is established has a record.
    pub(super) const fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// A predecessor has used this number.
    pub(super) fn know_number(&mut self, number: u64) {
        self.last_number = self.last_number.max(number);
    }

    /// A predecessor has used this reqid.
    pub(super) fn know_reqid(&mut self, reqid: u32) {
        self.last_reqid = self.last_reqid.max(reqid).min(*REQID_RANGE.end());
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(Box::new(event)));
    }

    /// Hands the keys of an IKE SA out, where the engine was made to; otherwise they are not even copied.
    pub(super) fn export_keys(&mut self, spis: IkeSpis, suite: IkeSuite, keys: &IkeKeys) {
        if self.exports_keys {
            let IkeKeys {
                sk_ai,
                sk_ar,
                sk_ei,
                sk_er,
                ..
            } = keys.clone();
            self.outputs.push_back(Output::Keys(Box::new(ExportedKeys {
                spis,
                suite,
                sk_ai,
                sk_ar,
                sk_ei,
                sk_er,
            })));
        }
    }

    /// A datagram is dropped.
    pub(super) fn dropped(&mut self, path: Path, reason: DropReason) {
        if let Some(witness) = &mut self.witness {
            witness.drops(reason);
        }
        let remote = path.remote;
        self.event(Event::Dropped { remote, reason });
    }

    /// Somebody looks into a datagram: where that is taken down, what it is.
    pub(super) fn reads(&mut self, message: impl FnOnce() -> Option<Message>) {
        if let Some(witness) = &mut self.witness {
            witness.reads(message());
        }
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.notices.push_back(notice);
    }

    pub(super) fn transmit(&mut self, path: Path, bytes: Vec<u8>) {
        self.outputs
            .push_back(Output::Transmit(Transmit { path, bytes }));
    }

    pub(super) fn ask(&mut self, sa: IkeSpi, question: Question) -> QuestionId {
        let id = QuestionId(self.number());
        self.questions.insert(id, sa);
        self.outputs.push_back(Output::Ask(id, question));
        id
    }

    /// Has something fetched that says whether a certificate was revoked, once for all who call for it. Whether it is to be
    /// waited for: with too much under way, it counts as unreachable.
    pub(super) fn fetch(&mut self, waiter: IkeSpi, question: &FetchQuestion) -> bool {
        if self.fetches.join(question, waiter) {
            return true;
        }
        let now = self.now;
        if !self.fetches.has_room(now.boot) {
            let words = "too much is being fetched already".to_owned();
            self.revocation.insert(question, Err(words), now.wall);
            return false;
        }
        let id = QuestionId(self.number());
        self.fetches.begin(id, question.clone(), waiter, now.boot);
        let question = Question::Fetch(Box::new(question.clone()));
        self.outputs.push_back(Output::Ask(id, question));
        true
    }

    /// Sends steps to the kernel, if there are any and there is a kernel.
    pub(super) fn apply(
        &mut self,
        owner: KernelOwner,
        steps: Vec<KernelStep>,
        on_failure: OnFailure,
    ) -> Option<KernelId> {
        if steps.is_empty() || self.kernel_mode == KernelMode::None {
            return None;
        }
        let id = KernelId(self.number());
        self.kernel.insert(id, owner);
        self.outputs
            .push_back(Output::Kernel(id, KernelRequest { steps, on_failure }));
        Some(id)
    }

    /// Gives up all places that an owner has in the policy table.
    pub(super) fn unset_all(&mut self, slots: &Slots, owner: &Owner) -> Vec<KernelStep> {
        slots
            .all()
            .filter_map(|slot| self.policies.unset(slot, owner))
            .collect()
    }

    pub(super) fn random_bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    pub(super) fn nonce(&mut self) -> Vec<u8> {
        self.random_bytes::<32>().to_vec()
    }

    /// An SPI for an IKE SA of ours, with the engine's number before 56 random bits.
    pub(super) fn fresh_ike_spi(&mut self) -> IkeSpi {
        let mut spi: [u8; 8] = self.random_bytes();
        spi[0] = self.number;
        IkeSpi(spi)
    }

    /// An SPI for packets to this address of ours that nobody has.
    pub(super) fn fresh_esp_spi(&mut self, local: IpAddr) -> u32 {
        loop {
            let spi = SPI_RANGE.start() | (u32::from_be_bytes(self.random_bytes()) & 0x0fff_ffff);
            if !self.esp.contains_key(&(spi, local)) {
                return spi;
            }
        }
    }

    pub(super) fn fresh_reqid(&mut self) -> u32 {
        self.last_reqid = if self.last_reqid == *REQID_RANGE.end() {
            *REQID_RANGE.start() + 1
        } else {
            self.last_reqid + 1
        };
        self.last_reqid
    }

    pub(super) fn forget_esp(&mut self, sa: SaReference) {
        self.esp.remove(&(sa.spi, sa.destination));
    }
}

/// Which of an IKE SA's two SPIs is ours: the one that names it in the engine's table.
pub(super) const fn own_spi(spis: IkeSpis, initiator: bool) -> IkeSpi {
    if initiator {
        spis.initiator
    } else {
        spis.responder
    }
}
