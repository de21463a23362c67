//! What demo and tests share: the network, the ear on its wire, and a pair of daemons.

use anyhow::{Context, Result};

use super::netns::Namespace;
use super::peers::{Child, Demand, Gateway, Kind, Policy, Proof, StrongswanSignatures};
use super::sniffer::Sniffer;
use super::topology::{self, Topology};

/// The network and the ear on its wire.
#[derive(Debug)]
pub struct World {
    /// The network.
    pub net: Topology,
    /// Hears every frame that reaches or leaves the internet between the gateways.
    pub wire: Sniffer,
}

impl World {
    /// Makes it.
    pub fn create() -> Result<Self> {
        let net = Topology::create()?;
        let wire = Sniffer::start(&net.internet)?;
        Ok(Self { net, wire })
    }
}

/// A daemon at each gateway.
pub struct Pair<'net> {
    /// Headquarters'.
    pub hq: Box<dyn Gateway + 'net>,
    /// The branch's.
    pub branch: Box<dyn Gateway + 'net>,
    world: &'net World,
}

impl<'net> Pair<'net> {
    /// Starts a daemon of each kind with its policy.
    pub fn start(world: &'net World, hq: (Kind, &Policy), branch: (Kind, &Policy)) -> Result<Self> {
        let (hq, branch) = std::thread::scope(|scope| {
            let hq = scope.spawn(|| {
                hq.0.start(&world.net.hq, hq.1)
                    .context("starting headquarters' daemon")
            });
            let branch = branch
                .0
                .start(&world.net.branch, branch.1)
                .context("starting the branch's daemon");
            (
                hq.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                branch,
            )
        });
        Ok(Self {
            hq: hq?,
            branch: branch?,
            world,
        })
    }

    /// Gives both daemons another policy.
    pub fn load(&self, hq: &Policy, branch: &Policy) -> Result<()> {
        self.hq.load(hq).context("headquarters' policy")?;
        self.branch.load(branch).context("the branch's policy")
    }

    /// Adds both ends' logs and kernel state to an error.
    pub fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            anyhow::anyhow!(
                "{error:#}\n--- hq's log\n{}\n--- branch's log\n{}\n--- hq's kernel\n{}\n--- branch's kernel\n{}",
                self.hq.log(),
                self.branch.log(),
                kernel(&self.world.net.hq),
                kernel(&self.world.net.branch)
            )
        })
    }
}

fn kernel(gateway: &Namespace) -> String {
    let told = |what: Result<String>| what.unwrap_or_else(|error| format!("{error:#}"));
    format!(
        "{}\n{}",
        told(gateway.security_associations()),
        told(gateway.policies())
    )
}

/// The policies of both gateways for the usual tunnel, headquarters' first; whoever uses them changes what it is about.
#[must_use]
pub fn site_to_site() -> (Policy, Policy) {
    let hq = Policy {
        local: topology::HQ.into(),
        remote: topology::BRANCH.into(),
        local_id: "hq.example.com".to_owned(),
        remote_id: "branch.example.com".to_owned(),
        psk: "correct horse battery staple".to_owned(),
        ike: "aes256gcm16-prfsha384-x25519".to_owned(),
        esp: "aes256gcm16-esn".to_owned(),
        children: vec![child("lan", "10.1.0.0/16", "10.2.0.0/16")],
        shunts: Vec::new(),
        quick_liveness: false,
        keylog: None,
        proof: Proof::default(),
        demand: Demand::default(),
        strongswan_signatures: StrongswanSignatures::default(),
    };
    let branch = hq.mirrored();
    (hq, branch)
}

/// A passive Child SA in tunnel mode.
#[must_use]
pub fn child(name: &str, local: &str, remote: &str) -> Child {
    Child {
        name: name.to_owned(),
        local: local.to_owned(),
        remote: remote.to_owned(),
        transport: false,
        keep_up: false,
        on_demand: false,
        idle: None,
        esp: None,
    }
}
