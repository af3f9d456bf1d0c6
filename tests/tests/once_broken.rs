//! What went wrong once, each named after that; one at a time, since some rely on a number that they closed.

use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kq::{Change, EventBuffer, EventKind, Flags, Kqueue};
use kq_tests::descriptor::{checked, far_dup, many_pipes};
use kq_tests::queue::{want_read, want_write};
use kq_tests::{get, pair, pipe, put, serial, wait_for, TestQueue, LIMIT};

/// A socket under a number that was just closed, and its other end.
fn pair_at(number: i32) -> (UnixStream, UnixStream) {
    let (a, b) = pair();
    if a.as_raw_fd() == number {
        return (a, b);
    }
    if b.as_raw_fd() == number {
        return (b, a);
    }
    // SAFETY: takes numbers only; the number is free, and the descriptor made is nobody else's.
    let a = unsafe {
        checked(libc::dup2(a.as_raw_fd(), number));
        UnixStream::from_raw_fd(number)
    };
    (a, b)
}

#[test]
fn edges_were_lost_between_two_fetches_of_one_wait() {
    let _serial = serial();
    let pipes = many_pipes(300);
    let queue = Kqueue::new().unwrap();
    let changes: Vec<Change> =
        pipes.iter().enumerate().map(|(index, pipe)| Change::read(&pipe.0).clear().udata(index)).collect();
    queue.apply(&changes).unwrap();
    let mut buffer = EventBuffer::with_capacity(1_000);
    let done = AtomicBool::new(false);
    let mut last = vec![0; pipes.len()];
    for round in 1..=10 {
        done.store(false, Ordering::SeqCst);
        thread::scope(|scope| {
            scope.spawn(|| {
                pipes.iter().for_each(|pipe| put(&pipe.1, 1));
                done.store(true, Ordering::SeqCst);
            });
            wait_for("every edge", || {
                let was_done = done.load(Ordering::SeqCst);
                for event in queue.wait(&mut buffer, Some(Duration::ZERO)).unwrap() {
                    let EventKind::Read { available: Some(available), .. } = event.kind() else { panic!("{event:?}") };
                    last[event.udata()] = available;
                }
                was_done && last.iter().all(|seen| *seen == round)
            });
        });
    }
}

#[test]
fn a_level_event_came_twice_in_one_wait() {
    let _serial = serial();
    let pipes = many_pipes(300);
    let queue = Kqueue::new().unwrap();
    queue.apply(&pipes.iter().map(|pipe| Change::read(&pipe.0)).collect::<Vec<_>>()).unwrap();
    queue.apply(&[Change::user(1)]).unwrap();
    queue.apply(&[Change::user(1).trigger()]).unwrap();
    pipes.iter().for_each(|pipe| put(&pipe.1, 1));
    let mut buffer = EventBuffer::with_capacity(1_000);
    for _ in 0..3 {
        assert_eq!(queue.wait(&mut buffer, Some(LIMIT)).unwrap().len(), pipes.len() + 1);
    }
}

#[test]
fn the_knote_of_a_closed_file_took_the_entry_of_the_other_filter() {
    let _serial = serial();
    let (old, peer) = pair();
    let number = old.as_raw_fd();
    let _dup = far_dup(&old);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&old).udata(1));
    drop(old);
    let (new, new_peer) = pair_at(number);
    queue.set(Change::write(&new).clear().udata(2));
    queue.set(Change::read(&new).udata(3));
    put(&peer, 1);
    put(&new_peer, 3);
    let write = want_write(&new).flags(Flags::CLEAR).udata(2);
    queue.sees(&[want_read(&new).data(3).udata(3), write]);
    get(&new, 3);
    queue.set(Change::read(&new).delete());
    queue.nothing();
}

#[test]
fn deleting_the_knote_of_a_closed_file_deleted_that_of_the_new_one() {
    let _serial = serial();
    let (old, _peer) = pair();
    let number = old.as_raw_fd();
    let _dup = far_dup(&old);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&old).udata(1));
    drop(old);
    let (new, _new_peer) = pair_at(number);
    queue.set(Change::write(&new).udata(2));
    assert_eq!(queue.apply(Change::read(&new).delete()), Err(libc::ENOENT));
    queue.sees(&[want_write(&new).udata(2)]);
}

#[test]
fn enabling_a_due_timer_made_its_next_period_early() {
    let _serial = serial();
    const PERIOD: Duration = Duration::from_millis(300);
    let mut queue = TestQueue::new();
    let start = Instant::now();
    let timer = Change::timer(1, PERIOD);
    queue.set(timer);
    wait_for("the timer to be due", || start.elapsed() > PERIOD + PERIOD / 10);
    queue.set(timer.enable());
    let mut expirations = 0;
    for _ in 0..2 {
        let events = queue.wait(LIMIT);
        let [event] = events[..] else { panic!("{events:?}") };
        let EventKind::Timer { expirations: more, .. } = event.kind() else { panic!("{event:?}") };
        expirations += more;
        assert!(start.elapsed() >= PERIOD * u32::try_from(expirations).unwrap(), "{expirations} expirations");
    }
}

// What a kernel does with a time that makes no sense, when the timer is there, differs.
#[cfg(freebsd_abi)]
#[test]
fn a_timer_that_once_got_a_bad_time_did_not_rest() {
    let _serial = serial();
    let mut queue = TestQueue::new();
    let timer = Change::timer(1, Duration::from_millis(20));
    queue.set(timer);
    queue.set(timer.data(-1));
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    assert!(event.flags().contains(Flags::ERROR) && event.data() == i64::from(libc::EINVAL), "{event:?}");
    let start = Instant::now();
    queue.set(timer);
    let mut waits: u128 = 0;
    while waits < 5 {
        assert_eq!(queue.wait(LIMIT).len(), 1);
        waits += 1;
    }
    assert!(start.elapsed().as_millis() >= 20 * waits, "{waits} events in {:?}", start.elapsed());
}

#[cfg(has_empty)]
#[test]
fn a_disabled_knote_of_a_send_buffer_was_reported() {
    let _serial = serial();
    use std::io::Read;
    let (client, mut server) = kq_tests::tcp_pair();
    server.set_nonblocking(true).unwrap();
    kq_tests::descriptor::fill(&client);
    let mut queue = TestQueue::new();
    queue.set(Change::empty(&client).dispatch());
    queue.nothing();
    let mut block = [0; 4096];
    wait_for("the buffer to drain", || {
        while matches!(server.read(&mut block), Ok(1..)) {}
        !queue.wait(kq_tests::QUIET).is_empty()
    });
    queue.nothing();
    queue.set(Change::empty(&client).enable());
    assert_eq!(queue.wait(LIMIT).len(), 1);
    queue.nothing();
}

#[test]
fn level_events_did_not_take_turns() {
    const MANY: usize = 60;
    let _serial = serial();
    let pipes: Vec<_> = (0..MANY).map(|_| pipe()).collect();
    let mut queue = TestQueue::with_room_for(1);
    for (index, pipe) in pipes.iter().enumerate() {
        put(&pipe.1, 1);
        queue.set(Change::read(&pipe.0).udata(index));
    }
    queue.set(Change::user(1).udata(MANY));
    queue.set(Change::user(1).udata(MANY).trigger());
    // Level events take turns: each has one before the first has two.
    let mut seen = vec![0; MANY + 1];
    for _ in 0..2 * (MANY + 1) {
        let events = queue.wait(LIMIT);
        seen[events[0].udata()] += 1;
    }
    assert!(seen.iter().all(|times| *times >= 1), "{seen:?}");
}

#[cfg(has_empty)]
#[test]
fn a_buffer_that_drained_during_a_wait_was_never_reported() {
    let _serial = serial();
    use std::io::Read;
    let (client, mut server) = kq_tests::tcp_pair();
    kq_tests::descriptor::fill(&client);
    let mut queue = TestQueue::new();
    queue.set(Change::empty(&client));
    let reader = thread::spawn(move || {
        thread::sleep(kq_tests::QUIET);
        let mut block = [0; 4096];
        while matches!(server.read(&mut block), Ok(1..)) {}
    });
    assert_eq!(queue.wait(LIMIT).len(), 1);
    drop(client);
    reader.join().unwrap();
}

#[test]
fn ending_the_knote_of_a_directory_took_the_events_of_another() {
    let _serial = serial();
    use kq::VnodeEvents;
    let dir = kq_tests::TempDir::new();
    for name in ["from", "to", "from/moved"] {
        std::fs::create_dir(dir.join(name)).unwrap();
    }
    let open = |name: &str| std::fs::File::open(dir.join(name)).unwrap();
    let (from, to, moved) = (open("from"), open("to"), open("from/moved"));
    let mut queue = TestQueue::new();
    queue.set(Change::vnode(&from, VnodeEvents::WRITE).clear());
    queue.set(Change::vnode(&to, VnodeEvents::WRITE).clear());
    queue.set(Change::vnode(&moved, VnodeEvents::DELETE).clear());
    std::fs::rename(dir.join("from/moved"), dir.join("to/moved")).unwrap();
    queue.set(Change::vnode(&from, VnodeEvents::WRITE).delete());
    let want = |file: &std::fs::File, event: VnodeEvents| {
        kq_tests::want(kq::Filter::VNODE, file.as_raw_fd() as usize).flags(Flags::CLEAR).fflags(event.bits())
    };
    queue.sees(&[want(&to, VnodeEvents::WRITE)]);
    std::fs::write(dir.join("to/new"), "").unwrap();
    queue.sees(&[want(&to, VnodeEvents::WRITE)]);
    std::fs::remove_dir(dir.join("to/moved")).unwrap();
    queue.sees(&[want(&to, VnodeEvents::WRITE), want(&moved, VnodeEvents::DELETE)]);
}

#[test]
fn a_directory_that_moved_often_between_two_looks_hung_the_queue() {
    use kq::VnodeEvents;
    let _serial = serial();
    let dir = kq_tests::TempDir::new();
    for name in ["here", "there", "here/moved"] {
        std::fs::create_dir(dir.join(name)).unwrap();
    }
    let open = |name: &str| std::fs::File::open(dir.join(name)).unwrap();
    let (here, there, moved) = (open("here"), open("there"), open("here/moved"));
    let mut queue = TestQueue::new();
    for file in [&here, &there] {
        queue.set(Change::vnode(file, VnodeEvents::DELETE | VnodeEvents::WRITE).clear());
    }
    queue.set(Change::vnode(&moved, VnodeEvents::DELETE).clear());
    // More than is read at once where the kernel tells of each.
    for _ in 0..200 {
        std::fs::rename(dir.join("here/moved"), dir.join("there/moved")).unwrap();
        std::fs::rename(dir.join("there/moved"), dir.join("here/moved")).unwrap();
    }
    let want = |file: &std::fs::File, event: VnodeEvents| {
        kq_tests::want(kq::Filter::VNODE, file.as_raw_fd() as usize).flags(Flags::CLEAR).fflags(event.bits())
    };
    queue.sees(&[want(&here, VnodeEvents::WRITE), want(&there, VnodeEvents::WRITE)]);
    std::fs::remove_dir(dir.join("here/moved")).unwrap();
    queue.sees(&[want(&here, VnodeEvents::WRITE), want(&moved, VnodeEvents::DELETE)]);
}

#[test]
fn a_directory_in_which_something_always_happened_kept_a_change_from_ending() {
    use kq::VnodeEvents;
    let _serial = serial();
    let dir = kq_tests::TempDir::new();
    let names: Vec<String> = (0..40).map(|number| format!("d{number}")).collect();
    let make = |name: &String| {
        std::fs::create_dir(dir.join(name)).unwrap();
        std::fs::File::open(dir.join(name)).unwrap()
    };
    let directories: Vec<std::fs::File> = names.iter().map(make).collect();
    let queue = Kqueue::new().unwrap();
    let watched: Vec<Change> =
        directories.iter().map(|file| Change::vnode(file, VnodeEvents::DELETE).clear()).collect();
    queue.apply(&watched).unwrap();
    let (done, renames) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (a, b) = (dir.join("a"), dir.join("b"));
            std::fs::write(&a, "").unwrap();
            while !done.load(Ordering::SeqCst) {
                std::fs::rename(&a, &b).unwrap();
                std::fs::rename(&b, &a).unwrap();
                renames.fetch_add(1, Ordering::SeqCst);
            }
        });
        while renames.load(Ordering::SeqCst) < 2_000 {
            for events in [VnodeEvents::DELETE | VnodeEvents::ATTRIB, VnodeEvents::DELETE] {
                queue.apply(&[Change::vnode(&directories[0], events).clear()]).unwrap();
            }
        }
        done.store(true, Ordering::SeqCst);
    });
}

// The BSDs' queues have no descriptors beside their own.
#[cfg(linux)]
#[test]
fn the_queues_own_descriptors_could_be_watched_and_lost() {
    let _serial = serial();
    let mut queue = TestQueue::new();
    let free = pipe().0.as_raw_fd();
    queue.set(Change::user(1).clear());
    for own in free..free + 10 {
        let change = Change::new(own as usize, kq::Filter::READ, Flags::ADD);
        // A number that another test has taken by now may be watched.
        if queue.apply(change).is_ok() {
            queue.set(change.delete());
        }
        let _ = queue.apply(change.delete());
    }
    queue.set(Change::user(1).trigger());
    queue.sees(&[kq_tests::want(kq::Filter::USER, 1).flags(Flags::CLEAR)]);
}
