//! The network that demo and tests share.
//!
//! ```text
//!   alice ---------- hq ---------- internet ---------- branch ---------- bob
//!   10.1.0.10    10.1.0.1  \         |               /      10.2.0.1    10.2.0.10
//!   10.11.0.10  10.11.0.1  192.0.2.1 |    198.51.100.7     10.12.0.1   10.12.0.10
//!                                  carol
//!                               203.0.113.9
//!   2001:db8:1::10 and ::1   2001:db8:100::1 | 2001:db8:200::7   2001:db8:2::1 and ::10
//! ```
//!
//! The internet routes the private networks too: a packet that leaves a gateway in clear *arrives*, so a test that
//! counts none on the wire and a host that hears none both mean something.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use super::netns::Namespace;

/// The host behind headquarters.
pub const ALICE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);
/// Alice's second address, for a second Child SA.
pub const ALICE_2: Ipv4Addr = Ipv4Addr::new(10, 11, 0, 10);
/// The headquarters gateway.
pub const HQ: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The branch gateway.
pub const BRANCH: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// The host behind the branch.
pub const BOB: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 10);
/// Bob's second address, for a second Child SA.
pub const BOB_2: Ipv4Addr = Ipv4Addr::new(10, 12, 0, 10);
/// A printer's address, at bob's, for policies that pass.
pub const PRINTER: Ipv4Addr = Ipv4Addr::new(10, 2, 9, 9);
/// A third host, which no tunnel leads to.
pub const CAROL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// Alice's IPv6 address.
pub const ALICE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x10);
/// The headquarters gateway's IPv6 address.
pub const HQ_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 1);
/// The branch gateway's IPv6 address.
pub const BRANCH_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x200, 0, 0, 0, 0, 7);
/// Bob's IPv6 address.
pub const BOB_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x10);

/// The internet's interface towards the headquarters gateway.
pub const TO_HQ: &str = "to-hq";
/// The internet's interface towards the branch gateway.
pub const TO_BRANCH: &str = "to-branch";

/// The namespaces, wired.
#[derive(Debug)]
pub struct Topology {
    /// The host behind headquarters.
    pub alice: Namespace,
    /// The headquarters gateway.
    pub hq: Namespace,
    /// The router between the gateways, where the sniffer sits and the attacker stands.
    pub internet: Namespace,
    /// The branch gateway.
    pub branch: Namespace,
    /// The host behind the branch.
    pub bob: Namespace,
    /// A third host.
    pub carol: Namespace,
}

impl Topology {
    /// Makes the namespaces, the links, addresses and routes.
    pub fn create() -> Result<Self> {
        let [alice, hq, internet, branch, bob, carol] =
            ["alice", "hq", "internet", "branch", "bob", "carol"].map(Namespace::create);
        let net = Self {
            alice: alice?,
            hq: hq?,
            internet: internet?,
            branch: branch?,
            bob: bob?,
            carol: carol?,
        };
        net.internet.ip_batch(
            "link add to-hq type veth peer name uplink netns hq
             link add to-branch type veth peer name uplink netns branch
             link add to-carol type veth peer name uplink netns carol
             address add 192.0.2.254/24 dev to-hq
             address add 198.51.100.254/24 dev to-branch
             address add 203.0.113.254/24 dev to-carol
             link set to-hq up
             link set to-branch up
             link set to-carol up
             route add 10.1.0.0/16 via 192.0.2.1 onlink dev to-hq
             route add 10.11.0.0/16 via 192.0.2.1 onlink dev to-hq
             route add 10.2.0.0/16 via 198.51.100.7 onlink dev to-branch
             route add 10.12.0.0/16 via 198.51.100.7 onlink dev to-branch
            ",
        )?;
        for (gateway, uplink, router, lan, host) in [
            (&net.hq, HQ, "192.0.2.254", [1, 11], "alice"),
            (&net.branch, BRANCH, "198.51.100.254", [2, 12], "bob"),
        ] {
            gateway.ip_batch(&format!(
                "link add lan type veth peer name uplink netns {host}
                 address add {uplink}/24 dev uplink
                 address add 10.{0}.0.1/16 dev lan
                 address add 10.{1}.0.1/16 dev lan
                 link set uplink up
                 link set lan up
                 route add default via {router}
                ",
                lan[0], lan[1]
            ))?;
        }
        for (host, lan) in [(&net.alice, [1, 11]), (&net.bob, [2, 12])] {
            host.ip_batch(&format!(
                "address add 10.{0}.0.10/16 dev uplink
                 address add 10.{1}.0.10/16 dev uplink
                 link set uplink up
                 route add default via 10.{0}.0.1
                ",
                lan[0], lan[1]
            ))?;
        }
        net.bob.ip("address add 10.2.9.9/16 dev uplink")?;
        net.carol.ip_batch("address add 203.0.113.9/24 dev uplink\nlink set uplink up\nroute add default via 203.0.113.254\n")?;
        net.create_ipv6()?;
        for router in [&net.hq, &net.internet, &net.branch] {
            router.sysctl("net/ipv4/ip_forward", "1")?;
            router.sysctl("net/ipv6/conf/all/forwarding", "1")?;
            // A gateway that tells hosts of a shorter way, or drops what comes from an unexpected side, spoils what is tested.
            for interface in ["all", "default"] {
                router.sysctl(&format!("net/ipv4/conf/{interface}/send_redirects"), "0")?;
                router.sysctl(&format!("net/ipv4/conf/{interface}/rp_filter"), "0")?;
            }
        }
        Ok(net)
    }

    /// Adds the addresses and routes of IPv6, when all links are up. Nobody looks for duplicates, so that they can be used
    /// at once.
    fn create_ipv6(&self) -> Result<()> {
        let ends = [
            (&self.hq, &self.alice, TO_HQ, HQ_V6, ALICE_V6, "100", "1"),
            (
                &self.branch,
                &self.bob,
                TO_BRANCH,
                BRANCH_V6,
                BOB_V6,
                "200",
                "2",
            ),
        ];
        for (gateway, host, interface, outside, inside, uplink, lan) in ends {
            gateway.ip_batch(&format!(
                "address add {outside}/64 dev uplink nodad
                 address add 2001:db8:{lan}::1/64 dev lan nodad
                "
            ))?;
            host.ip_batch(&format!(
                "address add {inside}/64 dev uplink nodad
                 route add ::/0 via 2001:db8:{lan}::1
                "
            ))?;
            self.internet.ip_batch(&format!(
                "address add 2001:db8:{uplink}::fe/64 dev {interface} nodad
                 route add 2001:db8:{lan}::/48 via {outside}
                "
            ))?;
            gateway.ip(&format!("route add ::/0 via 2001:db8:{uplink}::fe"))?;
        }
        Ok(())
    }

    /// Every namespace.
    #[must_use]
    pub fn all(&self) -> [&Namespace; 6] {
        [
            &self.alice,
            &self.hq,
            &self.internet,
            &self.branch,
            &self.bob,
            &self.carol,
        ]
    }

    /// Takes the gateways' SAs and policies away, whoever made them.
    pub fn flush(&self) -> Result<()> {
        for gateway in [&self.hq, &self.branch] {
            gateway.ip_batch("xfrm state flush\nxfrm policy flush\n")?;
        }
        Ok(())
    }
}
