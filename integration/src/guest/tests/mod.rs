//! The end-to-end tests: real daemons, the real kernel, packets counted on the wire.
//!
//! One topology serves them all; every test starts its own daemons and leaves the kernel as it found it.

mod harness;
mod strongswan;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

pub use harness::{Outcome, Test, World};

use crate::job::LAB;

/// Every test, in the order in which they run.
fn all() -> Vec<Test> {
    [strongswan::TESTS].concat()
}

/// Runs the tests whose names contain `only`, and returns whether none failed.
pub fn run(only: &str) -> Result<bool> {
    let good = harness::run(
        all()
            .into_iter()
            .filter(|test| format!("e2e::{}", test.name).contains(only)),
    )?;
    Ok(programs(only)? && good)
}

/// Runs the test programs that the host sent along because they need this kernel.
fn programs(only: &str) -> Result<bool> {
    let Ok(directory) = std::fs::read_dir(Path::new(LAB).join("files/tests")) else {
        return Ok(true);
    };
    let mut good = true;
    for program in directory {
        let program = program?.path();
        println!(
            "\nrunning {}",
            program.file_name().unwrap_or_default().display()
        );
        let status = Command::new(&program)
            .arg(only)
            .arg("--show-output")
            .status();
        good &= status
            .with_context(|| format!("starting {}", program.display()))?
            .success();
    }
    Ok(good)
}
