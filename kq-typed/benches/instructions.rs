//! The hot calls of all layers, one after another, for callgrind to count their instructions: `.ci/instructions`.
//!
//! Each call is made inside `counted`, which is all that callgrind looks at, and is announced by a line on the standard
//! output (call, size and layer): the nth line names the nth count. Every call is made [`REPEATS`] times, after one that is not counted.
//! kq-sys ("raw") and kq do the same in the same binary, so that their difference is the wrapper.

#[cfg(has_user)]
#[path = "../../kq/benches/shared/raw_queue.rs"]
#[allow(dead_code)] // a part of it
mod raw_queue;

#[cfg(has_user)]
fn main() {
    calls::main();
}

#[cfg(not(has_user))]
fn main() {}

#[cfg(has_user)]
mod calls {
    use std::cell::{Cell, RefCell};
    use std::hint::black_box;
    use std::io::Write;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::time::Duration;

    use kq_sys::{kevent, EVFILT_READ, EVFILT_TIMER, EVFILT_USER, EV_ADD, EV_DELETE};
    use kq_typed::kq::{self, Change, EventBuffer, Waker};
    use kq_typed::{EventFilter, EventFlags, Events, Kqueue, Queue};

    use super::raw_queue::{entry, RawQueue};

    const REPEATS: usize = 11;
    const SIZES: [usize; 3] = [1, 64, 1_024];
    const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
    const HOUR: Duration = Duration::from_secs(3_600);

    /// What callgrind's counting begins and ends with.
    #[no_mangle]
    #[inline(never)]
    extern "C" fn counted(call: &mut &mut dyn FnMut()) {
        black_box(call)();
    }

    /// Makes calls in turns, each of which may undo the one before.
    fn count(calls: &mut [(&str, &mut dyn FnMut())]) {
        for (_, call) in calls.iter_mut() {
            call();
        }
        for _ in 0..REPEATS {
            for (name, call) in calls.iter_mut() {
                println!("{name}");
                counted(call);
            }
        }
    }

    /// So many sockets that have a byte to read, and their other ends.
    fn readable(number: usize) -> Vec<(OwnedFd, UnixStream)> {
        let pair = |_| {
            let (reader, mut writer) = UnixStream::pair().expect("a pair of sockets");
            writer.write_all(&[0]).expect("a byte sent");
            (reader.into(), writer)
        };
        (0..number).map(pair).collect()
    }

    pub fn main() {
        let sockets = readable(1_024);
        count(&mut [("nothing 0 -", &mut || ())]);
        empty_wait();
        for size in SIZES {
            descriptors(&sockets[..size]);
            #[cfg(has_nodata)]
            without_data(&sockets[..size]);
        }
        user_events();
        timers();
        registrations(&sockets[0].0);
        dispatch(&sockets[..64]);
    }

    fn empty_wait() {
        let (idle, _other) = UnixStream::pair().expect("a pair of sockets");
        let mut raw = RawQueue::new(64);
        raw.apply(&[entry(idle.as_raw_fd() as usize, EVFILT_READ, EV_ADD)]);
        count(&mut [("wait 0 raw", &mut || assert!(raw.poll() == 0))]);

        let (queue, mut buffer) = (kq::Kqueue::new().unwrap(), EventBuffer::with_capacity(64));
        queue.apply(&[Change::read(&idle)]).unwrap();
        count(&mut [("wait 0 kq", &mut || assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty()))]);
    }

    /// Descriptors with something to read: added and deleted in one list each, added anew with a wait in the same call,
    /// and waited for.
    fn descriptors(sockets: &[(OwnedFd, UnixStream)]) {
        let size = sockets.len();
        let name = |call: &str, layer: &str| format!("{call} {size} {layer}");
        let list = |flags| -> Vec<kevent> {
            sockets.iter().map(|(fd, _)| entry(fd.as_raw_fd() as usize, EVFILT_READ, flags)).collect()
        };
        let (add, delete) = (list(EV_ADD), list(EV_DELETE));
        let mut raw = RawQueue::new(size);
        count(&mut [
            (&name("add", "raw"), &mut || raw.apply(&add)),
            (&name("delete", "raw"), &mut || raw.apply(&delete)),
        ]);
        count(&mut [(&name("add-and-wait", "raw"), &mut || assert!(raw.apply_and_poll(&add) == size))]);
        count(&mut [(&name("wait", "raw"), &mut || assert!(raw.poll() == size))]);

        let add: Vec<Change> = sockets.iter().map(|(fd, _)| Change::read(fd)).collect();
        let delete: Vec<Change> = add.iter().map(|change| change.delete()).collect();
        let (queue, mut buffer) = (kq::Kqueue::new().unwrap(), EventBuffer::with_capacity(size));
        count(&mut [
            (&name("add", "kq"), &mut || queue.apply(&add).unwrap()),
            (&name("delete", "kq"), &mut || queue.apply(&delete).unwrap()),
        ]);
        let apply_and_wait = &mut || {
            assert!(queue.apply_and_wait(&add, &mut buffer, AT_ONCE).unwrap().len() == size);
        };
        count(&mut [(&name("add-and-wait", "kq"), apply_and_wait)]);
        let wait = &mut || assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().len() == size);
        count(&mut [(&name("wait", "kq"), wait)]);
    }

    /// Waiting for descriptors whose data is not asked for.
    #[cfg(has_nodata)]
    fn without_data(sockets: &[(OwnedFd, UnixStream)]) {
        let size = sockets.len();
        let name = |layer: &str| format!("wait-without-data {size} {layer}");
        let mut raw = RawQueue::new(size);
        let (queue, mut buffer) = (kq::Kqueue::new().unwrap(), EventBuffer::with_capacity(size));
        for (fd, _) in sockets {
            let mut add = entry(fd.as_raw_fd() as usize, EVFILT_READ, EV_ADD);
            add.fflags = kq_sys::NOTE_NODATA;
            raw.apply(&[add]);
            queue.apply(&[Change::read(fd).without_data()]).unwrap();
        }
        let wait = &mut || assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().len() == size);
        count(&mut [(&name("raw"), &mut || assert!(raw.poll() == size)), (&name("kq"), wait)]);
    }

    /// User events and kq's waker, which is one: the raw call beside both is the trigger.
    fn user_events() {
        let raw = RefCell::new(RawQueue::new(64));
        let mut trigger = entry(0, EVFILT_USER, EV_ADD | kq_sys::EV_CLEAR);
        raw.borrow().apply(&[trigger]);
        trigger.flags = 0;
        trigger.fflags = kq_sys::NOTE_TRIGGER;
        for call in ["trigger", "wake"] {
            count(&mut [
                (&format!("{call} 1 raw"), &mut || raw.borrow().apply(&[trigger])),
                (&format!("wait-after-{call} 1 raw"), &mut || assert!(raw.borrow_mut().poll() == 1)),
            ]);
        }

        let (queue, mut buffer) = (Arc::new(kq::Kqueue::new().unwrap()), EventBuffer::with_capacity(64));
        let user = Change::user(0).clear();
        queue.apply(&[user]).unwrap();
        let trigger = user.trigger();
        let mut wait = || assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().len() == 1);
        count(&mut [
            ("trigger 1 kq", &mut || queue.apply(&[trigger]).unwrap()),
            ("wait-after-trigger 1 kq", &mut wait),
        ]);
        let waker = Waker::new(&queue, 1, 1).unwrap();
        count(&mut [("wake 1 kq", &mut || waker.wake().unwrap()), ("wait-after-wake 1 kq", &mut wait)]);
    }

    /// A timer that is added and cancelled among a thousand.
    fn timers() {
        let raw = RawQueue::new(1);
        for id in 0..1_000 {
            raw.apply(&[timer(id, EV_ADD)]);
        }
        count(&mut [
            ("timer-add 1 raw", &mut || raw.apply(&[timer(1_000, EV_ADD)])),
            ("timer-cancel 1 raw", &mut || raw.apply(&[timer(1_000, EV_DELETE)])),
        ]);

        let queue = kq::Kqueue::new().unwrap();
        let added = Change::timer(1_000, HOUR);
        for id in 0..1_000 {
            queue.apply(&[Change::timer(id, HOUR)]).unwrap();
        }
        count(&mut [
            ("timer-add 1 kq", &mut || queue.apply(&[added]).unwrap()),
            ("timer-cancel 1 kq", &mut || queue.apply(&[added.delete()]).unwrap()),
        ]);
    }

    fn timer(id: usize, flags: kq_sys::flags_t) -> kevent {
        let mut timer = entry(id, EVFILT_TIMER, flags);
        timer.data = HOUR.as_millis() as _;
        timer
    }

    /// A registration with a value, modified and ended, at either door.
    fn registrations(fd: &OwnedFd) {
        let queue: Queue<usize> = Queue::new().unwrap();
        let kept = RefCell::new(None);
        count(&mut [
            ("register 1 Queue<T>", &mut || *kept.borrow_mut() = Some(queue.register(Change::read(fd), 1).unwrap())),
            ("modify 1 Queue<T>", &mut || kept.borrow().as_ref().unwrap().modify(Change::read(fd)).unwrap()),
            ("deregister 1 Queue<T>", &mut || drop(kept.borrow_mut().take())),
        ]);

        let queue = Kqueue::new().unwrap();
        let key = Cell::new(None);
        let register = || queue.register(fd, EventFilter::Read, EventFlags::ADD, Some(1_usize)).unwrap();
        count(&mut [
            ("register 1 Kqueue", &mut || key.set(Some(register()))),
            ("modify 1 Kqueue", &mut || queue.modify(key.get().unwrap(), EventFlags::ADD).unwrap()),
            ("deregister 1 Kqueue", &mut || queue.deregister(key.get().unwrap()).unwrap()),
        ]);
    }

    /// Events on their way to the values behind them, in each layer.
    fn dispatch(sockets: &[(OwnedFd, UnixStream)]) {
        let size = sockets.len();
        let name = |layer: &str| format!("dispatch {size} {layer}");
        let plain = kq::Kqueue::new().unwrap();
        let typed: Queue<usize> = Queue::new().unwrap();
        let dynamic = Kqueue::new().unwrap();
        let mut registrations = Vec::new();
        for (value, (fd, _)) in sockets.iter().enumerate() {
            plain.apply(&[Change::read(fd).udata(value)]).unwrap();
            registrations.push(typed.register(Change::read(fd), value).unwrap());
            dynamic.register(fd.as_raw_fd(), EventFilter::Read, EventFlags::ADD, Some(value)).unwrap();
        }

        let mut buffer = EventBuffer::with_capacity(size);
        let by_kq = &mut || {
            for event in plain.wait(&mut buffer, AT_ONCE).unwrap() {
                black_box(event.udata());
            }
        };
        let mut ready = typed.events(size);
        let by_queue = &mut || {
            for event in typed.wait(&mut ready, AT_ONCE).unwrap() {
                black_box(event.udata());
            }
        };
        let mut events = Events::with_capacity(size);
        let by_kqueue = &mut || {
            dynamic.await_events_into(&mut events, AT_ONCE).unwrap();
            for event in &events {
                black_box(event.udata::<usize>());
            }
        };
        count(&mut [(&name("kq"), by_kq), (&name("Queue<T>"), by_queue), (&name("Kqueue"), by_kqueue)]);
    }
}
