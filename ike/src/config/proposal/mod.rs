//! Proposals: which algorithms a connection allows, as operators write them, on the wire, and how one is chosen
//! (RFC 7296 sections 2.7 and 3.3).
//!
//! ```text
//!   "aes256gcm16-aes128gcm16-prfsha384-x25519"  --parse-->  IkeProposal  --ike_to_wire-->  SA payload
//!                                                                |                             |
//!                                       choose_ike, verify_accepted_ike  <---------------------+ the peer's
//!                                                |            |
//!                                             IkeSuite     ProposalRefusal: what they offer, what we allow
//! ```
//!
//! `default`, `cnsa1` and `compatible` stand for several proposals. Words are joined by `-`; several words of one type are alternatives, the best first. The order of an operator is the
//! order of preference: of proposals first, then of encryption, then of the rest.

mod choose;
mod parse;
mod refusal;
mod sets;
mod suite;

pub use choose::{
    ChildExchange, Chosen, ChosenEsp, ChosenIke, choose_esp, choose_ike, esp_to_wire, ike_to_wire,
    verify_accepted_esp, verify_accepted_ike,
};
pub use parse::{ProposalError, ProposalProblem, Weakness, weaknesses};
pub use refusal::{Mismatch, OfferRefusal, ProposalRefusal, Subject};
pub use sets::{default_esp, default_ike, read_esp, read_ike};
pub use suite::{EspSuite, IkeSuite};

use std::fmt;

use crate::crypto::algorithms::{
    EncryptionRow, IntegrityRow, KeyExchangeRow, PrfRow, Row, SEQUENCE_NUMBERS, SequenceNumbersRow,
};
use crate::wire::numbers::{KeyExchangeMethod, SequenceNumbers};

/// What an IKE SA may use: alternatives of each type, best first.
///
/// Made by parsing only, so that it always makes sense: encryption, PRF and key exchange are there, and integrity exactly
/// where a cipher needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeProposal {
    encryption: Vec<&'static EncryptionRow>,
    /// For the ciphers that are no AEAD; empty if there are none.
    integrity: Vec<&'static IntegrityRow>,
    prf: Vec<&'static PrfRow>,
    key_exchange: Vec<&'static KeyExchangeRow>,
}

impl IkeProposal {
    /// The key exchange methods, best first; never none.
    pub fn key_exchange_methods(&self) -> impl Iterator<Item = KeyExchangeMethod> {
        self.key_exchange.iter().map(|row| row.id)
    }

    /// Whether an IKE SA with this suite is one that the proposal describes.
    #[must_use]
    pub fn allows(&self, suite: &IkeSuite) -> bool {
        let encryption = self
            .encryption
            .iter()
            .find(|row| (row.id, row.key_bits) == (suite.encryption, suite.key_bits));
        encryption.is_some_and(|row| suite::integrity_fits(row, &self.integrity, suite.integrity))
            && self.prf.iter().any(|row| row.id == suite.prf)
            && self
                .key_exchange_methods()
                .any(|method| method == suite.key_exchange)
    }
}

/// What a Child SA may use for ESP: alternatives of each type, best first.
///
/// Made by parsing only, as [`IkeProposal`]. Without a word for sequence numbers both kinds are allowed, and extended ones
/// preferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspProposal {
    encryption: Vec<&'static EncryptionRow>,
    /// For the ciphers that are no AEAD; empty if there are none.
    integrity: Vec<&'static IntegrityRow>,
    /// For perfect forward secrecy; empty: the keys come from the IKE SA's alone.
    key_exchange: Vec<&'static KeyExchangeRow>,
    sequence_numbers: Vec<&'static SequenceNumbersRow>,
}

impl EspProposal {
    /// The methods of a key exchange of the Child SA's own, best first; none without perfect forward secrecy.
    pub fn key_exchange_methods(&self) -> impl Iterator<Item = KeyExchangeMethod> {
        self.key_exchange.iter().map(|row| row.id)
    }

    /// Whether a Child SA with this suite is one that the proposal describes: without a key exchange of its own also where
    /// it names some, for one that is made in IKE_AUTH has none.
    #[must_use]
    pub fn allows(&self, suite: &EspSuite) -> bool {
        let encryption = self
            .encryption
            .iter()
            .find(|row| (row.id, row.key_bits) == (suite.encryption, suite.key_bits));
        let numbers = if suite.esn {
            SequenceNumbers::EXTENDED_64
        } else {
            SequenceNumbers::SEQUENTIAL_32
        };
        encryption.is_some_and(|row| suite::integrity_fits(row, &self.integrity, suite.integrity))
            && self.sequence_numbers.iter().any(|row| row.id == numbers)
            && suite
                .key_exchange
                .is_none_or(|method| self.key_exchange_methods().any(|ours| ours == method))
    }
}

impl EspProposal {
    /// The same with sequence numbers of 32 bits only; `None` where it has no such.
    #[must_use]
    pub fn without_extended_sequence_numbers(&self) -> Option<Self> {
        let short = |row: &&SequenceNumbersRow| row.id != SequenceNumbers::EXTENDED_64;
        let rows = self.sequence_numbers.iter().copied();
        let sequence_numbers: Vec<_> = rows.filter(|row| short(row)).collect();
        (!sequence_numbers.is_empty()).then(|| Self {
            sequence_numbers,
            ..self.clone()
        })
    }
}

impl fmt::Display for IkeProposal {
    /// Canonical words, which parse to an equal proposal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = keywords(&self.encryption).chain(keywords(&self.integrity));
        write_joined(
            f,
            words
                .chain(keywords(&self.prf))
                .chain(keywords(&self.key_exchange)),
        )
    }
}

impl fmt::Display for EspProposal {
    /// Canonical words, which parse to an equal proposal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = keywords(&self.encryption).chain(keywords(&self.integrity));
        let both = self.sequence_numbers.iter().copied().eq(SEQUENCE_NUMBERS);
        let sequence_numbers = if both {
            &[]
        } else {
            &self.sequence_numbers[..]
        };
        write_joined(
            f,
            words
                .chain(keywords(&self.key_exchange))
                .chain(keywords(sequence_numbers)),
        )
    }
}

fn keywords<R: Row>(rows: &[&'static R]) -> impl Iterator<Item = &'static str> {
    rows.iter().map(|row| row.keyword())
}

/// Words joined by `-`, as operators write them.
fn write_joined(
    f: &mut fmt::Formatter<'_>,
    words: impl Iterator<Item = impl fmt::Display>,
) -> fmt::Result {
    for (index, word) in words.enumerate() {
        let separator = if index == 0 { "" } else { "-" };
        write!(f, "{separator}{word}")?;
    }
    Ok(())
}
