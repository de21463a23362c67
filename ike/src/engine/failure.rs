//! Why something failed, as data: one value that the log, `ikctl`, the metrics and the documentation all read.
//!
//! A [`Failure`] says at which step it happened and what the cause was; the cause knows its stable code, who is to blame,
//! the facts (what was offered, what is allowed) and one line on what to change. The peer is told no more than RFC 7296
//! section 2.21 wants it to be told: [`Cause::notify`].

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::identity::{Identity, IdentityPattern};
use crate::config::proposal::ProposalRefusal;
use crate::config::selector::{KernelLimit, SelectorRefusal};
use crate::config::{Name, NotAnEnd};
use crate::crypto::CryptoError;
use crate::wire::WireError;
use crate::wire::numbers::{AuthMethod, ExchangeType, NotifyType};

use super::io::KernelFailure;

/// What failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where in the negotiation.
    pub step: Step,
    /// Why.
    pub cause: Cause,
}

/// Where in the life of an SA something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Before the first message: an address to speak from, a rule to apply.
    Start,
    /// IKE_SA_INIT.
    IkeSaInit,
    /// IKE_AUTH.
    IkeAuth,
    /// CREATE_CHILD_SA.
    CreateChildSa,
    /// INFORMATIONAL: the peer's sign of life, a Delete.
    Informational,
    /// Installing in, or being deleted by, the kernel.
    Kernel,
}

impl Step {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::IkeSaInit => "IKE_SA_INIT",
            Self::IkeAuth => "IKE_AUTH",
            Self::CreateChildSa => "CREATE_CHILD_SA",
            Self::Informational => "INFORMATIONAL",
            Self::Kernel => "KERNEL",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who has to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The peer broke the protocol.
    Peer,
    /// The two configurations do not fit together.
    Configuration,
    /// Our kernel refused.
    Kernel,
    /// Nothing came back.
    Network,
    /// An operator, here or there, ended it.
    Operator,
}

impl Blame {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Configuration => "configuration",
            Self::Kernel => "kernel",
            Self::Network => "network",
            Self::Operator => "operator",
        }
    }
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No answer came, however often we asked.
    NoResponse {
        /// How often the request was sent.
        sent: u32,
        /// Over which time.
        after: Duration,
        /// What somebody (unauthenticated, so perhaps not the peer) had answered meanwhile.
        hint: Option<NotifyType>,
    },
    /// A message could not be read.
    Malformed(WireError),
    /// A message lacked a payload, or had one too many.
    MissingPayload {
        /// Which, in the RFC's notation: `KE`, `TSi`.
        payload: &'static str,
    },
    /// A protected message of an exchange that has no place at this point.
    UnexpectedExchange {
        /// Which.
        exchange: ExchangeType,
    },
    /// The suite was chosen, but an algorithm of it is not built in: a fault of ours.
    NotBuilt {
        /// The suite.
        suite: String,
    },
    /// The proposals have nothing in common (found by us).
    NoProposal(Box<ProposalRefusal>),
    /// The peer found nothing acceptable among what we offered, or accepted what we had not offered.
    AcceptedNotOffered(Box<ProposalRefusal>),
    /// A key exchange value was refused.
    KeyExchange(CryptoError),
    /// The peer insists on a key exchange method that we did not offer, or have tried already.
    KeyExchangeMethod {
        /// What the peer wants.
        wanted: u16,
    },
    /// The traffic selectors have nothing in common (found by us).
    NoSelectors(Box<SelectorRefusal>),
    /// The peer returned selectors outside of what we proposed.
    SelectorsNotProposed(Box<SelectorRefusal>),
    /// In transport mode, a selector of ours is not of the address that its end speaks from.
    NotAnEnd(Box<NotAnEnd>),
    /// Our child is in transport mode, and the peer declined it: the Child SA that it made is in tunnel mode.
    TransportDeclined,
    /// The peer granted transport mode, for which we had not asked.
    TransportNotAsked,
    /// The peer asks for tunnel mode, and our child is in transport mode.
    TunnelRefused,
    /// The child has no replay window and allows extended sequence numbers only, which need one.
    EsnWithoutWindow,
    /// The selectors need more kernel policies than we install for one child.
    TooManyPolicies {
        /// Needed.
        needed: usize,
        /// Allowed.
        allowed: usize,
    },
    /// The kernel has no words for a traffic selector.
    KernelSelector(KernelLimit),
    /// The connection has no address to speak to: only its peer can begin.
    NoRemoteAddress,
    /// Nobody configured here has these addresses.
    NoConnection {
        /// To which of our addresses the peer spoke.
        local: IpAddr,
        /// The peer's address.
        remote: IpAddr,
    },
    /// A connection fits the addresses, but none fits the identities.
    UnknownIdentity {
        /// Who the peer says it is.
        peer: Identity,
        /// Whom it wants to speak to, where it said so.
        wanted: Option<Identity>,
        /// The connections whose addresses fit, and the identities they expect: ours, then the peer's.
        candidates: Vec<(Name, Identity, Option<IdentityPattern>)>,
    },
    /// The peer proved to be somebody, but not whom we were speaking to.
    WrongIdentity {
        /// Whom we expect.
        expected: IdentityPattern,
        /// Who it says it is.
        found: Identity,
    },
    /// The identity payload could not be understood.
    BadIdentity {
        /// What is wrong with it.
        reason: String,
    },
    /// The peer's AUTH does not match: the secrets differ, or the peer does not have it.
    WrongSecret {
        /// Who the peer says it is.
        peer: Identity,
    },
    /// There is no secret for this connection.
    NoSecret,
    /// Who holds the secrets, or knows the routes, did not answer us.
    NoAnswer,
    /// An operator took the connection, or this child of it, down, and the peer asks for it.
    HeldDown {
        /// The connection.
        connection: Name,
        /// The child of it, where the connection itself is not down.
        child: Option<Name>,
    },
    /// The peer gave an SPI for ESP that another Child SA with it has.
    SpiInUse {
        /// Which.
        spi: u32,
    },
    /// The peer authenticates in a way that the connection does not allow.
    AuthMethod {
        /// How it tried.
        found: AuthMethod,
    },
    /// The peer sent no AUTH: it wants to authenticate by EAP.
    WantsEap,
    /// The suite chosen in IKE_SA_INIT (from all connections that fit the addresses) is not allowed in the connection
    /// that the identities chose.
    SuiteNotAllowed {
        /// The suite.
        suite: String,
        /// The connection.
        connection: Name,
    },
    /// The peer answered with an error notify.
    Refused {
        /// Which.
        notify: NotifyType,
    },
    /// The peer does not do IKE SAs without a child (RFC 6023), and the connection has none.
    ChildlessUnsupported,
    /// The peer deleted the SA.
    DeletedByPeer,
    /// An operator took it down, or it is no longer in the configuration.
    TakenDown,
    /// Another IKE SA with the same peer took its place.
    Replaced,
    /// The kernel refused an SA or a policy.
    Kernel(KernelFailure),
    /// The SA reached the end of its life in the kernel.
    Expired,
    /// The number of message IDs or of initialization vectors under one key is used up.
    Exhausted,
    /// There is no way to the peer.
    NoRoute {
        /// The peer.
        remote: IpAddr,
        /// The system's words.
        words: String,
    },
    /// A limit of ours was reached.
    Limit {
        /// Which limit, by its configuration name.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// There is no kernel to install a child in (`kernel: none`).
    KernelModeNone,
    /// Rekeying is not there yet: the peer was told NO_ADDITIONAL_SAS.
    RekeyUnsupported,
}

impl Cause {
    /// The stable code: never changes its meaning, may be searched for.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoResponse { .. } => "no-response",
            Self::Malformed(_) => "malformed-message",
            Self::MissingPayload { .. } => "missing-payload",
            Self::UnexpectedExchange { .. } => "unexpected-exchange",
            Self::NotBuilt { .. } => "not-built",
            Self::NoProposal(_) => "no-common-proposal",
            Self::AcceptedNotOffered(_) => "accepted-not-offered",
            Self::KeyExchange(_) => "key-exchange-value",
            Self::KeyExchangeMethod { .. } => "key-exchange-method",
            Self::NoSelectors(_) => "no-common-selectors",
            Self::SelectorsNotProposed(_) => "selectors-not-proposed",
            Self::NotAnEnd(_) => "not-an-end",
            Self::TransportDeclined => "transport-declined",
            Self::TransportNotAsked => "transport-not-asked",
            Self::TunnelRefused => "tunnel-refused",
            Self::EsnWithoutWindow => "esn-without-window",
            Self::TooManyPolicies { .. } => "too-many-policies",
            Self::KernelSelector(_) => "kernel-selector",
            Self::NoRemoteAddress => "no-remote-address",
            Self::NoConnection { .. } => "no-connection",
            Self::UnknownIdentity { .. } => "unknown-identity",
            Self::WrongIdentity { .. } => "wrong-identity",
            Self::BadIdentity { .. } => "bad-identity",
            Self::WrongSecret { .. } => "wrong-secret",
            Self::NoSecret => "no-secret",
            Self::NoAnswer => "no-answer",
            Self::HeldDown { .. } => "held-down",
            Self::SpiInUse { .. } => "spi-in-use",
            Self::AuthMethod { .. } => "auth-method",
            Self::WantsEap => "wants-eap",
            Self::SuiteNotAllowed { .. } => "suite-not-allowed",
            Self::Refused { .. } => "refused-by-peer",
            Self::ChildlessUnsupported => "childless-unsupported",
            Self::DeletedByPeer => "deleted-by-peer",
            Self::TakenDown => "taken-down",
            Self::Replaced => "replaced",
            Self::Kernel(_) => "kernel-refused",
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::NoRoute { .. } => "no-route",
            Self::Limit { .. } => "limit",
            Self::KernelModeNone => "kernel-none",
            Self::RekeyUnsupported => "rekey-unsupported",
        }
    }

    /// Who has to change something.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::NoResponse { .. } | Self::NoRoute { .. } => Blame::Network,
            Self::Malformed(_)
            | Self::MissingPayload { .. }
            | Self::UnexpectedExchange { .. }
            | Self::AcceptedNotOffered(_)
            | Self::KeyExchange(_)
            | Self::SelectorsNotProposed(_)
            | Self::TransportNotAsked
            | Self::BadIdentity { .. }
            | Self::SpiInUse { .. }
            | Self::Exhausted => Blame::Peer,
            Self::Kernel(_) | Self::Expired => Blame::Kernel,
            Self::DeletedByPeer | Self::TakenDown | Self::Replaced | Self::HeldDown { .. } => {
                Blame::Operator
            }
            _ => Blame::Configuration,
        }
    }

    /// What the peer is told, RFC 7296 section 2.21: of authentication no more than that it failed.
    #[must_use]
    pub fn notify(&self) -> NotifyType {
        match self {
            Self::Malformed(error) => error.notify().unwrap_or(NotifyType::INVALID_SYNTAX),
            Self::MissingPayload { .. }
            | Self::UnexpectedExchange { .. }
            | Self::KeyExchange(_) => NotifyType::INVALID_SYNTAX,
            Self::HeldDown { child: Some(_), .. } => NotifyType::TEMPORARY_FAILURE,
            Self::HeldDown { child: None, .. }
            | Self::NoProposal(_)
            | Self::NotBuilt { .. }
            | Self::TransportDeclined
            | Self::TransportNotAsked
            | Self::TunnelRefused
            | Self::EsnWithoutWindow
            | Self::NoConnection { .. }
            | Self::AcceptedNotOffered(_) => NotifyType::NO_PROPOSAL_CHOSEN,
            Self::KeyExchangeMethod { .. } => NotifyType::INVALID_KE_PAYLOAD,
            Self::NoSelectors(_)
            | Self::SelectorsNotProposed(_)
            | Self::NotAnEnd(_)
            | Self::TooManyPolicies { .. }
            | Self::KernelSelector(_) => NotifyType::TS_UNACCEPTABLE,
            Self::Limit { .. } | Self::KernelModeNone | Self::RekeyUnsupported => {
                NotifyType::NO_ADDITIONAL_SAS
            }
            Self::Kernel(_) | Self::SpiInUse { .. } | Self::NoRoute { .. } => {
                NotifyType::TEMPORARY_FAILURE
            }
            _ => NotifyType::AUTHENTICATION_FAILED,
        }
    }
}

impl Failure {
    /// Puts a cause to its step.
    #[must_use]
    pub const fn new(step: Step, cause: Cause) -> Self {
        Self { step, cause }
    }

    /// The facts behind the summary, a line each: what was offered, what is allowed.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        match &self.cause {
            Cause::NoProposal(refusal) | Cause::AcceptedNotOffered(refusal) => {
                refusal.to_string().lines().map(str::to_owned).collect()
            }
            Cause::NoSelectors(refusal) | Cause::SelectorsNotProposed(refusal) => {
                refusal.to_string().lines().map(str::to_owned).collect()
            }
            Cause::UnknownIdentity { candidates, .. } => candidates
                .iter()
                .map(|(name, ours, theirs)| match theirs {
                    Some(theirs) => {
                        format!("connection {name}: we are {ours}, the peer is to be {theirs}")
                    }
                    None => format!("connection {name}: we are {ours}, the peer may be anybody"),
                })
                .collect(),
            Cause::NoResponse {
                hint: Some(hint), ..
            } => {
                vec![format!(
                    "somebody at the peer's address answered {hint}, without proof of being the peer"
                )]
            }
            _ => Vec::new(),
        }
    }

    /// One line on what to change, where there is something to be said.
    #[must_use]
    pub fn suggestion(&self) -> Option<String> {
        let text = match &self.cause {
            Cause::NoResponse {
                hint: Some(NotifyType::NO_PROPOSAL_CHOSEN),
                ..
            } => {
                "the peer seems to allow none of our IKE proposals, or knows no connection for our address: compare `ike:` on both sides"
            }
            Cause::NoResponse { .. } => {
                "check that the peer runs, that its address is right, and that UDP ports 500 and 4500 pass both firewalls"
            }
            Cause::NoProposal(refusal) | Cause::AcceptedNotOffered(refusal) => {
                return refusal.suggestion();
            }
            Cause::NoSelectors(refusal) | Cause::SelectorsNotProposed(refusal) => {
                return Some(refusal.suggestion());
            }
            Cause::NotAnEnd(outside) => {
                return Some(format!(
                    "leave `{}` of this child out, or use tunnel mode",
                    outside.side
                ));
            }
            Cause::TransportDeclined => {
                "use transport mode for this child at the peer too, or leave `mode: transport` out here"
            }
            Cause::TunnelRefused => {
                "leave `mode: transport` out here, or use transport mode for this child at the peer"
            }
            Cause::EsnWithoutWindow => {
                "give the child a `replay_window`, or leave `esn` out of its proposals"
            }
            Cause::WrongSecret { .. } => {
                "the pre-shared keys differ: compare `auth: psk` on both sides (a stray newline or quote counts)"
            }
            Cause::NoSecret => "give the connection a secret: `auth: { psk: ... }`",
            Cause::HeldDown { .. } => "`ikctl up` makes it wanted again",
            Cause::UnknownIdentity { .. } => {
                "make `remote: id` here equal to what the peer sends, or `local: id` there equal to what is expected here"
            }
            Cause::WrongIdentity { .. } => {
                "set `remote: id` to what the peer sends, if that is the right peer"
            }
            Cause::NoConnection { .. } => {
                "add a connection whose `remote: address` is the peer's, or leave the address out to answer anybody"
            }
            Cause::Refused {
                notify: NotifyType::AUTHENTICATION_FAILED,
            } => {
                "the peer does not accept our identity or our secret; its log says which: compare `local: id` and `auth: psk` with its configuration"
            }
            Cause::Refused {
                notify: NotifyType::TS_UNACCEPTABLE,
            } => {
                "compare `local` and `remote` of the child with the peer's: each side's local must be the other's remote"
            }
            Cause::Refused {
                notify: NotifyType::NO_PROPOSAL_CHOSEN,
            } => "compare `esp:` (and `ike:`) with what the peer allows",
            Cause::Refused {
                notify: NotifyType::NO_ADDITIONAL_SAS,
            } => "the peer allows no further Child SA in this IKE SA",
            Cause::SuiteNotAllowed { .. } => {
                "connections that share addresses should allow the same IKE proposals"
            }
            Cause::Kernel(failure) => return failure.suggestion().map(str::to_owned),
            Cause::NoRoute { .. } => "add a route to the peer, or give `local: address`",
            Cause::TooManyPolicies { .. } => {
                "use prefixes instead of address or port ranges, or fewer of them"
            }
            Cause::NoRemoteAddress => "give `remote: address`, or let the peer begin",
            Cause::ChildlessUnsupported => "give the connection at least one child",
            Cause::KernelModeNone => "remove `kernel: none` to install Child SAs",
            Cause::AuthMethod { .. } | Cause::WantsEap => {
                "this connection authenticates by pre-shared key on both sides"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoResponse { sent, after, hint } => {
                write!(f, "no answer to {sent} messages over {} s", after.as_secs())?;
                hint.map_or(Ok(()), |hint| write!(f, " (but somebody answered {hint})"))
            }
            Self::Malformed(error) => write!(f, "a message could not be read: {error}"),
            Self::MissingPayload { payload } => write!(
                f,
                "the message lacks a payload, or has one too many: {payload}"
            ),
            Self::UnexpectedExchange { exchange } => {
                write!(f, "the peer sent {exchange}, which has no place here")
            }
            Self::NotBuilt { suite } => write!(f, "an algorithm of {suite} is not built in"),
            Self::NoProposal(_) => f.write_str("nothing the peer offers is allowed here"),
            Self::AcceptedNotOffered(_) => f.write_str("the peer accepted what we had not offered"),
            Self::KeyExchange(error) => {
                write!(f, "the peer's key exchange value is unusable: {error}")
            }
            Self::KeyExchangeMethod { wanted } => {
                write!(
                    f,
                    "the peer wants key exchange method {}, which we did not offer or have tried",
                    crate::wire::numbers::KeyExchangeMethod(*wanted)
                )
            }
            Self::NoSelectors(_) => f.write_str("the traffic selectors do not overlap with ours"),
            Self::SelectorsNotProposed(_) => {
                f.write_str("the peer returned traffic selectors that we had not proposed")
            }
            Self::NotAnEnd(outside) => {
                let NotAnEnd {
                    side,
                    selector,
                    address,
                } = &**outside;
                write!(
                    f,
                    "transport mode protects the two ends themselves, and the {side} selector {selector} does not hold {address}"
                )
            }
            Self::TransportDeclined => {
                f.write_str("the peer wants tunnel mode, and this child is in transport mode")
            }
            Self::TransportNotAsked => {
                f.write_str("the peer granted transport mode, which we had not asked for")
            }
            Self::TunnelRefused => {
                f.write_str("the peer asks for tunnel mode, and this child is in transport mode")
            }
            Self::EsnWithoutWindow => f.write_str(
                "extended sequence numbers need a replay window, and this child has none",
            ),
            Self::TooManyPolicies { needed, allowed } => {
                write!(
                    f,
                    "the traffic selectors need {needed} kernel policies; {allowed} is the most for one child"
                )
            }
            Self::KernelSelector(limit) => {
                write!(f, "the kernel cannot hold the traffic selectors: {limit}")
            }
            Self::NoRemoteAddress => {
                f.write_str("the connection has no remote address to speak to")
            }
            Self::NoConnection { local, remote } => write!(
                f,
                "no connection is configured between {local} and {remote}"
            ),
            Self::UnknownIdentity {
                peer,
                wanted: Some(wanted),
                ..
            } => {
                write!(
                    f,
                    "no connection fits a peer that says it is {peer} and wants {wanted}"
                )
            }
            Self::UnknownIdentity {
                peer, wanted: None, ..
            } => write!(f, "no connection fits a peer that says it is {peer}"),
            Self::WrongIdentity { expected, found } => {
                write!(f, "the peer says it is {found}, but {expected} is expected")
            }
            Self::BadIdentity { reason } => {
                write!(f, "the peer's identity cannot be used: {reason}")
            }
            Self::WrongSecret { peer } => {
                write!(f, "{peer} could not prove that it holds our pre-shared key")
            }
            Self::NoSecret => f.write_str("there is no pre-shared key for this connection"),
            Self::NoAnswer => {
                f.write_str("a question of ours (for a secret, for a route) was not answered")
            }
            Self::HeldDown { connection, child } => match child {
                Some(child) => write!(
                    f,
                    "child {child} of connection {connection} is taken down here"
                ),
                None => write!(f, "connection {connection} is taken down here"),
            },
            Self::SpiInUse { spi } => {
                write!(f, "the peer uses the SPI {spi:08x} for two Child SAs")
            }
            Self::AuthMethod { found } => write!(
                f,
                "the peer authenticates by {found}, which this connection does not allow"
            ),
            Self::WantsEap => f.write_str(
                "the peer sent no AUTH: it wants to authenticate by EAP, which is not there yet",
            ),
            Self::SuiteNotAllowed { suite, connection } => {
                write!(
                    f,
                    "the IKE SA uses {suite}, which connection {connection} does not allow"
                )
            }
            Self::Refused { notify } => write!(f, "the peer answered {notify}"),
            Self::ChildlessUnsupported => f.write_str(
                "the connection has no child, and the peer does not do IKE SAs without one",
            ),
            Self::DeletedByPeer => f.write_str("the peer deleted it"),
            Self::TakenDown => f.write_str("it was taken down here"),
            Self::Replaced => f.write_str("a newer IKE SA with the same peer took its place"),
            Self::Kernel(failure) => write!(f, "the kernel refused: {failure}"),
            Self::Expired => f.write_str("its lifetime in the kernel ended"),
            Self::Exhausted => {
                f.write_str("the numbers that may be used under one key are used up")
            }
            Self::NoRoute { remote, words } => write!(f, "there is no way to {remote}: {words}"),
            Self::Limit { limit, value } => write!(f, "the limit {limit} of {value} is reached"),
            Self::KernelModeNone => {
                f.write_str("Child SAs are not installed in this mode (kernel: none)")
            }
            Self::RekeyUnsupported => f.write_str(
                "the peer wanted to rekey, which is not there yet; the SAs in use go on",
            ),
        }
    }
}

impl KernelFailure {
    /// What helps against this refusal, where there is something to be said.
    #[must_use]
    pub fn suggestion(&self) -> Option<&'static str> {
        let adds_sa = self.operation == "XFRM_MSG_NEWSA";
        Some(match self.errno.as_str() {
            "ENOSYS" | "ENOENT" if adds_sa => {
                "the kernel lacks this algorithm: load its module, or propose another with `esp:`"
            }
            "EPROTONOSUPPORT" | "EAFNOSUPPORT" => {
                "the kernel lacks ESP for this address family: load esp4 or esp6, or use a kernel that has it"
            }
            "EPERM" => "ikd needs CAP_NET_ADMIN",
            "EEXIST" if adds_sa => {
                "somebody else owns an SA with this SPI: is another IKE daemon running beside ikd?"
            }
            "EEXIST" => {
                "somebody else owns a policy with these selectors: `ip xfrm policy` shows it"
            }
            "EINVAL" => {
                "the kernel does not take this combination: try another `esp:` proposal, and report it with the kernel's version"
            }
            "EOPNOTSUPP" => {
                "this kernel cannot do that: a newer one, or one with more of XFRM built in, may"
            }
            "ENOMEM" | "ENOBUFS" => {
                "the kernel is short of memory: fewer SAs and policies, or more memory, help"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for KernelFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed with {}", self.operation, self.errno)?;
        self.words
            .as_ref()
            .map_or(Ok(()), |words| write!(f, " (\"{words}\")"))
    }
}

/// A failure that concerns a peer no connection could be found for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrangerFailure {
    /// The peer.
    pub remote: SocketAddr,
    /// When, by the wall clock.
    pub at: Duration,
    /// What happened.
    pub failure: Failure,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kernels_refuse_is_told_with_what_helps() {
        let suggestion = |operation, errno: &str| {
            let refused = KernelFailure {
                operation,
                errno: errno.to_owned(),
                words: None,
            };
            let failure = Failure::new(Step::Kernel, Cause::Kernel(refused));
            failure.suggestion().unwrap_or_default()
        };
        for (operation, errno, helps) in [
            ("XFRM_MSG_NEWSA", "ENOSYS", "algorithm"),
            ("XFRM_MSG_NEWSA", "ENOENT", "algorithm"),
            ("XFRM_MSG_NEWSA", "EPROTONOSUPPORT", "esp6"),
            ("XFRM_MSG_NEWSA", "EEXIST", "another IKE daemon"),
            ("XFRM_MSG_NEWSA", "EINVAL", "proposal"),
            ("XFRM_MSG_UPDPOLICY", "EEXIST", "ip xfrm policy"),
            ("XFRM_MSG_UPDPOLICY", "ENOMEM", "memory"),
            ("XFRM_MSG_UPDPOLICY", "EPERM", "CAP_NET_ADMIN"),
        ] {
            let told = suggestion(operation, errno);
            assert!(told.contains(helps), "{operation} {errno}: {told}");
        }
        assert_eq!(suggestion("XFRM_MSG_DELPOLICY", "ENOENT"), "");
    }
}
