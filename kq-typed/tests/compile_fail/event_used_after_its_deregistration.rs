//~ E0382: event
use kq_typed::Queue;

fn main() -> std::io::Result<()> {
    let queue: Queue<i32> = Queue::new()?;
    let mut ready = queue.events(8);
    for event in queue.wait(&mut ready, None)? {
        event.deregister();
        event.enable()?;
    }
    Ok(())
}
