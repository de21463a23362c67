//! `ikctl` as a user runs it, against a daemon of canned replies: what it prints, asks, and how it ends.
//!
//! What it should print stands in `tests/expected/`. After a change that is meant, run the tests with `IKCTL_EXPECT=write`,
//! and read the difference before it is committed.

#![allow(clippy::unwrap_used)] // a test may stop where it stands

mod check;
mod commands;
mod list;
mod monitor;
mod refusals;
mod support;
mod usage;
