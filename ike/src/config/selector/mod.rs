//! Traffic selectors (RFC 7296 section 3.13): which packets, as addresses, a protocol and ports.
//!
//! ```text
//! policy file  --FromStr-->  Selector  --narrow-->  Selector  --to_kernel-->  prefixes and port masks
//! peer's TS    --from_wire-->   |                      |      --to_wire-->    TS of our answer
//! ```
//!
//! A selector is a set of packets, a box in three dimensions; what is behind one end is a list of them, their union.
//! [`text`] reads and prints, [`mod@narrow`] is the algebra of RFC 7296 section 2.9, [`kernel`] cuts ranges into what XFRM
//! can compare.

pub mod kernel;
pub mod narrow;
pub mod text;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use kernel::{KernelLimit, KernelSelector};
pub use narrow::{SelectorRefusal, Side, narrow, retain_pairs};
pub use text::{SelectorError, SelectorErrorKind, protocol_names};

use crate::wire::payload::ts::{self, TrafficSelector};

/// ICMP, whose "ports" are a type and a code (RFC 7296 section 3.13.1).
pub(crate) const ICMP: u8 = 1;
/// ICMP for IPv6.
pub(crate) const ICMPV6: u8 = 58;

/// A set of packets as seen from one end: those whose address, protocol and port at that end lie within.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Selector {
    /// The IP protocol; 0: any.
    pub protocol: u8,
    /// Ports, or ICMP type and code; [`PortRange::ANY`] where the protocol has none.
    pub ports: PortRange,
    /// Addresses, all of one family.
    pub addresses: AddressRange,
}

/// Ports from `start` to `end`, both included; or OPAQUE, the packets whose port cannot be seen (RFC 7296 section
/// 3.13.1: start 65535, end 0). [`ANY`](Self::ANY) holds those too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PortRange {
    start: u16,
    end: u16,
}

impl PortRange {
    /// Every port, and packets without one.
    pub const ANY: Self = Self {
        start: 0,
        end: u16::MAX,
    };
    /// Packets whose port cannot be seen, such as later fragments.
    pub const OPAQUE: Self = Self {
        start: u16::MAX,
        end: 0,
    };

    /// Ports from `start` to `end`; `None` where that is neither a range nor OPAQUE.
    #[must_use]
    pub fn new(start: u16, end: u16) -> Option<Self> {
        let range = Self { start, end };
        (start <= end || range == Self::OPAQUE).then_some(range)
    }

    /// The first port.
    #[must_use]
    pub fn start(self) -> u16 {
        self.start
    }

    /// The last port.
    #[must_use]
    pub fn end(self) -> u16 {
        self.end
    }

    /// The ports in both.
    #[must_use]
    pub fn intersect(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::ANY, other) | (other, Self::ANY) => Some(other),
            (Self::OPAQUE, Self::OPAQUE) => Some(Self::OPAQUE),
            (Self::OPAQUE, _) | (_, Self::OPAQUE) => None,
            _ => {
                let (start, end) = (self.start.max(other.start), self.end.min(other.end));
                (start <= end).then_some(Self { start, end })
            }
        }
    }
}

/// Addresses from the first to the last, both included and of one family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AddressRange {
    start: IpAddr,
    end: IpAddr,
}

impl AddressRange {
    /// Addresses from `start` to `end`; `None` where the families differ or the end comes before the start.
    #[must_use]
    pub fn new(start: IpAddr, end: IpAddr) -> Option<Self> {
        (start.is_ipv4() == end.is_ipv4() && start <= end).then_some(Self { start, end })
    }

    /// The network that `address` is in; `None` where the prefix is longer than the address.
    #[must_use]
    pub fn from_prefix(address: IpAddr, prefix: u8) -> Option<Self> {
        let host_bits = bits(address).checked_sub(prefix)?;
        let mask = low_bits(host_bits);
        let start = number(address) & !mask;
        let family = address.is_ipv4();
        Some(Self {
            start: from_number(family, start),
            end: from_number(family, start | mask),
        })
    }

    /// The first address.
    #[must_use]
    pub fn start(self) -> IpAddr {
        self.start
    }

    /// The last address.
    #[must_use]
    pub fn end(self) -> IpAddr {
        self.end
    }

    /// Whether these are IPv4 addresses.
    #[must_use]
    pub fn is_ipv4(self) -> bool {
        self.start.is_ipv4()
    }

    /// Whether this is every address of its family.
    #[must_use]
    pub fn is_everything(self) -> bool {
        self.prefix() == Some(0)
    }

    /// The prefix length, where the range is a network.
    #[must_use]
    pub fn prefix(self) -> Option<u8> {
        let (start, end) = (number(self.start), number(self.end));
        let free = u8::try_from(128 - (start ^ end).leading_zeros()).expect("at most 128");
        let mask = low_bits(free);
        (start & mask == 0 && end & mask == mask).then(|| bits(self.start) - free)
    }

    /// The addresses in both.
    #[must_use]
    pub fn intersect(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
            .filter(|_| self.is_ipv4() == other.is_ipv4())
    }
}

impl From<IpAddr> for Selector {
    /// All traffic of one address.
    fn from(address: IpAddr) -> Self {
        Self {
            protocol: 0,
            ports: PortRange::ANY,
            addresses: AddressRange {
                start: address,
                end: address,
            },
        }
    }
}

impl Selector {
    /// The selector of a TS payload, or `None` where it is of a type we do not know, has a family that does not fit or
    /// ends before it starts: such a selector matches nothing.
    #[must_use]
    pub fn from_wire(wire: &TrafficSelector) -> Option<Self> {
        match *wire {
            TrafficSelector::Ip {
                protocol,
                ports,
                start,
                end,
            } => Some(Self {
                protocol,
                ports: PortRange::new(ports.start, ports.end)?,
                addresses: AddressRange::new(start, end)?,
            }),
            TrafficSelector::Unknown { .. } => None,
        }
    }

    /// The selector as a TS payload carries it.
    #[must_use]
    pub fn to_wire(&self) -> TrafficSelector {
        TrafficSelector::Ip {
            protocol: self.protocol,
            ports: ts::PortRange {
                start: self.ports.start,
                end: self.ports.end,
            },
            start: self.addresses.start,
            end: self.addresses.end,
        }
    }

    /// How many bits the selector leaves open, as a number that orders policies: the smaller, the narrower. Addresses
    /// count before the protocol, the protocol before ports; a bit of an IPv4 address weighs as much as four of IPv6.
    /// Sums of two (local and remote) order in the same way. At most 16 417.
    #[must_use]
    pub fn width(&self) -> u32 {
        // A range that is no network is as wide as the power of two that it takes.
        let size = number(self.addresses.end) - number(self.addresses.start);
        let address = (128 - size.leading_zeros()) * if self.addresses.is_ipv4() { 4 } else { 1 };
        let ports = match self.ports {
            PortRange::OPAQUE => 0,
            PortRange { start, end } => 16 - (end - start).leading_zeros(),
        };
        let protocol = if self.protocol == 0 { 17 } else { 0 };
        address * 128 + protocol + ports
    }
}

/// Bits of an address of that family.
fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn low_bits(count: u8) -> u128 {
    u128::MAX.checked_shr(128 - u32::from(count)).unwrap_or(0)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The address of a number; an IPv4 number must fit 32 bits.
fn from_number(ipv4: bool, number: u128) -> IpAddr {
    if ipv4 {
        Ipv4Addr::from(u32::try_from(number).expect("made of IPv4 addresses")).into()
    } else {
        Ipv6Addr::from(number).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::numbers::TsType;

    pub(super) fn selector(text: &str) -> Selector {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn narrower_selectors_have_the_smaller_width() {
        let narrowing = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.1.0.0/16",
            "10.1.0.0/16[tcp]",
            "10.1.0.0/16[tcp/1000-2000]",
            "10.1.0.0/16[tcp/443]",
            "10.1.2.0-10.1.2.200",
            "10.1.2.0-10.1.2.9",
            "10.1.2.3",
            "10.1.2.3[udp]",
            "10.1.2.3[udp/53]",
        ];
        for pair in narrowing.windows(2) {
            assert!(
                selector(pair[0]).width() > selector(pair[1]).width(),
                "{pair:?}"
            );
        }
        assert_eq!(selector("0.0.0.0/0").width(), selector("::/0").width());
        assert_eq!(selector("::/0").width(), 16_417);
        // The sum of both ends orders in the same way: ports of both never outweigh one bit of an address.
        assert!(
            2 * selector("2001:db8::/64").width()
                < selector("2001:db8::/64[tcp/1]").width()
                    + selector("2001:db8::/62[tcp/1]").width()
        );
    }

    #[test]
    fn a_selector_survives_the_wire_and_what_is_none_is_skipped() {
        for text in [
            "10.1.0.0/16",
            "10.1.0.5-10.1.0.9[udp/1-9]",
            "2001:db8::/32[tcp/opaque]",
            "::/0[icmp6/1:2]",
        ] {
            assert_eq!(
                Selector::from_wire(&selector(text).to_wire()),
                Some(selector(text))
            );
        }
        let [low, high, other] =
            ["10.0.0.1", "10.0.0.9", "::1"].map(|text| text.parse().expect("an address"));
        let wire = |start, end, first, last| TrafficSelector::Ip {
            protocol: 0,
            ports: ts::PortRange {
                start: first,
                end: last,
            },
            start,
            end,
        };
        assert!(Selector::from_wire(&wire(low, high, 0, 65_535)).is_some());
        assert_eq!(Selector::from_wire(&wire(high, low, 0, 65_535)), None);
        assert_eq!(Selector::from_wire(&wire(low, other, 0, 65_535)), None);
        assert_eq!(Selector::from_wire(&wire(low, high, 9, 8)), None);
        let label = TrafficSelector::Unknown {
            ts_type: TsType::SECLABEL,
            protocol: 0,
            body: Box::default(),
        };
        assert_eq!(Selector::from_wire(&label), None);
    }

    #[test]
    fn opaque_ports_are_in_any_and_in_nothing_else() {
        let range = |start, end| PortRange::new(start, end).expect("a range");
        assert_eq!(
            PortRange::ANY.intersect(PortRange::OPAQUE),
            Some(PortRange::OPAQUE)
        );
        assert_eq!(
            PortRange::OPAQUE.intersect(PortRange::OPAQUE),
            Some(PortRange::OPAQUE)
        );
        assert_eq!(range(0, 65_534).intersect(PortRange::OPAQUE), None);
        assert_eq!(range(1, 9).intersect(range(5, 20)), Some(range(5, 9)));
        assert_eq!(range(1, 4).intersect(range(5, 20)), None);
        assert_eq!(PortRange::new(9, 8), None);
        assert_eq!(PortRange::new(65_535, 0), Some(PortRange::OPAQUE));
    }
}
