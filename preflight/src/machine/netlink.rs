//! Two questions to the kernel: where a packet would go, and whose policies are there.

use std::io;
use std::net::IpAddr;

use ike::engine::INDEX_RANGE;
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_packet_xfrm::XfrmMessage;
use netlink_packet_xfrm::policy::DelGetMessage;
use netlink_sys::protocols::{NETLINK_ROUTE, NETLINK_XFRM};
use netlink_sys::{Socket, SocketAddr};
use nix::net::if_::if_indextoname;

use super::Route;

/// Messages of one dump that are looked at.
const MOST: usize = 100_000;

/// Where packets to an address go, by the routing tables and rules alone: IPsec is not asked.
pub(super) fn route(to: IpAddr) -> Option<Route> {
    let mut message = RouteMessage::default();
    let (family, prefix, address) = match to {
        IpAddr::V4(v4) => (AddressFamily::Inet, 32, RouteAddress::Inet(v4)),
        IpAddr::V6(v6) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(v6)),
    };
    message.header.address_family = family;
    message.header.destination_prefix_length = prefix;
    message.header.flags = RouteFlags::FibMatch;
    message.attributes = vec![RouteAttribute::Destination(address)];
    let mut answer = None;
    let outcome = ask(
        NETLINK_ROUTE,
        RouteNetlinkMessage::GetRoute(message),
        NLM_F_REQUEST,
        |reply: RouteNetlinkMessage| {
            if let RouteNetlinkMessage::NewRoute(route) = reply {
                answer = Some(route);
            }
        },
    );
    match (outcome.map_err(|error| error.raw_os_error()), answer) {
        (Ok(()), Some(route)) => of_message(&route),
        // Of routes that say no: unreachable, prohibit, blackhole.
        (Err(Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL)), _) => {
            Some(Route::None)
        }
        _ => None,
    }
}

fn of_message(route: &RouteMessage) -> Option<Route> {
    let interface = route
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            RouteAttribute::MultiPath(hops) => hops.first().map(|hop| hop.interface_index),
            _ => None,
        });
    match (route.header.kind, interface) {
        (RouteType::Local, _) => Some(Route::Here),
        (RouteType::Unreachable | RouteType::BlackHole | RouteType::Prohibit, _) => {
            Some(Route::None)
        }
        (_, Some(index)) => Some(Route::By {
            interface: if_indextoname(index).ok()?.into_string().ok()?,
            is_default: route.header.destination_prefix_length == 0,
        }),
        _ => None,
    }
}

/// Policies whose index is none of ours. Only root may ask.
pub(super) fn foreign_policies() -> Option<usize> {
    let mut foreign = 0;
    let question = XfrmMessage::GetPolicy(DelGetMessage::default());
    ask(
        NETLINK_XFRM,
        question,
        NLM_F_REQUEST | NLM_F_DUMP,
        |reply: XfrmMessage| {
            if let XfrmMessage::AddPolicy(policy) = reply {
                // The lowest three bits are the direction.
                let index = policy.user_policy_info.index >> 3;
                foreign += usize::from(!INDEX_RANGE.contains(&index));
            }
        },
    )
    .ok()?;
    Some(foreign)
}

/// Asks one question, and hands over each message of the answer.
fn ask<M: NetlinkSerializable + NetlinkDeserializable>(
    protocol: isize,
    question: M,
    flags: u16,
    mut take: impl FnMut(M),
) -> io::Result<()> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = 1;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(question));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let is_dump = flags & NLM_F_DUMP == NLM_F_DUMP;
    for _ in 0..MOST {
        let (reply, _) = socket.recv_from_full()?;
        let mut rest = reply.as_slice();
        while rest.len() >= 16 {
            let message = NetlinkMessage::<M>::deserialize(rest).map_err(io::Error::other)?;
            let length = (message.header.length as usize).next_multiple_of(4);
            match message.payload {
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::InnerMessage(inner) => take(inner),
                _ => {}
            }
            rest = rest.get(length.max(16)..).unwrap_or_default();
        }
        if !is_dump {
            return Ok(());
        }
    }
    Err(io::Error::from(io::ErrorKind::TimedOut))
}
