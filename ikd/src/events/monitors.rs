//! Who listens: a bounded queue each. Whoever reads too slowly misses events, and is told how many; nobody is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::subject::Subject;
use super::{Event, Level};

/// Events that wait for one listener.
const QUEUE: usize = 256;
/// Their texts, in bytes.
const QUEUE_BYTES: usize = 512 * 1024;

/// What somebody wants to hear.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Whose events; `None`: all.
    pub(crate) subject: Option<Subject>,
    /// Names of events; none: all.
    pub(crate) events: Vec<&'static str>,
    /// From which level on.
    pub(crate) level: Level,
}

impl Wish {
    fn includes(&mut self, event: &Event, level: Level) -> bool {
        // First, and of every event: whose it is learns from it where the peer is.
        let concerns = self
            .subject
            .as_mut()
            .is_none_or(|subject| subject.concerns(event));
        concerns
            && level >= self.level
            && (self.events.is_empty() || self.events.contains(&event.kind().name))
    }
}

/// Shared by both ends of a queue.
#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    missed: AtomicU64,
}

/// An event, and how many were left out just before it.
#[derive(Debug)]
struct Entry {
    event: Arc<ikapi::Event>,
    missed: u64,
}

/// The end of the queue that is read.
#[derive(Debug)]
pub(crate) struct Watch {
    entries: mpsc::Receiver<Entry>,
    backlog: Arc<Backlog>,
}

impl Watch {
    /// The next event and how many were left out before it, or only that; `None` when the daemon ends. May be dropped
    /// while it waits.
    pub(crate) async fn next(&mut self) -> Option<(Option<Arc<ikapi::Event>>, u64)> {
        let entry = match self.entries.try_recv() {
            Ok(entry) => entry,
            Err(_) => {
                let missed = self.backlog.missed.swap(0, Ordering::Relaxed);
                if missed > 0 {
                    return Some((None, missed));
                }
                self.entries.recv().await?
            }
        };
        self.backlog
            .bytes
            .fetch_sub(weight(&entry.event), Ordering::Relaxed);
        Some((Some(entry.event), entry.missed))
    }
}

/// All who listen.
#[derive(Debug, Default)]
pub(super) struct Monitors(Vec<Monitor>);

#[derive(Debug)]
struct Monitor {
    wish: Wish,
    queue: mpsc::Sender<Entry>,
    backlog: Arc<Backlog>,
}

impl Monitors {
    pub(super) fn add(&mut self, wish: Wish) -> Watch {
        // Where nothing happens, nothing else forgets who has gone.
        self.0.retain(|monitor| !monitor.queue.is_closed());
        let (queue, entries) = mpsc::channel(QUEUE);
        let backlog = Arc::new(Backlog::default());
        self.0.push(Monitor {
            wish,
            queue,
            backlog: Arc::clone(&backlog),
        });
        Watch { entries, backlog }
    }

    /// Gives an event to whoever wants it; it is made when the first one does and has room.
    pub(super) fn give(&mut self, event: &Event, level: Level, make: impl Fn() -> ikapi::Event) {
        let mut made = None;
        self.0.retain_mut(|monitor| {
            if monitor.queue.is_closed() {
                return false;
            }
            if !monitor.wish.includes(event, level) {
                return true;
            }
            let full = monitor.queue.capacity() == 0
                || monitor.backlog.bytes.load(Ordering::Relaxed) >= QUEUE_BYTES;
            if full {
                monitor.backlog.missed.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            let event = Arc::clone(made.get_or_insert_with(|| Arc::new(make())));
            let weight = weight(&event);
            monitor.backlog.bytes.fetch_add(weight, Ordering::Relaxed);
            let missed = monitor.backlog.missed.swap(0, Ordering::Relaxed);
            let sent = monitor.queue.try_send(Entry { event, missed });
            !matches!(sent, Err(TrySendError::Closed(_)))
        });
    }
}

/// The texts whose size others decide, in bytes.
fn weight(event: &ikapi::Event) -> usize {
    let optional = [&event.peer_id, &event.suggestion, &event.suite];
    let optional: usize = optional.into_iter().flatten().map(String::len).sum();
    event.message.len() + optional + event.detail.iter().map(String::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use ike::config::Name;
    use ike::engine::event::Event as EngineEvent;
    use ike::engine::io::Path;

    use super::*;

    fn event(number: u64, size: usize) -> ikapi::Event {
        ikapi::Event {
            count: Some(number),
            message: "x".repeat(size),
            ..ikapi::Event::default()
        }
    }

    fn everything() -> Wish {
        Wish {
            subject: None,
            events: Vec::new(),
            level: Level::Debug,
        }
    }

    #[tokio::test]
    async fn who_does_not_read_costs_a_bounded_queue_and_hears_what_was_missed() {
        for size in [10, QUEUE_BYTES / 8] {
            let mut monitors = Monitors::default();
            let mut watch = monitors.add(everything());
            for number in 0..10_000 {
                monitors.give(&Event::Ready, Level::Info, || event(number, size));
            }
            monitors.give(&Event::Ready, Level::Debug, || unreachable!("no room"));
            let mut told = Vec::new();
            let missed = loop {
                match watch.next().await.expect("the daemon goes on") {
                    (Some(event), 0) => told.push(event.count.expect("numbered")),
                    (None, missed) => break missed,
                    other => panic!("{other:?}"),
                }
            };
            let most = QUEUE.min(QUEUE_BYTES / size + 1);
            assert!(!told.is_empty() && told.len() <= most, "{}", told.len());
            assert_eq!(
                told.len() as u64 + missed,
                10_001,
                "what is lost is counted"
            );
            assert!(
                told.iter().copied().eq(0..told.len() as u64),
                "the oldest, in order"
            );
            monitors.give(&Event::Ready, Level::Info, || event(7, size));
            assert!(
                matches!(watch.next().await, Some((Some(_), 0))),
                "it goes on"
            );
            assert_eq!(watch.backlog.bytes.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn an_event_that_nobody_wants_is_not_made_and_who_has_gone_is_forgotten() {
        let mut monitors = Monitors::default();
        let names = Wish {
            events: vec!["stopping"],
            ..everything()
        };
        let warnings = Wish {
            level: Level::Warning,
            ..everything()
        };
        let watches = [monitors.add(names), monitors.add(warnings)];
        monitors.give(&Event::Ready, Level::Info, || {
            unreachable!("nobody wants it")
        });
        drop(watches);
        monitors.give(&Event::Ready, Level::Info, || {
            unreachable!("nobody is there")
        });
        assert!(monitors.0.is_empty());
    }

    #[test]
    fn who_comes_and_goes_while_nothing_happens_leaves_nothing_behind() {
        let mut monitors = Monitors::default();
        let _stays = monitors.add(everything());
        for _ in 0..1000 {
            drop(monitors.add(everything()));
        }
        assert_eq!(monitors.0.len(), 2, "who stays, and the newest");
    }

    #[test]
    fn a_connection_is_followed_to_where_its_peer_moves_whatever_is_asked_for() {
        let name = Name::new("branch").expect("a name");
        let path = |remote: &str| Path {
            local: "192.0.2.1:500".parse().expect("valid"),
            remote: remote.parse().expect("valid"),
        };
        let mut wish = Wish {
            subject: Some(Subject::Connection {
                name: name.clone(),
                addresses: Vec::new(),
            }),
            events: vec!["send-failed"],
            level: Level::Warning,
        };
        let mut includes = |event: &Event| wish.includes(event, event.level());
        let failed = |remote| Event::SendFailed {
            path: path(remote),
            error: nix::errno::Errno::EPERM,
        };
        assert!(!includes(&failed("203.0.113.9:500")), "nobody's so far");
        let moved = EngineEvent::Initiating {
            connection: name,
            path: path("203.0.113.9:500"),
        };
        assert!(!includes(&Event::Engine(Box::new(moved))), "not asked for");
        assert!(includes(&failed("203.0.113.9:500")));
    }
}
