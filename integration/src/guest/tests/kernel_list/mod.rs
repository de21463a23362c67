//! The real kernel, held against the list that the simulator's fake one is held against (`sim::kernel_list`).
//!
//! It is headquarters' kernel, used by the daemon's own owner of it ([`ikd::kernel`]). What becomes of a packet that is sent
//! is seen on the wire and in the kernel's counters, and one that comes in is made here, with the key of its SA.

mod esp;
mod real;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use self::real::Real;
use super::harness::{Tell, Test};
use crate::guest::init::is_virtual_machine;
use crate::guest::world::World;

/// `net.core.xfrm_acq_expires`, in seconds: longer than a scenario takes that counts on it.
const LARVAL_LIFE: u64 = 4;
/// What the kernel has by itself.
const USUAL_LARVAL_LIFE: u64 = 30;

pub(super) fn tests() -> Vec<Test> {
    let scenarios = sim::kernel_list::scenarios();
    let names = scenarios.iter().map(|scenario| scenario.name.to_owned());
    vec![Test::table("kernel_list", names.collect(), try_all)]
}

fn try_all(world: &World, rows: &[String], tell: &mut Tell<'_>) -> Result<()> {
    let hq = &world.net.hq;
    let set = |seconds: u64| hq.sysctl("net/core/xfrm_acq_expires", &seconds.to_string());
    // In a user namespace it is not there.
    let can_set = set(LARVAL_LIFE).is_ok();
    let larval_life = if can_set {
        LARVAL_LIFE
    } else {
        USUAL_LARVAL_LIFE
    };
    let may_set_clock = is_virtual_machine();
    for scenario in sim::kernel_list::scenarios() {
        let name = scenario.name;
        if !rows.iter().any(|row| row == name) {
            continue;
        }
        if scenario.sets_the_clock() && !may_set_clock {
            println!("skipped: e2e::kernel_list::{name}: the clock is not the lab's to set");
            continue;
        }
        let start = Instant::now();
        hq.ip_batch("xfrm state flush\nxfrm policy flush\n")?;
        let outcome = hq.run(|| {
            let larval_life = Duration::from_secs(larval_life);
            let mut real =
                Real::start(world, larval_life).context("starting the owner of the kernel")?;
            sim::kernel_list::run(scenario, &mut real).map_err(|words| anyhow!(words))
        });
        tell(name, start, outcome);
    }
    if can_set {
        set(USUAL_LARVAL_LIFE)?;
    }
    Ok(())
}
