//! Requests byte by byte, and what the kernel sends, whole, cut short and bent.

mod received;
mod requests;
mod samples;
