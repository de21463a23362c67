//! A peer that is heard ends the waiting: whoever sends from the address of a connection that is to be up, and waits for its
//! next attempt, is there, and the next attempt comes now.
//!
//! Anybody can write that address on a datagram. What that can bring about is one attempt in ten seconds for each of a few
//! connections, and none that would not have come by itself within a minute.

use std::net::IpAddr;
use std::time::Duration;

use super::Engine;
use super::connections::FIRST_MOVE;

/// How often it counts.
const HEARD_AGAIN: Duration = Duration::from_secs(10);
/// Connections with one peer that are looked at.
const AT_ONCE: usize = 16;

impl Engine {
    /// Something came from this address that belongs to no IKE SA. A peer that begins by itself is given time to come
    /// through.
    pub(super) fn heard_from(&mut self, peer: IpAddr, begins: bool) {
        let now = self.shared.now.boot;
        let connections: Vec<_> = self
            .connections
            .directory
            .with_peer_at(peer)
            .take(AT_ONCE)
            .map(|connection| connection.name.clone())
            .collect();
        for name in connections {
            let Some(entry) = self.connections.entries.get_mut(&name) else {
                continue;
            };
            let recently = |at: Duration| now.saturating_sub(at) < HEARD_AGAIN;
            if entry.retry.pending(now).is_none() || entry.heard.is_some_and(recently) {
                continue;
            }
            entry.heard = Some(now);
            let at = if begins { now + FIRST_MOVE } else { now };
            entry.retry.no_later_than(at);
            self.connections.unsettled.insert(name);
        }
    }
}
