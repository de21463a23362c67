//! One job in the guest, from the files it needs to the files it leaves.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::choose::Way;
use super::namespaces;
use super::paths::empty;
use super::prepare::Lab;
use super::vm::{self, Machine, Wire};
use crate::job::Job;

/// What a job takes along, beside the programs.
#[derive(Debug, Default)]
pub struct Luggage {
    /// Files and the path below `/lab/files` where each shall stand.
    pub files: Vec<(PathBuf, PathBuf)>,
}

/// What connects a virtual machine with others that run at the same time, and share this machine's processors with it.
#[derive(Debug)]
pub struct Wiring<'a> {
    /// The machine's network cards.
    pub wires: &'a [Wire],
    /// Where their sockets are.
    pub directory: &'a Path,
}

impl Default for Wiring<'_> {
    fn default() -> Self {
        Self {
            wires: &[],
            directory: Path::new("."),
        }
    }
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
        self.run_into(name, job, luggage, limit, &mut std::io::stdout())
    }

    /// Like [`Lab::run`], with the job's standard output going to `output`.
    pub fn run_into(
        &self,
        name: &str,
        job: &Job,
        luggage: &Luggage,
        limit: Duration,
        output: &mut (dyn Write + Send),
    ) -> Result<(u8, PathBuf)> {
        self.run_wired(name, job, luggage, limit, output, &Wiring::default())
    }

    /// Like [`Lab::run_into`], with network cards. Only virtual machines have any.
    pub fn run_wired(
        &self,
        name: &str,
        job: &Job,
        luggage: &Luggage,
        limit: Duration,
        output: &mut (dyn Write + Send),
        wiring: &Wiring<'_>,
    ) -> Result<(u8, PathBuf)> {
        // Two labs at once each have their own.
        let scratch = self
            .paths
            .fresh(&format!("run-{name}-{}", std::process::id()))?;
        let out = self.paths.lab.join(format!("out-{name}"));
        let staging = scratch.join("job");
        self.pack(&staging, job, luggage)?;
        let status = match self.way {
            Way::Namespaces => namespaces::run(&self.root, &staging, &out, limit, output),
            Way::Kvm | Way::Tcg => {
                let machine = Machine {
                    way: self.way,
                    root: &self.root,
                    first: self.first,
                    processors: if wiring.wires.is_empty() { 2 } else { 1 },
                    wires: wiring.wires,
                    directory: wiring.directory,
                };
                vm::run(&machine, &staging, &out, &scratch, limit, output)
            }
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

/// Starts `guest`, passes on what it writes as soon as it is there, and waits for its end; kills it, and returns false,
/// when `limit` is over.
pub(super) fn attend(
    guest: &mut Command,
    limit: Duration,
    output: &mut (dyn Write + Send),
) -> Result<bool> {
    guest
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = guest
        .spawn()
        .with_context(|| format!("starting {}", guest.get_program().display()))?;
    let stdout = child.stdout.take().context("the guest's standard output")?;
    let stderr = child.stderr.take().context("the guest's standard error")?;
    std::thread::scope(|scope| {
        scope.spawn(|| forward(stdout, output));
        scope.spawn(|| forward(stderr, &mut std::io::stderr()));
        wait(&mut child, limit)
    })
}

/// Waits for the guest's end; kills it, and returns false, when `limit` is over.
pub(super) fn wait(guest: &mut Child, limit: Duration) -> Result<bool> {
    let start = Instant::now();
    while guest.try_wait()?.is_none() {
        if start.elapsed() > limit {
            guest.kill()?;
            guest.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}

fn forward(mut from: impl Read, to: &mut (dyn Write + Send)) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to
            .write_all(&buffer[..length])
            .and_then(|()| to.flush())
            .is_err()
        {
            return;
        }
    }
}
