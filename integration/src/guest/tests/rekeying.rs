//! Rekeying under traffic: no packet is lost, none is in clear, and in the end each kernel holds one pair of SAs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::PAIRS;
use super::harness::{self, PATIENCE, Test};
use crate::guest::netns::Namespace;
use crate::guest::peers::{Gateway, Kind, eventually};
use crate::guest::sniffer::{self, Kind as Frame};
use crate::guest::topology::{ALICE, BOB};
use crate::guest::traffic::{self, ping};
use crate::guest::world::{Pair, World, site_to_site};

/// How often each side rekeys, and both at once; where the tests take their time, ten times as often.
const TIMES: usize = 5;
/// Old inbound SAs stay for five seconds on either daemon.
const LINGERING: Duration = Duration::from_secs(12);

pub(super) fn tests() -> Vec<Test> {
    let kinds: [(&str, Rekey); 2] = [
        ("child", |gateway| gateway.rekey("lan")),
        ("ike", |gateway| gateway.rekey_ike()),
    ];
    let tests = kinds.into_iter().flat_map(|(kind, rekey)| {
        PAIRS.into_iter().map(move |(initiator, responder)| {
            Test::new(
                format!("rekeying::{kind}::{initiator}_to_{responder}"),
                move |world| nothing_is_lost(world, initiator, responder, rekey),
            )
        })
    });
    tests.collect()
}

/// Has one side replace something.
type Rekey = fn(&dyn Gateway) -> Result<()>;

fn nothing_is_lost(world: &World, initiator: Kind, responder: Kind, rekey: Rekey) -> Result<()> {
    let net = &world.net;
    let (hq, branch) = site_to_site();
    let mut pair = Pair::start(world, (initiator, &hq), (responder, &branch))?;
    let result = (|| {
        pair.hq.up("lan")?;
        let before = (net.hq.xfrm_counters()?, net.branch.xfrm_counters()?);
        let mark = world.wire.mark();
        let (asked, answered) = under_traffic(world, || rekey_in_turns(&pair, rekey))?;
        ensure!(
            asked == answered,
            "of {asked} pings {answered} were answered while SAs were replaced"
        );
        let seen = sniffer::count(&world.wire.since(mark));
        ensure!(!seen.contains_key(&Frame::Clear), "in clear: {seen:?}");
        for (name, gateway, before) in [
            ("hq", &net.hq, &before.0),
            ("branch", &net.branch, &before.1),
        ] {
            let grown = gateway.xfrm_counters()?.since(before);
            ensure!(
                grown.is_empty(),
                "{name}'s kernel counted errors: {grown:?}"
            );
            one_pair_is_left(name, gateway)?;
        }
        Ok(())
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

/// Pings all the time while `work` is done: how many were sent, and answered.
fn under_traffic(world: &World, work: impl FnOnce() -> Result<()>) -> Result<(u64, u64)> {
    let (net, done) = (&world.net, &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let pings = scope.spawn(move || -> Result<(u64, u64)> {
            let (mut asked, mut answered) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                answered += u64::from(ping(&net.alice, ALICE, BOB, 50, 56, traffic::PATIENCE)?);
                asked += 50;
            }
            Ok((asked, answered))
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        let counted = pings
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        worked.and(counted)
    })
}

fn rekey_in_turns(pair: &Pair<'_>, rekey: Rekey) -> Result<()> {
    let times = if super::is_full() { 10 * TIMES } else { TIMES };
    for _ in 0..times {
        for side in [&pair.hq, &pair.branch] {
            rekeyed_by(pair, || rekey(&**side))?;
        }
        rekeyed_by(pair, || {
            std::thread::scope(|scope| {
                let at_hq = scope.spawn(|| rekey(&*pair.hq));
                let at_branch = rekey(&*pair.branch);
                let at_hq = at_hq
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                at_hq.and(at_branch)
            })
        })?;
    }
    Ok(())
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

fn one_pair_is_left(name: &str, gateway: &Namespace) -> Result<()> {
    let count = || -> Result<usize> {
        let sas = gateway.security_associations()?;
        Ok(sas.lines().filter(|line| line.starts_with("src ")).count())
    };
    let one = eventually(LINGERING, || count().is_ok_and(|count| count == 2));
    ensure!(one, "{name}'s kernel holds {} SAs", count()?);
    Ok(())
}
