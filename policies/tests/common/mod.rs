//! Authorities, certificates and keys, made when a test runs: nothing secret is in the repository. And cases of mistakes.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use policies::{Code, Problem, Report};

use pkcs8::der::pem::LineEnding;
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{PrivateKeyInfoRef, SecretDocument};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
    date_time_ymd,
};

/// Seconds of a day.
pub(crate) const DAY: i64 = 24 * 3600;

/// An authority and its key.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One that has signed itself.
    pub(crate) fn root(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(authority(name), key).expect("a certificate"))
    }

    /// One that this one vouches for.
    pub(crate) fn below(&self, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::signed_by(authority(name), key, &self.0).expect("a certificate"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate of its own key, valid for a year from yesterday unless `adjust` says otherwise; and the key.
    pub(crate) fn issue(
        &self,
        name: &str,
        alternatives: &[&str],
        adjust: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let alternatives: Vec<_> = alternatives.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(alternatives).expect("names");
        params.distinguished_name = distinguished_name(name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        valid(&mut params, -DAY, 365 * DAY);
        params.use_authority_key_identifier_extension = true;
        adjust(&mut params);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// A CRL without entries that is to be renewed in so many seconds.
    pub(crate) fn crl(&self, next_update: i64) -> String {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + in_seconds(next_update - 7 * DAY),
            next_update: date_time_ymd(1970, 1, 1) + in_seconds(next_update),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params
            .signed_by(&self.0)
            .and_then(|list| list.pem())
            .expect("a CRL")
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, -DAY, 3650 * DAY);
    params
}

/// `C=DE, O=Example, CN=name`, or nothing at all.
fn distinguished_name(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    if !name.is_empty() {
        all.push(DnType::CountryName, "DE");
        all.push(DnType::OrganizationName, "Example");
        all.push(DnType::CommonName, name);
    }
    all
}

/// Makes a certificate valid from and until so many seconds from now.
pub(crate) fn valid(params: &mut CertificateParams, from: i64, until: i64) {
    params.not_before = date_time_ymd(1970, 1, 1) + in_seconds(from);
    params.not_after = date_time_ymd(1970, 1, 1) + in_seconds(until);
}

/// So many seconds from now, since the Unix epoch.
fn in_seconds(seconds: i64) -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time after 1970");
    Duration::from_secs(
        now.as_secs()
            .checked_add_signed(seconds)
            .expect("a time after 1970"),
    )
}

/// Writes a file: for its owner alone if it is a key or a secret by its name.
pub(crate) fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::write(&path, content).expect("written");
    let is_secret = ["psk", "key", "pass"].iter().any(|end| name.ends_with(end));
    let mode = if is_secret { 0o600 } else { 0o644 };
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the mode is set");
}

/// A private key, in PEM, encrypted as openssl does it.
pub(crate) fn encrypted(key: &str, passphrase: &str) -> String {
    let parameters =
        Parameters::generate_pbkdf2_sha256_aes256cbc(2048, &[1; 8], [2; 16]).expect("parameters");
    let (_, der) = SecretDocument::from_pem(key).expect("a key");
    let key = PrivateKeyInfoRef::try_from(der.as_bytes()).expect("a key");
    let encrypted = key
        .encrypt_with_params(parameters, passphrase)
        .expect("encrypted");
    encrypted
        .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
        .expect("PEM")
        .to_string()
}

/// The public half of a private key, in PEM.
pub(crate) fn public_key(key: &str) -> String {
    KeyPair::from_pem(key).expect("a key").public_key_pem()
}

/// The text with its line `line` replaced, from 1.
pub(crate) fn with_line(text: &str, line: usize, new: &str) -> String {
    let lines = text.lines().enumerate();
    lines
        .map(|(i, old)| format!("{}\n", if i + 1 == line { new } else { old }))
        .collect()
}

/// A case of a table of mistakes (problems.txt says how it is written).
pub(crate) struct Case {
    /// The line that is replaced.
    pub(crate) line: usize,
    /// What stands in its place.
    pub(crate) new: String,
    /// The marked lines: what has to be told.
    told: Vec<String>,
}

impl Case {
    fn marked(&self, mark: &str) -> &str {
        let mut told = self.told.iter();
        told.find_map(|line| line.strip_prefix(mark))
            .unwrap_or_default()
    }
}

pub(crate) fn cases(table: &str) -> impl Iterator<Item = Case> {
    table.split("\n@ ").skip(1).map(|case| {
        let mut lines = case.trim_end().lines().map(str::to_owned);
        let line = lines.next().and_then(|line| line.parse().ok());
        let is_told = |line: &String| ["= ", "~ ", "? "].iter().any(|mark| line.starts_with(mark));
        let (told, new): (Vec<String>, Vec<String>) = lines.partition(is_told);
        Case {
            line: line.expect("a line"),
            new: new.join("\n"),
            told,
        }
    })
}

/// Tries every case of a table: each is a change to `text`, and the problem that `check` has to report. Gives the number of
/// cases.
pub(crate) fn every_case_is_told(table: &str, text: &str, check: impl Fn(&str) -> Report) -> usize {
    let mut count = 0;
    for case in cases(table) {
        let told = case.told.join("\n");
        let mut place = case.marked("= ").splitn(3, ' ');
        let code = place.next().expect("a code");
        let column: usize = place
            .next()
            .and_then(|column| column.parse().ok())
            .expect("a column");
        let path = place.next().unwrap_or_default();
        assert!(
            code == "good" || Code::ALL.iter().any(|known| known.name() == code),
            "{told}"
        );

        let report = check(&with_line(text, case.line, &case.new));
        let fits = |problem: &&Problem| {
            let suggestion = problem.suggestion.as_deref().unwrap_or_default();
            problem.code.name() == code
                && (column == 0 || problem.column == column)
                && (path.is_empty() || problem.path == path)
                && problem.message.contains(case.marked("~ "))
                && suggestion.contains(case.marked("? "))
                && problem.line > 0
        };
        let is_told = match code {
            "good" => report.problems.is_empty(),
            _ => report.problems.iter().any(|problem| fits(&problem)),
        };
        assert!(
            is_told,
            "{}\n{told}\n{report}\n{}",
            case.new,
            report.draw(false)
        );
        count += 1;
    }
    count
}
