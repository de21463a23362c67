//! Message IDs, retransmission and the response cache of one IKE SA, with a window of one (RFC 7296 sections 2.1 to 2.3).
//!
//! ```text
//!   ours:    next ID --send--> outstanding --response--> answered
//!                                  | timeout: the same bytes again, with growing pauses
//!                                  '-- give up: the peer is gone
//!   theirs:  expected ID --request--> in progress --our response--> cached; the same bytes again get the same answer
//! ```

mod record;

use std::time::Duration;

use crate::crypto::Random;
use crate::wire::numbers::ExchangeType;

use super::io::Path;

pub(super) use record::WindowFields;

/// The pause before the first retransmission; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// A request of ours that is not answered yet. Its bytes never change: retransmissions are the same to the bit.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) message_id: u32,
    pub(super) exchange: ExchangeType,
    pub(super) path: Path,
    pub(super) bytes: Vec<u8>,
    pub(super) sent: u32,
    first_sent: Duration,
    next: Duration,
    pause: Duration,
}

impl Outstanding {
    /// How long we have been asking.
    pub(super) fn since(&self, now: Duration) -> Duration {
        now.saturating_sub(self.first_sent)
    }
}

/// The last request of the peer, whole, for only the same bytes get the same answer, and that answer.
#[derive(Debug)]
struct Answered {
    request: Box<[u8]>,
    response: Box<[u8]>,
}

/// What to do with a request of the peer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming<'a> {
    /// It is the next one.
    Fresh,
    /// We have answered it: send this again.
    Answered(&'a [u8]),
    /// It is the one we are working on.
    InProgress,
    /// Not the message ID that is due, or old ones with other content.
    Unexpected,
}

/// What a look at the clock calls for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Nothing,
    /// The request was marked as sent again: transmit it.
    Retransmit,
    /// It has been asked long enough.
    GiveUp,
}

/// Both directions of one IKE SA.
#[derive(Debug, Default)]
pub(super) struct Window {
    next_outgoing: u32,
    outstanding: Option<Box<Outstanding>>,
    expected_incoming: u32,
    in_progress: Option<Box<[u8]>>,
    answered: Option<Answered>,
}

impl Window {
    /// The ID for our next request, or `None` when they are used up.
    pub(super) fn next_outgoing(&self) -> Option<u32> {
        (self.next_outgoing < u32::MAX).then_some(self.next_outgoing)
    }

    /// Takes note of a request that goes out now.
    pub(super) fn sent(
        &mut self,
        exchange: ExchangeType,
        path: Path,
        bytes: Vec<u8>,
        now: Duration,
        random: &mut dyn Random,
    ) {
        debug_assert!(self.outstanding.is_none(), "a window of one");
        self.outstanding = Some(Box::new(Outstanding {
            message_id: self.next_outgoing,
            exchange,
            path,
            bytes,
            sent: 1,
            first_sent: now,
            next: now + jittered(FIRST_PAUSE, random),
            pause: FIRST_PAUSE,
        }));
    }

    /// Puts another request in the place of the one that is out, under the same message ID (IKE_SA_INIT with a cookie or
    /// another group). The time since the first one goes on counting.
    pub(super) fn replaced(&mut self, bytes: Vec<u8>, now: Duration, random: &mut dyn Random) {
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.bytes = bytes;
            outstanding.pause = FIRST_PAUSE;
            outstanding.next = now + jittered(FIRST_PAUSE, random);
        }
    }

    /// The request that waits for its answer.
    pub(super) fn outstanding(&self) -> Option<&Outstanding> {
        self.outstanding.as_deref()
    }

    /// The answer is there.
    pub(super) fn completed(&mut self) {
        if self.outstanding.take().is_some() {
            self.next_outgoing += 1;
        }
    }

    /// When [`Self::due`] wants to be asked.
    pub(super) fn deadline(&self, give_up: Duration) -> Option<Duration> {
        self.outstanding
            .as_ref()
            .map(|request| request.next.min(request.first_sent + give_up))
    }

    /// Whether the outstanding request is to be sent again or given up.
    pub(super) fn due(&mut self, now: Duration, give_up: Duration, random: &mut dyn Random) -> Due {
        let Some(request) = &mut self.outstanding else {
            return Due::Nothing;
        };
        if request.since(now) >= give_up {
            return Due::GiveUp;
        }
        if now < request.next {
            return Due::Nothing;
        }
        request.sent += 1;
        request.pause = (request.pause * 2).min(LONGEST_PAUSE);
        request.next = now + jittered(request.pause, random);
        Due::Retransmit
    }

    /// What a request with this ID and these bytes is to us.
    pub(super) fn incoming(&self, message_id: u32, bytes: &[u8]) -> Incoming<'_> {
        if message_id == u32::MAX {
            // The last ID is never used: there would be none after it.
            return Incoming::Unexpected;
        }
        if message_id == self.expected_incoming {
            return match &self.in_progress {
                None => Incoming::Fresh,
                Some(request) if **request == *bytes => Incoming::InProgress,
                Some(_) => Incoming::Unexpected,
            };
        }
        match &self.answered {
            Some(answered)
                if message_id.checked_add(1) == Some(self.expected_incoming)
                    && *answered.request == *bytes =>
            {
                Incoming::Answered(&answered.response)
            }
            _ => Incoming::Unexpected,
        }
    }

    /// A request is worth an answer; until the answer is there, the same bytes again are dropped.
    pub(super) fn begin(&mut self, request: &[u8]) {
        self.in_progress = Some(request.into());
    }

    /// The answer to the request in progress: kept until the next one is answered.
    pub(super) fn answer(&mut self, response: &[u8]) {
        if let Some(request) = self.in_progress.take() {
            let answered = Answered {
                request,
                response: response.into(),
            };
            self.answered = (!cfg!(ikd_fault = "no-cache")).then_some(answered);
            self.expected_incoming += 1;
        }
    }

    /// The ID of the request in progress.
    pub(super) fn expected_incoming(&self) -> u32 {
        self.expected_incoming
    }
}

/// Up to a tenth more or less, so that many gateways do not speak in step.
pub(super) fn jittered(duration: Duration, random: &mut dyn Random) -> Duration {
    let mut byte = [0; 2];
    random.fill(&mut byte);
    let part = f64::from(u16::from_be_bytes(byte)) / f64::from(u16::MAX);
    duration.mul_f64(0.9 + 0.2 * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;

    impl Random for Zeros {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0x80);
        }
    }

    const GIVE_UP: Duration = Duration::from_secs(60);

    fn path() -> Path {
        let at = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        Path {
            local: at(500),
            remote: at(501),
        }
    }

    fn asking() -> Window {
        let mut window = Window::default();
        window.sent(
            ExchangeType::INFORMATIONAL,
            path(),
            vec![1, 2],
            Duration::ZERO,
            &mut Zeros,
        );
        window
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end_when_it_has_taken_too_long() {
        let mut window = asking();
        let mut at = Vec::new();
        loop {
            let now = window.deadline(GIVE_UP).expect("something is outstanding");
            match window.due(now, GIVE_UP, &mut Zeros) {
                Due::Retransmit => at.push(now.as_secs()),
                Due::GiveUp => break,
                Due::Nothing => unreachable!("the deadline has come"),
            }
        }
        assert_eq!(at, [1, 3, 7, 15, 31, 47]);
        assert_eq!(window.outstanding().expect("until it is completed").sent, 7);
    }

    #[test]
    fn ids_count_answered_requests() {
        let mut window = asking();
        assert_eq!(window.next_outgoing(), Some(0));
        window.completed();
        window.completed();
        assert_eq!(window.next_outgoing(), Some(1));
    }

    #[test]
    fn the_same_request_gets_the_same_answer_and_another_one_none() {
        let mut window = Window::default();
        assert_eq!(window.incoming(0, b"a"), Incoming::Fresh);
        window.begin(b"a");
        assert_eq!(window.incoming(0, b"a"), Incoming::InProgress);
        assert_eq!(window.incoming(0, b"b"), Incoming::Unexpected);
        window.answer(b"A");
        assert_eq!(window.incoming(0, b"a"), Incoming::Answered(b"A"));
        assert_eq!(window.incoming(0, b"b"), Incoming::Unexpected);
        assert_eq!(window.incoming(2, b"c"), Incoming::Unexpected);
        assert_eq!(window.incoming(1, b"c"), Incoming::Fresh);
    }
}
