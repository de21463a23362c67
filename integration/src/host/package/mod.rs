//! `cargo lab deb`: a package of the daemon and its tool, for Debian and Ubuntu, from this checkout.
//!
//! ```text
//!   cargo build --profile dist ---> programs -----.
//!   packaging/, policies/examples, README ... ----+--> tree --> dpkg-deb --> target/debian/ikd_VERSION_ARCH.deb
//!   clap's definitions ---> manuals, completions -'      ^
//!   dpkg-shlibdeps, cargo metadata ---> control ---------'
//! ```
//!
//! By dpkg-deb itself: what a tool would add are the maintainer scripts, which stand in `packaging/debian/` to be read, and
//! restart an upgraded daemon only if it takes the configuration. The same commit and toolchain give the same bytes.

mod contents;
mod control;
mod libraries;
mod manuals;
mod tree;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::build::{self, cargo};
use super::packages::{self, Package};
use super::paths::{self, Paths};
use control::Control;
use tree::Tree;

/// The package's name.
pub const NAME: &str = "ikd";
/// What the programs are built with.
const PROFILE: &str = "dist";

/// What the host needs for it.
pub const PACKAGING: &[Package] = &[Package {
    name: "dpkg-dev",
    why: "finds the libraries that the programs need",
    present: "dpkg-shlibdeps",
}];

/// Builds the package, and says where it is. `revision` is what follows the version: 0.1.0-1.
pub fn build(paths: &Paths, revision: &str) -> Result<PathBuf> {
    packages::require(PACKAGING)?;
    if revision.is_empty()
        || !revision
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".~+".contains(&byte))
    {
        bail!(
            "a revision has letters, digits, `.`, `~` and `+` only, and {revision:?} has others or none"
        );
    }
    let _lock = paths.lock("deb")?;
    let programs = programs(paths)?;
    let home = paths.target.join("debian");
    let root = home.join("tree");
    paths::empty(&root)?;
    let control = Control::gather(paths, &home, &programs, revision)?;

    let mut tree = Tree::new(root)?;
    contents::put(&mut tree, paths, &programs)?;
    manuals::put(&mut tree, &control.date()?)?;
    control.put(&mut tree, paths)?;

    let package = home.join(format!(
        "{NAME}_{}_{}.deb",
        control.version, control.architecture
    ));
    let mut dpkg_deb = Command::new("dpkg-deb");
    dpkg_deb
        .args(["--root-owner-group", "-Zxz", "--build"])
        .arg(tree.root())
        .arg(&package)
        .env("SOURCE_DATE_EPOCH", control.epoch.to_string());
    output(&mut dpkg_deb)?;
    if packages::is_present("lintian") {
        let mut lintian = Command::new("lintian");
        lintian.args(["--allow-root", "--fail-on=error"]);
        output(lintian.arg(&package))?;
    }
    Ok(package)
}

/// The daemon and the tool.
fn programs(paths: &Paths) -> Result<[PathBuf; 2]> {
    let mut build = cargo(paths);
    build.args([
        "build",
        "--profile",
        PROFILE,
        "--package",
        "ikd",
        "--package",
        "ikctl",
        "--bins",
    ]);
    // Where the libraries' sources lie on this machine is nobody's business, and differs from machine to machine.
    let remap = |registry: PathBuf| format!("--remap-path-prefix={}=", registry.display());
    let flags: Vec<_> = registries().into_iter().map(remap).collect();
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let built = build::executables(&mut build)?;
    let program = |name: &str| {
        let found = built.iter().find(|one| one.name == name);
        found
            .map(|one| one.path.clone())
            .with_context(|| format!("cargo built no {name}"))
    };
    Ok([program("ikd")?, program("ikctl")?])
}

/// The directories that cargo has unpacked libraries to; there are some, for the lab is built from such libraries.
fn registries() -> Vec<PathBuf> {
    let of_user = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(of_user);
    let entries = home.and_then(|home| std::fs::read_dir(home.join("registry/src")).ok());
    let mut registries: Vec<_> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    registries.sort();
    registries
}

/// What a program prints that has to succeed.
fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed ({}):\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn file_name(path: &Path) -> Result<&OsStr> {
    path.file_name()
        .with_context(|| format!("{} has no name", path.display()))
}
