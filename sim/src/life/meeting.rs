//! How the two ends of a link find, know and believe each other: addresses and names, identities, secrets and certificates.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use ike::config::{
    Authentication, HostName, Local, PublicCredentials, Remote, Revocation, SignatureDemand, Unique,
};

use crate::certificates::{Authority, TestKey, Wanted};
use crate::setup::{DEMAND, SIGNED};

use super::scenario::{Link, NAMES, Scenario, address};

/// More links than any life has.
const MOST_LINKS: usize = 8;
/// Where the revocation list of the authority is.
const REVOCATION_LIST: &str = "http://pki.example.com/authority.crl";

/// What a link has besides what is protected. The default is what every link has of which nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meeting {
    /// How each end finds the other.
    pub finds: [Finds; 2],
    /// Whether each end knows from which address it speaks.
    pub asks_for_route: [bool; 2],
    /// Whom each end expects.
    pub expects: [Expects; 2],
    /// How both prove who they are.
    pub proof: Proof,
    /// Whether the gateways call themselves otherwise than on their other links.
    pub is_twin: bool,
    /// What becomes of an older IKE SA with the same peer.
    pub unique: [Unique; 2],
    /// Whether a child that was made in IKE_AUTH is rekeyed at once.
    pub verify_rekey: [bool; 2],
}

/// How an end finds the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finds {
    /// By its address.
    #[default]
    Address,
    /// By its name, which is somebody else's at first.
    Name,
    /// It does not: it waits for whoever comes.
    Waits,
}

/// Whom an end expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expects {
    /// The other end.
    #[default]
    Peer,
    /// Whoever has a name below that of the company.
    Colleague,
    /// Anybody who can authenticate.
    Anybody,
}

/// How both ends prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// By a secret that both have.
    #[default]
    Secret,
    /// By certificates of one authority.
    Certificates,
    /// By certificates that say where a revocation list is.
    Revocable(Revocation),
}

impl Scenario {
    /// What a gateway calls itself on a link.
    fn identity(&self, at: usize, gateway: usize) -> String {
        let name = NAMES[gateway];
        match self.links[at].meeting.is_twin {
            true => twin_name(gateway, at),
            false => format!("{name}.example.com"),
        }
    }

    /// One end of a link.
    pub(super) fn local(&self, at: usize, end: usize) -> Local {
        let Link { ends, meeting, .. } = &self.links[at];
        let knows = !meeting.asks_for_route[end];
        Local {
            address: knows.then(|| address(ends[end])),
            id: (self.identity(at, ends[end]).parse()).expect("an identity"),
        }
    }

    /// The other.
    pub(super) fn remote(&self, at: usize, end: usize) -> Remote {
        let Link { ends, meeting, .. } = &self.links[at];
        let far = ends[1 - end];
        let pattern = match meeting.expects[end] {
            Expects::Peer => Some(self.identity(at, far)),
            Expects::Colleague => Some("*.example.com".to_owned()),
            Expects::Anybody => None,
        };
        let finds = meeting.finds[end];
        let host = || HostName::new(&host_name(far)).expect("a good name");
        Remote {
            address: (finds == Finds::Address).then(|| address(far)),
            host: (finds == Finds::Name).then(host),
            id: pattern.map(|pattern| pattern.parse().expect("a pattern")),
        }
    }

    /// How the ends of a link authenticate.
    pub(super) fn authentication(&self, at: usize) -> Authentication {
        match self.links[at].meeting.proof {
            Proof::Secret => Authentication::PRE_SHARED_KEY,
            Proof::Certificates => SIGNED,
            Proof::Revocable(revocation) => {
                let demand = SignatureDemand {
                    revocation,
                    ..DEMAND
                };
                let remote = ike::config::RemoteAuthentication::Signature(demand);
                Authentication { remote, ..SIGNED }
            }
        }
    }

    /// What a gateway shows on a link, and whom it believes.
    pub(super) fn credentials(&self, at: usize, gateway: usize) -> Option<Arc<PublicCredentials>> {
        let revocable = match self.links[at].meeting.proof {
            Proof::Secret => return None,
            Proof::Certificates => false,
            Proof::Revocable(_) => true,
        };
        PKI.credentials.get(&(gateway, revocable)).cloned()
    }
}

/// What a gateway calls itself on a link where it has another identity.
fn twin_name(gateway: usize, link: usize) -> String {
    format!("{}-{link}.example.com", NAMES[gateway])
}

/// What a gateway is called in the DNS.
fn host_name(gateway: usize) -> String {
    format!("{}.example.net", NAMES[gateway])
}

/// The gateway with this name in the DNS.
pub(super) fn gateway_called(name: &str) -> Option<usize> {
    (0..NAMES.len()).find(|gateway| host_name(*gateway) == name)
}

/// An address that nobody has.
pub(super) fn nowhere() -> IpAddr {
    IpAddr::from([203, 0, 113, 99])
}

/// The key of a gateway.
pub(super) const fn key(gateway: usize) -> TestKey {
    TestKey::Ed25519(NAMES[gateway])
}

/// All certificates, made once: they cost more than a life.
struct Pki {
    /// By gateway, and whether the certificate says where a revocation list is.
    credentials: BTreeMap<(usize, bool), Arc<PublicCredentials>>,
    revocation_list: Vec<u8>,
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let authority = Authority::new("authority");
    let credentials = |(gateway, revocable): (usize, bool)| {
        let name = format!("{}.example.com", NAMES[gateway]);
        let twins = (0..MOST_LINKS).map(|link| twin_name(gateway, link));
        let wanted = Wanted {
            names: twins.chain([name.clone()]).collect(),
            crl: revocable.then(|| REVOCATION_LIST.to_owned()),
            ..Wanted::of(&name)
        };
        let made = authority.credentials_for(key(gateway), &wanted);
        ((gateway, revocable), Arc::new(made))
    };
    let all = (0..NAMES.len()).flat_map(|gateway| [(gateway, false), (gateway, true)]);
    Pki {
        credentials: all.map(credentials).collect(),
        revocation_list: authority.revokes(&[1000]),
    }
});

/// What is found on the web.
pub(super) fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let found = (url == REVOCATION_LIST).then(|| PKI.revocation_list.clone());
    found.ok_or_else(|| format!("{url} does not answer"))
}

impl fmt::Display for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nothing = Self::default();
        let mut said = Vec::new();
        if self.finds != nothing.finds {
            said.push(format!(
                "found by {:?} / {:?}",
                self.finds[0], self.finds[1]
            ));
        }
        if self.asks_for_route != nothing.asks_for_route {
            said.push(format!("asks for the route {:?}", self.asks_for_route));
        }
        if self.expects != nothing.expects {
            said.push(format!(
                "expects {:?} / {:?}",
                self.expects[0], self.expects[1]
            ));
        }
        if self.proof != nothing.proof {
            said.push(format!("proof {:?}", self.proof));
        }
        if self.is_twin {
            said.push("other identities".to_owned());
        }
        if self.unique != nothing.unique {
            said.push(format!(
                "unique {:?} / {:?}",
                self.unique[0], self.unique[1]
            ));
        }
        if self.verify_rekey != nothing.verify_rekey {
            said.push(format!("verifies rekeying {:?}", self.verify_rekey));
        }
        f.write_str(&said.join(", "))
    }
}
