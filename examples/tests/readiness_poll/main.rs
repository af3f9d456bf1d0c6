//! The test-suite of the poller in `readiness_poll`, to take along with it. What the cases share is here.

mod descriptors;
#[path = "../../readiness_poll/poller.rs"]
mod poller;
mod readiness;
mod threads;
mod timers;

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use poller::{Event, Events, Interest, Poller};

/// How long what must come may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a case looks out for what must not come.
const QUIET: Duration = Duration::from_millis(40);

/// A poller with room for events.
struct Fixture {
    poller: Poller,
    events: Events,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::with_room_for(64)
    }

    fn with_room_for(capacity: usize) -> Fixture {
        Fixture { poller: Poller::new().unwrap(), events: Events::with_capacity(capacity) }
    }

    /// What the next wait returns.
    #[track_caller]
    fn wait(&mut self) -> Vec<Event> {
        let events = self.poller.wait(&mut self.events, Some(LIMIT)).unwrap().to_vec();
        assert!(!events.is_empty(), "nothing came within {LIMIT:?}");
        events
    }

    /// What is there now.
    #[track_caller]
    fn look(&mut self) -> Vec<Event> {
        self.poller.wait(&mut self.events, Some(Duration::ZERO)).unwrap().to_vec()
    }

    /// Nothing comes, and nothing is left in the queue that would wake a wait for nothing.
    #[track_caller]
    fn nothing(&mut self) {
        assert_eq!(self.poller.wait(&mut self.events, Some(QUIET)).unwrap(), []);
        assert!(!shows_readable(&self.poller), "something is left in the queue");
    }
}

fn readable(key: u64) -> Event {
    Event::Ready { key, ready: Interest::READABLE }
}

fn writable(key: u64) -> Event {
    Event::Ready { key, ready: Interest::WRITABLE }
}

fn timer(key: u64) -> Event {
    Event::Timer { key }
}

/// Whether poll(2) says that the poller's descriptor is readable.
fn shows_readable(poller: &Poller) -> bool {
    let mut asked = libc::pollfd { fd: poller.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one struct that is valid for the call.
    let count = unsafe { libc::poll(&mut asked, 1, 0) };
    assert!(count >= 0, "{}", io::Error::last_os_error());
    asked.revents & libc::POLLIN != 0
}

/// The number of the error that an action has to end with.
#[track_caller]
fn errno<T: std::fmt::Debug>(outcome: io::Result<T>) -> i32 {
    outcome.unwrap_err().raw_os_error().expect("the system's number")
}

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// Two connected sockets of which the first has a byte to read.
fn ready_pair() -> (UnixStream, UnixStream) {
    let (receiver, mut sender) = pair();
    sender.write_all(b"x").unwrap();
    (receiver, sender)
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [-1; 2];
    // SAFETY: the array is valid for the two numbers that the call writes.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0, "{}", io::Error::last_os_error());
    // SAFETY: the call just made both, and nobody else has them.
    let [reader, writer] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    (reader, writer)
}

/// Takes the byte that is there.
#[track_caller]
fn take(mut stream: &UnixStream) {
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 1);
}

/// A duplicate with a number that no other case is given: they are given out from the lowest on.
fn far_dup(fd: &impl AsRawFd) -> UnixStream {
    static NEXT: AtomicI32 = AtomicI32::new(200);
    let least = NEXT.fetch_add(1, Ordering::Relaxed);
    // SAFETY: takes numbers only.
    let number = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) };
    assert!(number != -1, "{}", io::Error::last_os_error());
    // SAFETY: the call just made it, and nobody else has it.
    unsafe { UnixStream::from_raw_fd(number) }
}

/// Closes `old`, and gives its number to `new`'s file in the same moment, so that no other case gets it.
fn reuse(old: UnixStream, new: UnixStream) -> UnixStream {
    let number = old.into_raw_fd();
    // SAFETY: takes numbers only; the old one is owned by this function.
    assert_eq!(unsafe { libc::dup2(new.as_raw_fd(), number) }, number, "{}", io::Error::last_os_error());
    // SAFETY: the call just made it, and nobody else has it.
    unsafe { UnixStream::from_raw_fd(number) }
}
