//! Against a server of our own, good and bad.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);
const LIMIT: usize = 1000;

/// A server: each connection's request is read and given to the closure.
struct Server {
    address: std::net::SocketAddr,
    served: Arc<AtomicUsize>,
}

impl Server {
    fn start(serve: impl Fn(&mut TcpStream, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let served = Arc::new(AtomicUsize::new(0));
        let (count, serve) = (Arc::clone(&served), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (count, serve) = (Arc::clone(&count), Arc::clone(&serve));
                std::thread::spawn(move || {
                    let mut stream = stream.expect("accepted");
                    let request = read_request(&mut stream);
                    count.fetch_add(1, Ordering::SeqCst);
                    serve(&mut stream, request);
                });
            }
        });
        Self { address, served }
    }

    /// One that sends these bytes to everybody.
    fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |stream, _| drop(stream.write_all(&bytes)))
    }

    fn question(&self) -> FetchQuestion {
        FetchQuestion {
            url: format!("http://{}/ca.crl", self.address),
            body: None,
            limit: LIMIT,
        }
    }
}

/// The head, and as much body as it announces.
fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    let whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        body.len() >= length.map_or(0, |length| length.parse().expect("a number"))
    };
    while !whole(&request) && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        request.push(byte[0]);
    }
    String::from_utf8_lossy(&request).into_owned()
}

fn good(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn limits(time: Duration) -> Limits {
    Limits {
        time,
        ..Limits::default()
    }
}

/// What comes of one question.
async fn ask(limits: Limits, question: FetchQuestion) -> Fetched {
    let (reports, mut answers) = mpsc::unbounded_channel();
    let owner = start(limits, reports);
    owner.ask(QuestionId(7), question);
    let (id, fetched) = tokio::time::timeout(PATIENCE, answers.recv())
        .await
        .expect("answered")
        .expect("the owner lives");
    assert_eq!(id, QuestionId(7));
    fetched
}

async fn failed(server: &Server) -> String {
    ask(Limits::default(), server.question())
        .await
        .expect_err("bad")
}

#[tokio::test]
async fn a_body_is_fetched_as_it_is() {
    let body: Vec<u8> = (0..=255).collect();
    let server = Server::saying(good(&body));
    assert_eq!(ask(Limits::default(), server.question()).await, Ok(body));
}

#[tokio::test]
async fn an_ocsp_request_is_posted_with_its_type() {
    let server = Server::start(|stream, request| {
        let lower = request.to_lowercase();
        let right = request.starts_with("POST /ca.crl HTTP/1.1\r\n")
            && lower.contains("content-type: application/ocsp-request\r\n")
            && request.ends_with("\r\n\r\nthe request");
        drop(stream.write_all(&good(if right { b"right" } else { b"wrong" })));
    });
    let question = FetchQuestion {
        body: Some(b"the request".to_vec()),
        ..server.question()
    };
    assert_eq!(
        ask(Limits::default(), question).await,
        Ok(b"right".to_vec())
    );
}

#[tokio::test]
async fn a_body_as_long_as_allowed_is_taken_and_a_longer_one_is_not() {
    let server = Server::saying(good(&[1; LIMIT]));
    assert_eq!(
        ask(Limits::default(), server.question()).await,
        Ok(vec![1; LIMIT])
    );
    let announced = Server::saying(good(&[1; LIMIT + 1]));
    assert!(
        failed(&announced)
            .await
            .ends_with(": it is longer than 1000 bytes")
    );
    // Without a length it ends with the connection; or never.
    let endless = Server::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[1; 4096]).is_ok() {}
    });
    assert!(
        failed(&endless)
            .await
            .ends_with(": it is longer than 1000 bytes")
    );
    let chunked = Server::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(b"5\r\nabcde\r\n").is_ok() {}
    });
    assert!(
        failed(&chunked)
            .await
            .ends_with(": it is longer than 1000 bytes")
    );
}

#[tokio::test]
async fn a_server_that_trickles_or_says_nothing_is_given_up() {
    let trickle = Server::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let slow_head = Server::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X: y\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let silent = Server::start(|_, _| std::thread::sleep(PATIENCE));
    for server in [trickle, slow_head, silent] {
        let answer = ask(limits(Duration::from_millis(100)), server.question()).await;
        let text = answer.expect_err("given up");
        assert!(text.contains(": not within "), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_status_garbage_and_a_broken_connection_are_told() {
    let missing = Server::saying("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
    assert!(
        failed(&missing)
            .await
            .ends_with(": the server answered 404 Not Found")
    );
    let empty = Server::saying("HTTP/1.1 204 No Content\r\n\r\n");
    assert!(
        failed(&empty)
            .await
            .ends_with(": the server answered 204 No Content")
    );
    for garbage in [
        &b"\x16\x03\x01 not HTTP at all\r\n\r\n"[..],
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ] {
        failed(&Server::saying(garbage)).await;
    }
    let short = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
    failed(&short).await;
    let long_head = Server::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    failed(&long_head).await;
}

#[tokio::test]
async fn a_server_that_refuses_is_named_with_the_reason() {
    let address = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port that is free again");
    let url = format!("http://{address}/ca.crl");
    let question = FetchQuestion {
        url: url.clone(),
        body: None,
        limit: LIMIT,
    };
    assert_eq!(
        ask(Limits::default(), question).await,
        Err(format!("{url}: connection refused"))
    );
}

#[tokio::test]
async fn a_redirect_is_followed_to_plain_http_only_and_not_for_ever() {
    let target = Server::saying(good(b"found"));
    let to = |place: &str| {
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
        Server::saying(answer)
    };
    let once = to(&target.question().url);
    assert_eq!(
        ask(Limits::default(), once.question()).await,
        Ok(b"found".to_vec())
    );

    let around = to("/ca.crl");
    assert!(
        failed(&around)
            .await
            .ends_with(": redirected more than 3 times")
    );
    assert_eq!(around.served.load(Ordering::SeqCst), 4);

    let secure = to("https://127.0.0.1:1/ca.crl");
    let text = failed(&secure).await;
    assert!(
        text.contains(": redirected to https://127.0.0.1:1/ca.crl: only http:// is fetched"),
        "{text}"
    );
    for nowhere in [
        "file:///etc/passwd",
        "//",
        "",
        "http://user:secret@127.0.0.1/",
    ] {
        failed(&to(nowhere)).await;
    }

    let question = FetchQuestion {
        body: Some(b"request".to_vec()),
        ..once.question()
    };
    let text = ask(Limits::default(), question)
        .await
        .expect_err("a POST goes where it was sent");
    assert!(text.ends_with(": the server answered 302 Found"), "{text}");
}

#[tokio::test]
async fn only_plain_http_without_a_user_is_fetched() {
    let server = Server::saying(good(b"no"));
    let host = server.address;
    for url in [
        format!("https://{host}/"),
        "file:///etc/passwd".to_owned(),
        "ldap://127.0.0.1/cn=ca".to_owned(),
        format!("http://user:secret@{host}/"),
        "http:///ca.crl".to_owned(),
        "ca.crl".to_owned(),
        "http://127.0.0.1/\r\nX: y".to_owned(),
        format!("http://{host}/{}", "x".repeat(3000)),
        String::new(),
    ] {
        let question = FetchQuestion {
            url: url.clone(),
            ..server.question()
        };
        assert!(ask(Limits::default(), question).await.is_err(), "{url}");
    }
    assert_eq!(server.served.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_same_question_of_many_is_fetched_once_and_a_crowd_is_refused_at_once() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let server = Server::start(move |stream, _| {
        let _ = wait.lock().expect("nobody panics").recv();
        drop(stream.write_all(&good(b"body")));
    });
    let (reports, mut answers) = mpsc::unbounded_channel();
    let limits = Limits {
        time: PATIENCE,
        at_once: 1,
        waiting: 1,
    };
    let owner = start(limits, reports);
    for id in 0..100 {
        owner.ask(QuestionId(id), server.question());
    }
    // The server holds the first: one more may wait, the next is too many.
    while server.served.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let other = |name: &str| FetchQuestion {
        url: format!("http://{}/{name}", server.address),
        ..server.question()
    };
    owner.ask(QuestionId(100), other("second"));
    owner.ask(QuestionId(101), other("third"));
    let (id, refused) = answers.recv().await.expect("answered");
    assert_eq!(id, QuestionId(101));
    assert!(refused.is_err_and(|text| text.contains("too much else")));

    go.send(()).expect("it waits");
    go.send(()).expect("it waits");
    for expected in 0..=100 {
        let (id, fetched) = answers.recv().await.expect("answered");
        assert_eq!((id, fetched), (QuestionId(expected), Ok(b"body".to_vec())));
    }
    assert_eq!(server.served.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn waiting_for_a_turn_counts_as_time() {
    let server = Server::start(|_, _| std::thread::sleep(PATIENCE));
    let (reports, mut answers) = mpsc::unbounded_channel();
    let limits = Limits {
        time: Duration::from_millis(50),
        at_once: 1,
        waiting: 8,
    };
    let owner = start(limits, reports);
    for id in 0..4 {
        let url = format!("http://{}/{id}", server.address);
        owner.ask(
            QuestionId(id),
            FetchQuestion {
                url,
                ..server.question()
            },
        );
    }
    for _ in 0..4 {
        let answer = tokio::time::timeout(PATIENCE, answers.recv()).await;
        assert!(
            answer
                .expect("answered")
                .expect("the owner lives")
                .1
                .is_err()
        );
    }
    assert!(
        server.served.load(Ordering::SeqCst) < 4,
        "those that waited in vain ask nobody"
    );
}
