//! An established IKE SA in its record.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::proof::{OwnEvidence, OwnEvidenceFields, PeerAuthenticated, PeerFields};
use crate::config::{Connection, Name};
use crate::engine::channel::{Channel, ChannelFields};
use crate::engine::io::Path;
use crate::engine::records::{Hidden, IkeSuiteFields};
use crate::engine::shared::Shared;
use crate::wire::IkeSpi;

use super::super::child::{Proposed, ProposedFields};
use super::super::child_sa::{ChildSa, ChildSaFields};
use super::super::rekey_child::{Undecided, UndecidedFields};
use super::super::rekey_ike::{RekeyIke, RekeyIkeFields};
use super::super::rekeying::{Rekeying, RekeyingFields};
use super::{Established, Exchange, Gone, Task};

/// What is written of an [`Established`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct EstablishedFields {
    peer: PeerFields,
    own: OwnEvidenceFields,
    suite: IkeSuiteFields,
    children: Vec<ChildSaFields>,
    since: Duration,
    authenticated: Duration,
    sk_d: Hidden,
    channel: ChannelFields,
    tasks: Vec<TaskFields>,
    exchange: Option<ExchangeFields>,
    undecided: Option<UndecidedFields>,
    rekeying: RekeyingFields,
    reauthentication: RekeyingFields,
    heir: Option<[u8; 8]>,
    heir_is_lost: bool,
    announced: bool,
    redundant_until: Option<Duration>,
    deleted_early: Vec<u32>,
    verified: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
enum TaskFields {
    CreateChild(String),
    RekeyChild(u64),
    RekeyIke,
    DeleteChild(GoneFields),
    Liveness,
}

#[derive(Debug, Serialize, Deserialize)]
enum ExchangeFields {
    CreateChild(Box<ProposedFields>),
    RekeyIke(Box<RekeyIkeFields>),
    DeleteChild(GoneFields),
    Liveness,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct GoneFields(u32, Option<u32>);

impl From<Gone> for GoneFields {
    fn from(Gone { inbound, outbound }: Gone) -> Self {
        Self(inbound, outbound)
    }
}

impl From<GoneFields> for Gone {
    fn from(GoneFields(inbound, outbound): GoneFields) -> Self {
        Self { inbound, outbound }
    }
}

impl EstablishedFields {
    /// Whom it was proven to be with.
    pub(in crate::engine) const fn peer(&self) -> &PeerFields {
        &self.peer
    }

    /// How we proved who we are.
    pub(in crate::engine) const fn own(&self) -> &OwnEvidenceFields {
        &self.own
    }

    /// The reqids of its Child SAs.
    pub(in crate::engine) fn reqids(&self) -> impl Iterator<Item = u32> + '_ {
        self.children.iter().map(ChildSaFields::reqid)
    }

    /// What protects its messages, for a goodbye.
    pub(in crate::engine) fn into_channel(self) -> ChannelFields {
        self.channel
    }

    pub(in crate::engine) const fn suite(&self) -> IkeSuiteFields {
        self.suite
    }
}

impl Established {
    /// Its fields; `None` where it was not made to be recorded, or is not to be yet: before IKE_AUTH is answered, the peer
    /// has nothing that a successor could go on with.
    pub(in crate::engine) fn fields(&self) -> Option<EstablishedFields> {
        let Self {
            connection: _,
            peer,
            own,
            suite,
            children,
            since,
            authenticated,
            sk_d,
            channel,
            tasks,
            exchange,
            answering,
            undecided,
            rekeying,
            reauthentication,
            heir,
            heir_is_lost,
            announced,
            redundant_until,
            deleted_early,
            // Within one input: at its end the heir has everything.
            bequeathed: _,
            // Questions do not outlive the process, and are asked again.
            looking_since: _,
            heard: _,
            verified,
        } = self;
        let answering = answering.as_ref().map(|(number, answering, _)| {
            let in_auth = answering.exchange == crate::wire::numbers::ExchangeType::IKE_AUTH;
            (*number, in_auth)
        });
        if answering.is_some_and(|(_, in_auth)| in_auth) {
            return None;
        }
        // A request of the peer that is not answered will come again.
        let unanswered = answering.map(|(number, _)| number);
        let answered = |child: &&ChildSa| Some(child.number) != unanswered;
        let mut fields = EstablishedFields {
            peer: peer.into(),
            own: own.into(),
            suite: (*suite).into(),
            children: (children.iter().filter(answered))
                .map(ChildSa::fields)
                .collect(),
            since: *since,
            authenticated: *authenticated,
            sk_d: Hidden(sk_d.clone()),
            channel: channel.fields()?,
            tasks: tasks.iter().map(TaskFields::from).collect(),
            exchange: exchange.as_ref().map(ExchangeFields::from),
            undecided: undecided.as_deref().map(Undecided::fields),
            rekeying: rekeying.fields(),
            reauthentication: reauthentication.fields(),
            heir: heir.map(|heir| heir.0),
            heir_is_lost: *heir_is_lost,
            announced: *announced,
            redundant_until: *redundant_until,
            deleted_early: deleted_early.clone(),
            verified: *verified,
        };
        if let Some(number) = unanswered {
            fields.forget_collision(number);
        }
        Some(fields)
    }

    /// As it was recorded, with what of it fits the connection. It is written down from the proof of its peer, which the
    /// record holds.
    pub(in crate::engine) fn restored(
        shared: &mut Shared,
        connection: &std::sync::Arc<Connection>,
        (own_spi, path): (IkeSpi, Path),
        fields: EstablishedFields,
    ) -> Option<Self> {
        let EstablishedFields {
            peer,
            own,
            suite,
            children,
            since,
            authenticated,
            sk_d,
            channel,
            tasks,
            exchange,
            undecided,
            rekeying,
            reauthentication,
            heir,
            heir_is_lost,
            announced,
            redundant_until,
            deleted_early,
            verified,
        } = fields;
        let peer = PeerAuthenticated::recorded(&peer)?;
        let own = OwnEvidence::recorded(&own)?;
        let channel = Channel::restored(shared.provider, &mut *shared.random, channel)?;
        let connection = connection.clone();
        let keys = (sk_d.0, channel);
        let mut this =
            Self::unannounced(connection.clone(), (peer, own), suite.into(), keys, since);
        let mut goodbyes = Vec::new();
        for fields in children {
            let peer = this.peer.identity();
            match ChildSa::restored(shared, &connection, peer, (own_spi, path), fields)? {
                Ok(child) => this.add(child),
                Err(gone) => goodbyes.extend(gone.map(Task::DeleteChild)),
            }
        }
        this.tasks = read_tasks(&connection, tasks)?;
        this.exchange = match exchange {
            None => None,
            Some(ExchangeFields::RekeyIke(rekey)) => {
                Some(Exchange::RekeyIke(Box::new(RekeyIke::restored(*rekey))))
            }
            Some(ExchangeFields::DeleteChild(gone)) => Some(Exchange::DeleteChild(gone.into())),
            Some(ExchangeFields::Liveness) => Some(Exchange::Liveness),
            Some(ExchangeFields::CreateChild(proposed)) => {
                match Proposed::restored(&connection, *proposed)? {
                    Ok(proposed) => Some(Exchange::CreateChild(Box::new(proposed))),
                    // Whatever the peer makes of it is deleted in the next exchange.
                    Err(inbound) => {
                        let outbound = None;
                        goodbyes.push(Task::DeleteChild(Gone { inbound, outbound }));
                        None
                    }
                }
            }
        };
        match undecided
            .map(|fields| Undecided::restored(&connection, fields))
            .map_or(Some(None), |read| read.map(Some))?
        {
            None => {}
            Some(Ok(undecided)) => this.undecided = Some(Box::new(undecided)),
            Some(Err(gone)) => goodbyes.push(Task::DeleteChild(gone)),
        }
        this.tasks.extend(goodbyes);
        this.rekeying = Rekeying::restored(rekeying);
        this.authenticated = authenticated;
        this.reauthentication = Rekeying::restored(reauthentication);
        this.heir = heir.map(IkeSpi);
        this.heir_is_lost = heir_is_lost;
        this.announced = announced;
        this.redundant_until = redundant_until;
        this.deleted_early = deleted_early;
        this.verified = verified;
        Some(this)
    }
}

impl EstablishedFields {
    fn forget_collision(&mut self, number: u64) {
        if let Some(ExchangeFields::CreateChild(proposed)) = &mut self.exchange {
            proposed.forget_collision(number);
        }
        if let Some(undecided) = &mut self.undecided {
            undecided.forget_collision(number);
        }
    }
}

impl From<&Task> for TaskFields {
    fn from(task: &Task) -> Self {
        match task {
            Task::CreateChild(child) => Self::CreateChild(child.name.as_str().to_owned()),
            Task::RekeyChild(number) => Self::RekeyChild(*number),
            Task::RekeyIke => Self::RekeyIke,
            Task::DeleteChild(gone) => Self::DeleteChild((*gone).into()),
            Task::Liveness => Self::Liveness,
        }
    }
}

impl From<&Exchange> for ExchangeFields {
    fn from(exchange: &Exchange) -> Self {
        match exchange {
            Exchange::CreateChild(proposed) => Self::CreateChild(Box::new(proposed.fields())),
            Exchange::RekeyIke(rekey) => Self::RekeyIke(Box::new(rekey.fields())),
            Exchange::DeleteChild(gone) => Self::DeleteChild((*gone).into()),
            Exchange::Liveness => Self::Liveness,
        }
    }
}

/// What was still to be done; a child that is no longer configured is not asked for.
fn read_tasks(connection: &Connection, fields: Vec<TaskFields>) -> Option<VecDeque<Task>> {
    let mut tasks = VecDeque::with_capacity(fields.len());
    for task in fields {
        tasks.push_back(match task {
            TaskFields::CreateChild(name) => {
                let name = Name::new(&name)?;
                let mut children = connection.children.iter();
                match children.find(|child| child.name == name) {
                    Some(child) => Task::CreateChild(child.clone()),
                    None => continue,
                }
            }
            TaskFields::RekeyChild(number) => Task::RekeyChild(number),
            TaskFields::RekeyIke => Task::RekeyIke,
            TaskFields::DeleteChild(gone) => Task::DeleteChild(gone.into()),
            TaskFields::Liveness => Task::Liveness,
        });
    }
    Some(tasks)
}
