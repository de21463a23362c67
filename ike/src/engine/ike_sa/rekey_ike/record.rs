//! A rekeying of the IKE SA that is under way, in its record.
//!
//! The private half of its key exchange does not outlive the process. If the peer has made an heir by our request, it has
//! moved the children there, and nobody can speak to it: the connection is then made anew before the old one is left.

use serde::{Deserialize, Serialize};

use crate::engine::records::Octets;
use crate::wire::IkeSpi;
use crate::wire::numbers::KeyExchangeMethod;

use super::{RekeyIke, Rival};

/// What is written of a [`RekeyIke`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct RekeyIkeFields {
    spi: [u8; 8],
    nonce: Octets,
    method: u16,
    tried: Vec<u16>,
    rival: Option<([u8; 8], Octets)>,
}

impl RekeyIke {
    pub(in crate::engine) fn fields(&self) -> RekeyIkeFields {
        let Self {
            spi,
            nonce,
            key: _,
            method,
            tried,
            rival,
        } = self;
        let of = |rival: &Rival| (rival.heir.0, Octets(rival.lowest.clone()));
        RekeyIkeFields {
            spi: spi.0,
            nonce: Octets(nonce.clone()),
            method: method.0,
            tried: tried.iter().map(|method| method.0).collect(),
            rival: rival.as_ref().map(of),
        }
    }

    pub(in crate::engine) fn restored(fields: RekeyIkeFields) -> Self {
        let RekeyIkeFields {
            spi,
            nonce,
            method,
            tried,
            rival,
        } = fields;
        let of = |(heir, lowest): ([u8; 8], Octets)| Rival {
            heir: IkeSpi(heir),
            lowest: lowest.0,
        };
        Self {
            spi: IkeSpi(spi),
            nonce: nonce.0,
            key: None,
            method: KeyExchangeMethod(method),
            tried: tried.into_iter().map(KeyExchangeMethod).collect(),
            rival: rival.map(of),
        }
    }
}
