//! Lives by the thousand, for `cargo lab sim`: as many as asked for, on every core.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sim::coverage::{self, Coverage, Why};
use sim::life::{Outcome, Scenario, live, shrink};

const USAGE: &str = "lives [--seeds N] [--from S] [--keep-going] [--brief] [--coverage PAGE [--tests FILE]] | lives --seed S [--trace]";

struct Wish {
    from: u64,
    seeds: u64,
    trace: bool,
    keep_going: bool,
    brief: bool,
    /// The page that is to have the tables of what was reached.
    coverage: Option<PathBuf>,
    /// The file with what scripted tests have reached.
    tests: Option<PathBuf>,
}

fn wish() -> Option<Wish> {
    let mut wish = Wish {
        from: 0,
        seeds: 2000,
        trace: false,
        keep_going: false,
        brief: false,
        coverage: None,
        tests: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--coverage" {
            wish.coverage = Some(arguments.next()?.into());
            wish.keep_going = true;
            continue;
        }
        if argument == "--tests" {
            wish.tests = Some(arguments.next()?.into());
            continue;
        }
        let mut number = || arguments.next()?.replace('_', "").parse().ok();
        match argument.as_str() {
            "--seeds" => wish.seeds = number()?,
            "--from" => wish.from = number()?,
            "--seed" => (wish.from, wish.seeds) = (number()?, 1),
            "--trace" => wish.trace = true,
            "--brief" => wish.brief = true,
            "--keep-going" => wish.keep_going = true,
            _ => return None,
        }
    }
    Some(wish)
}

fn main() -> ExitCode {
    let Some(wish) = wish() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    // What panics in a life is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    if wish.trace {
        let scenario = Scenario::draw(wish.from);
        let outcome = live(&scenario, true);
        println!("{scenario}\n\n{}", outcome.diagram);
        return tell(&outcome);
    }
    run(&wish)
}

fn tell(outcome: &Outcome) -> ExitCode {
    match &outcome.violation {
        Some(violation) => {
            let at = violation.at.as_secs_f64();
            println!("{} at {at:.3} s: {}", violation.invariant, violation.text);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

#[derive(Default)]
struct Sums {
    time: Duration,
    datagrams: u64,
    packets: u64,
    rekeyings: u64,
    coverage: Coverage,
}

fn run(wish: &Wish) -> ExitCode {
    let begin = Instant::now();
    let (next, done, broken) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let (sums, seen) = (
        Mutex::new(Sums::default()),
        Mutex::new(BTreeMap::<&str, Vec<u64>>::new()),
    );
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let show = std::io::stderr().is_terminal();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !broken.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= wish.seeds {
                        break;
                    }
                    let seed = wish.from + number;
                    let outcome = live(&Scenario::draw(seed), false);
                    let mut sums = sums.lock().expect("nobody panics with it");
                    sums.time += outcome.time;
                    sums.datagrams += outcome.datagrams;
                    sums.packets += outcome.packets;
                    sums.rekeyings += outcome.rekeyings;
                    sums.coverage.merge(&outcome.coverage);
                    drop(sums);
                    if let Some(violation) = outcome.violation {
                        broken.store(!wish.keep_going, Ordering::Relaxed);
                        let mut seen = seen.lock().expect("nobody panics with it");
                        seen.entry(violation.invariant).or_default().push(seed);
                    }
                    let lived = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if show && lived.is_multiple_of(64) {
                        eprint!("\r{lived} of {} lives", wish.seeds);
                        let _ = std::io::stderr().flush();
                    }
                }
            });
        }
    });
    if show {
        eprintln!();
    }
    let sums = sums.into_inner().expect("nobody panicked with it");
    let lived = done.into_inner();
    let took = begin.elapsed().as_secs_f64();
    println!(
        "{lived} lives from seed {} in {took:.1} s ({:.0} a minute): {:.1} days, {} datagrams, {} packets, {} rekeyings",
        wish.from,
        lived as f64 / took * 60.0,
        sums.time.as_secs_f64() / 86_400.0,
        sums.datagrams,
        sums.packets,
        sums.rekeyings
    );
    let mut seen = seen.into_inner().expect("nobody panicked with it");
    for (invariant, seeds) in &mut seen {
        seeds.sort_unstable();
        let some: Vec<_> = seeds.iter().take(12).map(u64::to_string).collect();
        println!(
            "{invariant}: {} lives, seeds {}",
            seeds.len(),
            some.join(" ")
        );
    }
    if let Some(page) = &wish.coverage {
        let lives = format!("{lived} lives from seed {}", wish.from);
        return write_coverage(page, &sums.coverage, wish.tests.as_deref(), &lives);
    }
    let Some(seed) = seen.values().flatten().min().copied() else {
        return ExitCode::SUCCESS;
    };
    if wish.brief {
        let broken = seen.iter().find(|(_, seeds)| seeds.contains(&seed));
        let invariant = broken.map_or("", |(invariant, _)| invariant);
        println!("broken: {invariant} {}", seed - wish.from + 1);
        return ExitCode::FAILURE;
    }
    println!("\nseed {seed} is broken; the least of it that is:\n");
    let (scenario, outcome) = shrink(&Scenario::draw(seed));
    println!("{scenario}\n\n{}", outcome.diagram);
    let _ = tell(&outcome);
    println!("\nagain: cargo lab sim --seed {seed} --trace");
    ExitCode::FAILURE
}

/// Puts into a page what was reached. What there was though there is a reason why not is told.
fn write_coverage(page: &Path, lives: &Coverage, tests: Option<&Path>, lived: &str) -> ExitCode {
    let tests = match tests.map(std::fs::read_to_string).transpose() {
        Ok(text) => Coverage::contributed(&text.unwrap_or_default()),
        Err(error) => {
            eprintln!("what the tests have reached: {error}");
            return ExitCode::from(2);
        }
    };
    let part = coverage::page(lives, &tests, lived);
    let read = std::fs::read_to_string(page);
    let written = read.and_then(|text| match coverage::put(&text, &part) {
        Some(text) => std::fs::write(page, text),
        None => Err(std::io::Error::other("it has no place for the tables")),
    });
    if let Err(error) = written {
        eprintln!("{}: {error}", page.display());
        return ExitCode::from(2);
    }
    println!("written: {}", page.display());
    // What is only not drawn in lives may well be done by a script.
    let mut wrong = tests.contradictions();
    wrong.retain(|(_, why)| matches!(why, Why::Impossible(_)));
    wrong.extend(lives.contradictions());
    for (cell, why) in &wrong {
        println!("visited, though \"{}\": {cell:?}", why.words());
    }
    match wrong.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
