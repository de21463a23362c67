//! The language as one table: every key, what may stand there, what it means, and what operators bring from elsewhere.
//!
//! ```text
//!   FILE -- connections: NAME -- CONNECTION -- local, remote, auth, liveness, children: NAME -- CHILD
//!       `-- policies: NAME -- POLICY -- pass, drop: SHUNT          `-- LIMITS
//! ```
//!
//! The reader ([`crate::language`]) takes the keys and their bounds from here, the schema and the reference
//! ([`crate::schema`]) are made of it; tests see to it that the reader knows no key, word or default that is not here,
//! nor fewer. A key that is added here is one that the reader has to ask for.

mod auth;
mod connection;
mod file;
#[cfg(test)]
mod tests;

pub(crate) use auth::{AUTH, AUTH_LOCAL, AUTH_REMOTE, KEY, PASSPHRASE, PSK};
pub(crate) use connection::{CHILD, CONNECTION, LIVENESS, LOCAL, REMOTE};
pub use file::FILE;
pub(crate) use file::{LIMITS, POLICY, SHUNT};

/// Files that one key may name.
pub(crate) const MAX_FILES: usize = 64;
/// Proposals that one message has room for, and a person can follow.
pub(crate) const MAX_PROPOSALS: usize = 32;

/// Seconds in an hour.
const HOUR: u64 = 3600;
/// Seconds in a day.
const DAY: u64 = 24 * HOUR;

/// The keys of one kind of mapping.
#[derive(Debug)]
pub struct Mapping {
    /// A short name, unique among the mappings.
    pub name: &'static str,
    /// What such a mapping is called in a message.
    pub what: &'static str,
    /// What it is, in one to three sentences of Markdown.
    pub about: &'static str,
    /// The keys it has.
    pub keys: &'static [Key],
    /// Which of them go together: exactly one of these ways is to be taken. Empty: all go together.
    pub ways: &'static [Way],
    /// Whether what stands in it may be a secret, also where it is no key of ours.
    pub(crate) private: bool,
    /// Keys that it will have, each with what to do until then.
    pub(crate) not_yet: &'static [(&'static str, &'static str)],
    /// What other programs call it, and where it stands here.
    pub(crate) elsewhere: &'static [(&'static str, &'static str)],
}

/// One key of a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// What holds where it is left out.
    pub default: Default,
    /// Whether it has to be there.
    pub need: Need,
    /// What it means, in one to three sentences of Markdown.
    pub description: &'static str,
    /// A value for it, in YAML.
    pub example: &'static str,
}

/// What may stand under a key.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The version of the language.
    Version,
    /// A whole number within bounds, both included.
    Number {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A duration such as `1h 30m`, within bounds in seconds, both included.
    Duration {
        /// The shortest.
        least: u64,
        /// The longest.
        most: u64,
        /// Whether the word `never` may stand there, too.
        never: bool,
    },
    /// One of these words.
    Word(&'static [Word]),
    /// An IP address, or `any`.
    Address {
        /// Whether it may be the name of a host, too.
        named: bool,
    },
    /// Who an end is.
    Identity {
        /// Whether it may be a pattern, or `any`.
        pattern: bool,
    },
    /// A traffic selector, or a list of them.
    Selectors,
    /// A proposal, a word for several, or a list of both.
    Proposals(Protocol),
    /// The path of a file, relative to that of the policy.
    File,
    /// The path of a file, or a list of them.
    Files,
    /// A secret text.
    Secret,
    /// A mapping with these keys.
    Mapping(&'static Mapping),
    /// A mapping of names that the operator chooses to mappings with these keys.
    Named(&'static Mapping),
    /// One of several kinds.
    Either(&'static [Self]),
}

/// A word of the language that stands as a value, and what it means, as a sentence.
#[derive(Clone, Copy, Debug)]
pub struct Word(pub &'static str, pub &'static str);

/// What a proposal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The IKE SA.
    Ike,
    /// Child SAs.
    Esp,
}

/// What holds where a key is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// Nothing: the key has to be there, or its absence says all.
    None,
    /// The same as this value, in YAML.
    Value(&'static str),
    /// What these words say, in Markdown.
    Said(&'static str),
}

/// Whether a key has to be there. Of several [`Way`]s, each says so for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It may be left out.
    Optional,
    /// It has to be there.
    Required,
    /// It has to be there unless `mode: transport` stands beside it.
    InTunnelMode,
}

/// Keys that go together.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// What it is, as a phrase.
    pub what: &'static str,
    /// Keys that have to be there.
    pub needs: &'static [&'static str],
    /// Keys that may be there besides.
    pub may: &'static [&'static str],
}

const fn key(
    name: &'static str,
    kind: Kind,
    example: &'static str,
    description: &'static str,
) -> Key {
    let (default, need) = (Default::None, Need::Optional);
    Key {
        name,
        kind,
        default,
        need,
        description,
        example,
    }
}

const fn way(
    what: &'static str,
    needs: &'static [&'static str],
    may: &'static [&'static str],
) -> Way {
    Way { what, needs, may }
}

impl Key {
    const fn required(self) -> Self {
        let need = Need::Required;
        Self { need, ..self }
    }

    const fn in_tunnel_mode(self) -> Self {
        let need = Need::InTunnelMode;
        Self { need, ..self }
    }

    const fn default(self, value: &'static str) -> Self {
        let default = Default::Value(value);
        Self { default, ..self }
    }

    const fn without(self, said: &'static str) -> Self {
        let default = Default::Said(said);
        Self { default, ..self }
    }
}

impl Mapping {
    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of the keys.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }

    /// Every mapping of the language, each once, in the order in which they are first named.
    #[must_use]
    pub fn all() -> Vec<&'static Self> {
        fn add(all: &mut Vec<&'static Mapping>, mapping: &'static Mapping) {
            if all.iter().any(|known| std::ptr::eq(*known, mapping)) {
                return;
            }
            all.push(mapping);
            for key in mapping.keys {
                key.kind.mappings().for_each(|inner| add(all, inner));
            }
        }
        let mut all = Vec::new();
        add(&mut all, &FILE);
        all
    }
}

impl Kind {
    /// The kinds that it may be.
    pub(crate) fn alternatives(&self) -> &[Self] {
        match self {
            Self::Either(kinds) => kinds,
            kind => std::slice::from_ref(kind),
        }
    }

    /// The mappings that may stand there, themselves or under names.
    pub(crate) fn mappings(&self) -> impl Iterator<Item = &'static Mapping> {
        self.alternatives().iter().filter_map(|kind| match kind {
            Self::Mapping(mapping) | Self::Named(mapping) => Some(*mapping),
            _ => None,
        })
    }
}

/// Whether the language itself has this word as a key.
pub(crate) fn is_word(text: &str) -> bool {
    Mapping::all()
        .iter()
        .any(|mapping| mapping.key(text).is_some())
}

/// The one of `known` that was probably meant.
pub(crate) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text: String = text
        .chars()
        .take(64)
        .map(|c| {
            if c == '-' {
                '_'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect();
    let near = known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&text, word), word))
        .min()?;
    // One slip in a short word, two in a longer one.
    (near.0 <= 1 + near.1.len() / 6).then_some(near.1)
}

#[cfg(test)]
thread_local! {
    static ASKED: std::cell::RefCell<std::collections::BTreeSet<(&'static str, String)>> = std::cell::RefCell::default();
}

/// Remembers which keys the reader knows, for the test that compares them with the table.
#[cfg(test)]
pub(crate) fn asked(mapping: &Mapping, key: &str) {
    ASKED.with_borrow_mut(|asked| asked.insert((mapping.name, key.to_owned())));
}
