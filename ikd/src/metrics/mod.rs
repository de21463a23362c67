//! Metrics for Prometheus, as text of OpenMetrics: on the control socket (`ikctl metrics`) and, if asked, over HTTP on a
//! loopback address (`--metrics`).
//!
//! ```text
//!   shell --events, refusals of the kernel, reloads--> Metrics (counts) --.
//!   shell --View------------------------------------------------------------> render --text, for a second--> Source
//!   kernel --traffic, xfrm_stat---------------------------------------------'                                 |   |
//!                                                              ikctl metrics <-- control <------------------'   `--> http
//! ```
//!
//! `table` names every metric there is, its labels and what they can be: nothing that a peer sends is among them, and a
//! connection that leaves the configuration leaves the output.

mod counts;
mod http;
mod render;
mod table;
#[cfg(test)]
mod tests;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::control::{Ask, Shell};
use crate::kernel;

pub(crate) use counts::Metrics;
pub(crate) use http::serve;
pub(crate) use table::ALL;
pub use table::{Kind, Label, Metric};

/// How long a text is good for: however many ask, it is made once in this time.
const FRESH: Duration = Duration::from_secs(1);

/// Where whoever wants metrics gets them.
#[derive(Clone)]
pub(crate) struct Source(Arc<Inner>);

struct Inner {
    shell: Shell,
    kernel: kernel::Handle,
    metrics: Arc<Metrics>,
    newest: Mutex<Option<(Instant, Bytes)>>,
}

impl Source {
    /// From the shell's view, the kernel's counts and our own.
    pub(crate) fn new(shell: Shell, kernel: kernel::Handle, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner {
            shell,
            kernel,
            metrics,
            newest: Mutex::default(),
        }))
    }

    /// The text, at most a second old; all who ask share it. `None` where the daemon is ending.
    pub(crate) async fn text(&self) -> Option<Bytes> {
        let Inner {
            shell,
            kernel,
            metrics,
            newest,
        } = &*self.0;
        let mut newest = newest.lock().await;
        if let Some((at, text)) = &*newest
            && at.elapsed() < FRESH
        {
            return Some(text.clone());
        }
        let view = shell.ask(Ask::Look).await?.await.ok()?;
        let traffic = kernel.traffic().await;
        let metrics = Arc::clone(metrics);
        // Thousands of connections take their time: not on the thread that the engine runs on.
        let made = tokio::task::spawn_blocking(move || render::text(&metrics, &view, &traffic));
        let text = Bytes::from(made.await.ok()?);
        *newest = Some((Instant::now(), text.clone()));
        Some(text)
    }
}
