//! From a captured frame to the payload of a UDP datagram.
//!
//! ```text
//! frame --link--> IP packet --ip--> UDP datagram ------------------> Datagram
//!                              '--> IP fragment --fragments::Pool--> Datagram, when the last has come
//! ```
//!
//! etherparse reads IP, for it knows the extension headers of IPv6 and what to do with a packet that was cut off. Its pool
//! for fragments is not used: by its own words it has no bound, and it hands out memory that it did not write.

mod fragments;
mod ip;
mod link;

use std::net::SocketAddr;

use jiff::Timestamp;

use super::capture::Packet;
pub(super) use fragments::{Lost, MOST as MOST_LOST, Pool};

/// The payload of a UDP datagram, and how it came.
#[derive(Debug)]
pub(super) struct Datagram {
    /// The frames it came in: several where IP had fragmented it.
    pub(super) frames: Vec<u64>,
    /// Of the last of the frames.
    pub(super) time: Option<Timestamp>,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) payload: Vec<u8>,
    /// Bytes at the end of the payload that were sent and not captured.
    pub(super) missing: usize,
}

/// What a frame is that holds no UDP datagram, or not all of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Other {
    /// A link type that is not read.
    LinkType(u16),
    /// The file does not describe the interface it was captured on.
    UnknownInterface,
    /// No IP in there, or nothing of what is read here.
    NotIp,
    /// A header of the link layer, IP or UDP is cut off or wrong.
    Broken,
    /// ESP directly on IP, protocol 50.
    Esp,
    /// AH, protocol 51.
    Ah,
    /// TCP from or to port 4500: perhaps IKE in TCP (RFC 9329), which is not read.
    Tcp4500,
    /// Another protocol on IP.
    IpProtocol,
    /// A fragment; the datagram is not whole yet.
    Fragment,
}

/// Reads a frame.
///
/// # Errors
/// [`Other`] says what it is instead.
pub(super) fn datagram(packet: &Packet<'_>, pool: &mut Pool) -> Result<Datagram, Other> {
    let link = packet.link.ok_or(Other::UnknownInterface)?;
    let bytes = link::ip_packet(link, packet.data)?;
    match ip::read(bytes)? {
        ip::Content::Udp(udp) => Ok(Datagram {
            frames: vec![packet.number],
            time: packet.time,
            source: udp.source,
            destination: udp.destination,
            payload: udp.payload.to_vec(),
            missing: udp.missing,
        }),
        ip::Content::Fragment(fragment) => {
            let (whole, frames) = pool.add(&fragment, packet.number).ok_or(Other::Fragment)?;
            let udp = ip::udp(fragment.key.source, fragment.key.destination, &whole)?;
            Ok(Datagram {
                frames,
                time: packet.time,
                source: udp.source,
                destination: udp.destination,
                payload: udp.payload.to_vec(),
                missing: udp.missing,
            })
        }
    }
}

/// The name of a link type that somebody may have captured and that is not read; empty if we do not know it.
pub(super) fn link_type_name(link: u16) -> &'static str {
    link::name(link)
}
