//! What a child protects: its selectors at either end, the packets that are sent through it, and the policies that it takes.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ike::config::Mode;
use ike::config::selector::Selector;

use super::scenario::address;

/// Protocol, source port, destination port.
pub(super) type Carries = (u8, u16, u16);

/// Some protocol that no selector names, and no ports.
const ANY: Carries = (255, 0, 0);
const TCP: u8 = 6;
/// Where one end of a child with ports listens.
const HTTPS: u16 = 443;
/// Where the connections to it come from.
const FROM: u16 = 50_000;
/// The first port of children in transport mode, which have one each.
const OWN_PORTS: u16 = 6000;

/// What a child protects. Numbers are those of a network: each child of each link has its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// One network behind each end.
    #[default]
    Network,
    /// The networks of all children of its link: each packet of another child is its own as well, if that were not narrower.
    Wide,
    /// One IPv6 network behind each end, through a tunnel between IPv4 addresses.
    Ipv6,
    /// Two IPv4 networks and one IPv6 network behind each end.
    Several,
    /// Connections to one port of the first end.
    Port,
    /// The same between the gateways themselves, in transport mode.
    Transport,
}

/// A packet of a child: from where to where, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) carries: Carries,
}

impl Shape {
    /// How packets are carried.
    pub(super) const fn mode(self) -> Mode {
        match self {
            Self::Transport => Mode::Transport,
            _ => Mode::Tunnel,
        }
    }

    /// The place of a child's policies among all, where it is said: the narrow before the wide.
    pub(super) fn priority(self, child: usize) -> u16 {
        let number = u16::try_from(child).expect("few children");
        match self {
            Self::Wide => 100 + number,
            _ => 1 + number,
        }
    }

    /// How many policies a child takes, in all directions.
    pub(super) const fn policies(self) -> usize {
        match self {
            // In and out.
            Self::Transport => 2,
            // Four pairs of IPv4 and one of IPv6, each in, forward and out.
            Self::Several => 15,
            _ => 3,
        }
    }

    /// Whether any of them concerns IPv6.
    pub(super) const fn concerns_ipv6(self) -> bool {
        matches!(self, Self::Ipv6 | Self::Several)
    }

    /// What is protected behind a gateway that is this end (0 or 1) of a link.
    pub(super) fn selectors(self, gateway: usize, end: usize, number: usize) -> Vec<Selector> {
        let own = |second: usize| format!("10.{}.{number}.0/24", second + 1);
        let ipv6 = || format!("fd00:{}:{number}::/64", gateway + 1);
        let port = |of: usize, port: u16| match end == of {
            true => format!("[tcp/{port}]"),
            // The first end's selector says the protocol for both.
            false => String::new(),
        };
        let texts = match self {
            Self::Network => vec![own(gateway)],
            Self::Wide => vec![format!("10.{}.{}.0/21", gateway + 1, number / 8 * 8)],
            Self::Ipv6 => vec![ipv6()],
            Self::Several => vec![own(gateway), own(gateway + 100), ipv6()],
            Self::Port => vec![own(gateway) + &port(0, HTTPS)],
            Self::Transport => {
                vec![format!("{}{}", address(gateway), port(0, own_port(number)))]
            }
        };
        let parse = |text: &String| text.parse().expect("a selector");
        texts.iter().map(parse).collect()
    }

    /// One packet of each kind that a gateway, which is this end (0 or 1) of a link, sends to another.
    pub(super) fn packets(self, gateways: [usize; 2], end: usize, number: usize) -> Vec<Kind> {
        let ports = |port| match end {
            0 => (TCP, port, FROM),
            _ => (TCP, FROM, port),
        };
        let kind = |ends: [IpAddr; 2], carries| Kind {
            source: ends[0],
            destination: ends[1],
            carries,
        };
        let hosts = gateways.map(|gateway| host(gateway, number));
        match self {
            Self::Network | Self::Wide => vec![kind(hosts, ANY)],
            Self::Ipv6 => vec![kind(gateways.map(|of| host_v6(of, number)), ANY)],
            Self::Several => vec![
                kind(hosts, ANY),
                kind([host(gateways[0] + 100, number), hosts[1]], ANY),
                kind(gateways.map(|of| host_v6(of, number)), ANY),
            ],
            Self::Port => vec![kind(hosts, ports(HTTPS))],
            Self::Transport => vec![kind(gateways.map(address), ports(own_port(number)))],
        }
    }
}

fn own_port(number: usize) -> u16 {
    OWN_PORTS + u16::try_from(number).expect("few networks")
}

fn host(second: usize, number: usize) -> IpAddr {
    let byte = |number: usize| u8::try_from(number).expect("few networks");
    IpAddr::from([10, byte(second + 1), byte(number), 1])
}

fn host_v6(gateway: usize, number: usize) -> IpAddr {
    let text = format!("fd00:{}:{number}::1", gateway + 1);
    let address: Ipv6Addr = text.parse().expect("an address");
    address.into()
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "a network",
            Self::Wide => "the networks of all",
            Self::Ipv6 => "an IPv6 network",
            Self::Several => "several networks",
            Self::Port => "a port",
            Self::Transport => "a port of the gateway, in transport mode",
        })
    }
}
