//! Child processes that wait at a gate until the test lets them go.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

use crate::descriptor::pipe;

/// The variable that makes the tests' own program exit at once, with its value as the exit code.
pub const EXIT: &str = "KQ_TESTS_EXIT";

/// The test that [`Child::executing`] runs: exits as it was told once its standard input ends, or returns if it was
/// started by somebody else.
pub fn exit_as_told() {
    if let Ok(code) = std::env::var(EXIT) {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(code.parse().expect("a number"));
    }
}

/// A forked child of this process.
///
/// The child has a copy of every descriptor of the test's program until it ends: tests with a child run one at a time,
/// under [`serial`](crate::serial).
#[derive(Debug)]
pub struct Child {
    pid: libc::pid_t,
    /// Closing it opens the gate.
    gate: Option<OwnedFd>,
    status: Option<ExitStatus>,
}

impl Child {
    /// A child that exits with `code` once it is released.
    pub fn exiting(code: i32) -> Child {
        // SAFETY: the child calls _exit, which is async-signal-safe, and nothing else.
        unsafe { Child::forked(|| libc::_exit(code)) }
    }

    /// A child that, once it is released, forks a child of its own, waits for it, and then executes this program anew
    /// so that it exits with `code`; the program has a test of the name `test` that calls [`exit_as_told`]. It has this
    /// process's environment, which may say where its libraries are.
    pub fn executing(test: &str, code: i32) -> Child {
        let c_string = |bytes: Vec<u8>| CString::new(bytes).expect("no NUL");
        let program = std::env::current_exe().expect("the program knows its path").into_os_string();
        let program = c_string(program.into_vec());
        let arguments = [c_string(b"kq-tests".to_vec()), c_string(b"--exact".to_vec()), c_string(test.into())];
        let told = (OsString::from(EXIT), OsString::from(code.to_string()));
        let variables = std::env::vars_os().chain([told]).map(|(name, value)| {
            let (name, value) = (name.into_vec(), value.into_vec());
            c_string([name, value].join(&b'='))
        });
        let variables: Vec<CString> = variables.collect();
        let ended = |list: &[CString]| list.iter().map(|it| it.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>();
        let (argv, envp) = (ended(&arguments), ended(&variables));
        // SAFETY: fork, waitpid, execve and _exit are async-signal-safe; the lists were made before, end with null,
        // and outlive the call.
        unsafe {
            Child::forked(|| {
                let grandchild = libc::fork();
                if grandchild == 0 {
                    libc::_exit(0);
                }
                libc::waitpid(grandchild, ptr::null_mut(), 0);
                libc::close(libc::STDIN_FILENO);
                libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr());
                libc::_exit(127)
            })
        }
    }

    /// A child that runs `body` once it is released.
    ///
    /// # Safety
    /// `body` calls nothing but what is async-signal-safe: other threads may have held any lock when the child was
    /// forked.
    pub unsafe fn forked(body: impl FnOnce() -> i32) -> Child {
        let (gate, opener) = pipe();
        let (gate_number, opener_number) = (gate.as_raw_fd(), opener.as_raw_fd());
        // SAFETY: the child only calls what is async-signal-safe: close, read, _exit, and, as the caller promises, its
        // body.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let mut byte = 0_u8;
            // SAFETY: the numbers are the child's own copies, and the byte is valid for the call's write.
            unsafe {
                libc::close(opener_number);
                libc::read(gate_number, ptr::from_mut(&mut byte).cast(), 1);
            }
            let code = body();
            // SAFETY: as above.
            unsafe { libc::_exit(code) };
        }
        assert!(pid > 0, "fork: {}", io::Error::last_os_error());
        Child { pid, gate: Some(opener), status: None }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Its process id as an ident.
    pub fn ident(&self) -> usize {
        self.pid() as usize
    }

    /// Lets it go.
    pub fn release(&mut self) {
        self.gate = None;
    }

    /// Lets it go, waits for its end and takes its status from the system, after which its pid may be another's.
    pub fn reap(&mut self) -> ExitStatus {
        self.release();
        *self.status.get_or_insert_with(|| {
            let mut status = 0;
            loop {
                // SAFETY: the number is valid for the call's write.
                let reaped = unsafe { libc::waitpid(self.pid, &mut status, 0) };
                if reaped == self.pid {
                    return ExitStatus::from_raw(status);
                }
                let error = io::Error::last_os_error();
                assert_eq!(error.kind(), io::ErrorKind::Interrupted, "waitpid: {error}");
            }
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.reap();
    }
}
