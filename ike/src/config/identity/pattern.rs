//! Whom a policy accepts: an identity, or a pattern that many identities fit.
//!
//! ```text
//!   hq.example.com            that name
//!   *.branches.example.com    every name below it, at any depth
//!   *@example.com             every user of that host
//!   C=DE, O=Example, CN=*     every name with these attributes in this order, whatever the value at the star
//! ```

use std::fmt;
use std::str::FromStr;

use super::{Identity, IdentityError};

/// Whom a policy accepts as the peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IdentityPattern {
    /// Exactly this one, as [`Identity::matches`] compares.
    Exact(Identity),
    /// Every FQDN that ends in this, which begins with a dot.
    NamesBelow(String),
    /// Every e-mail address at this host.
    UsersAt(String),
}

impl IdentityPattern {
    /// Whether the identity fits.
    #[must_use]
    pub fn matches(&self, identity: &Identity) -> bool {
        match (self, identity) {
            (Self::Exact(expected), identity) => expected.matches(identity),
            (Self::NamesBelow(suffix), Identity::Fqdn(name)) => {
                name.len() > suffix.len()
                    && name.is_char_boundary(name.len() - suffix.len())
                    && name[name.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
            }
            (Self::UsersAt(host), Identity::Email(address)) => address
                .rsplit_once('@')
                .is_some_and(|(_, found)| found.eq_ignore_ascii_case(host)),
            _ => false,
        }
    }

    /// The one identity that fits, where it is one.
    #[must_use]
    pub const fn exact(&self) -> Option<&Identity> {
        match self {
            Self::Exact(identity) => Some(identity),
            _ => None,
        }
    }
}

impl From<Identity> for IdentityPattern {
    fn from(identity: Identity) -> Self {
        Self::Exact(identity)
    }
}

impl FromStr for IdentityPattern {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let text = text.trim();
        if let Some(host) = text.strip_prefix("*@") {
            return match format!("x@{host}").parse()? {
                Identity::Email(_) => Ok(Self::UsersAt(host.to_owned())),
                _ => Err(IdentityError::Email),
            };
        }
        if let Some(rest) = text.strip_prefix("*.") {
            return match rest.parse()? {
                Identity::Fqdn(_) => Ok(Self::NamesBelow(format!(".{rest}"))),
                _ => Err(IdentityError::Unknown),
            };
        }
        text.parse().map(Self::Exact)
    }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(identity) => identity.fmt(f),
            Self::NamesBelow(suffix) => write!(f, "*{suffix}"),
            Self::UsersAt(host) => write!(f, "*@{host}"),
        }
    }
}
