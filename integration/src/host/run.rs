//! One job in the guest, from the files it needs to the files it leaves.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use super::choose::Way;
use super::namespaces;
use super::paths::{Paths, empty};
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
        let (scratch, _in_use) = scratch(&self.paths, name)?;
        let out = scratch.join("out");
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
        let status = status?;
        let _collecting = self.paths.lock("runs")?;
        let collected = self.paths.fresh(&format!("out-{name}"))?;
        std::fs::rename(&out, &collected)
            .with_context(|| format!("moving what the job left to {}", collected.display()))?;
        std::fs::remove_dir_all(&scratch)?;
        Ok((status, collected))
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

/// A directory of this run's own, since others may run the same job; it is in use for as long as the lock is held. Those that
/// nobody uses any more are removed: of labs that were killed, and of failures of earlier labs.
fn scratch(paths: &Paths, name: &str) -> Result<(PathBuf, Flock<File>)> {
    let _sweeping = paths.lock("runs")?;
    let lock = |directory: &Path| -> Result<_> {
        let file = File::create(directory.join("in-use"))?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error.into())
    };
    let ours = format!("-{}", std::process::id());
    for entry in paths.lab.read_dir()?.flatten() {
        let (old, file_name) = (entry.path(), entry.file_name());
        let file_name = file_name.to_string_lossy();
        let another = file_name.starts_with("run-") && !file_name.ends_with(&ours);
        if another && lock(&old).is_ok() {
            std::fs::remove_dir_all(&old).with_context(|| format!("removing {}", old.display()))?;
        }
    }
    let scratch = paths.fresh(&format!("run-{name}{ours}"))?;
    let in_use = lock(&scratch).with_context(|| format!("locking {}", scratch.display()))?;
    Ok((scratch, in_use))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_labs_left_is_removed_and_what_is_in_use_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let paths = Paths::within(directory.path());
        let ours = format!("run-failed-{}", std::process::id());
        for name in ["run-killed-1", "run-going-on-2", "out-killed", &ours] {
            std::fs::create_dir(paths.lab.join(name)).expect("made");
        }
        let in_use = File::create(paths.lab.join("run-going-on-2/in-use")).expect("made");
        let _in_use = Flock::lock(in_use, FlockArg::LockExclusive).expect("free");

        let (new, _in_use) = scratch(&paths, "test").expect("made");
        assert!(new.is_dir());
        let there = |name: &str| paths.lab.join(name).is_dir();
        assert!(!there("run-killed-1"));
        assert!(there("run-going-on-2") && there("out-killed") && there(&ours));
    }
}
