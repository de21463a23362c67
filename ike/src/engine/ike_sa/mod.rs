//! One IKE SA, from its first message to its last.
//!
//! ```text
//!   initiator:  Routing -> InitSent -> Signing -> AuthSent -> Verifying -+
//!                                                                        +-> Established -> Closing -> Ghost
//!   responder:  HalfOpen ------------------------> Proving --------------+
//!
//!   Routing    waits for the address to speak from        Verifying  waits for the verdict on the peer's proof
//!   InitSent   IKE_SA_INIT is out                         HalfOpen   IKE_SA_INIT is answered
//!   Signing    waits for our AUTH                         Proving    waits for the verdict, then for our AUTH
//!   AuthSent   IKE_AUTH is out                            Closing    Delete is out
//!   Ghost      nothing but the last answer, for a peer that did not get it
//! ```
//!
//! Between InitSent and Signing there is room for IKE_INTERMEDIATE (RFC 9242), and AuthSent may become AuthSent again
//! when authentication takes several rounds: the message ID comes from the window, not from the state.
//!
//! Every state that waits for an answer from outside also has a deadline, and lets go when the engine drops it: a late
//! answer finds no state and is ignored.

mod authenticate;
mod child;
mod child_sa;
mod close;
mod create_child;
mod end_child;
mod established;
mod initiator;
mod keyed;
mod liveness;
mod record;
mod rekey_child;
mod rekey_ike;
mod rekeying;
mod responder;
mod send;
mod situation;
mod succession;
mod traffic;
mod volume;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::auth::ask::FetchQuestion;
use crate::config::Connection;
use crate::wire::numbers::{ExchangeType, NotifyType, PayloadType};
use crate::wire::{Header, IkeSpi, Message, WireError, parse_chain};

use super::channel::Channel;
use super::contents::Contents;
use super::event::{DropReason, Event, IkeSpis};
use super::failure::{Cause, Failure, Step};
use super::io::{Answer, Path, Question, QuestionId};
use super::shared::{Notice, Shared, own_spi};
use super::situation::Message as Seen;
use super::window::{Due, Incoming, Window};

pub(super) use child_sa::{ChildSa, ChildState};
pub(super) use close::Tell;
pub(super) use established::{Established, Task};
pub(super) use initiator::{Intent, start};
pub(super) use record::IkeSaFields;
pub(super) use rekeying::DELETE_DUE;
pub(super) use responder::{InitRefusal, answer_init};

use close::{Closing, GHOST_TIME};
use initiator::{AuthSent, InitSent, Routing, Signing, Verifying};
use keyed::Keyed;
use responder::{HalfOpen, Proving};

/// How long a question may go unanswered before the attempt is dropped.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// How long it may go unanswered where the peer ends in a minute what is to be replaced: there is time for another attempt.
const HURRY: Duration = Duration::from_secs(8);

/// One IKE SA.
#[derive(Debug)]
pub(super) struct IkeSa {
    pub(super) spis: IkeSpis,
    pub(super) initiator: bool,
    /// Whether we began the first of those that were rekeyed into this one.
    pub(super) begun_by_us: bool,
    pub(super) unique: u64,
    pub(super) path: Path,
    /// Known from the beginning as initiator, from IKE_AUTH on as responder.
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) window: Window,
    pub(super) since: Duration,
    /// When something authentic came last.
    pub(super) last_heard: Option<Duration>,
    /// The deadline that the engine has on its list.
    pub(super) timer: Option<Duration>,
    /// How many children the engine has found to be there, or on their way.
    pub(super) counted_on: usize,
    /// Whether it is begun in the place of one that the peer will not keep for long.
    pub(super) hurries: bool,
    /// What it asked last.
    pub(super) question: Option<QuestionId>,
    /// The address that the peer began from, where it did.
    pub(super) first_contact: Option<SocketAddr>,
    /// What it has replaced, which may still be there for a goodbye.
    pub(super) predecessor: Option<IkeSpi>,
    /// The address it is counted under as half-open.
    pub(super) counted: Option<IpAddr>,
    pub(super) state: State,
}

/// Where an IKE SA stands; each state holds what only it needs.
#[derive(Debug)]
pub(super) enum State {
    Routing(Routing),
    InitSent(Box<InitSent>),
    Signing(Box<Signing>),
    AuthSent(Box<AuthSent>),
    Verifying(Box<Verifying>),
    HalfOpen(Box<HalfOpen>),
    Proving(Box<Proving>),
    Established(Box<Established>),
    Closing(Box<Closing>),
    /// Until this time.
    Ghost(Duration),
    /// To be dropped.
    Gone,
}

/// A protected message that is what it says, with its payloads.
pub(super) struct Opened<'a> {
    pub(super) path: Path,
    pub(super) header: Header,
    pub(super) contents: Contents<'a>,
}

impl IkeSa {
    /// Our SPI, which names the IKE SA in the engine's table.
    pub(super) const fn own_spi(&self) -> IkeSpi {
        own_spi(self.spis, self.initiator)
    }

    /// Whether a header's SPIs are this IKE SA's. The peer's is not known before it has answered IKE_SA_INIT.
    pub(super) fn knows(&self, header: &Header) -> bool {
        let first_answer = matches!(self.state, State::InitSent(_))
            && header.exchange == ExchangeType::IKE_SA_INIT;
        header.initiator_spi == self.spis.initiator
            && (header.responder_spi == self.spis.responder || first_answer)
    }

    /// The connection's name, where it is known.
    pub(super) fn connection_name(&self) -> Option<crate::config::Name> {
        self.connection
            .as_ref()
            .map(|connection| connection.name.clone())
    }

    /// Whether it still counts as half-open, where it was counted: what is kept for a peer that was refused does.
    pub(super) const fn is_half_open_responder(&self) -> bool {
        matches!(
            self.state,
            State::HalfOpen(_) | State::Proving(_) | State::Ghost(_)
        ) && !self.initiator
    }

    pub(super) const fn is_established(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// Whether it is on its way to be established, begun by us.
    pub(super) const fn is_connecting(&self) -> bool {
        matches!(
            self.state,
            State::Routing(_)
                | State::InitSent(_)
                | State::Signing(_)
                | State::AuthSent(_)
                | State::Verifying(_)
        )
    }

    /// Whether we began it, and the peer has no proof of ours yet.
    pub(super) const fn is_before_ike_auth(&self) -> bool {
        matches!(
            self.state,
            State::Routing(_) | State::InitSent(_) | State::Signing(_)
        )
    }

    pub(super) fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Established(established) => Some(established),
            _ => None,
        }
    }

    /// How long a request of ours may go unanswered.
    fn give_up(&self) -> Duration {
        match (&self.state, &self.connection) {
            (State::Closing(_), _) => close::DELETE_TIME,
            (State::Established(_), Some(connection)) => connection.liveness.give_up,
            (_, Some(connection)) if self.hurries => connection.liveness.give_up.min(HURRY),
            (_, Some(connection)) => connection.liveness.give_up,
            (_, None) => ANSWER_TIME,
        }
    }

    /// The wall clock was set forward.
    pub(super) fn bring_forward(&mut self, by: Duration, shared: &mut Shared) {
        if let State::Established(established) = &mut self.state {
            established.bring_forward(by, shared);
        }
    }

    /// When [`Self::tick`] wants to be called.
    pub(super) fn deadline(&self, shared: &Shared) -> Option<Duration> {
        let asked = self.window.deadline(self.give_up());
        match &self.state {
            State::Routing(_) => Some(self.since + ANSWER_TIME),
            State::Signing(state) => Some(state.asked + ANSWER_TIME),
            State::Verifying(state) => Some(state.deadline()),
            State::HalfOpen(_) => Some(self.since + shared.limits.half_open_timeout),
            State::Proving(state) => {
                let end = self.since + shared.limits.half_open_timeout;
                Some(state.until().map_or(end, |until| until.min(end)))
            }
            State::Established(established) => {
                let heard = self.last_heard.unwrap_or(self.since);
                let silent = asked.or_else(|| established.liveness_deadline(heard));
                silent
                    .into_iter()
                    .chain(established.children_deadline())
                    .chain(established.look_deadline())
                    .chain(established.rekeying.at.filter(|_| established.announced))
                    .chain(established.reauthentication.at)
                    .chain(established.redundant_until)
                    .min()
            }
            State::Closing(closing) => asked.into_iter().chain(closing.due).min(),
            State::InitSent(_) | State::AuthSent(_) => asked,
            State::Ghost(until) => Some(*until),
            State::Gone => None,
        }
    }

    /// The deadline has come.
    pub(super) fn tick(&mut self, shared: &mut Shared) {
        let now = shared.now.boot;
        if let State::Ghost(until) = self.state {
            if until <= now {
                self.state = State::Gone;
            }
            return;
        }
        let give_up = self.give_up();
        match self.window.due(now, give_up, &mut *shared.random) {
            Due::Retransmit => return self.retransmit(shared),
            Due::GiveUp => return self.peer_is_silent(shared),
            Due::Nothing => {}
        }
        if self.deadline(shared).is_none_or(|deadline| now < deadline) {
            return;
        }
        match &self.state {
            State::Routing(_) => self.fail(shared, Failure::new(Step::Start, Cause::NoAnswer)),
            State::Signing(_) => self.fail(shared, Failure::new(Step::IkeAuth, Cause::NoAnswer)),
            State::Verifying(_) => initiator::unverified(self, shared),
            State::HalfOpen(_) => self.state = State::Gone,
            State::Proving(_) if now < self.since + shared.limits.half_open_timeout => {
                responder::fetched(self, shared, None);
            }
            State::Proving(_) => responder::unproved(self, shared),
            State::Established(_) => self.established_tick(shared),
            State::Closing(_) => self.send_delete(shared),
            _ => {}
        }
    }

    fn established_tick(&mut self, shared: &mut Shared) {
        let now = shared.now.boot;
        self.children_tick(shared);
        if let State::Established(established) = &mut self.state {
            if established
                .redundant_until
                .is_some_and(|until| until <= now)
            {
                return self.close_for(shared, Cause::Replaced);
            }
            let again = &mut established.reauthentication.at;
            if again.take_if(|at| *at <= now).is_some() {
                let sa = own_spi(self.spis, self.initiator);
                shared.notice(Notice::Reauthenticate { sa });
            }
            if established.announced && established.rekeying.at.take_if(|at| *at <= now).is_some() {
                self.begin(shared, Task::RekeyIke);
            }
        }
        self.look_at_traffic(shared);
        self.ask_for_life(shared);
    }

    fn retransmit(&mut self, shared: &mut Shared) {
        let Some(request) = self.window.outstanding() else {
            return;
        };
        let mut bytes = request.bytes.clone();
        if cfg!(ikd_fault = "new-bytes") && request.exchange == ExchangeType::INFORMATIONAL {
            let header = self.header(request.exchange, request.message_id, false);
            let sealed =
                |channel: &mut Channel| channel.seal(&mut *shared.random, &header, &[]).ok();
            bytes = self.channel_mut().and_then(sealed).unwrap_or(bytes);
        }
        let Some(request) = self.window.outstanding() else {
            return;
        };
        shared.transmit(request.path, bytes);
        let event = Event::Retransmitting {
            connection: self.connection_name(),
            path: request.path,
            exchange: request.exchange,
            sent: request.sent,
        };
        shared.event(event);
    }

    fn peer_is_silent(&mut self, shared: &mut Shared) {
        let Some(request) = self.window.outstanding() else {
            return;
        };
        let (sent, after, exchange) = (
            request.sent,
            request.since(shared.now.boot),
            request.exchange,
        );
        let (hint, doubt) = match &mut self.state {
            State::InitSent(state) => (state.hint, state.doubt.take()),
            _ => (None, None),
        };
        let cause = doubt.unwrap_or(Cause::NoResponse { sent, after, hint });
        self.window.completed();
        let failure = Failure::new(step_of(exchange), cause);
        match &self.state {
            State::Closing(closing) if closing.waits_to_delete() => self.send_delete(shared),
            State::Closing(_) => self.state = State::Gone,
            // Our request for an heir is lost, or its answer; the peer's own was answered.
            State::Established(established) if established.heir.is_some() => {
                if let Some(heir) = established.heir {
                    self.bequeath(shared, heir, false);
                }
            }
            _ => self.fail(shared, failure),
        }
    }

    /// Ends the IKE SA without a word to the peer.
    fn fail(&mut self, shared: &mut Shared, failure: Failure) {
        self.close(shared, failure, close::Tell::Nothing);
    }

    /// A datagram for this IKE SA.
    pub(super) fn datagram(
        &mut self,
        shared: &mut Shared,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) {
        let dropped = if header.flags.response {
            self.response(shared, path, header, bytes)
        } else {
            self.request(shared, path, header, bytes)
        };
        if let Err(reason) = dropped {
            shared.dropped(path, reason);
        }
        self.watch_message_ids(shared);
    }

    fn request(
        &mut self,
        shared: &mut Shared,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        match self.window.incoming(header.message_id, bytes) {
            Incoming::Fresh => {}
            Incoming::Answered(response) => {
                let response = response.to_vec();
                shared.transmit(path, response);
                return Ok(());
            }
            Incoming::InProgress => return Err(DropReason::InProgress),
            Incoming::Unexpected => return Err(DropReason::MessageId),
        }
        let (first, chain) = self.open(header, bytes)?;
        self.last_heard = Some(shared.now.boot);
        self.window.begin(bytes);
        let contents = parse_chain(first, &chain)
            .map_err(Cause::Malformed)
            .and_then(Contents::sort);
        shared.reads(|| Seen::request(header.exchange, &contents));
        match contents {
            Ok(contents) => self.take_request(
                shared,
                Opened {
                    path,
                    header: *header,
                    contents,
                },
            ),
            Err(cause) => self.refuse_malformed(shared, path, header, cause),
        }
        Ok(())
    }

    fn response(
        &mut self,
        shared: &mut Shared,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        let outstanding = self.window.outstanding().ok_or(DropReason::Unsolicited)?;
        if (outstanding.message_id, outstanding.exchange) != (header.message_id, header.exchange) {
            return Err(DropReason::MessageId);
        }
        if let State::InitSent(_) = self.state {
            return initiator::init_response(self, shared, path, header, bytes);
        }
        let (first, chain) = self.open(header, bytes)?;
        self.last_heard = Some(shared.now.boot);
        self.window.completed();
        let contents = parse_chain(first, &chain)
            .map_err(Cause::Malformed)
            .and_then(Contents::sort);
        shared.reads(|| Some(Seen::response(&contents)));
        match contents {
            Ok(contents) => self.take_response(
                shared,
                Opened {
                    path,
                    header: *header,
                    contents,
                },
            ),
            Err(cause) => {
                let failure = Failure::new(step_of(header.exchange), cause);
                self.close(shared, failure, close::Tell::Delete);
            }
        }
        Ok(())
    }

    /// Decrypts, where there are keys and the exchange is one that this state knows.
    fn open(&self, header: &Header, bytes: &[u8]) -> Result<(PayloadType, Vec<u8>), DropReason> {
        let allowed = match &self.state {
            State::HalfOpen(_) | State::AuthSent(_) => header.exchange == ExchangeType::IKE_AUTH,
            State::Established(_) | State::Closing(_) => matches!(
                header.exchange,
                ExchangeType::CREATE_CHILD_SA
                    | ExchangeType::INFORMATIONAL
                    | ExchangeType::IKE_AUTH
            ),
            _ => false,
        };
        let channel = self
            .channel()
            .filter(|_| allowed)
            .ok_or(DropReason::Unexpected)?;
        let message = Message::parse(bytes).map_err(|_| DropReason::Malformed)?;
        let protected = message.protected.ok_or(DropReason::Unexpected)?;
        if protected.fragment.is_some() {
            return Err(DropReason::NotNegotiated);
        }
        channel
            .open(&protected)
            .map_err(|_| DropReason::BadIntegrity)
    }

    fn take_request(&mut self, shared: &mut Shared, opened: Opened<'_>) {
        match (&self.state, opened.header.exchange) {
            (State::HalfOpen(_), ExchangeType::IKE_AUTH) => {
                responder::auth_request(self, shared, opened)
            }
            (State::Established(_), ExchangeType::CREATE_CHILD_SA) => {
                self.create_child_request(shared, opened)
            }
            (State::Established(_), ExchangeType::INFORMATIONAL) => {
                self.informational_request(shared, opened)
            }
            (State::Closing(_), ExchangeType::INFORMATIONAL) => {
                self.informational_while_closing(shared, &opened)
            }
            (State::Closing(_), ExchangeType::CREATE_CHILD_SA) => {
                self.answer_notify(
                    shared,
                    opened.path,
                    opened.header.exchange,
                    NotifyType::TEMPORARY_FAILURE,
                    &[],
                );
            }
            (_, exchange) => {
                self.refuse_malformed(
                    shared,
                    opened.path,
                    &opened.header,
                    Cause::UnexpectedExchange { exchange },
                );
            }
        }
    }

    fn take_response(&mut self, shared: &mut Shared, opened: Opened<'_>) {
        match &self.state {
            State::AuthSent(_) => initiator::auth_response(self, shared, opened),
            State::Established(_) => self.established_response(shared, opened),
            // A responder that refuses us has nothing to be deleted (RFC 7296 section 2.21.2).
            State::Closing(_)
                if opened.header.exchange == ExchangeType::IKE_AUTH
                    && opened.contents.auth.is_none() =>
            {
                self.state = State::Gone;
            }
            State::Closing(closing) if closing.waits_to_delete() => self.send_delete(shared),
            State::Closing(_) => self.goodbye_answered(shared),
            _ => {}
        }
    }

    /// Asks whoever knows; the answer comes to [`Self::answer`].
    fn ask(&mut self, shared: &mut Shared, question: Question) {
        self.question = Some(shared.ask(self.own_spi(), question));
    }

    /// The answer to a question of this IKE SA: to the last one, for it waits for one at a time, but for looks at traffic.
    pub(super) fn answer(&mut self, shared: &mut Shared, id: QuestionId, answer: Answer) {
        let is_last = self.question.take_if(|asked| *asked == id).is_some();
        let answer = match answer {
            Answer::SaUse(uses) if is_last => return self.packets_told(shared, &uses),
            Answer::SaUse(uses) => return self.traffic_told(shared, &uses),
            answer => answer,
        };
        if !is_last {
            return;
        }
        match (&self.state, answer) {
            (State::Routing(_), Answer::LocalAddress(address)) => {
                initiator::routed(self, shared, address)
            }
            (State::Routing(_), Answer::Resolved(addresses)) => {
                initiator::resolved(self, shared, addresses)
            }
            (State::Signing(_), answer) => initiator::signed(self, shared, answer),
            (State::Verifying(_), Answer::Psk(answer)) => initiator::verified(self, shared, answer),
            (State::Proving(_), answer) => responder::answered(self, shared, answer),
            // Nobody is there to take it.
            _ => {}
        }
    }

    /// Something that it waits for was fetched, or could not be.
    pub(super) fn fetched(&mut self, shared: &mut Shared, question: &FetchQuestion) {
        match &self.state {
            State::Verifying(_) => initiator::fetched(self, shared, question),
            State::Proving(_) => responder::fetched(self, shared, Some(question)),
            _ => {}
        }
    }

    /// A request that we can read as a message but not understand: the peer is told, and INVALID_SYNTAX ends the IKE SA
    /// (RFC 7296 section 2.21.3); before authentication the whole IKE_AUTH is rejected (2.21.2).
    fn refuse_malformed(&mut self, shared: &mut Shared, path: Path, header: &Header, cause: Cause) {
        let notify = cause.notify();
        let data = match &cause {
            Cause::Malformed(WireError::UnsupportedCritical(payload)) => vec![*payload],
            _ => Vec::new(),
        };
        self.answer_notify(shared, path, header.exchange, notify, &data);
        let fatal = notify == NotifyType::INVALID_SYNTAX || !self.is_established();
        if fatal {
            self.fail(shared, Failure::new(step_of(header.exchange), cause));
        }
    }

    /// The peer is who it says it is.
    fn establish(
        &mut self,
        shared: &mut Shared,
        mut established: Established,
        initial_contact: bool,
    ) {
        established.plan_rekeying(shared);
        established.plan_reauthentication(shared);
        let connection = established.connection.clone();
        shared.event(Event::IkeSaEstablished {
            connection: connection.name.clone(),
            spis: self.spis,
            path: self.path,
            peer: established.peer.identity().clone(),
            evidence: established.peer.evidence().clone(),
            suite: established.suite.to_string(),
            initiator: self.initiator,
        });
        shared.notice(Notice::Established {
            connection: connection.name.clone(),
            sa: self.own_spi(),
            initial_contact,
        });
        self.connection = Some(connection);
        self.state = State::Established(Box::new(established));
    }
}

/// The step a failure of an exchange belongs to.
pub(super) fn step_of(exchange: ExchangeType) -> Step {
    match exchange {
        ExchangeType::IKE_SA_INIT => Step::IkeSaInit,
        ExchangeType::IKE_AUTH | ExchangeType::IKE_INTERMEDIATE => Step::IkeAuth,
        ExchangeType::CREATE_CHILD_SA | ExchangeType::IKE_FOLLOWUP_KE => Step::CreateChildSa,
        _ => Step::Informational,
    }
}

/// How long the last answer is kept when everything else is gone.
const fn ghost_until(now: Duration) -> Duration {
    now.saturating_add(GHOST_TIME)
}
