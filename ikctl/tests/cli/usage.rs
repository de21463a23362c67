//! How `ikctl` is called, without a daemon: version, help, wrong usage, the environment.

use std::process::Command;

use crate::support::{Daemon, Directory, command, end, expect, ikctl};

#[test]
fn version_needs_no_daemon() {
    let ours = env!("CARGO_PKG_VERSION");
    let ended = ikctl(&Directory::new("version-alone"), &["version"]);
    assert_eq!(ended.code, 0);
    assert!(
        ended
            .stdout
            .starts_with(&format!("ikctl {ours}\nikd does not answer at ")),
        "{}",
        ended.stdout
    );

    let (_, ended) =
        Daemon::start("version", "{\"parameters\":{\"version\":\"9.9\"}}\0").run(&["version"]);
    assert_eq!(ended.stdout, format!("ikctl {ours}\nikd 9.9\n"));
    let (_, ended) = Daemon::start("version-json", "{\"parameters\":{\"version\":\"9.9\"}}\0")
        .run(&["version", "--json"]);
    assert_eq!(
        ended.stdout,
        format!("{{\n  \"ikctl\": \"{ours}\",\n  \"ikd\": \"9.9\"\n}}\n")
    );
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    let directory = Directory::new("usage");
    let wrong: &[&[&str]] = &[
        &[],
        &["dance"],
        &["up"],
        &["list", "a", "b"],
        &["status", "--timeout", "soon"],
        &["check"],
    ];
    for arguments in wrong {
        assert_eq!(ikctl(&directory, arguments).code, 2, "{arguments:?}");
    }
    let help = ikctl(&directory, &["--help"]);
    assert_eq!(help.code, 0);
    expect("help.txt", &help.stdout);
    expect(
        "help-list.txt",
        &ikctl(&directory, &["help", "list"]).stdout,
    );
}

#[test]
fn the_socket_may_come_from_the_environment() {
    let directory = Directory::new("environment");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ikctl"));
    command
        .env_clear()
        .env("IKCTL_SOCKET", directory.socket())
        .arg("status");
    let ended = end(&directory, &mut command);
    assert!(
        ended.stderr.contains("at /run/ikd/control: no such file"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let daemon = Daemon::replying("pipe", "list.json");
    let mut child = command(&daemon.directory, &["list"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    daemon.thread.join().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
