//~ E0277: UnixStream
use kq_typed::{EventFilter, EventFlags, Kqueue};
use std::os::unix::net::UnixStream;

fn main() -> std::io::Result<()> {
    let (socket, _peer) = UnixStream::pair()?;
    let kq = Kqueue::new()?;
    kq.register(socket, EventFilter::Read, EventFlags::ADD, Some(1))?;
    Ok(())
}
