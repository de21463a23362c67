//! Authorities, certificates and revocation lists for tests, the same ones in every run.
//!
//! Ed25519 keys come from a name, the others from `sim/keys/`. Times are days before or after the wall clock of a world.

use std::ops::{Add, Sub};
use std::sync::Arc;
use std::time::Duration;

use ike::config::{OwnCredential, PublicCredentials};
use ike::crypto::signature::PrivateKey;
use ike::pki::{Certificate, RevocationList, TrustStore};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

use crate::ocsp;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A key pair of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestKey {
    /// Ed25519, from a name.
    Ed25519(&'static str),
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521, which signs no certificates.
    P521,
}

impl TestKey {
    /// As the owner of a key has it.
    ///
    /// # Panics
    /// If the key were damaged.
    #[must_use]
    pub fn private(self) -> PrivateKey {
        PrivateKey::read(&self.pkcs8(), None).expect("a key of the tests")
    }

    fn pair(self) -> KeyPair {
        let bytes = self.pkcs8();
        let pair = match self {
            Self::Ed25519(_) => KeyPair::try_from(&bytes[..]),
            _ => KeyPair::from_pem(std::str::from_utf8(&bytes).expect("PEM is text")),
        };
        pair.expect("a key of the tests")
    }

    fn pkcs8(self) -> Vec<u8> {
        let pem: &[u8] = match self {
            Self::Ed25519(name) => return ed25519(name),
            Self::Rsa2048 => include_bytes!("../keys/rsa2048.pem"),
            Self::Rsa3072 => include_bytes!("../keys/rsa3072.pem"),
            Self::P256 => include_bytes!("../keys/p256.pem"),
            Self::P384 => include_bytes!("../keys/p384.pem"),
            Self::P521 => include_bytes!("../keys/p521.pem"),
        };
        pem.to_vec()
    }
}

/// PKCS#8 of a key whose 32 octets are the name, again and again.
fn ed25519(name: &str) -> Vec<u8> {
    const PREFIX: [u8; 16] = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    let seed = name.bytes().cycle().take(32);
    PREFIX.into_iter().chain(seed).collect()
}

/// Who issues certificates.
pub struct Authority {
    certificate: Arc<Certificate>,
    issuer: Issuer<'static, KeyPair>,
    key: TestKey,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Authority").field(&self.certificate).finish()
    }
}

/// What a certificate is to say. The names are DNS names, addresses and e-mail addresses.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The common name of the subject `O=Example, CN=...`.
    pub common_name: String,
    /// Alternative names.
    pub names: Vec<String>,
    /// The serial number.
    pub serial: u64,
    /// The first and the last day, from today on.
    pub days: (i32, i32),
    /// Where the CRL is.
    pub crl: Option<String>,
    /// Where the OCSP responder is.
    pub ocsp: Option<String>,
    /// Whether it may sign IKE.
    pub signs: bool,
    /// extendedKeyUsage; empty: for everything.
    pub purposes: Vec<ExtendedKeyUsagePurpose>,
}

impl Wanted {
    /// For this name, as common name and as alternative name, valid for a year around today.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self {
            common_name: name.to_owned(),
            names: vec![name.to_owned()],
            serial: 7,
            days: (-100, 265),
            crl: None,
            ocsp: None,
            signs: true,
            purposes: Vec::new(),
        }
    }
}

impl Authority {
    /// An authority that signed itself.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self::with_key(name, TestKey::Ed25519(name))
    }

    /// An authority that signed itself, with this key.
    ///
    /// # Panics
    /// If the certificate cannot be made.
    #[must_use]
    pub fn with_key(name: &str, key: TestKey) -> Self {
        let params = authority(name);
        let made = params.self_signed(&key.pair()).expect("a certificate");
        Self {
            certificate: parse(made.der()),
            issuer: Issuer::new(params, key.pair()),
            key,
        }
    }

    /// An authority below this one.
    ///
    /// # Panics
    /// If the certificate cannot be made.
    #[must_use]
    pub fn subordinate(&self, name: &'static str) -> Self {
        let params = authority(name);
        let key = TestKey::Ed25519(name);
        let made = params
            .signed_by(&key.pair(), &self.issuer)
            .expect("a certificate");
        Self {
            certificate: parse(made.der()),
            issuer: Issuer::new(params, key.pair()),
            key,
        }
    }

    /// Its own certificate.
    #[must_use]
    pub fn certificate(&self) -> Arc<Certificate> {
        self.certificate.clone()
    }

    /// Its own key.
    #[must_use]
    pub fn key(&self) -> PrivateKey {
        self.key.private()
    }

    /// Issues a certificate.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn issue(&self, key: TestKey, wanted: &Wanted) -> Arc<Certificate> {
        let mut params = params(&wanted.common_name, wanted.days);
        params.subject_alt_names = wanted.names.iter().map(|name| alternative(name)).collect();
        params.serial_number = Some(SerialNumber::from(wanted.serial));
        params.key_usages = vec![if wanted.signs {
            KeyUsagePurpose::DigitalSignature
        } else {
            KeyUsagePurpose::KeyAgreement
        }];
        params.extended_key_usages.clone_from(&wanted.purposes);
        params.use_authority_key_identifier_extension = true;
        let place = |url: &String| CrlDistributionPoint {
            uris: vec![url.clone()],
        };
        params.crl_distribution_points = wanted.crl.iter().map(place).collect();
        let access = |url: &String| {
            let contents = ocsp::authority_info_access(url);
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], contents)
        };
        params.custom_extensions = wanted.ocsp.iter().map(access).collect();
        let made = params.signed_by(&key.pair(), &self.issuer);
        parse(made.expect("a certificate").der())
    }

    /// A revocation list of today, as DER, that is good for a week and names these serial numbers.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn revokes(&self, serials: &[u64]) -> Vec<u8> {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: day(date_time_ymd(2026, 9, 21), -2),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: day(date_time_ymd(2026, 9, 21), -1),
            next_update: day(date_time_ymd(2026, 9, 21), 6),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("a revocation list");
        list.der().to_vec()
    }

    /// Believes this authority, and nobody else.
    #[must_use]
    pub fn trusted(&self) -> TrustStore {
        TrustStore::new(vec![self.certificate()], Vec::new(), Vec::new(), Vec::new())
    }

    /// Believes this authority, and has its revocation list as a file.
    ///
    /// # Panics
    /// If the list cannot be read.
    #[must_use]
    pub fn trusted_but_for(&self, serials: &[u64]) -> TrustStore {
        let list = RevocationList::parse(&self.revokes(serials)).expect("a revocation list");
        let lists = vec![Arc::new(list)];
        TrustStore::new(vec![self.certificate()], Vec::new(), lists, Vec::new())
    }

    /// Signs with this key and a certificate of this authority for the name, and believes this authority.
    #[must_use]
    pub fn credentials(&self, key: TestKey, name: &str) -> PublicCredentials {
        self.credentials_for(key, &Wanted::of(name))
    }

    /// Signs with this key and such a certificate of this authority, and believes this authority.
    #[must_use]
    pub fn credentials_for(&self, key: TestKey, wanted: &Wanted) -> PublicCredentials {
        PublicCredentials {
            own: Some(own(key, vec![self.issue(key, wanted)])),
            trust: self.trusted(),
        }
    }
}

/// This key, and what is shown for it.
#[must_use]
pub fn own(key: TestKey, chain: Vec<Arc<Certificate>>) -> OwnCredential {
    OwnCredential {
        key: key.private().public_key().clone(),
        chain,
    }
}

/// Believes these keys as they are.
#[must_use]
pub fn believed(keys: &[TestKey]) -> TrustStore {
    let keys = keys.iter().map(|key| key.private().public_key().clone());
    TrustStore::new(Vec::new(), Vec::new(), Vec::new(), keys.collect())
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(name, (-1000, 1000));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn params(common_name: &str, (first, last): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Example");
    subject.push(DnType::CommonName, common_name);
    params.distinguished_name = subject;
    params.not_before = day(date_time_ymd(2026, 9, 21), first);
    params.not_after = day(date_time_ymd(2026, 9, 21), last);
    params
}

fn alternative(name: &str) -> SanType {
    let text = || name.try_into().expect("ASCII");
    if let Ok(address) = name.parse() {
        SanType::IpAddress(address)
    } else if name.contains('@') {
        SanType::Rfc822Name(text())
    } else {
        SanType::DnsName(text())
    }
}

/// A day before or after the one of [`crate::node::WALL`], which is `today`.
fn day<T>(today: T, day: i32) -> T
where
    T: Add<Duration, Output = T> + Sub<Duration, Output = T>,
{
    let distance = DAY * day.unsigned_abs();
    if day < 0 {
        today - distance
    } else {
        today + distance
    }
}

fn parse(der: &[u8]) -> Arc<Certificate> {
    Arc::new(Certificate::parse(der).expect("a certificate"))
}
