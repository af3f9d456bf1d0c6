//~ E0597: text
use kq_typed::{kq::Change, Queue};

fn main() -> std::io::Result<()> {
    let queue: Queue<&str> = Queue::new()?;
    let text = String::from("gone before the queue");
    queue.register(Change::signal(1), text.as_str())?.detach();
    Ok(())
}
