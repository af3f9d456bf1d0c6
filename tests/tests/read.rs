//! READ on pipes and sockets: level, edge, one-shot, dispatch, and what a second ADD changes.

use kq::{Change, EventKind, Filter, Flags};
use kq_tests::descriptor::ident;
use kq_tests::queue::{udata_after_action, want_read};
use kq_tests::{get, pair, pipe, put, TestQueue};

#[test]
fn level_reports_as_long_as_there_is_data() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(17));
    queue.nothing();
    put(&writer, 5);
    queue.sees(&[want_read(&reader).data(5).udata(17)]);
    queue.sees(&[want_read(&reader).data(5).udata(17)]);
    get(&reader, 2);
    queue.sees(&[want_read(&reader).data(3).udata(17)]);
    get(&reader, 3);
    queue.nothing();
}

#[test]
fn the_end_of_a_pipe_is_reported_again_and_again() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    drop(writer);
    queue.sees(&[want_read(&reader).flags(Flags::EOF).udata(1)]);
    queue.sees(&[want_read(&reader).flags(Flags::EOF).udata(1)]);
}

#[test]
fn what_is_ready_when_it_is_added_is_reported() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    put(&writer, 3);
    queue.set(Change::read(&reader).udata(1));
    queue.sees(&[want_read(&reader).data(3).udata(1)]);
}

#[test]
fn an_event_is_decoded() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    put(&writer, 3);
    drop(writer);
    queue.set(Change::read(&reader));
    let events = queue.wait(kq_tests::LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    let EventKind::Read { fd, available, eof, error, .. } = event.kind() else { panic!("{event:?}") };
    assert_eq!(fd as usize, ident(&reader));
    assert_eq!((available, eof, error), (Some(3), true, None));
}

#[test]
fn edge_reports_once_for_all_data_that_arrives() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    let wanted = want_read(&reader).flags(Flags::CLEAR).udata(1);
    queue.set(Change::read(&reader).clear().udata(1));
    put(&writer, 5);
    queue.sees(&[wanted.data(5)]);
    queue.nothing();
    put(&writer, 2);
    queue.sees(&[wanted.data(7)]);
    queue.nothing();
    get(&reader, 7);
    queue.nothing();
    put(&writer, 1);
    queue.sees(&[wanted.data(1)]);
}

#[test]
fn adding_an_edge_again_reports_what_is_there() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    put(&writer, 5);
    for udata in [1, 2] {
        queue.set(Change::read(&reader).clear().udata(udata));
        queue.sees(&[want_read(&reader).flags(Flags::CLEAR).data(5).udata(udata)]);
        queue.nothing();
    }
}

#[test]
fn a_oneshot_is_gone_after_its_event() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).oneshot().udata(1));
    put(&writer, 5);
    queue.sees(&[want_read(&reader).flags(Flags::ONESHOT).data(5).udata(1)]);
    queue.nothing();
    assert_eq!(queue.apply(Change::read(&reader).enable()), Err(libc::ENOENT));
    assert_eq!(queue.apply(Change::read(&reader).delete()), Err(libc::ENOENT));
    queue.set(Change::read(&reader).oneshot().udata(2));
    queue.sees(&[want_read(&reader).flags(Flags::ONESHOT).data(5).udata(2)]);
    queue.nothing();
}

#[test]
#[cfg(freebsd_abi)] // no other system has it
fn what_is_forced_is_reported_once_without_data() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    let watch = Change::read(&reader).clear().udata(1);
    queue.set(watch);
    queue.nothing();
    queue.set(watch.force_oneshot());
    queue.sees(&[want_read(&reader).flags(Flags::CLEAR | Flags::ONESHOT).udata(1)]);
    // It was the last event.
    put(&writer, 1);
    queue.nothing();
    assert_eq!(queue.apply(watch.force_oneshot()), Err(libc::ENOENT));
}

#[test]
#[cfg(freebsd_abi)] // as above
fn what_is_forced_told_nothing_of_bytes_below_the_mark() {
    let (a, b) = pair();
    let mut queue = TestQueue::new();
    let watch = Change::read(&a).low_water(10).udata(1);
    queue.set(watch);
    put(&b, 5);
    queue.nothing();
    queue.set(watch.force_oneshot());
    queue.sees(&[want_read(&a).flags(Flags::ONESHOT).data(5).udata(1)]);
}

#[test]
#[cfg(not(netbsd))] // there EV_CLEAR beats EV_DISPATCH, which then disables nothing
fn a_dispatched_edge_is_disabled_until_it_is_enabled() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    let wanted = want_read(&reader).flags(Flags::CLEAR | Flags::DISPATCH).udata(1);
    queue.set(Change::read(&reader).dispatch().clear().udata(1));
    put(&writer, 5);
    queue.sees(&[wanted.data(5)]);
    put(&writer, 2);
    queue.nothing();
    queue.set(Change::read(&reader).enable().udata(1));
    queue.sees(&[wanted.data(7)]);
}

#[test]
fn a_dispatch_is_disabled_until_it_is_enabled() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    let wanted = want_read(&reader).flags(Flags::DISPATCH).udata(1);
    queue.set(Change::read(&reader).dispatch().udata(1));
    put(&writer, 5);
    queue.sees(&[wanted.data(5)]);
    queue.nothing();
    queue.set(Change::read(&reader).enable().udata(1));
    queue.sees(&[wanted.data(5)]);
    queue.nothing();
}

#[test]
fn what_is_disabled_reports_nothing_until_it_is_enabled() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    put(&writer, 5);
    queue.set(Change::read(&reader).disable().udata(1));
    queue.nothing();
    queue.set(Change::read(&reader).enable().udata(1));
    queue.sees(&[want_read(&reader).data(5).udata(1)]);
}

#[test]
fn enabling_stores_udata_again_where_the_kernel_does() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    put(&writer, 5);
    queue.set(Change::read(&reader).disabled().udata(1));
    queue.nothing();
    queue.set(Change::read(&reader).enable().udata(2));
    queue.sees(&[want_read(&reader).data(5).udata(udata_after_action(1, 2))]);
}

/// `kq-typed` changes a knote so, which adds none where it is gone.
#[test]
fn enabling_stores_notes_and_data_again_where_the_kernel_does() {
    let (reader, writer) = pair();
    let mut queue = TestQueue::new();
    put(&writer, 5);
    queue.set(Change::read(&reader).udata(1));
    queue.sees(&[want_read(&reader).data(5).udata(1)]);
    queue.set(Change::read(&reader).low_water(6).enable().udata(1));
    // OpenBSD stores them with EV_ADD only.
    if cfg!(openbsd) {
        queue.sees(&[want_read(&reader).data(5).udata(1)]);
    } else {
        queue.nothing();
        put(&writer, 1);
        queue.sees(&[want_read(&reader).data(6).udata(1)]);
    }
}

#[test]
fn adding_again_does_not_enable() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    put(&writer, 5);
    queue.set(Change::read(&reader).udata(1));
    queue.set(Change::read(&reader).disable().udata(1));
    queue.set(Change::read(&reader).udata(2));
    queue.nothing();
    queue.set(Change::read(&reader).add_flags(Flags::ENABLE).udata(3));
    queue.sees(&[want_read(&reader).data(5).udata(3)]);
}

#[test]
fn what_is_deleted_is_gone() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    put(&writer, 5);
    queue.set(Change::read(&reader).delete());
    queue.nothing();
    assert_eq!(queue.apply(Change::read(&reader).delete()), Err(libc::ENOENT));
}

#[test]
fn adding_again_does_not_make_a_level_an_edge() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    put(&writer, 5);
    queue.set(Change::read(&reader).udata(1));
    queue.sees(&[want_read(&reader).data(5).udata(1)]);
    queue.set(Change::read(&reader).clear().udata(2));
    queue.sees(&[want_read(&reader).data(5).udata(2)]);
    queue.sees(&[want_read(&reader).data(5).udata(2)]);
}

#[test]
fn adding_again_does_not_make_an_edge_a_level() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    put(&writer, 5);
    queue.set(Change::read(&reader).clear().udata(1));
    queue.sees(&[want_read(&reader).flags(Flags::CLEAR).data(5).udata(1)]);
    queue.set(Change::read(&reader).udata(2));
    queue.sees(&[want_read(&reader).flags(Flags::CLEAR).data(5).udata(2)]);
    queue.nothing();
}

#[test]
fn replacing_changes_the_mode() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    put(&writer, 5);
    // Nothing is there yet, which does not matter.
    queue.kq.replace(&Change::read(&reader).clear().udata(1)).unwrap();
    queue.sees(&[want_read(&reader).flags(Flags::CLEAR).data(5).udata(1)]);
    queue.nothing();
    queue.kq.replace(&Change::read(&reader).udata(2)).unwrap();
    queue.sees(&[want_read(&reader).data(5).udata(2)]);
    queue.sees(&[want_read(&reader).data(5).udata(2)]);
    queue.set(Change::read(&reader).disable().udata(2));
    queue.kq.replace(&Change::read(&reader).oneshot().udata(3)).unwrap();
    queue.sees(&[want_read(&reader).flags(Flags::ONESHOT).data(5).udata(3)]);
    queue.nothing();
}

#[test]
fn a_low_water_mark_holds_back() {
    let (a, b) = pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&a).low_water(10).udata(1));
    put(&b, 5);
    queue.nothing();
    put(&b, 5);
    queue.sees(&[want_read(&a).data(10).udata(1)]);
    get(&a, 1);
    queue.nothing();
}

#[test]
#[cfg(freebsd)] // its pipes go both ways; elsewhere a pipe has one direction
fn both_ends_of_a_pipe_go_both_ways() {
    use kq_tests::want;

    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&writer).udata(1));
    queue.nothing();
    queue.set(Change::write(&reader).udata(1));
    // What a pipe takes in one piece, as long as it has no buffer in this direction.
    queue.sees(&[want(Filter::WRITE, ident(&reader)).at_least(512).udata(1)]);
}

#[test]
fn one_ident_has_a_knote_for_each_filter() {
    let (a, b) = pair();
    let mut queue = TestQueue::new();
    put(&b, 1);
    queue.set(Change::read(&a).udata(1));
    // The same number means a timer here.
    let timer = Change::new(ident(&a), Filter::TIMER, Flags::ADD | Flags::DISABLE).data(1000);
    queue.set(timer.udata(2));
    queue.set(timer.delete());
    queue.sees(&[want_read(&a).data(1).udata(1)]);
}
