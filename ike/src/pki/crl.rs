//! Certificate revocation lists (RFC 5280 section 5).
//!
//! A list is read once and kept as received; the serial numbers are found by bisection. Whole lists by the issuer itself
//! are taken, and those that issuingDistributionPoint restricts to some certificates. Delta CRLs, indirect ones and those
//! for some reasons only are refused where they are read: half an answer is taken for a whole one too easily.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

use der::asn1::AnyRef;
use der::{Decode, Reader as _, Tag};
use rustls_pki_types::CertificateRevocationListDer;

use super::asn1::{self, Date, Extension, ObjectIdentifier, Signed};
use super::certificate::{Certificate, CertificateError, check_length, read_all};
use super::names::{GeneralName, Name};
use super::revocation::{CLOCK_SKEW, Status};
use super::signature;
use crate::config::Strength;
use crate::config::identity::Identity;
use crate::crypto::signature::Fingerprint;

/// Longest list that is taken, in bytes: some hundred thousand entries.
pub const MAX_LIST: usize = 8 * 1024 * 1024;

const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const REASON_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
/// cRLSign of keyUsage.
const CRL_SIGN: u16 = 1 << 6;

/// One certificate revocation list, as received and as read. Immutable.
pub struct RevocationList {
    der: Vec<u8>,
    message: Range<usize>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
    issuer: Name,
    this_update: Duration,
    next_update: Option<Duration>,
    /// By serial number.
    entries: Vec<Entry>,
    scope: Scope,
    /// The key that the signature was found to be of, so that a long list is hashed once.
    verified: OnceLock<Fingerprint>,
}

/// Where an entry stands in the DER.
#[derive(Clone, Copy)]
struct Entry {
    serial: u32,
    /// Where the serial number ends and the date begins.
    date: u32,
    end: u32,
}

/// What issuingDistributionPoint restricts the list to (RFC 5280 section 5.2.5).
#[derive(Debug, Default)]
struct Scope {
    /// One of these is named by the certificate, too. Empty: no such restriction.
    points: Vec<GeneralName>,
    only_end_entities: bool,
    only_authorities: bool,
}

impl RevocationList {
    /// One CRL from its DER, of at most [`MAX_LIST`] bytes, with nothing after it.
    ///
    /// # Errors
    /// See [`CertificateError`]; delta, indirect and partial lists are [`CertificateError::Unsupported`].
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        check_length(der, MAX_LIST)?;
        let malformed = |error: der::Error| CertificateError::Der {
            what: "CRL",
            error: error.to_string(),
        };
        let signed = asn1::sequence(der, Signed::read).map_err(malformed)?;
        let mut refused = None;
        let body = asn1::sequence(signed.message, |reader| {
            Body::read(reader, der, &mut refused)
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        let mut body = body.map_err(malformed)?;
        if body.algorithm != signed.algorithm {
            return Err(CertificateError::TwoAlgorithms);
        }
        body.entries
            .sort_by(|a, b| serial(der, *a).cmp(serial(der, *b)));
        let start = offset(der, signed.message);
        Ok(Self {
            message: start..start + signed.message.len(),
            algorithm: signed.algorithm.to_vec(),
            signature: signed.signature.to_vec(),
            issuer: Name::parse(body.issuer).ok_or(CertificateError::Name("issuer"))?,
            this_update: body.this_update,
            next_update: body.next_update,
            entries: body.entries,
            scope: body.scope,
            verified: OnceLock::new(),
            der: der.to_vec(),
        })
    }

    /// Every CRL of a PEM bundle in its order (other blocks are passed over), or the one of a DER file.
    ///
    /// # Errors
    /// See [`CertificateError`]; also if there is none.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        read_all::<CertificateRevocationListDer<'_>, _>(bytes, "CRL", Self::parse)
    }

    /// Who issued it: a distinguished name.
    #[must_use]
    pub const fn issuer(&self) -> &Identity {
        &self.issuer.identity
    }

    /// When it was issued, since the Unix epoch.
    #[must_use]
    pub const fn this_update(&self) -> Duration {
        self.this_update
    }

    /// When there will be a newer one at the latest, since the Unix epoch. A list without it is never believed.
    #[must_use]
    pub const fn next_update(&self) -> Option<Duration> {
        self.next_update
    }

    /// How many certificates it names.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// What it says about a certificate that `issuer` signed.
    pub(super) fn status(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        strength: Strength,
        now: Duration,
    ) -> Status {
        if !self.issuer.same(&certificate.issuer) || !self.scope.has(certificate) {
            return Status::Silent;
        }
        if let Err(why) = self.check(issuer, strength, now) {
            return Status::Unusable(format!("the CRL of {} {why}", self.issuer()));
        }
        let found = self
            .entries
            .binary_search_by_key(&certificate.serial.as_slice(), |entry| {
                serial(&self.der, *entry)
            });
        match found {
            Ok(at) => self.revoked(self.entries[at]),
            Err(_) => Status::Good,
        }
    }

    /// Whether it is in date, and the issuer's.
    fn check(&self, issuer: &Certificate, strength: Strength, now: Duration) -> Result<(), String> {
        if self.this_update > now + CLOCK_SKEW {
            return Err(format!("is of the future ({})", Date(self.this_update)));
        }
        match self.next_update {
            Some(next) if next < now => {
                return Err(format!("is out of date since {}", Date(next)));
            }
            Some(_) => {}
            None => return Err("does not say how long it holds (nextUpdate)".into()),
        }
        if issuer
            .extensions
            .key_usage
            .is_some_and(|usage| usage & CRL_SIGN == 0)
        {
            return Err("is by an authority that may not sign CRLs (keyUsage)".into());
        }
        signature::check_hash(&self.algorithm, strength)
            .map_err(|weak| format!("is signed too weakly: {weak}"))?;
        let key = issuer.public_key().fingerprint();
        if self.verified.get() != Some(&key) {
            let message = &self.der[self.message.clone()];
            signature::verify(issuer, &self.algorithm, message, &self.signature)
                .map_err(|_| "was not signed by the key of the authority".to_owned())?;
            // Another key may have been first, with a certificate of the same name; then this is only slower.
            let _ = self.verified.set(key);
        }
        Ok(())
    }

    fn revoked(&self, entry: Entry) -> Status {
        let rest = &self.der[index(entry.date)..index(entry.end)];
        let mut reason = None;
        let when = asn1::whole(rest, |reader| {
            let when = asn1::time(reader)?;
            if !reader.is_finished() {
                Extension::each(reader.tlv_bytes()?, |extension| {
                    if extension.id == REASON_CODE {
                        reason = AnyRef::from_der(extension.value)?.value().first().copied();
                    }
                    Ok(())
                })?;
            }
            Ok(when)
        });
        Status::Revoked {
            when: when.unwrap_or(self.this_update),
            reason,
        }
    }
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (issuer, date) = (self.issuer(), Date(self.this_update));
        write!(
            f,
            "RevocationList({issuer}, {date}, {} entries)",
            self.entries.len()
        )
    }
}

impl Scope {
    fn has(&self, certificate: &Certificate) -> bool {
        let authority = certificate.is_authority();
        let points = &certificate.extensions.distribution_points;
        let other_kind = if authority {
            self.only_end_entities
        } else {
            self.only_authorities
        };
        !other_kind
            && (self.points.is_empty() || self.points.iter().any(|point| points.contains(point)))
    }

    /// The contents of an IssuingDistributionPoint; `refused` says why it is none for us.
    fn read(
        reader: &mut asn1::Reader<'_>,
        refused: &mut Option<CertificateError>,
    ) -> asn1::Result<Self> {
        let mut scope = Self::default();
        if let Some(point) = asn1::field(reader, 0, true)? {
            match GeneralName::read_distribution_point(point)? {
                Some(names) if !names.is_empty() => scope.points = names,
                _ => refuse(
                    refused,
                    "CRLs for a distribution point that is named relatively",
                ),
            }
        }
        let mut flag = |number| {
            asn1::field(reader, number, false)
                .map(|flag| flag.is_some_and(|contents| number == 3 || contents != [0]))
        };
        scope.only_end_entities = flag(1)?;
        scope.only_authorities = flag(2)?;
        if flag(3)? {
            refuse(refused, "CRLs for some reasons only");
        }
        if flag(4)? {
            refuse(refused, "indirect CRLs");
        }
        if flag(5)? {
            refuse(refused, "CRLs for attribute certificates");
        }
        Ok(scope)
    }
}

/// TBSCertList.
struct Body<'a> {
    algorithm: &'a [u8],
    issuer: &'a [u8],
    this_update: Duration,
    next_update: Option<Duration>,
    entries: Vec<Entry>,
    scope: Scope,
}

impl<'a> Body<'a> {
    fn read(
        reader: &mut asn1::Reader<'a>,
        der: &'a [u8],
        refused: &mut Option<CertificateError>,
    ) -> asn1::Result<Self> {
        if asn1::next_is(reader, Tag::Integer) && u8::decode(reader)? != 1 {
            return Err(asn1::value_error(Tag::Integer));
        }
        let mut body = Self {
            algorithm: asn1::algorithm(reader)?,
            issuer: reader.tlv_bytes()?,
            this_update: asn1::time(reader)?,
            next_update: None,
            entries: Vec::new(),
            scope: Scope::default(),
        };
        if asn1::next_is(reader, Tag::UtcTime) || asn1::next_is(reader, Tag::GeneralizedTime) {
            body.next_update = Some(asn1::time(reader)?);
        }
        if asn1::next_is(reader, Tag::Sequence) {
            reader.sequence(|reader| {
                while !reader.is_finished() {
                    let entry = reader.sequence(|reader| Entry::read(reader, der, refused))?;
                    body.entries.push(entry);
                }
                Ok::<_, der::Error>(())
            })?;
        }
        if let Some(extensions) = asn1::field(reader, 0, true)? {
            Extension::each(extensions, |extension| {
                match extension.id {
                    ISSUING_DISTRIBUTION_POINT => {
                        body.scope =
                            asn1::sequence(extension.value, |reader| Scope::read(reader, refused))?;
                    }
                    DELTA_CRL_INDICATOR => refuse(refused, "delta CRLs"),
                    CRL_NUMBER | AUTHORITY_KEY_IDENTIFIER => {}
                    id if extension.critical => {
                        *refused = Some(CertificateError::CriticalExtension(id.to_string()));
                    }
                    _ => {}
                }
                Ok(())
            })?;
        }
        Ok(body)
    }
}

impl Entry {
    fn read<'a>(
        reader: &mut asn1::Reader<'a>,
        der: &'a [u8],
        refused: &mut Option<CertificateError>,
    ) -> asn1::Result<Self> {
        let serial = asn1::integer(reader)?;
        let rest_length = usize::try_from(reader.remaining_len())?;
        asn1::time(reader)?;
        if !reader.is_finished() {
            Extension::each(reader.tlv_bytes()?, |extension| {
                match extension.id {
                    CERTIFICATE_ISSUER => refuse(refused, "indirect CRLs"),
                    REASON_CODE | INVALIDITY_DATE => {}
                    id if extension.critical => {
                        *refused = Some(CertificateError::CriticalExtension(id.to_string()));
                    }
                    _ => {}
                }
                Ok(())
            })?;
        }
        let start = offset(der, serial);
        let date = start + serial.len();
        let position = |at: usize| u32::try_from(at).map_err(|_| asn1::value_error(Tag::Integer));
        Ok(Self {
            serial: position(start)?,
            date: position(date)?,
            end: position(date + rest_length)?,
        })
    }
}

fn refuse(refused: &mut Option<CertificateError>, what: &'static str) {
    refused.get_or_insert(CertificateError::Unsupported(what));
}

fn serial(der: &[u8], entry: Entry) -> &[u8] {
    &der[index(entry.serial)..index(entry.date)]
}

/// Where a piece of `der` begins in it.
fn offset(der: &[u8], piece: &[u8]) -> usize {
    piece.as_ptr() as usize - der.as_ptr() as usize
}

fn index(position: u32) -> usize {
    usize::try_from(position).expect("a position in a slice fits a usize")
}
