//! The control socket of a running daemon: who may do what, events as they happen, levels of the log, and clients that behave
//! badly.

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Daemon, isolated, policy};
use ikapi::client::{Client, ClientError, Stream};
use ikapi::{Error, MonitorRequest, Request};
use nix::unistd::{Gid, Uid, setegid, seteuid, setgroups};
use serde_json::{Value, json};

const GOOD: &str = "\
version: 1
kernel: none
connections:
  branch:
    local:  { address: 192.0.2.1, id: hq.example.com }
    remote: { address: 127.0.0.9, id: branch.example.com }
    auth:   { psk: \"only-for-this-test-0123456789\" }
";

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// Numbers of groups that this machine need not have names for.
const LOOK: u32 = 4711;
const CHANGE: u32 = 4712;

fn with_groups(directory: &Path) -> Daemon {
    let file = policy(directory, "hq.yaml", GOOD);
    let groups = ["--look-group", "4711", "--change-group", "4712"];
    Daemon::start_with(directory, "hq", None, &file, &groups)
}

/// Does something as another user with these groups besides its own; `None` where the test may not become one.
fn as_member<T>(groups: &[u32], act: impl FnOnce() -> T) -> Option<T> {
    let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
    let nobody = 65_534;
    let become_one = setgroups(&groups)
        .and_then(|()| setegid(Gid::from_raw(nobody)))
        .and_then(|()| seteuid(Uid::from_raw(nobody)));
    let result = match become_one {
        Ok(()) => Some(act()),
        Err(error) => {
            println!("skipped: no other user here: {}", error.desc());
            None
        }
    };
    seteuid(Uid::from_raw(0)).expect("back again");
    setegid(Gid::from_raw(0)).expect("back again");
    result
}

fn refused(result: Result<Value, ClientError>) -> String {
    match result {
        Err(ClientError::Daemon(Error::PermissionDenied { needs })) => needs,
        other => panic!("not refused: {other:?}"),
    }
}

fn monitor(daemon: &Daemon, request: MonitorRequest) -> Stream {
    let client = Client::connect(&daemon.control, PATIENCE).expect("connected");
    let mut stream = client
        .follow(&Request::Monitor(request), PATIENCE)
        .expect("asked");
    let (first, last) = next(&mut stream);
    assert_eq!((&first["event"], last), (&Value::Null, false), "it stands");
    stream
}

fn next(stream: &mut Stream) -> (Value, bool) {
    let part = stream
        .next(Some(PATIENCE))
        .expect("a reply")
        .expect("not the end");
    (Value::Object(part.parameters), part.last)
}

fn everything() -> MonitorRequest {
    MonitorRequest {
        level: Some(ikapi::EventLevel::Debug),
        ..MonitorRequest::default()
    }
}

/// A datagram that is nothing, from an address of this machine.
fn noise(from: &str) -> UdpSocket {
    let socket = UdpSocket::bind((from, 0)).expect("an address of lo");
    socket.connect("127.0.0.1:500").expect("a route");
    socket
}

#[test]
fn the_groups_of_a_caller_decide_what_it_may_do() {
    isolated(
        "the_groups_of_a_caller_decide_what_it_may_do",
        |directory| {
            let daemon = with_groups(directory);
            let look = || daemon.try_call("Status", json!({}));
            let change = || daemon.try_call("SetLog", json!({ "level": "debug" }));

            let Some(stranger) = as_member(&[], || (look(), change())) else {
                return;
            };
            for refusal in [stranger.0, stranger.1] {
                let needs = refused(refusal);
                assert!(needs.contains("4711") && needs.contains("4712"), "{needs}");
            }
            let looker = as_member(&[100, LOOK], || (look(), change())).expect("as before");
            looker.0.expect("the group may look");
            let needs = refused(looker.1);
            assert_eq!(needs, "root, or a member of the group 4712");
            let changer = as_member(&[CHANGE], || (look(), change())).expect("as before");
            changer.0.expect("who may change may look");
            changer.1.expect("and change");
            let told = daemon.events("operator");
            assert_eq!(told.len(), 1, "what was refused was not done: {told:?}");
            let message = told[0]["message"].as_str().expect("text");
            assert!(message.starts_with("user 65534 (process "), "{message}");
        },
    );
}

#[test]
fn a_group_that_does_not_exist_is_no_start() {
    isolated("a_group_that_does_not_exist_is_no_start", |directory| {
        let file = policy(directory, "hq.yaml", GOOD);
        let output = common::ikd(&[
            "--config",
            file.to_str().expect("plain"),
            "--change-group",
            "no-such-group",
        ]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.contains("no-such-group") && told.contains("groupadd"),
            "{told}"
        );
    });
}

#[test]
fn an_ordinary_user_cannot_keep_root_out() {
    isolated("an_ordinary_user_cannot_keep_root_out", |directory| {
        let daemon = with_groups(directory);
        let connect = || Client::connect(&daemon.control, PATIENCE).expect("connected");
        let held = as_member(&[LOOK], || {
            let mut held: Vec<_> = (0..64).map(|_| connect()).collect();
            let last = held.last_mut().expect("64");
            last.call(&Request::Version, PATIENCE).expect("served");
            let one_more = connect().call(&Request::Version, PATIENCE);
            (held, one_more)
        });
        let Some((held, one_more)) = held else { return };
        let Err(ClientError::Daemon(Error::Busy { reason })) = one_more else {
            panic!("{one_more:?}");
        };
        assert!(reason.contains("user 65534"), "{reason}");
        daemon.call("Status", json!({}));
        drop(held);
        daemon.wait("there is room again", || {
            as_member(&[LOOK], || daemon.try_call("Status", json!({})).is_ok()) == Some(true)
        });
    });
}

#[test]
fn a_monitor_hears_what_it_asked_for_until_the_end() {
    isolated(
        "a_monitor_hears_what_it_asked_for_until_the_end",
        |directory| {
            let file = policy(directory, "hq.yaml", GOOD);
            let mut daemon = Daemon::start(directory, "hq", None, &file);
            let mut all = monitor(&daemon, everything());
            let mut branch = monitor(
                &daemon,
                MonitorRequest {
                    connection: Some("branch".to_owned()),
                    events: vec!["dropped".to_owned()],
                    ..everything()
                },
            );
            noise("127.0.0.8").send(b"nonsense").expect("sent");
            noise("127.0.0.9").send(b"nonsense").expect("sent");
            let (told, _) = next(&mut branch);
            let event = &told["event"];
            assert_eq!(
                (&event["name"], &event["level"]),
                (&json!("dropped"), &json!("debug"))
            );
            let peer = event["peer"].as_str().expect("an address");
            assert!(
                peer.starts_with("127.0.0.9:"),
                "the connection's peer only: {peer}"
            );
            assert!(event["at_microseconds"].as_u64() > Some(1_700_000_000_000_000));

            daemon.call("Shutdown", json!({}));
            let mut names = Vec::new();
            loop {
                let (told, last) = next(&mut all);
                if last {
                    assert_eq!(told["event"], Value::Null);
                    break;
                }
                names.push(told["event"]["name"].as_str().expect("a name").to_owned());
            }
            assert_eq!(names.iter().filter(|name| *name == "dropped").count(), 2);
            assert!(names.iter().any(|name| name == "operator"), "{names:?}");
            assert!(names.iter().any(|name| name == "stopping"), "{names:?}");
            assert!(matches!(all.next(None), Ok(None)));
            assert!(daemon.ended().success());
        },
    );
}

#[test]
fn what_cannot_be_monitored_is_told() {
    isolated("what_cannot_be_monitored_is_told", |directory| {
        let file = policy(directory, "hq.yaml", GOOD);
        let daemon = Daemon::start(directory, "hq", None, &file);
        let ask = |request| {
            let client = Client::connect(&daemon.control, PATIENCE).expect("connected");
            let mut stream = client
                .follow(&Request::Monitor(request), PATIENCE)
                .expect("asked");
            match stream.next(Some(PATIENCE)) {
                Err(ClientError::Daemon(Error::NotFound { what, nearest, .. })) => (what, nearest),
                other => panic!("{other:?}"),
            }
        };
        let named = |name: &str| Some(name.to_owned());
        let event = MonitorRequest {
            events: vec!["child-upp".to_owned()],
            ..everything()
        };
        assert_eq!(ask(event), ("event".to_owned(), named("child-up")));
        let connection = MonitorRequest {
            connection: named("brnch"),
            ..everything()
        };
        assert_eq!(ask(connection), ("connection".to_owned(), named("branch")));
        let once = daemon.try_call("Monitor", json!({ "events": [] }));
        assert!(
            matches!(once, Err(ClientError::Daemon(Error::ExpectedMore))),
            "{once:?}"
        );
    });
}

#[test]
fn a_monitor_that_does_not_read_costs_little_and_hears_how_much_it_missed() {
    isolated(
        "a_monitor_that_does_not_read_costs_little_and_hears_how_much_it_missed",
        |directory| {
            let file = policy(directory, "hq.yaml", GOOD);
            let daemon = Daemon::start(directory, "hq", None, &file);
            daemon.call("SetLog", json!({ "level": "info" }));
            let mut slow = monitor(&daemon, everything());
            let before = daemon.memory();
            let noise = noise("127.0.0.1");
            let sent: u64 = 20_000;
            for _ in 0..sent {
                // A full buffer of the receiver loses the datagram, which is as good.
                let _ = noise.send(b"nonsense");
            }
            daemon.call("Status", json!({}));
            daemon.call("List", json!({}));
            let grown = daemon.memory().saturating_sub(before);
            assert!(
                grown < 16 * 1024,
                "{grown} KiB for one monitor that does not read"
            );
            let (mut told, mut missed) = (0, 0);
            while missed == 0 || told < 200 {
                let (reply, _) = next(&mut slow);
                missed += reply["missed"].as_u64().expect("a number");
                told += u64::from(reply["event"]["name"] == "dropped");
                assert!(told <= sent, "nothing was left out");
            }
            assert!(told + missed <= sent + 10, "{told} told, {missed} missed");
        },
    );
}

#[test]
fn the_log_is_verbose_for_one_peer_only() {
    isolated("the_log_is_verbose_for_one_peer_only", |directory| {
        let file = policy(directory, "hq.yaml", GOOD);
        let daemon = Daemon::start(directory, "hq", None, &file);
        let set = daemon.call("SetLog", json!({ "level": "info" }));
        assert_eq!(set, json!({ "level": "info", "rules": [] }));
        let rule = json!({ "level": "debug", "connection": "branch" });
        daemon.call("SetLog", rule);
        let peer = json!({ "level": "debug", "peer": "127.0.0.7" });
        daemon.call("SetLog", peer);
        for from in ["127.0.0.6", "127.0.0.7", "127.0.0.9"] {
            noise(from).send(b"nonsense").expect("sent");
        }
        let dropped = || {
            let told = daemon.events("dropped");
            let peer = |event: &Value| event["peer"].as_str().map(str::to_owned);
            told.iter().filter_map(peer).collect::<Vec<_>>()
        };
        daemon.wait("both are logged", || dropped().len() >= 2);
        let from = dropped();
        assert!(
            from[0].starts_with("127.0.0.7:") && from[1].starts_with("127.0.0.9:"),
            "{from:?}"
        );

        let shown = daemon.call("GetLog", json!({}));
        assert_eq!(shown["level"], "info");
        assert_eq!(
            shown["rules"],
            json!([
                { "connection": "branch", "peer": null, "level": "debug" },
                { "connection": null, "peer": "127.0.0.7", "level": "debug" },
            ])
        );
        daemon.call("SetLog", json!({ "peer": "127.0.0.7" }));
        let left = daemon.call("SetLog", json!({ "connection": "branch" }));
        assert_eq!(left["rules"], json!([]));
        for number in 0..32 {
            let peer = format!("192.0.2.{number}");
            daemon.call("SetLog", json!({ "level": "error", "peer": peer }));
        }
        let one_more =
            daemon.try_call("SetLog", json!({ "level": "error", "peer": "2001:db8::1" }));
        assert!(
            matches!(one_more, Err(ClientError::Daemon(Error::Busy { .. }))),
            "{one_more:?}"
        );
        let nobody = daemon.try_call("SetLog", json!({ "level": "debug", "connection": "hub" }));
        assert!(
            matches!(nobody, Err(ClientError::Daemon(Error::NotFound { .. }))),
            "{nobody:?}"
        );
    });
}

#[test]
fn a_rule_of_the_log_can_be_taken_away_when_its_connection_is_gone() {
    isolated(
        "a_rule_of_the_log_can_be_taken_away_when_its_connection_is_gone",
        |directory| {
            let file = policy(directory, "hq.yaml", GOOD);
            let daemon = Daemon::start(directory, "hq", None, &file);
            let rule = json!({ "level": "debug", "connection": "branch" });
            daemon.call("SetLog", rule);
            fs::write(&file, GOOD.replace("branch:", "depot:")).expect("written");
            daemon.call("Reload", json!({}));
            let typo = daemon.try_call("SetLog", json!({ "connection": "brnch" }));
            assert!(
                matches!(typo, Err(ClientError::Daemon(Error::NotFound { .. }))),
                "{typo:?}"
            );
            let left = daemon.call("SetLog", json!({ "connection": "branch" }));
            assert_eq!(left["rules"], json!([]));
        },
    );
}

#[test]
fn clients_that_flood_trickle_or_talk_nonsense_cost_little_and_delay_nobody() {
    isolated(
        "clients_that_flood_trickle_or_talk_nonsense_cost_little_and_delay_nobody",
        |directory| {
            let file = policy(directory, "hq.yaml", GOOD);
            let daemon = Daemon::start(directory, "hq", None, &file);
            daemon.call("List", json!({}));
            let before = daemon.memory();
            let connect = || {
                let stream = UnixStream::connect(&daemon.control).expect("connected");
                stream.set_nonblocking(true).expect("set");
                stream
            };
            let calls =
                |call: &str| format!("{{\"method\":\"org.ikd.Control.{call}}}\0").repeat(200);
            let floods = [
                "List\",\"more\":true",
                "List\",\"parameters\":{\"failed\":true}",
                "Metrics\"",
                "GetLog\"",
            ];
            let mut kept = Vec::new();
            for number in 0..100 {
                let mut stream = connect();
                // What does not fit in the buffer is not sent: this side does not read either.
                let _ = match number % 4 {
                    0 => stream.write(calls(floods[number / 4 % floods.len()]).as_bytes()),
                    1 => stream.write(b"{\"method\":\"org.ikd"),
                    2 => stream.write(&[b'{'; 60_000]),
                    _ => stream.write(b"GET / HTTP/1.1\r\n\r\n\0"),
                };
                kept.push(stream);
            }
            for _ in 0..20 {
                daemon.call("Status", json!({}));
                daemon.call("List", json!({}));
            }
            let grown = daemon.memory().saturating_sub(before);
            assert!(grown < 48 * 1024, "{grown} KiB for 100 bad clients");
            // Those that talked nonsense are gone.
            let mut nonsense = kept.swap_remove(3);
            nonsense.set_nonblocking(false).expect("set");
            assert_eq!(nonsense.read(&mut [0]).unwrap_or(0), 0);
        },
    );
}

#[test]
fn a_client_written_from_the_description_alone_lists_and_follows() {
    isolated(
        "a_client_written_from_the_description_alone_lists_and_follows",
        |directory| {
            let file = policy(directory, "hq.yaml", GOOD);
            let daemon = Daemon::start(directory, "hq", None, &file);
            let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../ikapi/examples/monitor.py");
            let client = Command::new("python3")
                .arg(program)
                .arg(&daemon.control)
                .args(["--level", "debug", "--count", "1"])
                .stdout(Stdio::piped())
                .spawn();
            let client = match client {
                Ok(client) => client,
                Err(error) => return println!("skipped: no python3 here: {error}"),
            };
            // It is heard once the monitor stands.
            let noise = noise("127.0.0.1");
            let output = std::thread::spawn(move || client.wait_with_output());
            while !output.is_finished() {
                let _ = noise.send(b"nonsense");
                std::thread::sleep(Duration::from_millis(20));
            }
            let output = output.join().expect("no panic").expect("it ran");
            let said = String::from_utf8(output.stdout).expect("UTF-8");
            assert!(output.status.success(), "{said}");
            let lines: Vec<_> = said.lines().collect();
            assert!(lines[0].starts_with("branch: "), "{said}");
            assert!(
                lines[1].contains(" debug dropped datagram from 127.0.0.1:"),
                "{said}"
            );
        },
    );
}

#[test]
fn the_journal_gets_entries_with_fields_where_standard_error_is_the_journal() {
    isolated(
        "the_journal_gets_entries_with_fields_where_standard_error_is_the_journal",
        |directory| {
            fs::create_dir_all("/run/systemd/journal").expect("on our own /run");
            let journal = UnixDatagram::bind("/run/systemd/journal/socket").expect("bound");
            journal.set_read_timeout(Some(PATIENCE)).expect("set");
            let bad = policy(directory, "bad.yaml", &GOOD.replace("id: hq", "idd: hq"));
            let stderr = File::create(directory.join("stderr")).expect("created");
            let of = stderr.metadata().expect("there");
            let status = Command::new(env!("CARGO_BIN_EXE_ikd"))
                .arg("--config")
                .arg(&bad)
                .env("JOURNAL_STREAM", format!("{}:{}", of.dev(), of.ino()))
                .stderr(stderr)
                .status()
                .expect("ikd starts");
            assert_eq!(status.code(), Some(2));
            let said = fs::read_to_string(directory.join("stderr")).expect("there");
            assert_eq!(said, "", "all of it is in the journal");

            let mut buffer = vec![0; 65_536];
            let entry = loop {
                let length = journal.recv(&mut buffer).expect("an entry");
                let entry = fields(&buffer[..length]);
                // The first datagram is empty: it only finds out whether somebody listens.
                if entry.contains_key("IKD_EVENT") {
                    break entry;
                }
            };
            assert_eq!(entry["IKD_EVENT"], "configuration-problem");
            assert_eq!(entry["PRIORITY"], "3");
            assert_eq!(entry["SYSLOG_IDENTIFIER"], "ikd");
            assert!(!entry["IKD_CODE"].is_empty());
            assert!(entry["MESSAGE"].contains("idd"), "{entry:?}");
        },
    );
}

/// The fields of an entry, <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.
fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while let Some(end) = entry.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&entry[..end]).into_owned();
        entry = &entry[end + 1..];
        if let Some((name, value)) = line.split_once('=') {
            found.insert(name.to_owned(), value.to_owned());
        } else {
            let length = u64::from_le_bytes(entry[..8].try_into().expect("8 bytes"));
            let value = &entry[8..8 + length as usize];
            found.insert(line, String::from_utf8_lossy(value).into_owned());
            entry = &entry[9 + length as usize..];
        }
    }
    found
}
