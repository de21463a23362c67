//! Reading the configuration again. The owner of the secrets reads; a bad configuration changes nothing.

use std::sync::Arc;

use ike::engine::event::Level;
use tokio::sync::oneshot;

use super::Shell;
use crate::clock;
use crate::configuration::difference;
use crate::credentials::{Refused, Reloaded, Work};
use crate::log::problems;
use crate::log::record::Record;

/// Who wants to know what came of it.
pub(super) type Waiter = oneshot::Sender<Result<ikapi::Reloaded, ikapi::Error>>;

impl Shell {
    pub(super) fn reload(&mut self, waiter: Option<Waiter>) {
        if self.goodbye.until.is_some() {
            if let Some(waiter) = waiter {
                let _ = waiter.send(Err(ikapi::Error::Busy {
                    reason: "the daemon is ending".to_owned(),
                }));
            }
            return;
        }
        self.reloads.push_back(waiter);
        self.credentials.send(Work::Reload);
    }

    pub(super) fn reloaded(&mut self, outcome: Result<Box<Reloaded>, Refused>) {
        let outcome = match outcome {
            Ok(reloaded) => Ok(self.take_over(*reloaded)),
            Err(refused) => Err(self.refuse(&refused)),
        };
        if let Some(waiter) = self.reloads.pop_front().flatten() {
            let _ = waiter.send(outcome);
        }
    }

    fn take_over(&mut self, reloaded: Reloaded) -> ikapi::Reloaded {
        let Reloaded { loaded, preflight } = reloaded;
        problems(&loaded.warnings);
        preflight
            .into_iter()
            .for_each(crate::preflight::Warning::write);
        let changes = difference(&self.facts.configuration, &loaded.configuration);
        self.facts.configuration = Arc::new(loaded.configuration.clone());
        self.facts.loaded_at = clock::wall_seconds();
        self.facts.reload_failure = None;
        self.configure(loaded.configuration);
        changes
    }

    fn refuse(&mut self, refused: &Refused) -> ikapi::Error {
        let (code, detail, suggestion) = match refused {
            Refused::Problems(report) => {
                problems(report);
                let lines = report.problems.iter().map(ToString::to_string).collect();
                (
                    "bad-configuration",
                    lines,
                    "correct the files (`ikctl check` tells the same offline), then reload",
                )
            }
            Refused::KernelMode => (
                "kernel-mode",
                vec!["`kernel` differs from what runs".to_owned()],
                "restart ikd to change `kernel`",
            ),
        };
        let summary = "the configuration was not read again: what ran goes on unchanged".to_owned();
        let record = Record::new("reload-failed", summary.clone());
        Record {
            code: Some(code),
            suggestion: Some(suggestion.to_owned()),
            ..record
        }
        .write(Level::Error);
        let failure = ikapi::Failure {
            code: code.to_owned(),
            step: "RELOAD".to_owned(),
            summary,
            detail,
            suggestion: Some(suggestion.to_owned()),
            peer: None,
            at: clock::wall_seconds(),
        };
        self.facts.reload_failure = Some(failure.clone());
        ikapi::Error::Failed {
            failure: Box::new(failure),
        }
    }
}
