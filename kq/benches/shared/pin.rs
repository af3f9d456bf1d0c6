//! Which processors threads run on. Two threads that wake each other are fast on one processor and slow on two, and a
//! scheduler that changes its mind between rounds would decide the comparison.

/// How the threads of a case are placed, in the order of the numbers that stand for it.
pub fn placements() -> Vec<usize> {
    match processors().len() {
        0 => vec![0],
        1 => vec![1],
        _ => vec![1, 2],
    }
}

/// Runs the calling thread on the processor that the case with threads on so many processors has for its thread
/// `index`; on any, if that number is 0.
pub fn place(number: usize, index: usize) {
    if number > 0 {
        set(&processors()[index % number..][..1]);
    }
}

/// Lets the calling thread run on all processors again.
pub fn unplace() {
    set(processors());
}

#[cfg(target_os = "linux")]
fn processors() -> &'static [usize] {
    static PROCESSORS: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    PROCESSORS.get_or_init(|| {
        // SAFETY: the set is of plain numbers, for which zeros are valid, and lives across the call.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::sched_getaffinity(0, std::mem::size_of_val(&set), &mut set);
            (0..libc::CPU_SETSIZE as usize).filter(|number| libc::CPU_ISSET(*number, &set)).collect()
        }
    })
}

#[cfg(target_os = "linux")]
fn set(processors: &[usize]) {
    // SAFETY: as above; the numbers came out of such a set.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        processors.iter().for_each(|number| libc::CPU_SET(*number, &mut set));
        assert_eq!(libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set), 0);
    }
}

#[cfg(not(target_os = "linux"))]
fn processors() -> &'static [usize] {
    &[]
}

#[cfg(not(target_os = "linux"))]
fn set(_: &[usize]) {}
