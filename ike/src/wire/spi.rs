//! Security parameter indexes: 8 octets for an IKE SA, 4 for ESP and AH (RFC 7296 sections 2.6 and 3.3.1).

use std::fmt;

/// One side's SPI of an IKE SA, as in the header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IkeSpi(pub [u8; 8]);

impl IkeSpi {
    /// The responder's SPI in the first request, before it has chosen one.
    pub const ZERO: Self = Self([0; 8]);

    /// Whether no SPI was chosen yet.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        u64::from_be_bytes(self.0) == 0
    }
}

impl fmt::Display for IkeSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for IkeSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An SPI field of a proposal or notify: 0 to 255 octets, no allocation up to 8.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SpiBytes(Repr);

/// Up to 8 octets are always inline, with zeros behind, so that derived equality is equality of the octets.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Inline { length: u8, octets: [u8; 8] },
    Long(Box<[u8]>),
}

impl SpiBytes {
    /// No SPI.
    pub const EMPTY: Self = Self(Repr::Inline {
        length: 0,
        octets: [0; 8],
    });

    /// The octets.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { length, octets } => &octets[..usize::from(*length)],
            Repr::Long(octets) => octets,
        }
    }

    /// The SPI of ESP or AH: exactly 4 octets.
    #[must_use]
    pub fn as_u32(&self) -> Option<u32> {
        self.as_slice().try_into().ok().map(u32::from_be_bytes)
    }

    /// The SPI of an IKE SA: exactly 8 octets.
    #[must_use]
    pub fn as_ike_spi(&self) -> Option<IkeSpi> {
        self.as_slice().try_into().ok().map(IkeSpi)
    }
}

impl Default for SpiBytes {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl std::ops::Deref for SpiBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl From<u32> for SpiBytes {
    fn from(spi: u32) -> Self {
        let mut octets = [0; 8];
        octets[..4].copy_from_slice(&spi.to_be_bytes());
        Self(Repr::Inline { length: 4, octets })
    }
}

impl From<IkeSpi> for SpiBytes {
    fn from(spi: IkeSpi) -> Self {
        Self(Repr::Inline {
            length: 8,
            octets: spi.0,
        })
    }
}

impl TryFrom<&[u8]> for SpiBytes {
    type Error = SpiTooLong;

    fn try_from(octets: &[u8]) -> Result<Self, SpiTooLong> {
        let length = u8::try_from(octets.len()).map_err(|_| SpiTooLong)?;
        if octets.len() > 8 {
            return Ok(Self(Repr::Long(octets.into())));
        }
        let mut inline = [0; 8];
        inline[..octets.len()].copy_from_slice(octets);
        Ok(Self(Repr::Inline {
            length,
            octets: inline,
        }))
    }
}

/// The SPI field of a payload holds at most 255 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an SPI field holds at most 255 octets")]
pub struct SpiTooLong;

impl fmt::Display for SpiBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for SpiBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
