//! The examples load, say nothing is wrong, and their two ends agree with each other.
//!
//! git keeps no more of a file's mode than whether it can be executed, so that a secret is readable by others after a
//! checkout, and would be refused, as it should. The tests copy an example and set the modes that its users would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ike::config::selector::narrow;
use ike::config::{Configuration, Connection, Keep, ShuntAction};
use policies::{Loaded, Severity};

/// Loads one file of an example from a copy in which secrets have mode 0600.
fn load(example: &str, file: &str) -> Loaded {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(example);
    let copy = tempfile::tempdir().expect("a temporary directory");
    for entry in fs::read_dir(&from).expect("the example is there") {
        let path = entry.expect("an entry").path();
        let to = copy.path().join(path.file_name().expect("a name"));
        fs::copy(&path, &to).expect("a copy");
        let mode = if to.extension().is_some_and(|extension| extension == "psk") {
            0o600
        } else {
            0o644
        };
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).expect("the mode is set");
    }
    policies::load(&[copy.path().join(file)])
        .unwrap_or_else(|report| panic!("{example}/{file}:\n{}", report.draw(false)))
}

/// Whether the two descriptions of one tunnel fit: addresses, ids, secrets, algorithms, traffic.
fn assert_agree(a: (&Loaded, &str), b: (&Loaded, &str)) {
    let connection = |(loaded, name): (&Loaded, &str)| {
        loaded
            .configuration
            .connections
            .iter()
            .find(|one| one.name.as_str() == name)
            .expect("the connection")
            .clone()
    };
    let secret = |(loaded, name): (&Loaded, &str)| {
        loaded
            .secrets
            .iter()
            .find(|(one, _)| one.as_str() == name)
            .map(|(_, secret)| secret.clone())
            .expect("the secret")
    };
    assert_eq!(secret(a), secret(b));
    let (a, b) = (connection(a), connection(b));
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
    for child in &a.children {
        let other = b
            .children
            .iter()
            .find(|other| narrow(&other.remote, &child.local) == child.local);
        let other = other.expect("a child for the same traffic");
        assert_eq!(narrow(&other.local, &child.remote), child.remote);
        assert_eq!(child.proposals, other.proposals);
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
             auth: {{ psk: \"0x000102030405060708090a0b0c0d0e0f\" }}\n    children: {{ lan: {{ local: 10.0.0.0/16, remote: 10.{number}.0.0/16 }} }}\n"
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
            .map(ToString::to_string)
            .as_deref(),
        Some("198.51.100.2")
    );
    assert!(
        loaded
            .secrets
            .values()
            .all(|secret| secret.as_bytes() == (0..16).collect::<Vec<u8>>())
    );
}
