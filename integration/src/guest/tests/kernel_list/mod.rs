//! The real kernel, held against the list that the simulator's fake one is held against (`sim::kernel_list`).
//!
//! It is headquarters' kernel, used by the daemon's own owner of it ([`ikd::kernel`]). What becomes of a packet that is sent
//! is seen on the wire and in the kernel's counters, and one that comes in is made here, with the key of its SA.

mod esp;
mod real;

use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use self::real::{LARVAL_LIFE, Real};
use super::harness::{Tell, Test};
use crate::guest::world::World;

/// What the kernel has by itself.
const USUAL_LARVAL_LIFE: &str = "30";

pub(super) fn tests() -> Vec<Test> {
    let scenarios = sim::kernel_list::scenarios();
    let names = scenarios.iter().map(|scenario| scenario.name.to_owned());
    vec![Test::table("kernel_list", names.collect(), try_all)]
}

fn try_all(world: &World, rows: &[String], tell: &mut Tell<'_>) -> Result<()> {
    let hq = &world.net.hq;
    let larval_life = |seconds: &str| hq.sysctl("net/core/xfrm_acq_expires", seconds);
    larval_life(&LARVAL_LIFE.as_secs().to_string())?;
    for scenario in sim::kernel_list::scenarios() {
        let name = scenario.name;
        if !rows.iter().any(|row| row == name) {
            continue;
        }
        let start = Instant::now();
        hq.ip_batch("xfrm state flush\nxfrm policy flush\n")?;
        let outcome = hq.run(|| {
            let mut real = Real::start(world).context("starting the owner of the kernel")?;
            sim::kernel_list::run(scenario, &mut real).map_err(|words| anyhow!(words))
        });
        tell(name, start, outcome);
    }
    larval_life(USUAL_LARVAL_LIFE)
}
