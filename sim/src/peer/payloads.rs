//! Payloads, as short as a script wants to name them.

use ike::config::identity::Identity;
use ike::config::selector::Selector;
use ike::wire::numbers::{NotifyType, ProtocolId};
use ike::wire::{
    Delete, Header, Identification, Message, Notify, Payload, SecurityAssociation, TrafficSelectors,
};

use super::Chain;

/// The types of all notifies in a chain.
#[must_use]
pub fn notifies(payloads: &[Payload<'_>]) -> Vec<NotifyType> {
    payloads
        .iter()
        .filter_map(|payload| match payload {
            Payload::Notify(notify) => Some(notify.kind),
            _ => None,
        })
        .collect()
}

/// A notify without anything else.
#[must_use]
pub fn notify(kind: NotifyType, data: &[u8]) -> Payload<'static> {
    Payload::Notify(Notify::new(kind, data.to_vec()))
}

/// A Delete of the IKE SA.
#[must_use]
pub fn delete_ike() -> Payload<'static> {
    Payload::Delete(Delete::ike())
}

/// A Delete of ESP SAs.
#[must_use]
pub fn delete_esp(spis: &[u32]) -> Payload<'static> {
    Payload::Delete(Delete {
        protocol: ProtocolId::ESP,
        spis: spis.to_vec(),
    })
}

/// Selectors as a payload's content.
#[must_use]
pub fn selectors(selectors: &[Selector]) -> TrafficSelectors {
    TrafficSelectors {
        selectors: selectors.iter().map(Selector::to_wire).collect(),
    }
}

/// An unprotected message.
#[must_use]
pub fn plain(header: Header, payloads: Chain) -> Vec<u8> {
    Message {
        header,
        payloads,
        protected: None,
    }
    .encode()
}

/// An identity as a payload's content.
#[must_use]
pub fn id_payload(identity: &Identity) -> Identification<'static> {
    Identification::new(identity.id_type(), identity.to_octets())
}

/// The SA payload of a chain, to be changed.
///
/// # Panics
/// Where there is none.
pub fn sa_of(chain: &mut Chain) -> &mut SecurityAssociation {
    chain
        .iter_mut()
        .find_map(|payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        })
        .expect("an SA payload")
}
