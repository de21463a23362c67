//! `ikctl decode` on captures that are built here: what it prints, and how it ends.

#![allow(clippy::unwrap_used)] // a test may stop where it stands

mod ciphers;
mod damage;
mod files;
mod frames;
mod messages;
mod support;
