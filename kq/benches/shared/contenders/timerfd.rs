//! A timerfd for each timer, and epoll for all of them: what a Linux program does that has no timers of its own.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use super::super::poller::Timers;
use super::super::sockets;

pub struct TimerFd {
    epoll: OwnedFd,
    timers: Vec<Option<OwnedFd>>,
    events: Vec<libc::epoll_event>,
}

impl Timers for TimerFd {
    const NAME: &'static str = "timerfd each";

    fn new(number: usize) -> Option<TimerFd> {
        if number > sockets::available() {
            return None;
        }
        // SAFETY: makes a descriptor.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(epoll >= 0, "{}", io::Error::last_os_error());
        // SAFETY: it was just made.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let timers = (0..number).map(|_| None).collect();
        Some(TimerFd { epoll, timers, events: vec![libc::epoll_event { events: 0, u64: 0 }; 256] })
    }

    fn add(&mut self, id: usize, nanos: u64) {
        let spec = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec {
                tv_sec: (nanos / 1_000_000_000) as libc::time_t,
                // Zero would be never.
                tv_nsec: (nanos % 1_000_000_000).max(1) as libc::c_long,
            },
        };
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: id as u64 };
        // SAFETY: makes a descriptor; the structs live across the calls.
        let timer = unsafe {
            let fd = libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK);
            assert!(fd >= 0, "{}", io::Error::last_os_error());
            assert_eq!(libc::timerfd_settime(fd, 0, &spec, ptr::null_mut()), 0);
            assert_eq!(libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event), 0);
            OwnedFd::from_raw_fd(fd)
        };
        self.timers[id] = Some(timer);
    }

    fn cancel(&mut self, id: usize) {
        // Closing takes it out of the epoll set.
        self.timers[id] = None;
    }

    fn fired(&mut self) -> usize {
        // SAFETY: the list's own length.
        let count =
            unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), self.events.len() as i32, 0) };
        let count = usize::try_from(count).expect("a wait that does not fail");
        for event in &self.events[..count] {
            // A one-shot is over with its event, and its number of expirations is one: nothing to read.
            self.timers[event.u64 as usize] = None;
        }
        count
    }
}
