//! IKE_SA_INIT and IKE_AUTH as the one who begins (RFC 7296 sections 1.2, 2.6, 2.15 and 2.21).
//!
//! Whatever comes unprotected may come from anybody. An error is a hint: it is told at once and kept as the reason, and
//! the request goes on being sent. COOKIE and INVALID_KE_PAYLOAD change the request, a bounded number of times.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::auth::ask::{PskAnswer, PskQuestion, PskVerification};
use crate::auth::proof::{Claim, Disproof};
use crate::config::identity::{Identity, IdentityPattern};
use crate::config::proposal::{IkeProposal, IkeSuite, ike_to_wire, verify_accepted_ike};
use crate::config::{Child, Connection};
use crate::crypto::{EphemeralKey, Random};
use crate::wire::numbers::{AuthMethod, ExchangeType, KeyExchangeMethod, NotifyType};
use crate::wire::payload::Payload;
use crate::wire::{
    Authentication, Header, Identification, IkeSpi, KeyExchange, Message, Nonce, Notify,
    SecurityAssociation, SpiBytes, TrafficSelectors,
};

use super::child::{Accepted, Proposed};
use super::close::Tell;
use super::{Established, IkeSa, Keyed, Opened, State};
use crate::engine::contents::{Contents, required};
use crate::engine::event::{DropReason, Event, IkeSpis};
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{Path, Question};
use crate::engine::shared::{Notice, Shared};
use crate::engine::window::Window;

/// How many cookies we send back before we believe that somebody plays with us.
const COOKIE_ROUNDS: u8 = 5;
/// Legal sizes of a cookie in bytes (RFC 7296 section 2.6).
const COOKIE_SIZES: std::ops::RangeInclusive<usize> = 1..=64;
/// The port where IKE begins.
const IKE_PORT: u16 = 500;

/// What an attempt is about.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Intent {
    pub(in crate::engine) connection: Arc<Connection>,
    /// The child to be made in IKE_AUTH.
    pub(in crate::engine) child: Option<Arc<Child>>,
    /// Whether we know of no other IKE SA with this peer (RFC 7296 section 2.4).
    pub(in crate::engine) initial_contact: bool,
}

/// Waits for the address to speak from.
#[derive(Debug)]
pub(in crate::engine) struct Routing {
    intent: Intent,
}

/// IKE_SA_INIT is out.
pub(in crate::engine) struct InitSent {
    intent: Intent,
    offer: SecurityAssociation,
    nonce: Vec<u8>,
    key: Box<dyn EphemeralKey>,
    method: KeyExchangeMethod,
    /// What was asked with other methods before: somebody unproven made us change, and the responder may still answer.
    earlier: Vec<Earlier>,
    cookie: Option<Vec<u8>>,
    cookies_seen: u8,
    /// The last error that somebody answered.
    pub(super) hint: Option<NotifyType>,
    /// What was wrong with an answer that looked like one.
    pub(super) doubt: Option<Cause>,
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
            .field("intent", &self.intent)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// Waits for our AUTH.
#[derive(Debug)]
pub(in crate::engine) struct Signing {
    intent: Intent,
    keyed: Keyed,
    childless_supported: bool,
    pub(super) asked: Duration,
}

/// IKE_AUTH is out.
#[derive(Debug)]
pub(in crate::engine) struct AuthSent {
    intent: Intent,
    pub(super) keyed: Keyed,
    proposed: Option<Proposed>,
}

/// Waits for the verdict on the peer's AUTH.
#[derive(Debug)]
pub(in crate::engine) struct Verifying {
    intent: Intent,
    pub(super) keyed: Keyed,
    claim: Claim,
    child: Option<(Proposed, Result<Accepted, Cause>)>,
    pub(super) asked: Duration,
}

/// Begins an IKE SA.
pub(in crate::engine) fn start(
    shared: &mut Shared,
    spi: IkeSpi,
    intent: Intent,
) -> Result<Box<IkeSa>, Cause> {
    let remote = intent
        .connection
        .remote
        .address
        .ok_or(Cause::NoRemoteAddress)?;
    let now = shared.now.boot;
    let any: IpAddr = if remote.is_ipv4() {
        [0; 4].into()
    } else {
        [0; 16].into()
    };
    let local = intent.connection.local.address;
    let path = Path {
        local: SocketAddr::new(local.unwrap_or(any), IKE_PORT),
        remote: SocketAddr::new(remote, IKE_PORT),
    };
    let mut sa = Box::new(IkeSa {
        spis: IkeSpis {
            initiator: spi,
            responder: IkeSpi::ZERO,
        },
        initiator: true,
        unique: shared.number(),
        path,
        connection: Some(intent.connection.clone()),
        window: Window::default(),
        since: now,
        last_heard: now,
        timer: None,
        question: None,
        first_contact: None,
        counted: None,
        state: State::Routing(Routing { intent }),
    });
    match local {
        Some(address) => routed(&mut sa, shared, Ok(address)),
        None => {
            sa.ask(shared, Question::LocalAddress { remote });
        }
    }
    Ok(sa)
}

/// We know the address to speak from: IKE_SA_INIT goes out.
pub(super) fn routed(sa: &mut IkeSa, shared: &mut Shared, address: Result<IpAddr, String>) {
    let State::Routing(Routing { intent }) = std::mem::replace(&mut sa.state, State::Gone) else {
        return;
    };
    let name = intent.connection.name.clone();
    let result = match address {
        Ok(address) => {
            sa.path.local.set_ip(address);
            shared.event(Event::Initiating {
                connection: name,
                path: sa.path,
            });
            InitSent::new(shared, intent)
        }
        Err(words) => Err(Cause::NoRoute {
            remote: sa.path.remote.ip(),
            words,
        }),
    };
    match result {
        Ok(state) => {
            let bytes = state.request(sa);
            sa.window.sent(
                ExchangeType::IKE_SA_INIT,
                sa.path,
                bytes.clone(),
                shared.now.boot,
                &mut *shared.random,
            );
            shared.transmit(sa.path, bytes);
            sa.state = State::InitSent(Box::new(state));
        }
        Err(cause) => sa.fail(shared, Failure::new(Step::Start, cause)),
    }
}

impl InitSent {
    fn new(shared: &mut Shared, intent: Intent) -> Result<Self, Cause> {
        let offer = ike_to_wire(&intent.connection.proposals, SpiBytes::EMPTY);
        let method = intent
            .connection
            .proposals
            .iter()
            .flat_map(IkeProposal::key_exchange_methods)
            .next()
            .expect("a connection has proposals, each with a method");
        let nonce = shared.nonce();
        let key = generate(shared, method)?;
        Ok(Self {
            intent,
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
    fn request(&self, sa: &IkeSa) -> Vec<u8> {
        let mut payloads = Vec::with_capacity(4);
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
        Message {
            header: sa.header(ExchangeType::IKE_SA_INIT, 0, false),
            payloads,
            protected: None,
        }
        .encode()
    }

    fn offers(&self, method: KeyExchangeMethod) -> bool {
        self.intent
            .connection
            .proposals
            .iter()
            .flat_map(IkeProposal::key_exchange_methods)
            .any(|ours| ours == method)
    }
}

pub(super) fn generate(
    shared: &mut Shared,
    method: KeyExchangeMethod,
) -> Result<Box<dyn EphemeralKey>, Cause> {
    let algorithm = shared
        .provider
        .key_exchange(method)
        .ok_or_else(|| Cause::NotBuilt {
            suite: method.to_string(),
        })?;
    let random: &mut dyn Random = &mut *shared.random;
    algorithm.generate(random).map_err(Cause::KeyExchange)
}

/// A response to IKE_SA_INIT, from whomever.
pub(super) fn init_response(
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
    let contents = Contents::sort(message.payloads).map_err(|_| DropReason::Malformed)?;
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
            let connection = state.intent.connection.name.clone();
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
    let (intent, ni) = (state.intent, state.nonce);
    sa.window.completed();
    sa.last_heard = shared.now.boot;
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
            let childless_supported = contents.has(NotifyType::CHILDLESS_IKEV2_SUPPORTED);
            sign(sa, shared, intent, keyed, childless_supported);
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
    let suite = verify_accepted_ike(&state.intent.connection.proposals, accepted)
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

/// Asks the owner of the secret for our AUTH.
fn sign(
    sa: &mut IkeSa,
    shared: &mut Shared,
    intent: Intent,
    keyed: Keyed,
    childless_supported: bool,
) {
    let connection = &intent.connection;
    let octets = keyed.initiator_octets(shared, &id_payload(&connection.local.id).body());
    let question = PskQuestion {
        connection: connection.name.clone(),
        local_id: connection.local.id.clone(),
        remote_id: exact_peer(connection).cloned(),
        prf: keyed.suite.prf,
        verify: None,
        sign: Some(octets),
    };
    sa.ask(shared, Question::Psk(Box::new(question)));
    let asked = shared.now.boot;
    sa.state = State::Signing(Box::new(Signing {
        intent,
        keyed,
        childless_supported,
        asked,
    }));
}

/// Our AUTH is there: IKE_AUTH goes out.
pub(super) fn signed(sa: &mut IkeSa, shared: &mut Shared, answer: PskAnswer) {
    let State::Signing(state) = std::mem::replace(&mut sa.state, State::Gone) else {
        return;
    };
    let Signing {
        intent,
        keyed,
        childless_supported,
        ..
    } = *state;
    let PskAnswer::Done { auth: Some(auth) } = answer else {
        return sa.fail(shared, Failure::new(Step::IkeAuth, Cause::NoSecret));
    };
    let proposed = match &intent.child {
        Some(child) => match Proposed::new(shared, sa.path, child.clone(), None) {
            Ok(proposed) => Some(proposed),
            Err(cause) => return sa.fail(shared, Failure::new(Step::IkeAuth, cause)),
        },
        None if childless_supported => None,
        None => {
            return sa.fail(
                shared,
                Failure::new(Step::IkeAuth, Cause::ChildlessUnsupported),
            );
        }
    };
    let connection = &intent.connection;
    let mut payloads = vec![Payload::IdI(id_payload(&connection.local.id))];
    if intent.initial_contact {
        payloads.push(Payload::Notify(Notify::new(
            NotifyType::INITIAL_CONTACT,
            Vec::new(),
        )));
    }
    if let Some(remote) = exact_peer(connection) {
        payloads.push(Payload::IdR(id_payload(remote)));
    }
    payloads.push(Payload::Auth(Authentication {
        method: AuthMethod::SHARED_KEY_MIC,
        data: auth.into(),
    }));
    if let Some(proposed) = &proposed {
        payloads.extend(proposed.payloads());
    }
    sa.state = State::AuthSent(Box::new(AuthSent {
        intent,
        keyed,
        proposed,
    }));
    sa.send_request(shared, ExchangeType::IKE_AUTH, &payloads);
}

/// The response to IKE_AUTH: it is from whoever we share the keys with, which proves nothing yet.
pub(super) fn auth_response(sa: &mut IkeSa, shared: &mut Shared, opened: Opened<'_>) {
    let State::AuthSent(state) = std::mem::replace(&mut sa.state, State::Gone) else {
        return;
    };
    let AuthSent {
        intent,
        keyed,
        proposed,
    } = *state;
    let contents = opened.contents;
    if contents.auth.is_none()
        && let Some(notify) = contents.error()
    {
        // The responder refuses the whole: there is no IKE SA at its end (RFC 7296 section 2.21.2).
        return sa.fail(
            shared,
            Failure::new(Step::IkeAuth, Cause::Refused { notify }),
        );
    }
    match claim(shared, &intent, &keyed, &contents) {
        Ok((question, claim)) => {
            let child = proposed.map(|proposed| {
                let accepted = Accepted::from_response(&contents);
                (proposed, accepted)
            });
            sa.ask(shared, Question::Psk(Box::new(question)));
            let asked = shared.now.boot;
            sa.state = State::Verifying(Box::new(Verifying {
                intent,
                keyed,
                claim,
                child,
                asked,
            }));
        }
        Err(cause) => reject(sa, shared, keyed, cause),
    }
}

/// What the responder claims to be, and the question whether it is.
fn claim(
    shared: &Shared,
    intent: &Intent,
    keyed: &Keyed,
    contents: &Contents<'_>,
) -> Result<(PskQuestion, Claim), Cause> {
    let id = required(contents.idr.as_ref(), "IDr")?;
    let auth = required(contents.auth.as_ref(), "AUTH")?;
    let found = Identity::from_wire(id.id_type, &id.data).map_err(|error| Cause::BadIdentity {
        reason: error.to_string(),
    })?;
    if let Some(expected) = &intent.connection.remote.id
        && !expected.matches(&found)
    {
        return Err(Cause::WrongIdentity {
            expected: expected.clone(),
            found,
        });
    }
    if auth.method != AuthMethod::SHARED_KEY_MIC {
        return Err(Cause::AuthMethod { found: auth.method });
    }
    let verify = PskVerification {
        octets: keyed.responder_octets(shared, &id.body()),
        received: auth.data.to_vec(),
    };
    let connection = &intent.connection;
    Ok(Claim::question(
        connection.name.clone(),
        keyed.suite.prf,
        connection.local.id.clone(),
        found,
        verify,
        None,
    ))
}

/// We do not believe the responder, which believes us: it is told, and that the IKE SA is gone (RFC 7296 section 2.21.2).
fn reject(sa: &mut IkeSa, shared: &mut Shared, keyed: Keyed, cause: Cause) {
    let failure = Failure::new(Step::IkeAuth, cause);
    sa.fail(shared, failure);
    sa.say_goodbye(shared, keyed.channel, Tell::AuthenticationFailed);
}

/// No verdict came.
pub(super) fn unverified(sa: &mut IkeSa, shared: &mut Shared) {
    if let State::Verifying(state) = std::mem::replace(&mut sa.state, State::Gone) {
        reject(sa, shared, state.keyed, Cause::NoAnswer);
    }
}

/// The verdict on the peer's AUTH.
pub(super) fn verified(sa: &mut IkeSa, shared: &mut Shared, answer: PskAnswer) {
    let State::Verifying(state) = std::mem::replace(&mut sa.state, State::Gone) else {
        return;
    };
    let Verifying {
        intent,
        keyed,
        claim,
        child,
        ..
    } = *state;
    let claimed = claim.identity().clone();
    let peer = match claim.conclude(answer) {
        Ok((peer, _)) => peer,
        Err(Disproof::Mismatch) => {
            return reject(sa, shared, keyed, Cause::WrongSecret { peer: claimed });
        }
        Err(Disproof::NoSecret | Disproof::NoSignature) => {
            return reject(sa, shared, keyed, Cause::NoSecret);
        }
    };
    let (ni, nr) = (keyed.ni.clone(), keyed.nr.clone());
    let established = Established::new(intent.connection, peer, keyed, shared.now.boot);
    sa.establish(shared, established, false);
    if let Some((proposed, accepted)) = child {
        sa.finish_proposed(shared, proposed, accepted, Step::IkeAuth, (&ni, &nr));
    }
    sa.pump(shared);
}

/// Who the peer is to be, where that is one identity.
fn exact_peer(connection: &Connection) -> Option<&Identity> {
    connection
        .remote
        .id
        .as_ref()
        .and_then(IdentityPattern::exact)
}

impl IkeSa {
    fn outstanding_bytes(&self) -> Vec<u8> {
        self.window
            .outstanding()
            .map(|request| request.bytes.clone())
            .unwrap_or_default()
    }
}

pub(super) fn id_payload(identity: &Identity) -> Identification<'static> {
    Identification::new(identity.id_type(), identity.to_octets())
}

/// The selectors as a payload.
pub(super) fn ts_payload(selectors: &[crate::config::selector::Selector]) -> TrafficSelectors {
    TrafficSelectors {
        selectors: selectors
            .iter()
            .map(crate::config::selector::Selector::to_wire)
            .collect(),
    }
}
