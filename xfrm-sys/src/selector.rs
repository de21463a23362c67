//! Which packets an SA or a policy is for (`struct xfrm_selector`), and addresses as XFRM writes them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_xfrm::Selector as RawSelector;
use netlink_packet_xfrm::{AF_INET, AF_INET6, Address};

use crate::XfrmError;
use crate::message::ParseError;

/// Which packets: two prefixes of one address family, a protocol and ports under masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Selector {
    /// Source prefix: address and length in bits.
    pub source: (IpAddr, u8),
    /// Destination prefix: address and length in bits. The same family as the source.
    pub destination: (IpAddr, u8),
    /// IP protocol number; 0 is any.
    pub protocol: u8,
    /// Source port and mask; mask 0 is any. For ICMP the type.
    pub source_port: (u16, u16),
    /// Destination port and mask; mask 0 is any. For ICMP the code.
    pub destination_port: (u16, u16),
    /// Index of the interface the packet leaves by; 0 is any.
    pub interface: u32,
}

impl Selector {
    /// Any protocol and any port between two prefixes.
    pub fn new(source: (IpAddr, u8), destination: (IpAddr, u8)) -> Self {
        Self {
            source,
            destination,
            protocol: 0,
            source_port: (0, 0),
            destination_port: (0, 0),
            interface: 0,
        }
    }

    /// All of IPv4.
    pub fn any_ipv4() -> Self {
        let any = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Self::new(any, any)
    }

    /// All of IPv6.
    pub fn any_ipv6() -> Self {
        let any = (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
        Self::new(any, any)
    }

    /// The same with source and destination exchanged: what travels the other way.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            ..*self
        }
    }

    pub(crate) fn to_raw(self, operation: &'static str) -> Result<RawSelector, XfrmError> {
        let invalid = |problem| Err(XfrmError::Invalid { operation, problem });
        if self.source.0.is_ipv4() != self.destination.0.is_ipv4() {
            return invalid("a selector's source and destination are of one address family");
        }
        for (address, prefix) in [self.source, self.destination] {
            if prefix > if address.is_ipv4() { 32 } else { 128 } {
                return invalid("a selector's prefix is longer than its address");
            }
        }
        let Ok(ifindex) = i32::try_from(self.interface) else {
            return invalid("a selector's interface index is above 2^31 - 1");
        };
        Ok(RawSelector {
            saddr: Address::from_ip(&self.source.0),
            daddr: Address::from_ip(&self.destination.0),
            sport: self.source_port.0,
            sport_mask: self.source_port.1,
            dport: self.destination_port.0,
            dport_mask: self.destination_port.1,
            family: family(&self.source.0),
            prefixlen_s: self.source.1,
            prefixlen_d: self.destination.1,
            proto: self.protocol,
            ifindex,
            user: 0,
        })
    }

    /// `None` where the kernel has no family in it: the selector of an SA that takes any.
    pub(crate) fn from_raw(raw: &RawSelector) -> Result<Option<Self>, ParseError> {
        if raw.family == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            source: (address(&raw.saddr, raw.family)?, raw.prefixlen_s),
            destination: (address(&raw.daddr, raw.family)?, raw.prefixlen_d),
            protocol: raw.proto,
            source_port: (raw.sport, raw.sport_mask),
            destination_port: (raw.dport, raw.dport_mask),
            interface: u32::try_from(raw.ifindex).unwrap_or(0),
        }))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |(port, mask): (u16, u16)| match mask {
            0 => String::new(),
            u16::MAX => format!(":{port}"),
            mask => format!(":{port}/{mask:#06x}"),
        };
        write!(
            f,
            "{}/{}{} -> {}/{}{}",
            self.source.0,
            self.source.1,
            port(self.source_port),
            self.destination.0,
            self.destination.1,
            port(self.destination_port)
        )?;
        if self.protocol != 0 {
            write!(f, " protocol {}", self.protocol)?;
        }
        Ok(())
    }
}

/// `AF_INET` or `AF_INET6`.
pub(crate) fn family(address: &IpAddr) -> u16 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

/// The address in 16 bytes that say nothing of their family.
pub(crate) fn address(raw: &Address, family: u16) -> Result<IpAddr, ParseError> {
    match family {
        AF_INET => Ok(raw.to_ipv4().into()),
        AF_INET6 => Ok(raw.to_ipv6().into()),
        family => Err(ParseError::Family(family)),
    }
}
