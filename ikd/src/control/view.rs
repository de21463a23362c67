//! What the shell shows to a client: the engine at one moment, and what the daemon knows beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ike::config::Configuration;
use ike::engine::snapshot::Snapshot;

/// Everything, at one moment.
#[derive(Debug)]
pub(crate) struct View {
    /// The engine.
    pub(crate) snapshot: Snapshot,
    /// The daemon.
    pub(crate) facts: Facts,
    /// The wall clock at that moment.
    pub(crate) now: u64,
    /// The boot clock at that moment.
    pub(crate) boot: Duration,
    /// What it has cost the engine.
    pub(crate) took: Duration,
}

/// What the daemon knows of itself.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// When it started, by the wall clock.
    pub(crate) started: u64,
    /// When it started, by the boot clock.
    pub(crate) started_boot: Duration,
    /// As given on the command line.
    pub(crate) paths: Arc<[PathBuf]>,
    /// What is in force, holes included.
    pub(crate) configuration: Arc<Configuration>,
    /// When that was read.
    pub(crate) loaded_at: u64,
    /// Why the newest attempt to read it again changed nothing.
    pub(crate) reload_failure: Option<ikapi::Failure>,
    /// Where the keys of IKE SAs are written.
    pub(crate) keylog: Option<Arc<Path>>,
    /// What the kernel can, a line each.
    pub(crate) capabilities: Arc<[String]>,
    /// What it cannot.
    pub(crate) missing: Arc<[String]>,
}
