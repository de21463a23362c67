//! The owner of the secrets, and of the files they come from.
//!
//! A task of its own: the engine asks, and never sees a key; the part that parses what strangers send opens no file. So the
//! configuration is read again here too, and its secrets replace the old ones before anybody hears of it.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;

use ike::auth::ask::{PskAnswer, PskQuestion, SignAnswer, answer_psk};
use ike::config::KernelMode;
use ike::crypto::{Provider, Secret};
use ike::engine::io::{Answer, Question, QuestionId};
use policies::{Report as Problems, Secrets};
use tokio::sync::mpsc;

use crate::configuration::{self, Loaded};
use crate::preflight::{self, Warning};
use crate::sockets::local_address_for;

/// What the owner is asked.
#[derive(Debug)]
pub(crate) enum Work {
    /// A question of the engine.
    Ask(QuestionId, Question),
    /// Read the configuration again.
    Reload,
}

/// What the owner answers.
pub(crate) enum Report {
    /// To a question.
    Answer(QuestionId, Answer),
    /// To [`Work::Reload`]: the configuration, whose secrets are in place; or why nothing has changed.
    Reloaded(Result<Box<Reloaded>, Refused>),
}

/// A configuration that was read again.
pub(crate) struct Reloaded {
    /// Without its secrets.
    pub(crate) loaded: Loaded,
    /// What will bite on this machine.
    pub(crate) preflight: Vec<Warning>,
}

/// Why a configuration cannot come into force.
pub(crate) enum Refused {
    /// It is wrong.
    Problems(Problems),
    /// `kernel` differs from what the daemon was started with.
    KernelMode,
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
    /// Computes with them.
    pub(crate) provider: &'static dyn Provider,
    /// What the daemon was started with.
    pub(crate) kernel: KernelMode,
    /// Makes a socket ignore IPsec policies.
    pub(crate) exempt: fn(&UdpSocket) -> io::Result<()>,
}

impl Credentials {
    /// Starts the owner.
    pub(crate) fn start(mut self, reports: mpsc::UnboundedSender<Report>) -> Handle {
        let (work, mut queue) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(work) = queue.recv().await {
                let report = match work {
                    Work::Ask(id, question) => Report::Answer(id, self.answer(&question)),
                    Work::Reload => Report::Reloaded(self.reload().await),
                };
                if reports.send(report).is_err() {
                    return;
                }
            }
        });
        Handle(work)
    }

    fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Psk(question) => Answer::Psk(self.psk(question)),
            Question::Sign(_) => Answer::Signed(SignAnswer::NoKey),
            Question::Fetch(question) => {
                Answer::Fetched(Err(format!("{} is not fetched", question.url)))
            }
            Question::LocalAddress { remote } => Answer::LocalAddress(self.local_address(*remote)),
        }
    }

    fn psk(&self, question: &PskQuestion) -> PskAnswer {
        let secret = self.secrets.get(&question.connection).map(Secret::as_bytes);
        answer_psk(question, secret, self.provider)
    }

    fn local_address(&self, remote: IpAddr) -> Result<IpAddr, String> {
        local_address_for(remote, self.exempt).map_err(|error| error.to_string())
    }

    async fn reload(&mut self) -> Result<Box<Reloaded>, Refused> {
        let (paths, exempt) = (self.paths.clone(), self.exempt);
        // Files may lie on a slow disk.
        let reading = tokio::task::spawn_blocking(move || {
            let loaded = configuration::load(&paths)?;
            let preflight = preflight::look(&loaded.configuration, exempt);
            Ok(Reloaded { loaded, preflight })
        });
        let mut reloaded = reading
            .await
            .expect("reading a configuration does not panic")
            .map_err(Refused::Problems)?;
        if reloaded.loaded.configuration.kernel != self.kernel {
            return Err(Refused::KernelMode);
        }
        self.secrets = std::mem::take(&mut reloaded.loaded.secrets);
        Ok(Box::new(reloaded))
    }
}
