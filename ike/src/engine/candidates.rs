//! Which connections a newcomer may mean: first by the addresses (IKE_SA_INIT), then by whom it says it is (IKE_AUTH).
//!
//! ```text
//!   addresses --Directory--> Candidates (at most four groups) --proposals--> what IKE_SA_INIT may choose from
//!                                    |
//!                                    +-- naming(IDi) --> the connections that expect this peer, the narrowest first
//! ```
//!
//! A thousand branches behind one address of ours cost a handshake no more than one: a group is looked up by its
//! addresses, keeps each proposal once, and finds a connection by the peer's identity without looking at the others.
//! Only distinguished names with stars are tried one after the other.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::identity::{Identity, IdentityPattern};
use crate::config::proposal::IkeProposal;
use crate::config::{Connection, Strength};

use super::failure::Cause;

/// The addresses of a group: the peer's and ours; `None`: any.
type Ends = (Option<IpAddr>, Option<IpAddr>);

/// All connections, by the addresses that they are for.
#[derive(Debug, Default)]
pub(super) struct Directory {
    groups: BTreeMap<Ends, Arc<Group>>,
}

/// The connections with the same addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// In the order of the configuration, with whether an operator took it down.
    members: Vec<(Arc<Connection>, bool)>,
    /// Of those that are not down, each once.
    proposals: Vec<IkeProposal>,
    /// How strong signatures have to be for at least one of those, if any of them has signatures.
    strength: Option<Strength>,
    /// Whether any of those has a peer that signs.
    peers_sign: bool,
    /// Those that are not down, by what is looked up; indexes of `members`.
    by_key: BTreeMap<Key, Vec<usize>>,
    /// Those whose pattern has to be tried, the narrowest first.
    patterns: Vec<usize>,
    /// Those that take anybody.
    anybody: Vec<usize>,
}

/// What a connection is found by. Identities that mean the same have the same key; the reverse is checked afterwards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Exact(u8, Vec<u8>),
    NamesBelow(String),
    UsersAt(String),
}

impl Key {
    fn exact(identity: &Identity) -> Self {
        let bytes = match identity {
            Identity::Fqdn(name) => name.to_ascii_lowercase().into_bytes(),
            Identity::Email(address) => address.to_ascii_lowercase().into_bytes(),
            // However it is spelt, and in whatever order its sets stand, the letters are the same.
            Identity::DistinguishedName(_) => {
                let text = identity.to_string().to_lowercase();
                let mut letters: Vec<_> = text.chars().filter(|c| c.is_alphanumeric()).collect();
                letters.sort_unstable();
                letters.into_iter().collect::<String>().into_bytes()
            }
            other => other.to_octets(),
        };
        Self::Exact(identity.id_type().0, bytes)
    }

    /// How a pattern is found; `None`: by trying.
    fn of(pattern: &IdentityPattern) -> Option<Self> {
        match pattern {
            IdentityPattern::Exact(identity) => Some(Self::exact(identity)),
            IdentityPattern::NamesBelow(suffix) => {
                Some(Self::NamesBelow(suffix.to_ascii_lowercase()))
            }
            IdentityPattern::UsersAt(host) => Some(Self::UsersAt(host.to_ascii_lowercase())),
            IdentityPattern::Names(_) => None,
        }
    }

    /// Under what an identity may be found, the narrowest first.
    fn all_of(identity: &Identity) -> Vec<Self> {
        let mut keys = vec![Self::exact(identity)];
        match identity {
            Identity::Fqdn(name) => {
                let name = name.to_ascii_lowercase();
                let dots = name.match_indices('.').filter(|(at, _)| *at > 0);
                keys.extend(dots.map(|(at, _)| Self::NamesBelow(name[at..].to_owned())));
            }
            Identity::Email(address) => {
                let host = address.rsplit_once('@').map(|(_, host)| host);
                keys.extend(host.map(|host| Self::UsersAt(host.to_ascii_lowercase())));
            }
            _ => {}
        }
        keys
    }
}

impl Directory {
    /// The connections whose peer has this address, those that are down left out.
    pub(super) fn with_peer_at(&self, peer: IpAddr) -> impl Iterator<Item = &Arc<Connection>> {
        let first = (Some(peer), None);
        let groups = self.groups.range(first..);
        groups
            .take_while(move |((remote, _), _)| *remote == Some(peer))
            .flat_map(|(_, group)| group.up())
    }
}

impl Group {
    fn new(members: Vec<(Arc<Connection>, bool)>) -> Self {
        let mut group = Self::default();
        for (at, (connection, _)) in members.iter().enumerate().filter(|(_, (_, down))| !down) {
            for proposal in &connection.proposals {
                if !group.proposals.contains(proposal) {
                    group.proposals.push(proposal.clone());
                }
            }
            let authentication = connection.authentication;
            group.strength = weaker(group.strength, authentication.strength());
            group.peers_sign |= authentication.peer_signs();
            match connection.remote.id.as_ref().map(Key::of) {
                Some(Some(key)) => group.by_key.entry(key).or_default().push(at),
                Some(None) => group.patterns.push(at),
                None => group.anybody.push(at),
            }
        }
        let breadth = |at: &usize| {
            members[*at]
                .0
                .remote
                .id
                .as_ref()
                .map(IdentityPattern::breadth)
        };
        group.patterns.sort_by_key(breadth);
        Self { members, ..group }
    }

    fn up(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.members
            .iter()
            .filter(|(_, down)| !down)
            .map(|(connection, _)| connection)
    }
}

impl Directory {
    /// All connections, in the order of the configuration, each with whether an operator took it down.
    pub(super) fn new(connections: impl Iterator<Item = (Arc<Connection>, bool)>) -> Self {
        let mut members: BTreeMap<Ends, Vec<_>> = BTreeMap::new();
        for (connection, down) in connections {
            let ends = ends(&connection);
            members.entry(ends).or_default().push((connection, down));
        }
        let groups = members
            .into_iter()
            .map(|(ends, members)| (ends, Arc::new(Group::new(members))));
        Self {
            groups: groups.collect(),
        }
    }

    /// An operator took a connection down, or up again.
    pub(super) fn hold(&mut self, connection: &Connection, down: bool) {
        let Some(group) = self.groups.get_mut(&ends(connection)) else {
            return;
        };
        let mut members = group.members.clone();
        for (member, held) in &mut members {
            if member.name == connection.name {
                *held = down;
            }
        }
        *group = Arc::new(Group::new(members));
    }

    /// The connections that fit the addresses and are not held down, those that name the peer's address first.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn candidates(&self, local: IpAddr, remote: IpAddr) -> Result<Candidates, Cause> {
        let places = [
            (Some(remote), Some(local)),
            (Some(remote), None),
            (None, Some(local)),
            (None, None),
        ];
        let groups: Vec<_> = places
            .iter()
            .filter_map(|ends| self.groups.get(ends).cloned())
            .collect();
        let held = groups.iter().flat_map(|group| &group.members);
        match held.into_iter().find(|(_, down)| !down) {
            Some(_) => Ok(Candidates(groups)),
            None => Err(groups
                .first()
                .and_then(|group| group.members.first())
                .map_or(Cause::NoConnection { local, remote }, |(held, _)| {
                    Cause::HeldDown {
                        connection: held.name.clone(),
                        child: None,
                    }
                })),
        }
    }
}

/// What is enough for the one or for the other.
fn weaker(one: Option<Strength>, other: Option<Strength>) -> Option<Strength> {
    match (one, other) {
        (Some(Strength::Default), _) | (_, Some(Strength::Default)) => Some(Strength::Default),
        (one, other) => one.or(other),
    }
}

fn ends(connection: &Connection) -> Ends {
    (connection.remote.address, connection.local.address)
}

/// The connections that a peer may mean, as they were when it came. Cheap to keep.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates(Vec<Arc<Group>>);

impl Candidates {
    /// What any of them allows, each proposal once for each group of addresses.
    pub(super) fn proposals(&self) -> impl Iterator<Item = &IkeProposal> {
        self.0.iter().flat_map(|group| &group.proposals)
    }

    /// How strong signatures have to be for at least one of them; `None` where none has signatures.
    pub(super) fn strength(&self) -> Option<Strength> {
        let strengths = self.0.iter().map(|group| group.strength);
        strengths.fold(None, weaker)
    }

    /// Whether any of them has a peer that signs.
    pub(super) fn peers_sign(&self) -> bool {
        self.0.iter().any(|group| group.peers_sign)
    }

    /// Those that expect a peer of this identity, the narrowest expectation first; then those that take anybody.
    pub(super) fn naming<'a>(
        &'a self,
        peer: &'a Identity,
    ) -> impl Iterator<Item = &'a Arc<Connection>> {
        let keys = Key::all_of(peer);
        let found = keys.into_iter().flat_map(move |key| {
            let of = move |group: &'a Arc<Group>| {
                let places = group.by_key.get(&key).into_iter().flatten();
                places.map(move |at| &group.members[*at].0)
            };
            self.0.iter().flat_map(of)
        });
        let tried = self.members(|group| &group.patterns);
        found
            .chain(tried)
            .filter(|connection| {
                let expected = connection.remote.id.as_ref();
                expected.is_some_and(|expected| expected.matches(peer))
            })
            .chain(self.members(|group| &group.anybody))
    }

    /// All of them, for a person who wonders why none was meant.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.0.iter().flat_map(|group| group.up())
    }

    fn members(
        &self,
        which: impl Fn(&Group) -> &Vec<usize>,
    ) -> impl Iterator<Item = &Arc<Connection>> {
        self.0.iter().flat_map(move |group| {
            let places = which(group).iter();
            places.map(move |at| &group.members[*at].0)
        })
    }
}

#[cfg(test)]
impl Candidates {
    fn names(&self, peer: &str) -> Vec<String> {
        let peer = peer.parse().expect("an identity");
        self.naming(&peer)
            .map(|connection| connection.name.to_string())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::proposal::default_ike;
    use crate::config::{Authentication, Liveness, Local, Name, Remote, Unique};
    use crate::failure_code::FailureCode;

    const HQ: &str = "192.0.2.1";

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn connection(name: &str, remote: Option<&str>, id: Option<&str>) -> (Arc<Connection>, bool) {
        let connection = Connection {
            name: Name::new(name).expect("a name"),
            local: Local {
                address: Some(ip(HQ)),
                id: "hq.example.com".parse().expect("an identity"),
            },
            remote: Remote {
                address: remote.map(ip),
                host: None,
                id: id.map(|id| id.parse().expect("a pattern")),
            },
            proposals: default_ike(),
            authentication: Authentication::PRE_SHARED_KEY,
            children: Vec::new(),
            liveness: Liveness::default(),
            rekey_after: None,
            reauth_after: None,
            unique: Unique::default(),
            verify_rekey: false,
        };
        (Arc::new(connection), false)
    }

    #[test]
    fn one_of_ten_thousand_branches_is_found_without_looking_at_the_others() {
        let branches = (0..10_000).map(|number| {
            let id = format!("branch-{number}.example.com");
            connection(&format!("b{number}"), None, Some(&id))
        });
        let directory = Directory::new(branches);
        let found = directory
            .candidates(ip(HQ), ip("203.0.113.9"))
            .expect("they answer anybody");
        assert_eq!(found.proposals().count(), default_ike().len());
        assert_eq!(found.0.len(), 1);
        assert_eq!(found.names("Branch-4711.Example.com"), ["b4711"]);
        assert!(found.names("branch-10000.example.com").is_empty());
    }

    #[test]
    fn the_narrowest_expectation_comes_first() {
        let directory = Directory::new(
            [
                connection("anybody", Some("198.51.100.7"), None),
                connection("below", Some("198.51.100.7"), Some("*.example.com")),
                connection("deeper", Some("198.51.100.7"), Some("*.north.example.com")),
                connection("exact", None, Some("a.north.example.com")),
                connection("users", None, Some("*@example.com")),
                connection(
                    "elsewhere",
                    Some("198.51.100.8"),
                    Some("a.north.example.com"),
                ),
            ]
            .into_iter(),
        );
        let found = directory
            .candidates(ip(HQ), ip("198.51.100.7"))
            .expect("some");
        assert_eq!(
            found.names("a.north.example.com"),
            ["exact", "deeper", "below", "anybody"]
        );
        assert_eq!(found.names("carol@Example.com"), ["users", "anybody"]);
        assert_eq!(found.names("example.com"), ["anybody"]);
        assert_eq!(found.iter().count(), 5);
    }

    #[test]
    fn distinguished_names_are_found_however_they_are_spelt() {
        let id = "C=DE, O=Example  Corp, CN=Branch 12";
        let directory = Directory::new(
            [
                connection("dn", None, Some(id)),
                connection("anagram", None, Some("C=DE, O=Example Corp, CN=Branch 21")),
            ]
            .into_iter(),
        );
        let found = directory
            .candidates(ip(HQ), ip("203.0.113.9"))
            .expect("some");
        assert_eq!(found.names("C=de, O=example corp, CN=BRANCH 12"), ["dn"]);
    }

    #[test]
    fn who_is_held_down_is_no_candidate_until_it_is_up_again() {
        let (held, _) = connection("held", Some("198.51.100.7"), Some("a.example.com"));
        let mut directory = Directory::new([(held.clone(), false)].into_iter());
        directory.hold(&held, true);
        let refused = directory
            .candidates(ip(HQ), ip("198.51.100.7"))
            .expect_err("held down");
        assert_eq!(refused.code(), FailureCode::HeldDown);
        let stranger = directory.candidates(ip(HQ), ip("203.0.113.9"));
        assert_eq!(
            stranger.expect_err("nobody").code(),
            FailureCode::NoConnection
        );
        directory.hold(&held, false);
        let found = directory.candidates(ip(HQ), ip("198.51.100.7"));
        assert_eq!(found.expect("up again").names("a.example.com"), ["held"]);
    }
}
