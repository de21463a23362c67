//! IP fragments, put together (RFC 791, RFC 8200 section 4.5). At most [`MOST`] datagrams wait for their rest.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::super::bounded::Bounded;
use super::ip;

/// Each has at most 64 KiB, and as much again to say which bytes are there.
pub(in crate::decode) const MOST: usize = 256;
/// Datagrams that became whole and are remembered.
const MOST_DONE: usize = 64;

/// What the fragments of one datagram have in common. The protocol is UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) identification: u32,
}

pub(super) struct Fragment<'a> {
    pub(super) key: Key,
    /// In bytes.
    pub(super) offset: u16,
    pub(super) more: bool,
    pub(super) bytes: &'a [u8],
}

/// The datagrams that are not whole yet.
#[derive(Debug)]
pub(in crate::decode) struct Pool {
    waiting: Bounded<Key, Partial>,
    /// Those that became whole. Where a capture has every frame twice (of a bridge and of its port, say), the second last
    /// fragment comes behind the whole, and what it would begin never ends.
    done: Bounded<Key, Vec<u8>>,
    /// Those that had to go for others.
    gone: Vec<Lost>,
}

/// A datagram that never became whole.
#[derive(Debug)]
pub(in crate::decode) struct Lost {
    pub(in crate::decode) frames: Vec<u64>,
    /// Where from and where to, if the first fragment came.
    pub(in crate::decode) ends: Option<(SocketAddr, SocketAddr)>,
    /// What is wrong with it.
    pub(in crate::decode) reason: String,
}

#[derive(Debug, Default)]
struct Partial {
    frames: Vec<u64>,
    bytes: Vec<u8>,
    /// What has come: in order, apart from each other.
    have: Vec<Range<u16>>,
    end: Option<u16>,
    /// Overlapping fragments are an attack or a mistake: such a datagram never becomes whole (RFC 5722).
    overlap: bool,
}

/// Frames that are named; more have come where somebody sends the same again and again.
const MOST_FRAMES: usize = 64;

impl Default for Pool {
    fn default() -> Self {
        Self {
            waiting: Bounded::new(MOST),
            done: Bounded::new(MOST_DONE),
            gone: Vec::new(),
        }
    }
}

impl Pool {
    /// Adds a fragment; returns the datagram and its frames when it is whole.
    pub(super) fn add(
        &mut self,
        fragment: &Fragment<'_>,
        frame: u64,
    ) -> Option<(Vec<u8>, Vec<u64>)> {
        let key = fragment.key;
        let (partial, gone) = self.waiting.entry(key, Partial::default);
        if partial.frames.len() < MOST_FRAMES {
            partial.frames.push(frame);
        }
        partial.add(fragment);
        let whole = partial.is_whole();
        if let Some((key, gone)) = gone
            && self.gone.len() < MOST
            && !self.came_before(&key, &gone)
        {
            self.gone.push(gone.lost(None));
        }
        if !whole {
            return None;
        }
        let partial = self.waiting.remove(&key)?;
        // The identification may come round again, with other bytes.
        self.done.remove(&key);
        self.done.entry(key, || partial.bytes.clone());
        Some((partial.bytes, partial.frames))
    }

    /// Whether these are pieces of a datagram that became whole.
    fn came_before(&self, key: &Key, partial: &Partial) -> bool {
        self.done.get(key).is_some_and(|whole| {
            let end = partial.end.map(usize::from);
            !partial.overlap
                && end.is_none_or(|end| end == whole.len())
                && partial.have.iter().all(|have| {
                    let range = usize::from(have.start)..usize::from(have.end);
                    whole.get(range.clone()) == partial.bytes.get(range)
                })
        })
    }

    /// What is left at the end.
    pub(in crate::decode) fn finish(mut self) -> Vec<Lost> {
        while let Some((key, partial)) = self.waiting.pop_first() {
            if !self.came_before(&key, &partial) {
                self.gone.push(partial.lost(Some(key)));
            }
        }
        self.gone
    }
}

impl Partial {
    fn add(&mut self, fragment: &Fragment<'_>) {
        let start = fragment.offset;
        let length = u16::try_from(fragment.bytes.len()).ok();
        let Some(end) = length.and_then(|length| start.checked_add(length)) else {
            self.overlap = true;
            return;
        };
        let range = start..end;
        if !fragment.more {
            if self.end.is_some_and(|known| known != end) {
                self.overlap = true;
            }
            self.end = Some(end);
        }
        let (from, to) = (usize::from(start), usize::from(end));
        if self.bytes.len() < to {
            self.bytes.resize(to, 0);
        }
        let at = self.have.partition_point(|other| other.end <= start);
        let next = self.have.get(at).map_or(u16::MAX, |other| other.start);
        if next < end {
            // The same once more does no harm.
            let there = self
                .have
                .iter()
                .any(|have| have.start <= start && end <= have.end);
            self.overlap |= !(there && self.bytes[from..to] == *fragment.bytes);
            return;
        }
        if range.is_empty() {
            return;
        }
        self.bytes[from..to].copy_from_slice(fragment.bytes);
        self.have.insert(at, range);
        // Join it with its neighbours.
        if self
            .have
            .get(at + 1)
            .is_some_and(|other| other.start == end)
        {
            self.have[at].end = self.have.remove(at + 1).end;
        }
        if at > 0 && self.have[at - 1].end == start {
            self.have[at - 1].end = self.have.remove(at).end;
        }
    }

    fn is_whole(&self) -> bool {
        let all = self.end.map(|end| 0..end);
        !self.overlap && all.is_some_and(|all| self.have == [all])
    }

    fn lost(self, key: Option<Key>) -> Lost {
        let first = self.have.first().is_some_and(|have| have.start == 0);
        let udp = key
            .filter(|_| first)
            .and_then(|key| ip::udp(key.source, key.destination, &self.bytes).ok());
        let reason = if self.overlap {
            "its fragments overlap".to_owned()
        } else {
            self.missing()
        };
        Lost {
            ends: udp.map(|udp| (udp.source, udp.destination)),
            frames: self.frames,
            reason,
        }
    }

    fn missing(&self) -> String {
        let mut at = 0;
        let mut holes = Vec::new();
        for have in &self.have {
            if have.start > at {
                holes.push(format!("{at} to {}", have.start - 1));
            }
            at = have.end;
        }
        match self.end {
            Some(end) if end > at => holes.push(format!("{at} to {}", end - 1)),
            Some(_) => {}
            None => holes.push(format!("from {at} on")),
        }
        let more = holes.len().saturating_sub(3);
        holes.truncate(3);
        let more = if more > 0 { " and more" } else { "" };
        format!("bytes {}{more} never came", holes.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(pool: &mut Pool, offset: u16, more: bool, bytes: &[u8]) -> Option<Vec<u8>> {
        let address = IpAddr::from([192, 0, 2, 1]);
        let key = Key {
            source: address,
            destination: address,
            identification: 7,
        };
        let fragment = Fragment {
            key,
            offset,
            more,
            bytes,
        };
        pool.add(&fragment, 1).map(|(bytes, _)| bytes)
    }

    #[test]
    fn fragments_come_in_any_order_and_more_than_once() {
        let mut pool = Pool::default();
        assert_eq!(add(&mut pool, 16, false, &[3; 4]), None);
        assert_eq!(add(&mut pool, 0, true, &[1; 8]), None);
        assert_eq!(add(&mut pool, 0, true, &[1; 8]), None);
        let whole = [vec![1; 8], vec![2; 8], vec![3; 4]].concat();
        assert_eq!(add(&mut pool, 8, true, &[2; 8]), Some(whole));
        assert!(pool.finish().is_empty());
    }

    #[test]
    fn fragments_captured_twice_leave_nothing_behind() {
        let mut pool = Pool::default();
        for _ in 0..2 {
            add(&mut pool, 0, true, &[1; 8]);
        }
        let whole = [vec![1; 8], vec![2; 4]].concat();
        assert_eq!(add(&mut pool, 8, false, &[2; 4]), Some(whole));
        assert_eq!(add(&mut pool, 8, false, &[2; 4]), None);
        assert!(pool.finish().is_empty());
    }

    #[test]
    fn an_identification_used_again_is_another_datagram() {
        let mut pool = Pool::default();
        add(&mut pool, 0, true, &[1; 8]);
        add(&mut pool, 8, false, &[2; 4]);
        add(&mut pool, 0, true, &[3; 8]);
        assert_eq!(pool.finish()[0].reason, "bytes from 8 on never came");
    }

    #[test]
    fn what_is_missing_is_told() {
        let mut pool = Pool::default();
        add(&mut pool, 8, true, &[2; 8]);
        assert_eq!(
            pool.finish()[0].reason,
            "bytes 0 to 7, from 16 on never came"
        );
    }

    #[test]
    fn overlapping_fragments_make_no_datagram() {
        let mut pool = Pool::default();
        add(&mut pool, 0, true, &[1; 16]);
        assert_eq!(add(&mut pool, 8, false, &[2; 16]), None);
        assert_eq!(pool.finish()[0].reason, "its fragments overlap");
    }
}
