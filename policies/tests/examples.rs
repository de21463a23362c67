//! The examples load, say nothing is wrong, and their two ends agree with each other.
//!
//! git keeps no more of a file's mode than whether it can be executed, so that a secret is readable by others after a
//! checkout, and would be refused, as it should. The tests copy an example and set the modes that its users would.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use ike::config::identity::IdentityPattern;
use ike::config::selector::narrow;
use ike::config::{
    Configuration, Connection, Keep, LocalAuthentication, Mode, PublicCredentials,
    RemoteAuthentication, Revocation, ShuntAction,
};
use policies::{Loaded, Severity};
use tempfile::TempDir;

use common::{Authority, DAY, encrypted, write};

/// A copy of an example, in which secrets have mode 0600.
fn copy(example: &str) -> TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(example);
    let copy = tempfile::tempdir().expect("a temporary directory");
    for entry in fs::read_dir(&from).expect("the example is there") {
        let path = entry.expect("an entry").path();
        let to = copy.path().join(path.file_name().expect("a name"));
        fs::copy(&path, &to).expect("a copy");
        let mode = match to.extension().and_then(|extension| extension.to_str()) {
            Some("psk") => 0o600,
            Some("sh") => 0o755,
            _ => 0o644,
        };
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).expect("the mode is set");
    }
    copy
}

fn load_from(folder: &TempDir, file: &str) -> Loaded {
    policies::load(&[folder.path().join(file)])
        .unwrap_or_else(|report| panic!("{file}:\n{}", report.draw(false)))
}

/// Loads one file of an example that needs no certificates.
fn load(example: &str, file: &str) -> Loaded {
    load_from(&copy(example), file)
}

fn connection(loaded: &Loaded, name: &str) -> std::sync::Arc<Connection> {
    let mut all = loaded.configuration.connections.iter();
    all.find(|one| one.name.as_str() == name)
        .expect("the connection")
        .clone()
}

fn credentials<'a>(loaded: &'a Loaded, name: &str) -> Option<&'a PublicCredentials> {
    let mut all = loaded.configuration.credentials.iter();
    all.find(|(one, _)| one.as_str() == name)
        .map(|(_, credentials)| &**credentials)
}

/// Whether the two descriptions of one tunnel fit: addresses, ids, secrets, algorithms, traffic.
fn assert_agree(a: (&Loaded, &str), b: (&Loaded, &str)) {
    let secret = |(loaded, name): (&Loaded, &str)| {
        let mut all = loaded.secrets.iter();
        all.find(|(one, _)| one.as_str() == name)
            .map(|(_, secret)| secret.clone())
    };
    assert_eq!(secret(a), secret(b));
    assert_proofs_fit(a, b);
    assert_proofs_fit(b, a);
    let (a, b) = (connection(a.0, a.1), connection(b.0, b.1));
    let knows = |a: &Connection, b: &Connection| {
        a.remote
            .id
            .as_ref()
            .is_none_or(|id| id.matches(&b.local.id))
            && (a.remote.address.is_none()
                || b.local.address.is_none()
                || a.remote.address == b.local.address)
    };
    assert!(knows(&a, &b) && knows(&b, &a), "{a:?}\n{b:?}");
    assert!(a.initiates() || b.initiates());
    assert_eq!(a.proposals, b.proposals);
    let (caller, other) = if a.initiates() { (&a, &b) } else { (&b, &a) };
    for child in &caller.children {
        let fits = |other: &&std::sync::Arc<ike::config::Child>| {
            narrow(&other.remote, &child.local) == child.local
                && narrow(&other.local, &child.remote) == child.remote
        };
        let other = other.children.iter().find(fits);
        let other = other.expect("a child for the same traffic");
        assert_eq!(child.proposals, other.proposals);
        assert_eq!(child.mode, other.mode);
    }
}

/// Whether `b` accepts how `a` proves itself.
fn assert_proofs_fit(a: (&Loaded, &str), b: (&Loaded, &str)) {
    let (ours, theirs) = (connection(a.0, a.1), connection(b.0, b.1));
    match (ours.authentication.local, theirs.authentication.remote) {
        (LocalAuthentication::PreSharedKey, RemoteAuthentication::PreSharedKey) => {}
        (LocalAuthentication::Signature, RemoteAuthentication::Signature(_)) => {
            let own = credentials(a.0, a.1).and_then(|one| one.own.as_ref());
            let own = own.expect("a key of our own");
            assert!(a.0.keys.contains_key(&own.key.fingerprint()));
            assert!(own.chain[0].vouches_for(&ours.local.id));
            let trust = &credentials(b.0, b.1).expect("trust").trust;
            let issuer = own.chain.last().expect("a certificate").issuer();
            let mut anchors = trust.certificates();
            assert!(
                trust.wants_raw_keys() || anchors.any(|anchor| anchor.subject().matches(issuer))
            );
        }
        other => panic!("{other:?}"),
    }
}

fn assert_quiet(loaded: &Loaded) -> &Configuration {
    assert!(
        loaded
            .warnings
            .problems
            .iter()
            .all(|problem| problem.severity == Severity::Note),
        "{}",
        loaded.warnings
    );
    &loaded.configuration
}

#[test]
fn the_two_ends_of_site_to_site_agree() {
    let (hq, branch) = (
        load("site-to-site", "hq.yaml"),
        load("site-to-site", "branch.yaml"),
    );
    assert_quiet(&hq);
    assert_quiet(&branch);
    assert_agree((&hq, "branch"), (&branch, "hq"));
}

#[test]
fn a_working_site_to_site_policy_is_under_ten_lines() {
    for text in [
        include_str!("../examples/site-to-site/hq.yaml"),
        include_str!("../examples/site-to-site/branch.yaml"),
    ] {
        assert!(text.lines().filter(|line| !line.starts_with('#')).count() < 10);
    }
}

#[test]
fn the_hub_agrees_with_each_of_its_branches() {
    let hub = load("hub", "hub.yaml");
    assert_eq!(assert_quiet(&hub).connections.len(), 3);
    assert!(
        hub.configuration
            .connections
            .iter()
            .all(|connection| !connection.initiates())
    );
    for name in ["north", "south", "west"] {
        let branch = load("hub", &format!("{name}.yaml"));
        assert_quiet(&branch);
        assert_agree((&hub, name), (&branch, "hub"));
    }
}

#[test]
fn protect_pass_and_drop_stand_side_by_side() {
    let loaded = load("protect-pass-drop", "gateway.yaml");
    let configuration = assert_quiet(&loaded);
    let children = &configuration.connections[0].children;
    assert_eq!(
        children
            .iter()
            .map(|child| child.name.as_str())
            .collect::<Vec<_>>(),
        ["lan", "servers"]
    );
    assert!(
        children
            .iter()
            .all(|child| child.keep == Keep::Up && child.replay_window == 128)
    );
    assert_eq!(children[1].hard_lifetime.as_secs(), 3600);
    assert_eq!(
        children[1].remote[1].to_string(),
        "10.9.0.10-10.9.0.20[tcp/443]"
    );
    let actions: Vec<_> = configuration
        .shunts
        .iter()
        .map(|shunt| (shunt.name.as_str(), shunt.action, shunt.priority))
        .collect();
    assert_eq!(
        actions,
        [
            ("printer", ShuntAction::Pass, None),
            ("telnet", ShuntAction::Drop, Some(1))
        ]
    );
}

#[test]
fn a_directory_is_read_as_one_in_the_order_of_its_files() {
    let copy = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        let path = copy.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the mode is set");
    };
    let connection = |name: &str, number: u8| {
        format!(
            "version: 1\nconnections:\n  {name}:\n    local: {{ address: 192.0.2.1 }}\n    remote: {{ address: 198.51.100.{number} }}\n    \
             auth: {{ psk: \"0x000102030405060708090a0b0c0d0e0f{number:02}\" }}\n    children: {{ lan: {{ local: 10.0.0.0/16, remote: 10.{number}.0.0/16 }} }}\n"
        )
    };
    write("20-b.yaml", &connection("b", 2));
    write("10-a.yaml", &connection("a", 1));
    write("30-limits.yaml", "version: 1\nlimits: { half_open: 10 }\n");
    write(".hidden.yaml", "not: [read");
    let loaded =
        policies::load(&[copy.path().to_owned()]).unwrap_or_else(|report| panic!("{report}"));
    let names: Vec<_> = assert_quiet(&loaded)
        .connections
        .iter()
        .map(|connection| connection.name.to_string())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(loaded.configuration.limits.half_open, 10);
    assert_eq!(
        loaded.configuration.connections[0].local.id.to_string(),
        "192.0.2.1"
    );
    assert_eq!(
        loaded.configuration.connections[1]
            .remote
            .id
            .as_ref()
            .map(IdentityPattern::to_string)
            .as_deref(),
        Some("198.51.100.2")
    );
    assert!(
        loaded
            .secrets
            .values()
            .all(|secret| secret.as_bytes()[..16] == (0..16).collect::<Vec<u8>>())
    );
}

/// The files that make-certificates.sh of the example would make.
fn make_certificates(folder: &TempDir) {
    let authority = Authority::root("Example VPN CA");
    write(folder.path(), "ca.pem", authority.pem());
    for name in ["hq", "branch"] {
        let (certificate, key) = authority.issue(name, &[&format!("{name}.example.com")], |_| {});
        write(folder.path(), &format!("{name}.pem"), certificate);
        write(folder.path(), &format!("{name}.key"), key);
    }
}

fn assert_certificates_agree(folder: &TempDir) {
    let (hq, branch) = (
        load_from(folder, "hq.yaml"),
        load_from(folder, "branch.yaml"),
    );
    assert_quiet(&hq);
    assert_quiet(&branch);
    assert_agree((&hq, "branch"), (&branch, "hq"));
    let names: Vec<_> = hq
        .files
        .iter()
        .filter_map(|file| file.file_name())
        .collect();
    assert_eq!(names, ["hq.yaml", "ca.pem", "hq.key", "hq.pem"]);
    assert!(!format!("{hq:?}").contains("PRIVATE"));
}

#[test]
fn two_gateways_with_certificates_of_one_authority_agree_in_ten_lines() {
    let folder = copy("certificates");
    make_certificates(&folder);
    assert_certificates_agree(&folder);
    let text = include_str!("../examples/certificates/hq.yaml");
    assert!(text.lines().filter(|line| !line.starts_with('#')).count() < 10);
}

#[test]
fn the_script_of_the_example_makes_the_files_that_it_names() {
    let folder = copy("certificates");
    let script = Command::new("sh")
        .arg("make-certificates.sh")
        .current_dir(folder.path())
        .output();
    match (Command::new("openssl").arg("version").output(), script) {
        (Ok(version), Ok(script))
            if version.status.success() && version.stdout.starts_with(b"OpenSSL 3") =>
        {
            let told = String::from_utf8_lossy(&script.stderr);
            assert!(script.status.success(), "{told}");
            assert_certificates_agree(&folder);
        }
        other => println!("skipped: no openssl 3 on this machine: {other:?}"),
    }
}

#[test]
fn one_connection_serves_all_branches_of_a_company() {
    let folder = copy("company-ca");
    let root = Authority::root("Root CA");
    let branches = root.below("Branches CA");
    write(folder.path(), "root.pem", root.pem());
    write(folder.path(), "branches-ca.pem", branches.pem());
    write(folder.path(), "root.crl", root.crl(DAY));
    write(folder.path(), "branches.crl", branches.crl(DAY));
    let (hq, key) = branches.issue("hq", &["hq.example.com"], |_| {});
    write(folder.path(), "hq.pem", hq);
    write(folder.path(), "hq.key", key);
    let (north, key) = branches.issue("north", &["north.branches.example.com"], |_| {});
    write(folder.path(), "north.pem", north + &branches.pem());
    write(folder.path(), "north.key", encrypted(&key, "open sesame"));
    write(folder.path(), "north.pass", "open sesame\n");
    let (hq, north) = (
        load_from(&folder, "hq.yaml"),
        load_from(&folder, "north.yaml"),
    );
    assert_quiet(&hq);
    assert_quiet(&north);
    assert_agree((&hq, "branches"), (&north, "hq"));
    // Both send the intermediate certificate, wherever they have it from.
    for (loaded, name) in [(&hq, "branches"), (&north, "hq")] {
        let own = credentials(loaded, name).and_then(|one| one.own.as_ref());
        assert_eq!(own.map(|own| own.chain.len()), Some(2), "{name}");
    }
    let RemoteAuthentication::Signature(demand) = connection(&hq, "branches").authentication.remote
    else {
        panic!("a signature");
    };
    assert_eq!(demand.revocation, Revocation::Strict);
    assert_eq!(
        credentials(&hq, "branches")
            .expect("trust")
            .trust
            .lists()
            .len(),
        2
    );
}

#[test]
fn a_hub_with_secrets_and_certificates_agrees_with_each_of_its_branches() {
    let folder = copy("mixed");
    let authority = Authority::root("Example VPN CA");
    write(folder.path(), "ca.pem", authority.pem());
    for name in ["hub", "new"] {
        let (certificate, key) = authority.issue(name, &[&format!("{name}.example.com")], |_| {});
        write(folder.path(), &format!("{name}.pem"), certificate);
        write(folder.path(), &format!("{name}.key"), key);
    }
    let hub = load_from(&folder, "hub.yaml");
    assert_quiet(&hub);
    for name in ["old", "new", "half"] {
        let branch = load_from(&folder, &format!("{name}.yaml"));
        assert_quiet(&branch);
        assert_agree((&hub, name), (&branch, "hub"));
    }
    assert_eq!((hub.secrets.len(), hub.keys.len()), (2, 1));
    assert!(credentials(&hub, "old").is_none());
}

#[test]
fn hosts_in_transport_mode_agree() {
    let a = load("transport", "a.yaml");
    assert_quiet(&a);
    for (file, name) in [("b.yaml", "b"), ("c.yaml", "c")] {
        let other = load("transport", file);
        assert_quiet(&other);
        assert_agree((&a, name), (&other, "a"));
        let connection = connection(&a, name);
        assert_eq!(connection.children[0].mode, Mode::Transport);
    }
    let database = &connection(&a, "c").children[0];
    let text = |selectors: &[ike::config::selector::Selector]| selectors[0].to_string();
    assert_eq!(text(&database.local), "2001:db8::1[tcp/5432]");
    assert_eq!(text(&database.remote), "2001:db8::3[tcp]");
}

#[test]
fn offices_with_ipv6_inside_and_outside_agree() {
    let hq = load("ipv6", "hq.yaml");
    assert_quiet(&hq);
    for name in ["branch", "depot"] {
        let other = load("ipv6", &format!("{name}.yaml"));
        assert_quiet(&other);
        assert_agree((&hq, name), (&other, "hq"));
    }
}

#[test]
fn the_policies_of_the_readme_are_good() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let authority = Authority::root("Example VPN CA");
    let (certificate, key) = authority.issue("hq", &["hq.example.com"], |_| {});
    write(folder.path(), "ca.pem", authority.pem());
    write(folder.path(), "ca.crl", authority.crl(DAY));
    write(folder.path(), "hq.pem", certificate);
    write(folder.path(), "hq.key", key);
    write(
        folder.path(),
        "branch.psk",
        "an example for the README: no secret",
    );
    let policies = include_str!("../../README.md").split("```yaml\n").skip(1);
    let policies: Vec<_> = policies
        .filter_map(|text| text.split("```").next())
        .collect();
    assert!(!policies.is_empty());
    for text in policies {
        assert!(text.lines().count() <= 10);
        write(folder.path(), "readme.yaml", text);
        assert_quiet(&load_from(&folder, "readme.yaml"));
    }
}

#[test]
fn every_policy_file_of_the_examples_is_tested() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let tests = include_str!("examples.rs");
    for example in fs::read_dir(examples).expect("the examples are there") {
        let example = example.expect("an entry").path();
        let name = example.file_name().expect("a name").to_string_lossy();
        assert!(tests.contains(&format!("\"{name}\"")), "{name}");
        let files = fs::read_dir(&example).expect("a directory");
        let secret = |name: &str| {
            [".key", ".pem", ".pass"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        for file in files.map(|file| file.expect("an entry").file_name()) {
            let file = file.to_string_lossy();
            assert!(
                !secret(&file),
                "{name}/{file} belongs on no stranger's machine"
            );
        }
    }
}
