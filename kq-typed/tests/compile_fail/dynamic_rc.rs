//~ E0277: Rc<
use kq_typed::{EventFilter, EventFlags, Kqueue};
use std::rc::Rc;

fn main() -> std::io::Result<()> {
    let kq = Kqueue::new()?;
    kq.register(1, EventFilter::Signal, EventFlags::ADD, Some(Rc::new(1)))?;
    Ok(())
}
