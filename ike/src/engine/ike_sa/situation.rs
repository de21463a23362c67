//! What a datagram meets here, for simulators ([`crate::engine::situation`]).

use crate::engine::situation::{Flight, HalfDone, Situation, Standing};
use crate::wire::numbers::ExchangeType;

use super::child_sa::{ChildSa, ChildState};
use super::established::{Established, Exchange};
use super::rekey_child::Replaces;
use super::{IkeSa, State};

impl IkeSa {
    pub(in crate::engine) fn situation(&self) -> Situation {
        let standing = match &self.state {
            State::Routing(_) => Standing::Routing,
            State::InitSent(_) => Standing::InitSent,
            State::Signing(_) => Standing::Signing,
            State::AuthSent(_) => Standing::AuthSent,
            State::Verifying(_) => Standing::Verifying,
            State::HalfOpen(_) => Standing::HalfOpen,
            State::Proving(_) => Standing::Proving,
            State::Established(established) => return established.situation(),
            State::Closing(closing) if closing.due.is_some() => Standing::Replaced,
            State::Closing(closing) if closing.waits_to_delete() => Standing::Leaving,
            State::Closing(_) => Standing::Deleting,
            State::Ghost(_) => Standing::Ghost,
            State::Gone => Standing::Nobody,
        };
        let asked = self.window.outstanding().map(|request| request.exchange);
        let flight = match asked {
            None => Flight::Nothing,
            Some(ExchangeType::IKE_SA_INIT) => Flight::IkeSaInit,
            Some(ExchangeType::IKE_AUTH) => Flight::IkeAuth,
            Some(ExchangeType::CREATE_CHILD_SA) => Flight::OldCreateChild,
            Some(_) if standing == Standing::Deleting => Flight::DeleteIke,
            Some(_) => Flight::OldInformational,
        };
        Situation::new(standing, flight)
    }
}

impl Established {
    fn situation(&self) -> Situation {
        let standing = match self.redundant_until {
            Some(_) if self.announced => Standing::Duplicate,
            Some(_) => Standing::Redundant,
            None if self.announced => Standing::Established,
            None => Standing::Heir,
        };
        let flight = match &self.exchange {
            None => Flight::Nothing,
            Some(Exchange::CreateChild(proposed)) if proposed.replaces.is_some() => {
                Flight::RekeyChild
            }
            Some(Exchange::CreateChild(_)) => Flight::NewChild,
            Some(Exchange::RekeyIke(_)) => Flight::RekeyIke,
            Some(Exchange::DeleteChild(_)) => Flight::DeleteChild,
            Some(Exchange::Liveness) => Flight::Liveness,
        };
        let half_done = match standing {
            Standing::Established => self.half_done(),
            _ => HalfDone::Nothing,
        };
        Situation {
            half_done,
            ..Situation::new(standing, flight)
        }
    }

    fn half_done(&self) -> HalfDone {
        let is = |half_done: &HalfDone| match half_done {
            HalfDone::Nothing => true,
            HalfDone::Replaced => self
                .has_child(|state| matches!(state, ChildState::Standby | ChildState::Replaced(_))),
            HalfDone::Installing => self.children.iter().any(|child| {
                let answered = |(number, ..): &(u64, _, _)| *number == child.number;
                matches!(child.state, ChildState::Installing(_))
                    && !self.answering.as_ref().is_some_and(answered)
            }),
            HalfDone::Answering => self.answering.is_some(),
            HalfDone::Orphaned => self.has_child(|state| matches!(state, ChildState::Orphaned)),
            HalfDone::ChildCollision => matches!(&self.exchange,
                Some(Exchange::CreateChild(proposed))
                    if proposed.replaces.as_ref().is_some_and(Replaces::collides)),
            HalfDone::Undecided => self.undecided.is_some(),
            HalfDone::IkeCollision => self.heir.is_some(),
            HalfDone::HeirLost => self.heir_is_lost,
        };
        let mut last_first = HalfDone::ALL.iter().rev().copied();
        last_first.find(is).unwrap_or(HalfDone::Nothing)
    }

    fn has_child(&self, is: impl Fn(&ChildState) -> bool) -> bool {
        self.children.iter().any(|child: &ChildSa| is(&child.state))
    }
}
