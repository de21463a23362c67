//! CREATE_CHILD_SA in both roles (RFC 7296 section 1.3), and the end of every negotiation of a child: in the kernel or not.

use std::sync::Arc;

use crate::config::Child;
use crate::engine::event::Event;
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{KernelFailure, Path};
use crate::engine::shared::{Notice, Shared};
use crate::wire::numbers::{ExchangeType, KeyExchangeMethod, NotifyType, ProtocolId};
use crate::wire::payload::Payload;
use crate::wire::{KeyExchange, Nonce, Notify};

use super::child::{self, Accepted, ChildRefusal, Offered, Proposed};
use super::child_sa::{ChildSa, ChildState};
use super::close::Tell;
use super::established::{Exchange, Task};
use super::initiator::generate;
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
        let nonce = shared.nonce();
        match Proposed::new(shared, self.path, config.clone(), Some(nonce)) {
            Ok(proposed) => self.send_proposed(shared, proposed),
            Err(cause) => self.child_failed(
                shared,
                Some(&config),
                Failure::new(Step::CreateChildSa, cause),
            ),
        }
    }

    fn send_proposed(&mut self, shared: &mut Shared, proposed: Proposed) {
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
                self.child_failed(
                    shared,
                    Some(&proposed.child),
                    Failure::new(Step::CreateChildSa, cause),
                );
            }
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
        let (own, path) = (self.own_spi(), self.path);
        let State::Established(established) = &mut self.state else {
            return;
        };
        let config = proposed.child.clone();
        // Where the responder has installed something that we do not take, it must hear that it is gone.
        let refused = matches!(&accepted, Err(Cause::Refused { .. }));
        let spi_in = proposed.spi();
        let installed = accepted
            .and_then(|accepted| {
                let remote = path.remote.ip();
                child::accept(
                    shared,
                    established,
                    &mut proposed,
                    &accepted,
                    remote,
                    nonces,
                )
            })
            .and_then(|negotiated| ChildSa::install(shared, own, path, negotiated));
        match installed {
            Ok(child) => established.add(child),
            Err(cause) => {
                self.child_failed(shared, Some(&config), Failure::new(step, cause));
                if !refused {
                    self.begin(shared, Task::DeleteChild(spi_in));
                }
            }
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
        if contents.has(NotifyType::REKEY_SA) || contents.sa.as_ref().is_some_and(rekeys_ike) {
            let failure = Failure::new(Step::CreateChildSa, Cause::RekeyUnsupported);
            self.answer_notify(
                shared,
                path,
                header.exchange,
                NotifyType::NO_ADDITIONAL_SAS,
                &[],
            );
            return self.child_failed(shared, None, failure);
        }
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
        self.answer_child(shared, answering, offered, (&ni, &nr));
    }

    /// Chooses, has the kernel install, and leaves the response for when it has (order O1: we can receive before we say so).
    pub(super) fn answer_child(
        &mut self,
        shared: &mut Shared,
        answering: Answering,
        offered: Result<Offered, Cause>,
        nonces: (&[u8], &[u8]),
    ) {
        let (own, path) = (self.own_spi(), self.path);
        let State::Established(established) = &mut self.state else {
            return;
        };
        let chosen = offered
            .map_err(|cause| ChildRefusal::Failed(None, cause))
            .and_then(|offered| child::choose(shared, established, path, &offered, nonces));
        let (negotiated, accepted, public) = match chosen {
            Ok(chosen) => chosen,
            Err(refusal) => return self.refuse_child(shared, answering, refusal),
        };
        let config = negotiated.child.clone();
        match ChildSa::install(shared, own, path, negotiated) {
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
                established.answering = Some((child.number, answering, payloads));
                established.add(child);
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
                if let Some(child) = established
                    .children
                    .iter_mut()
                    .find(|child| child.number == number)
                {
                    child.state = ChildState::Installed(shared.now.boot);
                    announce(shared, &established.connection.name, child);
                }
                if let Some((
                    _,
                    Answering {
                        path,
                        exchange,
                        mut before,
                    },
                    payloads,
                )) = answered
                {
                    before.extend(payloads);
                    self.send_response(shared, path, exchange, &before);
                }
            }
            Err(failure) => {
                let Some(child) = self.take_child(|child| child.number == number) else {
                    return;
                };
                child.forget(shared);
                let cause = Cause::Kernel(failure);
                match answered {
                    Some((_, answering, _)) => {
                        self.refuse_child(
                            shared,
                            answering,
                            ChildRefusal::Failed(Some(child.child), cause),
                        );
                    }
                    None => {
                        self.child_failed(
                            shared,
                            Some(&child.child),
                            Failure::new(Step::Kernel, cause),
                        );
                        self.begin(shared, Task::DeleteChild(child.inbound.spi));
                    }
                }
            }
        }
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
