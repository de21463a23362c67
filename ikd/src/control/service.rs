//! What each call does.

use std::sync::Arc;
use std::time::Duration;

use ikapi::{Error, Reply, Request, State, UpReply, Version};
use ike::config::Name;
use ike::engine::io::{Command, Reply as Answer};
use tokio::sync::{oneshot, watch};

use super::render;
use super::view::View;
use super::{Ask, Listener, Shell};
use crate::clock;
use crate::{kernel, metrics};

/// How long `Up` waits unless the client says otherwise; and at most.
const WAIT: Duration = Duration::from_secs(60);
const WAIT_MOST: Duration = Duration::from_secs(3600);
/// How long a command waits that the engine should answer soon.
const SOON: Duration = Duration::from_secs(30);

/// Answers calls by asking the shell and the kernel's owner.
#[derive(Clone)]
pub(crate) struct Service {
    shell: Shell,
    kernel: kernel::Handle,
    metrics: metrics::Source,
    end: Arc<watch::Sender<bool>>,
}

/// The running server: dropped, or told to, it ends.
pub(crate) struct Server {
    end: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Starts serving.
    pub(crate) fn start(
        listener: Listener,
        shell: Shell,
        kernel: kernel::Handle,
        metrics: metrics::Source,
    ) -> Self {
        let (end, ended) = oneshot::channel();
        let service = Service {
            shell,
            kernel,
            metrics,
            end: Arc::new(watch::Sender::new(false)),
        };
        Self {
            end,
            task: tokio::spawn(listener.run(service, ended)),
        }
    }

    /// Takes no more clients, removes the socket, and lets the last replies go out for a second at most.
    pub(crate) async fn stop(self) {
        drop(self.end);
        let _ = self.task.await;
    }
}

impl Service {
    /// Tells idle clients that the daemon ends.
    pub(super) fn end(&self) {
        self.end.send_replace(true);
    }

    /// Returns once the daemon ends.
    pub(super) async fn ended(&self) {
        let mut end = self.end.subscribe();
        let _ = end.wait_for(|ended| *ended).await;
    }

    /// The reply to a call; `None` where the daemon is ending.
    pub(super) async fn answer(&self, request: Request) -> Option<Reply> {
        Some(match request {
            Request::Version => Reply::Version(Version {
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            request @ (Request::Monitor(_) | Request::GetLog | Request::SetLog(_)) => {
                Error::MethodNotFound {
                    method: request.to_parts().0,
                }
                .into()
            }
            Request::GetInfo => Reply::Info(ikapi::service::info(env!("CARGO_PKG_VERSION"))),
            Request::GetInterfaceDescription { interface } => {
                match ikapi::service::description(&interface) {
                    Ok(description) => Reply::Description(description),
                    Err(error) => error.into(),
                }
            }
            Request::Status => {
                let view = self.look().await?;
                let statistics = self.kernel.statistics().await;
                Reply::Status(Box::new(render::status(&view, statistics)))
            }
            Request::List(request) => self.list(request).await?,
            Request::Metrics => {
                let text = self.metrics.text().await?;
                let text = String::from_utf8_lossy(&text).into_owned();
                Reply::Metrics(ikapi::Metrics { text })
            }
            Request::Up(request) => self.up(request).await?,
            Request::Down(request) => self.down(request).await?,
            Request::Reload => match self.shell.ask(Ask::Reload).await?.await.ok()? {
                Ok(reloaded) => Reply::Reloaded(reloaded),
                Err(error) => error.into(),
            },
            Request::Shutdown => {
                self.shell.ask(Ask::Shutdown).await?.await.ok()?;
                Reply::Done
            }
        })
    }

    async fn look(&self) -> Option<View> {
        self.shell.ask(Ask::Look).await?.await.ok()
    }

    async fn list(&self, request: ikapi::ListRequest) -> Option<Reply> {
        let view = self.look().await?;
        let traffic = self.kernel.traffic().await;
        // Thousands of connections take their time: not on the thread that the engine runs on.
        let listed = tokio::task::spawn_blocking(move || render::list(&view, &traffic, &request))
            .await
            .ok()?;
        Some(listed.map_or_else(Reply::from, Reply::List))
    }

    async fn up(&self, request: ikapi::UpRequest) -> Option<Reply> {
        let (connection, child) = match names(&request.connection, request.child.as_deref()) {
            Ok(names) => names,
            Err(error) => return Some(error.into()),
        };
        let command = Command::Up {
            connection: connection.clone(),
            child: child.clone(),
        };
        let mut pending = self.shell.ask(|reply| Ask::Command(command, reply)).await?;
        if !request.wait {
            // The shell answers in order: a command that fails at once has failed before the look.
            let view = self.look().await?;
            return Some(match pending.try_recv() {
                Ok(answer @ (Answer::Failed(_) | Answer::NotFound { .. })) => {
                    refused(answer, &view, &connection, child.as_ref())
                }
                _ => Reply::Up(UpReply {
                    state: render::state_of(&view, &connection, child.as_ref()),
                }),
            });
        }
        let limit = request
            .timeout_seconds
            .map_or(WAIT, Duration::from_secs)
            .min(WAIT_MOST);
        let answer = match tokio::time::timeout(limit, pending).await {
            Ok(answer) => Some(answer.ok()?),
            Err(_) => None,
        };
        let view = self.look().await?;
        Some(match answer {
            Some(Answer::Done | Answer::Snapshot(_)) => Reply::Up(UpReply { state: State::Up }),
            Some(answer) => refused(answer, &view, &connection, child.as_ref()),
            None => {
                let failure =
                    render::last_failure(&view, &connection, child.as_ref()).map(Box::new);
                Error::Timeout { failure }.into()
            }
        })
    }

    async fn down(&self, request: ikapi::DownRequest) -> Option<Reply> {
        let (connection, child) = match names(&request.connection, request.child.as_deref()) {
            Ok(names) => names,
            Err(error) => return Some(error.into()),
        };
        let command = Command::Down {
            connection: connection.clone(),
            child: child.clone(),
        };
        let pending = self.shell.ask(|reply| Ask::Command(command, reply)).await?;
        match tokio::time::timeout(SOON, pending).await {
            Ok(answer) => match answer.ok()? {
                Answer::Done | Answer::Snapshot(_) => Some(Reply::Done),
                answer => Some(refused(
                    answer,
                    &self.look().await?,
                    &connection,
                    child.as_ref(),
                )),
            },
            Err(_) => Some(Error::Timeout { failure: None }.into()),
        }
    }
}

/// The names of a request. What cannot be a name cannot be found either.
fn names(connection: &str, child: Option<&str>) -> Result<(Name, Option<Name>), Error> {
    let name = |what: &str, text: &str| {
        let not_found = || Error::NotFound {
            what: what.to_owned(),
            name: text.to_owned(),
            nearest: None,
        };
        Name::new(text).ok_or_else(not_found)
    };
    Ok((
        name("connection", connection)?,
        child.map(|child| name("child", child)).transpose()?,
    ))
}

fn refused(answer: Answer, view: &View, connection: &Name, child: Option<&Name>) -> Reply {
    match answer {
        Answer::Failed(failure) => {
            let peer = render::peer_of(view, connection);
            let failure = render::failure(&failure, clock::wall_seconds(), peer);
            Error::Failed {
                failure: Box::new(failure),
            }
            .into()
        }
        Answer::NotFound { .. } => render::not_found(view, connection, child).into(),
        Answer::Done | Answer::Snapshot(_) => Reply::Done,
    }
}
