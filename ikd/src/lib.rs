//! ikd, the IKEv2 daemon: sockets, kernel, secrets and control socket around the engine of the `ike` crate.
//!
//! ```text
//!              .------------------------- shell: owns the engine, one loop -------------------------.
//!   peers <--> | sockets                                                                            | <--> control <--> ikctl
//!              '--- kernel: owns SAs and policies (netlink) --- credentials: owns the secrets -------'
//! ```
//!
//! The three owners (the engine, which parses what strangers send; the secrets; the kernel) are tasks that share nothing but
//! messages. `start` has the order in which things come up, `shell` the loop.
//!
//! A library, so that the manual page and the reference are made from the same definitions, and the owner of the kernel is
//! tried by itself; the program is `main.rs`.

mod arguments;
mod clock;
mod configuration;
mod control;
mod credentials;
mod events;
mod expiry;
mod fetch;
mod holes;
pub mod kernel;
mod keylog;
mod log;
mod metrics;
pub mod reference;
mod resolve;
mod shell;
mod sockets;
mod start;
mod systemd;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Exit};
use events::{Event, Events};

/// The daemon, from the command line to the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let exit = run(Arguments::parse());
    ExitCode::from(exit as u8)
}

/// The command line, for manual pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

fn run(arguments: Arguments) -> Exit {
    let format = arguments.log_format.unwrap_or_else(log::Format::by_itself);
    let (log, no_journal) = log::Log::start(format, arguments.log_level);
    let mut events = Events::new(log, arguments.log_level);
    if let Some(error) = no_journal {
        events.tell(&Event::NoJournal(error));
    }
    if let Err(error) = start::harden() {
        events.tell(&Event::NotHardened(error));
    }
    let loaded = match start::load(&arguments, format, &mut events) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if arguments.check {
        return Exit::Done;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            events.tell(&Event::StartFailed {
                message: format!("no runtime: {error}"),
                suggestion: None,
            });
            return Exit::Failed;
        }
    };
    let exit = runtime
        .block_on(start::run(arguments, loaded, &mut events))
        .unwrap_or_else(|error| error.tell(&mut events));
    // A client whose list is being written down is not waited for.
    runtime.shutdown_background();
    exit
}
