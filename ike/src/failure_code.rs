//! Every code of a failure, as one enum: the log, `ikctl`, the metrics and the book's page for each are made from it.
//!
//! It stands beside [`crate::engine`] and [`crate::pki`] because both return it.

use std::fmt;
use std::str::FromStr;

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

/// Declares the codes with the names they have for good, and who has to change something.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal, $blame:ident;)*) => {
        /// Why something failed, without the facts: a name that never changes its meaning and may be searched for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FailureCode {
            $($(#[$doc])* $code,)*
        }

        impl FailureCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }

            /// Who has to change something.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self {
                    $(Self::$code => Blame::$blame,)*
                }
            }
        }
    };
}

codes! {
    /// No answer came, however often we asked.
    NoResponse = "no-response", Network;
    /// A message could not be read.
    MalformedMessage = "malformed-message", Peer;
    /// A message lacked a payload, or had one too many.
    MissingPayload = "missing-payload", Peer;
    /// A protected message of an exchange that has no place at this point.
    UnexpectedExchange = "unexpected-exchange", Peer;
    /// The suite was chosen, but an algorithm of it is not built in: a fault of ours.
    NotBuilt = "not-built", Configuration;
    /// The proposals have nothing in common (found by us).
    NoCommonProposal = "no-common-proposal", Configuration;
    /// The peer found nothing acceptable among what we offered, or accepted what we had not offered.
    AcceptedNotOffered = "accepted-not-offered", Peer;
    /// A key exchange value was refused.
    KeyExchangeValue = "key-exchange-value", Peer;
    /// The peer insists on a key exchange method that we did not offer, or have tried already.
    KeyExchangeMethod = "key-exchange-method", Configuration;
    /// The traffic selectors have nothing in common (found by us).
    NoCommonSelectors = "no-common-selectors", Configuration;
    /// The peer returned selectors outside of what we proposed.
    SelectorsNotProposed = "selectors-not-proposed", Peer;
    /// In transport mode, a selector of ours is not of the address that its end speaks from.
    NotAnEnd = "not-an-end", Configuration;
    /// Our child is in transport mode, and the peer declined it: the Child SA that it made is in tunnel mode.
    TransportDeclined = "transport-declined", Configuration;
    /// The peer granted transport mode, for which we had not asked.
    TransportNotAsked = "transport-not-asked", Peer;
    /// The peer asks for tunnel mode, and our child is in transport mode.
    TunnelRefused = "tunnel-refused", Configuration;
    /// The child has no replay window and allows extended sequence numbers only, which need one.
    EsnWithoutWindow = "esn-without-window", Configuration;
    /// The selectors need more kernel policies than we install for one child.
    TooManyPolicies = "too-many-policies", Configuration;
    /// The kernel has no words for a traffic selector.
    KernelSelector = "kernel-selector", Configuration;
    /// The connection has no address to speak to: only its peer can begin.
    NoRemoteAddress = "no-remote-address", Configuration;
    /// Nobody configured here has these addresses.
    NoConnection = "no-connection", Configuration;
    /// A connection fits the addresses, but none fits the identities.
    UnknownIdentity = "unknown-identity", Configuration;
    /// The peer proved to be somebody, but not whom we were speaking to.
    WrongIdentity = "wrong-identity", Configuration;
    /// The identity payload could not be understood.
    BadIdentity = "bad-identity", Peer;
    /// The peer's AUTH does not match: the secrets differ, or the peer does not have it.
    WrongSecret = "wrong-secret", Configuration;
    /// There is no secret for this connection.
    NoSecret = "no-secret", Configuration;
    /// Who holds the secrets, or knows the routes, did not answer us.
    NoAnswer = "no-answer", Configuration;
    /// An operator took the connection, or this child of it, down, and the peer asks for it.
    HeldDown = "held-down", Operator;
    /// The peer gave an SPI for ESP that another Child SA with it has.
    SpiInUse = "spi-in-use", Peer;
    /// The peer authenticates in a way that the connection does not allow.
    AuthMethod = "auth-method", Configuration;
    /// The peer shows nothing but a place to download its certificate from.
    HashAndUrl = "hash-and-url", Configuration;
    /// The peer sent more CERT payloads, or larger ones, than are looked at.
    TooManyCertificates = "too-many-certificates", Peer;
    /// The peer's Authentication Data holds no signature that its key could have made.
    SignatureUnreadable = "signature-unreadable", Peer;
    /// The peer signs in a way that the connection does not take.
    SignatureNotAllowed = "signature-not-allowed", Configuration;
    /// The peer's signature is wrong: it is not by the key of its certificate, or not over this negotiation.
    WrongSignature = "wrong-signature", Peer;
    /// Our key cannot sign in a way that the peer, and the connection, take.
    NoSigningMethod = "no-signing-method", Configuration;
    /// The connection is to sign, and has no key and certificate.
    NoCredential = "no-credential", Configuration;
    /// The connection's peer is to sign, and there is nobody to vouch for it.
    NoTrust = "no-trust", Configuration;
    /// Our private key is not there (any more).
    NoPrivateKey = "no-private-key", Configuration;
    /// Our private key could not sign.
    SigningFailed = "signing-failed", Configuration;
    /// The peer sent no AUTH: it wants to authenticate by EAP.
    WantsEap = "wants-eap", Configuration;
    /// The suite chosen in IKE_SA_INIT (from all connections that fit the addresses) is not allowed in the connection
    /// that the identities chose.
    SuiteNotAllowed = "suite-not-allowed", Configuration;
    /// The peer answered with an error notify.
    RefusedByPeer = "refused-by-peer", Configuration;
    /// The peer does not do IKE SAs without a child (RFC 6023), and the connection has none.
    ChildlessUnsupported = "childless-unsupported", Configuration;
    /// The peer deleted the SA.
    DeletedByPeer = "deleted-by-peer", Operator;
    /// An operator took it down, or it is no longer in the configuration.
    TakenDown = "taken-down", Operator;
    /// Another IKE SA with the same peer took its place.
    Replaced = "replaced", Operator;
    /// An IKE SA with the same peer stands, and the policy keeps the older one.
    AlreadyConnected = "already-connected", Configuration;
    /// What was made in IKE_AUTH cannot be rekeyed: it would have failed hours later.
    CannotRekey = "cannot-rekey", Configuration;
    /// The name of the peer has no address.
    NameNotResolved = "name-not-resolved", Network;
    /// The kernel refused an SA or a policy.
    KernelRefused = "kernel-refused", Kernel;
    /// The SA reached the end of its life in the kernel.
    Expired = "expired", Kernel;
    /// The SA has carried nothing for as long as the policy says.
    Idle = "idle", Operator;
    /// The number of message IDs or of initialization vectors under one key is used up.
    Exhausted = "exhausted", Peer;
    /// The private half of a key exchange did not outlive a restart of the daemon.
    Restarted = "restarted", Operator;
    /// There is no way to the peer.
    NoRoute = "no-route", Network;
    /// A limit of ours was reached.
    Limit = "limit", Configuration;
    /// There is no kernel to install a child in (`kernel: none`).
    KernelNone = "kernel-none", Configuration;
    /// There is no SA to be rekeyed.
    NotUp = "not-up", Operator;
    /// The peer sent no certificate, and no key of it is configured.
    CertificateMissing = "certificate-missing", Configuration;
    /// The peer sent more certificates, or more bytes of them, than are looked at.
    CertificateTooMany = "certificate-too-many", Configuration;
    /// The peer's certificate, or its raw public key, cannot be read or used.
    CertificateMalformed = "certificate-malformed", Configuration;
    /// A key or a signature on the path is weaker than the connection asks for.
    CertificateWeak = "certificate-weak", Configuration;
    /// The peer's raw public key is none of the configured ones.
    KeyUntrusted = "key-untrusted", Configuration;
    /// The certificate is not for the identity that the peer claims.
    CertificateName = "certificate-name", Configuration;
    /// No path leads from the certificate to a configured authority.
    CertificateUntrusted = "certificate-untrusted", Configuration;
    /// A certificate of the path is no longer valid.
    CertificateExpired = "certificate-expired", Configuration;
    /// A certificate of the path is not valid yet.
    CertificateNotYetValid = "certificate-not-yet-valid", Configuration;
    /// A certificate of the path may not be used for this.
    CertificateKeyUsage = "certificate-key-usage", Configuration;
    /// An authority went beyond what it may certify.
    CertificateConstraints = "certificate-constraints", Configuration;
    /// A certificate of the path needs something that is not supported.
    CertificateUnsupported = "certificate-unsupported", Configuration;
    /// The authority took a certificate of the path back.
    CertificateRevoked = "certificate-revoked", Configuration;
    /// The connection wants to know for certain that nothing was revoked, and that cannot be learned.
    RevocationUnknown = "revocation-unknown", Configuration;
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is no code's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a failure")]
pub struct UnknownCode;

impl FromStr for FailureCode {
    type Err = UnknownCode;

    fn from_str(name: &str) -> Result<Self, UnknownCode> {
        let mut all = Self::ALL.iter().copied();
        all.find(|code| code.name() == name).ok_or(UnknownCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_own_code() {
        for code in FailureCode::ALL {
            assert_eq!(code.name().parse(), Ok(*code));
        }
        assert_eq!("no-such-code".parse::<FailureCode>(), Err(UnknownCode));
    }
}
