//! What the kernel tells unasked, on a socket of its own.

use netlink_packet_core::NLMSG_OVERRUN;
use netlink_packet_xfrm::constants as raw;

use crate::message::{self, ParseError, parse_event};
use crate::socket::{Arrival, XfrmSocket};
use crate::{Acquire, Mapping, Migrate, PolicyState, SaState, XfrmError};

/// Groups 3 and 4 would bring every SA with its keys, 5 something with every other packet.
const GROUPS: [u32; 4] = [
    raw::XFRMNLGRP_ACQUIRE,
    raw::XFRMNLGRP_EXPIRE,
    raw::XFRMNLGRP_MIGRATE,
    raw::XFRMNLGRP_MAPPING,
];

/// Receive buffer in bytes: some ten thousand events, as in a storm of ACQUIREs after a restart.
const RECEIVE_BUFFER: usize = 16 * 1024 * 1024;

/// Something that the kernel tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A packet needs an SA.
    Acquire(Box<Acquire>),
    /// An SA has reached a limit.
    Expire {
        /// The SA; its algorithms are not told.
        sa: Box<SaState>,
        /// Whether it is gone, rather than due for renewal.
        hard: bool,
    },
    /// A policy has reached a limit.
    PolicyExpire {
        /// The policy.
        policy: Box<PolicyState>,
        /// Whether it is gone.
        hard: bool,
    },
    /// A peer's address or port has changed.
    Mapping(Mapping),
    /// A policy was moved to other addresses.
    Migrate(Box<Migrate>),
    /// Events came faster than they were read; an unknown number is lost. List SAs and policies and compare.
    Overrun,
    /// An event could not be read; treat it like a lost one.
    Malformed {
        /// The message's type.
        kind: u16,
        /// What is wrong with it.
        problem: ParseError,
    },
}

/// The stream of events.
pub struct Events {
    socket: XfrmSocket,
    /// Events of the last datagram that were not handed out yet, the next one last.
    waiting: Vec<Event>,
}

impl Events {
    /// Listens to ACQUIRE, EXPIRE, MIGRATE and MAPPING of the calling thread's network namespace. Must be called within a
    /// tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_ADMIN.
    pub fn open() -> Result<Self, XfrmError> {
        Self::open_with(RECEIVE_BUFFER)
    }

    /// Like [`open`](Self::open) with another size of the receive buffer in bytes.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with(receive_buffer: usize) -> Result<Self, XfrmError> {
        let socket = XfrmSocket::open(receive_buffer, &GROUPS)?;
        Ok(Self {
            socket,
            waiting: Vec::new(),
        })
    }

    /// Waits for the next event. Cancelling loses none.
    ///
    /// # Errors
    /// [`XfrmError::Io`]: the socket is broken; open another and list what there is.
    pub async fn next(&mut self) -> Result<Event, XfrmError> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Ok(event);
            }
            match self.socket.receive().await {
                Ok(Arrival::Datagram(datagram)) => self.waiting = events(datagram),
                Ok(Arrival::Truncated | Arrival::Overrun) => return Ok(Event::Overrun),
                Err(source) => {
                    return Err(XfrmError::Io {
                        operation: "waiting for events",
                        source,
                    });
                }
            }
            self.waiting.reverse();
        }
    }
}

/// The events of a datagram in their order.
fn events(datagram: &[u8]) -> Vec<Event> {
    message::messages(datagram)
        .filter_map(|message| match message {
            Ok(message) if message.kind == NLMSG_OVERRUN => Some(Event::Overrun),
            Ok(message) => parse_event(message.kind, message.payload).unwrap_or_else(|problem| {
                Some(Event::Malformed {
                    kind: message.kind,
                    problem,
                })
            }),
            Err(problem) => Some(Event::Malformed { kind: 0, problem }),
        })
        .collect()
}
