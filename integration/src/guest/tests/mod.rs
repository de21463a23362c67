//! The end-to-end tests: real daemons, the real kernel, packets counted on the wire.
//!
//! One topology serves them all; every test starts its own daemons and leaves the kernel as it found it.
//!
//! | module | what it shows |
//! |---|---|
//! | `tunnels` | tunnels between every two daemons, one and two children, pass and drop |
//! | `credentials` | who signs is believed: keys, signatures, certificates, chains, raw keys |
//! | `distrust` | who signs is not believed: expired, revoked, unknown, and what else is wrong with a certificate |
//! | `ciphers` | every algorithm that both daemons have, for IKE and for ESP |
//! | `families_and_modes` | IPv4 and IPv6 in every mixture, transport mode, children with keys of their own |
//! | `rekeying` | SAs are replaced under traffic, by either side and by both at once, and no packet is lost |
//! | `on_demand` | the first packet brings a tunnel up, and idle it goes, and nothing leaves in clear |
//! | `refusals` | what does not fit together: both ends say why, nothing is left in the kernel |
//! | `hostile` | an attacker on the wire |
//! | `observe` | captures that the keys of `ikd --keylog` open |
//! | `book` | what the book has its reader do, and what it says that commands print |
//! | `control` | the control socket as other programs use it |
//! | `prometheus` | Debian's Prometheus and its reader for Python read the metrics |
//! | `kernel_list` | the real kernel does what the simulator's fake one does |
//! | `operation` | reload, shutdown, a peer that is gone, starts that must fail |

mod book;
mod ciphers;
mod company;
mod control;
mod credentials;
mod distrust;
mod families_and_modes;
mod harness;
mod hostile;
mod kernel_list;
mod observe;
mod on_demand;
mod operation;
mod prometheus;
mod refusals;
mod rekeying;
mod tunnels;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::guest::peers::Kind;
use crate::job::LAB;

/// Who begins and who answers: ikd in each role, alone and with the peer.
const PAIRS: [(Kind, Kind); 3] = [
    (Kind::Ikd, Kind::Ikd),
    (Kind::Ikd, Kind::Strongswan),
    (Kind::Strongswan, Kind::Ikd),
];

/// The same with the other peer, where a test has something to learn from it.
const LIBRESWAN: [(Kind, Kind); 2] = [(Kind::Ikd, Kind::Libreswan), (Kind::Libreswan, Kind::Ikd)];

/// Whether the tests may take their time.
fn is_full() -> bool {
    std::env::var_os("LAB_FULL").is_some()
}

/// Those pairs, and where the tests take their time two peers: what fails between them is the lab's fault, or the peer's.
fn pairs() -> Vec<(Kind, Kind)> {
    let mut pairs = PAIRS.to_vec();
    if is_full() {
        pairs.push((Kind::Strongswan, Kind::Strongswan));
    }
    pairs
}

/// Those of them with a peer.
fn with_strongswan() -> Vec<(Kind, Kind)> {
    let mut pairs = pairs();
    pairs.retain(|(begins, answers)| [begins, answers].contains(&&Kind::Strongswan));
    pairs
}

/// Runs the tests whose names contain `only`, and returns whether none failed.
pub fn run(only: &str) -> Result<bool> {
    let mut tests = tunnels::tests();
    tests.extend(families_and_modes::tests());
    tests.extend(rekeying::tests());
    tests.extend(on_demand::tests());
    tests.extend(refusals::tests());
    tests.extend(credentials::tests());
    tests.extend(distrust::tests());
    tests.extend(ciphers::tests());
    tests.extend(hostile::tests());
    tests.extend(observe::tests());
    tests.extend(prometheus::tests());
    tests.extend(operation::tests());
    tests.extend(control::tests());
    tests.extend(kernel_list::tests());
    tests.extend(book::tests());
    tests.retain_mut(|test| test.keep(only));
    let good = harness::run(&tests)?;
    Ok(programs(only)? && good)
}

/// The environment variable with the directory in which the host built the daemon.
pub const PROGRAMS: &str = "LAB_PROGRAMS";

/// Runs the test programs that the host sent along because they need this kernel.
fn programs(only: &str) -> Result<bool> {
    let Ok(directory) = std::fs::read_dir(Path::new(LAB).join("files/tests")) else {
        return Ok(true);
    };
    // A program that was told at its build where its daemon is finds it there.
    if let Some(built) = std::env::var_os(PROGRAMS) {
        let built = Path::new(&built);
        std::fs::create_dir_all(built.parent().unwrap_or(built))?;
        std::os::unix::fs::symlink(Path::new(LAB).join("bin"), built)
            .context("linking the programs to where they were built")?;
    }
    let mut good = true;
    for program in directory {
        let program = program?.path();
        println!(
            "\nrunning {}",
            program.file_name().unwrap_or_default().display()
        );
        let status = Command::new(&program)
            .arg(only)
            .arg("--show-output")
            .status();
        good &= status
            .with_context(|| format!("starting {}", program.display()))?
            .success();
    }
    Ok(good)
}
