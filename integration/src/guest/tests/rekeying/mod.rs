//! Rekeying under steady traffic both ways: no packet is lost, none is in clear, and in the end each kernel holds one pair of
//! SAs.
//!
//! Each test first sees that the guest's kernel carries that traffic while nothing happens. Then SAs are replaced, by either
//! side and by both at once, and every datagram is accounted for at both hosts, on the wire and in both kernels' counters. What
//! a peer loses by its own switch is told apart from what ikd loses, see [`losses`].

mod losses;
mod passage;

use std::sync::Barrier;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::losses::Losses;
use self::passage::Passage;
use super::harness::{self, PATIENCE, Test};
use super::{LIBRESWAN, PAIRS};
use crate::guest::netns::{Counters, Namespace};
use crate::guest::peers::{Gateway, Kind, eventually};
use crate::guest::sa_events::SaEvents;
use crate::guest::steady::{Carried, Steady};
use crate::guest::topology::{ALICE, BOB};
use crate::guest::world::{Pair, World, site_to_site};

/// Datagrams a second, each way. An emulated guest's edge is at about four times as many.
const A_SECOND: u32 = 500;
/// How long the guest carries them while nothing happens.
const IDLE: Duration = Duration::from_secs(3);
/// Between two ikd: how often both sides rekey at once; with a peer: how often each side does, and both. Second, where the
/// tests take their time.
const AT_ONCE: [usize; 2] = [30, 300];
const WITH_A_PEER: [usize; 2] = [5, 50];
/// Old inbound SAs stay for five seconds on ikd and strongSwan.
const LINGERING: Duration = Duration::from_secs(12);

/// What is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Child,
    ChildWithForwardSecrecy,
    IkeSa,
}

impl What {
    const ALL: [Self; 3] = [Self::Child, Self::ChildWithForwardSecrecy, Self::IkeSa];

    fn name(self) -> &'static str {
        match self {
            Self::Child => "child",
            Self::ChildWithForwardSecrecy => "child_with_forward_secrecy",
            Self::IkeSa => "ike_sa",
        }
    }

    fn rekey(self, gateway: &dyn Gateway) -> Result<()> {
        match self {
            Self::Child | Self::ChildWithForwardSecrecy => gateway.rekey("lan"),
            Self::IkeSa => gateway.rekey_ike(),
        }
    }
}

pub(super) fn tests() -> Vec<Test> {
    let tests = What::ALL.into_iter().flat_map(|what| {
        PAIRS
            .into_iter()
            .chain(LIBRESWAN)
            .map(move |(initiator, responder)| {
                let name = format!("rekeying::{}::{initiator}_to_{responder}", what.name());
                Test::with_figures(name.clone(), move |world| {
                    nothing_is_lost(world, &name, [initiator, responder], what)
                })
            })
    });
    tests.collect()
}

fn nothing_is_lost(world: &World, name: &str, kinds: [Kind; 2], what: What) -> Result<String> {
    let (mut hq, mut branch) = site_to_site();
    if what == What::ChildWithForwardSecrecy {
        for policy in [&mut hq, &mut branch] {
            "aes256gcm16-x25519-esn".clone_into(&mut policy.esp);
        }
    }
    let mut pair = Pair::start(world, (kinds[0], &hq), (kinds[1], &branch))?;
    let result = pair.hq.up("lan").and_then(|_| {
        if let Some(why) = idle_losses(world)? {
            println!("skipped: e2e::{name}: {why}");
            return Ok(String::new());
        }
        replaced_under_traffic(world, &pair, kinds, what)
    });
    let figures = pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)?;
    Ok(figures)
}

fn begin(world: &World) -> Result<Steady> {
    let net = &world.net;
    Steady::start([(&net.alice, ALICE), (&net.bob, BOB)], A_SECOND)
}

/// What this guest loses of the traffic while nothing happens, if it does so twice in a row.
fn idle_losses(world: &World) -> Result<Option<String>> {
    let mut why = None;
    for _ in 0..2 {
        let mark = world.wire.mark();
        let traffic = begin(world)?;
        std::thread::sleep(IDLE);
        let carried = traffic.stop()?;
        drop(world.wire.take_since(mark));
        if carried.iter().all(|way| way.lost.is_empty()) {
            return Ok(None);
        }
        let lost = carried.map(|way| format!("{} of {}", way.lost.len(), way.sent));
        why = Some(format!(
            "while nothing happened, this guest lost {} of the datagrams",
            lost.join(" and ")
        ));
    }
    Ok(why)
}

fn replaced_under_traffic(
    world: &World,
    pair: &Pair<'_>,
    kinds: [Kind; 2],
    what: What,
) -> Result<String> {
    let net = &world.net;
    let kernels = [SaEvents::follow(&net.hq)?, SaEvents::follow(&net.branch)?];
    let counters = || -> Result<_> { Ok([net.hq.xfrm_counters()?, net.branch.xfrm_counters()?]) };
    let before = counters()?;
    let mut passage = Passage::default();
    let mark = world.wire.mark();
    let traffic = begin(world)?;
    let mut hear = || passage.add(&world.wire.take_since(mark));
    let replaced = replace(pair, kinds, what, &mut hear);
    let carried = traffic.stop()?;
    hear();
    let replaced = replaced?;
    ensure!(passage.clear == 0, "{} packets in clear", passage.clear);
    let after = counters()?;
    let told = losses(kinds, &carried, &passage, &kernels, &before, &after)?;
    for gateway in [&net.hq, &net.branch] {
        one_pair_is_left(gateway)?;
    }
    let [there, back] = &carried;
    Ok(format!(
        "{replaced} times, {} of them at once; {:.0} and {:.0} datagrams a second, {} and {} in all, by {} and {} SAs: {told}",
        passage.collisions(),
        there.a_second(),
        back.a_second(),
        there.sent,
        back.sent,
        passage.spis(0).len(),
        passage.spis(1).len(),
    ))
}

/// Has everything replaced as often as it shall be, and `hear` what passed after each time. Returns how often that was.
fn replace(pair: &Pair<'_>, kinds: [Kind; 2], what: What, hear: &mut dyn FnMut()) -> Result<usize> {
    let full = usize::from(super::is_full());
    let both_ikd = kinds == [Kind::Ikd; 2];
    let mut asked = 0;
    let mut time = |sides: &[&dyn Gateway]| -> Result<()> {
        rekeyed_by(pair, || at_once(sides, what))?;
        asked += 1;
        hear();
        Ok(())
    };
    let sides = [&*pair.hq, &*pair.branch].map(|side| side as &dyn Gateway);
    for round in 0..WITH_A_PEER[full] {
        for side in sides {
            time(&[side]).with_context(|| format!("one side, round {round}"))?;
        }
    }
    let rounds = if both_ikd { AT_ONCE } else { WITH_A_PEER };
    for round in 0..rounds[full] {
        time(&sides).with_context(|| format!("both sides, round {round}"))?;
    }
    Ok(asked)
}

/// Has all of `sides` begin at one moment.
fn at_once(sides: &[&dyn Gateway], what: What) -> Result<()> {
    let start = Barrier::new(sides.len());
    std::thread::scope(|scope| {
        let begun: Vec<_> = sides
            .iter()
            .map(|side| {
                scope.spawn(|| {
                    start.wait();
                    what.rekey(*side)
                })
            })
            .collect();
        begun.into_iter().try_for_each(|one| {
            one.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Has something rekeyed, and waits until every ikd says that it is.
fn rekeyed_by(pair: &Pair<'_>, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let told = || [pair.hq.rekeyings(), pair.branch.rekeyings()];
    let before = told();
    work()?;
    let more = |(now, before): (Option<usize>, Option<usize>)| now.is_none() || now > before;
    let done = eventually(PATIENCE, || told().into_iter().zip(before).all(more));
    ensure!(done, "it was not rekeyed");
    Ok(())
}

/// Fails if anything was lost by ikd; else says what was lost by the peer, aloud where it was anything.
fn losses(
    kinds: [Kind; 2],
    carried: &[Carried; 2],
    passage: &Passage,
    kernels: &[SaEvents; 2],
    before: &[Counters; 2],
    after: &[Counters; 2],
) -> Result<String> {
    let mut lost = Losses::new();
    for (from, way) in carried.iter().enumerate() {
        ensure!(way.doubled == 0, "{} datagrams came twice", way.doubled);
        let count = |of: &[Counters; 2]| of[from].get("XfrmOutStateInvalid");
        let dropped = count(after) - count(before);
        losses::judge(&mut lost, &way.lost, dropped, from, kinds, passage, kernels);
    }
    let grown: Vec<_> = ["hq", "branch"]
        .iter()
        .zip(before.iter().zip(after))
        .map(|(name, (before, after))| (name, after.since(before)))
        .filter(|(_, grown)| !grown.is_empty())
        .map(|(name, grown)| format!("{name}'s kernel counted {grown:?}"))
        .collect();
    let evidence = [losses::told(&lost), grown.clone()].concat();
    let by_peer: usize = lost.values().map(|proof| proof.count).sum();
    ensure!(
        lost.keys().all(|how| how.by_peer) && (by_peer > 0 || grown.is_empty()),
        "packets were lost:\n{}",
        evidence.join("\n")
    );
    if by_peer == 0 {
        return Ok("none lost".to_owned());
    }
    for line in &evidence {
        println!("    {line}");
    }
    Ok(format!(
        "{by_peer} lost by the peer's own switch, see above; none by ikd"
    ))
}

fn one_pair_is_left(gateway: &Namespace) -> Result<()> {
    let count = || -> Result<usize> {
        let sas = gateway.security_associations()?;
        Ok(sas.lines().filter(|line| line.starts_with("src ")).count())
    };
    let one = eventually(LINGERING, || count().is_ok_and(|count| count == 2));
    ensure!(one, "{}'s kernel holds {} SAs", gateway.name, count()?);
    Ok(())
}
