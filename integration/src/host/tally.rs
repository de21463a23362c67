//! Counts what test programs report, in the words of `cargo test`, while it passes to the terminal.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// How much of a test program's output the user sees. All of it goes to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Every line.
    All,
    /// Summaries, and everything about failures.
    Failures,
}

/// A sum over test programs.
#[derive(Debug)]
pub struct Tally {
    /// Tests that hold.
    pub passed: u64,
    /// Tests that do not.
    pub failed: u64,
    /// Tests that nobody asked for (`#[ignore]`).
    pub ignored: u64,
    /// Why tests could not run, in their own words: `name: why`, or just why.
    pub skipped: Vec<String>,
    /// The names of those that hold.
    pub held: BTreeSet<String>,
    show: Show,
    log: File,
    line: Vec<u8>,
    part: Part,
}

/// Where in a test program's output a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Lines,
    Successes,
    Failures,
    /// What a test wrote itself.
    Output,
    OutputOfFailed,
}

impl Tally {
    /// A sum that starts at nothing, with a log at `log`.
    pub fn new(show: Show, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("making {}", log.display()))?;
        Ok(Self {
            passed: 0,
            failed: 0,
            ignored: 0,
            skipped: Vec::new(),
            held: BTreeSet::new(),
            show,
            log: file,
            line: Vec::new(),
            part: Part::Lines,
        })
    }

    /// Takes notice of `line` if it says that something was skipped, and why.
    pub fn note_skip(&mut self, line: &str) {
        if let Some(why) = line.trim_start().strip_prefix("skipped: ")
            && !self.skipped.iter().any(|known| known == why)
        {
            self.skipped.push(why.to_owned());
        }
    }

    fn read_line(&mut self, line: &str) -> io::Result<()> {
        let is_result = line.starts_with("test result:");
        match (self.part, line) {
            // A test may itself run test programs: what it captured of them does not count.
            (_, "failures:") => self.part = Part::Failures,
            (_, "successes:") => self.part = Part::Successes,
            (Part::Successes | Part::Failures, _) if line.ends_with(" stdout ----") => {
                self.part = if self.part == Part::Failures {
                    Part::OutputOfFailed
                } else {
                    Part::Output
                };
            }
            (Part::Output | Part::OutputOfFailed, _) => {}
            _ if is_result => {
                self.part = Part::Lines;
                self.passed += number_before(line, " passed");
                self.failed += number_before(line, " failed");
                self.ignored += number_before(line, " ignored");
            }
            _ => {
                if let Some((name, "ok")) = line.strip_prefix("test ").and_then(held) {
                    self.held.insert(name.to_owned());
                }
            }
        }
        self.note_skip(line);
        let of_failure = matches!(self.part, Part::Failures | Part::OutputOfFailed);
        let of_success = matches!(self.part, Part::Successes | Part::Output);
        let shown = match self.show {
            Show::All => !of_success,
            // A summary of no tests says nothing.
            Show::Failures => {
                of_failure
                    || line.ends_with("... FAILED")
                    || (is_result && !of_success && !line.contains(" 0 passed; 0 failed"))
            }
        };
        if shown {
            println!("{line}");
        }
        Ok(())
    }
}

impl Write for Tally {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.log.write_all(bytes)?;
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                self.read_line(&line)?;
            } else {
                self.line.push(*byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.log.flush()
    }
}

/// Name and outcome of `name ... ok` or `name ... ok (1.2 s)`.
fn held(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.split_once(" ... ")?;
    Some((name, outcome.split(' ').next()?))
}

fn number_before(text: &str, word: &str) -> u64 {
    let Some(end) = text.find(word) else { return 0 };
    text[..end]
        .rsplit(|character: char| !character.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_add_up_and_skips_are_told_once() {
        let log = std::env::temp_dir().join(format!("lab-tally-{}", std::process::id()));
        let mut tally = Tally::new(Show::Failures, &log).unwrap();
        for _ in 0..2 {
            write!(tally, "test a ... ok\nskipped: no ESP here\ntest result: ok. 12 passed; 1 failed; 3 ignored; 0 measured\n").unwrap();
        }
        write!(
            tally,
            "successes:\n\n---- b stdout ----\ntest result: ok. 5 passed; 0 failed; 0 ignored\n\nsuccesses:\n    b\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n"
        )
        .unwrap();
        std::fs::remove_file(log).unwrap();
        assert_eq!((tally.passed, tally.failed, tally.ignored), (25, 2, 6));
        assert_eq!(tally.skipped, ["no ESP here"]);
    }
}
