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
    /// Where the peer is, where the connection does not say so.
    pub(in crate::engine) peer: Option<IpAddr>,
    /// How many attempts have failed before this one: of a name's addresses, each has its turn.
    pub(in crate::engine) turn: u32,
    /// Whether it takes the place of one that the peer will not keep for long.
    pub(in crate::engine) hurries: bool,
}

/// An attempt under way: an [`Intent`], with the credentials as they were when it began.
#[derive(Debug)]
pub(in crate::engine) struct Attempt {
    pub(super) party: Party,
    child: Option<Arc<Child>>,
    initial_contact: bool,
}

/// Waits for the address to speak to, where the peer is given by its name, then for the address to speak from.
#[derive(Debug)]
pub(in crate::engine) struct Routing {
    attempt: Attempt,
    turn: u32,
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
        peer,
        turn,
        hurries,
    } = intent;
    let host = connection.remote.host.clone();
    let there = peer.filter(|_| host.is_none());
    let known = connection.remote.address.or(there);
    if known.is_none() && host.is_none() {
        return Err(Cause::NoRemoteAddress);
    }
    let now = shared.now.boot;
    let any = |like: Option<IpAddr>| -> IpAddr {
        match like {
            Some(IpAddr::V6(_)) => [0; 16].into(),
            _ => [0; 4].into(),
        }
    };
    let local = connection.local.address;
    let path = Path {
        local: SocketAddr::new(local.unwrap_or_else(|| any(known)), IKE_PORT),
        remote: SocketAddr::new(known.unwrap_or_else(|| any(local)), IKE_PORT),
    };
    let mut sa = Box::new(IkeSa {
        spis: IkeSpis {
            initiator: spi,
            responder: IkeSpi::ZERO,
        },
        initiator: true,
        begun_by_us: true,
        unique: shared.number(),
        path,
        connection: Some(connection.clone()),
        window: Window::default(),
        since: now,
        last_heard: None,
        timer: None,
        counted_on: 0,
        hurries,
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
            turn,
        }),
    });
    match (known, host) {
        (Some(remote), _) => find_local(&mut sa, shared, local, remote),
        (None, Some(name)) => sa.ask(shared, Question::Resolve { name }),
        (None, None) => {}
    }
    Ok(sa)
}

/// We know the address to speak to.
fn find_local(sa: &mut IkeSa, shared: &mut Shared, local: Option<IpAddr>, remote: IpAddr) {
    match local {
        Some(address) => routed(sa, shared, Ok(address)),
        None => sa.ask(shared, Question::LocalAddress { remote }),
    }
}

/// The peer's name has these addresses: the one whose turn it is, of our own address's family where that is given.
pub(super) fn resolved(
    sa: &mut IkeSa,
    shared: &mut Shared,
    addresses: Result<Vec<IpAddr>, String>,
) {
    let State::Routing(Routing { attempt, turn }) = &sa.state else {
        return;
    };
    let connection = &attempt.party.connection;
    let local = connection.local.address;
    let fits = |address: &IpAddr| local.is_none_or(|local| local.is_ipv4() == address.is_ipv4());
    let usable = addresses.and_then(|addresses| {
        let usable: Vec<_> = addresses.into_iter().filter(fits).collect();
        if usable.is_empty() {
            return Err("it has none of the family of `local: address`".to_owned());
        }
        let at = usize::try_from(*turn).unwrap_or_default() % usable.len();
        Ok(usable[at])
    });
    match usable {
        Ok(remote) => {
            sa.path.remote.set_ip(remote);
            find_local(sa, shared, local, remote);
        }
        Err(words) => {
            let host = connection.remote.host.as_ref();
            let name = host.map(ToString::to_string).unwrap_or_default();
            let cause = Cause::NameNotResolved { name, words };
            sa.fail(shared, Failure::new(Step::Start, cause));
        }
    }
}

/// We know the address to speak from: IKE_SA_INIT goes out.
pub(super) fn routed(sa: &mut IkeSa, shared: &mut Shared, address: Result<IpAddr, String>) {
    let State::Routing(Routing { attempt, .. }) = std::mem::replace(&mut sa.state, State::Gone)
    else {
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
