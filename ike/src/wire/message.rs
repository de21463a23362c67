//! A whole datagram: header, payloads in clear, and at most one encrypted payload, which is the last
//! (RFC 7296 sections 3.1, 3.2, 3.14; RFC 7383 section 2.5).

use super::codec::{Hex, Reader, fill_length, narrow16, put_u16};
use super::error::WireError;
use super::header::Header;
use super::numbers::PayloadType;
use super::payload::{GENERIC_HEADER, GenericHeader, Payload, put_generic_header, write_chain};
use std::fmt;

/// Major version of the protocol spoken here.
const MAJOR: u8 = 2;

/// A parsed datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The header as received.
    pub header: Header,
    /// The payloads in clear, in the order of the message.
    pub payloads: Vec<Payload<'a>>,
    /// The SK or SKF payload, which ends the message.
    pub protected: Option<Protected<'a>>,
}

impl<'a> Message<'a> {
    /// Parses a datagram (without the non-ESP marker of port 4500).
    ///
    /// # Errors
    /// See [`WireError`]; [`WireError::notify`] says which of them the sender may hear of.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, WireError> {
        let header = Header::parse(datagram)?;
        if header.major != MAJOR {
            return Err(WireError::MajorVersion {
                major: header.major,
                minor: header.minor,
            });
        }
        if u32::try_from(datagram.len()) != Ok(header.length) {
            return Err(WireError::HeaderLength {
                declared: header.length,
                found: datagram.len(),
            });
        }
        let mut reader = Reader::new(&datagram[Header::LENGTH..], Header::LENGTH);
        let mut payloads = Vec::new();
        let mut protected = None;
        let mut kind = header.next_payload;
        while kind != PayloadType::NONE {
            let generic = GenericHeader::read(&mut reader, kind)?;
            if matches!(kind, PayloadType::SK | PayloadType::SKF) {
                protected = Some(Protected::read(datagram, kind, generic)?);
                break;
            }
            payloads.push(Payload::read(kind, generic.critical, generic.body)?);
            kind = generic.next;
        }
        reader.finish()?;
        Ok(Self {
            header,
            payloads,
            protected,
        })
    }

    /// The octets of the message. `next_payload` and `length` of the header are computed. A message in which the sender
    /// left reserved fields zero gives the octets it was parsed from.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Not the header's length: an answer may reuse a header from a stranger, and that number is theirs.
        let body = self
            .protected
            .as_ref()
            .map_or(0, |protected| protected.body.len());
        let mut out = Vec::with_capacity(Header::LENGTH + 64 * self.payloads.len() + 8 + body);
        self.header.write(&mut out);
        let last = self
            .protected
            .as_ref()
            .map_or(PayloadType::NONE, Protected::payload_type);
        let first = write_chain(&self.payloads, last, &mut out);
        if let Some(protected) = &self.protected {
            let start = out.len();
            put_generic_header(&mut out, protected.first_inner, protected.critical);
            put_fragment(&mut out, protected.fragment);
            out.extend_from_slice(protected.body);
            fill_length(&mut out, start);
        }
        let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
        out[16] = first.0;
        out[24..28].copy_from_slice(&length.to_be_bytes());
        out
    }
}

/// An SK or SKF payload, still encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct Protected<'a> {
    /// Which part of the whole this is, for SKF; `None` for SK.
    pub fragment: Option<Fragment>,
    /// Type of the first payload inside. Meaningless in fragments other than the first.
    pub first_inner: PayloadType,
    /// The critical bit as received. It has no meaning on a known payload.
    pub critical: bool,
    /// From the first octet of the header to the last before the IV: an AEAD's associated data (RFC 5282 section 5.1).
    pub associated: &'a [u8],
    /// IV, ciphertext and integrity check value.
    pub body: &'a [u8],
}

impl<'a> Protected<'a> {
    /// SK or SKF.
    #[must_use]
    pub const fn payload_type(&self) -> PayloadType {
        if self.fragment.is_some() {
            PayloadType::SKF
        } else {
            PayloadType::SK
        }
    }

    fn read(
        datagram: &'a [u8],
        kind: PayloadType,
        generic: GenericHeader<'a>,
    ) -> Result<Self, WireError> {
        let mut reader = generic.body;
        let fragment = if kind == PayloadType::SKF {
            let (number, total) = (reader.u16()?, reader.u16()?);
            if number == 0 || number > total {
                return Err(WireError::FragmentNumber { number, total });
            }
            Some(Fragment { number, total })
        } else {
            None
        };
        Ok(Self {
            fragment,
            first_inner: generic.next,
            critical: generic.critical,
            associated: &datagram[..reader.offset()],
            body: reader.take_rest(),
        })
    }
}

impl fmt::Debug for Protected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protected")
            .field("fragment", &self.fragment)
            .field("first_inner", &self.first_inner)
            .field("critical", &self.critical)
            .field("body", &Hex(self.body))
            .finish_non_exhaustive()
    }
}

/// The place of an SKF payload's content in the whole. A parsed one has `1 <= number <= total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// Fragment Number, from 1.
    pub number: u16,
    /// Total Fragments.
    pub total: u16,
}

/// The start of a protected message: header and SK or SKF header, to which the caller appends the `body_length` octets of
/// IV, ciphertext and integrity check value. All lengths and next-payload fields are filled in, and there is room for the
/// body, so that what is returned is the associated data and, after appending, the datagram.
///
/// Only the first fragment names the first inner payload (RFC 7383 section 2.5).
#[must_use]
pub fn begin_protected(
    header: &Header,
    fragment: Option<Fragment>,
    first_inner: PayloadType,
    body_length: usize,
) -> Vec<u8> {
    let (next_payload, fragment_header) = match fragment {
        Some(_) => (PayloadType::SKF, 4),
        None => (PayloadType::SK, 0),
    };
    let payload_length = GENERIC_HEADER + fragment_header + body_length;
    let length = Header::LENGTH + payload_length;
    let mut out = Vec::with_capacity(length);
    Header {
        next_payload,
        length: u32::try_from(length).unwrap_or(u32::MAX),
        ..*header
    }
    .write(&mut out);
    let named = fragment.is_none_or(|fragment| fragment.number == 1);
    out.extend_from_slice(&[if named { first_inner.0 } else { 0 }, 0]);
    put_u16(&mut out, narrow16(payload_length));
    put_fragment(&mut out, fragment);
    out
}

fn put_fragment(out: &mut Vec<u8>, fragment: Option<Fragment>) {
    if let Some(Fragment { number, total }) = fragment {
        put_u16(out, number);
        put_u16(out, total);
    }
}
