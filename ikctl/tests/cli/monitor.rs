//! `ikctl monitor` and `log`: events as they come.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;

use crate::support::{Daemon, Directory, PATIENCE, command, expect_messages, ikctl};

const EVENTS: &str = "{\"parameters\":{\"event\":null,\"missed\":0},\"continues\":true}\0\
    {\"parameters\":{\"event\":{\"at_microseconds\":1795483142123456,\"level\":\"warn\",\"name\":\"child-failed\",\
    \"connection\":\"branch\",\"child\":\"lan\",\"message\":\"no Child SA\\u001b[2J\",\"code\":\"no-response\",\"count\":3,\
    \"detail\":[\"one\\u0007\",\"two\"],\"suggestion\":\"check the firewall\",\"later\":1},\"missed\":0},\"continues\":true}\0\
    {\"parameters\":{\"event\":{\"at_microseconds\":0,\"level\":\"info\",\"name\":\"ready\",\"message\":\"ready\"},\"missed\":12},\
    \"continues\":true}\0\
    {\"parameters\":{\"event\":null,\"missed\":0}}\0";

#[test]
fn monitor_prints_events_as_they_come_and_says_when_the_daemon_ends() {
    let (call, ended) = Daemon::start("monitor", EVENTS).run(&[
        "monitor",
        "branch",
        "--level",
        "debug",
        "--event",
        "child-failed",
        "--event",
        "ready",
    ]);
    assert_eq!(
        call,
        r#"{"method":"org.ikd.Control.Monitor","parameters":{"connection":"branch","events":["child-failed","ready"],"level":"debug"},"more":true}"#
    );
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (3, "ikctl: ikd at /run/ikd/control has ended\n")
    );
    expect_messages("monitor.txt", &ended.stdout);
    let (_, coloured) =
        Daemon::start("monitor-colour", EVENTS).run(&["monitor", "--color", "always"]);
    assert!(
        coloured
            .stdout
            .contains("\u{1b}[33mWARN \u{1b}[0m \u{1b}[1mbranch/lan\u{1b}[0m: "),
        "{}",
        coloured.stdout.escape_debug()
    );
}

#[test]
fn monitor_prints_json_a_line_each_with_nothing_that_steers() {
    let (_, ended) = Daemon::start("monitor-json", EVENTS).run(&["monitor", "--json"]);
    let lines: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["event"]["later"], 1, "as it came");
    assert_eq!(lines[1]["missed"], 12);
    assert_eq!(lines[2]["error"], "ikctl.Ended", "the end is a line too");
    assert_eq!(lines.len(), 3);
    let steering = |c: char| c.is_control() && c != '\n';
    assert!(!ended.stdout.contains(steering));
}

#[test]
fn monitor_writes_each_line_at_once() {
    let daemon = Daemon::serving("monitor-flushed", |stream| {
        let end = EVENTS.rfind("{\"parameters\":{\"event\":null").unwrap();
        stream.write_all(&EVENTS.as_bytes()[..end]).unwrap();
        let _ = stream.read(&mut [0]); // until the tool has gone
    });
    let mut tool = command(&daemon.directory, &["monitor"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(tool.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.contains("branch/lan: no Child SA"), "{first}");
    tool.kill().unwrap();
    tool.wait().unwrap();
    daemon.thread.join().unwrap();
}

#[test]
fn monitor_ends_with_whoever_reads_it_though_nothing_happens_any_more() {
    let daemon = Daemon::serving("monitor-head", |stream| {
        let end = EVENTS.rfind("{\"parameters\":{\"event\":null").unwrap();
        stream.write_all(&EVENTS.as_bytes()[..end]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.read(&mut [0]); // until the tool has gone
    });
    let mut tool = command(&daemon.directory, &["monitor"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // As `head -1` does.
    let mut output = BufReader::new(tool.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    drop(output);
    let status = tool.wait().unwrap();
    assert_eq!(status.code(), Some(0), "it has ended before the daemon did");
    daemon.thread.join().unwrap();
}

#[test]
fn log_shows_and_sets_levels() {
    let levels = "{\"parameters\":{\"level\":\"info\",\"rules\":[\
        {\"connection\":\"branch\",\"peer\":null,\"level\":\"debug\"},\
        {\"connection\":null,\"peer\":\"198.51.100.7\",\"level\":\"error\"}]}}\0";
    let (call, ended) = Daemon::start("log", levels).run(&["log"]);
    assert_eq!(
        call,
        r#"{"method":"org.ikd.Control.GetLog","parameters":{}}"#
    );
    assert_eq!(
        ended.stdout,
        "logged from info on\n  connection branch: from debug on\n  peer 198.51.100.7: from error on\n"
    );
    let asked = |name, arguments: &[&str]| Daemon::start(name, levels).run(arguments).0;
    assert!(
        asked("log-set", &["log", "debug", "--connection", "branch"])
            .contains(r#"{"connection":"branch","level":"debug","peer":null}"#)
    );
    assert!(
        asked("log-unset", &["log", "default", "--peer", "2001:db8::7"])
            .contains(r#"{"connection":null,"level":null,"peer":"2001:db8::7"}"#)
    );
    let directory = Directory::new("log-wrong");
    for wrong in [
        &["log", "loud"][..],
        &["log", "--connection", "branch"],
        &["log", "debug", "--peer", "branch.example.com"],
    ] {
        assert_eq!(ikctl(&directory, wrong).code, 2, "{wrong:?}");
    }
}
