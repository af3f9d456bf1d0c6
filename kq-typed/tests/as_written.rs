//! The two doors' programs as the design has them, letter for letter, with the least around them that makes them run.

mod common;

use common::{child, pair, release, spawn};
use std::io::Write;
use std::time::{Duration, Instant};

mod typed {
    use super::*;
    use kq_typed::kq::{self, Change, EventKind};
    use kq_typed::{Queue, Registration};
    use Outcome::Done;

    const IDLE: Duration = Duration::from_secs(60);

    #[derive(PartialEq)]
    enum Outcome {
        Done,
    }

    struct Conn {
        readable: i64,
    }

    impl Conn {
        fn new() -> Conn {
            Conn { readable: 0 }
        }

        fn on_readable(&mut self, event: &kq::Event) -> Outcome {
            if let EventKind::Read { available: Some(bytes), .. } = event.kind() {
                self.readable += bytes;
            }
            Done
        }
    }

    #[test]
    #[rustfmt::skip]
    fn every_registration_carries_a_conn() -> std::io::Result<()> {
        let (socket, mut peer) = pair();
        peer.write_all(b"hello")?;

        let queue: Queue<Conn> = Queue::new()?;
        let conn: Registration<Conn> = queue.register(Change::read(&socket).clear(), Conn::new())?;
        let timer = queue.register(Change::timer(1, IDLE), conn.udata().clone())?;  // the same Conn behind a second knote
        let mut ready = queue.events(1024);                        // reusable
        for event in queue.wait(&mut ready, None)? {               // by value: Ready<Conn>
            let mut conn = event.udata().lock();                   // &Arc<Mutex<Conn>>
            if conn.on_readable(event.event()) == Done { drop(conn); event.deregister(); }
        }

        assert_eq!(timer.udata().lock().readable, 5);
        // Its handler has ended it.
        assert_eq!(conn.enable().unwrap_err().raw_os_error(), Some(libc::ENOENT));
        timer.enable()
    }
}

mod dynamic {
    use super::*;
    use std::os::fd::AsRawFd;

    #[rustfmt::skip]
    use kq_typed::{Kqueue, Event, EventFilter, EventFlags, Watcher};

    #[test]
    #[rustfmt::skip]
    #[allow(unused_mut, clippy::zombie_processes)] // as it is written; only if the test fails
    fn a_different_type_for_each_registration() -> std::io::Result<()> {
        child();
        let (socket, mut peer) = pair();
        let fd = socket.as_raw_fd();
        let mut process = spawn("dynamic::a_different_type_for_each_registration", 0);
        let child_pid = process.id();
        let (mut read, mut exited, mut fired) = (0, 0, 0);

        let mut kq = Kqueue::new()?;
        kq.register(fd, EventFilter::Read, EventFlags::ADD | EventFlags::ENABLE, Some(Watcher::new(123)))?;
        kq.register(child_pid, EventFilter::Proc, EventFlags::ADD | EventFlags::ENABLE, Some("child_process_exited"))?;
        kq.register_timer(Duration::from_secs(5), EventFlags::ADD | EventFlags::ENABLE, Some(99))?;

        peer.write_all(b"x")?;
        release(&mut process);
        let start = Instant::now();
        while read == 0 || exited == 0 || fired == 0 {
            assert!(start.elapsed() < Duration::from_secs(60));
            for event in kq.await_events(Some(Duration::from_secs(1)))? {
                if event.filter() == EventFilter::Read && event.ident() == fd as u64 {
                    if let Some(watcher) = event.udata::<Watcher>() { println!("{}", watcher.id); read += 1; }
                }
                if event.filter() == EventFilter::Proc && event.flags().contains(EventFlags::PROC_EXIT) { exited += 1; }
                fired += is_the_timers(&event);
            }
            // Read at leisure: the socket stays readable.
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(exited, 1);
        assert!(process.wait()?.success());
        Ok(())
    }

    fn is_the_timers(event: &Event) -> i32 {
        if event.filter() != EventFilter::Timer {
            return 0;
        }
        assert_eq!(event.udata::<i32>(), Some(&99));
        1
    }
}
