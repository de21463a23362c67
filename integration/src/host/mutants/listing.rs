//! Which mutants there are, and which are drawn.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, ensure};
use ring::digest::{Context as Digest, SHA256};
use serde::Deserialize;

use crate::host::paths::Paths;
use crate::host::tools;

use super::bench;

/// Another version finds other places, and one seed would draw another sample.
const VERSION: &str = "27.1.0";
/// The state machines, and what is no part of them. The module above says why.
const IN: &[&str] = &["ike/src/engine/**/*.rs"];
const OUT: &[&str] = &[
    "ike/src/engine/**/record.rs",
    "ike/src/engine/records/**",
    "ike/src/engine/failure/**",
    "ike/src/engine/event.rs",
    "ike/src/engine/io.rs",
    "ike/src/engine/list.rs",
    "ike/src/engine/snapshot.rs",
];
/// As [`OUT`], but by the names of functions.
const OUT_BY_NAME: &[&str] = &["fmt", "fields", "restored"];
/// As [`OUT`], but by how the names of types end.
const RECORD: &str = "Fields";
/// What decides the fate of a mutant, beside itself.
const DECIDES: &[&str] = &["Cargo.toml", "Cargo.lock", "ike", "sim"];

/// A place in a file and what is to stand there.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Mutant {
    /// File, line, column and what is changed: no two have the same.
    pub(super) name: String,
    /// Within the workspace.
    pub(super) file: String,
    span: Span,
    replacement: String,
    /// For people.
    pub(super) diff: String,
    function: Option<Function>,
}

#[derive(Debug, Clone, Deserialize)]
struct Function {
    function_name: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

/// Both count from one; columns are characters.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

/// All mutants of the state machines in this copy of the workspace.
pub(super) fn all(paths: &Paths, source: &Path) -> Result<Vec<Mutant>> {
    let program = tools::installed(paths, "cargo-mutants", &["--version", VERSION])
        .map_err(|why| anyhow!(why))?;
    let mut list = Command::new(program);
    list.args(["mutants", "--list", "--json", "--diff"])
        .args(["--no-config", "--package", "ike"])
        .args(IN.iter().flat_map(|glob| ["--file", glob]))
        .args(OUT.iter().flat_map(|glob| ["--exclude", glob]))
        .current_dir(source)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = list.output().context("starting cargo-mutants")?;
    ensure!(
        output.status.success(),
        "cargo-mutants lists no mutants (see above)"
    );
    let mutants: Vec<Mutant> =
        serde_json::from_slice(&output.stdout).context("reading what cargo-mutants lists")?;
    let decides = |mutant: &Mutant| {
        let function = (mutant.function.as_ref()).map_or("", |of| of.function_name.as_str());
        let (of, name) = function.rsplit_once("::").unwrap_or(("", function));
        !OUT_BY_NAME.contains(&name) && !of.ends_with(RECORD)
    };
    Ok(mutants.into_iter().filter(decides).collect())
}

/// So many of them: those with the least digests. Each has its own by its name and the seed alone, so a larger sample begins
/// with the smaller one, and a change elsewhere leaves most of a sample as it was.
pub(super) fn draw(mut mutants: Vec<Mutant>, seed: u64, count: usize) -> Vec<Mutant> {
    mutants.sort_by_cached_key(|mutant| {
        let mut digest = Digest::new(&SHA256);
        digest.update(&seed.to_be_bytes());
        digest.update(mutant.name.as_bytes());
        digest.finish().as_ref().to_vec()
    });
    mutants.truncate(count);
    mutants
}

/// A digest of all that decides what becomes of a mutant.
pub(super) fn digest(source: &Path) -> Result<String> {
    let mut digest = Digest::new(&SHA256);
    for file in bench::files(source)? {
        if DECIDES.iter().any(|decides| file.starts_with(decides)) {
            let path = source.join(&file);
            let bytes =
                std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            digest.update(file.as_os_str().as_encoded_bytes());
            digest.update(&bytes.len().to_be_bytes());
            digest.update(&bytes);
        }
    }
    let bytes = digest.finish();
    Ok((bytes.as_ref().iter().map(|byte| format!("{byte:02x}"))).collect())
}

impl Mutant {
    /// The file with the change in it.
    pub(super) fn apply(&self, original: &str) -> Result<String> {
        let start = offset(original, self.span.start);
        let end = offset(original, self.span.end);
        let (start, end) = (start.zip(end))
            .filter(|(start, end)| start <= end)
            .with_context(|| format!("{} has no such place", self.file))?;
        // What follows stays in its line: a panic tells lines, and the compiler would build anew what has only moved.
        let lines = |text: &str| text.matches('\n').count();
        let gone = lines(&original[start..end]);
        let padding = "\n".repeat(gone.saturating_sub(lines(&self.replacement)));
        let parts = [
            &original[..start],
            &self.replacement,
            &padding,
            &original[end..],
        ];
        Ok(parts.concat())
    }
}

fn offset(text: &str, place: Place) -> Option<usize> {
    let mut lines = text.split_inclusive('\n');
    let before: usize = (lines.by_ref().take(place.line - 1)).map(str::len).sum();
    let line = lines.next()?;
    let mut columns = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    Some(before + columns.nth(place.column - 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(name: &str) -> Mutant {
        let place = |line, column| Place { line, column };
        Mutant {
            name: name.to_owned(),
            file: "f.rs".to_owned(),
            span: Span {
                start: place(2, 3),
                end: place(2, 5),
            },
            replacement: "<".to_owned(),
            diff: String::new(),
            function: None,
        }
    }

    #[test]
    fn the_change_stands_where_it_belongs() {
        let changed = mutant("one").apply("x\nä >= b\n").expect("there is");
        assert_eq!(changed, "x\nä < b\n");
        assert!(mutant("one").apply("x\n").is_err());
    }

    #[test]
    fn a_larger_sample_begins_with_the_smaller_one() {
        let all: Vec<_> = (0..40).map(|number| mutant(&number.to_string())).collect();
        let names = |seed, count| {
            let drawn = draw(all.clone(), seed, count);
            drawn
                .into_iter()
                .map(|mutant| mutant.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(1, 30)[..10], names(1, 10));
        assert_ne!(names(1, 10), names(2, 10));
    }
}
