//! Signing beside the owner's queue: RSA takes milliseconds, in which others may ask for their secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use ike::auth::ask::{SignAnswer, SignQuestion};
use ike::crypto::signature::{Fingerprint, PrivateKey};
use ike::engine::io::{Answer, QuestionId};
use tokio::sync::{Semaphore, mpsc};

use super::Report;

/// The private keys, by their public halves. They are shared with the signatures under way and with nobody else.
pub(crate) type Keys = BTreeMap<Fingerprint, Arc<PrivateKey>>;

/// Signs on threads beside the runtime's, as many as there are processors.
pub(super) struct Signer {
    turns: Arc<Semaphore>,
}

impl Signer {
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            turns: Arc::new(Semaphore::new(processors)),
        }
    }

    /// Answers by a report: at once where there is no such key, else when it is signed.
    pub(super) fn sign(
        &self,
        id: QuestionId,
        question: Box<SignQuestion>,
        keys: &Keys,
        reports: &mpsc::UnboundedSender<Report>,
    ) {
        let reports = reports.clone();
        let report = move |answer| {
            let _ = reports.send(Report::Answer(id, Answer::Signed(answer)));
        };
        let Some(key) = keys.get(&question.key).cloned() else {
            return report(SignAnswer::NoKey);
        };
        let turns = Arc::clone(&self.turns);
        tokio::spawn(async move {
            let _turn = turns.acquire().await.expect("nobody closes it");
            let signing = move || key.sign(question.scheme, &question.octets);
            report(match tokio::task::spawn_blocking(signing).await {
                Ok(Ok(signature)) => SignAnswer::Signed(signature),
                Ok(Err(error)) => SignAnswer::Failed(error.to_string()),
                Err(_) => SignAnswer::Failed("signing was interrupted".to_owned()),
            });
        });
    }
}
