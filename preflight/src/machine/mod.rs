//! The machine, as far as it is looked at.

mod netlink;
mod ports;

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

pub use ports::{Daemon, running_daemons};

/// What is asked of a machine. `None`, or nothing, where it cannot be learned: that is no news.
pub trait Machine {
    /// Every address of every interface.
    fn addresses(&self) -> Vec<IpAddr>;

    /// The interfaces with settings of their own, without loopback.
    fn interfaces(&self) -> Vec<String>;

    /// A number below `/proc/sys/net`, such as `ipv4/ip_forward`.
    fn setting(&self, name: &str) -> Option<u32>;

    /// The MTU of an interface, in bytes.
    fn mtu(&self, interface: &str) -> Option<u32>;

    /// Where packets to an address go, before IPsec is asked.
    fn route(&self, to: IpAddr) -> Option<Route>;

    /// Those of the UDP ports 500 and 4500 that a socket has.
    fn ports_taken(&self) -> Vec<u16>;

    /// IKE daemons that run beside us.
    fn daemons(&self) -> Vec<Daemon>;

    /// How many IPsec policies the kernel has whose index is none of ours.
    fn foreign_policies(&self) -> Option<usize>;

    /// Whether the kernel has a module, loaded, built in, or there to be loaded.
    fn has_module(&self, name: &str) -> Option<bool>;

    /// The time since the Unix epoch.
    fn now(&self) -> Duration;
}

/// Where packets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Nowhere: there is none, or one that says so.
    None,
    /// To this machine itself.
    Here,
    /// Out by an interface.
    By {
        /// Its name.
        interface: String,
        /// Whether for want of anything better: the default route.
        is_default: bool,
    },
}

/// The machine that we run on, in our network namespace.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn addresses(&self) -> Vec<IpAddr> {
        let ip = |address: SockaddrStorage| {
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        };
        let all = getifaddrs().into_iter().flatten();
        all.filter_map(|one| ip(one.address?)).collect()
    }

    fn interfaces(&self) -> Vec<String> {
        let entries = fs::read_dir("/proc/sys/net/ipv4/conf");
        let entries = entries.into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names
            .filter(|name| !["all", "default", "lo"].contains(&name.as_str()))
            .collect();
        names.sort();
        names
    }

    fn setting(&self, name: &str) -> Option<u32> {
        number(&Path::new("/proc/sys/net").join(name))
    }

    fn mtu(&self, interface: &str) -> Option<u32> {
        number(&Path::new("/sys/class/net").join(interface).join("mtu"))
    }

    fn route(&self, to: IpAddr) -> Option<Route> {
        netlink::route(to)
    }

    fn ports_taken(&self) -> Vec<u16> {
        ports::taken()
    }

    fn daemons(&self) -> Vec<Daemon> {
        running_daemons()
    }

    fn foreign_policies(&self) -> Option<usize> {
        netlink::foreign_policies()
    }

    fn has_module(&self, name: &str) -> Option<bool> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
        let folder = Path::new("/lib/modules").join(release.trim());
        // Without the lists of the running kernel nothing can be said: a container, or another kernel's files.
        let lists = ["modules.builtin", "modules.dep"]
            .map(|file| fs::read_to_string(folder.join(file)).ok());
        let [Some(builtin), Some(loadable)] = lists else {
            return None;
        };
        let loaded = fs::read_to_string("/proc/modules").unwrap_or_default();
        let is_loaded = loaded
            .lines()
            .any(|line| line.split(' ').next() == Some(name));
        let file = format!("/{name}.ko");
        let is_there = |list: &str| {
            list.lines()
                .filter_map(|line| line.split(':').next())
                .any(|path| {
                    path.rfind(&file)
                        .is_some_and(|at| !path[at + file.len()..].contains('/'))
                })
        };
        Some(is_loaded || is_there(&builtin) || is_there(&loadable))
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.unwrap_or_default()
    }
}

fn number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers_without_any_privilege() {
        let machine = ThisMachine;
        let loopback: IpAddr = [127, 0, 0, 1].into();
        if !machine.addresses().contains(&loopback) {
            return println!("skipped: there is no loopback address here");
        }
        assert_eq!(machine.route(loopback), Some(Route::Here));
        assert!(machine.now() > Duration::from_secs(1_600_000_000));
        assert!(!machine.interfaces().contains(&"lo".to_owned()));
        assert_ne!(machine.has_module("no_such_module"), Some(true));
        println!(
            "{:?} {:?} {:?}",
            machine.interfaces(),
            machine.route([192, 0, 2, 1].into()),
            machine.foreign_policies()
        );
    }
}
