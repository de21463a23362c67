//! IKE_SA_INIT and IKE_AUTH as the one who begins (RFC 7296 sections 1.2, 2.6, 2.15 and 2.21).

mod auth;
mod init;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::config::identity::Identity;
use crate::config::{Child, Connection};
use crate::crypto::{EphemeralKey, Random};
use crate::wire::numbers::{ExchangeType, KeyExchangeMethod};
use crate::wire::{Identification, IkeSpi, TrafficSelectors};

use super::authenticate::Party;
use super::{IkeSa, State};
use crate::engine::event::{Event, IkeSpis};
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::io::{Path, Question};
use crate::engine::shared::Shared;
use crate::engine::window::Window;

pub(in crate::engine) use auth::{AuthSent, Signing, Verifying};
pub(super) use auth::{auth_response, fetched, signed, unverified, verified};
pub(in crate::engine) use init::InitSent;
pub(super) use init::init_response;

/// The port where IKE begins.
const IKE_PORT: u16 = 500;

/// What an attempt is about.
#[derive(Debug)]
pub(in crate::engine) struct Intent {
    pub(in crate::engine) connection: Arc<Connection>,
    /// The child to be made in IKE_AUTH.
    pub(in crate::engine) child: Option<Arc<Child>>,
    /// Whether we know of no other IKE SA with this peer (RFC 7296 section 2.4).
    pub(in crate::engine) initial_contact: bool,
}

/// An attempt under way: an [`Intent`], with the credentials as they were when it began.
#[derive(Debug)]
pub(in crate::engine) struct Attempt {
    pub(super) party: Party,
    child: Option<Arc<Child>>,
    initial_contact: bool,
}

/// Waits for the address to speak from.
#[derive(Debug)]
pub(in crate::engine) struct Routing {
    attempt: Attempt,
}

/// Begins an IKE SA.
pub(in crate::engine) fn start(
    shared: &mut Shared,
    spi: IkeSpi,
    intent: Intent,
) -> Result<Box<IkeSa>, Cause> {
    let Intent {
        connection,
        child,
        initial_contact,
    } = intent;
    let remote = connection.remote.address.ok_or(Cause::NoRemoteAddress)?;
    let now = shared.now.boot;
    let any: IpAddr = if remote.is_ipv4() {
        [0; 4].into()
    } else {
        [0; 16].into()
    };
    let local = connection.local.address;
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
        connection: Some(connection.clone()),
        window: Window::default(),
        since: now,
        last_heard: None,
        timer: None,
        question: None,
        predecessor: None,
        first_contact: None,
        counted: None,
        state: State::Routing(Routing {
            attempt: Attempt {
                party: Party::new(shared, connection),
                child,
                initial_contact,
            },
        }),
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
    let State::Routing(Routing { attempt }) = std::mem::replace(&mut sa.state, State::Gone) else {
        return;
    };
    let name = attempt.party.connection.name.clone();
    let result = match address {
        Ok(address) => {
            sa.path.local.set_ip(address);
            shared.event(Event::Initiating {
                connection: name,
                path: sa.path,
            });
            InitSent::new(shared, attempt)
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
