//! The owner as the shell knows it: questions in, reports out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use ike::auth::ask::{SignAnswer, SignQuestion};
use ike::config::Name;
use ike::crypto::signature::{Fingerprint, PrivateKey, SignatureScheme};
use ike::crypto::standard;
use ike::wire::numbers::HashAlgorithm;

use super::*;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// A policy with its secret, without a kernel, in a directory that goes when the test ends.
struct Policies(PathBuf);

impl Policies {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ikd-owner-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("created");
        let policies = Self(path);
        policies.write("hq.psk", "only-for-this-test-0123456789");
        policies.write(
            "hq.yaml",
            "version: 1\nkernel: none\nconnections:\n  branch:\n    \
             local: { address: 192.0.2.1, id: hq.example.com }\n    \
             remote: { address: 198.51.100.7, id: branch.example.com }\n    \
             auth: { psk: { file: hq.psk } }\n",
        );
        policies
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    }

    /// An owner of what is there, and one key beside it.
    fn owner(&self, key: PrivateKey) -> Credentials {
        let paths = vec![self.0.clone()];
        let loaded = configuration::load(&paths).unwrap_or_else(|report| panic!("{report:?}"));
        Credentials {
            policy: loaded.policy(),
            paths,
            secrets: loaded.secrets,
            keys: [(key.public_key().fingerprint(), Arc::new(key))].into(),
            files: loaded.files,
            interval: None,
            provider: standard(),
            kernel: KernelMode::None,
            exempt: |_| Ok(()),
        }
    }
}

impl Drop for Policies {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Ed25519 in PKCS#8 (RFC 8410 section 7).
fn key() -> PrivateKey {
    let head = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    PrivateKey::read(&[&head[..], &[7; 32]].concat(), None).expect("a key")
}

fn sign(key: Fingerprint, scheme: SignatureScheme) -> Question {
    Question::Sign(Box::new(SignQuestion {
        connection: Name::new("branch").expect("a name"),
        key,
        scheme,
        octets: b"what is covered".to_vec(),
    }))
}

async fn report(reports: &mut mpsc::UnboundedReceiver<Report>) -> Report {
    let report = tokio::time::timeout(PATIENCE, reports.recv()).await;
    report.expect("in time").expect("the owner lives")
}

async fn signed(reports: &mut mpsc::UnboundedReceiver<Report>) -> (QuestionId, SignAnswer) {
    match report(reports).await {
        Report::Answer(id, Answer::Signed(answer)) => (id, answer),
        _ => panic!("another report"),
    }
}

#[tokio::test]
async fn the_key_of_that_fingerprint_signs_and_no_other() {
    let policies = Policies::new("sign");
    let key = key();
    let public = key.public_key().clone();
    let (reports, mut told) = mpsc::unbounded_channel();
    let owner = policies.owner(key).start(reports);

    let question = sign(public.fingerprint(), SignatureScheme::Ed25519);
    owner.send(Work::Ask(QuestionId(1), question));
    match signed(&mut told).await {
        (QuestionId(1), SignAnswer::Signed(signature)) => public
            .verify(SignatureScheme::Ed25519, b"what is covered", &signature)
            .expect("right"),
        other => panic!("{other:?}"),
    }
    let unknown = sign(Fingerprint([1; 32]), SignatureScheme::Ed25519);
    owner.send(Work::Ask(QuestionId(2), unknown));
    let answer = signed(&mut told).await;
    assert!(
        matches!(answer, (QuestionId(2), SignAnswer::NoKey)),
        "{answer:?}"
    );

    let scheme = SignatureScheme::RsaPkcs1(HashAlgorithm::SHA2_256);
    owner.send(Work::Ask(QuestionId(3), sign(public.fingerprint(), scheme)));
    match signed(&mut told).await {
        (QuestionId(3), SignAnswer::Failed(why)) => assert!(why.contains("Ed25519"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_that_the_policies_no_longer_name_is_gone_with_the_reload() {
    let policies = Policies::new("gone");
    let key = key();
    let fingerprint = key.public_key().fingerprint();
    let (reports, mut told) = mpsc::unbounded_channel();
    let owner = policies.owner(key).start(reports);
    let ask = || Work::Ask(QuestionId(1), sign(fingerprint, SignatureScheme::Ed25519));

    policies.write("hq.psk", "");
    owner.send(Work::Reload);
    let refused = report(&mut told).await;
    owner.send(ask());
    assert!(matches!(
        refused,
        Report::Reloaded(Origin::Asked, Err(Refused::Problems(_)))
    ));
    let answer = signed(&mut told).await.1;
    assert!(
        matches!(answer, SignAnswer::Signed(_)),
        "a bad reload leaves the keys: {answer:?}"
    );

    policies.write("hq.psk", "another-for-this-test-0123456789");
    owner.send(Work::Reload);
    assert!(matches!(
        report(&mut told).await,
        Report::Reloaded(Origin::Asked, Ok(_))
    ));
    owner.send(ask());
    let answer = signed(&mut told).await.1;
    assert!(matches!(answer, SignAnswer::NoKey), "{answer:?}");
}

#[tokio::test]
async fn a_crowd_of_signatures_is_answered_each() {
    let policies = Policies::new("crowd");
    let key = key();
    let fingerprint = key.public_key().fingerprint();
    let (reports, mut told) = mpsc::unbounded_channel();
    let owner = policies.owner(key).start(reports);
    for id in 0..200 {
        let question = sign(fingerprint, SignatureScheme::Ed25519);
        owner.send(Work::Ask(QuestionId(id), question));
    }
    let mut answered = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let (id, answer) = signed(&mut told).await;
        assert!(matches!(answer, SignAnswer::Signed(_)), "{answer:?}");
        answered.insert(id);
    }
    assert_eq!(answered.len(), 200);
}

#[test]
fn policies_and_directories_of_them_are_not_watched_and_what_they_name_is() {
    let paths = ["/etc/ikd", "/srv/hq.policy"].map(PathBuf::from);
    let files = [
        "/etc/ikd/hq.yaml",
        "/srv/hq.policy",
        "/etc/ikd/hq.pem",
        "/etc/ikd/keys/hq.yaml",
        "/srv/ca.crl",
    ]
    .map(PathBuf::from);
    assert_eq!(watched(&files, &paths), files[2..]);
}
