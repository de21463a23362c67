//! Tunnels that come up and carry what they should, and only that.

use anyhow::{Result, ensure};

use super::harness::{self, BRIEFLY, PATIENCE, Test};
use super::{LIBRESWAN, PAIRS};
use crate::guest::netns::Namespace;
use crate::guest::peers::{Kind, Shunt};
use crate::guest::sniffer::{self, Kind as Frame};
use crate::guest::topology::{ALICE, ALICE_2, BOB, BOB_2, CAROL, PRINTER};
use crate::guest::traffic::{self, ping, tcp_connects, tcp_transfer};
use crate::guest::world::{Pair, World, child, site_to_site};

pub(super) fn tests() -> Vec<Test> {
    // The lab itself first: where two strongSwans fail, the failures behind are not ikd's.
    let mut tests = vec![Test::new("tunnel::two_strongswans", |world| {
        a_tunnel_carries_what_it_should(world, Kind::Strongswan, Kind::Strongswan)
    })];
    for (initiator, responder) in PAIRS.into_iter().chain(LIBRESWAN) {
        tests.push(Test::new(
            format!("tunnel::{initiator}_to_{responder}"),
            move |world| a_tunnel_carries_what_it_should(world, initiator, responder),
        ));
        tests.push(Test::new(
            format!("two_children::{initiator}_to_{responder}"),
            move |world| two_children_share_an_ike_sa(world, initiator, responder),
        ));
    }
    tests.push(Test::new(
        "pass_and_drop_beside_protect",
        pass_and_drop_beside_protect,
    ));
    tests.push(Test::new(
        "nothing_protected_leaves_in_clear_while_there_is_no_sa",
        nothing_leaves_in_clear,
    ));
    tests.push(Test::new(
        "a_child_kept_up_comes_up_by_itself",
        a_child_kept_up_comes_up_by_itself,
    ));
    tests
}

fn a_tunnel_carries_what_it_should(world: &World, initiator: Kind, responder: Kind) -> Result<()> {
    let net = &world.net;
    let before = ping(&net.alice, ALICE, BOB, 1, 56, traffic::PATIENCE)?;
    ensure!(
        before == 1,
        "without policies alice does not reach bob, so a tunnel would prove nothing"
    );

    let (hq, branch) = site_to_site();
    let mut pair = Pair::start(world, (initiator, &hq), (responder, &branch))?;
    let result = (|| {
        pair.hq.up("lan")?;
        let mark = world.wire.mark();
        let answered = ping(&net.alice, ALICE, BOB, 5, 56, traffic::PATIENCE)?;
        ensure!(
            answered == 5,
            "{answered} of 5 pings were answered through the tunnel"
        );
        tcp_transfer((&net.bob, BOB), (&net.alice, ALICE), 200_000)?;
        only_esp_since(world, mark)?;

        let mark = world.wire.mark();
        let answered = ping(&net.alice, ALICE, CAROL, 2, 56, traffic::PATIENCE)?;
        ensure!(
            answered == 2,
            "{answered} of 2 pings to a host outside the tunnel were answered"
        );
        let seen = sniffer::count(&world.wire.since(mark));
        ensure!(
            seen.contains_key(&Frame::Clear),
            "traffic to a third host did not stay clear: {seen:?}"
        );
        pair.hq.list()?;
        pair.branch.list()?;
        Ok(())
    })();
    pair.explain(result)?;
    // The one that ends tells the other, whose SAs must go as well.
    let result = pair
        .hq
        .shut_down()
        .and_then(|()| harness::no_sa_is_left(world));
    pair.explain(result)?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn only_esp_since(world: &World, mark: usize) -> Result<()> {
    let seen = sniffer::count(&world.wire.since(mark));
    ensure!(
        !seen.contains_key(&Frame::Clear),
        "the wire carried clear packets: {seen:?}"
    );
    ensure!(
        seen.get(&Frame::Esp).is_some_and(|count| *count >= 10),
        "the wire carried too little ESP: {seen:?}"
    );
    Ok(())
}

fn two_children_share_an_ike_sa(world: &World, initiator: Kind, responder: Kind) -> Result<()> {
    let net = &world.net;
    let (mut hq, _) = site_to_site();
    hq.children
        .push(child("second", "10.11.0.0/16", "10.12.0.0/16"));
    let branch = hq.mirrored();
    let mut pair = Pair::start(world, (initiator, &hq), (responder, &branch))?;
    let result = (|| {
        pair.hq.up("lan")?;
        pair.hq.up("second")?;
        let mark = world.wire.mark();
        for (from, to) in [(ALICE, BOB), (ALICE_2, BOB_2)] {
            let answered = ping(&net.alice, from, to, 3, 56, traffic::PATIENCE)?;
            ensure!(
                answered == 3,
                "{answered} of 3 pings from {from} to {to} were answered"
            );
        }
        let frames = world.wire.since(mark);
        let spis: std::collections::BTreeSet<_> = frames
            .iter()
            .filter(|frame| frame.kind() == Frame::Esp)
            .filter_map(|frame| frame.ipv4()?.get(20..24))
            .collect();
        ensure!(
            spis.len() == 4,
            "two Child SAs use four SPIs, the wire showed {}",
            spis.len()
        );
        let seen = sniffer::count(&frames);
        ensure!(
            !seen.contains_key(&Frame::Clear),
            "the wire carried clear packets: {seen:?}"
        );
        Ok(())
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    harness::no_sa_is_left(world)?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn pass_and_drop_beside_protect(world: &World) -> Result<()> {
    let net = &world.net;
    let (mut hq, mut branch) = site_to_site();
    let shunt = |name: &str, pass, local: &str, remote: &str| Shunt {
        name: name.to_owned(),
        pass,
        local: local.to_owned(),
        remote: remote.to_owned(),
    };
    hq.shunts = vec![
        shunt("printer", true, "10.1.0.0/16", "10.2.9.9/32"),
        shunt("telnet", false, "10.1.0.0/16", "10.2.0.0/16[tcp/23]"),
        shunt("nobody", false, "10.1.0.0/16", "203.0.113.0/24[tcp/23]"),
    ];
    branch.shunts = vec![shunt("printer", true, "10.2.9.9/32", "10.1.0.0/16")];
    let mut pair = Pair::start(world, (Kind::Ikd, &hq), (Kind::Ikd, &branch))?;
    let result = (|| {
        pair.hq.up("lan")?;
        let mark = world.wire.mark();
        let answered = ping(&net.alice, ALICE, PRINTER, 2, 56, traffic::PATIENCE)?;
        ensure!(
            answered == 2,
            "{answered} of 2 pings to the printer, which a policy passes, were answered"
        );
        let seen = sniffer::count(&world.wire.since(mark));
        ensure!(
            !seen.contains_key(&Frame::Esp),
            "the printer's traffic went through the tunnel: {seen:?}"
        );

        let mark = world.wire.mark();
        let before = net.hq.xfrm_counters()?;
        for (host, address) in [(&net.bob, BOB), (&net.carol, CAROL)] {
            let connected = tcp_connects((&net.alice, ALICE), (host, address), 23, BRIEFLY)?;
            ensure!(
                !connected,
                "telnet to {address} got through, though a policy drops it"
            );
        }
        let seen = sniffer::count(&world.wire.since(mark));
        ensure!(
            !seen.contains_key(&Frame::Clear) && !seen.contains_key(&Frame::Esp),
            "what a policy drops was seen on the wire: {seen:?}"
        );
        let grown = net.hq.xfrm_counters()?.since(&before);
        ensure!(
            grown.contains_key("XfrmOutPolBlock"),
            "no drop was counted by a policy: {grown:?}"
        );

        let mark = world.wire.mark();
        ensure!(
            tcp_connects((&net.alice, ALICE), (&net.bob, BOB), 24, traffic::PATIENCE)?,
            "the port beside telnet does not get through"
        );
        let seen = sniffer::count(&world.wire.since(mark));
        ensure!(
            !seen.contains_key(&Frame::Clear),
            "protected traffic went in clear: {seen:?}"
        );
        Ok(())
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn nothing_leaves_in_clear(world: &World) -> Result<()> {
    let net = &world.net;
    let (hq, _) = site_to_site();
    let mut daemon = Kind::Ikd.start(&net.hq, &hq)?;
    let mark = world.wire.mark();
    let answered = ping(&net.alice, ALICE, BOB, 3, 56, BRIEFLY)?;
    ensure!(
        answered == 0,
        "{answered} pings were answered without a tunnel"
    );
    harness::nothing_of_theirs_went_in_clear(world, mark)?;
    let outside = ping(&net.alice, ALICE, CAROL, 2, 56, traffic::PATIENCE)?;
    ensure!(
        outside == 2,
        "what no policy protects does not pass either: {outside} of 2 answered"
    );
    daemon.shut_down()?;
    harness::nothing_is_left(world)
}

fn a_child_kept_up_comes_up_by_itself(world: &World) -> Result<()> {
    let net = &world.net;
    let (mut hq, branch) = site_to_site();
    hq.children[0].keep_up = true;
    let mut pair = Pair::start(world, (Kind::Ikd, &hq), (Kind::Strongswan, &branch))?;
    let up = crate::guest::peers::eventually(PATIENCE, || {
        ping(&net.alice, ALICE, BOB, 1, 56, BRIEFLY).is_ok_and(|answered| answered == 1)
    });
    pair.explain(if up {
        Ok(())
    } else {
        Err(anyhow::anyhow!(
            "alice does not reach bob, though nobody had to ask for it"
        ))
    })?;
    pair.explain(has_sas(&net.hq))?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn has_sas(gateway: &Namespace) -> Result<()> {
    ensure!(
        !gateway.security_associations()?.trim().is_empty(),
        "{} has no SA",
        gateway.name
    );
    Ok(())
}
