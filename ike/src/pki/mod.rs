//! Certificates: paths to the authorities we trust, the names they vouch for, and revocation (RFC 5280, RFC 4945).

/// One X.509 certificate.
#[derive(Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
}

impl Certificate {
    /// As received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// Whom we believe.
#[derive(Debug, Default)]
pub struct TrustStore {}
