//! The process's signals as all its queues see them: counted by a handler that runs before the program's own.
//!
//! Linux tells nobody of a signal that is ignored, or handled: only a handler sees every delivery. It is installed
//! while a knote of any queue watches the signal, calls what the program had installed, and is taken out again with
//! the last knote. Signals that end or stop the process by default are left alone, as are SIGKILL and SIGSTOP.

use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::os::fd::{IntoRawFd, RawFd};

use parking_lot::Mutex;

use super::registry;
use super::sys::{self, Result};

/// The highest signal number of Linux.
pub(super) const HIGHEST: usize = 64;

/// What the program had installed, by signal: read by the handler, also in a forked child.
static CHAINED: [AtomicUsize; HIGHEST + 1] = [const { AtomicUsize::new(libc::SIG_DFL) }; HIGHEST + 1];

/// When a handler last ran in place of nothing, in nanoseconds.
static LAST_OURS: AtomicU64 = AtomicU64::new(0);

/// Whether any signal was ever watched: waits look after signals only then.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// One process's watched signals.
pub(super) struct Signals {
    deliveries: [AtomicU64; HIGHEST + 1],
    /// The descriptor that the handler writes to, plus one; 0 while there is none.
    eventfd: AtomicI32,
    /// A signalfd of all watched signals, plus one; 0 while there is none. It shows those that are blocked, which no
    /// handler sees, and is never read, so that they stay for the program.
    signalfd: AtomicI32,
    /// How many handlers may be about to use the descriptor.
    running: AtomicU32,
    installed: Mutex<Installed>,
}

struct Installed {
    /// How many knotes watch each signal, and all together.
    watchers: [u32; HIGHEST + 1],
    all: u32,
    /// What was installed before the handler was.
    before: [Option<libc::sigaction>; HIGHEST + 1],
}

/// A knote's share in the handler of a signal: taken out with the last one.
pub(super) struct Hold(usize);

impl Signals {
    pub(super) const fn new() -> Signals {
        Signals {
            deliveries: [const { AtomicU64::new(0) }; HIGHEST + 1],
            eventfd: AtomicI32::new(0),
            signalfd: AtomicI32::new(0),
            running: AtomicU32::new(0),
            installed: Mutex::new(Installed {
                watchers: [0; HIGHEST + 1],
                all: 0,
                before: [const { None }; HIGHEST + 1],
            }),
        }
    }

    /// Starts to count a signal.
    pub(super) fn watch(&self, signal: usize) -> Result<Hold> {
        let mut installed = self.installed.lock();
        if installed.all == 0 {
            let eventfd = sys::eventfd(0)?;
            let signalfd = sys::signalfd(-1, &set_of(bit(signal)))?;
            self.signalfd.store(signalfd + 1, Ordering::SeqCst);
            self.eventfd.store(eventfd.into_raw_fd() + 1, Ordering::SeqCst);
        } else if installed.watchers[signal] == 0 {
            sys::signalfd(self.signalfd.load(Ordering::SeqCst) - 1, &set_of(installed.signals() | bit(signal)))?;
        }
        IN_USE.store(true, Ordering::Relaxed);
        installed.watchers[signal] += 1;
        installed.all += 1;
        installed.chain(signal);
        Ok(Hold(signal))
    }

    /// The descriptors that become readable, edge by edge, with every delivery of a watched signal, and with every
    /// one that is blocked.
    pub(super) fn descriptors(&self) -> [Option<RawFd>; 2] {
        [&self.eventfd, &self.signalfd].map(|number| number.load(Ordering::SeqCst).checked_sub(1).filter(|fd| *fd >= 0))
    }

    /// How often a signal was delivered while it was watched.
    pub(super) fn deliveries(&self, signal: usize) -> u64 {
        self.deliveries[signal].load(Ordering::Acquire)
    }

    /// Installs the handler again where the program has put another in its place.
    pub(super) fn rechain(&self, signals: u64) {
        for signal in 1..=HIGHEST {
            if signals & bit(signal) != 0 && current(signal).is_some_and(|now| now.sa_sigaction != on_signal()) {
                self.installed.lock().chain(signal);
            }
        }
    }
}

pub(super) const fn bit(signal: usize) -> u64 {
    1 << (signal - 1)
}

impl Drop for Hold {
    fn drop(&mut self) {
        // A forked child has nothing installed by this hold.
        let Some(signals) = registry::signals() else { return };
        let mut installed = signals.installed.lock();
        installed.watchers[self.0] -= 1;
        installed.all -= 1;
        if installed.watchers[self.0] == 0 {
            installed.restore(self.0);
            if installed.all != 0 {
                // Fewer signals to show: a failure would show one that nobody looks for.
                let _ = sys::signalfd(signals.signalfd.load(Ordering::SeqCst) - 1, &set_of(installed.signals()));
            }
        }
        if installed.all == 0 {
            let eventfd = signals.eventfd.swap(0, Ordering::SeqCst) - 1;
            // A handler that has read the number must have written before it can be another file's.
            while signals.running.load(Ordering::SeqCst) != 0 {
                std::thread::yield_now();
            }
            let _ = sys::close(eventfd);
            let _ = sys::close(signals.signalfd.swap(0, Ordering::SeqCst) - 1);
        }
    }
}

impl Installed {
    /// The watched signals, a bit each.
    fn signals(&self) -> u64 {
        (1..=HIGHEST).filter(|signal| self.watchers[*signal] > 0).map(bit).sum()
    }

    /// Puts the handler before the program's, if that is a thing to do for the signal.
    fn chain(&mut self, signal: usize) {
        // The last knote may have gone since somebody looked.
        if self.watchers[signal] == 0 {
            return;
        }
        let Some(now) = current(signal) else { return };
        if now.sa_sigaction == on_signal() {
            return;
        }
        let is_default = now.sa_sigaction == libc::SIG_DFL;
        let is_ignored = now.sa_sigaction == libc::SIG_IGN;
        let number = signal as c_int;
        let harmless = [libc::SIGCHLD, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT].contains(&number);
        // What ends or stops the process must go on doing so. And children of a process that ignores SIGCHLD send
        // none on FreeBSD.
        if is_default && !harmless || is_ignored && number == libc::SIGCHLD {
            return;
        }
        CHAINED[signal].store(now.sa_sigaction, Ordering::Release);
        let mut ours = now;
        ours.sa_sigaction = on_signal();
        ours.sa_flags |= libc::SA_SIGINFO;
        if is_default || is_ignored {
            // Nobody expects to be interrupted by a signal that does nothing.
            ours.sa_flags |= libc::SA_RESTART | libc::SA_ONSTACK;
        }
        // SAFETY: a complete sigaction, whose handler does nothing that a handler must not.
        if unsafe { libc::sigaction(number, &ours, ptr::null_mut()) } == 0 {
            self.before[signal] = Some(now);
        }
    }

    /// Puts back what was there, unless the program has put in something else since.
    fn restore(&mut self, signal: usize) {
        let Some(before) = self.before[signal].take() else { return };
        if current(signal).is_some_and(|now| now.sa_sigaction == on_signal()) {
            // SAFETY: a sigaction that was in force before.
            unsafe { libc::sigaction(signal as c_int, &before, ptr::null_mut()) };
        }
    }
}

/// What is installed for a signal; `None` for those that the C library keeps to itself.
fn current(signal: usize) -> Option<libc::sigaction> {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only, and `now` is valid for writing.
    let result = unsafe { libc::sigaction(signal as c_int, ptr::null(), now.as_mut_ptr()) };
    // SAFETY: the call filled it; a sigaction is plain integers and an optional function.
    (result == 0).then(|| unsafe { now.assume_init() })
}

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

fn on_signal() -> libc::sighandler_t {
    handle as Handler as libc::sighandler_t
}

thread_local! {
    /// Which handlers have run in this thread since a wait began.
    static RAN: Cell<Ran> = const { Cell::new(Ran::Nothing) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ran {
    Nothing,
    OnlyOurs,
    TheProgrammes,
}

extern "C" fn handle(number: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let errno = sys::errno();
    let signal = number as usize;
    // In a forked child there is nothing to count until it has queues of its own.
    if let Some(signals) = registry::signals() {
        signals.deliveries[signal].fetch_add(1, Ordering::AcqRel);
        signals.running.fetch_add(1, Ordering::SeqCst);
        if let [Some(eventfd), _] = signals.descriptors() {
            let one: u64 = 1;
            // SAFETY: writes eight bytes of `one`; the descriptor stays open while `running` says so.
            unsafe { libc::write(eventfd, ptr::addr_of!(one).cast(), 8) };
        }
        signals.running.fetch_sub(1, Ordering::SeqCst);
    }
    let chained = CHAINED[signal].load(Ordering::Acquire);
    let is_the_programmes = chained != libc::SIG_DFL && chained != libc::SIG_IGN;
    if !is_the_programmes {
        LAST_OURS.store(sys::now(libc::CLOCK_MONOTONIC), Ordering::Release);
    }
    let _ = RAN.try_with(|ran| {
        if is_the_programmes {
            ran.set(Ran::TheProgrammes);
        } else if ran.get() == Ran::Nothing {
            ran.set(Ran::OnlyOurs);
        }
    });
    sys::set_errno(errno);
    if is_the_programmes {
        // SAFETY: the program installed it as a handler of this signal; the kernel enters every handler with these
        // three arguments, of which one without SA_SIGINFO takes the first.
        let handler = unsafe { core::mem::transmute::<usize, Handler>(chained) };
        handler(number, info, context);
    }
}

/// Whether any signal was ever watched.
#[inline]
pub(super) fn in_use() -> bool {
    IN_USE.load(Ordering::Relaxed)
}

/// A wait begins: forgets which handlers ran before it.
pub(super) fn wait_begins() {
    RAN.with(|ran| ran.set(Ran::Nothing));
}

/// Whether a wait was interrupted by nothing but this crate's handler, of which the program knows nothing.
#[cold]
pub(super) fn only_ours_ran() -> bool {
    if !in_use() {
        return false;
    }
    match RAN.with(|ran| ran.replace(Ran::Nothing)) {
        Ran::OnlyOurs => true,
        Ran::TheProgrammes => false,
        // A handler of the program's that is not chained; or the kernel woke this thread for a signal that another
        // thread took before, in which the handler runs about now.
        Ran::Nothing => (0..STOLEN_LOOKS).any(|_| {
            std::thread::yield_now();
            let age = sys::now(libc::CLOCK_MONOTONIC).saturating_sub(LAST_OURS.load(Ordering::Acquire));
            age < STOLEN_NANOS
        }),
    }
}

/// How recently the handler must have run elsewhere for an interruption to be its signal's, and how often to look.
const STOLEN_NANOS: u64 = 10_000_000;
const STOLEN_LOOKS: u32 = 50;

/// Whether a signal is pending, blocked, for the process or the calling thread.
pub(super) fn is_pending(signal: usize) -> bool {
    let mut pending = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `pending` is valid for writing, and filled before it is read.
    unsafe { libc::sigpending(pending.as_mut_ptr()) == 0 && libc::sigismember(pending.as_ptr(), signal as c_int) == 1 }
}

fn set_of(signals: u64) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `set` is initialised first, then valid for the calls.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in (1..=HIGHEST).filter(|signal| signals & bit(*signal) != 0) {
            libc::sigaddset(set.as_mut_ptr(), signal as c_int);
        }
        set.assume_init()
    }
}
