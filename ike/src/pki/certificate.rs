//! X.509 certificates (RFC 5280 section 4): read once, whole and strictly, and kept as received.
//!
//! What is wrong with the form is refused here. What is only wrong in some place of a path (an unknown critical extension,
//! a certificate of version 1, an authority without keyCertSign) is kept as read and judged by [`super::path`], which can
//! say why it matters.

use std::fmt;
use std::time::Duration;

use der::Decode;
use der::asn1::{AnyRef, BitStringRef};
use rustls_pki_types::CertificateDer;

use super::asn1::{self, Extension, ObjectIdentifier, Signed, hexadecimal};
use super::constraints::NameConstraints;
use super::names::{GeneralName, Name};
use crate::config::identity::{Identity, MAX_IDENTITY};
use crate::crypto::signature::{KeyError, PublicKey};

/// Longest certificate that is taken, in bytes.
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// Most certificates or CRLs of one file.
const MAX_IN_FILE: usize = 1024;

/// Longest serial number, in bytes. RFC 5280 has 20; some authorities have missed that by a few.
const MAX_SERIAL: usize = 32;

/// How many URLs of one kind are kept.
const MAX_URLS: usize = 4;

/// Longest URL that is kept, in bytes.
const MAX_URL: usize = 1024;

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");
const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");
const POLICY_MAPPINGS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.33");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const INHIBIT_ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.54");
const AUTHORITY_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// One X.509 certificate, as received and as read. Immutable.
#[derive(PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    /// What the signature covers, as a range of `der`.
    message: std::ops::Range<usize>,
    /// The contents of the AlgorithmIdentifier of the signature.
    pub(super) algorithm: Vec<u8>,
    pub(super) signature: Vec<u8>,
    /// 1 to 3.
    pub(super) version: u8,
    /// The contents of the INTEGER.
    pub(super) serial: Vec<u8>,
    pub(super) subject: Name,
    pub(super) issuer: Name,
    not_before: Duration,
    not_after: Duration,
    key: PublicKey,
    /// The subjectPublicKey's bits.
    pub(super) key_bits: Vec<u8>,
    pub(super) extensions: Extensions,
    names: Vec<Identity>,
}

/// What the extensions say, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    /// `Some` if there are basicConstraints.
    pub(super) basic_constraints: Option<BasicConstraints>,
    /// Bit n of the BIT STRING is bit n here.
    pub(super) key_usage: Option<u16>,
    pub(super) extended_key_usage: Option<Vec<ObjectIdentifier>>,
    /// `None`: no subjectAltName.
    pub(super) alternative_names: Option<Vec<GeneralName>>,
    pub(super) name_constraints: Option<NameConstraints>,
    pub(super) crl_urls: Vec<String>,
    /// Every name of every distribution point, for the comparison with issuingDistributionPoint.
    pub(super) distribution_points: Vec<GeneralName>,
    pub(super) ocsp_urls: Vec<String>,
    /// Marked critical, and not understood.
    pub(super) unknown_critical: Option<ObjectIdentifier>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BasicConstraints {
    pub(super) authority: bool,
    /// How many authorities may stand between this one and the end entity.
    pub(super) path_length: Option<u64>,
}

/// Why bytes are not a certificate, or not a CRL, that we take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Nothing of what was looked for.
    #[error("there is no {0} in it: neither a PEM block nor DER")]
    Nothing(&'static str),
    /// Too many of them.
    #[error("there are more than {MAX_IN_FILE} in one file")]
    TooMany,
    /// Longer than is taken.
    #[error("it has {length} bytes, more than the {most} that are taken")]
    TooLong {
        /// In bytes.
        length: usize,
        /// In bytes.
        most: usize,
    },
    /// A broken PEM block.
    #[error("a PEM block in it is broken")]
    Pem,
    /// Not what the RFC says that it looks like.
    #[error("it is no well-formed {what} ({error})")]
    Der {
        /// A certificate, or a CRL.
        what: &'static str,
        /// What the decoder says.
        error: String,
    },
    /// Inside and outside of the signature, two different algorithms are named.
    #[error("it names two different signature algorithms")]
    TwoAlgorithms,
    /// A subject or an issuer that cannot be an identity.
    #[error("its {0} is not a distinguished name of at most {MAX_IDENTITY} bytes")]
    Name(&'static str),
    /// A key that we cannot verify with.
    #[error("its key cannot be used: {error}")]
    Key {
        /// Whose.
        subject: Box<Identity>,
        /// Why.
        error: KeyError,
    },
    /// A kind of CRL that would mean something else than it seems to.
    #[error("{0} are not supported")]
    Unsupported(&'static str),
    /// A critical extension that we do not know.
    #[error("it has a critical extension that is not understood ({0})")]
    CriticalExtension(String),
}

impl Certificate {
    /// One certificate from its DER, of at most [`MAX_CERTIFICATE`] bytes, with nothing after it.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        check_length(der, MAX_CERTIFICATE)?;
        let malformed = |error: der::Error| CertificateError::Der {
            what: "certificate",
            error: error.to_string(),
        };
        let signed = asn1::sequence(der, Signed::read).map_err(malformed)?;
        let body = asn1::sequence(signed.message, Body::read).map_err(malformed)?;
        if body.algorithm != signed.algorithm {
            return Err(CertificateError::TwoAlgorithms);
        }
        let subject = Name::parse(body.subject).ok_or(CertificateError::Name("subject"))?;
        let key = PublicKey::from_spki(body.key).map_err(|error| CertificateError::Key {
            subject: Box::new(subject.identity.clone()),
            error,
        })?;
        let start = signed.message.as_ptr() as usize - der.as_ptr() as usize;
        Ok(Self {
            message: start..start + signed.message.len(),
            algorithm: signed.algorithm.to_vec(),
            signature: signed.signature.to_vec(),
            version: body.version,
            serial: body.serial.to_vec(),
            subject,
            issuer: Name::parse(body.issuer).ok_or(CertificateError::Name("issuer"))?,
            not_before: body.not_before,
            not_after: body.not_after,
            key,
            key_bits: body.key_bits.to_vec(),
            names: body
                .extensions
                .alternative_names
                .iter()
                .flatten()
                .filter_map(GeneralName::identity)
                .collect(),
            extensions: body.extensions,
            der: der.to_vec(),
        })
    }

    /// Every certificate of a PEM bundle in its order (other blocks are passed over), or the one of a DER file.
    ///
    /// # Errors
    /// See [`CertificateError`]; also if there is none.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        read_all::<CertificateDer<'_>, _>(bytes, "certificate", Self::parse)
    }

    /// As received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What the signature covers.
    pub(super) fn message(&self) -> &[u8] {
        &self.der[self.message.clone()]
    }

    /// The key that it certifies.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Whose key it is: a distinguished name, perhaps an empty one.
    #[must_use]
    pub const fn subject(&self) -> &Identity {
        &self.subject.identity
    }

    /// Who says so: a distinguished name.
    #[must_use]
    pub const fn issuer(&self) -> &Identity {
        &self.issuer.identity
    }

    /// The serial number in hexadecimal, two digits for each byte of the INTEGER.
    #[must_use]
    pub fn serial(&self) -> String {
        hexadecimal(&self.serial)
    }

    /// The subjectAltName's dNSName, rfc822Name and iPAddress entries. A dNSName with a star is none of them, because a
    /// name in IKE is the name of one (RFC 4945 section 5.1.3.6.1).
    #[must_use]
    pub fn names(&self) -> &[Identity] {
        &self.names
    }

    /// Every entry of the subjectAltName, for people.
    pub(crate) fn alternative_names(&self) -> impl Iterator<Item = String> {
        self.extensions
            .alternative_names
            .iter()
            .flatten()
            .map(GeneralName::to_string)
    }

    /// From when until when it is valid, for people.
    pub(crate) fn validity(&self) -> (String, String) {
        (
            asn1::Date(self.not_before).to_string(),
            asn1::Date(self.not_after).to_string(),
        )
    }

    /// Whether the identity is the subject or among the names (RFC 4945 section 3.1). Never by the subject's CN.
    #[must_use]
    pub fn vouches_for(&self, identity: &Identity) -> bool {
        match identity {
            Identity::DistinguishedName(_) => {
                !self.subject.is_empty()
                    && Name::of(identity).is_some_and(|name| name.same(&self.subject))
            }
            _ => self.names.iter().any(|name| name.matches(identity)),
        }
    }

    /// From when on it is valid, since the Unix epoch.
    #[must_use]
    pub const fn not_before(&self) -> Duration {
        self.not_before
    }

    /// Until when it is valid, since the Unix epoch.
    #[must_use]
    pub const fn not_after(&self) -> Duration {
        self.not_after
    }

    /// Whether it may sign others: cA in basicConstraints; a self-signed certificate of version 1 passes, too, since it can
    /// be nothing else where an authority is asked for.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        match self.extensions.basic_constraints {
            Some(constraints) => constraints.authority,
            None => self.version == 1 && self.is_self_issued(),
        }
    }

    /// Subject and issuer are the same (RFC 5280 section 3.2).
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject.same(&self.issuer)
    }

    /// Where CRLs are: `http://` URLs, at most 4.
    #[must_use]
    pub fn crl_urls(&self) -> &[String] {
        &self.extensions.crl_urls
    }

    /// Where an OCSP responder is: `http://` URLs, at most 4.
    #[must_use]
    pub fn ocsp_urls(&self) -> &[String] {
        &self.extensions.ocsp_urls
    }

    /// SHA-1 of the SubjectPublicKeyInfo, which is how CERTREQ names an authority (RFC 7296 section 3.7).
    #[must_use]
    pub fn key_hash(&self) -> [u8; 20] {
        sha1(self.key.spki())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {})", self.subject(), self.serial())
    }
}

/// SHA-1, where a protocol names a thing by it.
pub(super) fn sha1(bytes: &[u8]) -> [u8; 20] {
    ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes)
        .as_ref()
        .try_into()
        .expect("SHA-1 has 20 bytes")
}

pub(super) fn check_length(der: &[u8], most: usize) -> Result<(), CertificateError> {
    if der.len() <= most {
        return Ok(());
    }
    Err(CertificateError::TooLong {
        length: der.len(),
        most,
    })
}

/// Reads all PEM blocks of the kind `P`, or one DER.
pub(super) fn read_all<P: rustls_pki_types::pem::PemObject + AsRef<[u8]>, T>(
    bytes: &[u8],
    what: &'static str,
    parse: impl Fn(&[u8]) -> Result<T, CertificateError>,
) -> Result<Vec<T>, CertificateError> {
    if bytes.first() == Some(&0x30) {
        return parse(bytes).map(|one| vec![one]);
    }
    let mut all = Vec::new();
    for block in P::pem_slice_iter(bytes) {
        if all.len() == MAX_IN_FILE {
            return Err(CertificateError::TooMany);
        }
        all.push(parse(block.map_err(|_| CertificateError::Pem)?.as_ref())?);
    }
    if all.is_empty() {
        return Err(CertificateError::Nothing(what));
    }
    Ok(all)
}

/// TBSCertificate.
struct Body<'a> {
    version: u8,
    serial: &'a [u8],
    algorithm: &'a [u8],
    issuer: &'a [u8],
    not_before: Duration,
    not_after: Duration,
    subject: &'a [u8],
    key: &'a [u8],
    key_bits: &'a [u8],
    extensions: Extensions,
}

impl<'a> Body<'a> {
    fn read(reader: &mut asn1::Reader<'a>) -> asn1::Result<Self> {
        use der::Reader as _;
        let version = match asn1::field(reader, 0, true)? {
            None => 1,
            Some(version) => match asn1::whole(version, u8::decode)? {
                version @ 0..=2 => version + 1,
                _ => return Err(asn1::value_error(der::Tag::Integer)),
            },
        };
        let serial = asn1::integer(reader)?;
        asn1::at_most(MAX_SERIAL, serial)?;
        let algorithm = asn1::algorithm(reader)?;
        let issuer = reader.tlv_bytes()?;
        let (not_before, not_after) = reader
            .sequence(|reader| Ok::<_, der::Error>((asn1::time(reader)?, asn1::time(reader)?)))?;
        let subject = reader.tlv_bytes()?;
        let key = reader.tlv_bytes()?;
        let key_bits = asn1::sequence(key, |reader| {
            asn1::algorithm(reader)?;
            asn1::bytes(reader)
        })?;
        // issuerUniqueID and subjectUniqueID.
        asn1::field(reader, 1, false)?;
        asn1::field(reader, 2, false)?;
        let extensions = match asn1::field(reader, 3, true)? {
            Some(_) if version < 3 => return Err(asn1::value_error(der::Tag::Integer)),
            Some(extensions) => Extensions::read(extensions)?,
            None => Extensions::default(),
        };
        Ok(Self {
            version,
            serial,
            algorithm,
            issuer,
            not_before,
            not_after,
            subject,
            key,
            key_bits,
            extensions,
        })
    }
}

impl Extensions {
    fn read(der: &[u8]) -> asn1::Result<Self> {
        let mut all = Self::default();
        Extension::each(
            der,
            |Extension {
                 id,
                 critical,
                 value,
             }| {
                match id {
                    KEY_USAGE => {
                        all.key_usage =
                            Some(asn1::flags(asn1::whole(value, BitStringRef::decode)?));
                    }
                    SUBJECT_ALT_NAME => all.alternative_names = Some(GeneralName::read_all(value)?),
                    BASIC_CONSTRAINTS => {
                        all.basic_constraints =
                            Some(asn1::sequence(value, BasicConstraints::read)?);
                    }
                    NAME_CONSTRAINTS => {
                        all.name_constraints = Some(asn1::sequence(value, NameConstraints::read)?);
                    }
                    EXTENDED_KEY_USAGE => {
                        let mut purposes = Vec::new();
                        asn1::each(value, |der| {
                            purposes.push(asn1::whole(der, ObjectIdentifier::decode)?);
                            Ok(())
                        })?;
                        all.extended_key_usage = Some(purposes);
                    }
                    CRL_DISTRIBUTION_POINTS => all.read_distribution_points(value)?,
                    AUTHORITY_INFO_ACCESS => all.read_authority_info_access(value)?,
                    // Without policyConstraints, which we refuse where it is critical, no policy is asked for, and these three
                    // restrict nothing (RFC 5280 section 6.1).
                    CERTIFICATE_POLICIES | POLICY_MAPPINGS | INHIBIT_ANY_POLICY => {}
                    unknown if critical => all.unknown_critical = Some(unknown),
                    _ => {}
                }
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// RFC 5280 section 4.2.1.13. Points with a cRLIssuer of their own are for indirect CRLs, points with reasons for
    /// partial ones; both are passed over.
    fn read_distribution_points(&mut self, der: &[u8]) -> asn1::Result<()> {
        asn1::each(der, |der| {
            asn1::sequence(der, |reader| {
                let name = asn1::field(reader, 0, true)?;
                let reasons = asn1::field(reader, 1, false)?;
                let issuer = asn1::field(reader, 2, true)?;
                if let (Some(name), None, None) = (name, reasons, issuer) {
                    let names = GeneralName::read_distribution_point(name)?;
                    for name in names.into_iter().flatten() {
                        if let GeneralName::Uri(url) = &name {
                            keep_url(&mut self.crl_urls, url);
                        }
                        if self.distribution_points.len() < 4 * MAX_URLS {
                            self.distribution_points.push(name);
                        }
                    }
                }
                Ok(())
            })
        })
    }

    /// RFC 5280 section 4.2.2.1.
    fn read_authority_info_access(&mut self, der: &[u8]) -> asn1::Result<()> {
        asn1::each(der, |der| {
            asn1::sequence(der, |reader| {
                let method = ObjectIdentifier::decode(reader)?;
                let location = GeneralName::read(AnyRef::decode(reader)?)?;
                if let (OCSP, GeneralName::Uri(url)) = (method, location) {
                    keep_url(&mut self.ocsp_urls, &url);
                }
                Ok(())
            })
        })
    }
}

impl BasicConstraints {
    fn read(reader: &mut asn1::Reader<'_>) -> asn1::Result<Self> {
        use der::Reader as _;
        let authority = asn1::next_is(reader, der::Tag::Boolean) && bool::decode(reader)?;
        let path_length = (!reader.is_finished())
            .then(|| u64::decode(reader))
            .transpose()?;
        Ok(Self {
            authority,
            path_length,
        })
    }
}

/// Keeps what can be fetched: an http:// URL without spaces or control characters.
fn keep_url(urls: &mut Vec<String>, url: &str) {
    let scheme = url
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    if scheme
        && url.len() <= MAX_URL
        && url.bytes().all(|byte| byte.is_ascii_graphic())
        && urls.len() < MAX_URLS
        && !urls.iter().any(|known| known == url)
    {
        urls.push(url.to_owned());
    }
}
