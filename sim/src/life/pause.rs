//! Pauses: children that have nothing to send for a while, and processes that say goodbye and begin anew.

use std::time::Duration;

use ike::config::WithoutSa;
use ike::engine::io::Command;

use super::ledger::ChildKey;
use super::{Happening, Life};

/// How long after a silence a child may still be closed because of it: the question of what it has carried may be under way.
const ECHO: Duration = Duration::from_secs(20);
/// How long a daemon waits for its peers to answer its goodbyes.
const GOODBYE: Duration = Duration::from_secs(15);

impl Life<'_> {
    /// Nothing is to be sent by a child for this long, so that it may be closed.
    pub(super) fn be_silent(&mut self, key: ChildKey, time: Duration) {
        self.ledger.disarm(|other| *other == key);
        let until = self.now + time;
        let known = self.silent_until.entry(key).or_insert(until);
        *known = until.max(*known);
    }

    /// Whether a child has nothing to send now.
    pub(super) fn is_silent(&self, key: ChildKey) -> bool {
        let until = self.silent_until.get(&key);
        until.is_some_and(|until| self.now < *until)
    }

    /// Whether a child has had something to send for long enough.
    pub(super) fn is_loud(&self, key: ChildKey) -> bool {
        let until = self.silent_until.get(&key);
        until.is_none_or(|until| self.now >= *until + ECHO)
    }

    /// Whether an end lets packets of a child pass in clear while there is no SA. Where both have theirs, there is one.
    pub(super) fn may_pass(&self, link: usize, end: usize, child: usize) -> bool {
        self.scenario.links[link].without_sa[end] == WithoutSa::Pass
            && !self.ledger.armed.contains_key(&(link, child))
    }

    /// The process says goodbye to its peers. Nothing is protected any more, and nothing is sent.
    pub(super) fn leave(&mut self, gateway: usize, pause: Duration) {
        let of = &mut self.gateways[gateway];
        if of.engine.is_none() || of.leaves {
            return;
        }
        of.leaves = true;
        of.flowing.iter_mut().for_each(|flowing| flowing.clear());
        of.flowing_after = None;
        of.reconfigures = false;
        let process = of.process;
        self.may_cost(gateway);
        self.at(self.now + GOODBYE, Happening::Left(gateway, process, pause));
        self.command(gateway, Command::Shutdown);
    }

    /// It has, or has tried for long enough.
    pub(super) fn has_left(&mut self, gateway: usize, pause: Duration) {
        self.note(gateway, || "has left".to_owned());
        self.ledger.forget(gateway);
        self.gateways[gateway].kill(self.now);
        self.at(self.now + pause, Happening::Start(gateway));
    }
}
