//! The Linux system calls that the queue is made of, each with its errno as a result.

use core::ffi::{c_int, c_long};
use core::mem::{self, MaybeUninit};
use core::sync::atomic::{AtomicBool, Ordering};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::syscall::syscall;

/// An errno.
pub(crate) type Errno = c_int;
pub(crate) type Result<T> = core::result::Result<T, Errno>;

pub(crate) const NANOS_PER_SEC: u64 = 1_000_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;

pub(crate) fn errno() -> Errno {
    // SAFETY: the C library answers with the calling thread's own errno, which is always valid to read.
    unsafe { *libc::__errno_location() }
}

/// `errno` after a call that failed, which no call on the common way does.
#[cold]
fn last_errno() -> Errno {
    errno()
}

pub(crate) fn set_errno(errno: Errno) {
    // SAFETY: as in `errno`; writing it is what every C function does.
    unsafe { *libc::__errno_location() = errno }
}

#[inline]
pub(crate) fn check(result: c_int) -> Result<c_int> {
    if result < 0 {
        Err(last_errno())
    } else {
        Ok(result)
    }
}

/// # Safety
/// The result must be of a call that makes a descriptor.
pub(crate) unsafe fn owned(result: c_int) -> Result<OwnedFd> {
    // SAFETY: by the caller's promise the descriptor was just made, so that nobody else has it.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn epoll_create(cloexec: bool) -> Result<OwnedFd> {
    // SAFETY: takes no pointer, and makes a descriptor.
    unsafe { owned(libc::epoll_create1(if cloexec { libc::EPOLL_CLOEXEC } else { 0 })) }
}

/// `EPOLL_CTL_ADD`, `EPOLL_CTL_MOD` or `EPOLL_CTL_DEL`.
#[inline(always)]
pub(crate) fn epoll_ctl(epoll: RawFd, operation: c_int, fd: RawFd, interest: u32, key: u64) -> Result<()> {
    let event = libc::epoll_event { events: interest, u64: key };
    let arguments = [epoll as usize, operation as usize, fd as usize, &event as *const libc::epoll_event as usize];
    // SAFETY: `event` lives across the call, which only reads it.
    unsafe { syscall(libc::SYS_epoll_ctl, arguments) }.map(drop)
}

/// Whether the number is an epoll instance; true where that cannot be found out.
pub(crate) fn is_epoll(fd: RawFd) -> bool {
    // Asked for an entry that it cannot have: any other file answers EINVAL.
    eventfd(0).map_or(true, |other| epoll_ctl(fd, libc::EPOLL_CTL_DEL, other.as_raw_fd(), 0, 0) == Err(libc::ENOENT))
}

/// How long to wait, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(u64);

impl Wait {
    pub(crate) const NO: Wait = Wait(0);
    pub(crate) const FOREVER: Wait = Wait(u64::MAX);

    pub(crate) fn nanos(nanos: u64) -> Wait {
        Wait(nanos.min(u64::MAX - 1))
    }

    /// When it is over, if it begins now.
    #[inline]
    pub(crate) fn end(self) -> End {
        match self {
            Wait::NO => End::NOW,
            Wait::FOREVER => End::NEVER,
            Wait(nanos) => End(now(libc::CLOCK_MONOTONIC).saturating_add(nanos).min(End::NEVER.0 - 1)),
        }
    }
}

/// When a wait is over, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct End(u64);

impl End {
    /// Before it begins: it only looks.
    pub(crate) const NOW: End = End(0);
    pub(crate) const NEVER: End = End(u64::MAX);

    /// What is left until then: `NO` when it is over.
    pub(crate) fn wait(self) -> Wait {
        match self {
            End::NOW => Wait::NO,
            End::NEVER => Wait::FOREVER,
            End(time) => Wait::nanos(time.saturating_sub(now(libc::CLOCK_MONOTONIC))),
        }
    }
}

/// What epoll_pwait2(2) takes: 64 bits wide on every architecture.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct KernelTimespec {
    seconds: i64,
    nanos: i64,
}

/// A wait as one of the kernel's calls: in milliseconds, or to the nanosecond, which costs a little more.
#[derive(Clone, Copy)]
pub(crate) enum Timeout {
    Millis(c_int),
    Exact(KernelTimespec),
}

impl Timeout {
    pub(crate) const NO: Timeout = Timeout::Millis(0);
}

/// No wait is of other than whole milliseconds: the kernel is older than 5.11, or refuses the newer call to this process.
static NO_PWAIT2: AtomicBool = AtomicBool::new(false);
const MOST_MILLIS: u64 = c_int::MAX as u64;

impl Wait {
    /// The wait in one call; `None` if it takes several.
    #[inline(always)]
    pub(crate) fn timeout(self) -> Option<Timeout> {
        match self {
            Wait::NO => Some(Timeout::NO),
            Wait::FOREVER => Some(Timeout::Millis(-1)),
            _ => self.finite_timeout(),
        }
    }

    #[inline(never)]
    fn finite_timeout(self) -> Option<Timeout> {
        let Wait(nanos) = self;
        if nanos % NANOS_PER_MILLI == 0 && nanos / NANOS_PER_MILLI <= MOST_MILLIS {
            return Some(Timeout::Millis((nanos / NANOS_PER_MILLI) as c_int));
        }
        let time = KernelTimespec { seconds: (nanos / NANOS_PER_SEC) as i64, nanos: (nanos % NANOS_PER_SEC) as i64 };
        (!NO_PWAIT2.load(Ordering::Relaxed)).then_some(Timeout::Exact(time))
    }
}

/// Whether a wait failed because the kernel does not have the call for exact ones, which it is not asked for again then.
#[cold]
pub(crate) fn lacks_exact_waits(errno: Errno) -> bool {
    // What filters of system calls answer to a call that they do not know; epoll has no use for either.
    let lacks = matches!(errno, libc::ENOSYS | libc::EPERM);
    if lacks {
        NO_PWAIT2.store(true, Ordering::Relaxed);
    }
    lacks
}

/// Waits for entries of an epoll instance: none when the time is over.
///
/// # Safety
/// `list` must be valid for writing `room` entries.
#[inline(never)]
pub(crate) unsafe fn epoll_wait(epoll: RawFd, list: *mut libc::epoll_event, room: usize, wait: Wait) -> Result<usize> {
    if let Some(timeout) = wait.timeout() {
        // SAFETY: the caller's promise.
        match unsafe { epoll_wait_once(epoll, list, room, timeout) } {
            Err(errno) if lacks_exact_waits(errno) => {}
            result => return result,
        }
    }
    let Wait(nanos) = wait;
    let mut millis = nanos.div_ceil(NANOS_PER_MILLI);
    loop {
        let timeout = Timeout::Millis(millis.min(MOST_MILLIS) as c_int);
        // SAFETY: the caller's promise.
        let count = unsafe { epoll_wait_once(epoll, list, room, timeout) }?;
        millis -= millis.min(MOST_MILLIS);
        if count > 0 || millis == 0 {
            return Ok(count);
        }
    }
}

/// Waits by one call.
///
/// Not by the C library's function, which is a cancellation point and pays for it once there are threads: a thread must
/// not be cancelled in the midst of Rust.
///
/// # Safety
/// As of `epoll_wait`.
#[inline(always)] // see `syscall`
pub(crate) unsafe fn epoll_wait_once(
    epoll: RawFd,
    list: *mut libc::epoll_event,
    room: usize,
    timeout: Timeout,
) -> Result<usize> {
    // The newer architectures have epoll_pwait(2) only, which costs a fifth more.
    #[cfg(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm"))]
    const IN_MILLIS: c_long = libc::SYS_epoll_wait;
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm")))]
    const IN_MILLIS: c_long = libc::SYS_epoll_pwait;
    let (number, argument) = match &timeout {
        Timeout::Millis(millis) => (IN_MILLIS, *millis as usize),
        Timeout::Exact(time) => (libc::SYS_epoll_pwait2, time as *const KernelTimespec as usize),
    };
    // No signal mask, which the first one does not take.
    const NO_MASK: [usize; 2] = [0, 0];
    let [mask, size] = NO_MASK;
    // SAFETY: `list` is the caller's promise, and a time lives across the call.
    unsafe { syscall(number, [epoll as usize, list as usize, room, argument, mask, size]) }
}

pub(crate) fn eventfd(value: u32) -> Result<OwnedFd> {
    // SAFETY: takes no pointer, and makes a descriptor.
    unsafe { owned(libc::eventfd(value, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)) }
}

/// Adds one to an eventfd, which no program's count reaches the end of.
#[inline(always)]
pub(crate) fn eventfd_write(eventfd: &OwnedFd) {
    let one: u64 = 1;
    let arguments = [eventfd.as_raw_fd() as usize, &one as *const u64 as usize, mem::size_of::<u64>()];
    // SAFETY: writes the eight bytes of `one`. It fails where the counter is full: then the entry shows all the same.
    let _ = unsafe { syscall(libc::SYS_write, arguments) };
}

pub(crate) fn timerfd_create(clock: libc::clockid_t) -> Result<OwnedFd> {
    // SAFETY: takes no pointer, and makes a descriptor.
    unsafe { owned(libc::timerfd_create(clock, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK)) }
}

/// Sets the timer to an absolute time in nanoseconds, or off.
#[allow(deprecated)] // libc marks musl's time_t, which it is going to widen
pub(crate) fn timerfd_set(timer: &OwnedFd, deadline: Option<u64>) -> Result<()> {
    // SAFETY: an itimerspec is plain integers, for which zeros are valid.
    let mut spec: libc::itimerspec = unsafe { mem::zeroed() };
    if let Some(deadline) = deadline {
        // All zeros would turn the timer off instead of making it due.
        let deadline = deadline.max(1);
        spec.it_value.tv_sec = libc::time_t::try_from(deadline / NANOS_PER_SEC).unwrap_or(libc::time_t::MAX);
        spec.it_value.tv_nsec = (deadline % NANOS_PER_SEC) as _;
    }
    // SAFETY: `spec` lives across the call, and no old value is asked for.
    check(unsafe { libc::timerfd_settime(timer.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &spec, core::ptr::null_mut()) })
        .map(drop)
}

/// The time of a clock in nanoseconds.
pub(crate) fn now(clock: libc::clockid_t) -> u64 {
    let time = time_of(clock);
    time.tv_sec as u64 * NANOS_PER_SEC + time.tv_nsec as u64
}

/// A clock of seconds that costs next to nothing to read.
pub(crate) fn seconds() -> u32 {
    time_of(libc::CLOCK_MONOTONIC_COARSE).tv_sec as u32
}

#[inline]
fn time_of(clock: libc::clockid_t) -> libc::timespec {
    // SAFETY: a timespec is plain integers, for which zeros are valid.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: `time` is valid for writing; the clocks that are used here always exist.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time
}

pub(crate) fn close(fd: RawFd) -> Result<()> {
    // SAFETY: the number is the caller's to close, by the contract of `kq_sys::close`.
    check(unsafe { libc::close(fd) }).map(drop)
}

/// Whether the number is open.
pub(crate) fn is_open(fd: RawFd) -> bool {
    // SAFETY: takes no pointer.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// FIONREAD: what can be read now.
#[inline(always)]
pub(crate) fn bytes_to_read(fd: RawFd) -> Result<c_int> {
    let mut bytes: c_int = 0;
    let arguments = [fd as usize, libc::FIONREAD as usize, &mut bytes as *mut c_int as usize];
    // SAFETY: FIONREAD writes one int.
    unsafe { syscall(libc::SYS_ioctl, arguments) }.map(|_| bytes)
}

/// SIOCOUTQ: what has been written to a socket and is not delivered yet.
pub(crate) fn bytes_unsent(fd: RawFd) -> Result<c_int> {
    let mut bytes: c_int = 0;
    // SAFETY: TIOCOUTQ, of which SIOCOUTQ is another name, writes one int.
    check(unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &mut bytes) }).map(|_| bytes)
}

pub(crate) fn pipe_size(fd: RawFd) -> Result<c_int> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::fcntl(fd, libc::F_GETPIPE_SZ) })
}

/// Whether a pipe has a name in a file system.
#[allow(clippy::unnecessary_cast)] // another type with another C library
pub(crate) fn is_fifo(fd: RawFd) -> bool {
    const PIPEFS_MAGIC: u64 = 0x5049_5045;
    let mut status = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: `status` is valid for writing.
    let outcome = check(unsafe { libc::fstatfs(fd, status.as_mut_ptr()) });
    // SAFETY: a statfs is plain integers, and was zeroed before the call.
    outcome.is_ok() && unsafe { status.assume_init() }.f_type as u64 != PIPEFS_MAGIC
}

/// A socket option.
///
/// # Safety
/// Any bytes must be a valid `T`.
unsafe fn socket_option<T: Copy>(fd: RawFd, level: c_int, name: c_int) -> Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut size = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` has `size` bytes to write to.
    check(unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &mut size) })?;
    // SAFETY: zeroed before the call, and valid whatever it wrote, by the caller's promise.
    Ok(unsafe { value.assume_init() })
}

pub(crate) fn socket_int(fd: RawFd, name: c_int) -> Result<c_int> {
    // SAFETY: an integer.
    unsafe { socket_option(fd, libc::SOL_SOCKET, name) }
}

pub(crate) fn tcp_info(fd: RawFd) -> Result<libc::tcp_info> {
    // SAFETY: a struct of integers.
    unsafe { socket_option(fd, libc::IPPROTO_TCP, libc::TCP_INFO) }
}

pub(crate) fn status_of(fd: RawFd) -> Result<libc::stat> {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: `status` is valid for writing.
    check(unsafe { libc::fstat(fd, status.as_mut_ptr()) })?;
    // SAFETY: a stat is plain integers, and was zeroed before the call filled it.
    Ok(unsafe { status.assume_init() })
}

/// poll(2) of one descriptor without waiting.
pub(crate) fn poll_now(fd: RawFd, events: i16) -> i16 {
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one entry, which lives across the call.
    unsafe { libc::poll(&mut entry, 1, 0) };
    entry.revents
}

pub(crate) fn pidfd_open(pid: libc::pid_t) -> Result<OwnedFd> {
    // SAFETY: takes no pointer, and makes a descriptor. The kernel makes the descriptor close-on-exec.
    unsafe { owned(libc::syscall(libc::SYS_pidfd_open, pid, 0) as c_int) }
}

/// The wait status of a zombie child behind a pidfd, which stays for the program to reap; `None` while it runs.
pub(crate) fn peek_child_status(pidfd: RawFd) -> Result<Option<c_int>> {
    const P_PIDFD: libc::idtype_t = 3;
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: `info` is valid for writing.
    check(unsafe {
        libc::waitid(P_PIDFD, pidfd as libc::id_t, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT | libc::WNOHANG)
    })?;
    // SAFETY: a siginfo is plain integers, and was zeroed before the call.
    let info = unsafe { info.assume_init() };
    // SAFETY: the fields of a siginfo that waitid fills; zero where no child was found.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    const CORE_DUMPED: c_int = 0x80;
    Ok(Some(match info.si_code {
        libc::CLD_EXITED => (status & 0xff) << 8,
        libc::CLD_DUMPED => status | CORE_DUMPED,
        _ => status,
    }))
}

/// The wait status of a process that has been reaped, where the kernel keeps it (Linux 6.15).
pub(crate) fn reaped_status(pidfd: RawFd) -> Option<c_int> {
    /// `struct pidfd_info` in its first version.
    #[repr(C)]
    #[derive(Default)]
    struct PidfdInfo {
        mask: u64,
        cgroup: u64,
        ids: [u32; 11],
        exit_code: i32,
    }
    const PIDFD_INFO_EXIT: u64 = 1 << 3;
    // _IOWR(0xff, 11, struct pidfd_info)
    const PIDFD_GET_INFO: u32 = 3 << 30 | (mem::size_of::<PidfdInfo>() as u32) << 16 | 0xff << 8 | 11;
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the size of `info` is part of the request's number, and the kernel writes no more than that.
    check(unsafe { libc::ioctl(pidfd, PIDFD_GET_INFO as _, &mut info) }).ok()?;
    (info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code)
}

/// Makes `number` another name of the file behind `fresh`, keeping its close-on-exec flag.
pub(crate) fn take_over(fresh: &OwnedFd, number: RawFd) -> Result<()> {
    // SAFETY: takes no pointer.
    let flags = check(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    let cloexec = if flags & libc::FD_CLOEXEC != 0 { libc::O_CLOEXEC } else { 0 };
    // SAFETY: takes no pointer; the number is the queue's own.
    check(unsafe { libc::dup3(fresh.as_raw_fd(), number, cloexec) }).map(drop)
}

/// kcmp(2): whether `fd` of this process is the file of entry number `nth` of the epoll instance's entries for
/// `number`.
pub(crate) fn is_entry(fd: RawFd, epoll: RawFd, number: RawFd, nth: u32) -> bool {
    #[repr(C)]
    struct EpollSlot {
        epoll: u32,
        number: u32,
        nth: u32,
    }
    const KCMP_EPOLL_TFD: c_int = 7;
    let slot = EpollSlot { epoll: epoll as u32, number: number as u32, nth };
    // SAFETY: `slot` lives across the call.
    unsafe {
        // The process's first thread may have ended, and has no descriptors then.
        let me = libc::syscall(libc::SYS_gettid);
        libc::syscall(libc::SYS_kcmp, me, me, KCMP_EPOLL_TFD, fd, &slot as *const EpollSlot) == 0
    }
}

/// Removes an epoll entry whose number is not the file's any more, given another descriptor of the file.
///
/// It is done in a copy of the table of descriptors that only a short-lived thread has, so that the number changes
/// for nobody else.
pub(crate) fn remove_by_other_name(epoll: RawFd, number: RawFd, other: RawFd) -> Result<()> {
    let blocked = SignalsBlocked::new();
    let thread = std::thread::Builder::new().name("kq-stale".into()).spawn(move || {
        // SAFETY: takes no pointer.
        check(unsafe { libc::unshare(libc::CLONE_FILES) })?;
        // SAFETY: takes no pointer; the number is this thread's own by now.
        check(unsafe { libc::dup2(other, number) })?;
        epoll_ctl(epoll, libc::EPOLL_CTL_DEL, number, 0, 0)
    });
    drop(blocked);
    thread.map_err(|_| libc::EAGAIN)?.join().unwrap_or(Err(libc::EAGAIN))
}

/// While it lives, the calling thread has all signals blocked, and so have the threads that it starts.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> SignalsBlocked {
        let mut all = MaybeUninit::<libc::sigset_t>::zeroed();
        let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: both sets are valid for writing, and filled before they are read.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            SignalsBlocked(before.assume_init())
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the mask that `new` read.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, core::ptr::null_mut()) };
    }
}

pub(crate) fn is_terminal(fd: RawFd) -> bool {
    // SAFETY: takes no pointer.
    unsafe { libc::isatty(fd) != 0 }
}

/// A descriptor's offset in its file.
pub(crate) fn offset_of(fd: RawFd) -> Result<libc::off_t> {
    // SAFETY: takes no pointer, and moves nothing.
    let offset = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
    if offset < 0 {
        Err(errno())
    } else {
        Ok(offset)
    }
}

/// Makes a signalfd, or changes the signals of `existing` (-1 for none).
pub(crate) fn signalfd(existing: RawFd, signals: &libc::sigset_t) -> Result<RawFd> {
    // SAFETY: `signals` lives across the call.
    check(unsafe { libc::signalfd(existing, signals, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })
}

pub(crate) fn page_size() -> usize {
    // SAFETY: takes no pointer.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// perf_event_open(2): a counter of nothing on the process's first thread, which records its forks and execs and is
/// ready as soon as there is a record.
pub(crate) fn perf_open(pid: libc::pid_t) -> Result<OwnedFd> {
    /// `struct perf_event_attr` in its first version.
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        kind: u32,
        size: u32,
        config: u64,
        sample_period: u64,
        sample_type: u64,
        read_format: u64,
        flags: u64,
        wakeup_watermark: u32,
        breakpoint_type: u32,
        config1: u64,
    }
    const TYPE_SOFTWARE: u32 = 1;
    const COUNT_DUMMY: u64 = 9;
    const EXCLUDE_KERNEL: u64 = 1 << 5;
    const EXCLUDE_HYPERVISOR: u64 = 1 << 6;
    const COMM: u64 = 1 << 9;
    const TASK: u64 = 1 << 13;
    const WATERMARK: u64 = 1 << 14;
    const COMM_EXEC: u64 = 1 << 24;
    const FLAG_FD_CLOEXEC: usize = 8;
    let attributes = Attributes {
        kind: TYPE_SOFTWARE,
        size: mem::size_of::<Attributes>() as u32,
        config: COUNT_DUMMY,
        flags: EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR | COMM | TASK | WATERMARK | COMM_EXEC,
        wakeup_watermark: 1,
        ..Attributes::default()
    };
    const ANY_CPU: c_int = -1;
    const NO_GROUP: c_int = -1;
    let attributes: *const Attributes = &attributes;
    // SAFETY: `attributes` lives across the call and says its size; the call makes a descriptor.
    unsafe {
        let fd = libc::syscall(libc::SYS_perf_event_open, attributes, pid, ANY_CPU, NO_GROUP, FLAG_FD_CLOEXEC);
        owned(fd as c_int)
    }
}

/// Maps a descriptor's memory for reading and writing.
pub(crate) fn map_shared(fd: &OwnedFd, length: usize) -> Result<core::ptr::NonNull<u8>> {
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let address = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            fd.as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(errno());
    }
    core::ptr::NonNull::new(address.cast()).ok_or(libc::ENOMEM)
}

pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> Result<OwnedFd> {
    // SAFETY: takes no pointer, and makes a descriptor.
    unsafe { owned(libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol)) }
}

/// Sends bytes, without waiting.
pub(crate) fn send(fd: RawFd, message: &[u8]) -> Result<()> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `message` has that many bytes.
    let sent = unsafe { libc::send(fd, message.as_ptr().cast(), message.len(), flags) };
    if sent < 0 {
        Err(errno())
    } else {
        Ok(())
    }
}

/// Receives into a buffer, without waiting.
pub(crate) fn receive(fd: RawFd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the buffer has that many bytes.
    let received = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
    usize::try_from(received).map_err(|_| errno())
}

/// What a socket's buffers hold and may hold, by `SK_MEMINFO_*`.
pub(crate) struct SocketMemory {
    pub(crate) send_size: u32,
    /// What waits to be sent, with the kernel's overhead.
    pub(crate) unsent: u32,
}

pub(crate) fn socket_memory(fd: RawFd) -> Result<SocketMemory> {
    const WMEM_ALLOC: usize = libc::SK_MEMINFO_WMEM_ALLOC as usize;
    const SNDBUF: usize = libc::SK_MEMINFO_SNDBUF as usize;
    const WMEM_QUEUED: usize = libc::SK_MEMINFO_WMEM_QUEUED as usize;
    // SAFETY: integers.
    let memory: [u32; 9] = unsafe { socket_option(fd, libc::SOL_SOCKET, libc::SO_MEMINFO) }?;
    Ok(SocketMemory { send_size: memory[SNDBUF], unsent: memory[WMEM_ALLOC].max(memory[WMEM_QUEUED]) })
}
