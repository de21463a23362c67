//! `cargo lab sim`: the simulator's lives, built optimised and lived on every core. What they are: `sim::life`.

use std::process::Command;

use anyhow::{Context, Result};

use super::build::cargo;
use super::paths::Paths;

/// The program that lives them, to be given its arguments.
#[must_use]
pub fn program(paths: &Paths) -> Command {
    let mut lives = cargo(paths);
    lives.args(["run", "--quiet", "--profile", "sim", "--package", "sim"]);
    lives.args(["--bin", "lives", "--"]);
    lives
}

/// Lives so many as a stage of the tests: as the unit tests have built them, or optimised where they are many.
pub fn hold(paths: &Paths, seeds: u64, optimised: bool) -> Result<bool> {
    let mut lives = if optimised {
        program(paths)
    } else {
        let mut lives = cargo(paths);
        lives.args(["run", "--quiet", "--package", "sim", "--bin", "lives", "--"]);
        lives
    };
    let status = lives.args(["--seeds", &seeds.to_string()]).status();
    Ok(status.context("starting cargo")?.success())
}

/// Lives as the arguments say. Returns the program's exit status.
pub fn run(paths: &Paths, arguments: &[String]) -> Result<u8> {
    let status = (program(paths).args(arguments).status()).context("starting cargo")?;
    Ok(status
        .code()
        .map_or(1, |code| u8::try_from(code).unwrap_or(1)))
}
