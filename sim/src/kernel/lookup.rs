//! Which policy decides about a packet.

use std::net::IpAddr;

use ike::config::Mode;
use ike::config::selector::KernelSelector;
use ike::engine::io::{Direction, PolicyAction, PolicyInstall, SaReference};

use super::{ANY_PACKET, FakeKernel, Template};

/// What inbound policies say to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may come.
    Comes,
    /// It came by a tunnel, and no policy says that it may.
    NoPolicy,
    /// Its policy wants it to come by another SA, by one at all, or in clear.
    WrongSa,
    /// A policy drops it.
    Blocked,
}

impl FakeKernel {
    /// Policies that protect, out of all directions.
    #[must_use]
    pub fn protecting(&self) -> usize {
        self.policies
            .values()
            .filter(|policy| matches!(policy.action, PolicyAction::Protect { .. }))
            .count()
    }

    /// What would happen to a packet: the policy with the lowest priority number that fits, `None` where none does. Its
    /// protocol is none that a policy names.
    #[must_use]
    pub fn verdict(
        &self,
        direction: Direction,
        source: IpAddr,
        destination: IpAddr,
    ) -> Option<PolicyAction> {
        self.verdict_of(direction, source, destination, ANY_PACKET)
    }

    /// What would happen to a packet of this protocol and these ports, source first; of ICMP, type and code.
    #[must_use]
    pub fn verdict_of(
        &self,
        direction: Direction,
        source: IpAddr,
        destination: IpAddr,
        (protocol, source_port, destination_port): (u8, u16, u16),
    ) -> Option<PolicyAction> {
        let carries = |end: &KernelSelector, port: u16| {
            [0, protocol].contains(&end.protocol) && port & end.port_mask == end.port
        };
        self.policies
            .values()
            .filter(|policy| policy.direction == direction)
            .filter(|policy| {
                holds(
                    policy.selector.source.network,
                    policy.selector.source.prefix,
                    source,
                )
            })
            .filter(|policy| {
                holds(
                    policy.selector.destination.network,
                    policy.selector.destination.prefix,
                    destination,
                )
            })
            .filter(|policy| {
                carries(&policy.selector.source, source_port)
                    && carries(&policy.selector.destination, destination_port)
            })
            .min_by_key(|policy| (policy.priority, self.age(policy)))
            .map(|policy| policy.action)
    }

    /// When a policy's place was taken, by the number of the step.
    fn age(&self, policy: &PolicyInstall) -> u64 {
        let place = self.places.get(&(policy.selector, policy.direction));
        place.map_or(0, |place| place.step)
    }

    /// Whether a packet may come in that came by this SA, or in clear, and is then from and to these addresses.
    #[must_use]
    pub fn admits(
        &self,
        direction: Direction,
        by: Option<SaReference>,
        source: IpAddr,
        destination: IpAddr,
    ) -> Admission {
        self.admits_of(direction, by, source, destination, ANY_PACKET)
    }

    /// Whether such a packet of this protocol and these ports may come in, source first; of ICMP, type and code.
    #[must_use]
    pub fn admits_of(
        &self,
        direction: Direction,
        by: Option<SaReference>,
        source: IpAddr,
        destination: IpAddr,
        carries: (u8, u16, u16),
    ) -> Admission {
        let by = by.and_then(|by| self.sas.get(&(by.spi, by.destination)));
        let by_tunnel = by.is_some_and(|sa| sa.mode == Mode::Tunnel);
        let Some(action) = self.verdict_of(direction, source, destination, carries) else {
            return if by_tunnel {
                Admission::NoPolicy
            } else {
                Admission::Comes
            };
        };
        let comes = match (Template::of(action), action) {
            (Some(template), _) => by.is_some_and(|sa| template.fits(sa)),
            (None, PolicyAction::Block) => return Admission::Blocked,
            (None, _) => !by_tunnel,
        };
        if comes {
            Admission::Comes
        } else {
            Admission::WrongSa
        }
    }
}

fn holds(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let (network, address, bits) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u32::from(network).into(), u32::from(address).into(), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            (u128::from(network), u128::from(address), 128)
        }
        _ => return false,
    };
    let free = bits - u32::from(prefix);
    network.checked_shr(free).unwrap_or(0) == address.checked_shr(free).unwrap_or(0)
}
