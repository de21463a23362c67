//! A failure in words: one line that says what went wrong, and the facts behind it.

use std::fmt;

use crate::config::{NotAnEnd, RemoteAuthentication};
use crate::engine::io::KernelFailure;

use super::{Cause, Failure};

impl Failure {
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
            Cause::AuthMethod { expected, .. } => expected
                .iter()
                .map(|(name, remote)| {
                    let how = match remote {
                        RemoteAuthentication::PreSharedKey => "pre-shared key",
                        RemoteAuthentication::Signature(_) => "signature",
                    };
                    format!("connection {name}: the peer is to authenticate by {how}")
                })
                .collect(),
            Cause::Certificate(failure) => (failure.details().into_iter())
                .map(|(what, value)| format!("{what}: {value}"))
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
                f.write_str("a question of ours (for a secret, a signature, a route) was not answered")
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
            Self::AuthMethod { found, expected } => match &expected[..] {
                [(connection, _)] => write!(
                    f,
                    "the peer authenticates by {found}, which connection {connection} does not allow"
                ),
                _ => write!(
                    f,
                    "the peer authenticates by {found}, which no connection for its identity allows"
                ),
            },
            Self::Certificate(failure) => failure.fmt(f),
            Self::HashAndUrl => f.write_str(
                "the peer shows no certificate but a URL to download it from, which is not done for a peer without proof",
            ),
            Self::TooManyCertificates { allowed } => write!(
                f,
                "the peer sent more CERT payloads than the {allowed} (of 32 KiB together) that are looked at"
            ),
            Self::SignatureUnreadable(reason) => {
                write!(f, "the peer's signature cannot be read: {reason}")
            }
            Self::SignatureNotAllowed(reason) => {
                write!(f, "the peer's signature is not accepted: {reason}")
            }
            Self::WrongSignature { peer, key, scheme } => write!(
                f,
                "the signature ({scheme}) of {peer} is wrong: it was not made by the key that vouches for it ({key}), or not for this negotiation"
            ),
            Self::NoSigningMethod(reason) => write!(f, "we cannot sign for this peer: {reason}"),
            Self::NoCredential { connection } => write!(
                f,
                "connection {connection} is to sign, but has no key and certificate"
            ),
            Self::NoTrust { connection } => write!(
                f,
                "the peer of connection {connection} is to sign, but there is no authority and no key to believe"
            ),
            Self::NoPrivateKey { key } => {
                write!(f, "the private key of our public key {key} is not there")
            }
            Self::SigningFailed { words } => write!(f, "our private key could not sign: {words}"),
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
            Self::AlreadyConnected => {
                f.write_str("the peer is connected already, and the policy keeps the older IKE SA")
            }
            Self::CannotRekey {
                offered,
                taken,
                cause,
            } => write!(
                f,
                "the Child SA works now, and rekeying it does not: {cause}; we offer {}, the peer took {taken} in IKE_AUTH, where no key exchange is agreed on",
                offered.join(", ")
            ),
            Self::NameNotResolved { name, words } => {
                write!(f, "no address of {name} is known: {words}")
            }
            Self::Kernel(failure) => write!(f, "the kernel refused: {failure}"),
            Self::Expired => f.write_str("its lifetime in the kernel ended"),
            Self::Idle { after } => write!(f, "it has carried nothing for {} s", after.as_secs()),
            Self::Exhausted => {
                f.write_str("the numbers that may be used under one key are used up")
            }
            Self::Restarted => f.write_str(
                "the daemon was started anew while it was being negotiated; it is made again",
            ),
            Self::NoRoute { remote, words } => write!(f, "there is no way to {remote}: {words}"),
            Self::Limit { limit, value } => write!(f, "the limit {limit} of {value} is reached"),
            Self::KernelModeNone => {
                f.write_str("Child SAs are not installed in this mode (kernel: none)")
            }
            Self::NotUp => f.write_str("it is not up, so that there is nothing to rekey"),
        }
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
