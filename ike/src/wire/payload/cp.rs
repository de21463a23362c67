//! The Configuration payload: addresses and other settings asked for or given (RFC 7296 section 3.15).

use crate::wire::codec::{Reader, narrow16, put_u16, with_octets};
use crate::wire::error::WireError;
use crate::wire::numbers::{ConfigAttributeType, ConfigType};

/// Configuration payload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Configuration<'a> {
    /// Request, reply, set or acknowledgement.
    pub kind: ConfigType,
    /// In the order of the message.
    pub attributes: Vec<ConfigurationAttribute<'a>>,
}

with_octets! {
    /// One setting. An empty value in a request leaves the choice to the peer.
    ConfigurationAttribute {
        /// The type, 15 bits.
        kind: ConfigAttributeType,
        ..
        /// The value; its length is for the type to judge.
        value
    }
}

/// The bit before an attribute's type: ignored on receipt, zero on sending.
const RESERVED: u16 = 0x8000;

impl<'a> Configuration<'a> {
    /// The same, independent of the datagram it was read from.
    #[must_use]
    pub fn into_owned(self) -> Configuration<'static> {
        let attributes = self
            .attributes
            .into_iter()
            .map(ConfigurationAttribute::into_owned)
            .collect();
        Configuration {
            kind: self.kind,
            attributes,
        }
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let [kind, ..] = reader.array::<4>()?;
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            let (kind, length) = (
                ConfigAttributeType(reader.u16()? & !RESERVED),
                reader.u16()?,
            );
            attributes.push(ConfigurationAttribute {
                kind,
                value: reader.take(length.into())?.into(),
            });
        }
        Ok(Self {
            kind: ConfigType(kind),
            attributes,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind.0, 0, 0, 0]);
        for attribute in &self.attributes {
            put_u16(out, attribute.kind.0 & !RESERVED);
            put_u16(out, narrow16(attribute.value.len()));
            out.extend_from_slice(&attribute.value);
        }
    }
}
