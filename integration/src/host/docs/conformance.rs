//! The page on conformance: what the standards ask for, line by line, beside the tests that show it.
//!
//! The lines are data (`docs/conformance/*.yaml`), the tests are found in the sources by their names: `rfc7296_042_...`, or
//! `rfc7296_041_to_044_...` and `rfc7296_069_and_070_...` for several lines. A line without a test must say why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::read;

const LINES: &str = "docs/conformance/rfc7296.yaml";
const PREFIX: &str = "rfc7296_";
/// Where tests are.
const CRATES: &[&str] = &["ike", "ikd", "policies", "sim", "xfrm-sys"];

/// One thing that is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    line: u16,
    section: String,
    level: String,
    says: String,
    /// Tests of other names that show it: `path:name`.
    #[serde(default)]
    tested_by: Vec<String>,
    /// The feature that it belongs to and that is not there yet.
    later: Option<String>,
    /// Why there is no test.
    no_test: Option<String>,
}

/// The page.
pub(super) fn page(workspace: &Path) -> Result<String> {
    let lines: Vec<Line> = serde_yaml::from_str(&read(&workspace.join(LINES))?)
        .with_context(|| format!("reading {LINES}"))?;
    let sources = sources(workspace)?;
    let tests = named_by_line(&sources, lines.len())?;
    let mut rows = String::new();
    let (mut tested, mut later, mut untested) = (0, 0, 0);
    for (number, line) in (1..).zip(&lines) {
        ensure!(
            line.line == number,
            "{LINES}: line {} stands where {number} belongs",
            line.line
        );
        let mut shown = tests.get(&number).cloned().unwrap_or_default();
        for named in &line.tested_by {
            shown.push(test_of_another_name(&sources, named)?);
        }
        let shown = match (&line.later, &line.no_test) {
            (Some(feature), None) => {
                later += 1;
                shown.insert(0, format!("*Later, with {feature}.*"));
                shown
            }
            (None, Some(why)) => {
                untested += 1;
                shown.insert(0, format!("*No test: {why}*"));
                shown
            }
            (None, None) if !shown.is_empty() => {
                tested += 1;
                shown
            }
            (None, None) => bail!(
                "line {number} of {LINES} has no test and no reason: {}",
                line.says
            ),
            (Some(_), Some(_)) => bail!("line {number} of {LINES} has two reasons"),
        };
        let section = &line.section;
        let section = if section.starts_with("RFC") {
            section.clone()
        } else {
            format!("§ {section}")
        };
        writeln!(
            rows,
            "| {number} | {section} | {} | {} | {} |",
            line.level,
            line.says,
            shown.join("<br>")
        )?;
    }
    Ok(format!(
        "# Conformance

What [RFC 7296](https://www.rfc-editor.org/rfc/rfc7296) and its relatives ask of both ends of an IKE SA, in our own words, and
the tests that show it. This page is made from `{LINES}` and the names of the tests by `cargo lab docs`: a line without a test
says why.

Of {} lines {tested} have tests, {later} belong to features that are [not there yet](not-yet.md), and {untested} have none for
another reason.

A test is run by its name: `cargo test --workspace rfc7296_042`. How requests that cross each other are answered, row by row, is
in the head of `sim/tests/rekey/main.rs`.

| | where | level | asks | shown by |
|---|---|---|---|---|
{rows}",
        lines.len()
    ))
}

/// All sources, by their paths below the workspace.
fn sources(workspace: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut directories: Vec<_> = CRATES.iter().map(|name| workspace.join(name)).collect();
    while let Some(directory) = directories.pop() {
        let entries = std::fs::read_dir(&directory);
        for entry in entries.with_context(|| format!("reading {}", directory.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(workspace)?.display().to_string();
                found.insert(name, read(&path)?);
            }
        }
    }
    Ok(found)
}

/// The tests in a source, by their names.
fn tests_in(source: &str) -> impl Iterator<Item = &str> {
    let mut lines = source.lines().map(str::trim_start);
    std::iter::from_fn(move || {
        lines.find(|line| *line == "#[test]")?;
        // Other attributes may stand between.
        let function = lines.find(|line| line.starts_with("fn "))?;
        function.strip_prefix("fn ")?.split('(').next()
    })
}

/// The tests that are named by a line's number, in words, by that number.
fn named_by_line(
    sources: &BTreeMap<String, String>,
    lines: usize,
) -> Result<BTreeMap<u16, Vec<String>>> {
    let mut found = BTreeMap::<_, Vec<String>>::new();
    for (path, source) in sources {
        for name in tests_in(source) {
            let Some((numbers, words)) = name.strip_prefix(PREFIX).and_then(numbered) else {
                continue;
            };
            for number in numbers {
                ensure!(
                    (1..=lines).contains(&usize::from(number)),
                    "{path}: {name}: {LINES} has no line {number}"
                );
                found.entry(number).or_default().push(words.clone());
            }
        }
    }
    Ok(found)
}

/// The numbers at the beginning of a test's name, and the rest of it in words.
fn numbered(name: &str) -> Option<(Vec<u16>, String)> {
    let mut words = name.split('_').peekable();
    let first: u16 = words.next()?.parse().ok()?;
    let mut numbers = vec![first];
    let mut rest = Vec::new();
    while let Some(word) = words.next() {
        let next = words.peek().and_then(|next| next.parse::<u16>().ok());
        match (word, next, rest.is_empty()) {
            ("and", Some(number), true) => {
                numbers.push(number);
                words.next();
            }
            ("to", Some(last), true) => {
                numbers.extend(first + 1..=last);
                words.next();
            }
            _ => rest.push(word),
        }
    }
    Some((numbers, rest.join(" ")))
}

/// A test that is named in the data, in words.
fn test_of_another_name(sources: &BTreeMap<String, String>, named: &str) -> Result<String> {
    let (path, name) = named.split_once(':').context("`path:name`")?;
    let source = sources
        .get(path)
        .with_context(|| format!("{LINES} names {path}, which is not there"))?;
    ensure!(
        tests_in(source).any(|test| test == name),
        "{LINES} names the test {name}, which {path} does not have"
    );
    Ok(format!("{} (`{path}`)", name.replace('_', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let told = |name| numbered(name).expect("a number");
        assert_eq!(told("042_retry"), (vec![42], "retry".to_owned()));
        assert_eq!(
            told("041_to_044_cookies"),
            (vec![41, 42, 43, 44], "cookies".to_owned())
        );
        assert_eq!(told("017_and_102_none"), (vec![17, 102], "none".to_owned()));
        assert_eq!(told("059_a_secret_of_64_octets").1, "a secret of 64 octets");
        assert!(numbered("skeyseed_of_aes").is_none());
    }

    #[test]
    fn tests_are_found_behind_their_attribute() {
        let source =
            "fn helper() {}\n#[test]\n#[ignore]\nfn one() {\n}\n    #[test]\n    fn two() {";
        assert_eq!(tests_in(source).collect::<Vec<_>>(), ["one", "two"]);
    }
}
