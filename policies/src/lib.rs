//! The policy language of ikd: YAML to validated types, with errors that point.
//!
//! ```text
//! files --source--> text --yaml--> tree with places --language--> connections, policies, limits --check--> Loaded
//!                     \______________ problems with file, line, column, key path, suggestion ____________> Report
//! ```
//!
//! [`load`] reads every file, collects every problem of all of them, and gives a configuration only where none of them is
//! an error. Keys, certificates and CRLs are read where policies name them (`files`), each file once. No rendering of a
//! problem holds a secret: see [`report`]. How the language is read is in [`language`], what it has in one table in `words`,
//! of which [`schema`] makes the JSON Schema and the reference.
#![forbid(unsafe_code)]

mod check;
mod draw;
mod files;
pub mod language;
mod mask;
pub mod report;
pub mod schema;
mod secret;
mod source;
mod walk;
mod words;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ike::config::{Configuration, Name};
use ike::crypto::Secret;
use ike::crypto::signature::{Fingerprint, PrivateKey};

pub use report::{Code, Problem, Report, Severity, Snippet};
pub use source::{MAX_FILE, Source};

/// The shared secrets, by the name of their connection.
pub type Secrets = BTreeMap<Name, Secret>;

/// The private keys, by the fingerprint of their public half
/// ([`PublicKey::fingerprint`](ike::crypto::signature::PublicKey::fingerprint)).
pub type Keys = BTreeMap<Fingerprint, PrivateKey>;

/// What a set of policy files says.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What should be true.
    pub configuration: Configuration,
    /// The secrets of its connections, which the configuration itself does not hold.
    pub secrets: Secrets,
    /// The private keys that its connections sign with.
    pub keys: Keys,
    /// Every file that was read: policies, secrets, keys, certificates and CRLs. A change to one of them, or a new policy
    /// file beside them, is a reason to load again.
    pub files: Vec<PathBuf>,
    /// What is allowed but perhaps not meant: warnings and notes.
    pub warnings: Report,
}

/// Reads policy files. A path that is a directory stands for its `*.yaml`, in the order of their names.
///
/// # Errors
/// All problems of all files, where one of them is an error.
pub fn load(paths: &[PathBuf]) -> Result<Loaded, Report> {
    let mut drafts = Vec::new();
    let sources = source::read_all(paths, &mut drafts);
    language::load(sources, drafts, true)
}

/// Reads policies from texts that are in memory. Secrets in them are taken whatever the mode of a file; files that they
/// name are read relative to the directory of `path`.
///
/// # Errors
/// As [`load`].
pub fn load_texts<'a>(
    texts: impl IntoIterator<Item = (&'a Path, &'a str)>,
) -> Result<Loaded, Report> {
    let sources = texts
        .into_iter()
        .map(|(path, text)| Source::from_text(path, text))
        .collect();
    language::load(sources, Vec::new(), false)
}
