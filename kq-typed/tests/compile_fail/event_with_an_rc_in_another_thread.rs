//~ E0277: Rc<
use kq_typed::Queue;
use std::rc::Rc;

fn main() -> std::io::Result<()> {
    let queue: Queue<Rc<i32>> = Queue::new()?;
    let mut ready = queue.events(8);
    let event = queue.wait(&mut ready, None)?.next();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(event));
    });
    Ok(())
}
