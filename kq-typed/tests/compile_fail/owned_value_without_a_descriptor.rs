//~ E0277: AsFd
use kq_typed::{kq::Change, Queue};

fn main() -> std::io::Result<()> {
    let queue = Queue::new()?;
    let _registration = queue.register_owned(1, |_| Change::signal(1))?;
    Ok(())
}
