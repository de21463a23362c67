//! How ikd starts, and how it says that it cannot.

mod common;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{Daemon, ikd, isolated, policy};
use nix::sys::signal::Signal;
use serde_json::json;

const GOOD: &str = "\
version: 1
kernel: none
connections:
  branch:
    local:  { address: 192.0.2.1, id: hq.example.com }
    remote: { address: 198.51.100.7, id: branch.example.com }
    auth:   { psk: \"only-for-this-test-0123456789\" }
";

/// A directory outside of namespaces; removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ikd-start-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("created");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("plain characters")
}

/// Arguments for a daemon that keeps to a directory.
fn arguments<'a>(directory: &'a str, config: &'a str, control: &'a str) -> [&'a str; 6] {
    [
        "--config",
        config,
        "--state-dir",
        directory,
        "--control",
        control,
    ]
}

#[test]
fn a_good_file_passes_the_check() {
    let scratch = Scratch::new("good");
    let good = policy(&scratch.0, "good.yaml", GOOD);
    let output = ikd(&["--check", "--config", text(&good)]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_bad_file_is_told_with_its_place_and_nothing_starts() {
    let scratch = Scratch::new("bad");
    let bad = policy(
        &scratch.0,
        "bad.yaml",
        &GOOD.replace("address: 192.0.2.1", "adress: 192.0.2.1"),
    );
    for check in [&["--check"][..], &[]] {
        let output = ikd(&[check, &["--config", text(&bad)]].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.contains("bad.yaml:5:") && told.contains("address"),
            "{told}"
        );
        assert!(
            !told.contains("only-for-this-test"),
            "a secret in an error: {told}"
        );
    }
}

#[test]
fn a_bad_file_is_told_in_json_where_the_log_is() {
    let scratch = Scratch::new("json");
    let bad = policy(&scratch.0, "bad.yaml", "version: 7\n");
    let output = ikd(&["--check", "--log-format", "json", "--config", text(&bad)]);
    assert_eq!(output.status.code(), Some(2));
    for line in String::from_utf8(output.stderr).expect("UTF-8").lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(
            (&line["event"], &line["level"]),
            (&json!("configuration-problem"), &json!("error"))
        );
        assert!(
            line["time"].is_string() && line["code"].is_string() && line["message"].is_string()
        );
    }
}

#[test]
fn a_secret_that_cannot_be_read_or_that_others_can_read_is_refused() {
    let scratch = Scratch::new("secret");
    let elsewhere = GOOD.replace("\"only-for-this-test-0123456789\"", "{ file: branch.psk }");
    let file = policy(&scratch.0, "hq.yaml", &elsewhere);
    let output = ikd(&["--config", text(&file)]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("branch.psk"), "{told}");

    let secret = policy(&scratch.0, "branch.psk", "only-for-this-test-0123456789\n");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).expect("set");
    let output = ikd(&["--config", text(&file)]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("chmod"), "{told}");
}

#[test]
fn a_port_in_use_is_named() {
    isolated("a_port_in_use_is_named", |directory| {
        let file = policy(directory, "hq.yaml", GOOD);
        let _taken = UdpSocket::bind("0.0.0.0:4500").expect("free in our own namespace");
        let control = directory.join("control");
        let output = ikd(&arguments(text(directory), text(&file), text(&control)));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(
            told.contains("UDP port 4500 is in use") && told.contains("ss -ulpn"),
            "{told}"
        );
        assert!(!control.exists(), "nothing is left behind");
    });
}

#[test]
fn a_kernel_without_esp_is_told_in_its_own_words() {
    isolated(
        "a_kernel_without_esp_is_told_in_its_own_words",
        |directory| {
            let child =
                "    children:\n      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16, keep: up }\n";
            let file = policy(
                directory,
                "hq.yaml",
                &format!("{}{child}", GOOD.replace("kernel: none\n", "")),
            );
            if fs::read_to_string("/proc/crypto").is_ok_and(|list| list.contains("authenc")) {
                return println!("skipped: this kernel seems to have ESP");
            }
            let control = directory.join("control");
            let output = ikd(&arguments(text(directory), text(&file), text(&control)));
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.code() == Some(0) {
                return println!("skipped: this kernel has ESP");
            }
            assert_eq!(output.status.code(), Some(5), "{told}");
            assert!(
                told.contains("no ESP over IPv4")
                    && told.contains("esp4")
                    && told.contains("kernel: none"),
                "{told}"
            );
            assert!(!control.exists(), "nothing is left behind");
        },
    );
}

#[test]
fn missing_privileges_are_named() {
    isolated("missing_privileges_are_named", |directory| {
        let file = policy(directory, "hq.yaml", &GOOD.replace("kernel: none\n", ""));
        let control = directory.join("control");
        let drop = "setpriv --bounding-set=-net_admin,-net_bind_service --inh-caps=-net_admin,-net_bind_service";
        let mut words = drop.split_whitespace();
        let output = std::process::Command::new(words.next().expect("a program"))
            .args(words)
            .arg(env!("CARGO_BIN_EXE_ikd"))
            .args(arguments(text(directory), text(&file), text(&control)))
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) => return println!("skipped: no setpriv here: {error}"),
        };
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{told}");
        assert!(told.contains("CAP_NET_ADMIN"), "{told}");
    });
}

#[test]
fn a_second_daemon_in_the_same_place_is_refused() {
    isolated(
        "a_second_daemon_in_the_same_place_is_refused",
        |directory| {
            let file = policy(directory, "hq.yaml", GOOD);
            let first = Daemon::start(directory, "hq", None, &file);
            let (state, other) = (directory.join("hq"), directory.join("other"));
            for state in [&state, &other] {
                let output = ikd(&arguments(text(state), text(&file), text(&first.control)));
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(6), "{told}");
                assert!(told.contains("another ikd"), "{told}");
            }
            first.call("Version", json!({}));
        },
    );
}

#[test]
fn the_control_socket_answers_and_a_signal_ends_the_daemon() {
    isolated(
        "the_control_socket_answers_and_a_signal_ends_the_daemon",
        |directory| {
            let file = policy(directory, "hq.yaml", GOOD);
            let mut daemon = Daemon::start(directory, "hq", None, &file);
            let mode = fs::metadata(&daemon.control)
                .expect("there")
                .permissions()
                .mode()
                & 0o777;
            assert_eq!(mode, 0o666, "who is served is decided by who it is");
            assert_eq!(
                daemon.call("Version", json!({}))["version"],
                env!("CARGO_PKG_VERSION")
            );

            let status = daemon.call("Status", json!({}));
            assert_eq!(status["kernel"]["mode"], "none");
            assert_eq!(status["configuration"]["connections"], 1);
            assert_eq!(status["counts"]["connections"], 1);

            let list = daemon.call("List", json!({}));
            assert_eq!(list["connections"][0]["name"], "branch");
            assert_eq!(list["connections"][0]["remote"]["address"], "198.51.100.7");
            let error = daemon
                .try_call("Down", json!({ "connection": "brnch" }))
                .expect_err("a typing mistake");
            assert!(error.to_string().contains("brnch"), "{error}");

            assert_eq!(daemon.events("preflight")[0]["code"], "kernel-none");
            daemon.signal(Signal::SIGTERM);
            assert_eq!(daemon.ended().code(), Some(0), "{}", daemon.log_text());
            assert!(!daemon.control.exists(), "the socket goes with the daemon");
            assert!(
                !daemon.log_text().contains("only-for-this-test"),
                "a secret in the log"
            );
        },
    );
}

#[test]
fn a_reload_takes_good_files_and_leaves_bad_ones() {
    isolated(
        "a_reload_takes_good_files_and_leaves_bad_ones",
        |directory| {
            let file = policy(directory, "hq.yaml", GOOD);
            let daemon = Daemon::start(directory, "hq", None, &file);
            let more = GOOD
                .replace("  branch:\n", "  second:\n")
                .replace("198.51.100.7", "198.51.100.8");
            let more = more
                .split_once("connections:\n")
                .expect("has connections")
                .1;
            policy(directory, "hq.yaml", &format!("{GOOD}{more}"));
            let reloaded = daemon.call("Reload", json!({}));
            assert_eq!(
                reloaded,
                json!({ "added": ["second"], "removed": [], "changed": [] })
            );

            policy(directory, "hq.yaml", "version: 1\nconections: {}\n");
            daemon.signal(Signal::SIGHUP);
            daemon.wait("the reload is refused", || {
                !daemon.events("reload-failed").is_empty()
            });
            let status = daemon.call("Status", json!({}));
            assert_eq!(
                status["configuration"]["connections"], 2,
                "a bad file changes nothing"
            );
            assert_eq!(
                status["configuration"]["last_reload_error"]["code"],
                "bad-configuration"
            );
            let error = daemon.try_call("Reload", json!({})).expect_err("still bad");
            assert!(error.to_string().contains("not read again"), "{error}");

            policy(directory, "hq.yaml", &GOOD.replace("kernel: none\n", ""));
            let error = daemon
                .try_call("Reload", json!({}))
                .expect_err("another kernel mode");
            assert!(error.to_string().contains("not read again"), "{error}");

            policy(directory, "hq.yaml", GOOD);
            assert_eq!(
                daemon.call("Reload", json!({}))["removed"],
                json!(["second"])
            );
            assert!(
                daemon.call("Status", json!({}))["configuration"]["last_reload_error"].is_null()
            );
        },
    );
}

#[test]
fn a_client_may_end_the_daemon_and_gets_its_answer() {
    isolated(
        "a_client_may_end_the_daemon_and_gets_its_answer",
        |directory| {
            let file = policy(directory, "hq.yaml", GOOD);
            let mut daemon = Daemon::start(directory, "hq", None, &file);
            daemon.call("Shutdown", json!({}));
            assert_eq!(daemon.ended().code(), Some(0), "{}", daemon.log_text());
            assert!(!daemon.control.exists());
        },
    );
}

#[test]
fn silent_and_talkative_clients_do_not_keep_others_out() {
    isolated(
        "silent_and_talkative_clients_do_not_keep_others_out",
        |directory| {
            use std::io::{Read, Write};
            use std::os::unix::net::UnixStream;
            let file = policy(directory, "hq.yaml", GOOD);
            let daemon = Daemon::start(directory, "hq", None, &file);
            let connect = || UnixStream::connect(&daemon.control).expect("connected");
            let silent: Vec<_> = (0..20).map(|_| connect()).collect();
            let mut endless = connect();
            let garbage = vec![b'x'; 1 << 20];
            let refused = endless
                .write_all(&garbage)
                .and_then(|()| endless.read(&mut [0; 1]));
            assert!(
                refused.is_err() || refused.is_ok_and(|read| read == 0),
                "a call without end is cut off"
            );
            daemon.call("Status", json!({}));
            let crowd: Vec<_> = (0..40).map(|_| connect()).collect();
            drop(silent);
            drop(crowd);
            daemon.wait("there is room again", || {
                daemon.try_call("Status", json!({})).is_ok()
            });
        },
    );
}
