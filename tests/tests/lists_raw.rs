//! The raw call's lists and counts: what kq keeps its users from, and what it relies on.

use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use kq_sys::{
    count_t, data_t, filter_t, flags_t, kevent, kqueue, timespec, EVFILT_READ, EVFILT_TIMER, EV_ADD, EV_DELETE,
    EV_ERROR, EV_RECEIPT,
};
#[cfg(freebsd_abi)]
use kq_sys::{EVFILT_EMPTY, EVFILT_USER, EVFILT_VNODE, EVFILT_WRITE, EV_ENABLE, NOTE_FFCOPY, NOTE_FFOR, NOTE_TRIGGER};
use kq_tests::descriptor::{checked, ident};
use kq_tests::{closed, pipe, put};

const AT_ONCE: timespec = timespec { tv_sec: 0, tv_nsec: 0 };

/// A queue that is closed when it is dropped.
struct Queue(i32);

impl Queue {
    fn new() -> Queue {
        // SAFETY: takes no argument.
        Queue(checked(unsafe { kqueue() }))
    }

    /// The call with these lists; the error is its number.
    fn call(&self, changes: &[kevent], events: &mut [kevent], timeout: Option<&timespec>) -> Result<usize, i32> {
        let timeout = timeout.map_or(ptr::null(), ptr::from_ref);
        let (count, room) = (changes.len() as count_t, events.len() as count_t);
        // SAFETY: the lists are as long as is said, and the timeout is null or valid.
        answer(unsafe { kevent(self.0, changes.as_ptr(), count, events.as_mut_ptr(), room, timeout) })
    }

    fn poll(&self) -> Vec<kevent> {
        let mut events = [nothing(); 8];
        let count = self.call(&[], &mut events, Some(&AT_ONCE)).unwrap();
        events[..count].to_vec()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is this value's own.
        unsafe { kq_sys::close(self.0) };
    }
}

fn answer(result: i32) -> Result<usize, i32> {
    usize::try_from(result).map_err(|_| std::io::Error::last_os_error().raw_os_error().unwrap())
}

fn nothing() -> kevent {
    // SAFETY: the struct is made of numbers and a pointer that may be null.
    unsafe { std::mem::zeroed() }
}

fn change(ident: usize, filter: filter_t, flags: flags_t, udata: usize) -> kevent {
    let mut change = nothing();
    change.ident = ident as _;
    change.filter = filter;
    change.flags = flags;
    change.udata = udata as _;
    change
}

fn timer(id: usize, flags: flags_t) -> kevent {
    let mut timer = change(id, EVFILT_TIMER, flags, 0);
    timer.data = 3_600_000;
    timer
}

/// Ident, udata and error of an entry that tells of a change; the flags of Apple's are the change's, too.
fn outcome(entry: &kevent) -> (usize, usize, data_t) {
    assert!(entry.flags & EV_ERROR != 0);
    if cfg!(not(apple)) {
        assert_eq!({ entry.flags }, EV_ERROR);
    }
    (entry.ident, entry.udata as usize, entry.data)
}

fn errno(number: i32) -> data_t {
    number as data_t
}

/// A pipe with two bytes in it.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe();
    put(&writer, 2);
    (reader, writer)
}

#[test]
fn a_receipt_of_a_failure() {
    let queue = Queue::new();
    let mut list = [change(closed(0), EVFILT_READ, EV_ADD | EV_RECEIPT, 1)];
    let changes = list;
    assert_eq!(queue.call(&changes, &mut list, None), Ok(1));
    assert_eq!(outcome(&list[0]), (closed(0), 1, errno(libc::EBADF)));
}

#[test]
fn one_array_for_changes_and_receipts() {
    let (reader, _writer) = full_pipe();
    let queue = Queue::new();
    let receipt = EV_ADD | EV_RECEIPT;
    let mut list = [
        change(ident(&reader), EVFILT_READ, receipt, 1),
        change(closed(0), EVFILT_READ, receipt, 2),
        timer(5, receipt),
        timer(6, EV_DELETE | EV_RECEIPT),
    ];
    let count = list.len() as count_t;
    let both = list.as_mut_ptr();
    // SAFETY: the array is as long as is said, and the call takes one for both lists.
    let returned = answer(unsafe { kevent(queue.0, both, count, both, count, ptr::null()) });
    assert_eq!(returned, Ok(4));
    let outcomes: Vec<_> = list.iter().map(outcome).collect();
    assert_eq!(
        outcomes,
        [(ident(&reader), 1, 0), (closed(0), 2, errno(libc::EBADF)), (5, 0, 0), (6, 0, errno(libc::ENOENT))]
    );
    let events = queue.poll();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].ident, { events[0].data }), (ident(&reader), 2));
}

#[test]
fn failures_fill_the_list_and_events_wait() {
    let (reader, _writer) = full_pipe();
    let queue = Queue::new();
    let changes = [
        change(closed(0), EVFILT_READ, EV_ADD, 1),
        change(ident(&reader), EVFILT_READ, EV_ADD, 2),
        change(closed(1), EVFILT_READ, EV_ADD, 3),
    ];
    let mut events = [nothing(); 8];
    // Without a timeout: it returns at once because there is something to tell.
    assert_eq!(queue.call(&changes, &mut events, None), Ok(2));
    assert_eq!(outcome(&events[0]), (closed(0), 1, errno(libc::EBADF)));
    assert_eq!(outcome(&events[1]), (closed(1), 3, errno(libc::EBADF)));
    let events = queue.poll();
    assert_eq!((events.len(), events[0].udata as usize), (1, 2));
}

#[test]
fn a_failure_without_room_ends_the_call() {
    let (reader, _writer) = full_pipe();
    let queue = Queue::new();
    let changes =
        [change(ident(&reader), EVFILT_READ, EV_ADD, 2), change(closed(0), EVFILT_READ, EV_ADD, 1), timer(5, EV_ADD)];
    assert_eq!(queue.call(&changes, &mut [], None), Err(libc::EBADF));
    assert_eq!(queue.poll().len(), 1);
    assert_eq!(queue.call(&[timer(5, EV_DELETE)], &mut [], None), Err(libc::ENOENT));
}

#[test]
#[cfg(freebsd_abi)] // DragonFly writes past the end of the list, and Apple goes on
fn a_receipt_without_room_ends_the_call_without_an_error() {
    let queue = Queue::new();
    let receipt = EV_ADD | EV_RECEIPT;
    let changes = [timer(1, receipt), timer(2, receipt), timer(3, receipt)];
    let mut events = [nothing(); 1];
    assert_eq!(queue.call(&changes, &mut events, None), Ok(0));
    let gone = |id| queue.call(&[timer(id, EV_DELETE)], &mut [], None);
    assert_eq!((gone(1), gone(2), gone(3)), (Ok(0), Ok(0), Err(libc::ENOENT)));
}

#[test]
#[cfg(freebsd_abi)] // as FreeBSD's kernel uses up the change
fn what_a_receipt_leaves_of_the_fflags() {
    let queue = Queue::new();
    let receipt = |mut change: kevent, fflags: u32| {
        change.flags |= EV_RECEIPT;
        change.fflags = fflags;
        let mut entry = [nothing()];
        assert_eq!(queue.call(&[change], &mut entry, None), Ok(1));
        ({ entry[0].fflags }, entry[0].data)
    };
    // What makes a knote is in the knote from then on; a user event's control bits have done their work.
    let user = |flags| change(1, EVFILT_USER, flags, 0);
    assert_eq!(receipt(user(EV_ADD), NOTE_FFCOPY | 0xf0), (0, 0));
    assert_eq!(receipt(user(0), NOTE_TRIGGER | NOTE_FFOR | 0xf), (0xf, 0));
    assert_eq!(receipt(user(EV_DELETE), NOTE_TRIGGER | 3), (NOTE_TRIGGER | 3, 0));
    assert_eq!(receipt(user(0), NOTE_TRIGGER), (NOTE_TRIGGER, errno(libc::ENOENT)));
    // A queue does not watch itself, whatever the change.
    let own = |filter, flags| change(usize::try_from(queue.0).unwrap(), filter, flags, 0);
    for filter in [EVFILT_READ, EVFILT_WRITE, EVFILT_VNODE, EVFILT_EMPTY] {
        for flags in [EV_ADD, EV_DELETE, EV_ENABLE, 0] {
            assert_eq!(receipt(own(filter, flags), 3), (3, errno(libc::EINVAL)), "{filter} {flags}");
        }
    }
}

#[test]
fn a_list_for_no_events_does_not_wait() {
    let (reader, _writer) = full_pipe();
    let queue = Queue::new();
    assert_eq!(queue.call(&[change(ident(&reader), EVFILT_READ, EV_ADD, 1)], &mut [], None), Ok(0));
    // Not even without end.
    assert_eq!(queue.call(&[], &mut [], None), Ok(0));
    assert_eq!(queue.poll().len(), 1);
}

#[test]
#[cfg(freebsd_abi)] // the count is unsigned on NetBSD; FreeBSD 12 takes it for none, and younger ones refuse it
fn negative_counts() {
    let queue = Queue::new();
    let mut entry = nothing();
    let list = ptr::from_mut(&mut entry);
    for (changes, events) in [(0, -1), (-1, 0), (-1, -1), (0, i32::MIN)] {
        // SAFETY: nothing is read or written for such a count.
        let returned = answer(unsafe { kevent(queue.0, list, changes, list, events, &AT_ONCE) });
        match returned {
            Ok(0) => {}
            Err(libc::EINVAL) if cfg!(freebsd) => {}
            returned => panic!("{changes}, {events}: {returned:?}"),
        }
    }
}

#[test]
fn null_lists() {
    let queue = Queue::new();
    // SAFETY: no entry is read or written.
    let none = unsafe { kevent(queue.0, ptr::null(), 0, ptr::null_mut(), 0, &AT_ONCE) };
    assert_eq!(answer(none), Ok(0));
    // SAFETY: the kernel finds that the list is not there.
    let changes = unsafe { kevent(queue.0, ptr::null(), 1, ptr::null_mut(), 0, &AT_ONCE) };
    assert_eq!(answer(changes), Err(libc::EFAULT));
}

#[test]
#[cfg(freebsd_abi)] // as its kernel copies a few changes at a time
fn null_lists_that_were_said_to_be_endless_took_memory() {
    let queue = Queue::new();
    let most = count_t::MAX;
    // SAFETY: the kernel finds that the lists are not there.
    let neither = unsafe { kevent(queue.0, ptr::null(), most, ptr::null_mut(), most, &AT_ONCE) };
    assert_eq!(answer(neither), Err(libc::EFAULT));
}

#[test]
#[cfg(freebsd_abi)] // observed there
fn a_null_list_for_an_event() {
    let (reader, _writer) = full_pipe();
    let queue = Queue::new();
    queue.call(&[change(ident(&reader), EVFILT_READ, EV_ADD, 1)], &mut [], None).unwrap();
    // SAFETY: the kernel finds that the list is not there.
    let events = unsafe { kevent(queue.0, ptr::null(), 0, ptr::null_mut(), 1, &AT_ONCE) };
    assert_eq!(answer(events), Err(libc::EFAULT));
}

#[test]
#[cfg(freebsd_abi)] // in FreeBSD's kernel, which copies entries out one by one and does without the outcome
fn what_has_no_list_to_go_to() {
    let queue = Queue::new();
    let into_nothing = |changes: &[kevent]| {
        let (list, count) = (changes.as_ptr(), changes.len() as count_t);
        // SAFETY: the kernel finds that the list of events is not there.
        answer(unsafe { kevent(queue.0, list, count, ptr::null_mut(), 2, &AT_ONCE) })
    };
    assert_eq!(into_nothing(&[]), Ok(0), "there is no event");
    let failing = change(closed(0), EVFILT_READ, EV_ADD, 1);
    assert_eq!(into_nothing(&[failing, failing, failing]), Err(libc::EBADF), "the third had no room");
    assert_eq!(into_nothing(&[failing]), Ok(1));
    assert_eq!(into_nothing(&[timer(1, EV_ADD | EV_RECEIPT)]), Ok(1));
    assert_eq!(queue.call(&[timer(1, EV_DELETE)], &mut [], None), Ok(0));
}

#[test]
#[cfg(not(dragonfly))] // sleeps in slices of an hour, and what it does with these is not known
fn timeouts_that_are_none() {
    let queue = Queue::new();
    let mut events = [nothing(); 1];
    for timeout in [timespec { tv_sec: -1, tv_nsec: 0 }, timespec { tv_sec: 0, tv_nsec: 2_000_000_000 }] {
        assert_eq!(queue.call(&[], &mut events, Some(&timeout)), Err(libc::EINVAL));
    }
}

#[test]
#[cfg(freebsd_abi)] // elsewhere 0 is unknown, and on NetBSD it is READ
fn filter_zero_is_skipped() {
    let (reader, _writer) = full_pipe();
    let queue = Queue::new();
    let skipped = change(ident(&reader), 0, EV_ADD | EV_RECEIPT, 0);
    let mut events = [nothing(); 2];
    assert_eq!(queue.call(&[skipped, skipped], &mut events, Some(&AT_ONCE)), Ok(0));
    assert_eq!(queue.poll().len(), 0);
}

#[test]
fn numbers_that_are_no_queue() {
    let (reader, _writer) = pipe();
    for number in [closed(0) as i32, -1] {
        let mut event = nothing();
        // SAFETY: the list has room for one entry.
        let returned = unsafe { kevent(number, ptr::null(), 0, &mut event, 1, &AT_ONCE) };
        assert_eq!(answer(returned), Err(libc::EBADF), "{number}");
    }
    let mut event = nothing();
    // SAFETY: the list has room for one entry.
    let returned = answer(unsafe { kevent(reader.as_raw_fd(), ptr::null(), 0, &mut event, 1, &AT_ONCE) });
    // Younger FreeBSDs say EINVAL.
    assert!(returned == Err(libc::EBADF) || (cfg!(freebsd) && returned == Err(libc::EINVAL)), "{returned:?}");
}

#[test]
fn a_number_of_the_system_is_not_one_of_the_callers() {
    let queue = Queue::new();
    let mut flags = timer(1, EV_ADD);
    // The system's own bits are taken out of what comes in.
    flags.flags |= EV_ERROR;
    assert_eq!(queue.call(&[flags], &mut [], None), Ok(0));
    assert_eq!(queue.call(&[timer(1, EV_DELETE)], &mut [], None), Ok(0));
}
