//! Paths that were found once.
//!
//! An entry is named by a hash of everything that the search depends on (the anchors and intermediates, the strength and
//! the purposes asked for, every certificate presented, in order) and holds only while every certificate of the path is in date. Whom the
//! certificate is for and whether it was revoked are not part of it: both are checked each time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::certificate::Certificate;

/// How many paths are kept.
const MAX_PATHS: usize = 512;

/// Chains that were verified, so that verifying the same again costs no public-key operation. Bounded.
#[derive(Debug, Default)]
pub struct PathCache {
    entries: BTreeMap<[u8; 32], Entry>,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    path: Vec<Arc<Certificate>>,
    last_use: u64,
}

impl PathCache {
    /// How many paths there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn get(&mut self, key: &[u8; 32], now: Duration) -> Option<Vec<Arc<Certificate>>> {
        let entry = self.entries.get_mut(key)?;
        let valid = |certificate: &Arc<Certificate>| {
            certificate.not_before() <= now && now <= certificate.not_after()
        };
        if !entry.path.iter().all(valid) {
            // The search may find another path, or will say what is wrong with this one.
            self.entries.remove(key);
            return None;
        }
        self.uses += 1;
        entry.last_use = self.uses;
        Some(entry.path.clone())
    }

    pub(super) fn insert(&mut self, key: [u8; 32], path: Vec<Arc<Certificate>>) {
        if self.entries.len() >= MAX_PATHS
            && let Some((&oldest, _)) = self.entries.iter().min_by_key(|(_, entry)| entry.last_use)
        {
            self.entries.remove(&oldest);
        }
        self.uses += 1;
        let last_use = self.uses;
        self.entries.insert(key, Entry { path, last_use });
    }
}
