//! The daemons at the gateways, behind one face: a test says what should be true, and whose daemon is where.

mod authentication;
mod daemon;
pub mod ikd;
mod libreswan;
mod strongswan;
pub mod vici;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;

pub use authentication::{Authorities, Credential, Demand, Proof, StrongswanSignatures};
pub use daemon::Daemon;
pub use ikd::Ikd;
pub use libreswan::Libreswan;
pub use strongswan::Strongswan;

use super::netns::Namespace;

/// Which daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Ours.
    Ikd,
    /// The peer.
    Strongswan,
    /// The other peer.
    Libreswan,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ikd => "ikd",
            Self::Strongswan => "strongswan",
            Self::Libreswan => "libreswan",
        })
    }
}

impl Kind {
    /// Starts it at `gateway` with `policy`. Its files live below `/run/lab/<gateway's name>`.
    pub fn start<'net>(
        self,
        gateway: &'net Namespace,
        policy: &Policy,
    ) -> Result<Box<dyn Gateway + 'net>> {
        Ok(match self {
            Self::Ikd => Box::new(Ikd::start(gateway, policy)?),
            Self::Strongswan => Box::new(Strongswan::start(gateway, policy)?),
            Self::Libreswan => Box::new(Libreswan::start(gateway, policy)?),
        })
    }
}

/// A gateway's daemon that runs. Dropped, it is killed.
pub trait Gateway: Send + Sync {
    /// Asks for the Child SA `child` and waits for the answer, no longer than `patience`.
    ///
    /// # Errors
    /// When it does not come up, with what the daemon says about it.
    fn up_within(&self, child: &str, patience: Duration) -> Result<String>;
    /// Like [`Gateway::up_within`], with patience for a slow guest.
    fn up(&self, child: &str) -> Result<String> {
        self.up_within(child, Duration::from_secs(60))
    }
    /// Makes `policy` the whole configuration, and waits until it is in force.
    fn load(&self, policy: &Policy) -> Result<()>;
    /// Ends the connection and says goodbye to the peer.
    fn down(&self) -> Result<String>;
    /// Asks for a new Child SA in the place of `child`'s; whether it waits for that, is up to the daemon.
    fn rekey(&self, child: &str) -> Result<()>;
    /// The same for the IKE SA.
    fn rekey_ike(&self) -> Result<()>;
    /// How often it said that an SA was rekeyed, where it says so.
    fn rekeyings(&self) -> Option<usize>;
    /// What the daemon's tool lists.
    fn list(&self) -> Result<String>;
    /// What the daemon logged so far.
    fn log(&self) -> String;
    /// What an operator who asks why a connection failed gets to read.
    fn reasons(&self) -> String;
    /// Ends the daemon as an operator would: peers are told, the kernel is left clean.
    fn shut_down(&mut self) -> Result<()>;
    /// Ends it as a power cut would.
    fn kill(&mut self);
}

/// One connection as one gateway sees it.
#[derive(Debug, Clone)]
pub struct Policy {
    /// This gateway's address.
    pub local: IpAddr,
    /// The other gateway's address.
    pub remote: IpAddr,
    /// Who this gateway says it is.
    pub local_id: String,
    /// Who the other one must prove to be.
    pub remote_id: String,
    /// The pre-shared key, for the sides that prove themselves by one.
    pub psk: String,
    /// How this gateway proves who it is.
    pub proof: Proof,
    /// How the other one must.
    pub demand: Demand,
    /// What strongSwan signs with. Only strongSwan reads it.
    pub strongswan_signatures: StrongswanSignatures,
    /// The IKE proposal in the notation that ikd and strongSwan read: `aes256gcm16-prfsha384-x25519`.
    pub ike: String,
    /// The ESP proposal likewise.
    pub esp: String,
    /// The Child SAs.
    pub children: Vec<Child>,
    /// Traffic that goes in clear, or nowhere. Only ikd reads them.
    pub shunts: Vec<Shunt>,
    /// Whether a peer that is gone is found out within seconds.
    pub quick_liveness: bool,
    /// Where the keys of IKE SAs are written. Only ikd does so.
    pub keylog: Option<PathBuf>,
}

impl Policy {
    /// The same tunnel as the other gateway sees it. Shunts, keys, authorities and files are each gateway's own.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let other_side = |child: &Child| Child {
            local: child.remote.clone(),
            remote: child.local.clone(),
            ..child.clone()
        };
        Self {
            local: self.remote,
            remote: self.local,
            local_id: self.remote_id.clone(),
            remote_id: self.local_id.clone(),
            children: self.children.iter().map(other_side).collect(),
            shunts: Vec::new(),
            proof: Proof::default(),
            demand: Demand::default(),
            keylog: None,
            ..self.clone()
        }
    }
}

/// A Child SA.
#[derive(Debug, Clone)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// Behind this gateway, as prefixes with commas between them; empty: the gateway itself.
    pub local: String,
    /// Behind the other one, likewise.
    pub remote: String,
    /// Transport mode instead of tunnel mode.
    pub transport: bool,
    /// Whether this gateway brings it up, and up again, by itself.
    pub keep_up: bool,
    /// Whether a packet that needs it brings it up.
    pub on_demand: bool,
    /// After how many seconds without traffic it is closed, where it is.
    pub idle: Option<u32>,
    /// Its ESP proposal, where it is not the policy's.
    pub esp: Option<String>,
}

/// A policy without a tunnel.
#[derive(Debug, Clone)]
pub struct Shunt {
    /// Its name.
    pub name: String,
    /// In clear (true) or dropped (false).
    pub pass: bool,
    /// Behind this gateway: `10.1.0.0/16`, `10.1.0.0/16[tcp/22]`.
    pub local: String,
    /// Elsewhere, likewise.
    pub remote: String,
}

/// Asks `question` every 40 ms until it says yes. False when `patience` is over.
pub fn eventually(patience: Duration, mut question: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if question() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(40));
    }
}
