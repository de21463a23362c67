//! `--metrics` and the method `Metrics`, at the real daemon.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{Daemon, ikd, isolated, policy};
use serde_json::json;

const POLICY: &str = "\
version: 1
kernel: none
connections:
  branch:
    local:  { address: 127.0.0.1, id: hq.example.com }
    remote: { address: 127.0.0.2, id: branch.example.com }
    auth:   { psk: only-for-this-test-0123456789 }
";

fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the port is open");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("text");
    reply
}

#[test]
fn metrics_are_told_over_http_and_over_the_control_socket() {
    isolated(
        "metrics_are_told_over_http_and_over_the_control_socket",
        |directory| {
            let file = policy(directory, "hq.yaml", POLICY);
            let metrics = ["--metrics", "127.0.0.1:9497"];
            let hq = Daemon::start_with(directory, "hq", None, &file, &metrics);
            hq.wait("the daemon is ready", || !hq.events("ready").is_empty());
            assert_eq!(hq.events("metrics").len(), 1);
            let told = scrape("127.0.0.1:9497");
            assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
            let (_, text) = told.split_once("\r\n\r\n").expect("a body");
            let series = |text: &str| {
                let names = text.lines().filter_map(|line| line.rsplit_once(' '));
                names
                    .map(|(series, _)| series.to_owned())
                    .collect::<Vec<_>>()
            };
            let call = hq.call("Metrics", json!({}));
            let by_socket = call["text"].as_str().expect("a text");
            assert_eq!(series(text), series(by_socket));
            assert!(
                text.contains("\nikd_connection_up{connection=\"branch\"} 0\n"),
                "{text}"
            );

            // A connection that goes, goes from here too.
            std::fs::write(&file, POLICY.replace("branch:", "depot:")).expect("written");
            hq.call("Reload", json!({}));
            hq.wait("the former connection is gone", || {
                let told = scrape("127.0.0.1:9497");
                told.contains("connection=\"depot\"")
                    && !told.contains("connection=\"branch\"")
                    && told.contains("ikd_configurations_total{result=\"taken\"} 2")
            });
        },
    );
}

#[test]
fn metrics_are_not_served_to_other_machines() {
    let output = ikd(&["--metrics", "0.0.0.0:9497"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("loopback") && told.contains("127.0.0.1:9497"),
        "{told}"
    );
}

#[test]
fn a_port_that_is_taken_is_told() {
    isolated("a_port_that_is_taken_is_told", |directory| {
        let file = policy(directory, "hq.yaml", POLICY);
        let taken = std::net::TcpListener::bind("127.0.0.1:9497").expect("a port");
        let path = |name: &str| directory.join(name).to_str().expect("plain").to_owned();
        let output = ikd(&[
            "--config",
            file.to_str().expect("plain"),
            "--state-dir",
            &path("state"),
            "--control",
            &path("control"),
            "--metrics",
            "127.0.0.1:9497",
        ]);
        drop(taken);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains("--metrics 127.0.0.1:9497") && told.contains("ss -tlpn"),
            "{told}"
        );
    });
}
