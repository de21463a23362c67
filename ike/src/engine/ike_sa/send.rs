//! What goes out in the protection of an IKE SA: requests, one at a time, and responses (RFC 7296 sections 2.1 and 2.2).

use crate::engine::channel::Channel;
use crate::engine::failure::{Cause, Failure};
use crate::engine::io::Path;
use crate::engine::shared::Shared;
use crate::wire::numbers::{ExchangeType, NotifyType, PayloadType};
use crate::wire::payload::Payload;
use crate::wire::{Flags, Header, Notify};

use super::{IkeSa, State, step_of};

impl IkeSa {
    pub(super) fn channel(&self) -> Option<&Channel> {
        match &self.state {
            State::AuthSent(state) => Some(&state.keyed.channel),
            State::HalfOpen(state) => Some(&state.keyed.channel),
            State::Established(state) => Some(&state.channel),
            State::Closing(state) => Some(&state.channel),
            _ => None,
        }
    }

    pub(super) fn channel_mut(&mut self) -> Option<&mut Channel> {
        match &mut self.state {
            State::AuthSent(state) => Some(&mut state.keyed.channel),
            State::HalfOpen(state) => Some(&mut state.keyed.channel),
            State::Proving(state) => Some(&mut state.keyed.channel),
            State::Established(state) => Some(&mut state.channel),
            State::Closing(state) => Some(&mut state.channel),
            _ => None,
        }
    }

    pub(super) fn header(&self, exchange: ExchangeType, message_id: u32, response: bool) -> Header {
        Header {
            initiator_spi: self.spis.initiator,
            responder_spi: self.spis.responder,
            next_payload: PayloadType::NONE,
            major: 2,
            minor: 0,
            exchange,
            flags: Flags {
                initiator: self.initiator,
                version: false,
                response,
                reserved: 0,
            },
            message_id,
            length: 0,
        }
    }

    /// Sends a protected request. Nothing else may be outstanding.
    pub(super) fn send_request(
        &mut self,
        shared: &mut Shared,
        exchange: ExchangeType,
        payloads: &[Payload<'_>],
    ) {
        let limit = shared.limits.requests_per_ike_sa;
        let Some(message_id) = self.window.next_outgoing().filter(|id| *id < limit) else {
            return self.fail(shared, Failure::new(step_of(exchange), Cause::Exhausted));
        };
        let header = self.header(exchange, message_id, false);
        let Some(channel) = self.channel_mut() else {
            return;
        };
        match channel.seal(&mut *shared.random, &header, payloads) {
            Ok(bytes) => {
                self.window.sent(
                    exchange,
                    self.path,
                    bytes.clone(),
                    shared.now.boot,
                    &mut *shared.random,
                );
                shared.transmit(self.path, bytes);
            }
            Err(_) => self.fail(shared, Failure::new(step_of(exchange), Cause::Exhausted)),
        }
    }

    /// Answers the request in progress, and keeps the answer for a peer that asks again. It goes back the way the
    /// request came.
    pub(super) fn send_response(
        &mut self,
        shared: &mut Shared,
        path: Path,
        exchange: ExchangeType,
        payloads: &[Payload<'_>],
    ) {
        let header = self.header(exchange, self.window.expected_incoming(), true);
        let Some(channel) = self.channel_mut() else {
            return;
        };
        match channel.seal(&mut *shared.random, &header, payloads) {
            Ok(bytes) => {
                self.window.answer(&bytes);
                shared.transmit(path, bytes);
            }
            Err(_) => self.fail(shared, Failure::new(step_of(exchange), Cause::Exhausted)),
        }
    }

    /// Answers with a notify alone.
    pub(super) fn answer_notify(
        &mut self,
        shared: &mut Shared,
        path: Path,
        exchange: ExchangeType,
        kind: NotifyType,
        data: &[u8],
    ) {
        self.send_response(
            shared,
            path,
            exchange,
            &[Payload::Notify(Notify::new(kind, data))],
        );
    }
}
