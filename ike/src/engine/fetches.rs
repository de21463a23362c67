//! What is being fetched, and who waits for it: a CRL that a thousand peers call for is fetched once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::auth::ask::FetchQuestion;
use crate::wire::IkeSpi;

use super::io::QuestionId;

/// Fetches that may be under way at once.
const MAX_FETCHES: usize = 64;
/// A fetch that has not been answered for so long never will be.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// All fetches under way.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    under_way: BTreeMap<FetchQuestion, Fetch>,
    by_id: BTreeMap<QuestionId, FetchQuestion>,
}

#[derive(Debug)]
struct Fetch {
    id: QuestionId,
    since: Duration,
    waiters: BTreeSet<IkeSpi>,
}

impl Fetches {
    /// Waits with the others for what is under way already; whether it is.
    pub(super) fn join(&mut self, question: &FetchQuestion, waiter: IkeSpi) -> bool {
        self.under_way
            .get_mut(question)
            .map(|fetch| fetch.waiters.insert(waiter))
            .is_some()
    }

    /// Whether there is room for one more, now that the forgotten ones are given up.
    pub(super) fn has_room(&mut self, now: Duration) -> bool {
        self.under_way
            .retain(|_, fetch| now < fetch.since + FORGOTTEN);
        let Self { under_way, by_id } = self;
        by_id.retain(|_, question| under_way.contains_key(question));
        under_way.len() < MAX_FETCHES
    }

    /// A fetch begins.
    pub(super) fn begin(
        &mut self,
        id: QuestionId,
        question: FetchQuestion,
        waiter: IkeSpi,
        now: Duration,
    ) {
        self.by_id.insert(id, question.clone());
        let fetch = Fetch {
            id,
            since: now,
            waiters: BTreeSet::from([waiter]),
        };
        self.under_way.insert(question, fetch);
    }

    /// A fetch has ended: what it was, and who waits for it.
    pub(super) fn end(&mut self, id: QuestionId) -> Option<(FetchQuestion, BTreeSet<IkeSpi>)> {
        let question = self.by_id.remove(&id)?;
        let fetch = self.under_way.remove(&question)?;
        debug_assert_eq!(fetch.id, id, "a question is asked once at a time");
        Some((question, fetch.waiters))
    }
}
