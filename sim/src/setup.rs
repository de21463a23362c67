//! Configurations for tests: a headquarters and a branch, as a policy file would make them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::config::proposal::{default_esp, default_ike};
use ike::config::{
    Authentication, Child, Configuration, Connection, Keep, Liveness, Local, LocalAuthentication,
    Mode, Name, PublicCredentials, Purposes, Remote, RemoteAuthentication, Revocation,
    SignatureDemand, Strength, Unique, Volume, WithoutSa,
};

use crate::network::Quality;
use crate::{Node, World};

/// The address of the headquarters.
pub const HQ: [u8; 4] = [192, 0, 2, 1];
/// The address of the branch.
pub const BRANCH: [u8; 4] = [198, 51, 100, 7];
/// The secret that both share.
pub const SECRET: &[u8] = b"a secret of more than sixteen bytes";

/// Both ends sign, and revocation is looked at where something is known.
pub const SIGNED: Authentication = Authentication {
    local: LocalAuthentication::Signature,
    remote: RemoteAuthentication::Signature(DEMAND),
};

/// What is asked of a peer's signature where nothing is said.
pub const DEMAND: SignatureDemand = SignatureDemand {
    revocation: Revocation::IfAvailable,
    strength: Strength::Default,
    rsa_sha1: false,
    purposes: Purposes::Ike,
};

/// A name that is known to be good.
///
/// # Panics
/// If it is not.
#[must_use]
pub fn name(text: &str) -> Name {
    Name::new(text).expect("a good name")
}

/// One end of a tunnel, to be changed by the test before it is used.
#[derive(Clone, Debug)]
pub struct End {
    /// Our address.
    pub local: [u8; 4],
    /// The peer's.
    pub remote: [u8; 4],
    /// Who we say we are.
    pub local_id: &'static str,
    /// Who the peer is to be.
    pub remote_id: &'static str,
    /// What is behind us and behind the peer, a child for each.
    pub children: Vec<(&'static str, &'static str, &'static str)>,
    /// Proposals for IKE; none: the default.
    pub ike: Option<&'static str>,
    /// Proposals for ESP; none: the default.
    pub esp: Option<&'static str>,
    /// For all children.
    pub keep: Keep,
}

impl End {
    /// The headquarters: it waits.
    #[must_use]
    pub fn hq() -> Self {
        Self {
            local: HQ,
            remote: BRANCH,
            local_id: "hq.example.com",
            remote_id: "branch.example.com",
            children: vec![("lan", "10.1.0.0/16", "10.2.0.0/16")],
            ike: None,
            esp: None,
            keep: Keep::Passive,
        }
    }

    /// The branch: it begins.
    #[must_use]
    pub fn branch() -> Self {
        Self {
            local: BRANCH,
            remote: HQ,
            local_id: "branch.example.com",
            remote_id: "hq.example.com",
            children: vec![("lan", "10.2.0.0/16", "10.1.0.0/16")],
            ike: None,
            esp: None,
            keep: Keep::Up,
        }
    }

    /// As a connection called `tunnel`.
    ///
    /// # Panics
    /// Where a text of the test does not parse.
    #[must_use]
    pub fn connection(&self) -> Connection {
        let children = self.children.iter().map(|(child, local, remote)| {
            Arc::new(Child {
                name: name(child),
                local: vec![local.parse().expect("a selector")],
                remote: vec![remote.parse().expect("a selector")],
                mode: Mode::Tunnel,
                proposals: self
                    .esp
                    .map_or_else(default_esp, |text| vec![text.parse().expect("a proposal")]),
                keep: self.keep,
                replay_window: 128,
                hard_lifetime: Duration::from_secs(8 * 3600),
                rekey_after: None,
                rekey_volume: Volume::default(),
                hard_volume: Volume::default(),
                priority: None,
                idle: None,
                without_sa: WithoutSa::Drop,
            })
        });
        Connection {
            name: name("tunnel"),
            local: Local {
                address: Some(IpAddr::from(self.local)),
                id: self.local_id.parse().expect("an identity"),
            },
            remote: Remote {
                address: Some(IpAddr::from(self.remote)),
                host: None,
                id: Some(self.remote_id.parse().expect("an identity")),
            },
            proposals: self
                .ike
                .map_or_else(default_ike, |text| vec![text.parse().expect("a proposal")]),
            authentication: Authentication::PRE_SHARED_KEY,
            children: children.collect(),
            liveness: Liveness::default(),
            rekey_after: None,
            reauth_after: None,
            unique: Unique::default(),
            verify_rekey: false,
        }
    }

    /// As a configuration with this one connection, which authenticates so.
    #[must_use]
    pub fn with(
        &self,
        authentication: Authentication,
        credentials: PublicCredentials,
    ) -> Configuration {
        let connection = Connection {
            authentication,
            ..self.connection()
        };
        Configuration {
            credentials: [(connection.name.clone(), Arc::new(credentials))].into(),
            connections: vec![Arc::new(connection)],
            ..Configuration::default()
        }
    }

    /// As a configuration with this one connection.
    #[must_use]
    pub fn configuration(&self) -> Configuration {
        Configuration {
            connections: vec![Arc::new(self.connection())],
            ..Configuration::default()
        }
    }
}

/// The two gateways, both with [`SECRET`], not configured yet: node 0 is the headquarters, node 1 the branch.
#[must_use]
pub fn two_gateways(seed: u64, quality: Quality) -> World {
    let mut hq = Node::new("hq", IpAddr::from(HQ), seed.wrapping_mul(2));
    let mut branch = Node::new(
        "branch",
        IpAddr::from(BRANCH),
        seed.wrapping_mul(2).wrapping_add(1),
    );
    for node in [&mut hq, &mut branch] {
        node.secrets.insert(name("tunnel"), SECRET.to_vec());
    }
    World::new(seed, quality, vec![hq, branch])
}

/// The two gateways, configured, with the tunnel up.
///
/// # Panics
/// If it does not come up within a minute.
#[must_use]
pub fn tunnel(seed: u64) -> World {
    let mut world = two_gateways(seed, Quality::default());
    world.configure(0, End::hq().configuration());
    world.configure(1, End::branch().configuration());
    let up = world.run_until(Duration::from_secs(60), |world| {
        world.nodes.iter().all(|node| node.count("child-up") == 1)
    });
    assert!(
        up,
        "the tunnel did not come up: {:?}",
        world
            .nodes
            .iter()
            .map(|node| &node.events)
            .collect::<Vec<_>>()
    );
    world
}
