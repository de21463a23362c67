//! What kinds of events there are: the stable names, for filters, metrics and the reference.

use ike::engine::event::Event as EngineEvent;
use ike::engine::event::Level;

use super::{Event, Stopping};

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The stable name: `event` in the log, `IKD_EVENT` in the journal, the word that `ikctl monitor --event` takes.
    pub(crate) name: &'static str,
    /// The levels it may have.
    pub(crate) levels: &'static [Level],
    /// What it tells, a sentence.
    pub(crate) about: &'static str,
}

macro_rules! kinds {
    ($($constant:ident = $name:literal [$($level:ident),+] $about:literal;)+) => {
        $(const $constant: Kind = Kind { name: $name, levels: &[$(Level::$level),+], about: $about };)+
        /// All of them, in the order of a daemon's life.
        pub(crate) const KINDS: &[Kind] = &[$($constant),+];
    };
}

kinds! {
    NOT_HARDENED = "not-hardened" [Warning] "Core dumps could not be switched off.";
    KEYLOG = "keylog" [Warning] "Keys of IKE SAs are written down (--keylog), or no longer: whoever has them reads captures of IKE.";
    NO_JOURNAL = "no-journal" [Warning] "The journal was asked for and is not there: the log goes to standard error as text.";
    CONFIGURATION_PROBLEM = "configuration-problem" [Error, Warning, Info] "What is wrong, or doubtful, in a policy file, with its place; the code is that of `ikctl check`.";
    START_FAILED = "start-failed" [Error] "The daemon could not start, and ends.";
    NO_IPV6 = "no-ipv6" [Warning] "This machine has no IPv6: IKE is spoken over IPv4 only.";
    PREFLIGHT = "preflight" [Warning, Info] "Something on this machine will keep traffic from passing; the code says what.";
    METRICS = "metrics" [Info] "Metrics are served over HTTP (--metrics).";
    STARTED = "started" [Info] "The daemon has its sockets and its owners; policies come next.";
    HOLES = "holes" [Info] "What passes beside policies that cover everything.";
    READY = "ready" [Info] "The policies of the configuration are in force, and peers are answered.";
    RESTORED = "restored" [Info] "The daemon goes on where the one before it ended: how many IKE SAs and Child SAs it found, and how many records it could not read.";
    CONFIGURED = "configured" [Info] "A configuration is in force: how many connections came, went, changed.";
    POLICY_FAILED = "policy-failed" [Error] "The kernel refused a block, pass or drop policy of the configuration.";
    RELOAD_FAILED = "reload-failed" [Error] "The configuration, or changed files, were not taken; what ran goes on.";
    FILES_CHANGED = "files-changed" [Info] "Files that policies name have changed and are in force.";
    CREDENTIAL_EXPIRING = "credential-expiring" [Warning] "A certificate or CRL ends soon; told at 30, 7 and 1 days.";
    CREDENTIAL_EXPIRED = "credential-expired" [Error] "A certificate or CRL has ended.";
    INITIATING = "initiating" [Info] "We begin to negotiate with a peer.";
    IKE_SA_ESTABLISHED = "ike-sa-established" [Info] "An IKE SA (phase 1) stands, and the peer has proved who it is.";
    IKE_SA_CLOSED = "ike-sa-closed" [Info] "An IKE SA is gone, and its Child SAs with it; the code says why.";
    CHILD_UP = "child-up" [Info] "A Child SA (phase 2) is installed in the kernel.";
    CHILD_REKEYED = "child-rekeyed" [Info] "A Child SA was replaced by a new one, which traffic goes out by.";
    IKE_SA_REKEYED = "ike-sa-rekeyed" [Info] "An IKE SA was replaced by a new one, under which its Child SAs go on.";
    REKEY_FAILED = "rekey-failed" [Warning] "An SA could not be replaced; the old one goes on, and it is tried again.";
    CHILD_DOWN = "child-down" [Info] "A Child SA is gone from the kernel; the code says why.";
    ACQUIRE = "acquire" [Info] "A packet needs a Child SA of `keep: on-demand` that is not there: it is negotiated.";
    WITHOUT_SA = "without-sa" [Info] "What happens to the traffic of a child while it has no SA is another thing from now on.";
    CONNECTION_FAILED = "connection-failed" [Warning] "An IKE SA could not be made; the code says why, and when it is tried again.";
    CHILD_FAILED = "child-failed" [Warning] "A Child SA could not be made; its IKE SA stands.";
    PEER_REFUSED = "peer-refused" [Warning] "A peer was turned away before it had proved who it is.";
    HINT = "hint" [Warning] "An unprotected error came in answer to our request: anybody could have sent it.";
    RETRANSMITTING = "retransmitting" [Debug] "A peer has not answered for a while, and is asked again.";
    DROPPED = "dropped" [Debug] "A datagram was dropped without an answer; the code says why.";
    CLOCK_SET = "clock-set" [Info] "The wall clock was set: the kernel's lifetimes go by it, and what was to be replaced is replaced sooner.";
    COOKIE_MODE = "cookie-mode" [Warning] "So many strangers are half-way in that newcomers must prove their address first, or no longer.";
    REPEATED = "repeated" [Warning, Debug] "How often something happened that is told in bounded number; the code is its name.";
    SEND_FAILED = "send-failed" [Warning] "A datagram could not be sent.";
    UDP = "udp" [Warning, Debug] "Datagrams that were not sent, or were not IKE, in the last seconds.";
    KERNEL_SWEPT = "kernel-swept" [Warning] "What an earlier ikd had left in the kernel was removed.";
    KERNEL_REPAIRED = "kernel-repaired" [Warning] "Events of the kernel were lost; it was compared with what should be there, and repaired.";
    KERNEL_TROUBLE = "kernel-trouble" [Warning] "Something did not work in the kernel that no Child SA waited for.";
    OPERATOR = "operator" [Info] "Somebody used the control socket to change something: who, and what.";
    LOG_LEVELS = "log-levels" [Info] "The levels of the log were changed, and are these now.";
    STOPPING = "stopping" [Info, Warning] "The daemon ends, and how far it came with that.";
    FAILED = "failed" [Error] "The daemon cannot go on, and ends.";
}

impl Event {
    /// What kind it is.
    pub(crate) fn kind(&self) -> &'static Kind {
        match self {
            Self::Engine(event) => match &**event {
                EngineEvent::Initiating { .. } => &INITIATING,
                EngineEvent::IkeSaEstablished { .. } => &IKE_SA_ESTABLISHED,
                EngineEvent::IkeSaClosed { .. } => &IKE_SA_CLOSED,
                EngineEvent::ChildUp { .. } => &CHILD_UP,
                EngineEvent::ChildRekeyed { .. } => &CHILD_REKEYED,
                EngineEvent::IkeSaRekeyed { .. } => &IKE_SA_REKEYED,
                EngineEvent::RekeyFailed { .. } => &REKEY_FAILED,
                EngineEvent::ChildDown { .. } => &CHILD_DOWN,
                EngineEvent::Acquire { .. } => &ACQUIRE,
                EngineEvent::WithoutSa { .. } => &WITHOUT_SA,
                EngineEvent::ConnectionFailed { .. } => &CONNECTION_FAILED,
                EngineEvent::ChildFailed { .. } => &CHILD_FAILED,
                EngineEvent::PeerRefused { .. } => &PEER_REFUSED,
                EngineEvent::Hint { .. } => &HINT,
                EngineEvent::Retransmitting { .. } => &RETRANSMITTING,
                EngineEvent::Dropped { .. } => &DROPPED,
                EngineEvent::CookieMode { .. } => &COOKIE_MODE,
                EngineEvent::ClockSet { .. } => &CLOCK_SET,
                EngineEvent::Configured { .. } => &CONFIGURED,
                EngineEvent::Restored { .. } => &RESTORED,
                EngineEvent::PolicyFailed { .. } => &POLICY_FAILED,
            },
            Self::NotHardened(_) => &NOT_HARDENED,
            Self::Keylog(_) => &KEYLOG,
            Self::NoJournal(_) => &NO_JOURNAL,
            Self::ConfigurationProblem(_) => &CONFIGURATION_PROBLEM,
            Self::StartFailed { .. } => &START_FAILED,
            Self::NoIpv6(_) => &NO_IPV6,
            Self::Preflight { .. } => &PREFLIGHT,
            Self::MetricsServed(_) => &METRICS,
            Self::Started { .. } => &STARTED,
            Self::Holes(_) => &HOLES,
            Self::Ready => &READY,
            Self::ReloadFailed { .. } => &RELOAD_FAILED,
            Self::FilesChanged(_) => &FILES_CHANGED,
            Self::Credential(due, _) if due.is_over() => &CREDENTIAL_EXPIRED,
            Self::Credential(..) => &CREDENTIAL_EXPIRING,
            Self::Repeated { .. } => &REPEATED,
            Self::SendFailed { .. } => &SEND_FAILED,
            Self::Udp(_) => &UDP,
            Self::KernelSwept(_) => &KERNEL_SWEPT,
            Self::KernelRepaired { .. } => &KERNEL_REPAIRED,
            Self::KernelTrouble(_) => &KERNEL_TROUBLE,
            Self::Operator { .. } => &OPERATOR,
            Self::LogLevels(_) => &LOG_LEVELS,
            Self::Stopping(_) => &STOPPING,
            Self::Failed(_) => &FAILED,
        }
    }

    /// How much attention it wants.
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Engine(event) => event.level(),
            Self::ConfigurationProblem(problem) => match problem.severity {
                policies::Severity::Error => Level::Error,
                policies::Severity::Warning => Level::Warning,
                policies::Severity::Note => Level::Info,
            },
            Self::Preflight { level, .. } => *level,
            Self::Repeated { many: false, .. } => Level::Debug,
            Self::Udp(counters) if counters.lost() == 0 => Level::Debug,
            Self::Stopping(Stopping::Asked(_)) => Level::Info,
            Self::Stopping(_) => Level::Warning,
            // One level each.
            other => other.kind().levels[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_name_and_a_sentence() {
        let names: std::collections::BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        for kind in KINDS {
            assert!(kind.about.ends_with('.'), "{}", kind.name);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(kind.name.chars().all(plain), "{}", kind.name);
        }
    }
}
