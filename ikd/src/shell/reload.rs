//! Reading the configuration again, because somebody asks or because files have changed. The owner of the secrets reads; a
//! bad configuration changes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Shell;
use crate::configuration::difference;
use crate::credentials::{Origin, Refused, Reloaded, Work};
use crate::events::{Event, paths};
use crate::{clock, expiry};

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
        self.systemd.reloading();
        self.reloads.push_back(waiter);
        self.credentials.send(Work::Reload);
    }

    pub(super) fn reloaded(&mut self, origin: Origin, outcome: Result<Box<Reloaded>, Refused>) {
        let changed = match &origin {
            Origin::Changed(_) if self.goodbye.until.is_some() => return,
            Origin::Changed(files) => Some(files.as_slice()),
            Origin::Asked => None,
        };
        let outcome = match outcome {
            Ok(reloaded) => {
                if let Some(files) = changed {
                    self.events.tell(&Event::FilesChanged(files.to_vec()));
                }
                Ok(self.take_over(*reloaded))
            }
            Err(refused) => Err(self.refuse(&refused, changed)),
        };
        self.tell_status();
        if changed.is_some() {
            return;
        }
        let waiter = self.reloads.pop_front().flatten();
        if self.reloads.is_empty() && self.goodbye.until.is_none() {
            self.systemd.ready();
        }
        if let Some(waiter) = waiter {
            let _ = waiter.send(outcome);
        }
    }

    fn take_over(&mut self, reloaded: Reloaded) -> ikapi::Reloaded {
        let Reloaded {
            mut loaded,
            preflight,
        } = reloaded;
        expiry::leave_to_teller(&mut loaded.warnings);
        self.events.problems(&loaded.warnings);
        self.tell_preflight(preflight);
        let changes = difference(&self.facts.configuration, &loaded.configuration);
        self.facts.configuration = Arc::new(loaded.configuration.clone());
        self.facts.loaded_at = clock::wall_seconds();
        self.facts.reload_failure = None;
        self.tell_expiry();
        self.configure(loaded.configuration);
        changes
    }

    fn refuse(&mut self, refused: &Refused, changed: Option<&[PathBuf]>) -> ikapi::Error {
        let (code, mut detail, suggestion) = match refused {
            Refused::Problems(report) => {
                self.events.problems(report);
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
            Refused::Panicked => (
                "defect",
                vec!["ikd failed while it read the files: a defect of ikd, told on its standard error".to_owned()],
                "report it; what was changed last probably sets it off",
            ),
            Refused::PolicyChanged => (
                "policy-changed",
                vec!["policy files differ from those in force, and nobody has said that they are ready".to_owned()],
                "`ikctl reload` takes them, and the changed files with them",
            ),
        };
        let what = changed.map_or("the configuration was", |_| "files have changed and were");
        let summary = format!("{what} not read again: what ran goes on unchanged");
        if let Some(files) = changed {
            detail.push(format!("changed: {}", paths(files)));
        }
        self.events.tell(&Event::ReloadFailed {
            code,
            summary: summary.clone(),
            detail: changed.map(|_| detail.clone()).unwrap_or_default(),
            suggestion,
        });
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
