//! CRLs and OCSP replies that were fetched, and why others could not be.
//!
//! What was fetched is kept until its nextUpdate, but asked for again after a day at the latest, and after a minute where
//! it was out of date or not to be believed. A failed attempt leaves in place what there was before.

use std::collections::BTreeMap;
use std::time::Duration;

use super::certificate::CertificateError;
use super::crl::RevocationList;
use super::ocsp::Reply;
use crate::auth::ask::FetchQuestion;

/// How many answers are kept.
const MAX_ENTRIES: usize = 256;

/// How many bytes of CRLs and replies are kept.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// When a failure is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// When a success that could not be refreshed is asked for again, while it still holds.
const REFRESH_RETRY: Duration = Duration::from_secs(15 * 60);

/// When a success is asked for again at the latest.
const REFRESH: Duration = Duration::from_secs(24 * 3600);

/// What was fetched, and what could not be. Bounded; one for an engine.
#[derive(Debug, Default)]
pub struct RevocationCache {
    entries: BTreeMap<FetchQuestion, Entry>,
}

#[derive(Debug)]
struct Entry {
    content: Option<Content>,
    /// In bytes, as fetched.
    size: usize,
    /// Why the last attempt failed.
    failure: Option<String>,
    /// When it was asked last.
    asked: Duration,
    /// When the question is open again even if the content is of use.
    ask_again: Duration,
}

#[derive(Debug)]
pub(super) enum Content {
    List(Box<RevocationList>),
    Reply(Box<Reply>),
}

impl RevocationCache {
    /// Remembers the answer to a question: the body as received, or why there is none. `now`: since the Unix epoch.
    pub fn insert(
        &mut self,
        question: &FetchQuestion,
        answer: Result<Vec<u8>, String>,
        now: Duration,
    ) {
        let size = answer.as_ref().map_or(0, Vec::len);
        let read = answer
            .and_then(|bytes| Content::read(question, &bytes).map_err(|error| error.to_string()));
        let entry = match read {
            Ok(content) => {
                let until = content.next_update().unwrap_or(now).min(now + REFRESH);
                Entry {
                    content: Some(content),
                    size,
                    failure: None,
                    asked: now,
                    ask_again: until.max(now + RETRY),
                }
            }
            Err(why) => {
                let before = self.entries.remove(question);
                let (content, size) = before.map_or((None, 0), |entry| (entry.content, entry.size));
                Entry {
                    content,
                    size,
                    failure: Some(why),
                    asked: now,
                    ask_again: now + REFRESH_RETRY,
                }
            }
        };
        self.entries.insert(question.clone(), entry);
        self.shrink(question);
    }

    /// How many questions it has answers to.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets what would be asked for soonest, but not what was just learned.
    fn shrink(&mut self, newest: &FetchQuestion) {
        while self.entries.len() > MAX_ENTRIES
            || self.entries.values().map(|entry| entry.size).sum::<usize>() > MAX_BYTES
        {
            let oldest = self
                .entries
                .iter()
                .filter(|(question, _)| *question != newest)
                .min_by_key(|(_, entry)| entry.ask_again)
                .map(|(question, _)| question.clone());
            match oldest {
                Some(question) => self.entries.remove(&question),
                None => return,
            };
        }
    }

    pub(super) fn content(&self, question: &FetchQuestion) -> Option<&Content> {
        self.entries.get(question)?.content.as_ref()
    }

    pub(super) fn failure(&self, question: &FetchQuestion) -> Option<&str> {
        self.entries.get(question)?.failure.as_deref()
    }

    /// Whether it is time to ask, by somebody to whom what is kept is of no use.
    pub(super) fn is_open(&self, question: &FetchQuestion, now: Duration) -> bool {
        self.entries
            .get(question)
            .is_none_or(|entry| now >= entry.asked + RETRY)
    }

    /// Whether what is kept, though of use, should be replaced by what is there now.
    pub(super) fn is_old(&self, question: &FetchQuestion, now: Duration) -> bool {
        self.entries
            .get(question)
            .is_some_and(|entry| entry.content.is_some() && now >= entry.ask_again)
    }
}

impl Content {
    fn read(question: &FetchQuestion, bytes: &[u8]) -> Result<Self, CertificateError> {
        if question.body.is_some() {
            return Reply::parse(bytes).map(|reply| Self::Reply(Box::new(reply)));
        }
        RevocationList::read_all(bytes)?
            .into_iter()
            .next()
            .map(|list| Self::List(Box::new(list)))
            .ok_or(CertificateError::Nothing("CRL"))
    }

    fn next_update(&self) -> Option<Duration> {
        match self {
            Self::List(list) => list.next_update(),
            Self::Reply(reply) => reply.next_update(),
        }
    }
}
