//~ error: Registration
#![deny(unused_must_use)]
use kq_typed::{kq::Change, Queue};

fn main() -> std::io::Result<()> {
    let queue = Queue::new()?;
    queue.register(Change::signal(1), "ended at once")?;
    Ok(())
}
