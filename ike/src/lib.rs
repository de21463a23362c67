//! The IKEv2 protocol engine (RFC 7296), as a library without input or output.
//!
//! Nothing here opens a socket, reads a clock, talks netlink or waits: time is an argument, randomness is a source
//! handed in, and everything outside is a message. Start reading at [`engine`], which holds the contract; [`wire`]
//! turns bytes into messages and back; [`crypto`] holds the algorithms and the key schedule; [`auth`] proves who the
//! peer is; [`pki`] judges certificates; [`config`] holds the validated types that a policy file becomes.
#![forbid(unsafe_code)]

pub mod auth;
pub mod config;
pub mod crypto;
pub mod engine;
pub mod failure_code;
pub mod fault;
pub mod pki;
pub mod wire;
