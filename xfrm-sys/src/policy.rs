//! Policies: which packets are protected, passed or dropped; and what the kernel says of them in events.

use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::{Counters, Lifetimes, Mark, Mode, Protocol, SaId, Selector, UdpEncapsulation};

/// Which packets a policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Packets for this host.
    In,
    /// Packets that leave this host, its own and forwarded ones.
    Out,
    /// Packets that this host forwards.
    Forward,
}

impl Direction {
    /// The kernel's number.
    pub fn number(self) -> u8 {
        match self {
            Self::In => 0,
            Self::Out => 1,
            Self::Forward => 2,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::In, Self::Out, Self::Forward]
            .into_iter()
            .find(|d| d.number() == number)
    }
}

/// What happens to a packet that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It goes through the templates' SAs; without templates it passes as it is.
    Allow,
    /// It is dropped.
    Block,
}

/// A policy's index: what it is deleted by in constant time, while deleting by selector walks the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyIndex(pub(crate) u32);

impl PolicyIndex {
    /// The largest number.
    pub const NUMBER_MAX: u32 = (1 << 29) - 1;

    /// The index of policy `number` in a direction: `number << 3 | direction`. `None` for 0, which lets the kernel choose,
    /// and above [`NUMBER_MAX`](Self::NUMBER_MAX).
    pub fn new(number: u32, direction: Direction) -> Option<Self> {
        (1..=Self::NUMBER_MAX)
            .contains(&number)
            .then(|| Self(number << 3 | u32::from(direction.number())))
    }

    /// As the kernel writes it.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The number without the direction.
    pub fn number(self) -> u32 {
        self.0 >> 3
    }
}

/// Which SA a packet goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Template {
    /// Outer source; of a transport mode template unspecified.
    pub source: IpAddr,
    /// Outer destination; of a transport mode template unspecified.
    pub destination: IpAddr,
    /// ESP or AH.
    pub protocol: Protocol,
    /// Tunnel or transport.
    pub mode: Mode,
    /// The reqid of the SAs that serve; 0 is any.
    pub reqid: u32,
    /// The one SA that serves, in host order; `None` takes the newest that fits.
    pub spi: Option<NonZeroU32>,
    /// Inbound: packets may also come without this.
    pub optional: bool,
}

/// What a policy does beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PolicyFlags {
    /// A socket's own policy may override this one.
    pub local_ok: bool,
    /// ICMP errors that quote a matching packet match too.
    pub icmp: bool,
}

/// A policy to add or to update.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PolicySpec {
    /// Which packets.
    pub selector: Selector,
    /// Where.
    pub direction: Direction,
    /// The number of its [`PolicyIndex`]; 0 lets the kernel choose. Where the number is taken the kernel silently chooses
    /// another, and an update keeps the index that the policy had: use one number per selector and direction for good.
    pub number: u32,
    /// Of several that match, the one with the lowest value wins.
    pub priority: u32,
    /// Allow or block.
    pub action: Action,
    /// The SAs that a packet goes through, inner first; at most 6.
    pub templates: Vec<Template>,
    /// The xfrm interface that it belongs to.
    pub if_id: Option<NonZeroU32>,
    /// The mark that its packets have.
    pub mark: Option<Mark>,
    /// What else.
    pub flags: PolicyFlags,
}

impl PolicySpec {
    /// The index that it gets; `None` if the kernel chooses.
    pub fn index(&self) -> Option<PolicyIndex> {
        PolicyIndex::new(self.number, self.direction)
    }
}

/// A policy as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyState {
    /// Which packets; `None` of a socket's own policy without addresses.
    pub selector: Option<Selector>,
    /// Where; `None` of a socket's own policy.
    pub direction: Option<Direction>,
    /// What it is deleted by.
    pub index: PolicyIndex,
    /// Of several that match, the one with the lowest value wins.
    pub priority: u32,
    /// Allow or block.
    pub action: Action,
    /// The SAs that a packet goes through.
    pub templates: Vec<Template>,
    /// The xfrm interface that it belongs to.
    pub if_id: Option<NonZeroU32>,
    /// The mark that its packets have.
    pub mark: Option<Mark>,
    /// What else.
    pub flags: PolicyFlags,
    /// When it ends.
    pub lifetimes: Lifetimes,
    /// When it was added and first used; the kernel counts no packets for policies.
    pub counters: Counters,
}

/// How many policies the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpdInfo {
    /// For packets in.
    pub inbound: u32,
    /// For packets out.
    pub outbound: u32,
    /// For forwarded packets.
    pub forward: u32,
    /// Of sockets, in.
    pub socket_inbound: u32,
    /// Of sockets, out.
    pub socket_outbound: u32,
}

/// ACQUIRE: a packet met a policy whose SA is missing. The kernel drops it, and others alike, until the SA is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquire {
    /// To be given with the outbound SA that answers.
    pub sequence: u32,
    /// Our outer address.
    pub source: IpAddr,
    /// The peer's outer address.
    pub destination: IpAddr,
    /// ESP or AH.
    pub protocol: Protocol,
    /// The packet itself: addresses in full, protocol, ports.
    pub selector: Option<Selector>,
    /// The policy that it met; its templates say reqid and mode.
    pub policy: PolicyState,
    /// The CPU that wants an SA of its own (RFC 9611).
    pub cpu: Option<u32>,
}

impl Acquire {
    /// The template that no SA was found for: the first of the protocol and the addresses, or else the first.
    pub fn template(&self) -> Option<&Template> {
        let templates = &self.policy.templates;
        templates
            .iter()
            .find(|t| t.protocol == self.protocol && t.destination == self.destination)
            .or_else(|| templates.first())
    }
}

/// MAPPING: the peer's packets come from another address or port than before, as behind a NAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// The inbound SA.
    pub sa: SaId,
    /// Its reqid.
    pub reqid: u32,
    /// The ports and address until now.
    pub old: (IpAddr, u16),
    /// The address and port that a packet has come from, authenticated.
    pub new: (IpAddr, u16),
}

/// MIGRATE: someone moved a policy and its SAs to other addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrate {
    /// The policy's packets.
    pub selector: Option<Selector>,
    /// The policy's direction.
    pub direction: Option<Direction>,
    /// What moved.
    pub migrations: Vec<Migration>,
    /// ESP in UDP from now on.
    pub encapsulation: Option<UdpEncapsulation>,
    /// The xfrm interface that it belongs to.
    pub if_id: Option<NonZeroU32>,
}

/// One template's old and new addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Source and destination until now.
    pub old: (IpAddr, IpAddr),
    /// Source and destination from now on.
    pub new: (IpAddr, IpAddr),
    /// ESP or AH.
    pub protocol: Protocol,
    /// Tunnel or transport.
    pub mode: Mode,
    /// The SAs concerned.
    pub reqid: u32,
}
