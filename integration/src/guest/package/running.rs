//! The daemon as a service: its journal, its sandbox, who may do what, and what happens when it fails.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::world::{
    PATIENCE, POLICY, SECRET, World, is_started_anew, journal, process, property, tunnel_is_up,
    write_policy,
};
use crate::guest::peers::eventually;
use crate::guest::shell::{run, run_as, well};
use crate::guest::sites::{BRANCH, HQ};

/// CAP_NET_BIND_SERVICE and CAP_NET_ADMIN.
const CAPABILITIES: u64 = 1 << 10 | 1 << 12;
/// From systemd-analyze's scale of 0 (safe) to 10.
const EXPOSURE: f64 = 3.0;

pub(super) fn journal_has_fields(_: &mut World) -> Result<()> {
    let lines = well("journalctl --no-pager --boot --unit ikd --output json")?;
    let records: Vec<Value> = lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let about_branch = |record: &&Value| record["IKD_CONNECTION"] == BRANCH.name;
    let Some(record) = records.iter().find(about_branch) else {
        bail!(
            "no record has IKD_CONNECTION={}; the last one: {:?}",
            BRANCH.name,
            records.last()
        );
    };
    ensure!(
        record["IKD_EVENT"].is_string(),
        "a record without IKD_EVENT: {record}"
    );
    ensure!(
        record["PRIORITY"].is_string(),
        "a record without PRIORITY: {record}"
    );
    let asked = well(&format!(
        "journalctl --no-pager --boot --output cat IKD_CONNECTION={}",
        BRANCH.name
    ))?;
    ensure!(
        !asked.trim().is_empty(),
        "journalctl finds nothing by IKD_CONNECTION"
    );
    ensure!(!lines.contains(SECRET), "the secret is in the journal");
    Ok(())
}

pub(super) fn sandbox_is_on(_: &mut World) -> Result<()> {
    let analysis = well("systemd-analyze security --no-pager ikd")?;
    let verdict = analysis
        .lines()
        .find(|line| line.contains("Overall exposure"))
        .context("no verdict")?;
    println!(
        "systemd-analyze security: {}",
        verdict.trim_start_matches("→ ").trim()
    );
    let exposure: f64 = verdict
        .split_whitespace()
        .find_map(|word| word.parse().ok())
        .with_context(|| format!("no number in {verdict}"))?;
    ensure!(
        exposure <= EXPOSURE,
        "exposed by {exposure}, more than {EXPOSURE}:\n{analysis}"
    );

    let id = process()?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
            .with_context(|| format!("no {name} in\n{status}"))
    };
    for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
        let held = u64::from_str_radix(line(set)?, 16)?;
        ensure!(
            held & !CAPABILITIES == 0,
            "{set} {held:#x} holds more than {CAPABILITIES:#x}"
        );
    }
    ensure!(line("NoNewPrivs:")? == "1", "it may gain privileges");
    ensure!(
        line("Seccomp:")? == "2",
        "its system calls are not filtered"
    );

    // As root with every capability, but where the daemon is: what is forbidden there is forbidden by the mounts.
    let inside = format!("nsenter --target {id} --mount --");
    for directory in ["/etc/ikd", "/usr/bin", "/proc/sys/net", "/var"] {
        run(&format!("{inside} touch {directory}/x"))?
            .badly()
            .context("it can write there")?;
    }
    for directory in ["/home", "/root", "/tmp"] {
        let file = format!("{directory}/not-for-ikd");
        std::fs::write(&file, "x")?;
        run(&format!("{inside} cat {file}"))?
            .badly()
            .context("it can read that")?;
        std::fs::remove_file(file)?;
    }
    Ok(())
}

pub(super) fn roles(_: &mut World) -> Result<()> {
    well("useradd --groups ikd looker && useradd --groups ikd-admin changer && useradd stranger")?;
    let outcome = roles_hold();
    well("userdel looker; userdel changer; userdel stranger")?;
    outcome
}

fn roles_hold() -> Result<()> {
    for user in ["looker", "changer"] {
        let list = run_as(user, "ikctl list")?.well()?;
        ensure!(list.contains(BRANCH.name), "{user} sees:\n{list}");
    }
    run_as("changer", "ikctl reload")?.well()?;
    let refused = run_as("looker", "ikctl reload")?.badly()?;
    ensure!(
        refused.contains("ikd-admin"),
        "who may not is not told who may:\n{refused}"
    );
    run_as("looker", "ikctl shutdown")?.badly()?;
    for command in ["ikctl list", "ikctl reload"] {
        run_as("stranger", command)?.badly()?;
        run_as("stranger", &format!("cat {POLICY}"))?.badly()?;
    }
    tunnel_is_up()
}

pub(super) fn reloads(_: &mut World) -> Result<()> {
    let (before, good) = (process()?, HQ.policy(&BRANCH, SECRET));
    write_policy(&good.replace("keep: up", "keep: up, lifetime: 4h"))?;
    well("systemctl reload ikd")?;
    tunnel_is_up()?;

    write_policy(&good.replace("version: 1", "version: 1\nconections: {}"))?;
    run("systemctl reload ikd")?.badly()?;
    ensure!(
        property("ActiveState")? == "active",
        "a bad policy ended it:\n{}",
        journal()?
    );
    let told = journal()?;
    ensure!(
        told.contains("conections"),
        "the journal does not say what is wrong:\n{told}"
    );
    tunnel_is_up()?;

    write_policy(&good)?;
    well("systemctl reload ikd")?;
    ensure!(process()? == before, "a reload started another process");
    Ok(())
}

pub(super) fn watchdog(_: &mut World) -> Result<()> {
    ensure!(property("WatchdogUSec")? != "0", "there is no watchdog");
    // The unit's own time is too long for a test.
    well(
        "mkdir -p /run/systemd/system/ikd.service.d && printf '[Service]\\nWatchdogSec=6\\n' > /run/systemd/system/ikd.service.d/quick.conf \
         && systemctl daemon-reload && systemctl restart ikd",
    )?;
    let before = process()?;
    well(&format!("kill -STOP {before}"))?;
    is_started_anew(before)?;
    let told = journal()?;
    ensure!(
        told.contains("Watchdog timeout"),
        "it was not the watchdog:\n{told}"
    );
    well(
        "rm -r /run/systemd/system/ikd.service.d && systemctl daemon-reload && systemctl restart ikd",
    )?;
    tunnel_is_up()
}

pub(super) fn killed(_: &mut World) -> Result<()> {
    let before = process()?;
    well(&format!("kill -KILL {before}"))?;
    is_started_anew(before)?;
    let looks = eventually(PATIENCE, || {
        run("ikctl list").is_ok_and(|list| list.status == 0)
    });
    ensure!(looks, "ikctl has no answer:\n{}", journal()?);
    tunnel_is_up()
}
