//! Who an end of a connection is: the contents of IDi and IDr (RFC 7296 section 3.5), as an operator writes them.
//!
//! One type for both sources. From a policy file it comes through [`FromStr`], which guesses the kind as people expect
//! and lets a prefix force it; from a peer it comes through [`Identity::from_wire`], which takes nothing that is not
//! what its type says. Either way the text it prints can be written into a policy file, and holds no control byte.

mod pattern;

pub use pattern::IdentityPattern;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::distinguished_name as dn;
use crate::wire::numbers::IdType;

/// Longest identity that is taken, from a file or from a peer, in bytes.
pub const MAX_IDENTITY: usize = 1024;

/// Who an end of a connection claims, or must prove, to be.
///
/// `==` compares what would be sent; [`matches`](Self::matches) compares as the RFCs want it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// ID_IPV4_ADDR.
    Ipv4(Ipv4Addr),
    /// ID_IPV6_ADDR.
    Ipv6(Ipv6Addr),
    /// ID_FQDN: printable ASCII without white space.
    Fqdn(String),
    /// ID_RFC822_ADDR: `user@host` without white space or control characters.
    Email(String),
    /// ID_KEY_ID: bytes that mean something to the two ends only.
    KeyId(Vec<u8>),
    /// ID_DER_ASN1_DN: the DER of an X.501 Name.
    DistinguishedName(Vec<u8>),
}

/// Why a text or a payload is not an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Nothing was given.
    #[error("the identity is empty")]
    Empty,
    /// Longer than [`MAX_IDENTITY`].
    #[error("the identity has {0} bytes, more than the {MAX_IDENTITY} that are taken")]
    TooLong(usize),
    /// An address of the wrong length.
    #[error("an {kind} identity has {expected} bytes, not {found}")]
    AddressLength {
        /// The type that was announced.
        kind: IdType,
        /// Bytes such an identity has.
        expected: usize,
        /// Bytes it had.
        found: usize,
    },
    /// Not UTF-8, or characters that such an identity does not have.
    #[error("an {0} identity holds bytes that are not allowed in one")]
    NotText(IdType),
    /// An e-mail address without a user or a host.
    #[error("an e-mail identity has the form user@host")]
    Email,
    /// A Name that is not DER, or a text that is not a name.
    #[error("not a distinguished name: {0}")]
    DistinguishedName(dn::NameError),
    /// A type that cannot be compared with anything here.
    #[error("identities of type {0} are not understood")]
    UnsupportedType(IdType),
    /// Digits, dots and colons that make no address.
    #[error("looks like an address, but is none")]
    Address,
    /// An address of the other family than the prefix says.
    #[error("not an address of the family that the prefix names")]
    Family,
    /// Not a name, an address, an e-mail address or a distinguished name.
    #[error("neither a name, an address, user@host nor a distinguished name")]
    Unknown,
    /// `%any` and the like.
    #[error("not an identity: it would stand for anybody")]
    Anybody,
    /// A star that does not stand for a whole first label, a user or a value of a distinguished name.
    #[error("not a pattern: a star stands for whole labels before a name, a user or a value")]
    Pattern,
    /// `keyid:0x...` with something that is not pairs of hexadecimal digits.
    #[error("keyid:0x must be followed by pairs of hexadecimal digits")]
    Hexadecimal,
}

impl IdentityError {
    /// What to write instead, where that can be said.
    #[must_use]
    pub fn suggestion(&self) -> Option<&'static str> {
        Some(match self {
            Self::Address => "correct the address, or force a name with fqdn:",
            Self::Family => "write the address without a prefix",
            Self::Unknown => {
                "use a name (hq.example.com), an address, user@host, or \"C=..., CN=...\"; keyid: takes any text"
            }
            Self::Anybody => {
                "write any as the id of the remote side to accept anybody who can authenticate"
            }
            Self::Pattern | Self::DistinguishedName(dn::NameError::Star) => {
                "write *.example.com, *@example.com or \"C=DE, O=Example, CN=*\"; \\* is a star itself"
            }
            Self::NotText(IdType::FQDN) => {
                "names are ASCII: write an international name in its xn-- form"
            }
            Self::Email => "force another kind with fqdn: or keyid:",
            Self::DistinguishedName(_) => "write it as in \"C=DE, O=Example, CN=hq.example.com\"",
            _ => return None,
        })
    }
}

impl Identity {
    /// The identity's type on the wire.
    #[must_use]
    pub fn id_type(&self) -> IdType {
        match self {
            Self::Ipv4(_) => IdType::IPV4_ADDR,
            Self::Ipv6(_) => IdType::IPV6_ADDR,
            Self::Fqdn(_) => IdType::FQDN,
            Self::Email(_) => IdType::RFC822_ADDR,
            Self::KeyId(_) => IdType::KEY_ID,
            Self::DistinguishedName(_) => IdType::DER_ASN1_DN,
        }
    }

    /// The Identification Data of the payload.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        match self {
            Self::Ipv4(address) => address.octets().to_vec(),
            Self::Ipv6(address) => address.octets().to_vec(),
            Self::Fqdn(text) | Self::Email(text) => text.as_bytes().to_vec(),
            Self::KeyId(bytes) | Self::DistinguishedName(bytes) => bytes.clone(),
        }
    }

    /// Takes what a peer sent as its identity.
    ///
    /// # Errors
    /// Where the data is not what the type says, is longer than [`MAX_IDENTITY`], or the type is not understood.
    pub fn from_wire(kind: IdType, data: &[u8]) -> Result<Self, IdentityError> {
        let length = |expected| IdentityError::AddressLength {
            kind,
            expected,
            found: data.len(),
        };
        match kind {
            IdType::IPV4_ADDR => <[u8; 4]>::try_from(data)
                .map(|octets| Self::Ipv4(octets.into()))
                .map_err(|_| length(4)),
            IdType::IPV6_ADDR => <[u8; 16]>::try_from(data)
                .map(|octets| Self::Ipv6(octets.into()))
                .map_err(|_| length(16)),
            IdType::FQDN => bounded(data).and_then(|data| fqdn(utf8(kind, data)?)),
            IdType::RFC822_ADDR => bounded(data).and_then(|data| email(utf8(kind, data)?)),
            IdType::KEY_ID => bounded(data).map(|data| Self::KeyId(data.to_vec())),
            IdType::DER_ASN1_DN => {
                let data = bounded(data)?;
                dn::parse(data).map_err(IdentityError::DistinguishedName)?;
                Ok(Self::DistinguishedName(data.to_vec()))
            }
            other => Err(IdentityError::UnsupportedType(other)),
        }
    }

    /// Whether both mean the same: names and the host of an e-mail address are compared without case (RFC 4343,
    /// RFC 5321 section 2.4), distinguished names by RFC 5280 section 7.1, everything else byte for byte.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fqdn(a), Self::Fqdn(b)) => a.eq_ignore_ascii_case(b),
            (Self::Email(a), Self::Email(b)) => match (a.rsplit_once('@'), b.rsplit_once('@')) {
                (Some((user_a, host_a)), Some((user_b, host_b))) => {
                    user_a == user_b && host_a.eq_ignore_ascii_case(host_b)
                }
                _ => a == b,
            },
            (Self::DistinguishedName(a), Self::DistinguishedName(b)) => a == b || dn::same(a, b),
            _ => self == other,
        }
    }
}

impl From<IpAddr> for Identity {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let text = text.trim();
        bounded(text.as_bytes())?;
        if let Some((prefix, rest)) = text.split_once(':') {
            match prefix {
                "fqdn" => return bounded(rest.as_bytes()).and_then(|_| fqdn(rest)),
                "email" => return bounded(rest.as_bytes()).and_then(|_| email(rest)),
                "keyid" => return key_id(rest),
                "dn" => return distinguished_name(rest),
                "ipv4" => {
                    return rest
                        .parse()
                        .map(Self::Ipv4)
                        .map_err(|_| IdentityError::Family);
                }
                "ipv6" => {
                    return rest
                        .parse()
                        .map(Self::Ipv6)
                        .map_err(|_| IdentityError::Family);
                }
                _ => {}
            }
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        match text.strip_prefix('@') {
            Some(name) => bounded(name.as_bytes()).and_then(|_| fqdn(name)),
            None if text.starts_with('%') || text == "*" => Err(IdentityError::Anybody),
            None if text.contains('=') => distinguished_name(text),
            None if text.contains('@') => email(text),
            None if text
                .bytes()
                .all(|b| b.is_ascii_digit() || b".:/".contains(&b)) =>
            {
                Err(IdentityError::Address)
            }
            None if !text.is_ascii() => Err(IdentityError::NotText(IdType::FQDN)),
            None if text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) =>
            {
                fqdn(text)
            }
            None => Err(IdentityError::Unknown),
        }
    }
}

/// As a policy file would have it. Whatever a peer sent, no control byte and nothing that could steer a terminal.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => write!(f, "{address}"),
            Self::Ipv6(address) => write!(f, "{address}"),
            Self::Fqdn(text) => with_prefix_where_needed(f, self, "fqdn:", text),
            Self::Email(text) => with_prefix_where_needed(f, self, "email:", text),
            Self::KeyId(bytes) => match std::str::from_utf8(bytes) {
                Ok(text)
                    if !text.starts_with("0x") && text.bytes().all(|b| b.is_ascii_graphic()) =>
                {
                    write!(f, "keyid:{text}")
                }
                _ => {
                    f.write_str("keyid:0x")?;
                    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
                }
            },
            Self::DistinguishedName(der) => match dn::parse(der) {
                Ok(name) => write!(f, "{name}"),
                Err(_) => {
                    f.write_str("dn:0x")?;
                    der.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
                }
            },
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({self})", self.id_type())
    }
}

/// The bare text where it would be read back as the same identity, else with the prefix that forces it.
fn with_prefix_where_needed(
    f: &mut fmt::Formatter<'_>,
    whole: &Identity,
    prefix: &str,
    text: &str,
) -> fmt::Result {
    let read_back = text.parse::<IdentityPattern>();
    if read_back.ok().as_ref().and_then(IdentityPattern::exact) != Some(whole) {
        f.write_str(prefix)?;
    }
    write_printable(f, text)
}

/// Writes the text with everything escaped that is not a printable character.
pub(super) fn write_printable(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write as _;
    for c in text.chars() {
        // escape_debug also escapes quotes and the backslash, which are harmless here and would not be read back.
        if matches!(c, '"' | '\'' | '\\') {
            f.write_char(c)?
        } else {
            write!(f, "{}", c.escape_debug())?
        }
    }
    Ok(())
}

fn bounded(data: &[u8]) -> Result<&[u8], IdentityError> {
    match data.len() {
        0 => Err(IdentityError::Empty),
        1..=MAX_IDENTITY => Ok(data),
        length => Err(IdentityError::TooLong(length)),
    }
}

fn utf8(kind: IdType, data: &[u8]) -> Result<&str, IdentityError> {
    std::str::from_utf8(data).map_err(|_| IdentityError::NotText(kind))
}

fn fqdn(text: &str) -> Result<Identity, IdentityError> {
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Identity::Fqdn(text.to_owned()))
    } else {
        Err(IdentityError::NotText(IdType::FQDN))
    }
}

fn email(text: &str) -> Result<Identity, IdentityError> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(IdentityError::NotText(IdType::RFC822_ADDR));
    }
    match text.rsplit_once('@') {
        Some((user, host)) if !user.is_empty() && !host.is_empty() => {
            Ok(Identity::Email(text.to_owned()))
        }
        _ => Err(IdentityError::Email),
    }
}

fn key_id(text: &str) -> Result<Identity, IdentityError> {
    let bytes = match text.strip_prefix("0x") {
        Some(digits) => from_hexadecimal(digits).ok_or(IdentityError::Hexadecimal)?,
        None => text.as_bytes().to_vec(),
    };
    bounded(&bytes)?;
    Ok(Identity::KeyId(bytes))
}

fn distinguished_name(text: &str) -> Result<Identity, IdentityError> {
    let der = dn::encode(text).map_err(IdentityError::DistinguishedName)?;
    bounded(&der)?;
    Ok(Identity::DistinguishedName(der))
}

/// Pairs of hexadecimal digits as bytes.
pub(super) fn from_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    digits
        .chunks_exact(2)
        .map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Identity {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn text_becomes_the_kind_that_people_expect() {
        assert_eq!(id("192.0.2.1").id_type(), IdType::IPV4_ADDR);
        assert_eq!(id("2001:db8::1").id_type(), IdType::IPV6_ADDR);
        assert_eq!(
            id("hq.example.com"),
            Identity::Fqdn("hq.example.com".into())
        );
        assert_eq!(id("@hq"), Identity::Fqdn("hq".into()));
        assert_eq!(id("alice@example.com").id_type(), IdType::RFC822_ADDR);
        assert_eq!(id("C=DE, CN=hq").id_type(), IdType::DER_ASN1_DN);
        assert_eq!(id("fqdn:192.0.2.1"), Identity::Fqdn("192.0.2.1".into()));
        assert_eq!(id("keyid:0x00ff"), Identity::KeyId(vec![0, 255]));
        assert_eq!(id("keyid:box 7"), Identity::KeyId(b"box 7".to_vec()));
        assert_eq!(id("ipv4:192.0.2.1"), id("192.0.2.1"));
        assert_eq!(id("email:a@b"), id("a@b"));
        assert_eq!(id("dn:CN=x"), id("CN=x"));
    }

    #[test]
    fn what_is_no_identity_is_refused_with_its_reason() {
        for (text, error) in [
            ("", IdentityError::Empty),
            ("192.0.2.300", IdentityError::Address),
            ("10.0.0.0/8", IdentityError::Address),
            ("%any", IdentityError::Anybody),
            ("a@", IdentityError::Email),
            ("ipv4:::1", IdentityError::Family),
            ("keyid:0xabc", IdentityError::Hexadecimal),
            ("keyid:", IdentityError::Empty),
            ("two words", IdentityError::Unknown),
            ("bücher.example", IdentityError::NotText(IdType::FQDN)),
        ] {
            assert_eq!(text.parse::<Identity>(), Err(error), "{text}");
        }
        assert_eq!(
            "x".repeat(1025).parse::<Identity>(),
            Err(IdentityError::TooLong(1025))
        );
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        for text in [
            "192.0.2.1",
            "2001:db8::1",
            "hq.example.com",
            "fqdn:192.0.2.1",
            "fqdn:a=b",
            "fqdn:keyid:x",
            "a@b.example",
            "keyid:box7",
            "keyid:0x00ff",
            "keyid:0x3078",
            "C=DE, O=Example\\, Inc., CN=hq",
        ] {
            assert_eq!(id(text).to_string(), text);
        }
    }

    #[test]
    fn names_match_without_case_and_users_with_it() {
        assert!(id("HQ.example.COM").matches(&id("hq.example.com")));
        assert!(id("alice@EXAMPLE.com").matches(&id("alice@example.com")));
        assert!(!id("Alice@example.com").matches(&id("alice@example.com")));
        assert!(id("C=DE, CN=HQ  one").matches(&id("C=de, CN=hq one")));
        assert!(!id("C=DE, CN=hq").matches(&id("CN=hq, C=DE")));
        assert!(!id("keyid:a").matches(&id("keyid:A")));
        assert!(!id("fqdn:192.0.2.1").matches(&id("192.0.2.1")));
    }

    #[test]
    fn hostile_identities_are_refused_or_printed_harmlessly() {
        let mut contents: Vec<Vec<u8>> = vec![
            vec![],
            vec![0],
            vec![b'a'; 255],
            vec![b'a'; 65_000],
            vec![0xff; 255],
            b"a\0b".to_vec(),
            b"a@b\0".to_vec(),
            b"\x1b[2J\x1b]0;x\x07".to_vec(),
            b"a@\x1b[31mb".to_vec(),
            "a@\u{202e}b".into(),
            b"a\r\nb".to_vec(),
            vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            vec![0x30, 0x80],
            vec![0x30, 0x00],
        ];
        contents.extend((0..=255).map(|byte| vec![byte]));
        for data in &contents {
            for kind in 0..=255 {
                if let Ok(identity) = Identity::from_wire(IdType(kind), data) {
                    assert_eq!(&identity.to_octets(), data);
                    let text = identity.to_string();
                    assert!(
                        !text.chars().any(|c| c.is_control() || c == '\u{202e}'),
                        "{text:?}"
                    );
                    assert!(text.len() <= 16 + 6 * MAX_IDENTITY);
                    assert!(data.len() <= MAX_IDENTITY);
                }
            }
        }
        let refused =
            |kind, data: &[u8]| Identity::from_wire(kind, data).expect_err("must be refused");
        assert_eq!(
            refused(IdType::FQDN, b"a\0b"),
            IdentityError::NotText(IdType::FQDN)
        );
        assert_eq!(
            refused(IdType::FQDN, &[b'a'; 65_000]),
            IdentityError::TooLong(65_000)
        );
        assert_eq!(
            refused(IdType::DER_ASN1_GN, b"x").to_string(),
            "identities of type DER_ASN1_GN are not understood"
        );
        assert_eq!(
            refused(IdType::IPV4_ADDR, b"x").to_string(),
            "an IPV4_ADDR identity has 4 bytes, not 1"
        );
    }

    #[test]
    fn identities_built_by_hand_print_no_control_byte_either() {
        assert_eq!(
            Identity::Fqdn("a\x1b\n".into()).to_string(),
            "fqdn:a\\u{1b}\\n"
        );
        assert_eq!(
            Identity::DistinguishedName(vec![0x1b]).to_string(),
            "dn:0x1b"
        );
    }
}
