//! The control socket: who may speak, and how their calls become commands.
//!
//! ```text
//!   listener --accept--> client task: Framer -> Call -> access -> service --Ask--> shell
//!                                     bytes <- Reply <-----------------------------'
//! ```
//!
//! The socket's mode decides who may look: root and the members of its group. Only root and the daemon's own user may
//! change something. Clients are bounded in number, in memory and in time; a client that is slow or silent costs a task
//! that sleeps, and never delays the engine.

mod client;
mod listen;
mod render;
mod service;
mod view;

use ike::engine::io::{Command, Reply};
use tokio::sync::{mpsc, oneshot};

pub(crate) use listen::{ListenError, Listener};
pub(crate) use render::{child_state, connection_state};
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
}
