//! Where the lab keeps what it downloads, builds and collects: all of it under cargo's target directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The directories of one checkout.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The workspace, where cargo runs.
    pub workspace: PathBuf,
    /// Cargo's target directory.
    pub target: PathBuf,
    /// Roots, images, consoles of guests.
    pub lab: PathBuf,
    /// Tools that `cargo lab` brought along.
    pub tools: PathBuf,
}

impl Paths {
    /// Finds the directories of the checkout that this program was started in, and makes those that are missing.
    pub fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let workspace = manifest
            .parent()
            .context("the lab's crate has no directory above it")?
            .to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => std::path::absolute(directory)?,
            None => workspace.join("target"),
        };
        let paths = Self {
            lab: target.join("lab"),
            tools: target.join("tools"),
            workspace,
            target,
        };
        for directory in [&paths.lab, &paths.tools] {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("making {}", directory.display()))?;
        }
        Ok(paths)
    }

    /// An empty directory below [`Paths::lab`], emptied if it was there.
    pub fn fresh(&self, name: &str) -> Result<PathBuf> {
        let directory = self.lab.join(name);
        empty(&directory)?;
        Ok(directory)
    }
}

/// Makes `directory`, or empties it.
pub fn empty(directory: &Path) -> Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)
            .with_context(|| format!("emptying {}", directory.display()))?;
    }
    std::fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))
}
