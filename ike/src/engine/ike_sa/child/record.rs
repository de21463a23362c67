//! A child that is asked for, or agreed on, in the record of its IKE SA.
//!
//! The private half of a key exchange does not outlive the process. The answer to a request that had one is read to its
//! end, what the peer made of it is deleted, and it is asked for again.

use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{Child, Connection, Name};
use crate::crypto::schedule::ChildKeys;
use crate::engine::records::{
    EspSuiteFields, Hidden, Octets, SelectorFields, read_selectors, write_selectors,
};
use crate::wire::numbers::KeyExchangeMethod;

use super::super::rekey_child::ReplacesFields;
use super::{Negotiated, Proposed, Replaces};

/// What is written of a [`Proposed`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct ProposedFields {
    child: String,
    local: Vec<SelectorFields>,
    remote: Vec<SelectorFields>,
    spi_in: u32,
    nonce: Octets,
    method: Option<u16>,
    tried: Vec<u16>,
    replaces: Option<ReplacesFields>,
    wanted: bool,
}

impl ProposedFields {
    /// As [`ReplacesFields::forget_collision`].
    pub(in crate::engine) fn forget_collision(&mut self, number: u64) {
        if let Some(replaces) = &mut self.replaces {
            replaces.forget_collision(number);
        }
    }
}

impl Proposed {
    pub(in crate::engine) fn fields(&self) -> ProposedFields {
        let Self {
            child,
            local,
            remote,
            spi_in,
            nonce,
            key: _,
            method,
            tried,
            replaces,
            wanted,
            in_auth: _,
        } = self;
        ProposedFields {
            child: child.name.as_str().to_owned(),
            local: write_selectors(local),
            remote: write_selectors(remote),
            spi_in: *spi_in,
            nonce: Octets(nonce.clone()),
            method: method.map(|method| method.0),
            tried: tried.iter().map(|method| method.0).collect(),
            replaces: replaces.as_ref().map(Replaces::fields),
            wanted: *wanted,
        }
    }

    /// As it was recorded; `None` where the record is not what we write. One whose child is no longer configured is not
    /// wanted any more.
    pub(in crate::engine) fn restored(
        connection: &Connection,
        fields: ProposedFields,
    ) -> Option<Result<Self, u32>> {
        let ProposedFields {
            child,
            local,
            remote,
            spi_in,
            nonce,
            method,
            tried,
            replaces,
            wanted,
        } = fields;
        let (local, remote) = (read_selectors(local)?, read_selectors(remote)?);
        let Some(child) = named(connection, &child)? else {
            return Some(Err(spi_in));
        };
        Some(Ok(Self {
            child,
            local,
            remote,
            spi_in,
            nonce: nonce.0,
            key: None,
            method: method.map(KeyExchangeMethod),
            tried: tried.into_iter().map(KeyExchangeMethod).collect(),
            replaces: replaces.map(Replaces::restored),
            wanted,
            in_auth: false,
        }))
    }

    /// Whether it had a key exchange whose private half is lost.
    pub(in crate::engine) const fn is_without_its_key(&self) -> bool {
        self.method.is_some() && self.key.is_none()
    }
}

/// What is written of a [`Negotiated`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct NegotiatedFields {
    child: String,
    suite: EspSuiteFields,
    spi_in: u32,
    spi_out: u32,
    local: Vec<SelectorFields>,
    remote: Vec<SelectorFields>,
    priority: u32,
    keys: [Hidden; 4],
    initiator: bool,
    answers: Option<NonZeroU32>,
}

impl Negotiated {
    pub(in crate::engine) fn fields(&self) -> NegotiatedFields {
        let Self {
            child,
            suite,
            spi_in,
            spi_out,
            local,
            remote,
            priority,
            keys,
            initiator,
            answers,
        } = self;
        let ChildKeys {
            initiator_encryption,
            initiator_integrity,
            responder_encryption,
            responder_integrity,
        } = keys;
        let keys = [
            initiator_encryption,
            initiator_integrity,
            responder_encryption,
            responder_integrity,
        ];
        NegotiatedFields {
            child: child.name.as_str().to_owned(),
            suite: (*suite).into(),
            spi_in: *spi_in,
            spi_out: *spi_out,
            local: write_selectors(local),
            remote: write_selectors(remote),
            priority: *priority,
            keys: keys.map(|key| Hidden(key.clone())),
            initiator: *initiator,
            answers: *answers,
        }
    }

    /// As it was recorded; its two SPIs where its child is no longer configured.
    pub(in crate::engine) fn restored(
        connection: &Connection,
        fields: NegotiatedFields,
    ) -> Option<Result<Self, (u32, u32)>> {
        let NegotiatedFields {
            child,
            suite,
            spi_in,
            spi_out,
            local,
            remote,
            priority,
            keys,
            initiator,
            answers,
        } = fields;
        let (local, remote) = (read_selectors(local)?, read_selectors(remote)?);
        let Some(child) = named(connection, &child)? else {
            return Some(Err((spi_in, spi_out)));
        };
        let [
            initiator_encryption,
            initiator_integrity,
            responder_encryption,
            responder_integrity,
        ] = keys.map(|key| key.0);
        Some(Ok(Self {
            child,
            suite: suite.into(),
            spi_in,
            spi_out,
            local,
            remote,
            priority,
            keys: ChildKeys {
                initiator_encryption,
                initiator_integrity,
                responder_encryption,
                responder_integrity,
            },
            initiator,
            answers,
        }))
    }
}

/// The child of this name, if there still is one; `None` for what is no name.
fn named(connection: &Connection, name: &str) -> Option<Option<Arc<Child>>> {
    let name = Name::new(name)?;
    let mut children = connection.children.iter();
    Some(children.find(|child| child.name == name).cloned())
}
