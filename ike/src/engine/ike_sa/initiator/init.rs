//! IKE_SA_INIT.
//!
//! Whatever comes unprotected may come from anybody. An error is a hint: it is told at once and kept as the reason, and
//! the request goes on being sent. COOKIE and INVALID_KE_PAYLOAD change the request, a bounded number of times.

use crate::config::proposal::{IkeProposal, IkeSuite, ike_to_wire, verify_accepted_ike};
use crate::crypto::EphemeralKey;
use crate::wire::numbers::{ExchangeType, KeyExchangeMethod, NotifyType};
use crate::wire::payload::Payload;
use crate::wire::{Header, KeyExchange, Message, Nonce, Notify, SecurityAssociation, SpiBytes};

use super::auth::{Wishes, sign};
use super::{Attempt, generate};
use crate::engine::contents::{Contents, required};
use crate::engine::event::{DropReason, Event};
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::ike_sa::authenticate::{announced_hashes, hash_announcement};
use crate::engine::ike_sa::{IkeSa, Keyed, State};
use crate::engine::io::Path;
use crate::engine::shared::{Notice, Shared};
use crate::engine::situation;

/// How many cookies we send back before we believe that somebody plays with us.
const COOKIE_ROUNDS: u8 = 5;
/// Legal sizes of a cookie in bytes (RFC 7296 section 2.6).
const COOKIE_SIZES: std::ops::RangeInclusive<usize> = 1..=64;

/// IKE_SA_INIT is out.
pub(in crate::engine) struct InitSent {
    attempt: Attempt,
    offer: SecurityAssociation,
    nonce: Vec<u8>,
    key: Box<dyn EphemeralKey>,
    method: KeyExchangeMethod,
    /// What was asked with other methods before: somebody unproven made us change, and the responder may still answer.
    earlier: Vec<Earlier>,
    cookie: Option<Vec<u8>>,
    cookies_seen: u8,
    /// The last error that somebody answered.
    pub(in crate::engine::ike_sa) hint: Option<NotifyType>,
    /// What was wrong with an answer that looked like one.
    pub(in crate::engine::ike_sa) doubt: Option<Cause>,
}

/// A request with another key exchange method.
struct Earlier {
    method: KeyExchangeMethod,
    key: Box<dyn EphemeralKey>,
    request: Vec<u8>,
}

impl std::fmt::Debug for InitSent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InitSent")
            .field("attempt", &self.attempt)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl InitSent {
    pub(super) fn new(shared: &mut Shared, attempt: Attempt) -> Result<Self, Cause> {
        let offer = ike_to_wire(&attempt.party.connection.proposals, SpiBytes::EMPTY);
        let method = attempt
            .party
            .connection
            .proposals
            .iter()
            .flat_map(IkeProposal::key_exchange_methods)
            .next()
            .expect("a connection has proposals, each with a method");
        let nonce = shared.nonce();
        let key = generate(shared, method)?;
        Ok(Self {
            attempt,
            offer,
            nonce,
            key,
            method,
            earlier: Vec::new(),
            cookie: None,
            cookies_seen: 0,
            hint: None,
            doubt: None,
        })
    }

    /// The request: a cookie, where there is one, comes first and changes nothing else (RFC 7296 section 2.6).
    pub(super) fn request(&self, sa: &IkeSa) -> Vec<u8> {
        let mut payloads = Vec::with_capacity(5);
        if let Some(cookie) = &self.cookie {
            payloads.push(Payload::Notify(Notify::new(NotifyType::COOKIE, cookie)));
        }
        payloads.push(Payload::Sa(self.offer.clone()));
        payloads.push(Payload::Ke(KeyExchange {
            method: self.method,
            data: self.key.public_value().into(),
        }));
        payloads.push(Payload::Nonce(Nonce {
            data: (&self.nonce).into(),
        }));
        let strength = self.attempt.party.connection.authentication.strength();
        payloads.extend(strength.map(hash_announcement));
        Message {
            header: sa.header(ExchangeType::IKE_SA_INIT, 0, false),
            payloads,
            protected: None,
        }
        .encode()
    }

    fn offers(&self, method: KeyExchangeMethod) -> bool {
        self.attempt
            .party
            .connection
            .proposals
            .iter()
            .flat_map(IkeProposal::key_exchange_methods)
            .any(|ours| ours == method)
    }
}

/// A response to IKE_SA_INIT, from whomever.
pub(in crate::engine::ike_sa) fn init_response(
    sa: &mut IkeSa,
    shared: &mut Shared,
    path: Path,
    header: &Header,
    bytes: &[u8],
) -> Result<(), DropReason> {
    if path.remote != sa.path.remote {
        return Err(DropReason::WrongAddress);
    }
    let message = Message::parse(bytes).map_err(|_| DropReason::Malformed)?;
    let contents = Contents::sort(message.payloads);
    shared.reads(|| Some(situation::Message::response(&contents)));
    let contents = contents.map_err(|_| DropReason::Malformed)?;
    let State::InitSent(mut state) = std::mem::replace(&mut sa.state, State::Gone) else {
        return Err(DropReason::Unexpected);
    };
    if contents.sa.is_some() {
        return accept(sa, shared, state, header, &contents, bytes);
    }
    let taken = if let Some(cookie) = contents.notify(NotifyType::COOKIE) {
        take_cookie(&mut state, &cookie.data)
    } else if let Some(wanted) = contents.notify(NotifyType::INVALID_KE_PAYLOAD) {
        take_method(&mut state, sa, shared, &wanted.data)
    } else {
        false
    };
    if taken {
        let request = state.request(sa);
        sa.window
            .replaced(request.clone(), shared.now.boot, &mut *shared.random);
        shared.transmit(sa.path, request);
    } else if let Some(notify) = contents.error() {
        if state.hint != Some(notify) {
            let connection = state.attempt.party.connection.name.clone();
            if let Some(request) = sa.window.outstanding() {
                let cause = Cause::NoResponse {
                    sent: request.sent,
                    after: request.since(shared.now.boot),
                    hint: Some(notify),
                };
                let failure = Failure::new(Step::IkeSaInit, cause);
                let connection = connection.clone();
                shared.notice(Notice::Hinted {
                    connection,
                    failure,
                });
            }
            shared.event(Event::Hint {
                connection,
                path: sa.path,
                notify,
            });
        }
        state.hint = Some(notify);
    }
    sa.state = State::InitSent(state);
    Ok(())
}

/// Whether the cookie makes another request worth sending.
fn take_cookie(state: &mut InitSent, cookie: &[u8]) -> bool {
    let good = COOKIE_SIZES.contains(&cookie.len())
        && state.cookies_seen < COOKIE_ROUNDS
        && state.cookie.as_deref() != Some(cookie);
    if good {
        state.cookies_seen += 1;
        state.cookie = Some(cookie.to_vec());
    }
    good
}

/// Whether the method that the responder wants makes another request worth sending: one that we offer and have not tried.
fn take_method(state: &mut InitSent, sa: &IkeSa, shared: &mut Shared, data: &[u8]) -> bool {
    let Ok(wanted) = <[u8; 2]>::try_from(data).map(u16::from_be_bytes) else {
        return false;
    };
    let method = KeyExchangeMethod(wanted);
    // What we are asking for already is what an answer to an earlier request wanted, which comes late or twice.
    if state.method == method && !state.earlier.is_empty() {
        return false;
    }
    let tried = state.method == method || state.earlier.iter().any(|one| one.method == method);
    if !state.offers(method) || tried {
        state.doubt = Some(Cause::KeyExchangeMethod { wanted });
        return false;
    }
    let Ok(key) = generate(shared, method) else {
        return false;
    };
    let request = sa.outstanding_bytes();
    state.earlier.push(Earlier {
        method: std::mem::replace(&mut state.method, method),
        key: std::mem::replace(&mut state.key, key),
        request,
    });
    true
}

/// The response that looks like the one we wait for. What is wrong with it may be a stranger's doing: then we go on
/// waiting, and only say what we saw if nothing better comes.
fn accept(
    sa: &mut IkeSa,
    shared: &mut Shared,
    mut state: Box<InitSent>,
    header: &Header,
    contents: &Contents<'_>,
    bytes: &[u8],
) -> Result<(), DropReason> {
    let fit = fitting(&state, shared, header, contents);
    let (suite, data, nonce) = match fit {
        Ok(fit) => fit,
        Err(cause) => {
            state.doubt = Some(cause);
            sa.state = State::InitSent(state);
            return Err(DropReason::Malformed);
        }
    };
    let (key, request) = if suite.key_exchange == state.method {
        (state.key, sa.outstanding_bytes())
    } else {
        let at = state
            .earlier
            .iter()
            .position(|one| one.method == suite.key_exchange)
            .expect("`fitting` found the method among those that were tried");
        let Earlier { key, request, .. } = state.earlier.swap_remove(at);
        (key, request)
    };
    let (attempt, ni) = (state.attempt, state.nonce);
    sa.window.completed();
    sa.spis.responder = header.responder_spi;
    let keyed = key
        .agree(data)
        .map_err(Cause::KeyExchange)
        .and_then(|secret| {
            let nonces = (ni, nonce.to_vec());
            Keyed::derive(
                shared,
                suite,
                &secret,
                sa.spis,
                true,
                nonces,
                (request, bytes.to_vec()),
            )
        });
    match keyed {
        Ok(keyed) => {
            let wishes = Wishes {
                hashes: announced_hashes(contents),
                certificates: &contents.cert_requests,
                childless_supported: contents.has(NotifyType::CHILDLESS_IKEV2_SUPPORTED),
            };
            sign(sa, shared, attempt, keyed, &wishes);
        }
        Err(cause) => sa.fail(shared, Failure::new(Step::IkeSaInit, cause)),
    }
    Ok(())
}

/// The suite, the key exchange data and the nonce of a response that answers what we asked.
fn fitting<'c>(
    state: &InitSent,
    shared: &Shared,
    header: &Header,
    contents: &'c Contents<'_>,
) -> Result<(IkeSuite, &'c [u8], &'c [u8]), Cause> {
    if header.responder_spi.is_zero() {
        return Err(Cause::MissingPayload {
            payload: "responder SPI",
        });
    }
    let accepted = required(contents.sa.as_ref(), "SA")?;
    let ke = required(contents.ke.as_ref(), "KE")?;
    let nonce = required(contents.nonce.as_ref(), "Nonce")?;
    let suite = verify_accepted_ike(&state.attempt.party.connection.proposals, accepted)
        .map_err(|refusal| Cause::AcceptedNotOffered(Box::new(refusal)))?
        .suite;
    let tried = suite.key_exchange == state.method
        || state
            .earlier
            .iter()
            .any(|one| one.method == suite.key_exchange);
    if !tried || ke.method != suite.key_exchange {
        return Err(Cause::KeyExchangeMethod {
            wanted: ke.method.0,
        });
    }
    let expected = shared
        .provider
        .key_exchange(suite.key_exchange)
        .map(|algorithm| algorithm.public_length());
    if expected != Some(ke.data.len()) {
        return Err(Cause::MissingPayload { payload: "KE" });
    }
    Ok((suite, &ke.data, &nonce.data))
}

impl IkeSa {
    fn outstanding_bytes(&self) -> Vec<u8> {
        self.window
            .outstanding()
            .map(|request| request.bytes.clone())
            .unwrap_or_default()
    }
}
