//! `epoll` by libc; with `COUNT` it also asks of each event what kqueue tells with it: how many bytes there are.

use std::hint::black_box;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::super::poller::{Poller, Wait, Wakes};

pub struct Epoll<const COUNT: bool> {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

const READ: u32 = libc::EPOLLIN as u32;
const ONCE: u32 = libc::EPOLLONESHOT as u32;
const EDGE: u32 = libc::EPOLLET as u32;

impl<const COUNT: bool> Epoll<COUNT> {
    fn control(&self, operation: i32, fd: RawFd, events: u32) {
        let mut event = libc::epoll_event { events, u64: fd as u64 };
        // SAFETY: the event lives across the call.
        let result = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &mut event) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
    }
}

impl<const COUNT: bool> Poller for Epoll<COUNT> {
    const NAME: &'static str = if COUNT { "epoll + FIONREAD" } else { "epoll" };

    fn new(room: usize) -> Self {
        // SAFETY: makes a descriptor.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(epoll >= 0, "{}", io::Error::last_os_error());
        // SAFETY: it was just made.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        Epoll { epoll, events: vec![libc::epoll_event { events: 0, u64: 0 }; room] }
    }

    fn add(&mut self, fds: &[RawFd]) {
        fds.iter().for_each(|fd| self.control(libc::EPOLL_CTL_ADD, *fd, READ));
    }

    fn modify(&mut self, fds: &[RawFd]) {
        fds.iter().for_each(|fd| self.control(libc::EPOLL_CTL_MOD, *fd, READ));
    }

    fn delete(&mut self, fds: &[RawFd]) {
        fds.iter().for_each(|fd| self.control(libc::EPOLL_CTL_DEL, *fd, 0));
    }

    #[inline(always)]
    fn wait(&mut self, wait: Wait, mut handle: impl FnMut(RawFd)) -> usize {
        let timeout = if wait == Wait::No { 0 } else { -1 };
        // SAFETY: the list's own length.
        let count = unsafe {
            libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), self.events.len() as i32, timeout)
        };
        let count = usize::try_from(count).expect("a wait that does not fail");
        for event in &self.events[..count] {
            let fd = event.u64 as RawFd;
            if COUNT {
                let mut bytes = 0;
                // SAFETY: the number lives across the call.
                unsafe { libc::ioctl(fd, libc::FIONREAD, &mut bytes) };
                black_box(bytes);
            }
            handle(fd);
        }
        count
    }

    fn add_unarmed(&mut self, fds: &[RawFd]) {
        fds.iter().for_each(|fd| self.control(libc::EPOLL_CTL_ADD, *fd, ONCE));
    }

    fn arm_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        fds.iter().for_each(|fd| self.control(libc::EPOLL_CTL_MOD, *fd, READ | ONCE));
        self.wait(Wait::No, handle)
    }
}

/// An edge-triggered eventfd, which need not be read, as in mio.
impl<const COUNT: bool> Wakes for Epoll<COUNT> {
    type Waker = Arc<OwnedFd>;

    fn waker(&self) -> Self::Waker {
        // SAFETY: makes a descriptor.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        self.control(libc::EPOLL_CTL_ADD, fd, READ | EDGE);
        // SAFETY: it was just made.
        Arc::new(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    #[inline(always)]
    fn wake(waker: &Self::Waker) {
        let one = 1u64;
        // SAFETY: eight bytes to write.
        let written = unsafe { libc::write(waker.as_raw_fd(), std::ptr::addr_of!(one).cast(), 8) };
        assert_eq!(written, 8);
    }

    #[inline(always)]
    fn wait_for_wake(&mut self) {
        while self.wait(Wait::Forever, |_| ()) == 0 {}
    }
}
