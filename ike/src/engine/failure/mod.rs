//! Why something failed, as data: one value that the log, `ikctl`, the metrics and the documentation all read.
//!
//! A [`Failure`] says at which step it happened and what the cause was; the cause knows its stable code, who is to blame,
//! the facts (what was offered, what is allowed) and one line on what to change. The peer is told no more than RFC 7296
//! section 2.21 wants it to be told: [`Cause::notify`].

mod suggestion;
mod text;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::auth::signature::{NoMethod, NotAllowed, UnreadableSignature};
use crate::config::identity::{Identity, IdentityPattern};
use crate::config::proposal::ProposalRefusal;
use crate::config::selector::{KernelLimit, SelectorRefusal};
use crate::config::{Name, NotAnEnd, RemoteAuthentication};
use crate::crypto::CryptoError;
use crate::crypto::signature::{Fingerprint, KeyKind, SignatureScheme};
use crate::pki::CertificateFailure;
use crate::wire::WireError;
use crate::wire::numbers::{AuthMethod, ExchangeType, NotifyType};

pub use crate::failure_code::{Blame, FailureCode};

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
        /// The connections that the identities mean, and how the peer is to authenticate there.
        expected: Vec<(Name, RemoteAuthentication)>,
    },
    /// The peer's certificates, or its key, are not believed. The code is the certificate's.
    Certificate(Box<CertificateFailure>),
    /// The peer shows nothing but a place to download its certificate from.
    HashAndUrl,
    /// The peer sent more CERT payloads, or larger ones, than are looked at.
    TooManyCertificates {
        /// How many are.
        allowed: usize,
    },
    /// The peer's Authentication Data holds no signature that its key could have made.
    SignatureUnreadable(UnreadableSignature),
    /// The peer signs in a way that the connection does not take.
    SignatureNotAllowed(NotAllowed),
    /// The peer's signature is wrong: it is not by the key of its certificate, or not over this negotiation.
    WrongSignature {
        /// Who the peer says it is.
        peer: Identity,
        /// The kind of the key that vouches for it.
        key: KeyKind,
        /// How it says it signed.
        scheme: SignatureScheme,
    },
    /// Our key cannot sign in a way that the peer, and the connection, take.
    NoSigningMethod(NoMethod),
    /// The connection is to sign, and has no key and certificate.
    NoCredential {
        /// Which connection.
        connection: Name,
    },
    /// The connection's peer is to sign, and there is nobody to vouch for it.
    NoTrust {
        /// Which connection.
        connection: Name,
    },
    /// Our private key is not there (any more).
    NoPrivateKey {
        /// Which key.
        key: Fingerprint,
    },
    /// Our private key could not sign.
    SigningFailed {
        /// Why, in the words of who holds it.
        words: String,
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
    /// An IKE SA with the same peer stands, and the policy keeps the older one.
    AlreadyConnected,
    /// A Child SA that was made in IKE_AUTH cannot be rekeyed.
    CannotRekey {
        /// What we offered for it, in the words of the policy language.
        offered: Vec<String>,
        /// What the peer took of it in IKE_AUTH, where no key exchange is negotiated.
        taken: String,
        /// Why not.
        cause: Box<Self>,
    },
    /// The name of the peer has no address.
    NameNotResolved {
        /// The name.
        name: String,
        /// The system's words.
        words: String,
    },
    /// The kernel refused an SA or a policy.
    Kernel(KernelFailure),
    /// The SA reached the end of its life in the kernel.
    Expired,
    /// It has carried nothing for this long.
    Idle {
        /// As the policy says.
        after: Duration,
    },
    /// The number of message IDs or of initialization vectors under one key is used up.
    Exhausted,
    /// The private half of a key exchange did not outlive a restart of the daemon.
    Restarted,
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
    /// There is no SA to be rekeyed.
    NotUp,
}

impl Cause {
    /// Its code: never changes its meaning, may be searched for.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::NoResponse { .. } => FailureCode::NoResponse,
            Self::Malformed(_) => FailureCode::MalformedMessage,
            Self::MissingPayload { .. } => FailureCode::MissingPayload,
            Self::UnexpectedExchange { .. } => FailureCode::UnexpectedExchange,
            Self::NotBuilt { .. } => FailureCode::NotBuilt,
            Self::NoProposal(_) => FailureCode::NoCommonProposal,
            Self::AcceptedNotOffered(_) => FailureCode::AcceptedNotOffered,
            Self::KeyExchange(_) => FailureCode::KeyExchangeValue,
            Self::KeyExchangeMethod { .. } => FailureCode::KeyExchangeMethod,
            Self::NoSelectors(_) => FailureCode::NoCommonSelectors,
            Self::SelectorsNotProposed(_) => FailureCode::SelectorsNotProposed,
            Self::NotAnEnd(_) => FailureCode::NotAnEnd,
            Self::TransportDeclined => FailureCode::TransportDeclined,
            Self::TransportNotAsked => FailureCode::TransportNotAsked,
            Self::TunnelRefused => FailureCode::TunnelRefused,
            Self::EsnWithoutWindow => FailureCode::EsnWithoutWindow,
            Self::TooManyPolicies { .. } => FailureCode::TooManyPolicies,
            Self::KernelSelector(_) => FailureCode::KernelSelector,
            Self::NoRemoteAddress => FailureCode::NoRemoteAddress,
            Self::NoConnection { .. } => FailureCode::NoConnection,
            Self::UnknownIdentity { .. } => FailureCode::UnknownIdentity,
            Self::WrongIdentity { .. } => FailureCode::WrongIdentity,
            Self::BadIdentity { .. } => FailureCode::BadIdentity,
            Self::WrongSecret { .. } => FailureCode::WrongSecret,
            Self::NoSecret => FailureCode::NoSecret,
            Self::NoAnswer => FailureCode::NoAnswer,
            Self::HeldDown { .. } => FailureCode::HeldDown,
            Self::SpiInUse { .. } => FailureCode::SpiInUse,
            Self::AuthMethod { .. } => FailureCode::AuthMethod,
            Self::Certificate(failure) => failure.code(),
            Self::HashAndUrl => FailureCode::HashAndUrl,
            Self::TooManyCertificates { .. } => FailureCode::TooManyCertificates,
            Self::SignatureUnreadable(_) => FailureCode::SignatureUnreadable,
            Self::SignatureNotAllowed(_) => FailureCode::SignatureNotAllowed,
            Self::WrongSignature { .. } => FailureCode::WrongSignature,
            Self::NoSigningMethod(_) => FailureCode::NoSigningMethod,
            Self::NoCredential { .. } => FailureCode::NoCredential,
            Self::NoTrust { .. } => FailureCode::NoTrust,
            Self::NoPrivateKey { .. } => FailureCode::NoPrivateKey,
            Self::SigningFailed { .. } => FailureCode::SigningFailed,
            Self::WantsEap => FailureCode::WantsEap,
            Self::SuiteNotAllowed { .. } => FailureCode::SuiteNotAllowed,
            Self::Refused { .. } => FailureCode::RefusedByPeer,
            Self::ChildlessUnsupported => FailureCode::ChildlessUnsupported,
            Self::DeletedByPeer => FailureCode::DeletedByPeer,
            Self::TakenDown => FailureCode::TakenDown,
            Self::Replaced => FailureCode::Replaced,
            Self::AlreadyConnected => FailureCode::AlreadyConnected,
            Self::CannotRekey { .. } => FailureCode::CannotRekey,
            Self::NameNotResolved { .. } => FailureCode::NameNotResolved,
            Self::Kernel(_) => FailureCode::KernelRefused,
            Self::Expired => FailureCode::Expired,
            Self::Idle { .. } => FailureCode::Idle,
            Self::Exhausted => FailureCode::Exhausted,
            Self::Restarted => FailureCode::Restarted,
            Self::NoRoute { .. } => FailureCode::NoRoute,
            Self::Limit { .. } => FailureCode::Limit,
            Self::KernelModeNone => FailureCode::KernelNone,
            Self::NotUp => FailureCode::NotUp,
        }
    }

    /// Who has to change something.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        self.code().blame()
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
            Self::Limit { .. } | Self::KernelModeNone => NotifyType::NO_ADDITIONAL_SAS,
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
