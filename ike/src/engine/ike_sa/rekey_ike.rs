//! Rekeying of the IKE SA, in both roles, and both at once (RFC 7296 sections 1.3.2, 2.8.2, 2.18 and 2.25).
//!
//! ```text
//!   we rekey:   SA, Ni, KEi -->                        the peer rekeys:   --> SA, Ni, KEi
//!               <-- SA, Nr, KEr                                           the heir stands and has the children
//!     the heir stands and has the children                                SA, Nr, KEr -->
//!     the old one: Delete -->                          the old one answers until --> Delete
//! ```
//!
//! Both at once: two heirs. The one that was made with the lowest of the four nonces is deleted by who made it; the other
//! has the children, and who made it deletes the old one. Until that is decided, the children stay. Where the answer to our
//! request does not come, the heir that the peer made is the one: it says so by using it, or by saying nothing more.
//!
//! Nothing of this touches the kernel (order O6). While children are on their way, the peer is put off, and so are we.

mod record;

use std::time::Duration;

use crate::config::proposal::{
    IkeProposal, IkeSuite, choose_ike, ike_to_wire, verify_accepted_ike,
};
use crate::crypto::{EphemeralKey, Secret};
use crate::engine::contents::{Contents, required};
use crate::engine::event::{Event, IkeSpis};
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{CommandId, Reply};
use crate::engine::shared::{KernelOwner, Notice, Shared};
use crate::wire::numbers::{ExchangeType, KeyExchangeMethod, NotifyType};
use crate::wire::payload::Payload;
use crate::wire::{IkeSpi, KeyExchange, Nonce, SecurityAssociation, SpiBytes};

use super::child_sa::{ChildSa, ChildState};
use super::close::Tell;
use super::established::{Established, Exchange, Task};
use super::initiator::generate;
use super::keyed;
use super::rekeying::{DELETE_DUE, answer_all};
use super::{IkeSa, Opened, State, Window};

pub(super) use record::RekeyIkeFields;

/// How long it waits for children that are on their way.
const BUSY: Duration = Duration::from_secs(1);

/// Our request for an heir.
pub(super) struct RekeyIke {
    spi: IkeSpi,
    nonce: Vec<u8>,
    /// `None` after a restart: it does not outlive the process.
    key: Option<Box<dyn EphemeralKey>>,
    method: KeyExchangeMethod,
    tried: Vec<KeyExchangeMethod>,
    rival: Option<Rival>,
}

/// The heir that the peer's request made meanwhile.
#[derive(Debug)]
struct Rival {
    heir: IkeSpi,
    /// The lower of the two nonces it was made with.
    lowest: Vec<u8>,
}

impl std::fmt::Debug for RekeyIke {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RekeyIke")
            .field("spi", &self.spi)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// What an heir is made from.
struct Agreed<'a> {
    suite: IkeSuite,
    secret: &'a Secret,
    spis: IkeSpis,
    initiator: bool,
    ni: &'a [u8],
    nr: &'a [u8],
}

impl Established {
    /// Whether children are on their way, so that there is nothing yet to be handed on.
    fn is_busy(&self) -> bool {
        let on_its_way = |child: &ChildSa| {
            matches!(child.state, ChildState::Installing(_)) || child.is_activating
        };
        let exchange = matches!(
            self.exchange,
            Some(Exchange::CreateChild(_) | Exchange::DeleteChild(_))
        );
        exchange
            || self.answering.is_some()
            || self.undecided.is_some()
            || self.children.iter().any(on_its_way)
    }

    /// Whether we have asked for an heir, and do not know yet.
    pub(in crate::engine) fn is_rekeying(&self) -> bool {
        matches!(self.exchange, Some(Exchange::RekeyIke(_)))
    }
}

impl IkeSa {
    /// Asks the peer for an heir.
    pub(super) fn request_ike_rekeying(&mut self, shared: &mut Shared) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        if established.heir.is_some() || established.heir_is_lost {
            return;
        }
        if established.is_busy() {
            established.rekeying.at = Some(shared.now.boot + BUSY);
            return;
        }
        // What is in use is what both have.
        let method = established.suite.key_exchange;
        match generate(shared, method) {
            Ok(key) => {
                let rekey = RekeyIke {
                    spi: shared.fresh_ike_spi(),
                    nonce: shared.nonce(),
                    key: Some(key),
                    method,
                    tried: vec![method],
                    rival: None,
                };
                self.send_rekey(shared, rekey);
            }
            Err(cause) => {
                self.ike_rekeying_failed(shared, Failure::new(Step::CreateChildSa, cause));
            }
        }
    }

    fn send_rekey(&mut self, shared: &mut Shared, rekey: RekeyIke) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let Some(key) = &rekey.key else { return };
        let offer = ike_to_wire(&established.connection.proposals, rekey.spi.into());
        let payloads = payloads(offer, &rekey.nonce, rekey.method, key.public_value());
        established.exchange = Some(Exchange::RekeyIke(Box::new(rekey)));
        self.send_request(shared, ExchangeType::CREATE_CHILD_SA, &payloads);
    }

    /// The peer's answer to our request.
    pub(super) fn ike_rekeying_response(
        &mut self,
        shared: &mut Shared,
        mut rekey: RekeyIke,
        opened: &Opened<'_>,
    ) {
        let contents = &opened.contents;
        if let Some(notify) = contents.notify(NotifyType::INVALID_KE_PAYLOAD) {
            return self.other_ike_method(shared, rekey, &notify.data);
        }
        let rival = rekey.rival.take();
        let refused = contents.error().filter(|_| contents.sa.is_none());
        let answered = match (refused, rekey.key.take()) {
            (Some(notify), _) => Err(Cause::Refused { notify }),
            (None, Some(key)) => self.heir_of_response(shared, rekey, key, opened),
            (None, None) => {
                return self.heir_without_our_key(shared, &rekey, rival, contents);
            }
        };
        match (answered, rival) {
            (Ok((heir, lowest)), Some(rival)) if lowest < rival.lowest => {
                let loser = heir.own_spi();
                shared.born.push_back(heir);
                shared.notice(Notice::Redundant {
                    heir: loser,
                    until: None,
                });
                self.bequeath(shared, rival.heir, false);
            }
            (Ok((heir, _)), rival) => {
                let own = heir.own_spi();
                shared.born.push_back(heir);
                if let Some(rival) = rival {
                    let until = Some(shared.now.boot + DELETE_DUE);
                    let heir = rival.heir;
                    shared.notice(Notice::Redundant { heir, until });
                }
                self.bequeath(shared, own, true);
            }
            // The peer has decided for its own.
            (Err(_), Some(rival)) => self.bequeath(shared, rival.heir, false),
            (Err(cause), None) => {
                let failure = Failure::new(Step::CreateChildSa, cause);
                self.ike_rekeying_failed(shared, failure);
            }
        }
    }

    /// The peer has made an heir of a request whose private half was lost in a restart: nobody can speak to it. If it is
    /// not the one that is kept, it ends by itself; otherwise the children are with it, and all is made anew before the old
    /// one is left.
    fn heir_without_our_key(
        &mut self,
        shared: &mut Shared,
        rekey: &RekeyIke,
        rival: Option<Rival>,
        contents: &Contents<'_>,
    ) {
        let theirs = contents.nonce.as_ref().map(|nonce| &nonce.data[..]);
        let lowest = theirs.map(|theirs| rekey.nonce.as_slice().min(theirs));
        match rival {
            Some(rival) if lowest.is_some_and(|lowest| *lowest < *rival.lowest) => {
                self.bequeath(shared, rival.heir, false);
            }
            rival => {
                if let Some(rival) = rival {
                    let until = Some(shared.now.boot + DELETE_DUE);
                    let heir = rival.heir;
                    shared.notice(Notice::Redundant { heir, until });
                }
                if let State::Established(established) = &mut self.state {
                    established.heir_is_lost = true;
                }
                shared.notice(Notice::HeirLost {
                    old: self.own_spi(),
                });
            }
        }
    }

    /// The heir that the peer's answer makes, and the lower of the two nonces.
    fn heir_of_response(
        &mut self,
        shared: &mut Shared,
        rekey: RekeyIke,
        key: Box<dyn EphemeralKey>,
        opened: &Opened<'_>,
    ) -> Result<(Box<Self>, Vec<u8>), Cause> {
        let State::Established(established) = &self.state else {
            return Err(Cause::NotUp);
        };
        let contents = &opened.contents;
        let sa = required(contents.sa.as_ref(), "SA")?;
        let nonce = required(contents.nonce.as_ref(), "Nonce")?;
        let ke = required(contents.ke.as_ref(), "KE")?;
        let chosen = verify_accepted_ike(&established.connection.proposals, sa)
            .map_err(|refusal| Cause::AcceptedNotOffered(Box::new(refusal)))?;
        if (ke.method, chosen.suite.key_exchange) != (rekey.method, rekey.method) {
            return Err(Cause::MissingPayload { payload: "KE" });
        }
        let secret = key.agree(&ke.data).map_err(Cause::KeyExchange)?;
        let agreed = Agreed {
            suite: chosen.suite,
            secret: &secret,
            spis: IkeSpis {
                initiator: rekey.spi,
                responder: peer_spi(&chosen.peer_spi)?,
            },
            initiator: true,
            ni: &rekey.nonce,
            nr: &nonce.data,
        };
        let lowest = agreed.ni.min(agreed.nr).to_vec();
        Ok((self.heir(shared, agreed)?, lowest))
    }

    /// The responder wants another group: each that we offer is tried once.
    fn other_ike_method(&mut self, shared: &mut Shared, mut rekey: RekeyIke, data: &[u8]) {
        let wanted = <[u8; 2]>::try_from(data).map_or(0, u16::from_be_bytes);
        let method = KeyExchangeMethod(wanted);
        let offered = self.established().is_some_and(|established| {
            let proposals = established.connection.proposals.iter();
            let mut methods = proposals.flat_map(IkeProposal::key_exchange_methods);
            methods.any(|ours| ours == method)
        });
        let key = if offered && !rekey.tried.contains(&method) {
            generate(shared, method)
        } else {
            Err(Cause::KeyExchangeMethod { wanted })
        };
        match (key, rekey.rival.take()) {
            (Ok(key), rival) => {
                rekey.key = Some(key);
                rekey.method = method;
                rekey.tried.push(method);
                rekey.rival = rival;
                self.send_rekey(shared, rekey);
            }
            (Err(_), Some(rival)) => self.bequeath(shared, rival.heir, false),
            (Err(cause), None) => {
                let failure = Failure::new(Step::CreateChildSa, cause);
                self.ike_rekeying_failed(shared, failure);
            }
        }
    }

    /// The peer asks for an heir.
    pub(super) fn ike_rekeying_request(&mut self, shared: &mut Shared, opened: &Opened<'_>) {
        let (path, exchange) = (opened.path, opened.header.exchange);
        let State::Established(established) = &self.state else {
            return;
        };
        let between = established.heir.is_some() || established.heir_is_lost;
        if established.is_busy() || between || !established.announced {
            let later = NotifyType::TEMPORARY_FAILURE;
            return self.answer_notify(shared, path, exchange, later, &[]);
        }
        let Made {
            heir,
            payloads,
            lowest,
        } = match self.heir_of_request(shared, opened) {
            Ok(made) => made,
            Err(NoHeir::OtherMethod(method)) => {
                let wanted = NotifyType::INVALID_KE_PAYLOAD;
                let data = method.0.to_be_bytes();
                return self.answer_notify(shared, path, exchange, wanted, &data);
            }
            Err(NoHeir::Failed(cause)) => {
                let told = match cause.notify() {
                    NotifyType::AUTHENTICATION_FAILED => NotifyType::NO_PROPOSAL_CHOSEN,
                    notify => notify,
                };
                self.answer_notify(shared, path, exchange, told, &[]);
                let failure = Failure::new(Step::CreateChildSa, cause);
                if told == NotifyType::INVALID_SYNTAX {
                    return self.close(shared, failure, Tell::Nothing);
                }
                return self.tell_rekey_failed(shared, failure, None);
            }
        };
        let own = heir.own_spi();
        shared.born.push_back(heir);
        self.send_response(shared, path, exchange, &payloads);
        let State::Established(established) = &mut self.state else {
            return;
        };
        if let Some(Exchange::RekeyIke(rekey)) = &mut established.exchange {
            rekey.rival = Some(Rival { heir: own, lowest });
            established.heir = Some(own);
        } else {
            self.bequeath(shared, own, false);
        }
    }

    fn heir_of_request(
        &mut self,
        shared: &mut Shared,
        opened: &Opened<'_>,
    ) -> Result<Made, NoHeir> {
        let failed = NoHeir::Failed;
        let State::Established(established) = &self.state else {
            return Err(failed(Cause::NotUp));
        };
        let contents = &opened.contents;
        let sa = required(contents.sa.as_ref(), "SA").map_err(failed)?;
        let ke = required(contents.ke.as_ref(), "KE").map_err(failed)?;
        let nonce = required(contents.nonce.as_ref(), "Nonce").map_err(failed)?;
        let chosen = choose_ike(&established.connection.proposals, sa)
            .map_err(|refusal| failed(Cause::NoProposal(Box::new(refusal))))?;
        let (suite, method) = (chosen.suite, chosen.suite.key_exchange);
        if method != ke.method {
            return Err(NoHeir::OtherMethod(method));
        }
        let key = generate(shared, method).map_err(failed)?;
        let (public, nr) = (key.public_value().to_vec(), shared.nonce());
        let secret = key.agree(&ke.data);
        let secret = secret.map_err(|error| failed(Cause::KeyExchange(error)))?;
        let spi = shared.fresh_ike_spi();
        let agreed = Agreed {
            suite,
            secret: &secret,
            spis: IkeSpis {
                initiator: peer_spi(&chosen.peer_spi).map_err(failed)?,
                responder: spi,
            },
            initiator: false,
            ni: &nonce.data,
            nr: &nr,
        };
        let lowest = agreed.ni.min(agreed.nr).to_vec();
        let heir = self.heir(shared, agreed).map_err(failed)?;
        let payloads = payloads(chosen.answer(spi.into()), &nr, method, &public);
        Ok(Made {
            heir,
            payloads,
            lowest,
        })
    }

    fn heir(&self, shared: &mut Shared, agreed: Agreed<'_>) -> Result<Box<Self>, Cause> {
        let State::Established(established) = &self.state else {
            return Err(Cause::NotUp);
        };
        let Agreed {
            suite,
            secret,
            spis,
            initiator,
            ni,
            nr,
        } = agreed;
        let (sk_d, channel) = keyed::successor(
            shared,
            (established.suite.prf, &established.sk_d),
            suite,
            secret,
            spis,
            initiator,
            (ni, nr),
        )?;
        let now = shared.now.boot;
        let heir = established.heir_with(shared, suite, sk_d, channel);
        Ok(Box::new(Self {
            spis,
            initiator,
            begun_by_us: self.begun_by_us,
            unique: shared.number(),
            path: self.path,
            connection: self.connection.clone(),
            window: Window::default(),
            since: now,
            last_heard: Some(now),
            timer: None,
            counted_on: 0,
            hurries: false,
            question: None,
            first_contact: None,
            predecessor: Some(self.own_spi()),
            counted: None,
            state: State::Established(Box::new(heir)),
        }))
    }

    /// Has the heir take everything over, once it is in its place.
    pub(super) fn bequeath(&mut self, shared: &mut Shared, heir: IkeSpi, by_us: bool) {
        if let State::Established(established) = &mut self.state {
            established.bequeathed = true;
        }
        shared.notice(Notice::Inherits {
            old: self.own_spi(),
            heir,
            by_us,
        });
    }

    /// The peer asks for something by an heir of its making while we still wait to hear which heir is to be: this one. Our
    /// own request, or the answer to it, is lost. Whether that is so: it has nothing yet.
    pub(super) fn is_meant_to_inherit(&self, shared: &mut Shared) -> bool {
        let waits = |heir: &Established| !heir.announced && heir.redundant_until.is_none();
        let Some(old) = self
            .predecessor
            .filter(|_| self.established().is_some_and(waits))
        else {
            return false;
        };
        let heir = self.own_spi();
        shared.notice(Notice::Inherits {
            old,
            heir,
            by_us: false,
        });
        true
    }

    /// Takes over what the old one has: its children, what is still to be done, and its place in the world.
    pub(in crate::engine) fn inherit(&mut self, shared: &mut Shared, old: &mut Self, by_us: bool) {
        let (own, before_own) = (self.own_spi(), old.own_spi());
        let (State::Established(heir), State::Established(before)) =
            (&mut self.state, &mut old.state)
        else {
            return;
        };
        heir.take_over(before);
        for child in &heir.children {
            for sa in [child.inbound, child.outbound] {
                let known = shared.esp.get_mut(&(sa.spi, sa.destination));
                if let Some(owner) = known.filter(|owner| **owner == before_own) {
                    *owner = own;
                }
            }
        }
        // What the kernel has still to answer is answered to whoever has the child then.
        if heir.is_busy() {
            for owner in shared.kernel.values_mut() {
                if let KernelOwner::Install { sa, .. } = owner
                    && *sa == before_own
                {
                    *sa = own;
                }
            }
        }
        let waiters = std::mem::take(&mut before.rekeying.waiters);
        shared.event(Event::IkeSaRekeyed {
            connection: heir.connection.name.clone(),
            old_spis: old.spis,
            spis: self.spis,
            path: self.path,
            suite: heir.suite.to_string(),
            by_us,
        });
        answer_all(shared, waiters, || Reply::Done);
    }

    /// Its heir has everything: it says goodbye, or answers until the peer does.
    pub(in crate::engine) fn retire(&mut self, shared: &mut Shared, by_us: bool) {
        let State::Established(established) = std::mem::replace(&mut self.state, State::Gone)
        else {
            return;
        };
        // Nobody waits for what it may have asked.
        self.window.completed();
        if by_us {
            self.say_goodbye(shared, established.channel, Tell::Delete);
        } else {
            self.await_goodbye(established.channel, shared.now.boot + DELETE_DUE);
        }
    }

    /// It will inherit nothing: the peer deletes it, or if it has not by then, we do; at once where that is our part.
    pub(in crate::engine) fn is_redundant(&mut self, shared: &mut Shared, until: Option<Duration>) {
        match (&mut self.state, until) {
            (State::Established(heir), Some(_)) => heir.redundant_until = until,
            (_, None) => self.close_for(shared, Cause::Replaced),
            _ => {}
        }
    }

    /// Our rekeying came to nothing: the IKE SA goes on, and it is tried again; by a fresh one, where the peer makes none
    /// under it.
    fn ike_rekeying_failed(&mut self, shared: &mut Shared, failure: Failure) {
        let own = self.own_spi();
        let State::Established(established) = &mut self.state else {
            return;
        };
        let notify = NotifyType::NO_ADDITIONAL_SAS;
        if failure.cause == (Cause::Refused { notify }) {
            shared.notice(Notice::Reauthenticate { sa: own });
        }
        let retry_in = established.rekeying.failed(shared, &failure.cause);
        let waiters = established.rekeying.disappointed(retry_in);
        self.tell_rekey_failed(shared, failure.clone(), retry_in);
        answer_all(shared, waiters, || Reply::Failed(Box::new(failure.clone())));
        if retry_in.is_none() {
            self.close(shared, failure, Tell::Delete);
        }
    }

    fn tell_rekey_failed(&self, shared: &mut Shared, failure: Failure, retry_in: Option<Duration>) {
        if let Some(connection) = self.connection_name() {
            shared.event(Event::RekeyFailed {
                connection,
                child: None,
                failure,
                retry_in,
            });
        }
    }

    /// An operator wants it rekeyed.
    pub(in crate::engine) fn rekey_ike_for(&mut self, shared: &mut Shared, command: CommandId) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        established.rekeying.waiters.push(command);
        established.rekeying.at = None;
        if !established.is_rekeying() {
            self.begin(shared, Task::RekeyIke);
        }
    }
}

/// An heir that the peer's request makes.
struct Made {
    heir: Box<IkeSa>,
    /// Our answer.
    payloads: Vec<Payload<'static>>,
    /// The lower of the two nonces.
    lowest: Vec<u8>,
}

/// Why an heir cannot be made of the peer's request.
enum NoHeir {
    /// Another key exchange method is to be used.
    OtherMethod(KeyExchangeMethod),
    /// Nothing fits.
    Failed(Cause),
}

fn payloads(
    sa: SecurityAssociation,
    nonce: &[u8],
    method: KeyExchangeMethod,
    public: &[u8],
) -> Vec<Payload<'static>> {
    vec![
        Payload::Sa(sa),
        Payload::Nonce(Nonce {
            data: nonce.to_vec().into(),
        }),
        Payload::Ke(KeyExchange {
            method,
            data: public.to_vec().into(),
        }),
    ]
}

/// The SPI that the peer gave its end of the heir.
fn peer_spi(spi: &SpiBytes) -> Result<IkeSpi, Cause> {
    let spi = spi.as_ike_spi().filter(|spi| !spi.is_zero());
    spi.ok_or(Cause::MissingPayload { payload: "SPI" })
}
