//! The IKE header, 28 octets (RFC 7296 section 3.1).

use super::codec::{Reader, put_u32};
use super::error::WireError;
use super::numbers::{ExchangeType, PayloadType};
use super::spi::IkeSpi;

/// The first 28 octets of every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// SPI of the original initiator, never zero in a message that makes sense.
    pub initiator_spi: IkeSpi,
    /// SPI of the original responder, zero until it has answered.
    pub responder_spi: IkeSpi,
    /// Type of the first payload. [`super::Message::encode`] fills it in.
    pub next_payload: PayloadType,
    /// Major version, 2. Four bits.
    pub major: u8,
    /// Minor version, 0. Four bits.
    pub minor: u8,
    /// What the message belongs to.
    pub exchange: ExchangeType,
    /// Who sends, and whether it answers.
    pub flags: Flags,
    /// Numbers requests, and names the request that a response answers.
    pub message_id: u32,
    /// Length of the whole message in octets. [`super::Message::encode`] fills it in.
    pub length: u32,
}

impl Header {
    /// Length of the header in octets.
    pub const LENGTH: usize = 28;

    /// Reads the header at the start of `bytes`, whatever its version and length field say: an answer to a higher major
    /// version needs its fields (RFC 7296 section 2.5).
    ///
    /// # Errors
    /// [`WireError::ShortHeader`] below 28 octets.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        Self::read(&mut Reader::new(bytes, 0))
            .map_err(|_| WireError::ShortHeader { found: bytes.len() })
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let initiator_spi = IkeSpi(reader.array()?);
        let responder_spi = IkeSpi(reader.array()?);
        let [next_payload, version, exchange, flags] = reader.array()?;
        Ok(Self {
            initiator_spi,
            responder_spi,
            next_payload: PayloadType(next_payload),
            major: version >> 4,
            minor: version & 0x0f,
            exchange: ExchangeType(exchange),
            flags: Flags::from_octet(flags),
            message_id: reader.u32()?,
            length: reader.u32()?,
        })
    }

    /// Appends the 28 octets. Reserved flags are sent as zero.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.initiator_spi.0);
        out.extend_from_slice(&self.responder_spi.0);
        let version = self.major << 4 | self.minor & 0x0f;
        out.extend_from_slice(&[
            self.next_payload.0,
            version,
            self.exchange.0,
            self.flags.to_octet(),
        ]);
        put_u32(out, self.message_id);
        put_u32(out, self.length);
    }
}

/// The flags of the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// I: sent by the original initiator of the IKE SA.
    pub initiator: bool,
    /// V: the sender could speak a higher major version. Not set by IKEv2, ignored on receipt.
    pub version: bool,
    /// R: answers the request with the same message ID.
    pub response: bool,
    /// The reserved bits in their places (mask 0xc7), as received. Ignored, and zero on sending.
    pub reserved: u8,
}

impl Flags {
    const INITIATOR: u8 = 0x08;
    const VERSION: u8 = 0x10;
    const RESPONSE: u8 = 0x20;

    const fn from_octet(octet: u8) -> Self {
        Self {
            initiator: octet & Self::INITIATOR != 0,
            version: octet & Self::VERSION != 0,
            response: octet & Self::RESPONSE != 0,
            reserved: octet & !(Self::INITIATOR | Self::VERSION | Self::RESPONSE),
        }
    }

    const fn to_octet(self) -> u8 {
        (if self.initiator { Self::INITIATOR } else { 0 })
            | (if self.version { Self::VERSION } else { 0 })
            | (if self.response { Self::RESPONSE } else { 0 })
    }
}
