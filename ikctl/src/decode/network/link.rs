//! The link layer: where the IP packet starts (<https://www.tcpdump.org/linktypes.html>).

use super::Other;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// 802.1Q, 802.1ad (QinQ), and what was there before it.
const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const PPPOE_SESSION: u16 = 0x8864;

/// The IP packet in a frame.
pub(super) fn ip_packet(link: u16, frame: &[u8]) -> Result<&[u8], Other> {
    match link {
        // NULL and LOOP: an address family, whose byte order and numbers differ by system. IP's version says it as well.
        0 | 108 => from(frame, 4),
        // Ethernet.
        1 => by_ether_type(u16_at(frame, 12)?, from(frame, 14)?),
        // PPP, with or without an address and control byte.
        9 | 50 => ppp(frame.strip_prefix(&[0xff, 0x03]).unwrap_or(frame)),
        // PPPoE without Ethernet.
        51 => ppp(from(frame, 6)?),
        // RAW (by its three numbers), IPV4, IPV6.
        12 | 14 | 101 | 228 | 229 => Ok(frame),
        // Linux cooked, version 1 and 2.
        113 => by_ether_type(u16_at(frame, 14)?, from(frame, 16)?),
        276 => by_ether_type(u16_at(frame, 0)?, from(frame, 20)?),
        _ => Err(Other::LinkType(link)),
    }
}

pub(super) fn name(link: u16) -> &'static str {
    match link {
        105 => "IEEE 802.11",
        127 => "IEEE 802.11 with radiotap",
        149 | 189 | 220 => "USB",
        201 | 187 | 251 => "Bluetooth",
        195 | 215 | 230 => "IEEE 802.15.4",
        239 => "NFLOG",
        252 => "exported protocol data units of Wireshark",
        253 => "Netlink",
        _ => "",
    }
}

fn by_ether_type(mut ether_type: u16, mut rest: &[u8]) -> Result<&[u8], Other> {
    loop {
        match ether_type {
            IPV4 | IPV6 => return Ok(rest),
            PPPOE_SESSION => return ppp(from(rest, 6)?),
            vlan if VLAN.contains(&vlan) => {
                ether_type = u16_at(rest, 2)?;
                rest = from(rest, 4)?;
            }
            _ => return Err(Other::NotIp),
        }
    }
}

/// A PPP protocol number, which may have lost its first byte, and what follows (RFC 1661 section 2).
fn ppp(frame: &[u8]) -> Result<&[u8], Other> {
    match frame {
        [0x21 | 0x57, rest @ ..] | [0x00, 0x21 | 0x57, rest @ ..] => Ok(rest),
        [] => Err(Other::Broken),
        _ => Err(Other::NotIp),
    }
}

fn from(bytes: &[u8], at: usize) -> Result<&[u8], Other> {
    bytes.get(at..).ok_or(Other::Broken)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Other> {
    let two = bytes.get(at..).and_then(|rest| rest.first_chunk());
    two.copied().map(u16::from_be_bytes).ok_or(Other::Broken)
}
