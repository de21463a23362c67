//! What one side tells the other: notifies (RFC 7296 section 3.10), deleted SAs (3.11) and vendor IDs (3.12).

use crate::wire::codec::{Reader, narrow8, narrow16, put_u16, put_u32, with_octets};
use crate::wire::error::{Allowed, Field, WireError};
use crate::wire::numbers::{NotifyType, ProtocolId};
use crate::wire::spi::SpiBytes;
use std::borrow::Cow;

with_octets! {
    /// Notify payload.
    Notify {
        /// The SA's protocol, `NONE` where the notify concerns no SA.
        protocol: ProtocolId,
        /// The SA's SPI, empty where the notify concerns none.
        spi: SpiBytes,
        /// What is notified.
        kind: NotifyType,
        ..
        /// Notification data; its length is for the type to judge.
        data
    }
}

impl<'a> Notify<'a> {
    /// A notify that concerns no SA in particular.
    pub fn new(kind: NotifyType, data: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            protocol: ProtocolId::NONE,
            spi: SpiBytes::EMPTY,
            kind,
            data: data.into(),
        }
    }

    /// The same, about one SA.
    #[must_use]
    pub fn about(self, protocol: ProtocolId, spi: impl Into<SpiBytes>) -> Self {
        Self {
            protocol,
            spi: spi.into(),
            ..self
        }
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let [protocol, spi_size] = reader.array()?;
        let kind = NotifyType(reader.u16()?);
        let spi = reader.spi(spi_size)?;
        Ok(Self {
            protocol: ProtocolId(protocol),
            spi,
            kind,
            data: reader.take_rest().into(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.protocol.0, narrow8(self.spi.len())]);
        put_u16(out, self.kind.0);
        out.extend_from_slice(&self.spi);
        out.extend_from_slice(&self.data);
    }
}

/// Delete payload: SAs of one protocol that are gone, named by the SPIs the sender receives with.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Delete {
    /// IKE, for the IKE SA that protects the message; AH or ESP.
    pub protocol: ProtocolId,
    /// SPIs for AH and ESP, none for IKE.
    pub spis: Vec<u32>,
}

impl Delete {
    /// The IKE SA that protects the message.
    #[must_use]
    pub const fn ike() -> Self {
        Self {
            protocol: ProtocolId::IKE,
            spis: Vec::new(),
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let start = reader.offset();
        let [protocol, spi_size] = reader.array()?;
        let count = usize::from(reader.u16()?);
        let protocols = Allowed::range(ProtocolId::IKE.0.into(), ProtocolId::ESP.0.into());
        reader.check(Field::Protocol, start, protocol.into(), protocols)?;
        let protocol = ProtocolId(protocol);
        let size = Self::spi_size(protocol);
        reader.check(
            Field::SpiSize,
            start + 1,
            spi_size.into(),
            Allowed::only(size.into()),
        )?;
        // An IKE SA has no SPI here, and so nothing to count.
        let present = reader.remaining().checked_div(size.into()).unwrap_or(0);
        reader.check(Field::SpiCount, start + 2, count, Allowed::only(present))?;
        let spis = (0..count).map(|_| reader.u32()).collect::<Result<_, _>>()?;
        Ok(Self { protocol, spis })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.protocol.0, Self::spi_size(self.protocol)]);
        put_u16(out, narrow16(self.spis.len()));
        self.spis.iter().for_each(|&spi| put_u32(out, spi));
    }

    fn spi_size(protocol: ProtocolId) -> u8 {
        if protocol == ProtocolId::IKE { 0 } else { 4 }
    }
}

impl std::fmt::Debug for Delete {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Delete {{ {}, {} SPIs", self.protocol, self.spis.len())?;
        self.spis
            .iter()
            .take(4)
            .try_for_each(|spi| write!(f, " {spi:08x}"))?;
        f.write_str(if self.spis.len() > 4 { "... }" } else { " }" })
    }
}

with_octets! {
    /// Vendor ID payload.
    VendorId {
        ..
        /// Whatever the vendor chose. It never changes what we accept.
        data
    }
}
