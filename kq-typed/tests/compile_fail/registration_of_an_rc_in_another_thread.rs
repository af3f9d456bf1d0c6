//~ E0277: Rc<
use kq_typed::{kq::Change, Queue};
use std::rc::Rc;

fn main() -> std::io::Result<()> {
    let queue = Queue::new()?;
    let registration = queue.register(Change::signal(1), Rc::new(1))?;
    std::thread::spawn(move || drop(registration));
    Ok(())
}
