//! The algebra of selectors, and the choice among those that a peer offers (RFC 7296 section 2.9).

use std::fmt;

use super::Selector;

/// Selectors that one side of a Child SA may have at most. A TS payload has room for 255, the kernel pays for each pair.
pub const MAX_SELECTORS: usize = 64;

impl Selector {
    /// The packets in both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let protocol = match (self.protocol, other.protocol) {
            (0, protocol) | (protocol, 0) => protocol,
            (a, b) if a == b => a,
            _ => return None,
        };
        let ports = self.ports.intersect(other.ports)?;
        let addresses = self.addresses.intersect(other.addresses)?;
        Some(Self {
            protocol,
            ports,
            addresses,
        })
    }

    /// Whether every packet of `other` is in this one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.intersect(other) == Some(*other)
    }

    /// Whether one of `others` holds all of this one. (A union of several that holds it is not looked for.)
    #[must_use]
    pub fn is_subset_of_any(&self, others: &[Self]) -> bool {
        others.iter().any(|other| other.contains(self))
    }
}

/// What we answer to `offered` where `ours` is allowed: the packets in both, with nothing said twice. Empty where nothing
/// fits (TS_UNACCEPTABLE).
///
/// The first selector of an offer may stand for the packet that asked for the SA; where it is allowed at all, the first
/// of the answer holds it. At most [`MAX_SELECTORS`] come back; an answer may always be narrower than what is allowed.
#[must_use]
pub fn narrow(ours: &[Selector], offered: &[Selector]) -> Vec<Selector> {
    let mut answer: Vec<Selector> = Vec::new();
    for common in offered
        .iter()
        .flat_map(|offered| ours.iter().filter_map(|ours| ours.intersect(offered)))
    {
        if common.is_subset_of_any(&answer) {
            continue;
        }
        // What holds earlier ones takes the place of the first of them, so that the first packet stays in front.
        match answer.iter().position(|earlier| common.contains(earlier)) {
            Some(first) => {
                answer[first] = common;
                let mut at = 0;
                answer.retain(|earlier| {
                    at += 1;
                    at - 1 <= first || !common.contains(earlier)
                });
            }
            None if answer.len() < MAX_SELECTORS => answer.push(common),
            None => {}
        }
    }
    answer
}

/// What is left of both ends without the selectors that no packet can have: those without one of the same family, and of
/// a protocol that agrees, at the other end. Either both are empty or none.
#[must_use]
pub fn retain_pairs(
    mut local: Vec<Selector>,
    mut remote: Vec<Selector>,
) -> (Vec<Selector>, Vec<Selector>) {
    let partners = |a: &Selector, b: &Selector| {
        a.addresses.is_ipv4() == b.addresses.is_ipv4()
            && (a.protocol == b.protocol || a.protocol == 0 || b.protocol == 0)
    };
    local.retain(|local| remote.iter().any(|remote| partners(local, remote)));
    remote.retain(|remote| local.iter().any(|local| partners(local, remote)));
    (local, remote)
}

/// Which end of a tunnel a selector describes, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// What is behind us.
    Local,
    /// What is behind the peer.
    Remote,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Remote => "remote",
        })
    }
}

/// Why no selector was found: nothing of what was offered for one side is allowed there (TS_UNACCEPTABLE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorRefusal {
    /// The side that has nothing in common.
    pub side: Side,
    /// What was offered for it; empty where the offer held no selector we know.
    pub offered: Vec<Selector>,
    /// What our configuration allows there.
    pub ours: Vec<Selector>,
}

impl SelectorRefusal {
    /// Which end would have to change what.
    #[must_use]
    pub fn suggestion(&self) -> String {
        let (side, theirs) = match self.side {
            Side::Local => ("local", "remote"),
            Side::Remote => ("remote", "local"),
        };
        if self.offered.is_empty() {
            return format!(
                "let the peer offer IPv4 or IPv6 addresses within {}",
                List(&self.ours)
            );
        }
        format!(
            "either narrow the peer's {theirs} selectors to something within {}, or add {} to `{side}` of this child",
            List(&self.ours),
            List(&self.offered)
        )
    }
}

impl fmt::Display for SelectorRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behind = match self.side {
            Side::Local => "behind us",
            Side::Remote => "behind the peer",
        };
        write!(
            f,
            "nothing in common {behind}: offered {}, allowed {}",
            List(&self.offered),
            List(&self.ours)
        )
    }
}

impl std::error::Error for SelectorRefusal {}

/// Selectors with commas between; a long list is cut, for a peer may have written it.
struct List<'a>(&'a [Selector]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (i, selector) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{selector}", if i > 0 { ", " } else { "" })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::super::{AddressRange, PortRange, tests::selector};
    use super::*;

    fn selectors(texts: &[&str]) -> Vec<Selector> {
        texts.iter().map(|text| selector(text)).collect()
    }

    #[test]
    fn an_offer_within_ours_is_taken_whole() {
        let offered = selectors(&["10.1.2.0/24", "10.1.3.0/24"]);
        assert_eq!(narrow(&selectors(&["10.1.0.0/16"]), &offered), offered);
    }

    #[test]
    fn an_offer_wider_than_ours_is_narrowed_to_ours() {
        let ours = selectors(&["10.1.0.0/16", "10.9.0.0/16[tcp/443]"]);
        assert_eq!(narrow(&ours, &selectors(&["0.0.0.0/0"])), ours);
    }

    #[test]
    fn what_covers_the_packet_that_asked_comes_first() {
        let offered = selectors(&["10.1.5.5[udp/53]", "10.0.0.0/16", "10.1.0.0/16"]);
        assert_eq!(
            narrow(&selectors(&["10.0.0.0/8"]), &offered),
            selectors(&["10.1.0.0/16", "10.0.0.0/16"])
        );
        assert_eq!(
            narrow(&selectors(&["10.1.5.0/24"]), &offered),
            selectors(&["10.1.5.0/24"])
        );
    }

    #[test]
    fn nothing_in_common_is_empty_and_families_never_mix() {
        assert!(
            narrow(
                &selectors(&["10.1.0.0/16"]),
                &selectors(&["10.2.0.0/16", "::/0"])
            )
            .is_empty()
        );
        assert!(
            narrow(
                &selectors(&["10.1.0.0/16[tcp]"]),
                &selectors(&["10.1.0.0/16[udp]"])
            )
            .is_empty()
        );
        assert!(narrow(&[], &selectors(&["10.1.0.0/16[udp]"])).is_empty());
        assert!(narrow(&selectors(&["::/0"]), &selectors(&["0.0.0.0/0"])).is_empty());
    }

    #[test]
    fn the_answer_is_bounded_and_still_holds_the_first_packet() {
        let many = |count: u32, step: u32| -> Vec<_> {
            (0..count)
                .map(|i| Selector::from(IpAddr::from(Ipv4Addr::from(0x0a00_0000 + i * step))))
                .collect()
        };
        let mut offered = many(255, 7);
        offered.push(selector("10.0.0.0/8"));
        let answer = narrow(&many(64, 1), &offered);
        assert_eq!(answer.len(), MAX_SELECTORS);
        assert_eq!(answer[0], selector("10.0.0.0"));
    }

    #[test]
    fn a_refusal_says_who_would_have_to_change_what() {
        let refusal = SelectorRefusal {
            side: Side::Remote,
            offered: selectors(&["10.9.0.0/16"]),
            ours: selectors(&["10.2.0.0/16", "10.3.0.0/16[tcp/443]"]),
        };
        assert_eq!(
            refusal.to_string(),
            "nothing in common behind the peer: offered 10.9.0.0/16, allowed 10.2.0.0/16, 10.3.0.0/16[tcp/443]"
        );
        assert_eq!(
            refusal.suggestion(),
            "either narrow the peer's local selectors to something within 10.2.0.0/16, 10.3.0.0/16[tcp/443], or add \
             10.9.0.0/16 to `remote` of this child"
        );
        let many = SelectorRefusal {
            offered: vec![selector("10.9.0.0/16"); 200],
            ..refusal
        };
        assert!(many.to_string().contains("and 192 more"));
    }

    /// A packet: an address, a protocol and a port (none: it cannot be seen).
    type Packet = (IpAddr, u8, Option<u16>);

    fn holds(selector: &Selector, (address, protocol, port): &Packet) -> bool {
        let in_ports = match port {
            Some(port) => (selector.ports.start()..=selector.ports.end()).contains(port),
            None => matches!(selector.ports, PortRange::ANY | PortRange::OPAQUE),
        };
        let in_addresses = selector.addresses.is_ipv4() == address.is_ipv4()
            && (selector.addresses.start()..=selector.addresses.end()).contains(address);
        in_addresses && in_ports && (selector.protocol == 0 || selector.protocol == *protocol)
    }

    // Small worlds, so that random sets and packets meet often.
    fn addresses() -> impl Strategy<Value = IpAddr> {
        (any::<bool>(), 0..24_u8).prop_map(|(v4, last)| {
            if v4 {
                IpAddr::from([10, 0, 0, last])
            } else {
                IpAddr::from([0x2001, 0, 0, 0, 0, 0, 0, u16::from(last)])
            }
        })
    }

    fn any_selector() -> impl Strategy<Value = Selector> {
        let ports = prop_oneof![
            Just(PortRange::ANY),
            Just(PortRange::OPAQUE),
            (0..9_u16, 0..9_u16)
                .prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).expect("ordered")),
        ];
        let addresses = (addresses(), 0..24_u8).prop_map(|(start, last)| match start {
            IpAddr::V4(_) => (start, IpAddr::from([10, 0, 0, last])),
            IpAddr::V6(_) => (
                start,
                IpAddr::from([0x2001, 0, 0, 0, 0, 0, 0, u16::from(last)]),
            ),
        });
        let addresses =
            addresses.prop_map(|(a, b)| AddressRange::new(a.min(b), a.max(b)).expect("ordered"));
        (0..3_u8, ports, addresses).prop_map(|(protocol, ports, addresses)| Selector {
            protocol,
            ports,
            addresses,
        })
    }

    fn packets() -> impl Strategy<Value = Packet> {
        (addresses(), 1..4_u8, proptest::option::of(0..9_u16))
    }

    proptest! {
        #[test]
        fn an_intersection_holds_what_both_hold(a in any_selector(), b in any_selector(), packet in packets()) {
            let both = holds(&a, &packet) && holds(&b, &packet);
            prop_assert_eq!(a.intersect(&b).is_some_and(|common| holds(&common, &packet)), both);
            prop_assert_eq!(a.intersect(&b), b.intersect(&a));
            prop_assert!(!a.contains(&b) || !holds(&b, &packet) || holds(&a, &packet));
            prop_assert!(a.contains(&a));
            prop_assert!(!a.contains(&b) || a.width() >= b.width());
        }

        #[test]
        fn narrowing_keeps_exactly_the_packets_that_both_sides_allow(
            ours in proptest::collection::vec(any_selector(), 0..6),
            offered in proptest::collection::vec(any_selector(), 0..6),
            packet in packets(),
        ) {
            let answer = narrow(&ours, &offered);
            let in_any = |list: &[Selector]| list.iter().any(|one| holds(one, &packet));
            prop_assert_eq!(in_any(&answer), in_any(&ours) && in_any(&offered));
            for (i, one) in answer.iter().enumerate() {
                prop_assert!(!answer.iter().enumerate().any(|(j, other)| i != j && other.contains(one)));
            }
            if let Some(first) = offered.first().filter(|first| first.is_subset_of_any(&ours)) {
                prop_assert!(answer[0].contains(first));
            }
        }

        #[test]
        fn what_is_printed_reads_back_as_the_same_selector(one in any_selector()) {
            // The text ties icmp to its family; other than that every selector has one.
            prop_assume!(one.protocol != 1 || one.addresses.is_ipv4());
            prop_assume!(one.protocol != 2 || one.ports == PortRange::ANY);
            prop_assert_eq!(one.to_string().parse(), Ok(one));
        }
    }
}
