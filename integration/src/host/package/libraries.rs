//! The libraries that are in the programs, and their licences, which want to be handed on with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Paths, cargo, output};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Library>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Library {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    authors: Vec<String>,
    manifest_path: PathBuf,
    /// `None`: from this checkout.
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    /// `lib`, `proc-macro`, `custom-build`, ...
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `None`: in the program; otherwise `build` or `dev`.
    kind: Option<String>,
}

/// Each library with its authors, and the text of each licence once, with those who have it.
pub(super) fn list(paths: &Paths) -> Result<String> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut metadata = cargo(paths);
    metadata.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        &target,
    ]);
    let metadata: Metadata =
        serde_json::from_str(&output(&mut metadata)?).context("cargo metadata")?;
    let inside = inside(&metadata);
    let mut list = String::from("ikd and ikctl contain these libraries:\n\n");
    let mut licences: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for library in metadata
        .packages
        .iter()
        .filter(|one| inside.contains(&one.id) && one.source.is_some())
    {
        let Library {
            name,
            version,
            license,
            authors,
            ..
        } = library;
        let license = license.as_deref().unwrap_or("see its text below");
        writeln!(list, "{name} {version}: {license}; {}", authors.join(", "))?;
        for text in texts(&library.manifest_path)? {
            licences
                .entry(text)
                .or_default()
                .push(format!("{name} {version}"));
        }
    }
    for (text, of) in licences {
        write!(
            list,
            "\n{:=<80}\n{}:\n\n{}\n",
            "",
            of.join(", "),
            text.trim_end()
        )?;
    }
    Ok(list)
}

/// What the two programs are linked from, by identifier. What only the compiler runs is not.
fn inside(metadata: &Metadata) -> BTreeSet<String> {
    let run_by_compiler = |one: &&Library| {
        one.targets
            .iter()
            .any(|target| target.kind.contains(&"proc-macro".to_owned()))
    };
    let compiler: BTreeSet<&str> = metadata
        .packages
        .iter()
        .filter(run_by_compiler)
        .map(|one| one.id.as_str())
        .collect();
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let programs = metadata
        .packages
        .iter()
        .filter(|one| one.source.is_none() && ["ikd", "ikctl"].contains(&one.name.as_str()));
    let mut left: Vec<&str> = programs.map(|one| one.id.as_str()).collect();
    let mut inside = BTreeSet::new();
    while let Some(id) = left.pop() {
        if compiler.contains(id) || !inside.insert(id.to_owned()) {
            continue;
        }
        if let Some(node) = nodes.get(id) {
            let linked = node
                .deps
                .iter()
                .filter(|one| one.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            left.extend(linked.map(|one| one.pkg.as_str()));
        }
    }
    inside
}

/// The licence texts that lie beside a manifest.
fn texts(manifest: &Path) -> Result<Vec<String>> {
    let directory = manifest.parent().context("a manifest has no directory")?;
    let mut files = Vec::new();
    for entry in
        fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?
    {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if entry.path().is_file()
            && ["LICENSE", "LICENCE", "COPYING", "NOTICE"]
                .iter()
                .any(|word| name.starts_with(word))
        {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .collect())
}
