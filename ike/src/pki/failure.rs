use std::fmt;

/// Why a peer's certificate or key was not believed. (More variants come; match on `code()`, not on variants.)
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFailure {
    /// The peer sent no certificate, and we know no key of it.
    Missing,
}

impl CertificateFailure {
    /// Stable: certificate-missing, certificate-malformed, certificate-name, certificate-untrusted, certificate-expired,
    /// certificate-not-yet-valid, certificate-key-usage, certificate-constraints, certificate-weak, certificate-revoked,
    /// revocation-unknown, key-untrusted.
    pub fn code(&self) -> &'static str {
        todo!()
    }
    /// What a person or a program wants to know beyond the sentence, as key and value.
    pub fn details(&self) -> Vec<(&'static str, String)> {
        todo!()
    }
    /// What to change.
    pub fn suggestion(&self) -> String {
        todo!()
    }
}

impl fmt::Display for CertificateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
