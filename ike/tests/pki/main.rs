//! Certificates, paths, names, constraints and revocation as a peer and an authority make them, well and badly.

mod constraints;
mod crl;
mod foreign;
mod hostile;
mod names;
mod ocsp;
mod path;
mod rules;
mod second_opinion;
mod support;
mod usage;
