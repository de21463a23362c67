//! The table, the text that is made of it, and who gets it over HTTP.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use ike::auth::proof::Evidence;
use ike::config::Name;
use ike::config::identity::Identity;
use ike::crypto::{SystemRandom, standard};
use ike::engine::event::{DropReason, Event as EngineEvent, IkeSpis};
use ike::engine::failure::{Cause, Failure, Step};
use ike::engine::io::{
    Answer, Command, CommandId, Input, KernelFailure, Output, Path, Question, Reply, SaReference,
};
use ike::engine::snapshot::{ChildSnapshot, ConnectionState, IkeSaSnapshot};
use ike::engine::{Engine, Options, RandomSource};
use ike::wire::IkeSpi;
use ike::wire::numbers::{ExchangeType, NotifyType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::control::{Facts, View};
use crate::events::Event;
use crate::kernel::Traffic;
use crate::{clock, configuration};

/// What a peer would call itself to be seen by whoever reads metrics.
const HOSTILE: &str = "evil\"} 1\nikd_child_up{connection=\"branch\",child=\"lan\"} 1\u{1b}[2J";

const POLICY: &str = "\
version: 1
connections:
  branch:
    local:  { address: 192.0.2.1, id: hq.example.com }
    remote: { address: 198.51.100.7, id: branch.example.com }
    auth:   { psk: only-for-this-test-0123456789 }
    children:
      lan:   { local: 10.1.0.0/16, remote: 10.2.0.0/16, keep: up }
      guest: { local: 10.1.0.0/16, remote: 10.3.0.0/16, keep: passive }
";

/// The view of an engine with this policy, after these commands.
fn view(policy: &str, commands: &[Command]) -> View {
    view_of(&[policy.to_owned()], commands)
}

/// As [`view`], with several files.
fn view_of(policies: &[String], commands: &[Command]) -> View {
    let directory = tempfile::tempdir().expect("a directory");
    for (number, text) in policies.iter().enumerate() {
        let file = directory.path().join(format!("{number}.yaml"));
        std::fs::write(&file, text).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
    }
    let loaded = configuration::load(&[directory.path().to_owned()])
        .unwrap_or_else(|report| panic!("{report:?}"));
    let mut engine = Engine::new(Options {
        number: 0,
        provider: standard(),
        random: RandomSource(Box::new(SystemRandom::new())),
        export_keys: false,
        persistence: ike::engine::Persistence::Off,
    });
    let mut snapshot = None;
    let mut handle = |input: Input<'_>| {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            engine.handle(clock::now(), input);
            while let Some(output) = engine.poll() {
                match output {
                    Output::Kernel(id, _) => inputs.push_back(Input::KernelDone(id, Ok(()))),
                    Output::Ask(id, Question::LocalAddress { .. }) => {
                        let answer = Answer::LocalAddress(Err("no route".to_owned()));
                        inputs.push_back(Input::Answer(id, answer));
                    }
                    Output::Reply(_, Reply::Snapshot(found)) => snapshot = Some(*found),
                    _ => {}
                }
            }
        }
    };
    handle(Input::Configured(Box::new(loaded.configuration.clone())));
    for command in commands {
        handle(Input::Command(CommandId(1), command.clone()));
    }
    handle(Input::Command(CommandId(2), Command::List));
    View {
        snapshot: snapshot.expect("an answer to List"),
        facts: facts(loaded.configuration),
        now: 1000,
        boot: Duration::from_secs(100),
        took: Duration::ZERO,
    }
}

fn facts(configuration: ike::config::Configuration) -> Facts {
    Facts {
        started: 900,
        started_boot: Duration::ZERO,
        paths: Arc::new([]),
        configuration: Arc::new(configuration),
        loaded_at: 950,
        reload_failure: None,
        keylog: None,
        capabilities: Arc::new([]),
        missing: Arc::new([]),
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn path() -> Path {
    Path {
        local: "192.0.2.1:500".parse().expect("valid"),
        remote: "198.51.100.7:500".parse().expect("valid"),
    }
}

fn text_of(metrics: &Metrics, view: &View) -> String {
    render::text(metrics, view, &HashMap::new())
}

/// Fails unless a line is in the text.
#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|one| one == line), "no {line} in:\n{text}");
}

#[test]
fn the_table_is_well_formed() {
    let word =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let names: BTreeSet<_> = ALL.iter().map(|metric| metric.series()).collect();
    assert_eq!(names.len(), ALL.len(), "two have the same name");
    for metric in ALL {
        assert!(
            metric.name.starts_with("ikd_") && word(metric.name),
            "{metric:?}"
        );
        assert!(
            metric.help.ends_with('.') || metric.help.ends_with("else 0."),
            "{metric:?}"
        );
        assert!(!metric.help.contains(['\n', '\\', '"']), "{metric:?}");
        assert!(
            metric.labels.iter().all(|label| word(label.name)),
            "{metric:?}"
        );
        assert!(
            !metric.name.ends_with("_total") && !metric.name.ends_with("_info"),
            "{metric:?}"
        );
    }
    assert_eq!(
        table::DROPPED.labels[0].values,
        DropReason::ALL.map(DropReason::name).join(", ")
    );
    assert_eq!(table::CHILD_BYTES.series(), "ikd_child_bytes_total");
    assert_eq!(table::BUILD.series(), "ikd_build_info");
    assert_eq!(table::START_TIME.series(), "ikd_start_time_seconds");
}

#[test]
fn every_line_belongs_to_a_metric_of_the_table() {
    let metrics = Metrics::default();
    everything(&metrics);
    let text = text_of(&metrics, &view(POLICY, &[]));
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    let series: BTreeSet<_> = ALL.iter().map(|metric| metric.series()).collect();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        assert!(series.contains(name), "{line}");
        assert!(
            line.rsplit(' ')
                .next()
                .is_some_and(|number| number.parse::<u64>().is_ok()),
            "{line}"
        );
    }
    let samples: Vec<_> = text
        .lines()
        .map(|line| line.rsplit_once(' ').map_or(line, |(series, _)| series))
        .collect();
    let once: BTreeSet<_> = samples.iter().collect();
    assert_eq!(once.len(), samples.len(), "a series twice:\n{text}");
}

#[test]
fn a_child_that_should_be_up_and_is_not_tells_why() {
    // Nobody knows an address of ours from which the peer is reached.
    let policy = POLICY.replace(
        "{ address: 192.0.2.1, id: hq.example.com }",
        "{ id: hq.example.com }",
    );
    let text = text_of(&Metrics::default(), &view(&policy, &[]));
    has(
        &text,
        "ikd_child_wanted{connection=\"branch\",child=\"lan\"} 1",
    );
    has(&text, "ikd_child_up{connection=\"branch\",child=\"lan\"} 0");
    has(
        &text,
        "ikd_child_down_reason{connection=\"branch\",child=\"lan\",code=\"no-route\"} 1",
    );
    has(
        &text,
        "ikd_child_wanted{connection=\"branch\",child=\"guest\"} 0",
    );
    has(&text, "ikd_connection_up{connection=\"branch\"} 0");
    has(&text, "ikd_connections 1");
}

#[test]
fn a_child_that_was_taken_down_is_not_wanted() {
    let down = Command::Down {
        connection: name("branch"),
        child: None,
    };
    let text = text_of(&Metrics::default(), &view(POLICY, &[down]));
    has(
        &text,
        "ikd_child_wanted{connection=\"branch\",child=\"lan\"} 0",
    );
    has(
        &text,
        "ikd_child_down_reason{connection=\"branch\",child=\"lan\",code=\"taken-down\"} 1",
    );
}

#[test]
fn what_is_not_configured_any_more_is_not_told() {
    let metrics = Metrics::default();
    let before = text_of(&metrics, &view(POLICY, &[]));
    assert!(before.contains("connection=\"branch\""));
    let after = text_of(&metrics, &view(&POLICY.replace("branch:", "depot:"), &[]));
    assert!(!after.contains("branch"), "{after}");
    has(
        &after,
        "ikd_child_bytes_total{connection=\"depot\",child=\"lan\",direction=\"in\"} 0",
    );
}

/// An established IKE SA with a Child SA of `lan`.
fn up(view: &mut View, spi: u32) {
    let connection = &mut view.snapshot.connections[0];
    let sa = |spi, text: &str| SaReference {
        spi,
        destination: text.parse().expect("valid"),
    };
    let child = ChildSnapshot {
        name: name("lan"),
        mode: ike::config::Mode::Tunnel,
        inbound: sa(spi, "192.0.2.1"),
        outbound: sa(spi, "198.51.100.7"),
        reqid: 1,
        suite: String::new(),
        esn: true,
        local: Vec::new(),
        remote: Vec::new(),
        age: Some(Duration::ZERO),
        hard_lifetime: Duration::ZERO,
        replay_window: 0,
    };
    connection.state = ConnectionState::Up;
    connection.ike_sas = vec![IkeSaSnapshot {
        unique: 1,
        spis: IkeSpis {
            initiator: IkeSpi([1; 8]),
            responder: IkeSpi([2; 8]),
        },
        state: "established",
        initiator: true,
        path: path(),
        local_id: None,
        remote_id: Some(Identity::KeyId(HOSTILE.into())),
        own_evidence: None,
        evidence: None,
        suite: String::new(),
        age: Duration::ZERO,
        last_heard: None,
        children: vec![child],
    }];
}

#[test]
fn what_children_carried_only_grows_while_sas_come_and_go() {
    let metrics = Metrics::default();
    let mut view = view(POLICY, &[]);
    let mut told = |spi: u32, counted: Option<(u64, u64)>| {
        up(&mut view, spi);
        let child = &view.snapshot.connections[0].ike_sas[0].children[0];
        let traffic = counted.map(|(bytes, packets)| (child.inbound, Traffic { bytes, packets }));
        let text = render::text(&metrics, &view, &traffic.into_iter().collect());
        has(&text, "ikd_child_up{connection=\"branch\",child=\"lan\"} 1");
        has(&text, "ikd_connection_up{connection=\"branch\"} 1");
        has(&text, "ikd_ike_sas{state=\"established\"} 1");
        has(&text, "ikd_child_sas 1");
        assert!(
            !text.contains("down_reason{connection=\"branch\",child=\"lan\""),
            "{text}"
        );
        let number = |series: &str| {
            let start = format!(
                "ikd_child_{series}_total{{connection=\"branch\",child=\"lan\",direction=\"in\"}} "
            );
            text.lines()
                .find_map(|line| line.strip_prefix(&start)?.parse::<u64>().ok())
        };
        (number("bytes"), number("packets"))
    };
    assert_eq!(told(1, Some((100, 1))), (Some(100), Some(1)));
    assert_eq!(told(1, Some((250, 3))), (Some(250), Some(3)));
    assert_eq!(
        told(1, None),
        (Some(250), Some(3)),
        "the kernel does not tell"
    );
    assert_eq!(told(1, Some((260, 4))), (Some(260), Some(4)));
    assert_eq!(told(2, Some((40, 1))), (Some(300), Some(5)), "another SA");
    assert_eq!(
        told(2, Some((10, 1))),
        (Some(310), Some(6)),
        "its SPI, once more"
    );
}

/// Every event that has something to say, with whatever a peer could put into it.
fn everything(metrics: &Metrics) {
    let observe = |event| metrics.observe(&Event::Engine(Box::new(event)));
    let connection = || name("branch");
    let failure = || {
        let cause = Cause::BadIdentity {
            reason: HOSTILE.to_owned(),
        };
        Failure::new(Step::IkeAuth, cause)
    };
    let spis = IkeSpis {
        initiator: IkeSpi([1; 8]),
        responder: IkeSpi([2; 8]),
    };
    for initiator in [true, false] {
        observe(EngineEvent::IkeSaEstablished {
            connection: connection(),
            spis,
            path: path(),
            peer: Identity::KeyId(HOSTILE.into()),
            evidence: Evidence::PreSharedKey,
            suite: HOSTILE.to_owned(),
            initiator,
        });
    }
    observe(EngineEvent::ConnectionFailed {
        connection: connection(),
        path: Some(path()),
        failure: failure(),
        retry_in: None,
    });
    observe(EngineEvent::PeerRefused {
        connection: None,
        path: path(),
        failure: failure(),
        told: NotifyType(12345),
    });
    observe(EngineEvent::IkeSaClosed {
        connection: connection(),
        spis,
        reason: failure(),
    });
    observe(EngineEvent::ChildFailed {
        connection: connection(),
        child: None,
        failure: failure(),
        retry_in: None,
    });
    for exchange in [ExchangeType::IKE_AUTH, ExchangeType(200)] {
        observe(EngineEvent::Retransmitting {
            connection: None,
            path: path(),
            exchange,
            sent: 2,
        });
    }
    for _ in 0..3 {
        observe(EngineEvent::Dropped {
            remote: path().remote,
            reason: DropReason::BadIntegrity,
        });
    }
    metrics.kernel_refused(&KernelFailure {
        operation: "XFRM_MSG_NEWSA",
        errno: "EEXIST".to_owned(),
        words: Some(HOSTILE.to_owned()),
    });
    metrics.observe(&Event::ReloadFailed {
        code: "bad-configuration",
        summary: HOSTILE.to_owned(),
        detail: Vec::new(),
        suggestion: "",
    });
}

#[test]
fn events_are_counted_and_nothing_of_a_peer_becomes_a_label() {
    let metrics = Metrics::default();
    has(
        &text_of(&metrics, &view(POLICY, &[])),
        "ikd_handshakes_total{role=\"responder\",result=\"established\"} 0",
    );
    everything(&metrics);
    let mut view = view(POLICY, &[]);
    up(&mut view, 7);
    let text = text_of(&metrics, &view);
    for line in [
        "ikd_handshakes_total{role=\"initiator\",result=\"established\"} 1",
        "ikd_handshakes_total{role=\"responder\",result=\"established\"} 1",
        "ikd_handshakes_total{role=\"initiator\",result=\"bad-identity\"} 1",
        "ikd_handshakes_total{role=\"responder\",result=\"bad-identity\"} 1",
        "ikd_ike_sas_closed_total{code=\"bad-identity\"} 1",
        "ikd_child_failures_total{code=\"bad-identity\"} 1",
        "ikd_retransmissions_total{exchange=\"IKE_AUTH\"} 1",
        "ikd_retransmissions_total{exchange=\"unknown\"} 1",
        "ikd_dropped_datagrams_total{reason=\"bad-integrity\"} 3",
        "ikd_kernel_errors_total{operation=\"XFRM_MSG_NEWSA\",errno=\"EEXIST\"} 1",
        "ikd_configurations_total{result=\"refused\"} 1",
        "ikd_configurations_total{result=\"taken\"} 0",
        "ikd_events_total{event=\"dropped\"} 3",
        "ikd_start_time_seconds 900",
        "ikd_configuration_loaded_timestamp_seconds 950",
    ] {
        has(&text, line);
    }
    assert!(!text.contains("evil") && !text.contains('\u{1b}'), "{text}");
    assert!(
        !text.contains("198.51.100.7"),
        "an address of a peer:\n{text}"
    );
}

/// A source above a stand-in for the shell, and how often that was asked.
fn source() -> (Source, Arc<AtomicUsize>) {
    let (asks, mut questions) = mpsc::channel(4);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Some(Ask::Look(reply)) = questions.recv().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = reply.send(view(POLICY, &[]));
        }
    });
    let (reports, _) = mpsc::unbounded_channel();
    let kernel = kernel::start_without(reports);
    (Source::new(Shell(asks), kernel, Arc::default()), asked)
}

const LIMITS: http::Limits = http::Limits {
    clients: 4,
    while_others_wait: Duration::from_secs(600),
    head: Duration::from_millis(300),
    all: Duration::from_millis(600),
};

async fn serving(source: Source) -> SocketAddr {
    serving_within(LIMITS, source).await
}

async fn serving_within(limits: http::Limits, source: Source) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(http::accept(listener, source, limits));
    address
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut reply = Vec::new();
    // A server that has refused the rest of a request resets the connection.
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8(reply).expect("text")
}

fn get(address: SocketAddr) -> String {
    format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n")
}

#[tokio::test]
async fn prometheus_gets_the_text_and_its_content_type() {
    let address = serving(source().0).await;
    let reply = ask(address, &get(address)).await;
    let (head, body) = reply.split_once("\r\n\r\n").expect("head and body");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.contains(&format!("content-type: {}", http::OPENMETRICS)),
        "{head}"
    );
    assert!(body.ends_with("# EOF\n"));
    has(body, "ikd_connections 1");
    let head = ask(address, &get(address).replace("GET", "HEAD")).await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn what_is_no_question_for_metrics_is_refused() {
    let address = serving(source().0).await;
    for (request, status) in [
        (get(address).replace("/metrics", "/"), "404"),
        (get(address).replace("GET", "POST"), "405"),
        (
            get(address).replace(&address.to_string(), "attacker.example"),
            "403",
        ),
        (
            get(address).replace(&address.to_string(), "192.0.2.1"),
            "403",
        ),
        (get(address).replace("Host: ", "Host : "), "400"),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)),
            "4",
        ),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1000)),
            "4",
        ),
        ("\u{16}\u{3}\u{1}".repeat(50), "400"),
    ] {
        let reply = ask(address, &request).await;
        let told = reply.is_empty() || reply.starts_with(&format!("HTTP/1.1 {status}"));
        assert!(told, "{request:.60}: {reply:.200}");
        assert!(!reply.contains("ikd_"), "{request:.60}");
    }
    for host in ["localhost:9497", "[::1]:9497", "127.0.0.1"] {
        let request = get(address).replace(&address.to_string(), host);
        assert!(
            ask(address, &request).await.starts_with("HTTP/1.1 200 "),
            "{host}"
        );
    }
}

#[tokio::test]
async fn many_questions_cost_the_engine_one_look_a_second() {
    let (source, asked) = source();
    let address = serving(source.clone()).await;
    let started = Instant::now();
    let all: Vec<_> = (0..200)
        .map(|_| tokio::spawn(async move { ask(address, &get(address)).await }))
        .collect();
    for one in all {
        let reply = one.await.expect("no panic");
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply:.100}");
    }
    assert_eq!(
        source.text().await.map(|text| text.ends_with(b"# EOF\n")),
        Some(true)
    );
    let seconds = started.elapsed().as_secs() as usize;
    let looks = asked.load(Ordering::SeqCst);
    assert!(looks <= seconds + 1, "{looks} looks in {seconds} s");
}

#[tokio::test]
async fn silent_clients_and_slow_ones_make_room_for_others() {
    let in_a_crowd = http::Limits {
        while_others_wait: Duration::from_millis(100),
        head: LIMITS.while_others_wait,
        all: LIMITS.while_others_wait,
        ..LIMITS
    };
    for limits in [LIMITS, in_a_crowd] {
        let address = serving_within(limits, source().0).await;
        let mut silent = Vec::new();
        for _ in 0..3 * limits.clients {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            stream.write_all(b"GET /metrics HT").await.expect("sent");
            silent.push(stream);
        }
        // Behind all of them.
        let reply = ask(address, &get(address)).await;
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    }
}

#[tokio::test]
async fn a_daemon_that_is_ending_says_so() {
    let (asks, questions) = mpsc::channel(1);
    drop(questions);
    let (reports, _) = mpsc::unbounded_channel();
    let source = Source::new(Shell(asks), kernel::start_without(reports), Arc::default());
    let address = serving(source).await;
    assert!(
        ask(address, &get(address))
            .await
            .starts_with("HTTP/1.1 503 ")
    );
}

#[test]
fn a_thousand_connections_are_told_in_bounded_text() {
    let connection = |n: usize| {
        format!(
            "  c{n}:\n    local: {{ address: 192.0.2.1, id: hq{n}.example.com }}\n    \
             remote: {{ address: 198.51.{}.{}, id: b{n}.example.com }}\n    \
             auth: {{ psk: only-for-this-test-0123456789 }}\n    \
             children: {{ lan: {{ local: 10.1.0.0/16, remote: 10.{}.{}.0/24, keep: passive }} }}\n",
            n / 250,
            n % 250 + 1,
            n / 250 + 10,
            n % 250
        )
    };
    // As many as a file may hold.
    let file = |file: usize| {
        let connections: String = (file * 200..(file + 1) * 200).map(connection).collect();
        format!("version: 1\nconnections:\n{connections}")
    };
    let view = view_of(&(0..5).map(file).collect::<Vec<_>>(), &[]);
    let started = std::time::Instant::now();
    let text = text_of(&Metrics::default(), &view);
    println!(
        "1000 connections: {} lines, {} bytes, {:?}",
        text.lines().count(),
        text.len(),
        started.elapsed()
    );
    assert!(text.len() < 1 << 20, "{} bytes", text.len());
}
