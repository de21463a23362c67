//! Child SAs in the record of their IKE SA, and what a successor asks the kernel for so that it goes on.
//!
//! Keys are written only as long as the kernel may not have them: the one to install is kept back, or has been asked for and
//! not answered. What the kernel has, it keeps itself.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::identity::Identity;
use crate::config::{Child, Connection, Name};
use crate::engine::event::Event;
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{KernelContents, Now, OnFailure, Path, SaInstall, SaReference};
use crate::engine::lines::Whose;
use crate::engine::policy_table::{self, Slots};
use crate::engine::records::{
    EspSuiteFields, SaInstallFields, SaReferenceFields, SelectorFields, read_selectors,
    write_selectors,
};
use crate::engine::shared::{KernelOwner, Shared};
use crate::wire::IkeSpi;

use super::super::child::{priority, protected};
use super::super::rekeying::{Rekeying, RekeyingFields};
use super::super::traffic::Traffic;
use super::asked::AskedFields;
use super::{ChildSa, ChildState, Line, PolicySteps, Then, WayOut, add};

/// What is written of a [`ChildSa`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct ChildSaFields {
    number: u64,
    line: LineFields,
    child: String,
    suite: EspSuiteFields,
    inbound: SaReferenceFields,
    outbound: SaReferenceFields,
    local: Vec<SelectorFields>,
    remote: Vec<SelectorFields>,
    state: StateFields,
    rekeying: RekeyingFields,
    way_out: WayOutFields,
    is_activating: bool,
    receives: bool,
    asked: Option<AskedFields>,
    holds_policies: bool,
    follows: bool,
    instead_of: Option<u32>,
    traffic: Traffic,
    tells_first_packet: bool,
}

/// What is written of a [`Line`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct LineFields {
    first: u64,
    reqid: u32,
}

#[derive(Debug, Serialize, Deserialize)]
enum StateFields {
    Installing(ThenFields),
    InUse(Duration),
    Standby,
    Replaced(Duration),
    Deleting,
    Orphaned,
    Lingering(Duration),
}

#[derive(Debug, Serialize, Deserialize)]
enum ThenFields {
    First,
    TakesOver(u64),
    Supersedes(u64),
    StandsBy,
    Succeeds,
    IsDeleted,
}

#[derive(Debug, Serialize, Deserialize)]
enum WayOutFields {
    KeptBack(SaInstallFields),
    Installed,
    Gone,
}

impl From<Line> for LineFields {
    fn from(Line { first, reqid }: Line) -> Self {
        Self { first, reqid }
    }
}

impl From<LineFields> for Line {
    fn from(LineFields { first, reqid }: LineFields) -> Self {
        Self { first, reqid }
    }
}

impl From<ChildState> for StateFields {
    fn from(state: ChildState) -> Self {
        match state {
            ChildState::Installing(then) => Self::Installing(match then {
                Then::First => ThenFields::First,
                Then::TakesOver(old) => ThenFields::TakesOver(old),
                Then::Supersedes(old) => ThenFields::Supersedes(old),
                Then::StandsBy => ThenFields::StandsBy,
                Then::Succeeds => ThenFields::Succeeds,
                Then::IsDeleted => ThenFields::IsDeleted,
            }),
            ChildState::InUse(since) => Self::InUse(since),
            ChildState::Standby => Self::Standby,
            ChildState::Replaced(until) => Self::Replaced(until),
            ChildState::Deleting => Self::Deleting,
            ChildState::Orphaned => Self::Orphaned,
            ChildState::Lingering(until) => Self::Lingering(until),
        }
    }
}

impl From<StateFields> for ChildState {
    fn from(state: StateFields) -> Self {
        match state {
            StateFields::Installing(then) => Self::Installing(match then {
                ThenFields::First => Then::First,
                ThenFields::TakesOver(old) => Then::TakesOver(old),
                ThenFields::Supersedes(old) => Then::Supersedes(old),
                ThenFields::StandsBy => Then::StandsBy,
                ThenFields::Succeeds => Then::Succeeds,
                ThenFields::IsDeleted => Then::IsDeleted,
            }),
            StateFields::InUse(since) => Self::InUse(since),
            StateFields::Standby => Self::Standby,
            StateFields::Replaced(until) => Self::Replaced(until),
            StateFields::Deleting => Self::Deleting,
            StateFields::Orphaned => Self::Orphaned,
            StateFields::Lingering(until) => Self::Lingering(until),
        }
    }
}

impl ChildSaFields {
    pub(in crate::engine) const fn reqid(&self) -> u32 {
        self.line.reqid
    }
}

impl ChildSa {
    pub(in crate::engine) fn fields(&self) -> ChildSaFields {
        let Self {
            number,
            line,
            child,
            suite,
            inbound,
            outbound,
            local,
            remote,
            state,
            rekeying,
            way_out,
            is_activating,
            receives,
            asked,
            slots,
            follows,
            instead_of,
            traffic,
            tells_first_packet,
        } = self;
        ChildSaFields {
            number: *number,
            line: (*line).into(),
            child: child.name.as_str().to_owned(),
            suite: (*suite).into(),
            inbound: (*inbound).into(),
            outbound: (*outbound).into(),
            local: write_selectors(local),
            remote: write_selectors(remote),
            state: (*state).into(),
            rekeying: rekeying.fields(),
            way_out: match way_out {
                WayOut::KeptBack(install) => WayOutFields::KeptBack((&**install).into()),
                WayOut::Installed => WayOutFields::Installed,
                WayOut::Gone => WayOutFields::Gone,
            },
            is_activating: *is_activating,
            receives: *receives,
            asked: asked.as_deref().map(AskedFields::from),
            holds_policies: slots.all().next().is_some(),
            follows: *follows,
            instead_of: *instead_of,
            traffic: *traffic,
            tells_first_packet: *tells_first_packet,
        }
    }

    /// As it was recorded, with its SAs and policies in the engine's tables. What is left of a child that the connection
    /// has no longer, or has otherwise, ends: the second is what the peer is told, where it does not know.
    pub(in crate::engine) fn restored(
        shared: &mut Shared,
        connection: &Connection,
        peer: &Identity,
        (own, path): (IkeSpi, Path),
        fields: ChildSaFields,
    ) -> Option<Result<Self, Option<super::Gone>>> {
        let ChildSaFields {
            number,
            line,
            child,
            suite,
            inbound,
            outbound,
            local,
            remote,
            state,
            rekeying,
            way_out,
            is_activating,
            receives,
            asked,
            holds_policies,
            follows,
            instead_of,
            traffic,
            tells_first_packet,
        } = fields;
        let (line, suite) = (Line::from(line), suite.into());
        let (inbound, outbound) = (SaReference::from(inbound), SaReference::from(outbound));
        let (local, remote) = (read_selectors(local)?, read_selectors(remote)?);
        let state = ChildState::from(state);
        shared.know_number(number.max(line.first));
        let fits = |child: &&Arc<Child>| {
            let ends = protected(child, path);
            ends.is_ok_and(|ends| {
                child.proposals.iter().any(|one| one.allows(&suite))
                    && local.iter().all(|one| one.is_subset_of_any(&ends.local))
                    && remote.iter().all(|one| one.is_subset_of_any(&ends.remote))
            })
        };
        let name = Name::new(&child)?;
        let named = connection.children.iter().find(|one| one.name == name);
        let Some(child) = named.filter(fits) else {
            let known = matches!(state, ChildState::Lingering(_) | ChildState::Orphaned);
            if state.holds_the_line() && !follows {
                shared.event(Event::ChildDown {
                    connection: connection.name.clone(),
                    child: name,
                    spi_in: inbound.spi,
                    reason: Failure::new(Step::Start, Cause::TakenDown),
                });
            }
            let gone = super::Gone {
                inbound: inbound.spi,
                outbound: Some(outbound.spi),
            };
            return Some(Err((!known).then_some(gone)));
        };
        let slots = if holds_policies {
            policy_table::slots(&local, &remote, child.mode).ok()?
        } else {
            Slots::default()
        };
        let this = Self {
            number,
            line,
            child: child.clone(),
            suite,
            inbound,
            outbound,
            local,
            remote,
            state,
            rekeying: Rekeying::restored(rekeying),
            way_out: match way_out {
                WayOutFields::KeptBack(install) => WayOut::KeptBack(Box::new(install.into())),
                WayOutFields::Installed => WayOut::Installed,
                WayOutFields::Gone => WayOut::Gone,
            },
            is_activating,
            receives,
            asked: asked.map(|asked| Box::new(asked.into())),
            slots,
            follows,
            instead_of,
            traffic,
            tells_first_packet,
        };
        let whose = Whose {
            connection: connection.name.clone(),
            child: this.child.name.clone(),
            peer: peer.clone(),
        };
        let places = policy_table::slots(&this.local, &this.remote, this.child.mode).ok()?;
        let places = places.all().count();
        shared.lines.begin(line.reqid, whose, places, this.inbound);
        let receives = this.receives.then_some(this.inbound);
        let sends = (!matches!(this.way_out, WayOut::Gone)).then_some(this.outbound);
        for sa in receives.into_iter().chain(sends) {
            shared.esp.insert((sa.spi, sa.destination), own);
        }
        // The steps come when all policies are known.
        if let Ok(ends) = protected(&this.child, path) {
            let priority = priority(&this.child, &ends.local, &ends.remote);
            this.claim_policies(shared, path, priority);
        }
        Some(Ok(this))
    }

    /// The SAs that the kernel should have: those that it has answered for, or must have.
    pub(in crate::engine) fn expected(&self, now: Now) -> impl Iterator<Item = SaReference> + '_ {
        let receives = self.receives.then_some(self.inbound);
        let sends = matches!(self.way_out, WayOut::Installed).then_some(self.outbound);
        let sas = receives.into_iter().chain(sends);
        let asked = (self.asked.as_deref()).filter(move |_| self.awaits_kernel(now));
        sas.filter(move |sa| !asked.is_some_and(|asked| asked.is_for(*sa)))
    }

    /// The SAs that are its own, whether the kernel has them or not.
    pub(in crate::engine) fn claims(&self, sa: SaReference) -> bool {
        let receives = self.receives && self.inbound == sa;
        let sends = matches!(self.way_out, WayOut::Installed) && self.outbound == sa;
        receives || sends
    }

    /// Asks the kernel again for what it had not answered, but for what it turns out to have, in order O1. Whether there is
    /// something to wait for; if not, the kernel has done it all.
    pub(in crate::engine) fn ask_again(
        &mut self,
        shared: &mut Shared,
        sa: IkeSpi,
        kernel: &KernelContents,
    ) -> bool {
        let missing = |inbound| {
            let asked = self.asked.iter().flat_map(|asked| &asked.installs);
            // What was taken out since it was asked for stays out.
            let asked = asked.filter(|install| self.claims(install.reference()));
            let missing = asked.filter(|install| !kernel.sas.contains_key(&install.reference()));
            missing.filter(move |install| install.inbound == inbound)
        };
        let PolicySteps { inbound, outbound } = self.missing_policies(shared);
        let mut steps: Vec<_> = missing(true).cloned().map(add).collect();
        steps.extend(inbound);
        steps.extend(missing(false).cloned().map(add));
        steps.extend(outbound);
        if let Some(asked) = &mut self.asked {
            let all = asked.installs.iter().map(SaInstall::reference);
            asked.found = all.filter(|sa| kernel.sas.contains_key(sa)).collect();
        }
        let child = self.number;
        let owner = KernelOwner::Install { sa, child };
        shared.apply(owner, steps, OnFailure::Undo).is_some()
    }

    fn missing_policies(&self, shared: &Shared) -> PolicySteps {
        let missing = |slots: &[_]| {
            let table = &shared.policies;
            let repair = |slot: &_| table.repair(*slot);
            slots.iter().filter_map(repair).collect()
        };
        PolicySteps {
            inbound: missing(&self.slots.inbound),
            outbound: missing(&self.slots.outbound),
        }
    }

    /// Whether the peer has shown that it receives on it while nobody was there to be told.
    pub(in crate::engine) fn was_woken(&self, kernel: &KernelContents) -> bool {
        let packets = kernel.sas.get(&self.inbound);
        matches!(self.state, ChildState::Standby) && packets.is_some_and(|packets| *packets > 0)
    }

    /// Whether the kernel had not answered yet, as far as anybody knows.
    pub(in crate::engine) const fn is_unanswered(&self) -> bool {
        matches!(self.state, ChildState::Installing(_)) || self.is_activating
    }

    /// Whether the kernel is to be asked again. What it may have had and let go of since then, it must not get again: its
    /// counters would begin anew under the same key. That counts as had.
    pub(in crate::engine) fn awaits_kernel(&self, now: Now) -> bool {
        let over = (self.asked.as_deref()).is_some_and(|asked| asked.may_have_ended(now));
        self.is_unanswered() && !over
    }

    /// The places of its policies.
    pub(in crate::engine) const fn slots(&self) -> &Slots {
        &self.slots
    }
}
