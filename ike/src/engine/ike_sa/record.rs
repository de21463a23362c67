//! An IKE SA in its record: which ones have one, and how it comes back.
//!
//! ```text
//!   Established            all of it, with its Child SAs, what is under way and what is still to be done
//!   Closing, Ghost         what is needed to say goodbye, or to answer one again: only if it had a record before
//!   before IKE_AUTH ends   nothing: a first negotiation begins again
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Connection, Name};
use crate::engine::event::IkeSpis;
use crate::engine::io::Path;
use crate::engine::records::{PathFields, SpisFields};
use crate::engine::shared::{Shared, own_spi};
use crate::engine::window::{Window, WindowFields};
use crate::wire::IkeSpi;

use super::close::{Closing, ClosingFields};
use super::established::{Established, EstablishedFields};
use super::{IkeSa, State};

/// What is written of an [`IkeSa`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct IkeSaFields {
    spis: SpisFields,
    initiator: bool,
    begun_by_us: bool,
    connection: Option<String>,
    path: PathFields,
    window: WindowFields,
    since: Duration,
    last_heard: Option<Duration>,
    first_contact: Option<SocketAddr>,
    predecessor: Option<[u8; 8]>,
    state: StateFields,
}

#[derive(Debug, Serialize, Deserialize)]
enum StateFields {
    Established(Box<EstablishedFields>),
    Closing(Box<ClosingFields>),
    Ghost(Duration),
}

impl IkeSaFields {
    /// The connection that it was of, where it had one.
    pub(in crate::engine) fn connection(&self) -> Option<Name> {
        Name::new(self.connection.as_deref()?)
    }

    /// The reqids of its Child SAs.
    pub(in crate::engine) fn reqids(&self) -> impl Iterator<Item = u32> + '_ {
        let StateFields::Established(established) = &self.state else {
            return None.into_iter().flatten();
        };
        Some(established.reqids()).into_iter().flatten()
    }

    /// Whether it is what the connection describes now: with the peer that is expected there, between these addresses, by
    /// algorithms that are allowed.
    fn fits(&self, connection: &Connection) -> bool {
        let StateFields::Established(established) = &self.state else {
            return true;
        };
        let path = Path::from(self.path);
        let suite = established.suite().into();
        let expected =
            |of: Option<std::net::IpAddr>, is: SocketAddr| of.is_none_or(|of| of == is.ip());
        established.peer().fits(connection)
            && established.own().fits(connection)
            && expected(connection.local.address, path.local)
            && expected(connection.remote.address, path.remote)
            && connection.proposals.iter().any(|one| one.allows(&suite))
    }
}

impl IkeSa {
    /// What is written of it; `None` where it is to have no record.
    pub(in crate::engine) fn fields(&self, has_one: bool) -> Option<IkeSaFields> {
        let Self {
            spis,
            initiator,
            begun_by_us,
            unique: _,
            path,
            connection,
            window,
            since,
            last_heard,
            timer: _,
            counted_on: _,
            hurries: _,
            question: _,
            first_contact,
            predecessor,
            counted: _,
            state,
        } = self;
        let state = match state {
            State::Established(established) => {
                StateFields::Established(Box::new(established.fields()?))
            }
            State::Closing(closing) if has_one => StateFields::Closing(Box::new(closing.fields()?)),
            State::Ghost(until) if has_one => StateFields::Ghost(*until),
            _ => return None,
        };
        let name = connection.as_ref().map(|connection| &connection.name);
        Some(IkeSaFields {
            spis: (*spis).into(),
            initiator: *initiator,
            begun_by_us: *begun_by_us,
            connection: name.map(|name| name.as_str().to_owned()),
            path: (*path).into(),
            window: window.fields(),
            since: *since,
            last_heard: *last_heard,
            first_contact: *first_contact,
            predecessor: predecessor.map(|spi| spi.0),
            state,
        })
    }

    /// As it was recorded. One that does not fit the configuration says goodbye. `None` where the record is not what we
    /// write.
    pub(in crate::engine) fn restored(
        shared: &mut Shared,
        connection: Option<&Arc<Connection>>,
        fields: IkeSaFields,
    ) -> Option<Self> {
        let connection = connection.filter(|connection| fields.fits(connection));
        let IkeSaFields {
            spis,
            initiator,
            begun_by_us,
            connection: _,
            path,
            window,
            since,
            last_heard,
            first_contact,
            predecessor,
            state,
        } = fields;
        let (spis, path) = (IkeSpis::from(spis), Path::from(path));
        let own = own_spi(spis, initiator);
        let state = match (state, connection) {
            (StateFields::Ghost(until), _) => State::Ghost(until),
            (StateFields::Closing(fields), _) => {
                State::Closing(Box::new(Closing::restored(shared, *fields)?))
            }
            (StateFields::Established(fields), None) => {
                State::Closing(Box::new(Closing::goodbye(shared, fields.into_channel())?))
            }
            (StateFields::Established(fields), Some(connection)) => {
                let ends = (own, path);
                let established = Established::restored(shared, connection, ends, *fields)?;
                let suite = established.suite;
                shared.provider.prf(suite.prf)?;
                State::Established(Box::new(established))
            }
        };
        Some(Self {
            spis,
            initiator,
            begun_by_us,
            unique: shared.number(),
            path,
            connection: connection.cloned(),
            window: Window::restored(window),
            since,
            last_heard,
            timer: None,
            counted_on: 0,
            hurries: false,
            question: None,
            first_contact,
            predecessor: predecessor.map(IkeSpi),
            counted: None,
            state,
        })
    }
}
