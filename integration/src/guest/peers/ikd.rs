//! ikd at a gateway, managed by `ikctl`.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ikapi::{Client, RekeyChildRequest, RekeyIkeRequest, Request};
use nix::sys::signal::Signal;

use super::{Credential, Daemon, Demand, Gateway, Policy, Proof, eventually};
use crate::guest::netns::Namespace;

/// What its one connection is called.
pub const CONNECTION: &str = "gateway";

/// What the log says at the start when policies stand in the kernel, and whenever files were read.
const READY: &str = "the configuration's policies are in force";
const IN_FORCE: &str = "configuration in force";

/// A running ikd.
#[derive(Debug)]
pub struct Ikd<'net> {
    gateway: &'net Namespace,
    daemon: Daemon,
}

impl<'net> Ikd<'net> {
    /// Starts ikd at `gateway` with `policy`.
    pub fn start(gateway: &'net Namespace, policy: &Policy) -> Result<Self> {
        let keylog = policy
            .keylog
            .as_ref()
            .map(|file| file.display().to_string());
        let mut arguments = Vec::new();
        if let Some(file) = &keylog {
            arguments.extend(["--keylog", file]);
        }
        Self::start_with(gateway, &policy_file(policy), &arguments)
    }

    /// Starts ikd at `gateway` with a policy file of this text, and with more arguments.
    pub fn start_with(
        gateway: &'net Namespace,
        policy_file: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let directory = Daemon::directory(gateway)?;
        let config = write_policy(&directory, policy_file)?;
        let mut command = Self::command(gateway, &config);
        let mut daemon = Daemon::start(gateway, directory, command.args(arguments))?;
        let socket = daemon.directory.join("control");
        let log = daemon.directory.join("output.log");
        // The control socket answers before the kernel has the policies.
        daemon.wait_until("ready", Duration::from_secs(60), || {
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains(READY))
                && UnixStream::connect(&socket).is_ok()
        })?;
        Ok(Self { gateway, daemon })
    }

    /// The command that starts ikd for `gateway`.
    #[must_use]
    pub fn command(gateway: &Namespace, config: &Path) -> Command {
        let directory = Path::new("/run/lab").join(&gateway.name);
        let mut ikd = Command::new("ikd");
        ikd.arg("--config")
            .arg(config)
            .arg("--control")
            .arg(directory.join("control"));
        ikd.arg("--state-dir")
            .arg(directory.join("state"))
            .args(["--log-format", "text"]);
        ikd
    }

    /// Puts another policy file in place and tells ikd to read it.
    pub fn reload(&self, policy_file: &str) -> Result<()> {
        write_policy(&self.daemon.directory, policy_file)?;
        self.daemon.signal(Signal::SIGHUP)
    }

    /// Where it listens for those who manage it.
    pub fn socket(&self) -> PathBuf {
        self.daemon.directory.join("control")
    }

    /// Runs `ikctl` with these arguments against this ikd.
    pub fn ikctl(&self, arguments: &[&str]) -> Result<String> {
        let mut ikctl = Command::new("ikctl");
        ikctl.arg("--socket").arg(self.socket()).args(arguments);
        self.gateway.output(&mut ikctl)
    }

    /// Has it do something, as `ikctl` would, but without the time that the start of a process takes: who wants two daemons to
    /// begin at once does not want to wait for that.
    fn ask(&self, request: &Request) -> Result<()> {
        let patience = Duration::from_secs(90);
        let mut client = Client::connect(&self.socket(), patience)?;
        client.call(request, patience)?;
        Ok(())
    }

    /// The daemon's process.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }
}

impl Gateway for Ikd<'_> {
    fn up_within(&self, child: &str, patience: Duration) -> Result<String> {
        let seconds = format!("{}s", patience.as_secs());
        self.ikctl(&["up", CONNECTION, child, "--timeout", &seconds])
    }

    fn load(&self, policy: &Policy) -> Result<()> {
        let in_force = || self.log().matches(IN_FORCE).count();
        let before = in_force();
        self.reload(&policy_file(policy))?;
        if eventually(Duration::from_secs(30), || in_force() > before) {
            return Ok(());
        }
        bail!("the policy file is not in force:\n{}", self.log())
    }

    fn down(&self) -> Result<String> {
        self.ikctl(&["down", CONNECTION])
    }

    fn rekey(&self, child: &str) -> Result<()> {
        self.ask(&Request::RekeyChild(RekeyChildRequest {
            connection: CONNECTION.to_owned(),
            child: child.to_owned(),
        }))
    }

    fn rekey_ike(&self) -> Result<()> {
        self.ask(&Request::RekeyIke(RekeyIkeRequest {
            connection: CONNECTION.to_owned(),
            reauthenticate: None,
        }))
    }

    fn rekeyings(&self) -> Option<usize> {
        Some(self.log().matches(" SA rekeyed").count())
    }

    fn list(&self) -> Result<String> {
        self.ikctl(&["list"])
    }

    fn log(&self) -> String {
        self.daemon.output()
    }

    fn reasons(&self) -> String {
        let ask = |arguments: &[&str]| {
            self.ikctl(arguments)
                .unwrap_or_else(|error| format!("{error:#}"))
        };
        // The page for people, then the same with its codes.
        ask(&["list", "--failed"]) + &ask(&["list", "--failed", "--json"])
    }

    fn shut_down(&mut self) -> Result<()> {
        self.ikctl(&["shutdown"])?;
        let status = self
            .daemon
            .wait_end(Duration::from_secs(30))
            .context("ikd after ikctl shutdown")?;
        if !status.success() {
            bail!("ikd ended with {status}");
        }
        Ok(())
    }

    fn kill(&mut self) {
        self.daemon.kill();
    }
}

/// The same policy in ikd's words.
#[must_use]
pub fn policy_file(policy: &Policy) -> String {
    let Policy {
        local,
        remote,
        local_id,
        remote_id,
        ike,
        esp,
        ..
    } = policy;
    let auth = authentication(policy);
    let mut text = format!(
        "version: 1
connections:
  {CONNECTION}:
    local: {{ address: {local}, id: {local_id} }}
    remote: {{ address: {remote}, id: \"{remote_id}\" }}
    auth: {auth}
    ike: [{ike}]
"
    );
    if policy.quick_liveness {
        text.push_str("    liveness: { interval: 2s, give_up: 10s }\n");
    }
    text.push_str("    children:\n");
    for child in &policy.children {
        let keep = match (child.keep_up, child.on_demand) {
            (true, _) => "up",
            (false, true) => "on-demand",
            (false, false) => "passive",
        };
        let idle = child
            .idle
            .map_or_else(String::new, |seconds| format!(", idle: {seconds}s"));
        let mode = if child.transport {
            ", mode: transport"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "      {}: {{ {}{}esp: [{}], keep: {keep}{mode}{idle} }}",
            child.name,
            selectors("local", &child.local),
            selectors("remote", &child.remote),
            child.esp.as_ref().unwrap_or(esp)
        );
    }
    if !policy.shunts.is_empty() {
        text.push_str("policies:\n");
    }
    for shunt in &policy.shunts {
        let action = if shunt.pass { "pass" } else { "drop" };
        let _ = writeln!(
            text,
            "  {}: {{ {action}: {{ local: \"{}\", remote: \"{}\" }} }}",
            shunt.name, shunt.local, shunt.remote
        );
    }
    text
}

/// The value of `auth`.
fn authentication(policy: &Policy) -> String {
    let psk = format!("{{ psk: \"{}\" }}", policy.psk);
    let local = match &policy.proof {
        Proof::PreSharedKey => psk.clone(),
        Proof::Signature(Credential { key, chain }) => {
            let certificate = if chain.is_empty() {
                String::new()
            } else {
                format!("certificate: {}, ", files(chain))
            };
            format!("{{ {certificate}key: {} }}", key.display())
        }
    };
    let remote = match &policy.demand {
        Demand::PreSharedKey => psk.clone(),
        Demand::PublicKey(key) => format!("{{ public_key: {} }}", key.display()),
        Demand::Certificate(authorities) => {
            let anchors = [&authorities.anchors[..], &authorities.intermediates].concat();
            let mut text = format!("{{ ca: {}", files(&anchors));
            if !authorities.crls.is_empty() {
                let _ = write!(text, ", crl: {}", files(&authorities.crls));
            }
            if authorities.strict {
                text.push_str(", revocation: strict");
            }
            if authorities.rsa_sha1 {
                text.push_str(", rsa_sha1: accept");
            }
            text + " }"
        }
    };
    match (&policy.proof, &policy.demand) {
        (Proof::PreSharedKey, Demand::PreSharedKey) => psk,
        _ => format!("{{ local: {local}, remote: {remote} }}"),
    }
}

fn files(files: &[PathBuf]) -> String {
    let names: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    format!("[{}]", names.join(", "))
}

/// A key with its list of selectors, where there are any.
fn selectors(key: &str, selectors: &str) -> String {
    if selectors.is_empty() {
        return String::new();
    }
    let quoted: Vec<_> = selectors
        .split(',')
        .map(|one| format!("\"{}\"", one.trim()))
        .collect();
    format!("{key}: [{}], ", quoted.join(", "))
}

/// A file that only root can read: it holds the key.
fn write_policy(directory: &Path, text: &str) -> Result<PathBuf> {
    let file = directory.join("ikd.yaml");
    std::fs::write(&file, text)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}
