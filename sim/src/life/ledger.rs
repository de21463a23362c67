//! What the gateways say of their SAs, held against itself: what comes up was not there, what is replaced or goes down was,
//! and each is said once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ike::engine::event::{Event, IkeSpis};
use ike::engine::failure::Cause;
use ike::engine::snapshot::Snapshot;

use super::scenario::{Scenario, child_number};

/// Which child: its link, and its number.
pub(super) type ChildKey = (usize, usize);

/// SPIs of a Child SA: inbound, then outbound.
pub(super) type Spis = (u32, u32);

/// What was said.
#[derive(Default)]
pub(super) struct Ledger {
    /// By gateway and child.
    children: BTreeMap<(usize, ChildKey), Vec<Spis>>,
    /// By gateway.
    ike_sas: BTreeMap<usize, BTreeSet<IkeSpis>>,
    /// Children that both ends have, and since when nothing has happened that may cost a packet.
    pub(super) armed: BTreeMap<ChildKey, Duration>,
    /// Children of which there are two now.
    pub(super) twice: Vec<ChildKey>,
    /// Child SAs that a process has found when it went on, by gateway and SPI: what was not said of them may still be said.
    listed: BTreeSet<(usize, u32)>,
    /// Those that a process did not list when it went on: their end may still be told of.
    missed: BTreeSet<(usize, u32)>,
    /// The same of IKE SAs.
    missed_ike: BTreeSet<(usize, IkeSpis)>,
    /// IKE SAs that were found.
    listed_ike: BTreeSet<(usize, IkeSpis)>,
    /// Gateways whose processes go on and tell what they have found: the one before may have been killed before it told what
    /// came first.
    restoring: BTreeSet<usize>,
    /// How often a child was replaced, by gateway and child.
    pub(super) replaced: BTreeMap<(usize, ChildKey), u64>,
}

/// What is wrong with an event, or what it means.
pub(super) enum Said {
    /// Nothing to be noted.
    Nothing,
    /// It does not fit what was said before.
    Wrong(String),
    /// A child is down.
    Down(ChildKey),
    /// An IKE SA is gone.
    Closed,
    /// A connection could not be made. The peer may have taken the last message of that attempt for an IKE SA, and may send by
    /// its children.
    Failed(Option<usize>),
}

impl Ledger {
    /// Takes note of what a gateway says.
    pub(super) fn event(&mut self, scenario: &Scenario, gateway: usize, event: &Event) -> Said {
        let link_of = |name| scenario.link_called(name);
        let key_of =
            |connection, child| Some((gateway, (link_of(connection)?, child_number(child)?)));
        match event {
            Event::ChildUp {
                connection,
                child,
                spi_in,
                spi_out,
                ..
            } => {
                let Some(key) = key_of(connection, child) else {
                    return Said::Wrong("a child that nobody knows is up".to_owned());
                };
                let current = self.children.entry(key).or_default();
                if current.iter().any(|(inbound, _)| inbound == spi_in) {
                    if self.listed.remove(&(gateway, *spi_in)) {
                        return Said::Nothing;
                    }
                    return Said::Wrong(format!("{spi_in:08x} is up twice"));
                }
                current.push((*spi_in, *spi_out));
                if current.len() > 1 {
                    // Both ends asked for it: one of the two goes.
                    self.armed.remove(&key.1);
                    self.twice.push(key.1);
                }
                Said::Nothing
            }
            Event::ChildRekeyed {
                connection,
                child,
                old_spi_in,
                spi_in,
                spi_out,
                ..
            } => {
                let Some(key) = key_of(connection, child) else {
                    return Said::Wrong("a child that nobody knows was rekeyed".to_owned());
                };
                let current = self.children.entry(key).or_default();
                let known = current.iter_mut().find(|(old, _)| old == old_spi_in);
                let Some(known) = known else {
                    let replaced = self.replaced.entry(key).or_default();
                    if self.listed.remove(&(gateway, *spi_in)) {
                        *replaced += 1;
                        return Said::Nothing;
                    }
                    // What went on was replaced, and the new one ended while nobody was there to be told.
                    if self.missed.remove(&(gateway, *old_spi_in)) {
                        current.push((*spi_in, *spi_out));
                        *replaced += 1;
                        return Said::Nothing;
                    }
                    return Said::Wrong(format!("{old_spi_in:08x} was rekeyed and is not up"));
                };
                *known = (*spi_in, *spi_out);
                let mut first = true;
                current.retain(|one| one.0 != *spi_in || std::mem::take(&mut first));
                *self.replaced.entry(key).or_default() += 1;
                Said::Nothing
            }
            Event::ChildDown {
                connection,
                child,
                spi_in,
                ..
            } => {
                let Some(key) = key_of(connection, child) else {
                    return Said::Wrong("a child that nobody knows is down".to_owned());
                };
                let current = self.children.entry(key).or_default();
                let before = current.len();
                current.retain(|(inbound, _)| inbound != spi_in);
                if current.len() == before {
                    if self.missed.remove(&(gateway, *spi_in)) {
                        return Said::Nothing;
                    }
                    if self.restoring.contains(&gateway) {
                        return Said::Down(key.1);
                    }
                    return Said::Wrong(format!("{spi_in:08x} is down and was not up"));
                }
                Said::Down(key.1)
            }
            Event::IkeSaEstablished { spis, .. } => {
                let known = self.ike_sas.entry(gateway).or_default();
                if known.insert(*spis) || self.listed_ike.remove(&(gateway, *spis)) {
                    Said::Nothing
                } else {
                    Said::Wrong("an IKE SA was established twice".to_owned())
                }
            }
            Event::IkeSaRekeyed { old_spis, spis, .. } => {
                let known = self.ike_sas.entry(gateway).or_default();
                let before = known.remove(old_spis);
                let listed = self.listed_ike.remove(&(gateway, *spis));
                if before && known.insert(*spis) || listed {
                    Said::Nothing
                } else {
                    Said::Wrong("an IKE SA was rekeyed that was not there".to_owned())
                }
            }
            Event::IkeSaClosed {
                spis,
                connection,
                reason,
            } => {
                let is_silent = matches!(reason.cause, Cause::NoResponse { .. });
                if self.ike_sas.entry(gateway).or_default().remove(spis) {
                    let link = link_of(connection).map(|link| &scenario.links[link]);
                    let again = link.is_some_and(|link| link.reauth != [None; 2]);
                    // To authenticate again is to begin anew: the old one ends, and its children go on. So it is where a
                    // process was killed while it rekeyed the IKE SA, for the private key is gone with it.
                    if is_silent {
                        // The peer, which may have heard everything, may go on with it.
                        Said::Failed(link_of(connection))
                    } else if again || scenario.kills() {
                        Said::Nothing
                    } else {
                        Said::Closed
                    }
                } else if self.missed_ike.remove(&(gateway, *spis)) {
                    Said::Nothing
                } else {
                    Said::Wrong("an IKE SA was closed that was not there".to_owned())
                }
            }
            Event::Restored { .. } => {
                self.restoring.remove(&gateway);
                Said::Nothing
            }
            Event::ConnectionFailed { connection, .. } => Said::Failed(link_of(connection)),
            _ => Said::Nothing,
        }
    }

    /// A process has ended: its SAs are gone without a word.
    pub(super) fn forget(&mut self, gateway: usize) {
        self.children.retain(|(of, _), _| *of != gateway);
        self.ike_sas.remove(&gateway);
    }

    /// A process goes on where one was killed.
    pub(super) fn restores(&mut self, gateway: usize) {
        self.restoring.insert(gateway);
    }

    /// A process has gone on where one was killed, and has what it lists. What it does not know of was said of what was not
    /// recorded yet, and will not be heard of again; what nobody knows of, the one before was killed before it had said it.
    pub(super) fn found(&mut self, scenario: &Scenario, gateway: usize, listed: &Snapshot) {
        let ike_sas = || listed.connections.iter().flat_map(|of| &of.ike_sas);
        let known = |spis: &IkeSpis| ike_sas().any(|sa| sa.spis == *spis);
        if let Some(said) = self.ike_sas.get_mut(&gateway) {
            let missed = said.iter().filter(|spis| !known(spis));
            self.missed_ike.extend(missed.map(|spis| (gateway, *spis)));
            said.retain(known);
        }
        let known = |spi: u32| {
            let mut children = ike_sas().flat_map(|sa| &sa.children);
            children.any(|child| child.inbound.spi == spi)
        };
        for ((of, key), said) in &mut self.children {
            let before = said.len();
            if *of == gateway {
                let missed = said.iter().filter(|(inbound, _)| !known(*inbound));
                self.missed
                    .extend(missed.map(|(inbound, _)| (gateway, *inbound)));
                said.retain(|(inbound, _)| known(*inbound));
            }
            if said.len() < before {
                self.armed.remove(key);
            }
        }
        for of in &listed.connections {
            let Some(link) = scenario.link_called(&of.connection.name) else {
                continue;
            };
            for sa in of.ike_sas.iter().filter(|sa| sa.state == "established") {
                if self.ike_sas.entry(gateway).or_default().insert(sa.spis) {
                    self.listed_ike.insert((gateway, sa.spis));
                }
                for child in sa.children.iter().filter(|child| child.age.is_some()) {
                    let Some(number) = child_number(&child.name) else {
                        continue;
                    };
                    let spis = (child.inbound.spi, child.outbound.spi);
                    let said = self.children.entry((gateway, (link, number))).or_default();
                    if !said.contains(&spis) {
                        said.push(spis);
                        self.listed.insert((gateway, spis.0));
                    }
                }
            }
        }
    }

    /// Loss no longer counts until both ends have these children again.
    pub(super) fn disarm(&mut self, which: impl Fn(&ChildKey) -> bool) {
        self.armed.retain(|key, _| !which(key));
    }

    /// What a gateway has for a child.
    pub(super) fn current(&self, gateway: usize, key: ChildKey) -> &[Spis] {
        self.children
            .get(&(gateway, key))
            .map_or(&[], Vec::as_slice)
    }

    /// The SPIs of all Child SAs of a gateway, and whether each is of what comes in.
    pub(super) fn spis(&self, gateway: usize) -> BTreeSet<(bool, u32)> {
        let own = self.children.iter().filter(|((of, _), _)| *of == gateway);
        let spis = own.flat_map(|(_, current)| current);
        spis.flat_map(|(inbound, outbound)| [(true, *inbound), (false, *outbound)])
            .collect()
    }

    /// The Child SA, by its inbound SPI, that has an SA of this SPI.
    pub(super) fn with_spi(&self, gateway: usize, spi: u32) -> Option<u32> {
        let own = self.children.iter().filter(|((of, _), _)| *of == gateway);
        let mut spis = own.flat_map(|(_, current)| current);
        spis.find(|(inbound, outbound)| [*inbound, *outbound].contains(&spi))
            .map(|(inbound, _)| *inbound)
    }

    /// All Child SAs of a gateway.
    pub(super) fn all(&self, gateway: usize) -> usize {
        let own = self.children.iter().filter(|((of, _), _)| *of == gateway);
        own.map(|(_, current)| current.len()).sum()
    }

    /// IKE SAs of a gateway.
    pub(super) fn ike_sas(&self, gateway: usize) -> usize {
        self.ike_sas.get(&gateway).map_or(0, BTreeSet::len)
    }

    /// Whether both ends have this child once, and it is the same pair of SAs.
    pub(super) fn agrees(&self, ends: [usize; 2], key: ChildKey) -> bool {
        match ends.map(|end| self.current(end, key)) {
            [[(a_in, a_out)], [b]] => (*a_out, *a_in) == *b,
            _ => false,
        }
    }
}
