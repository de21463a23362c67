//! What `ikd --metrics` tells, read by Debian's Prometheus and by Prometheus' own reader of OpenMetrics for Python.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::harness::{self, PATIENCE, Test};
use crate::guest::netns::Namespace;
use crate::guest::peers::ikd::policy_file;
use crate::guest::peers::{Daemon, Gateway, Ikd, Kind, eventually};
use crate::guest::topology::{ALICE, BOB};
use crate::guest::traffic::{self, ping};
use crate::guest::world::{World, site_to_site};

const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9497);
const PROMETHEUS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("prometheus_sees_a_child_up_and_why_it_is_down", scrapes),
        Test::new("metrics_are_openmetrics_and_count_what_happens", counts),
    ]
}

fn scrapes(world: &World) -> Result<()> {
    let hq = &world.net.hq;
    let (policy, other) = site_to_site();
    let metrics = METRICS.to_string();
    let ikd = Ikd::start_with(hq, &policy_file(&policy), &["--metrics", &metrics])?;
    let mut branch = Ikd::start(&world.net.branch, &other)?;
    ikd.up("lan")?;

    well_formed(hq)?;
    let prometheus = start(hq)?;
    let outcome = told(hq, &ikd).with_context(|| prometheus.output());
    drop(prometheus);
    outcome?;
    let mut ikd = ikd;
    ikd.shut_down()?;
    branch.shut_down()?;
    harness::nothing_is_left(world)
}

/// Up, then down with the reason.
fn told(hq: &Namespace, ikd: &Ikd<'_>) -> Result<()> {
    comes_to(hq, r#"up{job="ikd"}"#, |found| {
        found == [("1", Value::Null)]
    })?;
    let child = r#"ikd_child_up{child="lan"}"#;
    comes_to(hq, child, |found| found == [("1", Value::Null)])?;
    let sent = r#"ikd_handshakes_total{result="established"}"#;
    comes_to(hq, sent, |found| {
        found.iter().any(|(number, _)| *number == "1")
    })?;

    ikd.down()?;
    comes_to(hq, child, |found| found == [("0", Value::Null)])?;
    let reason = r#"ikd_child_down_reason{child="lan"}"#;
    comes_to(
        hq,
        reason,
        |found| matches!(found, [("1", Value::String(code))] if code == "taken-down"),
    )
}

/// Fails if Prometheus' own tool has something against the text.
fn well_formed(hq: &Namespace) -> Result<()> {
    let text = get(hq, METRICS, "/metrics")?;
    ensure!(text.ends_with("# EOF\n"), "the text is cut off:\n{text}");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    promtool
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = hq.spawn(&mut promtool)?;
    child
        .stdin
        .take()
        .context("promtool's input")?
        .write_all(in_text_format(&text).as_bytes())?;
    let output = child.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "promtool check metrics: {told}\n{text}"
    );
    Ok(())
}

/// The same in Prometheus' older format, the only one that `promtool check metrics` reads: there the endings of counters and
/// infos belong to the names, and an info is a gauge.
fn in_text_format(text: &str) -> String {
    let kinds: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let translated = text.lines().filter_map(|line| {
        let mut words = line.splitn(4, ' ');
        let (Some("#"), Some(word), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Some(line.to_owned());
        };
        let (ending, kind) = match *kinds.get(name)? {
            "counter" => ("_total", "counter"),
            "info" => ("_info", "gauge"),
            kind => ("", kind),
        };
        match word {
            "TYPE" => Some(format!("# TYPE {name}{ending} {kind}")),
            "HELP" => Some(format!("# HELP {name}{ending} {}", words.next()?)),
            _ => None,
        }
    });
    translated.map(|line| line + "\n").collect()
}

fn start(hq: &Namespace) -> Result<Daemon> {
    let directory = Path::new("/run/lab/prometheus");
    let _ = std::fs::remove_dir_all(directory);
    std::fs::create_dir_all(directory)?;
    let config = directory.join("prometheus.yml");
    std::fs::write(
        &config,
        format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
  - job_name: ikd
    static_configs: [{{ targets: ['{METRICS}'] }}]
"
        ),
    )?;
    let mut prometheus = Command::new("prometheus");
    prometheus.arg(format!("--config.file={}", config.display()));
    prometheus.arg(format!(
        "--storage.tsdb.path={}",
        directory.join("data").display()
    ));
    prometheus.arg(format!("--web.listen-address={PROMETHEUS}"));
    let mut daemon = Daemon::start(hq, directory.to_owned(), &mut prometheus)?;
    daemon.wait_until("Prometheus", PATIENCE, || {
        get(hq, PROMETHEUS, "/-/ready").is_ok_and(|answer| answer.contains("Ready"))
    })?;
    Ok(daemon)
}

/// A number as Prometheus writes it, and the label `code` beside it.
type Sample<'a> = (&'a str, Value);

/// Waits until what Prometheus answers to `query` is as it should be.
fn comes_to(hq: &Namespace, query: &str, right: impl Fn(&[Sample<'_>]) -> bool) -> Result<()> {
    let path = format!("/api/v1/query?query={}", percent_encoded(query));
    let mut last = String::new();
    let came = eventually(PATIENCE, || {
        last = get(hq, PROMETHEUS, &path).unwrap_or_else(|error| format!("{error:#}"));
        let answer: Value = serde_json::from_str(&last).unwrap_or_default();
        let Some(result) = answer["data"]["result"].as_array() else {
            return false;
        };
        let samples: Vec<_> = result
            .iter()
            .filter_map(|one| Some((one["value"][1].as_str()?, one["metric"]["code"].clone())))
            .collect();
        right(&samples)
    });
    if !came {
        bail!("Prometheus answers to {query}: {last}");
    }
    Ok(())
}

/// What a server in `hq` answers to a GET.
fn get(hq: &Namespace, server: SocketAddr, path: &str) -> Result<String> {
    let mut stream = hq.run(|| TcpStream::connect(server))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer of HTTP")?;
    ensure!(head.contains(" 200 "), "{server}{path}: {head}\n{body}");
    Ok(body.to_owned())
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// Prints the samples that a server answers with, one a line.
const READER: &str = "\
import sys, urllib.request
from prometheus_client.openmetrics.parser import text_string_to_metric_families
reply = urllib.request.urlopen(sys.argv[1])
kind = reply.headers['Content-Type']
assert kind == 'application/openmetrics-text; version=1.0.0; charset=utf-8', kind
text = reply.read().decode()
for family in text_string_to_metric_families(text):
    for sample in family.samples:
        labels = ','.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))
        print(f'{sample.name} {labels} {sample.value:.0f}')
";

/// A tunnel to another's daemon comes up, carries five packets each way, and is taken down.
fn counts(world: &World) -> Result<()> {
    let net = &world.net;
    let (policy, other) = site_to_site();
    let metrics = METRICS.to_string();
    let mut ikd = Ikd::start_with(&net.hq, &policy_file(&policy), &["--metrics", &metrics])?;
    let mut branch = Kind::Strongswan.start(&net.branch, &other)?;
    let tells = |lines: &[&str]| {
        let mut told = String::new();
        // What is told may be a second old.
        let right = eventually(PATIENCE, || {
            let mut reader = Command::new("python3");
            reader.args(["-c", READER, &format!("http://{METRICS}/metrics")]);
            told = net
                .hq
                .output(&mut reader)
                .unwrap_or_else(|error| format!("{error:#}"));
            lines
                .iter()
                .all(|line| told.lines().any(|one| one == *line))
        });
        ensure!(right, "not all of {lines:#?} in:\n{told}");
        Ok(())
    };
    tells(&[
        "ikd_child_packets_total child=lan,connection=gateway,direction=in 0",
        "ikd_handshakes_total result=established,role=initiator 0",
        "ikd_events_total event=child-up 0",
    ])?;

    ikd.up("lan")?;
    let answered = ping(&net.alice, ALICE, BOB, 5, 56, traffic::PATIENCE)?;
    ensure!(answered == 5, "{answered} of 5 pings were answered");
    // The kernel counts for the namespace, in which other tests were before.
    let lost = net.hq.xfrm_counters()?.get("XfrmInNoStates");
    tells(&[
        "ikd_connection_up connection=gateway 1",
        "ikd_ike_sas state=established 1",
        "ikd_child_sas  1",
        "ikd_handshakes_total result=established,role=initiator 1",
        "ikd_child_packets_total child=lan,connection=gateway,direction=in 5",
        "ikd_child_packets_total child=lan,connection=gateway,direction=out 5",
        "ikd_child_bytes_total child=lan,connection=gateway,direction=out 420",
        "ikd_events_total event=child-up 1",
        &format!("ikd_xfrm_errors_total counter=XfrmInNoStates {lost}"),
    ])?;

    ikd.down()?;
    tells(&[
        "ikd_child_sas  0",
        "ikd_child_wanted child=lan,connection=gateway 0",
        "ikd_ike_sas_closed_total code=taken-down 1",
        // What was carried stays counted.
        "ikd_child_packets_total child=lan,connection=gateway,direction=out 5",
    ])?;
    let printed = ikd.ikctl(&["metrics"])?;
    ensure!(
        printed.ends_with("# EOF\n") && printed.contains("\nikd_child_sas 0\n"),
        "ikctl metrics prints:\n{printed}"
    );
    ikd.shut_down()?;
    branch.shut_down()?;
    harness::nothing_is_left(world)
}
