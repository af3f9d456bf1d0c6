//! The classic first program: five requests at once, to a server that answers the first one last. One queue tells which
//! answer has come, and each connection is registered for one event.
//!
//! The server is in the program, on a thread and a queue of its own.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use kq::{Change, EventBuffer, Kqueue};

const REQUESTS: usize = 5;

const HELP: &str = "\
Usage: delayed_requests [MILLISECONDS]

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
        [milliseconds] => milliseconds.parse::<u32>().ok(),
        _ => None,
    };
    let Some(unit) = unit else {
        eprintln!("delayed_requests: expected one number of milliseconds, got {arguments:?}; see --help");
        return ExitCode::from(2);
    };
    match run(Duration::from_millis(unit.into())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("delayed_requests: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(unit: Duration) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || serve(&listener, unit));
    receive(address)?;
    server.join().expect("the server does not panic")
}

/// The client: sends all requests, then takes the answers as they come.
fn receive(server: SocketAddr) -> io::Result<()> {
    let queue = Kqueue::new()?;
    let mut connections = Vec::new();
    for number in 1..=REQUESTS {
        let mut connection = TcpStream::connect(server)?;
        let delay = REQUESTS - number;
        writeln!(connection, "{number} after {delay}")?;
        // The udata is how the event is known again. After it the registration is gone.
        queue.apply(&[Change::read(&connection).oneshot().udata(number)])?;
        connections.push(connection);
    }

    let mut events = EventBuffer::with_capacity(REQUESTS);
    let mut received = 0;
    while received < REQUESTS {
        for event in queue.wait(&mut events, None)? {
            let mut answer = String::new();
            connections[event.udata() - 1].read_to_string(&mut answer)?;
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
fn serve(listener: &TcpListener, unit: Duration) -> io::Result<()> {
    let mut connections = Vec::new();
    let mut changes = Vec::new();
    for index in 0..REQUESTS {
        let (connection, _) = listener.accept()?;
        let mut line = String::new();
        BufReader::new(&connection).read_line(&mut line)?;
        let (number, delay) = line.trim_end().split_once(" after ").ok_or(io::ErrorKind::InvalidData)?;
        let delay: u32 = delay.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        changes.push(Change::timer(index, unit * delay).oneshot());
        connections.push(Some((connection, number.to_owned())));
    }

    let queue = Kqueue::new()?;
    queue.apply(&changes)?;
    let mut events = EventBuffer::with_capacity(REQUESTS);
    let mut answered = 0;
    while answered < REQUESTS {
        for event in queue.wait(&mut events, None)? {
            // Dropped with its answer sent, the connection is closed: that is the answer's end.
            if let Some((mut connection, number)) = connections[event.ident()].take() {
                connection.write_all(number.as_bytes())?;
                answered += 1;
            }
        }
    }
    Ok(())
}
