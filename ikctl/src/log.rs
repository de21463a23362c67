//! `ikctl log`: what is logged, and setting it.

use std::fmt::Write;
use std::net::IpAddr;

use ikapi::{LogLevels, Request, SetLogRequest};

use crate::cli::LogLevel;

/// What to ask for.
pub(crate) fn request(
    level: Option<LogLevel>,
    connection: Option<&str>,
    peer: Option<IpAddr>,
) -> Request {
    let Some(level) = level else {
        return Request::GetLog;
    };
    Request::SetLog(SetLogRequest {
        level: match level {
            LogLevel::Error => Some(ikapi::LogLevel::Error),
            LogLevel::Warn => Some(ikapi::LogLevel::Warn),
            LogLevel::Info => Some(ikapi::LogLevel::Info),
            LogLevel::Debug => Some(ikapi::LogLevel::Debug),
            LogLevel::Trace => Some(ikapi::LogLevel::Trace),
            LogLevel::Default => None,
        },
        connection: connection.map(str::to_owned),
        peer: peer.map(|peer| peer.to_string()),
    })
}

/// What is set.
pub(crate) fn show(levels: &LogLevels) -> String {
    let mut text = format!("logged from {} on\n", levels.level);
    for rule in &levels.rules {
        let of = match (&rule.connection, &rule.peer) {
            (Some(connection), _) => format!("connection {connection}"),
            (None, Some(peer)) => format!("peer {peer}"),
            (None, None) => "something unknown".to_owned(),
        };
        let _ = writeln!(text, "  {of}: from {} on", rule.level);
    }
    text
}
