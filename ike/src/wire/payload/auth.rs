//! Who somebody is and what proves it: identification (RFC 7296 section 3.5), certificates and requests for them
//! (sections 3.6 and 3.7), authentication (3.8) and EAP (3.16).

use crate::wire::codec::{Reader, with_octets};
use crate::wire::error::{Allowed, Field, WireError};
use crate::wire::numbers::{AuthMethod, CertEncoding, IdType};

with_octets! {
    /// Identification payload, of either side.
    Identification {
        /// How to read the data.
        id_type: IdType,
        /// Reserved octets, kept as received, because the peer's AUTH covers them.
        reserved: [u8; 3],
        ..
        /// The identity: any octets the peer likes, also none.
        data
    }
}

impl<'a> Identification<'a> {
    /// An identity of ours.
    pub fn new(id_type: IdType, data: impl Into<std::borrow::Cow<'a, [u8]>>) -> Self {
        Self {
            id_type,
            reserved: [0; 3],
            data: data.into(),
        }
    }

    /// The octets that AUTH covers (RestOfInitIDPayload and RestOfRespIDPayload in RFC 7296 section 2.15): all after the
    /// generic header, as received.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.data.len());
        self.write(&mut out);
        out
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let id_type = IdType(reader.u8()?);
        Ok(Self {
            id_type,
            reserved: reader.array()?,
            data: reader.take_rest().into(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.id_type.0);
        out.extend_from_slice(&self.reserved);
        out.extend_from_slice(&self.data);
    }
}

with_octets! {
    /// Certificate payload.
    Cert {
        /// How to read the data.
        encoding: CertEncoding,
        ..
        /// The certificate, or whatever else the encoding says.
        data
    }
}

impl<'a> Cert<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(Self {
            encoding: CertEncoding(reader.u8()?),
            data: reader.take_rest().into(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.encoding.0);
        out.extend_from_slice(&self.data);
    }
}

with_octets! {
    /// Certificate Request payload.
    CertReq {
        /// The encoding that is asked for.
        encoding: CertEncoding,
        ..
        /// For X.509: SHA-1 hashes of the trusted authorities' public keys, 20 octets each.
        data
    }
}

impl<'a> CertReq<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(Self {
            encoding: CertEncoding(reader.u8()?),
            data: reader.take_rest().into(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.encoding.0);
        out.extend_from_slice(&self.data);
    }
}

with_octets! {
    /// Authentication payload.
    Authentication {
        /// How the data was made.
        method: AuthMethod,
        ..
        /// Signature or message authentication code.
        data
    }
}

impl<'a> Authentication<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let [method, ..] = reader.array::<4>()?;
        Ok(Self {
            method: AuthMethod(method),
            data: reader.take_rest().into(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.method.0, 0, 0, 0]);
        out.extend_from_slice(&self.data);
    }
}

with_octets! {
    /// EAP payload: one EAP message (RFC 3748 section 4) whose length field is right.
    Eap {
        ..
        /// Code, identifier, length, and what follows: at least 4 octets.
        message
    }
}

impl<'a> Eap<'a> {
    /// Length of an EAP message without data: code, identifier and length.
    const HEADER: usize = 4;

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let (start, whole) = (reader.offset(), reader.clone());
        reader.u16()?;
        let length = usize::from(reader.u16()?);
        let present = Self::HEADER + reader.remaining();
        reader.check(Field::EapLength, start + 2, length, Allowed::only(present))?;
        reader.take_rest();
        Ok(Self {
            message: whole.clone().take_rest().into(),
        })
    }
}
