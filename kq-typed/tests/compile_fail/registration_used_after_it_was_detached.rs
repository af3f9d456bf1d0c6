//~ E0382: registration
use kq_typed::{kq::Change, Queue};

fn main() -> std::io::Result<()> {
    let queue = Queue::new()?;
    let registration = queue.register(Change::signal(1), 1)?;
    registration.detach();
    registration.enable()
}
