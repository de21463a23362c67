//! `cargo lab sim`: the simulator's lives, built optimised and lived on every core. What they are: `sim::life`; what they
//! reach: `sim::coverage`.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

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

/// The same as it is built for tests: for few lives, or for an engine that is built for them alone.
#[must_use]
pub fn plain_program(paths: &Paths) -> Command {
    let mut lives = cargo(paths);
    lives.args(["run", "--quiet", "--package", "sim", "--bin", "lives", "--"]);
    lives
}

/// Lives so many as a stage of the tests: as the unit tests have built them, or optimised where they are many.
pub fn hold(paths: &Paths, seeds: u64, optimised: bool) -> Result<bool> {
    let mut lives = if optimised {
        program(paths)
    } else {
        plain_program(paths)
    };
    let status = lives.args(["--seeds", &seeds.to_string()]).status();
    Ok(status.context("starting cargo")?.success())
}

/// The page that tells what was reached.
const PAGE: &str = "docs/src/simulation.md";

/// Runs the scripted tests of the simulator, and returns the arguments by which the program writes down what they and the
/// lives have reached.
pub fn coverage(paths: &Paths) -> Result<Vec<String>> {
    fs::create_dir_all(&paths.target)
        .with_context(|| format!("making {}", paths.target.display()))?;
    let file = paths.target.join("sim-coverage");
    fs::write(&file, "").with_context(|| format!("writing {}", file.display()))?;
    let status = cargo(paths)
        .args(["test", "--quiet", "--package", "sim"])
        .env("SIM_COVERAGE", &file)
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("the tests of the simulator have failed (see above)");
    }
    let page = paths.workspace.join(PAGE).display().to_string();
    let file = file.display().to_string();
    Ok(vec![
        "--coverage".to_owned(),
        page,
        "--tests".to_owned(),
        file,
    ])
}

/// Lives as the arguments say. Returns the program's exit status.
pub fn run(paths: &Paths, arguments: &[String]) -> Result<u8> {
    let status = (program(paths).args(arguments).status()).context("starting cargo")?;
    Ok(status
        .code()
        .map_or(1, |code| u8::try_from(code).unwrap_or(1)))
}
