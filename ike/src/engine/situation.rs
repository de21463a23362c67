//! What a datagram meets: where its IKE SA stands, which exchange of ours is in flight, what is half done, and what the
//! datagram is (RFC 7296 sections 1 and 2). For simulators, which want to know where they have been: everything here can be
//! listed, so that what was never visited can be, too.
//!
//! ```text
//!   engine.watch()                                      nothing is taken down before
//!   engine.handle(.., Datagram) --> take_encounters()   one Encounter for each datagram: Situation x Message
//! ```
//!
//! The daemon never watches. What is seen here has no say in what is done.

use crate::wire::numbers::{ExchangeType, NotifyType, PayloadType, ProtocolId};
use crate::wire::{Header, SecurityAssociation};

use super::contents::Contents;
use super::event::DropReason;
use super::failure::Cause;

/// An enumeration that knows all of its values, in order, and what each is called.
macro_rules! listed {
    ($(#[$what:meta])* $name:ident { $($(#[$each:meta])* $value:ident = $words:literal,)* }) => {
        $(#[$what])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $value,)* }

        impl $name {
            /// Every one, in order.
            pub const ALL: &[Self] = &[$(Self::$value,)*];

            /// What it is called.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$value => $words,)* }
            }
        }
    };
}

listed! {
    /// Where the IKE SA stands.
    Standing {
        /// There is none: a newcomer, or one that is not known any more.
        Nobody = "no IKE SA",
        /// We are about to begin.
        Routing = "about to begin",
        /// We have asked by IKE_SA_INIT.
        InitSent = "initiator, IKE_SA_INIT out",
        /// IKE_SA_INIT is answered, and our AUTH is being made.
        Signing = "initiator, our AUTH is being made",
        /// We have asked by IKE_AUTH.
        AuthSent = "initiator, IKE_AUTH out",
        /// IKE_AUTH is answered, and the peer's AUTH is being judged.
        Verifying = "initiator, the peer's AUTH is being judged",
        /// We have answered IKE_SA_INIT.
        HalfOpen = "responder, half-open",
        /// The peer's AUTH is being judged, or ours made.
        Proving = "responder, AUTH is being judged or made",
        /// Both have proved who they are.
        Established = "established",
        /// Established, and another one with the same peer was begun at the same time, which is to stay. What it has half done
        /// is not told.
        Duplicate = "one of two begun at once, which is to go",
        /// It came of the peer's rekeying while ours is out: which of two is to be is not known yet.
        Heir = "one of two heirs",
        /// Of two that came of a collision, the one that the peer is to delete.
        Redundant = "the heir that lost",
        /// Another is in its place, and the peer is to delete it.
        Replaced = "replaced, the peer is to delete it",
        /// It has ended, and our Delete waits for the answer to what was asked before.
        Leaving = "ended, our Delete waits for the window",
        /// Our Delete is out.
        Deleting = "our Delete is out",
        /// Nothing is left but our last answer.
        Ghost = "gone, the last answer is kept",
    }
}

listed! {
    /// The exchange of ours that waits for its answer.
    Flight {
        /// None.
        Nothing = "nothing",
        /// IKE_SA_INIT.
        IkeSaInit = "IKE_SA_INIT",
        /// IKE_AUTH.
        IkeAuth = "IKE_AUTH",
        /// CREATE_CHILD_SA for a child that is not there.
        NewChild = "new child",
        /// CREATE_CHILD_SA with REKEY_SA.
        RekeyChild = "rekey child",
        /// CREATE_CHILD_SA for an IKE SA.
        RekeyIke = "rekey IKE SA",
        /// INFORMATIONAL with the Delete of a Child SA.
        DeleteChild = "delete child",
        /// INFORMATIONAL with the Delete of the IKE SA.
        DeleteIke = "delete IKE SA",
        /// An empty INFORMATIONAL.
        Liveness = "liveness",
        /// CREATE_CHILD_SA that was asked before the IKE SA ended: nobody waits for what it makes.
        OldCreateChild = "CREATE_CHILD_SA of before",
        /// INFORMATIONAL that was asked before the IKE SA ended.
        OldInformational = "INFORMATIONAL of before",
    }
}

listed! {
    /// What an established IKE SA that is to stay has half done besides. Where there is more than one thing, the last in this order counts.
    HalfDone {
        /// Nothing.
        Nothing = "nothing",
        /// A child was rekeyed by the peer, which is to delete the old Child SA.
        Replaced = "peer rekeyed a child, its Delete is due",
        /// The kernel is installing what the peer has made for us.
        Installing = "the kernel installs what we asked for",
        /// The kernel is installing what the peer asked for: that is not answered yet.
        Answering = "the kernel installs what the peer asked for",
        /// The peer has deleted a child that we are rekeying.
        Orphaned = "peer deleted a child that we rekey",
        /// The peer has rekeyed the child that we are rekeying.
        ChildCollision = "peer rekeyed the child that we rekey",
        /// The same, and ours is answered, while the kernel is busy with the peer's.
        Undecided = "both rekeyed a child, the kernel installs the peer's",
        /// The peer has rekeyed the IKE SA, which we are rekeying.
        IkeCollision = "peer rekeyed the IKE SA that we rekey",
        /// The peer has rekeyed the IKE SA for us, but our half of the keys was lost in a restart.
        HeirLost = "the heir's keys were lost in a restart",
    }
}

/// What a datagram meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Situation {
    /// Where the IKE SA stands.
    pub standing: Standing,
    /// What of ours is in flight.
    pub flight: Flight,
    /// What is half done.
    pub half_done: HalfDone,
}

impl Situation {
    /// Where no IKE SA is.
    pub const NOBODY: Self = Self::new(Standing::Nobody, Flight::Nothing);

    /// With nothing half done.
    #[must_use]
    pub const fn new(standing: Standing, flight: Flight) -> Self {
        let half_done = HalfDone::Nothing;
        Self {
            standing,
            flight,
            half_done,
        }
    }

    /// Every one that can be written down, whether it can be or not.
    pub fn all() -> impl Iterator<Item = Self> {
        let with = |standing, flight| {
            HalfDone::ALL.iter().map(move |half_done| Self {
                half_done: *half_done,
                ..Self::new(standing, flight)
            })
        };
        Standing::ALL.iter().flat_map(move |standing| {
            (Flight::ALL.iter()).flat_map(move |flight| with(*standing, *flight))
        })
    }
}

listed! {
    /// A type of exchange, as the header says it.
    Exchange {
        /// IKE_SA_INIT.
        IkeSaInit = "IKE_SA_INIT",
        /// IKE_AUTH.
        IkeAuth = "IKE_AUTH",
        /// CREATE_CHILD_SA.
        CreateChildSa = "CREATE_CHILD_SA",
        /// INFORMATIONAL.
        Informational = "INFORMATIONAL",
    }
}

impl Exchange {
    /// One of those that we speak.
    #[must_use]
    pub const fn of(exchange: ExchangeType) -> Option<Self> {
        match exchange {
            ExchangeType::IKE_SA_INIT => Some(Self::IkeSaInit),
            ExchangeType::IKE_AUTH => Some(Self::IkeAuth),
            ExchangeType::CREATE_CHILD_SA => Some(Self::CreateChildSa),
            ExchangeType::INFORMATIONAL => Some(Self::Informational),
            _ => None,
        }
    }
}

listed! {
    /// What a request asks for.
    Asked {
        /// IKE_SA_INIT.
        IkeSaInit = "IKE_SA_INIT",
        /// IKE_AUTH.
        IkeAuth = "IKE_AUTH",
        /// CREATE_CHILD_SA for a child that is not there.
        NewChild = "new child",
        /// CREATE_CHILD_SA with REKEY_SA.
        RekeyChild = "rekey child",
        /// CREATE_CHILD_SA for an IKE SA.
        RekeyIke = "rekey IKE SA",
        /// INFORMATIONAL with the Delete of a Child SA.
        DeleteChild = "delete child",
        /// INFORMATIONAL with the Delete of the IKE SA.
        DeleteIke = "delete IKE SA",
        /// An empty INFORMATIONAL.
        Liveness = "liveness",
        /// INFORMATIONAL that only tells something, an error for example.
        Notify = "notify",
        /// It can be read, and makes no sense.
        Malformed = "malformed",
    }
}

listed! {
    /// What a response says.
    Answered {
        /// That it is so.
        Agreed = "agreed",
        /// COOKIE.
        Cookie = "COOKIE",
        /// INVALID_KE_PAYLOAD.
        InvalidKe = "INVALID_KE_PAYLOAD",
        /// TEMPORARY_FAILURE.
        TemporaryFailure = "TEMPORARY_FAILURE",
        /// CHILD_SA_NOT_FOUND.
        ChildSaNotFound = "CHILD_SA_NOT_FOUND",
        /// NO_ADDITIONAL_SAS.
        NoAdditionalSas = "NO_ADDITIONAL_SAS",
        /// Another error.
        OtherError = "another error",
        /// It can be read, and makes no sense.
        Malformed = "malformed",
    }
}

/// What a datagram is, to the IKE SA that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// The request that is due.
    Request(Asked),
    /// The response that is awaited.
    Response(Answered),
    /// A request that was answered, again.
    Repeated(Exchange),
    /// A request that is being worked on, again.
    Unfinished(Exchange),
    /// A request with another message ID than the one that is due, or an old one with other bytes.
    OutOfTurn(Exchange),
    /// The request that is due, of an exchange that is not taken here; nobody has looked inside.
    Untimely(Exchange),
    /// A response that nobody waits for.
    Unasked(Exchange),
    /// Without the protection of the IKE SA.
    Unprotected,
    /// It cannot be read, or its integrity check fails.
    Unreadable,
    /// Its SPIs, flags or address are not the IKE SA's, or its exchange is none of ours.
    Foreign,
}

impl Message {
    /// Every one.
    pub fn all() -> impl Iterator<Item = Self> {
        let by_exchange = [
            Self::Repeated,
            Self::Unfinished,
            Self::OutOfTurn,
            Self::Untimely,
            Self::Unasked,
        ];
        let requests = Asked::ALL.iter().copied().map(Self::Request);
        let responses = Answered::ALL.iter().copied().map(Self::Response);
        let unopened = (by_exchange.into_iter())
            .flat_map(|of| Exchange::ALL.iter().map(move |exchange| of(*exchange)));
        requests.chain(responses).chain(unopened).chain([
            Self::Unprotected,
            Self::Unreadable,
            Self::Foreign,
        ])
    }

    /// Whether somebody looks inside: only then what is half done has a say in what follows.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Request(_) | Self::Response(_))
    }

    /// A request that is read.
    pub(super) fn request(
        exchange: ExchangeType,
        contents: &Result<Contents<'_>, Cause>,
    ) -> Option<Self> {
        let Ok(contents) = contents else {
            return Some(Self::Request(Asked::Malformed));
        };
        let for_ike = |sa: &SecurityAssociation| {
            let mut proposals = sa.proposals.iter();
            proposals.any(|proposal| proposal.protocol == ProtocolId::IKE)
        };
        let deletes = |protocol| {
            let mut deletes = contents.deletes.iter();
            deletes.any(|delete| delete.protocol == protocol)
        };
        Some(Self::Request(match Exchange::of(exchange)? {
            Exchange::IkeSaInit => Asked::IkeSaInit,
            Exchange::IkeAuth => Asked::IkeAuth,
            Exchange::CreateChildSa if contents.sa.as_ref().is_some_and(for_ike) => Asked::RekeyIke,
            Exchange::CreateChildSa if contents.has(NotifyType::REKEY_SA) => Asked::RekeyChild,
            Exchange::CreateChildSa => Asked::NewChild,
            Exchange::Informational if deletes(ProtocolId::IKE) => Asked::DeleteIke,
            Exchange::Informational if deletes(ProtocolId::ESP) => Asked::DeleteChild,
            Exchange::Informational if contents.notifies.is_empty() => Asked::Liveness,
            Exchange::Informational => Asked::Notify,
        }))
    }

    /// A response that is read.
    pub(super) fn response(contents: &Result<Contents<'_>, Cause>) -> Self {
        let Ok(contents) = contents else {
            return Self::Response(Answered::Malformed);
        };
        let error = contents.error().filter(|_| contents.sa.is_none());
        Self::Response(match error {
            _ if contents.has(NotifyType::COOKIE) => Answered::Cookie,
            None => Answered::Agreed,
            Some(NotifyType::INVALID_KE_PAYLOAD) => Answered::InvalidKe,
            Some(NotifyType::TEMPORARY_FAILURE) => Answered::TemporaryFailure,
            Some(NotifyType::CHILD_SA_NOT_FOUND) => Answered::ChildSaNotFound,
            Some(NotifyType::NO_ADDITIONAL_SAS) => Answered::NoAdditionalSas,
            Some(_) => Answered::OtherError,
        })
    }

    /// One that nobody has looked into, by its header and why it was dropped, if it was.
    pub(super) fn unread(header: &Header, standing: Standing, dropped: Option<DropReason>) -> Self {
        let Some(exchange) = Exchange::of(header.exchange) else {
            return Self::Foreign;
        };
        let response = header.flags.response;
        let nobody = standing == Standing::Nobody;
        let protected = matches!(header.next_payload, PayloadType::SK | PayloadType::SKF);
        match dropped {
            Some(DropReason::BadFlags | DropReason::WrongAddress) => Self::Foreign,
            Some(DropReason::UnknownSpi) if !nobody => Self::Foreign,
            _ if !protected && exchange != Exchange::IkeSaInit => Self::Unprotected,
            Some(DropReason::Malformed | DropReason::BadIntegrity | DropReason::NotNegotiated) => {
                Self::Unreadable
            }
            _ if response => Self::Unasked(exchange),
            Some(DropReason::InProgress) => Self::Unfinished(exchange),
            Some(DropReason::MessageId) => Self::OutOfTurn(exchange),
            Some(_) => Self::Untimely(exchange),
            None if nobody => Self::Request(Asked::IkeSaInit),
            None => Self::Repeated(exchange),
        }
    }
}

/// A datagram, and what it met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encounter {
    /// What it met.
    pub situation: Situation,
    /// What it was.
    pub message: Message,
}

/// Takes down what is met.
#[derive(Debug, Default)]
pub(super) struct Witness {
    encounters: Vec<Encounter>,
    /// The datagram at hand, where somebody has looked inside.
    read: Option<Message>,
    /// Why the datagram at hand was dropped.
    dropped: Option<DropReason>,
}

impl Witness {
    /// Somebody looks inside.
    pub(super) fn reads(&mut self, message: Option<Message>) {
        self.read = message;
    }

    /// The datagram at hand is dropped.
    pub(super) fn drops(&mut self, reason: DropReason) {
        self.dropped = Some(reason);
    }

    /// The datagram at hand was for this one, and is done with. Without a header it was not even that.
    pub(super) fn met(&mut self, situation: Situation, header: Option<&Header>) {
        let (read, dropped) = (self.read.take(), self.dropped.take());
        let unread = || {
            let of = |header| Message::unread(header, situation.standing, dropped);
            header.map_or(Message::Unreadable, of)
        };
        let message = read.unwrap_or_else(unread);
        self.encounters.push(Encounter { situation, message });
    }

    pub(super) fn take(&mut self) -> Vec<Encounter> {
        std::mem::take(&mut self.encounters)
    }
}
