//! Connections and children by their names, and what to say where there is none of that name.

use std::net::IpAddr;

use ikapi::{Error, State};
use ike::config::Name;
use ike::engine::snapshot::ConnectionSnapshot;

use super::failure;
use super::list::{child_state, connection_state};
use crate::control::View;

fn find<'a>(view: &'a View, name: &Name) -> Option<&'a ConnectionSnapshot> {
    view.snapshot
        .connections
        .iter()
        .find(|connection| connection.connection.name == *name)
}

/// How a connection, or one child of it, fares.
pub(in crate::control) fn state_of(view: &View, connection: &Name, child: Option<&Name>) -> State {
    let Some(snapshot) = find(view, connection) else {
        return State::Unknown;
    };
    match child {
        None => connection_state(snapshot),
        Some(name) => {
            let configured = snapshot
                .connection
                .children
                .iter()
                .find(|child| child.name == *name);
            configured.map_or(State::Unknown, |child| child_state(child, snapshot))
        }
    }
}

/// The newest failure of a connection, or of one child of it.
pub(in crate::control) fn last_failure(
    view: &View,
    connection: &Name,
    child: Option<&Name>,
) -> Option<ikapi::Failure> {
    let snapshot = find(view, connection)?;
    let of_children = snapshot
        .child_failures
        .iter()
        .filter(|(name, ..)| child.is_none_or(|child| child == name))
        .map(|(_, at, why)| (at, why));
    let of_connection = snapshot.last_failure.iter().map(|(at, why)| (at, why));
    let (at, why) = of_children
        .chain(of_connection)
        .max_by_key(|(at, _)| **at)?;
    Some(failure(why, at.as_secs(), peer_of(view, connection)))
}

/// The configured address of a connection's peer.
pub(in crate::control) fn peer_of(view: &View, connection: &Name) -> Option<String> {
    let remote = &find(view, connection)?.connection.remote;
    let address = remote.address.map(|address| address.to_string());
    address.or_else(|| remote.host.as_ref().map(ToString::to_string))
}

/// Where a connection's peers are configured to be, and are now; `None`: there is no such connection.
pub(in crate::control) fn addresses_of(view: &View, connection: &Name) -> Option<Vec<IpAddr>> {
    let snapshot = find(view, connection)?;
    let now = snapshot.ike_sas.iter().map(|sa| sa.path.remote.ip());
    let mut addresses: Vec<_> = snapshot
        .connection
        .remote
        .address
        .into_iter()
        .chain(now)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    Some(addresses)
}

/// The error for names that the engine does not know: the connection, or else its child.
pub(in crate::control) fn not_found(view: &View, connection: &Name, child: Option<&Name>) -> Error {
    match (find(view, connection), child) {
        (Some(snapshot), Some(child)) => missing(
            "child",
            child.as_str(),
            snapshot.connection.children.iter().map(|child| &child.name),
        ),
        _ => {
            let names = view
                .snapshot
                .connections
                .iter()
                .map(|one| &one.connection.name);
            missing("connection", connection.as_str(), names)
        }
    }
}

pub(super) fn missing<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a Name>) -> Error {
    missing_word(what, name, known.map(Name::as_str))
}

/// The error for a word that is none of those that are known.
pub(in crate::control) fn missing_word<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Error {
    Error::NotFound {
        what: what.to_owned(),
        name: name.to_owned(),
        nearest: nearest(name, known),
    }
}

/// Longer names are none that anybody has mistyped, and cost too much to compare.
const NAME_MOST: usize = 256;

/// The known name with the fewest differences, if they are few.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let most = name.chars().count().div_ceil(3);
    let close = known
        .filter(|_| name.len() <= NAME_MOST)
        .map(|known| (distance(name, known), known))
        .filter(|(distance, _)| *distance <= most);
    close
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known.to_owned())
}

/// Characters to insert, remove or replace (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<_> = right.chars().collect();
    let mut row: Vec<_> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_finds_its_nearest() {
        let known: Vec<_> = ["branch", "hub", "lab-7"]
            .iter()
            .filter_map(|name| Name::new(name))
            .collect();
        assert_eq!(
            nearest("brnch", known.iter().map(Name::as_str)).as_deref(),
            Some("branch")
        );
        assert_eq!(
            nearest("hib", known.iter().map(Name::as_str)).as_deref(),
            Some("hub")
        );
        assert_eq!(nearest("office", known.iter().map(Name::as_str)), None);
    }

    #[test]
    fn distance_counts_single_changes() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
