//! A bound on lines that strangers can provoke: so many of a kind per interval, the others are counted and told at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use ike::config::Name;

/// How long lines of one kind are counted together.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// Connections that are counted apart; those beyond are counted together.
const APART: usize = 1024;

/// Counts lines by kind, and by connection where there is one: a noisy one does not silence the others.
#[derive(Debug, Default)]
pub(super) struct Limit {
    /// When the interval began, by the boot clock.
    began: Duration,
    seen: BTreeMap<(&'static str, Option<Name>), u64>,
}

impl Limit {
    /// Whether one more line of this kind may be written, when `most` are allowed in an interval.
    pub(super) fn allows(
        &mut self,
        kind: &'static str,
        connection: Option<&Name>,
        most: u64,
    ) -> bool {
        let mut key = (kind, connection.cloned());
        if self.seen.len() >= APART && !self.seen.contains_key(&key) {
            key.1 = None;
        }
        let seen = self.seen.entry(key).or_default();
        *seen += 1;
        *seen <= most
    }

    /// When the interval is over: what came how often, and a new interval begins.
    pub(super) fn turn(
        &mut self,
        boot: Duration,
    ) -> impl Iterator<Item = (&'static str, Option<Name>, u64)> + use<> {
        let over = boot.saturating_sub(self.began) >= INTERVAL;
        if over {
            self.began = boot;
        }
        let seen = if over {
            std::mem::take(&mut self.seen)
        } else {
            BTreeMap::new()
        };
        seen.into_iter()
            .map(|((kind, connection), count)| (kind, connection, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(limit: &mut Limit, boot: Duration) -> Vec<(&'static str, u64)> {
        limit
            .turn(boot)
            .map(|(kind, _, count)| (kind, count))
            .collect()
    }

    #[test]
    fn a_flood_is_counted_and_told_once() {
        let mut limit = Limit::default();
        let written = (0..1000)
            .filter(|_| limit.allows("dropped", None, 3))
            .count();
        assert_eq!(written, 3);
        assert!(limit.allows("hint", None, 3), "each kind has its own bound");
        assert_eq!(turn(&mut limit, INTERVAL - Duration::from_nanos(1)), []);
        assert_eq!(turn(&mut limit, INTERVAL), [("dropped", 1000), ("hint", 1)]);
        assert!(limit.allows("dropped", None, 3), "a new interval");
        assert_eq!(turn(&mut limit, 3 * INTERVAL), [("dropped", 1)]);
        assert_eq!(turn(&mut limit, 5 * INTERVAL), [], "silence is not told");
    }

    #[test]
    fn a_noisy_connection_does_not_silence_another_and_memory_is_bounded() {
        let mut limit = Limit::default();
        let name = |number: usize| Name::new(&format!("c{number}")).expect("a name");
        for _ in 0..100 {
            limit.allows("failed", Some(&name(0)), 3);
        }
        assert!(limit.allows("failed", Some(&name(1)), 3));
        for number in 0..10 * APART {
            limit.allows("failed", Some(&name(number)), 3);
        }
        assert_eq!(limit.seen.len(), APART + 1);
    }
}
