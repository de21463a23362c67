//! Failures and refusals, and daemons that are not there, hang or talk nonsense: words and exit codes.

use std::fs;
use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Daemon, Directory, end, expect, expect_messages, ikctl};

#[test]
fn a_failure_says_why_and_what_to_change() {
    let failure = serde_json::json!({
        "code": "authentication_failed", "step": "IKE_AUTH", "peer": "198.51.100.7:500", "at": 1,
        "summary": "the peer does not know our secret: it says AUTHENTICATION_FAILED",
        "detail": ["we said we are      hq.example.com", "we asked the peer for branch.example.com, with a secret from /etc/ikd/branch.psk (24 bytes)"],
        "suggestion": "compare the secret at both ends, and the identity the peer expects of us"
    });
    let daemon = Daemon::refusing(
        "up-failed",
        "org.ikd.Control.Failed",
        serde_json::json!({ "failure": &failure }),
    );
    let (_, ended) = daemon.run(&["up", "branch", "--json"]);
    assert_eq!(ended.code, 1);
    expect("up-failed.txt", &ended.stderr);
    let printed: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(printed["error"], "org.ikd.Control.Failed");
    assert_eq!(printed["parameters"]["failure"], failure);

    let timeout = serde_json::json!({ "failure": failure });
    let (_, ended) =
        Daemon::refusing("up-timeout", "org.ikd.Control.Timeout", timeout).run(&["up", "branch"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    expect("up-timeout.txt", &ended.stderr);
}

#[test]
fn every_refusal_has_its_words_and_its_exit_code() {
    let refusals = [
        (
            "NotFound",
            r#"{"what":"connection","name":"brnch","nearest":"branch"}"#,
            5,
        ),
        (
            "NotFound",
            r#"{"what":"child","name":"lan","nearest":null}"#,
            5,
        ),
        ("PermissionDenied", r#"{"needs":"root or group ikd"}"#, 4),
        ("Timeout", r#"{"failure":null}"#, 1),
        ("Busy", r#"{"reason":"another reload is under way"}"#, 1),
        ("Tired", r#"{"since":"yesterday"}"#, 1),
    ];
    let standard = [
        (
            "InvalidParameter",
            r#"{"parameter":"timeout_seconds: too long"}"#,
            1,
        ),
        ("MethodNotFound", r#"{"method":"org.ikd.Control.Up"}"#, 1),
        ("ExpectedMore", "{}", 1),
    ];
    let own = refusals
        .map(|(name, parameters, code)| (format!("org.ikd.Control.{name}"), parameters, code));
    let standard = standard
        .map(|(name, parameters, code)| (format!("org.varlink.service.{name}"), parameters, code));
    let mut told = String::new();
    for (name, parameters, code) in own.into_iter().chain(standard) {
        let daemon = Daemon::refusing("refusal", &name, serde_json::from_str(parameters).unwrap());
        let (_, ended) = daemon.run(&["up", "brnch"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{name}");
        told += &ended.stderr;
    }
    expect_messages("refusals.txt", &told);
}

#[test]
fn a_daemon_that_is_not_there_is_told_in_one_line() {
    let directory = Directory::new("absent");
    let mut told = String::new();
    let ended = ikctl(&directory, &["status"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    told += &ended.stderr;

    drop(UnixListener::bind(directory.socket()).unwrap()); // leaves the file behind
    let ended = ikctl(&directory, &["list", "--json"]);
    assert_eq!(ended.code, 3);
    told += &ended.stderr;
    let printed: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(printed["error"], "ikctl.NoAnswer");
    expect_messages("not-there.txt", &told);
}

#[test]
fn a_daemon_that_dies_hangs_or_talks_nonsense_is_told_apart() {
    let mut told = String::new();
    for reply in [
        "",
        "{\"parameters\":{\"vers",
        "220 mail.example.com ESMTP\u{1b}[31m\0",
        "{\"parameters\":{\"pid\":\"x\"}}\0",
    ] {
        let (_, ended) = Daemon::start("sick", reply).run(&["status"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (3, ""), "{reply}");
        told += &ended.stderr;
    }
    let hanging = Daemon::serving("hanging", |stream| {
        let _ = stream.read(&mut [0]); // until the client has gone
    });
    let (_, ended) = hanging.run(&["status", "--timeout", "50ms"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    told += &ended.stderr;
    assert!(!told.contains('\u{1b}'));
    expect_messages("sick.txt", &told);
}

#[test]
fn who_may_not_ask_is_told_who_may() {
    if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        println!("skipped: only root can become somebody who may not open root's socket");
        return;
    }
    // Nobody must be able to run the binary, wherever it was built.
    let directory = Directory::new("forbidden");
    let copy = directory.0.join("ikctl");
    // By another process: a descriptor of ours, open for writing, could be inherited by a child that another test starts.
    let copied = Command::new("cp")
        .args([env!("CARGO_BIN_EXE_ikctl").as_ref(), copy.as_os_str()])
        .status();
    assert!(copied.unwrap().success());
    let closed = directory.0.join("closed");
    fs::create_dir(&closed).unwrap();
    let _listeners = [directory.socket(), closed.join("control")].map(|path| {
        let listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o660)).unwrap();
        listener
    });
    chown(directory.socket(), None, Some(12345)).unwrap();
    for (path, mode) in [(&directory.0, 0o755), (&closed, 0o700)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let as_nobody = |socket: PathBuf| {
        let mut command = Command::new(&copy);
        command
            .env_clear()
            .uid(65534)
            .gid(65534)
            .arg("--socket")
            .arg(socket)
            .arg("status");
        end(&directory, &mut command)
    };
    let [open, hidden] = [
        as_nobody(directory.socket()),
        as_nobody(closed.join("control")),
    ];
    assert_eq!((open.code, open.stdout.as_str()), (4, ""));
    assert_eq!((hidden.code, hidden.stdout.as_str()), (4, ""));
    expect_messages(
        "not-allowed.txt",
        &format!("{}{}", open.stderr, hidden.stderr),
    );
}
