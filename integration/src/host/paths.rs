//! Where the lab keeps what it downloads, builds and collects: all of it under cargo's target directory. Two labs may share
//! one: what both would write has a lock.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

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

    /// Keeps others, threads as well as other labs of this target directory, from doing `what` until the lock is dropped or
    /// this process is gone. Waits for who does it already, and says so.
    pub fn lock(&self, what: &str) -> Result<Flock<File>> {
        let path = self.lab.join(format!("{what}.lock"));
        let locking = || format!("locking {}", path.display());
        let file = File::create(&path).with_context(locking)?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((file, Errno::EWOULDBLOCK)) => file,
            result => return result.map_err(|(_, error)| error).with_context(locking),
        };
        eprintln!("lab: {what}: waiting for another that is at it");
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, error)| error)
            .with_context(locking)
    }

    /// An empty directory below [`Paths::lab`], emptied if it was there.
    pub fn fresh(&self, name: &str) -> Result<PathBuf> {
        let directory = self.lab.join(name);
        empty(&directory)?;
        Ok(directory)
    }

    /// Removes the directories below [`Paths::lab`] whose names begin so.
    pub fn forget(&self, kin: &str) -> Result<()> {
        for old in std::fs::read_dir(&self.lab)?.flatten() {
            if old.file_name().to_string_lossy().starts_with(kin) && old.path().is_dir() {
                std::fs::remove_dir_all(old.path())
                    .with_context(|| format!("removing {}", old.path().display()))?;
            }
        }
        Ok(())
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

#[cfg(test)]
impl Paths {
    /// Everything in one directory.
    pub(super) fn within(directory: &Path) -> Self {
        let [workspace, target, lab, tools] = [(); 4].map(|()| directory.to_owned());
        Self {
            workspace,
            target,
            lab,
            tools,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_lock_keeps_others_out_until_it_is_dropped() {
        let directory = tempfile::tempdir().expect("a directory");
        let paths = Paths::within(directory.path());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let held = paths.lock("it").expect("free");
            paths.lock("something else").expect("free");
            let waits = scope.spawn(|| {
                let _held = paths.lock("it").expect("free in the end");
                done.load(Ordering::SeqCst)
            });
            done.store(true, Ordering::SeqCst);
            drop(held);
            assert!(waits.join().expect("it does not panic"));
        });
    }
}
