//! The memory that a queue takes as it grows, on Linux: `cargo bench -p kq-sys --bench memory`.
//!
//! Prints the bytes for each READ knote of so many idle pipes, and for each of so many timers. The number of pipes is
//! what the descriptor limit allows; it is raised as far as the system lets it. What a queue's calls cost as it grows is
//! in BENCHMARKS.md.

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("The kernel answers here; its memory is not kq-sys's.");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::ffi::c_int;
    use std::ptr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kq_sys::{kevent, kqueue, timespec, EVFILT_READ, EVFILT_TIMER, EV_ADD};

    /// Counts the bytes that are allocated.
    struct Counting;

    static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

    // SAFETY: every call is handed on to the system's allocator as it is.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
            // SAFETY: the caller's promise.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(pointer, layout) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    const NOW: timespec = timespec { tv_sec: 0, tv_nsec: 0 };

    fn change(ident: usize, filter: i16, flags: u16, data: i64) -> kevent {
        kevent { ident, filter, flags, fflags: 0, data, udata: ptr::null_mut() }
    }

    fn apply(queue: c_int, changes: &[kevent]) {
        // SAFETY: the list's own length, and no events.
        let result = unsafe { kevent(queue, changes.as_ptr(), changes.len() as c_int, ptr::null_mut(), 0, &NOW) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }

    fn pipe() -> [c_int; 2] {
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors.
        assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
        ends
    }

    /// Raises the limit of descriptors as far as it goes, and tells it.
    fn descriptor_limit() -> usize {
        let wanted = libc::rlimit { rlim_cur: 250_000, rlim_max: 250_000 };
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: both structs live across the calls. Without the privilege the limit stays what it is.
        unsafe {
            libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
            if limit.rlim_cur < wanted.rlim_cur && libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) != 0 {
                limit.rlim_cur = limit.rlim_max;
                libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
            }
            libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        }
        limit.rlim_cur as usize
    }

    /// The bytes that a queue with these knotes takes, and one without does not, for each of them.
    fn bytes_each(knotes: &[kevent]) -> usize {
        // SAFETY: needs nothing.
        let queue = unsafe { kqueue() };
        let before = ALLOCATED.load(Ordering::Relaxed);
        knotes.iter().for_each(|knote| apply(queue, &[*knote]));
        let bytes = (ALLOCATED.load(Ordering::Relaxed) - before) / knotes.len();
        // SAFETY: the queue is this function's own.
        unsafe { kq_sys::close(queue) };
        bytes
    }

    pub fn main() {
        // `cargo test --benches` only asks whether it starts.
        if std::env::args().any(|argument| argument == "--test") {
            return;
        }
        let limit = descriptor_limit();
        println!("  pipes  bytes each");
        let mut pipes = Vec::new();
        for total in [100, 1_000, 10_000, 100_000] {
            while pipes.len() < total && 2 * pipes.len() + 300 < limit {
                pipes.push(pipe());
            }
            let knotes: Vec<kevent> =
                pipes.iter().map(|[reader, _]| change(*reader as usize, EVFILT_READ, EV_ADD, 0)).collect();
            println!("{:>7} {:>11}", pipes.len(), bytes_each(&knotes));
            if pipes.len() < total {
                println!("        (the limit of {limit} descriptors is reached)");
                break;
            }
        }
        println!("\n timers  bytes each");
        for total in [100, 1_000, 10_000, 100_000] {
            let knotes: Vec<kevent> =
                (0..total).map(|id| change(id, EVFILT_TIMER, EV_ADD, 3_600_000 + id as i64)).collect();
            println!("{total:>7} {:>11}", bytes_each(&knotes));
        }
    }
}
