//! A `Kqueue` inside tokio: what tokio cannot wait for (a process, a file, a kernel timer by its id) becomes awaitable, in
//! one task, beside all others.
//!
//! A queue is a descriptor that is readable while events are pending, so `AsyncFd` takes it, with two things to mind:
//!
//! * It is registered for reading only. `AsyncFd::register` would ask to write too, which kqueue(2) refuses for a queue
//!   with EINVAL (tokio#3072). In older releases of tokio the two are `with_interest` and `new`, without `unsafe`.
//! * tokio's driver is edge-triggered: readiness is cleared when a wait without time has found nothing, and not before.
//!   So the registrations in the queue should be one-shot, clear or dispatch: one that stays ready would be reported for
//!   as long as it does, which is a busy loop.
//!
//! It works on all systems: a kqueue takes another one for reading, and on Linux the queue is an epoll instance, which
//! epoll takes.

use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use kq::{Change, Event, EventBuffer, EventKind, Kqueue, ProcEvents, Waker};
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;

/// A queue that tokio waits for.
pub struct AsyncKqueue {
    queue: AsyncFd<Arc<Kqueue>>,
}

impl AsyncKqueue {
    /// Hands the queue to the runtime, inside of which this has to be called. Changes go to the queue as before.
    pub fn new(queue: Arc<Kqueue>) -> io::Result<AsyncKqueue> {
        // SAFETY: the `Arc` that goes in keeps the queue, which owns its descriptor and never changes it.
        let queue = unsafe { AsyncFd::register_with_interest(queue, Interest::READABLE)? };
        Ok(AsyncKqueue { queue })
    }

    /// Waits until there are events. Dropped before its end it loses none.
    pub async fn wait<'b>(&self, buffer: &'b mut EventBuffer) -> io::Result<&'b [Event]> {
        loop {
            let mut readiness = self.queue.readable().await?;
            match self.queue.get_ref().wait(buffer, Some(Duration::ZERO)) {
                Ok([]) => readiness.clear_ready(),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        Ok(buffer.events())
    }
}

const TIMER: usize = 1;
const WAKER: usize = 2;
const CHILD: usize = 3;

/// Starts tokio on this thread.
pub fn main() -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}

async fn run() -> io::Result<()> {
    let queue = Arc::new(Kqueue::new()?);
    let waker = Arc::new(Waker::new(&queue, 0, WAKER)?);
    // It ends when its input does, which is not before it is watched.
    let mut child = Command::new("sh").args(["-c", "read line; exit 3"]).stdin(Stdio::piped()).spawn()?;
    queue.apply(&[
        Change::timer(0, Duration::from_millis(20)).oneshot().udata(TIMER),
        Change::process(child.id(), ProcEvents::EXIT).udata(CHILD),
    ])?;

    let task = tokio::spawn(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        "tokio's own timer"
    });

    let queue = AsyncKqueue::new(queue)?;
    let mut events = EventBuffer::with_capacity(16);
    let mut exited = false;
    while !exited {
        for event in queue.wait(&mut events).await? {
            match (event.udata(), event.kind()) {
                (TIMER, EventKind::Timer { expirations, .. }) => {
                    println!("kernel timer: fired {expirations}x");
                    let waker = Arc::clone(&waker);
                    thread::spawn(move || waker.wake());
                }
                (WAKER, _) => {
                    println!("waker: another thread is heard");
                    drop(child.stdin.take());
                }
                (CHILD, EventKind::Process { status: Some(status), .. }) => {
                    println!("child: {status}");
                    exited = true;
                }
                (_, kind) => println!("unexpected: {kind:?}"),
            }
        }
    }
    child.wait()?;
    println!("beside it: {}", task.await?);
    Ok(())
}
