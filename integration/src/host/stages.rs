//! `cargo lab test`: every check and every test, stage by stage, each with its minutes.
//!
//! ```text
//!  this thread        fmt - clippy - doc - book - unit - sim -------- e2e - package - pair - vagrant - deny - table, count
//!  beside it          mdbook, built once -/  guest's root, kernel ---/     /
//!                     the plain machine's root ---------------------------/                   /
//!                     cargo-deny, built once under target/tools -----------------------------/
//! ```
//!
//! Budgets are what a stage should take on two cores from a clean clone. They are told, never a reason to fail.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::build::{self, cargo};
use super::choose::Way;
use super::docs::html;
use super::lives;
use super::package;
use super::packages::{self, Package};
use super::paths::Paths;
use super::plain;
use super::prepare::{self, Guest, Lab};
use super::run::Luggage;
use super::tally::{Show, Tally};
use super::tools;
use crate::guest;
use crate::guest::tests::PROGRAMS;
use crate::job::Job;

/// How many lives are drawn and lived; the second where the tests may take their time.
const LIVES: [u64; 2] = [2_000, 20_000];
/// A guest whose tests have not ended by then hangs; the second where they may take their time.
const GUEST_LIMITS: [Duration; 2] = [Duration::from_secs(45 * 60), Duration::from_secs(4 * 3600)];
/// Test programs that need ESP and therefore run in the guest as well: package and test.
const ALSO_IN_THE_GUEST: &[(&str, &str)] = &[
    ("xfrm-sys", "kernel"),
    ("xfrm-sys", "esp"),
    ("ikd", "kernel"),
];

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A stage's name, or a part of tests' names.
    pub only: Option<String>,
    /// Whether the tests take their time: more seeds, more of everything.
    pub full: bool,
    /// The kernel to use, instead of the best one found.
    pub on: Option<Way>,
}

/// What a stage found.
#[derive(Debug, Default)]
struct Found {
    passed: u64,
    failed: u64,
    /// Tests that nobody asked for (`#[ignore]`).
    ignored: u64,
    /// Why something was not run.
    skipped: Vec<String>,
    /// The names of tests that hold.
    held: BTreeSet<String>,
}

impl Found {
    fn one(good: bool) -> Self {
        Self {
            passed: u64::from(good),
            failed: u64::from(!good),
            ..Self::default()
        }
    }

    /// A skipped test looks like one that passed to the program that runs it.
    fn tests(tally: Tally, ended_well: bool) -> Self {
        let unseen = u64::from(!ended_well && tally.failed == 0);
        Self {
            passed: tally.passed.saturating_sub(tally.skipped.len() as u64),
            failed: tally.failed + unseen,
            ignored: tally.ignored,
            skipped: tally.skipped,
            held: tally.held,
        }
    }
}

struct Line {
    stage: &'static str,
    minutes: f64,
    budget: f64,
    found: Found,
}

/// Runs the stages. Returns whether nothing failed.
pub fn run(paths: &Paths, options: &Options) -> Result<bool> {
    let mut report = Report {
        paths: paths.clone(),
        lines: Vec::new(),
        only: options.only.clone(),
    };
    packages::require(&report.packages())?;
    std::thread::scope(|scope| -> Result<()> {
        let guest = report
            .wants("e2e")
            .then(|| scope.spawn(|| prepare::guest(paths, options.on)));
        let plain = PlainGuest::new(
            (report.wants("package") || report.wants("pair"))
                .then(|| scope.spawn(|| prepare::plain_guest(paths, options.on))),
        );
        let deny = report
            .wants("deny")
            .then(|| scope.spawn(|| tools::installed(paths, "cargo-deny", &[])));

        let mdbook = report
            .wants("book")
            .then(|| scope.spawn(|| html::mdbook(paths)));

        report.stage("fmt", 0.2, || {
            check_with(paths, "rustfmt", &["fmt", "--all", "--check"])
        });
        report.stage("clippy", 3.0, || {
            let lint = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "--deny",
                "warnings",
            ];
            check_with(paths, "clippy", &lint)
        });
        report.stage("doc", 1.0, || {
            check(
                cargo(paths)
                    .args(["doc", "--workspace", "--no-deps"])
                    .env("RUSTDOCFLAGS", "--deny warnings"),
            )
        });
        report.stage("book", 1.0, || the_book(paths, mdbook));
        report.stage("unit", 9.0, || unit_tests(paths, options));
        report.stage("sim", 3.0, || simulated_lives(paths, options));
        report.stage("e2e", 21.0, || end_to_end_tests(paths, options, guest));
        report.stage("package", 6.0, || {
            on_plain_machine(paths, &plain, "package", plain::package_life)
        });
        report.stage("pair", 2.5, || {
            on_plain_machine(paths, &plain, "pair", plain::pair_of_gateways)
        });
        report.stage("vagrant", 0.2, || vagrant(paths));
        report.stage("deny", 2.0, || dependencies(paths, deny));
        Ok(())
    })?;
    Ok(report.close())
}

struct Report {
    paths: Paths,
    lines: Vec<Line>,
    only: Option<String>,
}

const CHECKS: &[&str] = &["fmt", "clippy", "doc", "book", "sim", "vagrant", "deny"];
const TESTS: &[&str] = &["unit", "e2e", "package", "pair"];

impl Report {
    /// Whether `--only` leaves this stage in: named itself, or one with tests whose names may match.
    fn wants(&self, stage: &str) -> bool {
        match &self.only {
            None => true,
            Some(only) if CHECKS.contains(&only.as_str()) || TESTS.contains(&only.as_str()) => {
                only == stage
            }
            // A machine's life is tried as a whole.
            Some(only) if stage == "package" => guest::package::is_meant_by(only),
            Some(only) if stage == "pair" => guest::pair::is_meant_by(only),
            Some(_) => TESTS.contains(&stage),
        }
    }

    /// The host's packages that the stages need, for all of them at once: who is not root has one line to run, before any
    /// stage begins. Whether e2e needs a virtual machine is found out later; the plain machines always do.
    fn packages(&self) -> Vec<Package> {
        let mut needed = Vec::new();
        if TESTS.iter().any(|stage| self.wants(stage)) {
            needed.extend(prepare::host_packages());
        }
        if self.wants("package") || self.wants("pair") {
            needed.extend(packages::VIRTUAL_MACHINE);
            needed.extend(package::PACKAGING);
        }
        needed
    }

    fn stage(&mut self, stage: &'static str, budget: f64, work: impl FnOnce() -> Result<Found>) {
        if !self.wants(stage) {
            return;
        }
        println!("\nlab: {stage}");
        let lock = self.paths.lock(&format!("stage-{stage}"));
        let start = Instant::now();
        let found = lock.and_then(|_lock| work()).unwrap_or_else(|error| {
            println!("lab: {stage} failed: {error:#}");
            Found::one(false)
        });
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        println!("lab: {stage}: {minutes:.1} min of {budget:.1}");
        self.lines.push(Line {
            stage,
            minutes,
            budget,
            found,
        });
    }

    /// Prints the table and the count. Returns whether nothing failed.
    fn close(mut self) -> bool {
        // What this machine's kernel could not answer, the guest's may have.
        let in_guest = self
            .lines
            .iter()
            .find(|line| line.stage == "e2e")
            .map(|line| line.found.held.clone());
        if let Some(held) = in_guest {
            let answered = |skip: &str| {
                skip.split(':')
                    .next()
                    .is_some_and(|name| held.contains(name))
            };
            for line in &mut self.lines {
                line.found.skipped.retain(|skip| !answered(skip));
            }
        }
        println!("\n{:<8} {:>7} {:>7}  result", "stage", "minutes", "budget");
        for line in &self.lines {
            let over = if line.minutes > line.budget {
                ", over its budget"
            } else {
                ""
            };
            let counts = line.found.counts();
            println!(
                "{:<8} {:>7.1} {:>7.1}  {counts}{over}",
                line.stage, line.minutes, line.budget
            );
            for why in &line.found.skipped {
                println!("{:<26}skipped: {why}", "");
            }
        }
        let mut sum = Found::default();
        let mut minutes = 0.0;
        for line in self.lines {
            minutes += line.minutes;
            sum.passed += line.found.passed;
            sum.failed += line.found.failed;
            sum.ignored += line.found.ignored;
            sum.skipped.extend(line.found.skipped);
        }
        println!("{:<8} {minutes:>7.1}", "total");
        // Nobody means nothing by it: a name was mistyped.
        let nothing = sum.passed + sum.failed + sum.ignored == 0 && sum.skipped.is_empty();
        if let Some(only) = self.only.filter(|_| nothing) {
            println!("\nno stage is called {only:?}, and no test's name contains it");
            sum.failed = 1;
        }
        println!("\n{}", sum.counts());
        sum.failed == 0
    }
}

impl Found {
    /// `N passed, N failed`, and `, N skipped` where there is something to say.
    fn counts(&self) -> String {
        let Self { passed, failed, .. } = self;
        match self.ignored + self.skipped.len() as u64 {
            0 => format!("{passed} passed, {failed} failed"),
            skipped => format!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
    }
}

/// A check counts as one test.
fn check(command: &mut Command) -> Result<Found> {
    let status = command
        .status()
        .with_context(|| format!("starting {command:?}"))?;
    Ok(Found::one(status.success()))
}

/// A check by a component of the toolchain, which a minimal installation lacks.
fn check_with(paths: &Paths, component: &str, arguments: &[&str]) -> Result<Found> {
    let there = cargo(paths).args([arguments[0], "--version"]).output();
    if there.is_ok_and(|output| output.status.success()) {
        return check(cargo(paths).args(arguments));
    }
    let why = format!("this toolchain has no {component}: rustup component add {component}");
    Ok(Found {
        skipped: vec![why],
        ..Found::default()
    })
}

/// The names of tests to run, if `--only` gave a part of them.
fn filter(options: &Options) -> Option<&str> {
    options.only.as_deref().filter(|only| !TESTS.contains(only))
}

fn unit_tests(paths: &Paths, options: &Options) -> Result<Found> {
    let mut tests = cargo(paths);
    tests.args(["test", "--workspace", "--no-fail-fast"]);
    if options.full {
        tests.env(FULL, "1");
    }
    tests.args(filter(options)).args(["--", "--show-output"]);
    tests.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tests.spawn().context("starting cargo test")?;
    let stdout = child.stdout.take().context("the tests' output")?;
    let stderr = child.stderr.take().context("the tests' errors")?;
    let mut tally = Tally::new(Show::Failures, &paths.lab.join("unit.log"))?;
    let aloud = std::thread::scope(|scope| -> Result<Vec<String>> {
        // Cargo's progress, and what a test says past the capture.
        let aloud = scope.spawn(|| {
            let lines = BufReader::new(stderr)
                .lines()
                .map_while(std::result::Result::ok);
            lines
                .inspect(|line| eprintln!("{line}"))
                .filter(|line| line.starts_with("skipped: "))
                .collect()
        });
        for line in BufReader::new(stdout).split(b'\n') {
            tally.write_all(&line?)?;
            tally.write_all(b"\n")?;
        }
        Ok(aloud
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    aloud.iter().for_each(|line| tally.note_skip(line));
    Ok(Found::tests(tally, child.wait()?.success()))
}

/// Set for tests that may take their time.
const FULL: &str = "LAB_FULL";

/// Lives drawn from seeds, each of which counts: see `sim::life`.
fn simulated_lives(paths: &Paths, options: &Options) -> Result<Found> {
    let seeds = LIVES[usize::from(options.full)];
    Ok(if lives::hold(paths, seeds, options.full)? {
        Found {
            passed: seeds,
            ..Found::default()
        }
    } else {
        Found::one(false)
    })
}

fn end_to_end_tests(
    paths: &Paths,
    options: &Options,
    guest: Option<ScopedJoinHandle<'_, Result<Guest>>>,
) -> Result<Found> {
    let programs = build::programs(paths)?;
    let mut luggage = Luggage::default();
    for executable in build::executables(cargo(paths).args(["test", "--workspace", "--no-run"]))? {
        let package = executable
            .package
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        if ALSO_IN_THE_GUEST.contains(&(&package, &executable.name)) {
            luggage.files.push((
                executable.path.clone(),
                PathBuf::from(format!("tests/{package}-{}", executable.name)),
            ));
        }
    }
    let guest = guest
        .context("no guest was asked for")?
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let mut command = vec!["lab-guest".to_owned(), "test".to_owned()];
    command.extend(filter(options).map(|only| format!("--only={only}")));
    let mut env = Vec::new();
    if options.full {
        env.push((FULL.to_owned(), "1".to_owned()));
    }
    if let Some(directory) = programs.first().and_then(|program| program.path.parent()) {
        env.push((PROGRAMS.to_owned(), directory.display().to_string()));
    }
    let lab = guest.with(paths, programs);
    let mut tally = Tally::new(Show::All, &paths.lab.join("e2e.log"))?;
    let (status, _) = lab.run_into(
        "test",
        &Job { command, env },
        &luggage,
        GUEST_LIMITS[usize::from(options.full)],
        &mut tally,
    )?;
    Ok(Found::tests(tally, status == 0))
}

/// The book as HTML. What it says is tested among the unit tests.
fn the_book(
    paths: &Paths,
    mdbook: Option<ScopedJoinHandle<'_, Result<PathBuf, String>>>,
) -> Result<Found> {
    let mdbook = mdbook
        .context("mdbook was not asked for")?
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match mdbook {
        Ok(program) => html::build(paths, &program).map(|_| Found::one(true)),
        Err(why) => Ok(Found {
            skipped: vec![why],
            ..Found::default()
        }),
    }
}

/// The plain machine's root and kernel, waited for by whoever needs them first.
struct PlainGuest<'scope> {
    built: OnceCell<Result<Guest, String>>,
    thread: Cell<Option<ScopedJoinHandle<'scope, Result<Guest>>>>,
}

impl<'scope> PlainGuest<'scope> {
    fn new(thread: Option<ScopedJoinHandle<'scope, Result<Guest>>>) -> Self {
        Self {
            built: OnceCell::new(),
            thread: Cell::new(thread),
        }
    }

    fn get(&self) -> Result<&Guest> {
        let built = self.built.get_or_init(|| {
            let thread = self.thread.take().ok_or("no plain guest was asked for")?;
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                .map_err(|error| format!("{error:#}"))
        });
        built.as_ref().map_err(|why| anyhow!("{why}"))
    }
}

/// Runs tests on a plain machine, or on two.
fn on_plain_machine(
    paths: &Paths,
    guest: &PlainGuest<'_>,
    name: &str,
    tests: impl FnOnce(&Paths, &Lab, &mut Tally) -> Result<bool>,
) -> Result<Found> {
    let programs = build::programs(paths)?;
    let lab = guest.get()?.with(paths, programs);
    let mut tally = Tally::new(Show::All, &paths.lab.join(format!("{name}.log")))?;
    let good = tests(paths, &lab, &mut tally)?;
    Ok(Found::tests(tally, good))
}

/// Whether Vagrant takes the Vagrantfile.
fn vagrant(paths: &Paths) -> Result<Found> {
    Ok(match plain::vagrantfile_is_valid(paths)? {
        Some(valid) => Found::one(valid),
        None => Found {
            skipped: vec!["this machine has no vagrant to check the Vagrantfile with".to_owned()],
            ..Found::default()
        },
    })
}

fn dependencies(
    paths: &Paths,
    deny: Option<ScopedJoinHandle<'_, Result<PathBuf, String>>>,
) -> Result<Found> {
    let deny = deny
        .context("cargo-deny was not asked for")?
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let program = match deny {
        Ok(program) => program,
        Err(why) => {
            return Ok(Found {
                skipped: vec![why],
                ..Found::default()
            });
        }
    };
    let deny = |checks: &[&str]| {
        let mut command = Command::new(&program);
        command
            .current_dir(&paths.workspace)
            .arg("--workspace")
            .args(["check", "--hide-inclusion-graph"])
            .args(checks);
        command.stdin(Stdio::null());
        command
    };
    let mut found = check(&mut deny(&["bans", "licenses", "sources"]))?;
    // The advisories live in a database of their own, which may be out of reach.
    let advisories = deny(&["advisories"])
        .output()
        .context("starting cargo-deny")?;
    let told = String::from_utf8_lossy(&advisories.stderr);
    if advisories.status.success() {
        found.passed += 1;
    } else if told.contains("error[") {
        println!("{told}");
        found.failed += 1;
    } else {
        found
            .skipped
            .push("advisories: their database cannot be had here".to_owned());
    }
    if found.failed > 0 {
        bail!("a dependency is not as deny.toml wants it (see above)");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(only: &str) -> Report {
        Report {
            paths: Paths::within(std::path::Path::new("/nowhere")),
            lines: Vec::new(),
            only: Some(only.to_owned()),
        }
    }

    #[test]
    fn a_name_that_nothing_has_is_a_failure() {
        assert!(!report("tpyo").close());
        let mut skipped = report("vagrant");
        skipped.lines.push(Line {
            stage: "vagrant",
            minutes: 0.0,
            budget: 1.0,
            found: Found {
                skipped: vec!["there is none".to_owned()],
                ..Found::default()
            },
        });
        assert!(skipped.close());
    }

    #[test]
    fn the_packages_of_all_stages_are_named_before_the_first() {
        let names = |only: &str| {
            let packages = report(only).packages();
            packages.iter().map(|one| one.name).collect::<Vec<_>>()
        };
        assert!(names("fmt").is_empty());
        assert!(names("unit").contains(&"iproute2"));
        for needed in ["mmdebstrap", "qemu-system-x86", "dpkg-dev"] {
            assert!(names("package").contains(&needed), "{needed}");
        }
    }
}
