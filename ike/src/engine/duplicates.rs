//! Several IKE SAs of one connection with one peer, by the identity that it has proved: which of them stay.
//!
//! ```text
//!   the newer one says INITIAL_CONTACT   the older ones end at once: the peer has forgotten them (RFC 7296 section 2.4)
//!   both sides began at once             that with the lower initiator SPI ends, so that both sides keep the same one
//!   otherwise, by the policy             the older one ends when the newer one does its work; or the newer one; or neither
//! ```

use crate::config::{Name, Unique};
use crate::wire::IkeSpi;

use super::Engine;
use super::failure::{Cause, Failure, Step};
use super::ike_sa::{DELETE_DUE, Tell};

impl Engine {
    /// A new IKE SA stands: which of those with the same peer end.
    pub(super) fn settle_duplicates(&mut self, name: &Name, own: IkeSpi, initial_contact: bool) {
        let (Some(entry), Some(new)) = (self.connections.entries.get(name), self.ike_sas.get(&own))
        else {
            return;
        };
        let Some(peer) = new
            .established()
            .map(|established| established.peer.identity())
        else {
            return;
        };
        let unique = entry.connection.unique;
        let by_us = entry.replacements.is_for(own);
        let (mut replaced, mut old, mut losers) = (Vec::new(), Vec::new(), Vec::new());
        for other in entry
            .sas
            .iter()
            .filter(|other| **other != own)
            .filter_map(|other| self.ike_sas.get(other))
        {
            let Some(established) = other.established() else {
                continue;
            };
            if !established.peer.identity().matches(peer) {
                continue;
            }
            let stood_before = established.authenticated < new.since;
            if initial_contact && stood_before {
                replaced.push(other.own_spi());
                continue;
            }
            if stood_before {
                if !by_us && unique != Unique::No {
                    old.push(other.own_spi());
                }
            } else if other.begun_by_us != new.begun_by_us {
                let (loser, winner) = if other.spis.initiator < new.spis.initiator {
                    (other, new)
                } else {
                    (new, other)
                };
                losers.push((loser.own_spi(), winner.own_spi(), winner.initiator));
            }
        }
        for own in replaced {
            let failure = Failure::new(Step::IkeAuth, Cause::Replaced);
            self.with_sa(own, |sa, shared| sa.close(shared, failure, Tell::Nothing));
        }
        if unique == Unique::Keep && !old.is_empty() {
            return self.with_sa(own, |sa, shared| {
                sa.close_for(shared, Cause::AlreadyConnected)
            });
        }
        let now = self.shared.now.boot;
        for (loser, winner, by_us) in losers {
            // Nothing takes over there any more.
            let until = Some(now + DELETE_DUE);
            self.with_sa(loser, |sa, shared| sa.is_redundant(shared, until));
            if let Some(entry) = self.connections.entries.get_mut(name) {
                entry.replacements.lost(loser, winner, by_us, now);
            }
        }
        if let Some(entry) = self.connections.entries.get_mut(name) {
            for before in old {
                entry.replacements.by_the_peer(before, own, now);
            }
        }
    }

    /// The peer was quicker: our own attempts that have not come to IKE_AUTH end. Going on, they would make a second IKE
    /// SA and claim by INITIAL_CONTACT that it is the only one. Both sides cannot do this at once: the peer is past IKE_AUTH.
    pub(super) fn give_up_attempts(&mut self, name: &Name, own: IkeSpi) {
        let (Some(entry), Some(new)) = (self.connections.entries.get(name), self.ike_sas.get(&own))
        else {
            return;
        };
        let peer = new.path.remote.ip();
        let late: Vec<_> = entry
            .sas
            .iter()
            .filter_map(|other| self.ike_sas.get(other))
            .filter(|other| other.is_before_ike_auth() && other.path.remote.ip() == peer)
            .map(|other| other.own_spi())
            .collect();
        for own in late {
            let failure = Failure::new(Step::IkeSaInit, Cause::Replaced);
            self.with_sa(own, |sa, shared| sa.close(shared, failure, Tell::Nothing));
        }
    }
}
