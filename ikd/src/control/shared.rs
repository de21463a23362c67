//! One answer for all who ask at about the same time, so that many who poll cost little more than one.
//!
//! ```text
//!   ask, ask, ask --> wait until the pause is over --> work once --> the same answer for all who had asked before it began
//! ```
//!
//! Nobody gets an answer from before its question. After each turn there is a pause in proportion to what the turn has cost.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The longest pause.
const PAUSE_MOST: Duration = Duration::from_secs(1);
/// Who waits at a time: more than there are clients.
const WAITING: usize = 2 * super::places::CLIENTS;

/// Work whose answers are shared.
#[derive(Debug)]
pub(super) struct Shared<T>(mpsc::Sender<oneshot::Sender<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone + Send + 'static> Shared<T> {
    /// Starts it. `work` makes the answer and says what that has cost those who should not be disturbed; there is a pause
    /// of `times` of that afterwards. It ends when nobody can ask any more. Where `work` has no answer, those who
    /// waited get none.
    pub(super) fn start<F, Fut>(times: u32, mut work: F) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Option<(T, Duration)>> + Send,
    {
        let (asks, mut waiting) = mpsc::channel::<oneshot::Sender<T>>(WAITING);
        tokio::spawn(async move {
            let mut free_at = Instant::now();
            while let Some(first) = waiting.recv().await {
                tokio::time::sleep_until(free_at).await;
                let mut waiters = vec![first];
                while let Ok(waiter) = waiting.try_recv() {
                    waiters.push(waiter);
                }
                // Who has gone meanwhile wants no answer.
                waiters.retain(|waiter| !waiter.is_closed());
                if waiters.is_empty() {
                    continue;
                }
                let Some((answer, cost)) = work().await else {
                    continue; // those who waited find their channel closed
                };
                free_at = Instant::now() + cost.saturating_mul(times).min(PAUSE_MOST);
                for waiter in waiters {
                    let _ = waiter.send(answer.clone());
                }
            }
        });
        Self(asks)
    }

    /// An answer that was made after this was called; `None` where there is none, as when the daemon ends.
    pub(super) async fn get(&self) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(reply).await.ok()?;
        answer.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn those_who_ask_together_get_one_answer_and_never_an_old_one() {
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let shared = Shared::start(1, move || {
            let counted = Arc::clone(&counted);
            async move {
                let turn = counted.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Some((turn, Duration::ZERO))
            }
        });
        let asked = (0..50).map(|_| {
            let shared = shared.clone();
            tokio::spawn(async move { shared.get().await })
        });
        for task in asked.collect::<Vec<_>>() {
            assert!(task.await.expect("no panic").is_some());
        }
        let together = turns.load(Ordering::SeqCst);
        assert!(together <= 3, "{together} turns for 50 who asked at once");
        for turn in together..together + 5 {
            assert_eq!(shared.get().await, Some(turn), "made after the question");
        }
    }
}
