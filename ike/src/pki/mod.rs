//! Certificates: paths to the authorities we trust, the names they vouch for, and revocation (RFC 5280, RFC 4945).
#![allow(missing_docs, clippy::todo, unused)]

mod certificate;
mod crl;
mod failure;
mod path_cache;
mod revocation;
mod trust;

pub use certificate::{Certificate, CertificateError};
pub use crl::RevocationList;
pub use failure::CertificateFailure;
pub use path_cache::PathCache;
pub use revocation::{NotRevoked, RevocationCache, RevocationOutcome};
pub use trust::{Presented, TrustStore, TrustedPeer};
