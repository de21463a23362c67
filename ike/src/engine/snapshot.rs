//! What the engine knows at one moment, for `ikctl list` and `ikctl status`. Holds no key.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::proof::{Evidence, OwnEvidence};
use crate::config::identity::Identity;
use crate::config::selector::Selector;
use crate::config::{Connection, Mode, Name};

use super::event::IkeSpis;
use super::failure::{Failure, StrangerFailure};
use super::io::{Path, SaReference};

/// Everything, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// In the order of the configuration.
    pub connections: Vec<ConnectionSnapshot>,
    /// IKE SAs whose peer is not known yet.
    pub half_open: usize,
    /// The last refusals of peers that fit no connection, oldest first; bounded.
    pub strangers: Vec<StrangerFailure>,
}

/// How much of what is configured stands, in three numbers that cost next to nothing to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Connections of the configuration.
    pub connections: usize,
    /// Those of them that have an established IKE SA.
    pub up: usize,
    /// Child SAs that are installed in the kernel.
    pub children: usize,
}

/// One connection.
#[derive(Clone, Debug)]
pub struct ConnectionSnapshot {
    /// As configured.
    pub connection: Arc<Connection>,
    /// Where it stands.
    pub state: ConnectionState,
    /// Its IKE SAs (phase 1), oldest first.
    pub ike_sas: Vec<IkeSaSnapshot>,
    /// The last failure, and when by the wall clock.
    pub last_failure: Option<(Duration, Failure)>,
    /// The last failure of each child that had one.
    pub child_failures: Vec<(Name, Duration, Failure)>,
    /// The children that an operator took down.
    pub held_down: Vec<Name>,
    /// When we try again by ourselves.
    pub retry_in: Option<Duration>,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// An IKE SA is established.
    Up,
    /// We are negotiating.
    Connecting,
    /// The last attempt failed; the next one comes by itself.
    Waiting,
    /// The next packet that needs it begins it.
    OnDemand,
    /// The peer may come; we do not begin.
    Passive,
    /// An operator took it down.
    Down,
}

impl ConnectionState {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Connecting => "connecting",
            Self::Waiting => "waiting",
            Self::OnDemand => "on-demand",
            Self::Passive => "passive",
            Self::Down => "down",
        }
    }
}

/// One IKE SA (phase 1).
#[derive(Clone, Debug)]
pub struct IkeSaSnapshot {
    /// A number that no other IKE SA of this process has had.
    pub unique: u64,
    /// Its SPIs.
    pub spis: IkeSpis,
    /// `connecting`, `established` or `closing`.
    pub state: &'static str,
    /// Whether we began.
    pub initiator: bool,
    /// Between which addresses.
    pub path: Path,
    /// Who we say we are; `None` while it is not known which connection it is.
    pub local_id: Option<Identity>,
    /// Who the peer proved to be; `None` until it has.
    pub remote_id: Option<Identity>,
    /// How we proved to it who we are; `None` until both have.
    pub own_evidence: Option<OwnEvidence>,
    /// How it proved so, and until when its certificate is valid; `None` until it has.
    pub evidence: Option<Evidence>,
    /// The algorithms, in the words of the policy language; empty until chosen.
    pub suite: String,
    /// How long it has stood, or been negotiated.
    pub age: Duration,
    /// When the peer last sent something authentic, as time ago.
    pub last_heard: Option<Duration>,
    /// Its Child SAs (phase 2), oldest first.
    pub children: Vec<ChildSnapshot>,
}

/// One Child SA (phase 2): a pair of ESP SAs.
#[derive(Clone, Debug)]
pub struct ChildSnapshot {
    /// Which child of the connection.
    pub name: Name,
    /// What its packets carry.
    pub mode: Mode,
    /// The SA of packets that come in.
    pub inbound: SaReference,
    /// The SA of packets that go out.
    pub outbound: SaReference,
    /// Joins them to their policies in the kernel.
    pub reqid: u32,
    /// The algorithms, in the words of the policy language.
    pub suite: String,
    /// Whether sequence numbers have 64 bits.
    pub esn: bool,
    /// What is protected on our side.
    pub local: Vec<Selector>,
    /// What is protected on the peer's side.
    pub remote: Vec<Selector>,
    /// Since when it is installed; `None` while it is being installed.
    pub age: Option<Duration>,
    /// The kernel deletes it at this age.
    pub hard_lifetime: Duration,
    /// In packets.
    pub replay_window: u32,
}
