//! Name constraints (RFC 5280 section 4.2.1.10): what an authority may give names to.
//!
//! Directory names, DNS names, e-mail and IP addresses are compared. Of any other kind, a name that is constrained at all
//! is refused, for a constraint that nobody enforces is worse than none.

use std::fmt;

use der::asn1::AnyRef;
use der::{Decode, Reader as _};

use super::asn1;
use super::certificate::Certificate;
use super::names::{GeneralName, MAX_NAMES};

/// The extension of an authority.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NameConstraints {
    permitted: Vec<GeneralName>,
    excluded: Vec<GeneralName>,
}

/// How a name breaks a constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) name: String,
    pub(super) rule: String,
}

impl NameConstraints {
    /// The contents of the SEQUENCE. Subtrees with a minimum or a maximum are an error: RFC 5280 has none.
    pub(super) fn read(reader: &mut asn1::Reader<'_>) -> asn1::Result<Self> {
        let permitted = subtrees(asn1::field(reader, 0, true)?)?;
        let excluded = subtrees(asn1::field(reader, 1, true)?)?;
        if permitted.is_empty() && excluded.is_empty() {
            return Err(asn1::value_error(der::Tag::Sequence));
        }
        Ok(Self {
            permitted,
            excluded,
        })
    }

    /// How many comparisons [`Self::check`] makes at most.
    pub(super) fn cost(&self, certificate: &Certificate) -> usize {
        let names = certificate.extensions.alternative_names.as_ref();
        // With the subject, or with what addresses it may hold.
        (self.permitted.len() + self.excluded.len()) * (names.map_or(8, Vec::len) + 1)
    }

    /// Whether every name of the certificate is one that the authority may give.
    pub(super) fn check(&self, certificate: &Certificate) -> Result<(), Violation> {
        let alternatives = certificate.extensions.alternative_names.as_ref();
        let subject = (!certificate.subject.is_empty())
            .then(|| GeneralName::Directory(certificate.subject.clone()));
        let addresses = match alternatives {
            None => certificate.subject.email_addresses(),
            Some(_) => Vec::new(),
        };
        subject
            .into_iter()
            .chain(addresses.into_iter().map(GeneralName::Email))
            .chain(alternatives.into_iter().flatten().cloned())
            .try_for_each(|name| self.check_name(&name))
    }

    fn check_name(&self, name: &GeneralName) -> Result<(), Violation> {
        let violation = |rule: String| Violation {
            name: name.to_string(),
            rule,
        };
        let mut permitted = self
            .permitted
            .iter()
            .filter(|base| kind(base) == kind(name))
            .peekable();
        let mut excluded = self
            .excluded
            .iter()
            .filter(|base| kind(base) == kind(name))
            .peekable();
        let constrained = permitted.peek().is_some() || excluded.peek().is_some();
        if constrained && !is_understood(name) {
            return Err(violation(
                "names of this kind are constrained in a way that is not understood".into(),
            ));
        }
        if let Some(base) = excluded.find(|base| excludes(base, name)) {
            return Err(violation(format!("{} is excluded", Subtree(base))));
        }
        if permitted.peek().is_none() {
            return Ok(());
        }
        let bases: Vec<_> = permitted.collect();
        if bases.iter().any(|base| within(name, base)) {
            return Ok(());
        }
        let allowed: Vec<_> = bases
            .iter()
            .take(4)
            .map(|base| Subtree(base).to_string())
            .collect();
        Err(violation(format!(
            "only {} is permitted",
            allowed.join(", ")
        )))
    }
}

/// GeneralSubtrees, without its header.
fn subtrees(der: Option<&[u8]>) -> asn1::Result<Vec<GeneralName>> {
    let mut names = Vec::new();
    let mut rest = der.unwrap_or_default();
    while !rest.is_empty() {
        let subtree = asn1::Reader::new(rest)?.tlv_bytes()?;
        rest = &rest[subtree.len()..];
        let base = asn1::sequence(subtree, AnyRef::decode)?;
        names.push(match GeneralName::read(base)? {
            GeneralName::Ip(octets) if !is_network(&octets) => GeneralName::Other(7),
            base => base,
        });
        asn1::at_most(MAX_NAMES, &names)?;
    }
    Ok(names)
}

/// The tag of the CHOICE: names are constrained only by subtrees of their own kind.
fn kind(name: &GeneralName) -> u32 {
    match name {
        GeneralName::Email(_) => 1,
        GeneralName::Dns(_) => 2,
        GeneralName::Directory(_) => 4,
        GeneralName::Uri(_) => 6,
        GeneralName::Ip(_) => 7,
        GeneralName::Other(number) => *number,
    }
}

/// Whether it can be compared: of an address without a user or with a dot at its end, nobody knows whose it is.
fn is_understood(name: &GeneralName) -> bool {
    match name {
        GeneralName::Uri(_) | GeneralName::Other(_) => false,
        GeneralName::Email(address) => address.rsplit_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !host.ends_with('.')
        }),
        GeneralName::Dns(_) | GeneralName::Directory(_) | GeneralName::Ip(_) => true,
    }
}

/// Whether these are an address and a mask without holes.
fn is_network(octets: &[u8]) -> bool {
    let (_, mask) = octets.split_at(octets.len() / 2);
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let bits = mask
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte << bit & 0x80 != 0));
    matches!(octets.len(), 8 | 32) && bits.take_while(|bit| *bit).count() == ones as usize
}

/// Whether the name is in the subtree. False for a subtree of our kind that cannot be read.
fn within(name: &GeneralName, base: &GeneralName) -> bool {
    match (name, base) {
        // A dot that the base begins with leaves out the domain itself.
        (GeneralName::Dns(name), GeneralName::Dns(base)) => {
            dns_within(name, base)
                && (!base.starts_with('.') || name.trim_end_matches('.').len() >= base.len())
        }
        (GeneralName::Email(address), GeneralName::Email(base)) => email_within(address, base),
        (GeneralName::Directory(name), GeneralName::Directory(base)) => name.is_within(base),
        (GeneralName::Ip(address), GeneralName::Ip(base)) => ip_within(address, base),
        _ => false,
    }
}

/// Whether the subtree has the name, or may have it: a subtree that cannot be read excludes everything of its kind, and so
/// does one that has a name for which a star of `name` may stand.
fn excludes(base: &GeneralName, name: &GeneralName) -> bool {
    match (name, base) {
        (GeneralName::Dns(star), GeneralName::Dns(base)) if star.starts_with("*.") => {
            dns_within(star, base) || dns_within(base, &star[2..])
        }
        (GeneralName::Ip(address), GeneralName::Ip(base)) => {
            ip_within(address, base) || v4(address).is_some_and(|v4| ip_within(v4, base))
        }
        (GeneralName::Dns(name), GeneralName::Dns(base)) => dns_within(name, base),
        (_, GeneralName::Other(_)) => true,
        _ => within(name, base),
    }
}

/// The name itself, or labels before it. A dot that the base begins with is passed over.
fn dns_within(name: &str, base: &str) -> bool {
    let base = base.strip_prefix('.').unwrap_or(base);
    let (name, base) = (name.trim_end_matches('.'), base.trim_end_matches('.'));
    base.is_empty() || ends_with_label(name, base)
}

fn ends_with_label(name: &str, base: &str) -> bool {
    let Some(at) = name.len().checked_sub(base.len()) else {
        return false;
    };
    // An address of a subject may be in any alphabet, so that not every index is a border of characters.
    let (name, base) = (name.as_bytes(), base.as_bytes());
    name[at..].eq_ignore_ascii_case(base) && (at == 0 || name[at - 1] == b'.')
}

/// A mailbox (`user@host`), a host, or with a dot in front every host below.
fn email_within(address: &str, base: &str) -> bool {
    let Some((user, host)) = address.rsplit_once('@') else {
        return false;
    };
    match base.rsplit_once('@') {
        Some((base_user, base_host)) => user == base_user && host.eq_ignore_ascii_case(base_host),
        None => match base.strip_prefix('.') {
            Some(domain) => host.len() > domain.len() && ends_with_label(host, domain),
            None => base.is_empty() || host.eq_ignore_ascii_case(base),
        },
    }
}

/// Whether it is an address of the network, and so of its family.
fn ip_within(address: &[u8], base: &[u8]) -> bool {
    if !matches!(address.len(), 4 | 16) || base.len() != 2 * address.len() {
        return false;
    }
    let (network, mask) = base.split_at(address.len());
    let same = |((address, network), mask): ((&u8, &u8), &u8)| address & mask == network & mask;
    address.iter().zip(network).zip(mask).all(same)
}

/// The IPv4 address that an IPv6 address stands for (RFC 4291 section 2.5.5.2).
fn v4(address: &[u8]) -> Option<&[u8]> {
    address.strip_prefix(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])
}

struct Subtree<'a>(&'a GeneralName);

impl fmt::Display for Subtree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            GeneralName::Dns(base) if base.is_empty() => f.write_str("every DNS name"),
            GeneralName::Email(base) if base.is_empty() => f.write_str("every e-mail address"),
            GeneralName::Directory(name) if name.is_empty() => {
                f.write_str("every distinguished name")
            }
            base => base.fmt(f),
        }
    }
}
