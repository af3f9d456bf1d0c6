//! Event loops as programs write them: they have to compile, read well, and work.

mod common;

use common::PATIENCE;
use kq::{Change, Event, EventBuffer, EventKind, Kqueue};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

/// An echo server: changes are collected while the events are gone through, and applied with the next wait.
#[test]
fn changes_are_collected_inside_the_loop() -> io::Result<()> {
    const LISTENER: usize = 0;
    const DEADLINE: usize = 1;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let clients: Vec<_> = (0..3).map(|number| std::thread::spawn(move || client(address, number))).collect();

    let kq = Kqueue::new()?;
    let mut events = EventBuffer::with_capacity(2); // smaller than what comes
    let mut connections: HashMap<usize, TcpStream> = HashMap::new();
    let mut changes =
        vec![Change::read(&listener).udata(LISTENER), Change::timer(1, PATIENCE.unwrap()).oneshot().udata(DEADLINE)];
    let mut served = 0;
    while served < 3 {
        let ready = kq.apply_and_wait(&changes, &mut events, None)?;
        changes.clear();
        for event in ready {
            match (event.udata(), event.kind()) {
                (_, EventKind::ChangeFailed { error, .. }) => return Err(error.into()),
                (LISTENER, _) => {
                    let (connection, _) = listener.accept()?;
                    let token = 100 + connection.as_raw_fd() as usize;
                    changes.push(Change::read(&connection).udata(token));
                    connections.insert(token, connection);
                }
                (DEADLINE, _) => panic!("only {served} clients were served"),
                (token, EventKind::Read { eof, .. }) => {
                    let connection = connections.get_mut(&token).expect("a connection for each token");
                    let mut bytes = [0; 64];
                    let read = connection.read(&mut bytes)?;
                    connection.write_all(&bytes[..read])?;
                    if eof && read == 0 {
                        // Closing it takes it out of the queue.
                        connections.remove(&token);
                        served += 1;
                    }
                }
                (_, kind) => panic!("{kind:?}"),
            }
        }
    }
    for client in clients {
        client.join().expect("a client")?;
    }
    Ok(())
}

fn client(address: std::net::SocketAddr, number: u8) -> io::Result<()> {
    let mut connection = TcpStream::connect(address)?;
    connection.write_all(&[number; 10])?;
    connection.shutdown(std::net::Shutdown::Write)?;
    let mut echo = Vec::new();
    connection.read_to_end(&mut echo)?;
    assert_eq!(echo, [number; 10]);
    Ok(())
}

/// A loop that owns its queue, its buffer and the handlers, and hands itself to them.
struct Reactor {
    queue: Kqueue,
    events: EventBuffer,
    handlers: Vec<Option<Handler>>,
    log: Vec<String>,
}

type Handler = Box<dyn FnMut(&mut Reactor, Event)>;

impl Reactor {
    fn new() -> io::Result<Reactor> {
        Ok(Reactor {
            queue: Kqueue::new()?,
            events: EventBuffer::with_capacity(16),
            handlers: Vec::new(),
            log: Vec::new(),
        })
    }

    fn on(&mut self, change: Change, handler: impl FnMut(&mut Reactor, Event) + 'static) -> io::Result<()> {
        self.queue.apply(&[change.udata(self.handlers.len())])?;
        self.handlers.push(Some(Box::new(handler)));
        Ok(())
    }

    fn turn(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let count = self.queue.wait(&mut self.events, timeout)?.len();
        for index in 0..count {
            // The handler gets the whole reactor, buffer and all; events are copied out one by one.
            let Some(event) = self.events.get(index) else { break };
            if let Some(mut handler) = self.handlers[event.udata()].take() {
                handler(self, event);
                self.handlers[event.udata()] = Some(handler);
            }
        }
        Ok(count)
    }
}

#[test]
fn a_struct_owns_queue_buffer_and_handlers() -> io::Result<()> {
    let (mut receiver, mut sender) = std::os::unix::net::UnixStream::pair()?;
    let mut reactor = Reactor::new()?;
    reactor.on(Change::timer(1, Duration::from_millis(1)).oneshot(), move |reactor, _| {
        sender.write_all(b"ping").expect("room for four bytes");
        reactor.log.push("sent".into());
    })?;
    reactor.on(Change::read(&receiver.as_fd()), move |reactor, event| {
        let mut bytes = [0; 16];
        let read = receiver.read(&mut bytes).expect("what the event told of");
        reactor.log.push(format!("read {read} of {}", event.data()));
        // A handler registers another one.
        let timer = Change::timer(2, Duration::from_millis(1)).oneshot();
        reactor.on(timer, |reactor, _| reactor.log.push("done".into())).expect("a timer");
    })?;
    while reactor.log.last().map(String::as_str) != Some("done") {
        assert_ne!(reactor.turn(PATIENCE)?, 0);
    }
    assert_eq!(reactor.log, ["sent", "read 4 of 4", "done"]);
    Ok(())
}

/// Interest as a runtime keeps it: changes made once, stored, and applied again in other forms.
struct Source {
    read: Change,
    write: Change,
}

impl Source {
    fn new(fd: &impl AsFd, token: usize) -> Source {
        Source { read: Change::read(fd).dispatch().udata(token), write: Change::write(fd).dispatch().udata(token) }
    }

    fn register(&self, queue: &Kqueue) -> io::Result<()> {
        Ok(queue.apply(&[self.read, self.write.disabled()])?)
    }

    fn rearm_reading(&self, queue: &Kqueue) -> io::Result<()> {
        Ok(queue.apply(&[self.read.enable()])?)
    }

    fn write_once(&self, queue: &Kqueue) -> io::Result<()> {
        Ok(queue.apply(&[self.write.enable()])?)
    }

    fn deregister(self, queue: &Kqueue, scratch: &mut EventBuffer) -> io::Result<()> {
        for receipt in queue.apply_each(&[self.read.delete(), self.write.delete()], scratch)? {
            match receipt.error() {
                Some(error) if !error.is_gone() => return Err(error.into()),
                _ => (),
            }
        }
        Ok(())
    }
}

#[test]
fn changes_are_stored_for_later() -> io::Result<()> {
    let (socket, mut other) = std::os::unix::net::UnixStream::pair()?;
    let fd: RawFd = socket.as_raw_fd();
    let queue = Kqueue::new()?;
    let mut events = EventBuffer::with_capacity(8);
    let source = Source::new(&socket, 42);
    source.register(&queue)?;
    other.write_all(b"x")?;
    for _ in 0..2 {
        let ready = queue.wait(&mut events, PATIENCE)?;
        assert!(matches!(ready, [event] if event.udata() == 42), "{ready:?}");
        assert!(matches!(ready[0].kind(), EventKind::Read { fd: of, .. } if of == fd));
        source.rearm_reading(&queue)?;
    }
    assert_eq!(queue.wait(&mut events, PATIENCE)?.len(), 1);
    source.write_once(&queue)?;
    let ready = queue.wait(&mut events, PATIENCE)?;
    assert!(matches!(ready, [event] if matches!(event.kind(), EventKind::Write { .. })), "{ready:?}");

    drop(socket);
    source.deregister(&queue, &mut events)?; // closed already: nothing is left, and that is no error
    assert!(queue.wait(&mut events, Some(Duration::ZERO))?.is_empty());
    Ok(())
}
