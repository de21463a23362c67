//! Runs end-to-end tests: a line for each, and everything there is to know when one fails.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::guest::netns::Namespace;
use crate::guest::peers::{Child, Gateway, Kind, Policy, eventually};
use crate::guest::sniffer::Sniffer;
use crate::guest::topology::{self, Topology};

/// How long a test waits for something that is due: an emulated guest on a busy machine is slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

/// What became of a test that did not fail.
#[derive(Debug)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It could not be asked here, and why.
    Skipped(String),
}

/// A test by its name.
#[derive(Clone)]
pub struct Test {
    /// What it shows.
    pub name: &'static str,
    /// Shows it.
    pub run: fn(&World) -> Result<Outcome>,
}

/// What the tests share.
#[derive(Debug)]
pub struct World {
    /// The network.
    pub net: Topology,
    /// Hears every frame between the gateways.
    pub wire: Sniffer,
}

/// Runs `tests` and prints the outcome of each in the words of `cargo test`, which the host counts.
/// Returns whether none failed.
pub(super) fn run(tests: impl Iterator<Item = Test>) -> Result<bool> {
    let net = Topology::create()?;
    let wire = Sniffer::start(&net.internet)?;
    let world = World { net, wire };
    let (mut passed, mut failed) = (0, Vec::new());
    for test in tests {
        let start = Instant::now();
        let outcome = (test.run)(&world);
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(Outcome::Passed) => {
                passed += 1;
                println!("test e2e::{} ... ok ({seconds:.1} s)", test.name);
            }
            // In the count it is one that passed, as in every test program; the host takes it out again.
            Ok(Outcome::Skipped(why)) => {
                passed += 1;
                println!("skipped: e2e::{}: {why}", test.name);
            }
            Err(error) => {
                println!(
                    "test e2e::{} ... FAILED ({seconds:.1} s)\n{}",
                    test.name,
                    indented(&format!("{error:#}"))
                );
                failed.push(test.name);
            }
        }
        // What a failed test left behind is not the next one's problem.
        world.net.flush()?;
    }
    if !failed.is_empty() {
        println!("\nfailures:\n    {}", failed.join("\n    "));
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {} failed; 0 ignored",
        failed.len()
    );
    Ok(failed.is_empty())
}

/// A pair of gateways' daemons in one test.
pub(super) struct Pair<'net> {
    /// Headquarters'.
    pub(super) hq: Box<dyn Gateway + 'net>,
    /// The branch's.
    pub(super) branch: Box<dyn Gateway + 'net>,
    world: &'net World,
}

impl<'net> Pair<'net> {
    /// Starts a daemon of each kind with its policy.
    pub(super) fn start(
        world: &'net World,
        hq: (Kind, &Policy),
        branch: (Kind, &Policy),
    ) -> Result<Self> {
        let (hq, branch) = std::thread::scope(|scope| {
            let hq = scope.spawn(|| {
                hq.0.start(&world.net.hq, hq.1)
                    .context("starting headquarters' daemon")
            });
            let branch = branch
                .0
                .start(&world.net.branch, branch.1)
                .context("starting the branch's daemon");
            (
                hq.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                branch,
            )
        });
        let (hq, branch) = (hq?, branch?);
        Ok(Self { hq, branch, world })
    }

    /// Adds both ends' logs and kernel state to an error.
    pub(super) fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let kernel = |gateway: &Namespace| {
                format!(
                    "{}\n{}",
                    gateway.security_associations().unwrap_or_else(|error| format!("{error:#}")),
                    gateway.policies().unwrap_or_else(|error| format!("{error:#}"))
                )
            };
            error.context(format!(
                "--- hq's log\n{}\n--- branch's log\n{}\n--- hq's kernel\n{}\n--- branch's kernel\n{}\n--- what failed",
                self.hq.log(),
                self.branch.log(),
                kernel(&self.world.net.hq),
                kernel(&self.world.net.branch)
            ))
        })
    }
}

/// The policies of both gateways for the usual tunnel; tests change what they are about.
#[must_use]
pub(super) fn site_to_site() -> (Policy, Policy) {
    let hq = Policy {
        local: topology::HQ,
        remote: topology::BRANCH,
        local_id: "hq.example.com".to_owned(),
        remote_id: "branch.example.com".to_owned(),
        psk: "correct horse battery staple".to_owned(),
        ike: "aes128gcm16-prfsha256-x25519".to_owned(),
        esp: "aes128gcm16-esn".to_owned(),
        children: vec![child("lan", "10.1.0.0/16", "10.2.0.0/16")],
        shunts: Vec::new(),
    };
    let branch = Policy {
        local: hq.remote,
        remote: hq.local,
        local_id: hq.remote_id.clone(),
        remote_id: hq.local_id.clone(),
        children: vec![child("lan", "10.2.0.0/16", "10.1.0.0/16")],
        ..hq.clone()
    };
    (hq, branch)
}

/// A passive Child SA.
#[must_use]
pub(super) fn child(name: &str, local: &str, remote: &str) -> Child {
    Child {
        name: name.to_owned(),
        local: local.to_owned(),
        remote: remote.to_owned(),
        keep_up: false,
    }
}

/// Fails unless the kernels of both gateways hold no SA, larval ones included.
pub(super) fn no_security_association_is_left(world: &World) -> Result<()> {
    for gateway in [&world.net.hq, &world.net.branch] {
        let mut left = String::new();
        let gone = eventually(PATIENCE, || {
            left = gateway
                .security_associations()
                .unwrap_or_else(|error| format!("{error:#}"));
            left.trim().is_empty()
        });
        ensure!(gone, "{} still holds SAs:\n{left}", gateway.name);
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
