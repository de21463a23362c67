//! The machine under test, the branch beside it, and what the tests ask systemd and the kernel.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::guest::netns::Namespace;
use crate::guest::peers::{Ikd, eventually};
use crate::guest::shell::{run, well};
use crate::guest::sites::{BRANCH, HQ};

/// How long a test waits for something that is due.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// The one file that is edited.
pub(super) const POLICY: &str = "/etc/ikd/branch.yaml";
/// The secret of both gateways.
pub(super) const SECRET: &str = "an example of a secret: 8MhZpvBvq7Zc";

/// The branch, and what was there before the package.
pub(super) struct World {
    branch: &'static Namespace,
    daemon: Option<Ikd<'static>>,
    /// The machine's files before the installation.
    pub(super) files_before: BTreeSet<PathBuf>,
}

impl World {
    pub(super) fn create() -> Result<Self> {
        std::fs::create_dir_all("/run/netns")?;
        // For as long as this process lives.
        let branch: &'static Namespace = Box::leak(Box::new(Namespace::create("branch")?));
        well(
            "ip link add uplink type veth peer name uplink netns branch && ip link add lan type dummy",
        )?;
        well(&format!(
            "ip address add {}/24 dev uplink && ip address add {}/16 dev lan && ip link set uplink up && ip link set lan up \
             && ip route add {} via {}",
            HQ.outside, HQ.inside, BRANCH.lan, BRANCH.outside
        ))?;
        branch.ip_batch(&format!(
            "link add lan type dummy
             address add {}/24 dev uplink
             address add {}/16 dev lan
             link set uplink up
             link set lan up
             route add {} via {}
            ",
            BRANCH.outside, BRANCH.inside, HQ.lan, HQ.outside
        ))?;
        Ok(Self {
            branch,
            daemon: None,
            files_before: files()?,
        })
    }

    /// Starts the branch's daemon, the lab's own.
    pub(super) fn start_branch(&mut self) -> Result<()> {
        self.daemon = Some(Ikd::start_with(
            self.branch,
            &BRANCH.policy(&HQ, SECRET),
            &[],
        )?);
        Ok(())
    }

    /// Ends the branch's daemon.
    pub(super) fn stop_branch(&mut self) {
        self.daemon = None;
    }
}

/// Writes headquarters' policy as an editor would that keeps the file's mode.
pub(super) fn write_policy(text: &str) -> Result<()> {
    std::fs::write(POLICY, text).with_context(|| format!("writing {POLICY}"))?;
    well(&format!("chmod 600 {POLICY}")).map(drop)
}

/// A property of ikd.service.
pub(super) fn property(name: &str) -> Result<String> {
    Ok(
        well(&format!("systemctl show --property {name} --value ikd"))?
            .trim()
            .to_owned(),
    )
}

/// The daemon's process.
pub(super) fn process() -> Result<u32> {
    let id: u32 = property("MainPID")?.parse()?;
    ensure!(id != 0, "ikd.service has no process:\n{}", journal()?);
    Ok(id)
}

/// Waits until ikd.service is active with another process than `before`.
pub(super) fn is_started_anew(before: u32) -> Result<u32> {
    let mut now = 0;
    let started = eventually(PATIENCE, || {
        now = process().unwrap_or_default();
        now != 0 && now != before && property("ActiveState").is_ok_and(|state| state == "active")
    });
    if !started {
        bail!(
            "ikd was not started anew (process {before} before, {now} now):\n{}",
            journal()?
        );
    }
    Ok(now)
}

/// Waits until headquarters' host side reaches the branch's, through the tunnel.
pub(super) fn tunnel_is_up() -> Result<()> {
    let ping = format!("ping -n -c 1 -W 1 -I {} {}", HQ.inside, BRANCH.inside);
    if !eventually(PATIENCE, || run(&ping).is_ok_and(|ping| ping.status == 0)) {
        bail!(
            "no answer through the tunnel:\n{}{}",
            run("ikctl list")?.text(),
            journal()?
        );
    }
    let sas = well("ip xfrm state list nokeys")?;
    ensure!(
        sas.contains("proto esp"),
        "the ping crossed without an SA:\n{sas}"
    );
    Ok(())
}

/// What ikd and systemd wrote about ikd.service.
pub(super) fn journal() -> Result<String> {
    well("journalctl --no-pager --boot --unit ikd --output short-monotonic | tail -n 40")
}

/// Every file of the machine, without those of programs that write by themselves.
pub(super) fn files() -> Result<BTreeSet<PathBuf>> {
    let not_ours = [
        "/proc",
        "/sys",
        "/dev",
        "/run",
        "/tmp",
        "/lab",
        "/out",
        "/var/log",
        "/var/tmp",
        "/var/cache",
        "/var/lib/dpkg",
        "/var/lib/apt",
        "/var/lib/systemd",
        "/root",
    ];
    let mut found = BTreeSet::new();
    let mut todo = vec![PathBuf::from("/")];
    while let Some(directory) = todo.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            let path = entry.path();
            if not_ours.iter().any(|one| path == Path::new(one)) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                todo.push(path.clone());
            }
            found.insert(path);
        }
    }
    Ok(found)
}
