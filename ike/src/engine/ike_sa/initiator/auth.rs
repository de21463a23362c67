//! IKE_AUTH: our proof goes out, the responder's is looked at when its answer is there.

use std::time::Duration;

use crate::auth::ask::{FetchQuestion, PskAnswer};
use crate::auth::proof::OwnEvidence;
use crate::auth::signature::PeerHashes;
use crate::config::Connection;
use crate::config::identity::{Identity, IdentityPattern};
use crate::wire::numbers::{ExchangeType, NotifyType};
use crate::wire::payload::Payload;
use crate::wire::{CertReq, Notify};

use super::{Attempt, id_payload};
use crate::engine::contents::{Contents, required};
use crate::engine::failure::{Cause, Failure, Step};
use crate::engine::ike_sa::authenticate::{
    Brought, Judged, OwnProof, PeerCheck, judge, read_identity,
};
use crate::engine::ike_sa::child::{Accepted, Proposed};
use crate::engine::ike_sa::close::Tell;
use crate::engine::ike_sa::{ANSWER_TIME, Established, IkeSa, Keyed, Opened, State};
use crate::engine::io::Answer;
use crate::engine::shared::Shared;

/// Waits for our AUTH.
#[derive(Debug)]
pub(in crate::engine) struct Signing {
    attempt: Attempt,
    keyed: Keyed,
    own: OwnProof,
    childless_supported: bool,
    pub(in crate::engine::ike_sa) asked: Duration,
}

/// IKE_AUTH is out.
#[derive(Debug)]
pub(in crate::engine) struct AuthSent {
    attempt: Attempt,
    own: OwnEvidence,
    pub(in crate::engine::ike_sa) keyed: Keyed,
    proposed: Option<Proposed>,
}

/// Waits for the verdict on the peer's proof.
#[derive(Debug)]
pub(in crate::engine) struct Verifying {
    pub(in crate::engine::ike_sa) answered: Answered,
    check: PeerCheck,
}

/// What is there while the responder's proof is looked at.
#[derive(Debug)]
pub(in crate::engine) struct Answered {
    attempt: Attempt,
    own: OwnEvidence,
    pub(in crate::engine::ike_sa) keyed: Keyed,
    child: Option<AskedChild>,
    at: Duration,
}

/// The child that we asked for, and what the peer says to it.
type AskedChild = (Proposed, Result<Accepted, Cause>);

impl Verifying {
    /// When we go on without the verdict, or without a part of what it would rest on.
    pub(in crate::engine::ike_sa) fn deadline(&self) -> Duration {
        let end = self.answered.at + ANSWER_TIME;
        self.check.until().map_or(end, |until| until.min(end))
    }
}

/// What the responder said in IKE_SA_INIT about IKE_AUTH.
pub(super) struct Wishes<'a> {
    pub(super) hashes: Option<PeerHashes>,
    pub(super) certificates: &'a [CertReq<'a>],
    pub(super) childless_supported: bool,
}

/// Asks the owner of the key for our AUTH.
pub(super) fn sign(
    sa: &mut IkeSa,
    shared: &mut Shared,
    attempt: Attempt,
    keyed: Keyed,
    wishes: &Wishes<'_>,
) {
    let party = &attempt.party;
    let connection = &party.connection;
    let octets = keyed.initiator_octets(shared, &id_payload(&connection.local.id).body());
    let asked =
        OwnProof::choose(party, wishes.hashes.as_ref(), wishes.certificates).and_then(|own| {
            let prf = keyed.suite.prf;
            let question = own.question(party, prf, octets, exact_peer(connection))?;
            Ok((own, question))
        });
    let (own, question) = match asked {
        Ok(asked) => asked,
        Err(cause) => return sa.fail(shared, Failure::new(Step::IkeAuth, cause)),
    };
    sa.ask(shared, question);
    sa.state = State::Signing(Box::new(Signing {
        attempt,
        keyed,
        own,
        childless_supported: wishes.childless_supported,
        asked: shared.now.boot,
    }));
}

/// Our AUTH is there: IKE_AUTH goes out.
pub(in crate::engine::ike_sa) fn signed(sa: &mut IkeSa, shared: &mut Shared, answer: Answer) {
    let State::Signing(state) = std::mem::replace(&mut sa.state, State::Gone) else {
        return;
    };
    let Signing {
        attempt,
        keyed,
        own,
        childless_supported,
        ..
    } = *state;
    let proof = own.conclude(&attempt.party, answer);
    let proposed = match &attempt.child {
        Some(child) => {
            let connection = &attempt.party.connection.name;
            let packet = shared.traps.packet(connection, &child.name);
            Proposed::new(shared, sa.path, child.clone(), None, packet).map(Some)
        }
        None if childless_supported => Ok(None),
        None => Err(Cause::ChildlessUnsupported),
    };
    let (proof, proposed) = match proof.and_then(|proof| Ok((proof, proposed?))) {
        Ok(both) => both,
        Err(cause) => return sa.fail(shared, Failure::new(Step::IkeAuth, cause)),
    };
    let connection = &attempt.party.connection;
    let mut payloads = vec![Payload::IdI(id_payload(&connection.local.id))];
    payloads.extend(proof.certificates);
    if attempt.initial_contact {
        payloads.push(Payload::Notify(Notify::new(
            NotifyType::INITIAL_CONTACT,
            Vec::new(),
        )));
    }
    payloads.extend(attempt.party.certificate_requests());
    if let Some(remote) = exact_peer(connection) {
        payloads.push(Payload::IdR(id_payload(remote)));
    }
    payloads.push(proof.auth);
    if let Some(proposed) = &proposed {
        payloads.extend(proposed.payloads());
    }
    sa.state = State::AuthSent(Box::new(AuthSent {
        attempt,
        own: proof.evidence,
        keyed,
        proposed,
    }));
    sa.send_request(shared, ExchangeType::IKE_AUTH, &payloads);
}

/// The response to IKE_AUTH: it is from whoever we share the keys with, which proves nothing yet.
pub(in crate::engine::ike_sa) fn auth_response(
    sa: &mut IkeSa,
    shared: &mut Shared,
    opened: Opened<'_>,
) {
    let State::AuthSent(state) = std::mem::replace(&mut sa.state, State::Gone) else {
        return;
    };
    let AuthSent {
        attempt,
        own,
        keyed,
        proposed,
    } = *state;
    let contents = opened.contents;
    if contents.auth.is_none()
        && let Some(notify) = contents.error()
    {
        // The responder refuses the whole: there is no IKE SA at its end (RFC 7296 section 2.21.2).
        return sa.fail(
            shared,
            Failure::new(Step::IkeAuth, Cause::Refused { notify }),
        );
    }
    let judged = brought(shared, &attempt, &keyed, &contents).and_then(|brought| {
        let prf = keyed.suite.prf;
        judge(sa, shared, &attempt.party, prf, brought, None)
    });
    let child = proposed.map(|proposed| {
        let accepted = Accepted::from_response(&contents);
        (proposed, accepted)
    });
    let answered = Answered {
        attempt,
        own,
        keyed,
        child,
        at: shared.now.boot,
    };
    go_on(sa, shared, answered, judged);
}

/// Who the responder says it is, where that is whom we expect, and what it brings to prove it.
fn brought<'a>(
    shared: &Shared,
    attempt: &Attempt,
    keyed: &Keyed,
    contents: &'a Contents<'a>,
) -> Result<Brought<'a>, Cause> {
    let id = required(contents.idr.as_ref(), "IDr")?;
    let auth = required(contents.auth.as_ref(), "AUTH")?;
    let found = read_identity(id)?;
    if let Some(expected) = &attempt.party.connection.remote.id
        && !expected.matches(&found)
    {
        return Err(Cause::WrongIdentity {
            expected: expected.clone(),
            found,
        });
    }
    Ok(Brought {
        claimed: found,
        octets: keyed.responder_octets(shared, &id.body()),
        auth,
        contents,
    })
}

/// Goes on with what became of the responder's proof.
fn go_on(sa: &mut IkeSa, shared: &mut Shared, answered: Answered, judged: Result<Judged, Cause>) {
    let peer = match judged {
        Ok(Judged::Proven(peer, _)) => peer,
        Ok(Judged::Waits(check)) => {
            sa.state = State::Verifying(Box::new(Verifying { answered, check }));
            return;
        }
        Err(cause) => return reject(sa, shared, answered.keyed, cause),
    };
    let Answered {
        attempt,
        own,
        keyed,
        child,
        ..
    } = answered;
    let (ni, nr) = (keyed.ni.clone(), keyed.nr.clone());
    let connection = attempt.party.connection;
    let established = Established::new(connection, (peer, own), keyed, shared.now.boot);
    sa.establish(shared, established, false);
    if let Some((proposed, accepted)) = child {
        sa.finish_proposed(shared, proposed, accepted, Step::IkeAuth, (&ni, &nr));
    }
    sa.pump(shared);
}

/// We do not believe the responder, which believes us: it is told, and that the IKE SA is gone (RFC 7296 section 2.21.2).
fn reject(sa: &mut IkeSa, shared: &mut Shared, keyed: Keyed, cause: Cause) {
    let failure = Failure::new(Step::IkeAuth, cause);
    sa.fail(shared, failure);
    sa.say_goodbye(shared, keyed.channel, Tell::AuthenticationFailed);
}

fn take(sa: &mut IkeSa) -> Option<Verifying> {
    match std::mem::replace(&mut sa.state, State::Gone) {
        State::Verifying(state) => Some(*state),
        other => {
            sa.state = other;
            None
        }
    }
}

/// The verdict of the owner of the secret.
pub(in crate::engine::ike_sa) fn verified(sa: &mut IkeSa, shared: &mut Shared, answer: PskAnswer) {
    if let Some(Verifying { answered, check }) = take(sa) {
        go_on(sa, shared, answered, check.answered(answer));
    }
}

/// Something was fetched.
pub(in crate::engine::ike_sa) fn fetched(
    sa: &mut IkeSa,
    shared: &mut Shared,
    question: &FetchQuestion,
) {
    if let Some(Verifying { answered, check }) = take(sa) {
        let judged = check.fetched(sa, shared, &answered.attempt.party, Some(question));
        go_on(sa, shared, answered, judged);
    }
}

/// No verdict came, or not all of what was to be fetched.
pub(in crate::engine::ike_sa) fn unverified(sa: &mut IkeSa, shared: &mut Shared) {
    if let Some(Verifying { answered, check }) = take(sa) {
        let judged = match check {
            PeerCheck::Secret(_) => Err(Cause::NoAnswer),
            check => check.fetched(sa, shared, &answered.attempt.party, None),
        };
        go_on(sa, shared, answered, judged);
    }
}

/// Who the peer is to be, where that is one identity.
fn exact_peer(connection: &Connection) -> Option<&Identity> {
    connection
        .remote
        .id
        .as_ref()
        .and_then(IdentityPattern::exact)
}
