//~ E0505: ready
use kq_typed::Queue;

fn main() -> std::io::Result<()> {
    let queue: Queue<i32> = Queue::new()?;
    let mut ready = queue.events(8);
    let event = queue.wait(&mut ready, None)?.next();
    drop(ready);
    drop(event);
    Ok(())
}
