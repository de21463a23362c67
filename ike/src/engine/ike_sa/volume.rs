//! How much a Child SA may carry: what the policy says, within what its algorithms bear.
//!
//! ```text
//!   sequence numbers of 32 bits   2^32 packets and not one more (RFC 4303 section 3.3.3): the kernel drops the SA before that
//!   ciphers with blocks of        their security wears off with the square of what they carry: 2^46 bytes leave an advantage
//!     128 bits, ChaCha20          of 2^-45 to whoever has seen all of it
//! ```
//!
//! The kernel counts, in both directions; what it tells at the soft limit leads to one rekeying, and what it does at the hard
//! one ends the Child SA, which is then negotiated anew.

use crate::config::proposal::EspSuite;
use crate::config::{Child, Volume};
use crate::engine::shared::Shared;

/// Packets of an SA with sequence numbers of 32 bits: some thousands before the last number.
const SHORT_NUMBERS: u64 = (1 << 32) - (1 << 16);
/// Those after which it is replaced: at a million packets a second, the rest lasts for a quarter of an hour.
const SHORT_NUMBERS_SOFT: u64 = 3 << 30;
/// Bytes of any SA.
const BYTES: u64 = 1 << 46;
/// Those after which it is replaced.
const BYTES_SOFT: u64 = 1 << 45;

/// When an SA is replaced and when it ends, by what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Volumes {
    pub(super) soft: Volume,
    pub(super) hard: Volume,
}

impl Volumes {
    /// For one Child SA. The soft limits are up to a tenth lower by chance, so that neither the two ends nor a hundred children
    /// that carry the same replace them at once.
    pub(super) fn new(shared: &mut Shared, child: &Child, suite: EspSuite) -> Self {
        let part = u64::from(u16::from_be_bytes(shared.random_bytes()));
        let shortened =
            |limit: u64| limit - limit / 10 / 65_536 * part - limit / 10 % 65_536 * part / 65_536;
        let at_most =
            |limit: Option<u64>, bound: u64| limit.map_or(bound, |limit| limit.min(bound));
        let short = !suite.esn;
        let packets = |limit: Option<u64>, bound| {
            if short {
                Some(at_most(limit, bound))
            } else {
                limit
            }
        };
        let (soft, hard) = (child.rekey_volume, child.hard_volume);
        Self {
            soft: Volume {
                bytes: Some(shortened(at_most(soft.bytes, BYTES_SOFT))),
                packets: packets(soft.packets, SHORT_NUMBERS_SOFT).map(shortened),
            },
            hard: Volume {
                bytes: Some(at_most(hard.bytes, BYTES)),
                packets: packets(hard.packets, SHORT_NUMBERS),
            },
        }
    }
}
