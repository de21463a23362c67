//! Cargo, called by the lab: the programs that go into the guest.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::paths::Paths;

/// Something that can be run, as cargo reports it.
#[derive(Debug, Clone)]
pub struct Executable {
    /// The name of the binary or of the test.
    pub name: String,
    /// The package's directory, for tests that read files beside their source.
    pub package: PathBuf,
    /// Where it is.
    pub path: PathBuf,
}

#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// A cargo command in the workspace.
#[must_use]
pub fn cargo(paths: &Paths) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&paths.workspace).stdin(Stdio::null());
    // What `cargo run` set for this process is not meant for the next cargo.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_")
            || name.to_string_lossy().starts_with("CARGO_MANIFEST_")
        {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Builds the daemon, the tool and the guest's runner.
pub fn programs(paths: &Paths) -> Result<Vec<Executable>> {
    executables(cargo(paths).args(["build", "--workspace", "--bins"]))
}

/// Runs a cargo command that builds, and lists what it built. Cargo's progress goes to the terminal.
pub fn executables(cargo: &mut Command) -> Result<Vec<Executable>> {
    let output = cargo
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    if !output.status.success() {
        bail!("cargo could not build it (see above)");
    }
    let messages = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    Ok(messages
        .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
        .filter_map(|message| {
            Some(Executable {
                name: message.target?.name,
                package: message.manifest_path?.parent()?.to_owned(),
                path: message.executable?,
            })
        })
        .collect())
}
