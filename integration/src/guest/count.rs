//! A line for each test in the words of `cargo test`, which the host counts.

use std::time::Instant;

use anyhow::Result;

/// What was counted so far.
#[derive(Debug, Default)]
pub struct Count {
    passed: u64,
    failed: Vec<String>,
}

impl Count {
    /// Runs the test `name` and prints how it went.
    pub fn test(&mut self, name: &str, run: impl FnOnce() -> Result<()>) {
        let start = Instant::now();
        self.tell(name, start, run());
    }

    /// Prints how a test went that began at `start`.
    pub fn tell(&mut self, name: &str, start: Instant, outcome: Result<()>) {
        self.tell_figures(name, start, outcome.map(|()| String::new()));
    }

    /// Likewise with what the test says in figures, if it says anything.
    pub fn tell_figures(&mut self, name: &str, start: Instant, outcome: Result<String>) {
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(figures) => {
                self.passed += 1;
                let colon = if figures.is_empty() { "" } else { ": " };
                println!("test {name} ... ok ({seconds:.1} s){colon}{figures}");
            }
            Err(error) => {
                let reason = indented(&format!("{error:#}"));
                println!("test {name} ... FAILED ({seconds:.1} s)\n{reason}");
                self.failed.push(name.to_owned());
            }
        }
    }

    /// Prints the sum. Returns whether nothing failed.
    #[must_use]
    pub fn close(self) -> bool {
        let Self { passed, failed } = self;
        if !failed.is_empty() {
            println!("\nfailures:\n    {}", failed.join("\n    "));
        }
        let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
        println!(
            "\ntest result: {verdict}. {passed} passed; {} failed; 0 ignored",
            failed.len()
        );
        failed.is_empty()
    }
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
