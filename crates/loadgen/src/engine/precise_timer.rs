//! A timer that fires on time. Tokio's own timers fire up to two milliseconds late, which would show in the schedule
//! lag and in every hold time.

use tokio::time::Instant;

/// Fires at an instant: on Linux by a `timerfd`, about 50 µs after it; elsewhere by tokio's timer.
#[derive(Debug)]
pub struct PreciseTimer {
    #[cfg(target_os = "linux")]
    timer: Option<linux::Timer>,
}

impl PreciseTimer {
    /// A timer that is not set. Where the system has no `timerfd` left, tokio's timer is used.
    pub fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            timer: linux::Timer::new().inspect_err(|error| tracing::warn!(%error, "no precise timer")).ok(),
        }
    }

    /// Waits until `at`. The future can be dropped and the method called again at any time.
    pub async fn until(&mut self, at: Instant) {
        #[cfg(target_os = "linux")]
        if let Some(timer) = &mut self.timer
            && timer.until(at).await.is_ok()
        {
            return;
        }
        tokio::time::sleep_until(at).await;
    }
}

impl Default for PreciseTimer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
    use tokio::io::unix::AsyncFd;
    use tokio::time::Instant;

    #[derive(Debug)]
    pub(super) struct Timer {
        timer: AsyncFd<OwnedFd>,
        /// The instant that it is set to.
        set: Option<Instant>,
    }

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
            #[allow(deprecated, reason = "set_timer_fd's successor is unsafe")]
            let timer = AsyncFd::new(timer)?;
            Ok(Self { timer, set: None })
        }

        pub(super) async fn until(&mut self, at: Instant) -> io::Result<()> {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            if self.set != Some(at) {
                self.set(left)?;
                self.set = Some(at);
            }
            // The expiration may belong to an earlier setting.
            while Instant::now() < at {
                let mut ready = self.timer.readable().await?;
                let mut expirations = [0; 8];
                match rustix::io::read(self.timer.get_ref(), &mut expirations) {
                    Ok(_) | Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                    Err(error) => return Err(error.into()),
                }
            }
            self.set = None;
            Ok(())
        }

        fn set(&self, left: Duration) -> io::Result<()> {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let once = Itimerspec { it_interval: zero, it_value: value };
            rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn it_never_goes_off_early_and_can_be_set_anew() {
        let mut timer = PreciseTimer::new();
        let start = Instant::now();
        timer.until(start).await;
        // Dropped before it fires, then set to another instant.
        let far = start + Duration::from_secs(3600);
        assert!(tokio::time::timeout(Duration::from_millis(1), timer.until(far)).await.is_err());
        for milliseconds in [2, 7, 20] {
            let at = start + Duration::from_millis(milliseconds);
            timer.until(at).await;
            assert!(Instant::now() >= at);
        }
    }
}
