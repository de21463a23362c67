//! Every kind of problem: where it points, what it says, what it suggests; and that no rendering holds a secret.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use policies::{Code, Problem, Report, Severity};

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
    report
}

/// The text with its line `line` replaced, from 1.
fn with_line(text: &str, line: usize, new: &str) -> String {
    text.lines()
        .enumerate()
        .map(|(i, old)| {
            if i + 1 == line {
                format!("{new}\n")
            } else {
                format!("{old}\n")
            }
        })
        .collect()
}

/// Line, new content, and the problem: code, column, path, message, suggestion (a part of each).
type Case = (
    usize,
    &'static str,
    Code,
    usize,
    &'static str,
    &'static str,
    &'static str,
);

const CASES: &[Case] = &[
    (
        1,
        "version: 2",
        Code::UnknownVersion,
        10,
        "version",
        "`2`: not a version",
        "write 1",
    ),
    (
        1,
        "verson: 1",
        Code::UnknownKey,
        1,
        "",
        "unknown key `verson`",
        "did you mean version?",
    ),
    (
        1,
        "# nothing",
        Code::MissingKey,
        1,
        "",
        "`version` is missing",
        "add version: 1",
    ),
    (
        1,
        "version: 1\n...\n---",
        Code::YamlSyntax,
        0,
        "",
        "YAML",
        "",
    ),
    (1, "version: &a 1", Code::UnknownVersion, 0, "", "", ""),
    (
        1,
        "version: 1\nversion: 1",
        Code::DuplicateKey,
        1,
        "",
        "already there on line 1",
        "keep one",
    ),
    (
        1,
        "version: 1\nkernel: nome",
        Code::BadWord,
        9,
        "kernel",
        "expected xfrm or none",
        "did you mean none?",
    ),
    (
        1,
        "version: 1\nkernel: none",
        Code::ChildrenWithoutKernel,
        7,
        "connections.branch.children.lan",
        "IKE SAs without children",
        "take the children out",
    ),
    (
        1,
        "version: 1\ninclude: x",
        Code::NotYet,
        1,
        "include",
        "`include` is not there yet",
        "several files",
    ),
    (
        1,
        "version: 1\nlimits: { half_open: -1 }",
        Code::BadNumber,
        22,
        "limits.half_open",
        "from 1 to 1000000",
        "the default is 1024",
    ),
    (
        1,
        "version: 1\nlimits: { half_open_timeout: 2h }",
        Code::BadDuration,
        30,
        "limits.half_open_timeout",
        "out of bounds: 1s to 1h",
        "",
    ),
    (
        3,
        "  a branch:",
        Code::BadName,
        3,
        "connections.a branch",
        "not a name",
        "",
    ),
    (3, "  branch: ]", Code::YamlSyntax, 0, "", "not YAML", ""),
    (
        4,
        "    local: 192.0.2.1",
        Code::WrongKind,
        12,
        "connections.branch.local",
        "expected an end of a connection as a mapping with address and id, found a single value",
        "",
    ),
    (
        4,
        "    local: { address: 192.0.2.300 }",
        Code::BadAddress,
        23,
        "connections.branch.local.address",
        "not an IP address",
        "192.0.2.1",
    ),
    (
        4,
        "    local: { address: 0.0.0.0 }",
        Code::BadAddress,
        23,
        "connections.branch.local.address",
        "any address",
        "write any",
    ),
    (
        4,
        "    local: { address: 2001:db8::1 }",
        Code::MixedFamilies,
        3,
        "connections.branch",
        "address families differ",
        "one family",
    ),
    (
        4,
        "    local: { address: any }",
        Code::MissingKey,
        3,
        "connections.branch",
        "neither address nor id",
        "add local: { id: ... }",
    ),
    (
        4,
        "    local: { address: 192.0.2.1, id: 192.0.2 }",
        Code::BadIdentity,
        38,
        "connections.branch.local.id",
        "looks like an address",
        "fqdn:",
    ),
    (
        4,
        "    left: 192.0.2.1",
        Code::UnknownKey,
        5,
        "connections.branch",
        "unknown key `left` in a connection",
        "did you mean local?",
    ),
    (
        4,
        "    local: { address: hq.example.com }",
        Code::NotYet,
        23,
        "connections.branch.local.address",
        "names are not resolved yet",
        "IP address",
    ),
    (
        5,
        "    remote: {}",
        Code::AnybodyMayCome,
        3,
        "connections.branch",
        "anybody who knows the secret",
        "remote: { id: ... }",
    ),
    (
        6,
        "    auth: { psk: \"short\" }",
        Code::WeakSecret,
        18,
        "connections.branch.auth.psk",
        "5 bytes",
        "openssl rand",
    ),
    (
        6,
        "    auth: { psk: \"aaaaaaaaaaaaaaaaaaaa\" }",
        Code::WeakSecret,
        18,
        "connections.branch.auth.psk",
        "repeats",
        "openssl rand",
    ),
    (
        6,
        "    auth: { psk: \"\" }",
        Code::BadSecret,
        18,
        "connections.branch.auth.psk",
        "empty",
        "openssl rand",
    ),
    (
        6,
        "    auth: { psk: 0xabc }",
        Code::BadSecret,
        18,
        "connections.branch.auth.psk",
        "pairs of hexadecimal digits",
        "",
    ),
    (
        6,
        "    auth: { psk: { file: not-there.psk } }",
        Code::UnreadableSecret,
        26,
        "connections.branch.auth.psk.file",
        "not-there.psk cannot be read",
        "relative to",
    ),
    (
        6,
        "    auth: { pks: \"Xq7-swordfish-Xq7\" }",
        Code::UnknownKey,
        13,
        "connections.branch.auth",
        "unknown key `pks`",
        "did you mean psk?",
    ),
    (
        6,
        "    auth: \"Xq7-swordfish-Xq7\"",
        Code::WrongKind,
        11,
        "connections.branch.auth",
        "found a single value",
        "",
    ),
    (
        6,
        "    auth: { psk: [\"Xq7-swordfish-Xq7\"] }",
        Code::WrongKind,
        18,
        "connections.branch.auth.psk",
        "expected a secret in quotes",
        "",
    ),
    (
        6,
        "    auth: { Xq7-swordfish-Xq7 }",
        Code::UnknownKey,
        13,
        "connections.branch.auth",
        "unknown key in auth",
        "known here: psk",
    ),
    (
        6,
        "    auth: { psk: { Xq7-swordfish-Xq7 } }",
        Code::UnknownKey,
        20,
        "connections.branch.auth.psk",
        "unknown key in psk",
        "known here: file",
    ),
    (
        6,
        "    auth: { certificate: x }",
        Code::NotYet,
        13,
        "connections.branch.auth.certificate",
        "not there yet",
        "psk",
    ),
    (
        6,
        "    auth: { psk: \"Xq7-swordfish-Xq7 }",
        Code::YamlSyntax,
        0,
        "",
        "not YAML",
        "",
    ),
    (
        6,
        "    auth: { psk: Xq7-swordfish-Xq7, }  # Xq7-swordfish-Xq7\n    ike: aes257gcm16",
        Code::BadProposal,
        10,
        "connections.branch.ike",
        "`aes257gcm16`",
        "",
    ),
    (
        6,
        "    auth: { psk: \"Xq7-swordfish-Xq7\" }\n    ike: []",
        Code::MissingKey,
        10,
        "connections.branch.ike",
        "an empty list",
        "",
    ),
    (
        6,
        "    auth: { psk: \"Xq7-swordfish-Xq7\" }\n    liveness: { interval: 30 }",
        Code::BadDuration,
        27,
        "connections.branch.liveness.interval",
        "without a unit",
        "write 30s",
    ),
    (
        7,
        "    childs:",
        Code::UnknownKey,
        5,
        "connections.branch",
        "unknown key `childs`",
        "did you mean children?",
    ),
    (
        8,
        "      lan: { local: 10.1.0.1/16, remote: 10.2.0.0/16 }",
        Code::BadSelector,
        21,
        "connections.branch.children.lan.local",
        "bits set behind its prefix",
        "write 10.1.0.0/16",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: [10.2.0.0/16, 10.3.0.0/33] }",
        Code::BadSelector,
        65,
        "connections.branch.children.lan.remote[1]",
        "not a prefix length",
        "",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: \"10.2.0.0/16[icmp/8]\" }",
        Code::KernelCannotSelect,
        42,
        "connections.branch.children.lan.remote",
        "ICMP type",
        "",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16 }",
        Code::MissingKey,
        7,
        "connections.branch.children.lan",
        "`remote` is missing",
        "add remote: 10.1.0.0/16",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: ::/0 }",
        Code::MixedFamilies,
        7,
        "connections.branch.children.lan",
        "IPv4 selectors and `remote` has none",
        "add IPv4 to `remote`",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: 0.0.0.0/0 }",
        Code::AllTraffic,
        7,
        "connections.branch.children.lan",
        "0.0.0.0/0 is all traffic",
        "",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16, keep: on-demand }",
        Code::NotYet,
        61,
        "connections.branch.children.lan.keep",
        "not there yet",
        "passive",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16, keep: start }",
        Code::BadWord,
        61,
        "connections.branch.children.lan.keep",
        "expected up or passive",
        "did you mean up?",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16, replay_window: 0 }",
        Code::NoReplayProtection,
        7,
        "connections.branch.children.lan",
        "send recorded packets again",
        "128",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16 }\n      wan: { local: 10.1.0.0/16, remote: 10.2.0.0/16 }",
        Code::SameTraffic,
        7,
        "connections.branch.children.wan",
        "the same traffic as connections.branch.children.lan (line 8)",
        "take one",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16 }\n      wan: { local: 10.1.0.0/16, remote: 10.2.3.0/24 }",
        Code::OverlappingTraffic,
        7,
        "connections.branch.children.wan",
        "the narrower one goes first",
        "priority",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16 }\npolicies: { x: { drop: { local: 10.1.0.0/16, remote: 10.2.0.0/16 } } }",
        Code::OverlappingTraffic,
        13,
        "policies.x",
        "never sees traffic",
        "",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16 }\npolicies: { x: { local: 10.0.0.0/8 } }",
        Code::UnknownKey,
        18,
        "policies.x",
        "unknown key `local`",
        "pass: { local: ... }",
    ),
    (
        8,
        "      lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16 }\n  again:\n    local: { address: 192.0.2.1 }\n    remote: { address: 198.51.100.7 }\n    auth: { psk: \"Xq7-swordfish-Xq7\" }",
        Code::AmbiguousConnections,
        3,
        "connections.again",
        "cannot tell them apart",
        "another id",
    ),
    (
        8,
        "      {}",
        Code::NoChildren,
        3,
        "connections.branch",
        "protects nothing",
        "children",
    ),
];

#[test]
fn every_problem_points_and_suggests() {
    for (line, new, code, column, path, message, suggestion) in CASES {
        let text = with_line(CONNECTION, *line, new);
        let report = check(&text);
        let found: Vec<&Problem> = report
            .problems
            .iter()
            .filter(|problem| problem.code == *code)
            .collect();
        if *code == Code::UnknownVersion && column == &0 {
            assert!(found.is_empty(), "an anchor is no mistake\n{report}");
            continue;
        }
        let fits = |problem: &&&Problem| {
            (*column == 0 || problem.column == *column)
                && (path.is_empty() || problem.path == *path)
                && problem.message.contains(message)
                && problem
                    .suggestion
                    .as_deref()
                    .unwrap_or_default()
                    .contains(suggestion)
                && problem.line > 0
        };
        assert!(
            found.iter().find(fits).is_some(),
            "{code} {column} {path}\n{text}\n{report}\n{}",
            report.draw(false)
        );
    }
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
        .replace("10.2", "10.3");
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
    let tests = include_str!("problems.rs");
    for code in Code::ALL
        .iter()
        .filter(|code| **code != Code::More && **code != Code::TooMany)
    {
        let tested = [format!("Code::{code:?}"), format!("[{code}]")]
            .iter()
            .any(|text| tests.contains(text));
        assert!(tested, "{code}");
    }
    let list = format!(
        "lan: {{ local: [{}], remote: 10.2.0.0/16 }}",
        "10.1.0.0/16, ".repeat(65)
    );
    let report = check(&with_line(CONNECTION, 8, &format!("      {list}")));
    assert_eq!(report.problems[0].code, Code::TooMany, "{report}");
}
