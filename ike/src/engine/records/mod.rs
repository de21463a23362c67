//! State that outlives the process: what leaves the engine before the message that depends on it, and how a new engine goes
//! on from there.
//!
//! ```text
//!   handle(input)  changes IKE SAs, connections
//!        |
//!        '--> records of what changed, as one batch: all of it or nothing
//!               Persist(batch)  --> stored
//!               everything that depends on it (datagrams, kernel requests, replies, events)
//!
//!   Engine::restore(configuration, records, kernel)  --> an engine that goes on
//! ```
//!
//! A batch is the first output of the input that it comes of. So at any moment what the peer and the kernel know is in the
//! records, and what is in the records and not with them yet is sent again by the successor: a request by retransmission,
//! an answer because the peer asks again, a kernel request by comparing with what the kernel has ([`restore`]).
//!
//! Not recorded, because it begins again by itself: IKE SAs before the end of IKE_AUTH, requests of the peer that are not
//! answered, fetches, questions. Not recorded, because it cannot be: the private halves of key exchanges.
//!
//! No key ever protects two messages under one IV: [`super::channel`].

mod codec;
mod fields;
mod restore;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::config::Name;
use crate::crypto::Secret;
use crate::wire::IkeSpi;

use super::Engine;
use super::connections::{Entry, Retry};
use super::io::{Output, Record, RecordId, RecordKey};
use super::replacement::ReplacementsFields;

pub(super) use codec::{Hidden, Octets};
pub(super) use fields::{
    EspSuiteFields, IkeSuiteFields, PathFields, SaInstallFields, SaReferenceFields, SelectorFields,
    SpisFields, read_selectors, write_selectors,
};

/// Whether a successor is to go on where this engine ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// No: nothing is recorded, and a new engine begins from nothing.
    #[default]
    Off,
    /// Yes, and records are stored as soon as they come out: what comes out after them need not wait.
    Immediate,
    /// Yes, and storing takes its time: what depends on a record comes out after [`super::io::Input::Persisted`].
    Confirmed,
}

/// What is stored, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Journal {
    persistence: Persistence,
    /// IKE SAs that may have changed.
    ike_sas: BTreeSet<IkeSpi>,
    /// Connections that may have changed.
    connections: BTreeSet<Name>,
    /// What the last body of each record was.
    stored: BTreeMap<RecordKey, [u8; 32]>,
    last: u64,
    /// What depends on a record that is not stored yet, in order.
    waiting: VecDeque<(RecordId, Vec<Output>)>,
    /// What waits no more: it comes before all that is still to be said.
    released: Vec<Output>,
}

/// What is written of a connection: not why it failed last, which its peer will say again.
#[derive(Debug, Serialize, Deserialize)]
struct ConnectionFields {
    held_down: bool,
    retry: RetryFields,
    children: Vec<ChildFields>,
    replacements: ReplacementsFields,
}

#[derive(Debug, Serialize, Deserialize)]
struct ChildFields {
    name: String,
    held_down: bool,
    retry: RetryFields,
}

/// What is written of a [`Retry`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RetryFields(u32, Option<Duration>);

impl From<&Retry> for RetryFields {
    fn from(retry: &Retry) -> Self {
        let Retry { failures, at } = retry;
        Self(*failures, *at)
    }
}

impl From<RetryFields> for Retry {
    fn from(RetryFields(failures, at): RetryFields) -> Self {
        Self { failures, at }
    }
}

impl RetryFields {
    const fn is_fresh(self) -> bool {
        self.0 == 0
    }
}

impl Journal {
    pub(super) fn new(persistence: Persistence) -> Self {
        Self {
            persistence,
            ..Self::default()
        }
    }

    fn is_on(&self) -> bool {
        self.persistence != Persistence::Off
    }

    /// An IKE SA may have changed, or gone.
    pub(super) fn touch_ike_sa(&mut self, own: IkeSpi) {
        if self.is_on() {
            self.ike_sas.insert(own);
        }
    }

    /// A connection may have changed, or gone.
    pub(super) fn touch_connection(&mut self, name: &Name) {
        if self.is_on() {
            self.connections.insert(name.clone());
        }
    }

    fn has(&self, key: &RecordKey) -> bool {
        self.stored.contains_key(key)
    }

    /// The record of this key is to have this body, or none; `None` where it is so already.
    fn change(&mut self, key: RecordKey, body: Option<Secret>) -> Option<Record> {
        let Some(body) = body else {
            self.stored.remove(&key)?;
            return Some(Record { key, body: None });
        };
        let is = digest_of(&body);
        let was = self.stored.insert(key.clone(), is);
        (was != Some(is)).then_some(Record {
            key,
            body: Some(body),
        })
    }
}

fn digest_of(body: &Secret) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, body.as_bytes());
    *digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

impl Engine {
    /// Puts the records of what the input has changed before everything that it has called for.
    pub(super) fn persist(&mut self) {
        if !self.journal.is_on() {
            return;
        }
        let batch = self.changed_records();
        if !batch.is_empty() {
            self.journal.last += 1;
        }
        let id = RecordId(self.journal.last);
        if self.journal.persistence == Persistence::Confirmed
            && (!batch.is_empty() || !self.journal.waiting.is_empty())
        {
            let depends = |output: &Output| {
                matches!(
                    output,
                    Output::Transmit(_) | Output::Kernel(..) | Output::Reply(..) | Output::Event(_)
                )
            };
            let all = std::mem::take(&mut self.shared.outputs);
            let (held, free): (Vec<_>, _) = all.into_iter().partition(depends);
            self.shared.outputs = free.into();
            self.journal.waiting.push_back((id, held));
        }
        if !batch.is_empty() {
            self.shared.outputs.push_front(Output::Persist(id, batch));
        }
        for output in std::mem::take(&mut self.journal.released).into_iter().rev() {
            self.shared.outputs.push_front(output);
        }
    }

    /// A batch is stored, and with it all before it: what depends on them goes out.
    pub(super) fn persisted(&mut self, id: RecordId) {
        while let Some((waiting, _)) = self.journal.waiting.front()
            && *waiting <= id
            && let Some((_, outputs)) = self.journal.waiting.pop_front()
        {
            self.journal.released.extend(outputs);
        }
    }

    fn changed_records(&mut self) -> Vec<Record> {
        let mut batch = Vec::new();
        for own in std::mem::take(&mut self.journal.ike_sas) {
            let key = RecordKey::IkeSa(own);
            let has_one = self.journal.has(&key);
            let fields = self.ike_sas.get(&own).and_then(|sa| sa.fields(has_one));
            let body = fields.map(|fields| codec::encode(&key, &fields));
            batch.extend(self.journal.change(key, body));
        }
        for name in std::mem::take(&mut self.journal.connections) {
            let entry = self.connections.entries.get(&name);
            let fields = entry.and_then(|entry| self.connection_fields(&name, entry));
            let key = RecordKey::Connection(name);
            let body = fields.map(|fields| codec::encode(&key, &fields));
            batch.extend(self.journal.change(key, body));
        }
        batch
    }

    /// What is written of a connection; nothing where all is as it would be anyway.
    fn connection_fields(&self, name: &Name, entry: &Entry) -> Option<ConnectionFields> {
        let of = |(child, state): (&Name, &super::connections::ChildEntry)| {
            let named = (name.clone(), child.clone());
            let fields = ChildFields {
                name: child.as_str().to_owned(),
                held_down: self.shared.held_down.contains(&named),
                retry: (&state.retry).into(),
            };
            (fields.held_down || !fields.retry.is_fresh()).then_some(fields)
        };
        let fields = ConnectionFields {
            held_down: entry.held_down,
            retry: (&entry.retry).into(),
            children: (entry.children.iter())
                .filter_map(|(child, state)| of((child, &**state)))
                .collect(),
            replacements: entry.replacements.fields(),
        };
        let ordinary = !fields.held_down
            && fields.retry.is_fresh()
            && fields.children.is_empty()
            && fields.replacements.is_empty();
        (!ordinary).then_some(fields)
    }
}
