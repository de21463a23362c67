//! What comes from somebody we do not know: first contacts, and messages for IKE SAs that are not there (RFC 7296
//! sections 2.4, 2.5, 2.6 and 2.21.4).
//!
//! ```text
//!   IKE_SA_INIT --read--> fits a connection? --> room? --> cookie due? --> proposal --> group --> half-open IKE SA
//!                 |              |                 |            |             |           |
//!           INVALID_SYNTAX  NO_PROPOSAL_CHOSEN   dropped      COOKIE   NO_PROPOSAL_CHOSEN INVALID_KE_PAYLOAD
//! ```
//!
//! Up to the last step nothing is kept, and at most one small answer goes out. Answers that nobody asked for by proof of
//! an address are rationed.

use std::net::IpAddr;
use std::time::Duration;

use crate::wire::numbers::{ExchangeType, NotifyType, PayloadType};
use crate::wire::payload::Payload;
use crate::wire::{Flags, Header, IkeSpi, Message, Notify, WireError};

use super::Engine;
use super::contents::Contents;
use super::event::{DropReason, Event};
use super::failure::{Cause, Failure, Step, StrangerFailure};
use super::ike_sa::{self, InitRefusal};
use super::io::Path;
use super::situation::Situation;

/// Unprotected answers that we spare for strangers in a second, and in a burst.
const RATION: f64 = 50.0;
/// How many times its share of half-open IKE SAs an address may hold that has proved to hear us.
const PROVEN_SHARE: usize = 4;
/// Refusals of strangers that are remembered.
const REMEMBERED: usize = 32;
/// The largest IKE_SA_INIT request that we look at: it is kept until IKE_AUTH, and has no reason to be large.
const MAX_INIT: usize = 8192;

/// A bucket of unprotected answers.
#[derive(Debug)]
pub(super) struct Ration {
    left: f64,
    since: Duration,
}

impl Default for Ration {
    fn default() -> Self {
        Self {
            left: RATION,
            since: Duration::ZERO,
        }
    }
}

impl Ration {
    fn take(&mut self, now: Duration) -> bool {
        let gained = now.saturating_sub(self.since).as_secs_f64() * RATION;
        self.since = now;
        self.left = (self.left + gained).min(RATION);
        let granted = self.left >= 1.0;
        if granted {
            self.left -= 1.0;
        }
        granted
    }
}

impl Engine {
    /// A datagram, from anybody.
    pub(super) fn datagram(&mut self, path: Path, bytes: &[u8]) {
        let watched = self.shared.witness.is_some();
        let met = watched.then(|| self.is_to_meet(path, bytes));
        if let Err(reason) = self.route(path, bytes) {
            self.shared.dropped(path, reason);
        }
        if let (Some((situation, header)), Some(witness)) = (met, &mut self.shared.witness) {
            witness.met(situation, header.as_ref());
        }
    }

    /// What a datagram is going to meet, and its header.
    fn is_to_meet(&self, path: Path, bytes: &[u8]) -> (Situation, Option<Header>) {
        let Ok(header) = Header::parse(bytes) else {
            return (Situation::NOBODY, None);
        };
        let contact = (header.initiator_spi, path.remote);
        let own = match header.flags.initiator {
            true if header.responder_spi.is_zero() => self.first_contacts.get(&contact),
            true => Some(&header.responder_spi),
            false => Some(&header.initiator_spi),
        };
        let sa = own.and_then(|own| self.ike_sas.get(own));
        let situation = sa.map_or(Situation::NOBODY, |sa| sa.situation());
        (situation, Some(header))
    }

    fn route(&mut self, path: Path, bytes: &[u8]) -> Result<(), DropReason> {
        let header = Header::parse(bytes).map_err(|_| DropReason::Malformed)?;
        if usize::try_from(header.length) != Ok(bytes.len()) || header.initiator_spi.is_zero() {
            return Err(DropReason::Malformed);
        }
        if header.major != 2 {
            return self.other_version(path, &header);
        }
        let first_contact = header.exchange == ExchangeType::IKE_SA_INIT && !header.flags.response;
        if first_contact {
            return self.first_contact(path, &header, bytes);
        }
        let own = if header.flags.initiator {
            header.responder_spi
        } else {
            header.initiator_spi
        };
        let Some(mut sa) = self.ike_sas.remove(&own) else {
            return self.unknown_spi(path, &header);
        };
        let result = if sa.initiator == header.flags.initiator {
            Err(DropReason::BadFlags)
        } else if !sa.knows(&header) {
            Err(DropReason::UnknownSpi)
        } else {
            sa.datagram(&mut self.shared, path, &header, bytes);
            Ok(())
        };
        self.put_back(sa);
        result
    }

    fn first_contact(
        &mut self,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        if !header.flags.initiator || !header.responder_spi.is_zero() || header.message_id != 0 {
            return Err(DropReason::BadFlags);
        }
        if let Some(own) = self
            .first_contacts
            .get(&(header.initiator_spi, path.remote))
            .copied()
        {
            // The same bytes get the same answer, anything else under this SPI none.
            let Some(mut sa) = self.ike_sas.remove(&own) else {
                return Err(DropReason::UnknownSpi);
            };
            sa.datagram(&mut self.shared, path, header, bytes);
            self.put_back(sa);
            return Ok(());
        }
        if bytes.len() > MAX_INIT || self.shutting_down {
            return Err(DropReason::Unexpected);
        }
        let message = match Message::parse(bytes) {
            Ok(message) if message.protected.is_none() => message,
            Ok(_) => return Err(DropReason::Unexpected),
            Err(error) => return self.refuse_stranger(path, header, Cause::Malformed(error)),
        };
        let contents = match Contents::sort(message.payloads) {
            Ok(contents) => contents,
            Err(cause) => return self.refuse_stranger(path, header, cause),
        };
        let Some(nonce) = &contents.nonce else {
            return self.refuse_stranger(path, header, Cause::MissingPayload { payload: "Nonce" });
        };
        let (local, remote) = (path.local.ip(), path.remote.ip());
        let candidates = match self.connections.directory.candidates(local, remote) {
            Ok(candidates) => candidates,
            Err(cause) => return self.refuse_stranger(path, header, cause),
        };
        self.room_for(path.remote.ip())?;
        let cookie = contents
            .notify(NotifyType::COOKIE)
            .map(|cookie| &*cookie.data);
        if !self.address_is_proven(
            (header.initiator_spi, path.remote.ip(), &nonce.data),
            cookie,
        ) {
            return self.ask_for_cookie(path, header, &nonce.data);
        }
        let own = self.fresh_ike_spi();
        match ike_sa::answer_init(
            &mut self.shared,
            own,
            candidates,
            path,
            header,
            &contents,
            bytes,
        ) {
            Ok(sa) => {
                self.first_contacts
                    .insert((header.initiator_spi, path.remote), own);
                self.half_open.add(path.remote.ip());
                self.put_back(sa);
                self.tell_cookie_mode();
                self.heard_from(path.remote.ip(), true);
                Ok(())
            }
            Err(InitRefusal::OtherMethod(method)) => {
                // Part of an ordinary negotiation: not of the ration, which strangers could use up.
                let data = method.0.to_be_bytes().to_vec();
                let answer = stateless(header, NotifyType::INVALID_KE_PAYLOAD, data);
                self.shared.transmit(path, answer);
                Ok(())
            }
            Err(InitRefusal::Failed(cause)) => self.refuse_stranger(path, header, cause),
        }
    }

    fn room_for(&mut self, remote: IpAddr) -> Result<(), DropReason> {
        let limits = &self.shared.limits;
        let full = self.half_open.count() >= limits.half_open
            || self.half_open.of(remote) >= limits.half_open_per_address * PROVEN_SHARE;
        if full {
            Err(DropReason::HalfOpenLimit)
        } else {
            Ok(())
        }
    }

    /// Whether the newcomer has shown that it hears us, or need not. Somebody who sends in another's name cannot use up
    /// that one's share: beyond it a cookie is asked for.
    fn address_is_proven(&mut self, peer: (IkeSpi, IpAddr, &[u8]), cookie: Option<&[u8]>) -> bool {
        let shared = &mut self.shared;
        if self.half_open.count() < shared.limits.cookie_threshold
            && self.half_open.of(peer.1) < shared.limits.half_open_per_address
        {
            return true;
        }
        cookie.is_some_and(|cookie| {
            self.cookies.good(
                shared.provider,
                &mut *shared.random,
                shared.now.boot,
                peer,
                cookie,
            )
        })
    }

    fn ask_for_cookie(
        &mut self,
        path: Path,
        header: &Header,
        nonce: &[u8],
    ) -> Result<(), DropReason> {
        let shared = &mut self.shared;
        let peer = (header.initiator_spi, path.remote.ip(), nonce);
        let cookie = self
            .cookies
            .make(shared.provider, &mut *shared.random, shared.now.boot, peer)
            .ok_or(DropReason::Unexpected)?;
        let answer = stateless(header, NotifyType::COOKIE, cookie);
        self.shared.transmit(path, answer);
        Ok(())
    }

    pub(super) fn tell_cookie_mode(&mut self) {
        let half_open = self.half_open.count();
        let threshold = self.shared.limits.cookie_threshold;
        // Not off again before half of them are gone: one more and one less is not worth telling.
        let on = half_open >= threshold || (self.cookie_mode && half_open > threshold / 2);
        if on != self.cookie_mode {
            self.cookie_mode = on;
            self.shared.event(Event::CookieMode { on, half_open });
        }
    }

    /// Turns a newcomer away with one small answer; nothing is kept but what we saw.
    fn refuse_stranger(
        &mut self,
        path: Path,
        header: &Header,
        cause: Cause,
    ) -> Result<(), DropReason> {
        let (told, data) = match &cause {
            Cause::Malformed(WireError::UnsupportedCritical(payload)) => {
                (cause.notify(), vec![*payload])
            }
            _ => (cause.notify(), Vec::new()),
        };
        if self.tell_stranger(path, header, told, data) {
            let failure = Failure::new(Step::IkeSaInit, cause);
            self.shared.event(Event::PeerRefused {
                connection: None,
                path,
                failure: failure.clone(),
                told,
            });
            self.remember(path, failure);
        }
        Ok(())
    }

    /// Keeps a refusal for `ikctl list --failed`, the last one of each address.
    pub(super) fn remember(&mut self, path: Path, failure: Failure) {
        self.strangers
            .retain(|other| other.remote.ip() != path.remote.ip());
        if self.strangers.len() == REMEMBERED {
            self.strangers.pop_front();
        }
        let at = self.shared.now.wall;
        self.strangers.push_back(StrangerFailure {
            remote: path.remote,
            at,
            failure,
        });
    }

    /// A notify without protection, if the ration allows.
    fn tell_stranger(
        &mut self,
        path: Path,
        header: &Header,
        kind: NotifyType,
        data: Vec<u8>,
    ) -> bool {
        let granted = self.ration.take(self.shared.now.boot);
        if granted {
            self.shared.transmit(path, stateless(header, kind, data));
        }
        granted
    }

    /// IKEv1, or something after IKEv2 (RFC 7296 section 2.5).
    fn other_version(&mut self, path: Path, header: &Header) -> Result<(), DropReason> {
        if header.major > 2 && !header.flags.response {
            self.tell_stranger(path, header, NotifyType::INVALID_MAJOR_VERSION, Vec::new());
        }
        Err(DropReason::Malformed)
    }

    /// A request for an IKE SA that we do not have: its sender may have outlived our state (RFC 7296 section 2.21.4).
    fn unknown_spi(&mut self, path: Path, header: &Header) -> Result<(), DropReason> {
        // What is not even protected (a notify about a notify, say) gets no answer (section 1.5).
        let protected = matches!(header.next_payload, PayloadType::SK | PayloadType::SKF);
        if protected && !header.flags.response {
            self.heard_from(path.remote.ip(), false);
            self.tell_stranger(path, header, NotifyType::INVALID_IKE_SPI, Vec::new());
        }
        Err(DropReason::UnknownSpi)
    }
}

/// An unprotected answer: SPIs and message ID are the request's.
fn stateless(request: &Header, kind: NotifyType, data: Vec<u8>) -> Vec<u8> {
    let header = Header {
        next_payload: PayloadType::NONE,
        major: 2,
        minor: 0,
        flags: Flags {
            initiator: !request.flags.initiator,
            version: false,
            response: true,
            reserved: 0,
        },
        length: 0,
        ..*request
    };
    let payloads = vec![Payload::Notify(Notify::new(kind, data))];
    Message {
        header,
        payloads,
        protected: None,
    }
    .encode()
}
