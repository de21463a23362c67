//! What each call does.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ikapi::{Error, ListRequest, Reply, Request, State, UpReply, Version};
use ike::config::Name;
use ike::engine::io::{Command, Reply as Told};
use tokio::sync::{Semaphore, oneshot, watch};

use super::places::Place;
use super::render;
use super::replies::{Encoded, Underway};
use super::roles::{Caller, Role, Roles};
use super::shared::Shared;
use super::view::View;
use super::wishes;
use super::{Ask, Listener, Shell};
use crate::clock;
use crate::events::Watch;
use crate::{kernel, metrics};

/// How long `Up` waits unless the client says otherwise; and at most.
const WAIT: Duration = Duration::from_secs(60);
const WAIT_MOST: Duration = Duration::from_secs(3600);
/// How long a command waits that the engine should answer soon.
const SOON: Duration = Duration::from_secs(30);
/// A look costs the engine a tenth of its time at most: after each it is left alone for so many times what that took.
const LOOK_PAUSE: u32 = 9;
/// Writing replies down costs a fifth of a processor at most.
const WRITING_PAUSE: u32 = 4;
const WRITING_PAUSE_MOST: Duration = Duration::from_secs(1);

/// Answers calls by asking the shell and the kernel's owner.
#[derive(Clone)]
pub(super) struct Service {
    shell: Shell,
    roles: Roles,
    looks: Shared<Arc<View>>,
    levels: Shared<ikapi::LogLevels>,
    lists: Lists,
    /// The whole list, for those who take several replies and for those who do not.
    whole: [Shared<Arc<Encoded>>; 2],
    statuses: Shared<Arc<Encoded>>,
    metrics: Shared<Arc<Encoded>>,
    end: Arc<watch::Sender<bool>>,
}

/// What a call gets.
pub(super) enum Answer {
    /// One reply, or several.
    Reply(Arc<Encoded>),
    /// What happens, as it happens.
    Watch(Watch),
}

/// The running server: dropped, or told to, it ends.
pub(crate) struct Server {
    end: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Server {
    /// Starts serving, on a thread of its own.
    ///
    /// # Errors
    /// Where the system has no thread, or no means to wait for sockets, for it.
    pub(crate) fn start(
        listener: Listener,
        shell: Shell,
        kernel: kernel::Handle,
        metrics: metrics::Source,
    ) -> io::Result<Self> {
        let (end, told_to_end) = oneshot::channel();
        let (has_ended, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let serve = move || {
            runtime.block_on(async {
                let service = Service::new(shell, kernel, metrics, listener.roles.clone());
                // Without clients the daemon goes on; who connects finds nobody.
                let _ = listener.run(service, told_to_end).await;
            });
            // A list that is being written down is not waited for.
            runtime.shutdown_background();
            let _ = has_ended.send(());
        };
        std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(serve)?;
        Ok(Self { end, ended })
    }

    /// Takes no more clients, removes the socket, and lets the last replies go out for a second at most.
    pub(crate) async fn stop(self) {
        drop(self.end);
        let _ = self.ended.await;
    }
}

impl Service {
    fn new(shell: Shell, kernel: kernel::Handle, metrics: metrics::Source, roles: Roles) -> Self {
        let underway = Underway::default();
        let looks = {
            let shell = shell.clone();
            Shared::start(LOOK_PAUSE, move || {
                let shell = shell.clone();
                async move {
                    let view: View = shell.ask(Ask::Look).await?.await.ok()?;
                    let took = view.took;
                    Some((Arc::new(view), took))
                }
            })
        };
        let levels = {
            let shell = shell.clone();
            Shared::start(LOOK_PAUSE, move || {
                let shell = shell.clone();
                async move {
                    let asked = Instant::now();
                    let levels = shell.ask(Ask::LogLevels).await?.await.ok()?;
                    Some((levels, asked.elapsed()))
                }
            })
        };
        let lists = Lists {
            kernel: kernel.clone(),
            underway: underway.clone(),
            turn: Arc::new(Semaphore::new(1)),
        };
        let whole = [false, true].map(|more| {
            let (looks, lists) = (looks.clone(), lists.clone());
            Shared::start(WRITING_PAUSE, move || {
                let (looks, lists) = (looks.clone(), lists.clone());
                async move {
                    let view = looks.get().await?;
                    let list = lists.write(view, ListRequest::default(), more).await?;
                    Some((list, Duration::ZERO)) // it pauses by itself
                }
            })
        });
        let statuses = {
            let (looks, underway) = (looks.clone(), underway.clone());
            Shared::start(WRITING_PAUSE, move || {
                let (looks, kernel, underway) = (looks.clone(), kernel.clone(), underway.clone());
                async move {
                    let view = looks.get().await?;
                    let began = Instant::now();
                    let status = render::status(&view, kernel.statistics().await);
                    let status = underway.encode(Reply::Status(Box::new(status)), false);
                    Some((status, began.elapsed()))
                }
            })
        };
        let metrics = Shared::start(WRITING_PAUSE, move || {
            let (metrics, underway) = (metrics.clone(), underway.clone());
            async move {
                let text = metrics.text().await?;
                let began = Instant::now();
                let write = move || {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    underway.encode(Reply::Metrics(ikapi::Metrics { text }), false)
                };
                let metrics = tokio::task::spawn_blocking(write).await.ok()?;
                Some((metrics, began.elapsed()))
            }
        });
        Self {
            shell,
            roles,
            looks,
            levels,
            lists,
            whole,
            statuses,
            metrics,
            end: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Tells idle clients that the daemon ends.
    pub(super) fn end(&self) {
        self.end.send_replace(true);
    }

    /// Returns once the daemon ends.
    pub(super) async fn ended(&self) {
        let mut end = self.end.subscribe();
        let _ = end.wait_for(|ended| *ended).await;
    }

    /// What a caller may do.
    pub(super) fn role(&self, caller: &Caller) -> Role {
        self.roles.of(caller)
    }

    /// What a caller would have to be for a role.
    pub(super) fn needs(&self, role: Role) -> String {
        self.roles.needs(role)
    }

    /// The answer to a call of somebody who may make it, and has a place; `None` where the daemon is ending.
    pub(super) async fn answer(
        &self,
        request: Request,
        more: bool,
        caller: &Caller,
        place: &Place,
    ) -> Option<Answer> {
        if let Some(event) = wishes::told(&request, caller) {
            self.shell.tell(event).await?;
        }
        let reply = match request {
            Request::Version => Reply::Version(Version {
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            Request::GetInfo => Reply::Info(ikapi::service::info(env!("CARGO_PKG_VERSION"))),
            Request::GetInterfaceDescription { interface } => {
                match ikapi::service::description(&interface) {
                    Ok(description) => Reply::Description(description),
                    Err(error) => error.into(),
                }
            }
            Request::Status => return self.statuses.get().await.map(Answer::Reply),
            Request::Metrics => return self.metrics.get().await.map(Answer::Reply),
            Request::List(request) if request == ListRequest::default() => {
                return self.whole[usize::from(more)].get().await.map(Answer::Reply);
            }
            Request::List(request) => {
                let _turn = place.turn.lock().await;
                let view = self.looks.get().await?;
                let list = self.lists.write(view, request, more).await?;
                return Some(Answer::Reply(list));
            }
            Request::Monitor(_) if !more => Error::ExpectedMore.into(),
            Request::Monitor(request) => {
                // Only a connection's peers have to be looked for.
                let view = match request.connection {
                    Some(_) => Some(self.looks.get().await?),
                    None => None,
                };
                match wishes::wish(request, view.as_deref()) {
                    Ok(wish) => {
                        let watch = self.shell.ask(|reply| Ask::Watch(wish, reply)).await?;
                        return Some(Answer::Watch(watch.await.ok()?));
                    }
                    Err(error) => error.into(),
                }
            }
            Request::GetLog => Reply::Log(self.levels.get().await?),
            Request::SetLog(request) => {
                let view = self.looks.get().await?;
                let levels = self.levels.get().await?;
                match wishes::log_subject(&request, &view, &levels) {
                    Ok((subject, level)) => {
                        let ask = |reply| Ask::SetLogLevel(subject, level, reply);
                        let set = self.shell.ask(ask).await?.await.ok()?;
                        set.map_or_else(Reply::from, Reply::Log)
                    }
                    Err(error) => error.into(),
                }
            }
            Request::Up(request) => self.up(request).await?,
            Request::Down(request) => self.down(request).await?,
            Request::RekeyChild(request) => {
                self.rekey(&request.connection, Some(&request.child), false)
                    .await?
            }
            Request::RekeyIke(request) => {
                let again = request.reauthenticate == Some(true);
                self.rekey(&request.connection, None, again).await?
            }
            Request::Reload => match self.shell.ask(Ask::Reload).await?.await.ok()? {
                Ok(reloaded) => Reply::Reloaded(reloaded),
                Err(error) => error.into(),
            },
            Request::Shutdown => {
                self.shell.ask(Ask::Shutdown).await?.await.ok()?;
                Reply::Done
            }
        };
        Some(Answer::Reply(Encoded::new(reply)))
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
            let view = self.looks.get().await?;
            return Some(match pending.try_recv() {
                Ok(answer @ (Told::Failed(_) | Told::NotFound { .. })) => {
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
        let view = self.looks.get().await?;
        Some(match answer {
            Some(Told::Done | Told::Snapshot(_)) => Reply::Up(UpReply { state: State::Up }),
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
        self.done(command, SOON, &connection, child.as_ref()).await
    }

    async fn rekey(&self, connection: &str, child: Option<&str>, again: bool) -> Option<Reply> {
        let (connection, child) = match names(connection, child) {
            Ok(names) => names,
            Err(error) => return Some(error.into()),
        };
        let command = if again {
            Command::Reauthenticate {
                connection: connection.clone(),
            }
        } else {
            Command::Rekey {
                connection: connection.clone(),
                child: child.clone(),
            }
        };
        self.done(command, WAIT, &connection, child.as_ref()).await
    }

    /// Has something done, and waits for it so long.
    async fn done(
        &self,
        command: Command,
        limit: Duration,
        connection: &Name,
        child: Option<&Name>,
    ) -> Option<Reply> {
        let pending = self.shell.ask(|reply| Ask::Command(command, reply)).await?;
        match tokio::time::timeout(limit, pending).await {
            Ok(answer) => match answer.ok()? {
                Told::Done | Told::Snapshot(_) => Some(Reply::Done),
                answer => {
                    let view = self.looks.get().await?;
                    Some(refused(answer, &view, connection, child))
                }
            },
            Err(_) => Some(Error::Timeout { failure: None }.into()),
        }
    }
}

/// Writes lists down: one at a time, and with a pause after each.
#[derive(Clone)]
struct Lists {
    kernel: kernel::Handle,
    underway: Underway,
    turn: Arc<Semaphore>,
}

impl Lists {
    /// Thousands of connections take their time: not on the thread that serves clients.
    async fn write(
        &self,
        view: Arc<View>,
        request: ListRequest,
        more: bool,
    ) -> Option<Arc<Encoded>> {
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        let began = Instant::now();
        let traffic = self.kernel.traffic().await;
        let underway = self.underway.clone();
        let write = move || {
            let list = render::list(&view, &traffic, &request);
            underway.encode(list.map_or_else(Reply::from, Reply::List), more)
        };
        let list = tokio::task::spawn_blocking(write).await.ok()?;
        let pause = began.elapsed().saturating_mul(WRITING_PAUSE);
        tokio::spawn(async move {
            tokio::time::sleep(pause.min(WRITING_PAUSE_MOST)).await;
            drop(turn);
        });
        Some(list)
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

fn refused(answer: Told, view: &View, connection: &Name, child: Option<&Name>) -> Reply {
    match answer {
        Told::Failed(failure) => {
            let peer = render::peer_of(view, connection);
            let failure = render::failure(&failure, clock::wall_seconds(), peer);
            Error::Failed {
                failure: Box::new(failure),
            }
            .into()
        }
        Told::NotFound { .. } => render::not_found(view, connection, child).into(),
        Told::Done | Told::Snapshot(_) => Reply::Done,
    }
}
