//! SIGNAL: signals to this process are counted, besides what they do.

use std::sync::atomic::{AtomicUsize, Ordering};

use kq::{Change, EventKind, Filter, Flags};
use kq_tests::{serial, wait_for, want, Child, TestQueue, Want, LIMIT};

fn want_signal(signal: i32) -> Want {
    want(Filter::SIGNAL, signal as usize).flags(Flags::CLEAR).data(1)
}

/// Says what the signal does from now on.
fn on_signal(signal: i32, action: libc::sighandler_t) {
    // SAFETY: the action is a constant of libc's or an `extern "C" fn(i32)` that only touches an atomic.
    let before = unsafe { libc::signal(signal, action) };
    assert_ne!(before, libc::SIG_ERR);
}

/// Sends a signal to this process.
fn raise(signal: i32) {
    // SAFETY: takes numbers only.
    kq_tests::descriptor::checked(unsafe { libc::kill(libc::getpid(), signal) });
}

#[test]
fn an_ignored_signal_is_reported() {
    let _serial = serial();
    on_signal(libc::SIGUSR1, libc::SIG_IGN);
    let mut queue = TestQueue::new();
    queue.set(Change::signal(libc::SIGUSR1).udata(1));
    queue.nothing();
    raise(libc::SIGUSR1);
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    assert!(want_signal(libc::SIGUSR1).udata(1).is(&event), "{event:?}");
    assert_eq!(event.kind(), EventKind::Signal { signal: libc::SIGUSR1, count: 1 });
    queue.nothing();
}

#[test]
fn signals_are_counted_between_waits() {
    let _serial = serial();
    on_signal(libc::SIGUSR1, libc::SIG_IGN);
    let mut queue = TestQueue::new();
    queue.set(Change::signal(libc::SIGUSR1).udata(1));
    (0..3).for_each(|_| raise(libc::SIGUSR1));
    // Linux merges signals that come while one is pending: how many are delivered is the kernel's affair.
    let wanted = want_signal(libc::SIGUSR1).udata(1);
    queue.sees(&[if cfg!(linux) { wanted.at_least(1) } else { wanted.data(3) }]);
}

#[test]
fn a_deleted_knote_counts_nothing() {
    let _serial = serial();
    on_signal(libc::SIGUSR1, libc::SIG_IGN);
    let mut queue = TestQueue::new();
    queue.set(Change::signal(libc::SIGUSR1).udata(1));
    queue.set(Change::signal(libc::SIGUSR1).delete());
    raise(libc::SIGUSR1);
    queue.nothing();
    // Ignored, as it was: this process is still there.
    raise(libc::SIGUSR1);
}

#[test]
fn what_came_before_the_knote_is_not_counted() {
    let _serial = serial();
    // A signal of its own: on Linux the handler for another test's may still be about to run in a thread that took it.
    on_signal(libc::SIGUSR2, libc::SIG_IGN);
    raise(libc::SIGUSR2);
    let mut queue = TestQueue::new();
    queue.set(Change::signal(libc::SIGUSR2).udata(1));
    queue.nothing();
}

#[test]
fn a_oneshot_is_gone_after_its_event() {
    let _serial = serial();
    on_signal(libc::SIGUSR1, libc::SIG_IGN);
    let mut queue = TestQueue::new();
    queue.set(Change::signal(libc::SIGUSR1).oneshot().udata(1));
    raise(libc::SIGUSR1);
    queue.sees(&[want_signal(libc::SIGUSR1).flags(Flags::ONESHOT | Flags::CLEAR).udata(1)]);
    raise(libc::SIGUSR1);
    queue.nothing();
}

#[test]
fn a_signal_that_was_not_added() {
    let queue = TestQueue::new();
    assert_eq!(queue.apply(Change::signal(libc::SIGUSR1).delete()), Err(libc::ENOENT));
}

#[test]
#[cfg(freebsd_abi)] // observed there: any number is taken
fn numbers_that_no_signal_has() {
    let mut queue = TestQueue::new();
    queue.set(Change::signal(0).udata(1));
    queue.set(Change::signal(1000).udata(1));
    queue.nothing();
}

#[test]
fn every_queue_is_told() {
    let _serial = serial();
    on_signal(libc::SIGUSR1, libc::SIG_IGN);
    let (mut first, mut second) = (TestQueue::new(), TestQueue::new());
    first.set(Change::signal(libc::SIGUSR1).udata(1));
    second.set(Change::signal(libc::SIGUSR1).udata(2));
    raise(libc::SIGUSR1);
    second.sees(&[want_signal(libc::SIGUSR1).udata(2)]);
    first.sees(&[want_signal(libc::SIGUSR1).udata(1)]);
}

#[test]
fn a_childs_end_is_a_signal() {
    let _serial = serial();
    let mut child = Child::exiting(0);
    let mut queue = TestQueue::new();
    queue.set(Change::signal(libc::SIGCHLD).udata(1));
    child.release();
    queue.sees(&[want_signal(libc::SIGCHLD).udata(1)]);
    assert_eq!(child.reap().code(), Some(0));
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_handler_runs_too() {
    let _serial = serial();
    HANDLED.store(0, Ordering::SeqCst);
    on_signal(libc::SIGUSR1, count as extern "C" fn(i32) as libc::sighandler_t);
    let mut queue = TestQueue::new();
    queue.set(Change::signal(libc::SIGUSR1).udata(1));
    raise(libc::SIGUSR1);
    wait_for("the handler", || HANDLED.load(Ordering::SeqCst) == 1);
    queue.sees(&[want_signal(libc::SIGUSR1).udata(1)]);
    assert_eq!(HANDLED.load(Ordering::SeqCst), 1);
    on_signal(libc::SIGUSR1, libc::SIG_IGN);
}
