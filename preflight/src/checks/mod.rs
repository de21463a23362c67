//! Everything that is compared: one function for each thing that can go wrong.

mod settings;
#[cfg(test)]
mod tests;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ike::config::selector::{AddressRange, Selector};
use ike::config::{Child, Configuration, Connection, KernelMode, Mode, Name};

use crate::{Asker, Code, Level, Machine, Warning};

/// Names that one message lists.
const LISTED: usize = 5;

/// When this program was made, in seconds since the Unix epoch: no clock is right that is behind it.
const MADE: u64 = match option_env!("SOURCE_DATE_EPOCH") {
    Some(seconds) => decimal(seconds),
    // 2026-01-01.
    None => 1_767_225_600,
};

const fn decimal(text: &str) -> u64 {
    match u64::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("SOURCE_DATE_EPOCH is no number of seconds"),
    }
}

/// Everything that there is to know, what concerns all first.
#[must_use]
pub fn look(configuration: &Configuration, machine: &dyn Machine, asker: Asker) -> Vec<Warning> {
    if configuration.kernel == KernelMode::None {
        let message = "NO TRAFFIC IS PROTECTED: kernel: none, so IKE SAs are negotiated and nothing is installed in the kernel";
        let suggestion = "remove `kernel: none` to protect traffic";
        return vec![Warning::of_all(
            Level::Warning,
            Code::KernelNone,
            message,
            suggestion,
        )];
    }
    let mut warnings = Vec::new();
    warnings.extend(clock(configuration, machine.now()));
    warnings.extend(modules(configuration, machine));
    if asker == Asker::Tool {
        warnings.extend(ports(machine));
    }
    warnings.extend(foreign_policies(machine));
    let ours = machine.addresses();
    warnings.extend(local_addresses(configuration, &ours));
    warnings.extend(remote_is_here(configuration, &ours));
    warnings.extend(ways::look(configuration, machine));
    warnings.extend(settings::look(configuration, machine));
    warnings
}

/// Whether a configuration is meant for a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One of its addresses or networks is here, or nothing says that it is not.
    Ours,
    /// None of the addresses that it speaks from is here, nor any of the networks on its side.
    Elsewhere {
        /// Some of those addresses, as a list for a sentence; empty where it names none.
        addresses: String,
    },
}

/// Whether a configuration is meant for this machine: files of other gateways are checked, too.
#[must_use]
pub fn whose(configuration: &Configuration, machine: &dyn Machine) -> Whose {
    let ours = machine.addresses();
    let wanted: BTreeSet<IpAddr> = configuration
        .connections
        .iter()
        .filter_map(|connection| connection.local.address)
        .collect();
    let is_here = |address: &IpAddr| ours.contains(address);
    let in_a_network = |address: &IpAddr| {
        let mut local = children(configuration).flat_map(|(_, child)| &child.local);
        local.any(|one| !one.addresses.is_everything() && holds(one.addresses, *address))
    };
    let nothing_to_go_by = ours.is_empty()
        || wanted.is_empty()
            && children(configuration)
                .all(|(_, child)| child.local.iter().all(|one| one.addresses.is_everything()));
    if nothing_to_go_by || wanted.iter().any(is_here) || ours.iter().any(in_a_network) {
        return Whose::Ours;
    }
    let addresses: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    Whose::Elsewhere {
        addresses: some(&addresses),
    }
}

fn clock(configuration: &Configuration, now: Duration) -> Option<Warning> {
    let judges = configuration.credentials.values().any(|one| {
        one.own.as_ref().is_some_and(|own| !own.chain.is_empty())
            || one.trust.certificates().next().is_some()
    });
    let message = "the clock is wrong: it is earlier than the day this program was made, and certificates are judged by it";
    (judges && now.as_secs() < MADE).then(|| {
        Warning::of_all(
            Level::Warning,
            Code::ClockUnset,
            message,
            "set it: timedatectl set-ntp true",
        )
    })
}

fn modules(configuration: &Configuration, machine: &dyn Machine) -> Option<Warning> {
    let connections = configuration
        .connections
        .iter()
        .filter(|one| !one.children.is_empty());
    let speaks = |ipv4: bool| {
        let mut ends = connections
            .clone()
            .flat_map(|one| [one.local.address, one.remote.address]);
        ends.any(|end| end.is_some_and(|end| end.is_ipv4() == ipv4))
    };
    let needed = [
        ("xfrm_user", true),
        ("esp4", speaks(true)),
        ("esp6", speaks(false)),
    ];
    let missing: Vec<&str> = needed
        .into_iter()
        .filter(|(name, needed)| *needed && machine.has_module(name) == Some(false))
        .map(|(name, _)| name)
        .collect();
    let message = format!("the kernel has no {}: IPsec needs it", missing.join(", "));
    let suggestion = "install the rest of the kernel's modules (linux-modules-extra or the like), or another kernel";
    (!missing.is_empty())
        .then(|| Warning::of_all(Level::Warning, Code::NoKernelModule, &message, suggestion))
}

fn ports(machine: &dyn Machine) -> Option<Warning> {
    let taken = machine.ports_taken();
    let daemons = machine.daemons();
    if taken.is_empty() || daemons.iter().any(|daemon| daemon.name == "ikd") {
        return None;
    }
    let ports: Vec<String> = taken.iter().map(ToString::to_string).collect();
    let names: Vec<String> = daemons.iter().map(ToString::to_string).collect();
    let who = if names.is_empty() {
        "somebody else".to_owned()
    } else {
        some(&names)
    };
    let message = format!(
        "UDP port {} is taken, by {who}: ikd will not start",
        ports.join(" and ")
    );
    let suggestion = match daemons.first() {
        Some(_) => "stop it first, and keep it from starting again".to_owned(),
        None => format!("find out who: ss -lunp 'sport = {}'", ports[0]),
    };
    Some(Warning::of_all(
        Level::Warning,
        Code::PortsTaken,
        &message,
        &suggestion,
    ))
}

fn foreign_policies(machine: &dyn Machine) -> Option<Warning> {
    let count = machine.foreign_policies().filter(|count| *count > 0)?;
    let (policies, them) = if count == 1 {
        ("policy", "it")
    } else {
        ("policies", "them")
    };
    let message = format!(
        "the kernel has {count} IPsec {policies} that ikd did not make: where they concern the same traffic, the smaller priority decides"
    );
    let suggestion = format!("see whose they are: ip xfrm policy; ikd never removes {them}");
    Some(Warning::of_all(
        Level::Warning,
        Code::ForeignPolicies,
        &message,
        &suggestion,
    ))
}

/// Addresses that connections speak from and that are not ours; none of ours: they could not be read.
fn local_addresses(configuration: &Configuration, ours: &[IpAddr]) -> Vec<Warning> {
    let mut missing = BTreeMap::<_, Vec<_>>::new();
    for connection in &configuration.connections {
        let address = connection.local.address;
        if let Some(address) = address.filter(|one| !ours.is_empty() && !ours.contains(one)) {
            missing
                .entry(address)
                .or_default()
                .push(connection.name.clone());
        }
    }
    let warning = |(address, connections): (IpAddr, Vec<Name>)| Warning {
        level: Level::Warning,
        code: Code::NoLocalAddress,
        message: format!(
            "no interface has {address}, which ikd is to speak from, so nothing can be sent or received there: {}",
            some(&connections)
        ),
        suggestion: format!(
            "give it to an interface (ip addr add {address} dev ...), or correct `local: {{ address: {address} }}`"
        ),
        connections,
    };
    missing.into_iter().map(warning).collect()
}

/// The policy of the other end, or with the sides swapped.
fn remote_is_here(configuration: &Configuration, ours: &[IpAddr]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (connection, child) in
        children(configuration).filter(|(_, child)| child.mode == Mode::Tunnel)
    {
        let within = |side: &[Selector], address: IpAddr| {
            side.iter().any(|one| holds(one.addresses, address))
        };
        let here = ours.iter().find(|address| {
            let remote = child
                .remote
                .iter()
                .filter(|one| !one.addresses.is_everything());
            remote.clone().any(|one| holds(one.addresses, **address))
                && !within(&child.local, **address)
        });
        if let Some(here) = here {
            let message = format!(
                "this machine has {here}, which is on the remote side of {}/{}: are local and remote swapped?",
                connection.name, child.name
            );
            let suggestion = "local is what is behind this machine, remote what is behind the peer";
            warnings.push(Warning {
                connections: vec![connection.name.clone()],
                ..Warning::of_all(Level::Warning, Code::RemoteIsHere, &message, suggestion)
            });
        }
    }
    warnings
}

impl Warning {
    fn of_all(level: Level, code: Code, message: &str, suggestion: &str) -> Self {
        let (message, suggestion) = (message.to_owned(), suggestion.to_owned());
        Self {
            level,
            code,
            message,
            suggestion,
            connections: Vec::new(),
        }
    }
}

fn children(configuration: &Configuration) -> impl Iterator<Item = (&Connection, &Child)> {
    let connections = configuration.connections.iter();
    connections.flat_map(|connection| {
        connection
            .children
            .iter()
            .map(move |child| (&**connection, &**child))
    })
}

fn holds(addresses: AddressRange, address: IpAddr) -> bool {
    addresses.is_ipv4() == address.is_ipv4()
        && addresses.start() <= address
        && address <= addresses.end()
}

/// `hq, branch and 17 more`
fn some<T: ToString>(names: &[T]) -> String {
    let shown = names.len().min(LISTED);
    let list: Vec<String> = names[..shown].iter().map(ToString::to_string).collect();
    let mut text = list.join(", ");
    if names.len() > shown {
        text += &format!(" and {} more", names.len() - shown);
    }
    text
}
