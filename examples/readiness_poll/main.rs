//! An echo server on the poller in `poller.rs`, which is a module to take along: three clients, a timer as the time limit,
//! and a notification from another thread as the end.

mod poller;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use poller::{Event, Events, Interest, Poller};

const LISTENER: u64 = 0;
const CLIENTS: usize = 3;
/// Timers have keys of their own.
const TIME_LIMIT: u64 = 0;

/// A connection, and what it has yet to send back.
struct Connection {
    stream: TcpStream,
    pending: Vec<u8>,
}

/// Serves until it is told that the clients are done.
pub fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;

    let poller = Poller::new()?;
    poller.add(&listener, Interest::READABLE, LISTENER)?;
    poller.add_timer(TIME_LIMIT, Duration::from_secs(60))?;
    thread::scope(|scope| {
        let clients = scope.spawn(|| {
            let outcome = (1..=CLIENTS).try_for_each(|number| client(number, address));
            poller.notify().and(outcome)
        });
        serve(&poller, &listener)?;
        clients.join().expect("a client does not panic")
    })
}

fn serve(poller: &Poller, listener: &TcpListener) -> io::Result<()> {
    let mut events = Events::with_capacity(64);
    let mut connections = HashMap::new();
    let mut accepted = 0;
    let mut notified = false;
    while !notified || !connections.is_empty() {
        for event in poller.wait(&mut events, None)? {
            match *event {
                Event::Notified => notified = true,
                Event::Timer { .. } => return Err(ErrorKind::TimedOut.into()),
                Event::Ready { key: LISTENER, .. } => {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    accepted += 1;
                    poller.add(&stream, Interest::READABLE, accepted)?;
                    connections.insert(accepted, Connection { stream, pending: Vec::new() });
                    // One event for each time it is asked; if another connection waits, it comes at once.
                    poller.modify(listener, Interest::READABLE, LISTENER)?;
                }
                Event::Ready { key, ready } => {
                    let Some(connection) = connections.get_mut(&key) else { continue };
                    if connection.echo(key, ready)? {
                        let idle = connection.pending.is_empty();
                        let interest = if idle { Interest::READABLE } else { Interest::BOTH };
                        poller.modify(&connection.stream, interest, key)?;
                    } else {
                        poller.delete(&connection.stream)?;
                        connections.remove(&key);
                    }
                }
            }
        }
    }
    println!("notified: the clients are done");
    poller.delete_timer(TIME_LIMIT)
}

impl Connection {
    /// Reads and writes once, as far as that is possible without waiting; whether the other side is still there.
    fn echo(&mut self, number: u64, ready: Interest) -> io::Result<bool> {
        if ready.writable {
            let count = self.stream.write(&self.pending)?;
            println!("connection {number}: {count} bytes out");
            self.pending.drain(..count);
        }
        if ready.readable {
            let mut bytes = [0; 1024];
            let count = self.stream.read(&mut bytes)?;
            println!("connection {number}: {count} bytes in");
            self.pending.extend(&bytes[..count]);
            return Ok(count > 0);
        }
        Ok(true)
    }
}

fn client(number: usize, server: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    let sent = format!("hello from client {number}");
    stream.write_all(sent.as_bytes())?;
    let mut answer = vec![0; sent.len()];
    stream.read_exact(&mut answer)?;
    match answer == sent.as_bytes() {
        true => Ok(()),
        false => Err(ErrorKind::InvalidData.into()),
    }
}
