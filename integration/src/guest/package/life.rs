//! The steps from one state of the package to the next.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::world::{
    PATIENCE, POLICY, SECRET, World, files, is_started_anew, journal, process, property,
    tunnel_is_up, write_policy,
};
use super::{NEXT_PACKAGE, PACKAGE};
use crate::guest::peers::eventually;
use crate::guest::shell::{run, well};
use crate::guest::sites::{BRANCH, HQ};
use crate::job::LAB;

pub(super) fn installs(_: &mut World) -> Result<()> {
    well(&format!("apt-get install -y {LAB}/files/{PACKAGE}"))?;
    let enabled = well("systemctl is-enabled ikd")?;
    ensure!(
        enabled.trim() == "enabled",
        "ikd.service is {}",
        enabled.trim()
    );
    nothing_failed()?;
    let active = property("ActiveState")?;
    ensure!(
        active == "inactive",
        "without a policy, ikd.service is {active}"
    );
    Ok(())
}

pub(super) fn start_without_a_policy(_: &mut World) -> Result<()> {
    let told = run("systemctl start ikd")?.badly()? + &run("systemctl status ikd")?.text();
    ensure!(
        told.contains("/etc/ikd"),
        "systemctl does not say what is missing:\n{told}"
    );
    nothing_failed()
}

pub(super) fn starts(world: &mut World) -> Result<()> {
    world.start_branch()?;
    write_policy(&HQ.policy(&BRANCH, SECRET))?;
    // Type=notify: the command ends when ikd has said READY.
    well("systemctl start ikd")?;
    let state = (
        property("ActiveState")?,
        property("SubState")?,
        property("Type")?,
    );
    ensure!(
        state
            == (
                "active".to_owned(),
                "running".to_owned(),
                "notify".to_owned()
            ),
        "ikd.service is {state:?}"
    );
    let status = property("StatusText")?;
    ensure!(
        !status.is_empty(),
        "`systemctl status ikd` has no line of ikd's"
    );
    println!("systemctl status ikd: {status}");
    tunnel_is_up()
}

pub(super) fn upgrades(_: &mut World) -> Result<()> {
    let (before, policy) = (process()?, std::fs::read_to_string(POLICY)?);
    let version = "dpkg-query --show --showformat '${Version}' ikd";
    let old = well(version)?;
    well(&format!("apt-get install -y {LAB}/files/{NEXT_PACKAGE}"))?;
    let new = well(version)?;
    ensure!(old != new, "the version is still {old}");
    is_started_anew(before)?;
    ensure!(
        std::fs::read_to_string(POLICY)? == policy,
        "the upgrade changed {POLICY}"
    );
    let enabled = well("systemctl is-enabled ikd")?;
    ensure!(
        enabled.trim() == "enabled",
        "after the upgrade ikd.service is {}",
        enabled.trim()
    );
    tunnel_is_up()
}

pub(super) fn removal(world: &mut World) -> Result<()> {
    well("apt-get remove -y ikd")?;
    // It would begin anew.
    world.stop_branch();
    ensure!(run("pidof ikd")?.stdout.trim().is_empty(), "ikd still runs");
    ensure!(Path::new(POLICY).exists(), "{POLICY} is gone");
    let left = || well("ip xfrm state list nokeys; ip xfrm policy list nosock").unwrap_or_default();
    if !eventually(PATIENCE, || left().trim().is_empty()) {
        bail!("the kernel still holds:\n{}{}", left(), journal()?);
    }
    nothing_failed()
}

/// dpkg remembers the removed one's version, and takes it for an upgrade.
pub(super) fn installs_again(world: &mut World) -> Result<()> {
    world.start_branch()?;
    well(&format!("apt-get install -y {LAB}/files/{PACKAGE}"))?;
    let active = property("ActiveState")?;
    ensure!(active == "active", "ikd.service is {active}");
    tunnel_is_up()
}

pub(super) fn upgrades_while_stopped(world: &mut World) -> Result<()> {
    well("systemctl stop ikd")?;
    world.stop_branch();
    well(&format!("apt-get install -y {LAB}/files/{NEXT_PACKAGE}"))?;
    let active = property("ActiveState")?;
    ensure!(active == "inactive", "ikd.service is {active}");
    Ok(())
}

pub(super) fn purge(world: &mut World) -> Result<()> {
    well("apt-get purge -y ikd")?;
    let now = files()?;
    let added: BTreeSet<_> = now.difference(&world.files_before).collect();
    // The groups' database keeps a copy of what it was before.
    let expected = [
        "/etc/ikd",
        POLICY,
        "/etc/group-",
        "/etc/gshadow-",
        "/etc/passwd-",
        "/etc/shadow-",
        "/etc/subuid-",
        "/etc/subgid-",
    ]
    .map(PathBuf::from);
    let left: Vec<_> = added
        .into_iter()
        .filter(|file| !expected.contains(file))
        .collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    let gone: Vec<_> = world.files_before.difference(&now).collect();
    ensure!(
        gone.is_empty(),
        "files that were there before are gone: {gone:?}"
    );
    let unit = property("LoadState")?;
    ensure!(
        unit == "not-found",
        "systemd still knows ikd.service: {unit}"
    );
    ensure!(
        run("getent group ikd-admin ikd")?.status == 0,
        "the groups are gone, and their numbers may be given to others"
    );
    Ok(())
}

/// Fails if a unit of the machine failed.
fn nothing_failed() -> Result<()> {
    let failed = well("systemctl --failed --no-legend --plain")?;
    ensure!(failed.trim().is_empty(), "failed units:\n{failed}");
    Ok(())
}
