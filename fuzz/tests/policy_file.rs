//! Any text as a policy file: it is read or refused without a panic, every problem points into the text, and no rendering
//! holds a secret, wherever a mistake has moved it.

use std::path::Path;

use bolero::check;
use policies::Report;

/// The secret of the policies that mistakes are made in; its text stands nowhere else.
const SECRET: &str = "swordfish";

/// What stands before the secret, the secret, and what stands behind it: a pre-shared key, and a passphrase.
const POLICIES: [[&str; 3]; 2] = [
    [
        "version: 1\nconnections:\n  branch:\n    local: { address: 192.0.2.1, id: \"hq\" }\n    remote:\n      address: 198.51.100.7\n    ",
        "auth: { psk: \"swordfish swordfish\" }",
        "\n    children:\n      lan: { local: 10.1.0.0/16, remote: [10.2.0.0/16, 'x'], keep: up }\npolicies: {}\n",
    ],
    [
        "version: 1\nconnections:\n  branch:\n    local: { id: hq }\n    remote: { id: \"*.example.com\" }\n    auth:\n      local: { certificate: hq.pem, ",
        "key: { file: hq.key, passphrase: \"swordfish swordfish\" }",
        " }\n      remote: { ca: [ca.pem, 'x'], crl: ca.crl, revocation: strict }\n    children: { own: { mode: transport } }\n",
    ],
];

#[test]
fn policy_file() {
    check!()
        .with_iterations(fuzz::ROUNDS / 10)
        .for_each(survives);
}

#[test]
fn policy_file_mutations() {
    fuzz::some_mutations("policy_file", fuzz::ROUNDS / 10, survives);
}

fn survives(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    examine(&text);
    for policy in POLICIES {
        mistake(policy, input);
    }
}

/// Reads a text, and looks at every problem.
fn examine(text: &str) -> Report {
    let report = match policies::load_texts([(Path::new("policy.yaml"), text)]) {
        Ok(loaded) => loaded.warnings,
        Err(report) => report,
    };
    let lines = text.split('\n').count();
    for problem in &report.problems {
        assert!(
            problem.line <= lines && !problem.message.is_empty(),
            "{problem:?}"
        );
        let log = problem.to_string();
        assert!(!log.chars().any(char::is_control), "{log:?}");
        assert!(
            !problem
                .draw(false)
                .chars()
                .any(|c| c.is_control() && c != '\n'),
            "{problem:?}"
        );
        if let Some(snippet) = &problem.snippet {
            assert!(!snippet.text[snippet.at.clone()].is_empty());
        }
    }
    report
}

/// Makes mistakes around a secret: the input says where, and what.
fn mistake(policy: [&str; 3], input: &[u8]) {
    const MISTAKES: &[&str] = &[
        "\"", "'", "{", "}", "[", "]", ":", ": ", ",", "- ", "|\n", ">-\n", "#", "&a ", "*a",
        "!x ", "\n", "\n  ", "\t", "? ", "<<: ", "---\n", "...\n", "x", "%", "@", "\\", "~",
    ];
    let mut parts = policy.map(str::to_owned);
    for mistake in input.chunks_exact(3).take(3) {
        let part = &mut parts[usize::from(mistake[0] % 2) * 2];
        let at = usize::from(mistake[1]) % (part.len() + 1);
        match MISTAKES.get(usize::from(mistake[2] % 40)) {
            Some(inserted) => part.insert_str(at, inserted),
            None => drop(part.drain(at..(at + usize::from(mistake[2] % 8)).min(part.len()))),
        }
    }
    let text = parts.concat();
    let report = examine(&text);
    for rendering in [
        report.to_string(),
        report.draw(false),
        format!("{report:?}"),
    ] {
        assert!(!rendering.contains(SECRET), "{text}\n{rendering}");
    }
}
