//! Security associations: what is asked for ([`SaSpec`]) and what the kernel has ([`SaState`]).
//!
//! ```text
//!   allocate_spi ─> larval ──update_sa──> valid ──soft limit──> dying ──hard limit──> gone
//!                     │                     ^                  (EXPIRE, hard no)     (EXPIRE, hard yes)
//!                     └─ acq_expires ─> gone └── add_sa
//! ```
//!
//! The kernel counts lifetimes in seconds by the wall clock: setting it forward expires SAs.

use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::{SaCrypto, Selector};

/// What protects the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// ESP, RFC 4303.
    Esp,
    /// AH, RFC 4302.
    Ah,
    /// Another's by IP protocol number, such as 108 for IPComp; 0 and 255 are any.
    Other(u8),
}

impl Protocol {
    /// The IP protocol number.
    pub fn number(self) -> u8 {
        match self {
            Self::Esp => 50,
            Self::Ah => 51,
            Self::Other(number) => number,
        }
    }
}

impl From<u8> for Protocol {
    fn from(number: u8) -> Self {
        match number {
            50 => Self::Esp,
            51 => Self::Ah,
            number => Self::Other(number),
        }
    }
}

/// How packets are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Between two hosts: the IP header stays.
    Transport,
    /// Between two gateways: the packet is wrapped whole.
    Tunnel,
    /// Another's by the kernel's number: 4 is BEET, 5 is IP-TFS.
    Other(u8),
}

impl Mode {
    /// The kernel's number.
    pub fn number(self) -> u8 {
        match self {
            Self::Transport => 0,
            Self::Tunnel => 1,
            Self::Other(number) => number,
        }
    }
}

impl From<u8> for Mode {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Transport,
            1 => Self::Tunnel,
            number => Self::Other(number),
        }
    }
}

/// Which way an SA carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SaDirection {
    /// From the peer to us.
    In,
    /// From us to the peer.
    Out,
}

/// A firewall mark: packets match whose mark under `mask` is `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The bits wanted.
    pub value: u32,
    /// The bits looked at.
    pub mask: u32,
}

/// ESP in UDP (RFC 3948), ports in host order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UdpEncapsulation {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
}

/// Limits after which the kernel speaks up (soft) or deletes (hard). `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetimes {
    /// At these the kernel sends EXPIRE and goes on.
    pub soft: Limits,
    /// At these the kernel deletes, and sends EXPIRE.
    pub hard: Limits,
}

/// One set of limits. Zero is sent to the kernel as no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Seconds after being added, by the wall clock.
    pub seconds: Option<u64>,
    /// Seconds after the first packet.
    pub seconds_in_use: Option<u64>,
    /// Bytes carried.
    pub bytes: Option<u64>,
    /// Packets carried. Linux looks at the count before it counts, so that the packet after the last one finds the limit;
    /// a soft limit of 0 is reached by the first.
    pub packets: Option<u64>,
}

/// What an SA does beside protecting. The defaults are the kernel's. Those that make no sense in a direction are not sent
/// for it: the kernel would refuse the SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SaFlags {
    /// Do not carry congestion marks between inner and outer header.
    pub no_ecn: bool,
    /// Inbound: copy the outer DSCP to the inner header.
    pub decapsulate_dscp: bool,
    /// Outbound: do not copy the inner DSCP to the outer header.
    pub no_dscp_copy: bool,
    /// Outbound: clear the outer "don't fragment" bit instead of discovering the path's MTU.
    pub no_path_mtu_discovery: bool,
    /// Inbound: let ICMP errors pass that quote a packet of this SA (RFC 4301 section 6).
    pub icmp: bool,
    /// Align IPv4 AH to 4 bytes, as RFC 4302 has it, instead of 8 bytes as IPv6 does.
    pub align4: bool,
    /// The SA takes inner packets of both address families. Set by itself for tunnel mode without selector.
    pub any_inner_family: bool,
}

/// An SA to add or to update. Without keys in its `Debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaSpec {
    /// The SPI in host order, at least 256 (RFC 4303 section 2.1).
    pub spi: u32,
    /// Outer source.
    pub source: IpAddr,
    /// Outer destination, of the same family.
    pub destination: IpAddr,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Inbound or outbound.
    pub direction: SaDirection,
    /// Algorithms and keys; ESP or AH follows from them.
    pub crypto: SaCrypto,
    /// What ties the SA to the templates of its policies; 0 is none.
    pub reqid: u32,
    /// Extended sequence numbers (RFC 4303 section 2.2.1).
    pub esn: bool,
    /// Replay window in packets, at most 4096; 0 is no protection. Of an inbound SA: outbound ones have none.
    pub replay_window: u32,
    /// Inner packets that may use the SA; `None` leaves it to the policy.
    pub selector: Option<Selector>,
    /// When it ends.
    pub lifetimes: Lifetimes,
    /// ESP in UDP.
    pub encapsulation: Option<UdpEncapsulation>,
    /// The xfrm interface that it belongs to.
    pub if_id: Option<NonZeroU32>,
    /// The mark that its packets have.
    pub mark: Option<Mark>,
    /// What else.
    pub flags: SaFlags,
    /// The sequence number of the ACQUIRE that this answers.
    pub sequence: Option<NonZeroU32>,
}

impl SaSpec {
    /// What the kernel finds the SA by.
    pub fn id(&self) -> SaId {
        SaId {
            spi: self.spi,
            destination: self.destination,
            protocol: self.crypto.protocol(),
            mark: self.mark,
        }
    }
}

/// What the kernel finds an SA by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SaId {
    /// The SPI in host order; 0 of a larval SA that an ACQUIRE asks for.
    pub spi: u32,
    /// Outer destination.
    pub destination: IpAddr,
    /// ESP or AH.
    pub protocol: Protocol,
    /// The mark it was installed with.
    pub mark: Option<Mark>,
}

/// An SA as the kernel has it. Keys are not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaState {
    /// What the kernel finds it by.
    pub id: SaId,
    /// Outer source.
    pub source: IpAddr,
    /// Tunnel or transport.
    pub mode: Mode,
    /// The direction, where it was told to the kernel (Linux 6.10).
    pub direction: Option<SaDirection>,
    /// The algorithms, in the order of the message. None: the SA is larval, or the message is an EXPIRE, which names none.
    pub algorithms: Vec<InstalledAlgorithm>,
    /// What ties it to policies.
    pub reqid: u32,
    /// The sequence number of the ACQUIRE that it answers.
    pub sequence: u32,
    /// Extended sequence numbers.
    pub esn: bool,
    /// Replay window in packets.
    pub replay_window: u32,
    /// Inner packets that may use it.
    pub selector: Option<Selector>,
    /// When it ends.
    pub lifetimes: Lifetimes,
    /// ESP in UDP.
    pub encapsulation: Option<UdpEncapsulation>,
    /// The xfrm interface that it belongs to.
    pub if_id: Option<NonZeroU32>,
    /// What else.
    pub flags: SaFlags,
    /// What it has carried.
    pub counters: Counters,
    /// What it has refused.
    pub errors: SaErrors,
    /// Where its sequence numbers stand, where the message tells.
    pub replay: Option<ReplayState>,
    /// When it last carried a packet, in seconds of the wall clock since 1970, where the message tells.
    pub last_used: Option<u64>,
}

impl SaState {
    /// Whether this is the placeholder of an ACQUIRE, which has no SPI yet.
    pub fn is_acquire(&self) -> bool {
        self.id.spi == 0
    }
}

/// An algorithm of an installed SA, without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledAlgorithm {
    /// The kernel's name.
    pub name: String,
    /// Length of the key in bits, salt included.
    pub key_bits: u32,
    /// Length of the integrity check value in bits, where the algorithm has one.
    pub icv_bits: Option<u32>,
}

/// What an SA or a policy has carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Bytes of payload.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// When it was added, in seconds of the wall clock since 1970.
    pub added: u64,
    /// When it carried its first packet, in the same seconds; 0 is not yet.
    pub first_used: u64,
}

/// Packets that an SA refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SaErrors {
    /// Too old for the replay window.
    pub replay_window: u32,
    /// Seen before.
    pub replay: u32,
    /// Their integrity check failed.
    pub integrity: u32,
}

/// Where an SA's sequence numbers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayState {
    /// The last one sent.
    pub sent: u64,
    /// The highest one received.
    pub received: u64,
}

/// How many SAs the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SadInfo {
    /// SAs, larval ones included.
    pub count: u32,
    /// Hash buckets in use.
    pub buckets: u32,
    /// The most there can be.
    pub buckets_max: u32,
}
