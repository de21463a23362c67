//! The network between the nodes: what happens to a datagram is drawn from a seed, or decided by the test.

use std::collections::BTreeMap;
use std::time::Duration;

use ike::engine::io::{Path, Transmit};

use crate::SeededRandom;

/// How the network treats datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Quality {
    /// The shortest way takes this long.
    pub delay: Duration,
    /// And up to this much longer: datagrams overtake each other.
    pub jitter: Duration,
    /// Out of 1000.
    pub lost: u64,
    /// Out of 1000.
    pub doubled: u64,
}

impl Default for Quality {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            lost: 0,
            doubled: 0,
        }
    }
}

/// What a test decides about one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// As the network would have it.
    Deliver,
    /// It is lost.
    Drop,
    /// These bytes arrive instead.
    Replace(Vec<u8>),
}

/// What is under way.
#[derive(Debug)]
pub struct Network {
    /// How it treats what comes.
    pub quality: Quality,
    random: SeededRandom,
    under_way: BTreeMap<(Duration, u64), Transmit>,
    sent: u64,
}

impl Network {
    /// An empty one.
    #[must_use]
    pub fn new(seed: u64, quality: Quality) -> Self {
        Self {
            quality,
            random: SeededRandom::new(seed),
            under_way: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Takes a datagram.
    pub fn send(&mut self, now: Duration, transmit: Transmit) {
        let copies = if self.random.below(1000) < self.quality.doubled {
            2
        } else {
            1
        };
        for _ in 0..copies {
            if self.random.below(1000) < self.quality.lost {
                continue;
            }
            let jitter = u64::try_from(self.quality.jitter.as_nanos())
                .unwrap_or(u64::MAX)
                .max(1);
            let arrives =
                now + self.quality.delay + Duration::from_nanos(self.random.below(jitter));
            self.sent += 1;
            self.under_way
                .insert((arrives, self.sent), transmit.clone());
        }
    }

    /// When the next datagram arrives.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next datagram that has arrived, seen from its receiver.
    pub fn arrive(&mut self, now: Duration) -> Option<(Path, Vec<u8>)> {
        let next = *self.under_way.keys().next().filter(|(at, _)| *at <= now)?;
        let Transmit { path, bytes } = self.under_way.remove(&next)?;
        Some((
            Path {
                local: path.remote,
                remote: path.local,
            },
            bytes,
        ))
    }
}
