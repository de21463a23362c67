//! One job in the guest, from the files it needs to the files it leaves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::choose::Way;
use super::paths::empty;
use super::prepare::Lab;
use super::{namespaces, vm};
use crate::job::Job;

/// What a job takes along, beside the programs.
#[derive(Debug, Default)]
pub struct Luggage {
    /// Files and the path below `/lab/files` where each shall stand.
    pub files: Vec<(PathBuf, PathBuf)>,
}

impl Lab {
    /// Runs `job`, called `name` on disk, and returns its exit status and the directory with what it left in `/out`.
    /// Its output goes to this process's own.
    pub fn run(
        &self,
        name: &str,
        job: &Job,
        luggage: &Luggage,
        limit: Duration,
    ) -> Result<(u8, PathBuf)> {
        // Two labs at once each have their own.
        let scratch = self
            .paths
            .fresh(&format!("run-{name}-{}", std::process::id()))?;
        let out = self.paths.lab.join(format!("out-{name}"));
        let staging = scratch.join("job");
        self.pack(&staging, job, luggage)?;
        let status = match self.way {
            Way::Namespaces => namespaces::run(&self.root, &staging, &out, limit),
            Way::Kvm | Way::Tcg => vm::run(self.way, &self.root, &staging, &out, &scratch, limit),
        };
        if status.is_ok() {
            std::fs::remove_dir_all(&scratch)?;
        }
        Ok((status?, out))
    }

    fn pack(&self, staging: &Path, job: &Job, luggage: &Luggage) -> Result<()> {
        empty(&staging.join("bin"))?;
        empty(&staging.join("files"))?;
        job.write(staging)?;
        for program in &self.programs {
            copy(&program.path, &staging.join("bin").join(&program.name))?;
        }
        for (from, to) in &luggage.files {
            copy(from, &staging.join("files").join(to))?;
        }
        Ok(())
    }
}

/// A hard link where it can be, a copy where not; the mode is kept.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to)
            .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}
