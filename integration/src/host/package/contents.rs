//! What is copied into the package as it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::libraries;
use super::tree::{Tree, read};
use super::{NAME, Paths, file_name};

/// From the checkout to the machine.
const FILES: &[(&str, &str)] = &[
    (
        "packaging/ikd.service",
        "usr/lib/systemd/system/ikd.service",
    ),
    ("packaging/ikd.sysusers", "usr/lib/sysusers.d/ikd.conf"),
    ("packaging/ikd.tmpfiles", "usr/lib/tmpfiles.d/ikd.conf"),
    ("packaging/ikd.default", "etc/default/ikd"),
    ("packaging/README.etc", "etc/ikd/README"),
    ("packaging/debian/copyright", "usr/share/doc/ikd/copyright"),
    (
        "packaging/debian/lintian-overrides",
        "usr/share/lintian/overrides/ikd",
    ),
    ("ikapi/ikd.varlink", "usr/share/ikd/ikd.varlink"),
];
/// Where there is one: what an editor completes policies with.
const SCHEMA: &str = "policies/policy.schema.json";
const EXAMPLES: &str = "policies/examples";

/// Puts the programs, and what comes with them.
pub(super) fn put(tree: &mut Tree, paths: &Paths, programs: &[PathBuf; 2]) -> Result<()> {
    let [daemon, tool] = programs;
    tree.copy(daemon, "usr/sbin/ikd", 0o755)?;
    tree.copy(tool, "usr/bin/ikctl", 0o755)?;
    tree.directory("etc/ikd", 0o750)?;
    for (from, to) in FILES {
        tree.copy(&paths.workspace.join(from), to, 0o644)?;
    }
    let schema = paths.workspace.join(SCHEMA);
    if schema.exists() {
        tree.copy(&schema, "usr/share/ikd/policy.schema.json", 0o644)?;
    }
    let documents = format!("usr/share/doc/{NAME}");
    tree.compressed(
        &format!("{documents}/changelog"),
        &read(&paths.workspace.join("CHANGELOG.md"))?,
    )?;
    tree.compressed(
        &format!("{documents}/libraries"),
        libraries::list(paths)?.as_bytes(),
    )?;
    examples(
        tree,
        &paths.workspace.join(EXAMPLES),
        &format!("{documents}/examples"),
    )
}

/// The example policies. Their secrets stay behind: everybody knows them.
fn examples(tree: &mut Tree, from: &Path, to: &str) -> Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("reading {}", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = file_name(&path)?.to_string_lossy();
        let to = format!("{to}/{name}");
        if path.is_dir() {
            examples(tree, &path, &to)?;
        } else if !name.ends_with(".psk") {
            let mode = if name.ends_with(".sh") { 0o755 } else { 0o644 };
            tree.copy(&path, &to, mode)?;
        }
    }
    Ok(())
}
