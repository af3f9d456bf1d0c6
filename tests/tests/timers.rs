//! TIMER: intervals, one-shots, units, absolute times, and times at the edge of what can be counted.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use kq::{Change, EventKind, Filter, Flags};
use kq_tests::queue::{udata_after_action, want_timer};
use kq_tests::{TestQueue, LIMIT};

const HOUR: Duration = Duration::from_secs(3600);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Wants the event of a one-shot timer.
fn want_once(id: usize) -> kq_tests::Want {
    want_timer(id).flags(Flags::ONESHOT | Flags::CLEAR)
}

/// The kernel's own words, beside what kq makes of a `Duration`: an interval in milliseconds, the unit of all systems.
fn raw(id: usize, data: i64) -> Change {
    Change::new(id, Filter::TIMER, Flags::ADD).data(data)
}

#[test]
fn expirations_are_counted_between_waits() {
    let mut queue = TestQueue::new();
    queue.set(Change::timer(7, ms(20)).udata(1));
    // Patient with slow clocks: the longer nobody waits, the more there have to be.
    for pause in [130, 1_000, 5_000] {
        sleep(ms(pause));
        let events = queue.wait(LIMIT);
        let [event] = events[..] else { panic!("{events:?}") };
        assert_eq!((event.ident(), event.udata()), (7, 1));
        let EventKind::Timer { id: 7, expirations } = event.kind() else { panic!("{event:?}") };
        if expirations >= 4 {
            return;
        }
    }
    panic!("a timer of 20 ms did not count to 4 in 5 s");
}

#[test]
fn a_periodic_timer_goes_on() {
    let mut queue = TestQueue::new();
    queue.set(Change::timer(7, ms(10)).udata(1));
    for _ in 0..5 {
        queue.sees(&[want_timer(7).at_least(1).udata(1)]);
    }
}

#[test]
fn a_oneshot_fires_once() {
    let mut queue = TestQueue::new();
    queue.set(Change::timer(7, ms(30)).oneshot().udata(1));
    queue.sees(&[want_once(7).udata(1)]);
    queue.nothing();
    assert_eq!(queue.apply(Change::timer(7, ms(30)).delete()), Err(libc::ENOENT));
}

#[test]
fn a_timer_is_never_early() {
    let mut queue = TestQueue::new();
    for time in [Duration::from_nanos(1), Duration::from_micros(1_500), ms(20)] {
        let start = Instant::now();
        queue.set(Change::timer(7, time).oneshot());
        queue.sees(&[want_once(7)]);
        assert!(start.elapsed() >= time, "{time:?}");
    }
}

#[test]
fn a_deleted_timer_does_not_fire() {
    let mut queue = TestQueue::new();
    queue.set(Change::timer(7, ms(30)).udata(1));
    queue.set(Change::timer(7, ms(30)).delete());
    queue.nothing();
    assert_eq!(queue.apply(Change::timer(7, ms(30)).delete()), Err(libc::ENOENT));
}

#[test]
fn a_disabled_timer_is_reported_when_it_is_enabled() {
    let mut queue = TestQueue::new();
    let timer = Change::timer(7, ms(20)).udata(1);
    queue.set(timer);
    queue.set(timer.disable());
    sleep(ms(90));
    queue.nothing();
    queue.set(timer.enable().udata(5));
    queue.sees(&[want_timer(7).at_least(1).udata(udata_after_action(1, 5))]);
}

#[test]
#[cfg(not(dragonfly))] // a second ADD does not reschedule there
fn adding_again_rearms_and_drops_what_was_pending() {
    let mut queue = TestQueue::new();
    queue.set(Change::timer(7, ms(20)).udata(1));
    sleep(ms(70));
    queue.set(Change::timer(7, HOUR).udata(2));
    queue.nothing();
}

#[test]
fn replacing_rearms() {
    let mut queue = TestQueue::new();
    queue.set(Change::timer(7, HOUR).udata(1));
    queue.kq.replace(&Change::timer(7, ms(10)).oneshot().udata(2)).unwrap();
    queue.sees(&[want_once(7).udata(2)]);
}

#[test]
fn timers_fire_in_the_order_of_their_times() {
    let mut queue = TestQueue::new();
    // Far enough apart for a machine that stops for a while between the two changes.
    queue.set(Change::timer(2, ms(1_000)).oneshot().udata(2));
    queue.set(Change::timer(1, ms(30)).oneshot().udata(1));
    let mut fired = Vec::new();
    while fired.len() < 2 {
        let events = queue.wait(LIMIT);
        assert!(!events.is_empty(), "saw {fired:?} only");
        fired.extend(events.iter().map(|event| (event.ident(), event.udata(), event.data())));
    }
    assert_eq!(fired, [(1, 1, 1), (2, 2, 1)]);
}

#[test]
fn no_time_is_the_shortest_time() {
    let mut queue = TestQueue::new();
    queue.set(Change::timer(7, Duration::ZERO).oneshot().udata(1));
    queue.sees(&[want_once(7).udata(1)]);
    // FreeBSD 12 makes up for every period that it misses, and a processor is busy with that.
    if !cfg!(freebsd) {
        queue.set(Change::timer(8, Duration::ZERO).udata(1));
        queue.sees(&[want_timer(8).at_least(1).udata(1)]);
        queue.set(Change::timer(8, Duration::ZERO).delete());
    }
}

#[test]
fn zero_in_the_kernels_words() {
    let mut queue = TestQueue::new();
    let once = raw(7, 0).oneshot().udata(1);
    if cfg!(netbsd) {
        assert_eq!(queue.apply(once), Err(libc::EINVAL));
        return;
    }
    queue.set(once);
    queue.sees(&[want_once(7).udata(1)]);
    queue.set(raw(8, 0).udata(1));
    queue.sees(&[want_timer(8).at_least(1).udata(1)]);
}

#[test]
#[cfg(has_timer_units)]
fn units_in_the_kernels_words() {
    use kq::kq_sys::{NOTE_NSECONDS, NOTE_SECONDS, NOTE_USECONDS};

    let mut queue = TestQueue::new();
    let cases =
        [(1, NOTE_USECONDS, 30_000, ms(30)), (2, NOTE_NSECONDS, 30_000_000, ms(30)), (3, NOTE_SECONDS, 1, ms(1_000))];
    for (id, unit, data, time) in cases {
        let start = Instant::now();
        queue.set(raw(id, data).oneshot().fflags(unit).udata(1));
        // FreeBSD says no fflags; others may return the unit.
        let fflags = if cfg!(freebsd_abi) { 0 } else { unit };
        let events = queue.wait(LIMIT);
        let [event] = events[..] else { panic!("{events:?}") };
        let wanted = want_once(id).udata(1);
        assert!(wanted.is(&event) || wanted.fflags(fflags).is(&event), "{event:?}");
        assert!(start.elapsed() >= time, "{event:?} after {:?}", start.elapsed());
    }
}

#[test]
#[cfg(freebsd_abi)] // the others ignore notes that they do not know
fn an_unknown_unit_is_refused() {
    let queue = TestQueue::new();
    assert_eq!(queue.apply(raw(1, 10).oneshot().fflags(0x4000)), Err(libc::EINVAL));
}

#[test]
fn a_time_that_is_past_is_due_at_once() {
    let mut queue = TestQueue::new();
    let hour_ago = SystemTime::now() - HOUR;
    for time in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + ms(1_000), hour_ago] {
        queue.set(Change::timer_at(7, time).udata(1));
        queue.sees(&[want_once(7).udata(1)]);
        queue.nothing();
    }
}

#[test]
fn a_time_that_comes_is_reported_once() {
    let mut queue = TestQueue::new();
    let time = SystemTime::now() + ms(80);
    queue.set(Change::timer_at(7, time).udata(1));
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    assert_eq!((event.ident(), event.data(), event.udata()), (7, 1, 1));
    assert!(SystemTime::now() >= time);
    queue.nothing();
}

#[test]
#[cfg(freebsd_abi)] // observed there: such a timer stays due; on Apple's systems it is one-shot by itself
fn an_absolute_time_in_the_kernels_words_stays_due() {
    use kq::kq_sys::{NOTE_ABSTIME, NOTE_MSECONDS};
    use kq_tests::want;

    let mut queue = TestQueue::new();
    let time = SystemTime::now() + ms(80);
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let data = i64::try_from(since_epoch.as_millis()).unwrap();
    queue.set(raw(1, data).fflags(NOTE_ABSTIME | NOTE_MSECONDS).udata(1));
    let wanted = want(Filter::TIMER, 1).data(1).udata(1);
    queue.sees(&[wanted]);
    queue.sees(&[wanted]);
}

#[test]
#[cfg(freebsd_abi)] // observed there: FreeBSD 12 refuses times before the system's start, younger ones fire at once
fn an_absolute_time_long_past_in_the_kernels_words() {
    use kq::kq_sys::{NOTE_ABSTIME, NOTE_SECONDS};
    use kq_tests::want;

    let mut queue = TestQueue::new();
    let past = raw(1, 1).oneshot().fflags(NOTE_ABSTIME | NOTE_SECONDS).udata(1);
    match queue.apply(past) {
        Err(libc::EINVAL) => queue.nothing(),
        Ok(()) if cfg!(freebsd) => queue.sees(&[want(Filter::TIMER, 1).flags(Flags::ONESHOT).data(1).udata(1)]),
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn the_longest_times_are_clamped_and_do_not_fire() {
    let mut queue = TestQueue::new();
    let far = SystemTime::now().checked_add(Duration::from_secs(1 << 34)).expect("the clock counts so far");
    for timer in [Change::timer(7, Duration::MAX), Change::timer(8, HOUR * 24 * 365 * 200), Change::timer_at(9, far)] {
        match queue.apply(timer) {
            Ok(()) => {
                queue.nothing();
                queue.set(timer.delete());
            }
            // More than its clock counts in ticks.
            Err(libc::EINVAL) if cfg!(netbsd) => {}
            Err(errno) => panic!("{timer:?}: {errno}"),
        }
    }
}

#[test]
fn the_highest_count_in_the_kernels_words() {
    let queue = TestQueue::new();
    let highest = raw(7, i64::MAX).udata(1);
    // The sum with the uptime overflows there: it is due at once, again and again if it were periodic, which keeps the
    // processor busy that would have to delete it.
    let highest = if cfg!(freebsd) { highest.oneshot() } else { highest };
    let outcome = queue.apply(highest);
    if cfg!(netbsd) {
        assert_eq!(outcome, Err(libc::EINVAL));
    } else if cfg!(apple) {
        assert_eq!(outcome, Err(libc::ERANGE));
    } else {
        assert_eq!(outcome, Ok(()));
        queue.set(raw(7, 0).delete());
    }
}

#[test]
#[cfg(freebsd_abi)] // the others take it: Apple fires at once, NetBSD and OpenBSD are known to accept it
fn a_negative_interval_is_refused() {
    let mut queue = TestQueue::new();
    assert_eq!(queue.apply(raw(7, -1)), Err(libc::EINVAL));
    assert_eq!(queue.apply(raw(7, i64::MIN).oneshot()), Err(libc::EINVAL));
    queue.nothing();
}

#[test]
fn enabling_a_timer_that_was_not_added() {
    let queue = TestQueue::new();
    assert_eq!(queue.apply(Change::timer(7, ms(10)).enable()), Err(libc::ENOENT));
}
