//! Every algorithm that ikd and strongSwan both have, for IKE and for ESP, in each role.
//!
//! Not the product of them all: each row changes one algorithm of a suite that works, so that a row that fails names the
//! algorithm. The daemons run on from row to row: for IKE both get another policy, for ESP there is a Child SA for each
//! row in one IKE SA.

use std::net::Ipv4Addr;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use super::harness::{self, Tell, Test};
use super::with_strongswan;
use crate::guest::peers::{Child, Kind};
use crate::guest::sniffer::{self, Kind as Frame};
use crate::guest::topology::{ALICE, BOB};
use crate::guest::traffic::{self, ping};
use crate::guest::world::{Pair, World, child, site_to_site};

/// Ciphers that authenticate by themselves.
#[rustfmt::skip] // a table
const COMBINED: &[&str] = &[
    "aes128gcm8", "aes192gcm8", "aes256gcm8",
    "aes128gcm12", "aes192gcm12", "aes256gcm12",
    "aes128gcm16", "aes192gcm16", "aes256gcm16",
    "aes128ccm8", "aes192ccm8", "aes256ccm8",
    "aes128ccm12", "aes192ccm12", "aes256ccm12",
    "aes128ccm16", "aes192ccm16", "aes256ccm16",
    "chacha20poly1305",
];
/// Ciphers that need an integrity algorithm.
const CIPHERS: &[&str] = &[
    "aes128",
    "aes192",
    "aes256",
    "aes128ctr",
    "aes192ctr",
    "aes256ctr",
];
const INTEGRITY: &[&str] = &["sha1", "sha256", "sha384", "sha512", "aesxcbc", "aescmac"];
const PRFS: &[&str] = &[
    "prfsha1",
    "prfsha256",
    "prfsha384",
    "prfsha512",
    "prfaesxcbc",
    "prfaescmac",
];
#[rustfmt::skip]
const GROUPS: &[&str] = &[
    "modp1024", "modp1536", "modp2048", "modp3072", "modp4096", "modp6144", "modp8192",
    "ecp256", "ecp384", "ecp521", "x25519",
];
/// ESP that only authenticates.
const GMAC: &[&str] = &["aes128gmac", "aes192gmac", "aes256gmac"];

pub(super) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for (initiator, responder) in with_strongswan() {
        tests.push(Test::table(
            format!("ike::{initiator}_to_{responder}"),
            ike_suites(),
            move |world, rows, tell| ike(world, rows, tell, initiator, responder),
        ));
        for esn in ["esn", "noesn"] {
            tests.push(Test::table(
                format!("esp::{initiator}_to_{responder}"),
                esp_suites(esn),
                move |world, rows, tell| esp(world, rows, tell, initiator, responder),
            ));
        }
    }
    tests
}

fn ike_suites() -> Vec<String> {
    let combined = COMBINED
        .iter()
        .map(|cipher| format!("{cipher}-prfsha256-x25519"));
    let ciphers = CIPHERS
        .iter()
        .map(|cipher| format!("{cipher}-sha256-prfsha256-x25519"));
    let integrity = INTEGRITY
        .iter()
        .map(|integrity| format!("aes256-{integrity}-prfsha256-x25519"));
    let prfs = PRFS.iter().map(|prf| format!("aes256gcm16-{prf}-x25519"));
    let groups = GROUPS
        .iter()
        .map(|group| format!("aes256gcm16-prfsha256-{group}"));
    once_each(
        combined
            .chain(ciphers)
            .chain(integrity)
            .chain(prfs)
            .chain(groups),
    )
}

fn esp_suites(esn: &str) -> Vec<String> {
    let combined = COMBINED
        .iter()
        .chain(GMAC)
        .map(|cipher| format!("{cipher}-{esn}"));
    let ciphers = CIPHERS
        .iter()
        .map(|cipher| format!("{cipher}-sha256-{esn}"));
    let integrity = INTEGRITY.iter().flat_map(|integrity| {
        ["aes256", "aes128ctr", "null"].map(|cipher| format!("{cipher}-{integrity}-{esn}"))
    });
    once_each(combined.chain(ciphers).chain(integrity))
}

/// The base of a variation is a row of it, and needs no second trial.
fn once_each(rows: impl Iterator<Item = String>) -> Vec<String> {
    let mut once = Vec::new();
    for row in rows {
        if !once.contains(&row) {
            once.push(row);
        }
    }
    once
}

/// An IKE SA of each suite, with a Child SA that carries traffic.
fn ike(
    world: &World,
    rows: &[String],
    tell: &mut Tell<'_>,
    initiator: Kind,
    responder: Kind,
) -> Result<()> {
    let (mut hq, mut branch) = site_to_site();
    let mut pair = Pair::start(world, (initiator, &hq), (responder, &branch))?;
    for row in rows {
        let start = Instant::now();
        let logs = Logs::now(&pair);
        (hq.ike, branch.ike) = (row.clone(), row.clone());
        let outcome = pair
            .load(&hq, &branch)
            .and_then(|()| pair.hq.up("lan"))
            .and_then(|_| carries_esp(world, ALICE, BOB))
            .and_then(|()| pair.hq.down());
        tell(row, start, logs.explain(&pair, outcome.map(|_| ())));
    }
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

/// A Child SA of each suite, between addresses of its own, all in one IKE SA.
fn esp(
    world: &World,
    rows: &[String],
    tell: &mut Tell<'_>,
    initiator: Kind,
    responder: Kind,
) -> Result<()> {
    let (mut hq, _) = site_to_site();
    // The IKE SA comes with a child that no row is about.
    hq.children = vec![child("lan", "10.11.0.0/16", "10.12.0.0/16")];
    let at = |network, row: usize| Ipv4Addr::new(10, network, 1, 1 + row as u8);
    for (index, row) in rows.iter().enumerate() {
        hq.children.push(Child {
            esp: Some(row.clone()),
            ..child(
                &format!("row{index}"),
                &format!("{}/32", at(1, index)),
                &format!("{}/32", at(2, index)),
            )
        });
    }
    for (host, network) in [(&world.net.alice, 1), (&world.net.bob, 2)] {
        let addresses = (0..rows.len())
            .map(|row| format!("address replace {}/16 dev uplink\n", at(network, row)));
        host.ip_batch(&addresses.collect::<String>())?;
    }
    let mut pair = Pair::start(world, (initiator, &hq), (responder, &hq.mirrored()))?;
    let up = pair.hq.up("lan");
    pair.explain(up)?;
    for (index, row) in rows.iter().enumerate() {
        let start = Instant::now();
        let logs = Logs::now(&pair);
        let outcome = pair
            .hq
            .up(&format!("row{index}"))
            .and_then(|_| carries_esp(world, at(1, index), at(2, index)));
        tell(row, start, logs.explain(&pair, outcome));
    }
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

/// Fails unless pings go both ways, and all that the wire carries is ESP.
fn carries_esp(world: &World, from: Ipv4Addr, to: Ipv4Addr) -> Result<()> {
    let mark = world.wire.mark();
    // One packet of one block or less, one of several.
    for size in [7, 1000] {
        let answered = ping(&world.net.alice, from, to, 1, size, traffic::PATIENCE)?;
        ensure!(
            answered == 1,
            "a ping with {size} bytes was not answered through the tunnel"
        );
    }
    let seen = sniffer::count(&world.wire.since(mark));
    ensure!(
        seen.get(&Frame::Esp).is_some_and(|count| *count >= 4) && !seen.contains_key(&Frame::Clear),
        "the wire carried {seen:?}, expected ESP and nothing in clear"
    );
    Ok(())
}

/// How long both ends' logs were: what was added since belongs to a row.
struct Logs {
    hq: usize,
    branch: usize,
}

impl Logs {
    fn now(pair: &Pair<'_>) -> Self {
        Self {
            hq: pair.hq.log().len(),
            branch: pair.branch.log().len(),
        }
    }

    fn explain(&self, pair: &Pair<'_>, outcome: Result<()>) -> Result<()> {
        let Err(error) = outcome else {
            return Ok(());
        };
        let (hq, branch) = (pair.hq.log(), pair.branch.log());
        bail!(
            "{error:#}\n--- hq's log\n{}\n--- branch's log\n{}",
            hq.get(self.hq..).unwrap_or(&hq),
            branch.get(self.branch..).unwrap_or(&branch)
        )
    }
}
