//! What to change, in one line, by the words of the policy language.

use crate::auth::signature::NoMethod;
use crate::wire::numbers::NotifyType;

use super::{Cause, Failure};
use crate::engine::io::KernelFailure;

impl Failure {
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
                "the peer does not accept our identity or our proof (psk, certificate); its log says which: compare `local: id` and the secret or certificate with its configuration"
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
            Cause::AlreadyConnected => {
                "take the older IKE SA down, give each machine an identity of its own, or write `unique: replace`"
            }
            Cause::CannotRekey { .. } => {
                "let both sides have the same key exchange for perfect forward secrecy in `esp:`, or none"
            }
            Cause::NameNotResolved { .. } => {
                "check the name, and with `getent hosts` whether this machine can resolve it"
            }
            Cause::NoRoute { .. } => "add a route to the peer, or give `local: address`",
            Cause::TooManyPolicies { .. } => {
                "use prefixes instead of address or port ranges, or fewer of them"
            }
            Cause::NoRemoteAddress => "give `remote: address`, or let the peer begin",
            Cause::ChildlessUnsupported => "give the connection at least one child",
            Cause::KernelModeNone => "remove `kernel: none` to install Child SAs",
            Cause::AuthMethod { .. } => {
                "let what `auth` here asks of the peer (psk, certificate or public key) be what the peer proves itself by"
            }
            Cause::WantsEap => "let the peer authenticate by pre-shared key or by certificate",
            Cause::Certificate(failure) => return Some(failure.suggestion()),
            Cause::HashAndUrl => "let the peer send its certificate (hash-and-URL off)",
            Cause::TooManyCertificates { .. } => {
                "let the peer send its own certificate and the intermediates below our authority only"
            }
            Cause::WrongSignature { .. } => {
                "check that the peer's private key belongs to its certificate, and that nothing between us changes IKE"
            }
            Cause::NoSigningMethod(NoMethod::NotAnnounced(_)) => {
                "the peer may be configured for a pre-shared key, for then it announces no signatures: compare `auth` on both sides"
            }
            Cause::NoCredential { .. } => {
                "give the connection a key and a certificate under `auth:`"
            }
            Cause::NoTrust { .. } => {
                "name an authority, or the peer's certificate or public key, under `auth:`"
            }
            Cause::NoPrivateKey { .. } | Cause::SigningFailed { .. } => {
                "check the private key file of `auth: key`: that it is there, readable, and belongs to the certificate"
            }
            _ => return None,
        };
        Some(text.to_owned())
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
