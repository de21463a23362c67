//! IKE_SA_INIT and IKE_AUTH as the one who answers (RFC 7296 sections 1.2, 2.15 and 2.21).
//!
//! Up to the cookie check nothing is kept and nothing computed (that is [`crate::engine::routing`]'s part). From here on
//! there is a half-open IKE SA, counted and short-lived, until the peer has proved who it is.

use std::sync::Arc;

use crate::auth::ask::{PskAnswer, PskVerification};
use crate::auth::proof::{Claim, Disproof};
use crate::config::Connection;
use crate::config::identity::Identity;
use crate::config::proposal::{ChosenIke, choose_ike};
use crate::wire::numbers::{AuthMethod, ExchangeType, KeyExchangeMethod, NotifyType};
use crate::wire::payload::Payload;
use crate::wire::{Authentication, Header, IkeSpi, KeyExchange, Message, Nonce, Notify, SpiBytes};

use super::child::Offered;
use super::create_child::Answering;
use super::initiator::{generate, id_payload};
use super::{Established, IkeSa, Keyed, Opened, State};
use crate::engine::candidates::Candidates;
use crate::engine::contents::{Contents, required};
use crate::engine::event::{Event, IkeSpis};
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{Path, Question};
use crate::engine::shared::{Notice, Shared};
use crate::engine::window::Window;

/// Connections that a person is told of where none fits.
const CANDIDATES_TOLD: usize = 16;

/// IKE_SA_INIT is answered; the peer is anybody.
#[derive(Debug)]
pub(in crate::engine) struct HalfOpen {
    pub(super) keyed: Keyed,
    /// The connections that fit the addresses.
    candidates: Candidates,
}

/// Waits for the verdict on the peer's AUTH, and for ours.
#[derive(Debug)]
pub(in crate::engine) struct Proving {
    pub(super) keyed: Keyed,
    connection: Arc<Connection>,
    claim: Claim,
    path: Path,
    child: Option<Offered>,
    initial_contact: bool,
}

/// Why IKE_SA_INIT is not answered with a half-open IKE SA.
#[derive(Debug)]
pub(in crate::engine) enum InitRefusal {
    /// Another key exchange method than the one the peer guessed is to be used.
    OtherMethod(KeyExchangeMethod),
    /// Nothing fits.
    Failed(Cause),
}

/// Answers IKE_SA_INIT: chooses from the union of what the candidates allow (which of them it is, IKE_AUTH will tell).
pub(in crate::engine) fn answer_init(
    shared: &mut Shared,
    spi: IkeSpi,
    candidates: Candidates,
    path: Path,
    header: &Header,
    contents: &Contents<'_>,
    bytes: &[u8],
) -> Result<Box<IkeSa>, InitRefusal> {
    let failed = InitRefusal::Failed;
    let offered = required(contents.sa.as_ref(), "SA").map_err(failed)?;
    let ke = required(contents.ke.as_ref(), "KE").map_err(failed)?;
    let nonce = required(contents.nonce.as_ref(), "Nonce").map_err(failed)?;
    let chosen: ChosenIke = choose_ike(candidates.proposals(), offered)
        .map_err(|refusal| InitRefusal::Failed(Cause::NoProposal(Box::new(refusal))))?;
    let suite = chosen.suite;
    if suite.key_exchange != ke.method {
        return Err(InitRefusal::OtherMethod(suite.key_exchange));
    }
    let key = generate(shared, suite.key_exchange).map_err(failed)?;
    let (public, nr) = (key.public_value().to_vec(), shared.nonce());
    let secret = key
        .agree(&ke.data)
        .map_err(|error| InitRefusal::Failed(Cause::KeyExchange(error)))?;
    let spis = IkeSpis {
        initiator: header.initiator_spi,
        responder: spi,
    };
    let nonces = (nonce.data.to_vec(), nr.clone());
    let mut keyed = Keyed::derive(
        shared,
        suite,
        &secret,
        spis,
        false,
        nonces,
        (bytes.to_vec(), Vec::new()),
    )
    .map_err(failed)?;

    let now = shared.now.boot;
    let mut sa = Box::new(IkeSa {
        spis,
        initiator: false,
        unique: shared.number(),
        path,
        connection: None,
        window: Window::default(),
        since: now,
        last_heard: now,
        timer: None,
        question: None,
        first_contact: Some(path.remote),
        counted: Some(path.remote.ip()),
        state: State::Gone,
    });
    let payloads = vec![
        Payload::Sa(chosen.answer(SpiBytes::EMPTY)),
        Payload::Ke(KeyExchange {
            method: suite.key_exchange,
            data: public.into(),
        }),
        Payload::Nonce(Nonce { data: nr.into() }),
        Payload::Notify(Notify::new(
            NotifyType::CHILDLESS_IKEV2_SUPPORTED,
            Vec::new(),
        )),
    ];
    let response = Message {
        header: sa.header(ExchangeType::IKE_SA_INIT, 0, true),
        payloads,
        protected: None,
    }
    .encode();
    sa.window.begin(bytes);
    sa.window.answer(&response);
    keyed.response.clone_from(&response);
    sa.state = State::HalfOpen(Box::new(HalfOpen { keyed, candidates }));
    shared.transmit(path, response);
    Ok(sa)
}

/// IKE_AUTH: the peer says who it is, and proves it.
pub(super) fn auth_request(sa: &mut IkeSa, shared: &mut Shared, opened: Opened<'_>) {
    let State::HalfOpen(state) = std::mem::replace(&mut sa.state, State::Gone) else {
        return;
    };
    let HalfOpen { keyed, candidates } = *state;
    let Opened {
        path,
        header,
        contents,
    } = opened;
    let understood = identify(&candidates, &keyed, &contents).and_then(|identified| {
        let child = Offered::from_auth_request(&contents).transpose()?;
        Ok((identified, child))
    });
    match understood {
        Ok((named, child)) => {
            sa.connection = Some(named.connection.clone());
            ask_for_proof(sa, shared, keyed, named, path, (&contents, child));
        }
        Err(cause) => {
            sa.state = State::HalfOpen(Box::new(HalfOpen { keyed, candidates }));
            refuse(sa, shared, path, header.exchange, cause);
        }
    }
}

/// Whom a peer claims to be, what it brings to prove it, and the connection that this means.
struct Named {
    connection: Arc<Connection>,
    claimed: Identity,
    /// The body of its IDi payload, as received.
    id_body: Vec<u8>,
    /// Its Authentication Data.
    auth: Vec<u8>,
}

/// Which connection the identities mean (both IDs, then the suite), and who the peer says it is.
fn identify(
    candidates: &Candidates,
    keyed: &Keyed,
    contents: &Contents<'_>,
) -> Result<Named, Cause> {
    let parse = |id: &crate::wire::Identification<'_>| {
        Identity::from_wire(id.id_type, &id.data).map_err(|error| Cause::BadIdentity {
            reason: error.to_string(),
        })
    };
    let id = required(contents.idi.as_ref(), "IDi")?;
    let claimed = parse(id)?;
    let wanted = contents.idr.as_ref().map(parse).transpose()?;
    // A peer that leaves AUTH out wants EAP (RFC 7296 section 2.16).
    let auth = contents.auth.as_ref().ok_or(Cause::WantsEap)?;
    if auth.method != AuthMethod::SHARED_KEY_MIC {
        return Err(Cause::AuthMethod { found: auth.method });
    }
    let is_wanted = |connection: &&Arc<Connection>| {
        wanted
            .as_ref()
            .is_none_or(|wanted| connection.local.id.matches(wanted))
    };
    let fits = || candidates.naming(&claimed).filter(is_wanted);
    let allowed = fits().find(|connection| {
        connection
            .proposals
            .iter()
            .any(|proposal| proposal.allows(&keyed.suite))
    });
    let (allowed, nearest) = (allowed.cloned(), fits().next().cloned());
    match (allowed, nearest) {
        (Some(connection), _) => Ok(Named {
            connection,
            claimed,
            id_body: id.body(),
            auth: auth.data.to_vec(),
        }),
        (None, Some(connection)) => Err(Cause::SuiteNotAllowed {
            suite: keyed.suite.to_string(),
            connection: connection.name.clone(),
        }),
        (None, None) => Err(Cause::UnknownIdentity {
            peer: claimed,
            wanted,
            candidates: candidates
                .iter()
                .take(CANDIDATES_TOLD)
                .map(|connection| {
                    (
                        connection.name.clone(),
                        connection.local.id.clone(),
                        connection.remote.id.clone(),
                    )
                })
                .collect(),
        }),
    }
}

/// Has the owner of the secret verify what the peer brought, and sign for us.
fn ask_for_proof(
    sa: &mut IkeSa,
    shared: &mut Shared,
    keyed: Keyed,
    Named {
        connection,
        claimed,
        id_body,
        auth,
    }: Named,
    path: Path,
    (contents, child): (&Contents<'_>, Option<Offered>),
) {
    let verify = PskVerification {
        octets: keyed.initiator_octets(shared, &id_body),
        received: auth,
    };
    let sign = keyed.responder_octets(shared, &id_payload(&connection.local.id).body());
    let (question, claim) = Claim::question(
        connection.name.clone(),
        keyed.suite.prf,
        connection.local.id.clone(),
        claimed,
        verify,
        Some(sign),
    );
    sa.ask(shared, Question::Psk(Box::new(question)));
    let initial_contact = contents.has(NotifyType::INITIAL_CONTACT);
    sa.state = State::Proving(Box::new(Proving {
        keyed,
        connection,
        claim,
        path,
        child,
        initial_contact,
    }));
}

/// The verdict on the peer's AUTH, and ours.
pub(super) fn proved(sa: &mut IkeSa, shared: &mut Shared, answer: PskAnswer) {
    let State::Proving(state) = std::mem::replace(&mut sa.state, State::Gone) else {
        return;
    };
    let Proving {
        keyed,
        connection,
        claim,
        path,
        child,
        initial_contact,
    } = *state;
    let claimed = claim.identity().clone();
    let (peer, auth) = match claim.conclude(answer) {
        Ok(proof) => proof,
        Err(disproof) => {
            let cause = match disproof {
                Disproof::Mismatch => Cause::WrongSecret { peer: claimed },
                Disproof::NoSecret | Disproof::NoSignature => Cause::NoSecret,
            };
            sa.state = State::HalfOpen(Box::new(HalfOpen {
                keyed,
                candidates: Candidates::default(),
            }));
            return refuse(sa, shared, path, ExchangeType::IKE_AUTH, cause);
        }
    };
    let before = vec![
        Payload::IdR(id_payload(&connection.local.id)),
        Payload::Auth(Authentication {
            method: AuthMethod::SHARED_KEY_MIC,
            data: auth.into(),
        }),
    ];
    let (ni, nr) = (keyed.ni.clone(), keyed.nr.clone());
    // The answers go where the peer asked from last: between IKE_SA_INIT and IKE_AUTH it may have changed its port.
    sa.path = path;
    let established = Established::new(connection, peer, keyed, shared.now.boot);
    sa.establish(shared, established, initial_contact);
    let answering = Answering {
        path,
        exchange: ExchangeType::IKE_AUTH,
        before,
    };
    match child {
        Some(offered) => sa.answer_child(shared, answering, Ok(offered), (&ni, &nr)),
        None => sa.send_response(shared, path, ExchangeType::IKE_AUTH, &answering.before),
    }
    sa.pump(shared);
}

/// No verdict came.
pub(super) fn unproved(sa: &mut IkeSa, shared: &mut Shared) {
    if let State::Proving(state) = &sa.state {
        let path = state.path;
        refuse(sa, shared, path, ExchangeType::IKE_AUTH, Cause::NoAnswer);
    }
}

/// Turns the peer away: it learns that authentication failed and no more (RFC 7296 section 2.21.2); our side keeps the
/// reason.
fn refuse(sa: &mut IkeSa, shared: &mut Shared, path: Path, exchange: ExchangeType, cause: Cause) {
    let told = cause.notify();
    sa.answer_notify(shared, path, exchange, told, &[]);
    let failure = Failure::new(Step::IkeAuth, cause);
    shared.event(Event::PeerRefused {
        path,
        failure: failure.clone(),
        told,
    });
    match sa.connection_name() {
        Some(connection) => {
            let sa = sa.own_spi();
            shared.notice(Notice::Closed {
                connection,
                sa,
                established: false,
                initiator: false,
                failure,
            });
        }
        None => shared.notice(Notice::Stranger { path, failure }),
    }
    sa.state = State::Ghost(super::ghost_until(shared.now.boot));
}
