//! What `status` and `list` print, in words and as JSON, and that nothing from a peer steers the terminal.

use std::fs;
use std::path::Path;

use crate::support::{Daemon, expect};

#[test]
fn status_is_told() {
    let (call, ended) = Daemon::replying("status", "status.json").run(&["status"]);
    assert_eq!(
        call,
        r#"{"method":"org.ikd.Control.Status","parameters":{}}"#
    );
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    expect("status.txt", &ended.stdout);
}

#[test]
fn status_tells_what_is_wrong() {
    let (_, ended) = Daemon::replying("status-trouble", "status-trouble.json").run(&["status"]);
    assert_eq!(ended.code, 0);
    expect("status-trouble.txt", &ended.stdout);
}

#[test]
fn list_shows_connections_sas_policies_and_strangers() {
    let (call, ended) = Daemon::replying("list", "list.json").run(&["list"]);
    assert_eq!(
        call,
        r#"{"method":"org.ikd.Control.List","parameters":{"connection":null,"failed":false},"more":true}"#
    );
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    expect("list.txt", &ended.stdout);
}

#[test]
fn list_asks_for_what_was_named() {
    let (call, ended) =
        Daemon::start("list-named", "{\"parameters\":{}}\0").run(&["list", "branch", "--failed"]);
    assert!(
        call.contains(r#""parameters":{"connection":"branch","failed":true}"#),
        "{call}"
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "nothing has failed\n")
    );
    let (_, ended) = Daemon::start("list-empty", "{\"parameters\":{}}\0").run(&["list"]);
    assert_eq!(
        ended.stdout,
        "there are no connections in ikd's configuration\n"
    );
}

#[test]
fn json_is_the_reply_as_it_came() {
    let (_, ended) = Daemon::replying("json", "list.json").run(&["--json", "list"]);
    assert_eq!(ended.code, 0);
    let reply =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replies/list.json"))
            .unwrap();
    let [printed, sent]: [serde_json::Value; 2] =
        [&ended.stdout, &reply].map(|text| serde_json::from_str(text).unwrap());
    assert_eq!(
        printed, sent,
        "also with fields that this version does not know"
    );
    expect("list.json", &ended.stdout);
}

#[test]
fn parts_of_a_list_are_joined() {
    let parts = "{\"parameters\":{\"connections\":[{\"name\":\"a\"}]},\"continues\":true}\0\
                 {\"parameters\":{\"connections\":[{\"name\":\"b\"}]}}\0";
    let (_, ended) = Daemon::start("parts", parts).run(&["list", "--json"]);
    assert_eq!(
        ended.stdout.split_whitespace().collect::<String>(),
        r#"{"connections":[{"name":"a"},{"name":"b"}]}"#
    );
}

#[test]
fn nothing_from_a_peer_steers_the_terminal() {
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["list", "--color", "never"],
    ] {
        let (_, ended) = Daemon::replying("hostile", "list-hostile.json").run(arguments);
        assert_eq!(ended.code, 0);
        let steering =
            |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}');
        assert!(
            !ended.stdout.contains(steering),
            "{}",
            ended.stdout.escape_debug()
        );
        let lines = ended
            .stdout
            .lines()
            .filter(|line| line.trim_start().starts_with("branch2"));
        assert_eq!(
            lines.count(),
            0,
            "a name with a line break makes no line of its own"
        );
        if arguments == ["list"] {
            expect("list-hostile.txt", &ended.stdout);
        }
    }
    let failure =
        serde_json::json!({ "failure": { "summary": "a\u{1b}[31m\nikctl: all is well" } });
    let (_, ended) = Daemon::refusing("hostile-error", "org.ikd.Control.Failed", failure)
        .run(&["up", "x\u{1b}c"]);
    assert_eq!(ended.stderr.lines().count(), 3, "{}", ended.stderr);
    assert!(
        !ended.stderr.contains('\u{1b}'),
        "{}",
        ended.stderr.escape_debug()
    );
}

#[test]
fn colour_comes_when_asked_for_and_never_by_itself() {
    let (_, plain) = Daemon::replying("plain", "list.json").run(&["list"]);
    let (_, coloured) =
        Daemon::replying("coloured", "list.json").run(&["list", "--color", "always"]);
    assert!(!plain.stdout.contains('\u{1b}'));
    assert!(
        coloured
            .stdout
            .contains("\u{1b}[32m+\u{1b}[0m \u{1b}[1mbranch\u{1b}[0m  \u{1b}[32mup\u{1b}[0m\n")
    );
    let stripped = ["1", "2", "31", "32", "33", "0"]
        .iter()
        .fold(coloured.stdout, |text, code| {
            text.replace(&format!("\u{1b}[{code}m"), "")
        });
    assert_eq!(stripped, plain.stdout, "colour is all that differs");
}
