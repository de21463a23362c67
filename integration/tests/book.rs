//! The book holds together: every code has its page, what is generated is current, links lead somewhere, commands exist.

#![allow(clippy::unwrap_used)] // a test may stop where it stands

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::error::ErrorKind;
use integration::blocks;
use integration::host::docs;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, SerialNumber,
};

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let codes = docs::codes::all();
    let pages = docs::pages(workspace()).unwrap();
    let described = |code: &str| {
        pages
            .iter()
            .any(|(path, _)| *path == Path::new("errors").join(format!("{code}.md")))
    };
    let missing: Vec<_> = codes.keys().filter(|code| !described(code)).collect();
    assert!(
        missing.is_empty(),
        "no page in docs/src/errors: {missing:?}"
    );
    for (path, page) in pages.iter().filter(|(path, _)| path.starts_with("errors")) {
        let code = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            codes.contains_key(code),
            "{}: there is no such code",
            path.display()
        );
        assert!(
            page.contains("\n## What to do\n"),
            "{}: does not say what to do",
            path.display()
        );
        assert!(
            page.lines().count() <= 40,
            "{}: too long to be read at two in the morning",
            path.display()
        );
    }
}

#[test]
fn what_is_generated_is_current() {
    for (file, text) in docs::generated(workspace()).unwrap() {
        let there = std::fs::read_to_string(workspace().join(&file)).unwrap_or_default();
        assert!(
            there == text,
            "{} is not current: run `cargo lab docs`",
            file.display()
        );
    }
}

#[test]
fn no_link_leads_nowhere() {
    let pages = docs::pages(workspace()).unwrap();
    let root = workspace().join(docs::PAGES);
    let mut dead = docs::links::dead(&pages, |path| root.join(path).exists());
    // The README is not of the book, and points into it.
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let readme = [("../../README.md".into(), readme)];
    let of_readme = docs::links::dead(&readme, |path| root.join(path).exists());
    dead.extend(
        of_readme
            .into_iter()
            .filter(|told| !told.contains("SUMMARY.md does not")),
    );
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn every_command_of_the_book_is_one_that_ikd_and_ikctl_take() {
    let mut tried = 0;
    let mut wrong = Vec::new();
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let mut pages = docs::pages(workspace()).unwrap();
    pages.push(("README.md".into(), readme));
    for (path, page) in pages {
        for (line, command) in blocks::commands(&page) {
            let words = blocks::words(&command);
            let parser = if words[0] == "ikd" {
                ikd::command()
            } else {
                ikctl::command()
            };
            let parsed = parser.try_get_matches_from(&words);
            // A verb alone is spoken of, not run.
            let is_mention = |error: &clap::Error| {
                let incomplete = matches!(
                    error.kind(),
                    ErrorKind::MissingRequiredArgument
                        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                );
                words.len() == 2 && incomplete
            };
            if let Err(error) = parsed
                && error.use_stderr()
                && !is_mention(&error)
            {
                wrong.push(format!("{}:{line}: {command}\n{error}", path.display()));
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 100, "only {tried} commands found");
}

/// The policies, whole ones and pieces: each is read as `ikd` would read it, with the files that it names.
#[test]
fn every_policy_of_the_book_is_one_that_ikd_takes() {
    let folder = tempfile::tempdir().unwrap();
    named_files(folder.path());
    let mut tried = 0;
    let mut wrong = Vec::new();
    for (path, page) in docs::pages(workspace()).unwrap() {
        if path.starts_with("reference") {
            continue;
        }
        let mut pieces: Vec<(usize, String, bool)> = blocks::blocks(&page)
            .into_iter()
            // What is included is tried where it stands.
            .filter(|block| block.is("yaml") && !block.text.contains("{{#include"))
            .map(|block| (block.line, block.text, true))
            .collect();
        pieces.extend(
            blocks::inline(&page)
                .into_iter()
                .map(|(line, text)| (line, text, false)),
        );
        for (line, piece, must) in pieces {
            let Some(policy) = whole(&piece) else {
                assert!(
                    !must,
                    "{}:{line}: where does this stand?\n{piece}",
                    path.display()
                );
                continue;
            };
            let file = folder.path().join("policy.yaml");
            std::fs::write(&file, &policy).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            if let Err(mut report) = policies::load(&[file]) {
                // The book says itself of some words that they have no meaning yet.
                report
                    .problems
                    .retain(|problem| must || problem.code != policies::Code::NotYet);
                if report.problems.is_empty() {
                    continue;
                }
                wrong.push(format!(
                    "{}:{line}:\n{}",
                    path.display(),
                    report.draw(false)
                ));
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(tried > 30, "only {tried} policies found");
}

/// A whole policy with the piece in its place, which its first key says; `None`: it is no piece of a policy.
fn whole(piece: &str) -> Option<String> {
    let first = piece
        .lines()
        .find(|line| !line.trim_start().starts_with('#'))?;
    let (key, value) = first.trim().split_once(':')?;
    let value = value.trim();
    if value.is_empty() && piece.lines().count() == 1
        || piece.contains("...")
        || piece.contains("NAME")
        || value.starts_with(':')
    {
        return None;
    }
    let mut ends = [
        "{ address: 192.0.2.1, id: hq.example.com }",
        "{ address: 198.51.100.7, id: branch.example.com }",
    ]
    .map(str::to_owned);
    let mut auth = "{ psk: { file: branch.psk } }".to_owned();
    let mut child = "local: 10.1.0.0/16, remote: 10.2.0.0/16".to_owned();
    let (mut more, mut children, mut file) = (String::new(), None, String::new());
    let indented = |columns: usize| -> String {
        let own = first.len() - first.trim_start().len();
        let lines = piece
            .lines()
            .map(|line| format!("{:columns$}{}\n", "", line.get(own..).unwrap_or_default()));
        lines.collect()
    };
    let is_end = ["address:", "{ id:"]
        .iter()
        .any(|word| value.contains(word));
    let is_proof = ["psk:", "ca:", "certificate:", "public_key:"]
        .iter()
        .any(|word| value.contains(word));
    match key {
        "version" => {
            return value
                .starts_with('1')
                .then(|| piece.to_owned())
                .filter(|text| text.lines().count() > 1);
        }
        "policies" | "limits" => file = indented(0),
        "auth" if piece.lines().count() == 1 => auth = value.to_owned(),
        "auth" => auth = format!("\n{}", indented(6).split_once('\n')?.1),
        "liveness" if !value.starts_with('{') => return None,
        "ike" | "liveness" => more = indented(4),
        "esp" | "keep" | "lifetime" | "replay_window" => child += &format!(", {key}: {value}"),
        "children" => children = Some(indented(4)),
        "local" if is_end => ends[0] = value.to_owned(),
        "remote" if is_end => ends[1] = value.to_owned(),
        "local" if is_proof => auth = format!("\n{}      remote: {{ ca: ca.pem }}\n", indented(6)),
        "remote" if is_proof => {
            auth = format!(
                "\n      local: {{ certificate: hq.pem, key: hq.key }}\n{}",
                indented(6)
            )
        }
        // Said of one key of several: a whole one is tried elsewhere.
        "local" | "remote" | "key" | "certificate" | "ca" | "crl" => return None,
        name if value.starts_with('{') && name.chars().all(char::is_alphanumeric) => {
            children = Some(format!("    children:\n{}", indented(6)));
        }
        _ => return None,
    }
    let [local, remote] = ends;
    let children = children.unwrap_or_else(|| format!("    children:\n      lan: {{ {child} }}\n"));
    Some(format!(
        "version: 1\nconnections:\n  branch:\n    local: {local}\n    remote: {remote}\n    auth: {auth}\n{more}{children}{file}"
    ))
}

/// What policies of the book name: secrets, and certificates of one authority.
fn named_files(folder: &Path) {
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(folder.join(name), mode).unwrap();
    };
    for name in ["branch.psk", "half.psk"] {
        write(name, "a secret of this test alone\n");
    }
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(DnType::CommonName, "the authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    for name in ["ca.pem", "root.pem", "branches-ca.pem"] {
        write(name, &authority.pem());
    }
    for name in ["hq", "branch"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([format!("{name}.example.com")]).unwrap();
        write(
            &format!("{name}.pem"),
            &params.signed_by(&key, &authority).unwrap().pem(),
        );
        write(&format!("{name}.key"), &key.serialize_pem());
        write(&format!("{name}.pub"), &key.public_key_pem());
    }
    let now = std::time::SystemTime::now();
    let list = CertificateRevocationListParams {
        this_update: now.into(),
        next_update: (now + std::time::Duration::from_secs(30 * 24 * 3600)).into(),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&authority).unwrap().pem().unwrap();
    for name in ["ca.crl", "root.crl", "branches.crl"] {
        write(name, &list);
    }
}

/// Numbers that an alert or a page speaks of are told by the daemon.
#[test]
fn every_metric_of_the_book_is_one_that_ikd_tells() {
    let told = docs::metric_names();
    let mut pages = docs::pages(workspace()).unwrap();
    for file in ["alerts.yml", "prometheus.yml"] {
        let path = Path::new("docs/monitoring").join(file);
        pages.push((
            path.clone(),
            std::fs::read_to_string(workspace().join(path)).unwrap(),
        ));
    }
    for (path, page) in pages {
        let words = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let unknown = words
            .filter(|word| word.starts_with("ikd_") && word.len() > 4)
            .find(|word| !told.iter().any(|name| name == word));
        assert!(
            unknown.is_none(),
            "{}: {unknown:?} is not told",
            path.display()
        );
    }
}
