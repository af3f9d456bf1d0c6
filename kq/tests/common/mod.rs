//! What the tests of kq share.
#![allow(dead_code)] // no test needs all of it

use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kq::{Event, EventBuffer, Kqueue};

/// Longer than any machine needs: a test that waits so long has failed.
pub const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

/// Not at all.
pub const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

/// A queue and room for events.
pub fn queue(capacity: usize) -> (Kqueue, EventBuffer) {
    (Kqueue::new().expect("a queue"), EventBuffer::with_capacity(capacity))
}

/// Two connected sockets.
pub fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("a pair of sockets")
}

/// The udata of events, in order.
pub fn udata(events: &[Event]) -> Vec<usize> {
    let mut udata: Vec<_> = events.iter().map(Event::udata).collect();
    udata.sort_unstable();
    udata
}

/// Whether `run` takes as long as `time`, in one of several runs where the kernel's own clock may be behind: FreeBSD counts
/// a longer timeout from the last tick of its clock, which comes late on a busy emulator.
pub fn takes(time: Duration, mut run: impl FnMut()) -> bool {
    let runs = if cfg!(freebsd) { 10 } else { 1 };
    (0..runs).any(|_| {
        let start = Instant::now();
        run();
        start.elapsed() >= time
    })
}

/// Lets the tests of a program take turns: those that fork (a child never sees a lock released that another thread
/// held), and those that look at a number which another thread could be given.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The flags of a descriptor's number, or -1 if it has none.
pub fn flags_of(fd: RawFd) -> i32 {
    // SAFETY: takes numbers only.
    unsafe { libc::fcntl(fd, libc::F_GETFD) }
}

/// The variable that tells this program that it is the child of a test.
const CHILD: &str = "KQ_TEST_CHILD";

/// Starts this program again as the child of the test `name`, which calls [`child_line`] first.
///
/// The child ends when its standard input does.
pub fn spawn_child(name: &str) -> Child {
    let program = std::env::current_exe().expect("this program's path");
    Command::new(program)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child")
}

/// In the child of a test: waits for a byte or the end of standard input, and exits with the byte, or 0.
pub fn child_line() {
    if std::env::var_os(CHILD).is_some() {
        let mut byte = [0];
        let read = std::io::Read::read(&mut std::io::stdin(), &mut byte).unwrap_or(0);
        std::process::exit(if read == 1 { i32::from(byte[0]) } else { 0 });
    }
}
