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

use std::net::{IpAddr, SocketAddr};

use ike::auth::{psk::psk_auth, signed_octets};
use ike::config::identity::Identity;
use ike::config::proposal::{
    ChildExchange, EspProposal, IkeProposal, IkeSuite, choose_esp, choose_ike, esp_to_wire,
    ike_to_wire, verify_accepted_ike,
};
use ike::config::selector::Selector;
use ike::crypto::protection::{OpeningKey, SealingKey};
use ike::crypto::schedule::{IkeKeys, skeyseed_initial};
use ike::crypto::{EphemeralKey, Random, Secret, standard};
use ike::engine::event::IkeSpis;
use ike::engine::io::{Path, Transmit};
use ike::wire::numbers::{AuthMethod, ExchangeType, NotifyType, PayloadType, ProtocolId};
use ike::wire::{
    Authentication, Delete, Flags, Header, Identification, IkeSpi, KeyExchange, Message, Nonce,
    Notify, Payload, SecurityAssociation, SpiBytes, TrafficSelectors, begin_protected,
    encode_chain, parse_chain,
};

use crate::setup::{End, SECRET};
use crate::{SeededRandom, World};

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

    /// The first ESP SPI in its SA payload.
    #[must_use]
    pub fn esp_spi(&self) -> Option<u32> {
        self.payloads.iter().find_map(|payload| match payload {
            Payload::Sa(sa) => sa.proposals.first()?.spi.as_u32(),
            _ => None,
        })
    }
}

/// The types of all notifies in a chain.
#[must_use]
pub fn notifies(payloads: &[Payload<'_>]) -> Vec<NotifyType> {
    payloads
        .iter()
        .filter_map(|payload| match payload {
            Payload::Notify(notify) => Some(notify.kind),
            _ => None,
        })
        .collect()
}

/// A notify without anything else.
#[must_use]
pub fn notify(kind: NotifyType, data: &[u8]) -> Payload<'static> {
    Payload::Notify(Notify::new(kind, data.to_vec()))
}

/// A Delete of the IKE SA.
#[must_use]
pub fn delete_ike() -> Payload<'static> {
    Payload::Delete(Delete::ike())
}

/// A Delete of ESP SAs.
#[must_use]
pub fn delete_esp(spis: &[u32]) -> Payload<'static> {
    Payload::Delete(Delete {
        protocol: ProtocolId::ESP,
        spis: spis.to_vec(),
    })
}

/// Selectors as a payload's content.
#[must_use]
pub fn selectors(selectors: &[Selector]) -> TrafficSelectors {
    TrafficSelectors {
        selectors: selectors.iter().map(Selector::to_wire).collect(),
    }
}

impl std::fmt::Debug for ScriptedPeer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedPeer")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("spis", &self.spis)
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
        vec![
            Payload::Sa(ike_to_wire(&self.ike, SpiBytes::EMPTY)),
            Payload::Ke(KeyExchange {
                method,
                data: public.expect("just made").into(),
            }),
            Payload::Nonce(Nonce {
                data: self.nonce.clone().into(),
            }),
        ]
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
        let payloads = change(vec![
            Payload::Sa(chosen.answer(SpiBytes::EMPTY)),
            Payload::Ke(KeyExchange {
                method: suite.key_exchange,
                data: public.into(),
            }),
            Payload::Nonce(Nonce {
                data: self.nonce.clone().into(),
            }),
            notify(NotifyType::CHILDLESS_IKEV2_SUPPORTED, &[]),
        ]);
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

    /// Our identity, AUTH, and where wanted a child, as they should be: the request as initiator.
    #[must_use]
    pub fn auth_payloads(&self, session: &Session, spi: u32) -> Chain {
        let mut payloads = self.proof(session);
        payloads.extend(self.child_offer(spi, ChildExchange::IkeAuth));
        payloads
    }

    /// Our identity (whom we ask for, as initiator) and AUTH.
    #[must_use]
    pub fn proof(&self, session: &Session) -> Chain {
        let id = id_payload(&self.id);
        let auth = session.auth(&self.secret, &id.body());
        let mut payloads = if session.initiator {
            vec![Payload::IdI(id)]
        } else {
            vec![Payload::IdR(id)]
        };
        if let Some(peer) = self.peer_id.as_ref().filter(|_| session.initiator) {
            payloads.push(Payload::IdR(id_payload(peer)));
        }
        payloads.push(Payload::Auth(Authentication {
            method: AuthMethod::SHARED_KEY_MIC,
            data: auth.into(),
        }));
        payloads
    }

    /// SA, TSi and TSr of a child that the peer asks for.
    #[must_use]
    pub fn child_offer(&self, spi: u32, exchange: ChildExchange) -> Chain {
        vec![
            Payload::Sa(esp_to_wire(&self.esp, spi.into(), exchange)),
            Payload::TsI(selectors(&self.local)),
            Payload::TsR(selectors(&self.remote)),
        ]
    }

    /// A CREATE_CHILD_SA request without a key exchange, as it should be.
    pub fn create_child(&mut self, spi: u32) -> Chain {
        let mut nonce = vec![0; 32];
        self.random.fill(&mut nonce);
        let mut payloads = self.child_offer(spi, ChildExchange::CreateChildSa);
        payloads.insert(1, Payload::Nonce(Nonce { data: nonce.into() }));
        payloads
    }

    /// SA, TSi and TSr that accept the child the node asks for, all of it.
    ///
    /// # Panics
    /// Where it asks for none, or nothing fits.
    #[must_use]
    pub fn child_answer(&self, asked: &[Payload<'_>], spi: u32, exchange: ChildExchange) -> Chain {
        let mut answer = Vec::new();
        for payload in asked {
            match payload {
                Payload::Sa(sa) => {
                    let chosen = choose_esp(&self.esp, sa, exchange).expect("a common proposal");
                    answer.push(Payload::Sa(chosen.answer(spi.into())));
                }
                Payload::TsI(ts) => answer.push(Payload::TsI(ts.clone())),
                Payload::TsR(ts) => answer.push(Payload::TsR(ts.clone())),
                _ => {}
            }
        }
        assert_eq!(answer.len(), 3, "the node asks for a child");
        answer
    }

    /// Goes all the way as initiator, with a child under this SPI.
    ///
    /// # Panics
    /// If the node does not take it.
    pub fn establish(&mut self, world: &mut World, spi: u32) -> (Session, Said) {
        let mut session = self.begin(world);
        let payloads = self.auth_payloads(&session, spi);
        let said = self
            .ask(world, &mut session, ExchangeType::IKE_AUTH, &payloads)
            .expect("an answer");
        assert!(said.has(PayloadType::AUTH), "{said:?}");
        (session, said)
    }

    /// Goes all the way as responder: takes the node's IKE_SA_INIT (the last it sent) and its IKE_AUTH, and gives it all
    /// it asks for. The child's SPI is this one.
    ///
    /// # Panics
    /// If the node does not do its part.
    pub fn accept(&mut self, world: &mut World, spi: u32) -> Session {
        let (mut session, asked) = self.accept_init(world);
        let mut payloads = self.proof(&session);
        if asked.has(PayloadType::SA) {
            payloads.extend(self.child_answer(&asked.payloads, spi, ChildExchange::IkeAuth));
        }
        self.respond(world, &mut session, &asked.header, &payloads);
        session
    }

    /// The responder's part of IKE_SA_INIT, and the node's IKE_AUTH request.
    ///
    /// # Panics
    /// If the node does not do its part.
    pub fn accept_init(&mut self, world: &mut World) -> (Session, Said) {
        let request = self.heard(world, 0).pop().expect("the node begins");
        let session = self.answer_init(&request);
        let answers = self.send(world, &session.init_response);
        let [request] = &answers[..] else {
            panic!("{} answers to IKE_SA_INIT", answers.len())
        };
        let asked = session.open(request).expect("IKE_AUTH");
        (session, asked)
    }

    /// Sends a request and opens the answer, where there is one.
    ///
    /// # Panics
    /// Where the node answers with more than one response.
    pub fn ask(
        &mut self,
        world: &mut World,
        session: &mut Session,
        exchange: ExchangeType,
        payloads: &[Payload<'_>],
    ) -> Option<Said> {
        let bytes = session.request(&mut self.random, exchange, payloads);
        self.ask_bytes(world, session, &bytes)
    }

    /// Sends these bytes and opens the answer, where there is one.
    ///
    /// # Panics
    /// Where the node answers with more than one response.
    pub fn ask_bytes(&self, world: &mut World, session: &Session, bytes: &[u8]) -> Option<Said> {
        let answers = self.send(world, bytes);
        let mut responses = answers
            .iter()
            .filter_map(|answer| session.open(answer))
            .filter(|said| said.header.flags.response);
        let response = responses.next();
        assert!(responses.next().is_none(), "one request, one response");
        response
    }

    /// Answers a request of the node; what the node sends next.
    pub fn respond(
        &mut self,
        world: &mut World,
        session: &mut Session,
        request: &Header,
        payloads: &[Payload<'_>],
    ) -> Vec<Vec<u8>> {
        let header = session.header(request.exchange, request.message_id, true);
        let bytes = session.seal(&mut self.random, header, payloads);
        self.send(world, &bytes)
    }
}

impl Session {
    fn new(
        spis: IkeSpis,
        initiator: bool,
        suite: IkeSuite,
        secret: &Secret,
        (ni, nr): (Vec<u8>, Vec<u8>),
        (init_request, init_response): (Vec<u8>, Vec<u8>),
    ) -> Self {
        let prf = standard().prf(suite.prf).expect("built in");
        let protection = standard()
            .protection(suite.encryption, suite.key_bits, suite.integrity)
            .expect("built in");
        let skeyseed = skeyseed_initial(prf, &ni, &nr, secret);
        let (i, r) = (&spis.initiator.0, &spis.responder.0);
        let keys = IkeKeys::derive(prf, protection, &skeyseed, &ni, &nr, i, r).expect("keys");
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
            sk_pi: keys.sk_pi,
            sk_pr: keys.sk_pr,
        }
    }

    /// The AUTH data of the peer, with this body of its ID payload.
    ///
    /// # Panics
    /// Never: the suite's function is built in.
    #[must_use]
    pub fn auth(&self, secret: &[u8], id_body: &[u8]) -> Vec<u8> {
        let prf = standard().prf(self.suite.prf).expect("built in");
        let (message, nonce, sk_p) = if self.initiator {
            (&self.init_request, &self.nr, &self.sk_pi)
        } else {
            (&self.init_response, &self.ni, &self.sk_pr)
        };
        let octets = signed_octets(message, nonce, prf, sk_p.as_bytes(), id_body);
        psk_auth(prf, secret, &[&octets]).as_bytes().to_vec()
    }

    /// The AUTH data that the node must have sent, with this body of its ID payload.
    ///
    /// # Panics
    /// Never: the suite's function is built in.
    #[must_use]
    pub fn node_auth(&self, secret: &[u8], id_body: &[u8]) -> Vec<u8> {
        let prf = standard().prf(self.suite.prf).expect("built in");
        let (message, nonce, sk_p) = if self.initiator {
            (&self.init_response, &self.ni, &self.sk_pr)
        } else {
            (&self.init_request, &self.nr, &self.sk_pi)
        };
        let octets = signed_octets(message, nonce, prf, sk_p.as_bytes(), id_body);
        psk_auth(prf, secret, &[&octets]).as_bytes().to_vec()
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

/// An unprotected message.
#[must_use]
pub fn plain(header: Header, payloads: Chain) -> Vec<u8> {
    Message {
        header,
        payloads,
        protected: None,
    }
    .encode()
}

/// An identity as a payload's content.
#[must_use]
pub fn id_payload(identity: &Identity) -> Identification<'static> {
    Identification::new(identity.id_type(), identity.to_octets())
}

/// The SA payload of a chain, to be changed.
///
/// # Panics
/// Where there is none.
pub fn sa_of(chain: &mut Chain) -> &mut SecurityAssociation {
    chain
        .iter_mut()
        .find_map(|payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        })
        .expect("an SA payload")
}
