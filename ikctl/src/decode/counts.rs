//! What a capture held, in numbers.

use std::collections::BTreeMap;

use super::messages::{Found, Message, Protection};
use super::network::{Datagram, Other};

/// Counts of frames, datagrams and messages.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Captured frames.
    pub(super) frames: u64,
    /// IKE messages, IKEv1 and broken ones among them.
    pub(super) messages: u64,
    /// Messages whose SK or SKF payload was decrypted.
    pub(super) decrypted: u64,
    /// Messages with an SK or SKF payload that stayed shut.
    pub(super) sealed: u64,
    /// Messages with something that no reader may take.
    pub(super) broken: u64,
    /// Messages that were there before.
    pub(super) retransmissions: u64,
    /// Messages of IKEv1, which is not read.
    pub(super) ikev1: u64,
    /// Datagrams on IKE's ports that hold no IKE header.
    pub(super) not_ike: u64,
    /// ESP within UDP.
    pub(super) esp_in_udp: u64,
    /// NAT keepalives.
    pub(super) keepalives: u64,
    /// Datagrams on other ports.
    pub(super) elsewhere: u64,
    /// Frames without a UDP datagram.
    pub(super) other: BTreeMap<Other, u64>,
}

impl Counts {
    pub(super) fn count(&mut self, found: &Found) {
        match found {
            Found::Ike(message) => self.message(message),
            Found::EspInUdp => self.esp_in_udp += 1,
            Found::Keepalive => self.keepalives += 1,
            Found::Elsewhere => self.elsewhere += 1,
        }
    }

    fn message(&mut self, message: &Message) {
        if !message.is_ike() {
            self.not_ike += 1;
            return;
        }
        self.messages += 1;
        if message.is_ikev1() {
            self.ikev1 += 1;
            return;
        }
        self.broken += u64::from(message.is_broken());
        self.retransmissions += u64::from(message.earlier.is_some());
        match message.protection {
            Protection::None => {}
            Protection::NoKey | Protection::Failed(_) => self.sealed += 1,
            Protection::Open { .. } | Protection::Piece { .. } => self.decrypted += 1,
        }
    }

    /// Counts a frame; `found`: whether there was a datagram, or what else it is.
    pub(super) fn frame(&mut self, found: &Result<Datagram, Other>) {
        self.frames += 1;
        if let Err(other) = found {
            // Link types are numbers of the file's choice: not more of them than anybody has.
            if self.other.len() < 64 || self.other.contains_key(other) {
                *self.other.entry(other.clone()).or_default() += 1;
            }
        }
    }
}
