//~ E0277: Cell<
use kq_typed::{EventFilter, EventFlags, Kqueue};
use std::cell::Cell;

fn main() -> std::io::Result<()> {
    let kq = Kqueue::new()?;
    kq.register(1, EventFilter::Signal, EventFlags::ADD, Some(Cell::new(1)))?;
    Ok(())
}
