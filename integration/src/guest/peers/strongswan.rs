//! strongSwan at a gateway: `charon-systemd`, configured and asked over its own socket, as `swanctl` would.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::vici::{Message, Vici};
use super::{Credential, Daemon, Demand, Gateway, Policy, Proof};
use crate::guest::netns::Namespace;

const CONNECTION: &str = "gateway";

/// A running charon.
#[derive(Debug)]
pub struct Strongswan {
    daemon: Daemon,
}

impl Strongswan {
    /// Starts charon at `gateway` and loads `policy`.
    pub fn start(gateway: &Namespace, policy: &Policy) -> Result<Self> {
        let directory = Daemon::directory(gateway)?;
        let settings = directory.join("strongswan.conf");
        std::fs::write(&settings, settings_file(&directory, policy))?;
        let mut charon = Command::new("charon-systemd");
        charon.env("STRONGSWAN_CONF", &settings);
        let mut daemon = Daemon::start(gateway, directory, &mut charon)?;
        let socket = daemon.directory.join("vici");
        daemon.wait_until("ready", Duration::from_secs(30), || {
            UnixStream::connect(&socket).is_ok()
        })?;
        let strongswan = Self { daemon };
        strongswan.load(policy)?;
        Ok(strongswan)
    }

    /// What it says about its SAs: a message for each IKE SA, by the names that `swanctl --list-sas --raw` shows.
    pub fn security_associations(&self) -> Result<Vec<Message>> {
        self.vici(Duration::from_secs(30))?
            .ask_for_events("list-sas", "list-sa")
    }

    fn vici(&self, patience: Duration) -> Result<Vici> {
        Vici::connect(&self.daemon.directory.join("vici"), patience)
    }

    fn log_file(&self) -> PathBuf {
        self.daemon.directory.join("charon.log")
    }
}

impl Gateway for Strongswan {
    fn up_within(&self, child: &str, patience: Duration) -> Result<String> {
        let request = Message::default()
            .with("child", child)
            .with("timeout", patience.as_millis().to_string());
        // It is charon that gives up first.
        let mut vici = self.vici(patience + Duration::from_secs(30))?;
        vici.ask("initiate", &request)?;
        self.list()
    }

    fn load(&self, policy: &Policy) -> Result<()> {
        let mut vici = self.vici(Duration::from_secs(30))?;
        vici.ask("clear-creds", &Message::default())?;
        for (command, request) in credentials(policy)? {
            vici.ask(command, &request)?;
        }
        vici.ask("load-conn", &connection(policy)?)?;
        Ok(())
    }

    fn down(&self) -> Result<String> {
        let request = Message::default()
            .with("ike", CONNECTION)
            .with("timeout", "60000");
        let answer = self
            .vici(Duration::from_secs(90))?
            .ask("terminate", &request)?;
        Ok(format!("{answer:?}"))
    }

    fn rekey(&self, child: &str) -> Result<()> {
        let request = Message::default().with("child", child);
        self.vici(Duration::from_secs(30))?.ask("rekey", &request)?;
        Ok(())
    }

    fn rekey_ike(&self) -> Result<()> {
        let request = Message::default().with("ike", CONNECTION);
        self.vici(Duration::from_secs(30))?.ask("rekey", &request)?;
        Ok(())
    }

    fn rekeyings(&self) -> Option<usize> {
        None
    }

    fn list(&self) -> Result<String> {
        Ok(format!("{:?}", self.security_associations()?))
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

fn settings_file(directory: &Path, policy: &Policy) -> String {
    let here = directory.display();
    let announces = if policy.strongswan_signatures.announces_hashes {
        "yes"
    } else {
        "no"
    };
    // Only the plugins that are needed: the others make the start slower, and one of them does ESP without the kernel.
    // Short retransmission: "the peer is gone" must be found out within a test's patience.
    format!(
        "charon {{
            load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints revocation curl xcbc cmac kdf kernel-netlink socket-default vici
            install_routes = no
            signature_authentication = {announces}
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
    )
}

/// The same policy in strongSwan's words.
fn connection(policy: &Policy) -> Result<Message> {
    let mut children = Message::default();
    for child in &policy.children {
        let section = Message::default()
            .with_list("local_ts", selectors(&child.local))
            .with_list("remote_ts", selectors(&child.remote))
            .with(
                "mode",
                if child.transport {
                    "transport"
                } else {
                    "tunnel"
                },
            )
            .with_list("esp_proposals", [child.esp.as_ref().unwrap_or(&policy.esp)])
            .with(
                "start_action",
                match (child.keep_up, child.on_demand) {
                    (true, _) => "start",
                    (false, true) => "trap",
                    (false, false) => "none",
                },
            )
            .with("inactivity", format!("{}s", child.idle.unwrap_or(0)));
        children = children.with_section(&child.name, section);
    }
    let connection = Message::default()
        .with("version", "2")
        .with_list("local_addrs", [policy.local.to_string()])
        .with_list("remote_addrs", [policy.remote.to_string()])
        .with_list("proposals", [&policy.ike])
        .with("mobike", "no")
        .with("dpd_delay", if policy.quick_liveness { "2s" } else { "0s" })
        .with_section("local", local(policy)?)
        .with_section("remote", remote(policy)?)
        .with_section("children", children);
    Ok(Message::default().with_section(CONNECTION, connection))
}

/// Empty stands for the gateway itself.
fn selectors(selectors: &str) -> impl Iterator<Item = &str> {
    let given = if selectors.is_empty() {
        "dynamic"
    } else {
        selectors
    };
    given.split(',').map(str::trim)
}

fn local(policy: &Policy) -> Result<Message> {
    let local = Message::default().with("id", &policy.local_id);
    Ok(match &policy.proof {
        Proof::PreSharedKey => local.with("auth", "psk"),
        Proof::Signature(Credential { key, chain }) => {
            let local = local.with("auth", policy.strongswan_signatures.scheme);
            match chain.first() {
                Some(certificate) => local.with_list("certs", [read(certificate)?]),
                None => local.with_list("pubkeys", [read(&key.with_extension("pub"))?]),
            }
        }
    })
}

fn remote(policy: &Policy) -> Result<Message> {
    let remote = Message::default().with("id", &policy.remote_id);
    Ok(match &policy.demand {
        Demand::PreSharedKey => remote.with("auth", "psk"),
        Demand::Certificate(authorities) => remote
            .with("auth", "pubkey")
            .with(
                "revocation",
                if authorities.strict {
                    "strict"
                } else {
                    "relaxed"
                },
            )
            .with_list("cacerts", read_all(&authorities.anchors)?),
        Demand::PublicKey(key) => remote
            .with("auth", "pubkey")
            .with_list("pubkeys", [read(key)?]),
    })
}

/// The commands that load keys, intermediates and CRLs.
fn credentials(policy: &Policy) -> Result<Vec<(&'static str, Message)>> {
    let certificate = |kind, file: &PathBuf| -> Result<_> {
        let message = Message::default()
            .with("type", kind)
            .with("flag", "NONE")
            .with("data", read(file)?);
        Ok(("load-cert", message))
    };
    // A key is looked up by the identities it belongs to.
    let mut commands = vec![(
        "load-shared",
        Message::default()
            .with("type", "IKE")
            .with("data", &policy.psk)
            .with_list("owners", [&policy.local_id, &policy.remote_id]),
    )];
    if let Proof::Signature(Credential { key, chain }) = &policy.proof {
        let key = Message::default()
            .with("type", "any")
            .with("data", read(key)?);
        commands.push(("load-key", key));
        for intermediate in chain.iter().skip(1) {
            commands.push(certificate("X509", intermediate)?);
        }
    }
    if let Demand::Certificate(authorities) = &policy.demand {
        for intermediate in &authorities.intermediates {
            commands.push(certificate("X509", intermediate)?);
        }
        for crl in &authorities.crls {
            commands.push(certificate("X509_CRL", crl)?);
        }
    }
    Ok(commands)
}

fn read_all(files: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("reading {}", file.display()))
}
