//! Where one mutant after the other is built and lived with: a copy of the workspace with a target directory of its own.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::host::build::{self, Executable};
use crate::host::paths::Paths;

use super::Options;
use super::kept::Fate;
use super::listing::Mutant;

/// So many times what the unbroken engine needs, and never less than so long: then it hangs. The machine may have become
/// busier since the unbroken engine was tried.
const PATIENCE: u32 = 20;
const LEAST_PATIENCE: Duration = Duration::from_secs(20);
/// In KiB. A mutant that hangs may ask for memory while it does.
const MEMORY: u32 = 4 * 1024 * 1024;
/// Lives, and so no scripted simulations.
const NOT_SCRIPTED: &str = "whole_lives";

/// A copy of the workspace and what was built of it.
pub(super) struct Bench<'a> {
    paths: &'a Paths,
    source: &'a Path,
    tree: PathBuf,
    target: PathBuf,
    lives: u64,
    /// What the lives of one mutant may take.
    limit: Duration,
    /// The scripted simulations, if they are wanted, with what each may take.
    scripted: Option<Vec<(String, Duration)>>,
}

/// How a program ended.
enum Ended {
    By(ExitStatus),
    /// It was stopped.
    Hung,
}

impl<'a> Bench<'a> {
    /// Makes the copy, and tries the engine as it is.
    pub(super) fn set_up(
        paths: &'a Paths,
        source: &'a Path,
        directory: &Path,
        options: &Options,
    ) -> Result<Self> {
        let mut bench = Self {
            paths,
            source,
            tree: directory.join("tree"),
            target: directory.join("target"),
            lives: options.lives,
            limit: Duration::MAX,
            scripted: None,
        };
        mirror(source, &bench.tree)?;
        ensure!(bench.build()?, "the engine as it is does not build");
        let begin = Instant::now();
        match bench.live()? {
            Fate::Survived { .. } => {}
            fate => bail!("the engine as it is does not live: {fate}"),
        }
        bench.limit = patience(begin.elapsed());
        if options.scripted {
            let mut limits = Vec::new();
            for test in bench.scripted_programs()? {
                let begin = Instant::now();
                let ended = bench.run(&mut program_of(&test), Duration::MAX)?;
                let Ended::By(status) = ended else {
                    bail!("{} hangs with the engine as it is", test.name);
                };
                ensure!(
                    status.success(),
                    "{} fails with the engine as it is",
                    test.name
                );
                limits.push((test.name, patience(begin.elapsed())));
            }
            bench.scripted = Some(limits);
        }
        Ok(bench)
    }

    /// What becomes of one mutant. Then the copy is as it was.
    pub(super) fn try_one(&self, mutant: &Mutant) -> Result<Fate> {
        let file = self.tree.join(&mutant.file);
        let original = std::fs::read_to_string(self.source.join(&mutant.file))
            .with_context(|| format!("reading {}", mutant.file))?;
        let write = |text: &str| {
            std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
        };
        write(&mutant.apply(&original)?)?;
        let fate = self.fate();
        write(&original)?;
        fate
    }

    fn fate(&self) -> Result<Fate> {
        if !self.build()? {
            return Ok(Fate::NotViable);
        }
        match (self.live()?, &self.scripted) {
            (Fate::Survived { .. }, Some(limits)) => self.simulate(limits),
            (fate, _) => Ok(fate),
        }
    }

    fn cargo(&self) -> Command {
        let mut cargo = build::cargo(self.paths);
        cargo
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            // What is merely frowned upon may still run.
            .env("RUSTFLAGS", "--cap-lints=allow");
        cargo
    }

    /// Builds the program that lives lives. Whether it can be built.
    fn build(&self) -> Result<bool> {
        let output = self
            .cargo()
            .args(["build", "--quiet", "--locked", "--profile", "mutants"])
            .args(["--package", "sim", "--bin", "lives"])
            .output()
            .context("starting cargo")?;
        let said = String::from_utf8_lossy(&output.stderr);
        // A full disk is no property of a mutant.
        let refused = said.contains("could not compile") && !said.contains("os error");
        ensure!(output.status.success() || refused, "cargo build: {said}");
        Ok(output.status.success())
    }

    /// Lives until something breaks.
    fn live(&self) -> Result<Fate> {
        let mut lives = Command::new("sh");
        lives
            .args([
                "-c",
                "ulimit -v \"$1\" && exec \"$0\" --brief --seeds \"$2\"",
            ])
            .arg(self.target.join("mutants/lives"))
            .args([MEMORY.to_string(), self.lives.to_string()])
            // Each reserves memory that it does not use.
            .env("MALLOC_ARENA_MAX", "4");
        let status = match self.run(&mut lives, self.limit)? {
            Ended::By(status) => status,
            Ended::Hung => return Ok(Fate::killed("hanging", 0)),
        };
        let said = self.said()?;
        let broken = said.lines().find_map(|line| line.strip_prefix("broken: "));
        let broken = broken.and_then(|broken| broken.split_once(' '));
        Ok(match broken {
            Some((invariant, lives)) => Fate::killed(invariant, lives.parse().unwrap_or(0)),
            None if status.success() => Fate::Survived { scripted: false },
            // The stack or the memory came to an end.
            None => Fate::killed("abort", 0),
        })
    }

    /// The programs of the scripted simulations, built.
    fn scripted_programs(&self) -> Result<Vec<Executable>> {
        let mut cargo = self.cargo();
        cargo.args(["test", "--quiet", "--locked", "--profile", "mutants"]);
        cargo.args(["--package", "sim", "--test", "*", "--no-run"]);
        let mut programs = build::executables(&mut cargo)?;
        // The program of the lives is built as well, for tests that might call it.
        programs.retain(|test| !["lives", NOT_SCRIPTED].contains(&test.name.as_str()));
        programs.retain(|test| test.path.starts_with(self.target.join("mutants/deps")));
        Ok(programs)
    }

    /// Runs the scripted simulations until one fails.
    fn simulate(&self, limits: &[(String, Duration)]) -> Result<Fate> {
        for test in self.scripted_programs()? {
            let limit = limits.iter().find(|(name, _)| *name == test.name);
            let limit = limit.map_or(LEAST_PATIENCE, |(_, limit)| *limit);
            let by = match self.run(&mut program_of(&test), limit)? {
                Ended::By(status) if status.success() => continue,
                Ended::By(_) => (self.said()?.lines())
                    .find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
                    .map(|name| format!("{}: {name}", test.name)),
                Ended::Hung => Some(format!("{}, hanging", test.name)),
            };
            let by = by.unwrap_or(test.name);
            return Ok(Fate::KilledByScript { by });
        }
        Ok(Fate::Survived { scripted: true })
    }

    /// Runs a program for so long. What it says goes to a file: nobody needs to read while it runs.
    fn run(&self, program: &mut Command, limit: Duration) -> Result<Ended> {
        let begin = Instant::now();
        let mut child = program
            .stdin(Stdio::null())
            .stdout(File::create(self.output()).context("making a file for what it says")?)
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {program:?}"))?;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Ended::By(status));
            }
            if begin.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                return Ok(Ended::Hung);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn output(&self) -> PathBuf {
        self.target.join("said")
    }

    /// What the last program said.
    fn said(&self) -> Result<String> {
        let mut said = Vec::new();
        let file = File::open(self.output()).context("opening what it said")?;
        file.take(1 << 20).read_to_end(&mut said)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

fn patience(unbroken: Duration) -> Duration {
    (unbroken * PATIENCE).max(LEAST_PATIENCE)
}

fn program_of(test: &Executable) -> Command {
    let mut program = Command::new(&test.path);
    program.current_dir(&test.package);
    program
}

/// Makes `to` what `from` is, without what is built or hidden. What is the same already keeps its time, so that cargo builds
/// nothing anew.
pub(super) fn mirror(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    let wanted = files(from)?;
    for file in files(to)? {
        if wanted.binary_search(&file).is_err() {
            let path = to.join(file);
            std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    for file in wanted {
        let copying = || format!("copying {}", file.display());
        let (from, to) = (from.join(&file), to.join(&file));
        let bytes = std::fs::read(from).with_context(copying)?;
        if std::fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).with_context(copying)?;
        }
        std::fs::write(&to, bytes).with_context(copying)?;
    }
    Ok(())
}

/// The files below a directory, in order, as seen from there.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut below = vec![PathBuf::new()];
    while let Some(here) = below.pop() {
        let path = directory.join(&here);
        let reading = || format!("reading {}", path.display());
        for entry in std::fs::read_dir(&path).with_context(reading)? {
            let entry = entry.with_context(reading)?;
            let name = entry.file_name();
            if name == "target" || name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type().with_context(reading)?.is_dir() {
                below.push(here.join(name));
            } else {
                files.push(here.join(name));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_shows_what_is_there_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let [from, to] = ["from", "to"].map(|name| directory.path().join(name));
        let write = |path: PathBuf, text: &str| {
            std::fs::create_dir_all(path.parent().expect("below")).expect("a directory");
            std::fs::write(path, text).expect("written");
        };
        write(from.join("a/b"), "new");
        write(from.join("target/c"), "built");
        write(from.join(".git"), "hidden");
        write(to.join("a/b"), "old");
        write(to.join("d"), "gone");
        mirror(&from, &to).expect("mirrored");
        assert_eq!(files(&to).expect("there"), [PathBuf::from("a/b")]);
        assert_eq!(std::fs::read(to.join("a/b")).expect("there"), b"new");
    }
}
