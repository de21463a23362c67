//! Holes in selectors that hold everything.
//!
//! A child or a drop policy for 0.0.0.0/0 or ::/0 would also take what keeps the machine on its network. So, unless the
//! configuration says otherwise, this passes beside it:
//!
//! | name                        | what                                                            |
//! |-----------------------------|-----------------------------------------------------------------|
//! | `hole-dhcp`, `hole-dhcpv6`  | DHCP between any addresses: UDP 67 and 68, 546 and 547          |
//! | `hole-net-192.0.2.0-24`     | traffic within a network that one of our interfaces is in       |
//! | `hole-link-local`           | IPv6 on the link itself: link-local addresses and multicast     |
//!
//! IKE itself needs none, its sockets are exempt. Neighbour discovery of IPv6 has one whatever the selectors, which is the
//! engine's and not here. A hole is left out where a policy of the same name exists, or one
//! for just that network: the configuration has said what it wants. Networks are looked up when the configuration is read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ike::config::selector::{AddressRange, PortRange, Selector};
use ike::config::{Configuration, Name, Shunt, ShuntAction};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

const UDP: u8 = 17;

/// A network that one of our interfaces is in.
type Network = AddressRange;

/// The networks that our interfaces are in, without loopback, link-local and single addresses.
pub(crate) fn connected_networks() -> Vec<Network> {
    let Ok(addresses) = getifaddrs() else {
        return Vec::new();
    };
    let mut networks: Vec<_> = addresses
        .filter(|one| {
            one.flags.contains(InterfaceFlags::IFF_UP)
                && !one.flags.contains(InterfaceFlags::IFF_LOOPBACK)
        })
        .filter_map(|one| network(ip(&one.address?)?, ip(&one.netmask?)?))
        .collect();
    networks.sort_by_key(|network| (network.start(), network.end()));
    networks.dedup();
    networks
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

fn network(address: IpAddr, mask: IpAddr) -> Option<Network> {
    let (prefix, longest) = match mask {
        IpAddr::V4(mask) => (u32::from(mask).leading_ones(), 32),
        IpAddr::V6(mask) => (u128::from(mask).leading_ones(), 128),
    };
    let local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if prefix == longest || local {
        return None;
    }
    AddressRange::from_prefix(address, u8::try_from(prefix).ok()?)
}

/// Adds the holes that a configuration needs, and returns their names.
pub(crate) fn add(configuration: &mut Configuration, networks: &[Network]) -> Vec<Name> {
    let mut holes = Vec::new();
    for ipv4 in [true, false] {
        let Some(priority) = widest(configuration, ipv4) else {
            continue;
        };
        let within = networks.iter().filter(|network| {
            network.is_ipv4() == ipv4 && !names_exactly(configuration, **network)
        });
        holes.extend(dhcp(ipv4, priority));
        if !ipv4 {
            holes.extend(link_local(priority));
        }
        holes.extend(within.filter_map(|network| neighbours(*network, priority)));
    }
    holes.retain(|hole| {
        !configuration
            .shunts
            .iter()
            .any(|shunt| shunt.name == hole.name)
    });
    let names = holes.iter().map(|hole| hole.name.clone()).collect();
    configuration.shunts.extend(holes.into_iter().map(Arc::new));
    names
}

/// Whether something takes everything of a family, and the explicit priority that its holes need to come before it.
#[expect(
    clippy::option_option,
    reason = "no hole is needed, a hole by its width, a hole with a priority"
)]
fn widest(configuration: &Configuration, ipv4: bool) -> Option<Option<u16>> {
    let everything = |selectors: &[Selector]| {
        selectors
            .iter()
            .any(|one| one.addresses.is_ipv4() == ipv4 && one.addresses.is_everything())
    };
    let children = configuration
        .connections
        .iter()
        .flat_map(|connection| &connection.children);
    let children = children
        .filter(|child| everything(&child.remote))
        .map(|child| child.priority);
    let drops = configuration
        .shunts
        .iter()
        .filter(|shunt| shunt.action == ShuntAction::Drop);
    let drops = drops
        .filter(|shunt| everything(&shunt.remote))
        .map(|shunt| shunt.priority);
    let wide: Vec<_> = children.chain(drops).collect();
    let before = |priority: u16| priority.saturating_sub(1).max(1);
    (!wide.is_empty()).then(|| wide.into_iter().flatten().min().map(before))
}

/// Whether the configuration speaks of just this network.
fn names_exactly(configuration: &Configuration, network: Network) -> bool {
    let children = configuration
        .connections
        .iter()
        .flat_map(|connection| &connection.children);
    let remotes = children
        .map(|child| &child.remote)
        .chain(configuration.shunts.iter().map(|shunt| &shunt.remote));
    remotes
        .flatten()
        .any(|selector| selector.addresses == network)
}

fn dhcp(ipv4: bool, priority: Option<u16>) -> Option<Shunt> {
    let (name, any, first) = if ipv4 {
        ("hole-dhcp", IpAddr::V4(Ipv4Addr::UNSPECIFIED), 67)
    } else {
        ("hole-dhcpv6", IpAddr::V6(Ipv6Addr::UNSPECIFIED), 546)
    };
    let port = |number| {
        Some(Selector {
            protocol: UDP,
            ports: PortRange::new(number, number)?,
            addresses: AddressRange::from_prefix(any, 0)?,
        })
    };
    let ports = vec![port(first)?, port(first + 1)?];
    pass(name, ports, priority)
}

fn link_local(priority: Option<u16>) -> Option<Shunt> {
    let all = |address: Ipv6Addr, prefix| {
        Some(Selector {
            protocol: 0,
            ports: PortRange::ANY,
            addresses: AddressRange::from_prefix(address.into(), prefix)?,
        })
    };
    let unicast = all(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)?;
    let multicast = all(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0), 16)?;
    pass("hole-link-local", vec![unicast, multicast], priority)
}

fn neighbours(network: Network, priority: Option<u16>) -> Option<Shunt> {
    let name = format!("hole-net-{}-{}", network.start(), network.prefix()?);
    pass(
        &name,
        vec![Selector {
            protocol: 0,
            ports: PortRange::ANY,
            addresses: network,
        }],
        priority,
    )
}

fn pass(name: &str, both_sides: Vec<Selector>, priority: Option<u16>) -> Option<Shunt> {
    let (local, remote) = (both_sides.clone(), both_sides);
    Some(Shunt {
        name: Name::new(name)?,
        action: ShuntAction::Pass,
        local,
        remote,
        priority,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Network {
        text.parse::<Selector>().expect("a selector").addresses
    }

    fn drop_policy(remote: &str, priority: Option<u16>) -> Arc<Shunt> {
        let selector = |text: &str| vec![text.parse().expect("a selector")];
        let name = Name::new("nothing-else").expect("a name");
        let local = selector(if remote.contains(':') {
            "::/0"
        } else {
            "0.0.0.0/0"
        });
        Arc::new(Shunt {
            name,
            action: ShuntAction::Drop,
            local,
            remote: selector(remote),
            priority,
        })
    }

    fn holes(shunts: Vec<Arc<Shunt>>, networks: &[&str]) -> (Vec<String>, Configuration) {
        let mut configuration = Configuration {
            shunts,
            ..Configuration::default()
        };
        let networks: Vec<_> = networks.iter().map(|text| range(text)).collect();
        let names = add(&mut configuration, &networks);
        (
            names.iter().map(ToString::to_string).collect(),
            configuration,
        )
    }

    #[test]
    fn a_policy_for_everything_keeps_dhcp_and_the_connected_networks() {
        let (names, configuration) = holes(
            vec![drop_policy("0.0.0.0/0", None)],
            &["192.0.2.0/24", "2001:db8::/64"],
        );
        assert_eq!(
            names,
            ["hole-dhcp", "hole-net-192.0.2.0-24"],
            "IPv6 is not concerned"
        );
        let hole = &configuration.shunts[2];
        assert_eq!(
            (hole.action, &hole.local, &hole.remote),
            (ShuntAction::Pass, &hole.remote, &hole.local)
        );
        assert_eq!(hole.remote[0].to_string(), "192.0.2.0/24");
        let dhcp = &configuration.shunts[1];
        assert_eq!(
            dhcp.local
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["0.0.0.0/0[udp/67]", "0.0.0.0/0[udp/68]"]
        );
    }

    #[test]
    fn narrow_policies_need_no_holes() {
        let (names, configuration) =
            holes(vec![drop_policy("10.0.0.0/8", None)], &["192.0.2.0/24"]);
        assert!(names.is_empty());
        assert_eq!(configuration.shunts.len(), 1);
    }

    #[test]
    fn the_configuration_may_say_otherwise() {
        let explicit = drop_policy("192.0.2.0/24", None);
        let (names, _) = holes(
            vec![drop_policy("0.0.0.0/0", None), explicit],
            &["192.0.2.0/24"],
        );
        assert_eq!(names, ["hole-dhcp"]);
    }

    #[test]
    fn holes_come_before_a_policy_with_a_priority() {
        let (_, configuration) = holes(vec![drop_policy("::/0", Some(10))], &["2001:db8::/64"]);
        let priorities: Vec<_> = configuration
            .shunts
            .iter()
            .map(|shunt| shunt.priority)
            .collect();
        assert_eq!(priorities, [Some(10), Some(9), Some(9), Some(9)]);
        assert_eq!(configuration.shunts[1].name.as_str(), "hole-dhcpv6");
        let link = &configuration.shunts[2];
        assert_eq!(link.name.as_str(), "hole-link-local");
        let texts: Vec<_> = link.remote.iter().map(ToString::to_string).collect();
        assert_eq!(
            (&link.local, texts),
            (
                &link.remote,
                vec!["fe80::/10".to_owned(), "ff02::/16".to_owned()]
            )
        );
        assert_eq!(
            configuration.shunts[3].name.as_str(),
            "hole-net-2001:db8::-64"
        );
    }

    #[test]
    fn single_addresses_and_link_local_ones_are_no_networks() {
        let ip = |text: &str| text.parse().expect("an address");
        assert_eq!(
            network(ip("192.0.2.9"), ip("255.255.255.0")),
            Some(range("192.0.2.0/24"))
        );
        assert_eq!(network(ip("192.0.2.9"), ip("255.255.255.255")), None);
        assert_eq!(network(ip("fe80::1"), ip("ffff:ffff:ffff:ffff::")), None);
    }
}
