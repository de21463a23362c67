//! What will bite on this machine, told before anybody wonders why a ping gets no answer.
//!
//! Reads `/proc/sys/net` and asks the routes; changes nothing. What the kernel's IPsec can is [`crate::kernel::probe`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, UdpSocket};

use ike::config::selector::{AddressRange, Selector};
use ike::config::{Configuration, KernelMode};
use ike::engine::event::Level;

use crate::events::{Event, some};
use crate::holes;
use crate::sockets::local_address_for;

/// Something to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    level: Level,
    code: &'static str,
    message: String,
    suggestion: String,
}

impl Warning {
    /// To be told.
    pub(crate) fn event(&self) -> Event {
        Event::Preflight {
            level: self.level,
            code: self.code,
            message: self.message.clone(),
            suggestion: Some(self.suggestion.clone()),
        }
    }
}

/// Everything that there is to know. `exempt` makes a socket ignore IPsec policies.
pub(crate) fn look(
    configuration: &Configuration,
    exempt: fn(&UdpSocket) -> io::Result<()>,
) -> Vec<Warning> {
    if configuration.kernel == KernelMode::None {
        return vec![without_kernel()];
    }
    let mut warnings = local_addresses(configuration, &holes::own_addresses());
    warnings.extend(settings(configuration, &interfaces(), &|path| {
        std::fs::read_to_string(path).ok()
    }));
    warnings.extend(routes(configuration, |remote| {
        local_address_for(remote, exempt).map(drop)
    }));
    warnings
}

fn without_kernel() -> Warning {
    Warning {
        level: Level::Warning,
        code: "kernel-none",
        message: "NO TRAFFIC IS PROTECTED: kernel: none, so IKE SAs are negotiated and nothing is installed in the kernel".to_owned(),
        suggestion: "remove `kernel: none` to protect traffic".to_owned(),
    }
}

/// Addresses that connections speak from and that are not ours; none of ours: they could not be read.
fn local_addresses(configuration: &Configuration, ours: &[IpAddr]) -> Vec<Warning> {
    let mut missing = BTreeMap::<_, Vec<_>>::new();
    for connection in &configuration.connections {
        let address = connection.local.address;
        if let Some(address) = address.filter(|one| !ours.is_empty() && !ours.contains(one)) {
            let names = missing.entry(address).or_default();
            names.push(connection.name.as_str());
        }
    }
    let warning = |(address, names): (IpAddr, Vec<&str>)| Warning {
        level: Level::Warning,
        code: "no-local-address",
        message: format!(
            "no interface has {address}, which ikd is to speak from, so nothing can be sent or received there: {}",
            some(&names)
        ),
        suggestion: format!(
            "give it to an interface (ip addr add {address} dev ...), or correct `local: {{ address: {address} }}`"
        ),
    };
    missing.into_iter().map(warning).collect()
}

fn selectors(configuration: &Configuration, remote: bool) -> impl Iterator<Item = &Selector> {
    let children = configuration
        .connections
        .iter()
        .flat_map(|connection| &connection.children);
    children.flat_map(move |child| if remote { &child.remote } else { &child.local })
}

/// Interfaces with settings of their own.
fn interfaces() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc/sys/net/ipv4/conf") else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| !["all", "default", "lo"].contains(&name.as_str()))
        .collect()
}

/// Settings of the kernel; `read` reads a file of /proc.
fn settings(
    configuration: &Configuration,
    interfaces: &[String],
    read: &dyn Fn(&str) -> Option<String>,
) -> Vec<Warning> {
    let networks: Vec<_> = selectors(configuration, false)
        .map(|one| one.addresses)
        .filter(|one| one.start() != one.end())
        .collect();
    let value = |name: &str| {
        read(&format!("/proc/sys/net/{name}")).and_then(|text| text.trim().parse::<u8>().ok())
    };
    let concerned = |ipv4: bool| networks.iter().any(|network| network.is_ipv4() == ipv4);
    let mut warnings = Vec::new();
    for (ipv4, name) in [
        (true, "ipv4/ip_forward"),
        (false, "ipv6/conf/all/forwarding"),
    ] {
        if concerned(ipv4) && value(name) == Some(0) {
            let what = "the networks behind this gateway are cut off: it does not forward packets";
            warnings.push(setting(Level::Warning, "no-forwarding", name, 1, what));
        }
    }
    if concerned(true) {
        warnings.extend(reverse_path(interfaces, &value));
        let name = "ipv4/conf/all/send_redirects";
        if value(name) == Some(1) {
            let what = "where hosts reach this gateway by the interface that the tunnel uses, \
                        ICMP redirects may tell them to go around it";
            warnings.push(setting(Level::Info, "send-redirects", name, 0, what));
        }
    }
    warnings
}

/// Interfaces whose reverse path filter is strict: the higher of the interface's own setting and that of all counts.
fn reverse_path(interfaces: &[String], value: &dyn Fn(&str) -> Option<u8>) -> Option<Warning> {
    let of = |name: &str| value(&format!("ipv4/conf/{name}/rp_filter")).unwrap_or(0);
    let strict = |name: &&String| of(name).max(of("all")) == 1;
    let strict: Vec<_> = interfaces
        .iter()
        .filter(strict)
        .map(String::as_str)
        .collect();
    let what = format!(
        "the reverse path filter is strict on {}: decrypted packets are dropped where answers leave by another interface",
        strict.join(", ")
    );
    let name = "ipv4/conf/all/rp_filter";
    (!strict.is_empty()).then(|| setting(Level::Warning, "strict-rp-filter", name, 2, &what))
}

fn setting(level: Level, code: &'static str, name: &str, wanted: u8, what: &str) -> Warning {
    let name = name.replace('/', ".");
    Warning {
        level,
        code,
        message: what.to_owned(),
        suggestion: format!("sysctl -w net.{name}={wanted}"),
    }
}

/// Remote networks without a route: IPsec policies look at packets that have one.
fn routes(configuration: &Configuration, reach: impl Fn(IpAddr) -> io::Result<()>) -> Vec<Warning> {
    let remotes: BTreeSet<_> = selectors(configuration, true)
        .filter(|selector| !selector.addresses.is_everything())
        .map(|selector| (some_host(selector.addresses), selector.to_string()))
        .collect();
    let unreachable = |host: &IpAddr| {
        let failed = reach(*host).err().and_then(|error| error.raw_os_error());
        matches!(failed, Some(libc::ENETUNREACH | libc::EHOSTUNREACH))
    };
    remotes
        .into_iter()
        .filter(|(host, _)| unreachable(host))
        .map(|(_, network)| Warning {
            level: Level::Warning,
            code: "no-route",
            message: format!(
                "there is no route to {network}: packets for it are not even offered to IPsec"
            ),
            suggestion: format!("ip route add {network} via NEXT-HOP, the way to the peer will do"),
        })
        .collect()
}

/// An address that is neither the network's own nor, with any luck, its broadcast address.
fn some_host(addresses: AddressRange) -> IpAddr {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use ike::config::{Authentication, Child, Connection, Keep, Liveness, Local, Name, Remote};

    use super::*;

    fn configuration(local: &str, remote: &str) -> Configuration {
        let name = |text| Name::new(text).expect("a name");
        let child = Child {
            mode: ike::config::Mode::Tunnel,
            name: name("lan"),
            local: vec![local.parse().expect("a selector")],
            remote: vec![remote.parse().expect("a selector")],
            proposals: Vec::new(),
            keep: Keep::Up,
            replay_window: 128,
            hard_lifetime: Duration::from_secs(3600),
            priority: None,
        };
        let connection = Connection {
            name: name("branch"),
            local: Local {
                address: None,
                id: "hq.example.com".parse().expect("an identity"),
            },
            remote: Remote {
                address: None,
                id: None,
            },
            proposals: Vec::new(),
            authentication: Authentication::PRE_SHARED_KEY,
            children: vec![Arc::new(child)],
            liveness: Liveness::default(),
        };
        Configuration {
            connections: vec![Arc::new(connection)],
            ..Configuration::default()
        }
    }

    fn codes(warnings: &[Warning]) -> Vec<&str> {
        warnings.iter().map(|warning| warning.code).collect()
    }

    #[test]
    fn settings_that_bite_a_gateway_are_named_with_the_line_that_helps() {
        let interfaces = ["eth0".to_owned(), "eth1".to_owned()];
        let bad = |path: &str| {
            let value = if path.ends_with("ip_forward") || path.ends_with("eth1/rp_filter") {
                "0\n"
            } else {
                "1\n"
            };
            Some(value.to_owned())
        };
        let look = |local, remote, read| settings(&configuration(local, remote), &interfaces, read);
        let warnings = look("10.1.0.0/16", "10.2.0.0/16", &bad);
        assert_eq!(
            codes(&warnings),
            ["no-forwarding", "strict-rp-filter", "send-redirects"]
        );
        assert_eq!(warnings[0].suggestion, "sysctl -w net.ipv4.ip_forward=1");
        assert_eq!(
            warnings[1].suggestion,
            "sysctl -w net.ipv4.conf.all.rp_filter=2"
        );
        assert!(
            warnings[1].message.contains("eth0, eth1"),
            "the setting of all counts for each"
        );
        assert!(
            look("10.1.0.1", "10.2.0.0/16", &bad).is_empty(),
            "a host forwards nothing"
        );
        assert!(
            look("10.1.0.0/16", "10.2.0.0/16", &|_| None).is_empty(),
            "unreadable is no news"
        );
        let warnings = look("2001:db8::/48", "2001:db8:1::/48", &|_| {
            Some("0".to_owned())
        });
        assert_eq!(codes(&warnings), ["no-forwarding"]);
    }

    #[test]
    fn an_address_that_no_interface_has_is_named_with_who_speaks_from_it() {
        let mut configuration = configuration("10.1.0.0/16", "10.2.0.0/16");
        let ours: Vec<IpAddr> = vec!["192.0.2.1".parse().expect("valid")];
        assert!(
            local_addresses(&configuration, &ours).is_empty(),
            "any address will do"
        );
        let connection = Arc::get_mut(&mut configuration.connections[0]).expect("one owner");
        connection.local.address = Some("192.0.2.9".parse().expect("valid"));
        let warnings = local_addresses(&configuration, &ours);
        assert_eq!(codes(&warnings), ["no-local-address"]);
        assert!(
            warnings[0].message.contains("192.0.2.9") && warnings[0].message.ends_with(": branch")
        );
        assert!(
            local_addresses(&configuration, &[]).is_empty(),
            "unreadable is no news"
        );
        assert_eq!(some(&["a"; 7]), "a, a, a, a, a and 2 more");
    }

    #[test]
    fn a_loose_filter_for_all_outweighs_strict_ones() {
        let read = |path: &str| {
            let value = if path.ends_with("all/rp_filter") {
                "2"
            } else {
                "1"
            };
            Some(value.to_owned())
        };
        let eth0 = ["eth0".to_owned()];
        let warnings = settings(&configuration("10.1.0.0/16", "10.2.0.0/16"), &eth0, &read);
        assert!(!codes(&warnings).contains(&"strict-rp-filter"));
    }

    #[test]
    fn a_remote_network_without_a_route_is_named() {
        let no_route = |_: IpAddr| Err(io::Error::from_raw_os_error(libc::ENETUNREACH));
        let warnings = routes(&configuration("10.1.0.0/16", "10.2.0.0/16"), no_route);
        assert_eq!(codes(&warnings), ["no-route"]);
        assert!(warnings[0].message.contains("10.2.0.0/16"));
        assert!(routes(&configuration("10.1.0.0/16", "10.2.0.0/16"), |_| Ok(())).is_empty());
        assert!(routes(&configuration("10.1.0.0/16", "0.0.0.0/0"), no_route).is_empty());
    }

    #[test]
    fn the_host_asked_for_is_in_the_network() {
        let host = |text: &str| {
            some_host(text.parse::<Selector>().expect("a selector").addresses).to_string()
        };
        assert_eq!(host("10.2.0.0/16"), "10.2.0.1");
        assert_eq!(host("10.2.0.7"), "10.2.0.7");
        assert_eq!(host("2001:db8::/64"), "2001:db8::1");
    }
}
