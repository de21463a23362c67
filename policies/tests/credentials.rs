//! Mistakes with certificates, keys and what is asked of a peer; and what is read of those that are right.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use ike::config::{Purposes, RemoteAuthentication, Revocation, SignatureDemand, Strength};
use policies::{Loaded, Report};
use rcgen::{
    CertificateParams, CrlDistributionPoint, DnType, ExtendedKeyUsagePurpose, KeyPair,
    PKCS_ECDSA_P384_SHA384,
};
use tempfile::TempDir;

use common::{Authority, DAY, encrypted, every_case_is_told, valid, with_line, write};

/// A connection that is right, for a case to change one line of.
const CONNECTION: &str = "\
version: 1
connections:
  branch:
    local: { address: 192.0.2.1 }
    remote: { address: 198.51.100.7, id: branch.example.com }
    auth: { certificate: hq.pem, key: hq.key, ca: ca.pem }
    children:
      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16 }
";

/// The files that the cases name.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, content: &[u8]| write(folder.path(), name, content);
    let (root, other) = (Authority::root("CA"), Authority::root("Other CA"));
    let below = root.below("Sub CA");
    write("ca.pem", root.pem().as_bytes());
    write("other-ca.pem", other.pem().as_bytes());
    write("sub-ca.pem", below.pem().as_bytes());
    write("bundle.pem", (below.pem() + &root.pem()).as_bytes());
    write("ca.crl", root.crl(DAY).as_bytes());
    write("stale.crl", root.crl(-DAY).as_bytes());
    write("other.crl", other.crl(DAY).as_bytes());

    let issue = |name: &str, authority: &Authority, adjust: &dyn Fn(&mut CertificateParams)| {
        let names = [&*format!("{name}.example.com"), "192.0.2.1"];
        let (certificate, key) = authority.issue(name, &names, adjust);
        write(&format!("{name}.pem"), certificate.as_bytes());
        write(&format!("{name}.key"), key.as_bytes());
        (certificate, key)
    };
    let (hq, key) = issue("hq", &root, &|_| {});
    issue("below", &below, &|_| {});
    issue("expired", &root, &|params| valid(params, -9 * DAY, -DAY));
    issue("soon", &root, &|params| valid(params, -20 * DAY, 9 * DAY));
    issue("future", &root, &|params| valid(params, DAY, 9 * DAY));
    issue("listed", &root, &|params| {
        let uris = vec!["http://crl.example.com/ca.crl".to_owned()];
        params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
    });
    issue("web", &root, &|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let (nameless, key_of_it) = root.issue("", &["nameless.example.com"], |_| {});
    write("nameless.pem", nameless.as_bytes());
    write("nameless.key", key_of_it.as_bytes());
    write("all-in-one.pem", (hq + &key).as_bytes());

    let strong = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
    write("strong.key", strong.serialize_pem().as_bytes());
    write("hq.pub", strong.public_key_pem().as_bytes());
    let mut request = CertificateParams::default();
    request.distinguished_name.push(DnType::CommonName, "hq");
    let request = request
        .serialize_request(&strong)
        .and_then(|request| request.pem());
    write("request.pem", request.expect("a request").as_bytes());

    write(
        "locked.key",
        encrypted(&key, "Xq7-swordfish-Xq7").as_bytes(),
    );
    write("right.pass", b"Xq7-swordfish-Xq7\n");
    write("wrong.pass", b"Xq8-swordfish-Xq8\n");
    write("empty.pass", b"\n");
    write("open.key", key.as_bytes());
    write("open.pass", b"Xq7-swordfish-Xq7\n");
    for name in ["open.key", "open.pass"] {
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(folder.path().join(name), mode).expect("the mode is set");
    }
    write(
        "broken.pem",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    write(
        "broken.key",
        b"-----BEGIN PRIVATE KEY-----\nU3dvcmRmaXNo\n-----END PRIVATE KEY-----\n",
    );
    write("text.pem", b"swordfish\n");
    write("empty.pem", b"");
    folder
}

fn load(folder: &TempDir, text: &str) -> Result<Loaded, Report> {
    write(folder.path(), "test.yaml", text);
    let loaded = policies::load(&[folder.path().join("test.yaml")]);
    if let Ok(loaded) = &loaded {
        let shown = format!("{loaded:?}");
        assert!(
            !shown.contains("swordfish") && !shown.contains("PRIVATE"),
            "{shown}"
        );
    }
    loaded
}

fn check(folder: &TempDir, text: &str) -> Report {
    let report = load(folder, text).map_or_else(|report| report, |loaded| loaded.warnings);
    for rendering in [
        report.to_string(),
        report.draw(false),
        format!("{report:?}"),
    ] {
        assert!(
            !rendering.to_lowercase().contains("swordfish"),
            "{text}\n{rendering}"
        );
    }
    report
}

#[test]
fn every_problem_with_a_credential_points_and_suggests() {
    let folder = folder();
    let table = include_str!("credentials.txt");
    let cases = every_case_is_told(table, CONNECTION, |text| check(&folder, text));
    assert!(cases > 40, "{cases}");
}

fn demand(loaded: &Loaded) -> SignatureDemand {
    match loaded.configuration.connections[0].authentication.remote {
        RemoteAuthentication::Signature(demand) => demand,
        RemoteAuthentication::PreSharedKey => panic!("a signature"),
    }
}

#[test]
fn what_is_asked_of_a_peer_is_what_is_written_and_cnsa1_implies_its_certificates() {
    let folder = folder();
    let demand = |auth: &str| {
        let text = with_line(CONNECTION, 6, &format!("    {auth}"));
        demand(&load(&folder, &text).unwrap_or_else(|report| panic!("{report}")))
    };
    let auth =
        |more: &str| format!("auth: {{ key: hq.key, certificate: hq.pem, ca: ca.pem{more} }}");
    assert_eq!(demand(&auth("")), SignatureDemand::default());
    let asked = demand(&auth(", revocation: strict, crl: ca.crl, strength: cnsa1"));
    assert_eq!(
        (asked.revocation, asked.strength),
        (Revocation::Strict, Strength::Cnsa1)
    );
    assert!(demand(&auth(", rsa_sha1: accept")).rsa_sha1);
    assert_eq!(demand(&auth(", purposes: any")).purposes, Purposes::Any);
    let each = "auth: { local: { key: hq.key }, remote: { ca: ca.pem, purposes: any } }";
    assert_eq!(demand(each).purposes, Purposes::Any);
    assert_eq!(
        demand(&auth(", revocation: off")).revocation,
        Revocation::Off
    );
    let cnsa1 = |more| format!("{}\n    ike: cnsa1", auth(more));
    assert_eq!(demand(&cnsa1("")).strength, Strength::Cnsa1);
    assert_eq!(
        demand(&cnsa1(", strength: default")).strength,
        Strength::Default
    );
}

#[test]
fn a_file_that_many_connections_name_is_read_once_and_shared() {
    let folder = folder();
    let mut text = "version: 1\nconnections:\n".to_owned();
    for number in 0..200 {
        let connection = CONNECTION
            .lines()
            .skip(2)
            .map(|line| format!("{line}\n"))
            .collect::<String>();
        let connection = connection.replace("branch", &format!("branch{number}"));
        text.push_str(&connection.replace("10.2.0.0/16", &format!("10.2.{number}.0/24")));
    }
    let loaded = load(&folder, &text).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(loaded.configuration.credentials.len(), 200);
    assert_eq!((loaded.keys.len(), loaded.files.len()), (1, 4));
    let mut all = loaded.configuration.credentials.values();
    let first = all.next().expect("one");
    let own = |credentials: &ike::config::PublicCredentials| {
        credentials.own.as_ref().expect("ours").chain[0].clone()
    };
    let anchor = |credentials: &ike::config::PublicCredentials| {
        credentials
            .trust
            .certificates()
            .next()
            .expect("an anchor")
            .clone()
    };
    for one in all {
        assert!(Arc::ptr_eq(&own(first), &own(one)) && Arc::ptr_eq(&anchor(first), &anchor(one)));
    }
}

#[test]
fn of_a_wrong_file_it_is_told_once() {
    let folder = folder();
    let auth =
        "    auth: { certificate: [text.pem, text.pem], key: broken.key, ca: [ca.pem, text.pem] }";
    let report = check(&folder, &with_line(CONNECTION, 6, auth));
    let told: Vec<_> = report
        .problems
        .iter()
        .map(|problem| problem.code.name())
        .collect();
    assert_eq!(told, ["bad-key", "bad-certificate"], "{report}");
}

#[test]
fn ids_default_to_the_subject_of_a_certificate_and_to_addresses_without_one() {
    let folder = folder();
    for (auth, remote, local_id, remote_id) in [
        (
            "certificate: hq.pem, key: hq.key, ca: ca.pem",
            "id: any",
            "C=DE, O=Example, CN=hq",
            None,
        ),
        (
            "certificate: nameless.pem, key: nameless.key, ca: ca.pem",
            "id: any",
            "nameless.example.com",
            None,
        ),
        (
            "key: hq.key, public_key: hq.pub",
            "address: 198.51.100.7",
            "192.0.2.1",
            Some("198.51.100.7"),
        ),
        (
            "local: { key: hq.key }, remote: { certificate: listed.pem }",
            "address: any",
            "192.0.2.1",
            Some("C=DE, O=Example, CN=listed"),
        ),
        (
            "local: { psk: \"Xq7-swordfish-Xq7\" }, remote: { ca: ca.pem }",
            "id: \"*.example.com\"",
            "192.0.2.1",
            Some("*.example.com"),
        ),
    ] {
        let text = with_line(CONNECTION, 5, &format!("    remote: {{ {remote} }}"));
        let text = with_line(&text, 6, &format!("    auth: {{ {auth} }}"));
        write(folder.path(), "test.yaml", text);
        let path = folder.path().join("test.yaml");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the mode is set");
        let loaded = policies::load(&[path]).unwrap_or_else(|report| panic!("{report}"));
        let connection = &loaded.configuration.connections[0];
        assert_eq!(connection.local.id.to_string(), local_id);
        let found = connection.remote.id.as_ref().map(ToString::to_string);
        assert_eq!(found.as_deref(), remote_id);
    }
}

#[test]
fn the_drawing_of_a_wrong_certificate_shows_where_it_is_named() {
    let folder = folder();
    let text = with_line(
        CONNECTION,
        4,
        "    local: { address: 192.0.2.1, id: hq.example.org }",
    );
    let report = check(&folder, &text);
    let drawn = report
        .draw(false)
        .replace(&folder.path().display().to_string(), "/etc/ikd");
    assert_eq!(
        drawn,
        "\
error[identity-not-in-certificate]: `hq.example.org` is not in our certificate,
                                    which holds C=DE, O=Example, CN=hq,
                                    hq.example.com and 192.0.2.1
 --> /etc/ikd/test.yaml:4:38
  |
4 |     local: { address: 192.0.2.1, id: hq.example.org }
  |                                      ^^^^^^^^^^^^^^
  |
  = at: connections.branch.local.id
  = help: write one of these, or leave the id out to use the subject"
    );
}
