//! Every code that an operator can meet, and what kind it is: the book has a page for each.

use std::collections::BTreeMap;
use std::fmt;

use ike::engine::event::DropReason;
use ike::failure_code::{Blame, FailureCode};

/// Where a code is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A negotiation failed, or an SA ended.
    Failure(Blame),
    /// Something about policy files.
    Policy,
    /// Something about the machine that ikd runs on.
    Machine,
    /// Something that the daemon tells of itself.
    Daemon,
    /// A datagram was dropped without an answer.
    Drop,
}

/// What the daemon sees of the machine by itself, beside `preflight`.
const MACHINE: &[&str] = &["missing-algorithm"];

/// About reloads, and about what ends.
const DAEMON: &[&str] = &[
    "bad-configuration",
    "credential-expired",
    "credential-expiring",
    "defect",
    "kernel-mode",
    "policy-changed",
];

/// All of them by name. A name may be of several kinds.
#[must_use]
pub fn all() -> BTreeMap<&'static str, Vec<Kind>> {
    let failures = (FailureCode::ALL.iter()).map(|code| (code.name(), Kind::Failure(code.blame())));
    let policies = (policies::Code::ALL.iter()).map(|code| (code.name(), Kind::Policy));
    let machine = MACHINE.iter().copied();
    let machine = machine.chain(preflight::Code::ALL.iter().map(|code| code.name()));
    let machine = machine.map(|code| (code, Kind::Machine));
    let daemon = DAEMON.iter().map(|code| (*code, Kind::Daemon));
    let drops = DropReason::ALL
        .iter()
        .map(|reason| (reason.name(), Kind::Drop));
    let mut all = BTreeMap::<_, Vec<Kind>>::new();
    for (name, kind) in failures
        .chain(policies)
        .chain(machine)
        .chain(daemon)
        .chain(drops)
    {
        all.entry(name).or_default().push(kind);
    }
    all
}

/// A sentence for the head of a page.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failure(Blame::Peer) => "A failure, in which the peer broke the protocol.",
            Self::Failure(Blame::Configuration) => {
                "A failure, in which the configurations of the two sides do not fit."
            }
            Self::Failure(Blame::Kernel) => "A failure in our kernel.",
            Self::Failure(Blame::Network) => "A failure of the way to the peer.",
            Self::Failure(Blame::Operator) => {
                "An end, as an operator here or there, or the peer, wanted it."
            }
            Self::Policy => "About a policy file, from `ikctl check`.",
            Self::Machine => "About this machine, told at the start and by `ikctl check`.",
            Self::Daemon => "About the daemon itself.",
            Self::Drop => "Why a datagram was dropped, in the log at the level debug.",
        })
    }
}

impl Kind {
    /// The heading under which the index of codes has it.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Failure(_) => "Failures of negotiations, and ends of SAs",
            Self::Policy => "Policy files",
            Self::Machine => "This machine",
            Self::Daemon => "The daemon",
            Self::Drop => "Dropped datagrams",
        }
    }
}
