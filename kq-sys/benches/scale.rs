//! What a queue costs as it grows, on Linux: `cargo bench -p kq-sys --bench scale`.
//!
//! Prints nanoseconds per operation with so many idle pipes on one queue, the same 64 descriptors being active
//! throughout, and the memory that each idle one takes; then the same for timers. Ratios between lines of one run are
//! what counts. The number of pipes is what the descriptor limit allows; it is raised as far as the system lets it.

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("The kernel answers here; its cost is not kq-sys's.");
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
    use std::time::Instant;

    use kq_sys::{kevent, kqueue, timespec, EVFILT_READ, EVFILT_TIMER, EV_ADD, EV_DELETE};

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
    const ACTIVE: usize = 64;
    const ROUNDS: usize = 7;

    fn change(ident: usize, filter: i16, flags: u16, data: i64) -> kevent {
        kevent { ident, filter, flags, fflags: 0, data, udata: ptr::null_mut() }
    }

    fn apply(queue: c_int, changes: &[kevent]) {
        // SAFETY: the list's own length, and no events.
        let result = unsafe { kevent(queue, changes.as_ptr(), changes.len() as c_int, ptr::null_mut(), 0, &NOW) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }

    fn wait(queue: c_int, events: &mut [kevent]) -> usize {
        // SAFETY: the list's own length, and no changes.
        let count = unsafe { kevent(queue, ptr::null(), 0, events.as_mut_ptr(), events.len() as c_int, &NOW) };
        usize::try_from(count).expect("a wait that does not fail")
    }

    fn pipe() -> [c_int; 2] {
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors.
        assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
        ends
    }

    /// Nanoseconds for one of `count` operations: the median of some rounds.
    fn measure(count: usize, mut operation: impl FnMut(usize)) -> f64 {
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                (0..count).for_each(&mut operation);
                start.elapsed().as_nanos() as f64 / count as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[ROUNDS / 2]
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

    fn pipes() {
        let limit = descriptor_limit();
        println!("pipes      one event     add  delete  add+delete  bytes each");
        let active: Vec<[c_int; 2]> = (0..ACTIVE).map(|_| pipe()).collect();
        let spare = pipe()[0] as usize;
        let mut idle = Vec::new();
        for total in [100, 1_000, 10_000, 100_000] {
            while idle.len() < total && 2 * idle.len() + 300 < limit {
                idle.push(pipe());
            }
            // SAFETY: needs nothing.
            let queue = unsafe { kqueue() };
            let before = ALLOCATED.load(Ordering::Relaxed);
            for ends in idle.iter().chain(&active) {
                apply(queue, &[change(ends[0] as usize, EVFILT_READ, EV_ADD, 0)]);
            }
            let bytes = (ALLOCATED.load(Ordering::Relaxed) - before) / (idle.len() + ACTIVE);
            let mut events = [change(0, 0, 0, 0); 8];
            let event = measure(64_000, |turn| {
                let [reader, writer] = active[turn % ACTIVE];
                let mut byte = 0u8;
                // SAFETY: one byte to write, and room for one to read.
                unsafe { libc::write(writer, ptr::addr_of!(byte).cast(), 1) };
                assert_eq!(wait(queue, &mut events), 1);
                // SAFETY: as above.
                unsafe { libc::read(reader, ptr::addr_of_mut!(byte).cast(), 1) };
            });
            let (mut add, mut delete) = (0.0, 0.0);
            let both = measure(64_000, |_| {
                let start = Instant::now();
                apply(queue, &[change(spare, EVFILT_READ, EV_ADD, 0)]);
                let middle = Instant::now();
                apply(queue, &[change(spare, EVFILT_READ, EV_DELETE, 0)]);
                add += middle.duration_since(start).as_nanos() as f64;
                delete += middle.elapsed().as_nanos() as f64;
            });
            let turns = (64_000 * ROUNDS) as f64;
            println!(
                "{:>7} {event:>11.0} {:>7.0} {:>7.0} {both:>11.0} {bytes:>11}",
                idle.len(),
                add / turns,
                delete / turns
            );
            // SAFETY: the queue is this function's own.
            unsafe { kq_sys::close(queue) };
            if idle.len() < total {
                println!("        (the limit of {limit} descriptors is reached)");
                return;
            }
        }
    }

    fn timers() {
        println!("\ntimers   add+fire  re-add  bytes each");
        for total in [100usize, 1_000, 10_000, 100_000] {
            let rounds = 100_000 / total;
            let start = Instant::now();
            let mut bytes = 0;
            for _ in 0..rounds {
                // SAFETY: needs nothing.
                let queue = unsafe { kqueue() };
                let before = ALLOCATED.load(Ordering::Relaxed);
                for id in 0..total {
                    apply(queue, &[change(id, EVFILT_TIMER, EV_ADD | kq_sys::EV_ONESHOT, 0)]);
                }
                bytes = (ALLOCATED.load(Ordering::Relaxed) - before) / total;
                let mut events = vec![change(0, 0, 0, 0); 256];
                let mut fired = 0;
                while fired < total {
                    fired += wait(queue, &mut events);
                }
                // SAFETY: the queue is this function's own.
                unsafe { kq_sys::close(queue) };
            }
            let fire = start.elapsed().as_nanos() as f64 / (rounds * total) as f64;
            // SAFETY: needs nothing.
            let queue = unsafe { kqueue() };
            for id in 0..total {
                apply(queue, &[change(id, EVFILT_TIMER, EV_ADD, 3_600_000 + id as i64)]);
            }
            let again = measure(64_000, |turn| {
                let id = (turn * 7_919) % total;
                apply(queue, &[change(id, EVFILT_TIMER, EV_ADD, 7_200_000 + (turn % 1_000) as i64)]);
            });
            println!("{total:>7} {fire:>9.0} {again:>7.0} {bytes:>11}");
            // SAFETY: the queue is this function's own.
            unsafe { kq_sys::close(queue) };
        }
    }

    pub fn main() {
        // `cargo test --benches` only asks whether it starts.
        if std::env::args().any(|argument| argument == "--test") {
            return;
        }
        pipes();
        timers();
    }
}
