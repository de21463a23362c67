//! Commands as an operator types them, for tests about what an operator does.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// What was typed.
    line: String,
    /// Its exit status; 128 and more where a signal ended it.
    pub status: i32,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Ended {
    /// Everything that it wrote.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// What it wrote, if it succeeded.
    pub fn well(self) -> Result<String> {
        ensure!(self.status == 0, "{}", self.told());
        Ok(self.text())
    }

    /// What it wrote, if it failed.
    pub fn badly(self) -> Result<String> {
        ensure!(self.status != 0, "it should have failed: {}", self.told());
        Ok(self.text())
    }

    fn told(&self) -> String {
        format!(
            "`{}` ended with {}:\n{}",
            self.line,
            self.status,
            self.text()
        )
    }
}

/// Runs `line` by a shell.
pub fn run(line: &str) -> Result<Ended> {
    end(Command::new("sh").args(["-c", line]), line)
}

/// Runs `line` by a shell as the user `user`, with the groups that the user has.
pub fn run_as(user: &str, line: &str) -> Result<Ended> {
    let mut command = Command::new("runuser");
    end(command.args(["-u", user, "--", "sh", "-c", line]), line)
}

/// Runs `line`, which must succeed, and returns what it wrote.
pub fn well(line: &str) -> Result<String> {
    run(line)?.well()
}

fn end(command: &mut Command, line: &str) -> Result<Ended> {
    // The programs are the package's, not those that the lab brought along.
    command
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("SYSTEMD_PAGER", "")
        .stdin(Stdio::null());
    let output = command
        .output()
        .with_context(|| format!("starting `{line}`"))?;
    Ok(Ended {
        line: line.to_owned(),
        status: output.status.code().unwrap_or(128),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
