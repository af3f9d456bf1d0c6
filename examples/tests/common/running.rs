//! A program that runs, whose lines a test waits for, and a directory for its files.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long what must come may take before the test fails.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A running program, which is killed if the test ends before.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    /// Starts it, without input.
    pub fn start(command: &mut Command) -> Running {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (sender, lines) = channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        Running { child, lines, seen: Vec::new() }
    }

    pub fn pid(&self) -> libc::pid_t {
        self.child.id().try_into().expect("a pid")
    }

    pub fn signal(&self, signal: libc::c_int) {
        send(self.pid(), signal);
    }

    /// Waits for a line that has `text` in it.
    #[track_caller]
    pub fn line(&mut self, text: &str) -> String {
        match self.line_within(LIMIT, text) {
            Some(line) => line,
            None => panic!("no line with {text:?} among {:#?}", self.seen),
        }
    }

    /// Waits for just this line.
    #[track_caller]
    pub fn exactly(&mut self, line: &str) {
        assert!(self.find(LIMIT, |it| it == line).is_some(), "no line {line:?} among {:#?}", self.seen);
    }

    /// Waits until just this line was written so often, from the beginning on.
    #[track_caller]
    pub fn times(&mut self, count: usize, line: &str) {
        while self.seen.iter().filter(|it| *it == line).count() < count {
            self.exactly(line);
        }
    }

    /// Waits for a line that has `text` in it, unless it was there already: what a program writes to standard error comes
    /// beside its standard output, before or after.
    #[track_caller]
    pub fn beside(&mut self, text: &str) {
        if !self.seen.iter().any(|line| line.contains(text)) {
            self.line(text);
        }
    }

    /// The next line with `text` in it, if it comes within this time.
    pub fn line_within(&mut self, limit: Duration, text: &str) -> Option<String> {
        self.find(limit, |line| line.contains(text))
    }

    fn find(&mut self, limit: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let start = Instant::now();
        loop {
            let line = self.lines.recv_timeout(limit.saturating_sub(start.elapsed())).ok()?;
            self.seen.push(line.clone());
            if wanted(&line) {
                return Some(line);
            }
        }
    }

    /// Waits for the program's end; its status, and all the lines that it and its children wrote.
    #[track_caller]
    pub fn finish(mut self) -> (ExitStatus, Vec<String>) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child to wait for") {
                break status;
            }
            assert!(start.elapsed() < LIMIT, "it goes on: {:#?}", self.seen);
            thread::sleep(Duration::from_millis(2));
        };
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            self.seen.push(line);
        }
        (status, std::mem::take(&mut self.seen))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(output: Option<impl Read + Send + 'static>, sender: Sender<String>) {
    let output = output.expect("it is piped");
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

pub fn send(pid: libc::pid_t, signal: libc::c_int) {
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "kill: {}", std::io::Error::last_os_error());
}

/// A wrong argument is one line on standard error, which says `text`, and status 2.
#[track_caller]
pub fn is_refused(command: &mut Command, text: &str) {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().expect("it starts");
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(text), "{stderr:?} has no {text:?}");
    assert!(stdout.is_empty());
}

/// `--help` says how the program is used, and is no error.
#[track_caller]
pub fn helps(command: &mut Command, text: &str) {
    let Output { status, stdout, stderr } = command.arg("--help").stdin(Stdio::null()).output().expect("it starts");
    assert!(status.success() && stderr.is_empty());
    assert!(String::from_utf8_lossy(&stdout).starts_with(&format!("usage: {text}")));
}

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "{what}: not after {LIMIT:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Limits the descriptors of a command that is to be started.
pub fn limit_descriptors(command: &mut Command, limit: libc::rlim_t) {
    use std::os::unix::process::CommandExt;

    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    let set = move || {
        // SAFETY: the struct is valid.
        match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: a system call, and nothing else, between fork and exec.
    unsafe { command.pre_exec(set) };
}

/// A new directory, removed with everything in it when it is dropped.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> TempDir {
        let path = std::env::temp_dir().join(format!("kq-examples-{}-{name}", std::process::id()));
        // What a crashed program of the same pid left behind.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a directory for temporary files");
        TempDir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
