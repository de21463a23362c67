//! Fuzz targets, which also run as ordinary tests.
//!
//! One target is one file in `tests/`, with its inputs in `tests/__fuzz__/TARGET/corpus/`. `cargo test -p fuzz` runs every
//! input, random octets, and mutations of the inputs ([`mutations`]) that are the same in each run. README.md says how
//! to run a target under libFuzzer, and where the inputs come from.
//!
//! What several targets need is here; what a target holds to be true stands in its own file.

use std::path::Path;

/// How many mutations of its corpus a target runs as a test: a few seconds at most.
pub const ROUNDS: usize = 100_000;

/// Runs `check` on [`ROUNDS`] mutations of the corpus of `target`, each made from its number alone. If `check` panics, the
/// input is printed.
///
/// # Panics
/// If the target has no corpus.
pub fn mutations(target: &str, check: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    some_mutations(target, ROUNDS, check);
}

/// As [`mutations`], for a target that takes more time for each: only the first `rounds`.
///
/// # Panics
/// If the target has no corpus.
pub fn some_mutations(
    target: &str,
    rounds: usize,
    check: impl Fn(&[u8]) + std::panic::RefUnwindSafe,
) {
    let corpus = corpus(target);
    for round in 0..rounds as u64 {
        let input = Mutator { state: round }.mutate(&corpus);
        if let Err(panic) = std::panic::catch_unwind(|| check(&input)) {
            let digits: String = input.iter().map(|octet| format!("{octet:02x}")).collect();
            eprintln!("target {target}, mutation {round}, input {digits}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// The inputs of a target in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/__fuzz__")
        .join(target)
        .join("corpus");
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let inputs: Vec<_> = paths
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

/// Changes inputs as a function of a number.
struct Mutator {
    state: u64,
}

impl Mutator {
    fn mutate(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input, corpus);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = (at + 1 + self.below(16)).min(input.len());
        match self.below(8) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => input.extend_from_within(at..end),
            3 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            4 => {
                // The tail of another input.
                let other = &corpus[self.below(corpus.len())];
                input.truncate(at);
                input.extend_from_slice(&other[self.below(other.len() + 1)..]);
            }
            5 => {
                if let Some(octet) = input.get_mut(at) {
                    *octet ^= 1 << self.below(8);
                }
            }
            6 => {
                let value = [
                    0,
                    1,
                    2,
                    3,
                    4,
                    0x7f,
                    0x80,
                    0xff,
                    self.next().to_le_bytes()[0],
                ][self.below(9)];
                if let Some(octet) = input.get_mut(at) {
                    *octet = value;
                }
            }
            _ => {
                // Lengths and counts are 16 bits wide: the borders, and what would be right or nearly so.
                let left = u16::try_from(input.len() - at).unwrap_or(u16::MAX);
                let value = [
                    0,
                    3,
                    4,
                    8,
                    left,
                    left.wrapping_sub(1),
                    left.wrapping_add(1),
                    0x8000,
                    0xffff,
                ][self.below(9)];
                if let Some(octets) = input.get_mut(at..at + 2) {
                    octets.copy_from_slice(&value.to_be_bytes());
                }
            }
        }
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
