//! strongSwan at a gateway: `charon-systemd`, configured and asked over its own socket by `swanctl`.

use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::{Daemon, Gateway, Policy};
use crate::guest::netns::Namespace;

const CONNECTION: &str = "gateway";

/// A running charon.
#[derive(Debug)]
pub struct Strongswan<'net> {
    gateway: &'net Namespace,
    daemon: Daemon,
}

impl<'net> Strongswan<'net> {
    /// Starts charon at `gateway` and loads `policy`.
    pub fn start(gateway: &'net Namespace, policy: &Policy) -> Result<Self> {
        let directory = Daemon::directory(gateway)?;
        let settings = directory.join("strongswan.conf");
        let here = directory.display();
        // Only the plugins that are needed: the others make the start slower, and one of them does ESP without the kernel.
        // Short retransmission: "the peer is gone" must be found out within a test's patience.
        std::fs::write(
            &settings,
            format!(
                "charon {{
                    load = random nonce openssl pem pkcs1 x509 pubkey constraints hmac sha2 aes curve25519 kdf kernel-netlink socket-default vici
                    install_routes = no
                    retransmit_tries = 3
                    retransmit_timeout = 2.0
                    retransmit_base = 1.4
                    plugins {{ vici {{ socket = unix://{here}/vici }} }}
                    filelog {{ log {{
                        path = {here}/charon.log
                        default = 1
                        cfg = 2
                        flush_line = yes
                        ike_name = yes
                    }} }}
                }}
                charon-systemd {{ journal {{ default = -1 }} }}
                "
            ),
        )?;
        let mut charon = Command::new("charon-systemd");
        charon.env("STRONGSWAN_CONF", &settings);
        let mut daemon = Daemon::start(gateway, directory, &mut charon)?;
        let socket = daemon.directory.join("vici");
        daemon.wait_until("ready", Duration::from_secs(30), || {
            UnixStream::connect(&socket).is_ok()
        })?;
        let strongswan = Self { gateway, daemon };
        strongswan.load(policy)?;
        Ok(strongswan)
    }

    /// Makes `policy` the whole configuration.
    pub fn load(&self, policy: &Policy) -> Result<()> {
        let file = self.daemon.directory.join("swanctl.conf");
        std::fs::write(&file, swanctl_conf(policy))?;
        self.swanctl(&[
            "--load-all",
            "--clear",
            "--noprompt",
            "--file",
            &file.to_string_lossy(),
        ])?;
        Ok(())
    }

    /// Runs `swanctl` with these arguments against this charon.
    pub fn swanctl(&self, arguments: &[&str]) -> Result<String> {
        let mut swanctl = Command::new("swanctl");
        swanctl
            .args(arguments)
            .arg("--uri")
            .arg(format!("unix://{}/vici", self.daemon.directory.display()));
        swanctl.env(
            "STRONGSWAN_CONF",
            self.daemon.directory.join("strongswan.conf"),
        );
        self.gateway.output(&mut swanctl)
    }

    fn log_file(&self) -> PathBuf {
        self.daemon.directory.join("charon.log")
    }
}

impl Gateway for Strongswan<'_> {
    fn up_within(&self, child: &str, patience: Duration) -> Result<String> {
        let seconds = patience.as_secs().to_string();
        self.swanctl(&["--initiate", "--child", child, "--timeout", &seconds])
    }

    fn down(&self) -> Result<String> {
        self.swanctl(&["--terminate", "--ike", CONNECTION, "--timeout", "60"])
    }

    fn list(&self) -> Result<String> {
        self.swanctl(&["--list-sas"])
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_else(|_| self.daemon.output())
    }

    fn reasons(&self) -> String {
        const TELLING: &[&str] = &[
            "error",
            "fail",
            "mismatch",
            "unacceptable",
            "no matching",
            "no acceptable",
            "no CHILD_SA",
            "giving up",
        ];
        let log = self.log();
        log.lines()
            .filter(|line| TELLING.iter().any(|word| line.contains(word)))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn shut_down(&mut self) -> Result<()> {
        self.daemon.signal(Signal::SIGTERM)?;
        let status = self
            .daemon
            .wait_end(Duration::from_secs(30))
            .context("charon after SIGTERM")?;
        if !status.success() {
            bail!("charon ended with {status}");
        }
        Ok(())
    }

    fn kill(&mut self) {
        self.daemon.kill();
    }
}

/// The same policy in strongSwan's words.
fn swanctl_conf(policy: &Policy) -> String {
    let Policy {
        local,
        remote,
        local_id,
        remote_id,
        psk,
        ike,
        esp,
        ..
    } = policy;
    let dpd = if policy.quick_liveness { "2s" } else { "0s" };
    let mut text = format!(
        "connections {{
            {CONNECTION} {{
                version = 2
                local_addrs = {local}
                remote_addrs = {remote}
                proposals = {ike}
                mobike = no
                dpd_delay = {dpd}
                local {{
                    auth = psk
                    id = {local_id}
                }}
                remote {{
                    auth = psk
                    id = {remote_id}
                }}
                children {{
        "
    );
    for child in &policy.children {
        let start = if child.keep_up { "start" } else { "none" };
        let mode = if child.transport {
            "transport"
        } else {
            "tunnel"
        };
        let end = |selectors: &str| match selectors {
            "" => "dynamic".to_owned(),
            some => some.to_owned(),
        };
        let _ = write!(
            text,
            "{} {{
                local_ts = {}
                remote_ts = {}
                esp_proposals = {esp}
                start_action = {start}
                mode = {mode}
            }}
            ",
            child.name,
            end(&child.local),
            end(&child.remote)
        );
    }
    // A key is looked up by the identities it belongs to.
    let _ = write!(
        text,
        "}} }} }}
        secrets {{
            ike-peer {{
                id-local = {local_id}
                id-remote = {remote_id}
                secret = \"{psk}\"
            }}
        }}
        "
    );
    text
}
