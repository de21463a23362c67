//! Certificates: paths to the authorities we trust, the names they vouch for, and revocation (RFC 5280, RFC 4945).
//!
//! No input or output: bytes and the time (since the Unix epoch) come as arguments.
//!
//! ```text
//!   CERT payloads --TrustStore::verify--> TrustedPeer --check_revocation--> NotRevoked
//!      names.rs, path.rs, rules.rs,          |    ^
//!      constraints.rs, path_cache.rs         v    | crl.rs, ocsp.rs, revocation.rs
//!                                     questions   answers (RevocationCache)
//! ```
//!
//! The parser is ours, on the crate `der`: it is strict, reads signed bytes where they stand, and serves certificates, CRLs
//! and OCSP alike.

mod asn1;
mod certificate;
mod constraints;
mod crl;
mod failure;
mod names;
mod ocsp;
mod path;
mod path_cache;
mod revocation;
mod revocation_cache;
mod rules;
mod signature;
mod trust;

pub use certificate::{Certificate, CertificateError, MAX_CERTIFICATE};
pub use crl::{MAX_LIST, RevocationList};
pub use failure::{CertificateFailure, CertificateName, UntrustedFault, UsageFault};
pub use path_cache::PathCache;
pub use revocation::{NotRevoked, RevocationOutcome};
pub use revocation_cache::RevocationCache;
pub use trust::{MAX_PRESENTED, Presented, TrustStore, TrustedPeer};
