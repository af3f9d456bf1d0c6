//! USER: events that the program triggers itself.
#![cfg(has_user)]

use kq::{Change, EventKind, Filter, Flags};
use kq_tests::queue::udata_after_trigger;
use kq_tests::{want, TestQueue, Want, LIMIT};

fn want_user(id: usize) -> Want {
    want(Filter::USER, id)
}

#[test]
fn a_triggered_event_stays_reported() {
    let mut queue = TestQueue::new();
    queue.set(Change::user(5).udata(1));
    queue.nothing();
    queue.set(Change::user(5).udata(2).trigger());
    let wanted = want_user(5).udata(udata_after_trigger(1, 2));
    queue.sees(&[wanted]);
    queue.sees(&[wanted]);
}

#[test]
fn an_edge_is_reported_once_for_each_trigger() {
    let mut queue = TestQueue::new();
    let event = Change::user(5).clear().udata(1);
    queue.set(event);
    for _ in 0..3 {
        queue.set(event.trigger());
        queue.set(event.trigger());
        queue.sees(&[want_user(5).flags(Flags::CLEAR).udata(1)]);
        queue.nothing();
    }
}

#[test]
fn a_trigger_in_the_adding_change() {
    let mut queue = TestQueue::new();
    let both = |udata| Change::user(5).clear().fflags(kq::kq_sys::NOTE_TRIGGER).udata(udata);
    queue.set(both(1));
    if cfg!(any(freebsd_abi, netbsd)) {
        queue.nothing();
        // A second time is a modification, which resets the event itself for its EV_CLEAR.
        #[cfg(freebsd_abi)]
        {
            queue.set(both(2));
            queue.nothing();
        }
    } else {
        assert_eq!(queue.wait(LIMIT).len(), 1);
    }
}

#[test]
#[cfg(freebsd_abi)] // in FreeBSD's kernel; the others trigger with the first
fn a_trigger_in_a_second_adding_change_without_a_mode() {
    let mut queue = TestQueue::new();
    let both = Change::user(5).fflags(kq::kq_sys::NOTE_TRIGGER).udata(1);
    queue.set(both);
    queue.nothing();
    queue.set(both);
    // What the first change had for fflags is what was stored, the trigger's own bit too.
    queue.sees(&[want_user(5).fflags(kq::kq_sys::NOTE_TRIGGER).udata(1)]);
}

#[test]
fn a_oneshot_is_gone_after_its_event() {
    let mut queue = TestQueue::new();
    queue.set(Change::user(5).oneshot().udata(1));
    queue.set(Change::user(5).udata(1).trigger());
    queue.sees(&[want_user(5).flags(Flags::ONESHOT).udata(1)]);
    assert_eq!(queue.apply(Change::user(5).trigger()), Err(libc::ENOENT));
}

#[test]
fn what_was_not_added() {
    let queue = TestQueue::new();
    assert_eq!(queue.apply(Change::user(5).trigger()), Err(libc::ENOENT));
    assert_eq!(queue.apply(Change::user(5).delete()), Err(libc::ENOENT));
}

#[test]
fn a_trigger_while_disabled_is_reported_when_enabled() {
    let mut queue = TestQueue::new();
    let event = Change::user(5).clear().udata(1);
    queue.set(event.disabled());
    queue.set(event.trigger());
    queue.nothing();
    queue.set(event.enable());
    queue.sees(&[want_user(5).flags(Flags::CLEAR).udata(1)]);
    queue.nothing();
}

#[test]
#[cfg(freebsd_abi)] // observed there, the control bits of the ADD included
fn flags_are_combined() {
    use kq::kq_sys::{NOTE_FFAND, NOTE_FFCOPY, NOTE_FFOR};

    let mut queue = TestQueue::new();
    queue.set(Change::user(5).fflags(NOTE_FFCOPY | 0xf0).udata(1));
    queue.set(Change::user(5).fflags(NOTE_FFOR | 0x0f).udata(1).trigger());
    queue.sees(&[want_user(5).fflags(0xc000_00ff).udata(1)]);
    let and = Change::new(5, Filter::USER, Flags::empty()).fflags(NOTE_FFAND | 0x3c);
    queue.set(and.udata(1));
    queue.sees(&[want_user(5).fflags(0x3c).udata(1)]);
}

#[test]
fn the_programs_own_flags_are_combined() {
    use kq::kq_sys::{NOTE_FFCOPY, NOTE_FFOR};

    let mut queue = TestQueue::new();
    queue.set(Change::user(5).clear());
    queue.set(Change::user(5).fflags(NOTE_FFCOPY | 0x30).trigger());
    queue.set(Change::user(5).fflags(NOTE_FFOR | 0x05).trigger());
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    assert!(matches!(event.kind(), EventKind::User { id: 5, flags: 0x35, .. }), "{event:?}");
}

#[test]
#[cfg(not(any(openbsd, dragonfly)))] // a trigger does not store data there
fn a_trigger_hands_over_data() {
    let mut queue = TestQueue::new();
    queue.set(Change::user(5).clear().data(11).udata(1));
    queue.set(Change::user(5).data(42).udata(9).trigger());
    queue.sees(&[want_user(5).flags(Flags::CLEAR).data(42).udata(9)]);
}

#[test]
fn any_number_can_be_an_ident() {
    let mut queue = TestQueue::new();
    for id in [0, 1, usize::MAX - 1, usize::MAX] {
        let event = Change::user(id).clear().udata(1);
        queue.set(event);
        queue.set(event.trigger());
        queue.sees(&[want_user(id).flags(Flags::CLEAR).udata(1)]);
    }
}

#[test]
#[cfg(freebsd_abi)] // FreeBSD's kernel does not look again at a one-shot that is about to be delivered
fn a_triggered_one_shot_was_cleared_by_a_later_change() {
    let mut queue = TestQueue::new();
    let event = Change::user(5).oneshot();
    queue.set(event);
    queue.set(event.trigger());
    queue.set(event.clear().udata(2));
    queue.sees(&[want_user(5).flags(Flags::ONESHOT).udata(2)]);
    assert_eq!(queue.apply(event.delete()), Err(libc::ENOENT));
}
