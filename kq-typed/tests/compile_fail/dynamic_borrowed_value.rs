//~ E0597: number
use kq_typed::{EventFilter, EventFlags, Kqueue};

fn main() -> std::io::Result<()> {
    let kq = Kqueue::new()?;
    let number = 1;
    kq.register(1, EventFilter::Signal, EventFlags::ADD, Some(&number))?;
    Ok(())
}
