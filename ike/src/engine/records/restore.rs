//! A new engine that goes on where another ended.
//!
//! ```text
//!   configuration --> entries, policies that should stand
//!   records       --> IKE SAs and Child SAs, what is under way, what operators said
//!   kernel        --> compared with both, in this order:
//!                       Child SAs that the kernel was asked for and has not, or not wholly: asked for again (order O1),
//!                         unless they may have been there and have ended
//!                       policies that are missing or other: set; SAs and policies that are nobody's: deleted
//!                       the first packet by a Child SA that stands by, if nobody was there to be told: as if told now
//!                       SAs that should be there and are not: as if the kernel had just let them go
//! ```
//!
//! Nothing is in clear meanwhile: a policy that stands is only ever replaced by what should stand there.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::Connection;
use crate::crypto::Secret;
use crate::engine::event::Event;
use crate::engine::ike_sa::{IkeSa, IkeSaFields};
use crate::engine::io::{
    KernelAction, KernelContents, KernelStep, Now, OnFailure, Output, RecordKey, Remains,
    SaReference,
};
use crate::engine::replacement::Replacements;
use crate::engine::shared::KernelOwner;
use crate::engine::{Engine, Options};
use crate::wire::IkeSpi;

use super::{ConnectionFields, Journal, codec};

impl Engine {
    /// An engine that goes on where another ended, whose first outputs are to be drained by [`Self::poll`] before anything
    /// is handled. A record that is not what we write is left out and said to be; what it spoke of ends in the kernel.
    #[must_use]
    pub fn restore(options: Options, now: Now, remains: Remains) -> Self {
        let Remains {
            configuration,
            mut records,
            kernel,
        } = remains;
        let mut engine = Self::new(options);
        engine.shared.now = now;
        engine.shared.policies.find(&kernel.policies);
        // Connections before IKE SAs.
        records.sort_by(|(left, _), (right, _)| right.cmp(left));
        let mut refused = 0;
        let mut found: Vec<(IkeSpi, IkeSaFields)> = Vec::new();
        for (key, body) in &records {
            if let RecordKey::IkeSa(own) = key {
                match codec::decode::<IkeSaFields>(key, body) {
                    Some(fields) => found.push((*own, fields)),
                    None => refused += 1,
                }
            }
        }
        // What is taken anew for the configuration must not be what Child SAs have.
        for reqid in found.iter().flat_map(|(_, fields)| fields.reqids()) {
            engine.shared.know_reqid(reqid);
        }
        engine.restoring = true;
        engine.configure(configuration);
        // What that asks of the kernel is seen again when it is compared with what the kernel has.
        let is_event = |output: &Output| matches!(output, Output::Event(_));
        engine.shared.outputs.retain(is_event);
        engine.shared.kernel.clear();
        for (key, body) in &records {
            if matches!(key, RecordKey::Connection(_))
                && engine.read_connection(key, body).is_none()
            {
                refused += 1;
            }
        }
        let mut sas: Vec<IkeSa> = Vec::new();
        for (own, fields) in found {
            match engine.read_ike_sa(own, fields) {
                Some(sa) => sas.push(sa),
                None => refused += 1,
            }
        }
        let restored = sas.len();
        engine.put_in_place(sas);
        engine.journal_all(&records);
        engine.compare(&kernel);
        let event = Event::Restored {
            ike_sas: restored,
            children: engine.standing().children,
            refused,
        };
        engine.shared.event(event);
        engine.restoring = false;
        for name in engine.connections.order.clone() {
            engine.begin_replacements_again(&name);
            engine.reconcile(&name);
        }
        engine.settle();
        engine
    }

    fn read_connection(&mut self, key: &RecordKey, body: &Secret) -> Option<()> {
        let RecordKey::Connection(name) = key else {
            return None;
        };
        let ConnectionFields {
            held_down,
            retry,
            children,
            replacements,
        } = codec::decode(key, body)?;
        // What is no longer configured is nobody's business.
        let Some(entry) = self.connections.entries.get_mut(name) else {
            return Some(());
        };
        entry.retry = retry.into();
        entry.held_down = held_down;
        entry.replacements = Replacements::restored(replacements);
        for fields in children {
            let child = crate::config::Name::new(&fields.name)?;
            if let Some(state) = entry.children.get_mut(&child) {
                state.retry = fields.retry.into();
                if fields.held_down {
                    self.shared.held_down.insert((name.clone(), child));
                }
            }
        }
        if held_down {
            self.connections.directory.hold(&entry.connection, true);
        }
        Some(())
    }

    fn read_ike_sa(&mut self, own: IkeSpi, fields: IkeSaFields) -> Option<IkeSa> {
        let name = fields.connection();
        let entry = name.and_then(|name| self.connections.entries.get(&name));
        let connection: Option<Arc<Connection>> = entry.map(|entry| entry.connection.clone());
        let sa = IkeSa::restored(&mut self.shared, connection.as_ref(), fields)?;
        (sa.own_spi() == own).then_some(sa)
    }

    /// Puts IKE SAs where they are found: by SPI, by connection, oldest first, by first contact, by time.
    fn put_in_place(&mut self, mut sas: Vec<IkeSa>) {
        sas.sort_by_key(|sa| (sa.since, sa.own_spi()));
        for sa in sas {
            let own = sa.own_spi();
            if let Some(remote) = sa.first_contact {
                self.first_contacts.insert((sa.spis.initiator, remote), own);
            }
            let counts = sa.established().is_some_and(|state| state.counts());
            let entry = sa
                .connection_name()
                .and_then(|name| self.connections.entries.get_mut(&name));
            if let (Some(entry), true) = (entry, counts) {
                entry.sas.push(own);
            }
            self.put_back(Box::new(sa));
        }
    }

    /// What was recorded is stored, also what could not be read: that is deleted with the first batch.
    fn journal_all(&mut self, records: &[(RecordKey, Secret)]) {
        for (key, body) in records {
            let known: &mut Journal = &mut self.journal;
            known.stored.insert(key.clone(), super::digest_of(body));
            match key {
                RecordKey::IkeSa(own) => known.touch_ike_sa(*own),
                RecordKey::Connection(name) => known.touch_connection(name),
            }
        }
    }

    /// Makes of the kernel what it should be.
    fn compare(&mut self, kernel: &KernelContents) {
        let now = self.shared.now;
        let children: Vec<_> = self
            .ike_sas
            .iter()
            .flat_map(|(own, sa)| {
                let children = sa.established().map(|established| &established.children);
                children.into_iter().flatten().map(|child| (*own, child))
            })
            .collect();
        let on_their_way: Vec<(IkeSpi, u64)> = children
            .iter()
            .filter(|(_, child)| child.awaits_kernel(now))
            .map(|(own, child)| (*own, child.number))
            .collect();
        let mut done: Vec<(IkeSpi, u64)> = children
            .iter()
            .filter(|(_, child)| child.is_unanswered() && !child.awaits_kernel(now))
            .map(|(own, child)| (*own, child.number))
            .collect();
        let theirs: BTreeSet<_> = children
            .iter()
            .filter(|(_, child)| child.awaits_kernel(now))
            .flat_map(|(_, child)| child.slots().all())
            .collect();
        let missing: Vec<SaReference> = children
            .iter()
            .flat_map(|(_, child)| child.expected(now))
            .filter(|sa| !kernel.sas.contains_key(sa))
            .collect();
        let is_claimed = |sa: &SaReference| {
            let owner = self.shared.esp.get(&(sa.spi, sa.destination));
            let owner = owner.and_then(|own| self.ike_sas.get(own)?.established());
            owner.is_some_and(|state| state.children.iter().any(|child| child.claims(*sa)))
        };
        let strays: Vec<_> = kernel
            .sas
            .keys()
            .filter(|sa| !is_claimed(sa))
            .copied()
            .collect();
        let woken: Vec<SaReference> = children
            .iter()
            .filter(|(_, child)| child.was_woken(kernel))
            .map(|(_, child)| child.inbound)
            .collect();
        // In order O1: what a child that is on its way still lacks.
        for (own, number) in on_their_way {
            let sa = self.ike_sas.get_mut(&own);
            let asked = sa.and_then(|sa| sa.ask_again(&mut self.shared, number, kernel));
            if asked == Some(false) {
                done.push((own, number));
            }
        }
        let policies = self.shared.policies.repair_all(&theirs);
        let owner = KernelOwner::Configuration;
        self.shared.apply(owner, policies, OnFailure::Continue);
        let steps = strays.into_iter().map(|sa| KernelStep {
            action: KernelAction::DeleteSa(sa),
            undo: None,
        });
        let steps = steps.collect();
        let owner = KernelOwner::Removal;
        self.shared.apply(owner, steps, OnFailure::Continue);
        for (own, number) in done {
            self.with_sa(own, |sa, shared| sa.kernel_done(shared, number, Ok(())));
        }
        for sa in woken {
            let owner = self.shared.esp.get(&(sa.spi, sa.destination)).copied();
            if let Some(own) = owner {
                self.with_sa(own, |ike_sa, shared| ike_sa.soft_expired(shared, sa));
            }
        }
        for sa in missing {
            let owner = self.shared.esp.get(&(sa.spi, sa.destination)).copied();
            if let Some(own) = owner {
                self.with_sa(own, |ike_sa, shared| ike_sa.expired(shared, sa));
            }
        }
        let all: Vec<_> = self.ike_sas.keys().copied().collect();
        for own in all {
            self.with_sa(own, |sa, shared| sa.go_on(shared));
        }
    }
}
