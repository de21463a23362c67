//! Connections: the two ends, how they prove who they are, and when silence counts.

use std::net::IpAddr;
use std::time::Duration;

use ike::config::identity::{Identity, IdentityPattern};
use ike::config::proposal;
use ike::config::{Authentication, Connection, Liveness, Local, Remote};
use ike::crypto::Secret;

use super::values::{DAY, HOUR, duration, read_duration};
use super::{FoundConnection, Named, traffic};
use crate::report::{Code, Severity, printable};
use crate::secret;
use crate::walk::{Bad, Draft, Walk};
use crate::words;
use crate::yaml::{Node, Value};

/// What stands under the name of a connection.
pub(super) fn read(
    walk: &mut Walk<'_>,
    entry: Named<'_>,
    check_mode: bool,
) -> Option<FoundConnection> {
    let fields = walk.fields(entry.node, Some(entry.key), &entry.path, &words::CONNECTION)?;
    let local = walk.required(&fields, "local", "local: { address: 192.0.2.1 }");
    let local = local.and_then(|node| read_end(walk, node, &fields.path("local")));
    let remote = walk.required(
        &fields,
        "remote",
        "remote: { address: 198.51.100.7 }, or remote: { address: any }",
    );
    let remote = remote.and_then(|node| read_end(walk, node, &fields.path("remote")));
    let auth = walk.required(&fields, "auth", "auth: { psk: { file: NAME.psk } }");
    let secret = auth.and_then(|node| read_auth(walk, node, &fields.path("auth"), check_mode));
    let proposals = traffic::read_proposals(walk, &fields, "ike", proposal::read_ike);
    let liveness = fields.get("liveness").map_or_else(
        || Some(Liveness::default()),
        |node| read_liveness(walk, node, &fields.path("liveness")),
    );
    let childless = fields
        .get("children")
        .is_none_or(|node| matches!(&node.value, Value::Map(children) if children.is_empty()));
    let children = fields
        .get("children")
        .map(|node| traffic::read_children(walk, node, &fields.path("children")))
        .unwrap_or_default();
    let (places, children): (Vec<_>, Vec<_>) = children.into_iter().unzip();
    // A misspelt `children` is no missing one.
    let childless = childless && !fields.is_misspelt();
    let (local, remote, liveness) = (local?, remote?, liveness?);
    let Some(id) = local.id.or_else(|| local.address.map(Identity::from)) else {
        let message =
            "`local` has neither address nor id: the peer must be told who we are".to_owned();
        let draft = Draft::of(Code::MissingKey, Severity::Error, &fields.place, message);
        walk.drafts.push(draft.suggest("add local: { id: ... }"));
        return None;
    };
    let connection = Connection {
        name: entry.name?,
        local: Local {
            address: local.address,
            id,
        },
        remote: Remote {
            address: remote.address,
            id: remote
                .id
                .or_else(|| remote.address.map(Identity::from))
                .map(IdentityPattern::from),
        },
        proposals,
        authentication: Authentication::PRE_SHARED_KEY,
        children,
        liveness,
    };
    Some(FoundConnection {
        connection,
        place: fields.place,
        children: places,
        childless,
        secret,
    })
}

/// One end, as far as it is said.
struct End {
    address: Option<IpAddr>,
    id: Option<Identity>,
}

fn read_end(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<End> {
    let fields = walk.fields(node, None, path, &words::END)?;
    let address = fields.get("address").map_or(Some(None), |node| {
        read_address(walk, node, &fields.path("address"))
    });
    let id = fields.get("id").map_or(Some(None), |node| {
        let parse = |text: &str| {
            text.parse::<Identity>().map(Some).map_err(|error| Bad {
                suggestion: error.suggestion().map(str::to_owned),
                ..Bad::new(&error)
            })
        };
        walk.parsed(
            node,
            &fields.path("id"),
            Code::BadIdentity,
            "an identity",
            parse,
        )
    });
    // Without this, the mistake would be told twice.
    if fields.is_misspelt() {
        return None;
    }
    Some(End {
        address: address?,
        id: id?,
    })
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
        let bad = Bad::new(format!("`{}`: names are not resolved yet", printable(text)))
            .suggest("write the IP address");
        walk.tell(Code::NotYet, Severity::Error, node, path, bad);
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

fn read_auth(walk: &mut Walk<'_>, node: &Node, path: &str, check_mode: bool) -> Option<Secret> {
    let fields = walk.fields(node, None, path, &words::AUTH)?;
    let psk = walk.required(&fields, "psk", "psk: { file: NAME.psk }")?;
    secret::read(walk, psk, &fields.path("psk"), check_mode)
}

fn read_liveness(walk: &mut Walk<'_>, node: &Node, path: &str) -> Option<Liveness> {
    let fields = walk.fields(node, None, path, &words::LIVENESS)?;
    let default = Liveness::default();
    let interval = match fields.get("interval") {
        Some(node) => walk.parsed(
            node,
            &fields.path("interval"),
            Code::BadDuration,
            "a duration, or never",
            |text| match text {
                "never" => Ok(Duration::ZERO),
                text => duration(text, 1, DAY),
            },
        ),
        None => Some(default.interval),
    };
    let give_up = read_duration(walk, &fields, "give_up", default.give_up, (5, HOUR));
    Some(Liveness {
        interval: interval?,
        give_up: give_up?,
    })
}
