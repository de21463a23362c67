//! Message IDs, the request that is out and the cached response in a record (RFC 7296 sections 2.1 and 2.2).
//!
//! A request of the peer that is not answered yet is not recorded: it will come again, and is then as new.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::records::{Octets, PathFields};
use crate::wire::numbers::ExchangeType;

use super::{Answered, Outstanding, Window};

/// What is written of a [`Window`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct WindowFields {
    next_outgoing: u32,
    outstanding: Option<OutstandingFields>,
    expected_incoming: u32,
    answered: Option<(Octets, Octets)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OutstandingFields {
    message_id: u32,
    exchange: u8,
    path: PathFields,
    bytes: Octets,
    sent: u32,
    first_sent: Duration,
    next: Duration,
    pause: Duration,
}

impl From<&Outstanding> for OutstandingFields {
    fn from(outstanding: &Outstanding) -> Self {
        let Outstanding {
            message_id,
            exchange,
            path,
            bytes,
            sent,
            first_sent,
            next,
            pause,
        } = outstanding;
        Self {
            message_id: *message_id,
            exchange: exchange.0,
            path: (*path).into(),
            bytes: Octets(bytes.clone()),
            sent: *sent,
            first_sent: *first_sent,
            next: *next,
            pause: *pause,
        }
    }
}

impl From<OutstandingFields> for Outstanding {
    fn from(fields: OutstandingFields) -> Self {
        Self {
            message_id: fields.message_id,
            exchange: ExchangeType(fields.exchange),
            path: fields.path.into(),
            bytes: fields.bytes.0,
            sent: fields.sent,
            first_sent: fields.first_sent,
            next: fields.next,
            pause: fields.pause,
        }
    }
}

impl Window {
    pub(in crate::engine) fn fields(&self) -> WindowFields {
        let Self {
            next_outgoing,
            outstanding,
            expected_incoming,
            in_progress: _,
            answered,
        } = self;
        let octets = |bytes: &[u8]| Octets(bytes.to_vec());
        WindowFields {
            next_outgoing: *next_outgoing,
            outstanding: outstanding.as_deref().map(OutstandingFields::from),
            expected_incoming: *expected_incoming,
            answered: answered
                .as_ref()
                .map(|answered| (octets(&answered.request), octets(&answered.response))),
        }
    }

    pub(in crate::engine) fn restored(fields: WindowFields) -> Self {
        let WindowFields {
            next_outgoing,
            outstanding,
            expected_incoming,
            answered,
        } = fields;
        Self {
            next_outgoing,
            outstanding: outstanding.map(|fields| Box::new(fields.into())),
            expected_incoming,
            in_progress: None,
            answered: answered.map(|(request, response)| Answered {
                request: request.0.into(),
                response: response.0.into(),
            }),
        }
    }
}
