//! How punctual a timer is, and what it counts, on Apple's systems.

use std::time::Duration;

use crate::{Change, Filter};

/// How punctual a timer is, and whether it counts time asleep: these change nothing in a change of another filter. Apple.
impl Change {
    /// Lets the timer be late by as much as `leeway`, so that the system can join it with others (NOTE_LEEWAY).
    ///
    /// It is counted in the timer's own unit (nanoseconds, of [`timer`](Change::timer)), rounded down, and clamped to
    /// what the kernel counts. For a timer in units of mach_absolute_time(3) the kernel takes it for such units.
    pub fn leeway(mut self, leeway: Duration) -> Change {
        // In a change of MACHPORT the word is the size of a buffer.
        if self.filter() == Filter::TIMER {
            let unit = match self.0.fflags & (kq_sys::NOTE_SECONDS | kq_sys::NOTE_USECONDS | kq_sys::NOTE_NSECONDS) {
                kq_sys::NOTE_SECONDS => 1_000_000_000,
                kq_sys::NOTE_USECONDS => 1_000,
                kq_sys::NOTE_NSECONDS => 1,
                _ => 1_000_000,
            };
            // The kernel turns it into nanoseconds.
            let nanos = leeway.as_nanos().min(i64::MAX.unsigned_abs().into());
            let [_, word] = &mut self.0.ext;
            *word = u64::try_from(nanos / unit).unwrap_or(u64::MAX);
        }
        self.timer_note(kq_sys::NOTE_LEEWAY)
    }

    /// Makes the timer as punctual as the system can (NOTE_CRITICAL). Others may be tens of milliseconds late.
    pub fn critical(self) -> Change {
        self.timer_note(kq_sys::NOTE_CRITICAL)
    }

    /// Lets the system join the timer with others at its discretion, to save power (NOTE_BACKGROUND).
    pub fn background(self) -> Change {
        self.timer_note(kq_sys::NOTE_BACKGROUND)
    }

    /// Lets the timer run on while the system sleeps (NOTE_MACH_CONTINUOUS_TIME); without it, time asleep does not count.
    pub fn across_sleep(self) -> Change {
        self.timer_note(kq_sys::NOTE_MACH_CONTINUOUS_TIME)
    }

    fn timer_note(self, note: u32) -> Change {
        match self.filter() {
            Filter::TIMER => self.fflags(self.get_fflags() | note),
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leeway_is_in_the_timers_unit() {
        let timer = Change::timer(1, Duration::from_secs(1)).leeway(Duration::from_millis(30)).critical();
        assert_eq!(timer.get_ext(), [0, 30_000_000]);
        assert_eq!(timer.get_fflags(), kq_sys::NOTE_NSECONDS | kq_sys::NOTE_LEEWAY | kq_sys::NOTE_CRITICAL);
        let seconds = Change::new(1, Filter::TIMER, crate::Flags::ADD).fflags(kq_sys::NOTE_SECONDS);
        assert_eq!(seconds.leeway(Duration::from_millis(2_500)).get_ext(), [0, 2]);
        assert_eq!(timer.leeway(Duration::MAX).get_ext(), [0, i64::MAX.unsigned_abs()]);
    }

    #[test]
    fn what_is_no_timer_stays_as_it_is() {
        let port = Change::machport(7);
        assert_eq!(port.leeway(Duration::from_secs(1)).critical().background().across_sleep(), port);
    }

    #[test]
    fn a_critical_timer_fires() {
        let queue = crate::Kqueue::new().unwrap();
        let mut buffer = crate::EventBuffer::with_capacity(4);
        let timer = Change::timer(1, Duration::from_millis(5)).oneshot();
        queue.apply(&[timer.critical(), Change::timer(2, Duration::from_millis(5)).leeway(Duration::ZERO)]).unwrap();
        assert!(!queue.wait(&mut buffer, Some(Duration::from_secs(30))).unwrap().is_empty());
    }
}
