//! Netlink messages: requests built, answers and events parsed. Here are the pieces that both share.
//!
//! Fixed structures are netlink-packet-xfrm's, which check their own length. Attributes are walked here, since that crate's
//! messages index before they check, drop what trails an EXPIRE, know no attribute above 32 and print keys.

mod build;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use build::Message;
pub use parse::parse_event;
pub(crate) use parse::{Attributes, parse_policy, parse_sa, parse_sad_info, parse_spd_info};

use netlink_packet_core::DecodeError;

/// Length of a netlink message header in bytes.
pub(crate) const HEADER: usize = 16;

/// Netlink aligns messages and attributes to four bytes.
pub(crate) const fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Reads a datagram as the request socket and the event socket would, and says what it holds. For fuzzers, which cannot
/// make the kernel send what they invent.
#[doc(hidden)]
pub fn read_datagram(datagram: &[u8]) -> Vec<String> {
    let read = |message: &Received<'_>| {
        let answer = crate::pipeline::item(message);
        let event = parse_event(message.kind, message.payload);
        let verdict = crate::ack::verdict("FUZZ", message);
        format!("{answer:?} {event:?} {verdict:?}")
    };
    messages(datagram)
        .map(|message| message.map_or_else(|error| error.to_string(), |message| read(&message)))
        .collect()
}

/// One netlink message of a datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// Walks the messages of a datagram; ends after the first that is cut short.
pub(crate) fn messages(
    mut datagram: &[u8],
) -> impl Iterator<Item = Result<Received<'_>, ParseError>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let message = split_message(datagram);
        datagram = match &message {
            Ok((_, rest)) => rest,
            Err(_) => &[],
        };
        Some(message.map(|(message, _)| message))
    })
}

fn split_message(datagram: &[u8]) -> Result<(Received<'_>, &[u8]), ParseError> {
    let short = |needed| ParseError::Short {
        what: "message",
        needed,
        got: datagram.len(),
    };
    let header = datagram.get(..HEADER).ok_or_else(|| short(HEADER))?;
    let length = number(header, 0) as usize;
    let payload = datagram
        .get(HEADER..length)
        .ok_or_else(|| short(length.max(HEADER)))?;
    let received = Received {
        kind: u16::from_ne_bytes([header[4], header[5]]),
        flags: u16::from_ne_bytes([header[6], header[7]]),
        sequence: number(header, 8),
        payload,
    };
    Ok((received, datagram.get(align(length)..).unwrap_or_default()))
}

fn number(header: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// A message of the kernel that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// It ends too early.
    #[error("{what} of {got} bytes, at least {needed} needed")]
    Short {
        /// Which part.
        what: &'static str,
        /// Bytes it must have.
        needed: usize,
        /// Bytes it has.
        got: usize,
    },
    /// An address of neither IPv4 nor IPv6.
    #[error("address family {0}")]
    Family(u16),
    /// A policy's action or direction is none that there is.
    #[error("{what} {value}")]
    Value {
        /// Which.
        what: &'static str,
        /// What it says.
        value: u8,
    },
    /// A message of a type that was not asked for.
    #[error("message of type {0:#x}")]
    Kind(u16),
    /// What netlink-packet-xfrm says.
    #[error("{0}")]
    Structure(String),
}

impl From<DecodeError> for ParseError {
    fn from(error: DecodeError) -> Self {
        Self::Structure(error.to_string())
    }
}
