//! Why octets are not a message (RFC 7296 sections 2.5 and 2.21).

use super::numbers::{NotifyType, PayloadType};
use std::fmt;

/// A fault in a received message: what it is, in which payload and at which octet.
///
/// Offsets count from the first octet of what was parsed: the datagram for [`super::Message::parse`], the decrypted octets
/// for [`super::parse_chain`]. `PayloadType::NONE` stands for the chain itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Too short for an IKE header.
    #[error("the datagram has {found} octets, an IKE header needs 28")]
    ShortHeader {
        /// Length of the datagram in octets.
        found: usize,
    },
    /// The header's length field is not the datagram's length.
    #[error("the header says {declared} octets, the datagram has {found}")]
    HeaderLength {
        /// The header's length field.
        declared: u32,
        /// Length of the datagram in octets.
        found: usize,
    },
    /// Not IKEv2. Major version 1 is IKEv1 (deprecated by RFC 9395).
    #[error("IKE version {major}.{minor}, this is IKEv2")]
    MajorVersion {
        /// Major version in the header.
        major: u8,
        /// Minor version in the header.
        minor: u8,
    },
    /// A payload of a type we do not know, which its sender declares critical.
    #[error("payload type {0} is not supported, and critical to the sender")]
    UnsupportedCritical(u8),
    /// A payload whose length is below its header's, or beyond the message's end.
    #[error("{payload} payload at octet {offset}: length is {found}, allowed is 4 to {available}")]
    PayloadLength {
        /// Type of the payload.
        payload: PayloadType,
        /// Where its generic header starts.
        offset: usize,
        /// Its length field.
        found: usize,
        /// Octets left from `offset` on.
        available: usize,
    },
    /// A structure ends before its last field.
    #[error("{payload} payload, octet {offset}: {needed} octets needed, {available} left")]
    Truncated {
        /// Type of the payload.
        payload: PayloadType,
        /// Where the field starts.
        offset: usize,
        /// Length of the field in octets.
        needed: usize,
        /// Octets left.
        available: usize,
    },
    /// Octets behind the last payload, or behind the last field of a payload.
    #[error("{}, octet {offset}: {extra} octets too many", within(*payload))]
    TrailingOctets {
        /// Type of the payload; `NONE` if the chain had ended.
        payload: PayloadType,
        /// The first octet too many.
        offset: usize,
        /// How many there are.
        extra: usize,
    },
    /// A field whose value cannot be right.
    #[error("{payload} payload, octet {offset}: {field} is {found}, allowed is {allowed}")]
    InvalidField {
        /// Type of the payload.
        payload: PayloadType,
        /// Where the field, or the structure it belongs to, starts.
        offset: usize,
        /// Which field.
        field: Field,
        /// Its value.
        found: usize,
        /// What it may be.
        allowed: Allowed,
    },
    /// A traffic selector whose addresses or ports end before they start.
    #[error("{payload} payload, octet {offset}: the range ends before it starts")]
    InvertedRange {
        /// Type of the payload.
        payload: PayloadType,
        /// Where the selector starts.
        offset: usize,
    },
    /// An SK or SKF payload within the decrypted payloads.
    #[error("{payload} payload at octet {offset}, within an encrypted payload")]
    NestedProtection {
        /// SK or SKF.
        payload: PayloadType,
        /// Where its generic header starts.
        offset: usize,
    },
    /// A fragment whose number is 0 or above the total, RFC 7383 section 2.6.
    #[error("fragment {number} of {total}")]
    FragmentNumber {
        /// Fragment Number field.
        number: u16,
        /// Total Fragments field.
        total: u16,
    },
}

/// What a fault is in: a payload, or the chain of them.
fn within(payload: PayloadType) -> String {
    match payload {
        PayloadType::NONE => "behind the last payload".into(),
        payload => format!("{payload} payload"),
    }
}

impl WireError {
    /// A name that stays the same over versions, for logs, metrics and scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ShortHeader { .. } => "short-header",
            Self::HeaderLength { .. } => "header-length",
            Self::MajorVersion { .. } => "major-version",
            Self::UnsupportedCritical(_) => "unsupported-critical-payload",
            Self::PayloadLength { .. } => "payload-length",
            Self::Truncated { .. } => "truncated",
            Self::TrailingOctets { .. } => "trailing-octets",
            Self::InvalidField { field, .. } => field.code(),
            Self::InvertedRange { .. } => "inverted-range",
            Self::NestedProtection { .. } => "nested-protection",
            Self::FragmentNumber { .. } => "fragment-number",
        }
    }

    /// The notify that tells the sender, if the RFC has one. `None`: drop the datagram in silence.
    #[must_use]
    pub const fn notify(&self) -> Option<NotifyType> {
        match self {
            Self::ShortHeader { .. } | Self::HeaderLength { .. } | Self::FragmentNumber { .. } => {
                None
            }
            Self::MajorVersion { .. } => Some(NotifyType::INVALID_MAJOR_VERSION),
            Self::UnsupportedCritical(_) => Some(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD),
            Self::PayloadLength { .. }
            | Self::Truncated { .. }
            | Self::TrailingOctets { .. }
            | Self::InvalidField { .. }
            | Self::InvertedRange { .. }
            | Self::NestedProtection { .. } => Some(NotifyType::INVALID_SYNTAX),
        }
    }
}

/// A field that [`WireError::InvalidField`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// Last Substruc of a proposal or transform, RFC 7296 section 3.3.1.
    LastSubstructure,
    /// Length of a proposal, transform or traffic selector.
    SubstructureLength,
    /// Num Transforms of a proposal.
    TransformCount,
    /// Protocol ID.
    Protocol,
    /// SPI Size.
    SpiSize,
    /// Num of SPIs of a Delete payload.
    SpiCount,
    /// Length of a nonce in octets.
    NonceLength,
    /// Number of TSs.
    SelectorCount,
    /// Length field of an EAP message.
    EapLength,
}

impl Field {
    /// The stable name within [`WireError::code`].
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::LastSubstructure => "last-substructure",
            Self::SubstructureLength => "substructure-length",
            Self::TransformCount => "transform-count",
            Self::Protocol => "protocol",
            Self::SpiSize => "spi-size",
            Self::SpiCount => "spi-count",
            Self::NonceLength => "nonce-length",
            Self::SelectorCount => "selector-count",
            Self::EapLength => "eap-length",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The values a field may have, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Allowed {
    /// The least.
    pub least: usize,
    /// The greatest.
    pub most: usize,
}

impl Allowed {
    /// One value.
    #[must_use]
    pub const fn only(value: usize) -> Self {
        Self {
            least: value,
            most: value,
        }
    }

    /// A range of values, both ends included.
    #[must_use]
    pub const fn range(least: usize, most: usize) -> Self {
        Self { least, most }
    }

    /// Whether `value` is one of them.
    #[must_use]
    pub const fn contains(self, value: usize) -> bool {
        self.least <= value && value <= self.most
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.least == self.most {
            return write!(f, "{}", self.least);
        }
        write!(f, "{} to {}", self.least, self.most)
    }
}
