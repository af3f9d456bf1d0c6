//! How many system calls something makes on Linux, counted by tracing a child process that does it.

use std::ffi::c_void;
use std::ptr;

/// A call that nothing else makes: what is counted lies between two of them.
fn mark() {
    // SAFETY: takes no pointer.
    unsafe { libc::syscall(libc::SYS_getpgid, 0) };
}

/// How many system calls `measured` makes after `prepare`: the least of some runs, since once a second an event has a
/// further call to see whether its descriptor still is what it was.
pub fn calls<T>(prepare: impl Fn() -> T, measured: impl Fn(&mut T)) -> u32 {
    (0..3).map(|_| calls_once(&prepare, &measured)).min().unwrap_or_default()
}

/// The same for one run, in a child that is traced.
fn calls_once<T>(prepare: &impl Fn() -> T, measured: &impl Fn(&mut T)) -> u32 {
    // SAFETY: the child runs only the code below, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut prepared = prepare();
            // SAFETY: takes no pointer that is used.
            unsafe {
                libc::ptrace(libc::PTRACE_TRACEME, 0, ptr::null_mut::<c_void>(), ptr::null_mut::<c_void>());
                libc::raise(libc::SIGSTOP);
            }
            mark();
            measured(&mut prepared);
            mark();
        }));
        // SAFETY: takes no pointer.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    assert!(child > 0);
    count(child)
}

/// Follows the child from stop to stop, each call having one at its entry and one at its exit.
fn count(child: libc::pid_t) -> u32 {
    let (mut marks, mut entries, mut status) = (0, 0, 0);
    // SAFETY: `status` is valid for writing.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFSTOPPED(status), "the child stops before it is measured");
    let tell_calls_apart = libc::PTRACE_O_TRACESYSGOOD as usize as *mut c_void;
    // SAFETY: takes no pointer that is used.
    unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, child, ptr::null_mut::<c_void>(), tell_calls_apart) };
    loop {
        // SAFETY: takes no pointer that is used.
        unsafe { libc::ptrace(libc::PTRACE_SYSCALL, child, ptr::null_mut::<c_void>(), ptr::null_mut::<c_void>()) };
        // SAFETY: `status` is valid for writing.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        if libc::WIFEXITED(status) {
            assert_eq!((libc::WEXITSTATUS(status), marks), (0, 2), "the child did what it was told");
            return entries;
        }
        match call_entered(child) {
            Some(libc::SYS_getpgid) => marks += 1,
            Some(_) if marks == 1 => entries += 1,
            _ => {}
        }
    }
}

/// The number of the call that the child is about to make, if it has stopped for that.
fn call_entered(child: libc::pid_t) -> Option<libc::c_long> {
    const PTRACE_GET_SYSCALL_INFO: libc::c_uint = 0x420e;
    const ENTRY: u8 = 1;
    // struct ptrace_syscall_info: what the stop is for and the architecture, two addresses, then the number.
    let mut info = [0u64; 11];
    // SAFETY: the kernel writes no more than the size that is given.
    let size = unsafe {
        libc::ptrace(
            PTRACE_GET_SYSCALL_INFO as _,
            child,
            std::mem::size_of_val(&info) as *mut c_void,
            info.as_mut_ptr(),
        )
    };
    assert!(size > 0);
    (info[0].to_ne_bytes()[0] == ENTRY).then_some(info[3] as libc::c_long)
}
