//! libreswan at a gateway: `pluto`, configured by files and managed by `whack`. Only what the lab has it do is written down
//! here: pre-shared keys, and the algorithms of [`algorithm`].

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Child, Daemon, Demand, Gateway, Policy, Proof, eventually};
use crate::guest::netns::Namespace;

const PROGRAMS: &str = "/usr/libexec/ipsec";
/// The empty database of keys that came with the root.
const DATABASE: &str = "/var/lib/ipsec/nss";

/// What the log says when pluto answers peers.
const LISTENS: &str = "listening for IKE messages";

/// A running pluto.
#[derive(Debug)]
pub struct Libreswan<'net> {
    gateway: &'net Namespace,
    daemon: Daemon,
    /// The children of the policy in force: each is a connection of its own to libreswan.
    children: std::sync::Mutex<Vec<String>>,
}

impl<'net> Libreswan<'net> {
    /// Starts pluto at `gateway` and loads `policy`.
    pub fn start(gateway: &'net Namespace, policy: &Policy) -> Result<Self> {
        let directory = Daemon::directory(gateway)?;
        write_files(&directory, policy)?;
        let database = directory.join("nss");
        std::fs::create_dir(&database)?;
        for file in std::fs::read_dir(DATABASE).context("libreswan's empty database")? {
            let file = file?;
            std::fs::copy(file.path(), database.join(file.file_name()))?;
        }
        let mut pluto = Command::new(Path::new(PROGRAMS).join("pluto"));
        pluto.args(["--nofork", "--no-dnssec", "--use-xfrm"]);
        for (option, file) in [
            ("--config", "ipsec.conf"),
            ("--secretsfile", "ipsec.secrets"),
            ("--rundir", ""),
            ("--ipsecdir", ""),
            ("--nssdir", "nss"),
            ("--logfile", "pluto.log"),
        ] {
            pluto.arg(option).arg(directory.join(file));
        }
        let mut daemon = Daemon::start(gateway, directory, &mut pluto)?;
        let (log, socket) = (log_file(&daemon), daemon.directory.join("pluto.ctl"));
        daemon.wait_until("ready", Duration::from_secs(30), || {
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains(LISTENS))
                && UnixStream::connect(&socket).is_ok()
        })?;
        let libreswan = Self {
            gateway,
            daemon,
            children: std::sync::Mutex::default(),
        };
        libreswan.add_connections(policy)?;
        Ok(libreswan)
    }

    /// Runs `whack` with these arguments against this pluto: what pluto says to it.
    fn whack(&self, arguments: &[&str]) -> Result<String> {
        let mut whack = Command::new(Path::new(PROGRAMS).join("whack"));
        whack.arg("--ctlsocket").arg(self.socket()).args(arguments);
        self.gateway.output(&mut whack)
    }

    fn add_connections(&self, policy: &Policy) -> Result<()> {
        let mut addconn = Command::new(Path::new(PROGRAMS).join("addconn"));
        addconn.arg("--ctlsocket").arg(self.socket());
        addconn
            .arg("--config")
            .arg(self.daemon.directory.join("ipsec.conf"));
        let names: Vec<_> = policy.children.iter().map(|child| &*child.name).collect();
        addconn.args(&names);
        let said = self.gateway.output(&mut addconn)?;
        let known = self.whack(&["--connectionstatus"])?;
        for child in &policy.children {
            ensure!(
                known.contains(&format!("\"{}\":", child.name)),
                "libreswan did not take {}:\n{said}\n{}",
                child.name,
                self.log()
            );
            if child.keep_up {
                self.whack(&["--initiate", "--asynchronous", "--name", &child.name])?;
            } else if child.on_demand {
                self.whack(&["--route", "--name", &child.name])?;
            }
        }
        *self.children() = names.into_iter().map(str::to_owned).collect();
        Ok(())
    }

    fn children(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.children
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn socket(&self) -> PathBuf {
        self.daemon.directory.join("pluto.ctl")
    }
}

impl Gateway for Libreswan<'_> {
    fn up_within(&self, child: &str, patience: Duration) -> Result<String> {
        let start = Instant::now();
        let said = self.whack(&["--initiate", "--asynchronous", "--name", child])?;
        let is_up = || {
            self.whack(&["--trafficstatus"])
                .is_ok_and(|sas| sas.contains(&format!("\"{child}\"")))
        };
        if eventually(patience.saturating_sub(start.elapsed()), is_up) {
            return self.list();
        }
        bail!(
            "libreswan: {child} did not come up:\n{said}\n{}",
            self.log()
        )
    }

    fn load(&self, policy: &Policy) -> Result<()> {
        for child in std::mem::take(&mut *self.children()) {
            self.whack(&["--delete", "--name", &child])?;
        }
        write_files(&self.daemon.directory, policy)?;
        self.whack(&["--rereadsecrets"])?;
        self.add_connections(policy)
    }

    fn down(&self) -> Result<String> {
        let mut said = String::new();
        for child in &*self.children() {
            said += &self.whack(&["--terminate", "--name", child])?;
        }
        Ok(said)
    }

    fn rekey(&self, child: &str) -> Result<()> {
        self.whack(&["--rekey-child", "--asynchronous", "--name", child])
            .map(drop)
    }

    fn rekey_ike(&self) -> Result<()> {
        let child = self.children().first().cloned();
        let child = child.context("libreswan has no connection")?;
        self.whack(&["--rekey-ike", "--asynchronous", "--name", &child])
            .map(drop)
    }

    fn rekeyings(&self) -> Option<usize> {
        None
    }

    fn list(&self) -> Result<String> {
        self.whack(&["--showstates"])
    }

    fn log(&self) -> String {
        std::fs::read_to_string(log_file(&self.daemon)).unwrap_or_else(|_| self.daemon.output())
    }

    fn reasons(&self) -> String {
        const TELLING: &[&str] = &[
            "AUTHENTICATION_FAILED",
            "NO_PROPOSAL_CHOSEN",
            "mismatch",
            "error",
            "fail",
        ];
        let log = self.log();
        log.lines()
            .filter(|line| TELLING.iter().any(|word| line.contains(word)))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn shut_down(&mut self) -> Result<()> {
        self.whack(&["--shutdown"])?;
        let status = self
            .daemon
            .wait_end(Duration::from_secs(30))
            .context("pluto after whack --shutdown")?;
        ensure!(status.success(), "pluto ended with {status}");
        Ok(())
    }

    fn kill(&mut self) {
        self.daemon.kill();
    }
}

fn log_file(daemon: &Daemon) -> PathBuf {
    daemon.directory.join("pluto.log")
}

fn write_files(directory: &Path, policy: &Policy) -> Result<()> {
    std::fs::write(directory.join("ipsec.conf"), configuration(policy)?)?;
    let secrets = directory.join("ipsec.secrets");
    let Policy {
        local_id,
        remote_id,
        psk,
        ..
    } = policy;
    std::fs::write(
        &secrets,
        format!("@{local_id} @{remote_id} : PSK \"{psk}\"\n"),
    )?;
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// The same policy in libreswan's words.
fn configuration(policy: &Policy) -> Result<String> {
    ensure!(
        matches!(
            (&policy.proof, &policy.demand),
            (Proof::PreSharedKey, Demand::PreSharedKey)
        ),
        "the lab gives libreswan pre-shared keys only"
    );
    let mut text = "config setup\n".to_owned();
    for child in &policy.children {
        ensure!(
            child.idle.is_none(),
            "libreswan closes nothing that is idle"
        );
        let esp = child.esp.as_ref().unwrap_or(&policy.esp);
        let _ = write!(
            text,
            "
conn {name}
    auto=ignore
    type={mode}
    authby=secret
    left={local}
    leftid=@{local_id}
    right={remote}
    rightid=@{remote_id}
    ike={ike}
    esp={esp}
    esn={esn}
    pfs={pfs}
    mobike=no
    leftupdown=%disabled
",
            name = child.name,
            mode = if child.transport {
                "transport"
            } else {
                "tunnel"
            },
            local = policy.local,
            local_id = policy.local_id,
            remote = policy.remote,
            remote_id = policy.remote_id,
            ike = proposal(&policy.ike, "")?,
            esp = proposal(esp, "none")?,
            esn = yes(esp.split('-').any(|word| word == "esn")),
            pfs = yes(has_group(esp)),
        );
        subnets(&mut text, child);
        if policy.quick_liveness {
            text.push_str("    dpddelay=2\n    dpdtimeout=10\n");
        }
    }
    Ok(text)
}

/// None stands for the gateway itself.
fn subnets(text: &mut String, child: &Child) {
    for (side, subnets) in [("left", &child.local), ("right", &child.remote)] {
        if !subnets.is_empty() {
            let _ = writeln!(text, "    {side}subnet={}", subnets.replace(' ', ""));
        }
    }
}

fn yes(so: bool) -> &'static str {
    if so { "yes" } else { "no" }
}

fn has_group(proposal: &str) -> bool {
    proposal
        .split('-')
        .any(|word| algorithm(word).is_some_and(|found| found.0 == Place::Group))
}

/// Where a word stands in libreswan's proposals, which tell words apart by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Encryption,
    Integrity,
    Group,
}

/// A proposal in libreswan's notation. `no_integrity` stands where an AEAD has none and a group follows.
fn proposal(words: &str, no_integrity: &str) -> Result<String> {
    let mut places = [const { Vec::new() }; 3];
    for word in words.split('-').filter(|word| *word != "esn") {
        let (place, name) = algorithm(word)
            .with_context(|| format!("the lab does not know libreswan's word for {word}"))?;
        places[place as usize].push(name);
    }
    let [encryption, mut integrity, groups] = places;
    if integrity.is_empty() && !no_integrity.is_empty() {
        integrity.push(no_integrity);
    }
    let parts = [encryption, integrity, groups];
    let parts: Vec<_> = parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| part.join("+"))
        .collect();
    Ok(parts.join("-"))
}

/// libreswan's word for one of ours. Of IKE's algorithms it is the PRF that stands where ESP has its integrity algorithm.
fn algorithm(word: &str) -> Option<(Place, &'static str)> {
    Some(match word {
        "aes128" => (Place::Encryption, "aes128"),
        "aes256" => (Place::Encryption, "aes256"),
        "aes128gcm16" => (Place::Encryption, "aes_gcm128"),
        "aes256gcm16" => (Place::Encryption, "aes_gcm256"),
        "chacha20poly1305" => (Place::Encryption, "chacha20_poly1305"),
        "prfsha256" | "sha256" => (Place::Integrity, "sha2_256"),
        "prfsha384" | "sha384" => (Place::Integrity, "sha2_384"),
        "prfsha512" | "sha512" => (Place::Integrity, "sha2_512"),
        "modp2048" => (Place::Group, "dh14"),
        "ecp256" => (Place::Group, "dh19"),
        "ecp384" => (Place::Group, "dh20"),
        "x25519" => (Place::Group, "dh31"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_told_in_libreswans_words() {
        let told = |words, none| proposal(words, none).expect("known words");
        assert_eq!(
            told("aes256gcm16-prfsha384-x25519", ""),
            "aes_gcm256-sha2_384-dh31"
        );
        assert_eq!(told("aes256gcm16-esn", "none"), "aes_gcm256-none");
        assert_eq!(
            told("aes256gcm16-x25519-ecp256", "none"),
            "aes_gcm256-none-dh31+dh19"
        );
        assert_eq!(told("aes128-sha256", "none"), "aes128-sha2_256");
        assert!(proposal("camellia", "").is_err());
        assert!(has_group("aes256gcm16-x25519") && !has_group("aes256gcm16-esn"));
    }
}
