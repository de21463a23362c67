//! What goes over the wire, as far as headers tell: requests are sent again by their plan, message IDs go up one by one, and
//! who is asked once answers once, in the same words.

use std::collections::BTreeMap;
use std::time::Duration;

use ike::wire::IkeSpi;
use ike::wire::header::Header;
use ike::wire::numbers::PayloadType;

use super::Wrong;
use crate::provider::digest;

/// The first pause before a request is sent again; each is twice the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// One IKE SA as a gateway speaks in it: the gateway, the initiator's SPI, and whether the gateway was its initiator.
type Speaker = (usize, IkeSpi, bool);

/// A request that went out.
#[derive(Clone, Copy, Debug)]
struct Request {
    message_id: u32,
    digest: u64,
    last: Duration,
    pause: Duration,
}

/// The peer's request of one message ID.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// How often it has come.
    came: u64,
    /// How often it was answered.
    answered: u64,
    /// In which words.
    digest: Option<u64>,
}

/// What went to and fro.
#[derive(Default)]
pub(super) struct Wire {
    requests: BTreeMap<Speaker, Request>,
    asked: BTreeMap<(Speaker, u32), Asked>,
}

impl Wire {
    /// A datagram leaves a gateway. `exactly`: at the very moment at which that was decided.
    pub(super) fn sent(
        &mut self,
        now: Duration,
        gateway: usize,
        bytes: &[u8],
        exactly: bool,
    ) -> Wrong {
        let header = Header::parse(bytes).ok()?;
        let speaker = (gateway, header.initiator_spi, header.flags.initiator);
        let digest = digest(&[bytes]);
        let first = header.responder_spi.is_zero();
        if header.flags.response {
            let is_sealed = header.next_payload == PayloadType::SK;
            return self.answers(speaker, header.message_id, digest, is_sealed);
        }
        let fresh = Request {
            message_id: header.message_id,
            digest,
            last: now,
            pause: FIRST_PAUSE,
        };
        let Some(before) = self.requests.get_mut(&speaker) else {
            self.requests.insert(speaker, fresh);
            return None;
        };
        if before.digest == digest {
            let waited = now - before.last;
            let (least, most) = (before.pause.mul_f64(0.899), before.pause.mul_f64(1.101));
            let planned = (least..=most).contains(&waited);
            before.last = now;
            before.pause = (before.pause * 2).min(LONGEST_PAUSE);
            return (!planned && exactly).then(|| {
                let text =
                    format!("a request is sent again after {waited:?}, not {least:?} to {most:?}");
                ("haste", text)
            });
        }
        let next = before.message_id.checked_add(1) == Some(header.message_id);
        // With a cookie, or a key of another group.
        let again = first && header.message_id == 0;
        *before = fresh;
        (!next && !again).then(|| {
            let text = format!(
                "a request has message ID {}, which is not next",
                header.message_id
            );
            ("order", text)
        })
    }

    fn answers(
        &mut self,
        speaker: Speaker,
        message_id: u32,
        digest: u64,
        is_sealed: bool,
    ) -> Wrong {
        let asked = self.asked.entry((speaker, message_id)).or_default();
        asked.answered += 1;
        if asked.answered > asked.came {
            let text =
                format!("a response to message {message_id}, which was not asked for so often");
            return Some(("order", text));
        }
        // IKE_SA_INIT may come again with a cookie or another group, and of what is gone there is nothing to seal with.
        let before = is_sealed.then(|| asked.digest.replace(digest)).flatten();
        let other = before.is_some_and(|before| before != digest);
        other.then(|| {
            let text = format!("message {message_id} is answered in other words than before");
            ("order", text)
        })
    }

    /// A datagram comes to a gateway.
    pub(super) fn heard(&mut self, gateway: usize, bytes: &[u8]) {
        if let Ok(header) = Header::parse(bytes)
            && !header.flags.response
        {
            let speaker = (gateway, header.initiator_spi, !header.flags.initiator);
            let asked = self.asked.entry((speaker, header.message_id)).or_default();
            asked.came += 1;
        }
    }

    pub(super) fn forget(&mut self, gateway: usize) {
        self.requests.retain(|(at, ..), _| *at != gateway);
    }
}
