//! Why a peer's certificate or key is not believed, for a person who has to change something.

use std::fmt;
use std::time::Duration;

use super::asn1::Date;
use super::certificate::{Certificate, CertificateError};
use crate::config::identity::Identity;
use crate::crypto::signature::{Fingerprint, KeyError};
use crate::failure_code::FailureCode;

/// Why a peer's certificate or key was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFailure {
    /// The peer sent no certificate, and the configuration knows no key of it (or several).
    Missing,
    /// More than is looked at.
    TooMany {
        /// How many certificates.
        certificates: usize,
        /// How many bytes in all.
        bytes: usize,
    },
    /// The first certificate, which is the peer's own, or its raw key, cannot be read.
    Malformed(CertificateError),
    /// The raw public key cannot be used.
    MalformedKey(KeyError),
    /// A configured key that is weaker than the connection asks for.
    WeakKey {
        /// What it is.
        what: String,
    },
    /// The raw public key is none of the configured ones.
    UnknownKey(Fingerprint),
    /// The certificate is not for the identity that the peer claims.
    Name {
        /// What the peer claims.
        claimed: Identity,
        /// Its certificate.
        certificate: CertificateName,
        /// Whom the certificate is for, at most 8.
        names: Vec<Identity>,
        /// Another certificate of the same message that is for the claimed identity: it would have to be the first.
        elsewhere: Option<CertificateName>,
    },
    /// No path to a configured authority.
    Untrusted {
        /// Where the path ends.
        certificate: CertificateName,
        /// Who would have to be known for the path to go on.
        issuer: Identity,
        /// What is wrong there.
        fault: UntrustedFault,
        /// Whom we trust, at most 8.
        trusted: Vec<Identity>,
        /// Certificates of the same message that could not be used, at most 4, in words.
        unusable: Vec<String>,
    },
    /// Its time is over.
    Expired {
        /// Which one of the path.
        certificate: CertificateName,
        /// Since when, since the Unix epoch.
        not_after: Duration,
        /// The time that it was compared with.
        now: Duration,
    },
    /// Its time has not come.
    NotYetValid {
        /// Which one of the path.
        certificate: CertificateName,
        /// From when on, since the Unix epoch.
        not_before: Duration,
        /// The time that it was compared with.
        now: Duration,
    },
    /// It may not be used for this.
    KeyUsage {
        /// Which one of the path.
        certificate: CertificateName,
        /// What it lacks.
        fault: UsageFault,
    },
    /// An authority went beyond what it may certify.
    Constraints {
        /// Which certificate is refused.
        certificate: CertificateName,
        /// Whose constraint.
        authority: CertificateName,
        /// What was done, and what is allowed.
        fault: String,
    },
    /// It asks for something that we cannot do: a critical extension, an old version, an unknown algorithm.
    Unsupported {
        /// Which one of the path.
        certificate: CertificateName,
        /// What it is.
        what: String,
    },
    /// A key or a signature that is weaker than the connection asks for.
    Weak {
        /// Which one of the path.
        certificate: CertificateName,
        /// What is weak.
        what: String,
    },
    /// The authority took it back.
    Revoked {
        /// Which one of the path.
        certificate: CertificateName,
        /// When, since the Unix epoch.
        when: Duration,
        /// CRLReason (RFC 5280 section 5.3.1), where it was given.
        reason: Option<u8>,
        /// Who says so: `CRL` or `OCSP`.
        source: &'static str,
    },
    /// The connection wants to know for certain, and nothing is known.
    RevocationUnknown {
        /// Which one of the path.
        certificate: CertificateName,
        /// What was tried, and what came of it; at most 8.
        tried: Vec<String>,
    },
}

/// How a certificate is called in messages.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateName(Box<(Identity, String)>);

/// Where a path to an authority ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntrustedFault {
    /// Nobody of the issuer's name is trusted, nor was sent.
    UnknownIssuer,
    /// There is somebody of the issuer's name, with another key.
    WrongSignature,
    /// There are too many possible paths to try them all.
    TooManyPaths,
}

/// What a certificate may not be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageFault {
    /// keyUsage of the peer's certificate has neither digitalSignature nor nonRepudiation (RFC 4945 section 5.1.3.2).
    NoSignatures,
    /// extendedKeyUsage has neither ipsecIKE nor any (RFC 4945 section 5.1.3.12): these.
    OtherPurposes(Vec<String>),
    /// It signed a certificate, and is no authority (basicConstraints).
    NoAuthority,
    /// It signed a certificate, and has keyUsage without keyCertSign.
    NoCertificateSigning,
}

impl CertificateName {
    pub(super) fn of(certificate: &Certificate) -> Self {
        Self(Box::new((
            certificate.subject().clone(),
            certificate.serial(),
        )))
    }

    /// Its subject: a distinguished name.
    #[must_use]
    pub fn subject(&self) -> &Identity {
        &self.0.0
    }

    /// Its serial number in hexadecimal.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.0.1
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject() {
            Identity::DistinguishedName(der) if der.len() <= 2 => {
                write!(
                    f,
                    "the certificate without a subject (serial {})",
                    self.serial()
                )
            }
            subject => write!(f, "the certificate of {subject} (serial {})", self.serial()),
        }
    }
}

impl fmt::Debug for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl CertificateFailure {
    /// Its code, for programs.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::Missing => FailureCode::CertificateMissing,
            Self::TooMany { .. } => FailureCode::CertificateTooMany,
            Self::Malformed(CertificateError::Key {
                error: KeyError::RsaTooShort { .. },
                ..
            })
            | Self::WeakKey { .. }
            | Self::Weak { .. } => FailureCode::CertificateWeak,
            Self::Malformed(_) | Self::MalformedKey(_) => FailureCode::CertificateMalformed,
            Self::UnknownKey(_) => FailureCode::KeyUntrusted,
            Self::Name { .. } => FailureCode::CertificateName,
            // A path over somebody who is no authority is none.
            Self::Untrusted { .. }
            | Self::KeyUsage {
                fault: UsageFault::NoAuthority,
                ..
            } => FailureCode::CertificateUntrusted,
            Self::Expired { .. } => FailureCode::CertificateExpired,
            Self::NotYetValid { .. } => FailureCode::CertificateNotYetValid,
            Self::KeyUsage { .. } => FailureCode::CertificateKeyUsage,
            Self::Constraints { .. } => FailureCode::CertificateConstraints,
            Self::Unsupported { .. } => FailureCode::CertificateUnsupported,
            Self::Revoked { .. } => FailureCode::CertificateRevoked,
            Self::RevocationUnknown { .. } => FailureCode::RevocationUnknown,
        }
    }

    /// Which certificate it is about.
    #[must_use]
    pub const fn certificate(&self) -> Option<&CertificateName> {
        match self {
            Self::Missing
            | Self::TooMany { .. }
            | Self::Malformed(_)
            | Self::MalformedKey(_)
            | Self::WeakKey { .. }
            | Self::UnknownKey(_) => None,
            Self::Name { certificate, .. }
            | Self::Untrusted { certificate, .. }
            | Self::Expired { certificate, .. }
            | Self::NotYetValid { certificate, .. }
            | Self::KeyUsage { certificate, .. }
            | Self::Constraints { certificate, .. }
            | Self::Unsupported { certificate, .. }
            | Self::Weak { certificate, .. }
            | Self::Revoked { certificate, .. }
            | Self::RevocationUnknown { certificate, .. } => Some(certificate),
        }
    }

    /// What a person or a program may want to know one by one, as keys and values. Holds no control character.
    #[must_use]
    pub fn details(&self) -> Vec<(&'static str, String)> {
        let mut details = Vec::new();
        if let Some(certificate) = self.certificate() {
            details.push(("certificate", certificate.subject().to_string()));
            details.push(("serial", certificate.serial().to_owned()));
        }
        match self {
            Self::UnknownKey(key) => details.push(("key", format!("{key:?}"))),
            Self::Name { claimed, names, .. } => {
                details.push(("claimed", claimed.to_string()));
                details.push(("certified", list(names)));
            }
            Self::Untrusted {
                issuer, trusted, ..
            } => {
                details.push(("issuer", issuer.to_string()));
                details.push(("trusted", list(trusted)));
            }
            Self::Expired { not_after, now, .. } => {
                details.push(("not-after", Date(*not_after).to_string()));
                details.push(("now", Date(*now).to_string()));
            }
            Self::NotYetValid {
                not_before, now, ..
            } => {
                details.push(("not-before", Date(*not_before).to_string()));
                details.push(("now", Date(*now).to_string()));
            }
            Self::Constraints { authority, .. } => {
                details.push(("authority", authority.subject().to_string()));
            }
            Self::Revoked { when, .. } => details.push(("revoked", Date(*when).to_string())),
            Self::RevocationUnknown { tried, .. } => details.push(("tried", tried.join("; "))),
            _ => {}
        }
        details
    }

    /// What to change.
    #[must_use]
    pub fn suggestion(&self) -> String {
        match self {
            Self::Missing => "let the peer send its certificate, or configure the peer's certificate or public key here".into(),
            Self::TooMany { .. } => "let the peer send its own certificate and the intermediate authorities, nothing else".into(),
            Self::Malformed(CertificateError::Key { .. }) | Self::MalformedKey(_) => {
                "give the peer a key of RSA with at least 2048 bits, ECDSA on P-256, P-384 or P-521, or Ed25519".into()
            }
            Self::Malformed(_) => "see what the peer sends as its certificate: X.509, the peer's own first".into(),
            Self::UnknownKey(key) => format!("if this is the peer's key, configure it here; its SHA-256 is {key:?}"),
            Self::Name { elsewhere: Some(_), .. } => "let the peer send its own certificate before all others".into(),
            Self::Name { claimed: Identity::KeyId(_), .. } => {
                "no certificate holds a key id: let the peer use its name, address or distinguished name as its identity".into()
            }
            Self::Name { claimed, names, .. } => match names.first() {
                Some(name) => format!("let the peer use {name} as its identity, or issue its certificate with {claimed} in subjectAltName"),
                None => format!("issue the peer's certificate with {claimed} in subjectAltName"),
            },
            Self::Untrusted { fault, issuer, trusted, .. } => match fault {
                UntrustedFault::UnknownIssuer if trusted.is_empty() => {
                    "configure the authority of the peer for this connection".into()
                }
                UntrustedFault::UnknownIssuer => format!(
                    "if {issuer} is an authority to trust, configure it here; if it is an intermediate one, let the peer send its certificate, too"
                ),
                UntrustedFault::WrongSignature => {
                    format!("compare the certificate of {issuer} that is configured here with the one that the peer has: the authority may have a new key")
                }
                UntrustedFault::TooManyPaths => "let the peer send only the certificates of its own path".into(),
            },
            Self::Expired { .. } => "renew the certificate; if it is in date, set the clock".into(),
            Self::NotYetValid { .. } => "set the clock, of this machine or of the authority".into(),
            Self::KeyUsage { fault, .. } => match fault {
                UsageFault::NoSignatures => "issue the certificate with digitalSignature in keyUsage, or without keyUsage".into(),
                UsageFault::OtherPurposes(_) => "issue the certificate without extendedKeyUsage, or with ipsecIKE (1.3.6.1.5.5.7.3.17) in it; else write purposes: any in the connection's auth".into(),
                UsageFault::NoAuthority => "issue the certificate of the authority with basicConstraints CA:TRUE, if it is one".into(),
                UsageFault::NoCertificateSigning => "issue the certificate of the authority with keyCertSign in keyUsage".into(),
            },
            Self::Constraints { .. } => "issue the certificate within the constraints of the authority, or by another authority".into(),
            Self::Unsupported { .. } => "issue the certificate as X.509 version 3, without what is not supported".into(),
            Self::WeakKey { .. } => "give the peer a stronger key, or ask for less in the connection".into(),
            Self::Weak { .. } => "issue the certificate anew with a stronger key or hash, or ask for less in the connection".into(),
            Self::Revoked { .. } => "give the peer a new certificate; if it should not have been revoked, ask the authority".into(),
            Self::RevocationUnknown { .. } => {
                "see to it that the URLs can be reached from here, put a current CRL into a file of the connection, or do not ask for strict checking".into()
            }
        }
    }
}

impl fmt::Display for CertificateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => {
                f.write_str("the peer sent no certificate, and no key of it is configured")
            }
            Self::TooMany {
                certificates,
                bytes,
            } => {
                write!(
                    f,
                    "the peer sent {certificates} certificates with {bytes} bytes, more than are looked at"
                )
            }
            Self::Malformed(error) => write!(f, "the peer's certificate cannot be used: {error}"),
            Self::MalformedKey(error) => {
                write!(f, "the peer's raw public key cannot be used: {error}")
            }
            Self::WeakKey { what } => {
                write!(f, "the peer's key is too weak for this connection: {what}")
            }
            Self::UnknownKey(_) => {
                f.write_str("the peer's raw public key is not one that is configured")
            }
            Self::Name {
                claimed,
                certificate,
                names,
                elsewhere,
            } => {
                write!(f, "the peer says it is {claimed}, but {certificate} is ")?;
                match names.as_slice() {
                    [] => f.write_str("for nobody by name")?,
                    names => write!(f, "for {}", list(names))?,
                }
                match elsewhere {
                    Some(other) => write!(f, "; {other} would be right, but was not sent first"),
                    None => Ok(()),
                }
            }
            Self::Untrusted {
                certificate,
                issuer,
                fault,
                trusted,
                unusable,
            } => {
                match fault {
                    UntrustedFault::UnknownIssuer => write!(
                        f,
                        "{certificate} was issued by {issuer}, which is neither trusted nor was sent along"
                    )?,
                    UntrustedFault::WrongSignature => write!(
                        f,
                        "{certificate} does not carry the signature of {issuer} as known here"
                    )?,
                    UntrustedFault::TooManyPaths => write!(
                        f,
                        "the certificates sent with {certificate} make too many possible paths"
                    )?,
                }
                match trusted.as_slice() {
                    [] => f.write_str("; no authority is configured")?,
                    trusted => write!(f, "; trusted here: {}", list(trusted))?,
                }
                unusable.iter().try_for_each(|why| {
                    write!(f, "; a certificate sent along cannot be used: {why}")
                })
            }
            Self::Expired {
                certificate,
                not_after,
                now,
            } => {
                write!(
                    f,
                    "{certificate} expired at {}; it is {}",
                    Date(*not_after),
                    Date(*now)
                )
            }
            Self::NotYetValid {
                certificate,
                not_before,
                now,
            } => {
                write!(
                    f,
                    "{certificate} is valid only from {}; it is {}",
                    Date(*not_before),
                    Date(*now)
                )
            }
            Self::KeyUsage { certificate, fault } => match fault {
                UsageFault::NoSignatures => write!(
                    f,
                    "{certificate} is not for signatures (keyUsage without digitalSignature and nonRepudiation)"
                ),
                UsageFault::OtherPurposes(purposes) => write!(
                    f,
                    "{certificate} is not for IKE (extendedKeyUsage is only for {})",
                    purposes.join(", ")
                ),
                UsageFault::NoAuthority => write!(
                    f,
                    "{certificate} signed another one, but is no authority (basicConstraints)"
                ),
                UsageFault::NoCertificateSigning => write!(
                    f,
                    "{certificate} signed another one, but may not (keyUsage without keyCertSign)"
                ),
            },
            Self::Constraints {
                certificate,
                authority,
                fault,
            } => {
                write!(
                    f,
                    "{certificate} is beyond what {authority} allows: {fault}"
                )
            }
            Self::Unsupported { certificate, what } => {
                write!(f, "{certificate} has {what}, which is not supported")
            }
            Self::Weak { certificate, what } => {
                write!(f, "{certificate} is too weak for this connection: {what}")
            }
            Self::Revoked {
                certificate,
                when,
                reason,
                source,
            } => {
                write!(f, "{certificate} was revoked at {}", Date(*when))?;
                if let Some(reason) = reason {
                    write!(f, " ({})", reason_name(*reason))?;
                }
                write!(f, ", says {source}")
            }
            Self::RevocationUnknown { certificate, tried } => {
                write!(f, "whether {certificate} was revoked is not known: ")?;
                match tried.as_slice() {
                    [] => f.write_str(
                        "it names no http:// URL, and no CRL of its authority is configured",
                    ),
                    tried => f.write_str(&tried.join("; ")),
                }
            }
        }
    }
}

fn list(names: &[Identity]) -> String {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.join(" | ")
}

/// CRLReason, RFC 5280 section 5.3.1.
const fn reason_name(reason: u8) -> &'static str {
    match reason {
        1 => "keyCompromise",
        2 => "cACompromise",
        3 => "affiliationChanged",
        4 => "superseded",
        5 => "cessationOfOperation",
        6 => "certificateHold",
        8 => "removeFromCRL",
        9 => "privilegeWithdrawn",
        10 => "aACompromise",
        _ => "unspecified",
    }
}
