//! Both halves together: what a daemon does with [`Framer`], [`Call`] and [`Reply`], asked by the client.

#![allow(clippy::unwrap_used)] // a test may stop where it stands

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use ikapi::{
    Call, Client, ClientError, Connection, Error, Framer, List, ListRequest, Refusal, Reply,
    Request, Version, service,
};

const LONG: Duration = Duration::from_secs(60);

/// Serves one caller until it goes or sends garbage.
fn serve(mut stream: UnixStream) {
    let mut framer = Framer::new(ikapi::CALL_LIMIT);
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap_or(0);
        let mut input = &buffer[..count];
        while let Ok(Some(message)) = framer.next(&mut input) {
            let (reply, more, oneway) = match Call::parse(&message) {
                Ok(call) => (answer(call.request), call.more, call.oneway),
                Err(Refusal::Answer { error, oneway }) => (error.into(), false, oneway),
                Err(Refusal::Garbage(_)) => return,
            };
            for bytes in reply.encode(more).filter(|_| !oneway) {
                stream.write_all(&bytes).unwrap();
            }
        }
        if count == 0 || !input.is_empty() {
            return;
        }
    }
}

fn answer(request: Request) -> Reply {
    match request {
        Request::Version => Reply::Version(Version {
            version: "1.2.3".into(),
        }),
        Request::List(_) => {
            let connections = (0..1000).map(|n| Connection {
                name: n.to_string(),
                ..Connection::default()
            });
            Reply::List(List {
                now: 7,
                connections: connections.collect(),
                ..List::default()
            })
        }
        Request::GetInfo => Reply::Info(service::info("1.2.3")),
        Request::GetInterfaceDescription { interface } => {
            service::description(&interface).map_or_else(Reply::from, Reply::Description)
        }
        _ => Error::PermissionDenied {
            needs: "root".into(),
        }
        .into(),
    }
}

#[test]
fn a_daemon_of_these_parts_serves_the_client() {
    let path = std::env::temp_dir().join(format!("ikapi-{}-served", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let daemon = std::thread::spawn(move || {
        for _ in 0..2 {
            serve(listener.accept().unwrap().0);
        }
    });

    let mut client = Client::connect(&path, LONG).unwrap();
    let version: Version = client.call_as(&Request::Version, LONG).unwrap();
    assert_eq!(version.version, "1.2.3");
    let list: List = client
        .call_as(&Request::List(ListRequest::default()), LONG)
        .unwrap();
    assert_eq!((list.now, list.connections.len()), (7, 1000));
    let info: service::Info = client.call_as(&Request::GetInfo, LONG).unwrap();
    assert_eq!(info, service::info("1.2.3"));
    for interface in info.interfaces {
        let ask = Request::GetInterfaceDescription {
            interface: interface.clone(),
        };
        assert_eq!(
            client.call_as::<service::Description>(&ask, LONG).unwrap(),
            service::description(&interface).unwrap()
        );
    }
    let refused = client.call(&Request::Shutdown, LONG);
    assert!(
        matches!(
            refused,
            Err(ClientError::Daemon(Error::PermissionDenied { .. }))
        ),
        "{refused:?}"
    );
    drop(client);

    // Another language: pipelined, in odd pieces, one call that wants no answer, then garbage.
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"{\"method\":\"org.ikd.Control.Version\",\"oneway\":true}\0{\"method\":\"a.b.C\"}\0{\"meth").unwrap();
    stream
        .write_all(b"od\":\"org.ikd.Control.Version\"}\0garbage\0")
        .unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(
        answers,
        "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"a.b\"}}\0\
         {\"parameters\":{\"version\":\"1.2.3\"}}\0"
    );
    daemon.join().unwrap();
    std::fs::remove_file(&path).unwrap();
}
