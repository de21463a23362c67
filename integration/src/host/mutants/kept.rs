//! What became of each mutant, kept in a file: a run that was interrupted goes on where it was.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::listing::Mutant;

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fate {
    /// The compiler does not take it.
    NotViable,
    /// A life broke an invariant, or did not end.
    Killed { by: String, lives: u64 },
    /// No life broke, but a scripted simulation failed.
    KilledByScript { by: String },
    /// Nothing broke; whether the scripted simulations were asked, too.
    Survived { scripted: bool },
}

impl Fate {
    /// By what, after how many lives; 0: nobody counted.
    pub(super) fn killed(by: &str, lives: u64) -> Self {
        let by = by.to_owned();
        Self::Killed { by, lives }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotViable => f.write_str("not viable"),
            Self::Killed { by, lives: 0 } => write!(f, "killed by {by}"),
            Self::Killed { by, lives } => write!(f, "killed by {by} ({lives})"),
            Self::KilledByScript { by } => write!(f, "killed by the script {by}"),
            Self::Survived { .. } => f.write_str("SURVIVED"),
        }
    }
}

/// The fates that are known.
pub(super) struct Kept {
    path: PathBuf,
    content: Content,
}

#[derive(Serialize, Deserialize)]
struct Content {
    /// Of what the mutants were made of.
    source: String,
    lives: u64,
    fates: BTreeMap<String, Fate>,
}

impl Kept {
    /// What an earlier run has left, if it was one with this source and as many lives.
    pub(super) fn open(path: &Path, source: String, lives: u64) -> Result<Self> {
        let earlier = std::fs::read(path).ok();
        let earlier = earlier.and_then(|bytes| serde_json::from_slice::<Content>(&bytes).ok());
        let content = earlier
            .filter(|earlier| earlier.source == source && earlier.lives == lives)
            .unwrap_or_else(|| Content {
                source,
                lives,
                fates: BTreeMap::new(),
            });
        Ok(Self {
            path: path.to_owned(),
            content,
        })
    }

    pub(super) fn fate(&self, mutant: &Mutant) -> Option<&Fate> {
        self.content.fates.get(&mutant.name)
    }

    /// Writes it down. Beside the file and then in its place: whoever interrupts this has the old one.
    pub(super) fn keep(&mut self, mutant: &Mutant, fate: Fate) -> Result<()> {
        self.content.fates.insert(mutant.name.clone(), fate);
        let writing = || format!("writing {}", self.path.display());
        let beside = self.path.with_extension("new");
        let bytes = serde_json::to_vec_pretty(&self.content).with_context(writing)?;
        std::fs::write(&beside, bytes).with_context(writing)?;
        std::fs::rename(&beside, &self.path).with_context(writing)
    }
}
