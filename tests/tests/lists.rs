//! Lists of changes and of events: receipts, failures, order, and lists longer than the buffer.

use std::time::Duration;

use kq::{Change, Errno, EventBuffer, EventKind, Filter, Flags, Kqueue, Receipt};
use kq_tests::queue::want_read;
use kq_tests::{closed, pair, pipe, put, TestQueue, LIMIT, QUIET};

/// A READ of a number that no descriptor has.
fn bad(n: usize) -> Change {
    Change::new(closed(n), Filter::READ, Flags::ADD)
}

/// What `apply_each` says of every change: an errno, or 0.
fn outcomes(queue: &Kqueue, changes: &[Change], room: usize) -> Vec<i32> {
    let mut buffer = EventBuffer::with_capacity(room);
    let receipts: Vec<Receipt> = queue.apply_each(changes, &mut buffer).unwrap().collect();
    let indices: Vec<usize> = receipts.iter().map(Receipt::index).collect();
    assert_eq!(indices, (0..changes.len()).collect::<Vec<_>>());
    receipts.iter().map(|receipt| receipt.error().map_or(0, Errno::raw)).collect()
}

#[test]
fn a_failed_change_has_a_receipt() {
    let queue = TestQueue::new();
    assert_eq!(outcomes(&queue.kq, &[bad(0).udata(1)], 1), [libc::EBADF]);
}

#[test]
#[cfg(has_user)]
fn every_change_has_a_receipt() {
    let (reader, writer) = pipe();
    put(&writer, 2);
    let mut queue = TestQueue::new();
    let changes =
        [Change::read(&reader).udata(1), bad(0).udata(2), Change::user(5).udata(3), Change::user(6).delete().udata(4)];
    assert_eq!(outcomes(&queue.kq, &changes, 4), [0, libc::EBADF, 0, libc::ENOENT]);
    queue.sees(&[want_read(&reader).data(2).udata(1)]);
}

#[test]
fn receipts_do_not_depend_on_the_buffer() {
    for room in [1, 2, 3, 7, 64] {
        let queue = TestQueue::new();
        let changes: Vec<Change> = (0..20)
            .map(|n| match n % 3 {
                0 => bad(n),
                1 => Change::timer(n, LIMIT),
                _ => Change::timer(n + 100, LIMIT).delete(),
            })
            .collect();
        let wanted: Vec<i32> = (0..20).map(|n| [libc::EBADF, 0, libc::ENOENT][n % 3]).collect();
        assert_eq!(outcomes(&queue.kq, &changes, room), wanted, "room for {room}");
        // What has a receipt without an error is there.
        for n in (0..20).filter(|n| n % 3 == 1) {
            queue.set(Change::timer(n, LIMIT).delete());
        }
    }
}

#[test]
fn receipts_take_no_events_from_the_queue() {
    let (reader, writer) = pipe();
    put(&writer, 2);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).clear().udata(1));
    assert_eq!(outcomes(&queue.kq, &[Change::timer(1, LIMIT), bad(0)], 64), [0, libc::EBADF]);
    assert_eq!(outcomes(&queue.kq, &[], 64), []);
    queue.sees(&[want_read(&reader).flags(Flags::CLEAR).data(2).udata(1)]);
}

#[test]
fn applying_stops_at_the_first_failure() {
    let (reader, writer) = pipe();
    put(&writer, 2);
    let mut queue = TestQueue::new();
    let later = Change::timer(5, LIMIT);
    let error = queue.kq.apply(&[Change::read(&reader).udata(2), bad(0), later]).unwrap_err();
    assert_eq!(error.errno().raw(), libc::EBADF);
    assert!(matches!(error.index(), None | Some(1)), "{error:?}");
    assert_eq!(std::io::Error::from(error).raw_os_error(), Some(libc::EBADF));
    queue.sees(&[want_read(&reader).data(2).udata(2)]);
    assert_eq!(queue.apply(later.delete()), Err(libc::ENOENT));
}

#[test]
fn failures_come_alone() {
    let (reader, writer) = pipe();
    put(&writer, 2);
    let mut queue = TestQueue::new();
    let mut buffer = EventBuffer::with_capacity(8);
    let changes = [bad(0).udata(1), Change::read(&reader).udata(2), bad(1).udata(3)];
    // At once: there is something to tell.
    let events = queue.kq.apply_and_wait(&changes, &mut buffer, None).unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.ident(), event.udata(), event.kind())).collect();
    let failed = |kind: EventKind| match kind {
        EventKind::ChangeFailed { error, .. } => error.raw(),
        kind => panic!("{kind:?}"),
    };
    let told: Vec<_> = told.into_iter().map(|(ident, udata, kind)| (ident, udata, failed(kind))).collect();
    assert_eq!(told, [(closed(0), 1, libc::EBADF), (closed(1), 3, libc::EBADF)]);
    // The change between them was made.
    queue.sees(&[want_read(&reader).data(2).udata(2)]);
}

#[test]
fn changes_and_events_in_one_call() {
    let (reader, writer) = pipe();
    put(&writer, 2);
    let queue = TestQueue::new();
    let mut buffer = EventBuffer::with_capacity(8);
    let changes = [Change::read(&reader).udata(1), Change::timer(1, LIMIT).udata(2)];
    let events = queue.kq.apply_and_wait(&changes, &mut buffer, Some(LIMIT)).unwrap();
    assert_eq!(events.len(), 1);
    assert!(want_read(&reader).data(2).udata(1).is(&events[0]), "{events:?}");
}

#[test]
fn more_changes_than_the_buffer_holds() {
    let queue = TestQueue::new();
    let mut buffer = EventBuffer::with_capacity(2);
    let timers: Vec<Change> = (0..9).map(|id| Change::timer(id, LIMIT)).collect();
    assert!(queue.kq.apply_and_wait(&timers, &mut buffer, Some(Duration::ZERO)).unwrap().is_empty());
    // Each was added, and can be deleted once.
    let mut deletions: Vec<Change> = timers.iter().copied().map(Change::delete).collect();
    deletions.insert(7, bad(0).udata(7));
    let events = queue.kq.apply_and_wait(&deletions, &mut buffer, None).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].ident(), events[0].udata()), (closed(0), 7));
    assert_eq!(
        outcomes(&queue.kq, &timers.iter().copied().map(Change::delete).collect::<Vec<_>>(), 64),
        [libc::ENOENT; 9]
    );
}

#[test]
fn a_buffer_for_one_event_is_fair() {
    let ((a, b), (c, d)) = (pair(), pair());
    put(&b, 1);
    put(&d, 1);
    let mut queue = TestQueue::with_room_for(1);
    queue.set(Change::read(&a).udata(1));
    queue.set(Change::read(&c).udata(2));
    let order: Vec<usize> = (0..4)
        .map(|_| {
            let events = queue.wait(LIMIT);
            assert_eq!(events.len(), 1);
            events[0].udata()
        })
        .collect();
    assert_eq!(order, [1, 2, 1, 2]);
}

#[test]
fn the_rest_of_the_events_comes_with_the_next_wait() {
    let pairs: Vec<_> = (0..10).map(|_| pair()).collect();
    let mut queue = TestQueue::with_room_for(4);
    for (number, (a, b)) in pairs.iter().enumerate() {
        put(b, 1);
        queue.set(Change::read(a).clear().udata(number));
    }
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let events = queue.wait(LIMIT);
        assert!((1..=4).contains(&events.len()), "{events:?}");
        seen.extend(events.iter().map(|event| event.udata()));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    queue.nothing();
}

#[test]
fn the_buffer_keeps_the_events_of_the_last_wait() {
    let (reader, writer) = pipe();
    put(&writer, 2);
    let queue = Kqueue::new().unwrap();
    let mut buffer = EventBuffer::with_capacity(8);
    queue.apply(&[Change::read(&reader).clear().udata(1)]).unwrap();
    queue.wait(&mut buffer, Some(LIMIT)).unwrap();
    assert_eq!(buffer.events().len(), 1);
    assert_eq!(buffer.get(0).map(|event| event.udata()), Some(1));
    assert!(buffer.get(1).is_none());
    queue.wait(&mut buffer, Some(QUIET)).unwrap();
    assert!(buffer.events().is_empty());
}

#[test]
fn no_changes_are_no_failure() {
    let mut queue = TestQueue::new();
    queue.kq.apply(&[]).unwrap();
    let mut buffer = EventBuffer::with_capacity(1);
    assert!(queue.kq.apply_and_wait(&[], &mut buffer, Some(Duration::ZERO)).unwrap().is_empty());
    queue.nothing();
}

#[test]
fn add_and_delete_in_one_change() {
    let (reader, writer) = pipe();
    put(&writer, 1);
    let mut queue = TestQueue::new();
    let both = Change::read(&reader).add_flags(Flags::DELETE).udata(1);
    let there = want_read(&reader).data(1).udata(1);
    match queue.apply(both) {
        // FreeBSD adds what is absent, and OpenBSD and DragonFly let ADD win.
        Ok(()) if cfg!(any(freebsd_abi, openbsd, dragonfly)) => {
            queue.sees(&[there]);
            queue.set(Change::read(&reader).delete());
        }
        // Apple lets DELETE win, and NetBSD may.
        _ if cfg!(any(apple, netbsd)) => {}
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn enable_and_disable_in_one_change() {
    let (reader, writer) = pipe();
    put(&writer, 1);
    let mut queue = TestQueue::new();
    let outcome = queue.apply(Change::read(&reader).add_flags(Flags::ENABLE | Flags::DISABLE).udata(1));
    if cfg!(freebsd_abi) {
        assert_eq!(outcome, Err(libc::EINVAL));
    }
    // Apple lets DISABLE win.
    if cfg!(any(freebsd_abi, apple)) {
        queue.nothing();
    }
}

#[test]
fn what_came_to_nothing_took_the_room_of_an_event() {
    let pairs = [pair(), pair(), pair()];
    let mut queue = TestQueue::with_room_for(2);
    for (n, (a, b)) in pairs.iter().enumerate() {
        put(b, 1);
        let read = Change::read(a).udata(n);
        // The first has less than it waits for.
        queue.set(if n == 0 { read.low_water(5) } else { read });
    }
    queue.sees(&[want_read(&pairs[1].0).data(1).udata(1), want_read(&pairs[2].0).data(1).udata(2)]);
}
