//! The story in three acts: a tunnel comes up, an attacker gets nowhere, a wrong key is told in clear words.
//!
//! Everything said was seen: each claim is checked where it is made, and the demo succeeds only if all of them hold.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::attacks;
use super::peers::{Kind, Policy, eventually};
use super::sniffer::{self, Frame, Kind as FrameKind, write_capture};
use super::topology::{ALICE, BOB, CAROL, TO_HQ};
use super::traffic::{PATIENCE, ping, tcp_transfer};
use super::world::{Pair, World, site_to_site};
use crate::job::OUT;

/// The capture's name in [`OUT`].
pub const CAPTURE: &str = "tunnel.pcap";
/// The name of the table with the capture's keys in [`OUT`]: Wireshark looks for it in its configuration under this one.
pub const TABLE: &str = "ikev2_decryption_table";
/// Where an ikd writes it; root's own directory, as ikd is root.
const KEYLOG: &str = "/run/keys";
const TRANSFER_BYTES: usize = 1 << 20;

const MAP: &str = "
  alice ---------- hq ---------- internet ---------- branch ---------- bob
  10.1.0.10      192.0.2.1          |           198.51.100.7      10.2.0.10
                                  carol 203.0.113.9
";

/// Tells the story with these daemons at headquarters and at the branch. Returns whether every claim was true.
pub fn run(hq: Kind, branch: Kind) -> Result<bool> {
    let mut story = Story { all_true: true };
    println!(
        "Two gateways, hq with {hq} and branch with {branch}, and a host behind each; every cable is a veth pair.\n{MAP}"
    );
    let world = World::create()?;
    story.tunnel_and_attacks(&world, hq, branch)?;
    story.wrong_key(&world, hq, branch)?;
    let frames = world.wire.since(0);
    write_capture(
        &Path::new(OUT).join(CAPTURE),
        frames.iter().filter(|frame| &*frame.interface == TO_HQ),
    )?;
    if [hq, branch].contains(&Kind::Ikd) {
        std::fs::copy(KEYLOG, Path::new(OUT).join(TABLE)).context("the table of keys")?;
    }
    println!();
    if story.all_true {
        println!("Every claim was true.");
    } else {
        println!("Not every claim was true: look for NO above.");
    }
    Ok(story.all_true)
}

/// The policies of both gateways for the usual tunnel; one ikd writes the keys down, which are the same at both ends.
fn policies(hq: Kind) -> (Policy, Policy) {
    let (mut at_hq, mut at_branch) = site_to_site();
    let writer = if hq == Kind::Ikd {
        &mut at_hq
    } else {
        &mut at_branch
    };
    writer.keylog = Some(KEYLOG.into());
    (at_hq, at_branch)
}

struct Story {
    all_true: bool,
}

impl Story {
    fn act(title: &str) {
        println!(
            "\n==== {title} {}\n",
            "=".repeat(100_usize.saturating_sub(title.len()))
        );
    }

    fn claim(&mut self, holds: bool, what: &str) {
        self.all_true &= holds;
        println!("  [{}] {what}", if holds { "yes" } else { "NO " });
    }

    fn tunnel_and_attacks(&mut self, world: &World, hq: Kind, branch: Kind) -> Result<()> {
        let net = &world.net;
        Self::act("Act 1: up");
        let (hq_policy, branch_policy) = policies(hq);
        let mut pair = Pair::start(world, (hq, &hq_policy), (branch, &branch_policy))?;
        let up = pair.hq.up("lan");
        pair.explain(up).context("the tunnel did not come up")?;
        println!("hq brought the tunnel up.\n");

        let mark = world.wire.mark();
        let answered = ping(&net.alice, ALICE, BOB, 10, 56, PATIENCE)?;
        self.claim(
            answered == 10,
            &format!("alice pinged bob: {answered} of 10 answered"),
        );
        let transfer = tcp_transfer((&net.alice, ALICE), (&net.bob, BOB), TRANSFER_BYTES);
        self.claim(
            transfer.is_ok(),
            &format!(
                "alice sent bob {TRANSFER_BYTES} bytes over TCP: {}",
                outcome(&transfer)
            ),
        );
        let frames = world.wire.since(mark);
        let seen = passed_on_the_wire(&frames);
        let clear = seen.get(&FrameKind::Clear).copied().unwrap_or(0);
        let esp = seen.get(&FrameKind::Esp).copied().unwrap_or(0);
        self.claim(
            clear == 0 && esp > 20,
            &format!(
                "the wire between the gateways meanwhile carried {}",
                told(&seen)
            ),
        );

        let mark = world.wire.mark();
        let answered = ping(&net.alice, ALICE, CAROL, 3, 56, PATIENCE)?;
        let seen = passed_on_the_wire(&world.wire.since(mark));
        let clear = seen.get(&FrameKind::Clear).copied().unwrap_or(0);
        self.claim(
            answered == 3 && clear >= 6,
            &format!("alice pinged carol, whom no policy protects: {answered} of 3 answered, the wire carried {}", told(&seen)),
        );
        for (name, daemon) in [("hq", &pair.hq), ("branch", &pair.branch)] {
            println!("\n{name} lists:\n{}", indented(&daemon.list()?));
        }
        println!(
            "\nhq's kernel, SAD (keys hidden):\n{}",
            indented(&net.hq.ip("xfrm state list nokeys")?)
        );
        println!("\nhq's kernel, SPD:\n{}", indented(&net.hq.policies()?));

        Self::act("Act 2: attacked");
        for verdict in attacks::all(world)? {
            let grown = verdict
                .grown
                .iter()
                .map(|(name, (before, after))| format!("{name} {before} -> {after}"));
            let grown = grown.collect::<Vec<_>>().join(", ");
            let fate = if verdict.arrived {
                "it ARRIVED at alice"
            } else {
                "dropped by hq's kernel"
            };
            let grown = if grown.is_empty() {
                "no counter grew".to_owned()
            } else {
                grown
            };
            self.claim(
                verdict.repelled(),
                &format!("{}: {fate}, {grown}", verdict.attack),
            );
        }
        let answered = ping(&net.alice, ALICE, BOB, 3, 56, PATIENCE)?;
        self.claim(
            answered == 3,
            &format!("the tunnel carries on: {answered} of 3 pings answered"),
        );

        pair.hq.shut_down()?;
        let gone = eventually(PATIENCE, || {
            [&net.hq, &net.branch].iter().all(|gateway| {
                gateway
                    .security_associations()
                    .is_ok_and(|text| text.trim().is_empty())
            })
        });
        self.claim(
            gone,
            "hq was shut down and said goodbye: no SA is left in either kernel",
        );
        pair.branch.shut_down()
    }

    fn wrong_key(&mut self, world: &World, hq: Kind, branch: Kind) -> Result<()> {
        Self::act("Act 3: wrong key");
        let (hq_policy, mut branch_policy) = policies(hq);
        branch_policy.psk.push_str(", mistyped");
        let mut pair = Pair::start(world, (hq, &hq_policy), (branch, &branch_policy))?;
        let up = pair.hq.up("lan");
        self.claim(
            up.is_err(),
            "the branch has another pre-shared key: the tunnel does not come up",
        );
        let told = |pair: &Pair<'_>| (pair.hq.reasons(), pair.branch.reasons());
        eventually(PATIENCE, || {
            let (hq, branch) = told(&pair);
            !hq.trim().is_empty() && !branch.trim().is_empty()
        });
        let (at_hq, at_branch) = told(&pair);
        println!(
            "\nhq says:\n{}\n\nbranch says:\n{}\n",
            indented(&at_hq),
            indented(&at_branch)
        );
        self.claim(
            at_hq.contains("AUTHENTICATION_FAILED"),
            "hq says that the branch refused it: AUTHENTICATION_FAILED",
        );
        let knows = ["pre-shared", "secret", "MAC mismatched"]
            .iter()
            .any(|word| at_branch.contains(word));
        self.claim(knows, "the branch says that the keys differ");
        let left: Vec<&str> = [&world.net.hq, &world.net.branch]
            .iter()
            .filter(|gateway| {
                !gateway
                    .security_associations()
                    .is_ok_and(|text| text.trim().is_empty())
            })
            .map(|gateway| gateway.name.as_str())
            .collect();
        self.claim(left.is_empty(), "no SA is left in either kernel");
        pair.hq.shut_down()?;
        pair.branch.shut_down()
    }
}

/// Each packet once: as it comes in from a gateway, not as it goes out to the other.
fn passed_on_the_wire(frames: &[Frame]) -> BTreeMap<FrameKind, usize> {
    let mut seen = sniffer::count(frames.iter().filter(|frame| !frame.outgoing));
    seen.remove(&FrameKind::Other);
    seen
}

fn told(seen: &BTreeMap<FrameKind, usize>) -> String {
    let count = |kind| seen.get(&kind).copied().unwrap_or(0);
    let (esp, ike, clear) = (
        count(FrameKind::Esp),
        count(FrameKind::Ike),
        count(FrameKind::Clear),
    );
    format!("{esp} ESP, {ike} IKE and {clear} clear packets")
}

fn outcome(result: &Result<()>) -> String {
    result.as_ref().map_or_else(
        |error| format!("{error:#}"),
        |()| "all arrived, unchanged".to_owned(),
    )
}

fn indented(text: &str) -> String {
    text.trim_end()
        .lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
