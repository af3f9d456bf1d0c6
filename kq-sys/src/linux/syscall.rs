//! System calls without the C library between: those on the way of every event and every change.
//!
//! The prediction of returns is lost in the kernel, above all where it guards against speculation: each return after a
//! system call, up to the program's own function, is then a mispredicted one. A call that is made in place has one less,
//! and everything above it that is inlined has none.

use core::ffi::{c_int, c_long};

use super::sys::Result;

/// As many as a call can have. Those that it does not have are not looked at.
const MOST_ARGUMENTS: usize = 6;

/// # Safety
/// As the call's own.
#[inline(always)]
pub(super) unsafe fn syscall<const COUNT: usize>(number: c_long, arguments: [usize; COUNT]) -> Result<usize> {
    let mut all = [0; MOST_ARGUMENTS];
    all[..COUNT].copy_from_slice(&arguments);
    // SAFETY: the caller's promise.
    unsafe { call(number, all) }
}

/// # Safety
/// As the call's own.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
#[inline(always)]
unsafe fn call(number: c_long, arguments: [usize; MOST_ARGUMENTS]) -> Result<usize> {
    /// The results that the kernel gives for an errno.
    const ERRORS: core::ops::RangeInclusive<isize> = -4095..=-1;
    let [first, second, third, fourth, fifth, sixth] = arguments;
    let result: isize;
    // SAFETY: the kernel's convention: the number and the result in rax, six arguments in these registers; it changes
    // rcx and r11, no other register and not the stack. What it reads and writes is the caller's promise.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            in("r8") fifth,
            in("r9") sixth,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    if ERRORS.contains(&result) {
        return Err(-result as c_int);
    }
    Ok(result as usize)
}

/// # Safety
/// As the call's own.
#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64")))]
#[inline]
unsafe fn call(number: c_long, arguments: [usize; MOST_ARGUMENTS]) -> Result<usize> {
    let [first, second, third, fourth, fifth, sixth] = arguments;
    // SAFETY: the caller's promise.
    let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    if result < 0 {
        return Err(super::sys::errno() as c_int);
    }
    Ok(result as usize)
}
