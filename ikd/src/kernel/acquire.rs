//! Packets that met a trap, in the engine's terms: as the kernel tells of one, and as its placeholder (the larval SA, which
//! has no SPI yet) stands in the SAD.

use std::net::IpAddr;
use std::num::NonZeroU32;

use ike::config::selector::{PortRange, Selector};
use ike::engine::REQID_RANGE;
use ike::engine::io::{Acquire, Packet};
use xfrm_sys::{Protocol, SaState};

/// ICMP and ICMPv6, whose "ports" are a type and a code.
const ICMP: [u8; 2] = [1, 58];

/// A packet that met a trap of ours. What is not for ESP, or has another's reqid, is not.
pub(super) fn told(event: &xfrm_sys::Acquire) -> Option<Acquire> {
    let template = event.template()?;
    let esp = event.protocol == Protocol::Esp && REQID_RANGE.contains(&template.reqid);
    let packet = event.selector.as_ref().and_then(packet);
    asks(template.reqid, event.sequence, packet).filter(|_| esp)
}

/// The same, as the placeholder in the SAD tells it.
pub(super) fn waiting(sa: &SaState) -> Option<Acquire> {
    let esp = sa.id.protocol == Protocol::Esp && REQID_RANGE.contains(&sa.reqid);
    let packet = sa.selector.as_ref().and_then(packet);
    asks(sa.reqid, sa.sequence, packet).filter(|_| esp && sa.is_acquire())
}

fn asks(reqid: u32, sequence: u32, packet: Option<Packet>) -> Option<Acquire> {
    Some(Acquire {
        reqid,
        sequence: NonZeroU32::new(sequence)?,
        packet,
    })
}

/// The packet itself. Of ICMP the type is left out: who answers an echo request sends another one.
fn packet(selector: &xfrm_sys::Selector) -> Option<Packet> {
    let end = |(address, _): (IpAddr, u8), (port, mask): (u16, u16)| {
        let sees_port = mask == u16::MAX && selector.protocol != 0;
        let exact = sees_port && !ICMP.contains(&selector.protocol);
        Some(Selector {
            protocol: selector.protocol,
            ports: match exact {
                true => PortRange::new(port, port)?,
                false => PortRange::ANY,
            },
            ..address.into()
        })
    };
    Some(Packet {
        local: end(selector.source, selector.source_port)?,
        remote: end(selector.destination, selector.destination_port)?,
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn told_of(protocol: u8, ports: (u16, u16)) -> Packet {
        let host = |last| (IpAddr::V4(Ipv4Addr::new(10, 1, 0, last)), 32);
        let selector = xfrm_sys::Selector {
            protocol,
            source_port: (ports.0, u16::MAX),
            destination_port: (ports.1, u16::MAX),
            ..xfrm_sys::Selector::new(host(1), host(2))
        };
        packet(&selector).expect("a packet")
    }

    #[test]
    fn a_packet_keeps_addresses_protocol_and_ports() {
        let Packet { local, remote } = told_of(17, (4711, 53));
        assert_eq!(local.to_string(), "10.1.0.1[udp/4711]");
        assert_eq!(remote.to_string(), "10.1.0.2[udp/53]");
    }

    #[test]
    fn of_a_ping_the_type_is_left_out_so_that_the_answer_fits_too() {
        let Packet { local, remote } = told_of(1, (8, 0));
        assert_eq!(local.to_string(), "10.1.0.1[icmp]");
        assert_eq!(remote.to_string(), "10.1.0.2[icmp]");
    }

    #[test]
    fn others_acquires_are_not_ours() {
        assert_eq!(
            asks(0x0100_0001, 0, None),
            None,
            "without a number nothing can answer it"
        );
        assert!(!REQID_RANGE.contains(&7));
    }
}
