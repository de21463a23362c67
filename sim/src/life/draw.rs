//! How a life is drawn: often enough calm to show what must never happen, often enough wild to get everywhere.

use std::num::NonZeroU64;
use std::time::Duration;

use ike::config::{Keep, Limits, Liveness, WithoutSa};

use crate::SeededRandom;

use super::meeting::Meeting;
use super::scenario::{Entry, Kind, Link, Records, Scenario, Spec, What};
use super::shape::Shape;
use super::weather::{Weather, below};

const IKE: [&str; 4] = [
    "aes256gcm16-prfsha256-x25519",
    "aes256gcm16-prfsha256-x25519-ecp256",
    "aes256gcm16-prfsha256-ecp256-x25519",
    "aes128gcm16-aes256gcm16-prfsha256-x25519-ecp256",
];
const ESP: [&str; 4] = [
    "aes256gcm16",
    "aes256gcm16-x25519",
    "aes256gcm16-x25519-ecp256",
    "aes256gcm16-ecp256-x25519",
];
/// Tells the second sequence of random numbers from the first.
const MORE: u64 = 0x006d_6f72_6500_0000;
/// Longer than any life.
const LONG: Duration = Duration::from_secs(48 * 3600);

/// The life of this seed.
pub(super) fn scenario(random: &mut SeededRandom, seed: u64) -> Scenario {
    let kind = match random.below(10) {
        0..4 => Kind::Gentle,
        4..7 => Kind::Lossy,
        _ => Kind::Rough,
    };
    let gateways = if random.below(5) == 0 { 3 } else { 2 };
    let pairs: &[[usize; 2]] = match (gateways, random.below(2)) {
        (2, _) => &[[0, 1]],
        (_, 0) => &[[0, 1], [0, 2]],
        _ => &[[0, 1], [0, 2], [1, 2]],
    };
    let links: Vec<_> = (pairs.iter())
        .map(|ends| link(random, kind, *ends))
        .collect();
    let weather = weather(random, kind);
    let slowness = slowness(random);
    let starts = (0..gateways)
        .map(|_| below(random, Duration::from_secs(3)))
        .collect();
    let mut entries = Vec::new();
    let mut at = below(random, Duration::from_secs(20));
    for _ in 0..2 + random.below(14) {
        // Often at once, for it is then that things meet.
        at += match random.below(10) {
            0..4 => below(random, Duration::from_millis(300)),
            4..7 => below(random, Duration::from_secs(4)),
            _ => below(random, Duration::from_secs(60)),
        };
        happening(random, kind, &links, gateways, at, &mut entries);
    }
    entries.sort_by_key(|entry: &Entry| entry.at);
    let last = entries.last().map_or(at, |entry| entry.at);
    Scenario {
        seed,
        kind,
        gateways,
        starts,
        links,
        limits: vec![Limits::default(); gateways],
        moves_at: Duration::ZERO,
        weather,
        slowness,
        records: Records::Off,
        entries,
        ends: last + Duration::from_secs(5) + below(random, Duration::from_secs(60)),
    }
}

/// What is drawn from a sequence of its own, so that all else stays as it was: processes that go on where one was killed,
/// authentication anew, limits by packets.
pub(super) fn more(scenario: &mut Scenario) {
    let random = &mut SeededRandom::new(scenario.seed ^ MORE);
    for link in &mut scenario.links {
        if random.below(5) == 0 {
            let again = |random: &mut SeededRandom| after(random, 45, 160);
            link.reauth = [again(random), again(random)];
        }
        let volumes: Vec<_> = (0..4)
            .map(|_| match random.below(5) {
                0 => NonZeroU64::new(400 + random.below(1600)),
                _ => None,
            })
            .collect();
        for spec in link.versions.iter_mut().flatten() {
            spec.volume = volumes[spec.number % volumes.len()];
        }
    }
    scenario.records = pick(random, &[Records::Off, Records::AtOnce, Records::Slowly]);
    if scenario.records == Records::Off {
        return;
    }
    for _ in 0..random.below(4) {
        let length = scenario.entries.len();
        // Often while something else is under way.
        let at = match scenario.entries.get(index(random, length.max(1))) {
            Some(entry) if random.below(4) > 0 => entry.at + below(random, Duration::from_secs(1)),
            _ => below(random, scenario.ends),
        };
        let longest = match scenario.kind {
            Kind::Gentle => 3000,
            Kind::Lossy | Kind::Rough => pick(random, &[300, 3000, 20_000]),
        };
        let what = What::Kill {
            gateway: index(random, scenario.gateways),
            after: random.below(9),
            done: index(random, 9),
            pause: below(random, Duration::from_millis(longest)),
        };
        scenario.entries.push(Entry { at, what });
    }
    scenario.entries.sort_by_key(|entry| entry.at);
}

pub(super) fn pick<T: Copy>(random: &mut SeededRandom, from: &[T]) -> T {
    let count = u64::try_from(from.len()).expect("short lists");
    from[usize::try_from(random.below(count)).expect("below a length")]
}

pub(super) fn index(random: &mut SeededRandom, length: usize) -> usize {
    let bound = u64::try_from(length).expect("short lists");
    usize::try_from(random.below(bound)).expect("below a length")
}

/// A time to rekey after, often soon.
fn after(random: &mut SeededRandom, least: u64, span: u64) -> Option<Duration> {
    (random.below(3) > 0).then(|| Duration::from_secs(least + random.below(span)))
}

fn link(random: &mut SeededRandom, kind: Kind, ends: [usize; 2]) -> Link {
    let keep = pick(
        random,
        &[
            [Keep::Up, Keep::Up],
            [Keep::Up, Keep::Passive],
            [Keep::Passive, Keep::Up],
        ],
    );
    let ike = match random.below(3) {
        0 => [pick(random, &IKE[..1]); 2],
        _ => [pick(random, &IKE[1..]), pick(random, &IKE[1..])],
    };
    let same = after(random, 40, 160);
    let rekey = match random.below(3) {
        0 => [same; 2],
        _ => [after(random, 40, 160), after(random, 40, 160)],
    };
    let liveness = Liveness {
        interval: Duration::from_secs(5 + random.below(25)),
        give_up: Duration::from_secs(pick(random, &[30, 60, 60])),
    };
    let count = 1 + index(random, 3);
    let first: Vec<_> = (0..count)
        .map(|number| spec(random, kind, number))
        .collect();
    let mut versions = vec![first];
    if kind == Kind::Rough {
        for _ in 0..random.below(3) {
            let before = versions.last().expect("there is the first").clone();
            versions.push(changed(random, kind, before));
        }
    }
    Link {
        ends,
        keep,
        ike,
        rekey,
        reauth: [None; 2],
        liveness,
        meeting: Meeting::default(),
        idle: [None; 2],
        without_sa: [WithoutSa::default(); 2],
        shapes: [Shape::default(); 4],
        priorities: false,
        versions,
    }
}

fn spec(random: &mut SeededRandom, kind: Kind, number: usize) -> Spec {
    let esp = match random.below(3) {
        0 => [ESP[0]; 2],
        1 => [ESP[1]; 2],
        _ => [pick(random, &ESP[1..]), pick(random, &ESP[1..])],
    };
    let same = after(random, 15, 100);
    let rekey = match random.below(3) {
        0 => [same; 2],
        _ => [after(random, 15, 100), after(random, 15, 100)],
    };
    // One that is not rekeyed at all must not end in a life where nothing may be lost.
    let hard = match kind {
        Kind::Rough => pick(random, &[LONG, Duration::from_secs(900)]),
        _ => LONG,
    };
    Spec {
        number,
        esp,
        rekey,
        window: pick(random, &[32, 128]),
        hard,
        volume: None,
    }
}

/// Other children: one more, one less, or one that is not as it was.
fn changed(random: &mut SeededRandom, kind: Kind, mut children: Vec<Spec>) -> Vec<Spec> {
    let at = index(random, children.len());
    match random.below(3) {
        0 if children.len() > 1 => drop(children.remove(at)),
        1 if children.len() < 4 => {
            let free = (0..).find(|number| children.iter().all(|child| child.number != *number));
            children.push(spec(random, kind, free.expect("four at most")));
        }
        _ => children[at] = spec(random, kind, children[at].number),
    }
    children
}

fn slowness(random: &mut SeededRandom) -> Duration {
    let most = pick(random, &[1, 1, 50, 1000]);
    below(random, Duration::from_millis(most))
}

fn weather(random: &mut SeededRandom, kind: Kind) -> Weather {
    let most = pick(random, &[20, 200, 800]);
    let mut weather = Weather {
        delay: Duration::from_millis(1) + below(random, Duration::from_millis(most)),
        jitter: below(random, Duration::from_millis(2 * most)),
        lost: 0,
        doubled: pick(random, &[0, 0, 100, 500]),
        late: 0,
    };
    if kind != Kind::Gentle {
        weather.lost = pick(random, &[0, 50, 200, 400]);
        weather.late = pick(random, &[0, 0, 50, 200]);
    }
    weather
}

fn happening(
    random: &mut SeededRandom,
    kind: Kind,
    links: &[Link],
    gateways: usize,
    at: Duration,
    entries: &mut Vec<Entry>,
) {
    let link = index(random, links.len());
    let end = index(random, 2);
    let of = &links[link];
    let some_child = pick(random, &[0, 1, 2]) % of.versions[0].len();
    let child = of.versions[0][some_child].number;
    let maybe = (random.below(3) > 0).then_some(child);
    let gateway = index(random, gateways);
    let gap = match random.below(3) {
        0 => Duration::ZERO,
        1 => below(random, Duration::from_millis(100)),
        _ => below(random, Duration::from_secs(2)),
    };
    let mut add = |at, what| entries.push(Entry { at, what });
    let most = match kind {
        Kind::Gentle => 14,
        Kind::Lossy => 17,
        Kind::Rough => 27,
    };
    match random.below(most) {
        0..4 => {
            let child = maybe;
            add(at, What::Rekey { link, end, child });
        }
        4..8 => {
            let child = maybe;
            add(at, What::Rekey { link, end, child });
            let end = 1 - end;
            // Now and then both sides rekey two different things.
            let child = if random.below(4) == 0 { None } else { child };
            add(at + gap, What::Rekey { link, end, child });
        }
        8 => {
            let by = slowness(random);
            add(at, What::Slow { gateway, by });
        }
        9 => add(at, What::SoftExpire { link, end, child }),
        10 => {
            let time = below(random, Duration::from_secs(20));
            add(at, What::Deaf { gateway, time });
        }
        11 => {
            let seconds = pick(random, &[-3600, -2, 2, 3600]);
            add(at, What::Clock { gateway, seconds });
        }
        12 => add(
            at,
            What::Reload {
                link,
                end,
                version: 0,
            },
        ),
        13 => add(at, What::Weather(weather(random, kind))),
        14 | 15 => {
            let time = below(random, Duration::from_secs(40));
            add(at, What::Cut { link, time });
        }
        16 => add(at, What::Weather(weather(random, kind))),
        17 | 18 => {
            let child = maybe;
            add(at, What::Down { link, end, child });
            if random.below(2) > 0 {
                add(at + gap, What::Up { link, end, child });
            }
        }
        19 => {
            let child = maybe;
            add(at, What::Up { link, end, child });
        }
        20 | 21 => {
            let version = index(random, of.versions.len());
            add(at, What::Reload { link, end, version });
            let end = 1 - end;
            add(at + gap, What::Reload { link, end, version });
        }
        22 | 23 => {
            let pause = pick(random, &[100, 2000, 30_000]);
            let pause = below(random, Duration::from_millis(pause));
            add(at, What::Restart { gateway, pause });
        }
        24 => {
            let step = random.below(4);
            add(at, What::Refuse { gateway, step });
        }
        25 => {
            let inbound = random.below(2) == 0;
            add(
                at,
                What::HardExpire {
                    link,
                    end,
                    child,
                    inbound,
                },
            );
        }
        _ => add(
            at,
            What::Clock {
                gateway,
                seconds: pick(random, &[-86_400, 1000, 86_400]),
            },
        ),
    }
}
