//! Runs end-to-end tests: a line for each, and everything there is to know when one fails.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::guest::count::Count;
use crate::guest::netns::Namespace;
use crate::guest::peers::eventually;
use crate::guest::sniffer::{Frame, Kind};
use crate::guest::topology::{ALICE, BOB};
use crate::guest::world::World;

/// How long a test waits for something that is due: an emulated guest on a busy machine is slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);
/// How long a packet that must not arrive is waited for.
pub(super) const BRIEFLY: Duration = Duration::from_millis(700);

/// A test by its name.
pub(super) struct Test {
    name: String,
    run: Run,
}

enum Run {
    /// Shows it, or says what is not so. What it says of it otherwise stands in its line.
    One(Box<Shows>),
    /// Tries rows with the same daemons, each a test of its own.
    Table { rows: Vec<String>, run: Box<Tries> },
}

type Shows = dyn Fn(&World) -> Result<String>;
/// Tries the rows of a table, as many of them as are given, and tells how each went. An error: no row could be tried.
type Tries = dyn Fn(&World, &[String], &mut Tell<'_>) -> Result<()>;
/// Takes a row's name, when it began and how it went.
pub(super) type Tell<'a> = dyn FnMut(&str, Instant, Result<()>) + 'a;

impl Test {
    /// A test called `name`, which passes unless it returns an error.
    pub(super) fn new(
        name: impl Into<String>,
        run: impl Fn(&World) -> Result<()> + 'static,
    ) -> Self {
        Self::with_figures(name, move |world| run(world).map(|()| String::new()))
    }

    /// Likewise a test that says in figures what it saw.
    pub(super) fn with_figures(
        name: impl Into<String>,
        run: impl Fn(&World) -> Result<String> + 'static,
    ) -> Self {
        Self {
            name: format!("e2e::{}", name.into()),
            run: Run::One(Box::new(run)),
        }
    }

    /// A test for each of `rows`, called `name::row`, all tried by one call of `run`.
    pub(super) fn table(
        name: impl Into<String>,
        rows: Vec<String>,
        run: impl Fn(&World, &[String], &mut Tell<'_>) -> Result<()> + 'static,
    ) -> Self {
        Self {
            name: format!("e2e::{}", name.into()),
            run: Run::Table {
                rows,
                run: Box::new(run),
            },
        }
    }

    /// Whether the test's name contains `only`; of a table, only the rows whose names contain it stay.
    pub(super) fn keep(&mut self, only: &str) -> bool {
        match &mut self.run {
            Run::One(_) => self.name.contains(only),
            Run::Table { rows, .. } => {
                rows.retain(|row| format!("{}::{row}", self.name).contains(only));
                !rows.is_empty()
            }
        }
    }
}

/// Runs `tests` and prints the outcome of each. Returns whether none failed.
pub(super) fn run(tests: &[Test]) -> Result<bool> {
    if tests.is_empty() {
        return Ok(true);
    }
    let world = World::create()?;
    let mut count = Count::default();
    for Test { name, run } in tests {
        let start = Instant::now();
        match run {
            Run::One(run) => count.tell_figures(name, start, run(&world)),
            Run::Table { rows, run } => {
                let mut tell = |row: &str, start, outcome| {
                    count.tell(&format!("{name}::{row}"), start, outcome);
                };
                if let Err(error) = run(&world, rows, &mut tell) {
                    count.tell(name, start, Err(error));
                }
            }
        }
        // What a failed test left behind is not the next one's problem.
        world.net.flush()?;
    }
    Ok(count.close())
}

/// Fails unless the kernels of both gateways hold no SA, larval ones included.
pub(super) fn no_sa_is_left(world: &World) -> Result<()> {
    for gateway in [&world.net.hq, &world.net.branch] {
        comes_to_hold_nothing(gateway, "SAs", Namespace::security_associations)?;
    }
    Ok(())
}

/// Fails unless the kernels of both gateways hold neither SA nor policy.
pub(super) fn nothing_is_left(world: &World) -> Result<()> {
    no_sa_is_left(world)?;
    for gateway in [&world.net.hq, &world.net.branch] {
        comes_to_hold_nothing(gateway, "policies", Namespace::policies)?;
    }
    Ok(())
}

/// Fails if a packet between alice and bob passed in clear since `mark`.
pub(super) fn nothing_of_theirs_went_in_clear(world: &World, mark: usize) -> Result<()> {
    let frames = world.wire.since(mark);
    let theirs = |frame: &&Frame| matches!(frame.addresses(), Some((ALICE, BOB) | (BOB, ALICE)));
    let clear = frames
        .iter()
        .filter(theirs)
        .filter(|frame| frame.kind() == Kind::Clear)
        .count();
    ensure!(
        clear == 0,
        "{clear} packets of a protected selector passed in clear"
    );
    Ok(())
}

fn comes_to_hold_nothing(
    gateway: &Namespace,
    what: &str,
    list: impl Fn(&Namespace) -> Result<String>,
) -> Result<()> {
    let mut left = String::new();
    let gone = eventually(PATIENCE, || {
        left = list(gateway).unwrap_or_else(|error| format!("{error:#}"));
        left.trim().is_empty()
    });
    ensure!(gone, "{} still holds {what}:\n{left}", gateway.name);
    Ok(())
}
