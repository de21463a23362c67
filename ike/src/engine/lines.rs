//! Reqids that the Child SAs of several IKE SAs share.
//!
//! The kernel lets a packet in only by an SA with the reqid of the policy that it meets. So when a child is made anew under
//! another IKE SA with the same peer, while the old one goes on, the new Child SA takes the reqid of the old one: packets
//! are received by both, and what goes out changes from one to the other without touching a policy.
//!
//! ```text
//!   reqid --> of which child, with whom, and by how many policies
//!             its Child SAs in the kernel, oldest first: the old IKE SA's, the new IKE SA's
//! ```
//!
//! Within one IKE SA, Child SAs that replaced one another share their reqid in any case.

use std::collections::BTreeMap;

use crate::config::Name;
use crate::config::identity::Identity;
use crate::wire::IkeSpi;

use super::io::{PolicyAction, SaReference};
use super::policy_table::Slots;
use super::shared::Shared;

/// Whose Child SAs may share a reqid: those of one child with one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) connection: Name,
    pub(super) child: Name,
    pub(super) peer: Identity,
}

#[derive(Debug)]
struct Members {
    whose: Whose,
    /// How many places its policies take.
    places: usize,
    /// By their inbound SAs, oldest first.
    sas: Vec<SaReference>,
}

/// All reqids in use.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeMap<u32, Members>);

impl Lines {
    /// The first Child SA of a reqid, or one of another IKE SA.
    pub(super) fn begin(&mut self, reqid: u32, whose: Whose, places: usize, inbound: SaReference) {
        let members = self.0.entry(reqid).or_insert_with(|| Members {
            whose,
            places,
            sas: Vec::new(),
        });
        members.sas.reserve_exact(1);
        members.sas.push(inbound);
    }

    /// Another Child SA, which replaces one of the same IKE SA.
    pub(super) fn go_on(&mut self, reqid: u32, inbound: SaReference) {
        if let Some(members) = self.0.get_mut(&reqid) {
            members.sas.push(inbound);
        }
    }

    /// A Child SA is out of the kernel.
    pub(super) fn leave(&mut self, reqid: u32, inbound: SaReference) {
        if let Some(members) = self.0.get_mut(&reqid) {
            members.sas.retain(|other| *other != inbound);
            members.sas.shrink_to_fit();
            if members.sas.is_empty() {
                self.0.remove(&reqid);
            }
        }
    }

    fn sas(&self, reqid: u32) -> impl DoubleEndedIterator<Item = SaReference> + '_ {
        let members = self.0.get(&reqid);
        members
            .into_iter()
            .flat_map(|members| members.sas.iter().copied())
    }
}

impl Shared {
    /// The reqid of the same child's Child SA under another IKE SA with the same peer, between the same addresses and with
    /// the same selectors: to be shared.
    pub(super) fn shared_reqid(
        &self,
        own: IkeSpi,
        whose: &Whose,
        slots: &Slots,
        protects: (PolicyAction, PolicyAction),
    ) -> Option<u32> {
        let (coming, going) = protects;
        let action = |slot| self.policies.installed(slot).map(|policy| policy.action);
        let PolicyAction::Protect { reqid, .. } = action(*slots.outbound.first()?)? else {
            return None;
        };
        let is = |like: PolicyAction| match like {
            PolicyAction::Protect {
                mode,
                source,
                destination,
                ..
            } => Some(PolicyAction::Protect {
                mode,
                source,
                destination,
                reqid,
            }),
            other => Some(other),
        };
        let members = self.lines.0.get(&reqid)?;
        let same = members.whose == *whose
            && members.places == slots.all().count()
            && slots.inbound.iter().all(|slot| action(*slot) == is(coming))
            && slots.outbound.iter().all(|slot| action(*slot) == is(going));
        let elsewhere = !self.ike_sas_with(reqid).any(|sa| sa == own);
        (same && elsewhere).then_some(reqid)
    }

    /// The IKE SAs that have Child SAs of this reqid, newest first; one that has several comes several times.
    pub(super) fn ike_sas_with(&self, reqid: u32) -> impl Iterator<Item = IkeSpi> + '_ {
        let sas = self.lines.sas(reqid).rev();
        sas.filter_map(|sa| self.esp.get(&(sa.spi, sa.destination)).copied())
    }

    /// Whether an IKE SA besides this one has a Child SA of this reqid.
    pub(super) fn is_shared(&self, reqid: u32, own: IkeSpi) -> bool {
        self.ike_sas_with(reqid).any(|sa| sa != own)
    }
}
