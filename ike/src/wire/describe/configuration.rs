//! The Configuration payload (RFC 7296 section 3.15).

use super::layout::Item::{self, *};
use super::reader::{Read, Reader, hex, spelled};
use super::{layout, names};
use crate::wire::numbers::{ConfigAttributeType as A, ConfigType};

/// The values of attributes. Any attribute may be empty, which asks for a value.
const LAYOUTS: &[(A, &[Item])] = &[
    (A::INTERNAL_IP4_ADDRESS, &[Ipv4("Address")]),
    (A::INTERNAL_IP4_NETMASK, &[Ipv4("Netmask")]),
    (A::INTERNAL_IP4_DNS, &[Ipv4("Address")]),
    (A::INTERNAL_IP4_NBNS, &[Ipv4("Address")]),
    (A::INTERNAL_ADDRESS_EXPIRY, &[U32("Expiry", "seconds")]),
    (A::INTERNAL_IP4_DHCP, &[Ipv4("Address")]),
    (A::APPLICATION_VERSION, &[Text("Version")]),
    (
        A::INTERNAL_IP6_ADDRESS,
        &[Ipv6Prefix("Address and prefix length")],
    ),
    (A::INTERNAL_IP6_DNS, &[Ipv6("Address")]),
    (A::INTERNAL_IP6_NBNS, &[Ipv6("Address")]),
    (A::INTERNAL_IP6_DHCP, &[Ipv6("Address")]),
    (A::INTERNAL_IP4_SUBNET, &[Ipv4Subnet("Address and netmask")]),
    (
        A::SUPPORTED_ATTRIBUTES,
        &[Each(&[Code16("Attribute", |n| A(n & 0x7fff).name())])],
    ),
    (A::INTERNAL_IP6_SUBNET, &[Ipv6Prefix("Prefix")]),
    (
        A::MIP6_HOME_PREFIX,
        &[U32("Prefix Lifetime", "seconds"), Ipv6Prefix("Home Prefix")],
    ),
    (
        A::INTERNAL_IP6_LINK,
        &[Octets("Link-Local Interface ID", 8), Rest("IKEv2 Link ID")],
    ),
    (A::INTERNAL_IP6_PREFIX, &[Ipv6Prefix("Prefix")]),
    (
        A::HOME_AGENT_ADDRESS,
        &[Ipv6("IPv6 address"), With(second_address)],
    ),
    (A::P_CSCF_IP4_ADDRESS, &[Ipv4("Address")]),
    (A::P_CSCF_IP6_ADDRESS, &[Ipv6("Address")]),
    (
        A::TIMEOUT_PERIOD_FOR_LIVENESS_CHECK,
        &[U32("Timeout", "seconds")],
    ),
    (A::INTERNAL_DNS_DOMAIN, &[Text("Domain")]),
    (
        A::INTERNAL_DNSSEC_TA,
        &[
            U16("DNSKEY Key Tag", ""),
            Code8("DNSKEY Alg", names::dnssec_algorithm),
            Code8("Digest Type", names::ds_digest),
            Rest("Digest Data"),
        ],
    ),
    (A::ENCDNS_IP4, &[With(|reader| encrypted_dns(reader, 4))]),
    (A::ENCDNS_IP6, &[With(|reader| encrypted_dns(reader, 16))]),
];

pub(super) fn configuration(reader: &mut Reader<'_>) -> Read {
    let kind = reader.code8("CFG Type", |n| ConfigType(n).name())?;
    reader.gist(ConfigType(kind).to_string());
    reader.reserved(3)?;
    let mut separator = ": ";
    while reader.remaining() > 0 {
        let value = attribute(reader);
        reader.gist_after(std::mem::replace(&mut separator, ", "), value);
    }
    Ok(())
}

fn attribute(reader: &mut Reader<'_>) -> String {
    const HEADER: usize = 4;
    let available = reader.remaining();
    let length = HEADER + usize::from(reader.peek_u16(2).unwrap_or_default());
    reader.group("Configuration Attribute", length, |reader| {
        let from = reader.at();
        let kind = u16::from_be_bytes(reader.array()?);
        let (reserved, kind) = (kind & 0x8000 != 0, A(kind & 0x7fff));
        reader.gist(kind.to_string());
        let mark = reader.push("Attribute Type", spelled(kind.name(), kind.0), from);
        if reserved {
            reader.note(mark, "the reserved bit is set; receivers ignore it");
        }
        reader.u16("Length")?;
        if length > available {
            let left = reader.remaining();
            reader.refuse(reader.last(), format!("{left} octets are left"));
        }
        let left = reader.remaining();
        if left > 0 {
            let known = LAYOUTS.iter().find(|(known, _)| *known == kind);
            let items = known.map_or(&[Any("Value")] as &[Item], |(_, items)| items);
            let value = reader.data("Value", left, |reader| layout::read(reader, items));
            reader.gist_after(" ", value);
        }
        Ok(())
    })
}

/// 3GPP TS 24.302: an IPv4 address of the home agent may follow.
fn second_address(reader: &mut Reader<'_>) -> Read {
    if reader.remaining() == 0 {
        Ok(())
    } else {
        layout::read(reader, &[Ipv4("IPv4 address")])
    }
}

/// RFC 9464 section 3.1.
fn encrypted_dns(reader: &mut Reader<'_>, width: usize) -> Read {
    layout::read(reader, &[U16("Service Priority", "")])?;
    let count = reader.u8("Num Addresses")?;
    let length = usize::from(reader.u8("ADN Length")?);
    for _ in 0..count {
        if width == 4 {
            layout::read(reader, &[Ipv4("IP Address")])?;
        } else {
            layout::read(reader, &[Ipv6("IP Address")])?;
        }
    }
    let from = reader.at();
    let name = domain_name(reader.octets(length)?);
    reader.gist(&name);
    reader.push("Authentication Domain Name", name, from);
    if reader.remaining() > 0 {
        reader.hex_rest("Service Parameters");
    }
    Ok(())
}

/// A domain name in DNS wire format (RFC 1035 section 3.1), with dots; in hexadecimal, where it is none.
fn domain_name(octets: &[u8]) -> String {
    let mut labels = Vec::new();
    let mut rest = octets;
    while let Some((&length, after)) = rest.split_first() {
        match after.split_at_checked(length.into()) {
            Some((label, after)) if length < 64 => {
                labels.push(String::from_utf8_lossy(label).into_owned());
                rest = after;
            }
            _ => return hex(octets),
        }
    }
    labels.join(".").trim_end_matches('.').to_owned()
}
