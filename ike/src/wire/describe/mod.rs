//! What a message says, for people: every octet as a named field, in the RFC's words (RFC 7296 section 3).
//!
//! ```text
//! datagram ------> message(bytes) ---+
//!                                    +--> Described { fields: a tree, fault: where a peer would stop reading }
//! decrypted chain -> payloads(first) +
//! ```
//!
//! This is the tolerant reader beside the strict one ([`super::Message::parse`]): it shows first and complains beside. What
//! is broken is shown as far as it goes, and the next payload is found by its length where it can be.
//!
//! There are two sorts of complaint. [`Field::fault`] stands beside the field it is about, whatever the weight: a reserved
//! bit that is set, a notify without the data it should have, a length beyond the end. [`Described::fault`] is the first
//! that makes the strict reader refuse the message; there is one exactly where [`super::Message::parse`] or
//! [`super::parse_chain`] give an error.
//!
//! Whatever comes in: no panic, a depth that the formats fix (below 10), at most [`MAX_FIELDS`] fields (the rest is counted),
//! values of at most [`MAX_VALUE`] octets (the rest is counted), time linear in the input.

mod configuration;
mod eap;
mod header;
mod identity;
mod key_exchange;
mod layout;
mod names;
mod notify;
mod notify_data;
mod reader;
mod sa;
mod selectors;
mod signature;
mod vendors;

use super::header::Header;
use super::numbers::PayloadType;
use reader::{Read, Reader, possible};
use std::borrow::Cow;
use std::ops::Range;

/// Most fields of one description. A large real message has some hundreds.
pub const MAX_FIELDS: usize = 4096;

/// Longest value of a field in octets, without the note on what is left out.
pub const MAX_VALUE: usize = 1024;

/// How many octets are shown where a value is in hexadecimal.
pub const MAX_HEX: usize = 64;

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it is: the RFC's name of the field or payload. Never the sender's text.
    pub name: Cow<'static, str>,
    /// What it says, for people; the gist of the children where there are any. May be empty. Raw: it may hold whatever the
    /// sender likes, and is escaped before it reaches a terminal.
    pub value: String,
    /// Where it stands in the described octets.
    pub range: Range<usize>,
    /// What it is made of, in the order of the message.
    pub children: Vec<Self>,
    /// What is wrong with it. Raw, as the value.
    pub fault: Option<String>,
}

/// A description, as far as the octets go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// The header and the payloads, in the order of the message.
    pub fields: Vec<Field>,
    /// Why the message cannot be taken, where it cannot.
    pub fault: Option<Fault>,
}

/// The first thing in a message that no reader may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Number of the octet that is wrong, or that is missing.
    pub at: usize,
    /// In which payload, and why.
    pub reason: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "octet {}: {}", self.at, self.reason)
    }
}

/// The header alone. What follows the first 28 octets is neither read nor held against the length.
#[must_use]
pub fn header(bytes: &[u8]) -> Described {
    reader::run(&bytes[..bytes.len().min(Header::LENGTH)], |reader| {
        header::fields(reader, None);
    })
}

/// A whole message (without the non-ESP marker of port 4500): header and payloads. An SK or SKF payload is shown sealed,
/// without guessing where the IV ends. Of IKEv1, only the header is shown.
#[must_use]
pub fn message(bytes: &[u8]) -> Described {
    reader::run(bytes, |reader| {
        let Some((head, end)) = header::fields(reader, Some(bytes.len())) else {
            return;
        };
        if head.major != 2 {
            reader.hex_rest("Payloads of another version");
            return;
        }
        let behind = reader.narrow(end);
        read_chain(reader, head.next_payload, false);
        if let Some(behind) = behind {
            reader.widen(behind);
            let mark = reader.hex_rest("Octets behind the message");
            reader.refuse(mark, "the header's length ends before them");
        }
    })
}

/// The decrypted content of an SK payload, or of the SKF payloads put together: a chain whose first payload is of the type
/// `first`. Padding and pad length are no part of it.
#[must_use]
pub fn payloads(first: PayloadType, bytes: &[u8]) -> Described {
    reader::run(bytes, |reader| read_chain(reader, first, true))
}

/// Payloads until one says that no other follows. `inner`: behind the cipher, where SK and SKF have no place.
fn read_chain(reader: &mut Reader<'_>, first: PayloadType, inner: bool) {
    let mut kind = first;
    while kind != PayloadType::NONE {
        let sealed = matches!(kind, PayloadType::SK | PayloadType::SKF);
        if inner && sealed {
            let mark = reader.hex_rest(title(kind));
            reader.refuse(mark, "an encrypted payload within an encrypted payload");
            return;
        }
        match read_payload(reader, kind) {
            Some(next) if !sealed => kind = next,
            Some(_) => break,
            None => return,
        }
    }
    if reader.remaining() > 0 {
        let mark = reader.hex_rest("Octets behind the last payload");
        reader.refuse(mark, "nothing announces them");
    }
}

/// One payload. Returns the type of the next, or `None` where the chain cannot be followed.
fn read_payload(reader: &mut Reader<'_>, kind: PayloadType) -> Option<PayloadType> {
    const GENERIC_HEADER: usize = 4;
    let available = reader.remaining();
    let next = reader.peek().first().copied().map(PayloadType);
    let declared = reader.peek_u16(2).map_or(available, usize::from);
    let lengths = GENERIC_HEADER..=available;
    let right = lengths.contains(&declared);
    let length = if right { declared } else { available };
    reader.payload(title(kind), kind, length, |reader| {
        if reader.remaining() == 0 {
            return Err(reader.broken("the chain announces it, but nothing is left"));
        }
        let next = reader.code8("Next Payload", |n| PayloadType(n).name())?;
        let from = reader.at();
        let [flags] = reader.array()?;
        let critical = flags & 0x80 != 0;
        let mark = reader.push("Critical", if critical { "yes" } else { "no" }.into(), from);
        let known =
            (PayloadType::SA.0..=PayloadType::EAP.0).contains(&kind.0) || kind == PayloadType::SKF;
        if critical && !known {
            reader.refuse(mark, "it is set, and the payload is not understood");
        } else if critical {
            reader.note(
                mark,
                "it is set on a payload that everybody knows; receivers ignore it",
            );
        } else if flags != 0 {
            reader.note(
                mark,
                format!("reserved bits are set ({flags:#04x}); receivers ignore them"),
            );
        }
        let from = reader.at();
        let declared = u16::from_be_bytes(reader.array()?);
        let mark = reader.push("Payload Length", format!("{declared} octets"), from);
        if !right {
            reader.refuse(mark, possible(&lengths));
        }
        read_body(reader, kind, PayloadType(next))
    });
    next.filter(|_| right)
}

fn read_body(reader: &mut Reader<'_>, kind: PayloadType, next: PayloadType) -> Read {
    match kind {
        PayloadType::SA => sa::proposals(reader),
        PayloadType::KE => key_exchange::key_exchange(reader),
        PayloadType::IDI | PayloadType::IDR => identity::identification(reader, true),
        PayloadType::IDG => identity::identification(reader, false),
        PayloadType::CERT => identity::certificate(reader),
        PayloadType::CERTREQ => identity::certificate_request(reader),
        PayloadType::AUTH => signature::authentication(reader),
        PayloadType::NONCE => key_exchange::nonce(reader),
        PayloadType::NOTIFY => notify::notify(reader),
        PayloadType::DELETE => notify::delete(reader),
        PayloadType::VENDOR_ID => vendors::vendor_id(reader),
        PayloadType::TSI | PayloadType::TSR => selectors::selectors(reader),
        PayloadType::CP => configuration::configuration(reader),
        PayloadType::EAP => eap::message(reader),
        PayloadType::SK => {
            sealed(reader, next);
            Ok(())
        }
        PayloadType::SKF => fragment(reader, next),
        _ => {
            reader.gist(reader::octets(reader.remaining()));
            reader.hex_rest("Data");
            Ok(())
        }
    }
}

/// RFC 7296 section 3.14. Where the IV ends, only the cipher knows.
fn sealed(reader: &mut Reader<'_>, first: PayloadType) {
    let plural = if reader.remaining() == 1 { "" } else { "s" };
    reader.gist(format!("{} encrypted octet{plural}", reader.remaining()));
    if first != PayloadType::NONE {
        reader.gist(format!("first inside: {first}"));
    }
    reader.hex_rest("IV, Encrypted Payloads, Integrity Checksum Data");
}

/// RFC 7383 section 2.5.
fn fragment(reader: &mut Reader<'_>, first: PayloadType) -> Read {
    let number = reader.u16("Fragment Number")?;
    let mark = reader.last();
    let total = reader.u16("Total Fragments")?;
    reader.gist(format!("fragment {number} of {total}"));
    if number == 0 || number > total {
        reader.refuse(mark, format!("fragment {number} of {total}"));
    } else if number > 1 && first != PayloadType::NONE {
        reader.note(
            mark,
            "only the first fragment names the first payload inside",
        );
    }
    sealed(reader, first);
    Ok(())
}

/// The RFC's title of a payload, with its notation.
fn title(kind: PayloadType) -> Cow<'static, str> {
    names::payload(kind.0).map_or_else(
        || format!("Payload of type {}", kind.0).into(),
        Cow::Borrowed,
    )
}
