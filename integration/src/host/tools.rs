//! Programs of others that `cargo lab` brings along, built once under `target/tools`.

use std::path::PathBuf;

use super::build::cargo;
use super::paths::Paths;

/// The program `name` of the package of that name, built once. A machine that cannot have it says why.
pub fn installed(paths: &Paths, name: &str, arguments: &[&str]) -> Result<PathBuf, String> {
    let _lock = (paths.lock(name)).map_err(|error| format!("{error:#}"))?;
    let program = paths.tools.join("bin").join(name);
    if program.exists() {
        return Ok(program);
    }
    // Each with a directory of its own: two may be built at the same time. Unoptimised: its work here takes seconds, its
    // optimisation minutes.
    let built = paths.tools.join(format!("build-{name}"));
    let mut install = cargo(paths);
    install
        .args(["install", "--quiet", "--locked", "--debug", name])
        .args(arguments)
        .arg("--root")
        .arg(&paths.tools)
        .env("CARGO_TARGET_DIR", &built)
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    let output = install
        .output()
        .map_err(|error| format!("cargo install: {error}"))?;
    let _ = std::fs::remove_dir_all(built);
    if output.status.success() {
        return Ok(program);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let reason = stderr.lines().find(|line| line.contains("error"));
    Err(format!(
        "{name} could not be built: {}",
        reason.unwrap_or("no reason given")
    ))
}
