//~ E0499: ready
use kq_typed::Queue;

fn main() -> std::io::Result<()> {
    let queue: Queue<i32> = Queue::new()?;
    let mut ready = queue.events(8);
    let event = queue.wait(&mut ready, None)?.next();
    for next in queue.wait(&mut ready, None)? {
        drop(next);
    }
    drop(event);
    Ok(())
}
