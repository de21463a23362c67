//! Which kernel policy stands for each selector, and who else wants that place.
//!
//! The kernel keeps one policy per selector and direction, and a policy that is deleted and added anew leaves a moment in
//! which its traffic goes in clear. So every place (a *slot*) keeps the list of its users; the first in priority is
//! installed, and a change of user is one XFRM_MSG_UPDPOLICY:
//!
//! ```text
//!   configured child      [block]
//!   its Child SA is up    [protect, block]      UPDPOLICY: protect
//!   its Child SA is gone  [block]               UPDPOLICY: block
//!   out of configuration  []                    DELPOLICY by index
//! ```
//!
//! Priorities, kernel numbers, the lowest is looked at first: an explicit priority p (1 and up) is p * 4, an implicit one
//! 1 000 000 + 4 * width of both selectors, so that narrow comes before wide. To either is added the kind: 0 pass or drop,
//! 1 protect, 2 block in the place of a Child SA. Before all of them, at 1, stands the hole for IPv6 neighbour discovery,
//! while any policy concerns IPv6.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use crate::config::selector::{ICMPV6, KernelSelector, Selector};
use crate::config::{Mode, Name};

use super::failure::Cause;
use super::io::{Direction, KernelAction, KernelStep, PolicyAction, PolicyInstall, SelectorPair};

/// Policies of one child or shunt that we are willing to install, all directions counted.
pub const MAX_POLICIES: usize = 768;

/// The first and the last n of our policy indexes `(n << 3) | direction`.
pub const INDEX_RANGE: std::ops::RangeInclusive<u32> = 0x080_0000..=0x0ff_ffff;

const IMPLICIT_BASE: u32 = 1_000_000;

/// Who wants a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A Child SA, by the number the engine gave it.
    ChildSa(u64),
    /// A configured child: dropped while there is no SA.
    Child(Name, Name),
    /// A pass or drop policy.
    Shunt(Name),
    /// The hole for IPv6 neighbour discovery.
    NeighbourDiscovery,
}

/// What a policy is for; the order among equals in width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Pass or drop, as configured.
    Shunt = 0,
    /// A Child SA.
    Protect = 1,
    /// In the place of a Child SA that is not there.
    Block = 2,
}

/// A place in the kernel's SPD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotKey {
    direction: Direction,
    selector: SelectorPair,
}

#[derive(Debug)]
struct Use {
    owner: Owner,
    priority: u32,
    action: PolicyAction,
}

#[derive(Debug)]
struct Slot {
    index: u32,
    /// The one in force first.
    uses: Vec<Use>,
}

/// The kernel's priority of the hole for neighbour discovery: before the first that can be configured, 4.
pub(super) const NEIGHBOUR_DISCOVERY: u32 = 1;

/// The places of the hole for IPv6 neighbour discovery, ICMPv6 types 133 to 137 between any addresses: without it two
/// hosts that have a policy for each other's address never learn where that is, and not even IKE gets out. The kernel
/// compares the type with the source port whatever the direction.
pub(super) fn neighbour_discovery() -> Slots {
    let any = |port, port_mask| KernelSelector {
        network: Ipv6Addr::UNSPECIFIED.into(),
        prefix: 0,
        protocol: ICMPV6,
        port,
        port_mask,
    };
    let places = |direction| {
        // Router solicitation; router advertisement and neighbour solicitation; neighbour advertisement and redirect.
        let types = [(133, 0xffff), (134, 0xfffe), (136, 0xfffe)];
        let place = move |(kind, mask)| SlotKey {
            direction,
            selector: SelectorPair {
                source: any(kind, mask),
                destination: any(0, 0),
            },
        };
        types.map(place).to_vec()
    };
    Slots {
        inbound: places(Direction::In),
        outbound: places(Direction::Out),
    }
}

/// Every policy that we have installed or asked to be installed.
#[derive(Debug, Default)]
pub(super) struct PolicyTable {
    slots: BTreeMap<SlotKey, Slot>,
    numbers: BTreeSet<u32>,
    last_number: u32,
    /// What a predecessor has left in the kernel, until that is repaired: the kernel keeps the index of a policy that is
    /// replaced.
    found: BTreeMap<SlotKey, PolicyInstall>,
}

/// The kernel's priority for selectors of a child or a shunt.
pub(super) fn priority(
    explicit: Option<u16>,
    local: &[Selector],
    remote: &[Selector],
    kind: Kind,
) -> u32 {
    let widest = |selectors: &[Selector]| selectors.iter().map(Selector::width).max().unwrap_or(0);
    let place = explicit.map_or_else(
        || IMPLICIT_BASE + 4 * (widest(local) + widest(remote)),
        |explicit| 4 * u32::from(explicit),
    );
    place + kind as u32
}

/// The slots that protect `local` to `remote`, inbound and forward before outbound (order O1: what comes in must be
/// accepted before we send anything that is answered). In transport mode nothing is forwarded: both are hosts.
///
/// # Errors
/// Where the kernel has no words for a selector, or it takes more than [`MAX_POLICIES`].
pub(super) fn slots(local: &[Selector], remote: &[Selector], mode: Mode) -> Result<Slots, Cause> {
    let coming_in: &[Direction] = match mode {
        Mode::Tunnel => &[Direction::In, Direction::Forward],
        Mode::Transport => &[Direction::In],
    };
    let directions = coming_in.len() + 1;
    let parts = |selectors: &[Selector]| -> Result<Vec<KernelSelector>, Cause> {
        let mut all = Vec::new();
        for selector in selectors {
            all.extend(selector.to_kernel().map_err(Cause::KernelSelector)?);
        }
        Ok(all)
    };
    let (local, remote) = (parts(local)?, parts(remote)?);
    // Before any of them are paired: a peer may ask for as many as a message has room for.
    let needed = directions * local.len().max(remote.len());
    if needed > MAX_POLICIES {
        return Err(Cause::TooManyPolicies {
            needed,
            allowed: MAX_POLICIES,
        });
    }
    let pairs: Vec<_> = local
        .iter()
        .flat_map(|local| remote.iter().filter_map(move |remote| pair(local, remote)))
        .collect();
    let needed = pairs.len() * directions;
    if needed > MAX_POLICIES {
        return Err(Cause::TooManyPolicies {
            needed,
            allowed: MAX_POLICIES,
        });
    }
    let mut slots = Slots {
        inbound: Vec::with_capacity(pairs.len() * coming_in.len()),
        outbound: Vec::with_capacity(pairs.len()),
    };
    for (local, remote) in pairs {
        let coming = SelectorPair {
            source: remote,
            destination: local,
        };
        let going = SelectorPair {
            source: local,
            destination: remote,
        };
        for &direction in coming_in {
            slots.inbound.push(SlotKey {
                direction,
                selector: coming,
            });
        }
        slots.outbound.push(SlotKey {
            direction: Direction::Out,
            selector: going,
        });
    }
    Ok(slots)
}

/// Two ends that a packet can have: of one family, with protocols that agree.
fn pair(
    local: &KernelSelector,
    remote: &KernelSelector,
) -> Option<(KernelSelector, KernelSelector)> {
    let protocol = match (local.protocol, remote.protocol) {
        (0, protocol) | (protocol, 0) => protocol,
        (a, b) if a == b => a,
        _ => return None,
    };
    (local.network.is_ipv4() == remote.network.is_ipv4()).then_some((
        KernelSelector { protocol, ..*local },
        KernelSelector {
            protocol,
            ..*remote
        },
    ))
}

/// The places that one child takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    /// In and forward.
    pub(super) inbound: Vec<SlotKey>,
    /// Out.
    pub(super) outbound: Vec<SlotKey>,
}

impl Slots {
    /// All of them, inbound first.
    pub(super) fn all(&self) -> impl Iterator<Item = SlotKey> + '_ {
        self.inbound.iter().chain(&self.outbound).copied()
    }
}

impl PolicyTable {
    /// Adds a use; the step for the kernel, if what is in force there changes.
    pub(super) fn set(
        &mut self,
        key: SlotKey,
        owner: &Owner,
        priority: u32,
        action: PolicyAction,
    ) -> Option<KernelStep> {
        let before = self.installed(key);
        let index = match before {
            Some(_) => None,
            None => Some(self.index_for(key)),
        };
        let slot = self.slots.entry(key).or_insert_with(|| Slot {
            index: index.expect("a slot without an installed policy is a new one"),
            uses: Vec::new(),
        });
        slot.uses.retain(|other| other.owner != *owner);
        // Among equals the newest is first: a new Child SA takes over from the one that it replaces.
        slot.uses.reserve_exact(1);
        let at = slot.uses.partition_point(|other| other.priority < priority);
        slot.uses.insert(
            at,
            Use {
                owner: owner.clone(),
                priority,
                action,
            },
        );
        self.step(key, before)
    }

    /// Takes a use away; the step for the kernel, if what is in force there changes.
    pub(super) fn unset(&mut self, key: SlotKey, owner: &Owner) -> Option<KernelStep> {
        let before = self.installed(key)?;
        let slot = self.slots.get_mut(&key)?;
        slot.uses.retain(|other| other.owner != *owner);
        if !slot.uses.is_empty() {
            return self.step(key, Some(before));
        }
        self.slots.remove(&key);
        self.numbers.remove(&(before.index >> 3));
        let action = KernelAction::DeletePolicy {
            index: before.index,
            direction: key.direction,
        };
        Some(KernelStep {
            action,
            undo: Some(KernelAction::SetPolicy(Box::new(before))),
        })
    }

    /// What should be in the kernel for a place, whatever happened to it there.
    pub(super) fn installed(&self, key: SlotKey) -> Option<PolicyInstall> {
        let slot = self.slots.get(&key)?;
        let first = slot.uses.first()?;
        Some(PolicyInstall {
            index: slot.index,
            direction: key.direction,
            selector: key.selector,
            priority: first.priority,
            action: first.action,
        })
    }

    /// Steps that make the kernel forget every policy of ours.
    pub(super) fn clear(&mut self) -> Vec<KernelStep> {
        self.numbers.clear();
        std::mem::take(&mut self.slots)
            .into_iter()
            .map(|(key, slot)| KernelStep {
                action: KernelAction::DeletePolicy {
                    index: slot.index,
                    direction: key.direction,
                },
                undo: None,
            })
            .collect()
    }

    fn step(&self, key: SlotKey, before: Option<PolicyInstall>) -> Option<KernelStep> {
        let after = self.installed(key)?;
        if before.as_ref() == Some(&after) {
            return None;
        }
        if let Some(before) = before.as_ref().filter(|_| cfg!(ikd_fault = "clear-gap")) {
            return Some(KernelStep {
                action: KernelAction::DeletePolicy {
                    index: before.index,
                    direction: before.direction,
                },
                undo: None,
            });
        }
        let undo = before.map_or_else(
            || KernelAction::DeletePolicy {
                index: after.index,
                direction: key.direction,
            },
            |before| KernelAction::SetPolicy(Box::new(before)),
        );
        Some(KernelStep {
            action: KernelAction::SetPolicy(Box::new(after)),
            undo: Some(undo),
        })
    }

    /// Takes note of what a predecessor has left in the kernel.
    pub(super) fn find(&mut self, policies: &[PolicyInstall]) {
        for policy in policies {
            self.numbers.insert(policy.index >> 3);
            self.found.insert(key_of(policy), policy.clone());
        }
    }

    /// What makes the kernel's policy of a place what it should be, if it is not.
    pub(super) fn repair(&self, key: SlotKey) -> Option<KernelStep> {
        let wanted = self.installed(key)?;
        if self.found.get(&key) == Some(&wanted) {
            return None;
        }
        Some(KernelStep {
            action: KernelAction::SetPolicy(Box::new(wanted)),
            undo: None,
        })
    }

    /// Steps that make of the kernel's policies what they should be, those that are new or other before those that go, and
    /// first of all what lets neighbour discovery and our own messages through; all but these places, which somebody else sees
    /// to.
    pub(super) fn repair_all(&mut self, but: &BTreeSet<SlotKey>) -> Vec<KernelStep> {
        let places = self.slots.keys().filter(|key| !but.contains(key));
        let mut steps: Vec<_> = places.filter_map(|key| self.repair(*key)).collect();
        let is_hole = |step: &KernelStep| match &step.action {
            KernelAction::SetPolicy(policy) => policy.action == PolicyAction::Pass,
            _ => false,
        };
        steps.sort_by_key(|step| !is_hole(step));
        for (key, policy) in std::mem::take(&mut self.found) {
            if !self.slots.contains_key(&key) {
                self.numbers.remove(&(policy.index >> 3));
                let action = KernelAction::DeletePolicy {
                    index: policy.index,
                    direction: policy.direction,
                };
                steps.push(KernelStep { action, undo: None });
            }
        }
        steps
    }

    fn index_for(&mut self, key: SlotKey) -> u32 {
        match self.found.get(&key) {
            Some(found) => found.index,
            None => self.fresh_index(key.direction),
        }
    }

    fn fresh_index(&mut self, direction: Direction) -> u32 {
        let (first, last) = (*INDEX_RANGE.start(), *INDEX_RANGE.end());
        loop {
            let next = self.last_number + 1;
            self.last_number = if (first..=last).contains(&next) {
                next
            } else {
                first
            };
            if self.numbers.insert(self.last_number) {
                break;
            }
        }
        // The kernel's numbers: XFRM_POLICY_IN 0, OUT 1, FWD 2.
        let direction = match direction {
            Direction::In => 0,
            Direction::Out => 1,
            Direction::Forward => 2,
        };
        (self.last_number << 3) | direction
    }
}

const fn key_of(policy: &PolicyInstall) -> SlotKey {
    SlotKey {
        direction: policy.direction,
        selector: policy.selector,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selectors(texts: &[&str]) -> Vec<Selector> {
        texts
            .iter()
            .map(|text| text.parse().expect("a selector"))
            .collect()
    }

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    const PROTECT: PolicyAction = PolicyAction::Protect {
        mode: Mode::Tunnel,
        source: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        destination: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        reqid: 1,
    };

    fn installed(step: Option<KernelStep>) -> Option<PolicyAction> {
        match step?.action {
            KernelAction::SetPolicy(policy) => Some(policy.action),
            _ => None,
        }
    }

    #[test]
    fn a_place_goes_to_the_next_user_by_one_update_and_is_deleted_after_the_last() {
        let mut table = PolicyTable::default();
        let all = slots(
            &selectors(&["10.1.0.0/16"]),
            &selectors(&["10.2.0.0/16"]),
            Mode::Tunnel,
        )
        .expect("few policies");
        let place = all.outbound[0];
        let (child, sa) = (Owner::Child(name("a"), name("b")), Owner::ChildSa(1));
        assert_eq!(
            installed(table.set(place, &child, 9, PolicyAction::Block)),
            Some(PolicyAction::Block)
        );
        let index = table.installed(place).expect("set").index;
        assert_eq!(installed(table.set(place, &sa, 8, PROTECT)), Some(PROTECT));
        assert_eq!(
            installed(table.unset(place, &sa)),
            Some(PolicyAction::Block)
        );
        assert_eq!(
            table.installed(place).expect("still there").index,
            index,
            "the same kernel policy"
        );
        let last = table.unset(place, &child).expect("a step").action;
        assert!(
            matches!(last, KernelAction::DeletePolicy { index: deleted, .. } if deleted == index)
        );
        assert!(table.installed(place).is_none());
        assert!(
            table.unset(place, &child).is_none(),
            "taking away twice does nothing"
        );
    }

    #[test]
    fn a_user_behind_the_first_changes_nothing_in_the_kernel() {
        let mut table = PolicyTable::default();
        let all = slots(
            &selectors(&["10.1.0.0/16"]),
            &selectors(&["10.2.0.0/16"]),
            Mode::Tunnel,
        )
        .expect("few");
        let place = all.inbound[0];
        assert!(table.set(place, &Owner::ChildSa(1), 5, PROTECT).is_some());
        let block = Owner::Child(name("a"), name("b"));
        assert!(table.set(place, &block, 6, PolicyAction::Block).is_none());
        assert!(table.unset(place, &block).is_none());
    }

    #[test]
    fn among_equals_the_newest_child_sa_takes_over() {
        let mut table = PolicyTable::default();
        let all = slots(
            &selectors(&["10.1.0.0/16"]),
            &selectors(&["10.2.0.0/16"]),
            Mode::Tunnel,
        )
        .expect("few");
        let place = all.outbound[0];
        let PolicyAction::Protect {
            source,
            destination,
            ..
        } = PROTECT
        else {
            unreachable!("it is one")
        };
        let newer = PolicyAction::Protect {
            mode: Mode::Tunnel,
            source,
            destination,
            reqid: 2,
        };
        table.set(place, &Owner::ChildSa(1), 5, PROTECT);
        assert_eq!(
            installed(table.set(place, &Owner::ChildSa(2), 5, newer)),
            Some(newer)
        );
        assert!(table.unset(place, &Owner::ChildSa(1)).is_none());
    }

    #[test]
    fn narrow_goes_before_wide_and_explicit_before_both() {
        let (wide, narrow) = (selectors(&["10.0.0.0/8"]), selectors(&["10.1.2.3"]));
        let implicit = |ours: &[Selector], kind| priority(None, ours, &wide, kind);
        assert!(implicit(&narrow, Kind::Block) < implicit(&wide, Kind::Shunt));
        assert!(implicit(&wide, Kind::Shunt) < implicit(&wide, Kind::Protect));
        assert!(implicit(&wide, Kind::Protect) < implicit(&wide, Kind::Block));
        assert!(
            priority(Some(u16::MAX), &wide, &wide, Kind::Block) < implicit(&narrow, Kind::Shunt)
        );
    }

    #[test]
    fn each_pair_takes_three_places_and_families_do_not_mix() {
        let ours = selectors(&["10.1.0.0/16", "2001:db8:1::/48"]);
        let theirs = selectors(&["10.2.0.0/16[tcp/443]", "2001:db8:2::/48"]);
        let all = slots(&ours, &theirs, Mode::Tunnel).expect("few");
        assert_eq!((all.inbound.len(), all.outbound.len()), (4, 2));
        let tcp = all.outbound[0].selector;
        assert_eq!((tcp.source.protocol, tcp.destination.port), (6, 443));
    }

    #[test]
    fn hosts_in_transport_mode_forward_nothing() {
        let (ours, theirs) = (selectors(&["192.0.2.1"]), selectors(&["198.51.100.7"]));
        let all = slots(&ours, &theirs, Mode::Transport).expect("few");
        assert_eq!((all.inbound.len(), all.outbound.len()), (1, 1));
        assert_eq!(all.inbound[0].direction, Direction::In);
    }

    #[test]
    fn the_hole_for_neighbour_discovery_is_types_133_to_137_in_and_out() {
        let hole = neighbour_discovery();
        for (direction, places) in [
            (Direction::In, &hole.inbound),
            (Direction::Out, &hole.outbound),
        ] {
            let held = |kind: u16| {
                places.iter().any(|place| {
                    let KernelSelector {
                        port, port_mask, ..
                    } = place.selector.source;
                    place.direction == direction && kind & port_mask == port
                })
            };
            let all: Vec<_> = (0..=255).filter(|kind| held(*kind)).collect();
            assert_eq!(all, [133, 134, 135, 136, 137]);
        }
    }

    #[test]
    fn more_policies_than_one_child_may_have_are_refused_with_the_number() {
        let odd = |network: u8| {
            let text = format!("10.{network}.0.1-10.{network}.255.254");
            selectors(&[&text])
        };
        assert_eq!(
            slots(&odd(1), &odd(2), Mode::Tunnel).err(),
            Some(Cause::TooManyPolicies {
                needed: 2700,
                allowed: MAX_POLICIES
            })
        );
    }

    #[test]
    fn selectors_are_counted_before_they_are_paired() {
        let side = |net: u8| -> Vec<Selector> {
            (0..255)
                .map(|at| format!("10.{net}.{at}.1-10.{net}.{at}.254"))
                .map(|text| text.parse().expect("a selector"))
                .collect()
        };
        match slots(&side(1), &side(2), Mode::Tunnel) {
            Err(Cause::TooManyPolicies { needed, .. }) => assert!(needed < 100_000, "{needed}"),
            other => panic!("{other:?}"),
        }
    }
}
