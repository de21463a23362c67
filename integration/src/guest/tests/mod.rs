//! The end-to-end tests: real daemons, the real kernel, packets counted on the wire.
//!
//! One topology serves them all; every test starts its own daemons and leaves the kernel as it found it.

mod harness;
mod strongswan;

use anyhow::Result;

pub use harness::{Outcome, Test, World};

/// Every test, in the order in which they run.
fn all() -> Vec<Test> {
    [strongswan::TESTS].concat()
}

/// Runs the tests whose names contain `only`, and returns whether none failed.
pub fn run(only: &str) -> Result<bool> {
    harness::run(all().into_iter().filter(|test| test.name.contains(only)))
}
