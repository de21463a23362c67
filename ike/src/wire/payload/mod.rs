//! Payloads, and the chain they form: each generic header names the type of the next (RFC 7296 section 3.2).

pub mod auth;
pub mod cp;
pub mod ke;
pub mod notify;
pub mod sa;
pub mod ts;

use super::codec::{Reader, fill_length, with_octets};
use super::error::WireError;
use super::numbers::PayloadType;
use auth::{Authentication, Cert, CertReq, Eap, Identification};
use cp::Configuration;
use ke::{KeyExchange, Nonce};
use notify::{Delete, Notify, VendorId};
use sa::SecurityAssociation;
use ts::TrafficSelectors;

/// Parses the decrypted content of an SK payload, or of the SKF payloads put together. `first` is the type the first
/// generic header belongs to. All octets must be consumed.
///
/// # Errors
/// See [`WireError`]; offsets count from the first decrypted octet.
pub fn parse_chain(first: PayloadType, bytes: &[u8]) -> Result<Vec<Payload<'_>>, WireError> {
    let mut reader = Reader::new(bytes, 0);
    let mut payloads = Vec::new();
    let mut kind = first;
    while kind != PayloadType::NONE {
        if matches!(kind, PayloadType::SK | PayloadType::SKF) {
            return Err(WireError::NestedProtection {
                payload: kind,
                offset: reader.offset(),
            });
        }
        let generic = GenericHeader::read(&mut reader, kind)?;
        payloads.push(Payload::read(kind, generic.critical, generic.body)?);
        kind = generic.next;
    }
    reader.finish()?;
    Ok(payloads)
}

/// Appends the payloads with their generic headers, and returns the type of the first (`NONE` if there is none), which
/// belongs into the header before them.
pub fn encode_chain(payloads: &[Payload<'_>], out: &mut Vec<u8>) -> PayloadType {
    write_chain(payloads, PayloadType::NONE, out)
}

/// As [`encode_chain`], for a chain that goes on with a payload of type `last`.
pub(super) fn write_chain(
    payloads: &[Payload<'_>],
    last: PayloadType,
    out: &mut Vec<u8>,
) -> PayloadType {
    for (index, payload) in payloads.iter().enumerate() {
        let next = payloads.get(index + 1).map_or(last, Payload::payload_type);
        let critical = matches!(
            payload,
            Payload::Unknown(UnknownPayload { critical: true, .. })
        );
        let start = out.len();
        put_generic_header(out, next, critical);
        payload.write(out);
        fill_length(out, start);
    }
    payloads.first().map_or(last, Payload::payload_type)
}

/// Length of the generic payload header in octets.
pub(super) const GENERIC_HEADER: usize = 4;
const CRITICAL: u8 = 0x80;

/// The four octets before every payload, and the body they announce.
pub(super) struct GenericHeader<'a> {
    pub(super) next: PayloadType,
    pub(super) critical: bool,
    pub(super) body: Reader<'a>,
}

impl<'a> GenericHeader<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, payload: PayloadType) -> Result<Self, WireError> {
        reader.set_payload(payload);
        let (offset, available) = (reader.offset(), reader.remaining());
        let [next, flags] = reader.array()?;
        let found = usize::from(reader.u16()?);
        if found < GENERIC_HEADER || found > available {
            return Err(WireError::PayloadLength {
                payload,
                offset,
                found,
                available,
            });
        }
        let body = reader.part(found - GENERIC_HEADER, payload)?;
        reader.set_payload(PayloadType::NONE);
        Ok(Self {
            next: PayloadType(next),
            critical: flags & CRITICAL != 0,
            body,
        })
    }
}

/// Appends a generic header without its length, which [`fill_length`] adds once the body is written.
pub(super) fn put_generic_header(out: &mut Vec<u8>, next: PayloadType, critical: bool) {
    out.extend_from_slice(&[next.0, if critical { CRITICAL } else { 0 }, 0, 0]);
}

/// A payload, without its generic header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Security Association: what is offered or chosen.
    Sa(SecurityAssociation),
    /// Key Exchange.
    Ke(KeyExchange<'a>),
    /// Identification of the initiator.
    IdI(Identification<'a>),
    /// Identification of the responder.
    IdR(Identification<'a>),
    /// Certificate.
    Cert(Cert<'a>),
    /// Certificate Request.
    CertReq(CertReq<'a>),
    /// Authentication.
    Auth(Authentication<'a>),
    /// Nonce.
    Nonce(Nonce<'a>),
    /// Notify.
    Notify(Notify<'a>),
    /// Delete.
    Delete(Delete),
    /// Vendor ID.
    VendorId(VendorId<'a>),
    /// Traffic Selectors of the initiator.
    TsI(TrafficSelectors),
    /// Traffic Selectors of the responder.
    TsR(TrafficSelectors),
    /// Configuration.
    Cp(Configuration<'a>),
    /// Extensible Authentication Protocol.
    Eap(Eap<'a>),
    /// A type we do not process, kept as it came.
    Unknown(UnknownPayload<'a>),
}

with_octets! {
    /// A payload of a type we do not process: 1 to 32 (IKEv1's), GSPM, PS, and all that have no name. Ignored, unless it is
    /// critical: then the parser has refused the message.
    UnknownPayload {
        /// The type, as the header before it said.
        payload_type: PayloadType,
        /// The critical bit. A parsed one is always false.
        critical: bool,
        ..
        /// What follows the generic header.
        body
    }
}

impl<'a> Payload<'a> {
    /// The type that the header before this payload names.
    #[must_use]
    pub const fn payload_type(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::SA,
            Self::Ke(_) => PayloadType::KE,
            Self::IdI(_) => PayloadType::IDI,
            Self::IdR(_) => PayloadType::IDR,
            Self::Cert(_) => PayloadType::CERT,
            Self::CertReq(_) => PayloadType::CERTREQ,
            Self::Auth(_) => PayloadType::AUTH,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notify(_) => PayloadType::NOTIFY,
            Self::Delete(_) => PayloadType::DELETE,
            Self::VendorId(_) => PayloadType::VENDOR_ID,
            Self::TsI(_) => PayloadType::TSI,
            Self::TsR(_) => PayloadType::TSR,
            Self::Cp(_) => PayloadType::CP,
            Self::Eap(_) => PayloadType::EAP,
            Self::Unknown(unknown) => unknown.payload_type,
        }
    }

    /// The same payload, independent of the datagram it was read from.
    #[must_use]
    pub fn into_owned(self) -> Payload<'static> {
        match self {
            Self::Sa(sa) => Payload::Sa(sa),
            Self::Ke(ke) => Payload::Ke(ke.into_owned()),
            Self::IdI(id) => Payload::IdI(id.into_owned()),
            Self::IdR(id) => Payload::IdR(id.into_owned()),
            Self::Cert(cert) => Payload::Cert(cert.into_owned()),
            Self::CertReq(request) => Payload::CertReq(request.into_owned()),
            Self::Auth(auth) => Payload::Auth(auth.into_owned()),
            Self::Nonce(nonce) => Payload::Nonce(nonce.into_owned()),
            Self::Notify(notify) => Payload::Notify(notify.into_owned()),
            Self::Delete(delete) => Payload::Delete(delete),
            Self::VendorId(vendor) => Payload::VendorId(vendor.into_owned()),
            Self::TsI(selectors) => Payload::TsI(selectors),
            Self::TsR(selectors) => Payload::TsR(selectors),
            Self::Cp(configuration) => Payload::Cp(configuration.into_owned()),
            Self::Eap(eap) => Payload::Eap(eap.into_owned()),
            Self::Unknown(unknown) => Payload::Unknown(unknown.into_owned()),
        }
    }

    /// Reads the body of a payload; the critical bit only counts on a type we do not know (RFC 7296 section 2.5).
    pub(super) fn read(
        kind: PayloadType,
        critical: bool,
        mut body: Reader<'a>,
    ) -> Result<Self, WireError> {
        let reader = &mut body;
        let payload = match kind {
            PayloadType::SA => Self::Sa(SecurityAssociation::read(reader)?),
            PayloadType::KE => Self::Ke(KeyExchange::read(reader)?),
            PayloadType::IDI => Self::IdI(Identification::read(reader)?),
            PayloadType::IDR => Self::IdR(Identification::read(reader)?),
            PayloadType::CERT => Self::Cert(Cert::read(reader)?),
            PayloadType::CERTREQ => Self::CertReq(CertReq::read(reader)?),
            PayloadType::AUTH => Self::Auth(Authentication::read(reader)?),
            PayloadType::NONCE => Self::Nonce(Nonce::read(reader)?),
            PayloadType::NOTIFY => Self::Notify(Notify::read(reader)?),
            PayloadType::DELETE => Self::Delete(Delete::read(reader)?),
            PayloadType::VENDOR_ID => Self::VendorId(VendorId {
                data: reader.take_rest().into(),
            }),
            PayloadType::TSI => Self::TsI(TrafficSelectors::read(reader)?),
            PayloadType::TSR => Self::TsR(TrafficSelectors::read(reader)?),
            PayloadType::CP => Self::Cp(Configuration::read(reader)?),
            PayloadType::EAP => Self::Eap(Eap::read(reader)?),
            _ if critical => return Err(WireError::UnsupportedCritical(kind.0)),
            _ => Self::Unknown(UnknownPayload {
                payload_type: kind,
                critical,
                body: reader.take_rest().into(),
            }),
        };
        body.finish()?;
        Ok(payload)
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sa(sa) => sa.write(out),
            Self::Ke(ke) => ke.write(out),
            Self::IdI(id) | Self::IdR(id) => id.write(out),
            Self::Cert(cert) => cert.write(out),
            Self::CertReq(request) => request.write(out),
            Self::Auth(auth) => auth.write(out),
            Self::Nonce(nonce) => out.extend_from_slice(&nonce.data),
            Self::Notify(notify) => notify.write(out),
            Self::Delete(delete) => delete.write(out),
            Self::VendorId(vendor) => out.extend_from_slice(&vendor.data),
            Self::TsI(selectors) | Self::TsR(selectors) => selectors.write(out),
            Self::Cp(configuration) => configuration.write(out),
            Self::Eap(eap) => out.extend_from_slice(&eap.message),
            Self::Unknown(unknown) => out.extend_from_slice(&unknown.body),
        }
    }
}
