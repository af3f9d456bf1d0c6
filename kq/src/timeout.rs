//! Turns a wait's timeout into what `kevent` takes.

use std::time::Duration;

use crate::sys::Wait;

/// The longest timeout in seconds that FreeBSD takes for one, and that 32 bits hold.
const LONGEST: i32 = i32::MAX;

/// The longest timeout in seconds that older Apple kernels take; they refuse more with EINVAL.
const LONGEST_ON_APPLE: i32 = 100_000_000;

/// How long a call with this timeout waits. Whoever waits longer than the system counts waits without end.
#[inline]
pub(crate) fn wait_for(timeout: Option<Duration>) -> Wait {
    let longest = if cfg!(apple) { LONGEST_ON_APPLE } else { LONGEST };
    match timeout {
        Some(time) if time.is_zero() => Wait::Not,
        Some(time) => match parts(time, longest) {
            // Both numbers fit every width of the two types.
            #[allow(clippy::unnecessary_cast)] // of another width on other systems
            Some((seconds, nanos)) => Wait::For(kq_sys::timespec { tv_sec: seconds as _, tv_nsec: nanos as _ }),
            None => Wait::Forever,
        },
        None => Wait::Forever,
    }
}

/// Seconds, which fit a `time_t` of 32 bits, and nanoseconds; none if it is longer than the system counts.
#[inline]
fn parts(time: Duration, longest: i32) -> Option<(i32, i32)> {
    let seconds = i32::try_from(time.as_secs()).ok().filter(|seconds| *seconds <= longest)?;
    Some((seconds, i32::try_from(time.subsec_nanos()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_exact_on_every_system() {
        for longest in [LONGEST, LONGEST_ON_APPLE] {
            assert_eq!(parts(Duration::from_nanos(1), longest), Some((0, 1)));
            assert_eq!(parts(Duration::from_millis(1_500), longest), Some((1, 500_000_000)));
            let time = Duration::new(longest.unsigned_abs().into(), 999_999_999);
            assert_eq!(parts(time, longest), Some((longest, 999_999_999)));
        }
    }

    #[test]
    fn what_a_system_does_not_count_is_no_timeout() {
        for longest in [LONGEST, LONGEST_ON_APPLE] {
            // The last one has zeros in its lower 32 bits: cut off, it would be no wait at all.
            for seconds in [u64::from(longest.unsigned_abs()) + 1, 1 << 31, 1 << 40, u64::MAX, 1 << 32] {
                assert_eq!(parts(Duration::from_secs(seconds), longest), None, "{seconds}");
            }
        }
    }

    #[test]
    fn no_time_is_no_wait_and_too_much_is_no_end() {
        assert!(matches!(wait_for(Some(Duration::ZERO)), Wait::Not));
        assert!(matches!(wait_for(None), Wait::Forever));
        assert!(matches!(wait_for(Some(Duration::MAX)), Wait::Forever));
        let Wait::For(time) = wait_for(Some(Duration::new(7, 8))) else { panic!("a time") };
        assert!(time.tv_sec == 7 && time.tv_nsec == 8);
    }
}
