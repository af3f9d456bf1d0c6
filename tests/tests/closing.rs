//! What is left of a queue that is closed: no memory, and a waiter whose time runs on.

#![allow(clippy::missing_const_for_thread_local)] // it is one; clippy sees none where thread-locals are emulated

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kq::{Change, EventBuffer, Kqueue, VnodeEvents};
use kq_tests::{pair, pipe, put, serial, TempDir, LIMIT, QUIET};

/// Counts the bytes that are allocated in the whole program.
struct Counting;

static BYTES: AtomicIsize = AtomicIsize::new(0);

fn count(size: usize, sign: isize) {
    BYTES.fetch_add(sign * isize::try_from(size).unwrap_or(isize::MAX), Ordering::SeqCst);
}

// SAFETY: every call is the system allocator's; the counter beside it does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_thousand_queues_leave_no_memory() {
    let _serial = serial();
    let dir = TempDir::new();
    let file = dir.file("f", 1);
    let (reader, _writer) = pipe();
    let (socket, _peer) = pair();
    let make_and_drop = |number: usize| {
        let queue = Kqueue::new().unwrap();
        let changes = [
            Change::read(&reader),
            Change::read(&socket),
            Change::write(&socket),
            Change::timer(1, Duration::ZERO).oneshot(),
            Change::user(1),
            Change::signal(libc::SIGURG),
        ];
        queue.apply(&changes).unwrap();
        // Linux takes milliseconds to end a watch.
        if number % 20 == 0 {
            queue.apply(&[Change::read(&file), Change::vnode(&file, VnodeEvents::WRITE).clear()]).unwrap();
        }
        let mut buffer = EventBuffer::with_capacity(16);
        queue.wait(&mut buffer, Some(LIMIT)).unwrap();
    };
    // What a process has once, whatever number of queues it makes.
    make_and_drop(0);
    let before = BYTES.load(Ordering::SeqCst);
    (0..1_000).for_each(make_and_drop);
    // The other test of this program, and the test runner, have their own.
    let left = BYTES.load(Ordering::SeqCst) - before;
    assert!(left < 16 * 1_024, "{left} bytes");
}

/// Waits on the number for one event, as somebody does who does not know that it is closed meanwhile.
fn wait_on(number: RawFd, time: Duration) -> (i32, Option<i32>, Duration) {
    let mut event = std::mem::MaybeUninit::<kq_sys::kevent>::zeroed();
    let time = kq_sys::timespec { tv_sec: 0, tv_nsec: time.subsec_nanos() as _ };
    let start = Instant::now();
    // SAFETY: no changes, room for one event, and a time that lives across the call.
    let result = unsafe { kq_sys::kevent(number, std::ptr::null(), 0, event.as_mut_ptr(), 1, &time) };
    (result, std::io::Error::last_os_error().raw_os_error(), start.elapsed())
}

/// A thread that waits on the number, and is about to or does so by now.
fn waiter_on(number: RawFd, time: Duration) -> JoinHandle<(i32, Option<i32>, Duration)> {
    let (starting, start) = mpsc::channel();
    let waiter = thread::spawn(move || {
        starting.send(()).unwrap();
        wait_on(number, time)
    });
    start.recv().unwrap();
    thread::sleep(QUIET);
    waiter
}

#[test]
fn a_waiter_of_a_queue_that_is_closed_comes_back() {
    let _serial = serial();
    const TIME: Duration = Duration::from_millis(300);
    let number = Kqueue::new().unwrap().into_raw_fd();
    let waiter = waiter_on(number, TIME);
    // SAFETY: the number is this test's own.
    assert_eq!(unsafe { kq_sys::close(number) }, 0);
    let (result, errno, elapsed) = waiter.join().unwrap();
    // FreeBSD and DragonFly let it wait; the others wake it.
    if cfg!(any(freebsd_abi, dragonfly)) {
        assert_eq!(result, 0, "errno {errno:?}");
        // Its time ran on after the close; FreeBSD counts it from the last tick of its clock, which may have been late.
        assert!(elapsed >= if cfg!(freebsd) { TIME / 2 } else { TIME }, "{elapsed:?}");
    } else {
        assert_eq!((result, errno), (-1, Some(libc::EBADF)));
    }
}

#[test]
fn a_waiter_of_a_queue_that_is_closed_takes_no_event_of_the_next_with_its_number() {
    let _serial = serial();
    let (reader, writer) = pipe();
    let number = Kqueue::new().unwrap().into_raw_fd();
    let waiter = waiter_on(number, Duration::from_millis(500));
    // SAFETY: the number is this test's own.
    assert_eq!(unsafe { kq_sys::close(number) }, 0);
    let next = Kqueue::new().unwrap();
    assert_eq!(next.as_raw_fd(), number, "the lowest number is given out first");
    next.apply(&[Change::read(&reader).oneshot()]).unwrap();
    put(&writer, 1);
    thread::sleep(QUIET);
    let mut buffer = EventBuffer::with_capacity(4);
    assert_eq!(next.wait(&mut buffer, Some(LIMIT)).unwrap().len(), 1);
    assert!(waiter.join().unwrap().0 <= 0);
}
