//! Authorities that sign what a test needs: certificates good and bad, CRLs, OCSP replies. All of it is `openssl`'s work,
//! so that what ikd reads was not written by the code that ikd reads with.
//!
//! ```text
//!   Authority::root ── intermediate ── issue ──> Credential: key and chain
//!        │                  │
//!        └── crl            └── ocsp_reply
//! ```
//!
//! Everything lies below `/run/lab-credentials`; times are reckoned from the guest's clock.

mod keys;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

pub use keys::Key;

use super::peers::Credential;

const HOME: &str = "/run/lab-credentials";
const DAY: i64 = 24 * 60 * 60;

/// Who signs certificates.
#[derive(Debug)]
pub struct Authority {
    /// Its certificate.
    pub certificate: PathBuf,
    key: PathBuf,
    /// The authorities above it, nearest first, without the root.
    above: Vec<PathBuf>,
    issued: Mutex<Vec<Issued>>,
}

#[derive(Debug)]
struct Issued {
    serial: u32,
    certificate: PathBuf,
    revoked: bool,
}

/// What a certificate says.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Its common name, and its subjectAltName where it is a gateway's.
    pub name: String,
    /// The key's kind.
    pub key: Key,
    /// From when to when it is valid, in days from now.
    pub days: (i64, i64),
    /// keyUsage, as openssl writes it.
    pub usage: &'static str,
    /// More extensions, a line each, as openssl writes them.
    pub extensions: Vec<String>,
}

impl Contents {
    /// A good certificate for the gateway called `name`.
    #[must_use]
    pub fn gateway(name: &str, key: Key) -> Self {
        Self {
            name: name.to_owned(),
            key,
            days: (-1, 30),
            usage: "critical, digitalSignature",
            extensions: vec![
                "basicConstraints = critical, CA:FALSE".to_owned(),
                format!("subjectAltName = DNS:{name}"),
            ],
        }
    }

    /// A good certificate for the authority called `name`.
    #[must_use]
    pub fn authority(name: &str, key: Key) -> Self {
        Self {
            name: name.to_owned(),
            key,
            days: (-2, 60),
            usage: "critical, keyCertSign, cRLSign",
            extensions: vec!["basicConstraints = critical, CA:TRUE".to_owned()],
        }
    }

    /// With another extension, as openssl writes it.
    #[must_use]
    pub fn with(mut self, extension: impl Into<String>) -> Self {
        self.extensions.push(extension.into());
        self
    }

    /// With another keyUsage.
    #[must_use]
    pub fn with_usage(mut self, usage: &'static str) -> Self {
        self.usage = usage;
        self
    }

    /// Valid from one day to another, from now.
    #[must_use]
    pub const fn valid(mut self, from: i64, to: i64) -> Self {
        self.days = (from, to);
        self
    }
}

impl Authority {
    /// An authority that is its own.
    pub fn root(contents: &Contents) -> Result<Self> {
        let key = contents.key.file(&contents.name)?;
        let (_, certificate) = sign(contents, &key, None)?;
        Ok(Self::new(certificate, key, Vec::new()))
    }

    /// An authority below this one.
    pub fn intermediate(&self, contents: &Contents) -> Result<Self> {
        let Credential { key, chain } = self.issue(contents)?;
        let (certificate, above) = chain
            .split_first()
            .context("a chain begins with its certificate")?;
        Ok(Self::new(
            certificate.clone(),
            key,
            [std::slice::from_ref(certificate), above].concat(),
        ))
    }

    fn new(certificate: PathBuf, key: PathBuf, above: Vec<PathBuf>) -> Self {
        Self {
            certificate,
            key,
            above,
            issued: Mutex::default(),
        }
    }

    /// Signs a certificate, and hands it out with its key and the intermediates above it.
    pub fn issue(&self, contents: &Contents) -> Result<Credential> {
        let key = contents.key.file(&contents.name)?;
        let (serial, certificate) = sign(contents, &key, Some(self))?;
        self.issued().push(Issued {
            serial,
            certificate: certificate.clone(),
            revoked: false,
        });
        let chain = [&[certificate], self.above.as_slice()].concat();
        Ok(Credential { key, chain })
    }

    /// Takes a certificate back: the CRLs and OCSP replies that come say so.
    pub fn revoke(&self, certificate: &Path) {
        for issued in self.issued().iter_mut() {
            issued.revoked |= issued.certificate == certificate;
        }
    }

    /// A CRL of today, good for a week.
    pub fn crl(&self) -> Result<PathBuf> {
        let directory = self.database()?;
        let crl = Path::new(HOME).join(format!("{}.crl.pem", serial()));
        let config = directory.join("ca.conf");
        let text = format!(
            "[ca]\ndefault_ca = lab\n[lab]\ndatabase = {0}/index.txt\ncrlnumber = {0}/crlnumber\ndefault_md = sha256\ncrl_extensions = crl\n[crl]\nauthorityKeyIdentifier = keyid\n",
            directory.display()
        );
        std::fs::write(&config, text)?;
        std::fs::write(directory.join("crlnumber"), format!("{:06X}\n", serial()))?;
        let mut openssl = Command::new("openssl");
        openssl
            .args(["ca", "-gencrl", "-crldays", "7", "-config"])
            .arg(&config);
        openssl
            .arg("-keyfile")
            .arg(&self.key)
            .arg("-cert")
            .arg(&self.certificate);
        run(openssl.arg("-out").arg(&crl))?;
        Ok(crl)
    }

    /// The same CRL in DER, as a distribution point hands it out (RFC 5280 section 4.2.1.13).
    pub fn crl_der(&self) -> Result<Vec<u8>> {
        let pem = self.crl()?;
        let der = pem.with_extension("der");
        let mut openssl = Command::new("openssl");
        openssl.args(["crl", "-outform", "DER", "-in"]).arg(&pem);
        run(openssl.arg("-out").arg(&der))?;
        Ok(std::fs::read(der)?)
    }

    /// The answer to an OCSP request, signed by this authority itself, good for a day.
    pub fn ocsp_reply(&self, request: &[u8]) -> Result<Vec<u8>> {
        let directory = self.database()?;
        let (asked, answer) = (directory.join("request.der"), directory.join("reply.der"));
        std::fs::write(&asked, request)?;
        let mut openssl = Command::new("openssl");
        openssl
            .args(["ocsp", "-ndays", "1", "-index"])
            .arg(directory.join("index.txt"));
        for option in ["-CA", "-rsigner"] {
            openssl.arg(option).arg(&self.certificate);
        }
        openssl.arg("-rkey").arg(&self.key);
        run(openssl
            .arg("-reqin")
            .arg(&asked)
            .arg("-respout")
            .arg(&answer))?;
        Ok(std::fs::read(answer)?)
    }

    /// What was issued and revoked, in the words of openssl's own database.
    fn database(&self) -> Result<PathBuf> {
        let directory = self.certificate.with_extension("db");
        std::fs::create_dir_all(&directory)?;
        let mut index = String::new();
        let (long, ago) = (utc_time(60), utc_time(-1));
        for issued in self.issued().iter() {
            let (state, since) = match issued.revoked {
                true => ("R", format!("{ago},keyCompromise")),
                false => ("V", String::new()),
            };
            let _ = writeln!(
                index,
                "{state}\t{long}\t{since}\t{:06X}\tunknown\t/CN=issued",
                issued.serial
            );
        }
        std::fs::write(directory.join("index.txt"), index)?;
        std::fs::write(directory.join("index.txt.attr"), "unique_subject = no\n")?;
        Ok(directory)
    }

    fn issued(&self) -> std::sync::MutexGuard<'_, Vec<Issued>> {
        self.issued
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Signs a certificate by `issuer`, or by its own key. Returns its serial number and file.
fn sign(contents: &Contents, key: &Path, issuer: Option<&Authority>) -> Result<(u32, PathBuf)> {
    std::fs::create_dir_all(HOME)?;
    let serial = serial();
    let certificate = Path::new(HOME).join(format!("{serial}.pem"));
    let config = certificate.with_extension("conf");
    let text = format!(
        "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = extensions\n[name]\nC = DE\nO = Example\nCN = {}\n\
         [extensions]\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\nkeyUsage = {}\n{}\n",
        contents.name,
        contents.usage,
        contents.extensions.join("\n")
    );
    std::fs::write(&config, text)?;
    let (from, to) = contents.days;
    let mut openssl = Command::new("openssl");
    openssl
        .args(["req", "-x509", "-new", "-config"])
        .arg(&config)
        .arg("-key")
        .arg(key);
    if let Some(issuer) = issuer {
        openssl
            .arg("-CA")
            .arg(&issuer.certificate)
            .arg("-CAkey")
            .arg(&issuer.key);
    }
    openssl.args([
        "-not_before",
        &generalized_time(from),
        "-not_after",
        &generalized_time(to),
    ]);
    openssl.args(["-set_serial", &serial.to_string()]);
    run(openssl.arg("-out").arg(&certificate))?;
    Ok((serial, certificate))
}

/// A number that was not given before.
fn serial() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0x0010_0001);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// `YYYYMMDDHHMMSSZ`, some days from now.
fn generalized_time(days: i64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let then = now.as_secs().cast_signed() + days * DAY;
    let (day, second) = (then.div_euclid(DAY), then.rem_euclid(DAY));
    let (year, month, date) = civil(day);
    format!(
        "{year:04}{month:02}{date:02}{:02}{:02}{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The same with two digits for the year, as openssl's database has it.
fn utc_time(days: i64) -> String {
    generalized_time(days)[2..].to_owned()
}

/// Year, month and day of the month of a day, counted from 1 January 1970: every 400 years the Gregorian calendar repeats,
/// and a year that begins in March has its leap day at its end.
const fn civil(day: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    // From 1 March of the year 0.
    let day = day + 719_468;
    let (era, day) = (
        day.div_euclid(DAYS_OF_400_YEARS),
        day.rem_euclid(DAYS_OF_400_YEARS),
    );
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + later, month, date)
}

/// Runs a command that says nothing unless it fails.
fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_818), (2026, 12, 31));
        assert_eq!(civil(20_819), (2027, 1, 1));
    }
}
