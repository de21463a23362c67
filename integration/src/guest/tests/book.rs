//! What the book has its reader do, done: the start page from its first command to its last, and the troubles of the
//! troubleshooting page, each brought about on purpose. What the pages say that a command prints, it has to print.
//!
//! Both gateways share the guest's files, and the pages name `/etc/ikd` and `/run/ikd`: each gateway's commands run with
//! directories of its own mounted there.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::harness::{self, PATIENCE, Test};
use crate::blocks::{Block, blocks};
use crate::guest::netns::Namespace;
use crate::guest::peers::{Daemon, eventually};
use crate::guest::world::World;

const START: &str = include_str!("../../../../docs/src/start.md");
const TROUBLESHOOTING: &str = include_str!("../../../../docs/src/troubleshooting.md");

const PROMETHEUS: &str = include_str!("../../../../docs/monitoring/prometheus.yml");
const ALERTS: &str = include_str!("../../../../docs/monitoring/alerts.yml");
const PYTHON: &str = include_str!("control.py");

/// The files that pages include, by the end of their names.
const INCLUDED: [(&str, &str); 2] = [
    ("site-to-site/hq.yaml", HQ_POLICY),
    ("site-to-site/branch.yaml", BRANCH_POLICY),
];
const HQ_POLICY: &str = include_str!("../../../../policies/examples/site-to-site/hq.yaml");
const BRANCH_POLICY: &str = include_str!("../../../../policies/examples/site-to-site/branch.yaml");
const SECRET: &str = "a secret of this test, of the same length at both ends\n";

/// Makes something wrong at a site.
type Trouble = fn(&Site<'_>) -> Result<()>;

/// What is wrong at the branch, by the name that the page gives it.
const TROUBLES: [(&str, Trouble); 4] = [
    ("silence", |branch| branch.run("ikctl shutdown").map(drop)),
    ("wrong-secret", |branch| {
        branch.write("/etc/ikd/hq.psk", "another secret, of whatever length\n")
    }),
    ("no-proposal", |branch| {
        branch.change(
            "    children:",
            "    ike: aes256gcm16-prfsha384-modp2048\n    children:",
        )
    }),
    ("selectors", |branch| {
        branch.change("local: 10.2.0.0/16", "local: 10.77.0.0/16")
    }),
];

pub(super) fn tests() -> Vec<Test> {
    let mut tests = vec![Test::new("book::start_in_five_minutes", start)];
    tests.extend(TROUBLES.map(|(name, bring_about)| {
        Test::new(format!("book::trouble::{name}"), move |world| {
            trouble(world, name, bring_about)
        })
    }));
    tests.push(Test::new("book::alerts_are_taken_by_prometheus", alerts));
    tests
}

/// The start page, block by block.
fn start(world: &World) -> Result<()> {
    let pair = Pair::new(world)?;
    let result = blocks(START).iter().try_for_each(|block| {
        let line = block.line;
        pair.follow(block)
            .with_context(|| format!("start.md, line {line}"))
    });
    pair.explain(result)?;
    pair.branch.run("ikctl shutdown")?;
    harness::nothing_is_left(world)
}

/// Two gateways as the start page leaves them, but for one trouble; then the blocks that speak of it.
fn trouble(world: &World, name: &str, bring_about: fn(&Site<'_>) -> Result<()>) -> Result<()> {
    let pair = Pair::new(world)?;
    let passive = |policy: &str| policy.replace("keep: up", "keep: passive");
    pair.hq.write("/etc/ikd/branch.yaml", &passive(HQ_POLICY))?;
    pair.hq.write("/etc/ikd/branch.psk", SECRET)?;
    pair.branch
        .write("/etc/ikd/hq.yaml", &passive(BRANCH_POLICY))?;
    pair.branch.write("/etc/ikd/hq.psk", SECRET)?;
    let result = (|| {
        if name != "silence" {
            bring_about(&pair.branch)?;
        }
        pair.branch.start_ikd()?;
        pair.hq.start_ikd()?;
        if name == "silence" {
            bring_about(&pair.branch)?;
        }
        let blocks = blocks(TROUBLESHOOTING);
        let spoken_of: Vec<_> = blocks
            .iter()
            .filter(|block| block.value("with") == Some(name))
            .collect();
        ensure!(!spoken_of.is_empty(), "the page does not speak of it");
        if !spoken_of
            .iter()
            .any(|block| block.value("run") == Some("hq"))
        {
            let _ = pair.hq.run("ikctl up branch --timeout 20s");
        }
        spoken_of.into_iter().try_for_each(|block| {
            pair.follow(block)
                .with_context(|| format!("troubleshooting.md, line {}", block.line))
        })?;
        if name == "wrong-secret" {
            pair.hq.ask_in_python()?;
        }
        Ok(())
    })();
    pair.explain(result)?;
    for site in [&pair.hq, &pair.branch] {
        let _ = site.run("ikctl shutdown");
    }
    harness::nothing_is_left(world)
}

/// What monitoring.md gives to Prometheus is what Prometheus takes.
fn alerts(_: &World) -> Result<()> {
    let directory = Path::new("/run/lab/monitoring");
    std::fs::create_dir_all(directory)?;
    for (name, text) in [("prometheus.yml", PROMETHEUS), ("alerts.yml", ALERTS)] {
        std::fs::write(directory.join(name), text)?;
    }
    let mut promtool = Command::new("promtool");
    promtool
        .args(["check", "config", "prometheus.yml"])
        .current_dir(directory);
    let output = match promtool.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: book::alerts_are_taken_by_prometheus: this guest has no promtool");
            return Ok(());
        }
        output => output?,
    };
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && told.contains("6 rules found"),
        "promtool: {told}"
    );
    Ok(())
}

struct Pair<'net> {
    hq: Site<'net>,
    branch: Site<'net>,
}

impl<'net> Pair<'net> {
    fn new(world: &'net World) -> Result<Self> {
        Ok(Self {
            hq: Site::new(&world.net.hq)?,
            branch: Site::new(&world.net.branch)?,
        })
    }

    fn at(&self, place: &str) -> Result<Vec<&Site<'net>>> {
        Ok(match place {
            "hq" => vec![&self.hq],
            "branch" => vec![&self.branch],
            "both" => vec![&self.branch, &self.hq],
            other => bail!("there is no place {other}"),
        })
    }

    /// Does what a block says.
    fn follow(&self, block: &Block) -> Result<()> {
        for place in ["hq", "branch"] {
            if let Some(file) = block.value(place) {
                let included = INCLUDED.iter().find(|(name, _)| block.text.contains(name));
                let (_, text) = included.context("what it includes is not known to this test")?;
                self.at(place)?[0].write(file, text)?;
            }
        }
        if block.words.iter().any(|word| word == "scp") {
            // As the page says: by whatever way, in the same words.
            let secret = std::fs::read_to_string(self.hq.own("/etc/ikd/branch.psk")?)?;
            return self.branch.write("/etc/ikd/hq.psk", &secret);
        }
        let Some(place) = block.value("run") else {
            return Ok(());
        };
        for site in self.at(place)? {
            if block.text.trim() == "ikd" {
                site.start_ikd()?;
            } else if block.is("console") {
                site.converse(&block.text)?;
            } else {
                site.run(&format!("set -e\n{}", block.text))?;
            }
        }
        Ok(())
    }

    /// Adds both logs to an error.
    fn explain<T>(&self, result: Result<T>) -> Result<T> {
        let log = |site: &Site<'_>| {
            std::fs::read_to_string(site.directory.join("run/log")).unwrap_or_default()
        };
        result.map_err(|error| {
            anyhow::anyhow!(
                "{error:#}\n--- hq's log\n{}\n--- branch's log\n{}",
                log(&self.hq),
                log(&self.branch)
            )
        })
    }
}

/// A gateway with an `/etc/ikd` and a `/run/ikd` of its own.
struct Site<'net> {
    gateway: &'net Namespace,
    directory: PathBuf,
    ikd: RefCell<Option<Child>>,
}

/// Nothing is left running when a test fails half way.
impl Drop for Site<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.ikd.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl<'net> Site<'net> {
    fn new(gateway: &'net Namespace) -> Result<Self> {
        let directory = Daemon::directory(gateway)?;
        for part in ["etc", "run"] {
            std::fs::create_dir_all(directory.join(part))?;
        }
        for mountpoint in ["/etc/ikd", "/run/ikd"] {
            std::fs::create_dir_all(mountpoint)?;
        }
        Ok(Self {
            gateway,
            directory,
            ikd: RefCell::default(),
        })
    }

    /// Where a file of `/etc/ikd` really is.
    fn own(&self, path: &str) -> Result<PathBuf> {
        let name = path.strip_prefix("/etc/ikd/").context("not in /etc/ikd")?;
        Ok(self.directory.join("etc").join(name))
    }

    /// Writes a file for root alone.
    fn write(&self, path: &str, text: &str) -> Result<()> {
        let file = self.own(path)?;
        std::fs::write(&file, text)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        Ok(())
    }

    /// Changes the branch's policy file.
    fn change(&self, from: &str, to: &str) -> Result<()> {
        let text = std::fs::read_to_string(self.own("/etc/ikd/hq.yaml")?)?;
        ensure!(text.contains(from), "the policy has no {from:?}");
        self.write("/etc/ikd/hq.yaml", &text.replace(from, to))
    }

    fn command(&self, script: &str) -> Command {
        let mounted = format!(
            "mount --bind {0}/etc /etc/ikd && mount --bind {0}/run /run/ikd || exit 99\n{script}",
            self.directory.display()
        );
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &mounted])
            .stdin(Stdio::null());
        command
    }

    /// Runs a script, which has to end well, and returns what it wrote.
    fn run(&self, script: &str) -> Result<String> {
        let output = self.output(script)?;
        ensure!(output.1, "{script}\nfailed:\n{}", output.0);
        Ok(output.0)
    }

    /// What a script writes, and whether it ends well.
    fn output(&self, script: &str) -> Result<(String, bool)> {
        let mut command = self.command(&format!("exec 2>&1\n{script}"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = self.gateway.spawn(&mut command)?.wait_with_output()?;
        Ok((
            String::from_utf8_lossy(&output.stdout).into_owned(),
            output.status.success(),
        ))
    }

    /// Runs the program of the page on the control protocol: its connection is not up.
    fn ask_in_python(&self) -> Result<()> {
        std::fs::write(self.directory.join("run/control.py"), PYTHON)?;
        let told = self.run("python3 /run/ikd/control.py")?;
        ensure!(
            told.starts_with("branch "),
            "the program in Python prints: {told}"
        );
        Ok(())
    }

    /// Starts ikd as the page does, but in the background, and waits until its policies are in force.
    fn start_ikd(&self) -> Result<()> {
        let mut command = self.command("exec ikd --log-format text");
        let log = self.directory.join("run/log");
        command
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?);
        let child = self.gateway.spawn(&mut command)?;
        *self.ikd.borrow_mut() = Some(child);
        let socket = self.directory.join("run/control");
        let is_ready = eventually(PATIENCE, || {
            UnixStream::connect(&socket).is_ok()
                && read(&log).contains("the configuration's policies are in force")
        });
        ensure!(is_ready, "ikd does not get ready:\n{}", read(&log));
        Ok(())
    }

    /// Types the lines after `$`, and compares what comes with the lines below them.
    fn converse(&self, text: &str) -> Result<()> {
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let command = line
                .strip_prefix("$ ")
                .with_context(|| format!("no command: {line}"))?;
            let mut expected = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected.push(line);
            }
            let mut told = String::new();
            let as_expected = eventually(PATIENCE, || {
                told = self
                    .output(command)
                    .map_or_else(|error| format!("{error:#}"), |output| output.0);
                says(&told, &expected).is_none()
            });
            if !as_expected {
                let missing = says(&told, &expected).unwrap_or_default();
                bail!("`{command}` does not print\n{missing}\nbut\n{told}");
            }
        }
        Ok(())
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

/// The first of the expected lines that is missing; each has to come after those before it.
fn says<'e>(told: &str, expected: &[&'e str]) -> Option<&'e str> {
    let mut lines = told.lines();
    expected
        .iter()
        .copied()
        .find(|pattern| !lines.any(|line| fits(line.trim_end(), pattern)))
}

/// Whether a line is as the pattern says, in which `...` stands for anything.
fn fits(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split("...");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    // What follows the last `...` ends the line.
    rest.is_empty() || last.is_some_and(|part| part.is_empty() || line.ends_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_dots_stand_for_anything() {
        assert!(
            fits("a is up", "a is up")
                && !fits("a is up!", "a is up")
                && !fits("xa is up", "a is up")
        );
        assert!(fits(
            "x (code, in Y with 192.0.2.1:500)",
            "...(code, in Y with 192.0.2.1..."
        ));
        assert!(fits("in  12 B", "in ... B") && !fits("in  12 B and more", "in ... B"));
        assert!(fits("", "...") && fits("anything", "..."));
        assert_eq!(says("one\ntwo\nthree\n", &["one", "t...e"]), None);
        assert_eq!(says("one\ntwo\n", &["two", "one"]), Some("one"));
    }

    #[test]
    fn every_trouble_of_the_page_is_one_that_the_lab_can_bring_about() {
        for block in blocks(TROUBLESHOOTING) {
            let known = |name| TROUBLES.iter().any(|(trouble, _)| *trouble == name);
            assert_eq!(
                block.value("run").is_some(),
                block.value("with").is_some(),
                "line {}",
                block.line
            );
            assert!(block.value("with").is_none_or(known), "line {}", block.line);
        }
    }
}
