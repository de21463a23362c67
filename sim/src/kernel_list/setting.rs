//! Where the scenarios take place, and what they are made of.
//!
//! ```text
//!   NEAR 10.1.0.1 -- HERE 192.0.2.1 ========= 198.51.100.7 THERE -- FAR 10.2.0.10
//! ```
//!
//! The kernel that is tried has the addresses on the left. NEAR is its own, so that packets from it pass outbound policies
//! alone, and packets to it inbound ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ike::config::proposal::EspSuite;
use ike::config::selector::KernelSelector;
use ike::config::{Mode, Volume};
use ike::crypto::Secret;
use ike::engine::io::{
    Direction, KernelAction, KernelRequest, PolicyAction, PolicyInstall, SaInstall, SaReference,
    SelectorPair,
};
use ike::wire::numbers::{Encryption, Integrity};

use super::{Heard, Parcel, Received, Scenario, Sent, Step, all_or_nothing, number};

/// The outer address of the kernel that is tried.
pub const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// An address that it does not have.
pub(super) const HERE_2: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// The outer address of its peer.
pub const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
/// Another peer.
pub(super) const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
/// An inner address of the kernel that is tried.
pub const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1));
/// A host behind it.
pub const NEAR_2: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 10));
/// A host behind the peer.
pub const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 10));
/// Another one of its network.
pub(super) const FAR_3: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 9, 9));
/// One of another network.
pub const FAR_2: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 12, 0, 10));
/// An inner IPv6 address of the kernel that is tried.
pub const NEAR_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1));
/// A host behind the peer.
pub const FAR_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x10));
/// The next router towards the peer.
pub const NEIGHBOUR: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0xfe));

/// UDP from one port to another.
pub const DATA: (u8, u16, u16) = (17, 4711, 4712);
/// ICMPv6 type 135.
pub const NEIGHBOUR_SOLICITATION: (u8, u16, u16) = (58, 135, 0);

/// Of the Child SAs.
pub(super) const REQID: u32 = 0x0100_0001;
/// Of other Child SAs, and of traps.
pub(super) const REQID_2: u32 = 0x0100_0002;
/// Of other Child SAs, and of traps.
pub(super) const REQID_3: u32 = 0x0100_0003;

pub(super) const OUT_1: SaReference = peers(0xc000_0001);
pub(super) const OUT_2: SaReference = peers(0xc000_0002);
pub(super) const IN_1: SaReference = ours(0xd000_0001);

/// The first number of a policy.
const FIRST: u32 = 0x080_0001;
/// The priority where nothing depends on it.
pub(super) const USUAL: u32 = 1000;

const fn peers(spi: u32) -> SaReference {
    SaReference {
        spi,
        destination: THERE,
    }
}

const fn ours(spi: u32) -> SaReference {
    SaReference {
        spi,
        destination: HERE,
    }
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn scenario(name: &'static str, steps: Vec<Step>) -> Scenario {
    Scenario { name, steps }
}

/// An SA of the tunnel, by which packets go out.
pub(super) fn outbound(sa: SaReference) -> SaInstall {
    SaInstall {
        inbound: false,
        source: HERE,
        ..inbound(sa)
    }
}

/// An SA of the tunnel, by which packets come in.
pub(super) fn inbound(sa: SaReference) -> SaInstall {
    SaInstall {
        mode: Mode::Tunnel,
        inbound: true,
        spi: sa.spi,
        source: THERE,
        destination: sa.destination,
        suite: EspSuite {
            encryption: Encryption::AES_GCM_16,
            key_bits: Some(128),
            integrity: Integrity::NONE,
            key_exchange: None,
            esn: false,
        },
        encryption_key: Secret::from(vec![sa.spi.to_be_bytes()[3]; 20]),
        integrity_key: Secret::default(),
        reqid: REQID,
        replay_window: 128,
        hard_lifetime: seconds(3600),
        hard_volume: Volume::default(),
        soft_volume: Volume::default(),
        tell_first_packet: false,
        answers: None,
    }
}

/// The request that adds an SA.
pub(super) fn add(sa: SaInstall) -> KernelRequest {
    all_or_nothing(vec![KernelAction::AddSa(Box::new(sa))])
}

pub(super) fn adds(sa: SaInstall) -> Step {
    Step::Does(add(sa))
}

pub(super) fn deletes(sa: SaReference) -> Step {
    Step::Does(all_or_nothing(vec![KernelAction::DeleteSa(sa)]))
}

pub(super) fn protect(reqid: u32) -> PolicyAction {
    protect_in(Direction::Out, reqid)
}

/// What a policy of the tunnel does in this direction.
pub(super) fn protect_in(direction: Direction, reqid: u32) -> PolicyAction {
    let (source, destination) = match direction {
        Direction::Out => (HERE, THERE),
        Direction::In | Direction::Forward => (THERE, HERE),
    };
    PolicyAction::Protect {
        mode: Mode::Tunnel,
        source,
        destination,
        reqid,
    }
}

pub(super) fn trap(reqid: u32) -> PolicyAction {
    PolicyAction::Trap {
        mode: Mode::Tunnel,
        source: HERE,
        destination: THERE,
        reqid,
    }
}

/// Any protocol and port of a network.
pub(super) fn network(network: IpAddr, prefix: u8) -> KernelSelector {
    KernelSelector {
        network,
        prefix,
        protocol: 0,
        port: 0,
        port_mask: 0,
    }
}

/// 10.1.0.0/16.
pub(super) fn near() -> KernelSelector {
    network(Ipv4Addr::new(10, 1, 0, 0).into(), 16)
}

/// 10.2.0.0/16.
pub(super) fn far() -> KernelSelector {
    network(Ipv4Addr::new(10, 2, 0, 0).into(), 16)
}

/// Between those, from here.
pub(super) fn going() -> SelectorPair {
    SelectorPair {
        source: near(),
        destination: far(),
    }
}

/// Between those, to here.
pub(super) fn coming() -> SelectorPair {
    SelectorPair {
        source: far(),
        destination: near(),
    }
}

/// The policy with this number, from 0, for what goes out of one network to the other.
pub(super) fn policy(n: u32, priority: u32, action: PolicyAction) -> PolicyInstall {
    policy_for(n, Direction::Out, going(), priority, action)
}

/// Any policy.
pub(super) fn policy_for(
    n: u32,
    direction: Direction,
    selector: SelectorPair,
    priority: u32,
    action: PolicyAction,
) -> PolicyInstall {
    PolicyInstall {
        index: index(n, direction),
        direction,
        selector,
        priority,
        action,
    }
}

/// The index of the policy with this number, from 0.
pub(super) const fn index(n: u32, direction: Direction) -> u32 {
    (FIRST + n) << 3 | number(direction)
}

pub(super) fn sets(policy: PolicyInstall) -> Step {
    Step::Does(all_or_nothing(vec![KernelAction::SetPolicy(Box::new(
        policy,
    ))]))
}

pub(super) fn removes(n: u32) -> Step {
    let direction = Direction::Out;
    Step::Does(all_or_nothing(vec![KernelAction::DeletePolicy {
        index: index(n, direction),
        direction,
    }]))
}

/// The usual packet.
pub(super) const fn to(destination: IpAddr) -> Parcel {
    Parcel {
        source: NEAR,
        destination,
        carries: DATA,
    }
}

/// The usual packet back.
pub(super) const fn from(source: IpAddr) -> Parcel {
    Parcel {
        source,
        destination: NEAR,
        carries: DATA,
    }
}

pub(super) fn sends(sent: Sent) -> Step {
    Step::Sends(to(FAR), sent)
}

pub(super) fn comes_by(sa: &SaInstall, received: Received) -> Step {
    Step::ComesIn(from(FAR), Some(Box::new(sa.clone())), received)
}

pub(super) fn comes_in_clear(received: Received) -> Step {
    Step::ComesIn(from(FAR), None, received)
}

/// That the usual packet waits for this reqid.
pub(super) fn asks(reqid: u32) -> Heard {
    Heard::Acquire {
        reqid,
        source: NEAR,
        destination: FAR,
    }
}

pub(super) fn hears_nothing() -> Step {
    Step::Hears(Vec::new())
}
