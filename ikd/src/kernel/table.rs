//! What we have installed.

use std::collections::{BTreeMap, HashMap, HashSet};

use ike::engine::io::SaReference;
use xfrm_sys::{PolicyIndex, PolicySpec, PolicyState, SaId};

/// Every SA and policy of ours in the kernel, as far as we know.
#[derive(Debug, Default)]
pub(super) struct Table {
    sas: HashMap<SaReference, SaId>,
    policies: BTreeMap<u32, Installed>,
}

/// A policy of ours.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    /// As asked for.
    pub(super) spec: PolicySpec,
    /// Under which index it really is: where it took the place of another policy, the kernel keeps that one's.
    pub(super) index: PolicyIndex,
}

impl Installed {
    /// Whether this is what the kernel has.
    pub(super) fn is(&self, state: &PolicyState) -> bool {
        let spec = &self.spec;
        state.direction == Some(spec.direction)
            && state.selector == Some(spec.selector)
            && state.priority == spec.priority
            && state.action == spec.action
            && state.templates.len() == spec.templates.len()
            && std::iter::zip(&state.templates, &spec.templates).all(|(a, b)| {
                (a.source, a.destination, a.reqid, a.mode)
                    == (b.source, b.destination, b.reqid, b.mode)
            })
    }
}

impl Table {
    pub(super) fn add_sa(&mut self, reference: SaReference, id: SaId) {
        self.sas.insert(reference, id);
    }

    pub(super) fn remove_sa(&mut self, reference: SaReference) {
        self.sas.remove(&reference);
    }

    pub(super) fn has_sa(&self, reference: SaReference) -> bool {
        self.sas.contains_key(&reference)
    }

    pub(super) fn sas(&self) -> impl Iterator<Item = (SaReference, SaId)> {
        self.sas.iter().map(|(reference, id)| (*reference, *id))
    }

    /// `index` is the one the engine gave.
    pub(super) fn set_policy(&mut self, index: u32, installed: Installed) {
        self.policies.insert(index, installed);
    }

    pub(super) fn remove_policy(&mut self, index: u32) -> Option<Installed> {
        self.policies.remove(&index)
    }

    pub(super) fn policy(&self, index: u32) -> Option<&Installed> {
        self.policies.get(&index)
    }

    /// In the order of their indexes.
    pub(super) fn policies(&self) -> impl Iterator<Item = (u32, &Installed)> {
        self.policies
            .iter()
            .map(|(index, installed)| (*index, installed))
    }

    /// The kernel's indexes of all of them.
    pub(super) fn indexes(&self) -> HashSet<PolicyIndex> {
        self.policies
            .values()
            .map(|installed| installed.index)
            .collect()
    }
}
