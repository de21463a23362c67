use std::time::Duration;

use super::certificate::CertificateError;
use crate::config::identity::Identity;

/// One certificate revocation list, RFC 5280 section 5.
#[derive(Debug)]
pub struct RevocationList {}

impl RevocationList {
    /// One CRL from its DER.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        todo!()
    }
    /// Every CRL of a PEM bundle, or the one of a DER file.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        todo!()
    }
    pub fn issuer(&self) -> &Identity {
        todo!()
    }
    /// Since the Unix epoch.
    pub fn this_update(&self) -> Duration {
        todo!()
    }
    /// Since the Unix epoch.
    pub fn next_update(&self) -> Option<Duration> {
        todo!()
    }
}
