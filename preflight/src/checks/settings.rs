//! Settings of the kernel that keep forwarded packets from their way.

use ike::config::Configuration;

use super::children;
use crate::{Code, Level, Machine, Warning};

pub(super) fn look(configuration: &Configuration, machine: &dyn Machine) -> Vec<Warning> {
    // Networks behind us, of either family: a single address may be our own.
    let networks: Vec<_> = children(configuration)
        .flat_map(|(_, child)| &child.local)
        .map(|one| one.addresses)
        .filter(|one| one.start() != one.end())
        .collect();
    let concerned = |ipv4: bool| networks.iter().any(|network| network.is_ipv4() == ipv4);
    let mut warnings = Vec::new();
    for (ipv4, name) in [
        (true, "ipv4/ip_forward"),
        (false, "ipv6/conf/all/forwarding"),
    ] {
        if concerned(ipv4) && machine.setting(name) == Some(0) {
            let what = "the networks behind this gateway are cut off: it does not forward packets";
            warnings.push(setting(Level::Warning, Code::NoForwarding, name, 1, what));
        }
    }
    if concerned(true) {
        warnings.extend(reverse_path(machine));
        let name = "ipv4/conf/all/send_redirects";
        if machine.setting(name) == Some(1) {
            let what = "where hosts reach this gateway by the interface that the tunnel uses, \
                        ICMP redirects may tell them to go around it";
            warnings.push(setting(Level::Note, Code::SendRedirects, name, 0, what));
        }
        let name = "ipv4/conf/all/accept_redirects";
        if machine.setting(name) == Some(1) && machine.setting("ipv4/ip_forward") == Some(1) {
            let what = "whoever is on a network of this gateway can send it ICMP redirects, which it believes";
            warnings.push(setting(Level::Note, Code::AcceptRedirects, name, 0, what));
        }
    }
    warnings
}

/// Interfaces whose reverse path filter is strict: the higher of the interface's own setting and that of all counts.
fn reverse_path(machine: &dyn Machine) -> Option<Warning> {
    let of = |name: &str| {
        machine
            .setting(&format!("ipv4/conf/{name}/rp_filter"))
            .unwrap_or(0)
    };
    let for_all = of("all");
    let mut strict = machine.interfaces();
    strict.retain(|name| of(name).max(for_all) == 1);
    let what = format!(
        "the reverse path filter is strict on {}: decrypted packets are dropped where answers leave by another interface",
        super::some(&strict)
    );
    let name = "ipv4/conf/all/rp_filter";
    (!strict.is_empty()).then(|| setting(Level::Warning, Code::StrictRpFilter, name, 2, &what))
}

fn setting(level: Level, code: Code, name: &str, wanted: u8, what: &str) -> Warning {
    let name = name.replace('/', ".");
    Warning::of_all(level, code, what, &format!("sysctl -w net.{name}={wanted}"))
}
