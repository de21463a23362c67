//! What goes into the engine and what comes out: the whole of its border.
//!
//! ```text
//!                 Datagram  Command  Configured  Tick
//!                      \       |        |       /
//!   KernelDone ----\    v      v        v      v
//!   KernelEvent ----> +--------------------------+ --> Transmit
//!   Answer ---------> |          Engine          | --> Event, Reply, Deadline
//!   Persisted ------> +--------------------------+ --> Kernel, Ask, Persist
//! ```
//!
//! `Kernel`, `Ask` and `Persist` each carry a number that comes back with the answer. They are also the borders between
//! powers: the engine parses what strangers send, and neither writes the kernel's databases nor holds a long-term key.
//! `Keys` comes out only where somebody asked for the keys of IKE SAs by name.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::auth::ask::{FetchQuestion, PskAnswer, PskQuestion, SignAnswer, SignQuestion};
use crate::config::proposal::{EspSuite, IkeSuite};
use crate::config::selector::{KernelSelector, Selector};
use crate::config::{Configuration, HostName, Mode, Name, Volume};
use crate::crypto::Secret;
use crate::wire::IkeSpi;

use super::event::{Event, IkeSpis};
use super::failure::Failure;
use super::snapshot::Snapshot;

/// The two clocks, as read by the caller just before [`super::Engine::handle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// CLOCK_BOOTTIME: drives every timer, counts sleep, never jumps. Must not go backwards between calls.
    pub boot: Duration,
    /// The wall clock, since the Unix epoch: for what people and certificates call time.
    pub wall: Duration,
}

/// Where a datagram came from and to which of our addresses it was sent; answers go the same way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// Our address and port. Port 4500 speaks with the non-ESP marker, which the socket's owner adds and takes away.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
}

/// The number of a [`Output::Kernel`], given back by [`Input::KernelDone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernelId(pub u64);

/// The number of an [`Output::Ask`], given back by [`Input::Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(pub u64);

/// The number of an [`Output::Persist`], given back by [`Input::Persisted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub u64);

/// The number a caller gives its [`Input::Command`], given back by [`Output::Reply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// Something that happened outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// A UDP datagram, without the non-ESP marker.
    Datagram {
        /// Between which addresses.
        path: Path,
        /// The IKE message, at most 65 535 bytes.
        bytes: &'a [u8],
    },
    /// Somebody wants something done; answered by one [`Output::Reply`] with the same number.
    Command(CommandId, Command),
    /// A kernel request was carried out or failed.
    KernelDone(KernelId, Result<(), KernelFailure>),
    /// The kernel says something by itself.
    KernelEvent(KernelEvent),
    /// The answer to a question.
    Answer(QuestionId, Answer),
    /// A record is stored: messages that depend on it may go.
    Persisted(RecordId),
    /// What should be true from now on, as a whole.
    Configured(Box<Configuration>),
    /// The deadline has come (an early one does no harm).
    Tick,
}

/// Something the engine wants done outside.
#[derive(Debug)]
pub enum Output {
    /// Send a datagram.
    Transmit(Transmit),
    /// Carry out a kernel request, in the order in which requests come out; answer by [`Input::KernelDone`].
    Kernel(KernelId, KernelRequest),
    /// Answer a question by [`Input::Answer`], whenever the answer is there.
    Ask(QuestionId, Question),
    /// Store these records, all of them or none, then say [`Input::Persisted`]. Comes out before what depends on it.
    Persist(RecordId, Vec<Record>),
    /// Call again with [`Input::Tick`] at this time of the boot clock; replaces the deadline before it. `None`: nothing is due.
    Deadline(Option<Duration>),
    /// Something worth knowing happened.
    Event(Box<Event>),
    /// The answer to a command.
    Reply(CommandId, Reply),
    /// The keys of an IKE SA, as soon as they are derived: only where [`super::Options::export_keys`] asks for them.
    Keys(Box<ExportedKeys>),
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From which of our addresses to where.
    pub path: Path,
    /// The IKE message, without the non-ESP marker.
    pub bytes: Vec<u8>,
}

/// The keys that protect the messages of one IKE SA (RFC 7296 section 2.14), for reading a capture of them. They open
/// nothing else: not its Child SAs, nor a successor. They wipe themselves, and `Debug` shows lengths alone.
#[derive(Debug)]
pub struct ExportedKeys {
    /// Which IKE SA.
    pub spis: IkeSpis,
    /// Its algorithms.
    pub suite: IkeSuite,
    /// Integrity of what the initiator sends; empty for an AEAD.
    pub sk_ai: Secret,
    /// Integrity of what the responder sends; empty for an AEAD.
    pub sk_ar: Secret,
    /// Encryption of what the initiator sends, with the salt or nonce behind it where the cipher has one.
    pub sk_ei: Secret,
    /// Encryption of what the responder sends, likewise.
    pub sk_er: Secret,
}

/// A question to whoever holds what the engine does not: long-term keys, the routing table, the kernel's counters.
#[derive(Debug)]
pub enum Question {
    /// Use the pre-shared key of a connection. Answered by [`Answer::Psk`].
    Psk(Box<PskQuestion>),
    /// Sign with a long-term private key. Answered by [`Answer::Signed`].
    Sign(Box<SignQuestion>),
    /// Fetch what says whether a certificate of a chain that we trust was revoked. Answered by [`Answer::Fetched`].
    Fetch(Box<FetchQuestion>),
    /// Which addresses has this name? Answered by [`Answer::Resolved`].
    Resolve {
        /// The name.
        name: HostName,
    },
    /// From which of our addresses is this peer reached? Answered by [`Answer::LocalAddress`].
    LocalAddress {
        /// The peer.
        remote: IpAddr,
    },
    /// What have these SAs carried so far (XFRM_MSG_GETSA)? Answered by [`Answer::SaUse`].
    SaUse(Vec<SaReference>),
}

/// An answer to a [`Question`].
#[derive(Debug)]
pub enum Answer {
    /// To [`Question::Psk`].
    Psk(PskAnswer),
    /// To [`Question::Sign`].
    Signed(SignAnswer),
    /// To [`Question::Fetch`]: the body as received, or why there is none, in words for a person.
    Fetched(Result<Vec<u8>, String>),
    /// To [`Question::Resolve`]: the addresses, the best first, or the system's words for why there is none.
    Resolved(Result<Vec<IpAddr>, String>),
    /// To [`Question::LocalAddress`]: the address, or the system's words for why there is none.
    LocalAddress(Result<IpAddr, String>),
    /// To [`Question::SaUse`]: those of the SAs that the kernel has and tells of.
    SaUse(Vec<SaUse>),
}

/// What an SA has carried since it was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaUse {
    /// Which SA.
    pub sa: SaReference,
    /// Packets; inbound, those that passed the integrity check and the replay window.
    pub packets: u64,
    /// Bytes of what they carried.
    pub bytes: u64,
}

/// Something that has to outlive the process: [`super::Engine::restore`] takes it back.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which record this replaces.
    pub key: RecordKey,
    /// The content, some KiB with keys in it; `None` deletes it.
    pub body: Option<Secret>,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKey {
    /// An IKE SA, by our SPI.
    IkeSa(IkeSpi),
    /// What an operator said about a connection, and how its attempts went.
    Connection(Name),
}

impl std::fmt::Display for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::IkeSa(spi) => write!(f, "ike-sa/{spi}"),
            Self::Connection(name) => write!(f, "connection/{name}"),
        }
    }
}

/// What of ours is in the kernel: SAs with SPIs of [`super::SPI_RANGE`] or reqids of [`super::REQID_RANGE`], policies with
/// indexes of [`super::INDEX_RANGE`].
#[derive(Clone, Debug, Default)]
pub struct KernelContents {
    /// SAs, without those that are still larval, and how many packets each has carried.
    pub sas: BTreeMap<SaReference, u64>,
    /// Policies.
    pub policies: Vec<PolicyInstall>,
}

/// What a new engine begins with that is to go on where another ended.
#[derive(Debug)]
pub struct Remains {
    /// What is configured now. What does not fit it any more ends as it does in a reload.
    pub configuration: Configuration,
    /// The last body of each record, in any order.
    pub records: Vec<(RecordKey, Secret)>,
    /// What is in the kernel.
    pub kernel: KernelContents,
}

/// Steps for the kernel, carried out in order.
#[derive(Debug)]
pub struct KernelRequest {
    /// What to do, first to last.
    pub steps: Vec<KernelStep>,
    /// What a failing step does to the others.
    pub on_failure: OnFailure,
}

/// What happens when a step of a [`KernelRequest`] fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Stop, undo the steps that were done (last first, by their [`KernelStep::undo`]), report the failure.
    Undo,
    /// Go on with the next step; report the first failure at the end. That something to be deleted is already gone is no
    /// failure.
    Continue,
}

/// One step, and how it is taken back.
#[derive(Debug)]
pub struct KernelStep {
    /// What to do.
    pub action: KernelAction,
    /// What undoes it.
    pub undo: Option<KernelAction>,
}

/// One change of the kernel's SAD or SPD.
#[derive(Debug)]
pub enum KernelAction {
    /// Add an SA (XFRM_MSG_NEWSA).
    AddSa(Box<SaInstall>),
    /// Delete an SA (XFRM_MSG_DELSA).
    DeleteSa(SaReference),
    /// Delete an outbound SA that a newer one has taken the place of, a moment from now, without anybody waiting for it: a
    /// packet whose SA goes between its choice and its use is dropped (XfrmOutStateInvalid).
    RetireSa(SaReference),
    /// Add a policy or replace the one with the same selector and direction (XFRM_MSG_UPDPOLICY).
    SetPolicy(Box<PolicyInstall>),
    /// Delete a policy by its index (XFRM_MSG_DELPOLICY).
    DeletePolicy {
        /// As in [`PolicyInstall::index`].
        index: u32,
        /// As in [`PolicyInstall::direction`].
        direction: Direction,
    },
}

/// What names an SA in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SaReference {
    /// The SPI, above 255.
    pub spi: u32,
    /// The outer destination.
    pub destination: IpAddr,
}

/// An ESP SA to be added.
#[derive(Clone, Debug)]
pub struct SaInstall {
    /// What its packets carry.
    pub mode: Mode,
    /// Whether packets come in or go out by it.
    pub inbound: bool,
    /// The SPI, above 255: ours for inbound, the peer's for outbound.
    pub spi: u32,
    /// The outer source.
    pub source: IpAddr,
    /// The outer destination.
    pub destination: IpAddr,
    /// Algorithms.
    pub suite: EspSuite,
    /// The encryption key, with its salt behind it where the algorithm has one.
    pub encryption_key: Secret,
    /// The integrity key; empty for combined-mode algorithms.
    pub integrity_key: Secret,
    /// Joins the SA to the policies of its child.
    pub reqid: u32,
    /// In packets.
    pub replay_window: u32,
    /// The kernel deletes the SA after this long.
    pub hard_lifetime: Duration,
    /// It deletes it after this much.
    pub hard_volume: Volume,
    /// It tells after this much, once, by a soft [`KernelEvent::Expire`]; not where it tells the first packet, for it speaks up
    /// but once.
    pub soft_volume: Volume,
    /// Whether the kernel is to tell the first packet, as a soft [`KernelEvent::Expire`].
    pub tell_first_packet: bool,
    /// The ACQUIRE that an outbound SA answers: what the kernel keeps in its place is gone with that.
    pub answers: Option<NonZeroU32>,
}

impl SaInstall {
    /// What names it in the kernel.
    #[must_use]
    pub const fn reference(&self) -> SaReference {
        SaReference {
            spi: self.spi,
            destination: self.destination,
        }
    }
}

/// The direction of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// To ourselves, XFRM_POLICY_IN.
    In,
    /// From us, XFRM_POLICY_OUT.
    Out,
    /// Through us, XFRM_POLICY_FWD.
    Forward,
}

/// The two ends of a kernel policy's selector. Protocols of both are the same; ports are of the end they stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SelectorPair {
    /// Where packets come from.
    pub source: KernelSelector,
    /// Where they go.
    pub destination: KernelSelector,
}

/// A policy to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInstall {
    /// The kernel's index for it: `(n << 3) | direction`, with n from our range; deleting by it costs the same at any
    /// number of policies.
    pub index: u32,
    /// In, out or forward.
    pub direction: Direction,
    /// Which packets.
    pub selector: SelectorPair,
    /// The kernel's priority: the lowest number is looked at first.
    pub priority: u32,
    /// What happens to them.
    pub action: PolicyAction,
}

/// What a policy does with its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyAction {
    /// They pass in clear.
    Pass,
    /// They are dropped.
    Block,
    /// They must be, or become, protected by the SA with this reqid between these outer addresses (ESP).
    Protect {
        /// As in [`SaInstall::mode`].
        mode: Mode,
        /// Outer source.
        source: IpAddr,
        /// Outer destination.
        destination: IpAddr,
        /// As in [`SaInstall::reqid`].
        reqid: u32,
    },
    /// No SA has this reqid, and none will: a packet that goes out asks for one by [`KernelEvent::Acquire`], and waits in
    /// the kernel or is dropped. In the kernel's terms the same as [`Self::Protect`].
    Trap {
        /// As in [`SaInstall::mode`].
        mode: Mode,
        /// Outer source; unspecified where the route is to tell.
        source: IpAddr,
        /// Outer destination.
        destination: IpAddr,
        /// Which trap it is.
        reqid: u32,
    },
}

/// Why the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFailure {
    /// What was tried, in the kernel's terms: `XFRM_MSG_NEWSA`.
    pub operation: &'static str,
    /// The error's name: `EEXIST`.
    pub errno: String,
    /// The kernel's own words (extended ACK), where it had any.
    pub words: Option<String>,
}

/// What the kernel says by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    /// An SA reached a lifetime; after a hard one it is gone.
    Expire {
        /// Which SA.
        sa: SaReference,
        /// Whether the kernel has deleted it.
        hard: bool,
    },
    /// An SA of ours was found missing (after lost events): treated like a hard expiry.
    Missing {
        /// Which SA.
        sa: SaReference,
    },
    /// A packet met a [`PolicyAction::Trap`].
    Acquire(Acquire),
}

/// What the kernel says of a packet that met a trap (XFRM_MSG_ACQUIRE): once, then nothing of the same trap until an SA
/// answers it, or `net.core.xfrm_acq_expires` seconds have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquire {
    /// Of which trap.
    pub reqid: u32,
    /// As in [`SaInstall::answers`].
    pub sequence: NonZeroU32,
    /// The packet, where the kernel tells.
    pub packet: Option<Packet>,
}

/// A packet that goes out, as selectors that hold nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its source, which is on our side.
    pub local: Selector,
    /// Its destination, on the peer's side.
    pub remote: Selector,
}

/// What an operator may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Bring a connection up, with all its children or one. Answered when that succeeded or failed.
    Up {
        /// Which connection.
        connection: Name,
        /// One child of it only.
        child: Option<Name>,
    },
    /// Take a connection, or one child of it, down and leave it down until `Up`, or until a new configuration changes it.
    Down {
        /// Which connection.
        connection: Name,
        /// One child of it only.
        child: Option<Name>,
    },
    /// Replace the Child SA of a child, or the IKE SA, by a new one. Answered when that is in use, or failed.
    Rekey {
        /// Which connection.
        connection: Name,
        /// Which child of it; `None`: the IKE SA.
        child: Option<Name>,
    },
    /// Have both ends authenticate again, under a fresh IKE SA that takes the place of the old one. Answered when the old one
    /// has gone, or that failed.
    Reauthenticate {
        /// Which connection.
        connection: Name,
    },
    /// Tell everything.
    List,
    /// Say goodbye to the peers and clean the kernel. Answered when both are done; the engine then starts nothing anew.
    Shutdown,
}

/// The answer to a [`Command`].
#[derive(Debug)]
pub enum Reply {
    /// It is done.
    Done,
    /// It failed, for this reason.
    Failed(Box<Failure>),
    /// There is no such connection or child.
    NotFound {
        /// The name that was not found.
        name: Name,
    },
    /// The answer to [`Command::List`].
    Snapshot(Box<Snapshot>),
}
