//! OCSP: the request for one certificate, and what a reply says about it (RFC 6960; in band, RFC 4806).
//!
//! Requests carry no nonce, so that responders may answer from a cache and we may keep the answer (RFC 5019). A reply is
//! believed if it is in date and signed by the authority that issued the certificate, or by a responder whose certificate
//! that authority signed with the same key for this purpose (id-kp-OCSPSigning). The responder's own certificate is looked
//! at for its dates; it is not checked for revocation, as with id-pkix-ocsp-nocheck.

use std::sync::Arc;
use std::time::Duration;

use der::asn1::{AnyRef, GeneralizedTime, OctetStringRef};
use der::{Decode, Reader as _, Tag};

use super::asn1::{self, Date, Extension, ObjectIdentifier, Signed, element};
use super::certificate::{Certificate, CertificateError, check_length, sha1};
use super::names::Name;
use super::revocation::{CLOCK_SKEW, Status};
use super::signature;
use crate::config::Strength;

/// Longest reply that is taken, in bytes.
pub(super) const MAX_REPLY: usize = 64 * 1024;

/// Most answers of one reply, and most certificates for its signature.
const MAX_ANSWERS: usize = 64;
const MAX_RESPONDERS: usize = 4;

/// How long an answer without nextUpdate holds: "newer information is available all the time".
const WITHOUT_NEXT_UPDATE: Duration = Duration::from_secs(3600);

const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// digitalSignature of keyUsage.
const DIGITAL_SIGNATURE: u16 = 1;

/// The OCSPRequest for one certificate: SHA-1 names the issuer, which is what every responder knows.
pub(super) fn request(certificate: &Certificate, issuer: &Certificate) -> Vec<u8> {
    let sha1_algorithm = element(
        Tag::Sequence,
        &[
            element(Tag::ObjectIdentifier, SHA1.as_bytes()),
            element(Tag::Null, &[]),
        ]
        .concat(),
    );
    let certificate_id = element(
        Tag::Sequence,
        &[
            sha1_algorithm,
            element(Tag::OctetString, &sha1(certificate.issuer.der())),
            element(Tag::OctetString, &sha1(&issuer.key_bits)),
            element(Tag::Integer, &certificate.serial),
        ]
        .concat(),
    );
    // OCSPRequest, TBSRequest, requestList, Request.
    (0..4).fold(certificate_id, |inner, _| element(Tag::Sequence, &inner))
}

/// A basic OCSP response, as read.
#[derive(Debug)]
pub(super) struct Reply {
    message: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
    responder: ResponderId,
    answers: Vec<Answer>,
    /// What came with it to verify it by.
    responders: Vec<Arc<Certificate>>,
}

#[derive(Debug)]
enum ResponderId {
    Name(Name),
    /// SHA-1 of the subjectPublicKey's bits.
    Key(Vec<u8>),
}

/// SingleResponse.
#[derive(Debug)]
struct Answer {
    hash: ObjectIdentifier,
    name_hash: Vec<u8>,
    key_hash: Vec<u8>,
    serial: Vec<u8>,
    status: AnswerStatus,
    this_update: Duration,
    next_update: Option<Duration>,
}

#[derive(Debug)]
enum AnswerStatus {
    Good,
    Revoked { when: Duration, reason: Option<u8> },
    Unknown,
}

impl Reply {
    /// Reads an OCSPResponse.
    pub(super) fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        check_length(der, MAX_REPLY)?;
        let malformed = |error: der::Error| CertificateError::Der {
            what: "OCSP reply",
            error: error.to_string(),
        };
        let basic = asn1::sequence(der, |reader| {
            let status = AnyRef::decode(reader)?;
            let body = asn1::field(reader, 0, true)?;
            Ok((status.value(), body))
        });
        let body = match basic.map_err(malformed)? {
            ([0], Some(body)) => body,
            ([3], _) => return Err(CertificateError::Unsupported("replies that say: try later")),
            ([6], _) => {
                return Err(CertificateError::Unsupported(
                    "replies that say: unauthorized",
                ));
            }
            _ => {
                return Err(CertificateError::Unsupported(
                    "replies that hold only an error",
                ));
            }
        };
        let (kind, reply) = asn1::sequence(body, |reader| {
            let kind = ObjectIdentifier::decode(reader)?;
            Ok((kind, <&OctetStringRef>::decode(reader)?.as_bytes()))
        })
        .map_err(malformed)?;
        if kind != BASIC {
            return Err(CertificateError::Unsupported(
                "OCSP replies of an unknown kind",
            ));
        }
        asn1::sequence(reply, Self::read_basic).map_err(malformed)
    }

    /// BasicOCSPResponse.
    fn read_basic(reader: &mut asn1::Reader<'_>) -> asn1::Result<Self> {
        let signed = Signed::read(reader)?;
        let mut responders = Vec::new();
        if let Some(certificates) = asn1::field(reader, 0, true)? {
            asn1::each(certificates, |der| {
                if responders.len() < MAX_RESPONDERS
                    && let Ok(certificate) = Certificate::parse(der)
                {
                    responders.push(Arc::new(certificate));
                }
                Ok(())
            })?;
        }
        let (responder, answers) = asn1::sequence(signed.message, |reader| {
            if let Some(version) = asn1::field(reader, 0, true)?
                && asn1::whole(version, u8::decode)? != 0
            {
                return Err(asn1::value_error(Tag::Integer));
            }
            let id = AnyRef::decode(reader)?;
            let responder = match asn1::choice(&id)? {
                (1, true) => ResponderId::Name(
                    Name::parse(id.value()).ok_or_else(|| asn1::value_error(Tag::Sequence))?,
                ),
                (2, true) => {
                    ResponderId::Key(<&OctetStringRef>::from_der(id.value())?.as_bytes().to_vec())
                }
                _ => return Err(asn1::value_error(Tag::Sequence)),
            };
            GeneralizedTime::decode(reader)?;
            let mut answers = Vec::new();
            reader.sequence(|reader| {
                while !reader.is_finished() {
                    answers.push(reader.sequence(Answer::read)?);
                    asn1::at_most(MAX_ANSWERS, &answers)?;
                }
                Ok::<_, der::Error>(())
            })?;
            check_extensions(asn1::field(reader, 1, true)?)?;
            Ok((responder, answers))
        })?;
        Ok(Self {
            message: signed.message.to_vec(),
            algorithm: signed.algorithm.to_vec(),
            signature: signed.signature.to_vec(),
            responder,
            answers,
            responders,
        })
    }

    /// Until when its first answer holds, for the cache.
    pub(super) fn next_update(&self) -> Option<Duration> {
        self.answers.iter().map(Answer::until).min()
    }

    /// What it says about a certificate that `issuer` signed.
    pub(super) fn status(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        strength: Strength,
        now: Duration,
    ) -> Status {
        let rank = |status: &Status| match status {
            Status::Silent => 0,
            Status::Unusable(_) => 1,
            Status::Good => 2,
            Status::Revoked { .. } => 3,
        };
        // Of several answers about the same certificate, what says most.
        let found = self
            .answers
            .iter()
            .filter(|answer| answer.is_for(certificate, issuer))
            .map(|answer| answer.status(now))
            .max_by_key(rank);
        match found {
            Some(said @ (Status::Good | Status::Revoked { .. })) => {
                match self.check_signature(issuer, strength, now) {
                    Ok(()) => said,
                    Err(why) => unusable(&why),
                }
            }
            other => other.unwrap_or(Status::Silent),
        }
    }

    fn check_signature(
        &self,
        issuer: &Certificate,
        strength: Strength,
        now: Duration,
    ) -> Result<(), String> {
        signature::check_hash(&self.algorithm, strength)
            .map_err(|weak| format!("is signed too weakly: {weak}"))?;
        if self.responder.is(issuer) && self.is_signed_by(issuer) {
            return Ok(());
        }
        let mut why =
            "was signed neither by the authority nor by a responder that the authority named"
                .to_owned();
        for responder in self
            .responders
            .iter()
            .filter(|found| self.responder.is(found))
        {
            match check_responder(responder, issuer, strength, now) {
                Ok(()) if self.is_signed_by(responder) => return Ok(()),
                Ok(()) => why = "does not carry the signature of its responder".into(),
                Err(fault) => why = format!("is signed by {}, {fault}", responder.subject()),
            }
        }
        Err(why)
    }

    fn is_signed_by(&self, signer: &Certificate) -> bool {
        signature::verify(signer, &self.algorithm, &self.message, &self.signature).is_ok()
    }
}

fn unusable(why: &str) -> Status {
    Status::Unusable(format!("the OCSP reply {why}"))
}

/// Whether the authority named this responder (RFC 6960 section 4.2.2.2).
fn check_responder(
    responder: &Certificate,
    issuer: &Certificate,
    strength: Strength,
    now: Duration,
) -> Result<(), &'static str> {
    let purposes = responder.extensions.extended_key_usage.as_ref();
    if !purposes.is_some_and(|purposes| purposes.contains(&OCSP_SIGNING)) {
        return Err("which is no OCSP responder (extendedKeyUsage without OCSPSigning)");
    }
    let usage = responder.extensions.key_usage;
    if usage.is_some_and(|usage| usage & DIGITAL_SIGNATURE == 0)
        || responder.extensions.unknown_critical.is_some()
        || responder.version != 3
    {
        return Err("whose certificate does not allow it");
    }
    if now < responder.not_before() || now > responder.not_after() {
        return Err("whose certificate is out of date");
    }
    if signature::check_key(responder.public_key().kind(), strength).is_err()
        || signature::check_hash(&responder.algorithm, strength).is_err()
    {
        return Err("whose certificate is too weak");
    }
    if !responder.issuer.same(&issuer.subject)
        || signature::verify(
            issuer,
            &responder.algorithm,
            responder.message(),
            &responder.signature,
        )
        .is_err()
    {
        return Err("which the authority did not name");
    }
    Ok(())
}

impl ResponderId {
    fn is(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Name(name) => name.same(&certificate.subject),
            Self::Key(hash) => *hash == sha1(&certificate.key_bits),
        }
    }
}

impl Answer {
    fn read(reader: &mut asn1::Reader<'_>) -> asn1::Result<Self> {
        let octets = |reader: &mut asn1::Reader<'_>| {
            <&OctetStringRef>::decode(reader).map(|octets| octets.as_bytes().to_vec())
        };
        let (hash, name_hash, key_hash, serial) = reader.sequence(|reader| {
            let algorithm = asn1::algorithm(reader)?;
            let hash = ObjectIdentifier::decode(&mut asn1::Reader::new(algorithm)?)?;
            let (name_hash, key_hash) = (octets(reader)?, octets(reader)?);
            Ok::<_, der::Error>((hash, name_hash, key_hash, asn1::integer(reader)?.to_vec()))
        })?;
        let status = AnyRef::decode(reader)?;
        let status = match asn1::choice(&status)? {
            (0, false) => AnswerStatus::Good,
            (1, true) => asn1::whole(status.value(), |reader| {
                let when = GeneralizedTime::decode(reader)?.to_unix_duration();
                let reason = match asn1::field(reader, 0, true)? {
                    Some(reason) => AnyRef::from_der(reason)?.value().first().copied(),
                    None => None,
                };
                Ok(AnswerStatus::Revoked { when, reason })
            })?,
            (2, false) => AnswerStatus::Unknown,
            _ => return Err(asn1::value_error(Tag::Null)),
        };
        let this_update = GeneralizedTime::decode(reader)?.to_unix_duration();
        let next_update = asn1::field(reader, 0, true)?
            .map(|time| asn1::whole(time, asn1::time))
            .transpose()?;
        check_extensions(asn1::field(reader, 1, true)?)?;
        Ok(Self {
            hash,
            name_hash,
            key_hash,
            serial,
            status,
            this_update,
            next_update,
        })
    }

    /// What it says, if whoever signed it may.
    fn status(&self, now: Duration) -> Status {
        if self.this_update > now + CLOCK_SKEW {
            return unusable(&format!("is of the future ({})", Date(self.this_update)));
        }
        if self.until() < now {
            return unusable(&format!("is out of date since {}", Date(self.until())));
        }
        match self.status {
            AnswerStatus::Good => Status::Good,
            AnswerStatus::Revoked { when, reason } => Status::Revoked { when, reason },
            AnswerStatus::Unknown => unusable("says that it does not know the certificate"),
        }
    }

    fn until(&self) -> Duration {
        self.next_update
            .unwrap_or(self.this_update + WITHOUT_NEXT_UPDATE)
    }

    /// Whether the CertID is that of the certificate.
    fn is_for(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        let algorithm = match self.hash {
            SHA1 => &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
            SHA256 => &ring::digest::SHA256,
            // A responder may repeat a CertID that somebody made up: without a hash, it names nobody.
            _ => return false,
        };
        let is_hash_of =
            |hash: &[u8], bytes: &[u8]| hash == ring::digest::digest(algorithm, bytes).as_ref();
        self.serial == certificate.serial
            && is_hash_of(&self.name_hash, certificate.issuer.der())
            && is_hash_of(&self.key_hash, &issuer.key_bits)
    }
}

/// A nonce is passed over (we ask for none); what is critical and unknown makes the reply malformed.
fn check_extensions(der: Option<&[u8]>) -> asn1::Result<()> {
    Extension::each(der.unwrap_or(&[0x30, 0]), |extension| {
        if extension.critical && extension.id != NONCE {
            return Err(asn1::value_error(Tag::ObjectIdentifier));
        }
        Ok(())
    })
}
