//! The command line, and the exit status.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::log;

/// Why the daemon ended, as its exit status. clap ends with 2 for a wrong command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Told to, everything cleaned up.
    Done = 0,
    /// Something failed that has no number of its own, or a second signal did not let it clean up.
    Failed = 1,
    /// The configuration is wrong, or a secret cannot be read.
    Configuration = 2,
    /// A privilege is missing.
    Privilege = 3,
    /// UDP port 500 or 4500 is in use.
    PortInUse = 4,
    /// The kernel cannot do what the configuration asks for.
    Kernel = 5,
    /// Another ikd runs in this place.
    AlreadyRunning = 6,
}

const STATUS_HELP: &str = "\
Signals:
  HUP        read the configuration again; a bad one changes nothing
  TERM, INT  say goodbye to the peers, clean the kernel, end; a second one ends at once

Exit status:
  0  told to end, and cleaned up
  1  failed for another reason
  2  the command line or the configuration is wrong, or a secret cannot be read
  3  a privilege is missing (CAP_NET_ADMIN, CAP_NET_BIND_SERVICE)
  4  UDP port 500 or 4500 is in use
  5  the kernel cannot do what the configuration asks for
  6  another ikd runs in this place";

/// IKEv2 daemon: negotiates with peers and lets the kernel's IPsec protect the traffic.
#[derive(Debug, Parser)]
#[command(name = "ikd", version, after_help = STATUS_HELP)]
pub(crate) struct Arguments {
    /// Policy file, or directory of them; may be given several times.
    #[arg(long, value_name = "FILE|DIR", default_value = "/etc/ikd")]
    pub(crate) config: Vec<PathBuf>,

    /// Where ikctl finds the daemon.
    #[arg(long, value_name = "SOCKET", default_value = ikapi::DEFAULT_SOCKET)]
    pub(crate) control: PathBuf,

    /// Whose members may look: status, list, metrics, monitor. [default: ikd, where there is such a group]
    #[arg(long, value_name = "GROUP")]
    pub(crate) look_group: Option<String>,

    /// Whose members may also change: up, down, rekey, reload, log, shutdown. [default: ikd-admin, where there is such a group]
    #[arg(long, value_name = "GROUP")]
    pub(crate) change_group: Option<String>,

    /// What belongs to this daemon alone while it runs; each daemon on a machine needs its own.
    #[arg(long, value_name = "DIR", default_value = "/run/ikd")]
    pub(crate) state_dir: PathBuf,

    /// How often the files that policies name (keys, certificates, CRLs, secrets) are looked at: changed ones are read
    /// again. 0: only when told to, by HUP or `ikctl reload`.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) watch: u32,

    /// Serve metrics to Prometheus at http://ADDRESS/metrics, such as 127.0.0.1:9497: to this machine alone. `ikctl metrics`
    /// shows the same without.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    pub(crate) metrics: Option<SocketAddr>,

    /// Append the keys of every IKE SA to this file, for Wireshark (its table ikev2_decryption_table) and `ikctl decode`.
    ///
    /// Whoever has the file and a capture reads what IKE said. For finding out what goes wrong, and not for longer. Only
    /// root may ask for it, and only root may be able to read the file.
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,

    /// How the log looks. [default: journal where standard error is the journal, else text]
    #[arg(long, value_enum)]
    pub(crate) log_format: Option<log::Format>,

    /// From which level on the log is written.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log_level: log::Level,

    /// Read the configuration, tell what is wrong with it, and end.
    #[arg(long)]
    pub(crate) check: bool,
}

impl Arguments {
    /// How often files are looked at; `None`: never.
    pub(crate) fn watch(&self) -> Option<Duration> {
        (self.watch > 0).then(|| Duration::from_secs(self.watch.into()))
    }
}

/// An address and port that only this machine reaches.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    const EXAMPLE: &str = "such as 127.0.0.1:9497 or [::1]:9497";
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("it is not an address and a port, {EXAMPLE}"))?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!(
        "it is not an address of the loopback interface, {EXAMPLE}: metrics name connections, and whoever reads them is not \
         asked who he is. For other machines, put a proxy before it that asks"
    ))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_has_its_defaults() {
        Arguments::command().debug_assert();
        let arguments = Arguments::parse_from(["ikd"]);
        assert_eq!(arguments.config, [PathBuf::from("/etc/ikd")]);
        assert_eq!(arguments.control, PathBuf::from("/run/ikd/control"));
        assert_eq!((arguments.metrics, arguments.keylog), (None, None));
        let arguments = Arguments::parse_from(["ikd", "--config", "a", "--config", "b"]);
        assert_eq!(arguments.config, [PathBuf::from("a"), PathBuf::from("b")]);
    }

    #[test]
    fn metrics_are_served_to_this_machine_alone() {
        let parsed = |address| Arguments::try_parse_from(["ikd", "--metrics", address]);
        for address in ["127.0.0.1:9497", "127.8.9.1:1", "[::1]:9497"] {
            assert!(
                parsed(address).is_ok_and(|one| one.metrics.is_some()),
                "{address}"
            );
        }
        for address in [
            "0.0.0.0:9497",
            "[::]:9497",
            "192.0.2.1:9497",
            "[::ffff:127.0.0.1]:9497",
            "localhost:9497",
            "9497",
            "127.0.0.1",
        ] {
            let error = parsed(address).expect_err(address).to_string();
            assert!(error.contains("127.0.0.1:9497"), "{error}");
        }
    }
}
