//! Loops as programs write them: changes made while the events are walked, one struct for everything, changes kept.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use kq::{Change, Event, EventBuffer, EventKind, Kqueue};
use kq_tests::{listen, pipe, put, LIMIT};

/// Changes are applied, and a list of them grows, inside the loop over the events.
#[test]
fn the_list_of_changes_grows_in_the_loop() {
    let queue = Kqueue::new().unwrap();
    let mut events = EventBuffer::with_capacity(4);
    let mut changes = vec![Change::timer(1, Duration::from_millis(1)).oneshot()];
    let mut order = Vec::new();
    // A processor that stands still holds up its own timers only, and so one of the two chains.
    while order.len() < 10 || !order.contains(&6) {
        let ready = queue.apply_and_wait(&changes, &mut events, Some(LIMIT)).unwrap();
        assert!(!ready.is_empty(), "after {order:?}");
        changes.clear();
        for event in ready {
            let EventKind::Timer { id, .. } = event.kind() else { panic!("{event:?}") };
            order.push(id);
            // The next wait takes this one …
            changes.push(Change::timer(2 * id, Duration::from_millis(1)).oneshot());
            if id == 1 {
                // … and this one is applied at once, while the events are still borrowed.
                queue.apply(&[Change::timer(3, Duration::from_millis(1)).oneshot()]).unwrap();
            }
        }
    }
    assert_eq!(order[0], 1);
    assert!(order.contains(&2) && order.contains(&3), "{order:?}");
}

/// One struct owns the queue, the buffer and the handlers; a handler gets all of it.
struct Reactor {
    queue: Kqueue,
    events: EventBuffer,
    handlers: HashMap<usize, Handler>,
    next: usize,
    ticks: u64,
}

type Handler = fn(&mut Reactor, Event) -> io::Result<()>;

impl Reactor {
    fn new() -> io::Result<Reactor> {
        Ok(Reactor {
            queue: Kqueue::new()?,
            events: EventBuffer::with_capacity(16),
            handlers: HashMap::new(),
            next: 0,
            ticks: 0,
        })
    }

    fn register(&mut self, change: Change, handler: Handler) -> io::Result<usize> {
        let token = self.next;
        self.next += 1;
        self.queue.apply(&[change.udata(token)])?;
        self.handlers.insert(token, handler);
        Ok(token)
    }

    fn turn(&mut self) -> io::Result<usize> {
        let count = self.queue.wait(&mut self.events, Some(LIMIT))?.len();
        // An event is a copy, so that the handler may have the whole reactor.
        for event in (0..count).filter_map(|index| self.events.get(index)).collect::<Vec<_>>() {
            if let Some(handler) = self.handlers.get(&event.udata()).copied() {
                handler(self, event)?;
            }
        }
        Ok(count)
    }
}

#[test]
fn one_struct_owns_everything() {
    fn tick(reactor: &mut Reactor, event: Event) -> io::Result<()> {
        reactor.ticks += 1;
        if reactor.ticks == 3 {
            reactor.queue.apply(&[Change::timer(event.ident(), Duration::ZERO).delete()])?;
            reactor.register(Change::timer(100, Duration::from_millis(1)).oneshot(), last)?;
        }
        Ok(())
    }
    fn last(reactor: &mut Reactor, _event: Event) -> io::Result<()> {
        reactor.ticks += 100;
        Ok(())
    }

    let mut reactor = Reactor::new().unwrap();
    reactor.register(Change::timer(1, Duration::from_millis(5)), tick).unwrap();
    while reactor.ticks < 103 {
        assert!(reactor.turn().unwrap() > 0);
    }
    assert_eq!(reactor.ticks, 103);
}

/// Changes are made in advance, kept beside what they are for, and applied when it is time.
#[test]
fn changes_are_kept_for_later() {
    struct Connection {
        pause: Change,
        resume: Change,
        remove: Change,
    }

    let (reader, writer) = pipe();
    put(&writer, 1);
    let queue = Kqueue::new().unwrap();
    let mut events = EventBuffer::with_capacity(4);
    let watch = Change::read(&reader).udata(7);
    let connection = Connection { pause: watch.disable(), resume: watch.enable(), remove: watch.delete() };
    let mut ready = |changes: &[Change]| {
        queue.apply(changes).unwrap();
        queue.wait(&mut events, Some(Duration::ZERO)).unwrap().iter().map(Event::udata).collect::<Vec<_>>()
    };
    assert_eq!(ready(&[watch]), [7]);
    assert_eq!(ready(&[connection.pause]), []);
    assert_eq!(ready(&[connection.resume]), [7]);
    assert_eq!(ready(&[connection.remove]), []);
    // One list may do and undo, in order.
    assert_eq!(ready(&[watch, connection.pause, connection.resume]), [7]);
}

/// A server for any number of connections on one thread.
struct Echo {
    queue: Kqueue,
    events: EventBuffer,
    changes: Vec<Change>,
    listener: TcpListener,
    connections: HashMap<usize, TcpStream>,
    served: usize,
}

impl Echo {
    fn new() -> io::Result<Echo> {
        let listener = listen();
        listener.set_nonblocking(true)?;
        let changes = vec![Change::read(&listener)];
        Ok(Echo {
            queue: Kqueue::new()?,
            events: EventBuffer::with_capacity(8),
            changes,
            listener,
            connections: HashMap::new(),
            served: 0,
        })
    }

    /// Echoes until so many connections came and went.
    fn serve(&mut self, connections: usize) -> io::Result<()> {
        while self.served < connections {
            // Disjoint fields: the events borrow the buffer alone.
            let events = self.queue.apply_and_wait(&self.changes, &mut self.events, Some(LIMIT))?;
            assert!(!events.is_empty(), "served {} of {connections}", self.served);
            self.changes.clear();
            for event in events {
                match event.kind() {
                    EventKind::Read { fd, .. } if fd == self.listener.as_raw_fd() => {
                        while let Ok((stream, _)) = self.listener.accept() {
                            stream.set_nonblocking(true)?;
                            self.changes.push(Change::read(&stream).clear());
                            self.connections.insert(stream.as_raw_fd() as usize, stream);
                        }
                    }
                    EventKind::Read { .. } => {
                        let Some(stream) = self.connections.get_mut(&event.ident()) else { continue };
                        if !echo(stream)? {
                            // Its knote goes with it.
                            self.connections.remove(&event.ident());
                            self.served += 1;
                        }
                    }
                    kind => panic!("{kind:?}"),
                }
            }
        }
        Ok(())
    }
}

/// Sends back what is there; false at the end.
fn echo(stream: &mut TcpStream) -> io::Result<bool> {
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(false),
            Ok(count) => stream.write_all(&bytes[..count])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn a_server_of_connections_that_come_and_go() {
    const CONNECTIONS: usize = 60;
    let mut server = Echo::new().unwrap();
    let address = server.listener.local_addr().unwrap();
    let clients: Vec<_> = (0..3)
        .map(|client| {
            thread::spawn(move || {
                for connection in 0..CONNECTIONS / 3 {
                    let mut stream = TcpStream::connect(address).unwrap();
                    stream.set_read_timeout(Some(LIMIT)).unwrap();
                    let text = format!("connection {connection} of client {client}");
                    stream.write_all(text.as_bytes()).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                    let mut answer = String::new();
                    stream.read_to_string(&mut answer).unwrap();
                    assert_eq!(answer, text);
                }
            })
        })
        .collect();
    server.serve(CONNECTIONS).unwrap();
    for client in clients {
        client.join().unwrap();
    }
    assert!(server.connections.is_empty());
}
