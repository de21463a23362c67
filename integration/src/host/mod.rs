//! The host's side: packages, the guest's root file system, the choice of a kernel, and running a job there.
//!
//! [`stages`] is the list of what `cargo lab test` checks.
//!
//! ```text
//! packages -> root (mmdebstrap, cached) -> choose (namespaces | KVM | TCG) -> guest::run -> collected files
//! ```

pub mod build;
pub mod choose;
pub mod docs;
pub mod faults;
pub mod lives;
pub mod mutants;
pub mod namespaces;
pub mod package;
pub mod packages;
pub mod pair;
pub mod paths;
pub mod plain;
pub mod prepare;
pub mod root;
pub mod run;
pub mod stages;
pub mod tally;
pub mod tools;
pub mod vm;
