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
