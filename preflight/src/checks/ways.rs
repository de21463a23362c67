//! The ways that packets take: to the peers, and to what is behind them.
//!
//! The kernel looks for a route first and for an IPsec policy then, so that even a tunnel wants a route to what is behind the
//! peer. The default route will do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ike::config::selector::AddressRange;
use ike::config::{Configuration, Connection, Mode, Name};

use super::{children, some};
use crate::{Code, Level, Machine, Route, Warning};

/// Below this, in bytes, IPv6 packets of the smallest size that every link carries (1280) do not fit once they are in ESP,
/// with an outer IPv6 header, UDP encapsulation, AES-CBC and a SHA-512 ICV.
const ROOM_FOR_IPV6: u32 = 1280 + 40 + 8 + 8 + 16 + 17 + 32;

pub(super) fn look(configuration: &Configuration, machine: &dyn Machine) -> Vec<Warning> {
    let mut known = BTreeMap::new();
    let mut route = |to: IpAddr| known.entry(to).or_insert_with(|| machine.route(to)).clone();
    let mut warnings = Vec::from_iter(to_peers(configuration, &mut route));
    let remotes = remotes(configuration);
    warnings.extend(to_networks(&remotes, &mut route));
    warnings.extend(disabled(&remotes, machine, &mut route));
    warnings.extend(small_mtu(configuration, machine, &mut route));
    warnings
}

fn to_peers(
    configuration: &Configuration,
    route: &mut dyn FnMut(IpAddr) -> Option<Route>,
) -> Option<Warning> {
    let mut unreachable = Vec::new();
    for connection in &configuration.connections {
        if let Some(peer) = connection
            .remote
            .address
            .filter(|peer| route(*peer) == Some(Route::None))
        {
            unreachable.push((peer, connection.name.clone()));
        }
    }
    let (peer, _) = unreachable.first()?;
    let suggestion = format!(
        "add one (ip route add {peer} via NEXT-HOP), or look at the default route: ip route get {peer}"
    );
    let told: Vec<String> = unreachable
        .iter()
        .map(|(peer, name)| format!("{peer} ({name})"))
        .collect();
    let message = format!(
        "there is no route to the peer {}: it cannot be called or answered",
        some(&told)
    );
    let connections = unreachable.into_iter().map(|(_, name)| name).collect();
    Some(Warning {
        connections,
        ..Warning::of_all(Level::Warning, Code::NoRouteToPeer, &message, &suggestion)
    })
}

/// A network behind a peer.
struct Remote<'a> {
    network: AddressRange,
    connection: &'a Connection,
}

/// Each network of each connection once; not what is everything, of which no single route speaks, nor a peer itself.
fn remotes(configuration: &Configuration) -> Vec<Remote<'_>> {
    let mut seen = BTreeSet::new();
    let mut remotes = Vec::new();
    for (connection, child) in
        children(configuration).filter(|(_, child)| child.mode == Mode::Tunnel)
    {
        for network in child.remote.iter().map(|selector| selector.addresses) {
            if !network.is_everything()
                && seen.insert((network.start(), network.end(), &connection.name))
            {
                remotes.push(Remote {
                    network,
                    connection,
                });
            }
        }
    }
    remotes
}

fn to_networks(
    remotes: &[Remote<'_>],
    route: &mut dyn FnMut(IpAddr) -> Option<Route>,
) -> Vec<Warning> {
    let (mut unreachable, mut elsewhere) = (Vec::new(), Vec::new());
    for remote in remotes {
        match route(some_host(remote.network)) {
            Some(Route::None) => unreachable.push(remote),
            Some(Route::By {
                interface,
                is_default: false,
            }) => {
                let peer = remote.connection.remote.address.and_then(&mut *route);
                if let Some(Route::By { interface: way, .. }) = peer
                    && way != interface
                {
                    elsewhere.push((remote, interface, way));
                }
            }
            _ => {}
        }
    }
    let mut warnings = Vec::new();
    if let Some(first) = unreachable.first() {
        let networks: Vec<String> = unreachable
            .iter()
            .map(|one| one.network.to_string())
            .collect();
        warnings.push(Warning {
            level: Level::Warning,
            code: Code::NoRoute,
            message: format!(
                "there is no route to {}: packets for it are not even offered to IPsec",
                some(&unique(networks))
            ),
            suggestion: format!(
                "ip route add {} via NEXT-HOP, the way to the peer will do",
                first.network
            ),
            connections: names(unreachable.iter().map(|one| one.connection)),
        });
    }
    if let Some((first, interface, way)) = elsewhere.first() {
        let more = elsewhere.len() - 1;
        let others = if more > 0 {
            format!(" (and {more} more like it)")
        } else {
            String::new()
        };
        warnings.push(Warning {
            level: Level::Note,
            code: Code::RouteElsewhere,
            message: format!(
                "{}{others} has a route by {interface}, and the peer one by {way}: IPsec takes the packets all the same, but what comes from there is expected on {interface}",
                first.network
            ),
            suggestion: "a route that another tunnel has left behind? see ip route; with rp_filter=1 the answers are dropped".to_owned(),
            connections: names(elsewhere.iter().map(|(one, ..)| one.connection)),
        });
    }
    warnings
}

/// Interfaces on which the kernel leaves IPsec out: in clear goes what should be protected, or in comes what is not.
fn disabled(
    remotes: &[Remote<'_>],
    machine: &dyn Machine,
    route: &mut dyn FnMut(IpAddr) -> Option<Route>,
) -> Vec<Warning> {
    let mut ways = BTreeMap::<String, Vec<&Connection>>::new();
    for remote in remotes.iter().filter(|remote| remote.network.is_ipv4()) {
        if let Some(Route::By { interface, .. }) = route(some_host(remote.network)) {
            ways.entry(interface).or_default().push(remote.connection);
        }
    }
    let mut warnings = Vec::new();
    for (interface, connections) in ways {
        for (name, what) in [
            (
                "disable_xfrm",
                "what leaves by it goes in clear, whatever the policies say",
            ),
            (
                "disable_policy",
                "what comes in by it in clear is taken, whatever the policies say",
            ),
        ] {
            let is_set = |of: &str| machine.setting(&format!("ipv4/conf/{of}/{name}")) == Some(1);
            let Some(set) = ["all", &interface].into_iter().find(|of| is_set(of)) else {
                continue;
            };
            let message = format!("IPsec is switched off on {interface} ({name}): {what}");
            let suggestion = format!("sysctl -w net.ipv4.conf.{set}.{name}=0");
            warnings.push(Warning {
                connections: names(connections.iter().copied()),
                ..Warning::of_all(Level::Warning, Code::IpsecDisabled, &message, &suggestion)
            });
        }
    }
    warnings
}

fn small_mtu(
    configuration: &Configuration,
    machine: &dyn Machine,
    route: &mut dyn FnMut(IpAddr) -> Option<Route>,
) -> Option<Warning> {
    let mut small = Vec::new();
    for connection in &configuration.connections {
        let mut remotes = connection
            .children
            .iter()
            .filter(|child| child.mode == Mode::Tunnel)
            .flat_map(|child| &child.remote);
        let has_ipv6 = remotes.any(|one| !one.addresses.is_ipv4());
        if let Some(peer) = connection.remote.address.filter(|_| has_ipv6)
            && let Some(Route::By { interface, .. }) = route(peer)
            && let Some(mtu) = machine.mtu(&interface).filter(|mtu| *mtu < ROOM_FOR_IPV6)
        {
            small.push((connection.as_ref(), interface, mtu));
        }
    }
    let (_, interface, mtu) = small.first()?;
    let message = format!(
        "{interface} has an MTU of {mtu}: IPv6 packets of 1280 bytes, which every link has to carry, do not fit there once they are in ESP"
    );
    let suggestion = format!(
        "ip link set {interface} mtu {ROOM_FOR_IPV6} or more, where the way to the peer carries that"
    );
    let connections = names(small.iter().map(|(connection, ..)| *connection));
    Some(Warning {
        connections,
        ..Warning::of_all(Level::Note, Code::SmallMtu, &message, &suggestion)
    })
}

fn names<'a>(connections: impl Iterator<Item = &'a Connection>) -> Vec<Name> {
    let names: BTreeSet<Name> = connections.map(|one| one.name.clone()).collect();
    names.into_iter().collect()
}

fn unique(mut names: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// An address that is neither the network's own nor, with any luck, its broadcast address.
pub(super) fn some_host(addresses: AddressRange) -> IpAddr {
    let next = match addresses.start() {
        IpAddr::V4(first) => IpAddr::from((u32::from(first).saturating_add(1)).to_be_bytes()),
        IpAddr::V6(first) => IpAddr::from((u128::from(first).saturating_add(1)).to_be_bytes()),
    };
    if next <= addresses.end() {
        next
    } else {
        addresses.start()
    }
}
