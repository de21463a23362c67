//! Whose events: of a connection, its peers' datagrams included, or of an address.

use std::net::IpAddr;

use ike::config::Name;

use super::Event;

/// Addresses that are remembered for a connection: peers move, but not without end.
const ADDRESSES: usize = 8;

/// Whose events somebody wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Of a connection.
    Connection {
        /// Its name.
        name: Name,
        /// Where its peers are known to be, the newest last: what comes from there and cannot be told apart otherwise (a
        /// datagram that is dropped, a retransmission in an exchange that has only begun) counts as the connection's.
        addresses: Vec<IpAddr>,
    },
    /// Of whoever has this address.
    Peer(IpAddr),
}

impl Subject {
    /// Whether an event is of this one; learns from it where the connection's peer is.
    pub(super) fn concerns(&mut self, event: &Event) -> bool {
        let peer = event.peer().map(|peer| peer.ip());
        match self {
            Self::Peer(address) => peer == Some(*address),
            Self::Connection { name, addresses } => match event.connection() {
                Some(connection) if connection == name => {
                    if let Some(peer) = peer.filter(|peer| !addresses.contains(peer)) {
                        if addresses.len() >= ADDRESSES {
                            addresses.remove(0);
                        }
                        addresses.push(peer);
                    }
                    true
                }
                Some(_) => false,
                None => peer.is_some_and(|peer| addresses.contains(&peer)),
            },
        }
    }

    /// Whether both name the same connection or peer, wherever it is.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Connection { name: one, .. }, Self::Connection { name: other, .. }) => {
                one == other
            }
            (Self::Peer(one), Self::Peer(other)) => one == other,
            _ => false,
        }
    }
}
