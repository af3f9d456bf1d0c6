//! What the tests share.
#![allow(dead_code)]

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than any test has to wait, on the slowest machine.
pub const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

/// Whatever is pending, without waiting.
pub const NOW: Option<Duration> = Some(Duration::ZERO);

/// Two connected sockets.
pub fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("a pair of sockets")
}

/// Closes `fd`'s file and puts that of `file` under its number, in one step: no other thread gets the number in between.
pub fn become_file(fd: &impl AsFd, file: &impl AsFd) {
    let (number, file) = (fd.as_fd().as_raw_fd(), file.as_fd().as_raw_fd());
    // SAFETY: both are open; the owner of the number owns the new file from now on.
    assert_eq!(unsafe { libc::dup2(file, number) }, number);
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }, 0);
}

/// A number that is no descriptor: far above any that is open.
pub fn closed_number() -> i32 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for the call's write.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
    i32::try_from(limit.rlim_cur).map_or(i32::MAX - 1, |limit| limit.saturating_add(1))
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

/// Counts how often it is dropped.
#[derive(Clone, Default)]
pub struct Drops(Arc<AtomicUsize>);

/// A value that is counted when it is dropped.
pub struct Counted(Drops);

impl Drops {
    pub fn value(&self) -> Counted {
        Counted(self.clone())
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0 .0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The variable that makes this program a child.
const ROLE: &str = "KQ_TYPED_TEST_CHILD";

/// Starts this program again as a child that runs the test `name`, in which [`child`] does the rest.
///
/// It waits until its standard input is closed and then exits with `code`.
pub fn spawn(name: &str, code: i32) -> Child {
    Command::new(std::env::current_exe().expect("the path of this program"))
        .args([name, "--exact", "--nocapture"])
        .env(ROLE, code.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child")
}

/// To be called first in a test that calls [`spawn`] with its own name.
pub fn child() {
    if let Ok(code) = std::env::var(ROLE) {
        let mut bytes = Vec::new();
        let _ = std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes);
        std::process::exit(code.parse().expect("a code"));
    }
}

/// Lets a child exit.
pub fn release(child: &mut Child) {
    drop(child.stdin.take());
}
