//! An echo server under load from another process, with N connections and the same handler for all.

use std::cell::RefCell;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Instant;

use super::super::echo::{Client, MESSAGE};
use super::super::pin::{place, placements, unplace};
use super::super::poller::{Poller, Wait};
use super::super::{Case, Family, Field, Run, LONGER};
use super::ROOM;

pub fn families<F: Field>() -> Vec<Family> {
    vec![Family {
        id: "echo",
        title: "An echo server with N connections, per message",
        parameter: "connections",
        values: vec![10, 100, 1_000],
        unreached: None,
        round: LONGER,
        operations: |connections| connections as u64,
        set_up: Box::new(|connections| F::pollers(&Echo::new(connections))),
    }]
}

/// All contenders serve the same connections, one after another: where sockets come to lie makes a difference, too.
struct Echo(Rc<RefCell<Link>>);

struct Link {
    client: Client,
    connections: Vec<TcpStream>,
}

impl Echo {
    fn new(connections: usize) -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback");
        let client = Client::start(listener.local_addr().expect("the port's number").port(), connections);
        let connections = (0..connections).map(|_| {
            let connection = listener.accept().expect("a connection").0;
            connection.set_nonblocking(true).expect("a socket that does not block");
            connection.set_nodelay(true).expect("a socket that does not wait");
            connection
        });
        Echo(Rc::new(RefCell::new(Link { connections: connections.collect(), client })))
    }
}

impl Case for Echo {
    fn drains(&self) -> bool {
        true
    }

    fn set_up<P: Poller>(&self) -> Run {
        let link = Rc::clone(&self.0);
        let mut poller = P::new(ROOM);
        Box::new(move |turns| {
            let Link { client, connections } = &mut *link.borrow_mut();
            let fds: Vec<RawFd> = connections.iter().map(AsRawFd::as_raw_fd).collect();
            poller.add(&fds);
            place(*placements().last().expect("a placement"), 0);
            let start = Instant::now();
            client.send(turns);
            serve(&mut poller, fds.len() * MESSAGE * turns as usize);
            client.await_echoes();
            let elapsed = start.elapsed();
            unplace();
            poller.delete(&fds);
            elapsed
        })
    }
}

/// Echoes what comes, until it was so many bytes.
fn serve<P: Poller>(poller: &mut P, bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        poller.wait(Wait::Forever, |fd| {
            let mut bytes = [0u8; 4_096];
            // SAFETY: room for so many bytes.
            let read = unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()) };
            match usize::try_from(read) {
                Ok(read) => {
                    // SAFETY: so many bytes were just read.
                    let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), read) };
                    assert!(written > 0 && written as usize == read, "a message fits the socket's buffer");
                    left -= read;
                }
                Err(_) => assert_eq!(std::io::Error::last_os_error().kind(), std::io::ErrorKind::WouldBlock),
            }
        });
    }
}
