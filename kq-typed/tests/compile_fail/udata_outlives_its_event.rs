//~ E0505: event
use kq_typed::Kqueue;

fn main() -> std::io::Result<()> {
    let kq = Kqueue::new()?;
    for event in kq.await_events(None)? {
        let number = event.udata::<i32>();
        drop(event);
        println!("{number:?}");
    }
    Ok(())
}
