//! Why a message cannot meet a situation: by the protocol (RFC 7296), by how the engine is made, or because nothing that a
//! life is made of does that.
//!
//! What is said here is held against what was seen: a cell with a reason that is visited all the same is a contradiction, and
//! one of the two is wrong.

use ike::engine::situation::{
    Answered, Asked, Exchange, Flight, HalfDone, Message, Situation, Standing,
};

/// Why a cell is not visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It cannot be.
    Impossible(&'static str),
    /// It can be, but not between the gateways of a life. Scripted peers and fuzzers may do it.
    NotDrawn(&'static str),
}

impl Why {
    /// The reason.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Impossible(words) | Self::NotDrawn(words) => words,
        }
    }
}

use Why::{Impossible, NotDrawn};

const BREACH: Why = NotDrawn("a peer that keeps to the RFC does not say this here");
const UNSEEN: Why = Impossible("nothing has gone out: nobody knows the SPI");
const NO_KEYS: Why = Impossible("there is nothing to open it with: it is dropped as untimely");
const NO_PEER_YET: Why =
    Impossible("the responder's SPI is not known yet: what is not the answer is foreign");
const NOT_BEFORE_AUTH: Why = NotDrawn("a responder asks nothing before it has seen IKE_AUTH");
const ONLY_AUTH: Why = Impossible("here no exchange but IKE_AUTH is opened");
const ONE_AT_A_TIME: Why =
    Impossible("the window is one: the peer's request is still being worked on");
const NO_FLIGHT: Why = Impossible("nothing of ours waits for an answer");
const UNOPENED: Why = Impossible("nothing is opened any more");
const NOT_ASKED: Why = NotDrawn("nobody answers what we have not asked");
const NOTHING_ANSWERED: Why = Impossible("nothing like it was answered before");
const ANSWERED_SINCE: Why = Impossible("another request was answered since");
const AT_ONCE: Why = Impossible("whatever is taken here is answered at once");
const ALL_OPENED: Why = Impossible("each exchange that comes with keys is opened here");
const NOT_AS_HEIR: Why = Impossible("INFORMATIONAL puts an heir in charge, or ends it");
const LOSER_IS_DELETED: Why =
    NotDrawn("whoever made the heir that lost knows that at once, and deletes it");
const ONLY_ITS_END: Why =
    NotDrawn("whoever has rekeyed an IKE SA asks nothing of the old one but its end");

/// Why there is no such situation; `None`: there is.
#[must_use]
pub const fn unreal(situation: Situation) -> Option<&'static str> {
    use Flight as F;
    use HalfDone as H;
    use Standing as S;
    let Situation {
        standing,
        flight,
        half_done,
    } = situation;
    let in_flight = match standing {
        S::Nobody
        | S::Routing
        | S::Signing
        | S::Verifying
        | S::HalfOpen
        | S::Proving
        | S::Replaced => matches!(flight, F::Nothing),
        S::InitSent => matches!(flight, F::IkeSaInit),
        S::AuthSent => matches!(flight, F::IkeAuth),
        S::Established | S::Duplicate => !matches!(
            flight,
            F::IkeSaInit | F::IkeAuth | F::DeleteIke | F::OldCreateChild | F::OldInformational
        ),
        S::Heir | S::Redundant => matches!(flight, F::Nothing | F::Liveness),
        S::Leaving => matches!(flight, F::IkeAuth | F::OldCreateChild | F::OldInformational),
        S::Deleting => matches!(flight, F::DeleteIke),
        S::Ghost => matches!(
            flight,
            F::Nothing | F::IkeAuth | F::OldCreateChild | F::OldInformational
        ),
    };
    if !in_flight {
        return Some("an IKE SA that stands so has no such exchange in flight");
    }
    if !matches!(standing, S::Established) {
        return match half_done {
            H::Nothing => None,
            _ => Some("only of an established IKE SA that is to stay it is told what is half done"),
        };
    }
    match (flight, half_done) {
        (
            F::RekeyIke,
            H::Installing | H::Answering | H::ChildCollision | H::Undecided | H::HeirLost,
        ) => Some("the IKE SA is not rekeyed while children are on their way, nor twice"),
        (F::RekeyChild, H::ChildCollision) | (F::RekeyIke, H::IkeCollision) => None,
        (_, H::ChildCollision | H::IkeCollision) => Some("a collision takes a rekeying of ours"),
        _ => None,
    }
}

/// Why a message never meets a situation; `None`: it can, and lives may do it.
#[must_use]
pub const fn why(situation: Situation, message: Message) -> Option<Why> {
    if message.is_read()
        && let Some(words) = unreal(situation)
    {
        return Some(Impossible(words));
    }
    if matches!(situation.standing, Standing::Routing) {
        return Some(UNSEEN);
    }
    match message {
        Message::Request(asked) => request(situation, asked),
        Message::Response(answered) => response(situation, answered),
        Message::Repeated(exchange) => repeated(situation.standing, exchange),
        Message::Unfinished(exchange) => unfinished(situation.standing, exchange),
        Message::OutOfTurn(exchange) => out_of_turn(situation.standing, exchange),
        Message::Untimely(exchange) => untimely(situation.standing, exchange),
        Message::Unasked(exchange) => unasked(situation.standing, exchange),
        Message::Unprotected => match situation.standing {
            Standing::InitSent | Standing::Signing | Standing::HalfOpen | Standing::Proving => {
                Some(NotDrawn(
                    "nothing of ours that is protected has gone out, to be answered without protection",
                ))
            }
            _ => None,
        },
        Message::Unreadable => Some(NotDrawn("the network of a life changes no bytes")),
        Message::Foreign => match situation.standing {
            Standing::Nobody
            | Standing::InitSent
            | Standing::HalfOpen
            | Standing::Proving
            | Standing::Heir
            | Standing::Redundant => Some(NotDrawn(
                "nobody but the two ends speaks, and both know the SPIs",
            )),
            // An answer to an IKE_SA_INIT that was doubled, and made a second IKE SA there.
            _ => None,
        },
    }
}

/// The request that is due, to be looked into.
const fn request(situation: Situation, asked: Asked) -> Option<Why> {
    use Asked as A;
    use Standing as S;
    let busy = matches!(
        situation.half_done,
        HalfDone::Answering | HalfDone::Undecided
    );
    match (situation.standing, asked) {
        (S::Nobody, A::IkeSaInit) => None,
        (S::Nobody, A::Malformed) => Some(Impossible("it counts as IKE_SA_INIT")),
        (S::Nobody | S::Signing | S::Verifying, _) => Some(NO_KEYS),
        (S::InitSent, _) => Some(NO_PEER_YET),
        (_, A::IkeSaInit) => Some(Impossible(
            "IKE_SA_INIT for an IKE SA that is there is an old one",
        )),
        (S::HalfOpen, A::IkeAuth) => None,
        (S::AuthSent | S::HalfOpen, A::IkeAuth | A::Malformed) => Some(BREACH),
        (S::AuthSent | S::HalfOpen, _) => Some(ONLY_AUTH),
        (S::Proving, _) => Some(ONE_AT_A_TIME),
        (S::Ghost, _) => Some(UNOPENED),
        (S::Established, _) if busy => Some(ONE_AT_A_TIME),
        (_, A::IkeAuth | A::Malformed) => Some(BREACH),
        (_, A::Notify) => Some(NotDrawn(
            "ikd itself sends no INFORMATIONAL that only tells something",
        )),
        (_, A::DeleteIke) => None,
        (S::Replaced, _) => Some(ONLY_ITS_END),
        _ if matches!(situation.half_done, HalfDone::IkeCollision) => Some(ONLY_ITS_END),
        (S::Redundant, _) => Some(LOSER_IS_DELETED),
        _ => None,
    }
}

/// The response that is awaited.
const fn response(situation: Situation, answered: Answered) -> Option<Why> {
    use Answered as A;
    use Flight as F;
    if matches!(situation.standing, Standing::Ghost) {
        return Some(UNOPENED);
    }
    match (situation.flight, answered) {
        (F::Nothing, _) => Some(NO_FLIGHT),
        (_, A::Agreed) => None,
        (_, A::Malformed) => Some(BREACH),
        (F::IkeSaInit, A::Cookie) => Some(NotDrawn("so few gateways ask nobody for a cookie")),
        (_, A::Cookie) => Some(BREACH),
        (F::IkeSaInit, A::InvalidKe) => None,
        // A gateway that has no configuration yet knows nobody.
        (F::IkeSaInit, A::OtherError) => None,
        (F::IkeSaInit, _) => Some(BREACH),
        (F::RekeyIke, A::OtherError) => Some(NotDrawn(
            "the proposals for IKE do not change in a life, and always have something in common",
        )),
        (F::DeleteChild | F::DeleteIke | F::Liveness | F::OldInformational, _) => Some(BREACH),
        (F::IkeAuth, A::InvalidKe | A::ChildSaNotFound) => Some(BREACH),
        (F::NewChild | F::RekeyIke, A::ChildSaNotFound) => Some(BREACH),
        (_, A::NoAdditionalSas) => Some(NotDrawn("so few children are not too many for an IKE SA")),
        _ => None,
    }
}

/// A request again, which was answered.
const fn repeated(standing: Standing, exchange: Exchange) -> Option<Why> {
    use Exchange as E;
    use Standing as S;
    match (standing, exchange) {
        (S::HalfOpen | S::Proving | S::Established | S::Duplicate, E::IkeSaInit) => None,
        (
            S::Nobody
            | S::InitSent
            | S::Signing
            | S::AuthSent
            | S::Verifying
            | S::HalfOpen
            | S::Proving,
            _,
        )
        | (S::Heir | S::Redundant, E::IkeSaInit | E::IkeAuth) => Some(NOTHING_ANSWERED),
        (S::Heir, E::Informational) => Some(NOT_AS_HEIR),
        (S::Redundant, E::Informational) => Some(LOSER_IS_DELETED),
        (_, E::IkeSaInit) => Some(ANSWERED_SINCE),
        _ => None,
    }
}

/// A request again, which is still being worked on.
const fn unfinished(standing: Standing, exchange: Exchange) -> Option<Why> {
    use Exchange as E;
    use Standing as S;
    match (standing, exchange) {
        (S::Proving, E::IkeAuth) => None,
        (S::Established | S::Duplicate, E::IkeAuth | E::CreateChildSa) => None,
        (S::Proving, _) => Some(ONE_AT_A_TIME),
        _ => Some(AT_ONCE),
    }
}

/// A request with another message ID than the one that is due.
const fn out_of_turn(standing: Standing, exchange: Exchange) -> Option<Why> {
    use Exchange as E;
    use Standing as S;
    match (standing, exchange) {
        (S::Nobody, _) => Some(Impossible("no IKE SA, no message IDs")),
        (S::InitSent, _) => Some(NO_PEER_YET),
        (S::HalfOpen | S::Proving, E::IkeSaInit) => None,
        // A Delete does not wait for ever for the answer to what was asked before it.
        (S::AuthSent | S::Verifying | S::HalfOpen | S::Proving, E::Informational) => None,
        (S::Signing | S::AuthSent | S::Verifying | S::HalfOpen | S::Proving, _) => Some(NotDrawn(
            "a window of one lets no second request out before the first is answered",
        )),
        (S::Heir | S::Redundant, E::IkeSaInit | E::IkeAuth) => Some(NOTHING_ANSWERED),
        (S::Heir, E::Informational) => Some(NOT_AS_HEIR),
        (S::Redundant, E::Informational) => Some(LOSER_IS_DELETED),
        _ => None,
    }
}

/// The request that is due, of an exchange that is not taken.
const fn untimely(standing: Standing, exchange: Exchange) -> Option<Why> {
    use Exchange as E;
    use Standing as S;
    match (standing, exchange) {
        (S::Nobody, E::IkeSaInit) => Some(NotDrawn(
            "so few gateways fill no limit, and none shuts down as a whole",
        )),
        (S::Nobody, _) => None,
        (S::InitSent, _) => Some(NO_PEER_YET),
        (_, E::IkeSaInit) => Some(Impossible(
            "IKE_SA_INIT for an IKE SA that is there is an old one",
        )),
        (S::Signing, _) => Some(NOT_BEFORE_AUTH),
        (S::AuthSent | S::Verifying, E::CreateChildSa | E::Informational) => None,
        (S::AuthSent | S::HalfOpen, E::IkeAuth) => Some(ALL_OPENED),
        (S::Verifying | S::HalfOpen, _) => Some(BREACH),
        (S::Proving, _) => Some(ONE_AT_A_TIME),
        (S::Ghost, E::IkeAuth) => Some(BREACH),
        (S::Ghost, _) => None,
        _ => Some(ALL_OPENED),
    }
}

/// A response that nobody waits for.
const fn unasked(standing: Standing, exchange: Exchange) -> Option<Why> {
    use Exchange as E;
    use Standing as S;
    match (standing, exchange) {
        (S::InitSent, E::IkeSaInit) | (S::AuthSent, E::IkeAuth) => Some(BREACH),
        (S::InitSent, _) => Some(NO_PEER_YET),
        (S::Signing | S::AuthSent | S::Verifying, E::IkeSaInit) | (S::Verifying, E::IkeAuth) => {
            None
        }
        (S::Signing | S::AuthSent | S::Verifying | S::HalfOpen | S::Proving, _) => Some(NOT_ASKED),
        (S::Heir | S::Redundant, E::Informational) => None,
        (S::Heir | S::Redundant, _) => Some(NOT_ASKED),
        _ => None,
    }
}

/// Why a cell that can be visited may not have been: what makes it rare.
pub(super) const fn rare(situation: Situation, message: Message) -> &'static str {
    use Standing as S;
    match message {
        Message::Request(Asked::Liveness) => {
            return "liveness is asked where the peer was silent for five seconds";
        }
        Message::Response(Answered::OtherError) => {
            return "it takes a reload at that moment, after which nothing is in common";
        }
        _ => {}
    }
    match (situation.standing, situation.flight, situation.half_done) {
        (S::Verifying | S::Proving, ..) => "AUTH takes a second at most",
        (S::Heir | S::Redundant, ..) => {
            "there are two heirs only until both ends have their answers, or one has deleted its own"
        }
        (S::Duplicate, ..) => {
            "it takes two ends that begin at once, and lasts until the one that stays has its children"
        }
        (S::Leaving, Flight::IkeAuth, _) => {
            "an operator would have to take it down between IKE_AUTH and its answer"
        }
        (S::Leaving | S::Deleting, ..) => "it stands so for ten seconds at most",
        (_, _, HalfDone::Orphaned | HalfDone::Undecided) => {
            "it takes a collision, and lasts as long as a kernel takes to install something"
        }
        (_, Flight::Liveness, _) => "liveness is asked where the peer was silent for five seconds",
        (_, _, HalfDone::Installing | HalfDone::Answering) => {
            "it lasts as long as a kernel takes to install something"
        }
        _ => "a gap",
    }
}
