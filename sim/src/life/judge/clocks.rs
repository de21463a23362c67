//! When SAs are replaced: by their time and not later (`late`), and not before it (`haste`), unless there is a reason.
//!
//! ```text
//!   up, rekeyed --> not before 0.9 of `rekey_after` --> due: `rekey_after` --> late
//!   put off     --> not before the pause is over    --> due: then
//!   a reason: an operator, a limit of packets, a clock that was set --> due: now
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use ike::config::Name;
use ike::engine::event::{Event, IkeSpis};

use super::Wrong;
use crate::life::scenario::{Kind, Scenario, child_name, child_number};

/// Authenticating again ends with the old IKE SA, which the peer may keep for a minute.
const REAUTHENTICATING: Duration = Duration::from_secs(65);
/// What was decided before it was stored was decided at most so much earlier.
const STORING: Duration = Duration::from_secs(20);
/// The pauses after a rekeying that came to nothing: the shortest and the longest, with what chance does to them.
const PAUSES: [Duration; 2] = [Duration::from_millis(8_990), Duration::from_secs(331)];

/// Who says something, and when.
#[derive(Clone, Copy)]
pub(in crate::life) struct At<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) now: Duration,
    pub(super) gateway: usize,
    /// Whether what is said now may have been so for a while.
    pub(super) delayed: bool,
}

impl At<'_> {
    /// The link of this name, if this gateway has it.
    pub(super) fn link(&self, connection: &Name) -> Option<usize> {
        self.scenario.link_called(connection)
    }

    /// Which end of a link this gateway is.
    pub(super) fn end(&self, link: usize) -> usize {
        usize::from(self.scenario.links[link].ends[0] != self.gateway)
    }
}

/// When one SA is to be replaced.
#[derive(Clone, Copy, Debug)]
struct Clock {
    link: usize,
    /// Not by us before this; `None`: not at all, unless something happens.
    not_before: Option<Duration>,
    /// `None`: not by time.
    due: Option<Duration>,
    /// When its connection is authenticated again. An heir has that of the one before it.
    again: Option<Duration>,
    /// Whether there is a reason to replace it at any time.
    has_reason: bool,
    /// Whether the next attempt waits for its time, whatever it has carried.
    waits: bool,
    /// Since when it is.
    since: Duration,
}

impl Clock {
    fn has_reason_now(&mut self, now: Duration, kills: bool) {
        self.has_reason = true;
        if kills {
            return;
        }
        self.due = Some(self.due.map_or(now, |due| due.min(now)));
    }

    /// It came to nothing, and is tried again.
    fn is_put_off(&mut self, at: Duration, slack: Duration) {
        self.not_before = Some(at.saturating_sub(slack));
        self.due = Some(at);
        self.has_reason = false;
        self.waits = true;
    }

    fn is_hasty(&self, now: Duration) -> bool {
        !self.has_reason && self.not_before.is_none_or(|earliest| now < earliest)
    }
}

/// Those of all SAs that stand.
#[derive(Default)]
pub(super) struct Clocks {
    /// Whether processes are killed in the middle of what they do. What an operator asks for then may come to nothing: where
    /// the one end was killed while both replaced the same, both may hold theirs for the loser.
    pub(super) kills: bool,
    /// By gateway and inbound SPI, with the child's number.
    children: BTreeMap<(usize, u32), (usize, Clock)>,
    ike_sas: BTreeMap<(usize, IkeSpis), Clock>,
    /// When an IKE SA of a gateway and link came or went last, but for its heir: the children of two meet then, and those of
    /// one take the place of the other's.
    turned: BTreeMap<(usize, usize), Duration>,
    /// When an operator wanted a child replaced, and when a wall clock was set: that may have been about what was not known yet.
    wanted: BTreeMap<(usize, usize, Option<usize>), Duration>,
    set: BTreeMap<usize, Duration>,
    /// When the kernel was asked for each inbound SA: its time runs from then.
    asked: BTreeMap<(usize, u32), Duration>,
}

impl Clocks {
    /// A kernel is asked for an inbound SA.
    pub(in crate::life) fn kernel_asked(&mut self, gateway: usize, spi: u32, now: Duration) {
        self.asked.insert((gateway, spi), now);
    }

    /// Takes note of an event, and judges it.
    pub(super) fn event(&mut self, at: At<'_>, event: &Event) -> Wrong {
        match event {
            Event::ChildUp {
                connection,
                child,
                spi_in,
                ..
            } => {
                self.child(at, connection, child, *spi_in);
                None
            }
            Event::ChildRekeyed {
                connection,
                child,
                old_spi_in,
                spi_in,
                by_us,
                ..
            } => {
                let old = self.children.remove(&(at.gateway, *old_spi_in));
                self.child(at, connection, child, *spi_in);
                let (_, old) = old.filter(|_| *by_us)?;
                let turned = self.turned.get(&(at.gateway, old.link));
                // Who is killed while it makes an IKE SA begins another in its place when it goes on.
                let alone = !at.scenario.kills()
                    && turned.is_none_or(|turned| *turned < old.since)
                    && self.ike_sas_of(at.gateway, old.link) == 1;
                (alone && old.is_hasty(at.now)).then(|| {
                    let text = format!("{old_spi_in:08x} of {child} is replaced before its time");
                    ("haste", text)
                })
            }
            Event::ChildDown { spi_in, .. } => {
                self.children.remove(&(at.gateway, *spi_in));
                None
            }
            Event::IkeSaEstablished {
                connection, spis, ..
            } => {
                let link = at.link(connection)?;
                let mut clock = ike_sa(at, link, Duration::ZERO);
                clock.again =
                    at.scenario.links[link].reauth[at.end(link)].map(|after| at.now + after);
                self.turned.insert((at.gateway, link), at.now);
                self.ike_sas.insert((at.gateway, *spis), clock);
                None
            }
            Event::IkeSaRekeyed {
                connection,
                old_spis,
                spis,
                by_us,
                ..
            } => {
                let link = at.link(connection)?;
                let old = self.ike_sas.remove(&(at.gateway, *old_spis));
                let mut clock = ike_sa(at, link, heir(at));
                clock.again = old.and_then(|old| old.again);
                let wanted = self.wanted.get(&(at.gateway, link, None));
                let is_wanted = at.delayed && wanted.is_some_and(|when| *when + STORING > at.now);
                clock.has_reason |= is_wanted;
                self.ike_sas.insert((at.gateway, *spis), clock);
                let hasty = old.is_some_and(|old| *by_us && old.is_hasty(at.now)) && !is_wanted;
                hasty.then(|| ("haste", "the IKE SA is replaced before its time".to_owned()))
            }
            Event::IkeSaClosed {
                connection, spis, ..
            } => {
                (self.turned).insert((at.gateway, at.link(connection)?), at.now);
                self.ike_sas.remove(&(at.gateway, *spis));
                None
            }
            Event::RekeyFailed {
                connection,
                child,
                retry_in,
                ..
            } => self.failed(at, connection, child.as_ref(), (*retry_in)?),
            _ => None,
        }
    }

    fn child(&mut self, at: At<'_>, connection: &Name, child: &Name, spi_in: u32) {
        let (Some(link), Some(number)) = (at.link(connection), child_number(child)) else {
            return;
        };
        let asked = self.asked.remove(&(at.gateway, spi_in)).unwrap_or(at.now);
        let end = at.end(link);
        // A reload may meet a negotiation: it is one of these.
        let specs = at.scenario.links[link].versions.iter().flatten();
        let after = specs.filter(|spec| spec.number == number);
        let after: Vec<_> = after.map(|spec| spec.rekey[end]).collect();
        let slack = if at.delayed { STORING } else { Duration::ZERO };
        let earliest = after.iter().flatten().min();
        let latest = after.iter().copied().collect::<Option<Vec<_>>>();
        let latest = latest.and_then(|all| all.into_iter().max());
        let wanted = self.wanted.get(&(at.gateway, link, Some(number)));
        let reasons = [wanted, self.set.get(&at.gateway)];
        let earliest_reason = asked.saturating_sub(slack);
        let has_reason = (reasons.into_iter().flatten()).any(|when| *when >= earliest_reason);
        let verifies = at.scenario.links[link].meeting.verify_rekey[end];
        let has_reason = has_reason || verifies;
        let clock = Clock {
            link,
            not_before: earliest.map(|after| asked.saturating_sub(slack) + after.mul_f64(0.899)),
            due: latest.map(|after| at.now + after),
            again: None,
            has_reason,
            waits: false,
            since: asked,
        };
        self.children.insert((at.gateway, spi_in), (number, clock));
    }

    fn failed(
        &mut self,
        at: At<'_>,
        connection: &Name,
        child: Option<&Name>,
        retry_in: Duration,
    ) -> Wrong {
        let link = at.link(connection)?;
        let slack = if at.delayed {
            STORING
        } else {
            Duration::from_millis(1)
        };
        let again = at.now + retry_in;
        match child {
            Some(child) => {
                let is = |(number, clock): &(usize, Clock)| {
                    clock.link == link && child_name(*number) == *child
                };
                for ((gateway, _), known) in &mut self.children {
                    if *gateway == at.gateway && is(known) {
                        known.1.is_put_off(again, slack);
                    }
                }
            }
            None => {
                for ((gateway, _), clock) in &mut self.ike_sas {
                    if *gateway == at.gateway && clock.link == link {
                        // Rekeying or authenticating again: the event does not say.
                        clock.due = clock.due.map(|due| due.max(again));
                        clock.again = clock.again.map(|due| due.max(again));
                        clock.has_reason = true;
                    }
                }
            }
        }
        let [shortest, longest] = PAUSES;
        (retry_in < shortest || retry_in > longest).then(|| {
            let text = format!("a rekeying that came to nothing is tried again in {retry_in:?}");
            ("haste", text)
        })
    }

    fn ike_sas_of(&self, gateway: usize, link: usize) -> usize {
        let ike_sas = self.ike_sas.iter();
        let of = ike_sas.filter(|((at, _), clock)| (*at, clock.link) == (gateway, link));
        of.count()
    }

    /// An operator wants a child, or the IKE SA, replaced.
    pub(super) fn is_asked_for(
        &mut self,
        now: Duration,
        gateway: usize,
        link: usize,
        child: Option<usize>,
    ) {
        self.wanted.insert((gateway, link, child), now);
        match child {
            Some(child) => {
                for ((at, _), (number, clock)) in &mut self.children {
                    if (*at, clock.link, *number) == (gateway, link, child) {
                        clock.has_reason_now(now, self.kills);
                    }
                }
            }
            None => {
                // Of two, the newer one is meant, and only that one is replaced in time.
                for ((at, _), clock) in &mut self.ike_sas {
                    if (*at, clock.link) == (gateway, link) {
                        clock.has_reason = true;
                    }
                }
            }
        }
    }

    /// A kernel says that an SA has carried as much as it may: it is one of these.
    pub(super) fn is_used_up(&mut self, now: Duration, gateway: usize, spi_in: u32) {
        self.set.insert(gateway, now);
        let clock = self.children.get_mut(&(gateway, spi_in));
        if let Some((_, clock)) = clock.filter(|(_, clock)| !clock.waits) {
            clock.has_reason_now(now, self.kills);
        }
    }

    /// A wall clock was set: lifetimes go by it.
    pub(super) fn is_set(&mut self, now: Duration, gateway: usize) {
        self.set.insert(gateway, now);
        for ((at, _), (_, clock)) in &mut self.children {
            clock.has_reason |= *at == gateway;
        }
    }

    pub(super) fn forget(&mut self, gateway: usize) {
        self.children.retain(|(at, _), _| *at != gateway);
        self.ike_sas.retain(|(at, _), _| *at != gateway);
    }

    /// What a process finds when it goes on is not known here: nothing more is said of it until it is replaced.
    pub(super) fn goes_on(&mut self, gateway: usize) {
        self.forget(gateway);
    }

    /// What should have been replaced by now.
    pub(super) fn late(&self, now: Duration, calm: &[Duration], patience: Duration) -> Wrong {
        let is_late = |clock: &Clock, due: Option<Duration>, patience| {
            due.is_some_and(|due| due.max(calm[clock.link]) + patience < now)
        };
        let child =
            (self.children.iter()).find(|(_, (_, clock))| is_late(clock, clock.due, patience));
        if let Some(((_, spi), (number, _))) = child {
            let child = child_name(*number);
            return Some(("late", format!("{spi:08x} of {child} is not replaced")));
        }
        let late = |clock: &Clock| is_late(clock, clock.due, patience);
        if let Some(((_, spis), _)) = self.ike_sas.iter().find(|(_, clock)| late(clock)) {
            let text = format!("the IKE SA {} is not replaced", spis.initiator);
            return Some(("late", text));
        }
        let late = |clock: &Clock| is_late(clock, clock.again, patience + REAUTHENTICATING);
        let ((_, spis), _) = self.ike_sas.iter().find(|(_, clock)| late(clock))?;
        let text = format!(
            "the ends of the IKE SA {} have not authenticated again",
            spis.initiator
        );
        Some(("late", text))
    }
}

/// How long an heir may have been there, and its time have run, before it was known to be the one.
fn heir(at: At<'_>) -> Duration {
    Duration::from_secs(if at.scenario.kind == Kind::Gentle {
        15
    } else {
        62
    })
}

/// The clock of an IKE SA that is known from now on, and has been there for so long.
fn ike_sa(at: At<'_>, link: usize, known: Duration) -> Clock {
    let after = at.scenario.links[link].rekey[at.end(link)];
    let slack = known + if at.delayed { STORING } else { Duration::ZERO };
    Clock {
        link,
        not_before: after.map(|after| at.now.saturating_sub(slack) + after.mul_f64(0.899)),
        due: after.map(|after| at.now + after),
        again: None,
        // Its message IDs may come to their end.
        has_reason: at.scenario.limits[at.gateway].requests_per_ike_sa < u32::MAX,
        waits: false,
        since: at.now,
    }
}
