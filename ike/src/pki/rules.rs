//! What each certificate of a path must be (RFC 5280 section 6.1, with the profile of RFC 4945 section 5.1), once the
//! signatures are known to be right.

use std::sync::Arc;
use std::time::Duration;

use super::asn1::ObjectIdentifier;
use super::certificate::Certificate;
use super::failure::{CertificateFailure as Failure, CertificateName, UsageFault};
use super::signature;
use crate::config::{Purposes, SignatureDemand, Strength};

/// digitalSignature or nonRepudiation, and keyCertSign, of keyUsage.
const SIGNATURES: u16 = 1 << 0 | 1 << 1;
const CERTIFICATE_SIGN: u16 = 1 << 5;

/// Purposes that do for IKE, RFC 4945 section 5.1.3.12: id-kp-ipsecIKE and anyExtendedKeyUsage. iKEIntermediate means the
/// first and is what certificates for Windows and Apple peers carry beside serverAuth. The three of 1999
/// (ipsecEndSystem, ipsecTunnel, ipsecUser), which never had a meaning, and those of TLS do not do: a web server's
/// certificate must not make a gateway.
const IKE_PURPOSES: [ObjectIdentifier; 3] = [
    oid("1.3.6.1.5.5.7.3.17"),
    oid("2.5.29.37.0"),
    oid("1.3.6.1.5.5.8.2.2"),
];

/// Purposes by name, for messages.
const PURPOSES: &[(ObjectIdentifier, &str)] = &[
    (oid("1.3.6.1.5.5.7.3.1"), "serverAuth"),
    (oid("1.3.6.1.5.5.7.3.2"), "clientAuth"),
    (oid("1.3.6.1.5.5.7.3.3"), "codeSigning"),
    (oid("1.3.6.1.5.5.7.3.4"), "emailProtection"),
    (oid("1.3.6.1.5.5.7.3.5"), "ipsecEndSystem"),
    (oid("1.3.6.1.5.5.7.3.6"), "ipsecTunnel"),
    (oid("1.3.6.1.5.5.7.3.7"), "ipsecUser"),
    (oid("1.3.6.1.5.5.7.3.9"), "OCSPSigning"),
];

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// Checks a path from the end entity to the anchor.
pub(super) fn check(
    path: &[Arc<Certificate>],
    demand: &SignatureDemand,
    now: Duration,
) -> Result<(), Failure> {
    let last = path.len() - 1;
    for (depth, certificate) in path.iter().enumerate().rev() {
        check_form(certificate, depth == last)?;
        check_time(certificate, now)?;
        check_strength(certificate, depth == last, demand.strength)?;
        if depth > 0 {
            check_authority(certificate)?;
            check_path_length(certificate, &path[..depth])?;
        }
        // The anchor's purposes are the operator's business.
        if depth == 0 || depth < last {
            check_purposes(certificate, demand.purposes)?;
        }
        check_names(certificate, &path[..depth])?;
    }
    let usage = path[0].extensions.key_usage;
    if usage.is_some_and(|usage| usage & SIGNATURES == 0) {
        return Err(Failure::KeyUsage {
            certificate: CertificateName::of(&path[0]),
            fault: UsageFault::NoSignatures,
        });
    }
    Ok(())
}

/// Whether an authority may stand above these, as far as it alone says.
pub(super) fn may_stand_above(authority: &Certificate, below: &[Arc<Certificate>]) -> bool {
    check_path_length(authority, below).is_ok() && check_names(authority, below).is_ok()
}

/// How many comparisons of names with constraints a look at this authority takes.
pub(super) fn cost_of_names(authority: &Certificate, below: &[Arc<Certificate>]) -> usize {
    authority
        .extensions
        .name_constraints
        .as_ref()
        .map_or(0, |constraints| {
            below.iter().map(|one| constraints.cost(one)).sum()
        })
}

/// Whether it can stand between an end entity and an anchor, as far as it can be seen from itself alone.
pub(super) fn is_sound_authority(
    certificate: &Certificate,
    demand: &SignatureDemand,
    now: Duration,
) -> bool {
    check_form(certificate, false)
        .and_then(|()| check_time(certificate, now))
        .and_then(|()| check_strength(certificate, false, demand.strength))
        .and_then(|()| check_authority(certificate))
        .and_then(|()| check_purposes(certificate, demand.purposes))
        .is_ok()
}

fn check_form(certificate: &Certificate, anchor: bool) -> Result<(), Failure> {
    let unsupported = |what| {
        Err(Failure::Unsupported {
            certificate: CertificateName::of(certificate),
            what,
        })
    };
    match &certificate.extensions.unknown_critical {
        // An anchor that was configured explicitly may be of version 1 (RFC 4945 section 5.1.3.9).
        None if certificate.version == 3 || anchor => Ok(()),
        None => unsupported(format!("the version {}", certificate.version)),
        Some(extension) => unsupported(format!("the critical extension {extension}")),
    }
}

fn check_time(certificate: &Certificate, now: Duration) -> Result<(), Failure> {
    if now < certificate.not_before() {
        return Err(Failure::NotYetValid {
            certificate: CertificateName::of(certificate),
            not_before: certificate.not_before(),
            now,
        });
    }
    if now > certificate.not_after() {
        return Err(Failure::Expired {
            certificate: CertificateName::of(certificate),
            not_after: certificate.not_after(),
            now,
        });
    }
    Ok(())
}

fn check_strength(
    certificate: &Certificate,
    anchor: bool,
    strength: Strength,
) -> Result<(), Failure> {
    let weak = |what| Failure::Weak {
        certificate: CertificateName::of(certificate),
        what,
    };
    signature::check_key(certificate.public_key().kind(), strength).map_err(weak)?;
    if anchor {
        return Ok(());
    }
    signature::check_hash(&certificate.algorithm, strength)
        .map_err(|algorithm| weak(format!("its signature is {algorithm}")))
}

fn check_authority(certificate: &Certificate) -> Result<(), Failure> {
    let fault = if !certificate.is_authority() {
        UsageFault::NoAuthority
    } else if certificate
        .extensions
        .key_usage
        .is_some_and(|usage| usage & CERTIFICATE_SIGN == 0)
    {
        UsageFault::NoCertificateSigning
    } else {
        return Ok(());
    };
    Err(Failure::KeyUsage {
        certificate: CertificateName::of(certificate),
        fault,
    })
}

/// RFC 5280 section 4.2.1.9: self-issued certificates and the last one do not count.
fn check_path_length(authority: &Certificate, below: &[Arc<Certificate>]) -> Result<(), Failure> {
    let allowed = authority
        .extensions
        .basic_constraints
        .and_then(|constraints| constraints.path_length);
    let found = below[1..]
        .iter()
        .filter(|certificate| !certificate.is_self_issued())
        .count();
    match allowed {
        Some(allowed) if u64::try_from(found).is_ok_and(|found| found > allowed) => {
            Err(Failure::Constraints {
                certificate: CertificateName::of(&below[below.len() - 1]),
                authority: CertificateName::of(authority),
                fault: format!("{found} authorities below it, and its path length is {allowed}"),
            })
        }
        _ => Ok(()),
    }
}

/// Also an intermediate authority that is restricted to other purposes makes no certificates for IKE.
fn check_purposes(certificate: &Certificate, demanded: Purposes) -> Result<(), Failure> {
    match certificate.other_purposes() {
        Some(purposes) if demanded == Purposes::Ike => Err(Failure::KeyUsage {
            certificate: CertificateName::of(certificate),
            fault: UsageFault::OtherPurposes(purposes),
        }),
        _ => Ok(()),
    }
}

impl Certificate {
    /// What extendedKeyUsage restricts it to, by name and at most 8, where IKE is not among it; `None` where it may be used
    /// for IKE (RFC 4945 section 5.1.3.12).
    #[must_use]
    pub fn other_purposes(&self) -> Option<Vec<String>> {
        let purposes = self.extensions.extended_key_usage.as_ref()?;
        let name = |purpose: &ObjectIdentifier| {
            PURPOSES
                .iter()
                .find(|(known, _)| known == purpose)
                .map_or_else(|| purpose.to_string(), |(_, name)| (*name).into())
        };
        (!purposes.iter().any(|one| IKE_PURPOSES.contains(one)))
            .then(|| purposes.iter().take(8).map(name).collect())
    }
}

/// Name constraints hold for every certificate below, but for authorities that renewed themselves.
fn check_names(authority: &Certificate, below: &[Arc<Certificate>]) -> Result<(), Failure> {
    let Some(constraints) = &authority.extensions.name_constraints else {
        return Ok(());
    };
    for (depth, certificate) in below.iter().enumerate() {
        if depth > 0 && certificate.is_self_issued() {
            continue;
        }
        constraints
            .check(certificate)
            .map_err(|violation| Failure::Constraints {
                certificate: CertificateName::of(certificate),
                authority: CertificateName::of(authority),
                fault: format!("{}: {}", violation.name, violation.rule),
            })?;
    }
    Ok(())
}
