//! An attacker on the wire.

use anyhow::{Result, ensure};

use super::harness::{self, Test};
use crate::guest::attacks;
use crate::guest::peers::Kind;
use crate::guest::topology::{ALICE, BOB};
use crate::guest::traffic::{self, ping};
use crate::guest::world::{Pair, World, site_to_site};

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new(
        "replayed_altered_forged_and_stray_packets_are_dropped",
        packets_are_dropped,
    )]
}

fn packets_are_dropped(world: &World) -> Result<()> {
    let (hq, branch) = site_to_site();
    let mut pair = Pair::start(world, (Kind::Ikd, &hq), (Kind::Ikd, &branch))?;
    let result = (|| {
        pair.hq.up("lan")?;
        for verdict in attacks::all(world)? {
            ensure!(verdict.repelled(), "{verdict:?}");
        }
        let answered = ping(&world.net.alice, ALICE, BOB, 3, 56, traffic::PATIENCE)?;
        ensure!(
            answered == 3,
            "afterwards {answered} of 3 pings were answered"
        );
        Ok(())
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}
