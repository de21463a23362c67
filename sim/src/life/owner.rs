//! The owner of a gateway's secrets, its resolver and its web: what they say, and when they do not.

use std::time::Duration;

use ike::auth::ask::{SignAnswer, answer_psk};
use ike::crypto::standard;
use ike::engine::io::{Answer, Question};

use crate::setup::SECRET;

use super::gateway::Gateway;
use super::meeting;
use super::scenario::{Scenario, address};
use super::{BEGINNING, Life};

/// What is wrong with the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It answers when it is over, and not before.
    Silent,
    /// It has nothing.
    Empty,
    /// It has another secret than the peer, and what it knows of others is wrong.
    Wrong,
}

/// A trouble of one gateway's owner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) trouble: Trouble,
    pub(super) until: Duration,
}

/// Whether it is the owner who is asked, and not the kernel.
const fn is_for_owner(question: &Question) -> bool {
    !matches!(question, Question::SaUse(_))
}

impl Life<'_> {
    /// When a question of a gateway that comes now will be answered.
    pub(super) fn answered_at(&mut self, gateway: usize, question: &Question) -> Duration {
        let of = &mut self.gateways[gateway];
        let at = self.now + of.a_while();
        match of.outage {
            Some(Outage {
                trouble: Trouble::Silent,
                until,
            }) if is_for_owner(question) => at.max(until),
            _ => at,
        }
    }

    /// What a gateway is told.
    pub(super) fn answer(&self, gateway: usize, question: Question) -> Answer {
        let of = &self.gateways[gateway];
        let under_way = of.outage.filter(|outage| self.now < outage.until);
        match under_way.map(|outage| outage.trouble) {
            Some(Trouble::Empty) if is_for_owner(&question) => nothing(question),
            Some(Trouble::Wrong) => something_else(question)
                .unwrap_or_else(|question| answer(self.scenario, self.now, of, question)),
            _ => answer(self.scenario, self.now, of, question),
        }
    }
}

fn answer(scenario: &Scenario, now: Duration, of: &Gateway, question: Question) -> Answer {
    match question {
        Question::Psk(question) => {
            // Those who call themselves otherwise have another secret: whoever takes one link for the other is not believed.
            let link = scenario.link_called(&question.connection);
            let twin = link.is_some_and(|link| scenario.links[link].meeting.is_twin);
            let mut secret = SECRET.to_vec();
            if twin {
                secret.extend(question.connection.as_str().bytes());
            }
            Answer::Psk(answer_psk(&question, Some(&secret), standard()))
        }
        Question::LocalAddress { .. } => Answer::LocalAddress(Ok(of.address)),
        Question::Resolve { name } => {
            let far = meeting::gateway_called(name.as_str());
            let moved = now >= BEGINNING + scenario.moves_at;
            let found = far.map(|far| match moved {
                true => vec![address(far)],
                false => vec![meeting::nowhere()],
            });
            Answer::Resolved(found.ok_or_else(|| "Name or service not known".to_owned()))
        }
        Question::SaUse(sas) => Answer::SaUse(of.kernel.uses(&sas)),
        Question::Sign(question) => {
            let key = meeting::key(of.number).private();
            let signed = key.sign(question.scheme, &question.octets);
            Answer::Signed(match signed {
                Ok(signature) => SignAnswer::Signed(signature),
                Err(error) => SignAnswer::Failed(error.to_string()),
            })
        }
        Question::Fetch(question) => Answer::Fetched(meeting::fetch(&question.url)),
    }
}

/// What an owner says who has something else, where there is something else to be said.
fn something_else(question: Question) -> Result<Answer, Question> {
    match question {
        Question::Psk(question) => {
            let other = b"a secret that nobody else has";
            Ok(Answer::Psk(answer_psk(&question, Some(other), standard())))
        }
        Question::Resolve { .. } => Ok(Answer::Resolved(Ok(vec![meeting::nowhere()]))),
        Question::Fetch(_) => Ok(Answer::Fetched(Ok(b"no revocation list".to_vec()))),
        other => Err(other),
    }
}

/// What an owner says who has nothing.
fn nothing(question: Question) -> Answer {
    let words = || "out of order".to_owned();
    match question {
        Question::Psk(question) => Answer::Psk(answer_psk(&question, None, standard())),
        Question::LocalAddress { .. } => Answer::LocalAddress(Err(words())),
        Question::Resolve { .. } => Answer::Resolved(Err(words())),
        Question::Sign(_) => Answer::Signed(SignAnswer::NoKey),
        Question::Fetch(_) => Answer::Fetched(Err(words())),
        Question::SaUse(_) => Answer::SaUse(Vec::new()),
    }
}
