//! IKE_AUTH and what follows, as the RFC wants it, for the scripts that deviate from it afterwards.

use ike::auth::signature::{PeerHashes, choose, encode};
use ike::config::Strength;
use ike::config::proposal::{
    ChildExchange, choose_esp, choose_ike, esp_to_wire, ike_to_wire, verify_accepted_ike,
};
use ike::crypto::{Random, standard};
use ike::engine::event::IkeSpis;
use ike::wire::numbers::{AuthMethod, ExchangeType, KeyExchangeMethod, PayloadType};
use ike::wire::{
    Authentication, Cert, Header, IkeSpi, KeyExchange, Nonce, Payload, SecurityAssociation,
};

use super::{Chain, PeerCredential, Said, ScriptedPeer, Session, id_payload, selectors};
use crate::World;

impl ScriptedPeer {
    /// Our identity, AUTH, and where wanted a child, as they should be: the request as initiator.
    #[must_use]
    pub fn auth_payloads(&self, session: &Session, spi: u32) -> Chain {
        let mut payloads = self.proof(session);
        payloads.extend(self.child_offer(spi, ChildExchange::IkeAuth));
        payloads
    }

    /// Our identity (whom we ask for, as initiator), certificates and AUTH.
    #[must_use]
    pub fn proof(&self, session: &Session) -> Chain {
        let id = id_payload(&self.id);
        let auth = self.auth(session, &id.body());
        let mut payloads = if session.initiator {
            vec![Payload::IdI(id)]
        } else {
            vec![Payload::IdR(id)]
        };
        if let Some(peer) = self.peer_id.as_ref().filter(|_| session.initiator) {
            payloads.push(Payload::IdR(id_payload(peer)));
        }
        let certs = self
            .credential
            .iter()
            .flat_map(|credential| &credential.certs);
        payloads.extend(certs.map(|(encoding, data)| {
            Payload::Cert(Cert {
                encoding: *encoding,
                data: data.clone().into(),
            })
        }));
        payloads.push(Payload::Auth(auth));
        payloads
    }

    /// AUTH as it should be, over this body of an ID payload.
    ///
    /// # Panics
    /// Where the key cannot sign.
    #[must_use]
    pub fn auth(&self, session: &Session, id_body: &[u8]) -> Authentication<'static> {
        let Some(PeerCredential { key, .. }) = &self.credential else {
            return Authentication {
                method: AuthMethod::SHARED_KEY_MIC,
                data: session.auth(&self.secret, id_body).into(),
            };
        };
        let hashes = self.hashes.as_ref();
        let hashes = hashes.map(|data| PeerHashes::parse(data).expect("whole numbers"));
        let kind = key.public_key().kind();
        let method = choose(kind, hashes.as_ref(), Strength::Default).expect("a method");
        let signature = key.sign(method.scheme(), &session.octets(id_body));
        Authentication {
            method: method.method(),
            data: encode(&method, &signature.expect("a signature")).into(),
        }
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

    /// Rekeys the IKE SA as it should be done, but for the Delete of the old one. `None`: the node refuses.
    ///
    /// # Panics
    /// Where the node accepted what was not offered.
    pub fn rekey_ike(&mut self, world: &mut World, session: &mut Session) -> Option<Session> {
        let mut nonce = vec![0; 32];
        self.random.fill(&mut nonce);
        let (heir, _) = self.rekey_ike_by(world, session, &nonce)?;
        Some(heir)
    }

    /// Likewise with this nonce; the node's comes back with the heir.
    ///
    /// # Panics
    /// Where the node accepted what was not offered.
    pub fn rekey_ike_by(
        &mut self,
        world: &mut World,
        session: &mut Session,
        nonce: &[u8],
    ) -> Option<(Session, Vec<u8>)> {
        let method = session.suite.key_exchange;
        let algorithm = standard().key_exchange(method).expect("built in");
        let key = algorithm.generate(&mut self.random).expect("a key");
        let mut spi = [0; 8];
        self.random.fill(&mut spi);
        let offer = ike_to_wire(&self.ike, IkeSpi(spi).into());
        let chain = ike_rekeying(offer, nonce, method, key.public_value());
        let said = self.ask(world, session, ExchangeType::CREATE_CHILD_SA, &chain)?;
        let Asked { sa, ke, nonce: nr } = Asked::of(&said)?;
        let chosen = verify_accepted_ike(&self.ike, &sa).expect("one of ours");
        let spis = IkeSpis {
            initiator: IkeSpi(spi),
            responder: chosen.peer_spi.as_ike_spi().expect("an SPI"),
        };
        let secret = key.agree(&ke).expect("a good public value");
        let nonces = (nonce.to_vec(), nr.clone());
        let heir = session.heir(spis, true, chosen.suite, &secret, nonces);
        Some((heir, nr))
    }

    /// What answers the node's request to rekey the IKE SA as it should be answered, with this nonce; the heir, and the
    /// node's nonce.
    ///
    /// # Panics
    /// Where it is no such request.
    pub fn answer_ike_rekeying(
        &mut self,
        session: &Session,
        asked: &Said,
        nonce: &[u8],
    ) -> (Chain, Session, Vec<u8>) {
        let Asked { sa, ke, nonce: ni } = Asked::of(asked).expect("SA, KE and Nonce");
        let chosen = choose_ike(&self.ike, &sa).expect("a common proposal");
        let method = chosen.suite.key_exchange;
        let algorithm = standard().key_exchange(method).expect("built in");
        let key = algorithm.generate(&mut self.random).expect("a key");
        let public = key.public_value().to_vec();
        let secret = key.agree(&ke).expect("a good public value");
        let mut spi = [0; 8];
        self.random.fill(&mut spi);
        let spis = IkeSpis {
            initiator: chosen.peer_spi.as_ike_spi().expect("an SPI"),
            responder: IkeSpi(spi),
        };
        let chain = ike_rekeying(chosen.answer(IkeSpi(spi).into()), nonce, method, &public);
        let nonces = (ni.clone(), nonce.to_vec());
        let heir = session.heir(spis, false, chosen.suite, &secret, nonces);
        (chain, heir, ni)
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

/// What both messages of a rekeying of the IKE SA hold.
fn ike_rekeying(
    sa: SecurityAssociation,
    nonce: &[u8],
    method: KeyExchangeMethod,
    public: &[u8],
) -> Chain {
    vec![
        Payload::Sa(sa),
        Payload::Nonce(Nonce {
            data: nonce.to_vec().into(),
        }),
        Payload::Ke(KeyExchange {
            method,
            data: public.to_vec().into(),
        }),
    ]
}

/// What the node's message of such a rekeying holds.
struct Asked {
    sa: SecurityAssociation,
    ke: Vec<u8>,
    nonce: Vec<u8>,
}

impl Asked {
    /// `None`: it refuses.
    fn of(said: &Said) -> Option<Self> {
        let (mut sa, mut ke, mut nonce) = (None, None, None);
        for payload in &said.payloads {
            match payload {
                Payload::Sa(payload) => sa = Some(payload.clone()),
                Payload::Ke(payload) => ke = Some(payload.data.to_vec()),
                Payload::Nonce(payload) => nonce = Some(payload.data.to_vec()),
                _ => {}
            }
        }
        Some(Self {
            sa: sa?,
            ke: ke?,
            nonce: nonce?,
        })
    }
}
