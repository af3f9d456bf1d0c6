//! An echo server under load from another process, with N connections and the same handler for all.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::Instant;

use super::super::echo::Client;
use super::super::pin::{place, placements};
use super::super::poller::{Poller, Wait};
use super::super::{Case, Family, Field, Run, LONG};
use super::ROOM;

pub fn families<F: Field>() -> Vec<Family> {
    vec![Family {
        id: "echo",
        title: "An echo server with N connections, per message",
        parameter: "connections",
        values: vec![10, 100, 1_000],
        unreached: None,
        round: LONG,
        operations: |connections| connections as u64,
        set_up: Box::new(|connections| F::pollers(&Echo(connections))),
    }]
}

struct Echo(usize);

impl Case for Echo {
    fn drains(&self) -> bool {
        true
    }

    fn set_up<P: Poller>(&self) -> Run {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback");
        let mut client = Client::start(listener.local_addr().expect("the port's number").port(), self.0);
        let connections: Vec<TcpStream> = (0..self.0).map(|_| listener.accept().expect("a connection").0).collect();
        thread::spawn(move || serve::<P>(&connections));
        Box::new(move |turns| {
            let start = Instant::now();
            client.send_and_receive(turns);
            start.elapsed()
        })
    }
}

/// Echoes on all connections until the client has closed them.
fn serve<P: Poller>(connections: &[TcpStream]) {
    place(*placements().last().expect("a placement"), 0);
    let mut poller = P::new(ROOM);
    let fds: Vec<RawFd> = connections.iter().map(AsRawFd::as_raw_fd).collect();
    for connection in connections {
        connection.set_nonblocking(true).expect("a socket that does not block");
        connection.set_nodelay(true).expect("a socket that does not wait");
    }
    poller.add(&fds);
    let mut open = connections.len();
    let mut closed = Vec::new();
    while open > 0 {
        poller.wait(Wait::Forever, |fd| {
            let mut bytes = [0u8; 4_096];
            // SAFETY: room for so many bytes.
            let read = unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()) };
            match usize::try_from(read) {
                Ok(read) if read > 0 => {
                    // SAFETY: so many bytes were just read.
                    let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), read) };
                    assert_eq!(written, read as isize, "a message fits the socket's buffer");
                }
                Ok(_) => closed.push(fd),
                Err(_) => assert_eq!(std::io::Error::last_os_error().kind(), std::io::ErrorKind::WouldBlock),
            }
        });
        open -= closed.len();
        poller.delete(&closed);
        closed.clear();
    }
}
