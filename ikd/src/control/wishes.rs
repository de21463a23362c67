//! Requests of the event stream and the log in our own terms.

use std::net::IpAddr;

use ikapi::{Error, EventLevel, LogLevel, LogLevels, MonitorRequest, Request, SetLogRequest};
use ike::config::Name;
use ike::engine::event::Level;

use super::render;
use super::roles::Caller;
use super::view::View;
use crate::events::kind::KINDS;
use crate::events::{Event, Subject, Wish};
use crate::log;

/// Names of events in one request.
const NAMES: usize = 64;

/// What somebody wants to hear; the view where a connection is named.
pub(super) fn wish(request: MonitorRequest, view: Option<&View>) -> Result<Wish, Error> {
    let subject = match (&request.connection, view) {
        (Some(name), Some(view)) => Some(connection(name, view)?),
        _ => None,
    };
    if request.events.len() > NAMES {
        return Err(invalid(format!("events: more than {NAMES} names")));
    }
    Ok(Wish {
        subject,
        events: request
            .events
            .iter()
            .map(|name| event_name(name))
            .collect::<Result<_, _>>()?,
        level: match request.level {
            None | Some(EventLevel::Info) => Level::Info,
            Some(EventLevel::Error) => Level::Error,
            Some(EventLevel::Warn) => Level::Warning,
            Some(EventLevel::Debug) => Level::Debug,
            Some(EventLevel::Unknown) => {
                return Err(invalid("level: one of error, warn, info, debug".to_owned()));
            }
        },
    })
}

fn event_name(name: &str) -> Result<&'static str, Error> {
    let mut known = KINDS.iter().map(|kind| kind.name);
    known
        .clone()
        .find(|known| *known == name)
        .ok_or_else(|| render::missing_word("event", name, &mut known))
}

/// For whom which level of the log is to be set.
pub(super) fn log_subject(
    request: &SetLogRequest,
    view: &View,
    levels: &LogLevels,
) -> Result<(Option<Subject>, Option<log::Level>), Error> {
    let level = match request.level {
        None => None,
        Some(LogLevel::Error) => Some(log::Level::Error),
        Some(LogLevel::Warn) => Some(log::Level::Warn),
        Some(LogLevel::Info) => Some(log::Level::Info),
        Some(LogLevel::Debug) => Some(log::Level::Debug),
        Some(LogLevel::Trace) => Some(log::Level::Trace),
        Some(LogLevel::Unknown) => {
            let words = "level: one of error, warn, info, debug, trace";
            return Err(invalid(words.to_owned()));
        }
    };
    let subject = match (&request.connection, &request.peer) {
        (None, None) => None,
        (Some(name), None) => Some(match connection(name, view) {
            Err(not_found) => match ruled(name, levels) {
                // A rule may outlive its connection, and be taken away.
                Some(subject) if level.is_none() => subject,
                _ => return Err(not_found),
            },
            Ok(found) => found,
        }),
        (None, Some(address)) => {
            Some(Subject::Peer(address.parse().map_err(|_| {
                invalid("peer: an IPv4 or IPv6 address without port".to_owned())
            })?))
        }
        (Some(_), Some(_)) => {
            return Err(invalid("connection or peer, not both".to_owned()));
        }
    };
    Ok((subject, level))
}

/// A connection, with the addresses where its peers are now.
fn connection(name: &str, view: &View) -> Result<Subject, Error> {
    let not_found = || Error::NotFound {
        what: "connection".to_owned(),
        name: name.to_owned(),
        nearest: None,
    };
    let name = Name::new(name).ok_or_else(not_found)?;
    let addresses: Vec<IpAddr> =
        render::addresses_of(view, &name).ok_or_else(|| render::not_found(view, &name, None))?;
    Ok(Subject::Connection { name, addresses })
}

/// A connection that has a rule, be it configured or not.
fn ruled(name: &str, levels: &LogLevels) -> Option<Subject> {
    let is_this = |rule: &ikapi::LogRule| rule.connection.as_deref() == Some(name);
    levels.rules.iter().find(|rule| is_this(rule))?;
    Some(Subject::Connection {
        name: Name::new(name)?,
        addresses: Vec::new(),
    })
}

/// What is told of a call that changes something, so that the log says who did what. Nothing of one with a name that cannot be.
pub(super) fn told(request: &Request, caller: &Caller) -> Option<Event> {
    let named = |connection: &str, child: Option<&str>| {
        let connection = Name::new(connection)?;
        let text = match child {
            Some(child) => format!("{connection}/{}", Name::new(child)?),
            None => connection.to_string(),
        };
        Some((text, Some(connection)))
    };
    let (what, connection) = match request {
        Request::Up(up) => {
            let (text, connection) = named(&up.connection, up.child.as_deref())?;
            (format!("bring {text} up"), connection)
        }
        Request::Down(down) => {
            let (text, connection) = named(&down.connection, down.child.as_deref())?;
            (format!("take {text} down"), connection)
        }
        Request::RekeyChild(rekey) => {
            let (text, connection) = named(&rekey.connection, Some(&rekey.child))?;
            (format!("rekey {text}"), connection)
        }
        Request::RekeyIke(rekey) => {
            let (text, connection) = named(&rekey.connection, None)?;
            let what = match rekey.reauthenticate {
                Some(true) => "reauthenticate",
                _ => "rekey the IKE SA of",
            };
            (format!("{what} {text}"), connection)
        }
        Request::Reload => ("read the configuration again".to_owned(), None),
        Request::Shutdown => ("end".to_owned(), None),
        Request::SetLog(_) => ("change the levels of the log".to_owned(), None),
        Request::Status
        | Request::List(_)
        | Request::Monitor(_)
        | Request::GetLog
        | Request::Metrics
        | Request::Version
        | Request::GetInfo
        | Request::GetInterfaceDescription { .. } => return None,
    };
    Some(Event::Operator {
        user: caller.user,
        process: caller.process,
        what,
        connection,
    })
}

fn invalid(parameter: String) -> Error {
    Error::InvalidParameter { parameter }
}
