//! Connections: the two ends, who they are, and when silence counts.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::config::identity::{Identity, IdentityError, IdentityPattern};
use ike::config::proposal;
use ike::config::{Connection, HostName, Liveness, Local, Remote, Strength, Unique};
use ike::pki::Certificate;

use super::auth::{self, Auth};
use super::values::{read_duration, read_word};
use super::{FoundConnection, Named, traffic};
use crate::files::subject;
use crate::report::{Code, Severity, printable};
use crate::walk::{Bad, Draft, Fields, Place, Walk, list};
use crate::words::{self, Kind, Mapping};
use crate::yaml::{Node, Value};

/// Names of a certificate that a message lists.
const MAX_NAMES: usize = 8;
const DEFAULT_REKEY_AFTER: Duration = Duration::from_secs(4 * 3600);

/// What stands under the name of a connection.
pub(super) fn read(walk: &mut Walk<'_>, entry: Named<'_>) -> Option<FoundConnection> {
    let fields = walk.fields(entry.node, Some(entry.key), &entry.path, &words::CONNECTION)?;
    let local = walk.required(&fields, "local", "local: { address: 192.0.2.1 }");
    let local = local.and_then(|node| read_end(walk, node, &fields.path("local"), &words::LOCAL));
    let remote = walk.required(
        &fields,
        "remote",
        "remote: { address: 198.51.100.7 }, or remote: { address: any }",
    );
    let remote =
        remote.and_then(|node| read_end(walk, node, &fields.path("remote"), &words::REMOTE));
    let node = walk.required(
        &fields,
        "auth",
        "auth: { psk: { file: NAME.psk } }, or auth: { certificate: NAME.pem, key: NAME.key, ca: CA.pem }",
    );
    let auth = node
        .and_then(|node| auth::read(walk, node, &fields.path("auth"), implied_strength(&fields)));
    let proposals = traffic::read_proposals(walk, &fields, "ike", proposal::read_ike);
    let unique = read_word(
        walk,
        &fields,
        "unique",
        Unique::Replace,
        &[
            ("replace", Unique::Replace),
            ("keep", Unique::Keep),
            ("never", Unique::No),
        ],
        &[("yes", "replace"), ("no", "never")],
    );
    let verify_rekey = read_word(
        walk,
        &fields,
        "verify_rekey",
        false,
        &[("at-once", true), ("never", false)],
        &[("yes", "at-once"), ("no", "never")],
    );
    let liveness = fields.get("liveness").map_or_else(
        || Some(Liveness::default()),
        |node| read_liveness(walk, node, &fields.path("liveness")),
    );
    let rekey_after = read_duration(walk, &fields, "rekey_after", DEFAULT_REKEY_AFTER);
    let reauth_after = read_duration(walk, &fields, "reauth_after", Duration::ZERO);
    let childless = fields
        .get("children")
        .is_none_or(|node| matches!(&node.value, Value::Map(children) if children.is_empty()));
    let addresses = [&local, &remote].map(|end| end.as_ref().map(|end| end.address));
    let children = fields
        .get("children")
        .map(|node| traffic::read_children(walk, node, &fields.path("children"), addresses))
        .unwrap_or_default();
    let (mut places, mut esp, mut read) = (Vec::new(), Vec::new(), Vec::new());
    for one in children {
        places.push(one.place);
        esp.push(one.esp);
        read.push(one.child);
    }
    let ike = fields
        .get("ike")
        .map(|node| walk.place(node, &fields.path("ike")));
    // A misspelt `children` is no missing one.
    let childless = childless && !fields.is_misspelt();
    let (local, remote) = (local?, remote?);
    let anybody_is_meant = matches!(remote.id, Some((Who::Anybody, _)));
    let local_id = local_id(walk, &fields, &local, auth.as_ref());
    let remote_id = remote_id(walk, &remote, auth.as_ref());
    let auth = auth?;
    let connection = Connection {
        name: entry.name?,
        local: Local {
            address: local.address,
            id: local_id?,
        },
        remote: Remote {
            address: remote.address,
            host: remote.host.clone(),
            id: remote_id?,
        },
        proposals,
        authentication: auth.authentication,
        children: read,
        liveness: liveness?,
        rekey_after: rekey_after.map(|after| (!after.is_zero()).then_some(after))?,
        reauth_after: reauth_after.map(|after| (!after.is_zero()).then_some(after))?,
        unique: unique?,
        verify_rekey: verify_rekey?,
    };
    Some(FoundConnection {
        connection,
        place: fields.place,
        children: places,
        ike,
        esp,
        childless,
        anybody_is_meant,
        secret: auth.secret,
        credentials: auth.credentials,
    })
}

/// Who asks for CNSA 1.0 by its name asks for its certificates too (RFC 9206 section 4), unless they say otherwise.
fn implied_strength(fields: &Fields<'_>) -> Strength {
    let is_cnsa1 = |node: &Node| matches!(&node.value, Value::Scalar(text) if text.trim().eq_ignore_ascii_case("cnsa1"));
    let all = fields.get("ike").is_some_and(|node| match &node.value {
        Value::List(items) => !items.is_empty() && items.iter().all(is_cnsa1),
        _ => is_cnsa1(node),
    });
    if all {
        Strength::Cnsa1
    } else {
        Strength::Default
    }
}

/// Who we say we are: what is written, else what our certificate says, else our address.
fn local_id(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    local: &End,
    auth: Option<&Auth>,
) -> Option<Identity> {
    let certificate = auth.and_then(Auth::certificate);
    match &local.id {
        Some((Who::Like(IdentityPattern::Exact(id)), place)) => {
            if let Some(certificate) =
                certificate.filter(|certificate| !certificate.vouches_for(id))
            {
                let message = format!(
                    "`{}` is not in our certificate, which holds {}",
                    printable(&id.to_string()),
                    names(certificate)
                );
                let draft = Draft::of(
                    Code::IdentityNotInCertificate,
                    Severity::Error,
                    place,
                    message,
                );
                walk.drafts.push(
                    draft.suggest("write one of these, or leave the id out to use the subject"),
                );
                return None;
            }
            Some(id.clone())
        }
        Some((who, place)) => {
            let message = match who {
                Who::Anybody => "`any`: the peer must be told who we are".to_owned(),
                Who::Like(pattern) => {
                    format!(
                        "`{}` is a pattern, which only the id of the remote end may be",
                        printable(&pattern.to_string())
                    )
                }
            };
            let draft = Draft::of(Code::BadIdentity, Severity::Error, place, message);
            walk.drafts
                .push(draft.suggest("write the one identity that is ours"));
            None
        }
        None => {
            let held = certificate.and_then(own_name);
            let id = held.or_else(|| local.address.map(Identity::from));
            // Where `auth` is wrong, whether an id is missing is not known.
            if id.is_none() && auth.is_some() {
                let message =
                    "`local` has neither address nor id: the peer must be told who we are"
                        .to_owned();
                let draft = Draft::of(Code::MissingKey, Severity::Error, &fields.place, message);
                walk.drafts.push(draft.suggest("add local: { id: ... }"));
            }
            id
        }
    }
}

/// Whom we accept as the peer, `None` within for anybody who can authenticate.
fn remote_id(
    walk: &mut Walk<'_>,
    remote: &End,
    auth: Option<&Auth>,
) -> Option<Option<IdentityPattern>> {
    match &remote.id {
        Some((Who::Anybody, _)) => return Some(None),
        Some((Who::Like(pattern), place)) => {
            check_pinned(walk, pattern, place, auth);
            return Some(Some(pattern.clone()));
        }
        None => {}
    }
    let auth = auth?;
    let pinned = auth.pinned.as_ref().and_then(own_name);
    if let Some(id) = pinned {
        return Some(Some(id.into()));
    }
    if auth.needs_remote_id {
        let message =
            "`remote` has no id: whoever has a certificate of the authority could come".to_owned();
        let draft = Draft::of(Code::MissingKey, Severity::Error, &remote.place, message);
        walk.drafts.push(draft.suggest(
            "add id: branch.example.com, a name in the peer's certificate; *.example.com takes all below it, and any takes everybody",
        ));
        return None;
    }
    if remote.address.is_none() && remote.host.is_none() && auth.peer_signs() {
        let message =
            "`remote` has neither address nor id: nobody can be told apart by a key alone"
                .to_owned();
        let draft = Draft::of(Code::MissingKey, Severity::Error, &remote.place, message);
        walk.drafts.push(
            draft.suggest("add id: ..., or id: any if this is the only peer without address"),
        );
        return None;
    }
    Some(
        remote
            .address
            .map(Identity::from)
            .or_else(|| Some(Identity::Fqdn(remote.host.as_ref()?.to_string())))
            .map(IdentityPattern::from),
    )
}

/// A peer says who it is by a name of its certificate: of one that is known, whether it can be the one that is expected.
fn check_pinned(
    walk: &mut Walk<'_>,
    pattern: &IdentityPattern,
    place: &Place,
    auth: Option<&Auth>,
) {
    let Some(certificate) = auth.and_then(|auth| auth.pinned.as_ref()) else {
        return;
    };
    let mut held = std::iter::once(certificate.subject()).chain(certificate.names());
    let fits = match pattern {
        IdentityPattern::Exact(id) => certificate.vouches_for(id),
        pattern => held.any(|name| pattern.matches(name)),
    };
    if !fits {
        let message = format!(
            "`{}` is not in the peer's certificate, which holds {}: a peer that goes by its certificate is refused",
            printable(&pattern.to_string()),
            names(certificate)
        );
        let draft = Draft::of(
            Code::IdentityNotInCertificate,
            Severity::Warning,
            place,
            message,
        );
        walk.drafts
            .push(draft.suggest("write one of these, or leave the id out to expect the subject"));
    }
}

/// The name that a certificate gives its owner: the subject, or its first alternative where that is empty.
fn own_name(certificate: &Arc<Certificate>) -> Option<Identity> {
    let subject = certificate.subject();
    let is_empty = matches!(subject, Identity::DistinguishedName(der) if der.len() <= 2);
    if is_empty {
        certificate.names().first().cloned()
    } else {
        Some(subject.clone())
    }
}

fn names(certificate: &Certificate) -> String {
    let others = certificate
        .names()
        .iter()
        .take(MAX_NAMES)
        .map(|name| printable(&name.to_string()));
    let all: Vec<String> = std::iter::once(subject(certificate))
        .chain(others)
        .collect();
    list(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Who an end is said to be.
enum Who {
    Anybody,
    Like(IdentityPattern),
}

/// One end, as far as it is said.
struct End {
    address: Option<IpAddr>,
    host: Option<HostName>,
    id: Option<(Who, Place)>,
    place: Place,
}

fn read_end(walk: &mut Walk<'_>, node: &Node, path: &str, keys: &'static Mapping) -> Option<End> {
    let fields = walk.fields(node, None, path, keys)?;
    let host = fields
        .get("address")
        .filter(|_| matches!(fields.kind("address"), Kind::Address { named: true }))
        .and_then(host_name);
    let address = fields
        .get("address")
        .filter(|_| host.is_none())
        .map_or(Some(None), |node| {
            read_address(walk, node, &fields.path("address"))
        });
    let id = fields.get("id").map_or(Some(None), |node| {
        let path = fields.path("id");
        let parse = |text: &str| match text {
            "any" | "%any" => Ok(Who::Anybody),
            _ => text
                .parse()
                .map(Who::Like)
                .map_err(|error: IdentityError| Bad {
                    suggestion: error.suggestion().map(str::to_owned),
                    ..Bad::new(&error)
                }),
        };
        let who = walk.parsed(node, &path, Code::BadIdentity, "an identity", parse)?;
        Some(Some((who, walk.place(node, &path))))
    });
    // Without this, the mistake would be told twice.
    if fields.is_misspelt() {
        return None;
    }
    Some(End {
        address: address?,
        host,
        id: id?,
        place: fields.place,
    })
}

/// The name of a host, where it is one.
fn host_name(node: &Node) -> Option<HostName> {
    let Value::Scalar(text) = &node.value else {
        return None;
    };
    let is_else = matches!(text.as_str(), "any" | "%any") || text.parse::<IpAddr>().is_ok();
    HostName::new(text).filter(|_| !is_else)
}

/// An address, `None` within for any.
fn read_address(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<Option<IpAddr>> {
    let expected = "an IP address, or any";
    let text = walk.scalar(node, path, expected)?;
    if matches!(text, "any" | "%any") {
        return Some(None);
    }
    let is_name = text.parse::<IpAddr>().is_err()
        && text.contains(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if is_name {
        let bad = Bad::new(format!(
            "`{}`: a name, where an address is expected",
            printable(text)
        ))
        .suggest("write the IP address; the name of a host may stand in remote: { address: ... }");
        walk.tell(Code::BadAddress, Severity::Error, node, path, bad);
        return None;
    }
    walk.parsed(
        node,
        path,
        Code::BadAddress,
        expected,
        |text| match text.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => {
                Err(Bad::new("stands for any address")
                    .suggest("write any, or leave the address out"))
            }
            Ok(address) if address.is_multicast() => {
                Err(Bad::new("a multicast address: an end has one of its own"))
            }
            Ok(address) => Ok(Some(address)),
            Err(_) => match text.split_once('/') {
                Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
                    Err(Bad::new("a network, where one address is expected")
                        .suggest(format!("write {address}, or any")))
                }
                _ => Err(Bad::new("not an IP address")
                    .suggest("write one such as 192.0.2.1 or 2001:db8::1, or any")),
            },
        },
    )
}

fn read_liveness(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<Liveness> {
    let fields = walk.fields(node, None, path, &words::LIVENESS)?;
    let default = Liveness::default();
    let interval = read_duration(walk, &fields, "interval", default.interval);
    let give_up = read_duration(walk, &fields, "give_up", default.give_up);
    Some(Liveness {
        interval: interval?,
        give_up: give_up?,
    })
}
