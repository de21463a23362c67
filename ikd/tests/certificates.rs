//! Two daemons that prove themselves by certificates and raw keys, and what is refused, fetched and renewed. Without ESP
//! (`kernel: none`), so that it runs on any kernel: IKE SAs without children.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::pki::{Authority, Pair, Wanted, raw_key};
use common::{Daemon, isolated, policy, wire};
use serde_json::{Value, json};

const HQ: (&str, &str) = ("192.0.2.1", "hq.example.com");
const BRANCH: (&str, &str) = ("192.0.2.2", "branch.example.com");
const SECRET: &str = "only-for-this-test-0123456789";

/// The certificate of this name, its key and the authority that is believed.
const BY_CA: &str = "certificate: NAME.pem, key: NAME.key, ca: NAME-ca.pem";

/// Starts one of the two; in `auth`, `NAME` stands for its name.
fn side(directory: &Path, name: &str, auth: &str) -> Daemon {
    let file = policy(directory, &format!("{name}.yaml"), &text(name, auth));
    Daemon::start(directory, name, Some(name), &file)
}

/// As [`side`] for `hq`, without a wire.
fn side_here(directory: &Path, auth: &str) -> Daemon {
    let file = policy(directory, "hq.yaml", &text("hq", auth));
    Daemon::start(directory, "hq", None, &file)
}

fn text(name: &str, auth: &str) -> String {
    let (local, remote) = if name == "hq" {
        (HQ, BRANCH)
    } else {
        (BRANCH, HQ)
    };
    format!(
        "version: 1\nkernel: none\nconnections:\n  tunnel:\n    local: {{ address: {}, id: {} }}\n    \
         remote: {{ address: {}, id: {} }}\n    auth: {{ {} }}\n",
        local.0,
        local.1,
        remote.0,
        remote.1,
        auth.replace("NAME", name)
    )
}

/// The files of one side, each replaced as certificate tools do it.
fn show(directory: &Path, name: &str, pair: &Pair) {
    replace(directory, &format!("{name}.pem"), &pair.certificate);
    replace(directory, &format!("{name}.key"), &pair.key);
}

fn replace(directory: &Path, name: &str, content: &str) {
    let new = policy(directory, &format!("{name}.new"), content);
    fs::rename(new, directory.join(name)).expect("renamed");
}

/// An authority that both believe, and a certificate for each.
fn company(directory: &Path) -> Authority {
    let authority = Authority::new("Example CA");
    for (name, id) in [("hq", HQ.1), ("branch", BRANCH.1)] {
        replace(directory, &format!("{name}-ca.pem"), &authority.certificate);
        show(directory, name, &authority.issue(&Wanted::of(id)));
    }
    authority
}

fn up(daemon: &Daemon) -> Result<Value, String> {
    let wanted = json!({ "connection": "tunnel", "wait": true, "timeout_seconds": 25 });
    daemon
        .try_call("Up", wanted)
        .map_err(|error| error.to_string())
}

fn down(daemon: &Daemon) {
    daemon.call("Down", json!({ "connection": "tunnel" }));
    daemon.wait("it is down", || ike_sas(daemon).is_empty());
}

fn ike_sas(daemon: &Daemon) -> Vec<Value> {
    let list = daemon.call("List", json!({}));
    list["connections"][0]["ike_sas"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

/// What `ikctl list --failed` tells of the connection; null: nothing.
fn failure(daemon: &Daemon) -> Value {
    let list = daemon.call("List", json!({ "failed": true }));
    list["connections"][0]["last_failure"].clone()
}

/// `branch` calls and is refused for this reason, which `hq` tells and `branch` is not told; then the other way about.
#[track_caller]
fn refused(hq: &Daemon, branch: &Daemon, code: &str) {
    let error = up(branch).expect_err(code);
    assert!(error.contains("AUTHENTICATION_FAILED"), "{error}");
    assert!(
        !error.contains(code),
        "the peer is told no more than that: {error}"
    );
    hq.wait("the responder tells why", || failure(hq)["code"] == code);
    let told = failure(hq);
    assert!(told["suggestion"].is_string(), "{told}");
    assert!(told["peer"].to_string().contains(BRANCH.0), "{told}");

    up(hq).expect_err(code);
    let again = failure(hq);
    assert_eq!(again["code"], code);
    assert_eq!(
        again["summary"], told["summary"],
        "as initiator and as responder"
    );
    let gone = || ike_sas(hq).is_empty() && ike_sas(branch).is_empty();
    branch.wait("the responder learns of it", gone);
    let line = &hq.events("connection-failed").pop().expect("a line");
    assert_eq!(
        (&line["code"], &line["peer"]),
        (&json!(code), &json!("192.0.2.2:500")),
        "{line}"
    );
    let line = &hq.events("peer-refused").pop().expect("a line");
    assert_eq!(line["connection"], "tunnel", "{line}");
    assert_eq!(failure(branch)["code"], "refused-by-peer");
    assert!(
        failure(branch)["summary"]
            .to_string()
            .contains("AUTHENTICATION_FAILED")
    );
}

#[test]
fn two_daemons_prove_themselves_by_certificates() {
    isolated(
        "two_daemons_prove_themselves_by_certificates",
        |directory| {
            wire();
            company(directory);
            let (hq, branch) = (
                side(directory, "hq", BY_CA),
                side(directory, "branch", BY_CA),
            );
            assert_eq!(up(&branch).expect("up")["state"], "up");
            for (daemon, ours, theirs) in [(&hq, HQ.1, BRANCH.1), (&branch, BRANCH.1, HQ.1)] {
                let sas = ike_sas(daemon);
                assert_eq!(sas.len(), 1);
                for (side, name) in [("local_auth", ours), ("remote_auth", theirs)] {
                    let proof = &sas[0][side];
                    assert_eq!(proof["method"], "certificate", "{proof}");
                    assert_eq!(proof["subject"], format!("O=Example, CN={name}"), "{proof}");
                    assert_eq!(proof["issuer"], "O=Example, CN=Example CA");
                    assert_eq!(proof["serial"], "07");
                    assert!(proof["not_after"].is_u64(), "{proof}");
                    assert!(
                        proof["signature"]
                            .as_str()
                            .is_some_and(|it| it.contains("ECDSA")),
                        "{proof}"
                    );
                }
                assert_eq!(
                    daemon.events("ike-sa-established")[0]["proof"],
                    "certificate"
                );
                assert!(!daemon.log_text().contains("PRIVATE KEY"));
            }
        },
    );
}

#[test]
fn raw_keys_and_mixtures_with_a_secret_work_in_both_directions() {
    isolated(
        "raw_keys_and_mixtures_with_a_secret_work_in_both_directions",
        |directory| {
            wire();
            company(directory);
            for (name, peer) in [("hq", "branch"), ("branch", "hq")] {
                let (private, public) = raw_key();
                policy(directory, &format!("{name}.raw"), &private);
                policy(directory, &format!("{peer}-peer.pub"), &public);
                policy(directory, &format!("{name}.psk"), SECRET);
            }
            let raw = "local: { key: NAME.raw }, remote: { public_key: NAME-peer.pub }";
            let signs = "local: { certificate: NAME.pem, key: NAME.key }, remote: { psk: { file: NAME.psk } }";
            let knows = "local: { psk: { file: NAME.psk } }, remote: { ca: NAME-ca.pem }";
            for (ours, theirs, expected) in [
                (raw, raw, ["raw_key", "raw_key"]),
                (signs, knows, ["certificate", "psk"]),
                (knows, signs, ["psk", "certificate"]),
            ] {
                let (hq, branch) = (
                    side(directory, "hq", ours),
                    side(directory, "branch", theirs),
                );
                assert_eq!(up(&hq).expect("up")["state"], "up", "{ours}");
                let [of_hq, of_branch] = [&hq, &branch].map(|daemon| ike_sas(daemon)[0].clone());
                assert_eq!(
                    [
                        &of_hq["local_auth"]["method"],
                        &of_hq["remote_auth"]["method"]
                    ],
                    expected
                );
                assert_eq!(
                    [
                        &of_branch["remote_auth"]["method"],
                        &of_branch["local_auth"]["method"]
                    ],
                    expected
                );
                assert_eq!(of_hq["local_auth"]["key"], of_branch["remote_auth"]["key"]);
                for daemon in [&hq, &branch] {
                    assert!(!daemon.log_text().contains(SECRET), "a secret in the log");
                }
            }
        },
    );
}

#[test]
fn each_refusal_has_its_code_here_and_none_for_the_peer() {
    isolated(
        "each_refusal_has_its_code_here_and_none_for_the_peer",
        |directory| {
            wire();
            let authority = company(directory);
            let stranger = Authority::new("Example CA");
            let branch_is =
                |wanted: &Wanted, by: &Authority| show(directory, "branch", &by.issue(wanted));
            let good = Wanted::of(BRANCH.1);
            replace(directory, "hq.crl", &authority.revokes(1, &[66]));
            let cases = [
                ("certificate-untrusted", good.clone(), &stranger),
                (
                    "certificate-expired",
                    Wanted {
                        days: (-20, -10),
                        ..good.clone()
                    },
                    &authority,
                ),
                (
                    "certificate-not-yet-valid",
                    Wanted {
                        days: (10, 20),
                        ..good.clone()
                    },
                    &authority,
                ),
                (
                    "certificate-revoked",
                    Wanted { serial: 66, ..good },
                    &authority,
                ),
            ];
            let hq = side(directory, "hq", &format!("{BY_CA}, crl: NAME.crl"));
            for (code, wanted, by) in &cases {
                branch_is(wanted, by);
                let branch = side(directory, "branch", BY_CA);
                refused(&hq, &branch, code);
            }
        },
    );
}

/// How often something was told: once is enough, also after the watcher has looked a few times more.
fn told_once(daemon: &Daemon, event: &str, count: usize) {
    daemon.wait(event, || daemon.events(event).len() >= count);
    let looks = std::time::Instant::now() + std::time::Duration::from_secs(3);
    daemon.wait("it has looked again", || std::time::Instant::now() > looks);
    assert_eq!(
        daemon.events(event).len(),
        count,
        "{event}: once per change\n{}",
        daemon.log_text()
    );
}

#[test]
fn a_renewed_pair_is_shown_next_and_a_half_or_a_broken_one_changes_nothing() {
    isolated(
        "a_renewed_pair_is_shown_next_and_a_half_or_a_broken_one_changes_nothing",
        |directory| {
            wire();
            let authority = company(directory);
            let renewed = |serial| {
                authority.issue(&Wanted {
                    serial,
                    ..Wanted::of(HQ.1)
                })
            };
            let (hq, branch) = (
                side(directory, "hq", BY_CA),
                side(directory, "branch", BY_CA),
            );
            let shown = || ike_sas(&branch)[0]["remote_auth"]["serial"].clone();
            let again = || {
                down(&hq);
                branch.wait("it is down there too", || ike_sas(&branch).is_empty());
                up(&hq).expect("up");
            };
            up(&hq).expect("up");
            assert_eq!(shown(), "07");

            show(directory, "hq", &renewed(8));
            told_once(&hq, "files-changed", 1);
            let connection = hq.call("List", json!({}))["connections"][0].clone();
            assert_eq!(
                connection["certificate"]["serial"], "08",
                "what is shown next"
            );
            assert_eq!(
                connection["ike_sas"][0]["local_auth"]["serial"], "07",
                "what was shown"
            );
            assert!(hq.events("ike-sa-closed").is_empty(), "the tunnel stays");
            again();
            assert_eq!(shown(), "08");

            let third = renewed(9);
            replace(directory, "hq.pem", &third.certificate);
            told_once(&hq, "reload-failed", 1);
            let refused = hq.events("configuration-problem");
            assert_eq!(refused.len(), 1, "{refused:?}");
            assert_eq!(refused[0]["code"], "key-mismatch");
            again();
            assert_eq!(shown(), "08", "half a pair is none");

            replace(directory, "hq.key", &third.key);
            told_once(&hq, "files-changed", 2);
            again();
            assert_eq!(shown(), "09");

            replace(
                directory,
                "hq.key",
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            );
            told_once(&hq, "reload-failed", 2);
            again();
            assert_eq!(shown(), "09", "what was good is in force");
        },
    );
}

#[test]
fn a_crl_file_that_revokes_the_peer_counts_at_its_next_authentication() {
    isolated(
        "a_crl_file_that_revokes_the_peer_counts_at_its_next_authentication",
        |directory| {
            wire();
            let authority = company(directory);
            replace(directory, "hq.crl", &authority.revokes(1, &[66]));
            let hq = side(
                directory,
                "hq",
                &format!("{BY_CA}, crl: NAME.crl, revocation: strict"),
            );
            let branch = side(directory, "branch", BY_CA);
            up(&branch).expect("up");
            replace(directory, "hq.crl", &authority.revokes(2, &[66, 7]));
            hq.wait("the list is in force", || {
                !hq.events("files-changed").is_empty()
            });
            assert_eq!(ike_sas(&hq).len(), 1, "what stands is not torn down");
            down(&branch);
            hq.wait("it is down there too", || ike_sas(&hq).is_empty());
            refused(&hq, &branch, "certificate-revoked");
        },
    );
}

/// Answers every GET on this address of the namespace, and counts.
fn serve(namespace: &str, address: &str, body: Vec<u8>) -> Arc<AtomicUsize> {
    let file = fs::File::open(format!("/run/netns/{namespace}")).expect("a namespace");
    let (address, count) = (address.to_owned(), Arc::new(AtomicUsize::new(0)));
    let served = Arc::clone(&count);
    let (listening, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        nix::sched::setns(file.as_fd(), nix::sched::CloneFlags::CLONE_NEWNET).expect("entered");
        let listener = TcpListener::bind(&address).expect("an address of the namespace");
        listening.send(()).expect("somebody waits");
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(length @ 1..) => request.extend_from_slice(&buffer[..length]),
                    _ => break,
                }
            }
            served.fetch_add(1, Ordering::SeqCst);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    ready.recv().expect("it listens");
    count
}

#[test]
fn a_crl_is_fetched_once_and_counts_for_all() {
    isolated("a_crl_is_fetched_once_and_counts_for_all", |directory| {
        wire();
        let authority = company(directory);
        let served = serve("hq", "127.0.0.1:8080", authority.revokes_der(1, &[66]));
        let with_url = Wanted {
            crl: Some("http://127.0.0.1:8080/ca.crl".to_owned()),
            ..Wanted::of(BRANCH.1)
        };
        show(directory, "branch", &authority.issue(&with_url));
        let hq = side(directory, "hq", &format!("{BY_CA}, revocation: strict"));
        let branch = side(directory, "branch", BY_CA);
        for _ in 0..2 {
            up(&branch).expect("up");
            down(&branch);
            hq.wait("it is down there too", || ike_sas(&hq).is_empty());
        }
        drop(branch);
        show(
            directory,
            "branch",
            &authority.issue(&Wanted {
                serial: 66,
                ..with_url
            }),
        );
        let branch = side(directory, "branch", BY_CA);
        refused(&hq, &branch, "certificate-revoked");
        assert_eq!(
            served.load(Ordering::SeqCst),
            1,
            "the list is good until the next one is due"
        );
    });
}

#[test]
fn where_no_crl_can_be_fetched_the_demand_decides() {
    isolated(
        "where_no_crl_can_be_fetched_the_demand_decides",
        |directory| {
            wire();
            let authority = company(directory);
            let url = "http://127.0.0.1:8080/ca.crl";
            let with_url = Wanted {
                crl: Some(url.to_owned()),
                ..Wanted::of(BRANCH.1)
            };
            show(directory, "branch", &authority.issue(&with_url));
            let branch = side(directory, "branch", BY_CA);
            {
                let hq = side(directory, "hq", &format!("{BY_CA}, revocation: strict"));
                refused(&hq, &branch, "revocation-unknown");
                let told = failure(&hq).to_string();
                assert!(
                    told.contains(url) && told.contains("connection refused"),
                    "{told}"
                );
                assert!(
                    branch.log_text().lines().all(|line| !line.contains(url)),
                    "the peer is not told"
                );
            }
            let _hq = side(
                directory,
                "hq",
                &format!("{BY_CA}, revocation: if-available"),
            );
            up(&branch).expect("up without it");
        },
    );
}

#[test]
fn what_expires_soon_is_told_in_one_line() {
    isolated("what_expires_soon_is_told_in_one_line", |directory| {
        let authority = company(directory);
        let soon = Wanted {
            days: (-300, 5),
            ..Wanted::of(HQ.1)
        };
        show(directory, "hq", &authority.issue(&soon));
        let hq = side_here(directory, BY_CA);
        hq.call("Reload", json!({}));
        let log = hq.log_text();
        let told: Vec<_> = log
            .lines()
            .filter(|line| line.contains("expires"))
            .collect();
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(told[0].contains("used by: tunnel"), "{}", told[0]);
    });
}

#[test]
fn a_signature_that_the_peer_does_not_expect_fails_with_a_word_on_its_secret() {
    isolated(
        "a_signature_that_the_peer_does_not_expect_fails_with_a_word_on_its_secret",
        |directory| {
            wire();
            let (private, public) = raw_key();
            policy(directory, "hq.raw", &private);
            policy(directory, "hq-peer.pub", &public);
            policy(directory, "branch.psk", SECRET);
            let raw = "local: { key: NAME.raw }, remote: { public_key: NAME-peer.pub }";
            let hq = side(directory, "hq", raw);
            let _branch = side(directory, "branch", "psk: { file: NAME.psk }");
            up(&hq).expect_err("the peer has a secret only");
            assert_eq!(failure(&hq)["code"], "no-signing-method");
            assert!(
                failure(&hq)["suggestion"]
                    .to_string()
                    .contains("pre-shared key")
            );
        },
    );
}
