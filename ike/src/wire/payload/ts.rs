//! The Traffic Selector payloads: which packets an SA carries (RFC 7296 section 3.13).

use crate::wire::codec::{Hex, Reader, fill_length, narrow8, put_u16};
use crate::wire::error::{Allowed, Field, WireError};
use crate::wire::numbers::TsType;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Traffic Selector payload, of either side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrafficSelectors {
    /// 1 to 255 of them.
    pub selectors: Vec<TrafficSelector>,
}

impl TrafficSelectors {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let start = reader.offset();
        let [count, ..] = reader.array::<4>()?;
        let count = usize::from(count);
        reader.check(
            Field::SelectorCount,
            start,
            count,
            Allowed::range(1, usize::from(u8::MAX)),
        )?;
        let mut selectors =
            Vec::with_capacity(count.min(reader.remaining() / TrafficSelector::HEADER));
        while !reader.is_empty() {
            selectors.push(TrafficSelector::read(reader)?);
        }
        reader.check(
            Field::SelectorCount,
            start,
            count,
            Allowed::only(selectors.len()),
        )?;
        Ok(Self { selectors })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[narrow8(self.selectors.len()), 0, 0, 0]);
        self.selectors
            .iter()
            .for_each(|selector| selector.write(out));
    }
}

/// A set of packets. Start and end of a range belong to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum TrafficSelector {
    /// A range of addresses.
    Ip {
        /// IP protocol number, 0 for any.
        protocol: u8,
        /// Ports; for ICMP and MIPv6 mobility headers the type and code.
        ports: PortRange,
        /// The first address.
        start: IpAddr,
        /// The last address, of the same family, and never before the first in a parsed selector.
        end: IpAddr,
    },
    /// A type we do not know, to be skipped when selectors are narrowed (RFC 7296 section 3.13.1).
    Unknown {
        /// The type.
        ts_type: TsType,
        /// The second octet, the IP protocol in the types that have one.
        protocol: u8,
        /// What follows the length.
        body: Box<[u8]>,
    },
}

impl TrafficSelector {
    /// Type, protocol and length.
    const HEADER: usize = 4;
    /// Length of an IPV4_ADDR_RANGE.
    const IPV4: usize = 16;
    /// Length of an IPV6_ADDR_RANGE.
    const IPV6: usize = 40;

    /// The type on the wire.
    #[must_use]
    pub const fn ts_type(&self) -> TsType {
        match self {
            Self::Ip {
                start: IpAddr::V4(_),
                end: IpAddr::V4(_),
                ..
            } => TsType::IPV4_ADDR_RANGE,
            Self::Ip { .. } => TsType::IPV6_ADDR_RANGE,
            Self::Unknown { ts_type, .. } => *ts_type,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (offset, available) = (reader.offset(), reader.remaining());
        let [ts_type, protocol] = reader.array()?;
        let ts_type = TsType(ts_type);
        let length = usize::from(reader.u16()?);
        let allowed = match ts_type {
            TsType::IPV4_ADDR_RANGE => Allowed::only(Self::IPV4),
            TsType::IPV6_ADDR_RANGE => Allowed::only(Self::IPV6),
            _ => Allowed::range(Self::HEADER, available),
        };
        reader.check(Field::SubstructureLength, offset + 2, length, allowed)?;
        if !matches!(ts_type, TsType::IPV4_ADDR_RANGE | TsType::IPV6_ADDR_RANGE) {
            let body = reader.take(length - Self::HEADER)?.into();
            return Ok(Self::Unknown {
                ts_type,
                protocol,
                body,
            });
        }
        let ports = PortRange {
            start: reader.u16()?,
            end: reader.u16()?,
        };
        let mut address = || -> Result<IpAddr, WireError> {
            Ok(if ts_type == TsType::IPV4_ADDR_RANGE {
                Ipv4Addr::from(reader.array::<4>()?).into()
            } else {
                Ipv6Addr::from(reader.array::<16>()?).into()
            })
        };
        let (start, end) = (address()?, address()?);
        if start > end || (ports.start > ports.end && ports != PortRange::OPAQUE) {
            return Err(reader.inverted(offset));
        }
        Ok(Self::Ip {
            protocol,
            ports,
            start,
            end,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let at = out.len();
        match self {
            Self::Ip {
                protocol,
                ports,
                start,
                end,
            } => {
                out.extend_from_slice(&[self.ts_type().0, *protocol, 0, 0]);
                put_u16(out, ports.start);
                put_u16(out, ports.end);
                for address in [start, end] {
                    match address {
                        IpAddr::V4(v4) if self.ts_type() == TsType::IPV4_ADDR_RANGE => {
                            out.extend_from_slice(&v4.octets())
                        }
                        // Families are never mixed; if they were, this keeps the length right.
                        IpAddr::V4(v4) => out.extend_from_slice(&v4.to_ipv6_mapped().octets()),
                        IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
                    }
                }
            }
            Self::Unknown {
                ts_type,
                protocol,
                body,
            } => {
                out.extend_from_slice(&[ts_type.0, *protocol, 0, 0]);
                out.extend_from_slice(body);
            }
        }
        fill_length(out, at);
    }
}

impl fmt::Debug for TrafficSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip {
                protocol,
                ports,
                start,
                end,
            } => {
                write!(
                    f,
                    "{start}-{end} protocol {protocol} ports {}-{}",
                    ports.start, ports.end
                )
            }
            Self::Unknown {
                ts_type,
                protocol,
                body,
            } => {
                write!(f, "{ts_type} protocol {protocol} {:?}", Hex(body))
            }
        }
    }
}

/// A range of ports in host order, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    /// The first port.
    pub start: u16,
    /// The last port.
    pub end: u16,
}

impl PortRange {
    /// Any port, also where the protocol has none.
    pub const ANY: Self = Self {
        start: 0,
        end: u16::MAX,
    };
    /// Packets whose ports cannot be seen, such as fragments: 65535 to 0.
    pub const OPAQUE: Self = Self {
        start: u16::MAX,
        end: 0,
    };

    /// One port.
    #[must_use]
    pub const fn only(port: u16) -> Self {
        Self {
            start: port,
            end: port,
        }
    }
}
