//! Selectors as XFRM compares them: a network, a protocol, and a port under a mask (`struct xfrm_selector`).
//!
//! The kernel knows no ranges, so a range of addresses becomes prefixes, and a range of ports values with masks.

use std::net::IpAddr;

use super::{ICMP, ICMPV6, PortRange, Selector, bits, from_number, low_bits, number};

/// Kernel selectors that one selector may become. A range that needs more is refused: each costs a policy per direction,
/// and multiplies with those of the other side.
pub const MAX_PARTS: usize = 64;

/// One end of a kernel selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernelSelector {
    /// The network's first address.
    pub network: IpAddr,
    /// Bits of the network's prefix.
    pub prefix: u8,
    /// The IP protocol; 0: any.
    pub protocol: u8,
    /// The port, in host byte order.
    pub port: u16,
    /// The bits of the port that count; 0: any port.
    pub port_mask: u16,
}

/// Why the kernel cannot hold a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelLimit {
    /// More than [`MAX_PARTS`] prefixes times port masks.
    #[error(
        "the ranges fall into {0} kernel selectors, more than {MAX_PARTS}; choose ranges closer to powers of two"
    )]
    TooManyParts(usize),
    /// The kernel compares an ICMP type with the source port and the code with the destination port, whatever the
    /// direction of the policy, so that one end alone cannot be said.
    #[error("the kernel cannot select by ICMP type; select all of ICMP")]
    IcmpType,
}

impl Selector {
    /// What the kernel is given for this selector. Together the parts hold exactly its packets. OPAQUE becomes port 0,
    /// which is what the kernel sees in a packet whose port is not there.
    ///
    /// # Errors
    /// Where the kernel has no words for it.
    pub fn to_kernel(&self) -> Result<Vec<KernelSelector>, KernelLimit> {
        if (self.protocol == ICMP || self.protocol == ICMPV6) && self.ports != PortRange::ANY {
            return Err(KernelLimit::IcmpType);
        }
        let family = self.addresses.start();
        let networks = aligned_blocks(number(self.addresses.start()), number(self.addresses.end()));
        let ports = match self.ports {
            PortRange::ANY => vec![(0, 0)],
            PortRange::OPAQUE => vec![(0, u16::MAX)],
            PortRange { start, end } => aligned_blocks(start.into(), end.into())
                .into_iter()
                .map(|(value, free)| {
                    let low = |number: u128| u16::try_from(number).expect("made of ports");
                    (low(value), !low(low_bits(free)))
                })
                .collect(),
        };
        let parts = networks.len() * ports.len();
        if parts > MAX_PARTS {
            return Err(KernelLimit::TooManyParts(parts));
        }
        let each = networks.into_iter().flat_map(|(start, free)| {
            let network = from_number(family.is_ipv4(), start);
            let part = move |&(port, port_mask): &(u16, u16)| KernelSelector {
                network,
                prefix: bits(family) - free,
                protocol: self.protocol,
                port,
                port_mask,
            };
            ports.iter().map(part).collect::<Vec<_>>()
        });
        Ok(each.collect())
    }
}

/// The fewest blocks of a power of two, each starting at a multiple of its size, that make up a range: the first number
/// of each, and its free bits.
fn aligned_blocks(start: u128, end: u128) -> Vec<(u128, u8)> {
    let mut blocks = Vec::new();
    let mut next = start;
    loop {
        let mut free = u8::try_from(next.trailing_zeros()).expect("at most 128");
        while next | low_bits(free) > end {
            free -= 1;
        }
        blocks.push((next, free));
        match (next | low_bits(free)).checked_add(1) {
            Some(following) if following <= end => next = following,
            _ => return blocks,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{AddressRange, tests::selector};
    use super::*;

    fn parts(text: &str) -> Vec<String> {
        let parts = selector(text).to_kernel().expect("within bounds");
        parts
            .iter()
            .map(|p| {
                format!(
                    "{}/{} {} {:#x}/{:#x}",
                    p.network, p.prefix, p.protocol, p.port, p.port_mask
                )
            })
            .collect()
    }

    #[test]
    fn networks_stay_whole_and_ranges_fall_into_prefixes() {
        assert_eq!(parts("10.1.0.0/16"), ["10.1.0.0/16 0 0x0/0x0"]);
        assert_eq!(parts("::/0"), ["::/0 0 0x0/0x0"]);
        assert_eq!(parts("0.0.0.0/0"), ["0.0.0.0/0 0 0x0/0x0"]);
        assert_eq!(
            parts("10.1.0.5-10.1.0.9"),
            [
                "10.1.0.5/32 0 0x0/0x0",
                "10.1.0.6/31 0 0x0/0x0",
                "10.1.0.8/31 0 0x0/0x0"
            ]
        );
        assert_eq!(
            parts("255.255.255.254-255.255.255.255"),
            ["255.255.255.254/31 0 0x0/0x0"]
        );
    }

    #[test]
    fn ports_become_values_and_masks() {
        assert_eq!(parts("10.0.0.1[tcp]"), ["10.0.0.1/32 6 0x0/0x0"]);
        assert_eq!(parts("10.0.0.1[tcp/443]"), ["10.0.0.1/32 6 0x1bb/0xffff"]);
        assert_eq!(
            parts("10.0.0.1[udp/1024-2047]"),
            ["10.0.0.1/32 17 0x400/0xfc00"]
        );
        assert_eq!(
            parts("10.0.0.1[udp/65535]"),
            ["10.0.0.1/32 17 0xffff/0xffff"]
        );
        assert_eq!(parts("10.0.0.1[udp/opaque]"), ["10.0.0.1/32 17 0x0/0xffff"]);
        assert_eq!(parts("10.0.0.1[icmp]"), ["10.0.0.1/32 1 0x0/0x0"]);
    }

    #[test]
    fn what_the_kernel_cannot_hold_is_refused() {
        assert_eq!(
            selector("10.0.0.1[icmp/8]").to_kernel(),
            Err(KernelLimit::IcmpType)
        );
        assert_eq!(
            selector("0.0.0.1-255.255.255.254[udp/1-65534]").to_kernel(),
            Err(KernelLimit::TooManyParts(62 * 30))
        );
        assert_eq!(
            selector("::1-ffff::").to_kernel().err(),
            Some(KernelLimit::TooManyParts(128 + 15))
        );
    }

    proptest! {
        #[test]
        fn the_parts_hold_exactly_the_packets_of_the_selector(
            ends in any::<(u16, u16)>(), port_ends in any::<(u16, u16)>(), address in any::<u16>(), port in any::<u16>(),
        ) {
            let at = |low: u16| IpAddr::from([10, 0, low.to_be_bytes()[0], low.to_be_bytes()[1]]);
            let addresses = AddressRange::new(at(ends.0.min(ends.1)), at(ends.0.max(ends.1))).expect("ordered");
            let ports = PortRange::new(port_ends.0.min(port_ends.1), port_ends.0.max(port_ends.1)).expect("ordered");
            let in_all = |one: Selector| one.to_kernel().map(|parts| parts.iter().filter(|part| {
                let network = AddressRange::from_prefix(part.network, part.prefix).expect("a network");
                network.start() <= at(address) && at(address) <= network.end() && port & part.port_mask == part.port
            }).count());
            let by_address = in_all(Selector { protocol: 6, ports: PortRange::ANY, addresses }).expect("at most 30");
            prop_assert_eq!(by_address, usize::from(addresses.start() <= at(address) && at(address) <= addresses.end()));
            let one = AddressRange::new(at(address), at(address)).expect("ordered");
            let by_port = in_all(Selector { protocol: 6, ports, addresses: one }).expect("at most 30");
            prop_assert_eq!(by_port, usize::from(ports.start() <= port && port <= ports.end()));
        }
    }
}
