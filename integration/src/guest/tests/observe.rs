//! What an operator sees: captures of IKE, opened with the keys that `ikd --keylog` wrote.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::PAIRS;
use super::harness::{self, Tell, Test};
use crate::guest::peers::Kind;
use crate::guest::sniffer::{Kind as Frame, write_capture};
use crate::guest::topology::TO_HQ;
use crate::guest::world::{Pair, World, site_to_site};

/// One suite for each kind of cipher that Wireshark's table knows.
const SUITES: &[&str] = &[
    "aes256gcm16-prfsha384-x25519",
    "aes128-sha256-prfsha256-x25519",
    "aes256-sha1-prfsha1-x25519",
    "aes192ctr-sha512-prfsha512-x25519",
    "aes256ccm12-prfsha256-x25519",
    "aes128gcm8-prfsha256-x25519",
];

/// A suite that Wireshark's table lacks: its line must not hide those behind it.
const UNKNOWN_TO_WIRESHARK: &str = "chacha20poly1305-prfsha256-x25519";

pub(super) fn tests() -> Vec<Test> {
    let rows = || SUITES.iter().map(|suite| (*suite).to_owned()).collect();
    let pairs = PAIRS.into_iter().map(move |(initiator, responder)| {
        Test::table(
            format!("wireshark_reads::{initiator}_to_{responder}"),
            rows(),
            move |world, rows, tell| wireshark_reads(world, rows, tell, initiator, responder),
        )
    });
    pairs.collect()
}

/// IKE SAs of each suite; then one look by Wireshark at all of them.
fn wireshark_reads(
    world: &World,
    rows: &[String],
    tell: &mut Tell<'_>,
    initiator: Kind,
    responder: Kind,
) -> Result<()> {
    let begin = Instant::now();
    let directory = Path::new("/run/wireshark");
    let _ = std::fs::remove_dir_all(directory);
    std::fs::create_dir_all(directory)?;
    let (table, capture) = (
        directory.join("ikev2_decryption_table"),
        directory.join("ike.pcap"),
    );

    let mark = world.wire.mark();
    let (mut hq, mut branch) = site_to_site();
    let writer = if initiator == Kind::Ikd {
        &mut hq
    } else {
        &mut branch
    };
    writer.keylog = Some(table.clone());
    let mut pair = Pair::start(world, (initiator, &hq), (responder, &branch))?;
    let suites = std::iter::once(UNKNOWN_TO_WIRESHARK).chain(rows.iter().map(String::as_str));
    for (index, suite) in suites.enumerate() {
        (hq.ike, branch.ike) = (suite.to_owned(), suite.to_owned());
        let up = pair
            .load(&hq, &branch)
            .and_then(|()| pair.hq.up("lan"))
            .and_then(|_| pair.hq.down())
            .with_context(|| format!("the tunnel with {suite}"));
        pair.explain(up)?;
        let lines = lines(&table)?.len();
        ensure!(
            lines == index + 1,
            "{lines} lines of keys for {} IKE SAs",
            index + 1
        );
    }
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)?;

    let frames = world.wire.since(mark);
    let ike = frames.iter().filter(|frame| frame.kind() == Frame::Ike);
    write_capture(&capture, ike.filter(|frame| &*frame.interface == TO_HQ))?;
    let mut tshark = Command::new("tshark");
    tshark
        .env("WIRESHARK_CONFIG_DIR", directory)
        .args(["-n", "-O", "isakmp", "-r"])
        .arg(&capture);
    let shown = by_initiator_spi(&world.net.internet.output(&mut tshark)?);
    for (row, line) in rows.iter().zip(lines(&table)?.iter().skip(1)) {
        let spi = line.split(',').next().unwrap_or_default();
        tell(row, begin, reads(shown.get(spi)));
    }
    Ok(())
}

/// Fails unless Wireshark showed what IKE_AUTH says, and found its integrity right.
fn reads(shown: Option<&String>) -> Result<()> {
    let shown = shown.context("Wireshark shows no such IKE SA")?;
    for expected in [
        "hq.example.com",
        "branch.example.com",
        "Starting Addr: 10.1.0.0",
        "Ending Addr: 10.2.255.255",
        "Payload: Delete",
        "[correct]",
    ] {
        ensure!(shown.contains(expected), "no {expected:?} in:\n{shown}");
    }
    ensure!(!shown.contains("[incorrect"), "wrong integrity:\n{shown}");
    Ok(())
}

fn lines(table: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(table).context("the table of keys")?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// What tshark tells of each IKE SA, by the SPI of its initiator.
fn by_initiator_spi(text: &str) -> BTreeMap<String, String> {
    const SPI: &str = "Initiator SPI: ";
    let mut shown = BTreeMap::<String, String>::new();
    for frame in text.split("\nFrame ") {
        if let Some(spi) = frame.lines().find_map(|line| line.trim().strip_prefix(SPI)) {
            shown.entry(spi.to_owned()).or_default().push_str(frame);
        }
    }
    shown
}
