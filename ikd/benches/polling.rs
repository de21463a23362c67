//! What clients of the control socket cost those who negotiate: handshakes per second of a headquarters with a thousand
//! connections, without and with 50 clients that ask without pause, most of them for as much as there is.
//!
//! Both are measured in the same run, in turns, and the best turn of each counts. The clients share the processors with both
//! daemons, so that something is lost on a small machine whatever the daemon does: on two processors that had other work too,
//! 0.69 and 0.86 were left. Fails where less is left than [`LIMIT`].

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{Daemon, isolated, policy, wire};
use ikapi::client::Client;
use ikapi::{DownRequest, Request, UpRequest};

/// Of the handshakes without clients, so many have to be left.
const LIMIT: f64 = 0.4;
/// Connections of the headquarters.
const CONNECTIONS: usize = 1000;
/// Clients that poll it.
const POLLING: usize = 50;
/// What they ask, in turns.
const CALLS: [&str; 5] = [
    r#"{"method":"org.ikd.Control.List"}"#,
    r#"{"method":"org.ikd.Control.List","parameters":{"failed":true}}"#,
    r#"{"method":"org.ikd.Control.Metrics"}"#,
    r#"{"method":"org.ikd.Control.Status"}"#,
    r#"{"method":"org.ikd.Control.GetLog"}"#,
];
/// Connections that come up and go down without pause.
const TUNNELS: usize = 8;
const TURNS: usize = 4;
const TURN: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let inside = std::env::var_os("IKD_TEST_INSIDE").is_some();
    if !inside && !std::env::args().any(|argument| argument == "--bench") {
        println!("skipped: a time is worth something only from `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let mut good = true;
    isolated("polling", |directory| good = measure(directory));
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn measure(directory: &Path) -> bool {
    wire();
    let hq = side(directory, "hq", CONNECTIONS);
    let branch = side(directory, "branch", TUNNELS);
    let (mut alone, mut polled, mut replies) = (0.0_f64, 0.0_f64, 0);
    for _ in 0..TURNS {
        alone = alone.max(handshakes(&branch));
        let counted = polling(&hq, || polled = polled.max(handshakes(&branch)));
        replies += counted;
    }
    let ratio = polled / alone;
    let each = replies as f64 / (TURN.as_secs_f64() * TURNS as f64);
    println!("told: handshakes without clients: {alone:8.1} a second");
    println!(
        "told: with {POLLING} clients and {CONNECTIONS} connections: {polled:8.1} a second ({each:.0} replies a second)"
    );
    println!("told: ratio {ratio:.2}, limit {LIMIT}");
    ratio > LIMIT
}

/// One end of so many connections, which differ in the branch's identity.
fn side(directory: &Path, name: &str, connections: usize) -> Daemon {
    let mut text = "version: 1\nkernel: none\nconnections:\n".to_owned();
    for number in 0..connections {
        let hq = "{ address: 192.0.2.1, id: hq.example.com }";
        let branch = format!("{{ address: 192.0.2.2, id: b{number}.example.com }}");
        let (local, remote) = if name == "hq" {
            (hq, branch.as_str())
        } else {
            (branch.as_str(), hq)
        };
        text += &format!(
            "  t{number}:\n    local: {local}\n    remote: {remote}\n    auth: {{ psk: \"only-for-this-run-0123456789\" }}\n"
        );
    }
    let file = policy(directory, &format!("{name}.yaml"), &text);
    Daemon::start(directory, name, Some(name), &file)
}

/// Handshakes per second.
fn handshakes(branch: &Daemon) -> f64 {
    let done = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..TUNNELS {
            let (done, control) = (&done, &branch.control);
            scope.spawn(move || {
                let mut client = Client::connect(control, PATIENCE).expect("connected");
                let connection = format!("t{number}");
                let up = Request::Up(UpRequest {
                    connection: connection.clone(),
                    child: None,
                    wait: true,
                    timeout_seconds: Some(20),
                });
                let down = Request::Down(DownRequest {
                    connection,
                    child: None,
                });
                while began.elapsed() < TURN {
                    client.call(&up, PATIENCE).expect("up");
                    done.fetch_add(1, Ordering::Relaxed);
                    client.call(&down, PATIENCE).expect("down");
                }
            });
        }
    });
    done.into_inner() as f64 / began.elapsed().as_secs_f64()
}

/// Replies while something goes on.
fn polling(hq: &Daemon, meanwhile: impl FnOnce()) -> u64 {
    let (over, replies) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for number in 0..POLLING {
            let (over, replies) = (&over, &replies);
            scope.spawn(move || {
                let call = format!("{}\0", CALLS[number % CALLS.len()]);
                let mut stream = UnixStream::connect(&hq.control).expect("connected");
                let mut buffer = vec![0; 1 << 16];
                while !over.load(Ordering::Relaxed) {
                    // The reply as bytes: what a client makes of it is not the daemon's business.
                    stream.write_all(call.as_bytes()).expect("asked");
                    loop {
                        let count = stream.read(&mut buffer).expect("a piece");
                        assert!(count > 0, "cut off");
                        if buffer[..count].ends_with(b"\0") {
                            break;
                        }
                    }
                    replies.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        meanwhile();
        over.store(true, Ordering::Relaxed);
    });
    replies.into_inner()
}
