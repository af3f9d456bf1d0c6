//! The client of the echo server: this program again, as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::pin::{place, placements};

/// The first argument of a program that is to be the client.
const ARGUMENT: &str = "--echo-client";
const MESSAGE: usize = 64;

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

    /// Has it send a message on each connection and wait for all echoes, so many times.
    pub fn send_and_receive(&mut self, times: u64) {
        let orders = self.orders.as_mut().expect("a client that was not ended");
        writeln!(orders, "{times}").expect("a client that listens");
        let mut report = String::new();
        self.reports.read_line(&mut report).expect("a client that answers");
        assert_eq!(report.trim(), times.to_string());
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
    let mut streams: Vec<TcpStream> = (0..connections).map(connect).collect();
    for order in std::io::stdin().lines() {
        let order = order.expect("a line");
        let times: u64 = order.parse().expect("a number");
        let mut message = [7; MESSAGE];
        for _ in 0..times {
            for stream in &mut streams {
                stream.write_all(&message).expect("a message sent");
            }
            for stream in &mut streams {
                stream.read_exact(&mut message).expect("an echo");
            }
        }
        let mut reports = std::io::stdout();
        writeln!(reports, "{times}").and_then(|()| reports.flush()).expect("a report");
    }
    true
}
