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
//! 1 protect, 2 block in the place of a Child SA.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Name;
use crate::config::selector::{KernelSelector, Selector};

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

/// Every policy that we have installed or asked to be installed.
#[derive(Debug, Default)]
pub(super) struct PolicyTable {
    slots: BTreeMap<SlotKey, Slot>,
    numbers: BTreeSet<u32>,
    last_number: u32,
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
/// accepted before we send anything that is answered).
///
/// # Errors
/// Where the kernel has no words for a selector, or it takes more than [`MAX_POLICIES`].
pub(super) fn slots(local: &[Selector], remote: &[Selector]) -> Result<Slots, Cause> {
    let parts = |selectors: &[Selector]| -> Result<Vec<KernelSelector>, Cause> {
        let mut all = Vec::new();
        for selector in selectors {
            all.extend(selector.to_kernel().map_err(Cause::KernelSelector)?);
        }
        Ok(all)
    };
    let (local, remote) = (parts(local)?, parts(remote)?);
    let pairs: Vec<_> = local
        .iter()
        .flat_map(|local| remote.iter().filter_map(move |remote| pair(local, remote)))
        .collect();
    let needed = pairs.len() * 3;
    if needed > MAX_POLICIES {
        return Err(Cause::TooManyPolicies {
            needed,
            allowed: MAX_POLICIES,
        });
    }
    let mut slots = Slots::default();
    for (local, remote) in pairs {
        let coming = SelectorPair {
            source: remote,
            destination: local,
        };
        let going = SelectorPair {
            source: local,
            destination: remote,
        };
        for direction in [Direction::In, Direction::Forward] {
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
            None => Some(self.fresh_index(key.direction)),
        };
        let slot = self.slots.entry(key).or_insert_with(|| Slot {
            index: index.expect("a slot without an installed policy is a new one"),
            uses: Vec::new(),
        });
        slot.uses.retain(|other| other.owner != *owner);
        // Among equals the newest is first: a new Child SA takes over from the one that it replaces.
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
