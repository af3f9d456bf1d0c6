//! Applying changes: what is applied, what is not, and what is told about it.

mod common;

use common::{pair, queue, udata, AT_ONCE, PATIENCE};
use kq::{Change, EventKind, Filter, Flags};
use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

/// A change that no kernel makes: there is no such timer.
fn failing(id: usize) -> Change {
    Change::timer(id, Duration::from_secs(1)).delete().udata(id)
}

/// A change that always succeeds: an hour is longer than any test.
fn fine(id: usize) -> Change {
    Change::timer(id, Duration::from_secs(3_600)).udata(id)
}

#[test]
fn apply_stops_at_the_first_failure() {
    let (queue, _) = queue(1);
    let error = queue.apply(&[fine(1), fine(2), failing(99), fine(3)]).unwrap_err();
    assert_eq!(error.errno().raw(), libc::ENOENT);
    assert_eq!(std::io::Error::from(error).raw_os_error(), Some(libc::ENOENT));
    queue.apply(&[fine(1).delete(), fine(2).delete()]).expect("those before are applied");
    let error = queue.apply(&[fine(3).delete()]).expect_err("those after are not");
    assert_eq!((error.errno().raw(), error.index()), (libc::ENOENT, Some(0)));
    assert!(error.to_string().starts_with("change 0 was not applied: "), "{error}");
}

#[test]
fn an_empty_list_is_no_change() {
    let (queue, mut buffer) = queue(4);
    queue.apply(&[]).unwrap();
    assert_eq!(queue.apply_each(&[], &mut buffer).unwrap().len(), 0);
    assert!(queue.apply_and_wait(&[], &mut buffer, AT_ONCE).unwrap().is_empty());
}

#[test]
fn apply_takes_no_event() {
    let (queue, mut buffer) = queue(4);
    let (receiver, mut sender) = pair();
    queue.apply(&[Change::read(&receiver).oneshot().udata(5)]).unwrap();
    sender.write_all(b"x").unwrap();
    queue.apply(&[fine(1)]).unwrap();
    queue.apply(&[failing(9)]).unwrap_err();
    queue.replace(&fine(1)).unwrap();
    let changes = [fine(2), failing(9), fine(3)];
    assert_eq!(queue.apply_each(&changes, &mut buffer).unwrap().count(), 3);
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [5]);
}

#[test]
fn apply_each_reports_lists_of_any_length_by_index() {
    for capacity in [1, 2, 3, 8, 9, 64] {
        let (queue, mut buffer) = queue(capacity);
        for length in 0..=40 {
            let fails = |index: usize| index % 3 == 1 || index % 7 == 0;
            let list = |delete: bool| -> Vec<Change> {
                (0..length)
                    .map(|index| match (fails(index), delete) {
                        (true, _) => failing(1_000 + index),
                        (false, false) => fine(index),
                        (false, true) => fine(index).delete(),
                    })
                    .collect()
            };
            for delete in [false, true] {
                let changes = list(delete);
                let before = changes.clone();
                let receipts = queue.apply_each(&changes, &mut buffer).unwrap();
                assert_eq!(receipts.len(), length);
                for (index, receipt) in receipts.enumerate() {
                    assert_eq!(receipt.index(), index);
                    let error = fails(index).then_some(libc::ENOENT);
                    assert_eq!(receipt.error().map(|error| error.raw()), error, "{index} of {length}");
                    assert_eq!(receipt.is_applied(), error.is_none());
                }
                assert_eq!(changes, before, "the caller's list stays as it was");
            }
        }
    }
}

#[test]
fn apply_each_forgets_the_events_that_were_in_the_buffer() {
    let (queue, mut buffer) = queue(4);
    queue.apply(&[Change::timer(1, Duration::from_millis(1)).oneshot()]).unwrap();
    assert_eq!(queue.wait(&mut buffer, PATIENCE).unwrap().len(), 1);
    assert_eq!(buffer.events().len(), 1);
    assert!(queue.apply_each(&[fine(2)], &mut buffer).unwrap().all(|receipt| receipt.is_applied()));
    assert!(buffer.events().is_empty());
}

#[test]
fn apply_and_wait_does_both() {
    let (queue, mut buffer) = queue(4);
    let (receiver, mut sender) = pair();
    sender.write_all(b"x").unwrap();
    let changes = [Change::read(&receiver).udata(5), fine(1)];
    assert_eq!(udata(queue.apply_and_wait(&changes, &mut buffer, PATIENCE).unwrap()), [5]);
    queue.apply(&[fine(1).delete()]).expect("the second change was applied too");
}

#[test]
fn failed_changes_never_come_with_events() {
    let (queue, mut buffer) = queue(8);
    let (receiver, mut sender) = pair();
    queue.apply(&[Change::read(&receiver).udata(5)]).unwrap();
    sender.write_all(b"x").unwrap();

    let changes = [failing(91), fine(1), failing(92), fine(2)];
    let told = queue.apply_and_wait(&changes, &mut buffer, PATIENCE).unwrap();
    assert_eq!(told.iter().map(|event| event.udata()).collect::<Vec<_>>(), [91, 92]);
    for event in told {
        let EventKind::ChangeFailed { error, .. } = event.kind() else { panic!("{event:?}") };
        assert_eq!(error.raw(), libc::ENOENT);
        assert_eq!((event.filter(), event.ident()), (Filter::TIMER, event.udata()));
    }
    queue.apply(&[fine(1).delete(), fine(2).delete()]).expect("the others are applied");
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [5]);
}

#[test]
fn a_list_longer_than_the_buffer_is_applied_first() {
    let (receiver, mut sender) = pair();
    sender.write_all(b"x").unwrap();
    for capacity in [1, 2, 3, 5] {
        let (queue, mut buffer) = queue(capacity);
        let mut changes: Vec<Change> = (0..20).map(fine).collect();
        changes.push(Change::read(&receiver).udata(77));
        assert_eq!(udata(queue.apply_and_wait(&changes, &mut buffer, PATIENCE).unwrap()), [77]);

        // One failure in a place that no chunk begins with.
        changes[13] = failing(99);
        let told = queue.apply_and_wait(&changes, &mut buffer, PATIENCE).unwrap();
        assert_eq!(udata(told), [99], "no event besides");
        assert!(told[0].change_error().is_some());
        assert!(!told[0].flags().contains(Flags::RECEIPT));

        // More failures than the buffer holds: it is full of them.
        let failures: Vec<Change> = (100..120).map(failing).collect();
        let told = queue.apply_and_wait(&failures, &mut buffer, PATIENCE).unwrap();
        assert_eq!(udata(told), (100..100 + capacity).collect::<Vec<_>>());
    }
}

#[test]
fn replace_changes_the_mode() {
    let (queue, mut buffer) = queue(4);
    let (receiver, mut sender) = pair();
    sender.write_all(b"x").unwrap();
    let level = Change::read(&receiver).udata(1);
    queue.apply(&[level]).unwrap();

    queue.replace(&level.clear().udata(2)).unwrap();
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [2]);
    assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty(), "edge now");

    queue.replace(&level.oneshot().udata(3)).unwrap();
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [3]);
    let error = queue.apply(&[level.delete()]).unwrap_err();
    assert_eq!(error.errno().raw(), libc::ENOENT, "one-shot now, and gone");

    queue.replace(&level.udata(4)).expect("nothing to delete is no error");
    for _ in 0..2 {
        assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [4]);
    }
}

#[test]
fn replace_enables_and_rearms() {
    let (queue, mut buffer) = queue(4);
    queue.apply(&[Change::timer(1, Duration::from_secs(3_600)).disabled()]).unwrap();
    queue.replace(&Change::timer(1, Duration::from_millis(1)).oneshot().udata(8)).unwrap();
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [8]);
}

#[test]
fn replace_tells_why_it_cannot_add() {
    let (queue, _) = queue(1);
    let (socket, _other) = pair();
    let not_adding = queue.replace(&Change::read(&socket).delete()).unwrap_err();
    assert_eq!(not_adding.raw_os_error(), Some(libc::EINVAL));
    let stale = Change::read(&socket);
    drop(socket);
    // Another thread's test may have the number by now: then it is watched, which is no error.
    if let Err(error) = queue.replace(&stale) {
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    }
}

#[test]
fn bad_changes_are_refused_by_errno() {
    let (queue, mut buffer) = queue(8);
    let unknown = Filter::from_raw(120);
    let changes = [
        Change::new(usize::MAX, Filter::READ, Flags::ADD),
        Change::new(1 << 24, Filter::READ, Flags::ADD),
        Change::new(1, unknown, Flags::ADD),
        Change::new(0, Filter::TIMER, Flags::ENABLE),
        Change::process(0x7fff_fff0, kq::ProcEvents::EXIT),
    ];
    let errors: Vec<_> = queue
        .apply_each(&changes, &mut buffer)
        .unwrap()
        .map(|receipt| receipt.error().map_or(0, |error| error.raw()))
        .collect();
    assert_eq!(errors, [libc::EBADF, libc::EBADF, libc::EINVAL, libc::ENOENT, libc::ESRCH]);
    for (change, errno) in changes.iter().zip(&errors) {
        assert_eq!(queue.apply(std::slice::from_ref(change)).unwrap_err().errno().raw(), *errno);
    }
}

/// FreeBSD's kernel passes over filter 0 without a receipt; with nothing reported it would take events instead.
#[test]
#[cfg(not(netbsd))] // there it is READ
fn filter_zero_is_refused_by_every_call() {
    let (queue, mut buffer) = queue(4);
    let (receiver, mut sender) = pair();
    queue.apply(&[Change::read(&receiver).oneshot().udata(5)]).unwrap();
    sender.write_all(b"x").unwrap();
    let nothing = Change::new(3, Filter::from_raw(0), Flags::ADD);

    assert_eq!(queue.apply(&[nothing]).unwrap_err().errno().raw(), libc::EINVAL);
    let receipt = queue.apply_each(&[nothing], &mut buffer).unwrap().next().unwrap();
    assert_eq!(receipt.error().map(|error| error.raw()), Some(libc::EINVAL));
    let told = queue.apply_and_wait(&[nothing], &mut buffer, PATIENCE).unwrap();
    assert_eq!(
        told.iter().map(|event| event.change_error().map(|error| error.raw())).collect::<Vec<_>>(),
        [Some(libc::EINVAL)]
    );
    assert_eq!(queue.replace(&nothing).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [5]);
}

#[test]
fn a_descriptor_that_is_no_queue_answers_errors() {
    let (socket, _other) = pair();
    let queue = kq::Kqueue::from(socket.as_fd().try_clone_to_owned().unwrap());
    let mut buffer = kq::EventBuffer::with_capacity(4);
    let no_queue = |errno: Option<i32>| assert!(matches!(errno, Some(libc::EBADF | libc::EINVAL)), "{errno:?}");
    no_queue(Some(queue.apply(&[fine(1)]).unwrap_err().errno().raw()));
    no_queue(queue.apply_each(&[fine(1)], &mut buffer).unwrap_err().raw_os_error());
    no_queue(queue.apply_and_wait(&[fine(1)], &mut buffer, AT_ONCE).unwrap_err().raw_os_error());
    no_queue(queue.wait(&mut buffer, AT_ONCE).unwrap_err().raw_os_error());
    no_queue(queue.replace(&fine(1)).unwrap_err().raw_os_error());
}
