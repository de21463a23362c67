//! The wall clock against the boot clock: a jump is seen at the next call, and ikd calls at once.
//!
//! The kernel's lifetimes go by the wall clock, and it looks at one a second after the SA was added and when it would end.
//! Set forward, it drops SAs before their time that are new, and may drop others: what was to be replaced is replaced so much
//! sooner, and what the kernel has dropped already is negotiated at once, without a pause for a failure that nobody is to blame
//! for. Set back, it keeps SAs longer, and holds a new SA for older than the one it replaces: so no order of ours rests on the
//! newest being chosen, and an old outbound SA goes as soon as the kernel has the new one.

use std::time::Duration;

use super::Engine;
use super::event::Event;
use super::io::Now;

/// Less is not a jump: clocks are also set right little by little.
const JUMP: Duration = Duration::from_secs(5);

/// How the two clocks stood to each other at the last look.
#[derive(Debug, Default)]
pub(super) struct WallClock(Option<Now>);

/// How a clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Forward(Duration),
    Back(Duration),
}

impl WallClock {
    fn look(&mut self, now: Now) -> Option<Set> {
        let before = self.0.replace(now)?;
        let expected = before.wall + now.boot.saturating_sub(before.boot);
        let forward = now.wall.saturating_sub(expected);
        let back = expected.saturating_sub(now.wall);
        match (forward >= JUMP, back >= JUMP) {
            (true, _) => Some(Set::Forward(forward)),
            (_, true) => Some(Set::Back(back)),
            _ => None,
        }
    }
}

impl Engine {
    pub(super) fn look_at_the_clocks(&mut self) {
        let Some(set) = self.wall_clock.look(self.shared.now) else {
            return;
        };
        let (forward, by) = match set {
            Set::Forward(by) => (true, by),
            Set::Back(by) => (false, by),
        };
        self.shared.event(Event::ClockSet { forward, by });
        if forward {
            for own in self.ike_sas.keys().copied().collect::<Vec<_>>() {
                self.with_sa(own, |sa, shared| sa.bring_forward(by, shared));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_one_clock_does_without_the_other_is_a_jump() {
        let now = |boot, wall| Now {
            boot: Duration::from_secs(boot),
            wall: Duration::from_secs(wall),
        };
        let mut clock = WallClock::default();
        assert_eq!(clock.look(now(10, 1000)), None, "the first look");
        assert_eq!(clock.look(now(8 * 3600, 992 + 8 * 3600)), None, "slowly");
        let forward = clock.look(now(8 * 3600, 90_000));
        assert_eq!(forward, Some(Set::Forward(Duration::from_secs(60_208))));
        assert_eq!(clock.look(now(8 * 3600 + 1, 90_001)), None, "told once");
        let back = clock.look(now(8 * 3600 + 2, 3));
        assert_eq!(back, Some(Set::Back(Duration::from_secs(89_999))));
    }
}
