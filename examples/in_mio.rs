//! A `Kqueue` as a mio source: what mio cannot wait for (a process, a file, timers) arrives in its poll beside the sockets.
//!
//! A queue is a descriptor that is readable while events are pending. mio is edge-triggered, so two things are to be minded:
//!
//! * It is registered for reading only: kqueue(2) refuses to watch a queue for writing with EINVAL.
//! * One event of mio's stands for all that is pending: the queue is waited on, without time, until it is empty. What is
//!   left is told with the next event only, whenever that comes. So the registrations in the queue should be one-shot,
//!   clear or dispatch: one that stays ready never lets it run empty.
//!
//! It works on all systems: a kqueue takes another one for reading, and on Linux the queue is an epoll instance, which
//! epoll takes.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use kq::{Change, Event, EventBuffer, EventKind, Kqueue, ProcEvents};
use mio::event::Source;
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Interest, Poll, Registry, Token};

/// A queue that mio waits for.
pub struct QueueSource(Kqueue);

impl Source for QueueSource {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(registry)
    }
}

impl QueueSource {
    /// Hands over everything that is pending, until the queue is empty.
    pub fn drain(&self, buffer: &mut EventBuffer, mut handle: impl FnMut(&Event) -> io::Result<()>) -> io::Result<()> {
        loop {
            match self.0.wait(buffer, Some(Duration::ZERO)) {
                Ok([]) => return Ok(()),
                Ok(events) => events.iter().try_for_each(&mut handle)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
    }
}

const QUEUE: Token = Token(0);
const LISTENER: Token = Token(1);
const TIMERS: usize = 10;

/// One loop for both.
pub fn main() -> io::Result<()> {
    // It ends when its input does, which is not before it is watched.
    let mut child = Command::new("sh").args(["-c", "read line; exit 3"]).stdin(Stdio::piped()).spawn()?;
    let mut queue = QueueSource(Kqueue::new()?);
    queue.0.apply(&[Change::process(child.id(), ProcEvents::EXIT)])?;
    for id in 0..TIMERS {
        queue.0.apply(&[Change::timer(id, Duration::from_millis(1)).oneshot()])?;
    }

    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    poll.registry().register(&mut queue, QUEUE, Interest::READABLE)?;

    let mut events = mio::Events::with_capacity(16);
    // Fewer than the timers: it takes several waits to empty the queue.
    let mut buffer = EventBuffer::with_capacity(4);
    let mut fired = 0;
    let mut client = None;
    let mut exited = false;
    while !exited {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            match event.token() {
                QUEUE => queue.drain(&mut buffer, |event| {
                    match event.kind() {
                        EventKind::Timer { .. } => fired += 1,
                        EventKind::Process { status: Some(status), .. } => {
                            println!("queue: the child ended, {status}");
                            exited = true;
                        }
                        kind => println!("queue: unexpected {kind:?}"),
                    }
                    Ok(())
                })?,
                LISTENER => {
                    while let Ok((connection, _)) = listener.accept() {
                        println!("mio: a connection, nodelay {:?}", connection.nodelay()?);
                        drop(child.stdin.take());
                    }
                }
                token => println!("unexpected {token:?}"),
            }
        }
        if fired == TIMERS && client.is_none() {
            println!("queue: {fired} timers fired");
            client = Some(TcpStream::connect(listener.local_addr()?)?);
        }
    }
    poll.registry().deregister(&mut queue)?;
    child.wait()?;
    Ok(())
}
