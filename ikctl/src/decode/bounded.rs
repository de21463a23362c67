//! A map that never holds more than so many entries: what it forgets is what came first.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Entries in the order in which they came.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    limit: usize,
    entries: HashMap<K, (u64, V)>,
    /// Keys with the number of their coming; those of removed entries go when they are met.
    order: VecDeque<(u64, K)>,
    next: u64,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: HashMap::new(),
            order: VecDeque::new(),
            next: 0,
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// The entry of `key`, which comes now if it is not there, and whichever had to go for it.
    pub(super) fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> (&mut V, Option<(K, V)>) {
        let mut gone = None;
        if !self.entries.contains_key(&key) {
            if self.entries.len() >= self.limit {
                gone = self.pop_first();
            }
            if self.order.len() >= 2 * self.limit {
                let entries = &self.entries;
                self.order.retain(|(number, key)| {
                    entries
                        .get(key)
                        .is_some_and(|(current, _)| current == number)
                });
            }
            self.order.push_back((self.next, key.clone()));
            self.next += 1;
        }
        let number = self.next - 1;
        let (_, value) = self.entries.entry(key).or_insert_with(|| (number, new()));
        (value, gone)
    }

    /// Takes out the entry that came first.
    pub(super) fn pop_first(&mut self) -> Option<(K, V)> {
        while let Some((number, key)) = self.order.pop_front() {
            if self
                .entries
                .get(&key)
                .is_some_and(|(current, _)| *current == number)
            {
                let (_, value) = self.entries.remove(&key)?;
                return Some((key, value));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_goes_first_and_removed_keys_cost_nothing() {
        let mut map = Bounded::new(2);
        for round in 0..100 {
            map.entry("passing", || round);
            map.remove(&"passing");
        }
        assert!(map.order.len() <= 4);
        assert_eq!(map.entry("a", || 1), (&mut 1, None));
        assert_eq!(map.entry("b", || 2), (&mut 2, None));
        assert_eq!(map.entry("a", || 9), (&mut 1, None));
        assert_eq!(map.entry("c", || 3), (&mut 3, Some(("a", 1))));
        assert_eq!(
            (map.pop_first(), map.pop_first(), map.pop_first()),
            (Some(("b", 2)), Some(("c", 3)), None)
        );
    }
}
