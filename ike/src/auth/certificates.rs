//! Which certificates are asked for and shown: CERTREQ and CERT, RFC 7296 sections 3.6 and 3.7, RFC 7670, RFC 4806.
//!
//! ```text
//!   CERTREQ out   4: SHA-1 of our anchors' keys   15: where a public key will do   14: where an OCSP reply is of use
//!   CERT in       4, 15, 7 (CRL), 14 (OCSP) are looked at; what must be downloaded (12, 13) is refused, the rest ignored
//!   CERT out      our chain, end entity first, up to below the first authority that the peer says it has; our bare key
//!                 where there is no chain, or where the peer asks for nothing but keys
//! ```
//!
//! OCSP replies are taken and not given: to a peer that asks for one we show the certificates alone, and it asks the
//! responder that they name.
//!
//! A peer that asks for nothing, or for authorities we do not know, is shown the chain all the same: it costs some bytes,
//! where leaving it out costs the connection with every peer that does not have our certificate in its own files.

use std::collections::BTreeSet;

use crate::config::{OwnCredential, Revocation};
use crate::pki::{Presented, TrustStore};
use crate::wire::numbers::CertEncoding;
use crate::wire::payload::Payload;
use crate::wire::{Cert, CertReq};

/// Authorities that one CERTREQ names at most. With more, it names none: any certificate may come.
pub const MAX_AUTHORITIES: usize = 16;
/// The length of an authority's name in a CERTREQ in bytes: a SHA-1 hash.
const KEY_HASH: usize = 20;

/// What of our credential the peer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The public key alone.
    RawKey,
    /// So many certificates of the chain, from the end entity's on.
    Chain(usize),
}

impl Shown {
    /// Decides by what the peer asks for.
    #[must_use]
    pub fn choose(own: &OwnCredential, asked: &[CertReq<'_>]) -> Self {
        let asks = |encoding| asked.iter().any(|request| request.encoding == encoding);
        let x509 = asks(CertEncoding::X509_SIGNATURE);
        if own.chain.is_empty() || (asks(CertEncoding::RAW_PUBLIC_KEY) && !x509) {
            return Self::RawKey;
        }
        let known = |hash: [u8; KEY_HASH]| {
            asked
                .iter()
                .filter(|request| request.encoding == CertEncoding::X509_SIGNATURE)
                .any(|request| request.data.chunks_exact(KEY_HASH).any(|one| one == hash))
        };
        let above = own.chain.iter().skip(1);
        let missing = above
            .take_while(|certificate| !known(certificate.key_hash()))
            .count();
        Self::Chain(1 + missing)
    }

    /// The CERT payloads, in their order.
    #[must_use]
    pub fn payloads(self, own: &OwnCredential) -> Vec<Payload<'static>> {
        let cert = |encoding, data: &[u8]| {
            Payload::Cert(Cert {
                encoding,
                data: data.to_vec().into(),
            })
        };
        match self {
            Self::RawKey => vec![cert(CertEncoding::RAW_PUBLIC_KEY, own.key.spki())],
            Self::Chain(length) => own
                .chain
                .iter()
                .take(length)
                .map(|certificate| cert(CertEncoding::X509_SIGNATURE, certificate.der()))
                .collect(),
        }
    }
}

/// The CERTREQ payloads that ask for what one of these (whom we believe, and how revocation is checked) can use.
#[must_use]
pub fn requests<'a>(
    of: impl IntoIterator<Item = (&'a TrustStore, Revocation)>,
) -> Vec<Payload<'static>> {
    let (mut x509, mut raw, mut ocsp) = (false, false, false);
    let mut authorities = BTreeSet::new();
    for (trust, revocation) in of {
        let names = trust.certificate_request();
        raw |= trust.wants_raw_keys();
        x509 |= !names.is_empty();
        ocsp |= !names.is_empty() && revocation != Revocation::Off;
        let hashes = names.chunks_exact(KEY_HASH).map(<[u8]>::to_vec);
        authorities.extend(hashes.take(MAX_AUTHORITIES + 1));
    }
    if authorities.len() > MAX_AUTHORITIES {
        authorities.clear();
    }
    let request = |encoding, data: Vec<u8>| {
        Payload::CertReq(CertReq {
            encoding,
            data: data.into(),
        })
    };
    let names = authorities.into_iter().flatten().collect();
    let asked = [
        (x509, CertEncoding::X509_SIGNATURE, names),
        (raw, CertEncoding::RAW_PUBLIC_KEY, Vec::new()),
        (ocsp, CertEncoding::OCSP_CONTENT, Vec::new()),
    ];
    asked
        .into_iter()
        .filter(|(wanted, ..)| *wanted)
        .map(|(_, encoding, data)| request(encoding, data))
        .collect()
}

/// The peer shows nothing but a place to download its certificate from, which we never do for a peer without proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashAndUrl;

/// Sorts what the peer shows.
///
/// # Errors
/// [`HashAndUrl`].
pub fn presented<'a>(certs: &'a [Cert<'_>]) -> Result<Presented<'a>, HashAndUrl> {
    let mut presented = Presented::default();
    let mut elsewhere = false;
    for cert in certs {
        let data: &'a [u8] = &cert.data;
        match cert.encoding {
            CertEncoding::X509_SIGNATURE => presented.certificates.push(data),
            CertEncoding::RAW_PUBLIC_KEY => {
                presented.raw_key.get_or_insert(data);
            }
            CertEncoding::CRL => presented.lists.push(data),
            CertEncoding::OCSP_CONTENT => presented.ocsp.push(data),
            CertEncoding::HASH_URL_X509 | CertEncoding::HASH_URL_BUNDLE => elsewhere = true,
            _ => {}
        }
    }
    if elsewhere && presented.certificates.is_empty() && presented.raw_key.is_none() {
        return Err(HashAndUrl);
    }
    Ok(presented)
}
