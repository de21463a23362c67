//! Two engines joined back to back: a headquarters that waits, and a branch with as many tunnels to it as are wanted, which
//! authenticate by pre-shared key or by certificates. No network loses anything, the kernel says yes to everything, and time stands still.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use ike::auth::ask::{SignAnswer, answer_psk};
use ike::config::proposal::default_esp;
use ike::config::{
    Authentication, Child, Configuration, Connection, Keep, KernelMode, Liveness, Local,
    LocalAuthentication, Name, OwnCredential, PublicCredentials, Remote, RemoteAuthentication,
    SignatureDemand, Unique, Volume, WithoutSa,
};
use ike::crypto::signature::PrivateKey;
use ike::crypto::{SystemRandom, standard};
use ike::engine::event::Event;
use ike::engine::io::{Answer, Input, KernelId, Now, Output, Path, Question, QuestionId, Transmit};
use ike::engine::{Engine, Options, RandomSource};
use ike::pki::{Certificate, TrustStore};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};

/// The IKE SA's algorithms: AES-256-GCM, HMAC-SHA2-256, X25519.
const IKE: &str = "aes256gcm16-prfsha256-x25519";
/// The wall clock at the beginning.
const WALL: Duration = Duration::from_secs(1_790_000_000);
const SECRET: &[u8] = b"a secret of more than sixteen bytes";

/// How both ends authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// By a pre-shared key.
    Secret,
    /// By certificates of one authority on ECDSA P-256, another one for each end of each tunnel.
    Certificates,
}

/// One engine, and what it was seen to do.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) engine: Engine,
    /// Spent in the engine and with the answers to its questions.
    pub(crate) busy: Duration,
    /// IKE SAs that were established, and Child SAs that were installed.
    pub(crate) up: (u32, u32),
    outbox: Vec<Transmit>,
    key: PrivateKey,
}

/// What came out and is to be answered at once.
enum Reply {
    Answer(QuestionId, Answer),
    KernelDone(KernelId),
}

impl Side {
    /// An engine without a configuration.
    pub(crate) fn new(number: u8) -> Self {
        let random = RandomSource(Box::new(SystemRandom::new()));
        Self {
            engine: Engine::new(Options {
                number,
                provider: standard(),
                random,
                export_keys: false,
                persistence: ike::engine::Persistence::Off,
            }),
            busy: Duration::ZERO,
            up: (0, 0),
            outbox: Vec::new(),
            key: key(),
        }
    }

    /// Gives the engine an input at `at` of the boot clock and carries out all that it wants, except for sending.
    pub(crate) fn handle(&mut self, at: Duration, input: Input<'_>) {
        let began = Instant::now();
        let now = Now {
            boot: at,
            wall: WALL + at,
        };
        self.engine.handle(now, input);
        let mut next = self.drain();
        while let Some(reply) = next.pop() {
            let input = match reply {
                Reply::Answer(id, answer) => Input::Answer(id, answer),
                Reply::KernelDone(id) => Input::KernelDone(id, Ok(())),
            };
            self.engine.handle(now, input);
            next.extend(self.drain());
        }
        self.busy += began.elapsed();
    }

    fn drain(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Transmit(transmit) => self.outbox.push(transmit),
                Output::Kernel(id, _) => replies.push(Reply::KernelDone(id)),
                Output::Ask(id, Question::Psk(question)) => {
                    let answer = answer_psk(&question, Some(SECRET), standard());
                    replies.push(Reply::Answer(id, Answer::Psk(answer)));
                }
                Output::Ask(id, Question::Sign(question)) => {
                    let signature = self.key.sign(question.scheme, &question.octets);
                    let answer = SignAnswer::Signed(signature.expect("a signature"));
                    replies.push(Reply::Answer(id, Answer::Signed(answer)));
                }
                Output::Event(event) => match *event {
                    Event::IkeSaEstablished { .. } => self.up.0 += 1,
                    Event::ChildUp { .. } => self.up.1 += 1,
                    _ => {}
                },
                _ => {}
            }
        }
        replies
    }
}

/// Carries datagrams to and fro until neither side has anything to say. The last one sent goes first, so that one
/// handshake is over before the next one begins.
pub(crate) fn carry(at: Duration, sides: [&mut Side; 2]) {
    let [left, right] = sides;
    let mut waiting: Vec<(bool, Transmit)> = Vec::new();
    loop {
        waiting.extend(left.outbox.drain(..).map(|sent| (true, sent)));
        waiting.extend(right.outbox.drain(..).map(|sent| (false, sent)));
        let Some((from_left, sent)) = waiting.pop() else {
            return;
        };
        let receiver = if from_left { &mut *right } else { &mut *left };
        let path = Path {
            local: sent.path.remote,
            remote: sent.path.local,
        };
        receiver.handle(
            at,
            Input::Datagram {
                path,
                bytes: &sent.bytes,
            },
        );
    }
}

/// The two configurations of `tunnels` tunnels: the headquarters', which waits, and the branch's, which begins where it is
/// to keep its tunnels up.
pub(crate) fn configurations(
    tunnels: u32,
    kernel: KernelMode,
    branch_keeps: Keep,
    proof: Proof,
) -> [Configuration; 2] {
    let authority = authority();
    [(true, Keep::Passive), (false, branch_keeps)].map(|(headquarters, keep)| {
        let mut configuration = Configuration {
            kernel,
            ..Configuration::default()
        };
        for tunnel in 0..tunnels {
            let connection = connection(tunnel, headquarters, keep, proof);
            if proof == Proof::Certificates {
                let credentials = credentials(&authority, &connection.local.id.to_string());
                let name = connection.name.clone();
                configuration
                    .credentials
                    .insert(name, Arc::new(credentials));
            }
            configuration.connections.push(Arc::new(connection));
        }
        configuration
    })
}

/// The key of either end, the same in every run of a benchmark and in no other.
pub(crate) fn key() -> PrivateKey {
    PrivateKey::read(&KEY.serialize_der(), None).expect("a key")
}

static KEY: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key"));

type Authority = (Arc<Certificate>, Issuer<'static, KeyPair>);

fn authority() -> Authority {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Benchmark authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = parse(&params.self_signed(&key).expect("a certificate"));
    (certificate, Issuer::new(params, key))
}

fn credentials((root, issuer): &Authority, name: &str) -> PublicCredentials {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let certificate = params.signed_by(&*KEY, issuer).expect("a certificate");
    PublicCredentials {
        own: Some(OwnCredential {
            key: key().public_key().clone(),
            chain: vec![parse(&certificate)],
        }),
        trust: TrustStore::new(vec![root.clone()], Vec::new(), Vec::new(), Vec::new()),
    }
}

fn parse(certificate: &rcgen::Certificate) -> Arc<Certificate> {
    Arc::new(Certificate::parse(certificate.der()).expect("a certificate"))
}

fn connection(tunnel: u32, headquarters: bool, keep: Keep, proof: Proof) -> Connection {
    let hub = IpAddr::from([192, 0, 2, 1]);
    let branch = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + tunnel).into();
    let network = |base: [u8; 4]| {
        let first = u32::from(Ipv4Addr::from(base)) + (tunnel << 8);
        format!("{}/24", Ipv4Addr::from(first))
            .parse()
            .expect("a network")
    };
    let identity = |text: &str| text.parse().expect("an identity");
    let ends = [
        (hub, identity("hq.example.com"), network([10, 0, 0, 0])),
        (
            branch,
            identity(&format!("branch-{tunnel}.example.com")),
            network([100, 64, 0, 0]),
        ),
    ];
    let [ours, theirs] = if headquarters {
        ends
    } else {
        let [hub, branch] = ends;
        [branch, hub]
    };
    let child = Child {
        mode: ike::config::Mode::Tunnel,
        name: name("lan"),
        local: vec![ours.2],
        remote: vec![theirs.2],
        proposals: default_esp(),
        keep,
        replay_window: 128,
        hard_lifetime: Duration::from_secs(8 * 3600),
        rekey_after: None,
        rekey_volume: Volume::default(),
        hard_volume: Volume::default(),
        priority: None,
        idle: None,
        without_sa: WithoutSa::Drop,
    };
    Connection {
        name: name(&format!("tunnel-{tunnel}")),
        local: Local {
            address: Some(ours.0),
            id: ours.1,
        },
        remote: Remote {
            address: Some(theirs.0),
            host: None,
            id: Some(theirs.1.into()),
        },
        proposals: vec![IKE.parse().expect("a proposal")],
        authentication: match proof {
            Proof::Secret => Authentication::PRE_SHARED_KEY,
            Proof::Certificates => Authentication {
                local: LocalAuthentication::Signature,
                remote: RemoteAuthentication::Signature(SignatureDemand::default()),
            },
        },
        children: vec![Arc::new(child)],
        rekey_after: None,
        reauth_after: None,
        unique: Unique::default(),
        verify_rekey: false,
        liveness: Liveness::default(),
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a good name")
}
