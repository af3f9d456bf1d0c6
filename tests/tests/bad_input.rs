//! Bad input gives an error with its number, or a documented value, and loses nothing.

use std::time::{Duration, SystemTime};

use kq::{Change, Errno, EventBuffer, EventKind, Filter, Flags, Kqueue, ProcEvents, VnodeEvents};
use kq_tests::queue::want_read;
use kq_tests::{closed, pipe, put, serial, takes, Child, TestQueue, LIMIT, QUIET};

const HOUR: Duration = Duration::from_secs(3600);

/// The filters whose ident is a descriptor, on every system.
const ON_DESCRIPTORS: [Filter; 3] = [Filter::READ, Filter::WRITE, Filter::VNODE];

/// FreeBSD's kernel is kept busy by a period that is shorter than it takes for an expiration: where there is only one
/// processor, the thread that would delete the timer may not get to it.
const SHORTEST_PERIOD: Duration = Duration::from_millis(if cfg!(freebsd) { 1 } else { 0 });

/// Whether a periodic timer of this count and unit is such a one: 0 counts for 1, and of the highest count the sum with the
/// uptime overflows.
fn keeps_the_kernel_busy(data: i64, fflags: u32) -> bool {
    let is_short = data == 0 && (fflags == 4 || fflags == 8);
    cfg!(freebsd) && (is_short || data == i64::MAX)
}

/// The longest and the shortest times that can be written down.
fn odd_times() -> Vec<Duration> {
    let seconds = [0, 1 << 31, 1 << 32, i64::MAX as u64, u64::MAX];
    let mut times: Vec<_> = seconds.iter().map(|seconds| Duration::from_secs(*seconds)).collect();
    times.extend([Duration::MAX, Duration::from_nanos(1), Duration::from_millis(u64::MAX)]);
    times
}

#[test]
fn descriptors_that_are_closed_or_negative() {
    let queue = TestQueue::new();
    for filter in ON_DESCRIPTORS {
        for number in [closed(0), usize::MAX, -2_i32 as usize, i32::MIN as usize, i32::MAX as usize] {
            for flags in [Flags::ADD, Flags::ADD | Flags::CLEAR, Flags::ADD | Flags::ONESHOT, Flags::DELETE] {
                let change = Change::new(number, filter, flags).fflags(VnodeEvents::WRITE.bits());
                assert_eq!(queue.apply(change), Err(libc::EBADF), "{change:?}");
            }
        }
    }
}

#[test]
fn filters_that_nobody_has() {
    let (reader, writer) = pipe();
    put(&writer, 1);
    let mut queue = TestQueue::new();
    let (lowest, highest) = (kq::kq_sys::filter_t::MIN, kq::kq_sys::filter_t::MAX);
    for number in [5, 100, lowest + 1, lowest + 100, highest] {
        // NetBSD counts from zero: the low numbers are filters there.
        if cfg!(netbsd) && number < 100 {
            continue;
        }
        let change = Change::new(kq_tests::descriptor::ident(&reader), Filter::from_raw(number), Flags::ADD);
        assert_eq!(queue.apply(change), Err(libc::EINVAL), "{change:?}");
        assert!(format!("{change:?}").contains("Filter("), "{change:?}");
    }
    queue.nothing();
}

#[test]
fn processes_that_are_not_there() {
    let _serial = serial();
    let mut child = Child::exiting(0);
    child.reap();
    let queue = TestQueue::new();
    assert_eq!(queue.apply(Change::process(child.pid(), ProcEvents::EXIT)), Err(libc::ESRCH));
    for pid in [i32::MAX.unsigned_abs(), u32::MAX] {
        let refused = queue.apply(Change::process(pid, ProcEvents::EXIT));
        assert!(matches!(refused, Err(libc::ESRCH | libc::EINVAL)), "{pid}: {refused:?}");
    }
    // Neither are these, by other numbers.
    for pid in [usize::MAX, usize::try_from(1_u64 << 40).unwrap_or(usize::MAX - 1)] {
        let change = Change::new(pid, Filter::PROC, Flags::ADD).fflags(ProcEvents::EXIT.bits());
        let refused = queue.apply(change);
        let a_process = cfg!(not(linux)) && pid as u32 == 0;
        assert!(a_process || matches!(refused, Err(libc::ESRCH | libc::EINVAL)), "{pid}: {refused:?}");
    }
}

#[test]
fn signals_that_are_not_there() {
    let mut queue = TestQueue::new();
    for signal in [-1, i32::MIN, i32::MAX] {
        // Taken or refused, but never reported.
        match queue.apply(Change::signal(signal)) {
            Ok(()) => queue.set(Change::signal(signal).delete()),
            Err(errno) => assert_eq!(errno, libc::EINVAL),
        }
    }
    queue.nothing();
}

#[test]
fn timers_of_any_time() {
    let mut queue = TestQueue::new();
    for time in odd_times() {
        let timers = [Change::timer(1, time), Change::timer(1, time).oneshot()];
        for timer in timers.into_iter().skip(usize::from(time < SHORTEST_PERIOD)) {
            match queue.apply(timer) {
                // A short one has fired by now, and is gone if it was to fire once.
                Ok(()) => assert!(matches!(queue.apply(timer.delete()), Ok(()) | Err(libc::ENOENT)), "{time:?}"),
                // NetBSD counts ticks.
                Err(errno) => assert!(cfg!(netbsd) && errno == libc::EINVAL, "{time:?}: {errno}"),
            }
        }
    }
    queue.nothing();
}

#[test]
fn absolute_timers_of_any_time() {
    let mut queue = TestQueue::new();
    let epoch = SystemTime::UNIX_EPOCH;
    let seconds = [1_u64, 1 << 31, 1 << 33, 1 << 36];
    let before = seconds.iter().filter_map(|seconds| epoch.checked_sub(Duration::from_secs(*seconds)));
    let after = seconds.iter().filter_map(|seconds| epoch.checked_add(Duration::from_secs(*seconds)));
    let now = SystemTime::now();
    for time in before.chain([epoch]).chain(after) {
        let timer = Change::timer_at(1, time);
        match queue.apply(timer) {
            Ok(()) if time <= now => {
                let events = queue.wait(LIMIT);
                assert!(events.len() == 1 && events[0].ident() == 1, "{time:?}: {events:?}");
            }
            Ok(()) => queue.set(timer.delete()),
            Err(errno) => assert!(cfg!(netbsd) && errno == libc::EINVAL, "{time:?}: {errno}"),
        }
    }
    queue.nothing();
}

#[test]
fn timers_of_any_number() {
    let mut queue = TestQueue::new();
    for data in [i64::MIN, -1, 0, i64::from(i32::MAX), i64::MAX] {
        for fflags in [0, 1, 2, 3, 4, 8, 16, 0x20, u32::MAX] {
            for flags in [Flags::ADD, Flags::ADD | Flags::ONESHOT, Flags::ENABLE, Flags::DISABLE, Flags::empty()] {
                if flags == Flags::ADD && keeps_the_kernel_busy(data, fflags) {
                    continue;
                }
                let timer = Change::new(7, Filter::TIMER, flags).data(data).fflags(fflags);
                let outcome = queue.apply(timer).and_then(|()| match queue.apply(timer.fflags(0).data(0).delete()) {
                    // Fired, and it was to fire once.
                    Err(libc::ENOENT) => Ok(()),
                    outcome => outcome,
                });
                let known = [libc::EINVAL, libc::ENOENT, libc::ERANGE, libc::ENOTSUP, libc::EOVERFLOW];
                assert!(outcome.map_or_else(|errno| known.contains(&errno), |()| true), "{timer:?}: {outcome:?}");
            }
        }
    }
    queue.nothing();
}

#[test]
fn timeouts_of_any_time() {
    let (reader, writer) = pipe();
    put(&writer, 1);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    // An event is there, so that none of these waits for long.
    for time in odd_times() {
        let events = queue.wait(time);
        assert!(events.len() == 1 && want_read(&reader).data(1).udata(1).is(&events[0]), "{time:?}: {events:?}");
    }
}

#[test]
fn the_shortest_timeouts_end() {
    let mut queue = TestQueue::new();
    for time in [Duration::ZERO, Duration::from_nanos(1), Duration::from_nanos(999_999_999) / 50] {
        assert!(takes(time, || assert!(queue.wait(time).is_empty())), "{time:?}");
    }
}

#[test]
fn low_water_marks_of_any_height() {
    let (reader, writer) = kq_tests::pair();
    put(&writer, 1);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).low_water(usize::MAX));
    queue.nothing();
    for data in [i64::MIN, -1, 0] {
        let fflags = kq::kq_sys::NOTE_LOWAT;
        let change = Change::new(kq_tests::descriptor::ident(&reader), Filter::READ, Flags::ADD).fflags(fflags);
        queue.set(change.data(data));
        let events = queue.wait(LIMIT);
        assert!(events.len() == 1 && events[0].data() == 1, "{data}: {events:?}");
    }
}

#[test]
fn every_flag_that_could_be() {
    let (reader, writer) = pipe();
    put(&writer, 1);
    let mut queue = TestQueue::new();
    // Whatever a kernel makes of them: an answer, and no hang.
    for bit in 0..16 {
        let flags = Flags::from_bits_retain(1 << bit);
        let change = Change::new(kq_tests::descriptor::ident(&reader), Filter::READ, flags | Flags::ADD);
        let _ = queue.apply(change);
        queue.wait(Duration::ZERO);
        let _ = queue.apply(Change::read(&reader).delete());
    }
    let _ = queue.apply(Change::new(0, Filter::TIMER, Flags::from_bits_retain(!0)).data(1));
    queue.wait(QUIET);
    let _ = queue.apply(Change::timer(0, HOUR).delete());
    queue.set(Change::read(&reader).udata(2));
    queue.sees(&[want_read(&reader).data(1).udata(2)]);
}

#[test]
fn what_was_applied_before_a_failure_is_told() {
    let (reader, writer) = pipe();
    put(&writer, 1);
    let mut queue = TestQueue::new();
    let mut buffer = EventBuffer::with_capacity(4);
    let changes = [
        Change::read(&reader).udata(1),
        Change::new(closed(1), Filter::READ, Flags::ADD),
        Change::timer(1, HOUR),
        Change::timer(2, HOUR).delete(),
        Change::timer(3, HOUR),
    ];
    let receipts = queue.kq.apply_each(&changes, &mut buffer).unwrap();
    let outcomes: Vec<_> = receipts.map(|receipt| receipt.error().map_or(0, Errno::raw)).collect();
    assert_eq!(outcomes, [0, libc::EBADF, 0, libc::ENOENT, 0]);
    // Everything that was said to be made is made, and what failed did not touch the rest.
    queue.sees(&[want_read(&reader).data(1).udata(1)]);
    queue.set(Change::timer(1, HOUR).delete());
    queue.set(Change::timer(3, HOUR).delete());
}

#[test]
fn the_errors_of_std_have_the_number_and_the_kind() {
    let queue = Kqueue::new().unwrap();
    let error = queue.apply(&[Change::timer(1, HOUR).delete()]).unwrap_err();
    assert_eq!(error.errno().kind(), std::io::ErrorKind::NotFound);
    let error = std::io::Error::from(error);
    assert_eq!((error.kind(), error.raw_os_error()), (std::io::ErrorKind::NotFound, Some(libc::ENOENT)));

    let mut buffer = EventBuffer::with_capacity(4);
    let events = queue.apply_and_wait(&[Change::timer(1, HOUR).delete().udata(3)], &mut buffer, None).unwrap();
    let [event] = events else { panic!("{events:?}") };
    assert_eq!((event.ident(), event.udata(), event.filter()), (1, 3, Filter::TIMER));
    let EventKind::ChangeFailed { error, .. } = event.kind() else { panic!("{event:?}") };
    assert_eq!(error.raw(), libc::ENOENT);
    assert!(!error.to_string().is_empty());
}

#[test]
fn replacing_what_cannot_be_added() {
    let (reader, writer) = pipe();
    put(&writer, 1);
    let mut queue = TestQueue::new();
    let error = queue.kq.replace(&Change::new(closed(0), Filter::READ, Flags::ADD)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    queue.kq.replace(&Change::read(&reader).udata(1)).unwrap();
    queue.sees(&[want_read(&reader).data(1).udata(1)]);
}
