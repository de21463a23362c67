//! Selectors as operators write them: `10.1.0.0/16`, `10.1.0.5-10.1.0.9[udp/1000-2000]`, `2001:db8::/32[47]`.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::str::FromStr;

use super::{AddressRange, ICMP, ICMPV6, PortRange, Selector, bits, number};

/// Longest text that is looked at, in bytes.
const MAX_TEXT: usize = 256;

/// Protocols by the names that operators use. The first name of several is printed.
const PROTOCOLS: &[(&str, u8)] = &[
    ("any", 0),
    ("icmp", ICMP),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", ICMPV6),
    ("icmpv6", ICMPV6),
    ("ipv6-icmp", ICMPV6),
    ("ospf", 89),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];

/// The names of protocols that a selector may have; any number from 1 to 255 may stand there, too.
pub fn protocol_names() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|(name, _)| *name)
}

/// Protocols whose packets have ports, or a type and a code.
const WITH_PORTS: &[u8] = &[0, ICMP, 6, 17, 33, ICMPV6, 132, 136];

/// Why a text is not a selector, where in it, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct SelectorError {
    /// What is wrong.
    pub kind: SelectorErrorKind,
    /// The bytes of the text that are wrong.
    pub at: Range<usize>,
    /// What to write instead of the whole text.
    pub suggestion: Option<String>,
}

/// What can be wrong with the text of a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorErrorKind {
    /// Nothing there, or more than 256 bytes.
    #[error("a selector has 1 to {MAX_TEXT} characters")]
    Length,
    /// No address.
    #[error("not an IP address")]
    Address,
    /// A prefix length that is no number or too long for the family.
    #[error("not a prefix length: 0 to 32 for IPv4, 0 to 128 for IPv6")]
    PrefixLength,
    /// Bits behind the prefix.
    #[error("the address has bits set behind its prefix")]
    HostBits,
    /// The end of a range before its start.
    #[error("the range ends before it starts")]
    Order,
    /// A range over two families.
    #[error("the range starts and ends in different address families")]
    MixedFamilies,
    /// Neither a name nor a number of a protocol.
    #[error(
        "not a protocol: a number from 1 to 255, or any of tcp, udp, icmp, icmp6, sctp, gre, esp, ah, ospf"
    )]
    Protocol,
    /// icmp with IPv6, or icmp6 with IPv4.
    #[error("that ICMP belongs to the other address family")]
    IcmpFamily,
    /// Ports of a protocol that has none.
    #[error("that protocol has no ports")]
    NoPorts,
    /// No port and no range of ports.
    #[error(
        "not a port: 0 to 65535, two of them with a dash, or opaque; for ICMP a type or type:code"
    )]
    Ports,
    /// `[` without `]`, or something behind it.
    #[error("protocol and ports stand at the end in brackets, as in 10.1.0.0/16[tcp/443]")]
    Brackets,
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let whole = Text {
            whole: text,
            part: text,
        };
        if text.trim().is_empty() || text.len() > MAX_TEXT {
            return Err(whole.error(SelectorErrorKind::Length));
        }
        let (addresses, upper) = match whole.cut('[') {
            Some((addresses, upper)) => match upper.part.trim_end().strip_suffix(']') {
                Some(inner) if !inner.contains(['[', ']']) => (
                    addresses,
                    Some(Text {
                        part: inner,
                        ..upper
                    }),
                ),
                _ => return Err(upper.error(SelectorErrorKind::Brackets)),
            },
            None => (whole, None),
        };
        // Protocol and ports last, but read first, so that a corrected prefix can keep them.
        let suffix = upper
            .map(|upper| format!("[{}]", upper.part))
            .unwrap_or_default();
        let addresses = parse_addresses(addresses.trim(), &suffix)?;
        let (protocol, ports) = upper.map_or(Ok((0, PortRange::ANY)), |upper| {
            parse_upper(upper.trim(), addresses)
        })?;
        Ok(Self {
            protocol,
            ports,
            addresses,
        })
    }
}

/// A part of the text that knows where it stands.
#[derive(Clone, Copy)]
struct Text<'a> {
    whole: &'a str,
    part: &'a str,
}

impl<'a> Text<'a> {
    fn cut(self, separator: char) -> Option<(Self, Self)> {
        let (a, b) = self.part.split_once(separator)?;
        Some((Self { part: a, ..self }, Self { part: b, ..self }))
    }

    fn trim(self) -> Self {
        Self {
            part: self.part.trim(),
            ..self
        }
    }

    fn error(self, kind: SelectorErrorKind) -> SelectorError {
        let start = self.part.as_ptr() as usize - self.whole.as_ptr() as usize;
        SelectorError {
            kind,
            at: start..start + self.part.len(),
            suggestion: None,
        }
    }

    fn suggest(self, kind: SelectorErrorKind, suggestion: String) -> SelectorError {
        SelectorError {
            suggestion: Some(suggestion),
            ..self.error(kind)
        }
    }
}

fn parse_addresses(text: Text<'_>, suffix: &str) -> Result<AddressRange, SelectorError> {
    if let Some((address, prefix)) = text.cut('/') {
        return parse_network(text, address.trim(), prefix.trim(), suffix);
    }
    if let Some((start, end)) = text.cut('-') {
        let (start, end) = (start.trim(), end.trim());
        let first = parse_address(start)?;
        let last = parse_address(end).map_err(|error| match (first, end.part.parse::<u8>()) {
            (IpAddr::V4(first), Ok(last)) => {
                let [a, b, c, _] = first.octets();
                end.suggest(error.kind, format!("{first}-{a}.{b}.{c}.{last}{suffix}"))
            }
            _ => error,
        })?;
        if first.is_ipv4() != last.is_ipv4() {
            return Err(text.error(SelectorErrorKind::MixedFamilies));
        }
        return AddressRange::new(first, last).ok_or_else(|| {
            text.suggest(SelectorErrorKind::Order, format!("{last}-{first}{suffix}"))
        });
    }
    if matches!(text.part, "any" | "%any" | "all" | "*") {
        return Err(text.suggest(SelectorErrorKind::Address, format!("0.0.0.0/0{suffix}")));
    }
    parse_address(text).map(|address| AddressRange {
        start: address,
        end: address,
    })
}

fn parse_network(
    text: Text<'_>,
    address: Text<'_>,
    prefix: Text<'_>,
    suffix: &str,
) -> Result<AddressRange, SelectorError> {
    let network = parse_address(address)?;
    let Some(length) = prefix
        .part
        .parse::<u8>()
        .ok()
        .filter(|length| *length <= bits(network))
    else {
        // 10.1.0.0/255.255.0.0
        let mask = prefix.part.parse::<std::net::Ipv4Addr>().map(u32::from);
        return Err(match mask {
            Ok(mask) if network.is_ipv4() && mask.leading_ones() + mask.trailing_zeros() == 32 => {
                prefix.suggest(
                    SelectorErrorKind::PrefixLength,
                    format!("{network}/{}{suffix}", mask.leading_ones()),
                )
            }
            _ => prefix.error(SelectorErrorKind::PrefixLength),
        });
    };
    let range = AddressRange::from_prefix(network, length).expect("the length was checked");
    if range.start == network {
        return Ok(range);
    }
    Err(text.suggest(
        SelectorErrorKind::HostBits,
        format!("{}/{length}{suffix}", range.start),
    ))
}

fn parse_address(text: Text<'_>) -> Result<IpAddr, SelectorError> {
    text.part
        .parse()
        .map_err(|_| text.error(SelectorErrorKind::Address))
}

fn parse_upper(text: Text<'_>, addresses: AddressRange) -> Result<(u8, PortRange), SelectorError> {
    let (name, ports) = text.cut('/').map_or((text, None), |(name, ports)| {
        (name.trim(), Some(ports.trim()))
    });
    let named = PROTOCOLS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name.part))
        .map(|(_, number)| *number);
    let protocol = named
        .or_else(|| name.part.parse().ok().filter(|number| *number != 0))
        .ok_or_else(|| name.error(SelectorErrorKind::Protocol))?;
    match (protocol, addresses.is_ipv4()) {
        (ICMP, false) | (ICMPV6, true) => return Err(name.error(SelectorErrorKind::IcmpFamily)),
        _ => {}
    }
    let Some(ports) = ports else {
        return Ok((protocol, PortRange::ANY));
    };
    if !WITH_PORTS.contains(&protocol) {
        return Err(ports.error(SelectorErrorKind::NoPorts));
    }
    let icmp = protocol == ICMP || protocol == ICMPV6;
    let range = match ports.cut('-') {
        _ if ports.part == "opaque" => return Ok((protocol, PortRange::OPAQUE)),
        Some((start, end)) => {
            parse_port(start.trim(), icmp, 0).zip(parse_port(end.trim(), icmp, 0xff))
        }
        None => parse_port(ports, icmp, 0).zip(parse_port(ports, icmp, 0xff)),
    };
    match range {
        Some((start, end)) if start <= end => Ok((protocol, PortRange { start, end })),
        Some(_) => Err(ports.error(SelectorErrorKind::Order)),
        None => Err(ports.error(SelectorErrorKind::Ports)),
    }
}

/// A port; or an ICMP type with a code, where `code` stands in for one left out.
fn parse_port(text: Text<'_>, icmp: bool, code: u8) -> Option<u16> {
    if !icmp {
        return text.part.parse().ok();
    }
    let (kind, code) = match text.cut(':') {
        Some((kind, code)) => (kind.part, code.part.parse().ok()?),
        None => (text.part, code),
    };
    Some(u16::from_be_bytes([kind.parse().ok()?, code]))
}

/// As it would be written: the shortest form that reads back as the same selector.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.addresses)?;
        let any_port = self.ports == PortRange::ANY;
        if self.protocol == 0 && any_port {
            return Ok(());
        }
        f.write_str("[")?;
        match PROTOCOLS
            .iter()
            .find(|(_, number)| *number == self.protocol)
        {
            Some((name, _)) => f.write_str(name)?,
            None => write!(f, "{}", self.protocol)?,
        }
        let icmp = self.protocol == ICMP || self.protocol == ICMPV6;
        let PortRange { start, end } = self.ports;
        match self.ports {
            PortRange::ANY => {}
            PortRange::OPAQUE => f.write_str("/opaque")?,
            _ if icmp => {
                let ([first, low], [last, high]) = (start.to_be_bytes(), end.to_be_bytes());
                match (low, high) {
                    (0, 0xff) if first == last => write!(f, "/{first}")?,
                    (0, 0xff) => write!(f, "/{first}-{last}")?,
                    _ if start == end => write!(f, "/{first}:{low}")?,
                    _ => write!(f, "/{first}:{low}-{last}:{high}")?,
                }
            }
            _ if start == end => write!(f, "/{start}")?,
            _ => write!(f, "/{start}-{end}")?,
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix() {
            Some(_) if number(self.start) == number(self.end) => write!(f, "{}", self.start),
            Some(prefix) => write!(f, "{}/{prefix}", self.start),
            None => write!(f, "{}-{}", self.start, self.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_printed_in_its_shortest_form() {
        for (text, printed) in [
            ("10.1.0.0/16", "10.1.0.0/16"),
            ("10.1.0.5/32", "10.1.0.5"),
            (" 10.1.0.5 - 10.1.0.9 ", "10.1.0.5-10.1.0.9"),
            ("10.1.0.0-10.1.255.255", "10.1.0.0/16"),
            ("2001:db8::/32", "2001:db8::/32"),
            (
                "2001:db8::5-2001:db8::9[TCP/443]",
                "2001:db8::5-2001:db8::9[tcp/443]",
            ),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0[icmpv6]", "::/0[icmp6]"),
            ("10.1.0.0/16[tcp]", "10.1.0.0/16[tcp]"),
            ("10.1.0.0/16[6]", "10.1.0.0/16[tcp]"),
            ("10.1.0.0/16[udp/1000-2000]", "10.1.0.0/16[udp/1000-2000]"),
            ("10.1.0.0/16[udp/0-65535]", "10.1.0.0/16[udp]"),
            ("10.1.0.0/16[tcp/opaque]", "10.1.0.0/16[tcp/opaque]"),
            ("10.1.0.0/16[47]", "10.1.0.0/16[gre]"),
            ("10.1.0.0/16[200]", "10.1.0.0/16[200]"),
            ("10.1.0.0/16[any/443]", "10.1.0.0/16[any/443]"),
            ("10.1.0.0/16[any]", "10.1.0.0/16"),
            ("10.1.0.0/16[icmp/8]", "10.1.0.0/16[icmp/8]"),
            ("10.1.0.0/16[icmp/8-10]", "10.1.0.0/16[icmp/8-10]"),
            ("10.1.0.0/16[icmp/3:4]", "10.1.0.0/16[icmp/3:4]"),
            ("10.1.0.0/16[icmp/3:4-5:6]", "10.1.0.0/16[icmp/3:4-5:6]"),
        ] {
            let selector: Selector = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(selector.to_string(), printed);
            assert_eq!(printed.parse(), Ok(selector));
        }
    }

    #[test]
    fn errors_point_at_the_part_and_suggest_the_whole() {
        use SelectorErrorKind::*;
        for (text, kind, part, suggestion) in [
            ("", Length, "", None),
            (
                "10.1.0.1/16[tcp/443]",
                HostBits,
                "10.1.0.1/16",
                Some("10.1.0.0/16[tcp/443]"),
            ),
            (
                "2001:db8::1/64",
                HostBits,
                "2001:db8::1/64",
                Some("2001:db8::/64"),
            ),
            (
                "10.1.0.0/255.255.0.0",
                PrefixLength,
                "255.255.0.0",
                Some("10.1.0.0/16"),
            ),
            ("10.1.0.0/33", PrefixLength, "33", None),
            ("10.1.0.0/", PrefixLength, "", None),
            ("10.1.0/24", Address, "10.1.0", None),
            ("10.1.0.5-9", Address, "9", Some("10.1.0.5-10.1.0.9")),
            (
                "10.1.0.9-10.1.0.5[udp]",
                Order,
                "10.1.0.9-10.1.0.5",
                Some("10.1.0.5-10.1.0.9[udp]"),
            ),
            (
                "10.1.0.9-2001:db8::5",
                MixedFamilies,
                "10.1.0.9-2001:db8::5",
                None,
            ),
            ("any", Address, "any", Some("0.0.0.0/0")),
            ("10.1.0.0/16[tcpp/1]", Protocol, "tcpp", None),
            ("10.1.0.0/16[0]", Protocol, "0", None),
            ("10.1.0.0/16[gre/1]", NoPorts, "1", None),
            ("10.1.0.0/16[tcp/70000]", Ports, "70000", None),
            ("10.1.0.0/16[tcp/9-1]", Order, "9-1", None),
            ("::/0[icmp]", IcmpFamily, "icmp", None),
            ("10.1.0.0/16[tcp", Brackets, "tcp", None),
            ("10.1.0.0/16[tcp]x", Brackets, "tcp]x", None),
        ] {
            let error = text.parse::<Selector>().expect_err(text);
            assert_eq!(
                (
                    error.kind,
                    &text[error.at.clone()],
                    error.suggestion.as_deref()
                ),
                (kind, part, suggestion),
                "{text}"
            );
        }
        assert_eq!(
            "1".repeat(300)
                .parse::<Selector>()
                .expect_err("too long")
                .kind,
            Length
        );
    }
}
