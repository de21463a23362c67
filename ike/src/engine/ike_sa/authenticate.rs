//! Both halves of an authentication, the same for both roles (RFC 7296 section 2.15): whether the peer is who it says it
//! is, and our own proof. Each side proves itself in its own way, by a shared secret or by a signature.
//!
//! ```text
//!   the peer's:  judge --secret----> ask its owner -----------------------------------> Proven
//!                      --signature-> path, names, strength, signature --> revocation known? --yes--> Proven
//!                                                                          | ^
//!                                                       Fetch, several at once, until a deadline
//!   ours:        OwnProof::choose --> question (Psk or Sign) --> conclude --> CERT, AUTH
//! ```
//!
//! What costs nothing comes first; nobody outside is asked for a peer that has failed at anything before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::ask::{
    FetchQuestion, PskAnswer, PskQuestion, PskVerification, SignAnswer, SignQuestion,
};
use crate::auth::certificates::{Shown, presented, requests};
use crate::auth::proof::{
    Disproof, OwnEvidence, PeerAuthenticated, Revocability, SecretClaim, SignatureClaim,
    SignatureDisproof, Signed,
};
use crate::auth::signature::{PeerHashes, SigningMethod, choose, encode, hash_algorithms};
use crate::config::identity::Identity;
use crate::config::{
    Connection, LocalAuthentication, OwnCredential, PublicCredentials, RemoteAuthentication,
    Strength,
};
use crate::pki::TrustStore;
use crate::wire::Authentication;
use crate::wire::numbers::{AuthMethod, NotifyType, Prf};
use crate::wire::payload::Payload;
use crate::wire::{CertReq, Identification, Notify};

use super::IkeSa;
use crate::engine::contents::{Contents, MAX_CERTIFICATES};
use crate::engine::failure::Cause;
use crate::engine::io::{Answer, Question};
use crate::engine::shared::Shared;

/// How long an authentication waits for what is fetched, at most; and never more than half of what a half-open IKE SA has.
const FETCH_TIME: Duration = Duration::from_secs(10);
/// Rounds of fetching for one peer: what is fetched may name a further place.
const FETCH_ROUNDS: u8 = 4;

/// The connection that an IKE SA belongs to, with its certificates and keys as they were when the authentication began:
/// new files change later authentications only.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Party {
    pub(in crate::engine) connection: Arc<Connection>,
    credentials: Option<Arc<PublicCredentials>>,
}

impl Party {
    pub(super) fn new(shared: &Shared, connection: Arc<Connection>) -> Self {
        let credentials = shared.credentials.get(&connection.name).cloned();
        Self {
            connection,
            credentials,
        }
    }

    fn own(&self) -> Result<&OwnCredential, Cause> {
        let own = self.credentials.as_ref().and_then(|all| all.own.as_ref());
        own.ok_or_else(|| Cause::NoCredential {
            connection: self.connection.name.clone(),
        })
    }

    fn trust(&self) -> Result<&TrustStore, Cause> {
        let credentials = self.credentials.as_ref();
        credentials
            .map(|credentials| &credentials.trust)
            .ok_or_else(|| Cause::NoTrust {
                connection: self.connection.name.clone(),
            })
    }

    /// What the peer is asked to show, where it is to sign.
    pub(super) fn certificate_requests(&self) -> Vec<Payload<'static>> {
        match (self.connection.authentication.remote, self.trust()) {
            (RemoteAuthentication::Signature(demand), Ok(trust)) => {
                requests([(trust, demand.revocation)])
            }
            _ => Vec::new(),
        }
    }
}

/// What a side says in IKE_SA_INIT that has, or may come to have, a connection with signatures (RFC 7427 section 4).
pub(super) fn hash_announcement(strength: Strength) -> Payload<'static> {
    let data = hash_algorithms(strength);
    Payload::Notify(Notify::new(NotifyType::SIGNATURE_HASH_ALGORITHMS, data))
}

/// The hashes that the peer announced in its IKE_SA_INIT message.
pub(super) fn announced_hashes(contents: &Contents<'_>) -> Option<PeerHashes> {
    let notify = contents.notify(NotifyType::SIGNATURE_HASH_ALGORITHMS)?;
    PeerHashes::parse(&notify.data).ok()
}

/// Whether a connection wants its peer to authenticate in this way.
pub(super) fn method_fits(remote: RemoteAuthentication, method: AuthMethod) -> bool {
    match remote {
        RemoteAuthentication::PreSharedKey => method == AuthMethod::SHARED_KEY_MIC,
        RemoteAuthentication::Signature(_) => matches!(
            method,
            AuthMethod::RSA_SIGNATURE
                | AuthMethod::ECDSA_SHA256_P256
                | AuthMethod::ECDSA_SHA384_P384
                | AuthMethod::ECDSA_SHA512_P521
                | AuthMethod::DIGITAL_SIGNATURE
        ),
    }
}

/// Who an ID payload of the peer means.
pub(super) fn read_identity(id: &Identification<'_>) -> Result<Identity, Cause> {
    Identity::from_wire(id.id_type, &id.data).map_err(|error| Cause::BadIdentity {
        reason: error.to_string(),
    })
}

/// What a peer brings to prove who it is.
pub(super) struct Brought<'a> {
    /// Who it says it is: an identity that the connection takes.
    pub(super) claimed: Identity,
    /// What its AUTH covers.
    pub(super) octets: Vec<u8>,
    pub(super) auth: &'a Authentication<'a>,
    pub(super) contents: &'a Contents<'a>,
}

/// A peer whose proof is being looked at.
#[derive(Debug)]
pub(super) enum PeerCheck {
    /// By the owner of the secret.
    Secret(SecretClaim),
    /// It signed; what says whether its certificates were revoked is being fetched.
    Revocation(Box<Fetching>),
}

/// What is being fetched about a peer's certificates.
#[derive(Debug)]
pub(super) struct Fetching {
    signed: Signed,
    awaited: BTreeSet<FetchQuestion>,
    rounds: u8,
    until: Duration,
}

/// What became of a peer's proof.
pub(super) enum Judged {
    /// It is who it says it is. With our own AUTH data, where that came with the verdict.
    Proven(PeerAuthenticated, Option<Vec<u8>>),
    /// Somebody has to say something first.
    Waits(PeerCheck),
}

/// Looks at what the peer brought. `sign`: what the owner of the secret is to sign for us if the peer's proof is right.
pub(super) fn judge(
    sa: &mut IkeSa,
    shared: &mut Shared,
    party: &Party,
    prf: Prf,
    brought: Brought<'_>,
    sign: Option<Vec<u8>>,
) -> Result<Judged, Cause> {
    let Brought {
        claimed,
        octets,
        auth,
        contents,
    } = brought;
    let connection = &party.connection;
    if !method_fits(connection.authentication.remote, auth.method) {
        return Err(Cause::AuthMethod {
            found: auth.method,
            expected: vec![(connection.name.clone(), connection.authentication.remote)],
        });
    }
    let demand = match connection.authentication.remote {
        RemoteAuthentication::PreSharedKey => {
            let verify = PskVerification {
                octets,
                received: auth.data.to_vec(),
            };
            let (name, local_id) = (connection.name.clone(), connection.local.id.clone());
            let (question, claim) =
                SecretClaim::question(name, prf, local_id, claimed, verify, sign);
            sa.ask(shared, Question::Psk(Box::new(question)));
            return Ok(Judged::Waits(PeerCheck::Secret(claim)));
        }
        RemoteAuthentication::Signature(demand) => demand,
    };
    if contents.too_many_certs {
        return Err(Cause::TooManyCertificates {
            allowed: MAX_CERTIFICATES,
        });
    }
    let presented = presented(&contents.certs).map_err(|_| Cause::HashAndUrl)?;
    let claim = SignatureClaim {
        identity: &claimed,
        presented: &presented,
        method: auth.method,
        data: &auth.data,
        octets: &octets,
    };
    let wall = shared.now.wall;
    let signed = Signed::verify(&claim, party.trust()?, &demand, wall, &mut shared.paths)
        .map_err(|disproof| disproved(disproof, &claimed))?;
    let time = FETCH_TIME.min(shared.limits.half_open_timeout / 2);
    let until = shared.now.boot + time;
    check_revocation(sa, shared, party, (signed, 0, until))
}

fn disproved(disproof: SignatureDisproof, peer: &Identity) -> Cause {
    match disproof {
        SignatureDisproof::NotAllowed(reason) => Cause::SignatureNotAllowed(reason),
        SignatureDisproof::Untrusted(failure) => Cause::Certificate(failure),
        SignatureDisproof::Unreadable(reason) => Cause::SignatureUnreadable(reason),
        SignatureDisproof::Wrong { key, scheme } => Cause::WrongSignature {
            peer: peer.clone(),
            key,
            scheme,
        },
    }
}

/// Asks for what is not known yet, as long as there is time; then goes by what is known.
fn check_revocation(
    sa: &IkeSa,
    shared: &mut Shared,
    party: &Party,
    (mut signed, mut rounds, until): (Signed, u8, Duration),
) -> Result<Judged, Cause> {
    let RemoteAuthentication::Signature(demand) = party.connection.authentication.remote else {
        return Err(Cause::NoAnswer);
    };
    let trust = party.trust()?;
    loop {
        let outcome = signed.check_revocation(&demand, trust, &shared.revocation, shared.now.wall);
        let questions = match outcome {
            Revocability::Proven(peer) => return Ok(Judged::Proven(peer, None)),
            Revocability::Refused(failure) => {
                return Err(Cause::Certificate(failure));
            }
            Revocability::Needs(again, questions) => {
                signed = again;
                questions
            }
        };
        rounds += 1;
        if rounds > 2 * FETCH_ROUNDS {
            return Err(Cause::NoAnswer);
        }
        if rounds > FETCH_ROUNDS || shared.now.boot >= until {
            // Each question comes once: without an answer to it, the next round goes by what is known.
            continue;
        }
        let awaited: BTreeSet<_> = questions
            .into_iter()
            .filter(|question| shared.fetch(sa.own_spi(), question))
            .collect();
        if !awaited.is_empty() {
            return Ok(Judged::Waits(PeerCheck::Revocation(Box::new(Fetching {
                signed,
                awaited,
                rounds,
                until,
            }))));
        }
    }
}

impl PeerCheck {
    /// When it goes on without what is still being fetched.
    pub(super) fn until(&self) -> Option<Duration> {
        match self {
            Self::Secret(_) => None,
            Self::Revocation(fetching) => Some(fetching.until),
        }
    }

    /// The owner of the secret has looked.
    pub(super) fn answered(self, answer: PskAnswer) -> Result<Judged, Cause> {
        let Self::Secret(claim) = self else {
            return Ok(Judged::Waits(self));
        };
        let peer = claim.identity().clone();
        match claim.conclude(answer) {
            Ok((peer, auth)) => Ok(Judged::Proven(peer, auth)),
            Err(Disproof::Mismatch) => Err(Cause::WrongSecret { peer }),
            Err(Disproof::NoSecret | Disproof::NoSignature) => Err(Cause::NoSecret),
        }
    }

    /// Something was fetched, or could not be (the cache knows), or (`None`) the time for it is over.
    pub(super) fn fetched(
        self,
        sa: &IkeSa,
        shared: &mut Shared,
        party: &Party,
        question: Option<&FetchQuestion>,
    ) -> Result<Judged, Cause> {
        let Self::Revocation(mut fetching) = self else {
            return Ok(Judged::Waits(self));
        };
        if let Some(question) = question {
            fetching.awaited.remove(question);
            if !fetching.awaited.is_empty() {
                return Ok(Judged::Waits(Self::Revocation(fetching)));
            }
        }
        let Fetching {
            signed,
            rounds,
            until,
            ..
        } = *fetching;
        check_revocation(sa, shared, party, (signed, rounds, until))
    }
}

/// How we prove who we are.
#[derive(Clone, Copy, Debug)]
pub(super) enum OwnProof {
    /// By the shared secret.
    Secret,
    /// By the key of our certificate, and what the peer is shown of that.
    Signature(SigningMethod, Shown),
}

/// Our proof as payloads.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) certificates: Vec<Payload<'static>>,
    pub(super) auth: Payload<'static>,
    pub(super) evidence: OwnEvidence,
}

impl OwnProof {
    /// Decides by the connection and by what the peer has announced and asked for.
    pub(super) fn choose(
        party: &Party,
        hashes: Option<&PeerHashes>,
        asked: &[CertReq<'_>],
    ) -> Result<Self, Cause> {
        match party.connection.authentication.local {
            LocalAuthentication::PreSharedKey => Ok(Self::Secret),
            LocalAuthentication::Signature => {
                let own = party.own()?;
                let strength = party.connection.authentication.strength();
                let strength = strength.unwrap_or_default();
                let method =
                    choose(own.key.kind(), hashes, strength).map_err(Cause::NoSigningMethod)?;
                Ok(Self::Signature(method, Shown::choose(own, asked)))
            }
        }
    }

    /// Asks whoever holds the key.
    pub(super) fn question(
        self,
        party: &Party,
        prf: Prf,
        octets: Vec<u8>,
        peer: Option<&Identity>,
    ) -> Result<Question, Cause> {
        let connection = party.connection.name.clone();
        Ok(match self {
            Self::Secret => Question::Psk(Box::new(PskQuestion {
                connection,
                local_id: party.connection.local.id.clone(),
                remote_id: peer.cloned(),
                prf,
                verify: None,
                sign: Some(octets),
            })),
            Self::Signature(method, _) => Question::Sign(Box::new(SignQuestion {
                connection,
                key: party.own()?.key.fingerprint(),
                scheme: method.scheme(),
                octets,
            })),
        })
    }

    /// Our proof, from what the holder of the key says.
    pub(super) fn conclude(self, party: &Party, answer: Answer) -> Result<Proof, Cause> {
        match (self, answer) {
            (Self::Secret, Answer::Psk(PskAnswer::Done { auth: Some(auth) })) => {
                Ok(Proof::by_secret(auth))
            }
            (Self::Secret, _) => Err(Cause::NoSecret),
            (Self::Signature(method, shown), Answer::Signed(SignAnswer::Signed(signature))) => {
                Ok(Proof {
                    certificates: shown.payloads(party.own()?),
                    auth: Payload::Auth(Authentication {
                        method: method.method(),
                        data: encode(&method, &signature).into(),
                    }),
                    evidence: OwnEvidence::of(party.own()?, method.scheme()),
                })
            }
            (Self::Signature(..), Answer::Signed(SignAnswer::Failed(words))) => {
                Err(Cause::SigningFailed { words })
            }
            (Self::Signature(..), _) => Err(Cause::NoPrivateKey {
                key: party.own()?.key.fingerprint(),
            }),
        }
    }
}

impl Proof {
    /// By the shared secret.
    pub(super) fn by_secret(data: Vec<u8>) -> Self {
        Self {
            certificates: Vec::new(),
            auth: Payload::Auth(Authentication {
                method: AuthMethod::SHARED_KEY_MIC,
                data: data.into(),
            }),
            evidence: OwnEvidence::PreSharedKey,
        }
    }
}
