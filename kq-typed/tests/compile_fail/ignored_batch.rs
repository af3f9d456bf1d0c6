//~ error: Batch
#![deny(unused_must_use)]
use kq_typed::Queue;

fn main() -> std::io::Result<()> {
    let queue: Queue<i32> = Queue::new()?;
    let mut ready = queue.events(8);
    queue.wait(&mut ready, None)?;
    Ok(())
}
