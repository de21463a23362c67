//! What authorities and peers make that mean harm: certificates, CRLs and OCSP replies that are well signed and still to be
//! refused, names that slip past constraints, searches that cost much, and random damage.

mod constraints;
mod cost;
mod damage;
mod forms;
mod paths;
mod status;
#[path = "../pki/support.rs"]
#[allow(dead_code)]
mod support;
