//! IKE_SA_INIT and IKE_AUTH as the one who answers (RFC 7296 sections 1.2, 2.15 and 2.21).
//!
//! Up to the cookie check nothing is kept and nothing computed (that is [`crate::engine::strangers`]'s part). From here on
//! there is a half-open IKE SA, counted and short-lived, until the peer has proved who it is.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::ask::FetchQuestion;
use crate::auth::proof::PeerAuthenticated;
use crate::auth::signature::PeerHashes;
use crate::config::Connection;
use crate::config::identity::Identity;
use crate::config::proposal::{ChosenIke, choose_ike};
use crate::wire::numbers::{ExchangeType, KeyExchangeMethod, NotifyType};
use crate::wire::payload::Payload;
use crate::wire::{Authentication, Header, IkeSpi, KeyExchange, Message, Nonce, Notify, SpiBytes};

use super::authenticate::{
    Brought, Judged, OwnProof, Party, PeerCheck, Proof, announced_hashes, hash_announcement, judge,
    method_fits, read_identity,
};
use super::child::Offered;
use super::create_child::Answering;
use super::initiator::{generate, id_payload};
use super::{Established, IkeSa, Keyed, Opened, State};
use crate::engine::candidates::Candidates;
use crate::engine::contents::{Contents, required};
use crate::engine::event::{Event, IkeSpis};
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{Answer, Path};
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
    /// What the peer verifies signatures with.
    hashes: Option<PeerHashes>,
}

/// Waits for the verdict on the peer's proof, then for our own.
#[derive(Debug)]
pub(in crate::engine) struct Proving {
    pub(super) keyed: Keyed,
    request: Request,
    stage: Stage,
}

/// What the peer's IKE_AUTH request is about, beside its proof.
#[derive(Debug)]
struct Request {
    party: Party,
    path: Path,
    child: Option<Offered>,
    initial_contact: bool,
    /// How we shall prove who we are.
    own: OwnProof,
}

/// Whose proof is waited for.
#[derive(Debug)]
enum Stage {
    /// The peer's.
    Peer(PeerCheck),
    /// Ours: the peer's is right.
    Own(PeerAuthenticated),
}

impl Proving {
    /// When we go on with what we know, if that is before the end of all patience.
    pub(super) fn until(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Peer(check) => check.until(),
            Stage::Own(_) => None,
        }
    }
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
        begun_by_us: false,
        unique: shared.number(),
        path,
        connection: None,
        window: Window::default(),
        since: now,
        last_heard: None,
        timer: None,
        counted_on: 0,
        hurries: false,
        question: None,
        predecessor: None,
        first_contact: Some(path.remote),
        counted: Some(path.remote.ip()),
        state: State::Gone,
    });
    let mut payloads = vec![
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
    payloads.extend(candidates.strength().map(hash_announcement));
    if candidates.peers_sign() {
        payloads.extend(shared.certificate_requests.iter().cloned());
    }
    let response = Message {
        header: sa.header(ExchangeType::IKE_SA_INIT, 0, true),
        payloads,
        protected: None,
    }
    .encode();
    sa.window.begin(bytes);
    sa.window.answer(&response);
    keyed.response.clone_from(&response);
    sa.state = State::HalfOpen(Box::new(HalfOpen {
        keyed,
        candidates,
        hashes: announced_hashes(contents),
    }));
    shared.transmit(path, response);
    Ok(sa)
}

/// IKE_AUTH: the peer says who it is, and proves it.
pub(super) fn auth_request(sa: &mut IkeSa, shared: &mut Shared, opened: Opened<'_>) {
    let State::HalfOpen(state) = std::mem::replace(&mut sa.state, State::Gone) else {
        return;
    };
    let HalfOpen {
        keyed,
        candidates,
        hashes,
    } = *state;
    let Opened { path, contents, .. } = opened;
    let understood = identify(&candidates, &keyed, &contents).and_then(|named| {
        sa.connection = Some(named.connection.clone());
        let child = Offered::from_auth_request(&contents).transpose()?;
        let party = Party::new(shared, named.connection);
        let own = OwnProof::choose(&party, hashes.as_ref(), &contents.cert_requests)?;
        let request = Request {
            party,
            path,
            child,
            initial_contact: contents.has(NotifyType::INITIAL_CONTACT),
            own,
        };
        let brought = Brought {
            claimed: named.claimed,
            octets: keyed.initiator_octets(shared, &named.id_body),
            auth: named.auth,
            contents: &contents,
        };
        Ok((request, brought))
    });
    let (request, brought) = match understood {
        Ok(understood) => understood,
        Err(cause) => return turn_away(sa, shared, keyed, path, cause),
    };
    // Whoever verifies with the secret may sign with it in the same go.
    let sign =
        matches!(request.own, OwnProof::Secret).then(|| own_octets(shared, &keyed, &request));
    let prf = keyed.suite.prf;
    let judged = judge(sa, shared, &request.party, prf, brought, sign);
    go_on(sa, shared, keyed, request, judged);
}

/// What our AUTH covers.
fn own_octets(shared: &Shared, keyed: &Keyed, request: &Request) -> Vec<u8> {
    let id = id_payload(&request.party.connection.local.id);
    keyed.responder_octets(shared, &id.body())
}

/// Whom a peer claims to be, what it brings to prove it, and the connection that this means.
struct Named<'a> {
    connection: Arc<Connection>,
    claimed: Identity,
    /// The body of its IDi payload, as received.
    id_body: Vec<u8>,
    auth: &'a Authentication<'a>,
}

/// Which connection the identities mean (both IDs, then the method, then the suite), and who the peer says it is.
fn identify<'a>(
    candidates: &Candidates,
    keyed: &Keyed,
    contents: &'a Contents<'a>,
) -> Result<Named<'a>, Cause> {
    let id = required(contents.idi.as_ref(), "IDi")?;
    let claimed = read_identity(id)?;
    let wanted = contents.idr.as_ref().map(read_identity).transpose()?;
    // A peer that leaves AUTH out wants EAP (RFC 7296 section 2.16).
    let auth = contents.auth.as_ref().ok_or(Cause::WantsEap)?;
    let is_wanted = |connection: &&Arc<Connection>| {
        wanted
            .as_ref()
            .is_none_or(|wanted| connection.local.id.matches(wanted))
    };
    let named: Vec<_> = candidates.naming(&claimed).filter(is_wanted).collect();
    let by_method =
        |connection: &&&Arc<Connection>| method_fits(connection.authentication.remote, auth.method);
    let mut ways = named.iter().filter(by_method);
    let allowed = ways.clone().find(|connection| {
        connection
            .proposals
            .iter()
            .any(|proposal| proposal.allows(&keyed.suite))
    });
    match (allowed, ways.next()) {
        (Some(connection), _) => Ok(Named {
            connection: Arc::clone(connection),
            claimed,
            id_body: id.body(),
            auth,
        }),
        (None, Some(connection)) => Err(Cause::SuiteNotAllowed {
            suite: keyed.suite.to_string(),
            connection: connection.name.clone(),
        }),
        (None, None) if !named.is_empty() => Err(Cause::AuthMethod {
            found: auth.method,
            expected: named
                .iter()
                .map(|connection| (connection.name.clone(), connection.authentication.remote))
                .collect(),
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

/// Goes on with what became of the peer's proof: if it is right, ours is due.
fn go_on(
    sa: &mut IkeSa,
    shared: &mut Shared,
    keyed: Keyed,
    request: Request,
    judged: Result<Judged, Cause>,
) {
    let stage = match judged {
        Ok(Judged::Proven(peer, Some(auth))) => {
            return accept(sa, shared, keyed, request, (peer, Proof::by_secret(auth)));
        }
        Ok(Judged::Proven(peer, None)) => {
            let octets = own_octets(shared, &keyed, &request);
            let prf = keyed.suite.prf;
            let question =
                (request.own).question(&request.party, prf, octets, Some(peer.identity()));
            match question {
                Ok(question) => sa.ask(shared, question),
                Err(cause) => return turn_away(sa, shared, keyed, request.path, cause),
            }
            Stage::Own(peer)
        }
        Ok(Judged::Waits(check)) => Stage::Peer(check),
        Err(cause) => return turn_away(sa, shared, keyed, request.path, cause),
    };
    wait(sa, keyed, request, stage);
}

/// What was known when the proof began to be waited for.
fn take(sa: &mut IkeSa) -> Option<Proving> {
    match std::mem::replace(&mut sa.state, State::Gone) {
        State::Proving(state) => Some(*state),
        _ => None,
    }
}

fn wait(sa: &mut IkeSa, keyed: Keyed, request: Request, stage: Stage) {
    let state = Proving {
        keyed,
        request,
        stage,
    };
    sa.state = State::Proving(Box::new(state));
}

/// Both proofs are right: the IKE SA stands.
fn accept(
    sa: &mut IkeSa,
    shared: &mut Shared,
    keyed: Keyed,
    request: Request,
    (peer, proof): (PeerAuthenticated, Proof),
) {
    let Request {
        party: Party { connection, .. },
        path,
        child,
        initial_contact,
        ..
    } = request;
    let mut before = vec![Payload::IdR(id_payload(&connection.local.id))];
    before.extend(proof.certificates);
    before.push(proof.auth);
    let (ni, nr) = (keyed.ni.clone(), keyed.nr.clone());
    // The answers go where the peer asked from last: between IKE_SA_INIT and IKE_AUTH it may have changed its port.
    sa.path = path;
    let established = Established::new(connection, (peer, proof.evidence), keyed, shared.now.boot);
    sa.establish(shared, established, initial_contact);
    let answering = Answering {
        path,
        exchange: ExchangeType::IKE_AUTH,
        before,
    };
    match child {
        Some(offered) => sa.answer_child(shared, answering, Ok(offered), None, (&ni, &nr)),
        None => sa.send_response(shared, path, ExchangeType::IKE_AUTH, &answering.before),
    }
    sa.pump(shared);
}

/// An answer of whoever holds a key: the verdict on the peer's AUTH, or ours.
pub(super) fn answered(sa: &mut IkeSa, shared: &mut Shared, answer: Answer) {
    let Some(Proving {
        keyed,
        request,
        stage,
    }) = take(sa)
    else {
        return;
    };
    match (stage, answer) {
        (Stage::Peer(check), Answer::Psk(answer)) => {
            go_on(sa, shared, keyed, request, check.answered(answer));
        }
        (Stage::Own(peer), answer) => match request.own.conclude(&request.party, answer) {
            Ok(proof) => accept(sa, shared, keyed, request, (peer, proof)),
            Err(cause) => turn_away(sa, shared, keyed, request.path, cause),
        },
        (stage, _) => wait(sa, keyed, request, stage),
    }
}

/// Something was fetched (`None`: the time for that is over).
pub(super) fn fetched(sa: &mut IkeSa, shared: &mut Shared, question: Option<&FetchQuestion>) {
    let Some(Proving {
        keyed,
        request,
        stage,
    }) = take(sa)
    else {
        return;
    };
    match stage {
        Stage::Peer(check) => {
            let judged = check.fetched(sa, shared, &request.party, question);
            go_on(sa, shared, keyed, request, judged);
        }
        stage => wait(sa, keyed, request, stage),
    }
}

/// No verdict came.
pub(super) fn unproved(sa: &mut IkeSa, shared: &mut Shared) {
    if let State::Proving(state) = &sa.state {
        let path = state.request.path;
        refuse(sa, shared, path, ExchangeType::IKE_AUTH, Cause::NoAnswer);
    }
}

/// Turns away a peer whose proof is looked at.
fn turn_away(sa: &mut IkeSa, shared: &mut Shared, keyed: Keyed, path: Path, cause: Cause) {
    sa.state = State::HalfOpen(Box::new(HalfOpen {
        keyed,
        candidates: Candidates::default(),
        hashes: None,
    }));
    refuse(sa, shared, path, ExchangeType::IKE_AUTH, cause);
}

/// Turns the peer away: it learns that authentication failed and no more (RFC 7296 section 2.21.2); our side keeps the
/// reason.
fn refuse(sa: &mut IkeSa, shared: &mut Shared, path: Path, exchange: ExchangeType, cause: Cause) {
    let told = cause.notify();
    sa.answer_notify(shared, path, exchange, told, &[]);
    let failure = Failure::new(Step::IkeAuth, cause);
    shared.event(Event::PeerRefused {
        connection: sa.connection_name(),
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
                path,
                failure,
            });
        }
        None => shared.notice(Notice::Stranger { path, failure }),
    }
    sa.state = State::Ghost(super::ghost_until(shared.now.boot));
}
