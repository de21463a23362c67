//! What will bite on this machine, told before anybody wonders why a ping gets no answer.
//!
//! ```text
//!   Configuration --+
//!                   +-- look --> warnings: what, how bad, which connections, and the command that helps
//!   Machine --------+
//! ```
//!
//! Looks at `/proc` and `/sys`, asks the kernel for routes and policies, and changes nothing. What cannot be read is no
//! news: an ordinary user sees less than root, and never more. What the kernel's IPsec can is asked by the daemon itself,
//! which may. [`Machine`] is what is looked at, so that tests bring machines of their own; [`ThisMachine`] is the real one.
#![forbid(unsafe_code)]

mod checks;
mod code;
mod machine;

use ike::config::Name;

pub use checks::{Whose, look, whose};
pub use code::Code;
pub use machine::{Daemon, Machine, Route, ThisMachine, running_daemons};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Traffic will probably not pass as it should.
    Warning,
}

/// Something to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// How bad it is.
    pub level: Level,
    /// Its stable name.
    pub code: Code,
    /// What it is and what follows from it, on one line.
    pub message: String,
    /// What to do, on one line: a command where there is one.
    pub suggestion: String,
    /// The connections that it is about, each once; none: all of them.
    pub connections: Vec<Name>,
}

/// Who asks, which decides what is worth asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The daemon, which opens its ports itself and says why where it cannot.
    Daemon,
    /// Somebody who wants to know beforehand.
    Tool,
}
