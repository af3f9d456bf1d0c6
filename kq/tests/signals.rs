//! Signals, in a program of their own: where a handler has to count them, other waits may be interrupted.

mod common;

use common::{queue, udata, AT_ONCE, PATIENCE};
use kq::{Change, EventBuffer, EventKind, Kqueue};
use std::io::ErrorKind;
use std::time::Duration;

#[test]
fn a_signal_is_counted() {
    let (queue, mut buffer) = queue(4);
    // An ignored signal is recorded all the same.
    // SAFETY: takes numbers only.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    queue.apply(&[Change::signal(libc::SIGUSR1).udata(4)]).unwrap();
    next(&queue, &mut buffer, AT_ONCE);
    assert!(buffer.events().is_empty());
    for _ in 0..2 {
        // SAFETY: takes numbers only.
        assert_eq!(unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) }, 0);
        next(&queue, &mut buffer, PATIENCE);
        let events = buffer.events();
        assert_eq!(udata(events), [4]);
        assert_eq!(events[0].kind(), EventKind::Signal { signal: libc::SIGUSR1, count: 1 });
    }
    queue.apply(&[Change::signal(libc::SIGUSR1).delete()]).unwrap();
}

/// Waits, and again if it was interrupted.
fn next(queue: &Kqueue, buffer: &mut EventBuffer, timeout: Option<Duration>) {
    while let Err(error) = queue.wait(buffer, timeout) {
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
}
