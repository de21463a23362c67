//! Tunnels that the first packet brings up, and that go when nothing needs them: nothing leaves in clear meanwhile.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};

use super::PAIRS;
use super::harness::{self, BRIEFLY, PATIENCE, Test};
use crate::guest::peers::{Kind, eventually};
use crate::guest::sniffer::{self, Kind as Frame};
use crate::guest::topology::{ALICE, BOB};
use crate::guest::traffic::{self, ping};
use crate::guest::world::{Pair, World, site_to_site};

/// After this long without traffic, in seconds, Child SAs are closed: the least that a policy may say.
const IDLE: u32 = 10;

pub(super) fn tests() -> Vec<Test> {
    let mut tests: Vec<_> = PAIRS
        .into_iter()
        .map(|(asks, answers)| {
            Test::new(format!("on_demand::{asks}_asks_{answers}"), move |world| {
                the_first_packet_brings_it_up(world, asks, answers)
            })
        })
        .collect();
    tests.push(Test::new(
        "on_demand::a_kernel_that_keeps_packets_loses_none",
        a_kernel_that_keeps_packets_loses_none,
    ));
    tests.push(Test::new("on_demand::both_ask_at_once", both_ask_at_once));
    tests.push(Test::new(
        "on_demand::a_thousand_packets_ask_for_one_child",
        a_thousand_packets_ask_for_one_child,
    ));
    tests.push(Test::new(
        "on_demand::idle_it_goes_and_comes_again",
        idle_it_goes_and_comes_again,
    ));
    tests.push(Test::new(
        "on_demand::nothing_leaves_in_clear_while_the_peer_is_silent",
        nothing_leaves_in_clear_while_the_peer_is_silent,
    ));
    tests
}

/// Both gateways wait for packets.
fn traps(world: &World, hq: Kind, branch: Kind, idle: Option<u32>) -> Result<Pair<'_>> {
    let (mut policy, _) = site_to_site();
    for child in &mut policy.children {
        (child.on_demand, child.idle) = (true, idle);
    }
    let mirrored = policy.mirrored();
    let pair = Pair::start(world, (hq, &policy), (branch, &mirrored))?;
    pair.explain(harness::no_sa_is_left(world))?;
    Ok(pair)
}

fn the_first_packet_brings_it_up(world: &World, asks: Kind, answers: Kind) -> Result<()> {
    let net = &world.net;
    let mut pair = traps(world, asks, answers, None)?;
    let mark = world.wire.mark();
    let result = (|| {
        // The kernel drops the first, unless it is told to keep it.
        let answered = ping(&net.alice, ALICE, BOB, 5, 56, traffic::PATIENCE)?;
        ensure!(answered >= 4, "{answered} of 5 pings were answered");
        let seen = sniffer::count(&world.wire.since(mark));
        ensure!(
            seen.get(&Frame::Esp).is_some_and(|count| *count >= 8),
            "the wire carried too little ESP: {seen:?}"
        );
        harness::nothing_of_theirs_went_in_clear(world, mark)?;
        one_pair_of_sas(world)
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    harness::no_sa_is_left(world)?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn a_kernel_that_keeps_packets_loses_none(world: &World) -> Result<()> {
    let net = &world.net;
    let keep = |keep| net.hq.sysctl("net/core/xfrm_larval_drop", keep);
    keep("0")?;
    let mut pair = traps(world, Kind::Ikd, Kind::Ikd, None)?;
    let mark = world.wire.mark();
    let answered = ping(&net.alice, ALICE, BOB, 3, 56, 2 * traffic::PATIENCE);
    keep("1")?;
    let result = answered.and_then(|answered| {
        ensure!(
            answered == 3,
            "{answered} of 3 pings were answered: the first was to wait for the tunnel"
        );
        harness::nothing_of_theirs_went_in_clear(world, mark)
    });
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

/// SAs in the kernel of headquarters, larval ones included.
fn sas(world: &World) -> Result<usize> {
    let sas = world.net.hq.security_associations()?;
    Ok(sas.lines().filter(|line| line.starts_with("src ")).count())
}

fn one_pair_of_sas(world: &World) -> Result<()> {
    let mut found = 0;
    let good = eventually(PATIENCE, || {
        found = sas(world).unwrap_or(0);
        found == 2
    });
    ensure!(good, "headquarters' kernel has {found} SAs instead of two");
    Ok(())
}

fn both_ask_at_once(world: &World) -> Result<()> {
    let net = &world.net;
    for _ in 0..3 {
        let mut pair = traps(world, Kind::Ikd, Kind::Ikd, None)?;
        let mark = world.wire.mark();
        let answered = std::thread::scope(|scope| {
            let alice = scope.spawn(|| ping(&net.alice, ALICE, BOB, 5, 56, traffic::PATIENCE));
            let bob = ping(&net.bob, BOB, ALICE, 5, 56, traffic::PATIENCE);
            let alice = alice.join();
            let alice = alice.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, anyhow::Error>((alice?, bob?))
        });
        let result = answered.and_then(|(alice, bob)| {
            ensure!(
                alice.min(bob) >= 4,
                "{alice} pings of alice and {bob} of bob were answered, of 5 each"
            );
            harness::nothing_of_theirs_went_in_clear(world, mark)?;
            one_pair_of_sas(world)
        });
        pair.explain(result)?;
        pair.hq.shut_down()?;
        pair.branch.shut_down()?;
        harness::nothing_is_left(world)?;
    }
    Ok(())
}

fn a_thousand_packets_ask_for_one_child(world: &World) -> Result<()> {
    let net = &world.net;
    let mut pair = traps(world, Kind::Ikd, Kind::Ikd, None)?;
    let mark = world.wire.mark();
    let result = (|| {
        net.alice.run(|| -> Result<()> {
            let socket = std::net::UdpSocket::bind((ALICE, 0)).context("a socket")?;
            for host in 0..1000_u16 {
                let [high, low] = host.to_be_bytes();
                let to = IpAddr::from([10, 2, 100 + high, low]);
                // What the kernel does not want to keep it refuses.
                let _ = socket.send_to(b"anybody?", (to, 9));
            }
            Ok(())
        })?;
        let answered = ping(&net.alice, ALICE, BOB, 3, 56, traffic::PATIENCE)?;
        ensure!(answered >= 2, "{answered} of 3 pings were answered");
        harness::nothing_of_theirs_went_in_clear(world, mark)?;
        one_pair_of_sas(world)?;
        let asked = pair.hq.log().matches("needs a Child SA").count();
        ensure!(asked == 1, "the log tells of {asked} packets that asked");
        Ok(())
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn idle_it_goes_and_comes_again(world: &World) -> Result<()> {
    let net = &world.net;
    let mut pair = traps(world, Kind::Ikd, Kind::Ikd, Some(IDLE))?;
    let mark = world.wire.mark();
    let result = (|| {
        for round in 1..=2 {
            let answered = ping(&net.alice, ALICE, BOB, 3, 56, traffic::PATIENCE)?;
            ensure!(
                answered >= 2,
                "round {round}: {answered} of 3 pings were answered"
            );
            let gone = eventually(PATIENCE, || sas(world).is_ok_and(|sas| sas == 0));
            ensure!(gone, "round {round}: the idle Child SA stays");
        }
        let told = pair.hq.log().matches("it has carried nothing for").count();
        let told = told
            + pair
                .branch
                .log()
                .matches("it has carried nothing for")
                .count();
        ensure!(told >= 2, "the logs tell {told} times that it was idle");
        harness::nothing_of_theirs_went_in_clear(world, mark)
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn nothing_leaves_in_clear_while_the_peer_is_silent(world: &World) -> Result<()> {
    let net = &world.net;
    let mut pair = traps(world, Kind::Ikd, Kind::Ikd, None)?;
    let mark = world.wire.mark();
    pair.branch.kill();
    let result = (|| {
        let answered = ping(&net.alice, ALICE, BOB, 5, 56, BRIEFLY)?;
        ensure!(answered == 0, "{answered} pings were answered by nobody");
        harness::nothing_of_theirs_went_in_clear(world, mark)?;
        let asked = pair.hq.log().matches("negotiating with").count();
        ensure!(asked == 1, "{asked} attempts for one packet");
        Ok(())
    })();
    pair.explain(result)?;
    pair.hq.shut_down()
}
