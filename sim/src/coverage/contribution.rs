//! What scripted tests reach: `SIM_COVERAGE=FILE cargo test --package sim` has every node add to a file what its datagrams
//! met, a line for each cell.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;

use ike::engine::Engine;
use ike::engine::situation::{Encounter, Message, Situation};

use super::Coverage;

/// The environment variable that names the file.
pub const FILE: &str = "SIM_COVERAGE";

/// What one node contributes when it goes.
#[derive(Debug)]
pub struct Contribution {
    coverage: Coverage,
    file: Option<OsString>,
}

impl Default for Contribution {
    fn default() -> Self {
        Self {
            coverage: Coverage::default(),
            file: std::env::var_os(FILE),
        }
    }
}

impl Contribution {
    /// Has an engine take down what its datagrams meet, where somebody wants to know.
    pub fn watch(&self, engine: &mut Engine) {
        if self.file.is_some() {
            engine.watch();
        }
    }

    /// Takes in what an engine has taken down.
    pub fn add(&mut self, encounters: Vec<Encounter>) {
        self.coverage.add(encounters);
    }
}

impl Drop for Contribution {
    fn drop(&mut self) {
        let Some(file) = &self.file else { return };
        let mut lines = String::new();
        for (cell, count) in &self.coverage.visits {
            let _ = writeln!(lines, "{count} {cell:?}");
        }
        let mut options = std::fs::OpenOptions::new();
        let opened = options.append(true).create(true).open(file);
        // In one go: other tests write to it at the same time.
        if let Err(error) = opened.and_then(|mut file| file.write_all(lines.as_bytes())) {
            eprintln!("{}: {error}", file.display());
        }
    }
}

impl Coverage {
    /// What tests have contributed. What cannot be understood is of another version, and does not count.
    #[must_use]
    pub fn contributed(text: &str) -> Self {
        let cells = Situation::all().flat_map(|situation| {
            Message::all().map(move |message| Encounter { situation, message })
        });
        let named: HashMap<_, _> = cells.map(|cell| (format!("{cell:?}"), cell)).collect();
        let mut coverage = Self::default();
        for line in text.lines() {
            let Some((count, cell)) = line.split_once(' ') else {
                continue;
            };
            if let (Ok(count), Some(cell)) = (count.parse::<u64>(), named.get(cell)) {
                *coverage.visits.entry(*cell).or_default() += count;
            }
        }
        coverage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let cell = Encounter {
            situation: Situation::NOBODY,
            message: Message::Foreign,
        };
        let coverage = Coverage::contributed(&format!("3 {cell:?}\n4 {cell:?}\n5 something\n\n"));
        assert_eq!(coverage.visits(cell.situation, cell.message), 7);
    }
}
