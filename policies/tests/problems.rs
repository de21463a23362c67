//! Every kind of problem: where it points, what it says, what it suggests; and that no rendering holds a secret. Those with
//! certificates and keys are in credentials.rs.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use policies::{Code, Report, Severity};

use common::{every_case_is_told, with_line};

/// A secret that no other text contains.
const SECRET: &str = "Xq7-swordfish-Xq7";

/// A connection that is right, for a case to change one line of.
const CONNECTION: &str = "\
version: 1
connections:
  branch:
    local: { address: 192.0.2.1 }
    remote: { address: 198.51.100.7 }
    auth: { psk: \"Xq7-swordfish-Xq7\" }
    children:
      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16 }
";

fn check(text: &str) -> Report {
    let report = match policies::load_texts([(Path::new("test.yaml"), text)]) {
        Ok(loaded) => loaded.warnings,
        Err(report) => report,
    };
    for rendering in [
        report.to_string(),
        report.draw(false),
        report.draw(true),
        format!("{report:?}"),
    ] {
        assert!(!rendering.contains("swordfish"), "{text}\n{rendering}");
    }
    let drawn = report.draw(false);
    let widest = drawn.lines().map(|line| line.chars().count()).max();
    assert!(widest.is_none_or(|widest| widest <= 80), "{drawn}");
    report
}

#[test]
fn every_problem_points_and_suggests() {
    let cases = every_case_is_told(include_str!("problems.txt"), CONNECTION, check);
    assert!(cases > 40, "{cases}");
    // The line is that of the change, or of the one added behind it.
    let report = check(&with_line(
        CONNECTION,
        8,
        "      lan: { local: 10.1.0.1/16, remote: 10.2.0.0/16 }",
    ));
    assert_eq!(
        report
            .problems
            .iter()
            .map(|problem| (problem.line, problem.column))
            .collect::<Vec<_>>(),
        [(8, 21)]
    );
}

/// The codes of what is told of a policy.
fn codes(text: &str) -> Vec<&'static str> {
    let problems = check(text).problems;
    problems.iter().map(|problem| problem.code.name()).collect()
}

#[test]
fn a_drop_policy_keeps_in_what_whoever_comes_may_send_and_takes_nothing_from_it() {
    let anybody = |child: &str| {
        let text = with_line(
            CONNECTION,
            5,
            "    remote: { address: any, id: branch.example.com }",
        );
        let text = with_line(
            &text,
            8,
            &format!("      l2tp: {{ mode: transport{child} }}"),
        );
        let other = text
            .replace("branch", "other")
            .replace(SECRET, "another swordfish");
        let (_, other) = other.split_once("connections:\n").expect("connections");
        text + other
    };
    let dropped = |text: &str, local: &str, remote: &str| {
        format!(
            "{text}policies: {{ keep-in: {{ drop: {{ local: \"{local}\", remote: {remote} }} }} }}\n"
        )
    };
    let ports = anybody(", local: udp/1701");
    assert_eq!(codes(&ports), ["traffic-in-clear"; 2]);
    let kept_in = dropped(&ports, "0.0.0.0/0[udp/1701]", "0.0.0.0/0");
    assert_eq!(codes(&kept_in), [""; 0]);
    // Another port, and less than everybody.
    for (local, remote) in [
        ("0.0.0.0/0[udp/1702]", "0.0.0.0/0"),
        ("192.0.2.1[udp/1701]", "198.51.100.0/24"),
    ] {
        assert_eq!(
            codes(&dropped(&ports, local, remote)),
            ["traffic-in-clear"; 2]
        );
    }
    let all = anybody("");
    assert_eq!(codes(&all), ["traffic-in-clear"; 2]);
    assert_eq!(codes(&dropped(&all, "192.0.2.1", "0.0.0.0/0")), [""; 0]);
    let nowhere = all.replace("address: 192.0.2.1", "address: any, id: hq.example.com");
    assert_eq!(codes(&nowhere), ["traffic-in-clear"; 2]);
    let both = "[0.0.0.0/0, \"::/0\"]";
    let kept_in = dropped(&nowhere, "0.0.0.0/0", both).replace("\"0.0.0.0/0\"", both);
    assert_eq!(codes(&kept_in), [""; 0]);
}

#[test]
fn a_pass_policy_settles_that_the_two_sides_of_a_child_meet() {
    let text = with_line(
        CONNECTION,
        8,
        "      lan: { local: 0.0.0.0/0, remote: 0.0.0.0/0 }",
    );
    assert!(codes(&text).contains(&"meeting-sides"));
    let pass = "policies: { near: { pass: { local: 10.1.0.0/16, remote: 10.1.0.0/16 } } }";
    assert!(!codes(&format!("{text}{pass}\n")).contains(&"meeting-sides"));
    assert!(codes(&format!("{text}{}\n", pass.replace("pass", "drop"))).contains(&"meeting-sides"));
}

#[test]
fn words_for_several_proposals_stand_alone_and_in_lists_and_nothing_is_proposed_twice() {
    let read = |ike: &str, esp: &str| {
        let text = with_line(
            CONNECTION,
            6,
            &format!("    auth: {{ psk: \"{SECRET}\" }}\n    ike: {ike}"),
        );
        let child = format!("      lan: {{ local: 10.1.0.0/16, remote: 10.2.0.0/16, esp: {esp} }}");
        let text = with_line(&text, 9, &child);
        let loaded = policies::load_texts([(Path::new("test.yaml"), &text[..])]);
        let connection = loaded
            .expect("a good policy")
            .configuration
            .connections
            .remove(0);
        let ike = connection
            .proposals
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        let esp = connection.children[0]
            .proposals
            .iter()
            .map(ToString::to_string);
        (ike, esp.collect::<Vec<_>>())
    };
    let (ike, esp) = read("cnsa1", "[cnsa1, compatible]");
    assert_eq!(ike, ["aes256gcm16-prfsha384-prfsha512-ecp384"]);
    assert_eq!(esp, ["aes256gcm16", "aes256-aes128-sha256"]);
    let (ike, esp) = read(
        "[compatible, aes256-aes128-sha256-ecp256-modp2048, COMPATIBLE]",
        "default",
    );
    assert_eq!(ike, ["aes256-aes128-sha256-prfsha256-ecp256-modp2048"]);
    assert_eq!(esp.len(), 2);
}

#[test]
fn the_line_for_a_log_and_the_drawing_say_it_all_but_the_secret() {
    let report = check(&with_line(
        CONNECTION,
        6,
        "    auth: { pks: \"Xq7-swordfish-Xq7\" } # Xq7-swordfish-Xq7",
    ));
    assert_eq!(
        report.to_string(),
        "test.yaml:6:13: error[unknown-key]: connections.branch.auth: unknown key `pks` in auth; did you mean psk?"
    );
    assert_eq!(
        report.draw(false),
        "\
error[unknown-key]: unknown key `pks` in auth
 --> test.yaml:6:13
  |
6 |     auth: { pks: *** } ***
  |             ^^^ connections.branch.auth
  |
  = help: did you mean psk?"
    );
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let bad = with_line(
        &with_line(CONNECTION, 4, "    local: { adress: x }"),
        8,
        "      lan: { local: 1, remote: 2, keep: 3 }",
    );
    let files = [
        (Path::new("a.yaml"), bad.as_str()),
        (Path::new("b.yaml"), "a: [b\n"),
        (Path::new("c.yaml"), CONNECTION),
    ];
    let report = policies::load_texts(files).expect_err("mistakes");
    let told: Vec<_> = report
        .problems
        .iter()
        .map(|problem| {
            (
                problem.file.to_str().expect("a name"),
                problem.line,
                problem.code,
            )
        })
        .collect();
    let bad_selector = ("a.yaml", 8, Code::BadSelector);
    assert_eq!(
        told,
        [
            ("a.yaml", 4, Code::UnknownKey),
            bad_selector,
            bad_selector,
            ("a.yaml", 8, Code::BadWord),
            ("b.yaml", 1, Code::YamlSyntax)
        ],
        "{report}"
    );
}

#[test]
fn names_and_limits_are_unique_over_all_files() {
    let limits = "version: 1\nlimits: {}\n";
    let other = CONNECTION
        .replace("198.51.100.7", "198.51.100.8")
        .replace("10.2", "10.3")
        .replace(SECRET, "another swordfish");
    let files = [
        ("a.yaml", CONNECTION),
        ("b.yaml", other.as_str()),
        ("c.yaml", limits),
        ("d.yaml", limits),
    ];
    let report = policies::load_texts(files.map(|(path, text)| (Path::new(path), text)))
        .expect_err("duplicates");
    assert_eq!(
        report.to_string(),
        "b.yaml:3:3: error[duplicate-name]: connections.branch: a connection named `branch` is already there: connections.branch \
         (a.yaml:3); choose another name for one of them\n\
         d.yaml:2:9: error[duplicate-key]: limits: `limits` is already given in another file; keep one of the two"
    );
}

#[test]
fn keep_up_needs_somebody_to_call() {
    let text = with_line(
        CONNECTION,
        5,
        "    remote: { address: any, id: branch.example.com }",
    );
    let report = check(&with_line(
        &text,
        8,
        "      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16, keep: up }",
    ));
    assert_eq!(
        report
            .problems
            .iter()
            .map(|problem| problem.code)
            .collect::<Vec<_>>(),
        [Code::NobodyToCall]
    );
    assert!(check(&text).problems.is_empty());
}

#[test]
fn a_secret_that_a_forgotten_quotation_mark_swallowed_is_not_shown() {
    for id in ["'x", "\"x", "|\n      x", ">\n      x", "x\n     "] {
        for end in ["", "'", "\""] {
            let text = with_line(
                CONNECTION,
                5,
                &format!("    remote: {{ address: any }}\n    children: {{ a: {{ local: {id}"),
            );
            check(&format!("{text}{end}"));
            check(
                &with_line(CONNECTION, 4, &format!("    local:\n      id: {id}"))
                    .replace("10.2.0.0/16 }", &format!("{end} }}")),
            );
            check(
                &CONNECTION
                    .replace("branch:", &format!("{id}branch:"))
                    .replace("10.2.0.0/16 }", &format!("{end} }}")),
            );
        }
    }
}

#[test]
fn hostile_texts_are_refused_within_bounds() {
    let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = (0..200)
        .map(|depth| format!("{}a:\n", "  ".repeat(depth)))
        .collect::<String>();
    let wide = format!("version: 1\nconnections: [{}]", "1,".repeat(30_000));
    let bomb = format!(
        "a: &a [x,x,x,x,x,x,x,x,x]\n{}",
        ('b'..'i')
            .zip('a'..)
            .map(|(name, last)| format!(
                "{name}: &{name} [{}]\n",
                vec![format!("*{last}"); 9].join(",")
            ))
            .collect::<String>()
    );
    for text in [&nested, &deep, &wide, &bomb] {
        let report = check(text);
        assert!(
            report.has_errors() && report.problems.len() == 1,
            "{report}"
        );
        assert!(
            matches!(report.problems[0].code, Code::YamlLimit | Code::YamlSyntax),
            "{report}"
        );
    }
    let many = format!(
        "version: 1\nconnections: {{ {} }}",
        (0..4000).map(|i| format!("a{i}: 1, ")).collect::<String>()
    );
    let report = check(&many);
    assert_eq!(report.problems.len(), 501);
    assert_eq!(
        report.problems[500].to_string(),
        "test.yaml: error[more]: and 3500 more problems"
    );
    for text in [
        "",
        "\u{feff}",
        "---\n",
        "\0",
        "%YAML 9.9\n---\n",
        "&a *a",
        "? : ?",
        "!!binary x",
        "<<: 1",
        "\u{1b}[2J: 1",
    ] {
        let report = check(text);
        assert!(report.has_errors(), "{text:?}");
        assert!(
            !report
                .draw(false)
                .chars()
                .any(|c| c.is_control() && c != '\n'),
            "{text:?}"
        );
    }
}

/// Codes of the problems with files in a directory of their own.
fn codes_of(files: &[(&str, &[u8], u32)], paths: &[&str]) -> (Vec<(Code, Severity)>, Report) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for (name, content, mode) in files {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("the mode is set");
    }
    let paths: Vec<_> = paths.iter().map(|path| folder.path().join(path)).collect();
    let report = policies::load(&paths).map_or_else(|report| report, |loaded| loaded.warnings);
    assert!(!report.draw(false).contains("swordfish"), "{report}");
    (
        report
            .problems
            .iter()
            .map(|problem| (problem.code, problem.severity))
            .collect(),
        report,
    )
}

#[test]
fn files_that_cannot_be_used_say_why() {
    let one = |files: &[(&str, &[u8], u32)],
               path: &str,
               code,
               severity,
               message: &str,
               suggestion: &str| {
        let (codes, report) = codes_of(files, &[path]);
        assert_eq!(codes, [(code, severity)], "{report}");
        assert!(report.problems[0].message.contains(message), "{report}");
        assert!(
            report.problems[0]
                .suggestion
                .as_deref()
                .unwrap_or_default()
                .contains(suggestion),
            "{report}"
        );
    };
    let (error, warning) = (Severity::Error, Severity::Warning);
    let good = CONNECTION.as_bytes();
    let by_file = CONNECTION.replace(&format!("\"{SECRET}\""), "{ file: a.psk }");
    let by_file = by_file.as_bytes();
    one(
        &[],
        "none.yaml",
        Code::UnreadableFile,
        error,
        "no such file",
        "",
    );
    one(&[], ".", Code::NoPolicies, warning, "no policy file", "");
    one(
        &[("a.yaml", &[0xff, 0xfe, 0], 0o600)],
        "a.yaml",
        Code::NotUtf8,
        error,
        "byte 1 on line 1",
        "",
    );
    one(
        &[("a.yaml", &vec![b'#'; 5 << 20], 0o600)],
        "a.yaml",
        Code::FileTooLarge,
        error,
        "4 MiB",
        "",
    );
    one(
        &[("a.yml", b"", 0o600), ("b.yaml", b"version: 1", 0o600)],
        ".",
        Code::IgnoredFile,
        warning,
        "end in .yaml",
        "a.yaml",
    );
    one(
        &[("a.yaml", good, 0o644)],
        "a.yaml",
        Code::ExposedSecret,
        error,
        "mode 0644",
        "chmod 0600",
    );
    one(
        &[("a.yaml", b"version: 1", 0o666)],
        "a.yaml",
        Code::WritableByOthers,
        warning,
        "mode 0666",
        "chmod go-w",
    );
    let psk = |mode| {
        [
            ("a.yaml", by_file, 0o644),
            ("a.psk", SECRET.as_bytes(), mode),
        ]
    };
    assert_eq!(codes_of(&psk(0o600), &["a.yaml"]).0, []);
    one(
        &psk(0o640),
        "a.yaml",
        Code::ExposedSecret,
        error,
        "a.psk (mode 0640)",
        "chmod 0600",
    );
    one(
        &[("a.yaml", by_file, 0o644)],
        "a.yaml",
        Code::UnreadableSecret,
        error,
        "no such file",
        "relative",
    );
    one(
        &[("a.yaml", by_file, 0o644), ("a.psk", &[b'x'; 5000], 0o600)],
        "a.yaml",
        Code::UnreadableSecret,
        error,
        "larger than 4096",
        "",
    );
    one(
        &[("a.yaml", by_file, 0o644), ("a.psk", b"\n", 0o600)],
        "a.yaml",
        Code::BadSecret,
        error,
        "empty",
        "openssl",
    );
}

#[test]
fn devices_pipes_and_directories_are_no_policy_files_and_nothing_waits() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let pipe = folder.path().join("pipe.yaml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    fs::create_dir(folder.path().join("directory.yaml")).expect("made");
    let mut told = vec![
        policies::load(&["/dev/zero".into()])
            .expect_err("a device")
            .to_string(),
    ];
    told.push(
        policies::load(&[folder.path().to_owned()])
            .expect_err("a directory")
            .to_string(),
    );
    assert!(
        told[0].contains("not a regular file") && told[1].contains("is a directory"),
        "{told:?}"
    );
    match made {
        Ok(status) if status.success() => {
            assert!(told[1].contains("not a regular file"), "{told:?}")
        }
        other => println!("skipped the pipe: mkfifo: {other:?}"),
    }
}

#[test]
fn secrets_are_read_as_they_are_written() {
    for (content, bytes) in [
        (&b"swordfish swordfish\n"[..], &b"swordfish swordfish"[..]),
        (b"swordfish swordfish\n\n", b"swordfish swordfish\n"),
        (b"swordfish swordfish\r\n", b"swordfish swordfish"),
        (
            b"0s/+7dzLuqmYh3ZlVEMyIRAA==\n",
            &[
                0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22,
                0x11, 0,
            ],
        ),
        (&[0xff; 20], &[0xff; 20]),
    ] {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let (policy, psk) = (folder.path().join("a.yaml"), folder.path().join("a.psk"));
        fs::write(
            &policy,
            CONNECTION.replace(&format!("\"{SECRET}\""), "{ file: a.psk }"),
        )
        .expect("written");
        fs::write(&psk, content).expect("written");
        fs::set_permissions(&psk, fs::Permissions::from_mode(0o600)).expect("the mode is set");
        fs::set_permissions(&policy, fs::Permissions::from_mode(0o644)).expect("the mode is set");
        let loaded = policies::load(&[policy]).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(
            loaded.secrets.values().next().expect("one").as_bytes(),
            bytes
        );
        assert!(!format!("{loaded:?}").contains("swordfish"));
    }
}

#[test]
fn every_code_has_a_stable_name_and_a_test() {
    let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    let tests = [
        include_str!("problems.rs"),
        include_str!("problems.txt"),
        include_str!("credentials.txt"),
    ]
    .concat();
    for code in Code::ALL {
        let named = [
            format!("Code::{code:?}"),
            format!("= {code} "),
            format!("[{code}]"),
        ];
        assert!(named.iter().any(|text| tests.contains(text)), "{code}");
    }
    let list = format!(
        "lan: {{ local: [{}], remote: 10.2.0.0/16 }}",
        "10.1.0.0/16, ".repeat(65)
    );
    let report = check(&with_line(CONNECTION, 8, &format!("      {list}")));
    assert_eq!(report.problems[0].code, Code::TooMany, "{report}");
}
