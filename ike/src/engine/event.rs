//! What happens, as one enum: the log, the monitor stream and the metrics are all made from it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::auth::proof::Evidence;
use crate::config::Name;
use crate::config::identity::Identity;
use crate::config::selector::Selector;
use crate::wire::IkeSpi;
use crate::wire::numbers::{ExchangeType, NotifyType};

use super::failure::Failure;
use super::io::{Packet, Path};

/// Both SPIs of an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IkeSpis {
    /// Of the side that began.
    pub initiator: IkeSpi,
    /// Of the side that answered; zero until it has.
    pub responder: IkeSpi,
}

/// How much attention an event wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For finding out how things work.
    Debug,
    /// The ordinary course of things.
    Info,
    /// Something does not work, and goes on being tried, or a stranger misbehaves.
    Warning,
    /// Something does not work and needs a person.
    Error,
}

/// Something worth knowing happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// We begin to negotiate.
    Initiating {
        /// With whom.
        connection: Name,
        /// Between which addresses.
        path: Path,
    },
    /// An IKE SA (phase 1) stands, and the peer has proved who it is.
    IkeSaEstablished {
        /// Of which connection.
        connection: Name,
        /// Its SPIs.
        spis: IkeSpis,
        /// Between which addresses.
        path: Path,
        /// Who the peer is.
        peer: Identity,
        /// How it proved so.
        evidence: Evidence,
        /// The algorithms, in the words of the policy language.
        suite: String,
        /// Whether we began.
        initiator: bool,
    },
    /// An IKE SA is gone, and all of its children with it.
    IkeSaClosed {
        /// Of which connection.
        connection: Name,
        /// Its SPIs.
        spis: IkeSpis,
        /// Why.
        reason: Failure,
    },
    /// A Child SA (phase 2) is installed in the kernel.
    ChildUp {
        /// Of which connection.
        connection: Name,
        /// Which child.
        child: Name,
        /// The SPI of packets that come in.
        spi_in: u32,
        /// The SPI of packets that go out.
        spi_out: u32,
        /// The algorithms, in the words of the policy language.
        suite: String,
        /// What is protected on our side.
        local: Vec<Selector>,
        /// What is protected on the peer's side.
        remote: Vec<Selector>,
    },
    /// A Child SA (phase 2) was replaced: traffic goes out by the new one.
    ChildRekeyed {
        /// Of which connection.
        connection: Name,
        /// Which child.
        child: Name,
        /// The SPI of packets that came in by the old one.
        old_spi_in: u32,
        /// The SPI of packets that come in.
        spi_in: u32,
        /// The SPI of packets that go out.
        spi_out: u32,
        /// The algorithms, in the words of the policy language.
        suite: String,
        /// Whether we asked for it.
        by_us: bool,
    },
    /// An IKE SA (phase 1) was replaced: its children go on under the new one.
    IkeSaRekeyed {
        /// Of which connection.
        connection: Name,
        /// The SPIs of the old one.
        old_spis: IkeSpis,
        /// The SPIs of the new one.
        spis: IkeSpis,
        /// Between which addresses.
        path: Path,
        /// The algorithms, in the words of the policy language.
        suite: String,
        /// Whether we asked for it.
        by_us: bool,
    },
    /// An SA could not be replaced; the old one goes on.
    RekeyFailed {
        /// Of which connection.
        connection: Name,
        /// Which child; `None`: the IKE SA.
        child: Option<Name>,
        /// Why.
        failure: Failure,
        /// When we try again by ourselves.
        retry_in: Option<Duration>,
    },
    /// A Child SA is gone from the kernel.
    ChildDown {
        /// Of which connection.
        connection: Name,
        /// Which child.
        child: Name,
        /// The SPI of packets that came in.
        spi_in: u32,
        /// Why.
        reason: Failure,
    },
    /// An IKE SA could not be made.
    ConnectionFailed {
        /// Which connection.
        connection: Name,
        /// Between which addresses, where it came that far.
        path: Option<Path>,
        /// Why.
        failure: Failure,
        /// When we try again by ourselves.
        retry_in: Option<Duration>,
    },
    /// A Child SA could not be made; its IKE SA stands.
    ChildFailed {
        /// Which connection.
        connection: Name,
        /// Which child; `None` where the peer asked for something that fits none.
        child: Option<Name>,
        /// Why.
        failure: Failure,
        /// When we try again by ourselves.
        retry_in: Option<Duration>,
    },
    /// A peer was turned away before it had proved who it is.
    PeerRefused {
        /// Which connection, where that is known: the peer's identity fits it.
        connection: Option<Name>,
        /// Between which addresses.
        path: Path,
        /// Why.
        failure: Failure,
        /// What it was told.
        told: NotifyType,
    },
    /// An unprotected error came in answer to our IKE_SA_INIT: a hint, for anybody could have sent it.
    Hint {
        /// Which connection.
        connection: Name,
        /// Between which addresses.
        path: Path,
        /// What it says.
        notify: NotifyType,
    },
    /// The peer has not answered for a while, and is asked again.
    Retransmitting {
        /// Which connection; `None` while it is not known.
        connection: Option<Name>,
        /// Between which addresses.
        path: Path,
        /// In which exchange.
        exchange: ExchangeType,
        /// How often the request has been sent, this time included.
        sent: u32,
    },
    /// A datagram was dropped without an answer.
    Dropped {
        /// From where.
        remote: SocketAddr,
        /// Why, a stable word.
        reason: DropReason,
    },
    /// So many strangers are half-way in that newcomers must prove their address first (or no longer need to).
    CookieMode {
        /// Whether it begins.
        on: bool,
        /// Half-open IKE SAs at this moment.
        half_open: usize,
    },
    /// The wall clock was set, by more than clocks are set right little by little.
    ClockSet {
        /// Whether forward.
        forward: bool,
        /// How far.
        by: Duration,
    },
    /// A new configuration is in force.
    Configured {
        /// How many connections are new, or replaced under their old name.
        added: usize,
        /// How many connections are gone or replaced.
        removed: usize,
        /// How many kept their IKE SAs while some of their children came, went or changed.
        changed: usize,
        /// How many stayed as they were.
        unchanged: usize,
    },
    /// A packet needs a Child SA that is not there: it is negotiated, now or when the pause after a failure is over.
    Acquire {
        /// Of which connection.
        connection: Name,
        /// Which child.
        child: Name,
        /// The packet, where the kernel tells.
        packet: Option<Packet>,
    },
    /// From now on something else happens to the traffic of a child while it has no SA.
    WithoutSa {
        /// Of which connection.
        connection: Name,
        /// Which child.
        child: Name,
        /// What.
        traffic: Unprotected,
    },
    /// This engine goes on where another ended.
    Restored {
        /// IKE SAs that stand, or say goodbye.
        ike_sas: usize,
        /// Child SAs that are in use.
        children: usize,
        /// Records that could not be read: what they spoke of is negotiated anew.
        refused: usize,
    },
    /// The kernel refused a block, pass or drop policy of the configuration.
    PolicyFailed {
        /// The kernel's refusal.
        failure: Failure,
    },
}

/// What happens to the traffic of a child while it has no SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unprotected {
    /// It is dropped.
    #[default]
    Dropped,
    /// A packet that goes out asks for an SA; what comes in is dropped.
    Asks,
    /// It goes in clear.
    Passes,
}

impl Unprotected {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Asks => "asks",
            Self::Passes => "passes",
        }
    }
}

/// Why a datagram was dropped. Each is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// The header or the payload chain could not be read.
    Malformed,
    /// No IKE SA has these SPIs.
    UnknownSpi,
    /// The integrity check failed.
    BadIntegrity,
    /// Not the message ID that is due.
    MessageId,
    /// An exchange that is not allowed at this point.
    Unexpected,
    /// The header of the message is not of this IKE SA: wrong flags.
    BadFlags,
    /// From another address than the peer's.
    WrongAddress,
    /// A limit on half-open IKE SAs is reached.
    HalfOpenLimit,
    /// A retransmitted request whose answer is still being made.
    InProgress,
    /// A fragment, or another thing that was not negotiated.
    NotNegotiated,
    /// A response that nobody waits for.
    Unsolicited,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Malformed,
        Self::UnknownSpi,
        Self::BadIntegrity,
        Self::MessageId,
        Self::Unexpected,
        Self::BadFlags,
        Self::WrongAddress,
        Self::HalfOpenLimit,
        Self::InProgress,
        Self::NotNegotiated,
        Self::Unsolicited,
    ];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownSpi => "unknown-spi",
            Self::BadIntegrity => "bad-integrity",
            Self::MessageId => "message-id",
            Self::Unexpected => "unexpected",
            Self::BadFlags => "bad-flags",
            Self::WrongAddress => "wrong-address",
            Self::HalfOpenLimit => "half-open-limit",
            Self::InProgress => "in-progress",
            Self::NotNegotiated => "not-negotiated",
            Self::Unsolicited => "unsolicited",
        }
    }
}

impl Event {
    /// The stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Initiating { .. } => "initiating",
            Self::IkeSaEstablished { .. } => "ike-sa-established",
            Self::IkeSaClosed { .. } => "ike-sa-closed",
            Self::ChildUp { .. } => "child-up",
            Self::ChildRekeyed { .. } => "child-rekeyed",
            Self::IkeSaRekeyed { .. } => "ike-sa-rekeyed",
            Self::RekeyFailed { .. } => "rekey-failed",
            Self::ChildDown { .. } => "child-down",
            Self::ConnectionFailed { .. } => "connection-failed",
            Self::ChildFailed { .. } => "child-failed",
            Self::PeerRefused { .. } => "peer-refused",
            Self::Hint { .. } => "hint",
            Self::Retransmitting { .. } => "retransmitting",
            Self::Dropped { .. } => "dropped",
            Self::CookieMode { .. } => "cookie-mode",
            Self::ClockSet { .. } => "clock-set",
            Self::Configured { .. } => "configured",
            Self::Acquire { .. } => "acquire",
            Self::WithoutSa { .. } => "without-sa",
            Self::Restored { .. } => "restored",
            Self::PolicyFailed { .. } => "policy-failed",
        }
    }

    /// How much attention it wants.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Retransmitting { .. } | Self::Dropped { .. } => Level::Debug,
            Self::Initiating { .. }
            | Self::IkeSaEstablished { .. }
            | Self::IkeSaClosed { .. }
            | Self::ChildUp { .. }
            | Self::ChildRekeyed { .. }
            | Self::IkeSaRekeyed { .. }
            | Self::ChildDown { .. }
            | Self::Acquire { .. }
            | Self::WithoutSa { .. }
            | Self::ClockSet { .. }
            | Self::Restored { .. }
            | Self::Configured { .. } => Level::Info,
            Self::ConnectionFailed { .. }
            | Self::ChildFailed { .. }
            | Self::RekeyFailed { .. }
            | Self::PeerRefused { .. }
            | Self::Hint { .. }
            | Self::CookieMode { .. } => Level::Warning,
            Self::PolicyFailed { .. } => Level::Error,
        }
    }
}
