//! The owner of the kernel's SAD and SPD: carries out the engine's requests and tells what the kernel says by itself.
//!
//! ```text
//!   shell --Work--> Worker --xfrm-sys--> kernel
//!   shell <--Report-- Worker <--EXPIRE, overrun-- kernel
//! ```
//!
//! A task of its own that shares nothing with the engine but messages. It keeps a `table` of what it has installed, so
//! that it can compare with the kernel when events were lost, repair, and leave nothing behind at the end. What is not ours
//! is never touched: `owned` says what is.

mod acquire;
mod convert;
mod owned;
pub(crate) mod probe;
mod requests;
mod table;
mod worker;

use std::collections::{BTreeMap, HashMap};

use ike::engine::io::{
    KernelEvent, KernelFailure, KernelId, KernelRequest, QuestionId, SaReference, SaUse,
};
use tokio::sync::{mpsc, oneshot};
use xfrm_sys::{Events, Protocol, Xfrm, XfrmError};

/// What the worker is asked to do, in this order.
#[derive(Debug)]
pub enum Work {
    /// A request of the engine.
    Request(KernelId, KernelRequest),
    /// A question of the engine: what these SAs have carried.
    Look(QuestionId, Vec<SaReference>),
    /// Remove policies that a predecessor left and that nobody has taken over, and say when that is done.
    Sweep(oneshot::Sender<()>),
    /// Remove whatever is still installed, and tell how many SAs and policies that were.
    Clean(oneshot::Sender<Removed>),
}

/// What the worker tells.
#[derive(Debug)]
pub enum Report {
    /// A request is carried out, or failed.
    Done(KernelId, Result<(), KernelFailure>),
    /// What SAs have carried, of those that are there.
    Use(QuestionId, Vec<SaUse>),
    /// The kernel said something.
    Event(KernelEvent),
    /// Something that a predecessor had left is gone.
    Swept(Removed),
    /// Events were lost (or the listening socket broke), and this was put right.
    Repaired {
        /// SAs of ours that had vanished.
        missing_sas: usize,
        /// Policies of ours that had vanished or been changed, and are installed again.
        policies: usize,
        /// What was in our ranges and not ours.
        removed: Removed,
    },
    /// Something did not work that no request waits for.
    Trouble(String),
}

/// How many were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// SAs.
    pub sas: usize,
    /// Policies.
    pub policies: usize,
}

impl Removed {
    /// Whether there was nothing to remove.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The way to the worker.
#[derive(Clone)]
pub struct Handle {
    work: mpsc::UnboundedSender<Work>,
    xfrm: Option<Xfrm>,
}

/// What an SA has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Bytes.
    pub(crate) bytes: u64,
    /// Packets.
    pub(crate) packets: u64,
}

impl Handle {
    /// Hands work over. A worker that has ended answers nothing: the daemon is ending too.
    pub fn send(&self, work: Work) {
        let _ = self.work.send(work);
    }

    /// What every ESP SA in the kernel has carried; empty where there is no kernel, or it does not tell.
    pub(crate) async fn traffic(&self) -> HashMap<SaReference, Traffic> {
        let Some(xfrm) = &self.xfrm else {
            return HashMap::new();
        };
        let esp = |sa: &xfrm_sys::SaState| sa.id.protocol == Protocol::Esp && sa.id.mark.is_none();
        let one = |sa: xfrm_sys::SaState| {
            let reference = SaReference {
                spi: sa.id.spi,
                destination: sa.id.destination,
            };
            (
                reference,
                Traffic {
                    bytes: sa.counters.bytes,
                    packets: sa.counters.packets,
                },
            )
        };
        xfrm.list_sas().await.map_or_else(
            |_| HashMap::new(),
            |sas| sas.into_iter().filter(esp).map(one).collect(),
        )
    }

    /// The kernel's error counters that are not zero, by its names.
    pub(crate) async fn statistics(&self) -> BTreeMap<String, u64> {
        let read = tokio::task::spawn_blocking(xfrm_sys::Statistics::read).await;
        let Ok(Ok(statistics)) = read else {
            return BTreeMap::new();
        };
        let counted = statistics.iter().filter(|(_, count)| *count > 0);
        counted
            .map(|(name, count)| (name.to_owned(), count))
            .collect()
    }

    /// Waits until everything handed over before is in the kernel, and what a predecessor left is gone.
    pub(crate) async fn sweep(&self) {
        let (reply, swept) = oneshot::channel();
        self.send(Work::Sweep(reply));
        let _ = swept.await;
    }

    /// Removes what is still installed.
    pub(crate) async fn clean(&self) -> Removed {
        let (reply, removed) = oneshot::channel();
        self.send(Work::Clean(reply));
        removed.await.unwrap_or_default()
    }
}

/// Starts the worker above a kernel. SAs that a predecessor left are removed first; its policies stay until
/// [`Work::Sweep`], so that what they protect does not go in clear meanwhile.
///
/// # Errors
/// Where the kernel does not let us listen, or list what is there.
pub async fn start(
    xfrm: Xfrm,
    reports: mpsc::UnboundedSender<Report>,
) -> Result<Handle, XfrmError> {
    let events = Events::open()?;
    let (work, queue) = mpsc::unbounded_channel();
    let mut worker = worker::Worker::new(xfrm.clone(), reports);
    worker.remove_old_sas().await?;
    tokio::spawn(worker.run(queue, events));
    Ok(Handle {
        work,
        xfrm: Some(xfrm),
    })
}

/// Starts what stands in for the worker where there is no kernel (`kernel: none`): every request fails, and nothing has
/// carried anything.
pub(crate) fn start_without(reports: mpsc::UnboundedSender<Report>) -> Handle {
    let (work, mut queue) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(work) = queue.recv().await {
            let report = match work {
                Work::Request(id, _) => {
                    let words = Some("not asked: kernel: none".to_owned());
                    let failure = KernelFailure {
                        operation: "none",
                        errno: "EOPNOTSUPP".to_owned(),
                        words,
                    };
                    Report::Done(id, Err(failure))
                }
                Work::Look(id, _) => Report::Use(id, Vec::new()),
                Work::Sweep(_) | Work::Clean(_) => continue,
            };
            let _ = reports.send(report);
        }
    });
    Handle { work, xfrm: None }
}
