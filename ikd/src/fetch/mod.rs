//! Fetching CRLs and OCSP replies over plain HTTP (RFC 5280 section 4.2.1.13, RFC 6960 appendix A), away from the engine
//! and from the keys.
//!
//! ```text
//!   engine --Ask--> shell --ask--> owner: the same question once --> waiting --> at most so many threads --> server
//!                     ^                                                            | name, connection, body
//!                     '---- every handshake that asked <---------------------------'
//! ```
//!
//! What is fetched proves itself: CRLs and OCSP replies are signed, so that plain HTTP is what RFC 5280 asks for. A server
//! may be slow, endless or malicious: each question is answered within [`Limits::time`] of its arrival, with at most as
//! many bytes as it allows, and when too many wait, the newest is answered at once with a failure. A URL's server is
//! reached as any program of the machine would reach it, through the policies that are in force.

mod http;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ike::auth::ask::FetchQuestion;
use ike::engine::io::QuestionId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The body, or why there is none, in words for a person.
pub(crate) type Fetched = Result<Vec<u8>, String>;

/// How much fetching may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the question to its answer, waiting included. Well below the half-open timeout.
    pub(crate) time: Duration,
    /// Fetches at once, a thread each.
    pub(crate) at_once: usize,
    /// Fetches that wait for their turn.
    pub(crate) waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            at_once: 8,
            waiting: 64,
        }
    }
}

/// The way to the owner.
#[derive(Clone)]
pub(crate) struct Handle(mpsc::UnboundedSender<(QuestionId, FetchQuestion)>);

impl Handle {
    /// Asks; the answer comes as a report.
    pub(crate) fn ask(&self, id: QuestionId, question: FetchQuestion) {
        // An owner that has ended answers nothing: the daemon is ending too.
        let _ = self.0.send((id, question));
    }
}

/// Starts the owner. Needs to be called within the runtime.
pub(crate) fn start(
    limits: Limits,
    reports: mpsc::UnboundedSender<(QuestionId, Fetched)>,
) -> Handle {
    let (questions, mut queue) = mpsc::unbounded_channel();
    let mut owner = Owner {
        limits,
        reports,
        asked: BTreeMap::new(),
        waiting: VecDeque::new(),
        running: JoinSet::new(),
    };
    tokio::spawn(async move {
        loop {
            tokio::select! {
                question = queue.recv() => match question {
                    Some((id, question)) => owner.ask(id, question),
                    None => return,
                },
                Some(done) = owner.running.join_next() => {
                    let (question, fetched) = done.expect("panics are caught");
                    owner.answer(&question, &fetched);
                }
            }
            owner.start_waiting();
        }
    });
    Handle(questions)
}

struct Owner {
    limits: Limits,
    reports: mpsc::UnboundedSender<(QuestionId, Fetched)>,
    /// Who waits for which answer.
    asked: BTreeMap<FetchQuestion, Vec<QuestionId>>,
    /// Those of them whose fetch has not begun, and until when each has to be answered.
    waiting: VecDeque<(FetchQuestion, Instant)>,
    running: JoinSet<(FetchQuestion, Fetched)>,
}

impl Owner {
    fn ask(&mut self, id: QuestionId, question: FetchQuestion) {
        if let Some(others) = self.asked.get_mut(&question) {
            others.push(id);
        } else if self.waiting.len() >= self.limits.waiting {
            let text = format!("{}: too much else is being fetched", question.url);
            let _ = self.reports.send((id, Err(text)));
        } else {
            self.asked.insert(question.clone(), vec![id]);
            self.waiting
                .push_back((question, Instant::now() + self.limits.time));
        }
    }

    fn start_waiting(&mut self) {
        while self.running.len() < self.limits.at_once {
            let Some((question, until)) = self.waiting.pop_front() else {
                return;
            };
            let time = until.saturating_duration_since(Instant::now());
            self.running.spawn_blocking(move || {
                // The server is a stranger, and nothing that it sends may end the fetching for all.
                let fetched = catch_unwind(AssertUnwindSafe(|| http::fetch(&question, time)));
                let defect = |_| {
                    Err(format!(
                        "{}: ikd failed over what came: a defect of ikd",
                        question.url
                    ))
                };
                let fetched = fetched.unwrap_or_else(defect);
                (question, fetched)
            });
        }
    }

    fn answer(&mut self, question: &FetchQuestion, fetched: &Fetched) {
        for id in self.asked.remove(question).into_iter().flatten() {
            let _ = self.reports.send((id, fetched.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
