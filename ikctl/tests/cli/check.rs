//! `ikctl check`: a policy is read without a daemon, and every error is pointed at.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{Directory, ikctl};

/// A policy that is good, its secret in a file that only its owner can read.
fn good_policy(directory: &Directory) -> PathBuf {
    let policy = directory.0.join("hq.yaml");
    fs::write(&policy, include_str!("../policies/hq.yaml")).unwrap();
    let secret = directory.0.join("branch.psk");
    fs::write(&secret, "3zQ0b8vXkR1nT6yLw9FhSg\n").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    policy
}

#[test]
fn check_takes_a_good_policy_without_a_daemon() {
    let directory = Directory::new("check-good");
    let policy = good_policy(&directory);
    let policy = policy.to_str().unwrap();
    let ended = ikctl(&directory, &["check", "--offline", policy]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "good: 1 connection with 1 child\n")
    );
    let ended = ikctl(&directory, &["--json", "check", "--offline", policy]);
    let expected = "{\n  \"good\": true,\n  \"machine\": \"offline\",\n  \"problems\": []\n}\n";
    assert_eq!((ended.code, ended.stdout.as_str()), (0, expected));
}

#[test]
fn check_looks_at_the_machine_where_the_policies_are_its_own() {
    let directory = Directory::new("check-machine");
    let policy = good_policy(&directory);
    let check = |address: &str, arguments: &[&str]| {
        let text = include_str!("../policies/hq.yaml")
            .replace("192.0.2.1", address)
            .replace("10.1.0.0/16", "198.18.77.0/24");
        fs::write(&policy, text).unwrap();
        let ended = ikctl(
            &directory,
            &[arguments, &[policy.to_str().unwrap()]].concat(),
        );
        assert_eq!(ended.code, 0, "{}", ended.stdout);
        ended.stdout
    };
    let elsewhere = check("203.0.113.254", &["check"]);
    assert_eq!(
        elsewhere,
        "good: 1 connection with 1 child\n\
         this machine was not looked at: none of the policies' own addresses\n  (203.0.113.254) and networks is here\n"
    );
    let elsewhere = check("203.0.113.254", &["check", "--json"]);
    assert!(
        elsewhere.contains("\"machine\": \"elsewhere\""),
        "{elsewhere}"
    );

    let here: serde_json::Value =
        serde_json::from_str(&check("127.0.0.1", &["check", "--json"])).unwrap();
    assert_eq!(here["machine"], "checked");
    for problem in here["problems"].as_array().unwrap() {
        let known = preflight::Code::ALL
            .iter()
            .any(|code| problem["code"] == code.name());
        assert!(
            known && problem["file"].is_null() && problem["line"].is_null(),
            "{problem}"
        );
    }
}

#[test]
fn check_points_at_every_error() {
    let directory = Directory::new("check-bad");
    let policy = good_policy(&directory);
    let text =
        include_str!("../policies/hq.yaml").replace("address: 192.0.2.1,", "adress: 192.0.2.1,");
    fs::write(&policy, text.replace("10.2.0.0/16", "10.2.0.0/33")).unwrap();
    let ended = ikctl(&directory, &["check", policy.to_str().unwrap()]);
    assert_eq!((ended.code, ended.stderr.as_str()), (6, ""));
    for wanted in [
        "hq.yaml:4:",
        "unknown-key",
        "hq.yaml:7:",
        "bad-selector",
        "2 errors: ikd would refuse this",
    ] {
        assert!(
            ended.stdout.contains(wanted),
            "{wanted} is not in {}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains('\u{1b}'));

    let ended = ikctl(&directory, &["check", "--json", policy.to_str().unwrap()]);
    assert_eq!(ended.code, 6);
    let printed: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&printed["good"], &printed["machine"]),
        (&false.into(), &"refused".into())
    );
    let problems = printed["problems"].as_array().unwrap();
    let errors: Vec<_> = problems
        .iter()
        .filter(|problem| problem["severity"] == "error")
        .collect();
    let codes: Vec<_> = errors.iter().map(|problem| &problem["code"]).collect();
    assert_eq!(codes, ["unknown-key", "bad-selector"]);
    assert_eq!(errors[0]["line"], 4);
    assert!(
        errors[0]["suggestion"]
            .as_str()
            .unwrap()
            .contains("address"),
        "{}",
        errors[0]
    );
}

#[test]
fn check_tells_of_a_file_that_is_not_there() {
    let directory = Directory::new("check-absent");
    let ended = ikctl(
        &directory,
        &["check", directory.0.join("absent.yaml").to_str().unwrap()],
    );
    assert_eq!(ended.code, 6);
    assert!(
        ended.stdout.contains("/run/ikd/absent.yaml"),
        "{}",
        ended.stdout
    );
}
