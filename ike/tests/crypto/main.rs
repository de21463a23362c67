//! The algorithms, the key schedule and the protection of messages against vectors that others made. The files stand in
//! `tests/vectors`, with their sources in its README.
#![allow(clippy::unwrap_used)] // a broken vector file is a failed test

mod android;
mod ciphers;
mod groups;
mod macs;
mod nist;
mod protection;
mod rfc;
mod support;
mod wycheproof;
