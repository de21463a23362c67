//! The lab behind `cargo lab`: a real Linux kernel with ESP, real peers, the demo and the end-to-end tests.
//!
//! ```text
//!  host: your machine                              guest: Debian with strongSwan, a kernel with ESP
//!  +----------------------------+                  +------------------------------------------+
//!  | cargo lab demo|test|exec   |   job (ro disk)  | lab-guest: mounts, runs the job,         |
//!  |   packages -> root -> way  | ---------------> |   streams its output, packs /out         |
//!  |   build -> run -> collect  | <--------------- | demo, tests: gateways and hosts are      |
//!  +----------------------------+  stdout, /out    |   network namespaces of one guest        |
//!                                                  +------------------------------------------+
//! ```
//!
//! [`host`] runs on the machine where `cargo lab` was typed, [`guest`] where the kernel with ESP is: in network
//! namespaces of the same machine, or in a virtual machine. Both ways see the same root file system and the same job.

pub mod blocks;
pub mod guest;
pub mod host;
pub mod job;
