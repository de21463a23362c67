//! The guest's side: the first process, and what demo and tests are made of.

pub mod init;
