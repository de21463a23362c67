//! Replies on their way to clients: so many bytes of them in all.
//!
//! Those who asked together share a reply. Those who asked one after the other do not, and a list of thousands of connections
//! has many MiB: read slowly by dozens of clients, each would keep another one. So where there are too many bytes, whoever
//! still reads the oldest is cut off.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ikapi::Reply;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;

/// Bytes that may be on their way, in all; a reply that is longer than that may be so alone.
const MOST: usize = 64 * 1024 * 1024;
/// A piece of a reply, in bytes.
const PIECE: usize = 64 * 1024;
/// How long a client may take to read a piece.
const SLOWNESS: Duration = Duration::from_secs(5);

/// A reply as it goes over the wire, in one message or several.
#[derive(Debug)]
pub(super) struct Encoded {
    messages: Vec<Vec<u8>>,
    is_cut_off: watch::Sender<bool>,
}

impl Encoded {
    /// A short one, which need not be counted.
    pub(super) fn new(reply: Reply) -> Arc<Self> {
        Self::of(reply.encode(false).collect())
    }

    fn of(messages: Vec<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self {
            messages,
            is_cut_off: watch::Sender::new(false),
        })
    }

    /// Writes it; `None`: the client is gone, too slow, or cut off.
    pub(super) async fn send(&self, stream: &mut UnixStream) -> Option<()> {
        let mut cut_off = self.is_cut_off.subscribe();
        let write = async {
            for piece in self.messages.iter().flat_map(|one| one.chunks(PIECE)) {
                timeout(SLOWNESS, stream.write_all(piece))
                    .await
                    .ok()?
                    .ok()?;
            }
            Some(())
        };
        tokio::select! {
            biased;
            _ = cut_off.wait_for(|is_cut_off| *is_cut_off) => None,
            written = write => written,
        }
    }

    /// What it takes in memory.
    fn bytes(&self) -> usize {
        self.messages.iter().map(Vec::capacity).sum()
    }
}

/// The long replies that are on their way, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Underway(Arc<Mutex<VecDeque<Weak<Encoded>>>>);

impl Underway {
    /// A reply that is counted, for a caller who takes several messages ([`ikapi::Call::more`]) or not. Takes its time where
    /// there are thousands of connections.
    pub(super) fn encode(&self, reply: Reply, more: bool) -> Arc<Encoded> {
        let encoded = Encoded::of(reply.encode(more).collect());
        self.count(&encoded);
        encoded
    }

    fn count(&self, newest: &Arc<Encoded>) {
        let mut underway = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        underway.retain(|one| one.strong_count() > 0);
        let older = underway.iter().filter_map(Weak::upgrade);
        let mut bytes = newest.bytes() + older.map(|one| one.bytes()).sum::<usize>();
        while bytes > MOST
            && let Some(oldest) = underway.pop_front()
        {
            if let Some(oldest) = oldest.upgrade() {
                bytes -= oldest.bytes();
                oldest.is_cut_off.send_replace(true);
            }
        }
        underway.push_back(Arc::downgrade(newest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(underway: &Underway, bytes: usize) -> Arc<Encoded> {
        let encoded = Encoded::of(vec![vec![0; bytes]]);
        underway.count(&encoded);
        encoded
    }

    #[tokio::test]
    async fn slow_readers_of_the_oldest_make_room_for_the_newest() {
        let underway = Underway::default();
        let read: Vec<_> = (0..20).map(|_| long(&underway, MOST / 8)).collect();
        let cut_off: Vec<_> = read.iter().map(|one| *one.is_cut_off.borrow()).collect();
        assert_eq!(cut_off, [[true; 12].as_slice(), &[false; 8]].concat());
        assert_eq!(underway.0.lock().expect("whole").len(), 8);

        let (mut ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        assert_eq!(read[0].send(&mut ours).await, None, "nothing goes to it");
        let newest = read.last().expect("20").send(&mut ours);
        let reader = async {
            let mut all = tokio::io::AsyncReadExt::take(&mut theirs, MOST as u64 / 8);
            tokio::io::copy(&mut all, &mut tokio::io::sink()).await
        };
        let (sent, read_bytes) = tokio::join!(newest, reader);
        assert_eq!((sent, read_bytes.ok()), (Some(()), Some(MOST as u64 / 8)));
    }

    #[test]
    fn what_was_read_does_not_count_and_one_may_be_longer_than_all() {
        let underway = Underway::default();
        for _ in 0..20 {
            drop(long(&underway, MOST / 8));
        }
        let kept = long(&underway, MOST / 8);
        assert!(!*kept.is_cut_off.borrow());
        let longest = long(&underway, MOST + 1);
        assert!(*kept.is_cut_off.borrow() && !*longest.is_cut_off.borrow());
    }
}
