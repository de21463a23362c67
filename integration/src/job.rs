//! What the host hands to the guest, and what comes back.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Where the job's read-only files stand in the guest: `job.json`, `bin/`, `files/`.
pub const LAB: &str = "/lab";
/// Where the job leaves files for the host.
pub const OUT: &str = "/out";
/// The programs' search path in the guest: ours first, then the distribution's.
pub const SEARCH_PATH: &str =
    "/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/ipsec";

const JOB_FILE: &str = "job.json";
const STATUS_FILE: &str = ".lab-status";

/// One command for the guest, run as root in `/`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// Program and arguments, found along [`SEARCH_PATH`].
    pub command: Vec<String>,
    /// Environment beside `PATH`, `HOME` and `LANG`.
    pub env: Vec<(String, String)>,
}

impl Job {
    /// Reads the job from `directory`.
    pub fn read(directory: &Path) -> Result<Self> {
        let file = directory.join(JOB_FILE);
        let text = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("parsing {}", file.display()))
    }

    /// Writes the job into `directory`.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let file = directory.join(JOB_FILE);
        std::fs::write(&file, serde_json::to_vec(self)?)
            .with_context(|| format!("writing {}", file.display()))
    }
}

/// Leaves the job's exit status (0 to 255) where [`read_status`] finds it.
pub fn write_status(out: &Path, status: u8) -> Result<()> {
    std::fs::write(out.join(STATUS_FILE), status.to_string())
        .context("writing the job's exit status")
}

/// The exit status (0 to 255) that the guest left, if it came so far.
#[must_use]
pub fn read_status(out: &Path) -> Option<u8> {
    std::fs::read_to_string(out.join(STATUS_FILE))
        .ok()?
        .trim()
        .parse()
        .ok()
}
