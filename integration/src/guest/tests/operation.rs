//! What an operator lives through: reload, the end of a daemon, a peer that is gone, starts that must fail.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::harness::{self, BRIEFLY, PATIENCE, Test};
use crate::blocks::blocks;
use crate::guest::peers::ikd::policy_file;
use crate::guest::peers::{Daemon, Gateway, Ikd, Kind, Shunt, eventually};
use crate::guest::topology::{ALICE, ALICE_2, BOB, BOB_2};
use crate::guest::traffic::{self, ping, tcp_connects};
use crate::guest::world::{Pair, World, child, site_to_site};

const OPERATING: &str = include_str!("../../../../docs/src/operating.md");

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "sighup_adds_and_removes_a_policy_and_keeps_the_tunnel",
            reload,
        ),
        Test::new(
            "sighup_adds_and_removes_a_child_and_keeps_the_other",
            reload_children,
        ),
        Test::new("a_bad_file_at_sighup_changes_nothing", bad_reload),
        Test::new("sigterm_says_goodbye_and_leaves_nothing", sigterm),
        Test::new(
            "a_peer_that_is_gone_is_noticed_and_one_that_returns_is_met_again",
            peer_gone,
        ),
        Test::new(
            "the_books_firewall_keeps_in_what_no_policy_protects",
            firewall,
        ),
        Test::new("no_start::port_in_use", port_in_use),
        Test::new("no_start::secret_that_others_can_read", readable_secret),
        Test::new("no_start::secret_that_is_not_there", missing_secret),
        Test::new("no_start::bad_policy_file", bad_policy_file),
        Test::new("no_start::missing_privileges", missing_privileges),
    ]
}

fn reload(world: &World) -> Result<()> {
    let net = &world.net;
    let (hq, branch) = site_to_site();
    let mut pair = (
        Ikd::start(&net.hq, &hq)?,
        Kind::Strongswan.start(&net.branch, &branch)?,
    );
    let (at_hq, at_branch) = (&pair.0, &pair.1);
    at_hq.up("lan")?;
    let spi = lan_spi(at_hq)?;
    let telnet_passes = || tcp_connects((&net.alice, ALICE), (&net.bob, BOB), 23, BRIEFLY);
    ensure!(
        eventually(PATIENCE, || telnet_passes().unwrap_or(false)),
        "telnet does not get through the tunnel"
    );

    let mut stricter = hq.clone();
    stricter.shunts.push(Shunt {
        name: "telnet".to_owned(),
        pass: false,
        local: "10.1.0.0/16".to_owned(),
        remote: "10.2.0.0/16[tcp/23]".to_owned(),
    });
    at_hq.reload(&policy_file(&stricter))?;
    let dropped = eventually(PATIENCE, || telnet_passes().is_ok_and(|passes| !passes));
    ensure!(
        dropped,
        "the added drop policy does not drop:\n{}",
        at_hq.log()
    );
    ensure!(
        lan_spi(at_hq)? == spi,
        "the connection that stayed as it was was made anew"
    );

    at_hq.reload(&policy_file(&hq))?;
    let passes = eventually(PATIENCE, || telnet_passes().unwrap_or(false));
    ensure!(
        passes,
        "the removed drop policy still drops:\n{}",
        at_hq.log()
    );
    ensure!(
        lan_spi(at_hq)? == spi,
        "the connection that stayed as it was was made anew"
    );
    ensure!(!at_branch.list()?.is_empty(), "the branch lost its SAs");

    let (at_hq, at_branch) = (&mut pair.0, &mut pair.1);
    at_hq.shut_down()?;
    at_branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn reload_children(world: &World) -> Result<()> {
    let net = &world.net;
    let (hq, _) = site_to_site();
    let mut both = hq.clone();
    both.children
        .push(child("second", "10.11.0.0/16", "10.12.0.0/16"));
    let mut at_hq = Ikd::start(&net.hq, &hq)?;
    let mut at_branch = Kind::Strongswan.start(&net.branch, &both.mirrored())?;
    at_hq.up("lan")?;
    let spi = lan_spi(&at_hq)?;
    at_hq.reload(&policy_file(&both))?;
    ensure!(
        eventually(PATIENCE, || at_hq.up("second").is_ok()),
        "the added child does not come up:\n{}",
        at_hq.log()
    );
    ensure!(
        lan_spi(&at_hq)? == spi,
        "the child that stayed was made anew"
    );
    for (from, to) in [(ALICE, BOB), (ALICE_2, BOB_2)] {
        let answered = ping(&net.alice, from, to, 2, 56, traffic::PATIENCE)?;
        ensure!(
            answered == 2,
            "{answered} of 2 pings from {from} to {to} were answered:\n{}",
            at_hq.log()
        );
    }
    at_hq.reload(&policy_file(&hq))?;
    let gone = eventually(PATIENCE, || {
        at_hq.list().is_ok_and(|list| !list.contains("second"))
    });
    ensure!(
        gone,
        "the removed child is still listed:\n{}",
        at_hq.list()?
    );
    ensure!(
        lan_spi(&at_hq)? == spi,
        "the child that stayed was made anew"
    );
    let answered = ping(&net.alice, ALICE, BOB, 2, 56, traffic::PATIENCE)?;
    ensure!(
        answered == 2,
        "{answered} of 2 pings crossed the child that stayed:\n{}",
        at_hq.log()
    );
    at_hq.shut_down()?;
    at_branch.shut_down()?;
    harness::nothing_is_left(world)
}

/// The SPI of the child `lan`, as a sign of its being the same SA as before.
fn lan_spi(ikd: &Ikd<'_>) -> Result<String> {
    let list: serde_json::Value = serde_json::from_str(&ikd.ikctl(&["list", "--json"])?)?;
    let sas = list["connections"][0]["ike_sas"][0]["child_sas"]
        .as_array()
        .context("no Child SA is listed")?;
    let lan = sas
        .iter()
        .find(|sa| sa["name"] == "lan")
        .context("lan has no Child SA")?;
    Ok(lan["spi_in"].to_string())
}

fn bad_reload(world: &World) -> Result<()> {
    let net = &world.net;
    let (hq, branch) = site_to_site();
    let mut at_hq = Ikd::start(&net.hq, &hq)?;
    let mut at_branch = Ikd::start(&net.branch, &branch)?;
    at_hq.up("lan")?;
    let spi = lan_spi(&at_hq)?;
    at_hq.reload(&policy_file(&hq).replace("children:", "childs:"))?;
    let told = eventually(PATIENCE, || at_hq.log().contains("childs"));
    ensure!(
        told,
        "the log does not name the word that is wrong:\n{}",
        at_hq.log()
    );
    ensure!(lan_spi(&at_hq)? == spi, "a bad file changed what runs");
    let answered = ping(&net.alice, ALICE, BOB, 2, 56, traffic::PATIENCE)?;
    ensure!(
        answered == 2,
        "{answered} of 2 pings were answered after a bad file"
    );
    at_hq.shut_down()?;
    at_branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn sigterm(world: &World) -> Result<()> {
    let (hq, branch) = site_to_site();
    let mut at_hq = Ikd::start(&world.net.hq, &hq)?;
    let mut at_branch = Kind::Strongswan.start(&world.net.branch, &branch)?;
    at_hq.up("lan")?;
    at_hq.daemon().signal(Signal::SIGTERM)?;
    let status = at_hq.daemon().wait_end(PATIENCE)?;
    ensure!(
        status.success(),
        "ikd ended with {status}:\n{}",
        at_hq.log()
    );
    // The branch's SAs go because it was told.
    harness::no_sa_is_left(world)?;
    at_branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn peer_gone(world: &World) -> Result<()> {
    let net = &world.net;
    let (mut hq, _) = site_to_site();
    hq.children[0].keep_up = true;
    hq.quick_liveness = true;
    let mut branch = hq.mirrored();
    branch.children[0].keep_up = false;
    let reaches =
        || ping(&net.alice, ALICE, BOB, 1, 56, BRIEFLY).is_ok_and(|answered| answered == 1);

    let mut pair = Pair::start(world, (Kind::Ikd, &hq), (Kind::Ikd, &branch))?;
    let result = (|| {
        ensure!(
            eventually(PATIENCE, reaches),
            "the tunnel did not come up by itself"
        );
        pair.branch.kill();
        net.branch
            .ip_batch("xfrm state flush\nxfrm policy flush\n")?;
        let gone = eventually(PATIENCE, || {
            net.hq
                .security_associations()
                .is_ok_and(|text| text.trim().is_empty())
        });
        ensure!(gone, "hq still holds SAs with a peer that is gone");
        ensure!(
            eventually(PATIENCE, || pair.hq.reasons().contains("no answer")
                || pair.hq.log().contains("no-response")),
            "hq does not say that the peer no longer answers, but:\n{}",
            pair.hq.reasons()
        );
        let mark = world.wire.mark();
        ensure!(!reaches(), "bob answered through a peer that is gone");
        harness::nothing_of_theirs_went_in_clear(world, mark)
    })();
    pair.explain(result)?;

    pair.branch = Kind::Ikd.start(&net.branch, &branch)?;
    // The back-off may have grown meanwhile.
    let back = eventually(2 * PATIENCE, reaches);
    pair.explain(if back {
        Ok(())
    } else {
        Err(anyhow::anyhow!(
            "the tunnel did not come back with its peer"
        ))
    })?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

/// As at boot, and while the daemon is started anew.
fn firewall(world: &World) -> Result<()> {
    let net = &world.net;
    let (hq, branch) = site_to_site();
    let answered = |wait| ping(&net.alice, ALICE, BOB, 2, 56, wait);
    let blocks = blocks(OPERATING);
    let rules = (blocks.iter()).find(|block| block.value("with") == Some("firewall"));
    let rules = &rules.context("the book has no rules")?.text;
    net.hq.output(Command::new("sh").args(["-euc", rules]))?;
    let result = (|| {
        let mut at_hq = Ikd::start(&net.hq, &hq)?;
        let mut at_branch = Ikd::start(&net.branch, &branch)?;
        at_hq.up("lan")?;
        let through = answered(traffic::PATIENCE)?;
        ensure!(through == 2, "{through} of 2 pings passed in the tunnel");
        at_branch.shut_down()?;
        at_hq.shut_down()?;
        harness::nothing_is_left(world)?;
        let mark = world.wire.mark();
        ensure!(answered(BRIEFLY)? == 0, "bob answered without a tunnel");
        harness::nothing_of_theirs_went_in_clear(world, mark)
    })();
    net.hq
        .output(Command::new("nft").args(["delete", "table", "inet", "protected"]))?;
    result?;
    ensure!(
        answered(traffic::PATIENCE)? == 2,
        "alice does not reach bob without the rules either, so they prove nothing"
    );
    Ok(())
}

fn port_in_use(world: &World) -> Result<()> {
    let holder = world
        .net
        .hq
        .run(|| std::net::UdpSocket::bind("192.0.2.1:500"))?;
    let output = start(world, &policy_file(&site_to_site().0), |_| Ok(()))?;
    drop(holder);
    fails_saying(world, &output, &["500", "in use"])
}

fn readable_secret(world: &World) -> Result<()> {
    let text = policy_file(&site_to_site().0)
        .replace("\"correct horse battery staple\"", "{ file: hq.psk }");
    let output = start(world, &text, |directory| {
        let secret = directory.join("hq.psk");
        std::fs::write(&secret, "correct horse battery staple\n")?;
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644))?;
        Ok(())
    })?;
    fails_saying(world, &output, &["hq.psk", "chmod"])
}

fn missing_secret(world: &World) -> Result<()> {
    let text = policy_file(&site_to_site().0)
        .replace("\"correct horse battery staple\"", "{ file: hq.psk }");
    let output = start(world, &text, |_| Ok(()))?;
    fails_saying(world, &output, &["hq.psk"])
}

fn bad_policy_file(world: &World) -> Result<()> {
    let text = policy_file(&site_to_site().0).replace("remote:", "remot:");
    let output = start(world, &text, |_| Ok(()))?;
    fails_saying(world, &output, &["remot", "remote", "ikd.yaml"])
}

fn missing_privileges(world: &World) -> Result<()> {
    let directory = Daemon::directory(&world.net.hq)?;
    let config = directory.join("ikd.yaml");
    std::fs::write(&config, policy_file(&site_to_site().0))?;
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600))?;
    let nobody = nix::unistd::Uid::from_raw(65534);
    for file in [&directory, &config] {
        if let Err(error) = nix::unistd::chown(file, Some(nobody), None) {
            println!(
                "skipped: e2e::no_start::missing_privileges: no second user here: {}",
                error.desc()
            );
            return Ok(());
        }
    }
    let ikd = Ikd::command(&world.net.hq, &config);
    let mut unprivileged = Command::new("setpriv");
    unprivileged.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
    ]);
    unprivileged.arg(ikd.get_program()).args(ikd.get_args());
    fails_saying(world, &end_of(world, &mut unprivileged)?, &["CAP_NET"])
}

/// Starts ikd at headquarters with a policy file of this text, and waits for its end.
fn start(
    world: &World,
    text: &str,
    prepare: impl FnOnce(&std::path::Path) -> Result<()>,
) -> Result<Output> {
    let directory = Daemon::directory(&world.net.hq)?;
    let config = directory.join("ikd.yaml");
    std::fs::write(&config, text)?;
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600))?;
    prepare(&directory)?;
    end_of(world, &mut Ikd::command(&world.net.hq, &config))
}

fn end_of(world: &World, command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = world.net.hq.spawn(command)?;
    let ended = eventually(Duration::from_secs(20), || {
        child.try_wait().is_ok_and(|status| status.is_some())
    });
    if !ended {
        child.kill()?;
    }
    let output = child.wait_with_output()?;
    ensure!(
        ended,
        "ikd runs, though it should not:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

fn fails_saying(world: &World, output: &Output, words: &[&str]) -> Result<()> {
    let told = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    ensure!(!output.status.success(), "ikd ended well:\n{told}");
    for word in words {
        ensure!(
            told.contains(word),
            "ikd does not say {word:?}, but:\n{told}"
        );
    }
    ensure!(!told.contains("panicked"), "ikd panicked:\n{told}");
    harness::nothing_is_left(world)
}
