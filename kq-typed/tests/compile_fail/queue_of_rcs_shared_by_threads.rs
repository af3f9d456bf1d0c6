//~ E0277: Rc<
use kq_typed::Queue;
use std::rc::Rc;

fn main() -> std::io::Result<()> {
    let queue: Queue<Rc<i32>> = Queue::new()?;
    std::thread::scope(|scope| {
        scope.spawn(|| drop(queue.waker()));
    });
    Ok(())
}
