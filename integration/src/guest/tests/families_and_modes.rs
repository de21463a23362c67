//! Address families in every mixture, transport mode, and children with keys of their own.

use std::net::IpAddr;

use anyhow::{Result, ensure};

use super::PAIRS;
use super::harness::{self, PATIENCE, Test};
use crate::guest::netns::Namespace;
use crate::guest::peers::{Child, Ikd, Kind, Policy, eventually, ikd};
use crate::guest::sniffer::{self, Frame, Kind as Seen};
use crate::guest::topology::{
    ALICE, ALICE_2, ALICE_V6, BOB, BOB_2, BOB_V6, BRANCH, BRANCH_V6, HQ, HQ_V6,
};
use crate::guest::traffic::{self, ping, tcp_transfer};
use crate::guest::world::{Pair, World, child, site_to_site};

const LAN_V4: (&str, &str) = ("10.1.0.0/16", "10.2.0.0/16");
const LAN_V6: (&str, &str) = ("2001:db8:1::/48", "2001:db8:2::/48");

pub(super) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for (initiator, responder) in PAIRS {
        let mut add = |name: &str, run: fn(&World, Kind, Kind) -> Result<()>| {
            let name = format!("{name}::{initiator}_to_{responder}");
            tests.push(Test::new(name, move |world| {
                run(world, initiator, responder)
            }));
        };
        add("families::both_through_ipv4", |world, a, b| {
            both_families(world, a, b, site_to_site().0)
        });
        add("families::both_through_ipv6", |world, a, b| {
            both_families(world, a, b, through_ipv6(site_to_site().0))
        });
        add("families::one_child_through_ipv4", |world, a, b| {
            one_dual_stack_child(world, a, b, site_to_site().0)
        });
        add("families::one_child_through_ipv6", |world, a, b| {
            one_dual_stack_child(world, a, b, through_ipv6(site_to_site().0))
        });
        add("modes::transport_ipv4", |world, a, b| {
            transport_mode(world, (a, b), site_to_site().0, (HQ.into(), BRANCH.into()))
        });
        add("modes::transport_ipv6", |world, a, b| {
            let policy = through_ipv6(site_to_site().0);
            transport_mode(world, (a, b), policy, (HQ_V6.into(), BRANCH_V6.into()))
        });
        add("modes::transport_between_ports", between_ports);
        add("secrecy::second_child", |world, a, b| {
            second_child(world, (a, b), "aes256gcm16-x25519", "aes256gcm16-x25519")
        });
        add("secrecy::another_group", |world, a, b| {
            second_child(
                world,
                (a, b),
                "aes256gcm16-x25519-ecp256",
                "aes256gcm16-ecp256",
            )
        });
    }
    for responder in [Kind::Ikd, Kind::Strongswan] {
        tests.push(Test::new(
            format!("modes::transport_declined::ikd_to_{responder}"),
            move |world| transport_declined(world, responder),
        ));
    }
    for initiator in [Kind::Ikd, Kind::Strongswan] {
        tests.push(Test::new(
            format!("modes::tunnel_refused::{initiator}_to_ikd"),
            move |world| tunnel_refused(world, initiator),
        ));
    }
    tests.push(Test::new(
        "families::neighbours_are_found_beside_a_policy_for_them",
        neighbours_are_found,
    ));
    tests
}

/// The same between the gateways' IPv6 addresses.
fn through_ipv6(policy: Policy) -> Policy {
    Policy {
        local: HQ_V6.into(),
        remote: BRANCH_V6.into(),
        ..policy
    }
}

fn hosts(name: &str) -> Child {
    Child {
        transport: true,
        ..child(name, "", "")
    }
}

/// Starts both daemons, has the children come up, lets `look` look, and sees that nothing is left.
fn with_children(
    world: &World,
    (initiator, hq): (Kind, &Policy),
    (responder, branch): (Kind, &Policy),
    look: impl FnOnce(&Pair<'_>) -> Result<()>,
) -> Result<()> {
    let mut pair = Pair::start(world, (initiator, hq), (responder, branch))?;
    let result = (|| {
        for child in &hq.children {
            pair.hq.up(&child.name)?;
        }
        look(&pair)
    })();
    pair.explain(result)?;
    let result = pair
        .hq
        .shut_down()
        .and_then(|()| harness::no_sa_is_left(world));
    pair.explain(result)?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

/// Pings from one to the other, all answered and all in ESP.
fn pings_in_esp(
    world: &World,
    namespace: &Namespace,
    from: impl Into<IpAddr>,
    to: impl Into<IpAddr>,
) -> Result<()> {
    let (from, to) = (from.into(), to.into());
    let mark = world.wire.mark();
    let answered = ping(namespace, from, to, 3, 56, traffic::PATIENCE)?;
    ensure!(
        answered == 3,
        "{answered} of 3 pings from {from} to {to} were answered"
    );
    let seen = sniffer::count(&world.wire.since(mark));
    // Each passes two interfaces.
    ensure!(
        !seen.contains_key(&Seen::Clear) && seen.get(&Seen::Esp).is_some_and(|count| *count >= 12),
        "not all of the pings from {from} to {to} went in ESP: {seen:?}"
    );
    Ok(())
}

fn both_families(world: &World, initiator: Kind, responder: Kind, mut hq: Policy) -> Result<()> {
    let net = &world.net;
    let reached = ping(&net.alice, ALICE_V6, BOB_V6, 1, 56, traffic::PATIENCE)?;
    ensure!(
        reached == 1,
        "without policies alice does not reach bob by IPv6, so a tunnel would prove nothing"
    );
    hq.children = vec![
        child("v4", LAN_V4.0, LAN_V4.1),
        child("v6", LAN_V6.0, LAN_V6.1),
    ];
    let branch = hq.mirrored();
    with_children(world, (initiator, &hq), (responder, &branch), |_| {
        pings_in_esp(world, &net.alice, ALICE, BOB)?;
        pings_in_esp(world, &net.bob, BOB_V6, ALICE_V6)?;
        tcp_transfer((&net.alice, ALICE_V6), (&net.bob, BOB_V6), 100_000)
    })
}

fn one_dual_stack_child(
    world: &World,
    initiator: Kind,
    responder: Kind,
    mut hq: Policy,
) -> Result<()> {
    let net = &world.net;
    let both = |v4: &str, v6: &str| format!("{v4}, {v6}");
    hq.children = vec![child(
        "lan",
        &both(LAN_V4.0, LAN_V6.0),
        &both(LAN_V4.1, LAN_V6.1),
    )];
    let branch = hq.mirrored();
    with_children(world, (initiator, &hq), (responder, &branch), |_| {
        pings_in_esp(world, &net.alice, ALICE, BOB)?;
        pings_in_esp(world, &net.alice, ALICE_V6, BOB_V6)?;
        let spis: std::collections::BTreeSet<_> = outbound_spis(&net.hq)?;
        ensure!(spis.len() == 2, "one child has two SAs, not {spis:?}");
        Ok(())
    })
}

/// The SPIs of a gateway's SAs, as `ip` prints them.
fn outbound_spis(gateway: &Namespace) -> Result<std::collections::BTreeSet<String>> {
    let text = gateway.security_associations()?;
    let words = text.split_whitespace().collect::<Vec<_>>();
    let spis = words
        .windows(2)
        .filter(|pair| pair[0] == "spi")
        .map(|pair| pair[1].to_owned());
    Ok(spis.collect())
}

fn transport_mode(
    world: &World,
    (initiator, responder): (Kind, Kind),
    mut hq: Policy,
    (at_hq, at_branch): (IpAddr, IpAddr),
) -> Result<()> {
    let net = &world.net;
    hq.children = vec![hosts("hosts")];
    let branch = hq.mirrored();
    with_children(world, (initiator, &hq), (responder, &branch), |_| {
        let sas = net.hq.security_associations()?;
        ensure!(
            sas.contains("mode transport") && !sas.contains("mode tunnel"),
            "the SAs are not in transport mode:\n{sas}"
        );
        let policies = net.hq.policies()?;
        ensure!(
            initiator != Kind::Ikd || !policies.contains("dir fwd"),
            "a host forwards nothing:\n{policies}"
        );
        pings_in_esp(world, &net.hq, at_hq, at_branch)?;
        pings_in_esp(world, &net.branch, at_branch, at_hq)?;
        tcp_transfer((&net.hq, at_hq), (&net.branch, at_branch), 100_000)
    })
}

/// One port of the two hosts is protected, the rest of what they say is not.
fn between_ports(world: &World, initiator: Kind, responder: Kind) -> Result<()> {
    let net = &world.net;
    let (mut hq, _) = site_to_site();
    hq.children = vec![Child {
        transport: true,
        ..child("telnet", "192.0.2.1/32[tcp]", "198.51.100.7/32[tcp/23]")
    }];
    let branch = hq.mirrored();
    with_children(world, (initiator, &hq), (responder, &branch), |_| {
        let mark = world.wire.mark();
        let connects = |port| {
            let from = (&net.hq, HQ);
            traffic::tcp_connects(from, (&net.branch, BRANCH), port, traffic::PATIENCE)
        };
        ensure!(connects(23)?, "the protected port does not answer");
        let seen = sniffer::count(&world.wire.since(mark));
        ensure!(
            !seen.contains_key(&Seen::Clear) && seen.contains_key(&Seen::Esp),
            "the protected port was reached otherwise: {seen:?}"
        );
        let mark = world.wire.mark();
        ensure!(connects(24)?, "the port beside it does not answer");
        let seen = sniffer::count(&world.wire.since(mark));
        ensure!(
            !seen.contains_key(&Seen::Esp) && seen.contains_key(&Seen::Clear),
            "the port beside it was reached otherwise: {seen:?}"
        );
        Ok(())
    })
}

fn second_child(
    world: &World,
    (initiator, responder): (Kind, Kind),
    asked: &str,
    allowed: &str,
) -> Result<()> {
    let net = &world.net;
    let (mut hq, _) = site_to_site();
    hq.esp = asked.to_owned();
    hq.children
        .push(child("second", "10.11.0.0/16", "10.12.0.0/16"));
    let branch = Policy {
        esp: allowed.to_owned(),
        ..hq.mirrored()
    };
    with_children(world, (initiator, &hq), (responder, &branch), |pair| {
        pings_in_esp(world, &net.alice, ALICE, BOB)?;
        pings_in_esp(world, &net.alice, ALICE_2, BOB_2)?;
        // Whoever is ikd says which group the second child has.
        let ours = if responder == Kind::Ikd {
            &pair.branch
        } else {
            &pair.hq
        };
        let group = allowed.rsplit('-').next().unwrap_or_default();
        let list = ours.list()?;
        ensure!(list.contains(group), "{group} is not listed:\n{list}");
        Ok(())
    })
}

/// Our transport child meets a tunnel child between the same hosts.
fn transport_declined(world: &World, responder: Kind) -> Result<()> {
    let (mut hq, _) = site_to_site();
    hq.children = vec![hosts("hosts")];
    let mut branch = hq.mirrored();
    branch.children = vec![child("hosts", "198.51.100.7/32", "192.0.2.1/32")];
    refused(world, (Kind::Ikd, &hq), (responder, &branch), |pair| {
        pair.hq.reasons().contains("the peer wants tunnel mode")
    })
}

/// Their tunnel child meets our transport child.
fn tunnel_refused(world: &World, initiator: Kind) -> Result<()> {
    let (mut hq, _) = site_to_site();
    hq.children = vec![child("hosts", "192.0.2.1/32", "198.51.100.7/32")];
    let mut branch = hq.mirrored();
    branch.children = vec![hosts("hosts")];
    refused(world, (initiator, &hq), (Kind::Ikd, &branch), |pair| {
        pair.branch
            .reasons()
            .contains("the peer asks for tunnel mode")
            && (pair.hq.reasons() + &pair.hq.log()).contains("NO_PROP")
    })
}

fn refused(
    world: &World,
    hq: (Kind, &Policy),
    branch: (Kind, &Policy),
    reasons_are_told: impl Fn(&Pair<'_>) -> bool,
) -> Result<()> {
    let mut pair = Pair::start(world, hq, branch)?;
    let result = (|| {
        ensure!(pair.hq.up_within("hosts", PATIENCE).is_err(), "it came up");
        ensure!(
            eventually(PATIENCE, || reasons_are_told(&pair)),
            "the reasons are not told:\n{}\n{}",
            pair.hq.reasons(),
            pair.branch.reasons()
        );
        harness::no_sa_is_left(world)
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

/// A policy for a neighbour's own address does not keep us from finding out where it is, so that IKE gets out.
fn neighbours_are_found(world: &World) -> Result<()> {
    let net = &world.net;
    let mut policy = through_ipv6(site_to_site().0);
    // The router: it is on our link, and speaks no IKE.
    policy.remote = "2001:db8:100::fe".parse()?;
    policy.children = vec![hosts("hosts")];
    let mut daemon = Ikd::start(&net.hq, &policy)?;
    for end in [&net.hq, &net.internet] {
        end.ip("-6 neighbour flush all")?;
    }
    let mark = world.wire.mark();
    let _ = daemon.ikctl(&["up", ikd::CONNECTION, "--timeout", "3s"]);
    let ike = |frame: &&Frame| frame.kind() == Seen::Ike;
    let frames = world.wire.since(mark);
    ensure!(
        frames.iter().any(|frame| ike(&frame)),
        "IKE did not reach a neighbour that a policy is for: {:?}",
        sniffer::count(&frames)
    );
    let answered = ping(&net.hq, HQ_V6, policy.remote, 1, 56, harness::BRIEFLY)?;
    ensure!(answered == 0, "what has no SA yet passed in clear");
    crate::guest::peers::Gateway::shut_down(&mut daemon)?;
    harness::nothing_is_left(world)
}
