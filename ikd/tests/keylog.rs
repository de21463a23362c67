//! `--keylog`: two daemons in two network namespaces, one of which writes the keys of its IKE SAs down.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use common::{Daemon, ikd, isolated, policy, wire};
use serde_json::{Value, json};

const HQ: (&str, &str) = ("192.0.2.1", "hq.example.com");
const BRANCH: (&str, &str) = ("192.0.2.2", "branch.example.com");

fn text(local: (&str, &str), remote: (&str, &str)) -> String {
    format!(
        "version: 1\nkernel: none\nconnections:\n  tunnel:\n    local: {{ address: {}, id: {} }}\n    \
         remote: {{ address: {}, id: {} }}\n    auth: {{ psk: only-for-this-test-0123456789 }}\n",
        local.0, local.1, remote.0, remote.1
    )
}

fn path(path: &Path) -> &str {
    path.to_str().expect("plain characters")
}

#[test]
fn keys_go_to_the_file_that_was_asked_for_and_nowhere_else() {
    isolated(
        "keys_go_to_the_file_that_was_asked_for_and_nowhere_else",
        |directory| {
            wire();
            let file = directory.join("keys");
            let policies = [
                policy(directory, "hq.yaml", &text(HQ, BRANCH)),
                policy(directory, "branch.yaml", &text(BRANCH, HQ)),
            ];
            let keylog = ["--keylog", path(&file)];
            let hq = Daemon::start_with(directory, "hq", Some("hq"), &policies[0], &keylog);
            let branch = Daemon::start(directory, "branch", Some("branch"), &policies[1]);
            let up = json!({ "connection": "tunnel", "wait": true, "timeout_seconds": 20 });
            assert_eq!(hq.call("Up", up)["state"], "up");

            let mode = fs::metadata(&file).expect("the file").mode();
            assert_eq!(mode & 0o7777, 0o600);
            let table = fs::read_to_string(&file).expect("text");
            let columns: Vec<_> = table.trim_end().split(',').collect();
            assert_eq!((table.lines().count(), columns.len()), (1, 8), "{table}");
            let list = hq.call("List", json!({}));
            let sa = &list["connections"][0]["ike_sas"][0];
            assert_eq!(
                (&sa["initiator_spi"], &sa["responder_spi"]),
                (&json!(columns[0]), &json!(columns[1]))
            );

            let told = hq.events("keylog");
            assert_eq!(told[0]["level"], "warn");
            assert!(
                told[0]["message"]
                    .as_str()
                    .is_some_and(|text| text.contains(path(&file)))
            );
            assert_eq!(hq.call("Status", json!({}))["keylog"], json!(path(&file)));
            assert_eq!(branch.call("Status", json!({}))["keylog"], Value::Null);
            assert!(branch.events("keylog").is_empty());
            let said = [hq.log_text(), branch.log_text(), list.to_string()].concat();
            for key in columns[2..4]
                .iter()
                .chain(&columns[5..7])
                .filter(|key| !key.is_empty())
            {
                assert!(!said.contains(&key[..16]), "a key in what the daemons say");
            }
        },
    );
}

#[test]
fn a_file_that_others_can_read_stops_the_start() {
    isolated("a_file_that_others_can_read_stops_the_start", |directory| {
        let config = policy(directory, "hq.yaml", &text(HQ, BRANCH));
        let file = directory.join("keys");
        fs::write(&file, "").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set");
        let (state, control) = (directory.join("state"), directory.join("control"));
        let output = ikd(&[
            "--config",
            path(&config),
            "--state-dir",
            path(&state),
            "--control",
            path(&control),
            "--keylog",
            path(&file),
        ]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains("mode 0644") && told.contains("help: "),
            "{told}"
        );
    });
}
