//! `ikctl`: looks at ikd, tells it what to do, and checks policy files without it.
//!
//! ```text
//! cli      what may be written on the command line, and the help
//! ask      one call to the daemon, and what to say when that does not work
//! check    policy files, offline
//! explain  the book's page for a code, offline
//! decode   captures, offline
//! monitor  events as they happen
//! log      what is logged, and setting it
//! show     replies for people: status, list, failures
//! json     replies for scripts
//! text     durations, sizes, wrapping; nothing from outside reaches a terminal unescaped
//! ```
//!
//! A reply takes one of two ways to the terminal: `json` prints it as it came, `show` gets it after `text::clean` has gone
//! over every string in it.
//!
//! A library, so that manual pages and completions are made from the same definitions; the program is `main.rs`.

mod ask;
mod check;
mod cli;
mod decode;
mod explain;
mod json;
mod log;
mod monitor;
mod show;
mod text;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use ikapi::{
    DownRequest, Empty, ListRequest, Metrics, RekeyChildRequest, RekeyIkeRequest, Request, State,
    UpReply, UpRequest,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use ask::{Daemon, Trouble};
use cli::{Arguments, Rekey, Verb};
pub use decode::decode_bytes;

/// How `ikctl` ends, for scripts. Told in the help, and stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Done = 0,
    /// The daemon said no, or what was asked for did not work.
    Failed = 1,
    // 2 is clap's: wrong usage.
    NoAnswer = 3,
    NotAllowed = 4,
    NotFound = 5,
    CheckFailed = 6,
    /// A capture or a key table is damaged: what could be read was printed.
    Damaged = 7,
}

/// What goes to standard output, and how to end.
struct Outcome {
    output: String,
    exit: Exit,
}

impl Outcome {
    const fn done(output: String) -> Self {
        Self {
            output,
            exit: Exit::Done,
        }
    }
}

/// The command line, for manual pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The tool, from the command line to the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = run(&arguments).unwrap_or_else(|trouble| {
        let _ = writeln!(
            io::stderr(),
            "ikctl: {}",
            text::clean_lines(&trouble.message)
        );
        let output = match &arguments.verb {
            _ if !arguments.json => String::new(),
            // Whoever reads events reads line by line.
            Verb::Monitor { .. } => json::line(&trouble.json),
            _ => json::pretty(&trouble.json),
        };
        Outcome {
            output,
            exit: trouble.exit,
        }
    });
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(outcome.output.as_bytes())
        .and_then(|()| stdout.flush())
    {
        // `ikctl list | head` has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(
                io::stderr(),
                "ikctl: cannot write to standard output: {error}"
            );
            ExitCode::from(Exit::Failed as u8)
        }
        _ => ExitCode::from(outcome.exit as u8),
    }
}

fn run(arguments: &Arguments) -> Result<Outcome, Trouble> {
    let daemon = Daemon {
        socket: &arguments.socket,
        timeout: arguments.timeout,
    };
    let colour = arguments.color.decide(io::stdout().is_terminal());
    let caller = Caller {
        daemon: &daemon,
        json: arguments.json,
    };
    match &arguments.verb {
        Verb::Status => caller.call(Request::Status, |status| show::status(&status, colour)),
        Verb::List { connection, failed } => {
            let request = ListRequest {
                connection: connection.clone(),
                failed: *failed,
            };
            caller.call(Request::List(request), |list| {
                show::list(&list, *failed, colour)
            })
        }
        Verb::Metrics => metrics(&daemon, arguments.json),
        Verb::Up {
            connection,
            child,
            no_wait,
        } => {
            let seconds = daemon.timeout_for_changes().as_secs_f64().ceil();
            let request = UpRequest {
                connection: connection.clone(),
                child: child.clone(),
                wait: !no_wait,
                timeout_seconds: (!no_wait).then_some(seconds as u64),
            };
            caller.call(Request::Up(request), |UpReply { state }| match state {
                State::Up => format!("{} is up\n", target(connection, child.as_deref())),
                state => format!("{}: {state}\n", target(connection, child.as_deref())),
            })
        }
        Verb::Down { connection, child } => {
            let request = DownRequest {
                connection: connection.clone(),
                child: child.clone(),
            };
            let done = |Empty {}| format!("{} is down\n", target(connection, child.as_deref()));
            caller.call(Request::Down(request), done)
        }
        Verb::Rekey(Rekey::Child { connection, child }) => {
            let request = RekeyChildRequest {
                connection: connection.clone(),
                child: child.clone(),
            };
            let done = |Empty {}| format!("{} is rekeyed\n", target(connection, Some(child)));
            caller.call(Request::RekeyChild(request), done)
        }
        Verb::Rekey(Rekey::Ike { connection, reauth }) => {
            let request = RekeyIkeRequest {
                connection: connection.clone(),
                reauthenticate: reauth.then_some(true),
            };
            let what = if *reauth {
                "reauthenticated"
            } else {
                "rekeyed"
            };
            let done = |Empty {}| format!("{} is {what}\n", target(connection, None));
            caller.call(Request::RekeyIke(request), done)
        }
        Verb::Check { files, offline } => Ok(check::run(files, *offline, arguments.json, colour)),
        Verb::Monitor {
            connection,
            level,
            event,
        } => {
            let request = monitor::request(connection.as_deref(), *level, event);
            monitor::run(&daemon, request, arguments.json, colour, terminal_width())
        }
        Verb::Log {
            level,
            connection,
            peer,
        } => {
            let request = log::request(*level, connection.as_deref(), *peer);
            caller.call(request, |levels| log::show(&levels))
        }
        Verb::Explain { code } => explain::run(code.as_deref(), arguments.json, colour),
        Verb::Decode(options) => {
            let look = decode::Look::new(colour, terminal_width().unwrap_or(text::WIDTH));
            Ok(Outcome {
                output: String::new(),
                exit: decode::run(options, arguments.json, look),
            })
        }
        Verb::Reload => caller.call(Request::Reload, |reloaded| show::reloaded(&reloaded)),
        Verb::Shutdown => caller.call(Request::Shutdown, |Empty {}| {
            "ikd says goodbye to its peers and ends\n".to_owned()
        }),
        Verb::Version => Ok(version(&daemon, arguments.json)),
    }
}

/// How many columns the terminal has, if standard output is one.
fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout())
        .map(|(terminal_size::Width(width), _)| width.into())
}

/// Carries a request to the daemon, and the reply to the terminal.
struct Caller<'a> {
    daemon: &'a Daemon<'a>,
    json: bool,
}

impl Caller<'_> {
    fn call<T: DeserializeOwned>(
        &self,
        request: Request,
        show: impl FnOnce(T) -> String,
    ) -> Result<Outcome, Trouble> {
        let mut reply = Value::Object(self.daemon.ask(&request)?);
        if self.json {
            return Ok(Outcome::done(json::pretty(&reply)));
        }
        text::clean_value(&mut reply);
        let typed =
            T::deserialize(reply).map_err(|error| self.daemon.garbage(&error.to_string()))?;
        Ok(Outcome::done(show(typed)))
    }
}

/// A text of many lines, which are made harmless one by one.
fn metrics(daemon: &Daemon<'_>, json: bool) -> Result<Outcome, Trouble> {
    let reply = Value::Object(daemon.ask(&Request::Metrics)?);
    if json {
        return Ok(Outcome::done(json::pretty(&reply)));
    }
    let Metrics { text } =
        Metrics::deserialize(reply).map_err(|error| daemon.garbage(&error.to_string()))?;
    Ok(Outcome::done(text::clean_lines(&text)))
}

/// Ours, and the daemon's if it answers. That it does not is told, and no failure.
fn version(daemon: &Daemon<'_>, json: bool) -> Outcome {
    let ours = env!("CARGO_PKG_VERSION");
    let theirs = daemon.ask(&Request::Version);
    if json {
        let theirs = theirs.ok().and_then(|mut reply| reply.remove("version"));
        return Outcome::done(json::pretty(&json!({ "ikctl": ours, "ikd": theirs })));
    }
    let theirs = match theirs {
        Ok(reply) => format!(
            "ikd {}",
            text::clean(reply.get("version").and_then(Value::as_str).unwrap_or("?"))
        ),
        Err(trouble) => text::clean_lines(&trouble.message),
    };
    Outcome::done(format!("ikctl {ours}\n{theirs}\n"))
}

fn target(connection: &str, child: Option<&str>) -> String {
    match child {
        Some(child) => text::clean(&format!("{connection}/{child}")),
        None => text::clean(connection),
    }
}
