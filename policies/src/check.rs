//! What no single value shows: names given twice, traffic with two owners or none, peers that cannot be told apart.

mod algorithms;
mod traffic;

use std::collections::BTreeMap;

use ike::config::identity::{Identity, IdentityPattern};
use ike::config::selector::Selector;
use ike::config::{Child, Connection, Keep, KernelMode, Mode, RemoteAuthentication, WithoutSa};

use crate::language::{Found, FoundConnection};
use crate::report::{Code, Severity};
use crate::source::Source;
use crate::walk::{Draft, Place};

/// Checks all files as a whole.
pub(crate) fn whole(found: &Found, sources: &[Source], drafts: &mut Vec<Draft>) {
    let mut check = Check { sources, drafts };
    check.names(
        found
            .connections
            .iter()
            .map(|found| (found.connection.name.as_str(), &found.place)),
        "connection",
    );
    check.names(
        found
            .shunts
            .iter()
            .map(|found| (found.shunt.name.as_str(), &found.place)),
        "policy",
    );
    for connection in &found.connections {
        check.connection(connection, found);
    }
    for shunt in &found.shunts {
        check.families(&shunt.shunt.local, &shunt.shunt.remote, &shunt.place);
    }
    for connection in &found.connections {
        check.algorithms(connection);
    }
    check.same_secrets(&found.connections);
    check.ambiguous(&found.connections);
    check.traffic(found);
}

struct Check<'a> {
    sources: &'a [Source],
    drafts: &'a mut Vec<Draft>,
}

impl Check<'_> {
    fn tell(
        &mut self,
        code: Code,
        severity: Severity,
        place: &Place,
        message: String,
        suggestion: &str,
    ) {
        let draft = Draft::of(code, severity, place, message);
        self.drafts.push(if suggestion.is_empty() {
            draft
        } else {
            draft.suggest(suggestion)
        });
    }

    /// A place for a message about another one: `connections.a (line 3)`, with the file where it is another.
    fn there(&self, other: &Place, from: &Place) -> String {
        let source = &self.sources[other.file];
        let (line, _) = source.position(other.span.start);
        if other.file == from.file {
            format!("{} (line {line})", other.path)
        } else {
            format!("{} ({}:{line})", other.path, source.path.display())
        }
    }

    fn names<'n>(&mut self, names: impl Iterator<Item = (&'n str, &'n Place)>, what: &str) {
        let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
        for (name, place) in names {
            if let Some(first) = seen.insert(name, place) {
                let message = format!(
                    "a {what} named `{name}` is already there: {}",
                    self.there(first, place)
                );
                self.tell(
                    Code::DuplicateName,
                    Severity::Error,
                    place,
                    message,
                    "choose another name for one of them",
                );
            }
        }
    }

    fn connection(&mut self, found: &FoundConnection, all: &Found) {
        let FoundConnection {
            connection,
            place,
            children,
            ..
        } = found;
        if let (Some(local), Some(remote)) = (connection.local.address, connection.remote.address) {
            if local.is_ipv4() != remote.is_ipv4() {
                let message =
                    format!("{local} cannot speak to {remote}: the address families differ");
                self.tell(
                    Code::MixedFamilies,
                    Severity::Error,
                    place,
                    message,
                    "give both ends addresses of one family",
                );
            } else if local == remote {
                let message = format!("both ends have the address {local}");
                self.tell(
                    Code::BadAddress,
                    Severity::Error,
                    place,
                    message,
                    "give the peer's address as that of the remote end",
                );
            }
        }
        if !connection.remote.can_be_called()
            && connection.remote.id.is_none()
            && !found.anybody_is_meant
        {
            let message =
                "the peer has neither address nor id: anybody who knows the secret may come"
                    .to_owned();
            self.tell(
                Code::AnybodyMayCome,
                Severity::Note,
                place,
                message,
                "name the peer with remote: { id: ... } if there is only one; id: any says that it is meant",
            );
        }
        match (all.kernel_mode(), children.first()) {
            (KernelMode::None, Some(child)) => {
                let message =
                    "`kernel: none` makes IKE SAs without children, and here is one".to_owned();
                self.tell(
                    Code::ChildrenWithoutKernel,
                    Severity::Error,
                    child,
                    message,
                    "take the children out, or kernel: none",
                );
            }
            (KernelMode::Xfrm, None) if found.childless => {
                let message = "the connection has no children: it protects nothing".to_owned();
                let suggestion =
                    "add children: { lan: { local: 10.1.0.0/16, remote: 10.2.0.0/16 } }";
                self.tell(
                    Code::NoChildren,
                    Severity::Warning,
                    place,
                    message,
                    suggestion,
                );
            }
            _ => {}
        }
        for (child, place) in connection.children.iter().zip(children) {
            self.child(connection, child, place);
            self.in_clear(connection, child, place, &all.shunts);
            self.meeting_sides(child, place, &all.shunts);
        }
    }

    fn child(&mut self, connection: &Connection, child: &Child, place: &Place) {
        let calls = match child.keep {
            Keep::Up => Some("keep: up"),
            Keep::OnDemand => Some("keep: on-demand"),
            Keep::Passive => None,
        };
        let to_call = connection.remote.can_be_called();
        if let (Some(word), false) = (calls, to_call) {
            let message =
                format!("`{word}` calls the peer, and the remote end has no address to call");
            self.tell(
                Code::NobodyToCall,
                Severity::Error,
                place,
                message,
                "add remote: { address: ... }, or use keep: passive",
            );
        }
        let traps_ends = child.keep == Keep::OnDemand && child.mode == Mode::Transport;
        if traps_ends && connection.local.address.is_none() {
            let message =
                "`keep: on-demand` waits for packets of both ends, and the local end has no address"
                    .to_owned();
            self.tell(
                Code::TransportEnds,
                Severity::Error,
                place,
                message,
                "add local: { address: ... }, or use keep: up",
            );
        }
        if child.without_sa == WithoutSa::Pass {
            let message =
                "`without_sa: pass`: whenever the child has no SA, its traffic goes in clear, in both directions, and whoever keeps IKE from getting through can bring that about"
                    .to_owned();
            self.tell(
                Code::TrafficInClear,
                Severity::Warning,
                place,
                message,
                "leave it out, so that nothing goes in clear, unless that is worse than being read",
            );
        }
        self.families(&child.local, &child.remote, place);
        if child.replay_window == 0 {
            let message =
                "`replay_window: 0` lets an attacker send recorded packets again".to_owned();
            self.tell(
                Code::NoReplayProtection,
                Severity::Warning,
                place,
                message,
                "leave it out: the default is 128 packets",
            );
        }
        if let Some(all) = child
            .local
            .iter()
            .chain(&child.remote)
            .find(|selector| child.mode == Mode::Tunnel && selector.addresses.is_everything())
        {
            let message = format!(
                "{all} is all traffic; IKE, DHCP and the directly connected network keep a way beside it"
            );
            self.tell(Code::AllTraffic, Severity::Note, place, message, "");
        }
    }

    /// A packet has one family, so each family has to be on both sides.
    fn families(&mut self, local: &[Selector], remote: &[Selector], place: &Place) {
        // In transport mode nothing stands for the end's own address, of whatever family.
        if local.is_empty() || remote.is_empty() {
            return;
        }
        for (ipv4, name) in [(true, "IPv4"), (false, "IPv6")] {
            let has = |side: &[Selector]| {
                side.iter()
                    .any(|selector| selector.addresses.is_ipv4() == ipv4)
            };
            if has(local) != has(remote) {
                let (with, without) = if has(local) {
                    ("local", "remote")
                } else {
                    ("remote", "local")
                };
                let message = format!(
                    "`{with}` has {name} selectors and `{without}` has none: no packet matches them"
                );
                self.tell(
                    Code::MixedFamilies,
                    Severity::Error,
                    place,
                    message,
                    &format!("add {name} to `{without}`, or take it out of `{with}`"),
                );
            }
        }
    }

    /// Who has the secret of one peer can pose as the other. Told once for each secret. Nobody outside can measure how long
    /// this comparison takes.
    fn same_secrets(&mut self, connections: &[FoundConnection]) {
        let mut owners: BTreeMap<&[u8], Vec<&FoundConnection>> = BTreeMap::new();
        for found in connections {
            if let Some(secret) = &found.secret {
                owners.entry(secret.as_bytes()).or_default().push(found);
            }
        }
        let peer = |found: &FoundConnection| {
            let remote = &found.connection.remote;
            (remote.address, remote.id.as_ref().map(ToString::to_string))
        };
        for owners in owners.values() {
            let Some((first, others)) = owners.split_first() else {
                continue;
            };
            let mut others = others.iter().filter(|other| peer(other) != peer(first));
            let Some(other) = others.next() else {
                continue;
            };
            let more = match others.count() {
                0 => String::new(),
                more => format!(" (and {more} more have it)"),
            };
            let message = format!(
                "the same secret as {}{more}: each of these peers can pose as the other",
                self.there(&first.place, &other.place)
            );
            let suggestion = "give each peer a secret of its own: openssl rand -base64 32";
            self.tell(
                Code::SameSecret,
                Severity::Warning,
                &other.place,
                message,
                suggestion,
            );
        }
    }

    /// Connections that a peer's first messages do not tell apart: of those with the same ends and the same way to prove
    /// who the peer is, several that it fits equally well.
    fn ambiguous(&mut self, connections: &[FoundConnection]) {
        let mut exact = BTreeMap::new();
        let mut open: BTreeMap<_, Vec<&FoundConnection>> = BTreeMap::new();
        for found in connections {
            let Connection {
                local,
                remote,
                authentication,
                ..
            } = &found.connection;
            let signs = matches!(authentication.remote, RemoteAuthentication::Signature(_));
            let ends = (local.address, remote.address, compared(&local.id), signs);
            match remote.id.as_ref().and_then(IdentityPattern::exact) {
                Some(id) => {
                    if let Some(first) = exact.insert((ends, compared(id)), &found.place) {
                        self.tell_ambiguous(first, &found.place, "the same addresses and ids as");
                    }
                }
                None => {
                    let others = open.entry(ends).or_default();
                    let same = others.iter().find(|other| fit_alike(other, found));
                    if let Some(first) = same {
                        self.tell_ambiguous(
                            &first.place,
                            &found.place,
                            "a peer could fit this as well as",
                        );
                    }
                    others.push(found);
                }
            }
        }
    }

    fn tell_ambiguous(&mut self, first: &Place, place: &Place, why: &str) {
        let message = format!(
            "{why} {}: a peer's messages cannot tell them apart",
            self.there(first, place)
        );
        let suggestion = "give one of them another id or address, or make them one connection with several children";
        self.tell(
            Code::AmbiguousConnections,
            Severity::Error,
            place,
            message,
            suggestion,
        );
    }
}

/// Whether one peer fits the patterns of both, and neither is the narrower, which would go first.
fn fit_alike(a: &FoundConnection, b: &FoundConnection) -> bool {
    match (&a.connection.remote.id, &b.connection.remote.id) {
        (Some(a), Some(b)) => a.breadth() == b.breadth() && a.meets(b),
        (None, None) => true,
        _ => false,
    }
}

/// An identity as far as comparing looks at it.
fn compared(id: &Identity) -> String {
    match id {
        Identity::Fqdn(_) | Identity::DistinguishedName(_) => id.to_string().to_lowercase(),
        Identity::Email(text) => match text.rsplit_once('@') {
            Some((user, host)) => format!("{user}@{}", host.to_lowercase()),
            None => text.clone(),
        },
        _ => id.to_string(),
    }
}
