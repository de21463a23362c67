//! The end of an IKE SA (RFC 7296 sections 1.4.1 and 2.21.2): its children leave the kernel at once, the peer is told
//! where that makes sense, and the last answer is kept for a while for a peer that did not get it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::channel::{Channel, ChannelFields};
use crate::engine::event::Event;
use crate::engine::failure::{Cause, Failure};
use crate::engine::io::{Reply, SaReference};
use crate::engine::shared::{Notice, Shared};
use crate::wire::numbers::{ExchangeType, NotifyType, ProtocolId};
use crate::wire::payload::Payload;
use crate::wire::{Delete, Notify};

use super::rekeying::answer_all;
use super::{IkeSa, Opened, State, ghost_until};

/// How long a Delete of ours waits for its answer.
pub(super) const DELETE_TIME: Duration = Duration::from_secs(10);
/// How long the last answer is kept.
pub(super) const GHOST_TIME: Duration = Duration::from_secs(30);

/// What the peer is told about the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Tell {
    /// Nothing: it knows, or does not listen.
    Nothing,
    /// That the IKE SA is deleted.
    Delete,
    /// That we do not believe it, and that the IKE SA is deleted.
    AuthenticationFailed,
}

/// Our Delete is out, or waits for the request before it to be answered.
#[derive(Debug)]
pub(in crate::engine) struct Closing {
    pub(super) channel: Channel,
    /// What is to be said once the window is free.
    tell: Option<Tell>,
    /// When we say it, where the peer is to say it first.
    pub(super) due: Option<Duration>,
    /// The SPIs of Child SAs that another IKE SA has taken in, and that the peer may send by until it has our Delete.
    left: Vec<SaReference>,
}

/// What is written of a [`Closing`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ClosingFields {
    channel: ChannelFields,
    tell: Option<bool>,
    due: Option<Duration>,
}

impl Closing {
    /// Its fields, where it was made to be recorded.
    pub(super) fn fields(&self) -> Option<ClosingFields> {
        let Self {
            channel,
            tell,
            due,
            left: _,
        } = self;
        Some(ClosingFields {
            channel: channel.fields()?,
            tell: tell.map(|tell| tell == Tell::AuthenticationFailed),
            due: *due,
        })
    }

    pub(super) fn restored(shared: &mut Shared, fields: ClosingFields) -> Option<Self> {
        let ClosingFields { channel, tell, due } = fields;
        let tell = tell.map(|refused| match refused {
            true => Tell::AuthenticationFailed,
            false => Tell::Delete,
        });
        Some(Self {
            channel: Channel::restored(shared.provider, &mut *shared.random, channel)?,
            tell,
            due,
            left: Vec::new(),
        })
    }

    /// One that is still to be said, for an IKE SA that nothing is configured for any more.
    pub(super) fn goodbye(shared: &mut Shared, channel: ChannelFields) -> Option<Self> {
        Some(Self {
            channel: Channel::restored(shared.provider, &mut *shared.random, channel)?,
            tell: Some(Tell::Delete),
            due: Some(shared.now.boot),
            left: Vec::new(),
        })
    }

    /// Whether our Delete waits for the window.
    pub(super) const fn waits_to_delete(&self) -> bool {
        self.tell.is_some()
    }
}

impl IkeSa {
    /// Ends the IKE SA for this reason. One that is ending already goes on as it was.
    pub(in crate::engine) fn close(&mut self, shared: &mut Shared, failure: Failure, tell: Tell) {
        if matches!(self.state, State::Closing(_) | State::Ghost(_)) {
            if tell == Tell::Nothing {
                self.state = State::Gone;
            }
            return;
        }
        // The peer waits for a child that it will not get.
        self.abandon_answer(shared, &failure.cause);
        let own = self.own_spi();
        let state = std::mem::replace(&mut self.state, State::Gone);
        let established = matches!(state, State::Established(_));
        let mut known = true;
        let mut left = Vec::new();
        let channel = match state {
            State::Established(mut state) => {
                for child in std::mem::take(&mut state.children) {
                    let inbound = child.inbound;
                    match self.leave(shared, child, &failure) {
                        Some(mut child) => self.child_down(shared, &mut child, failure.clone()),
                        None => left.push(inbound),
                    }
                }
                let waiters = std::mem::take(&mut state.rekeying.waiters);
                answer_all(shared, waiters, || Reply::Failed(Box::new(failure.clone())));
                if let Some(heir) = state.heir {
                    shared.notice(Notice::Redundant { heir, until: None });
                }
                if state.announced {
                    shared.event(Event::IkeSaClosed {
                        connection: state.connection.name.clone(),
                        spis: self.spis,
                        reason: failure.clone(),
                    });
                }
                known = state.announced;
                Some(state.channel)
            }
            // The responder may hold it for established, now or when our IKE_AUTH arrives.
            State::AuthSent(state) if tell != Tell::Nothing => Some(state.keyed.channel),
            State::Verifying(state) if tell != Tell::Nothing => Some(state.answered.keyed.channel),
            _ => None,
        };
        if let Some(connection) = self.connection_name().filter(|_| known) {
            let (initiator, path) = (self.initiator, self.path);
            shared.notice(Notice::Closed {
                connection,
                sa: own,
                established,
                initiator,
                path,
                failure,
            });
        }
        match channel {
            Some(channel) if tell != Tell::Nothing => {
                self.say_goodbye(shared, channel, tell);
                if let State::Closing(closing) = &mut self.state {
                    closing.left = left;
                }
            }
            Some(_) => {
                self.state = State::Ghost(ghost_until(shared.now.boot));
                shared.notice(Notice::LetGo { sas: left });
            }
            None => {}
        }
    }

    /// Tells the peer, at once or when the request that is out has been answered.
    pub(super) fn say_goodbye(&mut self, shared: &mut Shared, channel: Channel, tell: Tell) {
        self.state = State::Closing(Box::new(Closing {
            channel,
            tell: Some(tell),
            due: None,
            left: Vec::new(),
        }));
        if self.window.outstanding().is_none() {
            self.send_delete(shared);
        }
    }

    /// Leaves the goodbye to the peer, until this time.
    pub(super) fn await_goodbye(&mut self, channel: Channel, until: Duration) {
        self.state = State::Closing(Box::new(Closing {
            channel,
            tell: Some(Tell::Delete),
            due: Some(until),
            left: Vec::new(),
        }));
    }

    /// Sends what is to be said at the end.
    pub(super) fn send_delete(&mut self, shared: &mut Shared) {
        let State::Closing(closing) = &mut self.state else {
            return;
        };
        let Some(tell) = closing.tell.take() else {
            return;
        };
        closing.due = None;
        let mut payloads = vec![Payload::Delete(Delete {
            protocol: ProtocolId::IKE,
            spis: Vec::new(),
        })];
        if tell == Tell::AuthenticationFailed {
            payloads.insert(
                0,
                Payload::Notify(Notify::new(NotifyType::AUTHENTICATION_FAILED, Vec::new())),
            );
        }
        self.send_request(shared, ExchangeType::INFORMATIONAL, &payloads);
    }

    /// The peer's INFORMATIONAL while our Delete is under way: answered, and if it is a Delete too, that was it.
    pub(super) fn informational_while_closing(&mut self, shared: &mut Shared, opened: &Opened<'_>) {
        self.send_response(shared, opened.path, ExchangeType::INFORMATIONAL, &[]);
        if opened
            .contents
            .deletes
            .iter()
            .any(|delete| delete.protocol == ProtocolId::IKE)
        {
            self.peer_lets_go(shared);
            self.state = State::Ghost(ghost_until(shared.now.boot));
        }
    }

    /// The peer has answered our Delete.
    pub(super) fn goodbye_answered(&mut self, shared: &mut Shared) {
        self.peer_lets_go(shared);
        self.state = State::Gone;
    }

    /// The peer has our Delete, or has sent one: it sends no more by what another IKE SA has taken in.
    fn peer_lets_go(&mut self, shared: &mut Shared) {
        if let State::Closing(closing) = &mut self.state
            && !closing.left.is_empty()
        {
            let sas = std::mem::take(&mut closing.left);
            shared.notice(Notice::LetGo { sas });
        }
    }

    /// Lets it go without a goodbye, where nothing but that is left of it.
    pub(in crate::engine) fn forget(&mut self) {
        if matches!(self.state, State::Closing(_) | State::Ghost(_)) {
            self.state = State::Gone;
        }
    }

    /// Closes without a reason of its own: an operator's, a newer IKE SA's, the configuration's.
    pub(in crate::engine) fn close_for(&mut self, shared: &mut Shared, cause: Cause) {
        let step = super::Step::Informational;
        self.close(shared, Failure::new(step, cause), Tell::Delete);
    }
}
