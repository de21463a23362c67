//! Names in certificates: distinguished names, and the general names of RFC 5280 section 4.2.1.6.

use std::fmt;
use std::net::IpAddr;

use der::asn1::AnyRef;
use der::{Decode, Reader as _};

use super::asn1;
use crate::config::distinguished_name;
use crate::config::identity::{Identity, MAX_IDENTITY};
use crate::wire::numbers::IdType;

/// Most names of one extension: each is compared with each constraint above it.
pub(super) const MAX_NAMES: usize = 512;

/// A distinguished name, as written and in a form in which equal names are equal.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Always a DistinguishedName.
    pub(super) identity: Identity,
    canonical: Vec<Vec<u8>>,
}

impl Name {
    /// From the DER of a Name of at most [`MAX_IDENTITY`] bytes.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let canonical = (der.len() <= MAX_IDENTITY)
            .then(|| distinguished_name::canonical(der).ok())
            .flatten()?;
        Some(Self {
            identity: Identity::DistinguishedName(der.to_vec()),
            canonical,
        })
    }

    /// The name that the identity is, if it is one.
    pub(super) fn of(identity: &Identity) -> Option<Self> {
        match identity {
            Identity::DistinguishedName(der) => Self::parse(der),
            _ => None,
        }
    }

    pub(super) fn der(&self) -> &[u8] {
        match &self.identity {
            Identity::DistinguishedName(der) => der,
            _ => &[],
        }
    }

    /// RFC 5280 section 7.1.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }

    pub(super) fn is_empty(&self) -> bool {
        self.canonical.is_empty()
    }

    /// Whether it begins with all of `base` (RFC 5280 section 4.2.1.10).
    pub(super) fn is_within(&self, base: &Self) -> bool {
        self.canonical.starts_with(&base.canonical)
    }

    /// The emailAddress attributes.
    pub(super) fn email_addresses(&self) -> Vec<String> {
        distinguished_name::email_addresses(self.der())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)
    }
}

/// A GeneralName.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GeneralName {
    /// rfc822Name.
    Email(String),
    /// dNSName.
    Dns(String),
    /// directoryName.
    Directory(Name),
    /// uniformResourceIdentifier.
    Uri(String),
    /// iPAddress: 4 or 16 bytes in a name, twice as many in a constraint.
    Ip(Vec<u8>),
    /// What we have no use for, or what is not what its tag says: the number of its tag.
    Other(u32),
}

impl GeneralName {
    pub(super) fn read(any: AnyRef<'_>) -> asn1::Result<Self> {
        let (number, _) = asn1::choice(&any)?;
        let text = || {
            std::str::from_utf8(any.value())
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))
                .map(str::to_owned)
        };
        let name = match number {
            1 => text().map(Self::Email),
            2 => text().map(Self::Dns),
            4 => Name::parse(any.value()).map(Self::Directory),
            6 => text().map(Self::Uri),
            7 => Some(Self::Ip(any.value().to_vec())),
            _ => None,
        };
        Ok(name.unwrap_or(Self::Other(number)))
    }

    /// GeneralNames, with its header.
    pub(super) fn read_all(der: &[u8]) -> asn1::Result<Vec<Self>> {
        let mut names = Vec::new();
        asn1::each(der, |der| {
            names.push(Self::read(AnyRef::from_der(der)?)?);
            asn1::at_most(MAX_NAMES, &names)
        })?;
        Ok(names)
    }

    /// The contents of a distributionPoint: its full names; `None` for a name relative to the issuer.
    pub(super) fn read_distribution_point(der: &[u8]) -> asn1::Result<Option<Vec<Self>>> {
        asn1::whole(der, |reader| {
            let Some(mut names) = asn1::field(reader, 0, true)? else {
                AnyRef::decode(reader)?;
                return Ok(None);
            };
            let mut all = Vec::new();
            while !names.is_empty() {
                let mut reader = asn1::Reader::new(names)?;
                let der = reader.tlv_bytes()?;
                all.push(Self::read(AnyRef::from_der(der)?)?);
                names = &names[der.len()..];
                asn1::at_most(MAX_NAMES, &all)?;
            }
            Ok(Some(all))
        })
    }

    /// Who it says somebody is in IKE.
    pub(super) fn identity(&self) -> Option<Identity> {
        match self {
            Self::Dns(name) if name.contains('*') => None,
            Self::Dns(name) => Identity::from_wire(IdType::FQDN, name.as_bytes()).ok(),
            Self::Email(address) => {
                Identity::from_wire(IdType::RFC822_ADDR, address.as_bytes()).ok()
            }
            Self::Ip(octets) => {
                let v4 = <[u8; 4]>::try_from(octets.as_slice()).map(IpAddr::from);
                let address =
                    v4.or_else(|_| <[u8; 16]>::try_from(octets.as_slice()).map(IpAddr::from));
                address.ok().map(Identity::from)
            }
            _ => None,
        }
    }
}

impl fmt::Display for GeneralName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(text) | Self::Dns(text) | Self::Uri(text) => f.write_str(text),
            Self::Directory(name) => name.identity.fmt(f),
            Self::Ip(octets) => match octets.len() {
                4 | 16 => match self.identity() {
                    Some(address) => address.fmt(f),
                    None => Ok(()),
                },
                8 | 32 => {
                    let (address, mask) = octets.split_at(octets.len() / 2);
                    let bits: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
                    write!(f, "{}/{bits}", Self::Ip(address.to_vec()))
                }
                length => write!(f, "an address of {length} bytes"),
            },
            Self::Other(number) => write!(f, "a name of the kind [{number}]"),
        }
    }
}
