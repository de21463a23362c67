//! `ikctl` as a user runs it, against a daemon of canned replies: what it prints, asks, and how it ends.
//!
//! What it should print stands in `tests/expected/`. After a change that is meant, run the tests with `IKCTL_EXPECT=write`,
//! and read the difference before it is committed.

#![allow(clippy::unwrap_used)] // a test may stop where it stands

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory of its own, which goes when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ikctl-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("control")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Serves one caller: reads its call, sends the reply byte for byte, closes.
struct Daemon {
    directory: Directory,
    thread: JoinHandle<String>,
}

impl Daemon {
    fn start(name: &str, reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::serving(name, move |stream| {
            let _ = stream.write_all(&reply);
        })
    }

    /// With parameters as a file has them.
    fn replying(name: &str, file: &str) -> Self {
        let text = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/replies")
                .join(file),
        )
        .unwrap();
        let parameters: serde_json::Value = serde_json::from_str(&text).unwrap();
        Self::start(
            name,
            format!("{}\0", serde_json::json!({ "parameters": parameters })),
        )
    }

    fn refusing(name: &str, error: &str, parameters: serde_json::Value) -> Self {
        Self::start(
            name,
            format!(
                "{}\0",
                serde_json::json!({ "error": error, "parameters": parameters })
            ),
        )
    }

    fn serving(name: &str, serve: impl FnOnce(&mut UnixStream) + Send + 'static) -> Self {
        let directory = Directory::new(name);
        let listener = UnixListener::bind(directory.socket()).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut call = Vec::new();
            BufReader::new(&stream).read_until(0, &mut call).unwrap();
            serve(&mut stream);
            String::from_utf8(call)
                .unwrap()
                .trim_end_matches('\0')
                .to_owned()
        });
        Self { directory, thread }
    }

    /// Runs `ikctl` against it: the call it got, and the end.
    fn run(self, arguments: &[&str]) -> (String, Ended) {
        let ended = ikctl(&self.directory, arguments);
        (self.thread.join().unwrap(), ended)
    }
}

/// How `ikctl` ended.
#[derive(Debug)]
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

fn command(directory: &Directory, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ikctl"));
    command
        .env_clear()
        .arg("--socket")
        .arg(directory.socket())
        .args(arguments);
    command
}

fn ikctl(directory: &Directory, arguments: &[&str]) -> Ended {
    end(directory, &mut command(directory, arguments))
}

fn end(directory: &Directory, command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| {
        String::from_utf8(bytes)
            .unwrap()
            .replace(directory.0.to_str().unwrap(), "/run/ikd")
    };
    Ended {
        code: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Compares with a file of `tests/expected`, and holds every line of text to 80 columns.
#[track_caller]
fn expect(file: &str, text: &str) {
    expect_messages(file, text);
    for line in text.lines().filter(|_| file.ends_with(".txt")) {
        assert!(line.chars().count() <= 80, "more than 80 columns: {line}");
    }
}

/// Compares with a file of `tests/expected`. Messages of one line may be longer than 80 columns: logs keep them whole.
#[track_caller]
fn expect_messages(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/expected")
        .join(file);
    let text: String = text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    if std::env::var("IKCTL_EXPECT").is_ok_and(|value| value == "write") {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(
        text,
        fs::read_to_string(&path).unwrap_or_default(),
        "not as in tests/expected/{file}"
    );
}

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

#[test]
fn up_waits_and_says_so() {
    let (call, ended) =
        Daemon::start("up", "{\"parameters\":{\"state\":\"up\"}}\0").run(&["up", "branch"]);
    assert!(
        call.contains(r#"{"child":null,"connection":"branch","timeout_seconds":60,"wait":true}"#),
        "{call}"
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "branch is up\n"));

    let daemon = Daemon::start("up-child", "{\"parameters\":{\"state\":\"up\"}}\0");
    let (call, ended) = daemon.run(&["up", "branch", "lan", "--timeout", "1500ms"]);
    assert!(
        call.contains(r#"{"child":"lan","connection":"branch","timeout_seconds":2,"wait":true}"#),
        "{call}"
    );
    assert_eq!(ended.stdout, "branch/lan is up\n");

    let daemon = Daemon::start(
        "up-no-wait",
        "{\"parameters\":{\"state\":\"connecting\"}}\0",
    );
    let (call, ended) = daemon.run(&["up", "branch", "--no-wait"]);
    assert!(
        call.contains(r#""timeout_seconds":null,"wait":false"#),
        "{call}"
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "branch: connecting\n")
    );
}

#[test]
fn down_reload_and_shutdown_say_what_they_did() {
    let (call, ended) = Daemon::start("down", "{}\0").run(&["down", "branch", "lan"]);
    assert!(
        call.contains(r#"Control.Down","parameters":{"child":"lan","connection":"branch"}"#),
        "{call}"
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "branch/lan is down\n")
    );

    let reloaded =
        "{\"parameters\":{\"added\":[\"a\",\"b\"],\"removed\":[],\"changed\":[\"c\"]}}\0";
    let (_, ended) = Daemon::start("reload", reloaded).run(&["reload"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "added: a, b\nchanged: c\n")
    );
    let (_, ended) = Daemon::start("reload-same", "{\"parameters\":{}}\0").run(&["reload"]);
    assert!(
        ended
            .stdout
            .starts_with("read again: no connection has changed; secrets")
    );

    let (call, ended) =
        Daemon::start("shutdown", "{\"parameters\":{}}\0").run(&["shutdown", "--json"]);
    assert_eq!(
        call,
        r#"{"method":"org.ikd.Control.Shutdown","parameters":{}}"#
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "{}\n"));
}

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

/// A policy that is good, its secret in a file that only its owner can read.
fn good_policy(directory: &Directory) -> PathBuf {
    let policy = directory.0.join("hq.yaml");
    fs::write(&policy, include_str!("policies/hq.yaml")).unwrap();
    let secret = directory.0.join("branch.psk");
    fs::write(&secret, "3zQ0b8vXkR1nT6yLw9FhSg\n").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    policy
}

#[test]
fn check_takes_a_good_policy_without_a_daemon() {
    let directory = Directory::new("check-good");
    let policy = good_policy(&directory);
    let policy = policy.to_str().unwrap();
    let ended = ikctl(&directory, &["check", "--offline", policy]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "good: 1 connection with 1 child\n")
    );
    let ended = ikctl(&directory, &["--json", "check", "--offline", policy]);
    let expected = "{\n  \"good\": true,\n  \"machine\": \"offline\",\n  \"problems\": []\n}\n";
    assert_eq!((ended.code, ended.stdout.as_str()), (0, expected));
}

#[test]
fn check_looks_at_the_machine_where_the_policies_are_its_own() {
    let directory = Directory::new("check-machine");
    let policy = good_policy(&directory);
    let check = |address: &str, arguments: &[&str]| {
        let text = include_str!("policies/hq.yaml")
            .replace("192.0.2.1", address)
            .replace("10.1.0.0/16", "198.18.77.0/24");
        fs::write(&policy, text).unwrap();
        let ended = ikctl(
            &directory,
            &[arguments, &[policy.to_str().unwrap()]].concat(),
        );
        assert_eq!(ended.code, 0, "{}", ended.stdout);
        ended.stdout
    };
    let elsewhere = check("203.0.113.254", &["check"]);
    assert_eq!(
        elsewhere,
        "good: 1 connection with 1 child\n\
         this machine was not looked at: none of the policies' own addresses\n  (203.0.113.254) and networks is here\n"
    );
    let elsewhere = check("203.0.113.254", &["check", "--json"]);
    assert!(
        elsewhere.contains("\"machine\": \"elsewhere\""),
        "{elsewhere}"
    );

    let here: serde_json::Value =
        serde_json::from_str(&check("127.0.0.1", &["check", "--json"])).unwrap();
    assert_eq!(here["machine"], "checked");
    for problem in here["problems"].as_array().unwrap() {
        let known = preflight::Code::ALL
            .iter()
            .any(|code| problem["code"] == code.name());
        assert!(
            known && problem["file"].is_null() && problem["line"].is_null(),
            "{problem}"
        );
    }
}

#[test]
fn check_points_at_every_error() {
    let directory = Directory::new("check-bad");
    let policy = good_policy(&directory);
    let text =
        include_str!("policies/hq.yaml").replace("address: 192.0.2.1,", "adress: 192.0.2.1,");
    fs::write(&policy, text.replace("10.2.0.0/16", "10.2.0.0/33")).unwrap();
    let ended = ikctl(&directory, &["check", policy.to_str().unwrap()]);
    assert_eq!((ended.code, ended.stderr.as_str()), (6, ""));
    for wanted in [
        "hq.yaml:4:",
        "unknown-key",
        "hq.yaml:7:",
        "bad-selector",
        "2 errors: ikd would refuse this",
    ] {
        assert!(
            ended.stdout.contains(wanted),
            "{wanted} is not in {}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains('\u{1b}'));

    let ended = ikctl(&directory, &["check", "--json", policy.to_str().unwrap()]);
    assert_eq!(ended.code, 6);
    let printed: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&printed["good"], &printed["machine"]),
        (&false.into(), &"refused".into())
    );
    let problems = printed["problems"].as_array().unwrap();
    let errors: Vec<_> = problems
        .iter()
        .filter(|problem| problem["severity"] == "error")
        .collect();
    let codes: Vec<_> = errors.iter().map(|problem| &problem["code"]).collect();
    assert_eq!(codes, ["unknown-key", "bad-selector"]);
    assert_eq!(errors[0]["line"], 4);
    assert!(
        errors[0]["suggestion"]
            .as_str()
            .unwrap()
            .contains("address"),
        "{}",
        errors[0]
    );
}

#[test]
fn check_tells_of_a_file_that_is_not_there() {
    let directory = Directory::new("check-absent");
    let ended = ikctl(
        &directory,
        &["check", directory.0.join("absent.yaml").to_str().unwrap()],
    );
    assert_eq!(ended.code, 6);
    assert!(
        ended.stdout.contains("/run/ikd/absent.yaml"),
        "{}",
        ended.stdout
    );
}

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
