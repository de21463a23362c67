//! From datagrams to IKE messages: what they are, what is inside, which came before, and which answers never came.
//!
//! ```text
//! Datagram --port, non-ESP marker--> ESP in UDP, keepalive: counted
//!                                \-> IKE --describe--> tree
//!                                            SK   --keys--> payloads ----------------------------> tree
//!                                            SKF  --keys--> piece --all pieces there?--> payloads --> tree
//! ```
//!
//! RFC 3948 section 2 (what travels on port 4500), RFC 7296 section 2.1 (retransmissions are the same to the bit), RFC 7383
//! (fragments, each protected by itself). All that is remembered is bounded, whatever the capture holds.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use ike::wire::describe::{self, Described};
use ike::wire::numbers::{ExchangeType, PayloadType};
use ike::wire::{Fragment, Header, IkeSpi};
use jiff::Timestamp;

use super::bounded::Bounded;
use super::keys::{Keys, Opened, Unchecked};
use super::nat::Nat;
use super::network::Datagram;

/// Messages that a later one is compared with.
const MOST_SEEN: usize = 1 << 16;
/// Requests that wait for a response, and IKE SAs without keys.
pub(super) const MOST_OPEN: usize = 4096;
/// Messages of which not all fragments have come.
pub(super) const MOST_FRAGMENTED: usize = 64;
/// Bytes of one message in fragments, and what each fragment costs beside its bytes.
const LONGEST: usize = 1 << 18;
const PER_FRAGMENT: usize = 64;

/// A message as it is shown.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) datagram: Datagram,
    /// `None` below 28 bytes.
    pub(super) header: Option<Header>,
    /// Header and payloads, those in clear.
    pub(super) clear: Described,
    pub(super) protection: Protection,
    /// What it says of the addresses it was captured with, if it does.
    pub(super) nat: Option<Nat>,
    /// The same message, seen before.
    pub(super) earlier: Option<Earlier>,
}

impl Message {
    /// Whether it has a header that IKE could have.
    pub(super) fn is_ike(&self) -> bool {
        self.header
            .is_some_and(|header| matches!(header.major, 1 | 2))
    }

    /// Whether it is of IKEv1, of which only the header is read.
    pub(super) fn is_ikev1(&self) -> bool {
        self.header.is_some_and(|header| header.major == 1)
    }

    /// Whether a peer that speaks IKEv2 would refuse it.
    pub(super) fn is_broken(&self) -> bool {
        if self.is_ikev1() {
            return false;
        }
        self.clear.fault.is_some() || self.inner().is_some_and(|inner| inner.fault.is_some())
    }

    /// What was decrypted.
    pub(super) fn inner(&self) -> Option<&Described> {
        match &self.protection {
            Protection::Open { inner, .. } => Some(inner),
            Protection::Piece { whole, .. } => whole.as_ref().map(|(inner, _)| inner),
            Protection::None | Protection::NoKey | Protection::Failed(_) => None,
        }
    }
}

/// What became of the SK or SKF payload.
#[derive(Debug)]
pub(super) enum Protection {
    /// There is none.
    None,
    /// Nobody gave a key for these SPIs.
    NoKey,
    /// It stays shut, and why.
    Failed(String),
    /// The payloads inside; `doubt` where nobody vouches for them.
    Open {
        inner: Described,
        doubt: Option<Unchecked>,
    },
    /// A piece of so many bytes.
    Piece {
        fragment: Fragment,
        length: usize,
        doubt: Option<Unchecked>,
        /// The message put together, if this was the last piece, and the frames of all pieces.
        whole: Option<(Described, Vec<u64>)>,
    },
}

/// When a message was first seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Earlier {
    pub(super) frame: u64,
    pub(super) time: Option<Timestamp>,
}

/// What a datagram is.
#[derive(Debug)]
pub(super) enum Found {
    Ike(Box<Message>),
    /// On our ports, and no IKE.
    EspInUdp,
    Keepalive,
    /// On other ports.
    Elsewhere,
}

/// A request that nobody answered.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) exchange: ExchangeType,
    pub(super) message_id: u32,
    pub(super) frame: u64,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    /// How often it was sent; 0 where only later fragments of it were seen.
    pub(super) times: u64,
}

/// A message of which not all fragments came.
#[derive(Debug)]
pub(super) struct Incomplete {
    pub(super) exchange: ExchangeType,
    pub(super) response: bool,
    pub(super) message_id: u32,
    pub(super) frames: Vec<u64>,
    /// Numbers of those that never came, at most a few.
    pub(super) missing: Vec<u16>,
    pub(super) total: u16,
}

impl Incomplete {
    /// How many fragments that never came are named.
    pub(super) const MOST_MISSING: usize = 8;
}

/// What is left to say at the end.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) unanswered: Vec<Unanswered>,
    pub(super) incomplete: Vec<Incomplete>,
    /// SPIs of IKE SAs without keys, and how many of their messages stayed shut.
    pub(super) without_keys: Vec<((IkeSpi, IkeSpi), u64)>,
}

/// What is remembered from one message to the next.
pub(super) struct Reader {
    keys: Keys,
    ports: Vec<u16>,
    hasher: RandomState,
    seen: Bounded<u64, Earlier>,
    requests: Bounded<RequestKey, Unanswered>,
    fragmented: Bounded<FragmentedKey, Fragmented>,
    given_up: Vec<Incomplete>,
    without_keys: Bounded<(IkeSpi, IkeSpi), u64>,
}

/// SPI of the initiator, whether the original initiator asks, what, and the message ID.
type RequestKey = (IkeSpi, bool, ExchangeType, u32);
/// SPIs, flags I and R, message ID.
type FragmentedKey = (IkeSpi, IkeSpi, bool, bool, u32);

#[derive(Debug)]
struct Fragmented {
    exchange: ExchangeType,
    response: bool,
    message_id: u32,
    total: u16,
    first_inner: PayloadType,
    pieces: BTreeMap<u16, (Vec<u8>, u64)>,
    bytes: usize,
}

const NON_ESP_MARKER: [u8; 4] = [0; 4];

impl Reader {
    /// `ports`: where IKE is looked for beside 500 and 4500.
    pub(super) fn new(keys: Keys, ports: Vec<u16>) -> Self {
        Self {
            keys,
            ports,
            hasher: RandomState::new(),
            seen: Bounded::new(MOST_SEEN),
            requests: Bounded::new(MOST_OPEN),
            fragmented: Bounded::new(MOST_FRAGMENTED),
            given_up: Vec::new(),
            without_keys: Bounded::new(MOST_OPEN),
        }
    }

    /// Whether there is any key.
    pub(super) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    pub(super) fn read(&mut self, datagram: Datagram) -> Found {
        let ports = [datagram.source.port(), datagram.destination.port()];
        let payload = &datagram.payload;
        if ports.contains(&4500) {
            if payload[..] == [0xff] {
                return Found::Keepalive;
            }
            return match payload.strip_prefix(&NON_ESP_MARKER) {
                Some(_) => self.ike(datagram, NON_ESP_MARKER.len()),
                None => Found::EspInUdp,
            };
        }
        if ports.contains(&500) {
            return self.ike(datagram, 0);
        }
        if !ports.iter().any(|port| self.ports.contains(port)) {
            return Found::Elsewhere;
        }
        // Nobody knows whether there are markers here.
        if payload.starts_with(&NON_ESP_MARKER) {
            self.ike(datagram, NON_ESP_MARKER.len())
        } else if payload[..] == [0xff] {
            Found::Keepalive
        } else if Header::parse(payload).is_ok_and(|header| header.length as usize == payload.len())
        {
            self.ike(datagram, 0)
        } else {
            Found::EspInUdp
        }
    }

    /// `start`: where in the payload IKE begins.
    fn ike(&mut self, mut datagram: Datagram, start: usize) -> Found {
        datagram.payload.drain(..start);
        let bytes = &datagram.payload;
        let frame = datagram.frames.last().copied().unwrap_or_default();
        let header = Header::parse(bytes).ok();
        let clear = describe::message(bytes);
        let now = Earlier {
            frame,
            time: datagram.time,
        };
        let first = *self.seen.entry(self.hasher.hash_one(bytes), || now).0;
        let earlier = (first.frame != frame).then_some(first);
        let ikev2 = header.filter(|header| header.major == 2);
        let sealed = ikev2.and_then(|header| Sealed::find(bytes, header));
        if let Some(header) = ikev2 {
            // A request in fragments is counted by its first.
            let first = sealed
                .as_ref()
                .and_then(|sealed| sealed.fragment)
                .is_none_or(|fragment| fragment.number == 1);
            self.note_request(&header, &datagram, frame, first);
        }
        let protection = match sealed {
            Some(sealed) => self.open(&sealed, frame, earlier.is_some()),
            None => Protection::None,
        };
        Found::Ike(Box::new(Message {
            nat: Nat::find(&datagram.payload, datagram.source, datagram.destination),
            datagram,
            header,
            clear,
            protection,
            earlier,
        }))
    }

    /// Remembers a request, or forgets the one that this answers.
    fn note_request(&mut self, header: &Header, datagram: &Datagram, frame: u64, first: bool) {
        let asker = header.flags.initiator != header.flags.response;
        let key = (
            header.initiator_spi,
            asker,
            header.exchange,
            header.message_id,
        );
        if header.flags.response {
            self.requests.remove(&key);
            return;
        }
        let new = || Unanswered {
            exchange: header.exchange,
            message_id: header.message_id,
            frame,
            source: datagram.source,
            destination: datagram.destination,
            times: 0,
        };
        self.requests.entry(key, new).0.times += u64::from(first);
    }

    fn open(&mut self, sealed: &Sealed<'_>, frame: u64, again: bool) -> Protection {
        let header = &sealed.header;
        let spis = (header.initiator_spi, header.responder_spi);
        let opened = self
            .keys
            .open(spis, header.flags.initiator, sealed.associated, sealed.body);
        let (text, doubt) = match opened {
            None => {
                *self.without_keys.entry(spis, || 0).0 += 1;
                return Protection::NoKey;
            }
            Some(Opened::Failed(reason)) => return Protection::Failed(reason),
            Some(Opened::Checked(text)) => (text, None),
            Some(Opened::Unchecked(text, why)) => (text, Some(why)),
        };
        let Some(fragment) = sealed.fragment else {
            let inner = describe::payloads(sealed.first_inner, &text);
            // With a wrong key nonsense comes out; with a wrong integrity key alone, payloads.
            return if doubt == Some(Unchecked::Mismatch) && inner.fault.is_some() {
                Protection::Failed(MISMATCH.to_owned())
            } else {
                Protection::Open { inner, doubt }
            };
        };
        let length = text.len();
        let whole = if again || doubt == Some(Unchecked::Mismatch) {
            None
        } else {
            self.add_piece(sealed, fragment, text, frame)
        };
        Protection::Piece {
            fragment,
            length,
            doubt,
            whole,
        }
    }

    /// Adds the content of a fragment; returns the message and its frames, if that was the last one.
    fn add_piece(
        &mut self,
        sealed: &Sealed<'_>,
        Fragment { number, total }: Fragment,
        text: Vec<u8>,
        frame: u64,
    ) -> Option<(Described, Vec<u64>)> {
        let header = &sealed.header;
        let (initiator, response) = (header.flags.initiator, header.flags.response);
        let key = (
            header.initiator_spi,
            header.responder_spi,
            initiator,
            response,
            header.message_id,
        );
        let new = || Fragmented {
            exchange: header.exchange,
            response,
            message_id: header.message_id,
            total,
            first_inner: PayloadType::NONE,
            pieces: BTreeMap::new(),
            bytes: 0,
        };
        let (message, gone) = self.fragmented.entry(key, new);
        // Cut anew into more fragments: the old ones are worth nothing (RFC 7383 section 2.6.1).
        if total > message.total {
            *message = new();
        }
        let cost = text.len() + PER_FRAGMENT;
        if total == message.total && message.bytes + cost <= LONGEST {
            if number == 1 {
                message.first_inner = sealed.first_inner;
            }
            message.bytes += cost;
            message.pieces.entry(number).or_insert((text, frame));
        }
        let complete = message.pieces.len() == usize::from(message.total);
        if let Some((_, gone)) = gone
            && self.given_up.len() < MOST_FRAGMENTED
        {
            self.given_up.push(gone.incomplete());
        }
        if !complete {
            return None;
        }
        let message = self.fragmented.remove(&key)?;
        let frames = message.pieces.values().map(|(_, frame)| *frame).collect();
        let chain: Vec<u8> = message
            .pieces
            .into_values()
            .flat_map(|(text, _)| text)
            .collect();
        Some((describe::payloads(message.first_inner, &chain), frames))
    }

    /// What is left to say when the capture has ended.
    pub(super) fn finish(mut self) -> Open {
        let mut unanswered = Vec::new();
        while let Some((_, request)) = self.requests.pop_first() {
            unanswered.push(request);
        }
        let mut incomplete = self.given_up;
        while let Some((_, message)) = self.fragmented.pop_first() {
            incomplete.push(message.incomplete());
        }
        let mut without_keys = Vec::new();
        while let Some(entry) = self.without_keys.pop_first() {
            without_keys.push(entry);
        }
        Open {
            unanswered,
            incomplete,
            without_keys,
        }
    }
}

const MISMATCH: &str = "the integrity check value does not match, and what comes out is nonsense: the keys are those of another IKE SA, or the message was altered";

impl Fragmented {
    fn incomplete(self) -> Incomplete {
        let missing = (1..=self.total).filter(|number| !self.pieces.contains_key(number));
        Incomplete {
            exchange: self.exchange,
            response: self.response,
            message_id: self.message_id,
            missing: missing.take(Incomplete::MOST_MISSING).collect(),
            total: self.total,
            frames: self
                .pieces
                .values()
                .map(|(_, frame)| *frame)
                .take(64)
                .collect(),
        }
    }
}

/// The SK or SKF payload of a message that may be broken elsewhere.
struct Sealed<'a> {
    header: Header,
    fragment: Option<Fragment>,
    first_inner: PayloadType,
    associated: &'a [u8],
    body: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// Follows the lengths of the payloads in clear; `None` where there is no such payload, or not all of it.
    fn find(bytes: &'a [u8], header: Header) -> Option<Self> {
        let mut kind = header.next_payload;
        let mut at = Header::LENGTH;
        while kind != PayloadType::NONE {
            let generic = bytes.get(at..)?.first_chunk::<4>()?;
            let next = PayloadType(generic[0]);
            let length = usize::from(u16::from_be_bytes([generic[2], generic[3]]));
            let payload = bytes.get(at..at + length).filter(|_| length >= 4)?;
            let mut start = 4;
            let mut fragment = None;
            match kind {
                PayloadType::SK => {}
                PayloadType::SKF => {
                    let [a, b, c, d] = *payload.get(4..)?.first_chunk()?;
                    let (number, total) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                    if number == 0 || number > total {
                        return None;
                    }
                    fragment = Some(Fragment { number, total });
                    start = 8;
                }
                _ => {
                    kind = next;
                    at += length;
                    continue;
                }
            }
            return Some(Self {
                header,
                fragment,
                first_inner: next,
                associated: &bytes[..at + start],
                body: &payload[start..],
            });
        }
        None
    }
}
