//! The guest as namespaces of this machine: the same root, the same job, this machine's kernel.
//!
//! `unshare` makes the mount, network and process namespaces, `lab-guest contain` arranges the file systems inside.
//! When its first process ends, the kernel ends every other one and forgets the networks.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use super::paths::empty;
use super::root::Root;
use super::run::attend;
use crate::job;

/// Runs the job in `staging` until it ends or `limit` is over; what it leaves comes to `out`. Returns its exit status.
pub fn run(
    root: &Root,
    staging: &Path,
    out: &Path,
    limit: Duration,
    output: &mut (dyn Write + Send),
) -> Result<u8> {
    empty(out)?;
    let mut unshare = Command::new("unshare");
    if !Uid::effective().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args([
        "--mount",
        "--net",
        "--pid",
        "--ipc",
        "--uts",
        "--fork",
        "--kill-child",
    ]);
    unshare.arg(staging.join("bin/lab-guest")).arg("contain");
    unshare
        .arg("--root")
        .arg(&root.directory)
        .arg("--lab")
        .arg(staging)
        .arg("--out")
        .arg(out);
    if !attend(&mut unshare, limit, output)? {
        bail!(
            "the job was stopped after {} minutes without an end",
            limit.as_secs() / 60
        );
    }
    job::read_status(out).context("the guest's first process died before the job's end")
}
