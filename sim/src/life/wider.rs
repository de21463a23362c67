//! What only some lives have: other promises about their children, other selectors, other ways to find and to believe each
//! other, owners of secrets that fail. Half of the lives have one or two of these, so that a cause is easily told.
//!
//! It is drawn from a third sequence of random numbers, so that all else stays as it was.

use std::time::Duration;

use ike::config::{Keep, Limits, Revocation, Unique, WithoutSa};

use crate::SeededRandom;

use super::draw::{index, pick};
use super::meeting::{Expects, Finds, Meeting, Proof};
use super::owner::Trouble;
use super::scenario::{Entry, Kind, Link, Scenario, What};
use super::shape::Shape;
use super::weather::below;

/// Tells the third sequence of random numbers from the others.
const WIDER: u64 = 0x7769_6465_7200_0000;

/// Adds to a life what half of them have.
pub(super) fn wider(scenario: &mut Scenario) {
    let random = &mut SeededRandom::new(scenario.seed ^ WIDER);
    if random.below(2) == 0 {
        return;
    }
    for _ in 0..1 + random.below(2) {
        match random.below(13) {
            0..3 => on_demand(random, scenario),
            3 | 4 => shapes(random, scenario),
            5 => cookies(random, scenario),
            6 => owners(random, scenario),
            7 => certificates(random, scenario),
            8 => twin(random, scenario),
            9 => names(random, scenario),
            10 => expectations(random, scenario),
            11 => promises(random, scenario),
            _ => goodbyes(random, scenario),
        }
    }
    for link in &mut scenario.links {
        fit(link);
    }
    scenario.entries.sort_by_key(|entry| entry.at);
}

/// Takes out of a link what does not go together.
fn fit(link: &mut Link) {
    let meeting = &link.meeting;
    // Whom a policy is for in transport mode is not known before there is somebody.
    let is_known = meeting.finds == [Finds::Address; 2] && meeting.asks_for_route == [false; 2];
    // All policies of a child have the place of its widest selector, which may be behind that of a wider IPv4 network.
    let is_behind = link.shapes.contains(&Shape::Wide) && !link.priorities;
    for shape in &mut link.shapes {
        *shape = match *shape {
            Shape::Transport if !is_known => Shape::Port,
            Shape::Several if is_behind => Shape::Network,
            other => other,
        };
    }
}

fn some_link<'a>(random: &mut SeededRandom, scenario: &'a mut Scenario) -> &'a mut Link {
    let link = index(random, scenario.links.len());
    &mut scenario.links[link]
}

/// Sometime before quiet.
fn sometime(random: &mut SeededRandom, scenario: &Scenario) -> Duration {
    below(random, scenario.ends)
}

/// Children come up when a packet needs them, and some go when none does.
fn on_demand(random: &mut SeededRandom, scenario: &mut Scenario) {
    let at = index(random, scenario.links.len());
    let link = &mut scenario.links[at];
    // A trap has to know where the peer is.
    link.meeting.finds = [Finds::Address; 2];
    link.keep = pick(
        random,
        &[
            [Keep::OnDemand, Keep::OnDemand],
            [Keep::OnDemand, Keep::Passive],
            [Keep::Passive, Keep::OnDemand],
            [Keep::OnDemand, Keep::Up],
            [Keep::Up, Keep::OnDemand],
        ],
    );
    let kept_up = link.keep.contains(&Keep::Up);
    if kept_up || random.below(4) == 0 {
        return;
    }
    for end in &mut link.idle {
        *end = (random.below(4) > 0).then(|| Duration::from_secs(12 + random.below(20)));
    }
    let children = link.versions[0].clone();
    for _ in 0..1 + random.below(4) {
        let what = What::Silence {
            link: at,
            child: children[index(random, children.len())].number,
            time: Duration::from_secs(20 + random.below(60)),
        };
        let at = sometime(random, scenario);
        scenario.entries.push(Entry { at, what });
    }
}

/// Other selectors than one IPv4 network at each end.
fn shapes(random: &mut SeededRandom, scenario: &mut Scenario) {
    let link = some_link(random, scenario);
    let others = [
        Shape::Network,
        Shape::Ipv6,
        Shape::Several,
        Shape::Port,
        Shape::Transport,
    ];
    for shape in &mut link.shapes {
        *shape = pick(random, &others);
    }
    // One that holds all others, which are one IPv4 network each or nothing of the kind. Where an end may have fewer than the
    // other, it would take the other's for it.
    let wide = index(random, 3);
    if random.below(2) == 0 && link.versions.len() == 1 {
        link.shapes[wide] = Shape::Wide;
    }
    link.priorities = random.below(3) == 0;
}

/// Strangers are asked for a cookie soon, and there are several at once.
fn cookies(random: &mut SeededRandom, scenario: &mut Scenario) {
    for limits in &mut scenario.limits {
        if random.below(3) > 0 {
            *limits = Limits {
                cookie_threshold: pick(random, &[0, 0, 1, 2]),
                half_open_per_address: pick(random, &[1, 2, 8]),
                ..Limits::default()
            };
        }
    }
    if random.below(2) == 0 {
        scenario.starts.fill(Duration::ZERO);
    }
    if random.below(2) == 0 {
        let requests_per_ike_sa = pick(random, &[100, 200]);
        for limits in &mut scenario.limits {
            limits.requests_per_ike_sa = requests_per_ike_sa;
        }
    }
}

/// The owner of the secrets is silent, or has none.
fn owners(random: &mut SeededRandom, scenario: &mut Scenario) {
    for number in 0..1 + random.below(3) {
        let trouble = match scenario.kind {
            Kind::Gentle => Trouble::Silent,
            Kind::Lossy | Kind::Rough => {
                pick(random, &[Trouble::Silent, Trouble::Empty, Trouble::Wrong])
            }
        };
        // In a gentle life no attempt may fail of it.
        let longest = match scenario.kind {
            Kind::Gentle => 5,
            Kind::Lossy | Kind::Rough => pick(random, &[5, 20, 100, 300]),
        };
        let what = What::Owner {
            gateway: index(random, scenario.gateways),
            trouble,
            time: below(random, Duration::from_secs(longest)),
        };
        // It is asked most at the beginning.
        let at = match number {
            0 => below(random, Duration::from_secs(5)),
            _ => sometime(random, scenario),
        };
        scenario.entries.push(Entry { at, what });
    }
}

fn certificates(random: &mut SeededRandom, scenario: &mut Scenario) {
    let strict = match scenario.kind {
        // The clock is set by a day, and then no list is good.
        Kind::Rough => Revocation::IfAvailable,
        Kind::Gentle | Kind::Lossy => Revocation::Strict,
    };
    let proof = pick(
        random,
        &[
            Proof::Certificates,
            Proof::Revocable(Revocation::IfAvailable),
            Proof::Revocable(strict),
        ],
    );
    for link in &mut scenario.links {
        if random.below(3) > 0 {
            link.meeting.proof = proof;
        }
    }
    some_link(random, scenario).meeting.proof = proof;
    if random.below(3) == 0 {
        owners(random, scenario);
    }
}

/// Another connection between the same gateways, under other identities.
fn twin(random: &mut SeededRandom, scenario: &mut Scenario) {
    let of = index(random, scenario.links.len());
    if scenario.links[of].meeting.is_twin {
        return;
    }
    let mut link = scenario.links[of].clone();
    link.meeting = Meeting {
        is_twin: true,
        proof: link.meeting.proof,
        ..Meeting::default()
    };
    link.keep = pick(
        random,
        &[
            [Keep::Up, Keep::Up],
            [Keep::Up, Keep::Passive],
            [Keep::Passive, Keep::Up],
        ],
    );
    link.idle = [None; 2];
    // What is left of an IKE SA stays for half a minute: where two are replaced every minute, there is hardly ever rest.
    link.rekey = [None; 2];
    // Where an end takes any colleague on both, the other has to say whom it means.
    if random.below(2) == 0 {
        let end = index(random, 2);
        let both = random.below(2) == 0;
        link.meeting.expects[end] = Expects::Colleague;
        scenario.links[of].meeting.expects = [Expects::Peer; 2];
        if both {
            scenario.links[of].meeting.expects[end] = Expects::Colleague;
        }
    }
    scenario.links.push(link);
    let link = scenario.links.len() - 1;
    for _ in 0..random.below(4) {
        let what = What::Rekey {
            link,
            end: index(random, 2),
            child: (random.below(2) == 0).then_some(0),
        };
        let at = sometime(random, scenario);
        scenario.entries.push(Entry { at, what });
    }
}

/// An end is found by its name, or not at all; the other asks from where it speaks.
fn names(random: &mut SeededRandom, scenario: &mut Scenario) {
    let link = some_link(random, scenario);
    link.meeting.asks_for_route = [random.below(2) == 0, random.below(2) == 0];
    if !link.keep.contains(&Keep::OnDemand) {
        for (finds, keep) in link.meeting.finds.iter_mut().zip(link.keep) {
            *finds = match keep {
                Keep::Passive => pick(random, &[Finds::Waits, Finds::Name]),
                _ => Finds::Name,
            };
        }
    }
    scenario.moves_at = match random.below(2) {
        0 => Duration::ZERO,
        _ => below(random, Duration::from_secs(60)),
    };
}

/// An end takes whoever has a good name, or anybody; and what becomes of two IKE SAs with one peer is said otherwise.
fn expectations(random: &mut SeededRandom, scenario: &mut Scenario) {
    let twins = scenario.links.iter().any(|link| link.meeting.is_twin);
    let kills = scenario.kills();
    let link = some_link(random, scenario);
    if !twins {
        let others = [Expects::Peer, Expects::Colleague, Expects::Anybody];
        link.meeting.expects = [pick(random, &others), pick(random, &others)];
    }
    // Who keeps the older one is not to be asked for a newer one in its place.
    let renews = kills || link.reauth != [None; 2];
    let keeps = if renews {
        Unique::Replace
    } else {
        Unique::Keep
    };
    let unique = [Unique::Replace, keeps, Unique::No];
    link.meeting.unique = [pick(random, &unique), pick(random, &unique)];
}

/// What becomes of packets without an SA; and children that show at once that they can be rekeyed.
fn promises(random: &mut SeededRandom, scenario: &mut Scenario) {
    let link = some_link(random, scenario);
    for end in 0..2 {
        if random.below(2) == 0 {
            link.without_sa[end] = WithoutSa::Pass;
        }
        link.meeting.verify_rekey[end] = random.below(2) == 0;
    }
}

/// A process says goodbye, and another begins anew.
fn goodbyes(random: &mut SeededRandom, scenario: &mut Scenario) {
    if scenario.kind != Kind::Rough {
        return promises(random, scenario);
    }
    for _ in 0..1 + random.below(2) {
        let what = What::Leave {
            gateway: index(random, scenario.gateways),
            pause: below(random, Duration::from_secs(20)),
        };
        let at = sometime(random, scenario);
        scenario.entries.push(Entry { at, what });
    }
}
