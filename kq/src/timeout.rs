//! Turns a wait's timeout into what `kevent` takes.

use std::time::Duration;

use crate::sys::Wait;

/// The longest timeout in seconds: older Apple kernels refuse more, and 32-bit ones (and FreeBSD) cannot count more.
/// Whoever waits longer waits without end.
const LONGEST: u64 = if cfg!(apple) { 100_000_000 } else { i32::MAX as u64 };

/// How long a call with this timeout waits.
pub(crate) fn wait_for(timeout: Option<Duration>) -> Wait {
    match timeout {
        None => Wait::Forever,
        Some(time) if time.is_zero() => Wait::Not,
        Some(time) if time.as_secs() > LONGEST => Wait::Forever,
        #[allow(clippy::cast_possible_truncation)]
        // Nanoseconds are below 10⁹ and the seconds were just compared: both fit 32 bits.
        Some(time) => Wait::For(kq_sys::timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos() as _ }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(time: Duration) -> (i64, i64) {
        match wait_for(Some(time)) {
            #[allow(clippy::unnecessary_cast)]
            Wait::For(spec) => (spec.tv_sec as i64, spec.tv_nsec as i64),
            other => panic!("{time:?} became {other:?}"),
        }
    }

    #[test]
    fn a_timeout_is_exact() {
        assert_eq!(parts(Duration::from_nanos(1)), (0, 1));
        assert_eq!(parts(Duration::from_millis(1_500)), (1, 500_000_000));
        assert_eq!(parts(Duration::new(LONGEST, 999_999_999)), (LONGEST as i64, 999_999_999));
    }

    #[test]
    fn no_time_is_no_wait_and_too_much_is_no_end() {
        assert!(matches!(wait_for(Some(Duration::ZERO)), Wait::Not));
        assert!(matches!(wait_for(None), Wait::Forever));
        assert!(matches!(wait_for(Some(Duration::MAX)), Wait::Forever));
        assert!(matches!(wait_for(Some(Duration::from_secs(LONGEST + 1))), Wait::Forever));
    }
}
