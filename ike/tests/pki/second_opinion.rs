//! What we read in a certificate, the crate x509-parser reads there too: the two share no code.
//!
//! Whole certificates only: in damaged ones it takes more than DER, and cuts a name short at a tag that it does not know.

use std::time::Duration;

use ike::config::identity::Identity;
use ike::pki::Certificate;
use ike::wire::numbers::IdType;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::support::{Draft, HOST, Signer};

/// What both say of one certificate.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    serial: Vec<u8>,
    not_before: Duration,
    not_after: Duration,
    key: Vec<u8>,
    authority: bool,
    names: Vec<Vec<u8>>,
}

fn ours(certificate: &Certificate) -> Read {
    let digits = certificate.serial();
    let serial = (0..digits.len()).step_by(2);
    Read {
        subject: certificate.subject().to_octets(),
        issuer: certificate.issuer().to_octets(),
        serial: serial
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal"))
            .collect(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        key: certificate.public_key().spki().to_vec(),
        authority: certificate.is_authority(),
        names: certificate
            .names()
            .iter()
            .map(Identity::to_octets)
            .collect(),
    }
}

/// `None` where it cannot be read, or where it says something that only an older version of X.509 has.
fn theirs(der: &[u8]) -> Option<Read> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    let since_epoch = |time: i64| Duration::from_secs(u64::try_from(time).unwrap_or(0));
    let names = match certificate.subject_alternative_name() {
        Ok(Some(extension)) => extension
            .value
            .general_names
            .iter()
            .filter_map(name)
            .collect(),
        Ok(None) => Vec::new(),
        Err(_) => return None,
    };
    rest.is_empty().then(|| Read {
        subject: certificate.subject().as_raw().to_vec(),
        issuer: certificate.issuer().as_raw().to_vec(),
        serial: certificate.raw_serial().to_vec(),
        not_before: since_epoch(certificate.validity().not_before.timestamp()),
        not_after: since_epoch(certificate.validity().not_after.timestamp()),
        key: certificate.public_key().raw.to_vec(),
        authority: certificate.is_ca(),
        names,
    })
}

/// The names that IKE has identities for: printable, addresses of the right length, and no star, for it stands for no gateway.
fn name(name: &GeneralName<'_>) -> Option<Vec<u8>> {
    let (kind, octets) = match name {
        GeneralName::DNSName(name) if !name.contains('*') => (IdType::FQDN, name.as_bytes()),
        GeneralName::RFC822Name(name) => (IdType::RFC822_ADDR, name.as_bytes()),
        GeneralName::IPAddress(address) if address.len() == 4 => (IdType::IPV4_ADDR, *address),
        GeneralName::IPAddress(address) => (IdType::IPV6_ADDR, *address),
        _ => return None,
    };
    let identity = Identity::from_wire(kind, octets).ok();
    identity.map(|identity| identity.to_octets())
}

fn samples() -> Vec<Vec<u8>> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/pki");
    let files = std::fs::read_dir(directory).expect("the vectors");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let mut all: Vec<Vec<u8>> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "der"))
        .map(|path| std::fs::read(path).expect("a vector"))
        .collect();
    let (root, host) = (Signer::of("root"), Signer::of(HOST));
    let named = Draft::empty().names(&[
        "dns:other.example.com",
        "email:a@example.com",
        "ip:c0000201",
    ]);
    all.push(named.issue(&host, &root));
    all.push(Draft::authority().issue(&root, &root));
    all
}

#[test]
fn what_we_read_in_a_certificate_others_read_there_too() {
    let mut compared = 0;
    for der in samples() {
        if let Ok(certificate) = Certificate::parse(&der) {
            assert_eq!(Some(ours(&certificate)), theirs(&der), "{certificate:?}");
            compared += 1;
        }
    }
    assert!(
        compared >= 20,
        "only {compared} of the samples are certificates that we take"
    );
}
