//! What a program does with its signals goes on while a queue watches them, and after.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use kq::{Change, Filter, Flags, Kqueue};
use kq_tests::descriptor::checked;
use kq_tests::{serial, wait_for, want, TestQueue, Want};

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

fn handler() -> libc::sighandler_t {
    count as extern "C" fn(i32) as libc::sighandler_t
}

/// Says what a signal does from now on.
fn on(signal: i32, action: libc::sighandler_t) {
    // SAFETY: a constant of libc's, or a handler that only touches an atomic.
    assert_ne!(unsafe { libc::signal(signal, action) }, libc::SIG_ERR);
}

/// What a signal does now.
fn current(signal: i32) -> libc::sighandler_t {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only; the call fills the struct.
    unsafe {
        checked(libc::sigaction(signal, ptr::null(), action.as_mut_ptr()));
        action.assume_init().sa_sigaction
    }
}

fn send(signal: i32) {
    // SAFETY: takes numbers only.
    checked(unsafe { libc::kill(libc::getpid(), signal) });
}

fn want_signal(signal: i32) -> Want {
    want(Filter::SIGNAL, signal as usize).flags(Flags::CLEAR).data(1)
}

#[test]
fn what_was_there_comes_back_with_the_last_knote() {
    let _serial = serial();
    for action in [handler(), libc::SIG_IGN, libc::SIG_DFL] {
        on(libc::SIGURG, action);
        let (one, two) = (TestQueue::new(), TestQueue::new());
        one.set(Change::signal(libc::SIGURG));
        two.set(Change::signal(libc::SIGURG));
        one.set(Change::signal(libc::SIGURG).delete());
        drop(two);
        assert_eq!(current(libc::SIGURG), action);
    }
}

#[test]
fn a_disposition_that_changes_while_it_is_watched() {
    let _serial = serial();
    on(libc::SIGUSR1, libc::SIG_IGN);
    let mut queue = TestQueue::new();
    queue.set(Change::signal(libc::SIGUSR1));
    on(libc::SIGUSR1, handler());
    // Linux hears of the new handler with the next call.
    queue.nothing();
    let before = HANDLED.load(Ordering::SeqCst);
    send(libc::SIGUSR1);
    queue.sees(&[want_signal(libc::SIGUSR1)]);
    wait_for("the handler", || HANDLED.load(Ordering::SeqCst) == before + 1);
    queue.set(Change::signal(libc::SIGUSR1).delete());
    assert_eq!(current(libc::SIGUSR1), handler());
    on(libc::SIGUSR1, libc::SIG_IGN);
}

#[test]
fn a_signal_that_is_blocked_is_reported_and_stays() {
    let _serial = serial();
    on(libc::SIGUSR2, handler());
    // A process of its own, so that no other thread takes the signal.
    // SAFETY: the child makes calls of its own, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = std::panic::catch_unwind(|| {
            let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
            // SAFETY: the set is emptied before it is used.
            let mask = unsafe {
                libc::sigemptyset(mask.as_mut_ptr());
                libc::sigaddset(mask.as_mut_ptr(), libc::SIGUSR2);
                libc::pthread_sigmask(libc::SIG_BLOCK, mask.as_ptr(), ptr::null_mut());
                mask.assume_init()
            };
            let mut queue = TestQueue::new();
            queue.set(Change::signal(libc::SIGUSR2));
            send(libc::SIGUSR2);
            queue.sees(&[want_signal(libc::SIGUSR2)]);
            queue.nothing();
            let before = HANDLED.load(Ordering::SeqCst);
            let mut pending = MaybeUninit::<libc::sigset_t>::zeroed();
            // SAFETY: the call fills the set.
            let is_pending = unsafe {
                libc::sigpending(pending.as_mut_ptr());
                libc::sigismember(pending.as_ptr(), libc::SIGUSR2)
            };
            assert_eq!(is_pending, 1);
            // SAFETY: a set that is filled.
            unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &mask, ptr::null_mut()) };
            wait_for("the handler", || HANDLED.load(Ordering::SeqCst) == before + 1);
            // It was one signal.
            queue.nothing();
        });
        // SAFETY: takes a number.
        unsafe { libc::_exit(i32::from(code.is_err())) };
    }
    let mut status = 0;
    // SAFETY: room for a status.
    assert_eq!(unsafe { libc::waitpid(checked(child), &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:#x}");
}

#[test]
fn a_signal_that_ends_the_process_still_does() {
    let _serial = serial();
    // SAFETY: the child makes calls of its own, and leaves by the signal.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: takes numbers only.
        unsafe { libc::signal(libc::SIGUSR1, libc::SIG_DFL) };
        let queue = Kqueue::new().unwrap();
        queue.apply(&[Change::signal(libc::SIGUSR1)]).unwrap();
        send(libc::SIGUSR1);
        // SAFETY: takes a number.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: room for a status.
    assert_eq!(unsafe { libc::waitpid(checked(child), &mut status, 0) }, child);
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGUSR1, "{status:#x}");
}
