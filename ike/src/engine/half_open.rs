//! How many IKE SAs are half-open, in all and by address. Counted on the way in and on every way out.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The counters.
#[derive(Debug, Default)]
pub(super) struct HalfOpenCount {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

impl HalfOpenCount {
    pub(super) const fn count(&self) -> usize {
        self.all
    }

    pub(super) fn of(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, address: IpAddr) {
        self.all += 1;
        *self.by_address.entry(address).or_default() += 1;
    }

    pub(super) fn remove(&mut self, address: IpAddr) {
        self.all = self.all.saturating_sub(1);
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}
