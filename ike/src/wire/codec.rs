//! Reading octets with every bound checked, and writing them back.
//!
//! A [`Reader`] knows where in the datagram it stands and which payload it reads, so that every error can say so.

use super::error::{Allowed, Field, WireError};
use super::numbers::PayloadType;
use super::spi::SpiBytes;
use std::fmt;

/// Octets still to be read, and where they stand.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
    payload: PayloadType,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, the first of which is number `offset`.
    pub(super) const fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self {
            rest: bytes,
            offset,
            payload: PayloadType::NONE,
        }
    }

    /// The next `length` octets as a reader of their own, for `payload`.
    pub(super) fn part(&mut self, length: usize, payload: PayloadType) -> Result<Self, WireError> {
        let offset = self.offset;
        Ok(Self {
            rest: self.take(length)?,
            offset,
            payload,
        })
    }

    /// The next `length` octets as a reader of their own, for a structure within the same payload.
    pub(super) fn same_part(&mut self, length: usize) -> Result<Self, WireError> {
        self.part(length, self.payload)
    }

    /// The payload that errors name.
    pub(super) fn set_payload(&mut self, payload: PayloadType) {
        self.payload = payload;
    }

    /// Number of the next octet.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// How many octets are left.
    pub(super) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.truncated(count))?;
        self.rest = rest;
        self.offset += count;
        Ok(taken)
    }

    /// Everything that is left.
    pub(super) fn take_rest(&mut self) -> &'a [u8] {
        self.offset += self.rest.len();
        std::mem::take(&mut self.rest)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.truncated(N))?;
        self.rest = rest;
        self.offset += N;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    /// An SPI of `size` octets.
    pub(super) fn spi(&mut self, size: u8) -> Result<SpiBytes, WireError> {
        let octets = self.take(size.into())?;
        Ok(SpiBytes::try_from(octets).expect("a size of 8 bits is at most 255"))
    }

    /// Nothing may be left.
    pub(super) const fn finish(&self) -> Result<(), WireError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(WireError::TrailingOctets {
            payload: self.payload,
            offset: self.offset,
            extra: self.rest.len(),
        })
    }

    /// Holds `found`, read at `offset`, against what is allowed there.
    pub(super) fn check(
        &self,
        field: Field,
        offset: usize,
        found: usize,
        allowed: Allowed,
    ) -> Result<(), WireError> {
        if allowed.contains(found) {
            return Ok(());
        }
        Err(WireError::InvalidField {
            payload: self.payload,
            offset,
            field,
            found,
            allowed,
        })
    }

    /// A range, read at `offset`, that ends before it starts.
    pub(super) const fn inverted(&self, offset: usize) -> WireError {
        WireError::InvertedRange {
            payload: self.payload,
            offset,
        }
    }

    const fn truncated(&self, needed: usize) -> WireError {
        WireError::Truncated {
            payload: self.payload,
            offset: self.offset,
            needed,
            available: self.rest.len(),
        }
    }
}

/// Appends a 16-bit number in network order.
pub(super) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a 32-bit number in network order.
pub(super) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes the length of the structure that began at `start` into its third and fourth octet, where generic payload headers,
/// proposals, transforms and traffic selectors all keep it.
pub(super) fn fill_length(out: &mut [u8], start: usize) {
    let length = narrow16(out.len() - start);
    out[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// A length or count for a 16-bit field. No parsed structure exceeds it; one that we built too large is refused by the peer
/// for its length, which is better than a daemon that stops.
pub(super) fn narrow16(value: usize) -> u16 {
    debug_assert!(
        value <= usize::from(u16::MAX),
        "{value} does not fit a 16-bit field"
    );
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// As [`narrow16`], for 8 bits.
pub(super) fn narrow8(value: usize) -> u8 {
    debug_assert!(
        value <= usize::from(u8::MAX),
        "{value} does not fit an 8-bit field"
    );
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// Octets for `Debug`: how many, and the first 16 in hex.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Debug for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 16;
        write!(f, "{} octets", self.0.len())?;
        for (index, octet) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{octet:02x}", if index == 0 { " " } else { "" })?;
        }
        f.write_str(if self.0.len() > SHOWN { "..." } else { "" })
    }
}

/// Declares a structure of typed fields and octets that may be borrowed from the datagram, with a short `Debug` and
/// `into_owned`.
macro_rules! with_octets {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty,)* .. $(#[$odoc:meta])* $octets:ident }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name<'a> {
            $($(#[$fdoc])* pub $field: $type,)*
            $(#[$odoc])*
            pub $octets: std::borrow::Cow<'a, [u8]>,
        }

        impl $name<'_> {
            /// The same, independent of the datagram it was read from.
            #[must_use]
            pub fn into_owned(self) -> $name<'static> {
                $name { $($field: self.$field,)* $octets: std::borrow::Cow::Owned(self.$octets.into_owned()) }
            }
        }

        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))*
                    .field(stringify!($octets), &$crate::wire::codec::Hex(&self.$octets))
                    .finish()
            }
        }
    };
}
pub(super) use with_octets;
