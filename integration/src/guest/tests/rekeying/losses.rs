//! Whose fault it is that a packet was lost: ikd's, which fails the test, or the peer's, which is told with what proves it.
//!
//! Traffic runs through one path in each direction, so the n-th datagram that a host sent is the n-th ESP packet that its gateway
//! put on the wire, and the capture says by which SA it went and when. The receiver's kernel says since when it has held that SA, and
//! until when. What RFC 7296 has each side do then says who is to blame:
//!
//! | the receiver's kernel | sent by ikd | sent by the peer |
//! |---|---|---|
//! | does not hold it yet | the peer's, if it had answered a request to make an SA: a responder can receive before it answers (2.8) | the peer's, if it was answering ikd's request for that SA: a responder goes on by the old one until it hears a Delete or traffic by the new one (2.8) |
//! | holds it no more | the peer's, if ikd had neither sent a Delete nor answered one since the new SA was agreed on: until then ikd may send by the old one (1.4.1); or if it was the last one that the peer held, and ikd had not asked it to delete one: then there was none to send by | ikd's |
//! | holds it | ikd's, until somebody knows better | likewise; the peer's as often as its own kernel counted XfrmOutStateInvalid: it had deleted the SA while it had a packet for it in hand |

use std::collections::BTreeMap;
use std::time::Duration;

use super::passage::{Esp, Ike, Passage, Side};
use crate::guest::peers::Kind;
use crate::guest::sa_events::SaEvents;

/// An emulated ikd on a busy machine takes as long to install what it reads in an answer.
const TAKEN_IN: Duration = Duration::from_secs(2);

/// A packet is on its way so long, and a kernel's word.
const UNDER_WAY: Duration = Duration::from_millis(20);

/// How packets were lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct How {
    /// Whether it was the peer. If not it was ikd, or nobody could be found.
    pub(super) by_peer: bool,
    what: String,
}

/// How many packets were lost in one way, and what proves it of one of them.
#[derive(Debug)]
pub(super) struct Proof {
    /// How many.
    pub(super) count: usize,
    example: String,
}

/// All that were lost.
pub(super) type Losses = BTreeMap<How, Proof>;

/// In words, a line for each way.
pub(super) fn told(losses: &Losses) -> Vec<String> {
    let line = |(how, proof): (&How, &Proof)| {
        let by = if how.by_peer {
            "by the peer"
        } else {
            "and not by the peer"
        };
        let (count, what, example) = (proof.count, &how.what, &proof.example);
        format!("lost, {by}: {count} {what}; one of them {example}")
    };
    losses.iter().map(line).collect()
}

/// A lost packet.
struct Loss<'a> {
    packet: Esp,
    from: Side,
    kinds: [Kind; 2],
    held: (Option<Duration>, Option<Duration>),
    passage: &'a Passage,
    receiver: &'a SaEvents,
}

/// Judges the datagrams that `from` sent and that were lost, by their numbers; of which its own kernel has `dropped` so many for
/// the sake of an SA that was no longer valid.
pub(super) fn judge(
    losses: &mut Losses,
    lost: &[u32],
    mut dropped: u64,
    from: Side,
    kinds: [Kind; 2],
    passage: &Passage,
    kernels: &[SaEvents; 2],
) {
    let holds = |Esp { time, spi }: Esp| kernels[1 - from].holds(spi, time, time + UNDER_WAY);
    for number in lost {
        let (by_peer, what, example) = match passage.esp[from].get(*number as usize) {
            // Which of them that was cannot be seen: it is the one before the next that was sent, or it.
            Some(packet) if kinds[from] != Kind::Ikd && dropped > 0 && holds(*packet) => {
                dropped -= 1;
                let sender = kinds[from];
                (
                    true,
                    format!("that {sender}'s kernel dropped, for its SA was deleted meanwhile"),
                    format!("number {number}"),
                )
            }
            Some(packet) => Loss {
                packet: *packet,
                from,
                kinds,
                held: kernels[1 - from].held(packet.spi),
                passage,
                receiver: &kernels[1 - from],
            }
            .judged(),
            None => {
                let sender = kinds[from];
                (
                    sender != Kind::Ikd,
                    format!("that never left {sender}'s gateway"),
                    format!("number {number}"),
                )
            }
        };
        let proof = losses
            .entry(How { by_peer, what })
            .or_insert(Proof { count: 0, example });
        proof.count += 1;
    }
}

impl Loss<'_> {
    /// Whether it is the peer's, how it was lost, and what proves it.
    fn judged(&self) -> (bool, String, String) {
        let (sender, receiver) = (self.kinds[self.from], self.kinds[1 - self.from]);
        let Esp { time, spi } = self.packet;
        let peer_is = |kind: Kind| kind != Kind::Ikd;
        match self.held {
            (_, Some(deleted)) if deleted <= time + UNDER_WAY => (
                !peer_is(sender)
                    && peer_is(receiver)
                    && (!self.sender_spoke_of_deletion(deleted)
                        || self.receiver_left_none(deleted.max(time), deleted)),
                format!("sent by {sender} on an SA that {receiver} had deleted"),
                format!(
                    "on SA {spi:08x} {} after that, before which {}",
                    milliseconds(time.saturating_sub(deleted)),
                    self.last_words(deleted.min(time))
                ),
            ),
            (Some(installed), _) if installed <= time => (
                false,
                format!("sent by {sender} on an SA that {receiver} held"),
                format!("on SA {spi:08x}, before which {}", self.last_words(time)),
            ),
            (installed, _) => {
                let when = installed.map_or_else(
                    || "which was never there".to_owned(),
                    |at| format!("{} before that", milliseconds(at.saturating_sub(time))),
                );
                (
                    if peer_is(receiver) {
                        self.receiver_had_answered()
                    } else {
                        peer_is(sender) && self.sender_was_answering()
                    },
                    format!("sent by {sender} on an SA that {receiver} did not have yet"),
                    format!(
                        "on SA {spi:08x}, {when}, before which {}",
                        self.last_words(time)
                    ),
                )
            }
        }
    }

    /// Whether the last answer to a request for a new SA was the receiver's.
    fn receiver_had_answered(&self) -> bool {
        let mut last = self.messages_until(self.packet.time).rev();
        let last = last.find(|one| one.answers_create());
        last.is_some_and(|last| last.from != self.from)
    }

    /// Whether the sender had a request for a new SA to answer, or had just done so: it learnt from that request by which SPI
    /// the receiver would take packets.
    fn sender_was_answering(&self) -> bool {
        let time = self.packet.time;
        let mut asked = self.messages_until(time).rev();
        let asked = asked.find(|one| one.asks_for_sa() && one.from != self.from);
        asked.is_some_and(|asked| {
            let mut later = self.passage.ike.iter().filter(|one| one.time >= asked.time);
            let answer = later.find(|one| one.answers(asked));
            answer.is_none_or(|answer| answer.time + TAKEN_IN >= time)
        })
    }

    fn messages_until(&self, time: Duration) -> impl DoubleEndedIterator<Item = &Ike> {
        self.passage.ike.iter().filter(move |one| one.time <= time)
    }

    /// Whether the sender had said anything about SAs that end, between the last answer to a request for a new one and `time`.
    fn sender_spoke_of_deletion(&self, time: Duration) -> bool {
        self.sender_informed(time).next().is_some()
    }

    /// What the sender said in INFORMATIONAL exchanges, from the last answer to a request for a new SA to `time`.
    fn sender_informed(&self, time: Duration) -> impl Iterator<Item = &Ike> {
        let after = self.messages_until(time).rev();
        after
            .take_while(|one| !one.answers_create())
            .filter(|one| one.from == self.from && one.is_informational())
    }

    /// Whether the receiver had deleted the last SA that the sender could send by, and not because the sender asked for that.
    fn receiver_left_none(&self, time: Duration, deleted: Duration) -> bool {
        let asked = self.sender_informed(deleted).any(Ike::is_request);
        let mut sent_by = self.passage.spis(self.from).into_iter();
        !asked && !sent_by.any(|spi| self.receiver.holds(spi, time, time))
    }

    /// The last IKE messages before `time`, with how long before.
    fn last_words(&self, time: Duration) -> String {
        let mut last: Vec<_> = self.messages_until(time).rev().take(4).collect();
        last.reverse();
        let told = last.iter().map(|one| {
            let before = milliseconds(time.saturating_sub(one.time));
            format!("{}'s {} {before} earlier", self.kinds[one.from], one.told())
        });
        let told: Vec<_> = told.collect();
        format!("the wire had seen {}", told.join(", "))
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
