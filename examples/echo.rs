//! An echo server on kq, the safe layer without values: changes are collected in the loop and applied with the next
//! wait, in one system call. It serves three clients of its own and ends.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use kq::{Change, EventBuffer, EventKind, Kqueue};

const CLIENTS: usize = 3;
const LISTENER: usize = 0;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let clients: Vec<_> = (1..=CLIENTS).map(|number| thread::spawn(move || client(number, address))).collect();

    let queue = Kqueue::new()?;
    let mut events = EventBuffer::with_capacity(64);
    let mut changes = vec![Change::read(&listener).udata(LISTENER)];
    let mut connections: HashMap<usize, TcpStream> = HashMap::new();
    let (mut accepted, mut served) = (0, 0);
    while served < CLIENTS {
        let ready = queue.apply_and_wait(&changes, &mut events, Some(Duration::from_secs(10)))?;
        changes.clear();
        for event in ready {
            match (event.udata(), event.kind()) {
                (_, EventKind::ChangeFailed { error, .. }) => return Err(error.into()),
                (LISTENER, EventKind::Read { .. }) => {
                    let (stream, peer) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    accepted += 1;
                    println!("connection {accepted} from {peer}");
                    // Edge-triggered: one event for what has come, which is read until there is no more.
                    changes.push(Change::read(&stream).clear().udata(accepted));
                    connections.insert(accepted, stream);
                }
                (number, EventKind::Read { available, eof, .. }) => {
                    println!("connection {number}: {} bytes{}", available.unwrap_or(0), if eof { ", end" } else { "" });
                    let Some(stream) = connections.get_mut(&number) else { continue };
                    if echo(stream)? {
                        // Closing the descriptor takes its knote out of the queue.
                        connections.remove(&number);
                        served += 1;
                    }
                }
                _ => {}
            }
        }
    }
    for client in clients {
        println!("{}", client.join().expect("a client does not panic")?);
    }
    Ok(())
}

/// Sends back what is there; whether it was the end.
fn echo(stream: &mut TcpStream) -> io::Result<bool> {
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(true),
            Ok(count) => stream.write_all(&bytes[..count])?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

fn client(number: usize, address: std::net::SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("hello from client {number}").as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(format!("client {number} got back {answer:?}"))
}
