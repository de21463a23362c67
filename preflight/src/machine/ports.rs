//! Who else speaks IKE here.

use std::fmt;
use std::fs;

/// The ports of IKE (RFC 7296 section 2).
const PORTS: [u16; 2] = [500, 4500];

/// Programs that speak IKE, as the kernel calls their processes.
const DAEMONS: [&str; 7] = [
    "charon",
    "charon-systemd",
    "pluto",
    "iked",
    "racoon",
    "ikd",
    "openikev2",
];

/// An IKE daemon that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The name of its process.
    pub name: String,
    /// The number of its process.
    pub process: u32,
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.process)
    }
}

/// IKE daemons in our network namespace, ourselves not counted. Where only root may see a process's namespace, it is taken
/// for ours. What cannot be read is passed over: this is a hint.
#[must_use]
pub fn running_daemons() -> Vec<Daemon> {
    let Ok(ours) = fs::read_link("/proc/self/ns/net") else {
        return Vec::new();
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let daemon = |entry: fs::DirEntry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        let name = name.trim().to_owned();
        // Of nobody else a namespace is asked.
        let is_one = process != std::process::id()
            && DAEMONS.contains(&name.as_str())
            && fs::read_link(entry.path().join("ns/net")).map_or(true, |theirs| theirs == ours);
        is_one.then_some(Daemon { name, process })
    };
    processes.filter_map(daemon).collect()
}

/// Those of the ports that a socket of our network namespace has.
pub(super) fn taken() -> Vec<u16> {
    let tables = ["/proc/net/udp", "/proc/net/udp6"]
        .map(|table| fs::read_to_string(table).unwrap_or_default());
    let used: Vec<u16> = tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(port)
        .collect();
    PORTS
        .into_iter()
        .filter(|port| used.contains(port))
        .collect()
}

/// The local port of a line of /proc/net/udp: `  12: 00000000:01F4 00000000:0000 07 ...`.
fn port(line: &str) -> Option<u16> {
    let (_, port) = line.split_whitespace().nth(1)?.split_once(':')?;
    u16::from_str_radix(port, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernels_table_gives_the_port() {
        assert_eq!(
            port("  42: 00000000:01F4 00000000:0000 07 00000000:00000000"),
            Some(500)
        );
        assert_eq!(port("  sl  local_address rem_address   st"), None);
        assert_eq!(port(""), None);
    }
}
