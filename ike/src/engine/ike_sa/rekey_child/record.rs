//! A rekeying of a Child SA that is under way, in the record of its IKE SA.

use serde::{Deserialize, Serialize};

use crate::config::Connection;
use crate::engine::records::Octets;

use super::super::child::{Negotiated, NegotiatedFields};
use super::super::child_sa::LineFields;
use super::super::established::Gone;
use super::{Collision, Replaces, Undecided};

/// What is written of a [`Replaces`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct ReplacesFields {
    number: u64,
    line: LineFields,
    spi: u32,
    collision: Option<(u64, Octets)>,
}

impl Replaces {
    pub(in crate::engine) fn fields(&self) -> ReplacesFields {
        let Self {
            number,
            line,
            spi,
            collision,
        } = self;
        let of = |collision: &Collision| (collision.number, Octets(collision.lowest.clone()));
        ReplacesFields {
            number: *number,
            line: (*line).into(),
            spi: *spi,
            collision: collision.as_ref().map(of),
        }
    }

    pub(in crate::engine) fn restored(fields: ReplacesFields) -> Self {
        let ReplacesFields {
            number,
            line,
            spi,
            collision,
        } = fields;
        let of = |(number, lowest): (u64, Octets)| Collision {
            number,
            lowest: lowest.0,
        };
        Self {
            number,
            line: line.into(),
            spi,
            collision: collision.map(of),
        }
    }
}

impl ReplacesFields {
    /// Leaves the peer's rekeying out, if it is this one: the peer will ask for it again.
    pub(in crate::engine) fn forget_collision(&mut self, number: u64) {
        self.collision.take_if(|(rival, _)| *rival == number);
    }
}

/// What is written of an [`Undecided`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct UndecidedFields {
    replaces: ReplacesFields,
    negotiated: NegotiatedFields,
    lowest: Octets,
}

impl Undecided {
    pub(in crate::engine) fn fields(&self) -> UndecidedFields {
        let Self {
            replaces,
            negotiated,
            lowest,
        } = self;
        UndecidedFields {
            replaces: replaces.fields(),
            negotiated: negotiated.fields(),
            lowest: Octets(lowest.clone()),
        }
    }

    /// As it was recorded; what the peer is to be told is gone where the child is no longer configured.
    pub(in crate::engine) fn restored(
        connection: &Connection,
        fields: UndecidedFields,
    ) -> Option<Result<Self, Gone>> {
        let UndecidedFields {
            replaces,
            negotiated,
            lowest,
        } = fields;
        let negotiated = match Negotiated::restored(connection, negotiated)? {
            Ok(negotiated) => negotiated,
            Err((inbound, outbound)) => {
                let outbound = Some(outbound);
                return Some(Err(Gone { inbound, outbound }));
            }
        };
        Some(Ok(Self {
            replaces: Replaces::restored(replaces),
            negotiated,
            lowest: lowest.0,
        }))
    }
}

impl UndecidedFields {
    /// As [`ReplacesFields::forget_collision`].
    pub(in crate::engine) fn forget_collision(&mut self, number: u64) {
        self.replaces.forget_collision(number);
    }
}
