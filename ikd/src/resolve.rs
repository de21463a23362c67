//! Resolving the names of peers, away from the engine: a resolver may be slow, or hang.
//!
//! `getaddrinfo` cannot be cut short: whoever waits for it is answered after [`TIME`], and its thread goes on holding one of
//! [`AT_ONCE`] places. So a resolver that hangs costs so many threads, and no more.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use ike::config::HostName;
use ike::engine::io::QuestionId;
use tokio::sync::{Semaphore, mpsc};

/// The addresses, or why there are none, in words for a person.
pub(crate) type Resolved = Result<Vec<IpAddr>, String>;

/// How long a name may take.
const TIME: Duration = Duration::from_secs(10);
/// Names at once, a thread each.
const AT_ONCE: usize = 8;

/// The way to those who resolve.
pub(crate) struct Handle {
    places: Arc<Semaphore>,
    reports: mpsc::UnboundedSender<(QuestionId, Resolved)>,
}

impl Handle {
    /// Answers go to `reports`.
    pub(crate) fn new(reports: mpsc::UnboundedSender<(QuestionId, Resolved)>) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { places, reports }
    }

    /// Asks; the answer comes as a report. Needs to be called within the runtime.
    pub(crate) fn ask(&self, id: QuestionId, name: HostName) {
        let (places, reports) = (self.places.clone(), self.reports.clone());
        tokio::spawn(async move {
            let resolved = tokio::time::timeout(TIME, async {
                // Never closed.
                let place = places.acquire_owned().await.ok();
                tokio::task::spawn_blocking(move || {
                    let _place = place;
                    look_up(&name)
                })
                .await
            });
            let resolved = match resolved.await {
                Ok(Ok(resolved)) => resolved,
                Ok(Err(_)) => Err("ikd failed over the answer: a defect of ikd".to_owned()),
                Err(_) => Err(format!("no answer within {}s", TIME.as_secs())),
            };
            let _ = reports.send((id, resolved));
        });
    }
}

fn look_up(name: &HostName) -> Resolved {
    let found = (name.as_str(), 0).to_socket_addrs();
    let found = found.map_err(|error| error.to_string())?;
    let mut addresses = Vec::new();
    for address in found.map(|found| found.ip().to_canonical()) {
        if !address.is_unspecified() && !address.is_multicast() && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err("the name has no address".to_owned());
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_resolved_and_one_that_is_none_is_told() {
        let (reports, mut resolved) = mpsc::unbounded_channel();
        let handle = Handle::new(reports);
        let name = |text| HostName::new(text).expect("a name");
        handle.ask(QuestionId(1), name("localhost"));
        handle.ask(QuestionId(2), name("nobody.invalid"));
        for _ in 0..2 {
            match resolved.recv().await.expect("an answer") {
                (QuestionId(1), found) => {
                    let found = found.expect("every machine knows itself");
                    assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
                }
                (_, found) => assert!(found.is_err(), "{found:?}"),
            }
        }
    }
}
