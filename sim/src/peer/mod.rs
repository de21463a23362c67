//! A peer that follows a script instead of the RFC: it negotiates as far as a test wants and then says anything, with the
//! right keys.
//!
//! ```text
//!   begin() --IKE_SA_INIT--> Session (keys) --IKE_AUTH, any payloads--> established --any exchange, any payloads-->
//!   answer_init() <--IKE_SA_INIT-- the node begins; then open() what it sends and respond() with anything
//! ```
//!
//! It is built from the wire format and the cryptography of `ike` and shares nothing with the engine: what the engine
//! gets wrong, the peer does not get wrong alike. It talks to a node directly, beside the network, at the world's time.

mod exchanges;
mod payloads;
mod session;

use std::net::{IpAddr, SocketAddr};

use ike::auth::signature::hash_algorithms;
use ike::config::Strength;
use ike::config::identity::Identity;
use ike::config::proposal::{
    EspProposal, IkeProposal, choose_ike, ike_to_wire, verify_accepted_ike,
};
use ike::config::selector::Selector;
use ike::crypto::signature::PrivateKey;
use ike::crypto::{EphemeralKey, Random, standard};
use ike::engine::event::IkeSpis;
use ike::engine::io::{Path, Transmit};
use ike::wire::numbers::{CertEncoding, ExchangeType, NotifyType, PayloadType};
use ike::wire::{Flags, Header, IkeSpi, KeyExchange, Message, Nonce, Payload, SpiBytes};

use crate::setup::{End, SECRET};
use crate::{SeededRandom, World};

pub use payloads::{delete_esp, delete_ike, id_payload, notifies, notify, plain, sa_of, selectors};
pub use session::{Said, Session};

/// A payload chain that belongs to nobody else.
pub type Chain = Vec<Payload<'static>>;

/// The peer, and what it offers.
pub struct ScriptedPeer {
    /// Where it is, and where the node is, seen from the peer.
    pub path: Path,
    /// Who it says it is.
    pub id: Identity,
    /// Whom it asks for.
    pub peer_id: Option<Identity>,
    /// Its pre-shared key.
    pub secret: Vec<u8>,
    /// By what it proves itself instead of the pre-shared key.
    pub credential: Option<PeerCredential>,
    /// The data of its SIGNATURE_HASH_ALGORITHMS, where it sends one.
    pub hashes: Option<Vec<u8>>,
    /// What it offers or allows for IKE.
    pub ike: Vec<IkeProposal>,
    /// What it offers or allows for ESP.
    pub esp: Vec<EspProposal>,
    /// What it protects on its side.
    pub local: Vec<Selector>,
    /// What it wants protected on the node's side.
    pub remote: Vec<Selector>,
    /// Where its randomness comes from.
    pub random: SeededRandom,
    /// The node it talks to.
    pub node: usize,
    key: Option<Box<dyn EphemeralKey>>,
    nonce: Vec<u8>,
    spi: IkeSpi,
}

/// A key that the peer signs with, and what it shows for it.
#[derive(Debug)]
pub struct PeerCredential {
    /// The key.
    pub key: PrivateKey,
    /// CERT payloads, in their order.
    pub certs: Vec<(CertEncoding, Vec<u8>)>,
}

impl std::fmt::Debug for ScriptedPeer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedPeer")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl ScriptedPeer {
    /// A peer in the place of an end of the tunnel, that talks to the node with the address of the other end.
    ///
    /// # Panics
    /// Where a text of the test does not parse.
    #[must_use]
    pub fn new(world: &World, end: &End, seed: u64) -> Self {
        let address = |octets: [u8; 4]| SocketAddr::new(IpAddr::from(octets), 500);
        let node = world
            .nodes
            .iter()
            .position(|node| node.address == IpAddr::from(end.remote))
            .expect("the other end is a node");
        let side = |which: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
            end.children
                .iter()
                .take(1)
                .map(|child| which(child).parse().expect("a selector"))
                .collect()
        };
        let mut random = SeededRandom::new(seed ^ 0x5c21_97ed);
        let mut nonce = vec![0; 32];
        random.fill(&mut nonce);
        let mut spi = [0; 8];
        random.fill(&mut spi);
        Self {
            path: Path {
                local: address(end.local),
                remote: address(end.remote),
            },
            id: end.local_id.parse().expect("an identity"),
            peer_id: Some(end.remote_id.parse().expect("an identity")),
            secret: SECRET.to_vec(),
            credential: None,
            hashes: None,
            ike: vec![
                end.ike
                    .unwrap_or("aes256gcm16-prfsha256-x25519")
                    .parse()
                    .expect("a proposal"),
            ],
            esp: vec![
                end.esp
                    .unwrap_or("aes256gcm16")
                    .parse()
                    .expect("a proposal"),
            ],
            local: side(|child| child.1),
            remote: side(|child| child.2),
            random,
            node,
            key: None,
            nonce,
            spi: IkeSpi(spi),
        }
    }

    /// In the place of the branch, for a headquarters.
    #[must_use]
    pub fn branch(world: &World, seed: u64) -> Self {
        Self::new(world, &End::branch(), seed)
    }

    /// In the place of the headquarters, for a branch.
    #[must_use]
    pub fn hq(world: &World, seed: u64) -> Self {
        Self::new(world, &End::hq(), seed)
    }

    /// Proves itself with this key from now on, and shows these certificates.
    pub fn sign_with(&mut self, key: PrivateKey, certificates: &[&[u8]]) {
        let x509 = |der: &&[u8]| (CertEncoding::X509_SIGNATURE, der.to_vec());
        let certs = certificates.iter().map(x509).collect();
        self.credential = Some(PeerCredential { key, certs });
        self.hashes = Some(hash_algorithms(Strength::Default));
    }

    /// Its SIGNATURE_HASH_ALGORITHMS, where it sends one.
    fn announcement(&self) -> Option<Payload<'static>> {
        let hashes = self.hashes.as_ref()?;
        Some(notify(NotifyType::SIGNATURE_HASH_ALGORITHMS, hashes))
    }

    /// A new SPI, nonce and key for the next IKE SA.
    pub fn renew(&mut self) {
        let mut spi = [0; 8];
        self.random.fill(&mut spi);
        self.spi = IkeSpi(spi);
        let mut nonce = vec![0; 32];
        self.random.fill(&mut nonce);
        self.nonce = nonce;
        self.key = None;
    }

    /// Gives the node a datagram from this peer; what it sends to the peer at once.
    pub fn send(&self, world: &mut World, bytes: &[u8]) -> Vec<Vec<u8>> {
        let path = Path {
            local: self.path.remote,
            remote: self.path.local,
        };
        let now = world.now;
        let transmits = world.nodes[self.node].datagram(now, path, bytes);
        self.for_us(&transmits)
    }

    /// What of these is for this peer.
    #[must_use]
    pub fn for_us(&self, transmits: &[Transmit]) -> Vec<Vec<u8>> {
        transmits
            .iter()
            .filter(|transmit| transmit.path.remote == self.path.local)
            .map(|transmit| transmit.bytes.clone())
            .collect()
    }

    /// What the node has sent to this peer since it had sent `since` datagrams.
    #[must_use]
    pub fn heard(&self, world: &World, since: usize) -> Vec<Vec<u8>> {
        self.for_us(&world.nodes[self.node].sent[since..])
    }

    /// The header of the peer's IKE_SA_INIT request.
    #[must_use]
    pub fn init_header(&self) -> Header {
        Header {
            initiator_spi: self.spi,
            responder_spi: IkeSpi::ZERO,
            next_payload: PayloadType::NONE,
            major: 2,
            minor: 0,
            exchange: ExchangeType::IKE_SA_INIT,
            flags: Flags {
                initiator: true,
                ..Flags::default()
            },
            message_id: 0,
            length: 0,
        }
    }

    /// SA, KE and Nonce of the peer's IKE_SA_INIT request.
    ///
    /// # Panics
    /// Where the method is not built in.
    pub fn init_payloads(&mut self) -> Chain {
        let method = self.ike[0].key_exchange_methods().next().expect("a method");
        let algorithm = standard().key_exchange(method).expect("built in");
        if self.key.is_none() {
            self.key = Some(algorithm.generate(&mut self.random).expect("a key"));
        }
        let public = self.key.as_ref().map(|key| key.public_value().to_vec());
        let mut payloads = vec![
            Payload::Sa(ike_to_wire(&self.ike, SpiBytes::EMPTY)),
            Payload::Ke(KeyExchange {
                method,
                data: public.expect("just made").into(),
            }),
            Payload::Nonce(Nonce {
                data: self.nonce.clone().into(),
            }),
        ];
        payloads.extend(self.announcement());
        payloads
    }

    /// The peer's IKE_SA_INIT request as it should be.
    pub fn init_request(&mut self) -> Vec<u8> {
        let payloads = self.init_payloads();
        self.init_with(payloads)
    }

    /// The peer's IKE_SA_INIT request with any payloads.
    #[must_use]
    pub fn init_with(&self, payloads: Chain) -> Vec<u8> {
        plain(self.init_header(), payloads)
    }

    /// IKE_SA_INIT as it should be.
    ///
    /// # Panics
    /// If the node does not answer with an IKE SA.
    pub fn begin(&mut self, world: &mut World) -> Session {
        let request = self.init_request();
        let answers = self.send(world, &request);
        let [response] = &answers[..] else {
            panic!("IKE_SA_INIT got {} answers", answers.len())
        };
        self.keys(request, response.clone())
            .expect("an IKE_SA_INIT response")
    }

    /// The keys of an IKE SA whose IKE_SA_INIT the peer began.
    ///
    /// # Panics
    /// Where the node accepted what was not offered.
    pub fn keys(&mut self, request: Vec<u8>, response: Vec<u8>) -> Option<Session> {
        let message = Message::parse(&response).ok()?;
        let (mut sa, mut ke, mut nonce) = (None, None, None);
        for payload in &message.payloads {
            match payload {
                Payload::Sa(payload) => sa = Some(payload.clone()),
                Payload::Ke(payload) => ke = Some(payload.data.to_vec()),
                Payload::Nonce(payload) => nonce = Some(payload.data.to_vec()),
                _ => {}
            }
        }
        let suite = verify_accepted_ike(&self.ike, &sa?)
            .expect("one of ours")
            .suite;
        let secret = self.key.take()?.agree(&ke?).expect("a good public value");
        let spis = IkeSpis {
            initiator: self.spi,
            responder: message.header.responder_spi,
        };
        let nonces = (self.nonce.clone(), nonce?);
        Some(Session::new(
            spis,
            true,
            suite,
            &secret,
            nonces,
            (request, response),
        ))
    }

    /// Answers the node's IKE_SA_INIT request as it should be answered.
    ///
    /// # Panics
    /// Where the request is not one.
    pub fn answer_init(&mut self, request: &[u8]) -> Session {
        self.answer_init_with(request, |payloads| payloads)
    }

    /// Answers the node's IKE_SA_INIT request with what `change` makes of the right payloads.
    ///
    /// # Panics
    /// Where the request is not one.
    pub fn answer_init_with(
        &mut self,
        request: &[u8],
        change: impl FnOnce(Chain) -> Chain,
    ) -> Session {
        let message = Message::parse(request).expect("a message");
        let (mut sa, mut ke, mut ni) = (None, None, None);
        for payload in &message.payloads {
            match payload {
                Payload::Sa(payload) => sa = Some(payload.clone()),
                Payload::Ke(payload) => ke = Some(payload.clone()),
                Payload::Nonce(payload) => ni = Some(payload.data.to_vec()),
                _ => {}
            }
        }
        let chosen = choose_ike(&self.ike, &sa.expect("SA")).expect("a common proposal");
        let suite = chosen.suite;
        let ke = ke.expect("KE");
        assert_eq!(
            ke.method, suite.key_exchange,
            "the method was guessed right"
        );
        let algorithm = standard()
            .key_exchange(suite.key_exchange)
            .expect("built in");
        let key = algorithm.generate(&mut self.random).expect("a key");
        let public = key.public_value().to_vec();
        let secret = key.agree(&ke.data).expect("a good public value");
        let mut payloads = vec![
            Payload::Sa(chosen.answer(SpiBytes::EMPTY)),
            Payload::Ke(KeyExchange {
                method: suite.key_exchange,
                data: public.into(),
            }),
            Payload::Nonce(Nonce {
                data: self.nonce.clone().into(),
            }),
            notify(NotifyType::CHILDLESS_IKEV2_SUPPORTED, &[]),
        ];
        payloads.extend(self.announcement());
        let payloads = change(payloads);
        let spis = IkeSpis {
            initiator: message.header.initiator_spi,
            responder: self.spi,
        };
        let header = Header {
            responder_spi: self.spi,
            flags: Flags {
                response: true,
                ..Flags::default()
            },
            ..message.header
        };
        let response = plain(header, payloads);
        let nonces = (ni.expect("Nonce"), self.nonce.clone());
        Session::new(
            spis,
            false,
            suite,
            &secret,
            nonces,
            (request.to_vec(), response),
        )
    }
}
