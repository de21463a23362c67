//! OCSP replies (RFC 6960) for tests, signed with Ed25519.

use std::time::Duration;

use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier};
use der::{Encode, Tag, TagNumber};
use ike::crypto::signature::SignatureScheme;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::certificates::Authority;
use crate::node::WALL;

const HOUR: Duration = Duration::from_secs(3600);
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What a reply says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was not revoked.
    Good,
    /// It was, an hour ago.
    Revoked,
    /// The responder has not heard of it.
    Unknown,
}

/// A reply about one certificate.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Its serial number.
    pub serial: u64,
    /// What is said of it.
    pub status: Status,
    /// thisUpdate and nextUpdate, in hours from now.
    pub hours: (i32, i32),
}

impl Reply {
    /// One of an hour ago that is good for a day.
    #[must_use]
    pub const fn of(serial: u64, status: Status) -> Self {
        Self {
            serial,
            status,
            hours: (-1, 23),
        }
    }

    /// The OCSPResponse about a certificate of `issuer`, by `responder`.
    ///
    /// # Panics
    /// Where the responder's key is not Ed25519.
    #[must_use]
    pub fn signed(&self, issuer: &Authority, responder: &Authority) -> Vec<u8> {
        let status = match self.status {
            Status::Good => element(context(0, false), &[]),
            Status::Revoked => element(context(1, true), &[&time(-1)]),
            Status::Unknown => element(context(2, false), &[]),
        };
        let single = sequence(&[
            &self.certificate_id(issuer),
            &status,
            &time(self.hours.0),
            &element(context(0, true), &[&time(self.hours.1)]),
        ]);
        let message = sequence(&[
            &element(context(1, true), &[&name(responder)]),
            &time(0),
            &sequence(&[&single]),
        ]);
        let signature = responder.key().sign(SignatureScheme::Ed25519, &message);
        let signature = signature.expect("a key of Ed25519");
        let basic = sequence(&[
            &message,
            &sequence(&[&encoded(&ED25519)]),
            &element(Tag::BitString, &[&[0], &signature]),
        ]);
        let body = sequence(&[&encoded(&BASIC), &element(Tag::OctetString, &[&basic])]);
        sequence(&[
            &element(Tag::Enumerated, &[&[0]]),
            &element(context(0, true), &[&body]),
        ])
    }

    /// CertID.
    fn certificate_id(&self, issuer: &Authority) -> Vec<u8> {
        let hash = |bytes: &[u8]| {
            let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
            element(Tag::OctetString, &[hash.as_ref()])
        };
        let spki = issuer.certificate().public_key().spki().to_vec();
        // An Ed25519 key stands at the end of its SubjectPublicKeyInfo.
        let key = &spki[spki.len() - 32..];
        sequence(&[
            &sequence(&[&encoded(&SHA1)]),
            &hash(&name(issuer)),
            &hash(key),
            &encoded(&self.serial),
        ])
    }
}

/// authorityInfoAccess that names an OCSP responder (RFC 5280 section 4.2.2.1): the contents of the extension.
#[must_use]
pub fn authority_info_access(url: &str) -> Vec<u8> {
    const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
    let location = element(context(6, false), &[url.as_bytes()]);
    sequence(&[&sequence(&[&encoded(&OCSP), &location])])
}

fn name(authority: &Authority) -> Vec<u8> {
    authority.certificate().subject().to_octets()
}

/// GeneralizedTime, so many hours from now.
fn time(hours: i32) -> Vec<u8> {
    let distance = HOUR * hours.unsigned_abs();
    let at = if hours < 0 {
        WALL - distance
    } else {
        WALL + distance
    };
    encoded(&GeneralizedTime::from_unix_duration(at).expect("a date"))
}

const fn context(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific {
        constructed,
        number: TagNumber(number),
    }
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(Tag::Sequence, parts)
}

fn element(tag: Tag, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    encoded(&AnyRef::new(tag, &contents).expect("short"))
}

fn encoded(value: &impl Encode) -> Vec<u8> {
    value.to_der().expect("short")
}
