//! `cargo lab faults`: is the simulator sharp? The engine is built with each of the faults of `ike::fault`, one at a time, and
//! lives are lived until one breaks something.
//!
//! A fault gets in by `--cfg`, given by a wrapper around the compiler for the crates of this workspace alone: what they
//! depend on is built once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::lives;
use super::paths::Paths;

/// Within so many lives a fault is found, or it is not.
const SEEDS: u64 = 2000;

/// Builds each fault whose name contains `only`, and tells what found it. Whether all were found.
pub fn run(paths: &Paths, only: Option<&str>) -> Result<bool> {
    let directory = paths.target.join("faults");
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    println!("{:<20} {:<10} {:>6}  fault", "name", "found by", "lives");
    let mut all = true;
    for (name, what) in ike::fault::ALL {
        if only.is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let wrapper = directory.join(format!("rustc-{name}"));
        let script = format!(
            "#!/bin/sh\nrustc=$1\nshift\nexec \"$rustc\" --cfg 'ikd_fault=\"{name}\"' \"$@\"\n"
        );
        fs::write(&wrapper, script)?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
        let output = lives::plain_program(paths)
            .args(["--seeds", &SEEDS.to_string(), "--brief"])
            .env("RUSTC_WORKSPACE_WRAPPER", &wrapper)
            .env("CARGO_TARGET_DIR", &directory)
            .stderr(Stdio::inherit())
            .output()
            .context("starting cargo")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let found = said.lines().find_map(|line| line.strip_prefix("broken: "));
        match found.and_then(|found| found.split_once(' ')) {
            Some((invariant, lives)) => println!("{name:<20} {invariant:<10} {lives:>6}  {what}"),
            None if output.status.success() => {
                all = false;
                println!("{name:<20} {:<10} {SEEDS:>6}  {what}", "nothing");
            }
            None => bail!("the engine with the fault {name} was not built (see above)"),
        }
    }
    Ok(all)
}
