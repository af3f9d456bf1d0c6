//! Waits for a child process to exit, with a `&str` for its udata.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use kq_typed::kq::EventKind;
use kq_typed::{EventFilter, EventFlags, Kqueue};

fn main() -> io::Result<()> {
    // The child is this program again: it reads its input to the end and exits with 7.
    if std::env::args().nth(1).as_deref() == Some("child") {
        io::copy(&mut io::stdin(), &mut io::sink())?;
        std::process::exit(7);
    }
    let mut child = Command::new(std::env::current_exe()?).arg("child").stdin(Stdio::piped()).spawn()?;

    let kq = Kqueue::new()?;
    let child_pid = child.id();
    kq.register(child_pid, EventFilter::Proc, EventFlags::ADD | EventFlags::ENABLE, Some("child_process_exited"))?;
    println!("watching process {child_pid}");

    // The end of its input lets the child go.
    drop(child.stdin.take());
    for event in kq.await_events(Some(Duration::from_secs(10)))? {
        if event.filter() == EventFilter::Proc && event.flags().contains(EventFlags::PROC_EXIT) {
            let text = event.udata::<&str>().copied().unwrap_or("no text");
            // The kernel's event has the status, too.
            if let EventKind::Process { status: Some(status), .. } = event.kind() {
                println!("process {}: {text}, {status}", event.ident());
            }
        }
    }

    // The queue tells of the exit; the process is still the parent's to wait for.
    child.wait()?;
    Ok(())
}
