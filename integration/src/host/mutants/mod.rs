//! `cargo lab mutants`: is the simulator sharp? A sample of small changes to the state machines of the engine, each of which
//! is a mistake that somebody could make; lives are lived with each until one breaks something.
//!
//! ```text
//!   the checkout --mirror--> target/mutants/source --listing--> all mutants --draw(seed)--> the sample
//!                                  |
//!                                  '--bench, one per job: change one place, build, live--> kept, survivors.txt
//! ```
//!
//! cargo-mutants finds the places; we only use its list. Its own way to try them would build and run all tests of a
//! crate; ours builds one program, incrementally, and stops at the first life that breaks.
//!
//! In the list is what decides: the IKE SA in all its states, what keeps IKE SAs and connections, and what those decide by
//! (windows, timers, tables). Out of it is what lives cannot judge because nothing in them depends on it: texts and figures
//! for people (`failure`, `event`, `snapshot`, `list`, and every `Display` and `Debug`), and the records of a process for
//! the one after it (`records`, every `record.rs`, `fields` and `restored`), which only some lives go on from.
//! What lives merely do not draw, such as certificates, is in: its mutants survive, and that shows what is not tried.

mod bench;
mod kept;
mod listing;
mod summary;

use std::collections::VecDeque;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};

use super::paths::Paths;
use bench::Bench;
use kept::{Fate, Kept};
use listing::Mutant;

/// So many of a hundred that can be built are to be found.
const ENOUGH: usize = 90;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many mutants.
    pub sample: usize,
    /// Which sample.
    pub seed: u64,
    /// How many lives for each.
    pub lives: u64,
    /// How many are tried at a time; by default, one for each core.
    pub jobs: Option<NonZero<usize>>,
    /// Whether the scripted simulations are to try what survived its lives.
    pub scripted: bool,
    /// Only those whose names contain this: all of them, not a sample.
    pub only: Option<String>,
}

/// Where everything is.
struct Directories {
    /// The checkout as it was when this run began.
    source: PathBuf,
    /// What became of those that were tried.
    results: PathBuf,
    /// Those that survived.
    survivors: PathBuf,
    /// What each job changes and builds.
    benches: PathBuf,
}

/// Tries the sample. Whether enough were found.
pub fn run(paths: &Paths, options: &Options) -> Result<bool> {
    let _lock = paths.lock("mutants")?;
    let root = paths.target.join("mutants");
    let directories = Directories {
        source: root.join("source"),
        results: root.join(format!("results-{}-lives.json", options.lives)),
        survivors: root.join("survivors.txt"),
        benches: root.join("bench"),
    };
    bench::mirror(&paths.workspace, &directories.source)?;
    let all = listing::all(paths, &directories.source)?;
    let count = all.len();
    let sample = match &options.only {
        Some(only) => (all.into_iter().filter(|mutant| mutant.name.contains(only))).collect(),
        None => listing::draw(all, options.seed, options.sample),
    };
    println!(
        "{} of {count} mutants, drawn by seed {}, with {} lives each",
        sample.len(),
        options.seed,
        options.lives
    );
    let source = listing::digest(&directories.source)?;
    let kept = Kept::open(&directories.results, source, options.lives)?;
    let kept = try_all(paths, options, &directories, &sample, kept)?;
    let summary = summary::of(&sample, &kept);
    std::fs::write(&directories.survivors, summary.survivors(&sample, &kept))
        .with_context(|| format!("writing {}", directories.survivors.display()))?;
    println!("\n{summary}");
    println!("the survivors are in {}", directories.survivors.display());
    Ok(summary.percent() >= ENOUGH)
}

/// Tries what was not tried by an earlier run, on as many benches as there are jobs.
fn try_all(
    paths: &Paths,
    options: &Options,
    directories: &Directories,
    sample: &[Mutant],
    kept: Kept,
) -> Result<Kept> {
    let lacks = |mutant: &&Mutant| match kept.fate(mutant) {
        None => true,
        Some(Fate::Survived { scripted }) => options.scripted && !scripted,
        Some(_) => false,
    };
    let queue: VecDeque<_> = sample.iter().filter(lacks).collect();
    let known = sample.len() - queue.len();
    if known > 0 {
        println!("{known} are known from an earlier run");
    }
    let jobs = (options.jobs)
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZero::get)
        .min(queue.len());
    // One after the other: the second would build all dependencies while the first does.
    let benches = (0..jobs)
        .map(|number| {
            let directory = directories.benches.join(number.to_string());
            Bench::set_up(paths, &directories.source, &directory, options)
        })
        .collect::<Result<Vec<_>>>()?;
    let desk = Mutex::new(Desk {
        queue,
        kept,
        tried: known,
    });
    std::thread::scope(|scope| {
        let working: Vec<_> = (benches.iter())
            .map(|bench| scope.spawn(|| work(bench, &desk, sample.len())))
            .collect();
        (working.into_iter()).try_for_each(|work| match work.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let desk = desk.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(desk.kept)
}

/// What the jobs share.
struct Desk<'a> {
    queue: VecDeque<&'a Mutant>,
    kept: Kept,
    tried: usize,
}

/// Takes one mutant after the other from the desk.
fn work(bench: &Bench, desk: &Mutex<Desk<'_>>, of: usize) -> Result<()> {
    let at_desk = || desk.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let Some(mutant) = at_desk().queue.pop_front() else {
            return Ok(());
        };
        let begin = Instant::now();
        let tried = (bench.try_one(mutant)).with_context(|| format!("trying {}", mutant.name));
        let mut desk = at_desk();
        let fate = tried.inspect_err(|_| desk.queue.clear())?;
        desk.tried += 1;
        println!(
            "{:>4}/{of}  {:<26} {:>5.1} s  {}",
            desk.tried,
            fate.to_string(),
            begin.elapsed().as_secs_f64(),
            mutant.name
        );
        desk.kept.keep(mutant, fate)?;
    }
}
