//! The control protocol of ikd: types, framing, and a client.
//!
//! The protocol is Varlink (<https://varlink.org>): JSON objects, each ended by a NUL byte, over a Unix stream socket. The
//! interface `org.ikd.Control` is described in `ikd.varlink` beside this crate, for any language; the types here are the
//! same in Rust, and a test compares the two.
//!
//! ```text
//! client                                                        ikd
//!   {"method":"org.ikd.Control.Up","parameters":{...}} NUL  ->   Framer -> Call::parse -> Request
//!   Client::call  <-  {"parameters":{...}} NUL                 <-  Reply::encode
//!                 or  {"error":"org.ikd.Control.Failed",...} NUL
//! ```
//!
//! | module    | what |
//! |-----------|------|
//! | [`wire`]  | bytes to messages and back, in bounded memory, without a socket |
//! | [`call`]  | what a daemon reads ([`Call`], [`Request`]) and answers ([`Reply`]) |
//! | [`types`] | parameters of every method |
//! | [`error`] | errors a call can end with |
//! | [`service`] | `org.varlink.service`: introspection |
//! | [`client`] | a blocking client |
//!
//! Reading is lenient, so that an older tool and a newer daemon get along: unknown fields are ignored, missing ones have
//! defaults, unknown words of an enumeration become `Unknown`. What a request cannot do without is required.

pub mod call;
pub mod client;
pub mod error;
pub mod service;
pub mod types;
pub mod wire;

pub use call::{Call, Refusal, Reply, Request};
pub use client::{Client, ClientError, Part, Stream};
pub use error::Error;
pub use types::*;
pub use wire::Framer;

/// The interface's name.
pub const INTERFACE: &str = "org.ikd.Control";

/// The interface's description in Varlink's language, as `GetInterfaceDescription` answers it.
pub const INTERFACE_DESCRIPTION: &str = include_str!("../ikd.varlink");

/// Where ikd listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/ikd/control";

/// The longest call a daemon reads, in bytes without the NUL.
pub const CALL_LIMIT: usize = 64 * 1024;

/// The longest reply a client reads, in bytes without the NUL. Longer lists come in several replies.
pub const REPLY_LIMIT: usize = 16 * 1024 * 1024;
