//! Bytes to messages and payloads, and back (RFC 7296 section 3).

pub mod numbers;
