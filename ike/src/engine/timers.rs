//! What is due when: one ordered list for the whole engine.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::Name;
use crate::wire::IkeSpi;

/// Who wants to be called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An IKE SA, by our SPI.
    IkeSa(IkeSpi),
    /// A connection whose next attempt is due.
    Connection(Name),
    /// Goodbyes have taken long enough.
    Shutdown,
}

/// The list. Each timer knows its own time; the list is told of changes.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Duration, Timer)>);

impl Timers {
    /// Moves a timer from one time to another.
    pub(super) fn change(&mut self, timer: Timer, old: Option<Duration>, new: Option<Duration>) {
        if old == new {
            return;
        }
        if let Some(new) = new {
            self.0.insert((new, timer.clone()));
        }
        if let Some(old) = old {
            self.0.remove(&(old, timer));
        }
    }

    /// The first time at which something is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    /// How many are due.
    pub(super) fn count_due(&self, now: Duration) -> usize {
        self.0.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// Takes the first timer that is due.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Timer> {
        self.0.first().filter(|(at, _)| *at <= now)?;
        self.0.pop_first().map(|(_, timer)| timer)
    }
}
