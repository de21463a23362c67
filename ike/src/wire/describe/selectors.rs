//! The Traffic Selector payloads (RFC 7296 section 3.13).

use super::names;
use super::reader::{Read, Reader, named, possible};
use crate::wire::numbers::TsType;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// TS Type, IP Protocol ID and Selector Length.
const SELECTOR_HEADER: usize = 4;

pub(super) fn selectors(reader: &mut Reader<'_>) -> Read {
    let count = usize::from(reader.u8("Number of TSs")?);
    let count_mark = reader.last();
    reader.reserved(3)?;
    if count == 0 {
        reader.refuse(count_mark, "at least one is needed");
    }
    let mut found = 0_usize;
    while reader.remaining() > 0 {
        let value = selector(reader);
        reader.gist(value);
        found += 1;
    }
    if found != count {
        reader.refuse(count_mark, format!("{found} found"));
    }
    Ok(())
}

/// One, as long as it says.
fn selector(reader: &mut Reader<'_>) -> String {
    let available = reader.remaining();
    let kind = TsType(reader.peek().first().copied().unwrap_or_default());
    let declared = reader.peek_u16(2).map_or(available, usize::from);
    let right = match kind {
        TsType::IPV4_ADDR_RANGE => 16..=16,
        TsType::IPV6_ADDR_RANGE => 40..=40,
        _ => SELECTOR_HEADER..=available,
    };
    let fits = (SELECTOR_HEADER..=available).contains(&declared);
    let length = if fits { declared } else { available };
    reader.group("Traffic Selector", length, |reader| {
        reader.code8("TS Type", |n| TsType(n).name())?;
        let protocol = if matches!(kind, TsType::IPV4_ADDR_RANGE | TsType::IPV6_ADDR_RANGE) {
            reader.code8("IP Protocol ID", names::ip_protocol)?
        } else {
            reader.reserved(1)?;
            0
        };
        reader.u16("Selector Length")?;
        if !right.contains(&declared) {
            reader.refuse(reader.last(), possible(&right));
        }
        match kind {
            TsType::IPV4_ADDR_RANGE => addresses(reader, protocol, |reader| {
                Ok(Ipv4Addr::from(reader.array::<4>()?).into())
            }),
            TsType::IPV6_ADDR_RANGE => addresses(reader, protocol, |reader| {
                Ok(Ipv6Addr::from(reader.array::<16>()?).into())
            }),
            _ => {
                reader.gist(kind.to_string());
                let length = reader.remaining();
                let value = reader.data("Selector Data", length, |reader| other(reader, kind));
                reader.gist_after(" ", value);
                Ok(())
            }
        }
    })
}

/// What the strict reader keeps as it came: RFC 9478 section 2.2, RFC 4595 section 4.4.
fn other(reader: &mut Reader<'_>, kind: TsType) -> Read {
    match kind {
        TsType::SECLABEL => {
            let label = reader.text_rest("Security Label");
            reader.gist(label.trim_end_matches('\0'));
        }
        TsType::FC_ADDR_RANGE => {
            reader.reserved(1)?;
            reader.hex("Starting Address", 3)?;
            reader.reserved(1)?;
            reader.hex("Ending Address", 3)?;
            for name in [
                "Starting R_CTL",
                "Ending R_CTL",
                "Starting Type",
                "Ending Type",
            ] {
                reader.u8(name)?;
            }
        }
        _ => {
            reader.hex_rest("Data");
        }
    }
    Ok(())
}

/// A range of addresses, with ports.
fn addresses(
    reader: &mut Reader<'_>,
    protocol: u8,
    read: impl Fn(&mut Reader<'_>) -> Read<IpAddr>,
) -> Read {
    let mut port = |name| -> Read<u16> {
        let from = reader.at();
        let port = u16::from_be_bytes(reader.array()?);
        reader.push(name, meaning(protocol, port), from);
        Ok(port)
    };
    let (first_port, last_port) = (port("Start Port")?, port("End Port")?);
    let opaque = (first_port, last_port) == (u16::MAX, 0);
    if first_port > last_port && !opaque {
        reader.refuse(reader.last(), "the range ends before it starts");
    }
    let mut address = |name| -> Read<IpAddr> {
        let from = reader.at();
        let address = read(reader)?;
        reader.push(name, address.to_string(), from);
        Ok(address)
    };
    let (first, last) = (address("Starting Address")?, address("Ending Address")?);
    if first > last {
        reader.refuse(reader.last(), "the range ends before it starts");
    }
    let ports = match (first_port, last_port) {
        (0, u16::MAX) => String::new(),
        _ if opaque => " ports OPAQUE".into(),
        _ if first_port == last_port => format!(" {}", meaning(protocol, first_port)),
        _ => format!(
            " {} to {}",
            meaning(protocol, first_port),
            meaning(protocol, last_port)
        ),
    };
    let range = prefix(first, last).unwrap_or_else(|| format!("{first} to {last}"));
    let protocol = match protocol {
        0 => String::new(),
        _ => format!(
            " {}",
            names::ip_protocol(protocol)
                .map_or_else(|| format!("protocol {protocol}"), str::to_owned)
        ),
    };
    reader.gist(format!("{range}{protocol}{ports}"));
    Ok(())
}

/// The prefix that a range is, where it is one.
pub(super) fn prefix(first: IpAddr, last: IpAddr) -> Option<String> {
    let (low, high, width) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            (first.to_bits().into(), last.to_bits().into(), 32)
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => (first.to_bits(), last.to_bits(), 128),
        _ => return None,
    };
    let differing: u128 = low ^ high;
    // A prefix leaves all of the lowest bits open: zeros in the first address, ones in the last.
    let open = 128 - differing.leading_zeros();
    let full = differing.count_ones() == open && low & differing == 0;
    full.then(|| format!("{first}/{}", width - open))
}

/// A port, or what stands in its place: type and code of ICMP, type of a Mobility Header (RFC 7296 section 3.13.1).
fn meaning(protocol: u8, port: u16) -> String {
    let [kind, code] = port.to_be_bytes();
    match protocol {
        _ if matches!(port, 0 | u16::MAX) => port.to_string(),
        1 => format!("type {} code {code}", named(names::icmp(kind), kind)),
        58 => format!("type {} code {code}", named(names::icmpv6(kind), kind)),
        135 => format!("type {}", named(names::mobility_header(kind), kind)),
        _ => port.to_string(),
    }
}
