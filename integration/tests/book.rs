//! The book holds together: every code has its page, what is generated is current, links lead somewhere, commands exist.

#![allow(clippy::unwrap_used)] // a test may stop where it stands

use std::path::Path;

use clap::error::ErrorKind;
use integration::host::docs;
use integration::host::docs::blocks;

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
    let dead = docs::links::dead(&pages, |path| root.join(path).exists());
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

const COMING: &[&str] = &["decode", "monitor", "log", "metrics"];

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
            // These come with their own work.
            if COMING.contains(&words[1].as_str())
                && ikctl::command().find_subcommand(&words[1]).is_none()
            {
                continue;
            }
            // A verb alone is spoken of, not run.
            let is_mention = |error: &clap::Error| {
                words.len() == 2 && error.kind() == ErrorKind::MissingRequiredArgument
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
