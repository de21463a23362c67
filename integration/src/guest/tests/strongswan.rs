//! The lab itself: two strongSwans, so that a failure elsewhere is not the lab's.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::harness::{self, Outcome, Pair, Test, World};
use crate::guest::peers::Kind;
use crate::guest::sniffer::{self, Kind as Frame};
use crate::guest::topology::{ALICE, BOB, CAROL};
use crate::guest::traffic::{PATIENCE, ping, tcp_transfer};

pub(super) const TESTS: &[Test] = &[Test {
    name: "two_strongswans_bring_up_a_tunnel_and_the_wire_shows_only_esp",
    run: two_strongswans,
}];

fn two_strongswans(world: &World) -> Result<Outcome> {
    let (hq, branch) = harness::site_to_site();
    let mut pair = Pair::start(world, (Kind::Strongswan, &hq), (Kind::Strongswan, &branch))?;
    let result = tunnel(world, &pair);
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::no_security_association_is_left(world)?;
    Ok(Outcome::Passed)
}

fn tunnel(world: &World, pair: &Pair<'_>) -> Result<()> {
    let net = &world.net;
    let before = ping(&net.alice, ALICE, BOB, 1, 56, PATIENCE)?;
    ensure!(
        before == 1,
        "without policies alice does not reach bob, so a tunnel would prove nothing"
    );

    pair.hq.up("lan")?;
    let mark = world.wire.mark();
    let answered = ping(&net.alice, ALICE, BOB, 5, 56, PATIENCE)?;
    ensure!(
        answered == 5,
        "{answered} of 5 pings were answered through the tunnel"
    );
    tcp_transfer((&net.alice, ALICE), (&net.bob, BOB), 200_000)?;
    let frames = world.wire.since(mark);
    let seen = sniffer::count(&frames);
    ensure!(
        !seen.contains_key(&Frame::Clear),
        "the wire carried clear packets: {seen:?}"
    );
    ensure!(
        seen.get(&Frame::Esp).is_some_and(|count| *count > 20),
        "the wire carried too little ESP: {seen:?}"
    );

    let mark = world.wire.mark();
    let outside = ping(&net.alice, ALICE, CAROL, 2, 56, Duration::from_secs(5))?;
    ensure!(
        outside == 2,
        "{outside} of 2 pings to a host outside the tunnel were answered"
    );
    let seen = sniffer::count(&world.wire.since(mark));
    ensure!(
        seen.contains_key(&Frame::Clear),
        "traffic to a third host did not stay clear: {seen:?}"
    );
    Ok(())
}
