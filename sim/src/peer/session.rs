//! An IKE SA as the peer has it: its keys, and messages under them.

use ike::auth::psk::psk_auth;
use ike::auth::signed_octets;
use ike::config::proposal::IkeSuite;
use ike::crypto::protection::{OpeningKey, SealingKey};
use ike::crypto::schedule::{IkeKeys, skeyseed_initial, skeyseed_rekey};
use ike::crypto::{Secret, standard};
use ike::engine::event::IkeSpis;
use ike::wire::numbers::{CertEncoding, ExchangeType, NotifyType, PayloadType};
use ike::wire::{
    Authentication, Flags, Header, Message, Payload, begin_protected, encode_chain, parse_chain,
};

use super::{Chain, notifies};
use crate::SeededRandom;

/// An IKE SA of the peer's with its keys.
pub struct Session {
    /// Its SPIs.
    pub spis: IkeSpis,
    /// Whether the peer began.
    pub initiator: bool,
    /// The suite.
    pub suite: IkeSuite,
    /// The ID of the peer's next request.
    pub next_request: u32,
    /// What the IKE_SA_INIT response held, for tests that look at it.
    pub init_response: Vec<u8>,
    init_request: Vec<u8>,
    ni: Vec<u8>,
    nr: Vec<u8>,
    sk_d: Secret,
    sk_pi: Secret,
    sk_pr: Secret,
    sealing: SealingKey,
    opening: OpeningKey,
}

/// What the node said inside its protection.
#[derive(Debug)]
pub struct Said {
    /// The header.
    pub header: Header,
    /// The payloads.
    pub payloads: Chain,
}

impl Said {
    /// The types of its notifies.
    #[must_use]
    pub fn notifies(&self) -> Vec<NotifyType> {
        notifies(&self.payloads)
    }

    /// Whether there is a payload of this type.
    #[must_use]
    pub fn has(&self, kind: PayloadType) -> bool {
        self.payloads
            .iter()
            .any(|payload| payload.payload_type() == kind)
    }

    /// Its CERT payloads.
    #[must_use]
    pub fn certs(&self) -> Vec<(CertEncoding, Vec<u8>)> {
        let cert = |payload: &Payload<'_>| match payload {
            Payload::Cert(cert) => Some((cert.encoding, cert.data.to_vec())),
            _ => None,
        };
        self.payloads.iter().filter_map(cert).collect()
    }

    /// Its CERTREQ payloads.
    #[must_use]
    pub fn cert_requests(&self) -> Vec<(CertEncoding, Vec<u8>)> {
        let request = |payload: &Payload<'_>| match payload {
            Payload::CertReq(request) => Some((request.encoding, request.data.to_vec())),
            _ => None,
        };
        self.payloads.iter().filter_map(request).collect()
    }

    /// Its AUTH payload.
    #[must_use]
    pub fn auth(&self) -> Option<&Authentication<'static>> {
        self.payloads.iter().find_map(|payload| match payload {
            Payload::Auth(auth) => Some(auth),
            _ => None,
        })
    }

    /// The first ESP SPI in its SA payload.
    #[must_use]
    pub fn esp_spi(&self) -> Option<u32> {
        self.payloads.iter().find_map(|payload| match payload {
            Payload::Sa(sa) => sa.proposals.first()?.spi.as_u32(),
            _ => None,
        })
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("spis", &self.spis)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(
        spis: IkeSpis,
        initiator: bool,
        suite: IkeSuite,
        secret: &Secret,
        (ni, nr): (Vec<u8>, Vec<u8>),
        (init_request, init_response): (Vec<u8>, Vec<u8>),
    ) -> Self {
        let prf = standard().prf(suite.prf).expect("built in");
        let skeyseed = skeyseed_initial(prf, &ni, &nr, secret);
        let first = (init_request, init_response);
        Self::from_seed(spis, initiator, suite, &skeyseed, (ni, nr), first)
    }

    /// The one that replaces this one, begun by the peer or by the node.
    pub(super) fn heir(
        &self,
        spis: IkeSpis,
        initiator: bool,
        suite: IkeSuite,
        secret: &Secret,
        (ni, nr): (Vec<u8>, Vec<u8>),
    ) -> Self {
        let prf = standard().prf(self.suite.prf).expect("built in");
        let skeyseed = skeyseed_rekey(prf, &self.sk_d, secret, &ni, &nr);
        let none = (Vec::new(), Vec::new());
        let mut heir = Self::from_seed(spis, initiator, suite, &skeyseed, (ni, nr), none);
        heir.next_request = 0;
        heir
    }

    fn from_seed(
        spis: IkeSpis,
        initiator: bool,
        suite: IkeSuite,
        skeyseed: &Secret,
        (ni, nr): (Vec<u8>, Vec<u8>),
        (init_request, init_response): (Vec<u8>, Vec<u8>),
    ) -> Self {
        let prf = standard().prf(suite.prf).expect("built in");
        let protection = standard()
            .protection(suite.encryption, suite.key_bits, suite.integrity)
            .expect("built in");
        let (i, r) = (&spis.initiator.0, &spis.responder.0);
        let keys = IkeKeys::derive(prf, protection, skeyseed, &ni, &nr, i, r).expect("keys");
        let mut ends = [(&keys.sk_ei, &keys.sk_ai), (&keys.sk_er, &keys.sk_ar)];
        if !initiator {
            ends.reverse();
        }
        let [(own_e, own_a), (node_e, node_a)] = ends;
        Self {
            spis,
            initiator,
            suite,
            next_request: u32::from(initiator),
            init_response,
            init_request,
            ni,
            nr,
            sealing: SealingKey::new(protection, own_e.as_bytes(), own_a.as_bytes(), 0)
                .expect("keys"),
            opening: OpeningKey::new(protection, node_e.as_bytes(), node_a.as_bytes())
                .expect("keys"),
            sk_d: keys.sk_d,
            sk_pi: keys.sk_pi,
            sk_pr: keys.sk_pr,
        }
    }

    /// What the peer's AUTH covers, with this body of its ID payload.
    #[must_use]
    pub fn octets(&self, id_body: &[u8]) -> Vec<u8> {
        self.octets_of(self.initiator, id_body)
    }

    /// What the node's AUTH covers, with this body of its ID payload.
    #[must_use]
    pub fn node_octets(&self, id_body: &[u8]) -> Vec<u8> {
        self.octets_of(!self.initiator, id_body)
    }

    fn octets_of(&self, initiator: bool, id_body: &[u8]) -> Vec<u8> {
        let prf = standard().prf(self.suite.prf).expect("built in");
        let (message, nonce, sk_p) = if initiator {
            (&self.init_request, &self.nr, &self.sk_pi)
        } else {
            (&self.init_response, &self.ni, &self.sk_pr)
        };
        signed_octets(message, nonce, prf, sk_p.as_bytes(), id_body)
    }

    /// The AUTH data of the peer by a shared secret, with this body of its ID payload.
    #[must_use]
    pub fn auth(&self, secret: &[u8], id_body: &[u8]) -> Vec<u8> {
        self.mac(secret, &self.octets(id_body))
    }

    /// The AUTH data that the node must have sent by a shared secret, with this body of its ID payload.
    #[must_use]
    pub fn node_auth(&self, secret: &[u8], id_body: &[u8]) -> Vec<u8> {
        self.mac(secret, &self.node_octets(id_body))
    }

    fn mac(&self, secret: &[u8], octets: &[u8]) -> Vec<u8> {
        let prf = standard().prf(self.suite.prf).expect("built in");
        psk_auth(prf, secret, &[octets]).as_bytes().to_vec()
    }

    /// A header of this IKE SA from the peer.
    #[must_use]
    pub const fn header(&self, exchange: ExchangeType, message_id: u32, response: bool) -> Header {
        Header {
            initiator_spi: self.spis.initiator,
            responder_spi: self.spis.responder,
            next_payload: PayloadType::NONE,
            major: 2,
            minor: 0,
            exchange,
            flags: Flags {
                initiator: self.initiator,
                version: false,
                response,
                reserved: 0,
            },
            message_id,
            length: 0,
        }
    }

    /// The peer's next request.
    pub fn request(
        &mut self,
        random: &mut SeededRandom,
        exchange: ExchangeType,
        payloads: &[Payload<'_>],
    ) -> Vec<u8> {
        let header = self.header(exchange, self.next_request, false);
        self.next_request += 1;
        self.seal(random, header, payloads)
    }

    /// Protects payloads under any header.
    pub fn seal(
        &mut self,
        random: &mut SeededRandom,
        header: Header,
        payloads: &[Payload<'_>],
    ) -> Vec<u8> {
        let mut chain = Vec::new();
        let first = encode_chain(payloads, &mut chain);
        self.seal_chain(random, &header, first, &chain)
    }

    /// Protects any octets as a payload chain.
    ///
    /// # Panics
    /// When 2^64 messages were sealed.
    pub fn seal_chain(
        &mut self,
        random: &mut SeededRandom,
        header: &Header,
        first: PayloadType,
        chain: &[u8],
    ) -> Vec<u8> {
        let length = self.sealing.protected_body_length(chain.len());
        let prefix = begin_protected(header, None, first, length);
        self.sealing
            .seal_message(random, prefix, chain)
            .expect("there are IVs left")
    }

    /// Opens what the node sent, if it is protected with the keys of this IKE SA.
    #[must_use]
    pub fn open(&self, bytes: &[u8]) -> Option<Said> {
        let message = Message::parse(bytes).ok()?;
        let protected = message.protected?;
        let chain = self
            .opening
            .open_message(protected.associated, protected.body)
            .ok()?;
        let payloads = parse_chain(protected.first_inner, &chain).ok()?;
        Some(Said {
            header: message.header,
            payloads: payloads.into_iter().map(Payload::into_owned).collect(),
        })
    }
}
