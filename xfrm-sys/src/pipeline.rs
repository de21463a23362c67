//! The task that owns the request socket: keeps up to [`IN_FLIGHT`] requests under way and gives each its answer.
//!
//! ```text
//!   queued ──sent──> in flight ──ACK, NLMSG_ERROR or NLMSG_DONE with its sequence number──> answered
//!     └─── time limit ────┴── time limit ───────────> Timeout
//!                        └── ENOBUFS on the socket ─> AnswerLost (whose answer it was is not known: all of them)
//! ```

use std::collections::HashMap;
use std::io;

use netlink_packet_core::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR};
use netlink_packet_xfrm::constants as raw;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::ack::verdict;
use crate::message::{self, Message, ParseError, Received};
use crate::socket::{Arrival, XfrmSocket};
use crate::{PolicyState, SaState, SadInfo, SpdInfo, XfrmError};

/// Requests under way at once. More gains nothing, and the answers of these fit the receive buffer.
pub(crate) const IN_FLIGHT: usize = 32;

/// A request on its way to the kernel.
pub(crate) struct Job {
    pub(crate) message: Message,
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<Result<Answer, XfrmError>>,
}

/// What the kernel answered before its final yes.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) items: Vec<Item>,
    /// The list changed while it was read (`NLM_F_DUMP_INTR`).
    pub(crate) interrupted: bool,
}

/// One message of an answer.
#[derive(Debug)]
pub(crate) enum Item {
    Sa(Box<SaState>),
    Policy(Box<PolicyState>),
    SadInfo(SadInfo),
    SpdInfo(SpdInfo),
}

/// Serves until every handle is gone and every request answered.
pub(crate) async fn run(mut socket: XfrmSocket, mut jobs: mpsc::Receiver<Job>) {
    let mut flight = Flight::default();
    let mut open = true;
    while open || !flight.pending.is_empty() {
        let deadline = flight
            .pending
            .values()
            .map(|pending| pending.deadline)
            .min();
        tokio::select! {
            biased;
            arrival = socket.receive() => match arrival {
                Ok(Arrival::Datagram(datagram)) => {
                    flight.received(datagram);
                    socket.forget();
                }
                Ok(Arrival::Truncated) => {
                    flight.fail_all(|operation| XfrmError::Truncated { operation });
                }
                Ok(Arrival::Overrun) => {
                    flight.fail_all(|operation| XfrmError::AnswerLost { operation });
                }
                Err(error) => {
                    flight.fail_all(|operation| XfrmError::Io { operation, source: copy(&error) });
                    return;
                }
            },
            job = jobs.recv(), if open && flight.pending.len() < IN_FLIGHT => match job {
                Some(job) => flight.send(&socket, job).await,
                None => open = false,
            },
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                flight.expire(Instant::now());
            }
        }
    }
}

#[derive(Default)]
struct Flight {
    sequence: u32,
    pending: HashMap<u32, Pending>,
}

struct Pending {
    operation: &'static str,
    deadline: Instant,
    answer: Answer,
    problem: Option<ParseError>,
    reply: oneshot::Sender<Result<Answer, XfrmError>>,
}

impl Flight {
    async fn send(&mut self, socket: &XfrmSocket, mut job: Job) {
        let operation = job.message.operation();
        if job.deadline <= Instant::now() {
            return drop(job.reply.send(Err(XfrmError::Timeout { operation })));
        }
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        // Nobody listens for the outcome of a failed reply: the caller has given up.
        match socket.send(job.message.numbered(self.sequence)).await {
            Ok(()) => {
                self.pending.insert(
                    self.sequence,
                    Pending {
                        operation,
                        deadline: job.deadline,
                        answer: Answer::default(),
                        problem: None,
                        reply: job.reply,
                    },
                );
            }
            Err(source) => drop(job.reply.send(Err(XfrmError::Io { operation, source }))),
        }
    }

    fn received(&mut self, datagram: &[u8]) {
        for message in message::messages(datagram) {
            match message {
                Ok(message) => self.message(&message),
                Err(problem) => {
                    self.fail_all(|operation| XfrmError::Malformed {
                        operation,
                        problem: problem.clone(),
                    });
                }
            }
        }
    }

    /// Late answers, whose request has timed out, find nobody and are dropped.
    fn message(&mut self, message: &Received<'_>) {
        let Some(pending) = self.pending.get_mut(&message.sequence) else {
            return;
        };
        pending.answer.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
        if !matches!(message.kind, NLMSG_ERROR | NLMSG_DONE) {
            match item(message) {
                Ok(item) => pending.answer.items.push(item),
                Err(problem) => drop(pending.problem.get_or_insert(problem)),
            }
            return;
        }
        let Some(pending) = self.pending.remove(&message.sequence) else {
            return;
        };
        let operation = pending.operation;
        let result = match (verdict(operation, message), pending.problem) {
            (Ok(Ok(())), None) => Ok(pending.answer),
            (Ok(Err(refusal)), _) => Err(refusal.into()),
            (Err(problem), _) | (Ok(Ok(())), Some(problem)) => {
                Err(XfrmError::Malformed { operation, problem })
            }
        };
        drop(pending.reply.send(result));
    }

    fn expire(&mut self, now: Instant) {
        for (_, pending) in self
            .pending
            .extract_if(|_, pending| pending.deadline <= now)
        {
            let operation = pending.operation;
            drop(pending.reply.send(Err(XfrmError::Timeout { operation })));
        }
    }

    fn fail_all(&mut self, error: impl Fn(&'static str) -> XfrmError) {
        for (_, pending) in self.pending.drain() {
            drop(pending.reply.send(Err(error(pending.operation))));
        }
    }
}

/// Reads one message of an answer.
pub(crate) fn item(message: &Received<'_>) -> Result<Item, ParseError> {
    match message.kind {
        raw::XFRM_MSG_NEWSA | raw::XFRM_MSG_UPDSA => {
            message::parse_sa(message.payload).map(|sa| Item::Sa(Box::new(sa)))
        }
        raw::XFRM_MSG_NEWPOLICY | raw::XFRM_MSG_UPDPOLICY => {
            message::parse_policy(message.payload).map(|policy| Item::Policy(Box::new(policy)))
        }
        raw::XFRM_MSG_NEWSADINFO => message::parse_sad_info(message.payload).map(Item::SadInfo),
        raw::XFRM_MSG_NEWSPDINFO => message::parse_spd_info(message.payload).map(Item::SpdInfo),
        kind => Err(ParseError::Kind(kind)),
    }
}

fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => error.kind().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::{HEADER, align};

    type Reply = oneshot::Receiver<Result<Answer, XfrmError>>;

    impl Flight {
        fn asked(&mut self, sequence: u32) -> Reply {
            let (reply, answer) = oneshot::channel();
            let pending = Pending {
                operation: "GETSA",
                deadline: Instant::now() + Duration::from_secs(u64::from(sequence)),
                answer: Answer::default(),
                problem: None,
                reply,
            };
            self.pending.insert(sequence, pending);
            answer
        }
    }

    fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + payload.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(align(bytes.len()), 0);
        bytes
    }

    fn ack(sequence: u32, errno: i32) -> Vec<u8> {
        message(NLMSG_ERROR, 0, sequence, &(-errno).to_ne_bytes())
    }

    fn outcome(mut reply: Reply) -> Result<Answer, XfrmError> {
        reply.try_recv().expect("answered")
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let mut flight = Flight::default();
        let (first, second) = (flight.asked(1), flight.asked(2));
        flight.received(&[ack(2, libc::ESRCH), ack(1, 0), ack(99, 0)].concat());
        assert_eq!(outcome(second).expect_err("refused").code(), "kernel.ESRCH");
        assert!(outcome(first).expect("done").items.is_empty());
        assert!(flight.pending.is_empty());
    }

    #[test]
    fn a_list_is_whole_only_with_its_end_and_tells_that_it_was_interrupted() {
        let mut flight = Flight::default();
        let mut reply = flight.asked(1);
        let count = [&[0; 4][..], &[8, 0, 1, 0, 3, 0, 0, 0]].concat();
        flight.received(&message(
            raw::XFRM_MSG_NEWSADINFO,
            NLM_F_DUMP_INTR,
            1,
            &count,
        ));
        assert!(reply.try_recv().is_err(), "not yet");
        flight.received(&message(NLMSG_DONE, 0, 1, &[0; 4]));
        let answer = outcome(reply).expect("done");
        assert!(answer.interrupted && answer.items.len() == 1);
    }

    #[test]
    fn a_message_that_cannot_be_read_fails_its_own_request_alone() {
        let mut flight = Flight::default();
        let (first, second) = (flight.asked(1), flight.asked(2));
        flight.received(
            &[
                message(raw::XFRM_MSG_NEWSA, 0, 1, &[1; 9]),
                ack(1, 0),
                ack(2, 0),
            ]
            .concat(),
        );
        assert_eq!(outcome(first).expect_err("unreadable").code(), "malformed");
        assert!(outcome(second).is_ok());
    }

    #[test]
    fn time_limits_and_lost_answers_end_requests() {
        let mut flight = Flight::default();
        let (first, second) = (flight.asked(1), flight.asked(2));
        flight.expire(Instant::now() + Duration::from_millis(1500));
        assert_eq!(outcome(first).expect_err("late").code(), "timeout");
        flight.fail_all(|operation| XfrmError::AnswerLost { operation });
        assert_eq!(outcome(second).expect_err("lost").code(), "answer-lost");
        flight.received(&ack(1, 0));
    }
}
