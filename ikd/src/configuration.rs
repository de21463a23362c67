//! From policy files to what the engine is told: the policy language, and the holes that belong to it.

use std::path::PathBuf;
use std::sync::Arc;

use ike::config::{Configuration, Connection, KernelMode, Limits, Name, Shunt};
use policies::{Report, Secrets};

use crate::credentials::Keys;
use crate::holes;

/// A configuration that may come into force.
pub(crate) struct Loaded {
    /// What should be true, holes included.
    pub(crate) configuration: Configuration,
    /// By connection.
    pub(crate) secrets: Secrets,
    /// By their public halves.
    pub(crate) keys: Keys,
    /// Every file that was read.
    pub(crate) files: Vec<PathBuf>,
    /// Warnings and notes.
    pub(crate) warnings: Report,
    /// The names of the holes.
    pub(crate) holes: Vec<Name>,
}

/// What policies say, without what their files hold and without holes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    connections: Vec<Arc<Connection>>,
    shunts: Vec<Arc<Shunt>>,
    limits: Limits,
}

impl Loaded {
    /// What the policies say.
    pub(crate) fn policy(&self) -> Policy {
        let Configuration {
            connections,
            shunts,
            limits,
            ..
        } = &self.configuration;
        let written = shunts
            .iter()
            .filter(|shunt| !self.holes.contains(&shunt.name));
        Policy {
            connections: connections.clone(),
            shunts: written.cloned().collect(),
            limits: *limits,
        }
    }
}

/// Reads it.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Loaded, Report> {
    let policies::Loaded {
        mut configuration,
        secrets,
        keys,
        files,
        warnings,
        ..
    } = policies::load(paths)?;
    let holes = match configuration.kernel {
        KernelMode::Xfrm => holes::add(&mut configuration, &holes::connected_networks()),
        KernelMode::None => Vec::new(),
    };
    Ok(Loaded {
        configuration,
        secrets,
        keys: keys
            .into_iter()
            .map(|(name, key)| (name, Arc::new(key)))
            .collect(),
        files,
        warnings,
        holes,
    })
}

/// Which connections a new configuration adds, removes and changes.
pub(crate) fn difference(before: &Configuration, after: &Configuration) -> ikapi::Reloaded {
    let find = |all: &Configuration, name: &Name| {
        all.connections
            .iter()
            .find(|one| one.name == *name)
            .cloned()
    };
    let mut difference = ikapi::Reloaded::default();
    for connection in &after.connections {
        match find(before, &connection.name) {
            None => difference.added.push(connection.name.to_string()),
            Some(old) if old != *connection => difference.changed.push(connection.name.to_string()),
            Some(_) => {}
        }
    }
    let gone = before
        .connections
        .iter()
        .filter(|connection| find(after, &connection.name).is_none());
    difference.removed = gone.map(|connection| connection.name.to_string()).collect();
    difference
}
