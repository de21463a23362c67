//! The files that policies name: read within bounds, once for all connections that name them, and remembered, so that
//! whoever serves them can watch them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ike::crypto::signature::{KeyError, PrivateKey, PublicKey};
use ike::pki::{Certificate, CertificateError, RevocationList};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::Keys;
use crate::report::{Code, Severity, printable};
use crate::source;
use crate::walk::{Bad, Walk};
use crate::yaml::Node;

/// Largest file with certificates or CRLs, in bytes: room for the authorities of a whole system, and for a CRL of
/// some hundred thousand entries.
const MAX_PUBLIC: u64 = 16 << 20;
/// Largest file with a key, in bytes.
const MAX_KEY: u64 = 64 << 10;
/// Longest path that is taken for one.
const MAX_PATH: usize = 4096;
/// Warn this long before a certificate expires.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// What was read so far. Of a file that is wrong it is told once, where it is first named: it stays as `None`.
pub(crate) struct Files {
    /// Whether secrets that others can read are refused.
    pub(crate) check_mode: bool,
    /// Since the Unix epoch.
    pub(crate) now: Duration,
    /// Every file that was read, or should have been.
    pub(crate) named: BTreeSet<PathBuf>,
    /// The private keys.
    pub(crate) keys: Keys,
    certificates: BTreeMap<PathBuf, Option<Arc<[Arc<Certificate>]>>>,
    lists: BTreeMap<PathBuf, Option<Arc<[Arc<RevocationList>]>>>,
    public_keys: BTreeMap<PathBuf, Option<PublicKey>>,
    private_keys: BTreeMap<PathBuf, Option<PublicKey>>,
}

impl Files {
    pub(crate) fn new(check_mode: bool) -> Self {
        Self {
            check_mode,
            now: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            named: BTreeSet::new(),
            keys: Keys::new(),
            certificates: BTreeMap::new(),
            lists: BTreeMap::new(),
            public_keys: BTreeMap::new(),
            private_keys: BTreeMap::new(),
        }
    }
}

/// A value of the language that names a file.
pub(crate) struct Named<'n> {
    pub(crate) node: &'n Node,
    /// Its place among the keys.
    pub(crate) path: String,
    pub(crate) file: PathBuf,
    /// The file as it is shown.
    pub(crate) shown: String,
}

impl Walk<'_> {
    /// A path as it is written, relative to the directory of the policy file.
    pub(crate) fn file_name<'n>(&mut self, node: &'n Node, path: &str) -> Option<Named<'n>> {
        let name = self.scalar(node, path, "the path of a file")?;
        let directory = self.source.path.parent().unwrap_or_else(|| Path::new(""));
        let file = directory.join(name);
        let shown = printable(&file.display().to_string());
        Some(Named {
            node,
            path: path.to_owned(),
            file,
            shown,
        })
    }

    /// The path of a file that holds a key. What looks like the key itself is not repeated to anybody.
    fn key_file_name<'n>(&mut self, node: &'n Node, path: &str) -> Option<Named<'n>> {
        if let crate::yaml::Value::Scalar(text) = &node.value {
            let is_key = ["0x", "0s"].iter().any(|prefix| text.starts_with(prefix))
                || text.contains("-----")
                || text.len() > MAX_PATH
                || text.starts_with("MI") && text.len() > 40;
            if is_key {
                let bad = Bad::new("expected the path of a file, found what looks like a key");
                let bad = bad.suggest("keep the key in a file of mode 0600, and write its path");
                self.tell(Code::WrongKind, Severity::Error, node, path, bad);
                return None;
            }
        }
        self.file_name(node, path)
    }

    pub(crate) fn tell_of(&mut self, named: &Named<'_>, code: Code, severity: Severity, bad: Bad) {
        self.tell(code, severity, named.node, &named.path, bad);
    }

    /// The bytes of a file; a secret one has to be its owner's alone.
    pub(crate) fn read_file(
        &mut self,
        named: &Named<'_>,
        limit: u64,
        secret: bool,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let Named { file, shown, .. } = named;
        self.files.named.insert(file.clone());
        let (message, suggestion) = match source::read_bounded(file, limit) {
            Ok(Some((bytes, mode))) => {
                if secret && self.files.check_mode && mode & 0o077 != 0 {
                    let bad = Bad::new(format!(
                        "others than its owner may use {shown} (mode {mode:04o})"
                    ));
                    let bad = bad.suggest(format!("chmod 0600 {shown}"));
                    self.tell_of(named, Code::ExposedSecret, Severity::Error, bad);
                }
                return Some(bytes);
            }
            Ok(None) => (
                format!("{shown} is larger than {limit} bytes"),
                "is it the right file?".to_owned(),
            ),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => (
                format!("{shown} cannot be read: {}", source::reason(&error)),
                format!(
                    "ikd reads it as the user that it runs as; the package's is root, but without the right to read what is \
                     another's: chown root {shown}"
                ),
            ),
            Err(error) => (
                format!("{shown} cannot be read: {}", source::reason(&error)),
                "the path is relative to the directory of the policy file".to_owned(),
            ),
        };
        let code = if secret {
            Code::UnreadableSecret
        } else {
            Code::UnreadableCredential
        };
        self.tell_of(
            named,
            code,
            Severity::Error,
            Bad::new(message).suggest(suggestion),
        );
        None
    }

    /// Every certificate of a file.
    pub(crate) fn certificates(
        &mut self,
        node: &Node,
        path: &str,
    ) -> Option<Arc<[Arc<Certificate>]>> {
        let named = self.file_name(node, path)?;
        if let Some(known) = self.files.certificates.get(&named.file) {
            return known.clone();
        }
        let found = self.read_public(&named, "a certificate", Certificate::read_all);
        for certificate in found.iter().flat_map(|all| all.iter()) {
            self.warn_of_certificate(&named, certificate);
        }
        self.files.certificates.insert(named.file, found.clone());
        found
    }

    /// Every CRL of a file.
    pub(crate) fn lists(&mut self, node: &Node, path: &str) -> Option<Arc<[Arc<RevocationList>]>> {
        let named = self.file_name(node, path)?;
        if let Some(known) = self.files.lists.get(&named.file) {
            return known.clone();
        }
        let found = self.read_public(&named, "a CRL", RevocationList::read_all);
        let now = self.files.now;
        for list in found.iter().flat_map(|all| all.iter()) {
            if let Some(next) = list.next_update().filter(|next| *next < now) {
                let issuer = printable(&list.issuer().to_string());
                let message = format!(
                    "{}: the CRL of {issuer} should have been renewed by {}",
                    named.shown,
                    date(next)
                );
                let bad = Bad::new(message)
                    .suggest("fetch the new one from the authority: it says nothing any more");
                self.tell_of(&named, Code::CertificateExpiry, Severity::Warning, bad);
            }
        }
        self.files.lists.insert(named.file, found.clone());
        found
    }

    fn read_public<T>(
        &mut self,
        named: &Named<'_>,
        expected: &str,
        read: impl FnOnce(&[u8]) -> Result<Vec<T>, CertificateError>,
    ) -> Option<Arc<[Arc<T>]>> {
        let bytes = self.read_file(named, MAX_PUBLIC, false)?;
        let error = match read(&bytes) {
            Ok(all) if !all.is_empty() => return Some(all.into_iter().map(Arc::new).collect()),
            Ok(_) => format!("{expected} is not in it"),
            Err(error) => error.to_string(),
        };
        let bad = match Contents::of(&bytes) {
            Some(other) if other.name != expected => Bad::new(format!(
                "{} holds {}, where {expected} is expected",
                named.shown, other.name
            ))
            .suggest(other.suggestion),
            _ => Bad::new(format!("{}: {error}", named.shown))
                .suggest(format!("expected {expected} in PEM or DER")),
        };
        self.tell_of(named, Code::BadCertificate, Severity::Error, bad);
        None
    }

    /// A public key that is believed as it is.
    pub(crate) fn public_key(&mut self, node: &Node, path: &str) -> Option<PublicKey> {
        let named = self.file_name(node, path)?;
        if let Some(known) = self.files.public_keys.get(&named.file) {
            return known.clone();
        }
        let found = self.read_public_key(&named);
        self.files.public_keys.insert(named.file, found.clone());
        found
    }

    fn read_public_key(&mut self, named: &Named<'_>) -> Option<PublicKey> {
        let bytes = self.read_file(named, MAX_KEY, false)?;
        let contents = Contents::of(&bytes);
        let der = match &contents {
            None => Ok(bytes.to_vec()),
            Some(_) => SubjectPublicKeyInfoDer::from_pem_slice(&bytes).map(|der| der.to_vec()),
        };
        let bad = match (der.map(|der| PublicKey::from_spki(&der)), contents) {
            (Ok(Ok(key)), _) => return Some(key),
            (Err(_), Some(other)) => Bad::new(format!(
                "{} holds {}, where a public key is expected",
                named.shown, other.name
            ))
            .suggest(other.suggestion),
            (Ok(Err(error)), _) => Bad::new(format!(
                "{} holds no public key that can be used: {error}",
                named.shown
            ))
            .suggest("make one from the peer's key with: openssl pkey -in PEER.key -pubout"),
            (Err(error), None) => Bad::new(format!("{}: {error}", named.shown)),
        };
        self.tell_of(named, Code::BadKey, Severity::Error, bad);
        None
    }

    /// Takes a private key into [`Files::keys`], and gives its public half.
    pub(crate) fn private_key(
        &mut self,
        node: &Node,
        path: &str,
        passphrase: Option<&[u8]>,
    ) -> Option<PublicKey> {
        let named = self.key_file_name(node, path)?;
        if let Some(known) = self.files.private_keys.get(&named.file) {
            return known.clone();
        }
        let found = self.read_private_key(&named, passphrase);
        self.files.private_keys.insert(named.file, found.clone());
        found
    }

    fn read_private_key(
        &mut self,
        named: &Named<'_>,
        passphrase: Option<&[u8]>,
    ) -> Option<PublicKey> {
        let bytes = self.read_file(named, MAX_KEY, true)?;
        let bad = match (PrivateKey::read(&bytes, passphrase), Contents::of(&bytes)) {
            (Ok(key), _) => {
                let public = key.public_key().clone();
                self.files.keys.insert(public.fingerprint(), key);
                return Some(public);
            }
            (Err(error), contents) => {
                Bad::new(format!("{}: {error}", named.shown)).suggest(match (error, contents) {
                    (KeyError::PassphraseMissing, _) => {
                        "add its passphrase: key: { file: NAME.key, passphrase: { file: NAME.pass } }"
                    }
                    (KeyError::PassphraseWrong, _) => {
                        "try it with: openssl pkey -noout -in NAME.key -passin file:NAME.pass"
                    }
                    (_, Some(other)) if other.name != "a private key" => other.suggestion,
                    _ => "expected PKCS#8, PKCS#1 or SEC 1 in PEM or DER, as openssl genpkey writes it",
                })
            }
        };
        self.tell_of(named, Code::BadKey, Severity::Error, bad);
        None
    }

    fn warn_of_certificate(&mut self, named: &Named<'_>, certificate: &Certificate) {
        let now = self.files.now;
        let who = format!("{} ({})", named.shown, subject(certificate));
        let (from, until) = (certificate.not_before(), certificate.not_after());
        // What lives shortly is not told of all its life.
        let soon = SOON.min(until.saturating_sub(from) / 3);
        let (code, message, suggestion) = if until < now {
            (
                Code::CertificateExpiry,
                format!("{who} has expired on {}", date(until)),
                "have it renewed: peers refuse it",
            )
        } else if now < from {
            (
                Code::CertificateTime,
                format!("{who} is not valid before {}", date(from)),
                "peers refuse it until then; is the clock right?",
            )
        } else if until < now + soon {
            (
                Code::CertificateExpiry,
                format!("{who} expires on {}", date(until)),
                "have it renewed in time",
            )
        } else {
            return;
        };
        let bad = Bad::new(message).suggest(suggestion);
        self.tell_of(named, code, Severity::Warning, bad);
    }
}

/// The subject of a certificate, as it is shown.
pub(crate) fn subject(certificate: &Certificate) -> String {
    printable(&certificate.subject().to_string())
}

/// The day of a time since the Unix epoch.
pub(crate) fn date(time: Duration) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(
            || "a day that no calendar has".to_owned(),
            |time| time.strftime("%Y-%m-%d").to_string(),
        )
}

/// What a PEM file holds first.
struct Contents {
    name: &'static str,
    suggestion: &'static str,
}

impl Contents {
    fn of(bytes: &[u8]) -> Option<Self> {
        let (name, suggestion) = match first_label(bytes)? {
            label if label.ends_with("PRIVATE KEY") => ("a private key", "write it as key: FILE"),
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => (
                "a request for a certificate",
                "have the authority sign it, and name what it gives",
            ),
            label if label.ends_with("CERTIFICATE") => (
                "a certificate",
                "write it as certificate: FILE, or ca: FILE",
            ),
            "X509 CRL" => ("a CRL", "write it as crl: FILE"),
            "PUBLIC KEY" => ("a public key", "write it as remote: { public_key: FILE }"),
            _ => return None,
        };
        Some(Self { name, suggestion })
    }
}

fn first_label(bytes: &[u8]) -> Option<&str> {
    let begin = b"-----BEGIN ";
    let start = bytes
        .windows(begin.len())
        .position(|window| window == begin)?
        + begin.len();
    let length = bytes[start..]
        .windows(5)
        .take(64)
        .position(|window| window == b"-----")?;
    std::str::from_utf8(&bytes[start..start + length]).ok()
}
