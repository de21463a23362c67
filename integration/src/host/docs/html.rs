//! The book as HTML, by mdBook.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::host::paths::Paths;
use crate::host::tools;

/// mdBook without its server and its search, which need many more crates. Built once.
pub fn mdbook(paths: &Paths) -> Result<PathBuf, String> {
    tools::installed(paths, "mdbook", &["--no-default-features"])
}

/// Builds the book below the target directory, and returns where. What mdBook warns of is an error: a file to include that
/// is not there, for example.
pub fn build(paths: &Paths, mdbook: &Path) -> Result<PathBuf> {
    let to = paths.target.join("book");
    let output = Command::new(mdbook)
        .arg("build")
        .arg(paths.workspace.join("docs"))
        .arg("--dest-dir")
        .arg(&to)
        .output()
        .with_context(|| format!("starting {}", mdbook.display()))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let complains = ["ERROR", "WARN"].iter().any(|level| told.contains(level));
    ensure!(
        output.status.success() && !complains,
        "mdbook build:\n{told}"
    );
    Ok(to)
}
