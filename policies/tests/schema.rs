//! The schema says what the reader says: of the examples, of every mistake in the tables, and of what the table of the
//! language itself gives as examples, defaults, bounds and combinations.

mod common;

use std::fs;
use std::path::Path;

use ike::config::Configuration;
use jsonschema::Validator;
use policies::schema::{self, Default, Key, Kind, Mapping, Need, Word};
use policies::{Loaded, Report, Severity};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use common::{Authority, DAY, cases, encrypted, with_line, write};

/// Mistakes that a schema sees, whatever else is in the file.
const SEEN: &[&str] = &[
    "bad-address",
    "bad-name",
    "bad-number",
    "bad-word",
    "missing-key",
    "not-yet",
    "unknown-key",
    "unknown-version",
    "wrong-kind",
];

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema::json()).expect("a valid schema")
}

/// A policy as an editor sees it; `None` where it is no YAML.
fn parsed(text: &str) -> Option<Value> {
    serde_yaml::from_str(text).ok()
}

fn complaints(validator: &Validator, value: &Value) -> String {
    let all = validator.iter_errors(value);
    all.map(|error| format!("{}: {error}\n", error.instance_path()))
        .collect()
}

#[test]
fn the_committed_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy.schema.json");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, schema::text()).expect("written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == schema::text(),
        "policies/policy.schema.json is not current: UPDATE=1 cargo test -p policies --test schema"
    );
}

#[test]
fn the_schema_is_one_of_its_draft() {
    assert!(jsonschema::draft202012::meta::is_valid(&schema::json()));
}

#[test]
fn every_example_fits_the_schema() {
    let validator = validator();
    let mut files = 0;
    for example in
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).expect("the examples")
    {
        for file in fs::read_dir(example.expect("an entry").path()).expect("a directory") {
            let path = file.expect("an entry").path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                let text = fs::read_to_string(&path).expect("a text");
                let line = format!("# yaml-language-server: $schema={}\n", schema::INSTALLED);
                assert!(text.starts_with(&line), "{}: {line}", path.display());
                let complaints = complaints(&validator, &parsed(&text).expect("YAML"));
                assert!(complaints.is_empty(), "{}:\n{complaints}", path.display());
                files += 1;
            }
        }
    }
    assert!(files > 15, "{files}");
}

/// The directory of policies that name files.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let authority = Authority::root("CA");
    let (hq, hq_key) = authority.issue("hq", &["hq.example.com"], |_| {});
    let (branch, _) = authority.issue("branch", &["branch.example.com"], |_| {});
    for (name, content) in [
        ("ca.pem", authority.pem()),
        ("hq.pem", hq),
        ("hq.key", hq_key.clone()),
        ("locked.key", encrypted(&hq_key, "open sesame")),
        ("hq.pass", "open sesame\n".to_owned()),
        ("branch.pem", branch),
        ("branch.pub", common::public_key(&hq_key)),
        (
            "branch.psk",
            "a secret of more than sixteen bytes\n".to_owned(),
        ),
        ("root.crl", authority.crl(DAY)),
        ("branches.crl", authority.crl(DAY)),
    ] {
        write(folder.path(), name, content);
    }
    folder
}

fn load(folder: &Path, value: &Value) -> Result<Loaded, Report> {
    policies::load_texts([(
        folder.join("test.yaml").as_path(),
        value.to_string().as_str(),
    )])
}

/// A policy that is right, with the keys of one mapping in it replaced. `ends`: what stands in it already.
fn around(mapping: &Mapping, mut own: Value) -> Value {
    // Which of the two is longer, no schema can say.
    if mapping.name == "child" && own.get("rekey_after").is_some() {
        own["lifetime"] = json!("720h");
    }
    let connection = |mut other: Value| {
        let mut whole = json!({
            "local": { "address": "192.0.2.1", "id": "hq.example.com" },
            "remote": { "address": "198.51.100.7", "id": "branch.example.com" },
            "auth": { "psk": { "file": "branch.psk" } },
            "children": { "lan": { "local": "10.1.0.0/16", "remote": "10.2.0.0/16" } },
        });
        for (key, value) in std::mem::take(other.as_object_mut().expect("a mapping")) {
            whole[key] = value;
        }
        json!({ "version": 1, "connections": { "branch": whole } })
    };
    let auth = |own: Value| connection(json!({ "auth": own }));
    match mapping.name {
        "file" => own,
        "connection" => connection(own),
        "local" | "remote" | "liveness" => connection(json!({ mapping.name: own })),
        "child" => connection(json!({ "children": { "lan": own } })),
        "auth" => auth(own),
        "auth-local" => auth(json!({ "local": own, "remote": { "certificate": "branch.pem" } })),
        "auth-remote" => {
            auth(json!({ "local": { "certificate": "hq.pem", "key": "hq.key" }, "remote": own }))
        }
        "key" => auth(json!({ "certificate": "hq.pem", "key": own, "ca": "ca.pem" })),
        "passphrase" => auth(
            json!({ "certificate": "hq.pem", "key": { "file": "locked.key", "passphrase": own }, "ca": "ca.pem" }),
        ),
        "psk" => auth(json!({ "psk": own })),
        "policy" => json!({ "version": 1, "policies": { "own": own } }),
        "shunt" => json!({ "version": 1, "policies": { "own": { "pass": own } } }),
        "limits" => json!({ "version": 1, "limits": own }),
        other => panic!("{other} is a new mapping: say here where it stands"),
    }
}

/// The least that is right in a mapping, by the examples of the table.
fn least(mapping: &Mapping) -> Map<String, Value> {
    let way = mapping.ways.first().map_or(&[][..], |way| way.needs);
    let keys = mapping
        .keys
        .iter()
        .filter(|key| key.need != Need::Optional || way.contains(&key.name));
    keys.map(|key| (key.name.to_owned(), example(mapping, key)))
        .collect()
}

/// The example of a key, in the one way that makes the files fit each other.
fn example(mapping: &Mapping, key: &Key) -> Value {
    match (mapping.name, key.name) {
        ("key", "passphrase") => json!("not needed"),
        _ => parsed(key.example).expect("YAML"),
    }
}

/// What both say of a policy, which has to be the same.
fn verdict(validator: &Validator, folder: &Path, value: &Value) -> bool {
    let loaded = load(folder, value);
    let complaints = complaints(validator, value);
    let report = loaded
        .as_ref()
        .err()
        .map(Report::to_string)
        .unwrap_or_default();
    assert_eq!(
        loaded.is_ok(),
        complaints.is_empty(),
        "{value:#}\nreader: {report}\nschema: {complaints}"
    );
    loaded.is_ok()
}

#[test]
fn every_example_of_the_table_is_good_and_every_bound_is_the_readers() {
    let (validator, folder) = (validator(), folder());
    for mapping in Mapping::all() {
        for key in mapping.keys {
            let with = |value: Value| {
                let mut own = match mapping.ways.iter().find(|way| {
                    way.needs
                        .iter()
                        .chain(way.may)
                        .any(|name| *name == key.name)
                }) {
                    Some(way) => way
                        .needs
                        .iter()
                        .map(|name| {
                            (
                                (*name).to_owned(),
                                example(mapping, mapping.key(name).expect("a key")),
                            )
                        })
                        .collect(),
                    None => least(mapping),
                };
                if value == "transport" {
                    own.clear();
                }
                own.insert(key.name.to_owned(), value);
                around(mapping, Value::Object(own))
            };
            let name = format!("{}: {}", mapping.name, key.name);
            let good =
                |value: Value| assert!(verdict(&validator, folder.path(), &with(value)), "{name}");
            let bad =
                |value: Value| assert!(!verdict(&validator, folder.path(), &with(value)), "{name}");
            good(example(mapping, key));
            bad(json!([["neither"]]));
            match key.kind {
                Kind::Number { least, most } => {
                    good(json!(least));
                    good(json!(most));
                    bad(json!(most + 1));
                    bad(json!(-1));
                    bad(json!("ten"));
                }
                Kind::Duration { least, most, never } => {
                    good(json!(format!("{least}s")));
                    good(json!(format!("{}h {}s", most / 3600, most % 3600)));
                    bad(json!(30));
                    bad(json!("30"));
                    bad(json!("1h, 30m"));
                    bad(json!("PT30S"));
                    if never {
                        good(json!("never"))
                    } else {
                        bad(json!("never"))
                    }
                    assert!(load(folder.path(), &with(json!(format!("{}s", most + 1)))).is_err());
                    assert!(
                        least == 0
                            || load(folder.path(), &with(json!(format!("{}s", least - 1))))
                                .is_err()
                    );
                }
                Kind::Word(words) => {
                    for Word(word, _) in words {
                        good(json!(word));
                    }
                    bad(json!("neither"));
                }
                Kind::Address { named } => {
                    for text in ["any", "192.0.2.1", "2001:db8::1"] {
                        let mut value = with(json!(text));
                        let connection = &mut value["connections"]["branch"];
                        let other = if mapping.name == "local" {
                            "remote"
                        } else {
                            "local"
                        };
                        connection[other] = json!({ "id": "other.example.com" });
                        connection[mapping.name]["id"] = json!("own.example.com");
                        assert!(verdict(&validator, folder.path(), &value), "{text}");
                    }
                    if named {
                        good(json!("hq.example.com"));
                        good(json!("hq"));
                        bad(json!("hq..example.com"));
                        bad(json!("hq example"));
                    } else {
                        bad(json!("hq.example.com"));
                    }
                    bad(json!("10.0.0.0/8"));
                }
                Kind::Identity { pattern } => {
                    for text in [
                        "192.0.2.9",
                        "a@example.com",
                        "C=DE, CN=hq",
                        "keyid:any thing",
                        "fqdn:12",
                    ] {
                        good(json!(text));
                    }
                    bad(json!(""));
                    bad(json!(12));
                    if pattern {
                        good(json!("any"))
                    } else {
                        bad(json!("any"))
                    }
                }
                Kind::Selectors => {
                    for text in [
                        "10.1.0.0/16",
                        "10.1.0.5 - 10.1.0.9 [ tcp / 80 - 443 ]",
                        "10.1.0.7[47]",
                        "10.0.0.0/8[udp/opaque]",
                    ] {
                        good(json!([text]));
                    }
                    for text in ["any", "lan", "10.1/16", "10.1.0.0/16[]", "tcp/443", ""] {
                        bad(json!(text));
                    }
                    bad(json!([]));
                    bad(json!(vec!["10.1.0.0/16"; 65]));
                }
                Kind::Proposals(_) => {
                    for text in ["default", "CNSA1", "compatible"] {
                        good(json!(text));
                        good(json!([text, "default"]));
                    }
                    for text in [
                        "",
                        "best",
                        "default-x25519",
                        "aes256gcm17",
                        "aes256gcm16, x25519",
                        "3des-sha256-modp1024",
                    ] {
                        bad(json!(text));
                    }
                }
                _ => {}
            }
        }
    }
}

#[test]
fn transport_mode_has_selectors_of_its_own() {
    let (validator, folder) = (validator(), folder());
    let child = |own| {
        around(
            Mapping::all()
                .into_iter()
                .find(|one| one.name == "child")
                .expect("there"),
            own,
        )
    };
    let good = |own: Value| verdict(&validator, folder.path(), &child(own));
    assert!(good(json!({ "mode": "transport" })));
    assert!(good(
        json!({ "mode": "transport", "local": "tcp/443", "remote": ["[tcp]", "198.51.100.7", 47] })
    ));
    assert!(!good(json!({ "mode": "transport", "local": "web" })));
    assert!(!good(json!({ "mode": "tunnel", "local": "10.1.0.0/16" })));
    assert!(!good(
        json!({ "mode": "tunnel", "local": "10.1.0.0/16", "remote": 47 })
    ));
}

#[test]
fn defaults_of_the_table_are_those_of_the_reader() {
    let folder = folder();
    for mapping in Mapping::all() {
        for key in mapping.keys {
            let Default::Value(value) = key.default else {
                continue;
            };
            let load = |value: Option<&str>| -> Configuration {
                let mut own = match mapping.name {
                    "auth" => json!({ "certificate": "hq.pem", "key": "hq.key", "ca": "ca.pem" }),
                    "auth-remote" => json!({ "ca": "ca.pem" }),
                    "local" | "remote" => json!({ "id": "own.example.com" }),
                    _ => Value::Object(least(mapping)),
                };
                if let Some(value) = value {
                    own[key.name] = parsed(value).expect("YAML");
                }
                let loaded = load(folder.path(), &around(mapping, own));
                loaded
                    .unwrap_or_else(|report| panic!("{}: {}: {report}", mapping.name, key.name))
                    .configuration
            };
            assert_eq!(
                format!("{:?}", load(None)),
                format!("{:?}", load(Some(value))),
                "{}: {}",
                mapping.name,
                key.name
            );
        }
    }
}

#[test]
fn keys_go_together_as_the_ways_of_the_table_say() {
    let (validator, folder) = (validator(), folder());
    for mapping in Mapping::all()
        .into_iter()
        .filter(|mapping| !mapping.ways.is_empty())
    {
        let names: Vec<&str> = mapping.keys.iter().map(|key| key.name).collect();
        let (mut good, mut bad) = (0, 0);
        for set in 0..1_u32 << names.len() {
            // All combinations of few keys, and of all but few.
            let count = set.count_ones() as usize;
            if count > 3 && names.len() - count > 3 {
                continue;
            }
            let chosen = mapping
                .keys
                .iter()
                .enumerate()
                .filter(|(i, _)| set >> i & 1 == 1);
            let own: Map<String, Value> = chosen
                .map(|(_, key)| {
                    let value = match key.name {
                        // What the examples say together is not what this is about.
                        "rsa_sha1" => json!("refuse"),
                        "strength" => json!("default"),
                        _ => example(mapping, key),
                    };
                    (key.name.to_owned(), value)
                })
                .collect();
            match verdict(
                &validator,
                folder.path(),
                &around(mapping, Value::Object(own)),
            ) {
                true => good += 1,
                false => bad += 1,
            }
        }
        assert!(
            good >= mapping.ways.len() && bad > 0,
            "{}: {good} good, {bad} bad",
            mapping.name
        );
        println!("{}: {good} good, {bad} bad", mapping.name);
    }
}

#[test]
fn the_schema_sees_the_mistakes_of_the_tables_that_a_schema_can_see() {
    let validator = validator();
    let connection = include_str!("problems.rs")
        .split("const CONNECTION: &str = \"\\\n")
        .nth(1);
    let connection = connection
        .and_then(|text| text.split("\";").next())
        .expect("the connection")
        .replace("\\\"", "\"");
    let (mut fitting, mut refused) = (0, 0);
    for case in cases(include_str!("problems.txt")) {
        let text = with_line(&connection, case.line, &case.new);
        let Some(value) = parsed(&text) else { continue };
        let report = match policies::load_texts([(Path::new("test.yaml"), text.as_str())]) {
            Ok(loaded) => loaded.warnings,
            Err(report) => report,
        };
        let complaints = complaints(&validator, &value);
        let errors = report
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error);
        let seen: Vec<&str> = errors
            .map(|problem| problem.code.name())
            .filter(|code| SEEN.contains(code))
            .collect();
        if !report.has_errors() {
            assert!(complaints.is_empty(), "{text}\n{complaints}");
            fitting += 1;
        } else if !complaints.is_empty() {
            refused += 1;
        } else {
            // What hangs on several values together.
            let told = report.to_string();
            let unseen = [
                "neither address nor id",
                "0.0.0.0`: stands for any",
                "not an IP address",
                "looks like a key",
                "brings back at once",
                "none goes in clear",
            ];
            assert!(
                seen.is_empty() || unseen.iter().any(|text| told.contains(text)),
                "{text}\n{told}"
            );
        }
    }
    assert!(
        fitting > 15 && refused > 30,
        "{fitting} fitting, {refused} refused"
    );
}

#[test]
fn the_reference_tells_of_every_key() {
    let page = schema::reference_markdown();
    for mapping in Mapping::all() {
        for key in mapping.keys {
            assert!(
                page.contains(key.description),
                "{}: {}",
                mapping.name,
                key.name
            );
        }
    }
    // Links lead to headings.
    let headings: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    for link in page.split("](#").skip(1) {
        let anchor = link.split(')').next().expect("an end");
        let plain =
            |heading: &&&str| heading.to_lowercase().replace(' ', "-").replace('.', "") == anchor;
        assert!(
            headings.iter().any(|heading| plain(&heading)),
            "{anchor}: {headings:?}"
        );
    }
}
