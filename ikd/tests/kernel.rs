//! Policies in a real kernel, which needs no ESP: what is installed, what is left, and what is never touched.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Daemon, isolated, policy, run};
use nix::sys::signal::Signal;
use serde_json::json;

const POLICIES: &str = "\
version: 1
policies:
  lab:     { pass: { local: 10.1.0.0/16, remote: 10.3.0.0/16 } }
  nothing: { drop: { local: 10.1.0.0/16, remote: 0.0.0.0/0 } }
";

/// The kernel's SPD as `ip` shows it.
fn spd() -> String {
    let output = Command::new("ip")
        .args(["xfrm", "policy"])
        .output()
        .expect("ip runs");
    String::from_utf8(output.stdout).expect("text")
}

/// How many policies there are for a pair of networks, all directions.
fn count(local: &str, remote: &str) -> usize {
    let spd = spd();
    let [out, back] = [
        format!("src {local} dst {remote}"),
        format!("src {remote} dst {local}"),
    ];
    spd.lines()
        .filter(|line| line.trim() == out || line.trim() == back)
        .count()
}

fn start(directory: &Path, text: &str) -> Option<Daemon> {
    let file = policy(directory, "hq.yaml", text);
    let daemon = Daemon::spawn(directory, "hq", None, &file);
    daemon.wait("the daemon answers or ends", || {
        daemon.try_call("Version", json!({})).is_ok() || !daemon.events("start-failed").is_empty()
    });
    if let Some(failed) = daemon.events("start-failed").first() {
        println!("skipped: {}", failed["message"]);
        return None;
    }
    Some(daemon)
}

const OTHERS: &str =
    "ip xfrm policy add src 10.9.0.0/16 dst 10.8.0.0/16 dir out action block priority 5 index 9";

#[test]
fn policies_are_installed_and_gone_with_the_daemon_and_others_stay() {
    isolated(
        "policies_are_installed_and_gone_with_the_daemon_and_others_stay",
        |directory| {
            run(OTHERS);
            let Some(mut daemon) = start(directory, POLICIES) else {
                return;
            };
            daemon.wait("in, forward and out", || {
                count("10.1.0.0/16", "10.3.0.0/16") == 3
            });
            daemon.wait("the drop policy", || count("10.1.0.0/16", "0.0.0.0/0") == 3);
            let names: Vec<_> = daemon.call("List", json!({}))["policies"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|policy| policy["name"].as_str().expect("a name").to_owned())
                .collect();
            assert!(names.iter().any(|name| name == "hole-dhcp"), "{names:?}");
            daemon.signal(Signal::SIGTERM);
            assert_eq!(daemon.ended().code(), Some(0), "{}", daemon.log_text());
            assert_eq!(
                count("10.1.0.0/16", "10.3.0.0/16") + count("10.1.0.0/16", "0.0.0.0/0"),
                0,
                "{}",
                spd()
            );
            assert_eq!(
                count("10.9.0.0/16", "10.8.0.0/16"),
                1,
                "what is not ours stays: {}",
                spd()
            );
        },
    );
}

#[test]
fn a_reload_adds_and_removes_policies() {
    isolated("a_reload_adds_and_removes_policies", |directory| {
        let Some(daemon) = start(directory, POLICIES) else {
            return;
        };
        daemon.wait("installed", || count("10.1.0.0/16", "10.3.0.0/16") == 3);
        policy(
            directory,
            "hq.yaml",
            &POLICIES.replace("10.3.0.0/16", "10.4.0.0/16"),
        );
        daemon.call("Reload", json!({}));
        daemon.wait("the new one", || count("10.1.0.0/16", "10.4.0.0/16") == 3);
        daemon.wait("the old one gone", || {
            count("10.1.0.0/16", "10.3.0.0/16") == 0
        });
        assert_eq!(
            count("10.1.0.0/16", "0.0.0.0/0"),
            3,
            "what stayed in the configuration stays"
        );
    });
}

#[test]
fn what_a_killed_daemon_left_is_taken_over_or_removed() {
    isolated(
        "what_a_killed_daemon_left_is_taken_over_or_removed",
        |directory| {
            run(OTHERS);
            let Some(mut daemon) = start(directory, POLICIES) else {
                return;
            };
            daemon.wait("installed", || {
                count("10.1.0.0/16", "10.3.0.0/16") == 3 && count("10.1.0.0/16", "0.0.0.0/0") == 3
            });
            daemon.signal(Signal::SIGKILL);
            daemon.ended();
            assert_eq!(
                count("10.1.0.0/16", "10.3.0.0/16"),
                3,
                "a killed daemon's policies stay"
            );

            // Without `lab`, and `nothing` in another place: its kernel policies keep the indexes that they had.
            let Some(mut daemon) = start(
                directory,
                "version: 1\npolicies:\n  nothing: { drop: { local: 10.1.0.0/16, remote: 0.0.0.0/0 } }\n",
            ) else {
                return;
            };
            daemon.wait("what is no longer wanted is gone", || {
                count("10.1.0.0/16", "10.3.0.0/16") == 0
            });
            assert_eq!(
                count("10.1.0.0/16", "0.0.0.0/0"),
                3,
                "what is wanted was there all the time"
            );
            daemon.wait("told", || !daemon.events("kernel-swept").is_empty());
            daemon.signal(Signal::SIGTERM);
            assert_eq!(daemon.ended().code(), Some(0), "{}", daemon.log_text());
            assert_eq!(count("10.1.0.0/16", "0.0.0.0/0"), 0, "{}", spd());
            assert_eq!(
                count("10.9.0.0/16", "10.8.0.0/16"),
                1,
                "what is not ours stays: {}",
                spd()
            );
        },
    );
}
