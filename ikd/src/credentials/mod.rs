//! The owner of the secrets and the private keys, and of the files they come from.
//!
//! A task of its own: the engine asks, and never sees a key; the part that parses what strangers send opens no file. So the
//! configuration is read again here too, and its secrets and keys replace the old ones, all of them or none, before
//! anybody hears of it. That happens when somebody asks for it, and by itself when a file that the policies name has
//! changed ([`watch`]).

mod sign;
mod watch;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ike::auth::ask::{PskAnswer, PskQuestion, answer_psk};
use ike::config::KernelMode;
use ike::crypto::{Provider, Secret};
use ike::engine::io::{Answer, Question, QuestionId};
use policies::{Report as Problems, Secrets};
use preflight::{Asker, ThisMachine};
use tokio::sync::{mpsc, watch as latest};
use tokio::task::{JoinError, JoinHandle};

use crate::configuration::{self, Loaded, Policy};
use crate::sockets::local_address_for;

pub(crate) use sign::Keys;
use sign::Signer;
use watch::Stamps;

/// What the owner is asked.
#[derive(Debug)]
pub(crate) enum Work {
    /// A question of the engine.
    Ask(QuestionId, Question),
    /// Read the configuration again.
    Reload,
    /// These files have changed: read the configuration again.
    Changed(Vec<PathBuf>),
}

/// What the owner answers.
pub(crate) enum Report {
    /// To a question.
    Answer(QuestionId, Answer),
    /// The configuration, whose secrets and keys are in place; or why nothing has changed.
    Reloaded(Origin, Result<Box<Reloaded>, Refused>),
}

/// Why the configuration was read again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By [`Work::Reload`].
    Asked,
    /// Because these files have changed.
    Changed(Vec<PathBuf>),
}

/// A configuration that was read again.
pub(crate) struct Reloaded {
    /// Without its secrets and keys.
    pub(crate) loaded: Loaded,
    /// What will bite on this machine.
    pub(crate) preflight: Vec<preflight::Warning>,
}

/// Why a configuration cannot come into force.
pub(crate) enum Refused {
    /// It is wrong.
    Problems(Problems),
    /// `kernel` differs from what the daemon was started with.
    KernelMode,
    /// It was to be read because of other files, and the policies differ from those in force: nobody has said yet that
    /// these are ready.
    PolicyChanged,
    /// Reading it panicked: a defect, and no reason to lose the keys that are in force.
    Panicked,
}

/// The way to the owner.
#[derive(Clone)]
pub(crate) struct Handle(mpsc::UnboundedSender<Work>);

impl Handle {
    /// Hands work over. An owner that has ended answers nothing: the daemon is ending too.
    pub(crate) fn send(&self, work: Work) {
        let _ = self.0.send(work);
    }
}

/// What the owner owns.
pub(crate) struct Credentials {
    /// Where the configuration comes from.
    pub(crate) paths: Vec<PathBuf>,
    /// By connection.
    pub(crate) secrets: Secrets,
    /// By their public halves.
    pub(crate) keys: Keys,
    /// What the policies say that are in force.
    pub(crate) policy: Policy,
    /// Every file that was read.
    pub(crate) files: Vec<PathBuf>,
    /// How often the files are looked at; `None`: never.
    pub(crate) interval: Option<Duration>,
    /// Computes with them.
    pub(crate) provider: &'static dyn Provider,
    /// What the daemon was started with.
    pub(crate) kernel: KernelMode,
    /// Makes a socket ignore IPsec policies.
    pub(crate) exempt: fn(&UdpSocket) -> io::Result<()>,
}

impl Credentials {
    /// Starts the owner. Needs to be called within the runtime.
    pub(crate) fn start(mut self, reports: mpsc::UnboundedSender<Report>) -> Handle {
        let (work, mut queue) = mpsc::unbounded_channel();
        let read = latest::Sender::new(watch::look(&watched(&self.files, &self.paths)));
        if let Some(interval) = self.interval {
            tokio::spawn(watch::run(interval, read.subscribe(), work.downgrade()));
        }
        let signer = Signer::new();
        tokio::spawn(async move {
            let mut due = VecDeque::new();
            // At most one, beside which questions are answered with what is in force.
            let mut reading = None;
            loop {
                let report = tokio::select! {
                    work = queue.recv() => match work {
                        Some(Work::Ask(id, Question::Sign(question))) => {
                            signer.sign(id, question, &self.keys, &reports);
                            None
                        }
                        Some(Work::Ask(id, question)) => Some(Report::Answer(id, self.answer(&question))),
                        Some(Work::Reload) => {
                            due.push_back(Origin::Asked);
                            None
                        }
                        Some(Work::Changed(files)) => {
                            due.push_back(Origin::Changed(files));
                            None
                        }
                        None => return,
                    },
                    Some(finished) = finished(&mut reading) => {
                        reading = None;
                        let origin = due.pop_front().expect("what is read is due");
                        let outcome = match finished {
                            Ok(Read { stamps, outcome }) => {
                                read.send_replace(stamps);
                                self.take_over(&origin, outcome)
                            }
                            Err(_) => Err(Refused::Panicked),
                        };
                        Some(Report::Reloaded(origin, outcome))
                    }
                };
                if report.is_some_and(|report| reports.send(report).is_err()) {
                    return;
                }
                if reading.is_none() && !due.is_empty() {
                    reading = Some(self.read());
                }
            }
        });
        Handle(work)
    }

    fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Psk(question) => Answer::Psk(self.psk(question)),
            Question::LocalAddress { remote } => Answer::LocalAddress(self.local_address(*remote)),
            Question::Sign(_) => unreachable!("the signer answers it"),
            Question::Fetch(_) => unreachable!("the shell asks those who fetch"),
            Question::SaUse(_) => unreachable!("the shell asks the owner of the kernel"),
            Question::Resolve { .. } => unreachable!("the shell asks those who resolve"),
        }
    }

    fn psk(&self, question: &PskQuestion) -> PskAnswer {
        let secret = self.secrets.get(&question.connection).map(Secret::as_bytes);
        answer_psk(question, secret, self.provider)
    }

    fn local_address(&self, remote: IpAddr) -> Result<IpAddr, String> {
        local_address_for(remote, self.exempt).map_err(|error| error.to_string())
    }

    /// Reads the configuration again, on a thread: files may lie on a slow disk.
    fn read(&self) -> JoinHandle<Read> {
        let paths = self.paths.clone();
        let watched_before = watched(&self.files, &self.paths);
        tokio::task::spawn_blocking(move || {
            // Before they are read: what changes meanwhile is seen as a change.
            let mut stamps = watch::look(&watched_before);
            let outcome = configuration::load(&paths).map(|loaded| {
                let preflight = preflight::look(&loaded.configuration, &ThisMachine, Asker::Daemon);
                let mut now = watch::look(&watched(&loaded.files, &paths));
                now.iter_mut().for_each(|(path, stamp)| {
                    *stamp = stamps.get(path).copied().unwrap_or(*stamp);
                });
                stamps = now;
                Reloaded { loaded, preflight }
            });
            Read { stamps, outcome }
        })
    }

    /// All of it or nothing.
    fn take_over(
        &mut self,
        origin: &Origin,
        outcome: Result<Reloaded, Problems>,
    ) -> Result<Box<Reloaded>, Refused> {
        let mut reloaded = outcome.map_err(Refused::Problems)?;
        let loaded = &mut reloaded.loaded;
        if loaded.configuration.kernel != self.kernel {
            return Err(Refused::KernelMode);
        }
        let policy = loaded.policy();
        if *origin != Origin::Asked && policy != self.policy {
            return Err(Refused::PolicyChanged);
        }
        self.policy = policy;
        self.secrets = std::mem::take(&mut loaded.secrets);
        self.keys = std::mem::take(&mut loaded.keys);
        self.files = std::mem::take(&mut loaded.files);
        Ok(Box::new(reloaded))
    }
}

/// What came of reading the files.
struct Read {
    /// The watched files as they were read.
    stamps: Stamps,
    outcome: Result<Reloaded, Problems>,
}

/// What is being read, once it is, or that reading it panicked; `None` where nothing is.
async fn finished(reading: &mut Option<JoinHandle<Read>>) -> Option<Result<Read, JoinError>> {
    Some(reading.as_mut()?.await)
}

/// The files whose change is reason enough to read again: all but the policies themselves, which somebody may be writing.
fn watched(files: &[PathBuf], paths: &[PathBuf]) -> Vec<PathBuf> {
    let is_policy = |file: &Path| {
        let directory = file.parent();
        paths.iter().any(|path| {
            file == path
                || directory == Some(path) && file.extension().is_some_and(|end| end == "yaml")
        })
    };
    files
        .iter()
        .filter(|file| !is_policy(file))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests;
