//! The client against daemons of every character.

#![allow(clippy::unwrap_used)] // a test may stop where it stands

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use ikapi::{Client, ClientError, Error, List, ListRequest, Request};

/// No test waits as long as this for anything.
const LONG: Duration = Duration::from_secs(60);

/// A socket in a directory of its own, and a thread that serves the first caller.
struct Daemon {
    directory: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    fn start(name: &str, serve: impl FnOnce(UnixStream) + Send + 'static) -> Self {
        let directory = std::env::temp_dir().join(format!("ikapi-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let listener = UnixListener::bind(directory.join("control")).unwrap();
        let thread = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        Self {
            directory,
            thread: Some(thread),
        }
    }

    fn client(&self) -> Client {
        Client::connect(&self.directory.join("control"), LONG).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.thread.take().map(JoinHandle::join);
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Reads one call and returns its text.
fn read_call(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    BufReader::new(stream).read_until(0, &mut bytes).unwrap();
    String::from_utf8(bytes)
        .unwrap()
        .trim_end_matches('\0')
        .to_owned()
}

fn answer_with(name: &str, reply: &'static [u8]) -> Result<ikapi::Version, ClientError> {
    let daemon = Daemon::start(name, move |mut stream| {
        read_call(&mut stream);
        stream.write_all(reply).unwrap();
    });
    daemon.client().call_as(&Request::Version, LONG)
}

#[test]
fn a_call_is_answered() {
    let daemon = Daemon::start("answered", |mut stream| {
        assert_eq!(
            read_call(&mut stream),
            r#"{"method":"org.ikd.Control.Version","parameters":{}}"#
        );
        stream
            .write_all(b"{\"parameters\":{\"version\":\"1.2.3\"}}\0")
            .unwrap();
    });
    let version: ikapi::Version = daemon.client().call_as(&Request::Version, LONG).unwrap();
    assert_eq!(version.version, "1.2.3");
}

#[test]
fn a_list_in_parts_becomes_one() {
    let daemon = Daemon::start("parts", |mut stream| {
        let call = read_call(&mut stream);
        assert!(call.contains("\"more\":true"), "{call}");
        // Two parts in one piece, the last one byte by byte.
        stream
            .write_all(
                b"{\"parameters\":{\"now\":5,\"connections\":[{\"name\":\"a\"}]},\"continues\":true}\0\
                  {\"parameters\":{\"now\":5,\"connections\":[{\"name\":\"b\"}]},\"continues\":true}\0",
            )
            .unwrap();
        for byte in b"{\"parameters\":{\"now\":5,\"connections\":[{\"name\":\"c\"}]}}\0" {
            stream.write_all(&[*byte]).unwrap();
        }
    });
    let list: List = daemon
        .client()
        .call_as(&Request::List(ListRequest::default()), LONG)
        .unwrap();
    let names: Vec<_> = list
        .connections
        .iter()
        .map(|connection| connection.name.as_str())
        .collect();
    assert_eq!((list.now, names), (5, vec!["a", "b", "c"]));
}

#[test]
fn one_connection_carries_several_calls_also_after_an_error() {
    let daemon = Daemon::start("several", |mut stream| {
        for reply in [
            "{\"error\":\"org.ikd.Control.Busy\",\"parameters\":{\"reason\":\"later\"}}\0",
            "{}\0",
        ] {
            read_call(&mut stream);
            stream.write_all(reply.as_bytes()).unwrap();
        }
    });
    let mut client = daemon.client();
    let busy = client.call(&Request::Reload, LONG);
    assert!(matches!(busy, Err(ClientError::Daemon(Error::Busy { reason })) if reason == "later"));
    assert!(client.call(&Request::Reload, LONG).unwrap().is_empty());
}

#[test]
fn nonsense_is_called_nonsense() {
    let nonsense: [(&str, &'static [u8]); 4] = [
        ("text", b"220 mail.example.com ESMTP\0"),
        ("types", b"{\"parameters\":{\"version\":3}}\0"),
        ("list", b"{\"parameters\":[]}\0"),
        ("empty", b"\0"),
    ];
    for (name, reply) in nonsense {
        let result = answer_with(name, reply);
        assert!(
            matches!(result, Err(ClientError::Garbage(_))),
            "{name}: {result:?}"
        );
    }
}

#[test]
fn an_endless_reply_ends_at_the_limit() {
    let daemon = Daemon::start("endless", |mut stream| {
        read_call(&mut stream);
        while stream.write_all(&[b' '; 65536]).is_ok() {}
    });
    let result = daemon.client().call(&Request::Version, LONG);
    assert!(matches!(result, Err(ClientError::Garbage(_))), "{result:?}");
}

#[test]
fn a_daemon_that_dies_half_way_is_noticed() {
    assert!(matches!(
        answer_with("half", b"{\"parameters\":{\"vers"),
        Err(ClientError::Closed)
    ));
    assert!(matches!(
        answer_with("nothing", b""),
        Err(ClientError::Closed)
    ));
}

#[test]
fn a_daemon_that_answers_before_it_has_listened_is_heard() {
    let daemon = Daemon::start("deaf", |mut stream| {
        stream
            .write_all(b"{\"error\":\"org.ikd.Control.PermissionDenied\",\"parameters\":{\"needs\":\"root\"}}\0")
            .unwrap();
    });
    let mut client = daemon.client();
    let result = client.call(&Request::Version, LONG);
    assert!(
        matches!(
            result,
            Err(ClientError::Daemon(Error::PermissionDenied { .. }))
        ),
        "{result:?}"
    );
}

#[test]
fn silence_and_trickles_end_with_the_time_given() {
    let daemon = Daemon::start("silent", |mut stream| {
        read_call(&mut stream);
        let _ = stream.read(&mut [0]); // until the client has gone
    });
    let result = daemon
        .client()
        .call(&Request::Version, Duration::from_millis(50));
    assert!(
        matches!(result, Err(ClientError::TimedOut(_))),
        "{result:?}"
    );

    let daemon = Daemon::start("trickle", |mut stream| {
        read_call(&mut stream);
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let result = daemon
        .client()
        .call(&Request::Version, Duration::from_millis(50));
    assert!(
        matches!(result, Err(ClientError::TimedOut(_))),
        "{result:?}"
    );
}

#[test]
fn who_is_not_there_is_told_apart_from_who_does_not_listen() {
    let directory = std::env::temp_dir().join(format!("ikapi-{}-absent", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("control");
    let kind = || match Client::connect(&path, LONG) {
        Err(ClientError::Connect(error)) => error.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(), io::ErrorKind::NotFound);
    drop(UnixListener::bind(&path).unwrap()); // leaves the file behind
    assert_eq!(kind(), io::ErrorKind::ConnectionRefused);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_daemon_with_too_many_callers_is_not_waited_for_for_ever() {
    let directory = std::env::temp_dir().join(format!("ikapi-{}-crowd", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("control");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&socket2::SockAddr::unix(&path).unwrap())
        .unwrap();
    socket.listen(0).unwrap();
    let _first = Client::connect(&path, LONG).unwrap();
    let second = Client::connect(&path, Duration::from_millis(50));
    assert!(
        matches!(second, Err(ClientError::Connect(error)) if error.kind() == io::ErrorKind::WouldBlock)
    );
    std::fs::remove_dir_all(&directory).unwrap();
}
