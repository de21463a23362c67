//! IPv4 packets made by hand, and a socket that sends them as they are: the attacker's tools.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::netns::Namespace;

/// IP protocol number of UDP.
pub const UDP: u8 = 17;
/// IP protocol number of ESP.
pub const ESP: u8 = 50;
/// IP protocol number of ICMP for IPv6.
pub const ICMPV6: u8 = 58;
const HEADER_BYTES: usize = 20;

/// Sends whole IPv4 packets, from whatever source they claim, from a namespace.
#[derive(Debug)]
pub struct Injector(Socket);

impl Injector {
    /// An injector that stands in `namespace`.
    pub fn new(namespace: &Namespace) -> Result<Self> {
        // IPPROTO_RAW: the packet brings its own IPv4 header.
        let socket =
            namespace.run(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))));
        Ok(Self(socket.context("opening a raw socket")?))
    }

    /// Sends `packet`, which begins with its IPv4 header, towards the destination that it names.
    pub fn send(&self, packet: &[u8]) -> Result<()> {
        let to = destination(packet).context("a packet without an IPv4 header")?;
        self.0
            .send_to(packet, &SockAddr::from(SocketAddrV4::new(to, 0)))
            .with_context(|| format!("injecting towards {to}"))?;
        Ok(())
    }
}

/// An IPv4 packet.
#[must_use]
pub fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER_BYTES + payload.len()).expect("test packets are short");
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A UDP datagram in an IPv4 packet. Its checksum is left out, as RFC 768 allows.
#[must_use]
pub fn udp(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), data: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(8 + data.len());
    datagram.extend(source.1.to_be_bytes());
    datagram.extend(destination.1.to_be_bytes());
    datagram.extend(
        u16::try_from(8 + data.len())
            .expect("test datagrams are short")
            .to_be_bytes(),
    );
    datagram.extend([0, 0]);
    datagram.extend(data);
    ipv4(source.0, destination.0, UDP, &datagram)
}

/// The source address in a packet's IPv4 header.
#[must_use]
pub fn source(packet: &[u8]) -> Option<Ipv4Addr> {
    packet
        .get(12..16)?
        .first_chunk::<4>()
        .copied()
        .map(Ipv4Addr::from)
}

/// The destination address in a packet's IPv4 header.
#[must_use]
pub fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    packet
        .get(16..20)?
        .first_chunk::<4>()
        .copied()
        .map(Ipv4Addr::from)
}

/// The protocol that an IPv6 packet carries behind its hop-by-hop options and its fragment header, and what it carries.
#[must_use]
pub fn ipv6_payload(packet: &[u8]) -> Option<(u8, Vec<u8>)> {
    const HOP_BY_HOP: u8 = 0;
    const FRAGMENT: u8 = 44;
    let (mut next, mut rest) = (*packet.get(6)?, packet.get(40..)?);
    while matches!(next, HOP_BY_HOP | FRAGMENT) {
        let length = if next == FRAGMENT {
            8
        } else {
            8 + 8 * usize::from(*rest.get(1)?)
        };
        (next, rest) = (*rest.first()?, rest.get(length..)?);
    }
    Some((next, rest.to_vec()))
}

/// The Internet checksum (RFC 1071).
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_header_sums_to_zero() {
        let packet = udp(
            (Ipv4Addr::new(10, 2, 0, 10), 1),
            (Ipv4Addr::new(10, 1, 0, 10), 2),
            b"data",
        );
        assert_eq!(checksum(&packet[..HEADER_BYTES]), 0);
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(10, 1, 0, 10)));
    }
}
