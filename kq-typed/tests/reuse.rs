//! Descriptors that are closed behind the queue's back, and numbers that are given out again.

mod common;

use common::*;
use kq_typed::kq::{Change, Filter, Flags, VnodeEvents};
use kq_typed::Queue;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

fn errno<T>(result: std::io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

/// The values of the events that come next.
fn next<T: Clone>(queue: &Queue<T>, timeout: Option<std::time::Duration>) -> Vec<T> {
    let mut ready = queue.events(16);
    let batch = queue.wait(&mut ready, timeout).unwrap();
    batch.map(|event| event.udata().lock().clone()).collect()
}

#[test]
fn a_number_that_is_given_out_again_can_be_registered() {
    let (a, _a2) = pair();
    let (b, mut b2) = pair();
    let queue = Queue::new().unwrap();
    let old = queue.register(Change::read(&a), "old").unwrap();
    become_file(&a, &b);
    let new = queue.register(Change::read(&a), "new").unwrap();
    b2.write_all(b"x").unwrap();
    assert_eq!(next(&queue, PATIENCE), ["new"]);
    // The old one lives on without a knote, and touches nothing of the new one.
    assert_eq!(queue.get(old.id()).map(|value| *value.lock()), Some("old"));
    assert_eq!(errno(old.enable()), Some(libc::ENOENT));
    assert_eq!(errno(old.disable()), Some(libc::ENOENT));
    assert_eq!(errno(old.modify(Change::read(&a).oneshot())), Some(libc::ENOENT));
    assert_eq!(*old.deregister().lock(), "old");
    assert_eq!(next(&queue, PATIENCE), ["new"]);
    assert_eq!(errno(queue.register(Change::read(&a), "third")), Some(libc::EEXIST));
    drop(new);
    assert!(next(&queue, NOW).is_empty());
}

#[test]
fn also_while_a_duplicate_keeps_the_old_file_open() {
    let (a, mut a2) = pair();
    let (b, mut b2) = pair();
    let duplicate = a.try_clone().unwrap();
    let queue = Queue::new().unwrap();
    let old = queue.register(Change::read(&a), "old").unwrap();
    become_file(&a, &b);
    let new = queue.register(Change::read(&a), "new").unwrap();
    // The old file has data, but its number is not its own any more.
    a2.write_all(b"x").unwrap();
    assert!(next(&queue, NOW).is_empty());
    b2.write_all(b"x").unwrap();
    for _ in 0..3 {
        assert_eq!(next(&queue, PATIENCE), ["new"]);
    }
    drop(old);
    assert_eq!(next(&queue, PATIENCE), ["new"]);
    drop((new, duplicate));
}

#[test]
fn a_reused_number_never_gets_the_old_registrations_changes() {
    let (a, _a2) = pair();
    let (b, mut b2) = pair();
    b2.write_all(b"x").unwrap();
    let queue = Queue::new().unwrap();
    let old = queue.register(Change::read(&a), "old").unwrap();
    become_file(&a, &b);
    // Nobody has registered the new file: it is not to be watched in the old one's name.
    for change in [Change::read(&a), Change::read(&a).clear(), Change::read(&a).low_water(1)] {
        assert!(matches!(errno(old.modify(change)), Some(libc::ENOENT | libc::EBADF)));
    }
    assert!(matches!(errno(old.enable()), Some(libc::ENOENT | libc::EBADF)));
    assert!(next(&queue, NOW).is_empty());
}

#[test]
fn a_detached_registration_ends_with_its_numbers_reuse() {
    let (a, _a2) = pair();
    let (b, mut b2) = pair();
    b2.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let old = queue.register(Change::read(&a), drops.value()).unwrap().detach();
    become_file(&a, &b);
    assert_eq!(drops.count(), 0);
    let new = queue.register(Change::read(&a), drops.value()).unwrap();
    assert_eq!(drops.count(), 1);
    assert!(queue.get(old).is_none());
    drop(new);
    // Detached after it lost its knote: over at once.
    let old = queue.register(Change::read(&a), drops.value()).unwrap();
    become_file(&a, &b2);
    let _new = queue.register(Change::read(&a), drops.value()).unwrap();
    assert_eq!(drops.count(), 2);
    old.detach();
    assert_eq!(drops.count(), 3);
}

#[test]
fn a_closed_number_fails_and_leaves_nothing() {
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let number = {
        let (a, _a2) = pair();
        // High enough that no other test gets it before it is used here again.
        // SAFETY: duplicates an open descriptor; the result is closed below.
        let number = unsafe { libc::fcntl(a.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 200) };
        assert!(number >= 200);
        number
    };
    // SAFETY: the number is this test's, and stays open until it is closed below.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    let change = Change::read(&borrowed);
    let old = queue.register(change, drops.value()).unwrap();
    // SAFETY: nobody else owns the number.
    assert_eq!(unsafe { libc::close(number) }, 0);
    assert_eq!(errno(queue.register(change, drops.value())), Some(libc::EBADF));
    assert_eq!(drops.count(), 1);
    assert!(errno(old.enable()).is_some());
    drop(old);
    assert_eq!(drops.count(), 2);
}

/// Linux has nothing by which to tell; other systems drop the knote with its descriptor.
#[test]
fn a_file_that_is_opened_again_under_its_number() {
    let path = std::env::temp_dir().join(format!("kq-typed-reuse-{}", std::process::id()));
    let first = File::create(&path).unwrap();
    let second = File::create(&path).unwrap();
    let queue = Queue::new().unwrap();
    let change = Change::vnode(&first, VnodeEvents::WRITE).clear();
    let old = queue.register(change, "old").unwrap();
    become_file(&first, &second);
    let new = match queue.register(change, "new") {
        Ok(new) => new,
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
            old.enable().unwrap();
            drop(old);
            queue.register(change, "new").unwrap()
        }
    };
    (&second).write_all(b"x").unwrap();
    assert_eq!(next(&queue, PATIENCE), ["new"]);
    drop(new);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_refused_registration_ended_a_detached_one_whose_descriptor_was_closed() {
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let (a, b) = pair();
    // SAFETY: duplicates an open descriptor; high enough that no other test gets the number.
    let number = unsafe { libc::fcntl(a.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 210) };
    assert!(number >= 210);
    let change = Change::new(number as usize, Filter::READ, Flags::ADD);
    let old = queue.register(change, drops.value()).unwrap().detach();
    // SAFETY: nobody else owns the number.
    assert_eq!(unsafe { libc::close(number) }, 0);
    for _ in 0..3 {
        assert_eq!(errno(queue.register(change, drops.value())), Some(libc::EBADF));
    }
    // Only those that were refused are gone.
    assert_eq!(drops.count(), 3);
    assert!(queue.get(old).is_some());
    // When the number is another file's, its registration ends the old one.
    // SAFETY: `b` is open, and nobody else owns the number.
    assert_eq!(unsafe { libc::dup2(b.as_raw_fd(), number) }, number);
    let new = queue.register(change, drops.value()).unwrap();
    assert_eq!(drops.count(), 4);
    assert!(queue.get(old).is_none());
    drop(new);
    assert_eq!(drops.count(), 5);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::close(number) }, 0);
}

#[test]
fn an_accept_loop_meets_no_ghosts() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let queue = Queue::new().unwrap();
    let rounds: usize = std::env::var("KQ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    let mut ready = queue.events(16);
    let (drops, mut made) = (Drops::default(), 0);
    let mut value = |round| {
        made += 1;
        (round, drops.value())
    };
    let mut highest = 0;
    for round in 0..rounds {
        let mut client = TcpStream::connect(address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let registration = queue.register(Change::read(&server), value(round)).unwrap();
        client.write_all(b"x").unwrap();
        let mut seen = 0;
        for event in queue.wait(&mut ready, PATIENCE).unwrap() {
            assert_eq!(event.udata().lock().0, round);
            assert_eq!(event.event().ident(), server.as_raw_fd() as usize);
            seen += 1;
        }
        assert_eq!(seen, 1);
        server.read_exact(&mut [0]).unwrap();
        highest = highest.max(server.as_raw_fd());
        match round % 4 {
            // In order.
            0 => {
                drop(registration);
                drop(server);
            }
            // The socket first.
            1 => {
                drop(server);
                drop(registration);
            }
            // The socket first, and the registration when its number is another's.
            2 => {
                drop(server);
                let (_client, next) = (TcpStream::connect(address).unwrap(), listener.accept().unwrap().0);
                let other = queue.register(Change::read(&next), value(round)).unwrap();
                drop(registration);
                other.disable().unwrap();
                other.enable().unwrap();
            }
            // The socket first, and nobody to deregister.
            _ => {
                drop(server);
                registration.detach();
            }
        }
        // Connections that wait to be forgotten take up ports.
        drop(client);
    }
    assert_eq!(queue.wait(&mut ready, NOW).unwrap().count(), 0);
    // What nobody has deregistered ended with its number's reuse: there is one left for each number at most.
    let left = made - drops.count();
    assert!(left <= highest as usize, "{left} values left of {made}");
    assert!(highest < 200 + 64, "descriptor {highest}: they are not closed");
    drop(ready);
    drop(queue);
    assert_eq!(drops.count(), made);
}
