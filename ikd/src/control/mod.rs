//! The control socket: who may speak, and how their calls become commands.
//!
//! ```text
//!   listener --accept, role, place--> client task: Framer -> Call -> service --Ask--> shell
//!                                          bytes <- Encoded <- Reply <--------------'
//! ```
//!
//! All of it runs on a thread of its own, so that nothing that clients do (call without pause, list thousands of connections,
//! read slowly) takes time from the engine, but for what the shell does for them: a look at everything is shared by all who
//! ask meanwhile ([`shared`]), and costs the engine a tenth of its time at most. Clients are bounded in number, by user, and
//! in memory and time ([`places`], [`replies`], `client`). Who may look and who may change is decided by [`roles`].

mod client;
mod listen;
mod places;
mod render;
mod replies;
mod roles;
mod service;
mod shared;
mod view;
mod wishes;

use ike::engine::io::{Command, Reply};
use tokio::sync::{mpsc, oneshot};

use crate::events::{Event, Subject, Watch, Wish};
use crate::log;

pub(crate) use listen::{ListenError, Listener};
pub(crate) use render::{child_state, connection_state};
pub(crate) use roles::{NoGroup, Roles};
pub(crate) use service::Server;
pub(crate) use view::{Facts, View};

/// What a client wants of the shell.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A command for the engine.
    Command(Command, oneshot::Sender<Reply>),
    /// A look at everything.
    Look(oneshot::Sender<View>),
    /// Read the configuration again.
    Reload(oneshot::Sender<Result<ikapi::Reloaded, ikapi::Error>>),
    /// Tell what happens from now on.
    Watch(Wish, oneshot::Sender<Watch>),
    /// Tell an event of the control socket.
    Tell(Event),
    /// From which level on the log is written.
    LogLevels(oneshot::Sender<ikapi::LogLevels>),
    /// Set a level of the log, of one subject or in general; `None`: back to what it would be otherwise.
    SetLogLevel(
        Option<Subject>,
        Option<log::Level>,
        oneshot::Sender<Result<ikapi::LogLevels, ikapi::Error>>,
    ),
    /// Say goodbye and end; answered when that is done.
    Shutdown(oneshot::Sender<()>),
}

/// The way to the shell.
#[derive(Clone)]
pub(crate) struct Shell(pub(crate) mpsc::Sender<Ask>);

impl Shell {
    /// Asks; `None` where the daemon is ending.
    pub(crate) async fn ask<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
    ) -> Option<oneshot::Receiver<T>> {
        let (reply, answer) = oneshot::channel();
        self.0.send(ask(reply)).await.ok()?;
        Some(answer)
    }

    /// Lets an event be told, in order with what is asked; `None` where the daemon is ending.
    async fn tell(&self, event: Event) -> Option<()> {
        self.0.send(Ask::Tell(event)).await.ok()
    }
}
