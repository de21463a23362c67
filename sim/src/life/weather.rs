//! The network between the gateways: as good as it is at the moment. What happens to a datagram depends on the seed, its
//! sender and how many that has sent, so that a life with less in it treats the rest alike.

use std::fmt;
use std::time::Duration;

use crate::SeededRandom;
use crate::provider::digest;

/// How the network treats what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// The shortest way takes this long.
    pub delay: Duration,
    /// And up to this much longer: what is sent later may arrive earlier.
    pub jitter: Duration,
    /// Out of 1000 IKE messages.
    pub lost: u64,
    /// Out of 1000 IKE messages.
    pub doubled: u64,
    /// Out of 1000 IKE messages: these, or their doubles, arrive seconds to minutes late.
    pub late: u64,
}

impl Weather {
    /// Where nothing is left to be wished.
    pub const FINE: Self = Self {
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(5),
        lost: 0,
        doubled: 0,
        late: 0,
    };

    /// When each copy of a datagram arrives, after it was sent.
    #[must_use]
    pub fn copies(&self, seed: u64, sender: usize, number: u64) -> Vec<Duration> {
        let place = digest(&[
            &seed.to_be_bytes(),
            &sender.to_be_bytes(),
            &number.to_be_bytes(),
        ]);
        let mut random = SeededRandom::new(place);
        let copies = 1 + u64::from(random.below(1000) < self.doubled);
        let mut arrivals = Vec::new();
        for _ in 0..copies {
            let (lost, late) = (random.below(1000), random.below(1000));
            let wait = Duration::from_millis(random.below(150_000));
            let way = self.delay + below(&mut random, self.jitter);
            if lost >= self.lost {
                arrivals.push(if late < self.late { way + wait } else { way });
            }
        }
        arrivals
    }

    /// How long a packet of the tunnels takes.
    #[must_use]
    pub fn packet(&self, seed: u64, number: u64) -> Duration {
        let place = digest(&[&seed.to_be_bytes(), b"packet", &number.to_be_bytes()]);
        // A linear step is enough here, and packets are many.
        let jitter = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        self.delay + Duration::from_nanos(place % jitter.max(1))
    }
}

/// A time below this one.
pub(super) fn below(random: &mut SeededRandom, bound: Duration) -> Duration {
    let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random.below(bound.max(1)))
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} to {:?}", self.delay, self.delay + self.jitter)?;
        for (count, word) in [
            (self.lost, "lost"),
            (self.doubled, "doubled"),
            (self.late, "late"),
        ] {
            if count > 0 {
                write!(f, ", {} in 100 {word}", count as f64 / 10.0)?;
            }
        }
        Ok(())
    }
}
