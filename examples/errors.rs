//! What goes wrong, and how it is told: an invalid descriptor, a time-out, a type that was not given, a list of changes
//! of which some fail.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use kq_typed::kq::{Change, EventBuffer};
use kq_typed::{kq, EventFilter, EventFlags, Kqueue, Watcher};

fn main() -> io::Result<()> {
    let queue = Kqueue::new()?;
    let flags = EventFlags::ADD | EventFlags::ENABLE;

    // A wrong descriptor is an error at once, with the system's number.
    match queue.register(-1, EventFilter::Read, flags, Some(Watcher::new(1))) {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => println!("invalid descriptor: {error}"),
        other => println!("unexpected: {other:?}"),
    }

    // A time-out is no error: there are no events.
    let events = queue.await_events(Some(Duration::from_millis(100)))?;
    println!("time-out: {} events", events.len());
    drop(events);

    // A type that was not given is None.
    let (receiver, mut sender) = UnixStream::pair()?;
    queue.register(&receiver, EventFilter::Read, flags, Some(Watcher::new(123)))?;
    sender.write_all(b"x")?;
    for event in queue.await_events(Some(Duration::from_secs(10)))? {
        println!("asked for an i32: {:?}", event.udata::<i32>());
        println!("asked for a Watcher: {:?}", event.udata::<Watcher>());
    }

    // A layer below: every change of a list has its own outcome.
    let queue = kq::Kqueue::new()?;
    let mut buffer = EventBuffer::with_capacity(16);
    let changes = [Change::read(&receiver), Change::timer(1, Duration::ZERO).delete(), Change::write(&sender)];
    for receipt in queue.apply_each(&changes, &mut buffer)? {
        match receipt.error() {
            None => println!("change {}: applied", receipt.index()),
            Some(error) => println!("change {}: {error}", receipt.index()),
        }
    }
    Ok(())
}
