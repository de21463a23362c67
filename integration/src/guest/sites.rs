//! Two offices as an operator has them: a gateway each, a private network behind it, and a host there.
//!
//! ```text
//!   host-hq ------------ hq =================== branch ------------ host-branch
//!   10.1.0.10     10.1.0.2  192.168.56.11   192.168.56.12  10.2.0.2     10.2.0.10
//! ```
//!
//! The same addresses stand in `packaging/vagrant/provision.sh` and in the Vagrantfile. `.1` is left free in each network:
//! Vagrant's providers like to take it.

use std::net::Ipv4Addr;

/// An office.
#[derive(Debug)]
pub struct Site {
    /// `hq` or `branch`.
    pub name: &'static str,
    /// The gateway's address outside.
    pub outside: Ipv4Addr,
    /// The gateway's address inside.
    pub inside: Ipv4Addr,
    /// The private network.
    pub lan: &'static str,
    /// The host there.
    pub host: Ipv4Addr,
}

/// Headquarters.
pub const HQ: Site = Site {
    name: "hq",
    outside: Ipv4Addr::new(192, 168, 56, 11),
    inside: Ipv4Addr::new(10, 1, 0, 2),
    lan: "10.1.0.0/16",
    host: Ipv4Addr::new(10, 1, 0, 10),
};

/// The branch.
pub const BRANCH: Site = Site {
    name: "branch",
    outside: Ipv4Addr::new(192, 168, 56, 12),
    inside: Ipv4Addr::new(10, 2, 0, 2),
    lan: "10.2.0.0/16",
    host: Ipv4Addr::new(10, 2, 0, 10),
};

impl Site {
    /// The site called `name`, and the other one.
    #[must_use]
    pub fn called(name: &str) -> Option<(&'static Self, &'static Self)> {
        match name {
            "hq" => Some((&HQ, &BRANCH)),
            "branch" => Some((&BRANCH, &HQ)),
            _ => None,
        }
    }

    /// This gateway's policy: a tunnel to `other`, with the secret in it.
    #[must_use]
    pub fn policy(&self, other: &Self, secret: &str) -> String {
        format!(
            "version: 1
connections:
  {other_name}:
    local:  {{ address: {outside}, id: {name}.example.com }}
    remote: {{ address: {other_outside}, id: {other_name}.example.com }}
    auth:   {{ psk: \"{secret}\" }}
    children:
      lan: {{ local: {lan}, remote: {other_lan}, keep: up }}
",
            name = self.name,
            outside = self.outside,
            lan = self.lan,
            other_name = other.name,
            other_outside = other.outside,
            other_lan = other.lan,
        )
    }
}
