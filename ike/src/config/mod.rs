//! Validated types that a policy file becomes: who, with which algorithms, for which traffic.

pub mod connection;
pub mod distinguished_name;
pub mod identity;
pub mod proposal;
pub mod selector;

pub use connection::*;
