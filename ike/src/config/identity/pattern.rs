//! Whom a policy accepts: an identity, or a pattern that many identities fit.
//!
//! ```text
//!   hq.example.com            that name
//!   *.branches.example.com    every name below it, at any depth
//!   *@example.com             every user of that host
//!   C=DE, O=Example, CN=*     every name with these attributes in this order, whatever the value at the star
//! ```
//!
//! A star never stands for nothing, and never for what is no name itself: a peer whose identity is `*.example.com`, or
//! has an empty label, fits no pattern. A forced kind (`fqdn:*.example.com`) is that identity and no pattern.

use std::fmt;
use std::str::FromStr;

use super::{Identity, IdentityError, MAX_IDENTITY, bounded};
use crate::config::distinguished_name::NamePattern;

/// Whom a policy accepts as the peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IdentityPattern {
    /// Exactly this one, as [`Identity::matches`] compares.
    Exact(Identity),
    /// Every FQDN that ends in this, which begins with a dot.
    NamesBelow(String),
    /// Every e-mail address at this host.
    UsersAt(String),
    /// Every distinguished name with the same parts, those at a star with any value.
    Names(NamePattern),
}

impl IdentityPattern {
    /// Whether the identity fits.
    #[must_use]
    pub fn matches(&self, identity: &Identity) -> bool {
        match (self, identity) {
            (Self::Exact(expected), identity) => expected.matches(identity),
            (Self::NamesBelow(suffix), Identity::Fqdn(name)) => {
                without_suffix(name, suffix).is_some_and(are_labels)
            }
            (Self::UsersAt(host), Identity::Email(address)) => {
                address.rsplit_once('@').is_some_and(|(user, found)| {
                    !user.is_empty()
                        && !user.contains(['@', '*'])
                        && found.eq_ignore_ascii_case(host)
                })
            }
            (Self::Names(pattern), Identity::DistinguishedName(name)) => pattern.matches(name),
            _ => false,
        }
    }

    /// Whether there is an identity that fits both.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(identity), pattern) | (pattern, Self::Exact(identity)) => {
                pattern.matches(identity)
            }
            (Self::NamesBelow(a), Self::NamesBelow(b)) => {
                a.eq_ignore_ascii_case(b)
                    || without_suffix(a, b).is_some()
                    || without_suffix(b, a).is_some()
            }
            (Self::UsersAt(a), Self::UsersAt(b)) => a.eq_ignore_ascii_case(b),
            (Self::Names(a), Self::Names(b)) => a.meets(b),
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

    /// How much is left open: of several patterns that one identity fits, the one with the least comes first. 0: nothing.
    #[must_use]
    pub fn breadth(&self) -> usize {
        match self {
            Self::Exact(_) => 0,
            Self::NamesBelow(suffix) => 1 + MAX_IDENTITY.saturating_sub(suffix.len()),
            Self::UsersAt(_) => 1,
            Self::Names(pattern) => pattern.stars(),
        }
    }
}

/// What stands before `suffix`, if anything does.
fn without_suffix<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(suffix.len()).filter(|at| *at > 0)?;
    let (before, end) = name.split_at_checked(at)?;
    end.eq_ignore_ascii_case(suffix).then_some(before)
}

/// Whether the text is labels of a host name with dots between them.
fn are_labels(text: &str) -> bool {
    text.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    })
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
        bounded(text.as_bytes())?;
        if !text.contains('*') || text == "*" {
            return text.parse().map(Self::Exact);
        }
        let name = text.strip_prefix("dn:").unwrap_or(text);
        match (text.strip_prefix("*@"), text.strip_prefix("*.")) {
            (Some(host), _) if are_labels(host) => return Ok(Self::UsersAt(host.to_owned())),
            (_, Some(rest)) if are_labels(rest) => return Ok(Self::NamesBelow(format!(".{rest}"))),
            (None, None)
                if ["fqdn:", "email:", "keyid:"]
                    .iter()
                    .any(|kind| text.starts_with(kind)) => {}
            (None, None) if name.contains('=') => {
                if let Some(pattern) =
                    NamePattern::from_text(name).map_err(IdentityError::DistinguishedName)?
                {
                    return Ok(Self::Names(pattern));
                }
            }
            _ => return Err(IdentityError::Pattern),
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
            Self::Names(pattern) => pattern.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> IdentityPattern {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn id(text: &str) -> Identity {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_star_stands_for_labels_users_and_values() {
        for (wanted, fit, not) in [
            (
                "*.branches.example.com",
                &["a.branches.example.com", "a.b.Branches.Example.COM"][..],
                &[
                    "branches.example.com",
                    "fqdn:.branches.example.com",
                    "fqdn:a..branches.example.com",
                    "fqdn:*.branches.example.com",
                    "abranches.example.com",
                    "a.branches.example.com.evil.net",
                    "x@a.branches.example.com",
                    "CN=a.branches.example.com",
                ][..],
            ),
            (
                "*@example.com",
                &["alice@example.com", "bob@EXAMPLE.com"],
                &[
                    "alice@sub.example.com",
                    "example.com",
                    "email:a@evil.net@example.com",
                    "email:*@example.com",
                ],
            ),
            (
                "C=DE, O=Example, CN=*",
                &["C=DE, O=Example, CN=hq", "C=de, O=EXAMPLE, CN=*\\.x"],
                &[
                    "C=DE, O=Example",
                    "C=DE, CN=hq, O=Example",
                    "C=DE, O=Example, CN=hq, CN=hq",
                    "C=DE, O=Example, OU=x, CN=hq",
                    "C=DE, O=Example, CN=hq + OU=x",
                    "C=DE, O=Example, OU=hq",
                    "C=FR, O=Example, CN=hq",
                ],
            ),
            (
                "dn:O=A\\*, CN=* + OU=x",
                &["O=A\\*, OU=X + CN=y"],
                &["O=A, CN=y + OU=x", "O=A\\*, OU=x + OU=y"],
            ),
        ] {
            let pattern = pattern(wanted);
            assert_eq!(pattern.exact(), None);
            for text in fit {
                assert!(pattern.matches(&id(text)), "{wanted}: {text}");
            }
            for text in not {
                assert!(!pattern.matches(&id(text)), "{wanted}: {text}");
            }
        }
    }

    #[test]
    fn a_star_never_stands_for_nothing_or_for_control_characters() {
        let wanted = pattern("CN=*");
        let named = |value: &[u8]| {
            let length = |more| u8::try_from(value.len() + more).expect("a short value");
            let head = [0x30, length(11), 0x31, length(9), 0x30, length(7)];
            let der = [&head[..], &[6, 3, 0x55, 4, 3, 0x0c, length(0)], value].concat();
            Identity::DistinguishedName(der)
        };
        assert!(wanted.matches(&named(b"hq")));
        for value in [&b""[..], b"  ", b"a\0b", b"\x1b[2J", b"\xff\xfe"] {
            assert!(!wanted.matches(&named(value)), "{value:?}");
        }
        assert!(!wanted.matches(&Identity::DistinguishedName(b"broken".to_vec())));
        assert!(!pattern("*@example.com").matches(&Identity::Email("@example.com".to_owned())));
        assert!(!pattern("*.x").matches(&Identity::Fqdn("é.x".to_owned())));
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        for text in [
            "hq.example.com",
            "*.branches.example.com",
            "*@example.com",
            "C=DE, O=Example\\, Inc., CN=*",
            "OU=x + CN=*",
            "1.2.840.113549.1.9.99=*",
            "C=DE, CN=\\*",
            "CN=\\*.example.com",
            "fqdn:*.example.com",
            "email:*@example.com",
            "keyid:*",
        ] {
            assert_eq!(pattern(text).to_string(), text);
            assert_eq!(pattern(&pattern(text).to_string()), pattern(text));
        }
        assert!(
            pattern("CN=\\*").matches(&id("CN=\\*")) && !pattern("CN=\\*").matches(&id("CN=x"))
        );
    }

    #[test]
    fn other_stars_are_refused_with_what_to_write() {
        for text in [
            "vpn-*.example.com",
            "a.*.example.com",
            "*.*.example.com",
            "*.",
            "*.@hq",
            "*@",
            "*@a@b",
            "CN=*.example.com",
            "CN=hq*",
            "10.0.0.*",
            "**",
        ] {
            let error = text.parse::<IdentityPattern>().expect_err(text);
            assert!(
                error.suggestion().is_some_and(|text| text.contains("CN=*")),
                "{text}: {error}"
            );
        }
        assert_eq!("*".parse::<IdentityPattern>(), Err(IdentityError::Anybody));
        assert!("XX=*".parse::<IdentityPattern>().is_err());
        assert!("CN=* + CN=*".parse::<IdentityPattern>().is_err());
    }

    #[test]
    fn patterns_that_an_identity_could_share_meet_and_the_narrower_has_less_breadth() {
        for (narrow, broad) in [
            ("a.b.example.com", "*.example.com"),
            ("*.b.example.com", "*.EXAMPLE.com"),
            ("a@b.example", "*@b.example"),
            ("C=DE, CN=hq", "C=DE, CN=*"),
            ("C=DE, CN=*", "C=*, CN=*"),
        ] {
            let (narrow, broad) = (pattern(narrow), pattern(broad));
            assert!(
                narrow.meets(&broad) && broad.meets(&narrow),
                "{narrow} {broad}"
            );
            assert!(narrow.breadth() < broad.breadth(), "{narrow} {broad}");
        }
        for (a, b) in [
            ("*.a.example.com", "*.b.example.com"),
            ("*.example.com", "*.xexample.com"),
            ("*@a", "*@b"),
            ("C=DE, CN=*", "C=FR, CN=*"),
            ("C=DE, CN=*", "CN=*"),
            ("*.a", "*@a"),
        ] {
            assert!(!pattern(a).meets(&pattern(b)), "{a} {b}");
        }
        assert!(pattern("C=DE, CN=*").meets(&pattern("C=*, CN=x")));
    }
}
