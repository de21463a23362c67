//! What systemd is told (sd_notify(3)), where it has started us; otherwise nothing is told.
//!
//! ```text
//!   starting --READY=1--> in force --RELOADING=1--> reading again --READY=1--> in force --STOPPING=1--> end
//!                            |                                                    |
//!                            '------ STATUS=, WATCHDOG=1: by the shell's loop ----'
//! ```
//!
//! The watchdog is fed by the loop that serves the peers and by nothing else: if it hangs, systemd starts the daemon anew.
//! Own code and not the crate `sd-notify`, whose sends wait where systemd is slow to read: that loop waits for nobody.

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The way to systemd.
#[derive(Default)]
pub(crate) struct Manager {
    way: Option<(UnixDatagram, SocketAddr)>,
    /// How often the watchdog is fed: twice in the time that it allows.
    feeding: Option<Duration>,
    status: String,
}

impl Manager {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    pub(crate) fn from_environment() -> Self {
        let variable = |name| env::var(name).ok();
        let way = variable("NOTIFY_SOCKET").and_then(|socket| {
            let address = match socket.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&socket),
            };
            let from = UnixDatagram::unbound().ok()?;
            from.set_nonblocking(true).ok()?;
            Some((from, address.ok()?))
        });
        let ours = variable("WATCHDOG_PID").is_none_or(|id| id == std::process::id().to_string());
        let allowed = variable("WATCHDOG_USEC").and_then(|usec| usec.parse().ok());
        let feeding = allowed.map(|usec| Duration::from_micros(usec) / 2);
        Self {
            feeding: feeding.filter(|period| ours && way.is_some() && !period.is_zero()),
            way,
            status: String::new(),
        }
    }

    /// Whether anybody listens, so that a status is worth making.
    pub(crate) const fn listens(&self) -> bool {
        self.way.is_some()
    }

    /// How often [`Self::alive`] is to be called; `None`: there is no watchdog.
    pub(crate) const fn feeding(&self) -> Option<Duration> {
        self.feeding
    }

    /// The configuration's policies are in force, for the first time or after [`Self::reloading`].
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The configuration is being read again. The time is what `Type=notify-reload` wants.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map(Duration::from)
            .unwrap_or_default();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()));
    }

    /// The end has begun.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// The loop goes round.
    pub(crate) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// The line that `systemctl status` shows, where it has changed. One line, of our own words only.
    pub(crate) fn status(&mut self, status: String) {
        if status != self.status {
            self.tell(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    fn tell(&self, what: &str) {
        if let Some((from, systemd)) = &self.way {
            // Who does not listen is not waited for: the next word comes soon.
            let _ = from.send_to_addr(what.as_bytes(), systemd);
        }
    }
}
