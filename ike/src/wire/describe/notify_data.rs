//! The data of each notify. The strict reader leaves it to the engine, so that nothing here makes a message unreadable.

use super::layout::Item::{self, *};
use super::reader::{Read, Reader, hex, possible, spelled};
use super::{layout, names, sa, signature};
use crate::wire::numbers::{
    AuthMethod, HashAlgorithm, Integrity, NotifyType as N, PayloadType, Prf,
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Notifies that carry data, or may. All others that have a name carry none.
const LAYOUTS: &[(N, &[Item])] = &[
    (
        N::UNSUPPORTED_CRITICAL_PAYLOAD,
        &[Code8("Payload Type", |n| PayloadType(n).name())],
    ),
    // The version may be in the header alone.
    (N::INVALID_MAJOR_VERSION, &[With(version)]),
    (N::INVALID_MESSAGE_ID, &[U32("Message ID", "")]),
    (N::INVALID_SPI, &[Octets("SPI", 4)]),
    (
        N::INVALID_KE_PAYLOAD,
        &[Code16("Accepted Key Exchange Method", names::key_exchange)],
    ),
    (N::INVALID_SELECTORS, &[Rest("Start of the packet")]),
    (N::USE_ASSIGNED_HOA, &[Any("Data")]),
    (N::INVALID_GROUP_ID, &[Any("Data")]),
    (N::AUTHORIZATION_FAILED, &[Any("Data")]),
    (N::REGISTRATION_FAILED, &[Any("Data")]),
    (N::SET_WINDOW_SIZE, &[U32("Window Size", "requests")]),
    (
        N::IPCOMP_SUPPORTED,
        &[U16("IPComp CPI", ""), Code8("Transform ID", names::ipcomp)],
    ),
    (
        N::NAT_DETECTION_SOURCE_IP,
        &[Octets("SHA-1 of SPIs, source address and port", 20)],
    ),
    (
        N::NAT_DETECTION_DESTINATION_IP,
        &[Octets("SHA-1 of SPIs, destination address and port", 20)],
    ),
    (N::COOKIE, &[With(cookie)]),
    (N::ADDITIONAL_IP4_ADDRESS, &[Ipv4("Address")]),
    (N::ADDITIONAL_IP6_ADDRESS, &[Ipv6("Address")]),
    (N::COOKIE2, &[With(cookie)]),
    (N::NO_NATS_ALLOWED, &[With(no_nats)]),
    (N::AUTH_LIFETIME, &[U32("Lifetime", "seconds")]),
    (N::REDIRECT_SUPPORTED, &[]),
    (N::REDIRECT, &[With(gateway), Rest("Nonce Data")]),
    (N::REDIRECTED_FROM, &[With(gateway)]),
    (
        N::TICKET_LT_OPAQUE,
        &[U32("Lifetime", "seconds"), Rest("Ticket")],
    ),
    (N::TICKET_OPAQUE, &[Rest("Ticket")]),
    (N::LINK_ID, &[Any("Link ID")]),
    (N::ROHC_SUPPORTED, &[Each(&[With(rohc_attribute)])]),
    (N::QUICK_CRASH_DETECTION, &[Rest("QCD_TOKEN")]),
    (
        N::IKEV2_MESSAGE_ID_SYNC,
        &[
            Octets("Nonce Data", 4),
            U32("EXPECTED_SEND_REQ_MESSAGE_ID", ""),
            U32("EXPECTED_RECV_REQ_MESSAGE_ID", ""),
        ],
    ),
    (
        N::IPSEC_REPLAY_COUNTER_SYNC,
        &[Rest("Incoming IPsec SA delta value")],
    ),
    (
        N::SECURE_PASSWORD_METHODS,
        &[Each(&[Code16("Method", names::password_method)])],
    ),
    (N::ERX_SUPPORTED, &[Text("ERX domain")]),
    (N::IFOM_CAPABILITY, &[Any("Data")]),
    (N::GROUP_SENDER, &[Any("Data")]),
    (
        N::SIGNATURE_HASH_ALGORITHMS,
        &[Each(&[Code16("Hash Algorithm", |n| {
            HashAlgorithm(n).name()
        })])],
    ),
    (
        N::PUZZLE,
        &[
            Code16("PRF", |n| Prf(n).name()),
            U8("Difficulty", "zero bits"),
            With(puzzle_cookie),
        ],
    ),
    (N::PPK_IDENTITY, &[With(ppk_id_type), Any("PPK_ID")]),
    (N::NO_PPK_AUTH, &[Rest("Authentication Data")]),
    (
        N::ADDITIONAL_KEY_EXCHANGE,
        &[Rest("Opaque link to the exchange")],
    ),
    (
        N::USE_AGGFRAG,
        &[Bits(
            "Requirement Flags",
            &[(1, "Don't Fragment"), (2, "Congestion Control")],
        )],
    ),
    (N::SUPPORTED_AUTH_METHODS, &[Each(&[With(announcement)])]),
    (N::SA_RESOURCE_INFO, &[Any("Resource Identifier")]),
    (
        N::PPK_IDENTITY_KEY,
        &[
            With(ppk_id_type),
            AllBut("PPK_ID", 8),
            Octets("PPK Confirmation", 8),
        ],
    ),
];

fn layout_of(kind: N) -> Option<&'static [Item]> {
    LAYOUTS
        .iter()
        .find(|(known, _)| *known == kind)
        .map(|(_, items)| *items)
}

/// Whether it is a fault to send it without data.
pub(super) fn wanted(kind: N) -> bool {
    matches!(
        layout_of(kind),
        Some([
            U8(..)
                | U16(..)
                | U32(..)
                | Code8(..)
                | Code16(..)
                | Bits(..)
                | Octets(..)
                | Ipv4(_)
                | Ipv6(_),
            ..
        ])
    )
}

/// What is left is the data of a notify of this kind.
pub(super) fn read(reader: &mut Reader<'_>, kind: N) -> Read {
    match layout_of(kind) {
        Some(items) => layout::read(reader, items),
        // Nothing is expected: all of it is left over.
        None if kind.name().is_some() => Ok(()),
        None => layout::read(reader, &[Any("Data")]),
    }
}

fn version(reader: &mut Reader<'_>) -> Read {
    let from = reader.at();
    let [version] = reader.array()?;
    let value = format!("{}.{}", version >> 4, version & 0x0f);
    reader.gist(&value);
    reader.push("Version", value, from);
    Ok(())
}

/// RFC 7296 section 2.6, RFC 4555 section 4.2.5.
fn cookie(reader: &mut Reader<'_>) -> Read {
    let length = reader.remaining();
    layout::read(reader, &[Rest("Cookie")])?;
    if !(1..=64).contains(&length) {
        reader.note(
            reader.last(),
            format!("{length} octets; 1 to 64 are allowed"),
        );
    }
    Ok(())
}

/// RFC 4555 section 4.2.6: addresses of one family, then ports.
fn no_nats(reader: &mut Reader<'_>) -> Read {
    let v6 = reader.remaining() > 12;
    let addresses: &[Item] = if v6 {
        &[Ipv6("Source address"), Ipv6("Destination address")]
    } else {
        &[Ipv4("Source address"), Ipv4("Destination address")]
    };
    layout::read(reader, addresses)?;
    layout::read(
        reader,
        &[U16("Source port", ""), U16("Destination port", "")],
    )
}

/// RFC 5685 section 9.2.
fn gateway(reader: &mut Reader<'_>) -> Read {
    let kind = reader.code8("GW Ident Type", names::gateway)?;
    let length = usize::from(reader.u8("GW Ident Len")?);
    let from = reader.at();
    let octets = reader.octets(length)?;
    let value = match (kind, octets) {
        (1, &[a, b, c, d]) => Some(Ipv4Addr::new(a, b, c, d).to_string()),
        (2, octets) => <[u8; 16]>::try_from(octets)
            .ok()
            .map(|octets| Ipv6Addr::from(octets).to_string()),
        (3, octets) => std::str::from_utf8(octets).ok().map(str::to_owned),
        _ => None,
    };
    let readable = value.is_some();
    let value = value.unwrap_or_else(|| hex(octets));
    reader.gist(&value);
    let mark = reader.push("GW Identity", value, from);
    if !readable {
        reader.note(
            mark,
            format!(
                "not what a gateway of type {} looks like",
                spelled(names::gateway(kind), kind)
            ),
        );
    }
    Ok(())
}

/// RFC 5857 section 3.1.
fn rohc_attribute(reader: &mut Reader<'_>) -> Read {
    let from = reader.at();
    let (kind, short, value) = sa::type_and_value(reader)?;
    let name = spelled(names::rohc_attribute(kind), kind);
    let value = match (kind, short) {
        (_, false) => hex(reader.octets(value.into())?),
        (2, true) => format!("{value:#06x}"),
        (3, true) => spelled(Integrity(value).name(), value),
        _ => value.to_string(),
    };
    let value = format!("{name} = {value}");
    reader.gist(&value);
    reader.push("ROHC Attribute", value, from);
    Ok(())
}

/// RFC 8019 section 8.1: without a cookie in IKE_AUTH.
fn puzzle_cookie(reader: &mut Reader<'_>) -> Read {
    if reader.remaining() == 0 {
        return Ok(());
    }
    layout::read(reader, &[Rest("Cookie")])
}

/// RFC 8784 section 5.1.
fn ppk_id_type(reader: &mut Reader<'_>) -> Read {
    layout::read(reader, &[Code8("PPK_ID Type", names::ppk_id)])
}

/// One announcement of RFC 9593 section 3.2: its length counts itself and the method.
fn announcement(reader: &mut Reader<'_>) -> Read {
    let available = reader.remaining();
    let declared = reader
        .peek()
        .first()
        .map_or(available, |&length| length.into());
    let lengths = 2..=available;
    let right = lengths.contains(&declared);
    let value = reader.group(
        "Announcement",
        if right { declared } else { available },
        |reader| {
            reader.u8("Length")?;
            if !right {
                reader.refuse(reader.last(), possible(&lengths));
            }
            layout::read(reader, &[Code8("Auth Method", |n| AuthMethod(n).name())])?;
            if reader.remaining() > 0 {
                reader.u8("Cert Link")?;
            }
            let length = reader.remaining();
            if length > 0 {
                signature::identifier(reader, length)
            } else {
                Ok(())
            }
        },
    );
    reader.gist(value);
    Ok(())
}
