//! A blocking client. Every wait has an end: a daemon that hangs, trickles or answers nonsense costs the time given and no
//! more.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::REPLY_LIMIT;
use crate::call::Request;
use crate::error::Error;
use crate::wire::{self, Framer};

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    framer: Framer,
    /// Bytes that were read and not yet taken apart: `buffer[start..end]`.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// Why a call has no reply.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no connection: no socket, nobody behind it, or no permission ([`io::Error::kind`] tells them apart).
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
    /// The daemon closed the connection before it had answered.
    #[error("the connection was closed before the answer was complete")]
    Closed,
    /// No complete answer within the time given.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// What came is not an answer of ikd.
    #[error("the answer makes no sense: {0}")]
    Garbage(String),
    /// The daemon said no.
    #[error(transparent)]
    Daemon(#[from] Error),
}

impl Client {
    /// Connects to the socket at `path`, and waits at most `timeout` where the daemon has too many callers.
    ///
    /// # Errors
    /// [`ClientError::Connect`], with kind `NotFound`, `ConnectionRefused`, `PermissionDenied`, `WouldBlock` (time is up) or
    /// another.
    pub fn connect(path: &Path, timeout: Duration) -> Result<Self, ClientError> {
        let connect = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_write_timeout(Some(timeout.max(SHORTEST)))?; // Linux: also bounds connect(), unix(7)
            socket.connect(&SockAddr::unix(path)?)?;
            Ok(UnixStream::from(OwnedFd::from(socket)))
        };
        let stream = connect().map_err(ClientError::Connect)?;
        let buffer = vec![0; 64 * 1024].into_boxed_slice();
        Ok(Self {
            stream,
            framer: Framer::new(REPLY_LIMIT),
            buffer,
            start: 0,
            end: 0,
        })
    }

    /// Asks, and waits for the whole answer: the reply's parameters. Where the answer comes in several parts
    /// ([`Request::List`] may), their lists are joined.
    ///
    /// # Errors
    /// [`ClientError`]. After any but [`ClientError::Daemon`] the connection is of no more use.
    pub fn call(
        &mut self,
        request: &Request,
        timeout: Duration,
    ) -> Result<Map<String, Value>, ClientError> {
        let deadline = Deadline::after(timeout);
        let more = matches!(request, Request::List(_));
        self.send(&call(request, more), &deadline)?;

        let mut whole = Map::new();
        loop {
            let (part, continues) = self.reply(&deadline)?;
            for (name, value) in part {
                match (whole.get_mut(&name), value) {
                    (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
                    (_, value) => {
                        whole.insert(name, value);
                    }
                }
            }
            if !continues || !more {
                return Ok(whole);
            }
        }
    }

    /// As [`Client::call`], with the answer as one of [`crate::types`].
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_as<T: DeserializeOwned>(
        &mut self,
        request: &Request,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        let parameters = Value::Object(self.call(request, timeout)?);
        T::deserialize(parameters).map_err(|error| ClientError::Garbage(error.to_string()))
    }

    /// Asks for a stream of replies ([`Request::Monitor`]).
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn follow(mut self, request: &Request, timeout: Duration) -> Result<Stream, ClientError> {
        self.send(&call(request, true), &Deadline::after(timeout))?;
        Ok(Stream {
            client: self,
            ended: false,
        })
    }

    fn send(&mut self, mut bytes: &[u8], deadline: &Deadline) -> Result<(), ClientError> {
        while !bytes.is_empty() {
            self.stream
                .set_write_timeout(deadline.left()?)
                .map_err(ClientError::Broken)?;
            match self.stream.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if is_time_up_or_interrupted(&error) => {}
                // A daemon that will not listen may have said why before it closed.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Err(error) => return Err(ClientError::Broken(error)),
            }
        }
        Ok(())
    }

    /// One reply: its parameters, and whether another one follows.
    fn reply(&mut self, deadline: &Deadline) -> Result<(Map<String, Value>, bool), ClientError> {
        #[derive(Deserialize)]
        #[serde(expecting = "a reply in Varlink")]
        struct WireReply {
            #[serde(default)]
            parameters: Option<Map<String, Value>>,
            #[serde(default)]
            continues: Option<bool>,
            #[serde(default)]
            error: Option<String>,
        }
        let message = self.message(deadline)?;
        let reply: WireReply = serde_json::from_slice(&message)
            .map_err(|error| ClientError::Garbage(error.to_string()))?;
        let parameters = reply.parameters.unwrap_or_default();
        match reply.error {
            Some(name) => Err(Error::from_parts(&name, Value::Object(parameters)).into()),
            None => Ok((parameters, reply.continues.unwrap_or(false))),
        }
    }

    fn message(&mut self, deadline: &Deadline) -> Result<Vec<u8>, ClientError> {
        loop {
            let mut input = &self.buffer[self.start..self.end];
            let message = self
                .framer
                .next(&mut input)
                .map_err(|error| ClientError::Garbage(error.to_string()))?;
            self.start = self.end - input.len();
            if let Some(message) = message {
                return Ok(message);
            }
            self.stream
                .set_read_timeout(deadline.left()?)
                .map_err(ClientError::Broken)?;
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(count) => (self.start, self.end) = (0, count),
                Err(error) if is_time_up_or_interrupted(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(ClientError::Closed);
                }
                Err(error) => return Err(ClientError::Broken(error)),
            }
        }
    }
}

/// Replies that come until the daemon, or the caller, has had enough.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    ended: bool,
}

/// One reply of a [`Stream`].
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// As it came.
    pub parameters: Map<String, Value>,
    /// No other one follows.
    pub last: bool,
}

impl Stream {
    /// The next reply, waited for at most so long (`None`: for ever); `None` after the last one.
    ///
    /// # Errors
    /// [`ClientError`]; no more replies come after any.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Part>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        let deadline = timeout.map_or_else(Deadline::never, Deadline::after);
        let (parameters, continues) = self.client.reply(&deadline)?;
        self.ended = !continues;
        Ok(Some(Part {
            parameters,
            last: !continues,
        }))
    }
}

fn call(request: &Request, more: bool) -> Vec<u8> {
    #[derive(Serialize)]
    struct WireCall {
        method: String,
        parameters: Value,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    }
    let (method, parameters) = request.to_parts();
    wire::encode(&WireCall {
        method,
        parameters,
        more,
    })
}

/// A socket timeout of zero would mean none.
const SHORTEST: Duration = Duration::from_millis(1);

struct Deadline {
    /// `None`: never.
    at: Option<Instant>,
    timeout: Duration,
}

impl Deadline {
    fn after(timeout: Duration) -> Self {
        Self {
            at: Some(Instant::now() + timeout),
            timeout,
        }
    }

    const fn never() -> Self {
        Self {
            at: None,
            timeout: Duration::MAX,
        }
    }

    /// For a socket: `None` waits for ever.
    fn left(&self) -> Result<Option<Duration>, ClientError> {
        let Some(at) = self.at else {
            return Ok(None);
        };
        match at.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(ClientError::TimedOut(self.timeout)),
            left => Ok(Some(left.max(SHORTEST))),
        }
    }
}

/// The deadline decides what comes next.
fn is_time_up_or_interrupted(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
