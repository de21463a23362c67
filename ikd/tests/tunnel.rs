//! Two daemons in two network namespaces, joined by a wire. Without ESP (`kernel: none`), so that it runs on any kernel:
//! IKE SAs without children. What the kernel does with SAs is tested where there is a kernel that has ESP.

mod common;

use std::net::UdpSocket;
use std::path::Path;

use common::{Daemon, isolated, policy, wire};
use nix::sys::signal::Signal;
use serde_json::json;

fn side(
    directory: &Path,
    name: &str,
    local: (&str, &str),
    remote: (&str, &str),
    secret: &str,
) -> Daemon {
    let text = format!(
        "version: 1\nkernel: none\nconnections:\n  tunnel:\n    local: {{ address: {}, id: {} }}\n    \
         remote: {{ address: {}, id: {} }}\n    auth: {{ psk: \"{secret}\" }}\n",
        local.0, local.1, remote.0, remote.1
    );
    let file = policy(directory, &format!("{name}.yaml"), &text);
    Daemon::start(directory, name, Some(name), &file)
}

const HQ: (&str, &str) = ("192.0.2.1", "hq.example.com");
const BRANCH: (&str, &str) = ("192.0.2.2", "branch.example.com");
const SECRET: &str = "only-for-this-test-0123456789";

fn ike_sas(daemon: &Daemon) -> Vec<serde_json::Value> {
    let list = daemon.call("List", json!({}));
    list["connections"][0]["ike_sas"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[test]
fn two_daemons_agree_and_say_goodbye() {
    isolated("two_daemons_agree_and_say_goodbye", |directory| {
        wire();
        let mut hq = side(directory, "hq", HQ, BRANCH, SECRET);
        let branch = side(directory, "branch", BRANCH, HQ, SECRET);
        let up = hq.call(
            "Up",
            json!({ "connection": "tunnel", "wait": true, "timeout_seconds": 20 }),
        );
        assert_eq!(up["state"], "up");
        let (ours, theirs) = (ike_sas(&hq), ike_sas(&branch));
        assert_eq!((ours.len(), theirs.len()), (1, 1));
        for field in ["initiator_spi", "responder_spi", "suite"] {
            assert_eq!(ours[0][field], theirs[0][field], "{field}");
        }
        assert_eq!(
            (&ours[0]["role"], &theirs[0]["role"]),
            (&json!("initiator"), &json!("responder"))
        );
        assert_eq!(
            (&ours[0]["remote_id"], &theirs[0]["remote_id"]),
            (&json!(BRANCH.1), &json!(HQ.1))
        );
        assert_eq!(
            branch.events("ike-sa-established")[0]["peer"],
            "192.0.2.1:500"
        );

        hq.signal(Signal::SIGTERM);
        assert_eq!(hq.ended().code(), Some(0), "{}", hq.log_text());
        branch.wait("the peer's goodbye has arrived", || {
            ike_sas(&branch).is_empty()
        });
        for daemon in [&hq, &branch] {
            assert!(!daemon.log_text().contains(SECRET), "a secret in the log");
        }
    });
}

#[test]
fn a_wrong_secret_is_told_on_both_sides() {
    isolated("a_wrong_secret_is_told_on_both_sides", |directory| {
        wire();
        let hq = side(directory, "hq", HQ, BRANCH, SECRET);
        let branch = side(
            directory,
            "branch",
            BRANCH,
            HQ,
            "quite-another-secret-9876543210",
        );
        let up = json!({ "connection": "tunnel", "wait": true, "timeout_seconds": 20 });
        let error = hq.try_call("Up", up).expect_err("the secrets differ");
        assert!(
            error.to_string().contains("AUTHENTICATION_FAILED"),
            "{error}"
        );
        branch.wait("the responder tells why", || {
            branch.log_text().contains("\"code\":\"wrong-secret\"")
        });
        assert!(ike_sas(&branch).is_empty(), "nothing is left of it");
    });
}

#[test]
fn a_daemon_that_nobody_answers_ends_in_time() {
    isolated("a_daemon_that_nobody_answers_ends_in_time", |directory| {
        wire();
        let mut hq = side(directory, "hq", HQ, BRANCH, SECRET);
        hq.call("Up", json!({ "connection": "tunnel", "wait": false }));
        hq.signal(Signal::SIGINT);
        hq.ended();
        assert!(!hq.control.exists());
    });
}

#[test]
fn garbage_does_not_stop_the_daemon() {
    isolated("garbage_does_not_stop_the_daemon", |directory| {
        let text = format!(
            "version: 1\nkernel: none\nconnections:\n  anybody:\n    local: {{ id: {} }}\n    \
             remote: {{ id: {} }}\n    auth: {{ psk: \"{SECRET}\" }}\n",
            HQ.1, BRANCH.1
        );
        let file = policy(directory, "hq.yaml", &text);
        let hq = Daemon::start(directory, "hq", None, &file);
        let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..20_000_u32 {
            let length = usize::try_from(random() % 400).expect("small");
            let mut datagram: Vec<u8> = (0..length).map(|_| random().to_be_bytes()[0]).collect();
            // Every other one has a header that can be believed: IKE_SA_INIT, version 2, the right length.
            if round % 2 == 0 && length >= 28 {
                datagram[8..16].fill(0);
                datagram[16..20].copy_from_slice(&[33, 0x20, 34, 0x08]);
                datagram[20..24].fill(0);
                datagram[24..28]
                    .copy_from_slice(&u32::try_from(length).expect("small").to_be_bytes());
            }
            let port = if round % 3 == 0 { 4500 } else { 500 };
            // A full buffer at the other end is part of a flood.
            let _ = sender.send_to(&datagram, ("127.0.0.1", port));
        }
        let status = hq.call("Status", json!({}));
        assert_eq!(status["counts"]["ike_sas"], 0);
        let lines = hq.log_text().lines().count();
        assert!(lines < 1000, "{lines} lines in the log for 20000 datagrams");
    });
}
