//! `delayed_requests` on kq-sys alone: the system's own struct, constants and calls, with nothing between. It is what the
//! same program would be in C, and shows what kq takes over: the lists, the types that differ by system, the errors, and
//! every `unsafe`.

use std::ffi::c_int;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::{ptr, thread};

use kq_sys::{data_t, filter_t, kevent};
use kq_sys::{EVFILT_READ, EVFILT_TIMER, EV_ADD, EV_ENABLE, EV_ONESHOT};

const REQUESTS: usize = 5;

const HELP: &str = "\
Usage: delayed_requests_raw [MILLISECONDS]

Sends five requests to a server that answers them after 4, 3, 2, 1 and 0 units
of time, and shows in which order the answers come. A unit is a second unless
MILLISECONDS says otherwise.";

/// Reads the arguments.
pub fn main() -> ExitCode {
    // An argument need not be text, and is not taken for any then.
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let unit = match arguments.iter().map(|argument| argument.to_str().unwrap_or("")).collect::<Vec<_>>()[..] {
        [] => Some(1000),
        ["--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [milliseconds] => milliseconds.parse::<u16>().ok(),
        _ => None,
    };
    let Some(unit) = unit else {
        eprintln!(
            "delayed_requests_raw: expected one number of milliseconds below 65536, got {arguments:?}; see --help"
        );
        return ExitCode::from(2);
    };
    match run(unit) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("delayed_requests_raw: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(unit: u16) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || serve(&listener, unit));
    receive(address)?;
    server.join().expect("the server does not panic")
}

/// The client: sends all requests, then takes the answers as they come.
fn receive(server: SocketAddr) -> io::Result<()> {
    let queue = Queue::new()?;
    let mut connections = Vec::new();
    for number in 1..=REQUESTS {
        let mut connection = TcpStream::connect(server)?;
        let delay = REQUESTS - number;
        writeln!(connection, "{number} after {delay}")?;
        let ident = connection.as_raw_fd() as usize;
        // The udata is how the event is known again. After it the registration is gone.
        queue.apply(&[change(ident, EVFILT_READ, 0, number)])?;
        connections.push(connection);
    }

    let mut events = [change(0, EVFILT_READ, 0, 0); REQUESTS];
    let mut received = 0;
    while received < REQUESTS {
        for event in queue.wait(&mut events)? {
            let mut answer = String::new();
            connections[event.udata as usize - 1].read_to_string(&mut answer)?;
            print!("{}{answer}", if received == 0 { "RECEIVED: " } else { ", " });
            io::stdout().flush()?;
            received += 1;
        }
    }
    println!("\nFINISHED");
    Ok(())
}

/// The server: reads a line `NUMBER after DELAY` from each connection, and sends NUMBER back DELAY units later. The units
/// are counted from the last request on, so that nothing depends on how fast the requests come.
fn serve(listener: &TcpListener, unit: u16) -> io::Result<()> {
    let mut connections = Vec::new();
    let mut changes = Vec::new();
    for index in 0..REQUESTS {
        let (connection, _) = listener.accept()?;
        let mut line = String::new();
        BufReader::new(&connection).read_line(&mut line)?;
        let (number, delay) = line.trim_end().split_once(" after ").ok_or(io::ErrorKind::InvalidData)?;
        let delay: u8 = delay.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        // Without a note a timer counts milliseconds, on every system; NetBSD refuses 0.
        let milliseconds = (u32::from(unit) * u32::from(delay)).max(1);
        changes.push(change(index, EVFILT_TIMER, milliseconds as data_t, 0));
        connections.push(Some((connection, number.to_owned())));
    }

    let queue = Queue::new()?;
    queue.apply(&changes)?;
    let mut events = [change(0, EVFILT_TIMER, 0, 0); REQUESTS];
    let mut answered = 0;
    while answered < REQUESTS {
        for event in queue.wait(&mut events)? {
            // Dropped with its answer sent, the connection is closed: that is the answer's end.
            if let Some((mut connection, number)) = connections[event.ident].take() {
                connection.write_all(number.as_bytes())?;
                answered += 1;
            }
        }
    }
    Ok(())
}

/// A registration that reports once, as C's EV_SET would fill it in.
fn change(ident: usize, filter: filter_t, data: data_t, udata: usize) -> kevent {
    kevent {
        ident,
        filter,
        flags: EV_ADD | EV_ENABLE | EV_ONESHOT,
        fflags: 0,
        data,
        udata: udata as kq_sys::udata_t,
        // FreeBSD's struct has more words than the others'; Apple's has them in kevent64_s only.
        #[cfg(all(has_ext, not(kevent64)))]
        ext: kq_sys::ext_t::default(),
    }
}

/// A queue's descriptor, closed when it is dropped.
struct Queue(c_int);

impl Queue {
    fn new() -> io::Result<Queue> {
        // SAFETY: takes nothing.
        Ok(Queue(checked(unsafe { kq_sys::kqueue() })?))
    }

    /// Hands a change list over. With an event list of no room a change that fails is the call's error.
    fn apply(&self, changes: &[kevent]) -> io::Result<()> {
        let count = changes.len() as kq_sys::count_t;
        // SAFETY: the list is valid for `count` reads, and there is no event list.
        checked(unsafe { kq_sys::kevent(self.0, changes.as_ptr(), count, ptr::null_mut(), 0, ptr::null()) })?;
        Ok(())
    }

    /// Waits without end; returns the part of the event list that was filled.
    fn wait<'e>(&self, events: &'e mut [kevent]) -> io::Result<&'e [kevent]> {
        let room = events.len() as kq_sys::count_t;
        // SAFETY: there is no change list, and the event list is valid for `room` writes.
        let filled = unsafe { kq_sys::kevent(self.0, ptr::null(), 0, events.as_mut_ptr(), room, ptr::null()) };
        Ok(&events[..checked(filled)? as usize])
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this queue's own, and is not used again.
        unsafe { kq_sys::close(self.0) };
    }
}

/// The result of a call that returns -1 when it fails, and leaves the reason in errno.
fn checked(result: c_int) -> io::Result<c_int> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}
