//! IPv4, IPv6 and UDP.

use std::net::{IpAddr, SocketAddr};

use etherparse::{IpNumber, Ipv6ExtensionSlice, LaxIpSlice};

use super::Other;
use super::fragments::{Fragment, Key};

/// What an IP packet holds for us.
pub(super) enum Content<'a> {
    Udp(Udp<'a>),
    Fragment(Fragment<'a>),
}

pub(super) struct Udp<'a> {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) payload: &'a [u8],
    /// Bytes that the header counts and that are not there.
    pub(super) missing: usize,
}

pub(super) fn read(bytes: &[u8]) -> Result<Content<'_>, Other> {
    let (ip, trouble) = LaxIpSlice::from_slice(bytes).map_err(|_| Other::Broken)?;
    if trouble.is_some() {
        return Err(Other::Broken);
    }
    let payload = ip.payload();
    let (source, destination) = (ip.source_addr(), ip.destination_addr());
    match payload.ip_number {
        IpNumber::UDP if payload.fragmented => {
            let (identification, offset, more) = place(&ip).ok_or(Other::Broken)?;
            let key = Key {
                source,
                destination,
                identification,
            };
            Ok(Content::Fragment(Fragment {
                key,
                offset,
                more,
                // A fragment that was cut off would leave a hole that nobody sees.
                bytes: (!payload.incomplete)
                    .then_some(payload.payload)
                    .ok_or(Other::Broken)?,
            }))
        }
        IpNumber::UDP => udp(source, destination, payload.payload).map(Content::Udp),
        IpNumber::TCP if has_port_4500(payload.payload) => Err(Other::Tcp4500),
        IpNumber::ENCAPSULATING_SECURITY_PAYLOAD => Err(Other::Esp),
        IpNumber::AUTHENTICATION_HEADER => Err(Other::Ah),
        _ => Err(Other::IpProtocol),
    }
}

/// Identification, offset in bytes, and whether more fragments follow.
fn place(ip: &LaxIpSlice<'_>) -> Option<(u32, u16, bool)> {
    match ip {
        LaxIpSlice::Ipv4(ip) => {
            let header = ip.header();
            let offset = header.fragments_offset().byte_offset();
            Some((
                header.identification().into(),
                offset,
                header.more_fragments(),
            ))
        }
        LaxIpSlice::Ipv6(ip) => ip.extensions().clone().into_iter().find_map(|extension| {
            let Ipv6ExtensionSlice::Fragment(fragment) = extension else {
                return None;
            };
            let offset = fragment.fragment_offset().byte_offset();
            Some((fragment.identification(), offset, fragment.more_fragments()))
        }),
    }
}

/// Ports, length, checksum (which network cards often fill in after the capture, so that it says nothing), payload.
pub(super) fn udp(source: IpAddr, destination: IpAddr, bytes: &[u8]) -> Result<Udp<'_>, Other> {
    let (header, rest) = bytes.split_first_chunk::<8>().ok_or(Other::Broken)?;
    let [from, to, length] =
        [0, 2, 4].map(|at: usize| u16::from_be_bytes([header[at], header[at + 1]]));
    let length = usize::from(length).checked_sub(8).ok_or(Other::Broken)?;
    Ok(Udp {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
        payload: &rest[..length.min(rest.len())],
        missing: length.saturating_sub(rest.len()),
    })
}

fn has_port_4500(tcp: &[u8]) -> bool {
    let port = 4500u16.to_be_bytes();
    tcp.get(..2) == Some(&port) || tcp.get(2..4) == Some(&port)
}
