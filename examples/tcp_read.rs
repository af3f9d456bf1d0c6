//! Two TCP connections on one queue: one is registered with a `Watcher` for its udata, the other with an `i32`.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use kq_typed::{EventFilter, EventFlags, Kqueue, Watcher};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let connect = || -> io::Result<(TcpStream, TcpStream)> {
        let client = TcpStream::connect(listener.local_addr()?)?;
        Ok((client, listener.accept()?.0))
    };
    let (mut first_client, mut first) = connect()?;
    let (mut second_client, mut second) = connect()?;

    let kq = Kqueue::new()?;
    let flags = EventFlags::ADD | EventFlags::ENABLE;
    // A descriptor is named by its number, or by a reference to what owns it.
    let fd = first.as_raw_fd();
    kq.register(fd, EventFilter::Read, flags, Some(Watcher::new(123)))?;
    kq.register(&second, EventFilter::Read, flags, Some(456))?;

    first_client.write_all(b"hello")?;
    second_client.write_all(b"good evening")?;

    let mut received = 0;
    while received < 2 {
        for event in kq.await_events(Some(Duration::from_secs(10)))? {
            let mut bytes = [0; 64];
            if event.filter() == EventFilter::Read && event.ident() == fd as u64 {
                let count = first.read(&mut bytes)?;
                if let Some(watcher) = event.udata::<Watcher>() {
                    println!("watcher {}: {:?}", watcher.id, String::from_utf8_lossy(&bytes[..count]));
                }
            } else {
                let count = second.read(&mut bytes)?;
                if let Some(number) = event.udata::<i32>() {
                    println!("number {number}: {:?}", String::from_utf8_lossy(&bytes[..count]));
                }
            }
            received += 1;
        }
    }
    Ok(())
}
