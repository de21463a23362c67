//! Traffic that has two owners, or none, or another than is meant.

use std::net::IpAddr;

use ike::config::selector::{AddressRange, Selector};
use ike::config::{Child, Connection, Mode, Protected, Shunt, ShuntAction};

use super::Check;
use crate::language::{Found, FoundConnection, FoundShunt};
use crate::report::{Code, Severity};
use crate::walk::Place;

/// Overlaps that are told; more of them say nothing new.
const MAX_OVERLAPS: usize = 50;

impl Check<'_> {
    /// Traffic that has two owners.
    pub(super) fn traffic(&mut self, found: &Found) {
        let mut all = Vec::new();
        for FoundConnection {
            connection,
            children,
            ..
        } in &found.connections
        {
            for (child, place) in connection.children.iter().zip(children) {
                all.extend(Traffic::of_child(connection, child, place));
            }
        }
        for shunt in &found.shunts {
            all.extend(Traffic::of_shunt(&shunt.shunt, &shunt.place));
        }
        // In the order of the remote addresses, only neighbours can meet.
        all.sort_by_key(|traffic| {
            (
                traffic.remote.addresses.start(),
                traffic.place.file,
                traffic.place.span.start,
            )
        });
        let mut told = Vec::new();
        for (i, a) in all.iter().enumerate() {
            let meeting = all[i + 1..]
                .iter()
                .take_while(|b| b.remote.addresses.start() <= a.remote.addresses.end());
            for b in meeting.filter(|b| !std::ptr::eq(a.place, b.place)) {
                let mut pair = [a.place, b.place].map(|place| (place.file, place.span.start));
                pair.sort_unstable();
                if told.len() < MAX_OVERLAPS && !told.contains(&pair) && self.compare(a, b) {
                    told.push(pair);
                }
            }
        }
    }

    /// Whether there was something to tell about two pieces of traffic.
    fn compare(&mut self, a: &Traffic<'_>, b: &Traffic<'_>) -> bool {
        let Some((local, remote)) = a
            .local
            .intersect(&b.local)
            .zip(a.remote.intersect(&b.remote))
        else {
            return false;
        };
        // Told at the one that stands later.
        let (a, b) = if (a.place.file, a.place.span.start) < (b.place.file, b.place.span.start) {
            (a, b)
        } else {
            (b, a)
        };
        let there = self.there(a.place, b.place);
        let (first, second) = if a.order() <= b.order() {
            (a, b)
        } else {
            (b, a)
        };
        let why = match (a.priority, b.priority) {
            (None, None) if a.width() == b.width() && a.protects == b.protects => {
                "which one wins is left to chance"
            }
            (None, None) if a.width() == b.width() => "pass and drop go first",
            (None, None) => "the narrower one goes first",
            (a, b) if a == b => {
                "which one wins is left to chance, for their priorities are the same"
            }
            _ => "the smaller priority goes first",
        };
        if a.local == b.local && a.remote == b.remote && (a.protects == b.protects) {
            let message = format!("the same traffic as {there}: {local} to {remote}");
            self.tell(
                Code::SameTraffic,
                Severity::Error,
                b.place,
                message,
                "take one of the two away, or narrow it",
            );
        } else if a.protects && b.protects {
            let message = format!("shares traffic with {there}: {local} to {remote}; {why}");
            let suggestion = "narrow one of the two, or give both a priority";
            self.tell(
                Code::OverlappingTraffic,
                Severity::Warning,
                b.place,
                message,
                suggestion,
            );
        } else if second.protects != first.protects && first.covers(second) {
            let message = format!(
                "{} never sees traffic: {} takes it all; {why}",
                second.place.path, first.place.path
            );
            self.tell(
                Code::OverlappingTraffic,
                Severity::Warning,
                b.place,
                message,
                "narrow the one that goes first, or give both a priority",
            );
        } else {
            // Pass and drop beside protect is what they are for.
            return false;
        }
        true
    }

    /// Until somebody has spoken, nothing is known of an end without an address that a block policy could hold. A drop policy
    /// is wider than the child will be, and so comes after it.
    pub(super) fn in_clear(
        &mut self,
        connection: &Connection,
        child: &Child,
        place: &Place,
        shunts: &[FoundShunt],
    ) {
        let (local_end, remote_end) = (connection.local.address, connection.remote.address);
        if !matches!(
            child.protected_from_the_start(local_end, remote_end),
            Ok(None)
        ) {
            return;
        }
        let is_dropped = |(local, remote): &(Selector, Selector)| {
            let holds = |all: &[Selector], one| all.iter().any(|wide| wide.contains(one));
            shunts.iter().any(|FoundShunt { shunt, .. }| {
                shunt.action == ShuntAction::Drop
                    && holds(&shunt.local, local)
                    && holds(&shunt.remote, remote)
            })
        };
        let (local, remote) = (
            of_any_end(&child.local, local_end),
            of_any_end(&child.remote, remote_end),
        );
        if let Some((local, remote)) = pairs(&local, &remote).find(|pair| !is_dropped(pair)) {
            let unknown = if remote_end.is_none() {
                "remote"
            } else {
                "local"
            };
            let message = format!(
                "the {unknown} end has no address, so that nothing is blocked until it has spoken: traffic is in clear before the SA stands, and after it"
            );
            let suggestion = format!(
                "write {unknown}: {{ address: ... }} if it has one; else drop what is not protected, with policies: {{ NAME: {{ drop: {{ local: \"{local}\", remote: \"{remote}\" }} }} }}"
            );
            self.tell(
                Code::TrafficInClear,
                Severity::Warning,
                place,
                message,
                &suggestion,
            );
        }
    }

    /// Where the remote side holds (a part of) the local one, what networks of ours send each other matches, too. A local
    /// side that is the wider one is that of a hub, which has its branches' networks within its own.
    pub(super) fn meeting_sides(&mut self, child: &Child, place: &Place, shunts: &[FoundShunt]) {
        if child.mode == Mode::Transport {
            return;
        }
        let passes = |common: AddressRange| {
            let meets = |all: &[Selector]| {
                all.iter()
                    .any(|one| one.addresses.intersect(common).is_some())
            };
            shunts.iter().any(|FoundShunt { shunt, .. }| {
                shunt.action == ShuntAction::Pass && meets(&shunt.local) && meets(&shunt.remote)
            })
        };
        let meeting = pairs(&child.local, &child.remote).find_map(|(local, remote)| {
            let (local, remote) = (local.addresses, remote.addresses);
            let common = local.intersect(remote)?;
            let is_hub = common == remote && common != local;
            // Of 0.0.0.0/0 as the remote side alone it is told elsewhere.
            let is_default_route = remote.is_everything() && !local.is_everything();
            (!is_hub && !is_default_route && !passes(common)).then_some(common)
        });
        if let Some(common) = meeting {
            let (beside, example) = if common.is_everything() {
                let example = if common.is_ipv4() {
                    "10.1.0.0/16"
                } else {
                    "2001:db8:1::/48"
                };
                (
                    "; only a directly connected network keeps a way beside it",
                    example.to_owned(),
                )
            } else {
                ("", common.to_string())
            };
            let message = format!(
                "{common} is on both sides: what our own networks send each other goes to the peer, too{beside}"
            );
            let suggestion = format!(
                "narrow one of the sides, or let it pass: policies: {{ NAME: {{ pass: {{ local: \"{example}\", remote: \"{example}\" }} }} }}"
            );
            self.tell(
                Code::MeetingSides,
                Severity::Warning,
                place,
                message,
                &suggestion,
            );
        }
    }
}

/// One pair of selectors and its owner.
struct Traffic<'a> {
    place: &'a Place,
    /// A child; else pass or drop.
    protects: bool,
    priority: Option<u16>,
    local: Selector,
    remote: Selector,
}

impl<'a> Traffic<'a> {
    /// None in transport mode where an address is not known: whoever comes has one of its own.
    fn of_child(connection: &Connection, child: &Child, place: &'a Place) -> Vec<Self> {
        let (local, remote) = (connection.local.address, connection.remote.address);
        let protected = child.protected_from_the_start(local, remote);
        let Ok(Some(Protected { local, remote })) = protected else {
            return Vec::new();
        };
        let all = pairs(&local, &remote).map(|(local, remote)| Self {
            place,
            protects: true,
            priority: child.priority,
            local,
            remote,
        });
        all.collect()
    }

    fn of_shunt(shunt: &'a Shunt, place: &'a Place) -> impl Iterator<Item = Self> {
        pairs(&shunt.local, &shunt.remote).map(move |(local, remote)| Self {
            place,
            protects: false,
            priority: shunt.priority,
            local,
            remote,
        })
    }

    fn width(&self) -> u32 {
        self.local.width() + self.remote.width()
    }

    /// The order among policies: explicit priorities, then the narrower, pass and drop before protect.
    fn order(&self) -> (u32, u32, bool) {
        (
            self.priority.map_or(u32::MAX, u32::from),
            self.width(),
            self.protects,
        )
    }

    fn covers(&self, other: &Self) -> bool {
        self.local.contains(&other.local) && self.remote.contains(&other.remote)
    }
}

/// What traffic of an end it may be, in transport mode.
fn of_any_end(selectors: &[Selector], address: Option<IpAddr>) -> Vec<Selector> {
    match (selectors, address) {
        ([], Some(address)) => vec![Selector::from(address)],
        ([], None) => ["0.0.0.0/0", "::/0"]
            .map(|all| all.parse().expect("a selector"))
            .to_vec(),
        _ => selectors.to_vec(),
    }
}

/// The pairs that can hold a packet.
fn pairs<'a>(
    local: &'a [Selector],
    remote: &'a [Selector],
) -> impl Iterator<Item = (Selector, Selector)> + 'a {
    let all = local
        .iter()
        .flat_map(|local| remote.iter().map(|remote| (*local, *remote)));
    all.filter(|(local, remote)| local.addresses.is_ipv4() == remote.addresses.is_ipv4())
}
