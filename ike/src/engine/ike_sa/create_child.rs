//! CREATE_CHILD_SA in both roles (RFC 7296 section 1.3), and the end of every negotiation of a child: in the kernel or not.

use std::sync::Arc;

use crate::config::Child;
use crate::engine::event::Event;
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{KernelContents, KernelFailure, Path};
use crate::engine::shared::{Notice, Shared};
use crate::wire::numbers::{ExchangeType, KeyExchangeMethod, NotifyType, ProtocolId};
use crate::wire::payload::Payload;
use crate::wire::{KeyExchange, Nonce, Notify, SpiBytes};

use super::child::{self, Accepted, ChildRefusal, Negotiated, Offered, Proposed};
use super::child_sa::{ChildSa, ChildState, Then};
use super::close::Tell;
use super::established::{Established, Exchange, Gone, Task};
use super::initiator::generate;
use super::traffic::Traffic;
use super::{IkeSa, Opened, State, step_of};

/// A request for a child that is to be answered when the kernel has it.
#[derive(Debug)]
pub(in crate::engine) struct Answering {
    pub(super) path: Path,
    pub(super) exchange: ExchangeType,
    /// What the response says besides the child: IDr and AUTH.
    pub(super) before: Vec<Payload<'static>>,
}

impl IkeSa {
    /// Asks the peer for a child.
    pub(super) fn request_child(&mut self, shared: &mut Shared, config: Arc<Child>) {
        // A peer that takes one packet's selectors at a time makes a Child SA for each.
        let limit = shared.limits.children_per_ike_sa;
        let of_this = |child: &&ChildSa| child.child.name == config.name && child.is_current();
        let standing = self.established().map_or(0, |established| {
            established.children.iter().filter(of_this).count()
        });
        if standing >= limit {
            let cause = Cause::Limit {
                limit: "children_per_ike_sa",
                value: limit,
            };
            let failure = Failure::new(Step::CreateChildSa, cause);
            return self.child_failed(shared, Some(&config), failure);
        }
        let nonce = shared.nonce();
        let name = self.connection_name();
        let packet = name.and_then(|name| shared.traps.packet(&name, &config.name));
        match Proposed::new(shared, self.path, config.clone(), Some(nonce), packet) {
            Ok(proposed) => self.send_proposed(shared, proposed),
            Err(cause) => self.child_failed(
                shared,
                Some(&config),
                Failure::new(Step::CreateChildSa, cause),
            ),
        }
    }

    pub(super) fn send_proposed(&mut self, shared: &mut Shared, proposed: Proposed) {
        let payloads = proposed.payloads();
        if let State::Established(established) = &mut self.state {
            established.exchange = Some(Exchange::CreateChild(Box::new(proposed)));
        }
        self.send_request(shared, ExchangeType::CREATE_CHILD_SA, &payloads);
    }

    pub(super) fn create_child_response(
        &mut self,
        shared: &mut Shared,
        proposed: Proposed,
        opened: &Opened<'_>,
    ) {
        if let Some(notify) = opened.contents.notify(NotifyType::INVALID_KE_PAYLOAD) {
            if !proposed.wanted {
                return;
            }
            return self.other_method(shared, proposed, &notify.data);
        }
        let accepted = Accepted::from_response(&opened.contents).and_then(|accepted| {
            accepted
                .has_nonce()
                .then_some(accepted)
                .ok_or(Cause::MissingPayload { payload: "Nonce" })
        });
        if let Err(Cause::Refused { notify }) = &accepted
            && matches!(
                *notify,
                NotifyType::INVALID_SYNTAX | NotifyType::AUTHENTICATION_FAILED
            )
        {
            let failure = Failure::new(Step::CreateChildSa, Cause::Refused { notify: *notify });
            return self.close(shared, failure, Tell::Nothing);
        }
        let ni = proposed.nonce.clone();
        self.finish_proposed(shared, proposed, accepted, Step::CreateChildSa, (&ni, &[]));
    }

    /// The responder wants another group for PFS: each that we offer is tried once.
    fn other_method(&mut self, shared: &mut Shared, mut proposed: Proposed, data: &[u8]) {
        let wanted = <[u8; 2]>::try_from(data).map_or(0, u16::from_be_bytes);
        let method = KeyExchangeMethod(wanted);
        let key = if proposed.offers(method) && !proposed.tried.contains(&method) {
            generate(shared, method)
        } else {
            Err(Cause::KeyExchangeMethod { wanted })
        };
        match key {
            Ok(key) => {
                proposed.key = Some(key);
                proposed.method = Some(method);
                proposed.tried.push(method);
                self.send_proposed(shared, proposed);
            }
            Err(cause) => {
                let failure = Failure::new(Step::CreateChildSa, cause);
                self.proposed_failed(shared, &proposed, failure);
            }
        }
    }

    /// What we asked for is not to be had.
    fn proposed_failed(&mut self, shared: &mut Shared, proposed: &Proposed, failure: Failure) {
        let notify = NotifyType::TEMPORARY_FAILURE;
        let later = failure.cause == Cause::Refused { notify };
        // The peer was asking for the same: that is the one which counts.
        let has = |established: &Established| established.has(&proposed.child, None);
        if later && proposed.replaces.is_none() && self.established().is_some_and(has) {
            return;
        }
        match &proposed.replaces {
            Some(replaces) => self.rekeying_failed(shared, replaces.number, failure),
            None if !proposed.wanted => {}
            None => self.child_failed(shared, Some(&proposed.child), failure),
        }
    }

    /// Takes what the responder made of our child: into the kernel, or told to both sides that it is not.
    pub(super) fn finish_proposed(
        &mut self,
        shared: &mut Shared,
        mut proposed: Proposed,
        accepted: Result<Accepted, Cause>,
        step: Step,
        nonces: (&[u8], &[u8]),
    ) {
        let (own, path, initiator) = (self.own_spi(), self.path, self.initiator);
        let State::Established(established) = &mut self.state else {
            return;
        };
        let spi_in = proposed.spi();
        if proposed.is_without_its_key() && accepted.is_ok() {
            return self.answered_without_the_key(shared, &proposed);
        }
        let negotiated = accepted.and_then(|accepted| {
            let remote = path.remote.ip();
            child::accept(
                shared,
                established,
                &mut proposed,
                &accepted,
                remote,
                nonces,
            )
            .map(|negotiated| (negotiated, accepted.lowest_nonce(nonces)))
        });
        let early = |negotiated: &Negotiated| {
            let mut early = established.deleted_early.iter();
            early.any(|spi| *spi == negotiated.spi_out)
        };
        let failed = match negotiated {
            // The peer has deleted it before we knew of it.
            Ok((negotiated, _)) if early(&negotiated) => {
                let failure = Failure::new(step, Cause::DeletedByPeer);
                return self.proposed_failed(shared, &proposed, failure);
            }
            Ok((negotiated, _))
                if !proposed.wanted || is_held_down(shared, established, &negotiated) =>
            {
                return self.begin(shared, Task::DeleteChild(negotiated.gone()));
            }
            Ok((negotiated, lowest)) => {
                if let Some(replaces) = proposed.replaces.take() {
                    return self.rekeyed(shared, replaces, negotiated, &lowest);
                }
                if let Some(line) = established.made_by_peer(&negotiated, initiator) {
                    // A packet that goes by neither would ask for the same again, and at once.
                    let name = &established.connection.name;
                    shared.traps.forget(name, &negotiated.child.name);
                    let then = Then::IsDeleted;
                    let new = ChildSa::install_successor(shared, own, path, negotiated, line, then);
                    return established.add(new);
                }
                let whose = (
                    own,
                    &established.connection.name,
                    established.peer.identity(),
                );
                ChildSa::install(shared, whose, path, negotiated, Then::First)
                    .map(|child| established.add(child))
            }
            Err(cause) => Err(cause),
        };
        if let Err(cause) = failed {
            // Where the responder has installed something that we do not take, it must hear that it is gone.
            let refused = matches!(&cause, Cause::Refused { .. });
            self.proposed_failed(shared, &proposed, Failure::new(step, cause));
            if !refused {
                let gone = Gone {
                    inbound: spi_in,
                    outbound: None,
                };
                self.begin(shared, Task::DeleteChild(gone));
            }
        }
    }

    /// The peer has made what we asked for before a restart, in which the private half of the key exchange was lost: that
    /// is deleted, and asked for again.
    fn answered_without_the_key(&mut self, shared: &mut Shared, proposed: &Proposed) {
        let gone = Gone {
            inbound: proposed.spi(),
            outbound: None,
        };
        self.begin(shared, Task::DeleteChild(gone));
        let State::Established(established) = &self.state else {
            return;
        };
        let in_use = |number| {
            let mut children = established.children.iter();
            children.any(|child| child.number == number && child.is_current())
        };
        match &proposed.replaces {
            Some(replaces) if in_use(replaces.number) => {
                let task = Task::RekeyChild(replaces.number);
                self.begin(shared, task);
            }
            Some(replaces) => {
                let failure = Failure::new(Step::CreateChildSa, Cause::Restarted);
                self.rekeying_failed(shared, replaces.number, failure);
            }
            None if proposed.wanted => {
                self.begin(shared, Task::CreateChild(proposed.child.clone()));
            }
            None => {}
        }
    }

    /// The peer asks for a child.
    pub(super) fn create_child_request(&mut self, shared: &mut Shared, opened: Opened<'_>) {
        let Opened {
            path,
            header,
            contents,
        } = opened;
        let rekeys_ike = |sa: &crate::wire::SecurityAssociation| {
            sa.proposals
                .iter()
                .any(|proposal| proposal.protocol == ProtocolId::IKE)
        };
        if contents.sa.as_ref().is_some_and(rekeys_ike) {
            let opened = Opened {
                path,
                header,
                contents,
            };
            return self.ike_rekeying_request(shared, &opened);
        }
        self.is_meant_to_inherit(shared);
        // It would belong to the heir, and that is on its way, or lost, or is this one and has nothing yet.
        let has_heir =
            |state: &Established| state.is_rekeying() || state.heir_is_lost || !state.announced;
        if self.established().is_some_and(has_heir) {
            let later = NotifyType::TEMPORARY_FAILURE;
            return self.answer_notify(shared, path, header.exchange, later, &[]);
        }
        let rekeys = contents.notify(NotifyType::REKEY_SA);
        let replaced = match rekeys.map(|notify| self.to_be_replaced(notify)).transpose() {
            Ok(replaced) => replaced,
            Err(told) => {
                let about = rekeys.map(|notify| (notify.protocol, notify.spi.clone()));
                let (protocol, spi) = about.unwrap_or((ProtocolId::NONE, SpiBytes::EMPTY));
                let mut notify = Notify::new(told, Vec::new());
                if told == NotifyType::CHILD_SA_NOT_FOUND {
                    notify = notify.about(protocol, spi);
                }
                return self.send_response(
                    shared,
                    path,
                    header.exchange,
                    &[Payload::Notify(notify)],
                );
            }
        };
        let offered = Offered::from_request(&contents, false);
        let ni = contents.nonce.as_ref().map(|nonce| nonce.data.to_vec());
        let (offered, ni) = match (offered, ni) {
            (Ok(offered), Some(ni)) => (Ok(offered), ni),
            (offered, ni) => (
                offered.and(Err(Cause::MissingPayload { payload: "Nonce" })),
                ni.unwrap_or_default(),
            ),
        };
        let nr = shared.nonce();
        let answering = Answering {
            path,
            exchange: header.exchange,
            before: Vec::new(),
        };
        self.answer_child(shared, answering, offered, replaced, (&ni, &nr));
    }

    /// Chooses, has the kernel install, and leaves the response for when it has (order O1: we can receive before we say so).
    pub(super) fn answer_child(
        &mut self,
        shared: &mut Shared,
        answering: Answering,
        offered: Result<Offered, Cause>,
        replaced: Option<u64>,
        nonces: (&[u8], &[u8]),
    ) {
        let (own, path, initiator) = (self.own_spi(), self.path, self.initiator);
        let State::Established(established) = &mut self.state else {
            return;
        };
        let named = |child: &&ChildSa| Some(child.number) == replaced;
        let old = established.children.iter().find(named);
        let chosen = offered
            .map_err(|cause| ChildRefusal::Failed(None, cause))
            .and_then(|offered| child::choose(shared, established, path, &offered, old, nonces));
        let (negotiated, accepted, public) = match chosen {
            Ok(chosen) => chosen,
            Err(refusal) => return self.refuse_child(shared, answering, refusal),
        };
        let config = negotiated.child.clone();
        // Both ask for the same child at once: what the one asks for who began the IKE SA is made.
        if initiator && replaced.is_none() && established.asks_for(&config) {
            let later = NotifyType::TEMPORARY_FAILURE;
            return self.answer_notify(shared, answering.path, answering.exchange, later, &[]);
        }
        // One that is narrower than before begins a line of its own: the peer deletes the old one.
        let same =
            |old: &&ChildSa| (&old.local, &old.remote) == (&negotiated.local, &negotiated.remote);
        let installed = match old.filter(same).map(|old| old.line) {
            Some(line) => {
                let then = Then::StandsBy;
                Ok(ChildSa::install_successor(
                    shared, own, path, negotiated, line, then,
                ))
            }
            None => {
                let whose = (
                    own,
                    &established.connection.name,
                    established.peer.identity(),
                );
                ChildSa::install(shared, whose, path, negotiated, Then::First)
            }
        };
        match installed {
            Ok(child) => {
                let own_nonce = answering.exchange == ExchangeType::CREATE_CHILD_SA;
                let nonce = own_nonce.then(|| {
                    Payload::Nonce(Nonce {
                        data: nonces.1.to_vec().into(),
                    })
                });
                let ke = public.map(|(method, data)| {
                    Payload::Ke(KeyExchange {
                        method,
                        data: data.into(),
                    })
                });
                let payloads = child.response_payloads(accepted, nonce.into_iter().chain(ke));
                let number = child.number;
                established.answering = Some((number, answering, payloads));
                established.add(child);
                if let Some(replaced) = replaced {
                    self.note_collision(replaced, number, nonces);
                }
            }
            Err(cause) => {
                self.refuse_child(shared, answering, ChildRefusal::Failed(Some(config), cause))
            }
        }
    }

    fn refuse_child(&mut self, shared: &mut Shared, answering: Answering, refusal: ChildRefusal) {
        let Answering {
            path,
            exchange,
            mut before,
        } = answering;
        let (notify, failed) = match refusal {
            ChildRefusal::OtherMethod(method) => (
                Notify::new(
                    NotifyType::INVALID_KE_PAYLOAD,
                    method.0.to_be_bytes().to_vec(),
                ),
                None,
            ),
            ChildRefusal::Failed(config, cause) => (
                Notify::new(child::told(&cause), Vec::new()),
                Some((config, Failure::new(step_of(exchange), cause))),
            ),
        };
        before.push(Payload::Notify(notify));
        let fatal = before.iter().any(is_fatal);
        self.send_response(shared, path, exchange, &before);
        if let Some((config, failure)) = failed {
            self.child_failed(shared, config.as_deref(), failure.clone());
            if fatal {
                self.close(shared, failure, Tell::Nothing);
            }
        }
    }

    /// The child that the peer waits for (this one, or whichever) is gone before the kernel had it: the peer is told.
    /// Whether it waited.
    pub(super) fn abandon_answer(&mut self, shared: &mut Shared, cause: &Cause) -> bool {
        let State::Established(established) = &mut self.state else {
            return false;
        };
        let Some((_, answering, _)) = established.answering.take() else {
            return false;
        };
        let notify = child::told(cause);
        let mut payloads = answering.before;
        payloads.push(Payload::Notify(Notify::new(notify, Vec::new())));
        self.send_response(shared, answering.path, answering.exchange, &payloads);
        true
    }

    /// The kernel has installed a child, or not.
    pub(in crate::engine) fn kernel_done(
        &mut self,
        shared: &mut Shared,
        number: u64,
        result: Result<(), KernelFailure>,
    ) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let answered = established
            .answering
            .take_if(|(waiting, ..)| *waiting == number);
        match result {
            Ok(()) => {
                if let Some((_, answering, payloads)) = answered {
                    let Answering {
                        path,
                        exchange,
                        mut before,
                    } = answering;
                    self.installed(shared, number);
                    before.extend(payloads);
                    self.send_response(shared, path, exchange, &before);
                } else {
                    self.installed(shared, number);
                }
            }
            Err(failure) => {
                let answering = answered.map(|(_, answering, _)| answering);
                self.not_installed(shared, number, answering, Cause::Kernel(failure));
            }
        }
        self.decide_at_last(shared);
    }

    /// After a restart: asks the kernel again for a Child SA, where it has not all of it. Whether there is something to wait
    /// for; `None` where there is no such Child SA.
    pub(in crate::engine) fn ask_again(
        &mut self,
        shared: &mut Shared,
        number: u64,
        kernel: &KernelContents,
    ) -> Option<bool> {
        let own = self.own_spi();
        let State::Established(established) = &mut self.state else {
            return None;
        };
        let child = established.numbered(number)?;
        Some(child.ask_again(shared, own, kernel))
    }

    fn installed(&mut self, shared: &mut Shared, number: u64) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let mut children = established.children.iter_mut();
        let Some(child) = children.find(|child| child.number == number) else {
            return;
        };
        child.kernel_has_answered();
        let ChildState::Installing(then) = child.state else {
            return self.activated(shared, number);
        };
        match then {
            Then::First | Then::Supersedes(_) => {
                child.state = ChildState::InUse(shared.now.boot);
                child.traffic = Traffic::none(shared.now.boot);
                if child.follows() {
                    return self.activated(shared, number);
                }
                announce(shared, &established.connection.name, child);
                // What IKE_AUTH has made is the first, and begun by us: nothing else has been asked yet.
                let of_ike_auth = self.initiator && self.window.next_outgoing() == Some(2);
                if of_ike_auth && established.connection.verify_rekey {
                    established.verified = Some(number);
                    return self.begin(shared, Task::RekeyChild(number));
                }
                if let Then::Supersedes(old) = then {
                    self.superseded(shared, old);
                }
            }
            Then::StandsBy => {
                child.state = ChildState::Standby;
                if cfg!(ikd_fault = "standby-sends") {
                    self.activate(shared, number);
                }
            }
            Then::Succeeds => {
                child.state = ChildState::Standby;
                if !self.is_to_be_deleted() {
                    self.activate(shared, number);
                }
            }
            Then::TakesOver(old) => self.takes_over(shared, number, old),
            Then::IsDeleted => {
                child.state = ChildState::Deleting;
                let gone = child.gone();
                self.begin(shared, Task::DeleteChild(gone));
            }
        }
    }

    fn not_installed(
        &mut self,
        shared: &mut Shared,
        number: u64,
        answering: Option<Answering>,
        cause: Cause,
    ) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let mut children = established.children.iter();
        let Some(at) = children.position(|child| child.number == number) else {
            return;
        };
        let failure = Failure::new(Step::Kernel, cause);
        let ChildState::Installing(then) = established.children[at].state else {
            // It was to send from now on.
            return self.ended_by_kernel(shared, number, failure);
        };
        let mut child = established.children.remove(at);
        child.forget(shared);
        self.tell_not_followed(shared, &child, &failure);
        if let Some(answering) = answering {
            let refusal = ChildRefusal::Failed(Some(child.child), failure.cause);
            return self.refuse_child(shared, answering, refusal);
        }
        match then {
            Then::TakesOver(old) | Then::Supersedes(old) => {
                self.rekeying_failed(shared, old, failure);
            }
            Then::First => self.child_failed(shared, Some(&child.child), failure),
            Then::StandsBy | Then::Succeeds | Then::IsDeleted => {}
        }
        self.begin(shared, Task::DeleteChild(child.gone()));
    }

    pub(super) fn child_failed(
        &self,
        shared: &mut Shared,
        child: Option<&Child>,
        failure: Failure,
    ) {
        if let Some(connection) = self.connection_name() {
            let child = child.map(|child| child.name.clone());
            shared.notice(Notice::ChildFailed {
                connection,
                child,
                failure,
            });
        }
    }
}

/// Whether an operator took the child down while it was being asked for.
fn is_held_down(shared: &Shared, established: &Established, negotiated: &Negotiated) -> bool {
    let connection = established.connection.name.clone();
    let place = (connection, negotiated.child.name.clone());
    shared.held_down.contains(&place)
}

/// Both sides hold the IKE SA for gone when one has said this, without a Delete (RFC 7296 section 2.21.3).
fn is_fatal(payload: &Payload<'_>) -> bool {
    matches!(payload, Payload::Notify(notify) if notify.kind == NotifyType::INVALID_SYNTAX)
}

fn announce(shared: &mut Shared, connection: &crate::config::Name, child: &ChildSa) {
    let name = child.child.name.clone();
    shared.event(Event::ChildUp {
        connection: connection.clone(),
        child: name.clone(),
        spi_in: child.inbound.spi,
        spi_out: child.outbound.spi,
        suite: child.suite.to_string(),
        local: child.local.clone(),
        remote: child.remote.clone(),
    });
    shared.notice(Notice::ChildUp {
        connection: connection.clone(),
        child: name,
    });
}
