//! Timers that are dispatched, and periods that add up.

use std::time::{Duration, Instant};

use kq::{Change, EventKind};
use kq_tests::{serial, wait_for, TestQueue, LIMIT};

#[cfg(not(netbsd))] // where EV_CLEAR, which every timer has, goes before EV_DISPATCH
#[test]
fn a_dispatched_timer_counts_while_it_is_disabled() {
    use kq::Flags;
    use kq_tests::want;

    const PERIOD: Duration = Duration::from_millis(20);

    let mut queue = TestQueue::new();
    queue.set(Change::timer(1, PERIOD).dispatch());
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    assert!(want(kq::Filter::TIMER, 1).flags(Flags::CLEAR | Flags::DISPATCH).at_least(1).is(&event), "{event:?}");
    let start = Instant::now();
    wait_for("two periods", || start.elapsed() > 3 * PERIOD);
    queue.nothing();
    queue.set(Change::timer(1, PERIOD).enable());
    queue.sees(&[want(kq::Filter::TIMER, 1).flags(Flags::CLEAR | Flags::DISPATCH).at_least(2)]);
}

#[test]
fn a_thousand_periods_take_as_long_as_a_thousand_periods() {
    // A kernel of coarse ticks stretches its periods to tens of milliseconds.
    const PERIODS: u64 = if cfg!(linux) { 1_000 } else { 100 };
    let _serial = serial();
    let mut queue = TestQueue::new();
    let start = Instant::now();
    queue.set(Change::timer(1, Duration::from_millis(1)));
    let mut count = 0;
    wait_for("expirations to keep to the clock", || {
        let events = queue.wait(LIMIT);
        let elapsed = start.elapsed();
        let [event] = events[..] else { panic!("{events:?}") };
        let EventKind::Timer { expirations, .. } = event.kind() else { panic!("{event:?}") };
        count += expirations;
        // However late a wait is, no expiration is early, and none is lost on the way.
        assert!(elapsed >= Duration::from_millis(count), "{count} in {elapsed:?}");
        // A busy machine may stop between the wait and the look.
        let is_enough = count >= PERIODS;
        is_enough && (!cfg!(linux) || elapsed.as_secs_f64() * 1_000.0 < 1.02 * count as f64)
    });
}

/// EV_FORCEONESHOT, which no other system has.
#[cfg(freebsd_abi)]
mod forced {
    use kq::Flags;
    use kq_tests::queue::want_timer;
    use kq_tests::QUIET;

    use super::*;

    #[test]
    fn a_forced_timer_had_not_counted() {
        let mut queue = TestQueue::new();
        let timer = Change::timer(1, Duration::from_millis(10));
        queue.set(timer);
        let mut other = TestQueue::new();
        other.set(Change::timer(1, Duration::from_millis(50)).oneshot());
        assert_eq!(other.wait(LIMIT).len(), 1);
        queue.set(timer.force_oneshot());
        queue.sees(&[want_timer(1).flags(Flags::CLEAR | Flags::ONESHOT).at_least(1)]);
        queue.nothing();
        assert_eq!(queue.apply(timer.delete()), Err(libc::ENOENT));
    }

    /// What EV_ADD starts anew has not fired, and is a one-shot from then on.
    #[test]
    fn a_timer_that_was_forced_and_added_came_at_once() {
        let mut queue = TestQueue::new();
        queue.set(Change::timer(1, LIMIT));
        queue.set(Change::timer(1, 20 * QUIET).add_flags(Flags::FORCEONESHOT));
        assert!(queue.wait(Duration::ZERO).is_empty());
        queue.sees(&[want_timer(1).flags(Flags::CLEAR | Flags::ONESHOT)]);
        assert_eq!(queue.apply(Change::timer(1, LIMIT).delete()), Err(libc::ENOENT));
    }
}
