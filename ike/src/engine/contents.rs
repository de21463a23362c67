//! The payloads of one message by what they are: order never matters (RFC 7296 section 2.5), and what may be there once
//! is there once.

use crate::wire::numbers::NotifyType;
use crate::wire::payload::Payload;
use crate::wire::{
    Authentication, Cert, CertReq, Delete, Identification, KeyExchange, Nonce, Notify,
    SecurityAssociation, TrafficSelectors,
};

use super::failure::Cause;

/// CERT payloads that one message may hold, and CERTREQ payloads that are looked at (RFC 7296 section 3.6 asks for room for
/// four certificates).
pub(super) const MAX_CERTIFICATES: usize = 12;
/// What all its CERT payloads may hold, in bytes.
const MAX_CERTIFICATE_BYTES: usize = 32 * 1024;

/// What a message holds.
#[derive(Debug, Default)]
pub(super) struct Contents<'a> {
    pub(super) sa: Option<SecurityAssociation>,
    pub(super) ke: Option<KeyExchange<'a>>,
    pub(super) nonce: Option<Nonce<'a>>,
    pub(super) idi: Option<Identification<'a>>,
    pub(super) idr: Option<Identification<'a>>,
    pub(super) auth: Option<Authentication<'a>>,
    /// As many as there is room for.
    pub(super) certs: Vec<Cert<'a>>,
    /// Whether there was more than room for.
    pub(super) too_many_certs: bool,
    pub(super) cert_requests: Vec<CertReq<'a>>,
    pub(super) tsi: Option<TrafficSelectors>,
    pub(super) tsr: Option<TrafficSelectors>,
    pub(super) notifies: Vec<Notify<'a>>,
    pub(super) deletes: Vec<Delete>,
}

impl<'a> Contents<'a> {
    /// Sorts a payload chain.
    ///
    /// # Errors
    /// [`Cause::MissingPayload`] where a payload is there twice that may be there once.
    pub(super) fn sort(payloads: Vec<Payload<'a>>) -> Result<Self, Cause> {
        fn once<T>(place: &mut Option<T>, value: T, payload: &'static str) -> Result<(), Cause> {
            match place.replace(value) {
                None => Ok(()),
                Some(_) => Err(Cause::MissingPayload { payload }),
            }
        }
        let mut contents = Self::default();
        let mut room = MAX_CERTIFICATE_BYTES;
        for payload in payloads {
            match payload {
                Payload::Sa(sa) => once(&mut contents.sa, sa, "SA")?,
                Payload::Ke(ke) => once(&mut contents.ke, ke, "KE")?,
                Payload::Nonce(nonce) => once(&mut contents.nonce, nonce, "Nonce")?,
                Payload::IdI(id) => once(&mut contents.idi, id, "IDi")?,
                Payload::IdR(id) => once(&mut contents.idr, id, "IDr")?,
                Payload::Auth(auth) => once(&mut contents.auth, auth, "AUTH")?,
                Payload::TsI(ts) => once(&mut contents.tsi, ts, "TSi")?,
                Payload::TsR(ts) => once(&mut contents.tsr, ts, "TSr")?,
                Payload::Notify(notify) => contents.notifies.push(notify),
                Payload::Delete(delete) => contents.deletes.push(delete),
                Payload::Cert(cert)
                    if contents.certs.len() < MAX_CERTIFICATES && cert.data.len() <= room =>
                {
                    room -= cert.data.len();
                    contents.certs.push(cert);
                }
                Payload::Cert(_) => contents.too_many_certs = true,
                Payload::CertReq(request) if contents.cert_requests.len() < MAX_CERTIFICATES => {
                    contents.cert_requests.push(request);
                }
                // Configuration, vendor IDs and what we do not know change nothing here.
                _ => {}
            }
        }
        Ok(contents)
    }

    /// The first notify of a kind.
    pub(super) fn notify(&self, kind: NotifyType) -> Option<&Notify<'a>> {
        self.notifies.iter().find(|notify| notify.kind == kind)
    }

    /// Whether there is a notify of a kind.
    pub(super) fn has(&self, kind: NotifyType) -> bool {
        self.notify(kind).is_some()
    }

    /// The first notify that reports an error. An unknown one counts (RFC 7296 section 3.10.1).
    pub(super) fn error(&self) -> Option<NotifyType> {
        self.notifies
            .iter()
            .map(|notify| notify.kind)
            .find(|kind| kind.is_error())
    }
}

/// A payload that must be there.
pub(super) fn required<T>(payload: Option<T>, name: &'static str) -> Result<T, Cause> {
    payload.ok_or(Cause::MissingPayload { payload: name })
}
