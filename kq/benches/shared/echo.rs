//! The client of the echo server: this program again, as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::pin::{place, placements};

/// The first argument of a program that is to be the client.
const ARGUMENT: &str = "--echo-client";
/// What it says when it is done.
const REPORT: &str = "done";
pub const MESSAGE: usize = 64;

pub struct Client {
    process: Child,
    orders: Option<ChildStdin>,
    reports: BufReader<ChildStdout>,
}

impl Client {
    /// Starts a client that connects to the port so many times.
    pub fn start(port: u16, connections: usize) -> Client {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .args([ARGUMENT.to_owned(), port.to_string(), connections.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program again");
        let orders = process.stdin.take();
        let reports = BufReader::new(process.stdout.take().expect("a pipe"));
        Client { process, orders, reports }
    }

    /// Has it send so many messages on each connection, and wait for all echoes.
    pub fn send(&mut self, times: u64) {
        let orders = self.orders.as_mut().expect("a client that was not ended");
        writeln!(orders, "{times}").expect("a client that listens");
    }

    /// Waits until it has received all echoes.
    pub fn await_echoes(&mut self) {
        let mut report = String::new();
        self.reports.read_line(&mut report).expect("a client that answers");
        assert_eq!(report.trim(), REPORT);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It ends when there are no more orders, and the server with its connections.
        self.orders = None;
        let _ = self.process.wait();
    }
}

/// Is the client, if the program's arguments say so; returns whether it was.
pub fn be_client() -> bool {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, first, port, connections] = arguments.as_slice() else {
        return false;
    };
    if first != ARGUMENT {
        return false;
    }
    // The server is on the first.
    place(*placements().last().expect("a placement"), 1);
    let (port, connections): (u16, usize) = (port.parse().expect("a port"), connections.parse().expect("a number"));
    let connect = |_| {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a server that accepts");
        stream.set_nodelay(true).expect("a socket that does not wait");
        stream
    };
    let streams: Vec<TcpStream> = (0..connections).map(connect).collect();
    for order in std::io::stdin().lines() {
        let order = order.expect("a line");
        send_and_receive(&streams, order.parse().expect("a number"));
        let mut reports = std::io::stdout();
        writeln!(reports, "{REPORT}").and_then(|()| reports.flush()).expect("a report");
    }
    true
}

/// Sends so many messages on each connection, one at a time, so that a server always has something to do: half of the
/// connections have theirs under way while the echoes of the others are read.
fn send_and_receive(streams: &[TcpStream], times: u64) {
    let (first, second) = streams.split_at(streams.len() / 2);
    send(first);
    for turn in 1..=times {
        send(second);
        receive(first);
        if turn < times {
            send(first);
        }
        receive(second);
    }
}

fn send(streams: &[TcpStream]) {
    for mut stream in streams {
        stream.write_all(&[7; MESSAGE]).expect("a message sent");
    }
}

/// Begins with the one that was sent last, to sleep once at most: with each message would be to measure how fast a
/// processor falls asleep and wakes.
fn receive(streams: &[TcpStream]) {
    for mut stream in streams.iter().rev() {
        stream.read_exact(&mut [0; MESSAGE]).expect("an echo");
    }
}
