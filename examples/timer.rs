//! A timer of one second with an `i32` for its udata, and one that fires once.

use std::io;
use std::time::{Duration, Instant};

use kq_typed::{EventFilter, EventFlags, Kqueue};

fn main() -> io::Result<()> {
    let kq = Kqueue::new()?;
    let flags = EventFlags::ADD | EventFlags::ENABLE;
    let start = Instant::now();
    kq.register_timer(Duration::from_secs(1), flags, Some(99))?;
    kq.register_timer(Duration::from_millis(500), flags | EventFlags::ONESHOT, Some("half a second"))?;

    let mut seconds = 0;
    while seconds < 2 {
        for event in kq.await_events(None)? {
            if event.filter() != EventFilter::Timer {
                continue;
            }
            // The type says which timer it is: asked for another one, udata is None.
            if let Some(number) = event.udata::<i32>() {
                seconds += 1;
                println!("{:.1} s: timer {number}, fired {}x", start.elapsed().as_secs_f32(), event.data());
            } else if let Some(text) = event.udata::<&str>() {
                println!("{:.1} s: {text}, once", start.elapsed().as_secs_f32());
            }
        }
    }
    Ok(())
}
