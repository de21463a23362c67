//! Where each output of the engine goes, and what others report.

use ike::config::Configuration;
use ike::engine::io::{Answer, CommandId, Input, Output, Question, Reply};
use nix::errno::Errno;

use super::{Shell, Waiter};
use crate::clock;
use crate::control::View;
use crate::events::{Event, Keys};
use crate::{credentials, kernel};

impl Shell {
    pub(super) fn route(&mut self, output: Output) {
        match output {
            Output::Transmit(transmit) => {
                if let Err(error) = self.sockets.send(&transmit)
                    && error != Errno::EAGAIN
                {
                    self.events.tell(&Event::SendFailed {
                        path: transmit.path,
                        error,
                    });
                }
            }
            Output::Kernel(id, request) => self.kernel.send(kernel::Work::Request(id, request)),
            Output::Ask(id, Question::Fetch(question)) => self.fetch.ask(id, *question),
            Output::Ask(id, Question::SaUse(sas)) => self.kernel.send(kernel::Work::Look(id, sas)),
            Output::Ask(id, Question::Resolve { name }) => self.resolve.ask(id, name),
            Output::Ask(id, question) => {
                self.credentials.send(credentials::Work::Ask(id, question))
            }
            // Nothing outlives the process yet: a record is as stored as it will ever be.
            Output::Persist(id, _) => self.persisted.push(id),
            Output::Deadline(deadline) => self.deadline = deadline,
            Output::Event(event) => self.events.tell(&Event::Engine(event)),
            Output::Reply(id, reply) => self.reply(id, reply),
            Output::Keys(keys) => {
                let trouble = self.keylog.as_mut().and_then(|log| log.write(&keys));
                if let Some(trouble) = trouble {
                    self.events.tell(&Event::Keylog(Keys::Ended(trouble)));
                }
            }
        }
    }

    fn reply(&mut self, id: CommandId, reply: Reply) {
        // A client that has left wants no answer.
        match (self.waiters.remove(&id), reply) {
            (Some(Waiter::Reply(waiter)), reply) => {
                let _ = waiter.send(reply);
            }
            (Some(Waiter::Look(waiter, asked)), Reply::Snapshot(snapshot)) => {
                let now = clock::now();
                let facts = self.facts.clone();
                let _ = waiter.send(View {
                    snapshot: *snapshot,
                    facts,
                    now: now.wall.as_secs(),
                    boot: now.boot,
                    took: asked.elapsed(),
                });
            }
            (Some(Waiter::Goodbye), _) => self.goodbye.done = true,
            (Some(Waiter::Look(..)) | None, _) => {}
        }
    }

    pub(super) fn configure(&mut self, configuration: Configuration) {
        self.feed(Input::Configured(Box::new(configuration)));
    }

    pub(super) fn credentials_report(&mut self, report: credentials::Report) {
        match report {
            credentials::Report::Answer(id, answer) => self.feed(Input::Answer(id, answer)),
            credentials::Report::Reloaded(origin, outcome) => self.reloaded(origin, outcome),
        }
    }

    pub(super) fn kernel_report(&mut self, report: kernel::Report) {
        match report {
            kernel::Report::Done(id, outcome) => {
                if let Err(failure) = &outcome {
                    self.events.metrics().kernel_refused(failure);
                }
                self.feed(Input::KernelDone(id, outcome));
            }
            kernel::Report::Use(id, uses) => self.feed(Input::Answer(id, Answer::SaUse(uses))),
            kernel::Report::Event(event) => self.feed(Input::KernelEvent(event)),
            kernel::Report::Swept(removed) => self.events.tell(&Event::KernelSwept(removed)),
            kernel::Report::Repaired {
                missing_sas,
                policies,
                removed,
            } => self.events.tell(&Event::KernelRepaired {
                missing_sas,
                policies,
                removed,
            }),
            kernel::Report::Trouble(message) => self.events.tell(&Event::KernelTrouble(message)),
        }
    }
}
