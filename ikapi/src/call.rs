//! What a daemon reads and answers: [`Call::parse`] and [`Reply::encode`]. The sockets are the daemon's.
//!
//! ```text
//! bytes -> Framer -> Call::parse -+-> Request -> (the daemon's work) -> Reply::encode -> bytes
//!                                 +-> Refusal::Answer   -> Reply::from(error), the connection goes on
//!                                 +-> Refusal::Garbage  -> close the connection
//! ```

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::types::*;
use crate::{REPLY_LIMIT, service, wire};

/// A call, read and understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is asked for.
    pub request: Request,
    /// The caller takes several replies, all but the last with `continues`.
    pub more: bool,
    /// The caller wants no reply, and may not get one.
    pub oneway: bool,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// How the daemon fares.
    Status,
    /// Connections and their SAs.
    List(ListRequest),
    /// Everything that can be counted and measured.
    Metrics,
    /// Bring a connection or a child up.
    Up(UpRequest),
    /// Take a connection or a child down.
    Down(DownRequest),
    /// Replace the Child SA of a child.
    RekeyChild(RekeyChildRequest),
    /// Replace the IKE SA of a connection.
    RekeyIke(RekeyIkeRequest),
    /// Read the configuration again.
    Reload,
    /// Say goodbye and end.
    Shutdown,
    /// What happens, as it happens.
    Monitor(MonitorRequest),
    /// From which level on the log is written.
    GetLog,
    /// Set a level of the log.
    SetLog(SetLogRequest),
    /// Which daemon this is.
    Version,
    /// `org.varlink.service.GetInfo`, answered by [`service::info`].
    GetInfo,
    /// `org.varlink.service.GetInterfaceDescription`, answered by [`service::description`].
    GetInterfaceDescription {
        /// The interface's name.
        interface: String,
    },
}

/// Why bytes are not a call that can be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a call at all: close the connection.
    #[error("not a Varlink call: {0}")]
    Garbage(String),
    /// A call that cannot be served: answer with the error, unless the caller wants no reply, and go on.
    #[error("{error}")]
    Answer {
        /// What to answer.
        error: Error,
        /// The caller wants no reply.
        oneway: bool,
    },
}

/// A call on the wire.
#[derive(Deserialize)]
#[serde(expecting = "a call in Varlink")]
struct WireCall {
    method: String,
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
    #[serde(default)]
    more: Option<bool>,
    #[serde(default)]
    oneway: Option<bool>,
}

impl Call {
    /// Reads one message, as [`crate::Framer`] cut it.
    ///
    /// # Errors
    /// [`Refusal`], which says whether the connection can go on.
    pub fn parse(message: &[u8]) -> Result<Self, Refusal> {
        let call: WireCall =
            serde_json::from_slice(message).map_err(|error| Refusal::Garbage(error.to_string()))?;
        let oneway = call.oneway.unwrap_or(false);
        let request = Request::parse(&call.method, call.parameters.unwrap_or_default())
            .map_err(|error| Refusal::Answer { error, oneway })?;
        Ok(Self {
            request,
            more: call.more.unwrap_or(false),
            oneway,
        })
    }
}

impl Request {
    /// Whether it only looks. What does not look changes something, and may need more permission.
    #[must_use]
    pub const fn only_reads(&self) -> bool {
        match self {
            Self::Status
            | Self::List(_)
            | Self::Metrics
            | Self::Monitor(_)
            | Self::GetLog
            | Self::Version
            | Self::GetInfo
            | Self::GetInterfaceDescription { .. } => true,
            Self::Up(_)
            | Self::Down(_)
            | Self::RekeyChild(_)
            | Self::RekeyIke(_)
            | Self::Reload
            | Self::Shutdown
            | Self::SetLog(_) => false,
        }
    }

    /// The method's full name and the parameters, as they go over the wire.
    #[must_use]
    pub fn to_parts(&self) -> (String, Value) {
        fn object(parameters: &impl Serialize) -> Value {
            serde_json::to_value(parameters)
                .expect("types of this crate have string keys and finite numbers")
        }
        let own = |name: &str, parameters| (format!("{}.{name}", crate::INTERFACE), parameters);
        let standard =
            |name: &str, parameters| (format!("{}.{name}", service::INTERFACE), parameters);
        match self {
            Self::Status => own("Status", object(&Empty {})),
            Self::List(list) => own("List", object(list)),
            Self::Metrics => own("Metrics", object(&Empty {})),
            Self::Up(up) => own("Up", object(up)),
            Self::Down(down) => own("Down", object(down)),
            Self::RekeyChild(rekey) => own("RekeyChild", object(rekey)),
            Self::RekeyIke(rekey) => own("RekeyIke", object(rekey)),
            Self::Reload => own("Reload", object(&Empty {})),
            Self::Shutdown => own("Shutdown", object(&Empty {})),
            Self::Monitor(monitor) => own("Monitor", object(monitor)),
            Self::GetLog => own("GetLog", object(&Empty {})),
            Self::SetLog(set) => own("SetLog", object(set)),
            Self::Version => own("Version", object(&Empty {})),
            Self::GetInfo => standard("GetInfo", object(&Empty {})),
            Self::GetInterfaceDescription { interface } => {
                standard("GetInterfaceDescription", json!({ "interface": interface }))
            }
        }
    }

    fn parse(method: &str, parameters: Map<String, Value>) -> Result<Self, Error> {
        let unknown = || Error::MethodNotFound {
            method: method.to_owned(),
        };
        match method.rsplit_once('.').ok_or_else(unknown)? {
            (crate::INTERFACE, "Status") => Ok(Self::Status),
            (crate::INTERFACE, "List") => typed(parameters).map(Self::List),
            (crate::INTERFACE, "Metrics") => Ok(Self::Metrics),
            (crate::INTERFACE, "Up") => typed(parameters).map(Self::Up),
            (crate::INTERFACE, "Down") => typed(parameters).map(Self::Down),
            (crate::INTERFACE, "RekeyChild") => typed(parameters).map(Self::RekeyChild),
            (crate::INTERFACE, "RekeyIke") => typed(parameters).map(Self::RekeyIke),
            (crate::INTERFACE, "Reload") => Ok(Self::Reload),
            (crate::INTERFACE, "Shutdown") => Ok(Self::Shutdown),
            (crate::INTERFACE, "Monitor") => typed(parameters).map(Self::Monitor),
            (crate::INTERFACE, "GetLog") => Ok(Self::GetLog),
            (crate::INTERFACE, "SetLog") => typed(parameters).map(Self::SetLog),
            (crate::INTERFACE, "Version") => Ok(Self::Version),
            (service::INTERFACE, "GetInfo") => Ok(Self::GetInfo),
            (service::INTERFACE, "GetInterfaceDescription") => {
                #[derive(Deserialize)]
                struct Parameters {
                    interface: String,
                }
                let Parameters { interface } = typed(parameters)?;
                Ok(Self::GetInterfaceDescription { interface })
            }
            (crate::INTERFACE | service::INTERFACE, _) => Err(unknown()),
            (interface, _) => Err(Error::InterfaceNotFound {
                interface: interface.to_owned(),
            }),
        }
    }
}

fn typed<T: DeserializeOwned>(parameters: Map<String, Value>) -> Result<T, Error> {
    T::deserialize(Value::Object(parameters)).map_err(|error| Error::InvalidParameter {
        parameter: error.to_string(),
    })
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To `Status`.
    Status(Box<Status>),
    /// To `List`.
    List(List),
    /// To `Metrics`.
    Metrics(Metrics),
    /// To `Up`.
    Up(UpReply),
    /// To `Reload`.
    Reloaded(Reloaded),
    /// To `GetLog` and `SetLog`.
    Log(LogLevels),
    /// To `Version`.
    Version(Version),
    /// To `Down`, `RekeyChild`, `RekeyIke` and `Shutdown`.
    Done,
    /// To `GetInfo`.
    Info(service::Info),
    /// To `GetInterfaceDescription`.
    Description(service::Description),
    /// To anything.
    Error(Error),
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Connections in one part of a list: a part stays far below [`REPLY_LIMIT`] with any sane number of SAs in each.
const CONNECTIONS_PER_PART: usize = 256;

impl Reply {
    /// The messages to send, each with its NUL: one, or, for a long list and a caller who takes several
    /// ([`Call::more`]), one after the other, made as they are asked for. What would be longer than [`REPLY_LIMIT`]
    /// becomes [`Error::ExpectedMore`].
    pub fn encode(self, more: bool) -> impl Iterator<Item = Vec<u8>> {
        let parts: Box<dyn Iterator<Item = Self> + Send> = match self {
            Self::List(list) if more => {
                Box::new(list.into_parts(CONNECTIONS_PER_PART).map(Self::List))
            }
            other => Box::new(std::iter::once(other)),
        };
        let mut parts = parts.peekable();
        std::iter::from_fn(move || {
            let part = parts.next()?;
            Some(part.encode_one(parts.peek().is_some()))
        })
    }

    fn encode_one(&self, continues: bool) -> Vec<u8> {
        #[derive(Serialize)]
        struct WireError {
            error: String,
            parameters: Value,
        }
        let bytes = match self {
            Self::Status(status) => reply(status, continues),
            Self::List(list) => reply(list, continues),
            Self::Metrics(metrics) => reply(metrics, continues),
            Self::Up(up) => reply(up, continues),
            Self::Reloaded(reloaded) => reply(reloaded, continues),
            Self::Log(levels) => reply(levels, continues),
            Self::Version(version) => reply(version, continues),
            Self::Done => reply(Empty {}, continues),
            Self::Info(info) => reply(info, continues),
            Self::Description(description) => reply(description, continues),
            Self::Error(error) => {
                let (error, parameters) = error.to_parts();
                wire::encode(&WireError { error, parameters })
            }
        };
        if bytes.len() > REPLY_LIMIT {
            Self::Error(Error::ExpectedMore).encode_one(false)
        } else {
            bytes
        }
    }
}

impl Monitored {
    /// One reply of many, with its NUL; the `last` one says that the daemon ends.
    #[must_use]
    pub fn encode(&self, last: bool) -> Vec<u8> {
        reply(self, !last)
    }
}

fn reply<T: Serialize>(parameters: T, continues: bool) -> Vec<u8> {
    #[derive(Serialize)]
    struct WireReply<T> {
        parameters: T,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        continues: bool,
    }
    wire::encode(&WireReply {
        parameters,
        continues,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_becomes_a_request() {
        let call = Call::parse(
            br#"{"method":"org.ikd.Control.Up","parameters":{"connection":"branch","wait":true,"later":1},"more":true}"#,
        );
        let up = UpRequest {
            connection: "branch".into(),
            child: None,
            wait: true,
            timeout_seconds: None,
        };
        assert_eq!(
            call,
            Ok(Call {
                request: Request::Up(up),
                more: true,
                oneway: false
            })
        );

        let call = Call::parse(br#"{"method":"org.ikd.Control.List"}"#);
        let list = ListRequest::default();
        assert_eq!(
            call,
            Ok(Call {
                request: Request::List(list),
                more: false,
                oneway: false
            })
        );
    }

    #[test]
    fn what_cannot_be_served_is_answered() {
        let refused = |message: &str| match Call::parse(message.as_bytes()) {
            Err(Refusal::Answer { error, .. }) => error.to_string(),
            other => panic!("{message} became {other:?}"),
        };
        assert_eq!(
            refused(r#"{"method":"org.ikd.Control.Up","parameters":{}}"#),
            "invalid parameter: missing field `connection`"
        );
        assert_eq!(
            refused(r#"{"method":"org.ikd.Control.Dance"}"#),
            "no method org.ikd.Control.Dance"
        );
        assert_eq!(
            refused(r#"{"method":"com.example.Foo"}"#),
            "no interface com.example"
        );
        assert_eq!(refused(r#"{"method":"Up"}"#), "no method Up");
        assert!(matches!(
            Call::parse(br#"{"method":"org.ikd.Control.Dance","oneway":true}"#),
            Err(Refusal::Answer { oneway: true, .. })
        ));
    }

    #[test]
    fn what_is_no_call_is_garbage() {
        let deep = "[".repeat(crate::CALL_LIMIT);
        let deep_parameters = format!(
            r#"{{"method":"a.b","parameters":{{"x":{}"#,
            "[".repeat(60_000)
        );
        let hostile: &[&[u8]] = &[
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            b"null",
            b"[]",
            b"{}",
            b"{\"method\":1}",
            b"{\"method\":\"a.b\",\"method\":\"c.d\"}",
            b"{\"method\":\"org.ikd.Control.Status\",\"parameters\":[]}",
            b"{\"method\":\"org.ikd.Control.Status\"} trailing",
            b"{\"method\":\"\xff\"}",
            deep.as_bytes(),
            deep_parameters.as_bytes(),
        ];
        for message in hostile {
            assert!(
                matches!(Call::parse(message), Err(Refusal::Garbage(_))),
                "{}",
                message.escape_ascii()
            );
        }
    }

    #[test]
    fn a_long_list_comes_in_parts_for_those_who_take_them() {
        let connections: Vec<_> = (0..600)
            .map(|n| Connection {
                name: n.to_string(),
                ..Connection::default()
            })
            .collect();
        let list = List {
            now: 1,
            connections,
            policies: vec![Policy::default()],
            ..List::default()
        };
        assert_eq!(Reply::List(list.clone()).encode(false).count(), 1);

        let parts: Vec<Value> = Reply::List(list)
            .encode(true)
            .map(|bytes| serde_json::from_slice(bytes.strip_suffix(b"\0").unwrap()).unwrap())
            .collect();
        let told: Vec<_> = parts
            .iter()
            .map(|part| {
                let size = |what: &str| part["parameters"][what].as_array().unwrap().len();
                (
                    size("connections"),
                    size("policies"),
                    part.get("continues").is_some(),
                )
            })
            .collect();
        assert_eq!(told, [(256, 1, true), (256, 0, true), (88, 0, false)]);
        assert_eq!(parts[2]["parameters"]["connections"][87]["name"], "599");
    }

    #[test]
    fn an_empty_list_is_one_reply() {
        assert_eq!(Reply::List(List::default()).encode(true).count(), 1);
    }

    #[test]
    fn a_reply_beyond_the_limit_asks_for_more() {
        let version = Version {
            version: "x".repeat(REPLY_LIMIT),
        };
        let bytes = Reply::Version(version).encode(false).next().unwrap();
        assert_eq!(
            bytes,
            b"{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}\0"
        );
    }

    #[test]
    fn an_error_carries_its_full_name() {
        let error = Error::NotFound {
            what: "connection".into(),
            name: "brnch".into(),
            nearest: Some("branch".into()),
        };
        assert_eq!(
            String::from_utf8(Reply::from(error).encode(false).next().unwrap()).unwrap(),
            "{\"error\":\"org.ikd.Control.NotFound\",\
             \"parameters\":{\"name\":\"brnch\",\"nearest\":\"branch\",\"what\":\"connection\"}}\0"
        );
    }
}
