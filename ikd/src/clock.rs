//! The two clocks, and the one timer that wakes the engine.
//!
//! tokio's and std's clocks stand still while the machine sleeps; SAs do not. So deadlines are kept by a timerfd on
//! CLOCK_BOOTTIME, and tokio's timers are used for nothing but bounding how long somebody may be waited for.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use ike::engine::io::Now;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{
    ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags,
};
use nix::time::{ClockId, clock_gettime};
use tokio::net::unix::pipe::Receiver;

/// Both clocks, now.
pub(crate) fn now() -> Now {
    Now {
        boot: read(ClockId::CLOCK_BOOTTIME),
        wall: read(ClockId::CLOCK_REALTIME),
    }
}

/// Seconds since 1970.
pub(crate) fn wall_seconds() -> u64 {
    now().wall.as_secs()
}

fn read(clock: ClockId) -> Duration {
    Duration::from(clock_gettime(clock).expect("every Linux that has timerfd has these clocks"))
}

/// Tells that the wall clock was set: a timer on it that is never due, and is cancelled by that.
pub(crate) struct Settings {
    _timer: TimerFd,
    ticks: Receiver,
}

/// In three hundred years: as good as never.
const NEVER: Duration = Duration::from_secs(10_000_000_000);

impl Settings {
    /// Needs to be called within the runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let timer = TimerFd::new(
            TimerClock::CLOCK_REALTIME,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        timer.set(
            Expiration::OneShot(TimeSpec::from_duration(NEVER)),
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET,
        )?;
        let ticks = Receiver::from_owned_fd_unchecked(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Self {
            _timer: timer,
            ticks,
        })
    }

    /// Returns once the wall clock has been set.
    pub(crate) async fn happened(&mut self) -> io::Result<()> {
        loop {
            self.ticks.readable().await?;
            match self.ticks.try_read(&mut [0; 8]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ECANCELED as i32) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
                Ok(_) => return Ok(()),
            }
        }
    }
}

/// A timer on CLOCK_BOOTTIME.
pub(crate) struct Timer {
    timer: TimerFd,
    /// The same file description, as something that tokio waits for and reads: to read(2) a timerfd is as good as a pipe.
    ticks: Receiver,
    armed: Option<Duration>,
}

impl Timer {
    /// A timer that is not set. Needs to be called within the runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let timer = TimerFd::new(
            TimerClock::CLOCK_BOOTTIME,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        let ticks = Receiver::from_owned_fd_unchecked(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Self {
            timer,
            ticks,
            armed: None,
        })
    }

    /// Wakes at this time of the boot clock, at once if it is past; `None`: never.
    pub(crate) fn set(&mut self, deadline: Option<Duration>) -> io::Result<()> {
        if deadline == self.armed {
            return Ok(());
        }
        match deadline {
            // Zero would switch the timer off.
            Some(at) => self.timer.set(
                Expiration::OneShot(TimeSpec::from_duration(at.max(Duration::from_nanos(1)))),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )?,
            None => self.timer.unset()?,
        }
        self.armed = deadline;
        Ok(())
    }

    /// Returns once the deadline has come.
    pub(crate) async fn fired(&mut self) -> io::Result<()> {
        loop {
            self.ticks.readable().await?;
            match self.ticks.try_read(&mut [0; 8]) {
                Ok(_) => {
                    self.armed = None;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_told_while_nobody_sets_the_clock() {
        let mut settings = Settings::new().expect("a timer");
        assert!(
            tokio::time::timeout(Duration::from_millis(5), settings.happened())
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn the_timer_fires_for_a_deadline_that_is_past_and_not_without_one() {
        let mut timer = Timer::new().expect("a timer");
        timer.set(Some(Duration::ZERO)).expect("set");
        timer.fired().await.expect("fired");
        timer
            .set(Some(now().boot + Duration::from_millis(5)))
            .expect("set");
        timer.fired().await.expect("fired");
        timer.set(Some(Duration::ZERO)).expect("set");
        timer.set(None).expect("unset");
        assert!(
            tokio::time::timeout(Duration::from_millis(5), timer.fired())
                .await
                .is_err()
        );
    }
}
