use std::time::Duration;

use crate::config::identity::Identity;
use crate::crypto::signature::PublicKey;

/// One X.509 certificate, as received and as read. Immutable.
#[derive(Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
}

/// Why bytes are not a certificate (or CRL) that we take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("not DER")]
    Der,
}

impl Certificate {
    /// One certificate from its DER.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        todo!()
    }
    /// Every certificate of a PEM bundle, or the one of a DER file.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        todo!()
    }
    /// As received.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
    pub fn public_key(&self) -> &PublicKey {
        todo!()
    }
    /// Identity::DistinguishedName
    pub fn subject(&self) -> &Identity {
        todo!()
    }
    /// Identity::DistinguishedName
    pub fn issuer(&self) -> &Identity {
        todo!()
    }
    /// Lower-case hexadecimal.
    pub fn serial(&self) -> String {
        todo!()
    }
    /// Of subjectAltName: dNSName, rfc822Name, iPAddress.
    pub fn names(&self) -> &[Identity] {
        todo!()
    }
    /// Whether the identity is the subject or among the names.
    pub fn vouches_for(&self, identity: &Identity) -> bool {
        todo!()
    }
    /// Since the Unix epoch.
    pub fn not_before(&self) -> Duration {
        todo!()
    }
    /// Since the Unix epoch.
    pub fn not_after(&self) -> Duration {
        todo!()
    }
    pub fn is_authority(&self) -> bool {
        todo!()
    }
    pub fn crl_urls(&self) -> &[String] {
        todo!()
    }
    pub fn ocsp_urls(&self) -> &[String] {
        todo!()
    }
    /// SHA-1 of the SubjectPublicKeyInfo, as CERTREQ wants it.
    pub fn key_hash(&self) -> [u8; 20] {
        todo!()
    }
}
