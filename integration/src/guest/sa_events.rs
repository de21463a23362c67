//! What a gateway's kernel says about SAs while they come and go: which it held at what moment.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::netns::Namespace;

/// A kernel's word about an SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It can be used from now on.
    Installed,
    /// It is gone.
    Deleted,
}

/// What happened to an SA, when it was heard of: a little later than it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Since 1970.
    pub time: Duration,
    /// The SA's SPI.
    pub spi: u32,
    /// What happened.
    pub fate: Fate,
}

/// Listens to a kernel until it is dropped.
#[derive(Debug)]
pub struct SaEvents {
    monitor: Child,
    heard: Arc<Mutex<Vec<Event>>>,
}

impl SaEvents {
    /// Listens to the kernel of `gateway`.
    pub fn follow(gateway: &Namespace) -> Result<Self> {
        let mut command = Command::new("ip");
        command
            .args(["xfrm", "monitor", "SA"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut monitor = gateway.spawn(&mut command)?;
        let said = monitor.stdout.take().context("ip's standard output")?;
        let heard = Arc::<Mutex<Vec<Event>>>::default();
        let hears = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut deleted = false;
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                let Some(spi) = spi(&line) else {
                    // The first line of a message; the SPI is in its second.
                    if !line.starts_with(char::is_whitespace) {
                        deleted = line.starts_with("Deleted");
                    }
                    continue;
                };
                let event = Event {
                    time: SystemTime::now()
                        .duration_since(UNIX_EPOCH)
                        .unwrap_or_default(),
                    spi,
                    fate: if deleted {
                        Fate::Deleted
                    } else {
                        Fate::Installed
                    },
                };
                let mut heard = hears.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push(event);
            }
        });
        Ok(Self { monitor, heard })
    }

    /// Since when the kernel has held the SA with this SPI, and when it stopped, as far as it said so.
    #[must_use]
    pub fn held(&self, spi: u32) -> (Option<Duration>, Option<Duration>) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let last = |fate| {
            let mut found = heard.iter().rev();
            found
                .find(|event| event.spi == spi && event.fate == fate)
                .map(|event| event.time)
        };
        (last(Fate::Installed), last(Fate::Deleted))
    }
}

impl SaEvents {
    /// Whether the kernel held the SA with this SPI all the time from one moment to another.
    #[must_use]
    pub fn holds(&self, spi: u32, from: Duration, to: Duration) -> bool {
        let (installed, deleted) = self.held(spi);
        installed.is_some_and(|at| at <= from) && deleted.is_none_or(|at| at > to)
    }
}

impl Drop for SaEvents {
    fn drop(&mut self) {
        let _ = self.monitor.kill();
        let _ = self.monitor.wait();
    }
}

/// The SPI in a line of `ip`: `proto esp spi 0xc1234567 reqid 1 mode tunnel`.
fn spi(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("proto esp spi 0x")?;
    u32::from_str_radix(rest.split_whitespace().next()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_spi_is_found_where_ip_writes_it() {
        let line = "\tproto esp spi 0xc1234567 reqid 1 mode tunnel";
        assert_eq!(spi(line), Some(0xc123_4567));
        assert_eq!(spi("\treplay-window 0 flag af-unspec esn"), None);
    }
}
