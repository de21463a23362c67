//! The control socket as other programs use it: systemd's `varlinkctl`, and a client in Python that was written from the
//! interface's description alone.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::harness::{self, PATIENCE, Test};
use crate::guest::peers::{Gateway, Ikd, Kind, eventually};
use crate::guest::world::{World, site_to_site};

const CLIENT: &str = include_str!("../../../../ikapi/examples/monitor.py");
const INTERFACE: &str = "org.ikd.Control";

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "control::varlinkctl_introspects_calls_and_follows",
            varlinkctl,
        ),
        Test::new("control::a_client_in_python_lists_and_follows", python),
    ]
}

fn varlinkctl(world: &World) -> Result<()> {
    if Command::new("varlinkctl")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("skipped: e2e::control::varlinkctl: no varlinkctl in this guest");
        return Ok(());
    }
    let net = &world.net;
    let (hq, branch) = site_to_site();
    let mut at_hq = Ikd::start(&net.hq, &hq)?;
    let mut at_branch = Kind::Strongswan.start(&net.branch, &branch)?;
    let socket = at_hq.socket();
    let varlinkctl = |arguments: &[&str]| {
        let mut command = Command::new("varlinkctl");
        command.arg("--json=short").args(arguments);
        net.hq.output(&mut command)
    };
    let socket = socket.to_str().context("a plain path")?;
    let told = varlinkctl(&["introspect", socket, INTERFACE])?;
    ensure!(
        told.contains("Monitor") && told.contains("SetLog"),
        "introspected:\n{told}"
    );
    let told = varlinkctl(&["call", socket, "org.ikd.Control.Status", "{}"])?;
    let status: Value = serde_json::from_str(told.trim())?;
    ensure!(status["kernel"]["mode"] == "xfrm", "status: {status}");

    let events = Path::new("/run/lab").join("varlinkctl.events");
    let mut following = {
        let mut command = Command::new("varlinkctl");
        command
            .args([
                "--json=short",
                "--more",
                "--timeout=infinity",
                "call",
                socket,
            ])
            .args(["org.ikd.Control.Monitor", r#"{"events":["child-up"]}"#])
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&events)?);
        net.hq.run(|| command.spawn())?
    };
    let said = |what: &str| std::fs::read_to_string(&events).is_ok_and(|said| said.contains(what));
    let stands = eventually(PATIENCE, || said("missed"));
    let followed = stands
        .then(|| at_hq.up("lan"))
        .map(|up| up.map(|_| eventually(PATIENCE, || said("child-up"))));
    let _ = following.kill();
    let _ = following.wait();
    ensure!(stands, "the monitor does not stand");
    ensure!(
        followed.transpose()? == Some(true),
        "the Child SA was not told"
    );
    at_hq.shut_down()?;
    at_branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn python(world: &World) -> Result<()> {
    let net = &world.net;
    let (hq, branch) = site_to_site();
    let mut at_hq = Ikd::start(&net.hq, &hq)?;
    let mut at_branch = Kind::Strongswan.start(&net.branch, &branch)?;
    let events = Path::new("/run/lab").join("python.events");
    let mut client = {
        let mut command = Command::new("python3");
        command
            .args(["-c", CLIENT])
            .arg(at_hq.socket())
            .args(["--count", "3"])
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&events)?);
        net.hq.run(|| command.spawn())?
    };
    let said = || std::fs::read_to_string(&events).unwrap_or_default();
    // It follows a moment after it has listed; somebody who asks for something is an event.
    let listed = eventually(PATIENCE, || said().contains("gateway: "));
    let ended = eventually(PATIENCE, || {
        let _ = at_hq.ikctl(&["log", "default"]);
        client.try_wait().is_ok_and(|ended| ended.is_some())
    });
    let _ = client.kill();
    let status = client.wait()?;
    ensure!(listed && ended && status.success(), "{status}:\n{}", said());
    ensure!(said().contains(" operator "), "not followed:\n{}", said());
    at_hq.shut_down()?;
    at_branch.shut_down()?;
    harness::nothing_is_left(world)
}
