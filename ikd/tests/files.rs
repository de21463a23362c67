//! Files that change while the daemon runs: taken by themselves, all or nothing. Without ESP (`kernel: none`), so that it
//! runs on any kernel.

mod common;

use std::fs;
use std::path::Path;

use common::{Daemon, isolated, policy, wire};
use serde_json::json;

const SECRET: &str = "only-for-this-test-0123456789";
const OTHER: &str = "quite-another-secret-9876543210";

/// A policy whose secret stands in a file beside it.
fn text(local: (&str, &str), remote: (&str, &str), secret: &str) -> String {
    format!(
        "version: 1\nkernel: none\nconnections:\n  tunnel:\n    local: {{ address: {}, id: {} }}\n    \
         remote: {{ address: {}, id: {} }}\n    auth: {{ psk: {{ file: {secret} }} }}\n",
        local.0, local.1, remote.0, remote.1
    )
}

const HQ: (&str, &str) = ("192.0.2.1", "hq.example.com");
const BRANCH: (&str, &str) = ("192.0.2.2", "branch.example.com");

/// Replaces a file as certificate tools do it.
fn replace(directory: &Path, name: &str, content: &str) {
    let new = policy(directory, &format!("{name}.new"), content);
    fs::rename(new, directory.join(name)).expect("renamed");
}

#[test]
fn a_secret_that_is_replaced_is_in_force_without_anybody_asking() {
    isolated(
        "a_secret_that_is_replaced_is_in_force_without_anybody_asking",
        |directory| {
            wire();
            policy(directory, "hq.psk", SECRET);
            policy(directory, "branch.psk", OTHER);
            let file = policy(directory, "hq.yaml", &text(HQ, BRANCH, "hq.psk"));
            let hq = Daemon::start(directory, "hq", Some("hq"), &file);
            let file = policy(directory, "branch.yaml", &text(BRANCH, HQ, "branch.psk"));
            let branch = Daemon::start(directory, "branch", Some("branch"), &file);
            let up = json!({ "connection": "tunnel", "wait": true, "timeout_seconds": 20 });
            hq.try_call("Up", up.clone())
                .expect_err("the secrets differ");
            replace(directory, "branch.psk", SECRET);
            branch.wait("the new secret is in force", || {
                !branch.events("files-changed").is_empty()
            });
            assert_eq!(hq.call("Up", up)["state"], "up");
            for daemon in [&hq, &branch] {
                let sa = &daemon.call("List", json!({}))["connections"][0]["ike_sas"][0];
                assert_eq!(sa["local_auth"]["method"], "psk");
                assert_eq!(sa["remote_auth"]["method"], "psk");
                assert_eq!(daemon.events("ike-sa-established")[0]["proof"], "psk");
                assert!(!daemon.log_text().contains(SECRET), "a secret in the log");
            }
            // Again, with the IKE SA up: it stays.
            replace(directory, "branch.psk", OTHER);
            branch.wait("the other secret is in force", || {
                branch.events("files-changed").len() == 2
            });
            assert_eq!(branch.call("Status", json!({}))["counts"]["ike_sas"], 1);
            assert!(branch.events("ike-sa-closed").is_empty());
        },
    );
}

#[test]
fn a_file_that_is_bad_now_changes_nothing_and_is_told_once() {
    isolated(
        "a_file_that_is_bad_now_changes_nothing_and_is_told_once",
        |directory| {
            policy(directory, "hq.psk", SECRET);
            let file = policy(directory, "hq.yaml", &text(HQ, BRANCH, "hq.psk"));
            let daemon = Daemon::start(directory, "hq", None, &file);
            replace(directory, "hq.psk", "0x0");
            daemon.wait("the reload is refused", || {
                !daemon.events("reload-failed").is_empty()
            });
            let refused =
                || daemon.call("Status", json!({}))["configuration"]["last_reload_error"].clone();
            assert_eq!(refused()["code"], "bad-configuration");
            assert!(
                refused()["detail"].to_string().contains("hq.psk"),
                "{}",
                refused()
            );
            // Long enough for the watcher to look a few times more.
            let looks = std::time::Instant::now() + std::time::Duration::from_secs(4);
            daemon.wait("it has looked again", || std::time::Instant::now() > looks);
            assert_eq!(daemon.events("reload-failed").len(), 1, "once per change");
            replace(directory, "hq.psk", OTHER);
            daemon.wait("the good one is taken", || refused().is_null());
            assert_eq!(daemon.events("files-changed").len(), 1);
        },
    );
}

#[test]
fn a_policy_that_somebody_is_writing_is_not_taken_because_another_file_has_changed() {
    isolated(
        "a_policy_that_somebody_is_writing_is_not_taken_because_another_file_has_changed",
        |directory| {
            policy(directory, "hq.psk", SECRET);
            let before = text(HQ, BRANCH, "hq.psk");
            let file = policy(directory, "hq.yaml", &before);
            let daemon = Daemon::start(directory, "hq", None, &file);
            policy(
                directory,
                "hq.yaml",
                &before.replace(BRANCH.1, "not-yet.example.com"),
            );
            replace(directory, "hq.psk", OTHER);
            daemon.wait("the reload is refused", || {
                !daemon.events("reload-failed").is_empty()
            });
            assert_eq!(daemon.events("reload-failed")[0]["code"], "policy-changed");
            let remote =
                || daemon.call("List", json!({}))["connections"][0]["remote"]["id"].clone();
            assert_eq!(remote(), BRANCH.1);
            assert_eq!(
                daemon.call("Reload", json!({}))["changed"],
                json!(["tunnel"])
            );
            assert_eq!(remote(), "not-yet.example.com");
        },
    );
}

#[test]
fn what_bites_is_told_once_and_an_address_that_nobody_has_with_what_to_do() {
    isolated(
        "what_bites_is_told_once_and_an_address_that_nobody_has_with_what_to_do",
        |directory| {
            policy(directory, "hq.psk", SECRET);
            let file = policy(directory, "hq.yaml", &text(HQ, BRANCH, "hq.psk"));
            let daemon = Daemon::start(directory, "hq", None, &file);
            daemon.call("Reload", json!({}));
            daemon.call("Reload", json!({}));
            assert_eq!(daemon.events("preflight").len(), 1, "kernel-none, once");
            daemon.call("Up", json!({ "connection": "tunnel", "wait": false }));
            daemon.wait("what cannot be sent is told", || {
                !daemon.events("send-failed").is_empty()
            });
            let told = &daemon.events("send-failed")[0];
            assert!(
                told["message"]
                    .as_str()
                    .expect("text")
                    .contains("192.0.2.1"),
                "{told}"
            );
        },
    );
}
