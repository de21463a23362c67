//! A daemon's process, and the files it lives with.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::guest::netns::Namespace;

/// A daemon in a gateway's namespace. Dropped, it is killed.
#[derive(Debug)]
pub struct Daemon {
    /// Where its files are.
    pub directory: PathBuf,
    child: Child,
    output: PathBuf,
}

impl Daemon {
    /// An empty directory for the daemon of `gateway`.
    pub fn directory(gateway: &Namespace) -> Result<PathBuf> {
        let directory = Path::new("/run/lab").join(&gateway.name);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("making {}", directory.display()))?;
        Ok(directory)
    }

    /// Starts `command` in `gateway`, its output going to `output` in `directory`.
    pub fn start(gateway: &Namespace, directory: PathBuf, command: &mut Command) -> Result<Self> {
        let output = directory.join("output.log");
        let file = File::create(&output)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        Ok(Self {
            child: gateway.spawn(command)?,
            directory,
            output,
        })
    }

    /// Waits until `ready` says yes.
    ///
    /// # Errors
    /// When the daemon ends before, or `patience` is over, with what it wrote.
    pub fn wait_until(
        &mut self,
        what: &str,
        patience: Duration,
        ready: impl Fn() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the daemon ended ({status}) before it was {what}:\n{}",
                    self.output()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "the daemon was not {what} within {} s:\n{}",
                    patience.as_secs(),
                    self.output()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What it wrote to its standard output and error.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Sends it `signal`.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)
            .with_context(|| format!("sending {signal}"))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `patience`.
    pub fn wait_end(&mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!(
                    "the daemon still runs after {} s:\n{}",
                    patience.as_secs(),
                    self.output()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
