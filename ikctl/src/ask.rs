//! One call to the daemon, and what to say when that does not work.

use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use ikapi::{Client, ClientError, Error, Request, Stream};
use serde_json::{Map, Value, json};

use crate::{Exit, show, text};

/// How long an answer may take that changes nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may take that changes something: peers may have to be asked.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// What the daemon gets beyond the time that it was told to wait at most, so that its own reason arrives.
const GRACE: Duration = Duration::from_secs(5);

/// Where the daemon is, and our patience.
pub(crate) struct Daemon<'a> {
    pub(crate) socket: &'a Path,
    pub(crate) timeout: Option<Duration>,
}

/// Why there is no answer to show: for people (perhaps several lines), for scripts, and how to end.
pub(crate) struct Trouble {
    pub(crate) message: String,
    pub(crate) json: Value,
    pub(crate) exit: Exit,
}

impl Trouble {
    /// A stream is over, because the daemon is.
    pub(crate) fn ended(daemon: &Daemon<'_>) -> Self {
        let message = format!("ikd at {} has ended", daemon.socket.display());
        local("Ended", Exit::NoAnswer, message)
    }
}

impl Daemon<'_> {
    pub(crate) fn timeout_for_changes(&self) -> Duration {
        self.timeout.unwrap_or(CHANGE_TIMEOUT)
    }

    /// The reply's parameters, as they came.
    pub(crate) fn ask(&self, request: &Request) -> Result<Map<String, Value>, Trouble> {
        let timeout = match request {
            Request::Up(up) if up.wait => self.timeout_for_changes() + GRACE,
            request if request.only_reads() => self.timeout.unwrap_or(READ_TIMEOUT),
            _ => self.timeout_for_changes(),
        };
        let answer = Client::connect(self.socket, timeout)
            .and_then(|mut client| client.call(request, timeout));
        answer.map_err(|error| self.trouble(request, error))
    }

    /// Replies without end, and how long the first one may take.
    pub(crate) fn follow(&self, request: &Request) -> Result<(Stream, Duration), Trouble> {
        let timeout = self.timeout.unwrap_or(READ_TIMEOUT);
        let stream = Client::connect(self.socket, timeout)
            .and_then(|client| client.follow(request, timeout));
        let stream = stream.map_err(|error| self.trouble(request, error))?;
        Ok((stream, timeout))
    }

    /// What to say of a call that has no answer.
    pub(crate) fn trouble(&self, request: &Request, error: ClientError) -> Trouble {
        match error {
            ClientError::Connect(error) => self.unreachable(&error),
            ClientError::Broken(error) => self.no_answer(&format!("the connection broke: {error}")),
            ClientError::Closed => {
                self.no_answer("it closed the connection half way. Did it end? journalctl -u ikd")
            }
            ClientError::TimedOut(time) => {
                let time = if time < Duration::from_secs(1) {
                    format!("{} ms", time.as_millis())
                } else {
                    text::duration(time.as_secs())
                };
                self.no_answer(&format!("nothing came within {time}"))
            }
            ClientError::Garbage(what) => self.garbage(&what),
            ClientError::Daemon(error) => self.refused(request, &error),
        }
    }

    /// What answers there is not ikd, or far from our version.
    pub(crate) fn garbage(&self, what: &str) -> Trouble {
        local(
            "Garbage",
            Exit::NoAnswer,
            format!(
                "what answers at {} does not speak as ikd does: {}",
                self.socket.display(),
                text::clean(what)
            ),
        )
    }

    fn no_answer(&self, why: &str) -> Trouble {
        let message = format!(
            "ikd does not answer at {}: {}",
            self.socket.display(),
            text::clean(why)
        );
        local("NoAnswer", Exit::NoAnswer, message)
    }

    fn unreachable(&self, error: &io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::NotFound => self
                .no_answer("no such file. Is it running? Or does it listen elsewhere (--socket)?"),
            io::ErrorKind::ConnectionRefused => {
                self.no_answer("nobody listens there. Did it end? Its log says why")
            }
            io::ErrorKind::WouldBlock => {
                self.no_answer("it does not take more callers. Does it hang?")
            }
            io::ErrorKind::PermissionDenied => {
                let socket = self.socket.display();
                local(
                    "NotAllowed",
                    Exit::NotAllowed,
                    format!("you may not speak to ikd at {socket}: {}", self.whose()),
                )
            }
            _ => self.no_answer(&error.to_string()),
        }
    }

    /// Who may open the socket, and how to become one of them.
    fn whose(&self) -> String {
        // The socket itself; or, where it cannot even be looked at, the directory that is closed.
        let visible = self
            .socket
            .ancestors()
            .find_map(|path| Some((path, fs::metadata(path).ok()?)));
        let Some((path, metadata)) = visible else {
            return "try it as root (sudo)".to_owned();
        };
        let owner = name_of("/etc/passwd", metadata.uid());
        let group = name_of("/etc/group", metadata.gid());
        let mode = metadata.mode() & 0o7777;
        let is_socket = path == self.socket;
        let what = if is_socket {
            "it".to_owned()
        } else {
            format!("the directory {}", path.display())
        };
        let sudo = if metadata.uid() == 0 {
            "sudo".to_owned()
        } else {
            format!("sudo -u {owner}")
        };
        let mut message =
            format!("{what} belongs to {owner}, group {group}, with mode {mode:04o}.\n");
        let _ = write!(message, "  Try it as {owner} ({sudo})");
        // The group helps where it may do what is needed: write to the socket, pass through the directory.
        let needed = if is_socket { 0o020 } else { 0o010 };
        if mode & needed != 0 && metadata.gid() != 0 {
            let _ = write!(
                message,
                ", or join the group: usermod -aG {group} YOU, then log in again"
            );
        }
        message
    }

    /// The daemon said no.
    fn refused(&self, request: &Request, error: &Error) -> Trouble {
        let (name, parameters) = error.to_parts();
        let mut cleaned = parameters.clone();
        text::clean_value(&mut cleaned);
        let (message, exit) = match Error::from_parts(&name, cleaned) {
            Error::NotFound {
                what,
                name,
                nearest,
            } => {
                let nearest = nearest
                    .map(|nearest| format!(" Do you mean {nearest}?"))
                    .unwrap_or_default();
                let place = match what.as_str() {
                    "event" => "among ikd's events",
                    _ => "in ikd's configuration",
                };
                (
                    format!("there is no {what} {name} {place}.{nearest}"),
                    Exit::NotFound,
                )
            }
            Error::PermissionDenied { needs } => (
                format!(
                    "ikd does not allow you this: you have to be {needs}{}",
                    joining(&needs)
                ),
                Exit::NotAllowed,
            ),
            Error::Failed { failure } => (
                format!("{}\n{}", attempt(request), show::failure(&failure)),
                Exit::Failed,
            ),
            Error::Timeout {
                failure: Some(failure),
            } => {
                let newest = "not up in time; the newest failure is:";
                (
                    format!("{newest}\n{}", show::failure(&failure)),
                    Exit::Failed,
                )
            }
            Error::Timeout { failure: None } => (
                "not up in time, and nothing failed so far: has the peer answered? ikctl list"
                    .to_owned(),
                Exit::Failed,
            ),
            Error::Busy { reason } => (format!("ikd is busy: {reason}"), Exit::Failed),
            Error::MethodNotFound { .. } | Error::InterfaceNotFound { .. } => {
                let socket = self.socket.display();
                (
                    format!(
                        "the ikd at {socket} does not know this: is it older than ikctl? ikctl version"
                    ),
                    Exit::Failed,
                )
            }
            error @ (Error::InvalidParameter { .. } | Error::ExpectedMore) => {
                (format!("ikd refuses: {error}"), Exit::Failed)
            }
            Error::Unknown { name, parameters } => (
                format!("ikd refuses: {} {parameters}", text::clean(&name)),
                Exit::Failed,
            ),
        };
        Trouble {
            message,
            json: json!({ "error": name, "parameters": parameters }),
            exit,
        }
    }
}

/// How to become what is needed.
fn joining(needs: &str) -> &'static str {
    if needs.contains("group") {
        " (sudo, or usermod -aG GROUP YOU and log in again)"
    } else {
        " (sudo)"
    }
}

/// What did not work.
fn attempt(request: &Request) -> String {
    let named = |verb: &str, connection: &str, child: &Option<String>| {
        let child = child
            .as_deref()
            .map(|child| format!("/{child}"))
            .unwrap_or_default();
        format!("{} {verb}", text::clean(&format!("{connection}{child}")))
    };
    match request {
        Request::Up(up) => named("did not come up", &up.connection, &up.child),
        Request::Down(down) => named("could not be taken down", &down.connection, &down.child),
        Request::RekeyChild(rekey) => {
            let child = Some(rekey.child.clone());
            named("could not be rekeyed", &rekey.connection, &child)
        }
        Request::RekeyIke(rekey) if rekey.reauthenticate == Some(true) => {
            named("could not be reauthenticated", &rekey.connection, &None)
        }
        Request::RekeyIke(rekey) => named("could not be rekeyed", &rekey.connection, &None),
        Request::Reload => "the configuration was not taken, the former one goes on".to_owned(),
        _ => "it did not work".to_owned(),
    }
}

/// A trouble that the daemon does not know of.
fn local(name: &str, exit: Exit, message: String) -> Trouble {
    let json = json!({ "error": format!("ikctl.{name}"), "parameters": { "message": message } });
    Trouble {
        message,
        json,
        exit,
    }
}

/// The name of a user or group by its number, or the number.
fn name_of(file: &str, id: u32) -> String {
    let id = id.to_string();
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&id));
    line.and_then(|line| line.split(':').next())
        .map_or_else(|| id.clone(), str::to_owned)
}
