//! The kernel's XFRM interface, typed: SAs, policies, events and capability probes. Knows no IKE.
//!
//! ```text
//!   SaSpec, PolicySpec ── message::build ──> Xfrm (one socket, bounded pipeline) ──> kernel
//!   SaState, PolicyState <── message::parse ───────┘                                   │
//!   Event (ACQUIRE, EXPIRE, MAPPING, MIGRATE, overrun) <── Events (a socket of its own) ┘
//! ```
//!
//! What this crate promises beside the calls themselves:
//! - A message of the kernel, however short or odd, is a value or an error, never a panic.
//! - No key is ever printed, and none comes back: keys leave in a buffer that is wiped after sending, refusals do not echo
//!   the request (`NETLINK_CAP_ACK`), and what a dump says of keys is wiped unread.
//! - A refusal carries the kernel's own words (`NETLINK_EXT_ACK`) beside its errno.
//! - Lost events are told ([`Event::Overrun`]), an interrupted dump is repeated.
//! - Nothing is ever flushed: only what is named is deleted.

pub mod constants;

mod ack;
mod algorithms;
mod error;
mod events;
mod exempt;
mod message;
mod pipeline;
mod policy;
mod probe;
mod requests;
mod sa;
mod secret;
mod selector;
mod socket;
mod statistics;

pub use algorithms::{
    AeadAlgorithm, Algorithm, EncryptionAlgorithm, IntegrityAlgorithm, KeyLengthError, Keyed,
    SaCrypto,
};
pub use error::{KernelError, XfrmError};
pub use events::{Event, Events};
pub use exempt::exempt_socket;
#[doc(hidden)]
pub use message::read_datagram;
pub use message::{ParseError, parse_event};
pub use policy::{
    Acquire, Action, Direction, Mapping, Migrate, Migration, PolicyFlags, PolicyIndex, PolicySpec,
    PolicyState, SpdInfo, Template,
};
pub use probe::{Answer, Capabilities};
pub use requests::{SpiRequest, Xfrm};
pub use sa::{
    Counters, InstalledAlgorithm, Lifetimes, Limits, Mark, Mode, Protocol, ReplayState,
    SaDirection, SaErrors, SaFlags, SaId, SaSpec, SaState, SadInfo, UdpEncapsulation,
};
pub use secret::KeyMaterial;
pub use selector::Selector;
pub use statistics::Statistics;
