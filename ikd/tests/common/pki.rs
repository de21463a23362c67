//! Authorities, certificates and CRLs as the files that an operator has, made for each test.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The time so many days from now; its type is named by rcgen's dependency alone.
macro_rules! day {
    ($days:expr) => {{
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970");
        let days: i32 = $days;
        let distance = DAY * days.unsigned_abs();
        let at = if days < 0 {
            now - distance
        } else {
            now + distance
        };
        date_time_ymd(1970, 1, 1) + Duration::from_secs(at.as_secs())
    }};
}

/// Who issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, in PEM.
    pub(crate) certificate: String,
}

/// What a certificate is to say.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) common_name: String,
    /// A DNS name.
    pub(crate) name: String,
    pub(crate) serial: u64,
    /// The first and the last day, from now on.
    pub(crate) days: (i32, i32),
    /// Where the CRL is.
    pub(crate) crl: Option<String>,
}

impl Wanted {
    pub(crate) fn of(name: &str) -> Self {
        Self {
            common_name: name.to_owned(),
            name: name.to_owned(),
            serial: 7,
            days: (-10, 300),
            crl: None,
        }
    }
}

/// A certificate and its private key, in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// One that signed itself.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name, (-1000, 1000));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// Issues a certificate for a new key.
    pub(crate) fn issue(&self, wanted: &Wanted) -> Pair {
        let mut params = params(&wanted.common_name, wanted.days);
        params.subject_alt_names = vec![SanType::DnsName(
            wanted.name.as_str().try_into().expect("ASCII"),
        )];
        params.serial_number = Some(SerialNumber::from(wanted.serial));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let place = |url: &String| CrlDistributionPoint {
            uris: vec![url.clone()],
        };
        params.crl_distribution_points = wanted.crl.iter().map(place).collect();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// The list of those that it has revoked, in PEM; that of a greater number is newer.
    pub(crate) fn revokes(&self, number: u64, serials: &[u64]) -> String {
        let list = self.list(number, serials);
        list.pem().expect("PEM")
    }

    /// As [`Self::revokes`], in DER.
    pub(crate) fn revokes_der(&self, number: u64, serials: &[u64]) -> Vec<u8> {
        self.list(number, serials).der().to_vec()
    }

    fn list(&self, number: u64, serials: &[u64]) -> rcgen::CertificateRevocationList {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: day!(-2),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: day!(-1),
            next_update: day!(100),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a revocation list")
    }
}

/// An Ed25519 key without a certificate: the private and the public half, in PEM.
pub(crate) fn raw_key() -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    (key.serialize_pem(), key.public_key_pem())
}

fn params(common_name: &str, (first, last): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Example");
    subject.push(DnType::CommonName, common_name);
    params.distinguished_name = subject;
    params.not_before = day!(first);
    params.not_after = day!(last);
    params
}
